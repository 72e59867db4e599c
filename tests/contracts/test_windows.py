"""What every store of analyses must do."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from clarity_server.domain.analysis import State
from clarity_server.domain.errors import Busy
from clarity_server.domain.series import Source
from clarity_server.ports import DayKey, DueDay, DueWindow, Look, PutDay, StoredAnalysis, WindowKey
from tests.contracts.recordings import ACCOUNT, RECORDING, STRANGER, append, committed
from tests.contracts.threads import at_once
from tests.contracts.worlds import World

METRIC, SOURCE = RECORDING.metric, RECORDING.source
THIRD = "c" * 26
METHOD = "pat=s nights=1"
WEEK = WindowKey(ACCOUNT, METRIC, SOURCE, 100)
MANY = 100


def settle(world: World, due: DueWindow, current: StoredAnalysis | None, digest: str = "no minutes") -> None:
    """Settle a window as whoever has just looked at it does."""
    world.windows.settle([Look(due, current, digest if current is None else current.input_digest)])


def analysis(
    analysis_id: str,
    key: WindowKey = WEEK,
    state: State = State.SUCCEEDED,
    *,
    digest: str = "minutes",
    method: str = METHOD,
    model: str = "weights",
) -> StoredAnalysis:
    return StoredAnalysis(key, analysis_id, state, digest, method, model, f"of {analysis_id}".encode())


def touch(world: World, *civil_days: int, at: int = 1, account_id: str = ACCOUNT) -> Sequence[DueWindow]:
    """Store a Day that touches windows; return them as they are due then."""
    due = DueDay(DayKey(account_id, METRIC, SOURCE, 0), at)
    world.analyses.put_days([PutDay(due, b"day", closed=False, windows=civil_days)])
    return [DueWindow(replace(WEEK, account_id=account_id, civil_day=day), at) for day in civil_days]


def touch_days(world: World, *civil_days: int, account_id: str = ACCOUNT) -> None:
    """Commit a sample that touches days."""
    stored = world.series.open(account_id, "u", RECORDING)
    committed(world.series, append(stored, 1, days=civil_days, account_id=account_id))


def queue(world: World, one: StoredAnalysis) -> StoredAnalysis:
    return world.windows.queue(one, waiting_max=MANY)


def due_windows(world: World, limit: int = MANY) -> Sequence[DueWindow]:
    return list(world.windows.due_windows(limit))


def queued(world: World, limit: int = MANY) -> list[str]:
    return [one.analysis_id for one in world.windows.due_analyses(limit)]


def story(world: World, account_id: str = ACCOUNT) -> list[tuple[int, str, State]]:
    """All of an account as a watcher sees it from the beginning."""
    return [(one.number, one.analysis_id, one.state) for one in world.windows.since(account_id, 0, MANY)]


# ---- windows that are due -------------------------------------------------------------------------------------------


def test_a_touched_window_is_due_until_it_is_settled(world: World) -> None:
    first, second = touch(world, 7, 5)
    assert due_windows(world) == [first, second]
    settle(world, first, None)
    assert due_windows(world) == [second]
    settle(world, second, None)
    assert due_windows(world) == []


def test_the_oldest_touch_is_due_first_and_touching_again_does_not_move_it_back(world: World) -> None:
    seven, _ = touch(world, 7, 5)
    (six,) = touch(world, 6, at=2)
    (five,) = touch(world, 5, at=3)
    assert due_windows(world) == [seven, five, six]
    assert due_windows(world, limit=2) == [seven, five]


def test_a_backlog_makes_no_other_account_wait_but_its_turn(world: World) -> None:
    many = touch(world, *range(2000))
    some = touch(world, 3, 1, 2, account_id=STRANGER)
    few = touch(world, 9, account_id=THIRD)
    assert due_windows(world, 8) == [many[0], some[0], few[0], many[1], some[1], many[2], some[2], many[3]]
    assert due_windows(world, 3) == [many[0], some[0], few[0]]
    assert due_windows(world, 2) == [many[0], some[0]]


def test_windows_wait_until_their_accounts_days_are_derived(world: World) -> None:
    mine, theirs = touch(world, 1), touch(world, 2, account_id=STRANGER)
    touch_days(world, 50)
    assert due_windows(world) == theirs
    assert due_windows(world, 1) == theirs
    (day,) = world.analyses.due_days(1, ACCOUNT)
    world.analyses.put_days([PutDay(day, b"fifty", closed=False)])
    assert due_windows(world) == [*mine, *theirs]


def test_a_day_that_failed_holds_no_windows_back(world: World) -> None:
    mine = touch(world, 1)
    touch_days(world, 50)
    world.analyses.put_days([PutDay(world.analyses.due_days(1)[0], b"", closed=False, failed=True)])
    assert due_windows(world) == mine
    touch_days(world, 50)
    assert due_windows(world) == []


# ---- queued analyses ------------------------------------------------------------------------------------------------


def test_a_queued_analysis_is_due_until_it_is_stored(world: World) -> None:
    stored = queue(world, analysis("b"))
    queue(world, analysis("a"))
    assert world.windows.due_analyses(1) == [stored]
    assert queued(world) == ["b", "a"]
    world.windows.put([analysis("b")])
    assert queued(world) == ["a"]
    world.windows.put([analysis("a", state=State.FAILED)])
    assert queued(world) == []


def test_queued_analyses_are_fair_between_accounts(world: World) -> None:
    for owner, names in ((ACCOUNT, "abcde"), (STRANGER, "xy"), (THIRD, "z")):
        for name in names:
            queue(world, analysis(name, replace(WEEK, account_id=owner)))
    assert queued(world, 7) == ["a", "x", "z", "b", "y", "c", "d"]
    assert queued(world, 2) == ["a", "x"]


def test_a_queued_analysis_is_kept_as_it_is_under_the_next_number(world: World) -> None:
    stored = queue(world, analysis("a"))
    assert stored == replace(analysis("a"), state=State.QUEUED, number=1)
    assert world.windows.get(ACCOUNT, "a") == stored
    assert queue(world, analysis("b")).number == 2


@pytest.mark.parametrize("state", [State.QUEUED, State.SUCCEEDED, State.SUPERSEDED])
def test_queueing_what_is_there_returns_it_unchanged(world: World, state: State) -> None:
    world.windows.put([analysis("a", state=state)])
    there = world.windows.get(ACCOUNT, "a")
    assert there is not None
    assert queue(world, replace(there, body=b"other", number=0)) == there
    assert story(world) == [(1, "a", state)]


def test_a_failed_analysis_is_queued_again_behind_the_others(world: World) -> None:
    queue(world, analysis("a"))
    queue(world, analysis("b"))
    world.windows.put([analysis("a", state=State.FAILED)])
    again = replace(analysis("a"), body=b"asked for again")
    assert queue(world, again) == replace(again, state=State.QUEUED, number=4)
    assert queued(world) == ["b", "a"]


def test_a_full_queue_is_busy_for_its_account_only(world: World) -> None:
    for name in "ab":
        world.windows.queue(analysis(name), waiting_max=2)
    with pytest.raises(Busy):
        world.windows.queue(analysis("c"), waiting_max=2)
    assert world.windows.get(ACCOUNT, "c") is None
    assert world.windows.queue(analysis("a"), waiting_max=2).number == 1, "what is there needs no room"
    world.windows.queue(analysis("c", replace(WEEK, account_id=STRANGER)), waiting_max=2)
    world.windows.put([analysis("a")])
    assert world.windows.queue(analysis("c"), waiting_max=2).state is State.QUEUED


def test_touched_windows_and_finished_analyses_take_no_room_in_the_queue(world: World) -> None:
    touch(world, 1, 2, 3)
    states = [State.SUCCEEDED, State.FAILED, State.SUPERSEDED]
    world.windows.put([analysis(state, state=state) for state in states])
    assert world.windows.queue(analysis("a"), waiting_max=1).state is State.QUEUED


def test_a_failed_analysis_needs_room_to_be_queued_again(world: World) -> None:
    world.windows.put([analysis("a", state=State.FAILED)])
    queue(world, analysis("b"))
    with pytest.raises(Busy):
        world.windows.queue(analysis("a"), waiting_max=1)
    assert story(world) == [(1, "a", State.FAILED), (2, "b", State.QUEUED)]


def test_of_many_at_once_as_many_are_queued_as_there_is_room(world: World) -> None:
    answers = at_once(16, lambda number: world.windows.queue(analysis(f"{number}"), waiting_max=5))
    assert sum(isinstance(answer, Busy) for answer in answers) == 11
    assert [number for number, *_ in story(world)] == [1, 2, 3, 4, 5]


def test_the_same_analysis_queued_at_once_is_queued_once(world: World) -> None:
    answers = at_once(16, lambda _: world.windows.queue(analysis("a"), waiting_max=1))
    assert answers == [replace(analysis("a"), state=State.QUEUED, number=1)] * 16


def test_touched_windows_and_queued_analyses_are_waiting(world: World) -> None:
    assert world.windows.waiting_count(ACCOUNT) == 0
    touch(world, 1, 2)
    touch_days(world, 50)
    for name in "abc":
        queue(world, analysis(name))
    world.windows.put([analysis("a"), analysis("d"), analysis("e", state=State.FAILED)])
    touch(world, 3, account_id=STRANGER)
    assert world.windows.waiting_count(ACCOUNT) == 4 + 1  # a touched day may touch windows
    assert world.windows.waiting_count(STRANGER) == 1


# ---- storing --------------------------------------------------------------------------------------------------------


def test_analyses_are_kept_as_they_are_under_numbers_of_their_account(world: World) -> None:
    mine = [analysis("b", replace(WEEK, civil_day=-20_000)), analysis("a", state=State.FAILED, model="")]
    theirs = analysis("b", replace(WEEK, account_id=STRANGER, source=Source("other")))
    world.windows.put([mine[0], theirs, mine[1]])
    assert world.windows.get(ACCOUNT, "b") == replace(mine[0], number=1)
    assert world.windows.get(ACCOUNT, "a") == replace(mine[1], number=2)
    assert world.windows.get(STRANGER, "b") == replace(theirs, number=1)


@pytest.mark.parametrize(
    ("state", "later"),
    [
        (State.SUCCEEDED, State.FAILED),
        (State.SUCCEEDED, State.SUCCEEDED),
        (State.SUCCEEDED, State.SUPERSEDED),
        (State.SUPERSEDED, State.FAILED),
    ],
)
def test_an_analysis_that_succeeded_stays(world: World, state: State, later: State) -> None:
    world.windows.put([analysis("a", state=state)])
    world.windows.put([replace(analysis("a", state=later), body=b"later")])
    assert world.windows.get(ACCOUNT, "a") == replace(analysis("a", state=state), number=1)
    world.windows.put([analysis("b")])
    assert [number for number, *_ in story(world)] == [1, 2], "what stays takes no number"


@pytest.mark.parametrize("state", [State.QUEUED, State.FAILED, State.SUPERSEDED])
def test_an_analysis_without_numbers_gives_way_under_the_next_number(world: World, state: State) -> None:
    world.windows.put([analysis("a", state=state), analysis("b")])
    world.windows.put([analysis("a")])
    assert world.windows.get(ACCOUNT, "a") == replace(analysis("a"), number=3)


@pytest.mark.parametrize("state", [State.SUPERSEDED, State.SUCCEEDED])
def test_what_was_found_gives_way_to_the_queue_unless_it_has_changed_since(world: World, state: State) -> None:
    world.windows.put([analysis("a", state=state), analysis("b")])
    found = world.windows.get(ACCOUNT, "a")
    assert world.windows.queue(analysis("a"), 9) == found
    queued = world.windows.queue(analysis("a"), 9, found)
    assert (queued.state, queued.number) == (State.QUEUED, 3)
    assert world.windows.queue(analysis("a"), 9, found) == queued


def test_what_is_stored_with_a_touch_makes_its_window_due_and_what_was_there_does_not(world: World) -> None:
    world.windows.put([analysis("known")])
    world.windows.put([analysis("known")], touch=True)
    assert due_windows(world) == []
    world.windows.put([analysis("new")], touch=True)
    assert [one.key for one in due_windows(world)] == [WEEK]
    (seen,) = touch(world, WEEK.civil_day, at=3)
    world.windows.put([analysis("newer")], touch=True)
    assert due_windows(world) == [seen]  # the touch that brings data stays


def test_the_first_of_two_stored_together_under_an_id_stays(world: World) -> None:
    world.windows.put([analysis("a"), replace(analysis("a"), body=b"second"), analysis("b")])
    assert world.windows.get(ACCOUNT, "a") == replace(analysis("a"), number=1)
    assert story(world) == [(1, "a", State.SUCCEEDED), (2, "b", State.SUCCEEDED)]


def test_no_analyses_change_nothing(world: World) -> None:
    world.windows.put([])
    assert story(world) == []


def test_analyses_stored_at_once_are_numbered_without_a_gap(world: World) -> None:
    def put(number: int) -> None:
        owners = (ACCOUNT, STRANGER) if number % 2 else (STRANGER, ACCOUNT)
        world.windows.put([analysis(f"{number}", replace(WEEK, account_id=owner)) for owner in owners])

    at_once(16, put)
    for owner in (ACCOUNT, STRANGER):
        assert [number for number, *_ in story(world, owner)] == list(range(1, 17))


# ---- settling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("digest", "method", "after"),
    [
        ("other minutes", METHOD, State.SUPERSEDED),
        ("other minutes", "other method", State.SUPERSEDED),
        ("minutes", METHOD, State.SUPERSEDED),  # by another model
        ("minutes", "other method", State.SUCCEEDED),  # asked for beside it
    ],
)
def test_what_the_current_analysis_replaces_is_superseded(world: World, digest: str, method: str, after: State) -> None:
    (due,) = touch(world, WEEK.civil_day)
    other, current = analysis("other", digest=digest, method=method, model="older"), analysis("current")
    world.windows.put([other, current])
    settle(world, due, current)
    number = 3 if after is State.SUPERSEDED else 1
    assert world.windows.get(ACCOUNT, "other") == replace(other, state=after, number=number)
    assert world.windows.get(ACCOUNT, "current") == replace(current, number=2)
    assert due_windows(world) == []


def test_all_of_other_minutes_is_superseded_where_there_is_no_current_one(world: World) -> None:
    (due,) = touch(world, WEEK.civil_day)
    world.windows.put([analysis("a"), analysis("b", method="other method", digest="now"), analysis("c", digest="")])
    settle(world, due, None, "now")
    assert story(world) == [(2, "b", State.SUCCEEDED), (4, "a", State.SUPERSEDED), (5, "c", State.SUPERSEDED)]


def test_a_look_that_knows_nothing_of_the_minutes_only_clears_the_touch(world: World) -> None:
    """A derivation that failed says nothing against what was there."""
    (due,) = touch(world, WEEK.civil_day)
    world.windows.put([analysis("a"), analysis("failed", state=State.FAILED, method="other method")])
    world.windows.settle([Look(due, analysis("failed", state=State.FAILED, method="other method"), None)])
    assert story(world) == [(1, "a", State.SUCCEEDED), (2, "failed", State.FAILED)]
    assert due_windows(world) == []


@pytest.mark.parametrize(
    ("state", "current"),
    [
        (State.QUEUED, analysis("current")),
        (State.QUEUED, None),
        (State.FAILED, None),
        (State.FAILED, analysis("current", state=State.FAILED)),
    ],
)
def test_what_never_succeeded_is_not_superseded(world: World, state: State, current: StoredAnalysis | None) -> None:
    (due,) = touch(world, WEEK.civil_day)
    world.windows.put([analysis("a", state=state, digest="other minutes"), *([current] if current else [])])
    settle(world, due, current)
    assert story(world)[0] == (1, "a", state)


def test_what_failed_gives_way_to_what_succeeds_and_never_succeeds_itself(world: World) -> None:
    (due,) = touch(world, WEEK.civil_day)
    failed = analysis("failed", state=State.FAILED, digest="")
    world.windows.put([failed, analysis("current")])
    settle(world, due, analysis("current"))
    assert story(world) == [(2, "current", State.SUCCEEDED), (3, "failed", State.SUPERSEDED)]
    (again,) = touch(world, WEEK.civil_day, at=2)
    world.windows.put([failed])
    world.windows.settle([Look(again, failed, None)])
    assert story(world) == [(2, "current", State.SUCCEEDED), (3, "failed", State.SUPERSEDED)]


def test_other_windows_are_not_superseded(world: World) -> None:
    (due,) = touch(world, WEEK.civil_day)
    others = [
        replace(WEEK, civil_day=101),
        replace(WEEK, metric="heart_rate"),
        replace(WEEK, source=Source("wrist")),
        replace(WEEK, source=Source("ankle", "app")),
        replace(WEEK, account_id=STRANGER),
    ]
    world.windows.put([analysis(f"{number}", key, digest="other") for number, key in enumerate(others)])
    for current in (analysis("current"), None):
        settle(world, due, current)
    assert {state for owner in (ACCOUNT, STRANGER) for *_, state in story(world, owner)} == {State.SUCCEEDED}


def test_a_superseded_analysis_that_is_current_again_has_succeeded(world: World) -> None:
    first, second = analysis("first"), analysis("second", digest="more minutes")
    world.windows.put([first, second])
    for at, current in enumerate([first, second, first], start=1):
        (due,) = touch(world, WEEK.civil_day, at=at)
        settle(world, due, current)
    assert story(world) == [(6, "second", State.SUPERSEDED), (7, "first", State.SUCCEEDED)]
    assert world.windows.get(ACCOUNT, "first") == replace(first, number=7)


def test_a_failed_analysis_that_is_current_has_failed_still(world: World) -> None:
    (due,) = touch(world, WEEK.civil_day)
    failed = analysis("failed", state=State.FAILED, digest="more minutes")
    world.windows.put([analysis("older"), failed])
    settle(world, due, failed)
    assert story(world) == [(2, "failed", State.FAILED), (3, "older", State.SUPERSEDED)]


def test_settling_again_changes_nothing(world: World) -> None:
    (due,) = touch(world, WEEK.civil_day)
    world.windows.put([analysis("older", digest="fewer minutes"), analysis("current")])
    at_once(8, lambda _: settle(world, due, analysis("current")))
    assert story(world) == [(2, "current", State.SUCCEEDED), (3, "older", State.SUPERSEDED)]
    assert due_windows(world) == []


def test_every_change_of_a_settlement_takes_the_next_number(world: World) -> None:
    (due,) = touch(world, WEEK.civil_day)
    older = [analysis(name, digest=name) for name in "zyx"]
    world.windows.put([*older, analysis("current", state=State.SUPERSEDED)])
    settle(world, due, analysis("current"))
    changed = [("z", State.SUPERSEDED), ("y", State.SUPERSEDED), ("x", State.SUPERSEDED), ("current", State.SUCCEEDED)]
    assert story(world) == [(number, *one) for number, one in enumerate(changed, start=5)]


def test_a_window_touched_while_it_was_looked_at_stays_due(world: World) -> None:
    (seen,) = touch(world, WEEK.civil_day)
    (later,) = touch(world, WEEK.civil_day, at=2)
    world.windows.put([analysis("current")])
    settle(world, seen, analysis("current"))
    assert due_windows(world) == [later]


def test_settling_a_window_leaves_others_due(world: World) -> None:
    due = touch(world, 1, 2)
    theirs = touch(world, 1, account_id=STRANGER)
    settle(world, due[0], None)
    assert due_windows(world) == [due[1], *theirs]


def test_a_slow_look_that_undoes_a_newer_one_makes_its_window_due_again(world: World) -> None:
    """Whoever settles last is not who saw the most: the window is looked at once more, and then both agree."""
    (slow,) = touch(world, WEEK.civil_day)
    (quick,) = touch(world, WEEK.civil_day, at=2)
    older, newer = analysis("older", digest="fewer minutes"), analysis("newer")
    world.windows.put([older, newer])
    settle(world, quick, newer)
    assert due_windows(world) == []
    settle(world, slow, older)
    (again,) = due_windows(world)
    assert again.key == WEEK
    settle(world, again, newer)
    assert [state for _, name, state in story(world) if name == "newer"] == [State.SUCCEEDED]
    assert due_windows(world) == []


# ---- another model --------------------------------------------------------------------------------------------------


def test_windows_analysed_with_another_model_are_due_again(world: World) -> None:
    keys = [replace(WEEK, civil_day=day) for day in range(5)]
    theirs = replace(WEEK, account_id=STRANGER)
    world.windows.put(
        [
            analysis("older", keys[0], model="a"),
            analysis("newest", keys[1], model="b"),
            analysis("none", keys[2], model=""),
            analysis("of another method", keys[3], method="other method", model="a"),
            analysis("superseded", keys[4], State.SUPERSEDED, model="a"),
            analysis("theirs", theirs, model="c"),
        ]
    )
    assert world.windows.touch_older(METHOD, "b") == 3
    due = due_windows(world)
    assert {one.key for one in due} == {keys[0], keys[2], theirs}
    assert {one.touch for one in due} == {0}


def test_a_window_that_is_due_already_is_not_touched_by_another_model(world: World) -> None:
    due = touch(world, WEEK.civil_day, at=7)
    world.windows.put([analysis("a", model="older")])
    assert world.windows.touch_older(METHOD, "newer") == 0
    assert due_windows(world) == due


def test_a_window_that_another_model_made_due_takes_later_touches(world: World) -> None:
    world.windows.put([analysis("a", model="older")])
    assert world.windows.touch_older(METHOD, "newer") == 1
    (seen,) = due_windows(world)
    later = touch(world, WEEK.civil_day, at=7)
    settle(world, seen, analysis("a"))
    assert due_windows(world) == later


def test_a_window_that_another_model_made_due_stays_so_for_whoever_saw_an_earlier_touch(world: World) -> None:
    (seen,) = touch(world, WEEK.civil_day, at=7)
    world.windows.put([analysis("a", model="older")])
    settle(world, seen, analysis("a"))
    world.windows.touch_older(METHOD, "newer")
    settle(world, seen, analysis("a"))
    assert due_windows(world) == [DueWindow(WEEK, 0)]


# ---- finding --------------------------------------------------------------------------------------------------------


def test_an_analysis_is_found_by_its_own_account_only(world: World) -> None:
    world.windows.put([analysis("a")])
    assert world.windows.get(ACCOUNT, "a") == replace(analysis("a"), number=1)
    assert world.windows.get(STRANGER, "a") is None
    assert world.windows.get(ACCOUNT, "unknown") is None


def listed(
    world: World,
    dates: tuple[date | None, date | None] = (None, None),
    after: tuple[int, str, str, str] | None = None,
    limit: int = MANY,
    *,
    superseded: bool = False,
) -> list[StoredAnalysis]:
    return list(world.windows.list(ACCOUNT, METRIC, dates, after, limit, superseded=superseded))


def test_analyses_come_by_day_device_app_and_id(world: World) -> None:
    sources = [Source("a", "z"), Source("b"), Source("b", "x")]
    keys = [replace(WEEK, civil_day=day, source=source) for day in (-20_000, 1, 3) for source in sources]
    expected = [analysis(f"{name}{number}", key) for number, key in enumerate(keys) for name in "pq"]
    world.windows.put(expected[::-1])
    assert [replace(one, number=0) for one in listed(world)] == expected


@pytest.mark.parametrize("superseded", [False, True])
def test_analyses_page_by_their_key(world: World, *, superseded: bool) -> None:
    keys = [replace(WEEK, civil_day=day, source=Source(device)) for day in (1, 2) for device in "ab"]
    world.windows.put([analysis(f"{name}{number}", key) for number, key in enumerate(keys) for name in "pq"])
    found, after = list[str](), None
    while page := listed(world, after=after, limit=3, superseded=superseded):
        found += [one.analysis_id for one in page]
        last = page[-1]
        after = (last.key.civil_day, last.key.source.device, last.key.source.app, last.analysis_id)
    assert found == ["p0", "q0", "p1", "q1", "p2", "q2", "p3", "q3"]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, [-18_900, 0, 1, 2]),
        (date(1970, 1, 1), None, [0, 1, 2]),
        (None, date(1970, 1, 1), [-18_900]),
        (date(1970, 1, 1), date(1970, 1, 3), [0, 1]),
        (date(1970, 1, 2), date(1970, 1, 2), []),
    ],
)
def test_analyses_are_of_windows_that_begin_on_the_dates_asked_for(
    world: World, start: date | None, end: date | None, expected: list[int]
) -> None:
    world.windows.put([analysis(f"{day}", replace(WEEK, civil_day=day)) for day in (-18_900, 0, 1, 2)])
    assert [one.key.civil_day for one in listed(world, (start, end))] == expected


def test_superseded_analyses_are_listed_when_asked_for(world: World) -> None:
    world.windows.put([analysis(state, state=state) for state in State])
    assert [one.state for one in listed(world)] == [State.FAILED, State.QUEUED, State.SUCCEEDED]
    assert [one.state for one in listed(world, superseded=True)] == sorted(State)


@pytest.mark.parametrize("superseded", [False, True])
def test_analyses_of_another_account_or_metric_are_not_listed(world: World, *, superseded: bool) -> None:
    world.windows.put([analysis("a"), analysis("b", replace(WEEK, account_id=STRANGER))])
    world.windows.put([analysis("c", replace(WEEK, metric="heart_rate"))])
    assert [one.analysis_id for one in listed(world, superseded=superseded)] == ["a"]
    assert world.windows.list(THIRD, METRIC, (None, None), None, MANY, superseded=superseded) == []


def test_the_newest_is_of_the_window_that_begins_last_whatever_its_metric_and_source(world: World) -> None:
    late = replace(WEEK, civil_day=102, metric="heart_rate", source=Source("z"))
    later = replace(WEEK, civil_day=103, source=Source("a"))
    world.windows.put([analysis("later", later), analysis("late", late), analysis("early")])
    assert world.windows.newest(ACCOUNT, METHOD) == replace(analysis("later", later), number=1)


def test_the_newest_has_the_method_asked_for_and_succeeded(world: World) -> None:
    keys = [replace(WEEK, civil_day=day) for day in range(101, 106)]
    unfit = [State.QUEUED, State.FAILED, State.SUPERSEDED]
    world.windows.put([analysis("a"), analysis("other", keys[3], method="other method")])
    world.windows.put([analysis(state, key, state) for state, key in zip(unfit, keys, strict=False)])
    world.windows.put([analysis("theirs", replace(keys[4], account_id=STRANGER))])
    assert world.windows.newest(ACCOUNT, METHOD) == replace(analysis("a"), number=1)
    assert world.windows.newest(ACCOUNT, "unknown") is None
    assert world.windows.newest(THIRD, METHOD) is None


def test_the_newest_of_several_sources_is_always_of_the_same_one(world: World) -> None:
    first, second = (analysis(device, replace(WEEK, source=Source(device))) for device in "ab")
    world.windows.put([second, first])
    world.windows.put([analysis("third", replace(WEEK, source=Source("a")), digest="more minutes")])
    assert world.windows.newest(ACCOUNT, METHOD) == replace(second, number=1)


def test_the_analysis_of_a_window_has_the_method_asked_for_and_succeeded(world: World) -> None:
    world.windows.put([analysis(state, state=state) for state in State])
    world.windows.put([analysis("other", method="other method")])
    found = world.windows.of_window(WEEK, METHOD)
    assert found is not None
    assert found.analysis_id == State.SUCCEEDED
    others = [
        replace(WEEK, civil_day=101),
        replace(WEEK, metric="heart_rate"),
        replace(WEEK, source=Source("wrist")),
        replace(WEEK, source=Source("ankle", "app")),
        replace(WEEK, account_id=STRANGER),
    ]
    assert [world.windows.of_window(other, METHOD) for other in others] == [None] * 5
    assert world.windows.of_window(WEEK, "unknown") is None


def test_until_a_window_is_settled_its_analysis_is_the_one_that_came_last(world: World) -> None:
    (due,) = touch(world, WEEK.civil_day)
    world.windows.put([analysis("b")])
    world.windows.put([analysis("a", digest="more minutes")])
    for _ in range(2):
        found = world.windows.of_window(WEEK, METHOD)
        assert found is not None
        assert found.analysis_id == "a"
        assert world.windows.newest(ACCOUNT, METHOD) == found
        settle(world, due, found)


# ---- watching -------------------------------------------------------------------------------------------------------


def test_a_watcher_goes_on_after_a_number_up_to_a_limit(world: World) -> None:
    world.windows.put([analysis(name) for name in "edcba"])
    assert [one.analysis_id for one in world.windows.since(ACCOUNT, 1, 3)] == ["d", "c", "b"]
    assert world.windows.since(ACCOUNT, 5, 3) == []
    assert world.windows.since(STRANGER, 0, 3) == []


def test_a_watcher_sees_every_change_after_all_that_went_before(world: World) -> None:
    seen = 0

    def news() -> list[tuple[str, State]]:
        nonlocal seen
        page = world.windows.since(ACCOUNT, seen, MANY)
        seen = page[-1].number
        return [(one.analysis_id, one.state) for one in page]

    queue(world, analysis("a"))
    assert news() == [("a", State.QUEUED)]
    world.windows.put([analysis("a", state=State.FAILED)])
    assert news() == [("a", State.FAILED)]
    queue(world, analysis("a"))
    assert news() == [("a", State.QUEUED)]
    world.windows.put([analysis("a"), analysis("b", digest="more minutes")])
    assert news() == [("a", State.SUCCEEDED), ("b", State.SUCCEEDED)]
    settle(world, DueWindow(WEEK, 1), analysis("b", digest="more minutes"))
    assert news() == [("a", State.SUPERSEDED)]
    settle(world, DueWindow(WEEK, 2), analysis("a"))
    assert news() == [("b", State.SUPERSEDED), ("a", State.SUCCEEDED)]
    assert seen == 8, "no number is left out"


def test_another_process_sees_and_goes_on_with_all_of_it(world: World) -> None:
    due = touch(world, 1, 2)
    world.windows.put([analysis("a")])
    queue(world, analysis("b"))
    with world.another() as other:
        assert due_windows(other) == due
        assert queued(other) == ["b"]
        assert story(other) == story(world)
        other.windows.put([analysis("b")])
        settle(other, due[0], None)
    assert due_windows(world) == [due[1]]
    assert story(world) == [(1, "a", State.SUCCEEDED), (3, "b", State.SUCCEEDED)]
