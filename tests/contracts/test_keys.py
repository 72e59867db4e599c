"""What every keeper of keys must do."""

import jwt
import pytest

from clarity_server.domain.errors import AccountNotFound, StoreDamaged
from clarity_server.domain.tokens import ACCESS_S, SKEW_S
from tests.contracts.recordings import ACCOUNT, STRANGER
from tests.contracts.threads import at_once
from tests.contracts.worlds import World


def test_a_derived_key_is_32_bytes_and_the_same_in_every_process(world: World) -> None:
    key = world.keys.derived("tokens")
    assert len(key) == 32
    with world.another() as other:
        assert other.keys.derived("tokens") == key


def test_every_purpose_has_a_key_of_its_own(world: World) -> None:
    purposes = ["", "tokens", "token", "emails"]
    assert len({world.keys.derived(purpose) for purpose in purposes}) == len(purposes)


def test_a_data_key_is_made_once_and_found_by_every_process(world: World) -> None:
    key = world.keys.create_data_key(ACCOUNT)
    assert len(key) == 32
    assert world.keys.create_data_key(ACCOUNT) == key == world.keys.data_key(ACCOUNT)
    with world.another() as other:
        assert other.keys.create_data_key(ACCOUNT) == key == other.keys.data_key(ACCOUNT)


def test_every_account_has_a_data_key_of_its_own(world: World) -> None:
    assert world.keys.create_data_key(ACCOUNT) != world.keys.create_data_key(STRANGER)


def test_of_many_making_a_data_key_at_once_all_get_the_same(world: World) -> None:
    with world.another() as other:
        keys = at_once(16, lambda number: (world, other)[number % 2].keys.create_data_key(ACCOUNT))
    assert set(keys) == {world.keys.data_key(ACCOUNT)}


def test_a_data_key_that_is_not_there_is_named(world: World) -> None:
    with pytest.raises(StoreDamaged) as error:
        world.keys.data_key(ACCOUNT)
    assert ACCOUNT in error.value.facts["piece"]


def test_a_destroyed_data_key_is_gone_for_every_process_and_never_made_again(world: World) -> None:
    with world.another() as other:
        for one in (world, other):
            one.keys.create_data_key(ACCOUNT)
        world.keys.destroy_data_key(ACCOUNT)
        for one in (world, other):
            with pytest.raises(StoreDamaged):
                one.keys.data_key(ACCOUNT)
            with pytest.raises(AccountNotFound):
                one.keys.create_data_key(ACCOUNT)
    assert world.keys.create_data_key(STRANGER)


def test_destroying_a_data_key_again_or_one_that_is_not_there_changes_nothing(world: World) -> None:
    for _ in range(2):
        world.keys.destroy_data_key(ACCOUNT)
    with pytest.raises(AccountNotFound):
        world.keys.create_data_key(ACCOUNT)


def test_a_data_key_made_and_destroyed_at_once_is_gone(world: World) -> None:
    with world.another() as other:

        def work(number: int) -> None:
            if number == 5:
                other.keys.destroy_data_key(ACCOUNT)
            else:
                world.keys.create_data_key(ACCOUNT)

        at_once(12, work)
        for one in (world, other):
            with pytest.raises(StoreDamaged):
                one.keys.data_key(ACCOUNT)


# ---- signing keys ---------------------------------------------------------------------------------------------------

LONG = 24 * 3600.0


def key_ids(world: World) -> list[str]:
    keys = world.keys.jwks()["keys"]
    assert isinstance(keys, list)
    return [key["kid"] for key in keys]


def test_a_new_signing_key_is_published_before_it_signs(world: World) -> None:
    first, _ = world.keys.signing_key()
    second = world.keys.rotate_signing_key()
    assert key_ids(world) == [first, second]
    assert world.keys.signing_key()[0] == first
    world.clock.wait(LONG)
    assert world.keys.signing_key()[0] == second


def test_another_process_learns_of_a_new_key_and_tells_so_once(world: World) -> None:
    with world.another() as other:
        assert not other.keys.refresh()
        second = world.keys.rotate_signing_key()
        assert other.keys.refresh()
        assert not other.keys.refresh()
        assert key_ids(other) == key_ids(world)
        world.clock.wait(LONG)
        assert other.keys.signing_key()[0] == world.keys.signing_key()[0] == second


def test_a_replaced_key_is_retired_once_no_token_of_it_is_in_force(world: World) -> None:
    first, _ = world.keys.signing_key()
    second = world.keys.rotate_signing_key()
    while world.keys.signing_key()[0] != second:
        world.clock.wait(1)
    world.clock.wait(ACCESS_S + SKEW_S)
    assert not world.keys.refresh()
    assert key_ids(world) == [first, second]
    world.clock.wait(LONG)
    assert world.keys.refresh()
    assert key_ids(world) == [second]
    with world.another() as other:
        assert key_ids(other) == [second]


def test_the_last_key_is_never_retired(world: World) -> None:
    first, _ = world.keys.signing_key()
    world.clock.wait(1000 * LONG)
    assert not world.keys.refresh()
    assert key_ids(world) == [first]


def test_keys_made_one_after_the_other_sign_and_retire_in_turn(world: World) -> None:
    made = [world.keys.signing_key()[0]]
    for _ in range(3):
        world.clock.wait(1)
        made.append(world.keys.rotate_signing_key())
    assert key_ids(world) == made
    signed = list(dict.fromkeys(_signing(world, seconds) for seconds in range(300)))
    assert signed == made
    world.clock.wait(LONG)
    world.keys.refresh()
    assert key_ids(world) == made[-1:]


def _signing(world: World, _: int) -> str:
    world.clock.wait(0.5)
    return world.keys.signing_key()[0]


def test_keys_made_at_once_are_all_published(world: World) -> None:
    with world.another() as other:
        made = at_once(6, lambda number: (world, other)[number % 2].keys.rotate_signing_key())
        for one in (world, other):
            one.keys.refresh()
        assert set(made) < set(key_ids(world)) == set(key_ids(other))


def test_every_process_signs_with_the_same_key(world: World) -> None:
    with world.another() as other:
        assert other.keys.signing_key()[0] == world.keys.signing_key()[0]
        assert other.keys.jwks() == world.keys.jwks()


def test_what_the_signing_key_signs_the_published_keys_verify(world: World) -> None:
    key_id, key = world.keys.signing_key()
    token = jwt.encode({"sub": ACCOUNT}, key, algorithm="EdDSA", headers={"kid": key_id})
    published = jwt.PyJWKSet.from_dict(dict(world.keys.jwks()))[key_id]
    assert jwt.decode(token, published.key, algorithms=["EdDSA"]) == {"sub": ACCOUNT}


def test_the_published_keys_have_no_private_part(world: World) -> None:
    keys = world.keys.jwks()["keys"]
    assert isinstance(keys, list)
    assert [set(key) for key in keys] == [{"kty", "crv", "x", "kid", "use", "alg"}]
