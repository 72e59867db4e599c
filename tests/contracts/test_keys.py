"""What every keeper of keys must do."""

import jwt
import pytest

from clarity_server.domain.errors import StoreDamaged
from tests.contracts.identity_world import at_once
from tests.contracts.recordings import ACCOUNT, STRANGER
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
