"""What every store of second factors must do."""

from dataclasses import replace

import pytest

from clarity_server.domain.errors import TotpEnrolled
from clarity_server.ports import Factor, Factors
from tests.contracts.recordings import ACCOUNT, STRANGER
from tests.contracts.threads import at_once
from tests.contracts.worlds import World

FACTOR = Factor(ACCOUNT, b"\0sealed", confirmed=False, last_step=56_666_666, recovery_hashes=(b"\xff one", b"", b"two"))
STEP = 56_666_700


@pytest.fixture
def factors(world: World) -> Factors:
    world.factors.change(ACCOUNT, lambda _: (FACTOR, None))
    return world.factors


def stepped(stored: Factor | None) -> tuple[Factor | None, bool]:
    """Accept a step once."""
    if stored is None or stored.last_step >= STEP:
        return stored, False
    return replace(stored, last_step=STEP), True


def test_a_factor_is_found_as_it_was_stored(factors: Factors) -> None:
    assert factors.get(ACCOUNT) == FACTOR


def test_an_account_without_one_has_none(factors: Factors) -> None:
    assert factors.get(STRANGER) is None
    assert factors.change(STRANGER, lambda stored: (None, stored)) is None


def test_a_factor_is_replaced_by_what_a_function_makes_of_it(factors: Factors) -> None:
    confirmed = replace(FACTOR, confirmed=True, last_step=-1, recovery_hashes=())
    assert factors.change(ACCOUNT, lambda stored: (confirmed, stored)) == FACTOR
    assert factors.get(ACCOUNT) == confirmed


def test_a_factor_of_which_nothing_is_made_is_gone(factors: Factors) -> None:
    factors.change(ACCOUNT, lambda _: (None, None))
    assert factors.get(ACCOUNT) is None


def test_what_a_function_raises_is_raised_and_nothing_is_changed(factors: Factors) -> None:
    def refuse(_: Factor | None) -> tuple[Factor | None, None]:
        raise TotpEnrolled

    with pytest.raises(TotpEnrolled):
        factors.change(ACCOUNT, refuse)
    assert factors.get(ACCOUNT) == FACTOR


def test_a_step_that_sixteen_show_at_once_is_accepted_once(world: World, factors: Factors) -> None:
    with world.another() as other:
        answers = at_once(16, lambda number: (world, other)[number % 2].factors.change(ACCOUNT, stepped))
    assert answers.count(True) == 1
    assert factors.get(ACCOUNT) == replace(FACTOR, last_step=STEP)


def test_another_process_finds_the_same_factor(world: World, factors: Factors) -> None:
    assert factors.get(ACCOUNT) == FACTOR
    with world.another() as other:
        assert other.factors.get(ACCOUNT) == FACTOR
