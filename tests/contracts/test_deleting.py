"""What every store must do when ranges of series are deleted: all that was derived from them goes, nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from clarity_server.domain.analysis import State
from clarity_server.domain.civil import DAY_MS, FAR_MS, TimeKind, TimeRange
from clarity_server.domain.errors import Busy
from clarity_server.domain.samples import Tombstone
from clarity_server.domain.series import Closing, ClosingKind, Source, StoredUpload
from clarity_server.ports import (
    Bearing,
    DayKey,
    DueDay,
    DueWindow,
    Look,
    PutDay,
    PutResult,
    SeriesDeletion,
    StoredAnalysis,
    StoredInsight,
    WindowKey,
)
from tests.contracts.recordings import ACCOUNT, RECORDING, STRANGER, append, committed, receipt
from tests.contracts.worlds import World

METRIC, WRIST, ANKLE = RECORDING.metric, RECORDING.source, Source("ankle")
RANGE = TimeRange(TimeKind.CIVIL, 10 * DAY_MS, 12 * DAY_MS)
BEARING = Bearing(METRIC, WRIST, near=(9, 15), held=(10, 13), windows=(3, 13))
METHOD = "method"


def tombstone(source: Source = WRIST, span: TimeRange = RANGE, revision: int = 1) -> Tombstone:
    return Tombstone(METRIC, source, span, revision)


def deletion(world: World, *bearings: Bearing, tombstones: Sequence[Tombstone] = ()) -> SeriesDeletion:
    return SeriesDeletion(ACCOUNT, (*tombstones,) or (tombstone(),), bearings, world.series.change_count(ACCOUNT))


def upload(
    world: World, upload_id: str = "u", source: Source = WRIST, closings: Sequence[Closing] = (), *, finish: bool = True
) -> StoredUpload:
    stored = world.series.open(ACCOUNT, upload_id, replace(RECORDING, source=source))
    stored = committed(world.series, append(stored, 20 * 1440, closings=closings))
    return world.series.finish(ACCOUNT, stored, receipt(stored), [], []) if finish else stored


def put_day(world: World, civil_day: int, source: Source = WRIST, account_id: str = ACCOUNT) -> None:
    due = DueDay(DayKey(account_id, METRIC, source, civil_day), 1)
    world.analyses.put_days([PutDay(due, b"day", closed=True)])


def listed_days(world: World, account_id: str = ACCOUNT) -> list[tuple[str, int]]:
    rows = world.analyses.days(account_id, METRIC, (None, None), None, 100)
    return [(key.source.device, key.civil_day) for key, _ in rows]


def due_days(world: World) -> dict[int, int]:
    return {due.key.civil_day: due.touch for due in world.analyses.due_days(100)}


def analysis(civil_day: int, source: Source = WRIST, state: State = State.SUCCEEDED, name: str = "") -> StoredAnalysis:
    key = WindowKey(ACCOUNT, METRIC, source, civil_day)
    return StoredAnalysis(key, name or f"{source.device}-{civil_day}", state, "minutes", METHOD, "", b"body")


def insight(of: StoredAnalysis) -> StoredInsight:
    return StoredInsight(ACCOUNT, f"of-{of.analysis_id}", of.analysis_id, datetime(2026, 1, 1, tzinfo=UTC), b"body")


def story(world: World, after: int = 0) -> list[tuple[int, str]]:
    return [(one.number, one.analysis_id) for one in world.windows.since(ACCOUNT, after, 100)]


# ---- tombstones -----------------------------------------------------------------------------------------------------


def test_tombstones_are_kept_each_under_a_change_number(world: World) -> None:
    upload(world)
    before = world.series.change_count(ACCOUNT)
    kept = [tombstone(), tombstone(ANKLE, TimeRange(TimeKind.INSTANT, -FAR_MS, FAR_MS), revision=7)]
    world.series.delete(deletion(world, tombstones=kept))
    numbered = [replace(one, number=before + index) for index, one in enumerate(kept, start=1)]
    assert list(world.series.tombstones(ACCOUNT, METRIC)) == numbered
    assert world.series.newest_deletion(ACCOUNT) == world.series.change_count(ACCOUNT) == before + 2
    assert [(row.number, row.kind) for row in world.changes.rows(ACCOUNT, before, 10)] == [
        (before + 1, "series_deleted"),
        (before + 2, "series_deleted"),
    ]
    for other in (world.series.tombstones(ACCOUNT, "heart_rate"), world.series.tombstones(STRANGER, METRIC)):
        assert not other
    assert world.series.newest_deletion(STRANGER) == 0


@pytest.mark.parametrize(
    ("later", "covers"),
    [
        (tombstone(span=TimeRange(TimeKind.CIVIL, 0, 12 * DAY_MS)), True),
        (tombstone(revision=2), True),
        (tombstone(span=TimeRange(TimeKind.CIVIL, 10 * DAY_MS + 1, 12 * DAY_MS)), False),
        (tombstone(span=TimeRange(TimeKind.CIVIL, 10 * DAY_MS, 12 * DAY_MS - 1)), False),
        (tombstone(span=TimeRange(TimeKind.INSTANT, -FAR_MS, FAR_MS)), False),
        (tombstone(ANKLE), False),
        (tombstone(revision=0), False),
    ],
)
def test_a_tombstone_of_which_a_later_one_says_all_is_listed_no_more(
    world: World, later: Tombstone, *, covers: bool
) -> None:
    """So who deletes day by day what is old does not leave one a day; its change is told as ever."""
    upload(world)
    world.series.delete(deletion(world))
    number = world.series.newest_deletion(ACCOUNT)
    world.series.delete(deletion(world, tombstones=[later]))
    first, second = replace(tombstone(), number=number), replace(later, number=number + 1)
    assert list(world.series.tombstones(ACCOUNT, METRIC)) == ([second] if covers else [first, second])
    assert [world.changes.tombstone(ACCOUNT, number + at) for at in range(2)] == [first, second]


def test_the_samples_themselves_stay_where_they_are(world: World) -> None:
    stored = upload(world)
    world.series.delete(deletion(world, BEARING))
    assert world.series.upload(ACCOUNT, "u") == stored
    assert len(list(world.series.segments(ACCOUNT, "u", 0, stored.committed))) == 1


def test_finished_uploads_of_the_source_that_reach_into_the_range_are_to_be_purged(world: World) -> None:
    upload(world, "a")
    upload(world, "b")
    upload(world, "ankle", ANKLE)
    upload(world, "open", finish=False)
    world.series.delete(deletion(world))
    number = world.series.newest_deletion(ACCOUNT)
    assert list(world.series.unpurged(None, 10)) == [(ACCOUNT, "a", number), (ACCOUNT, "b", number)]
    assert list(world.series.unpurged((ACCOUNT, "a"), 10)) == [(ACCOUNT, "b", number)]
    world.series.purged(ACCOUNT, "a", number)
    assert list(world.series.unpurged(None, 1)) == [(ACCOUNT, "b", number)]


def test_an_upload_is_to_be_purged_once_it_is_finished(world: World) -> None:
    stored = upload(world, finish=False)
    world.series.delete(deletion(world))
    assert not world.series.unpurged(None, 10)
    world.series.finish(ACCOUNT, stored, receipt(stored), [], [])
    assert [upload_id for _, upload_id, _ in world.series.unpurged(None, 10)] == ["u"]


def test_what_is_deleted_while_an_upload_is_purged_stays_to_be_done(world: World) -> None:
    upload(world)
    world.series.delete(deletion(world))
    ((_, _, seen),) = world.series.unpurged(None, 10)
    world.series.delete(deletion(world))
    world.series.purged(ACCOUNT, "u", seen)
    assert list(world.series.unpurged(None, 10)) == [(ACCOUNT, "u", seen + 1)]


@pytest.mark.parametrize(("start", "end", "marked"), [(0, 1, True), (-1, 0, False), (20, 21, False), (19, 20, True)])
def test_an_upload_that_the_range_does_not_reach_needs_no_purge(
    world: World,
    start: int,
    end: int,
    marked: bool,
) -> None:
    upload(world)
    span = TimeRange(TimeKind.INSTANT, start * DAY_MS, end * DAY_MS)
    world.series.delete(deletion(world, tombstones=[tombstone(span=span)]))
    assert bool(world.series.unpurged(None, 10)) is marked


# ---- days and results -----------------------------------------------------------------------------------------------


def test_days_that_may_tell_of_it_are_gone_and_those_around_are_derived_again(world: World) -> None:
    upload(world)
    for civil_day in range(20):
        put_day(world, civil_day)
        put_day(world, civil_day, ANKLE)
        put_day(world, civil_day, account_id=STRANGER)
    world.series.delete(deletion(world, BEARING))
    number = world.series.newest_deletion(ACCOUNT)
    assert due_days(world) == dict.fromkeys(range(9, 15), number)
    kept = [("wrist", day) for day in range(20) if day not in range(10, 13)]
    assert sorted(listed_days(world)) == sorted([("ankle", day) for day in range(20)] + kept)
    assert len(listed_days(world, STRANGER)) == 20


def test_a_touched_day_that_failed_is_tried_again(world: World) -> None:
    stored = world.series.open(ACCOUNT, "u", RECORDING)
    committed(world.series, append(stored, 1, days=[11]))
    (due,) = world.analyses.due_days(10)
    world.analyses.put_days([PutDay(due, b"", closed=False, failed=True)])
    assert not due_days(world)
    world.series.delete(deletion(world, BEARING))
    assert due_days(world) == {11: world.series.newest_deletion(ACCOUNT)}


def test_results_that_may_tell_of_it_are_due_again_under_their_numbers(world: World) -> None:
    closings = [Closing(1, 2, 10, ClosingKind.WINDOW), Closing(2, 9, 20), Closing(3, 10, 30)]
    closings += [Closing(4, 3, 40, ClosingKind.WINDOW), Closing(5, 12, 50), Closing(6, 13, 60)]
    upload(world, closings=closings)
    upload(world, "ankle", ANKLE, closings)
    before = [due for kind in ClosingKind for due in world.analyses.due_results(kind, 20)]
    world.analyses.put_results([PutResult(due, b"result") for due in before])
    world.series.delete(deletion(world, BEARING))
    again = [due for kind in ClosingKind for due in world.analyses.due_results(kind, 20)]
    assert [(due.upload_id, due.closing.number) for due in again] == [("u", 3), ("u", 5), ("u", 4)]
    changes = {(due.upload_id, due.closing.number): due.change for due in before}
    assert all(due.change == changes[due.upload_id, due.closing.number] for due in again), "of the same samples as ever"
    assert [closing.number for closing, _ in world.analyses.results(ACCOUNT, "u", 0, 10)] == [1, 2]
    assert len(world.analyses.results(ACCOUNT, "ankle", 0, 10)) == 6


def test_a_change_that_came_since_it_was_planned_widens_it_by_a_day(world: World) -> None:
    stored = upload(world, finish=False)
    for civil_day in range(20):
        put_day(world, civil_day)
    planned = deletion(world, BEARING)
    committed(world.series, append(stored, 1))
    world.series.delete(planned)
    assert sorted(due_days(world)) == list(range(8, 16))
    assert sorted(listed_days(world)) == [("wrist", day) for day in range(20) if day not in range(9, 14)]


# ---- analyses and insights ------------------------------------------------------------------------------------------


def test_analyses_that_may_tell_of_it_are_removed_in_any_state_and_their_windows_are_due(world: World) -> None:
    for civil_day in (2, 3, 12, 13):
        world.windows.put([analysis(civil_day), analysis(civil_day, ANKLE)])
    others = [analysis(5, state=state, name=state.lower()) for state in (State.SUPERSEDED, State.FAILED)]
    world.windows.put(others)
    world.windows.queue(analysis(5, name="queued"), 10)
    world.series.delete(deletion(world, BEARING))
    left = {name for _, name in story(world)}
    assert left == {"wrist-2", "wrist-13"} | {f"ankle-{day}" for day in (2, 3, 12, 13)}
    number = world.series.newest_deletion(ACCOUNT)
    assert {(due.key.civil_day, due.touch) for due in world.windows.due_windows(100)} == {
        (3, number),
        (5, number),
        (12, number),
    }
    assert not world.windows.due_analyses(10)


def test_insights_go_with_their_analysis_and_with_that_of_the_week_before(world: World) -> None:
    told = [analysis(civil_day) for civil_day in (2, 3, 12, 19, 20)]
    world.windows.put(told)
    for one in told:
        world.insights.put(insight(one))
    world.series.delete(deletion(world, BEARING))
    left = {one.insight_id for one in world.insights.list(ACCOUNT, None, 10)}
    assert left == {"of-wrist-2", "of-wrist-20"}


def test_no_number_of_an_analysis_comes_twice(world: World) -> None:
    """Whoever watches has seen up to a number, and must hear of what comes after."""
    world.windows.put([analysis(2), analysis(5), analysis(6)])
    seen = story(world)[-1][0]
    for _ in range(2):
        world.series.delete(deletion(world, BEARING))
        assert story(world, seen) == []
        assert world.windows.get(ACCOUNT, "") is None
    world.windows.put([replace(analysis(5), body=b"again")])
    assert story(world, seen) == [(seen + 1, "wrist-5")]
    assert story(world) == [(1, "wrist-2"), (seen + 1, "wrist-5")]


# ---- what began before and ends after -------------------------------------------------------------------------------


def test_a_result_derived_before_is_not_stored_after(world: World) -> None:
    upload(world, closings=[Closing(1, 11, 10)])
    (due,) = world.analyses.due_results(ClosingKind.DAY, 10)
    world.series.delete(deletion(world, BEARING))
    world.analyses.put_results([PutResult(due, b"of deleted samples")])
    assert not world.analyses.results(ACCOUNT, "u", 0, 10)
    (again,) = world.analyses.due_results(ClosingKind.DAY, 10)
    world.analyses.put_results([PutResult(again, b"of what is left")])
    assert [body for _, body in world.analyses.results(ACCOUNT, "u", 0, 10)] == [b"of what is left"]


def test_a_day_derived_before_is_not_stored_after_and_stays_due(world: World) -> None:
    stored = world.series.open(ACCOUNT, "u", RECORDING)
    committed(world.series, append(stored, 1, days=[11, 99]))
    due = world.analyses.due_days(10)
    world.series.delete(deletion(world, BEARING))
    world.analyses.put_days([PutDay(one, b"of deleted samples", closed=False, windows=(5,)) for one in due])
    assert listed_days(world) == []
    assert not world.windows.due_windows(10)
    again = world.analyses.due_days(10)
    assert {one.key.civil_day for one in again} == {11, 99}
    world.analyses.put_days([PutDay(one, b"of what is left", closed=False) for one in again])
    assert len(listed_days(world)) == 2


def test_a_day_that_failed_before_is_tried_again_after(world: World) -> None:
    stored = world.series.open(ACCOUNT, "u", RECORDING)
    committed(world.series, append(stored, 1, days=[11]))
    (due,) = world.analyses.due_days(10)
    world.series.delete(deletion(world, BEARING))
    world.analyses.put_days([PutDay(due, b"", closed=False, failed=True)])
    assert list(due_days(world)) == [11]


def test_an_analysis_made_before_is_not_stored_after_and_its_window_stays_due(world: World) -> None:
    put_day_due = DueDay(DayKey(ACCOUNT, METRIC, WRIST, 11), 1)
    world.analyses.put_days([PutDay(put_day_due, b"day", closed=True, windows=(5,))])
    upload(world)
    (due,) = world.windows.due_windows(10)
    made = replace(analysis(5), deletion=due.deletion)
    world.series.delete(deletion(world))
    world.windows.put([made])
    world.windows.settle([Look(due, made, "minutes")])
    assert story(world) == []
    assert [one.key.civil_day for one in world.windows.due_windows(10)] == [5]


def test_an_analysis_that_was_read_before_does_not_come_back_after(world: World) -> None:
    upload(world)
    world.windows.put([analysis(5, state=State.SUPERSEDED)])
    known = world.windows.get(ACCOUNT, "wrist-5")
    assert known is not None
    world.series.delete(deletion(world, BEARING))
    world.windows.put([replace(known, state=State.SUCCEEDED)], touch=True)
    assert world.windows.get(ACCOUNT, "wrist-5") is None


def test_an_analysis_asked_for_before_is_not_queued_after(world: World) -> None:
    upload(world)
    asked = replace(analysis(5), deletion=world.series.newest_deletion(ACCOUNT))
    world.series.delete(deletion(world, BEARING))
    with pytest.raises(Busy):
        world.windows.queue(asked, 10)
    assert story(world) == []


def test_an_insight_told_before_is_not_stored_after(world: World) -> None:
    upload(world)
    told = replace(insight(analysis(5)), deletion=world.series.newest_deletion(ACCOUNT))
    world.series.delete(deletion(world, BEARING))
    with pytest.raises(Busy):
        world.insights.put(told)
    assert not world.insights.list(ACCOUNT, None, 10)


def test_what_knows_of_the_deletion_is_stored(world: World) -> None:
    upload(world)
    world.series.delete(deletion(world, BEARING))
    newest = world.series.newest_deletion(ACCOUNT)
    world.windows.put([replace(analysis(5), deletion=newest)])
    found = world.windows.get(ACCOUNT, "wrist-5")
    assert found is not None
    assert found.deletion == newest
    assert world.insights.put(replace(insight(found), deletion=newest)).number == 1


def test_anothers_deletion_keeps_nobody_from_storing(world: World) -> None:
    stored = world.series.open(STRANGER, "u", RECORDING)
    committed(world.series, append(stored, 1, days=[11], account_id=STRANGER))
    (due,) = world.analyses.due_days(10)
    world.series.delete(deletion(world, BEARING))
    world.analyses.put_days([PutDay(due, b"day", closed=False)])
    assert listed_days(world, STRANGER) == [("wrist", 11)]


def test_a_window_that_was_looked_at_before_stays_due_after(world: World) -> None:
    due_day = DueDay(DayKey(ACCOUNT, METRIC, WRIST, 11), 1)
    world.analyses.put_days([PutDay(due_day, b"day", closed=True, windows=(50,))])
    upload(world)
    (due,) = world.windows.due_windows(10)
    assert isinstance(due, DueWindow)
    world.series.delete(deletion(world))
    world.windows.settle([Look(due, None, "")])
    assert [one.key.civil_day for one in world.windows.due_windows(10)] == [50]
