"""What every store of consents must do, and what the queues make of them."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from clarity_server.domain.access import Purpose
from clarity_server.domain.analysis import State
from clarity_server.domain.ids import new_id
from clarity_server.domain.series import Closing, ClosingKind
from clarity_server.domain.sharing import Consent
from clarity_server.ports import Consents, PutDay, StoredAnalysis, WindowKey
from tests.contracts.recordings import ACCOUNT, RECORDING, STRANGER, append, committed
from tests.contracts.threads import at_once
from tests.contracts.worlds import World

WHEN = datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=UTC)


@pytest.fixture
def consents(world: World) -> Consents:
    return world.consents


def consent(purpose: Purpose, *, given: bool = True, version: str = "2026-11") -> Consent:
    return Consent(purpose, given, version, WHEN)


def test_consents_are_found_as_they_were_stored_by_purpose(consents: Consents) -> None:
    stored = [consent(purpose, given=purpose is Purpose.STORAGE) for purpose in Purpose]
    consents.put(ACCOUNT, stored[::-1])
    assert consents.of_account(ACCOUNT) == sorted(stored, key=lambda one: one.purpose)


def test_nothing_was_said_at_first(consents: Consents) -> None:
    assert consents.of_account(ACCOUNT) == []


def test_a_later_word_takes_the_place_of_an_earlier_one_and_leaves_the_others(consents: Consents) -> None:
    narration = consent(Purpose.NARRATION)
    consents.put(ACCOUNT, [consent(Purpose.ANALYSIS), narration])
    withdrawn = Consent(Purpose.ANALYSIS, given=False, text_version="2027-01", effective_time=None)
    consents.put(ACCOUNT, [withdrawn])
    assert consents.of_account(ACCOUNT) == [withdrawn, narration]


def test_no_consents_change_nothing(consents: Consents) -> None:
    consents.put(ACCOUNT, [])
    assert consents.of_account(ACCOUNT) == []


def test_everybody_says_it_for_themselves(consents: Consents) -> None:
    consents.put(ACCOUNT, [consent(Purpose.ANALYSIS)])
    assert consents.of_account(STRANGER) == []


def test_of_consents_stored_at_once_all_come_from_one_caller(world: World, consents: Consents) -> None:
    with world.another() as other:
        at_once(
            16,
            lambda number: (world, other)[number % 2].consents.put(
                ACCOUNT, [consent(purpose, version=str(number)) for purpose in Purpose]
            ),
        )
        assert other.consents.of_account(ACCOUNT) == consents.of_account(ACCOUNT)
    assert len({one.text_version for one in consents.of_account(ACCOUNT)}) == 1


# ---- what is withheld is not due ------------------------------------------------------------------------------------


def say(world: World, *, given: bool, account_id: str = ACCOUNT, purpose: Purpose = Purpose.ANALYSIS) -> None:
    world.consents.put(account_id, [consent(purpose, given=given)])


def something_due(world: World, account_id: str) -> None:
    """Let a result, a week's result, a day and an analysis of an account be due."""
    closings = [Closing(1, 0, 60), Closing(2, 0, 120, ClosingKind.WINDOW)]
    upload = world.series.open(account_id, "u", RECORDING)
    committed(world.series, append(upload, 120, days=[0], closings=closings, account_id=account_id))
    key = WindowKey(account_id, RECORDING.metric, RECORDING.source, 0)
    world.windows.queue(StoredAnalysis(key, "asked", State.QUEUED, "", "m", "", b"body"), 9)


def windows_due(world: World, account_id: str) -> None:
    """Derive an account's day, so that its windows are due in its place."""
    (day,) = world.analyses.due_days(9, account_id)
    world.analyses.put_days([PutDay(day, b"day", closed=False, windows=(0, 1))])


def owners(world: World) -> dict[str, Sequence[str]]:
    """Of whom something is due, by queue."""
    return {
        "results": [one.account_id for one in world.analyses.due_results(ClosingKind.DAY, 9)],
        "weeks": [one.account_id for one in world.analyses.due_results(ClosingKind.WINDOW, 9)],
        "days": [one.key.account_id for one in world.analyses.due_days(9)],
        "windows": sorted({one.key.account_id for one in world.windows.due_windows(9)}),
        "analyses": [one.key.account_id for one in world.windows.due_analyses(9)],
    }


@pytest.mark.parametrize("derived", [False, True])
def test_nothing_is_due_while_consent_to_analysis_is_not_given_and_all_again_once_it_is(
    world: World, derived: bool
) -> None:
    for account_id in (ACCOUNT, STRANGER):
        something_due(world, account_id)
        if derived:
            windows_due(world, account_id)
    before = owners(world)
    assert all(set(owner) == {ACCOUNT, STRANGER} for name, owner in before.items() if owner)
    say(world, given=False)
    assert owners(world) == {name: [one for one in owner if one == STRANGER] for name, owner in before.items()}
    assert world.analyses.due_days(9, ACCOUNT) == []
    assert world.windows.waiting_count(ACCOUNT) == (3 if derived else 2)
    say(world, given=True)
    assert owners(world) == before


def test_of_an_account_that_never_said_anything_all_is_due(world: World) -> None:
    something_due(world, ACCOUNT)
    assert owners(world)["days"] == [ACCOUNT]


@pytest.mark.parametrize("purpose", [purpose for purpose in Purpose if purpose is not Purpose.ANALYSIS])
def test_no_other_purpose_withholds_anything(world: World, purpose: Purpose) -> None:
    something_due(world, ACCOUNT)
    say(world, given=False, purpose=purpose)
    assert owners(world)["results"] == owners(world)["days"] == owners(world)["analyses"] == [ACCOUNT]


def test_those_who_withhold_their_consent_take_no_place_of_the_others(world: World) -> None:
    for _ in range(12):
        withheld = new_id()
        something_due(world, withheld)
        say(world, given=False, account_id=withheld)
    something_due(world, ACCOUNT)
    assert [one.key.account_id for one in world.analyses.due_days(1)] == [ACCOUNT]
    assert [one.account_id for one in world.analyses.due_results(ClosingKind.DAY, 1)] == [ACCOUNT]
    assert [one.key.account_id for one in world.windows.due_analyses(1)] == [ACCOUNT]
