"""What every ledger of erasures must do."""

from dataclasses import replace

import pytest

from clarity_server.domain.erasure import BEGUN, Erasure, ErasureState
from tests.contracts.recordings import ACCOUNT, STRANGER
from tests.contracts.threads import at_once
from tests.contracts.worlds import World

ASKED = Erasure("erasure-1", ACCOUNT, b"\1" * 32, 100.5, 200.25)
RUNNING = replace(ASKED, state=ErasureState.RUNNING, stores=(("segments", 3, 3), ("days", 0, 0)))
DONE = replace(
    RUNNING,
    state=ErasureState.DONE,
    done_time=201.5,
    stores=(("segments", 3, 0), ("days", 0, 0)),
    signed_receipt="a.b.c",
)
ALL = frozenset(ErasureState)


def test_an_erasure_is_found_by_its_secret_and_by_its_account(world: World) -> None:
    world.ledger.create(ASKED)
    assert world.ledger.by_secret(ASKED.secret_hash) == ASKED
    assert world.ledger.of_account(ACCOUNT) == ASKED


def test_what_is_not_there_is_not_found(world: World) -> None:
    world.ledger.create(ASKED)
    assert world.ledger.by_secret(b"\2" * 32) is None
    assert world.ledger.of_account(STRANGER) is None
    assert world.ledger.of_account(ACCOUNT[:-1]) is None, "the beginning of an id is no id"


def test_an_erasure_goes_from_state_to_state(world: World) -> None:
    world.ledger.create(ASKED)
    assert world.ledger.advance(ASKED, RUNNING)
    assert world.ledger.of_account(ACCOUNT) == RUNNING
    assert world.ledger.advance(RUNNING, DONE)
    assert world.ledger.by_secret(ASKED.secret_hash) == DONE


def test_a_state_that_is_past_is_not_gone_on_from(world: World) -> None:
    world.ledger.create(ASKED)
    world.ledger.advance(ASKED, RUNNING)
    assert not world.ledger.advance(ASKED, replace(ASKED, state=ErasureState.CANCELLED))
    assert world.ledger.of_account(ACCOUNT) == RUNNING


@pytest.mark.parametrize("number", range(10))
def test_of_two_at_once_one_goes_on(world: World, number: int) -> None:
    """Its owner signs in at the moment when it begins."""
    erasure = replace(ASKED, account_id=f"account-{number}")
    ways = [replace(erasure, state=state) for state in (ErasureState.RUNNING, ErasureState.CANCELLED)]
    world.ledger.create(erasure)
    won = at_once(2, lambda way: world.ledger.advance(erasure, ways[way]))
    assert sorted(map(bool, won)) == [False, True]
    assert world.ledger.of_account(erasure.account_id) == ways[won.index(True)]


def test_the_newest_of_an_account_counts_and_each_secret_finds_its_own(world: World) -> None:
    cancelled = replace(ASKED, state=ErasureState.CANCELLED)
    later = replace(ASKED, erasure_id="erasure-2", secret_hash=b"\2" * 32, request_time=150.0)
    world.ledger.create(ASKED)
    world.ledger.advance(ASKED, cancelled)
    world.ledger.create(later)
    assert world.ledger.of_account(ACCOUNT) == later
    assert world.ledger.by_secret(ASKED.secret_hash) == cancelled
    assert list(world.ledger.newest(ALL)) == [later]
    assert list(world.ledger.newest({ErasureState.CANCELLED})) == [], "it is not the newest"


def test_those_that_have_begun_are_listed(world: World) -> None:
    theirs = replace(ASKED, erasure_id="erasure-2", account_id=STRANGER, secret_hash=b"\2" * 32)
    world.ledger.create(ASKED)
    world.ledger.create(theirs)
    assert list(world.ledger.newest(BEGUN)) == []
    world.ledger.advance(theirs, replace(theirs, state=ErasureState.RUNNING))
    assert [erasure.account_id for erasure in world.ledger.newest(BEGUN)] == [STRANGER]


def test_another_process_reads_the_same_ledger(world: World) -> None:
    world.ledger.create(ASKED)
    with world.another() as other:
        assert other.ledger.advance(ASKED, RUNNING)
    assert world.ledger.of_account(ACCOUNT) == RUNNING
