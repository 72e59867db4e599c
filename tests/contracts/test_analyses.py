"""What every store of derived results must do."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from clarity_server.domain.series import Closing, ClosingKind, Source, StoredUpload
from clarity_server.ports import DayKey, DueDay, DueResult, DueWindow, PutDay, PutResult, WindowKey
from tests.contracts.recordings import ACCOUNT, RECORDING, STRANGER, append, committed
from tests.contracts.threads import at_once
from tests.contracts.worlds import World

UPLOAD = "u"
METRIC = RECORDING.metric


def touched(world: World, *days: int, account_id: str = ACCOUNT, upload_id: str = UPLOAD) -> StoredUpload:
    """Commit a sample that touches days."""
    stored = world.series.open(account_id, upload_id, RECORDING)
    return committed(world.series, append(stored, 1, days=days, account_id=account_id))


def closing(
    world: World,
    count: int,
    account_id: str = ACCOUNT,
    upload_id: str = UPLOAD,
    kind: ClosingKind = ClosingKind.DAY,
) -> list[DueResult]:
    """Commit samples that close the next days, or windows, of an upload, one of 1,440 samples after the other."""
    stored = world.series.open(account_id, upload_id, RECORDING)
    numbers = range(stored.result_count + 1, stored.result_count + count + 1)
    closings = [Closing(number, 100 + number, 1440 * number, kind) for number in numbers]
    committed(world.series, append(stored, 1440 * count, closings=closings, account_id=account_id))
    return [DueResult(account_id, upload_id, one) for one in closings]


def key(civil_day: int, source: Source = RECORDING.source, account_id: str = ACCOUNT) -> DayKey:
    return DayKey(account_id, METRIC, source, civil_day)


def listed(
    world: World,
    dates: tuple[date | None, date | None] = (None, None),
    after: tuple[int, str, str] | None = None,
    limit: int = 100,
) -> list[tuple[int, bytes]]:
    return [(one.civil_day, body) for one, body in world.analyses.days(ACCOUNT, METRIC, dates, after, limit)]


def put_result(world: World, due: DueResult, body: bytes, *, failed: bool = False) -> None:
    world.analyses.put_results([PutResult(due, body, failed)])


def put_day(world: World, due: DueDay, body: bytes, *, failed: bool = False, windows: tuple[int, ...] = ()) -> None:
    world.analyses.put_days([PutDay(due, body, closed=False, failed=failed, windows=windows)])


def derived(world: World, after: int, limit: int) -> list[tuple[int, bytes]]:
    return [(one.number, body) for one, body in world.analyses.results(ACCOUNT, UPLOAD, after, limit)]


def due_windows(world: World) -> list[tuple[int, int]]:
    return [(due.key.civil_day, due.touch) for due in world.windows.due_windows(100)]


# ---- results --------------------------------------------------------------------------------------------------------


def test_a_closing_is_due_until_its_result_is_stored(world: World) -> None:
    first, second = closing(world, 2)
    assert world.analyses.due_results(ClosingKind.DAY, 10) == [first, second]
    put_result(world, first, b"one")
    assert world.analyses.due_results(ClosingKind.DAY, 10) == [second]
    put_result(world, second, b"two")
    assert not world.analyses.due_results(ClosingKind.DAY, 10)
    assert derived(world, 0, 10) == [(1, b"one"), (2, b"two")]


def test_a_due_result_knows_the_change_that_closed_it(world: World) -> None:
    touched(world, upload_id="earlier")
    closing(world, 1)
    touched(world, upload_id="later")
    (due,) = world.analyses.due_results(ClosingKind.DAY, 10)
    committed_then = [world.series.committed_at(ACCOUNT, name, due.change) for name in ("earlier", UPLOAD, "later")]
    assert committed_then == [1, 1440, 0]
    assert world.series.committed_at(ACCOUNT, "later", due.change + 1) == 1
    assert world.series.committed_at(STRANGER, UPLOAD, due.change) == 0


def test_the_first_result_stays(world: World) -> None:
    (due,) = closing(world, 1)
    bodies = [b"%d" % number for number in range(8)]
    at_once(8, lambda number: put_result(world, due, bodies[number]))
    ((_, kept),) = derived(world, 0, 10)
    put_result(world, due, b"later")
    assert derived(world, 0, 10) == [(1, kept)]


def test_results_stop_before_the_first_one_not_derived(world: World) -> None:
    first, second, third, fourth = closing(world, 4)
    put_result(world, first, b"1")
    put_result(world, third, b"3")
    assert derived(world, 0, 10) == [(1, b"1")]
    assert derived(world, 2, 10) == []
    assert world.analyses.analysed(ACCOUNT, UPLOAD) == (1, 1440)
    put_result(world, second, b"2")
    assert derived(world, 0, 10) == [(1, b"1"), (2, b"2"), (3, b"3")]
    assert world.analyses.analysed(ACCOUNT, UPLOAD) == (3, 3 * 1440)
    put_result(world, fourth, b"4")
    assert world.analyses.analysed(ACCOUNT, UPLOAD) == (4, 4 * 1440)


def test_results_go_on_after_a_number_and_up_to_a_limit(world: World) -> None:
    for due in closing(world, 5):
        put_result(world, due, b"%d" % due.closing.number)
    assert [number for number, _ in derived(world, 1, 3)] == [2, 3, 4]
    assert derived(world, 5, 3) == []


def test_nothing_is_analysed_of_an_upload_without_results(world: World) -> None:
    touched(world)
    assert world.analyses.analysed(ACCOUNT, UPLOAD) == (0, 0)
    assert world.analyses.analysed(ACCOUNT, "unknown") == (0, 0)


def test_results_of_another_account_or_upload_are_not_seen(world: World) -> None:
    (due,) = closing(world, 1)
    put_result(world, due, b"mine")
    for account_id, upload_id in [(STRANGER, UPLOAD), (ACCOUNT, "other")]:
        assert world.analyses.results(account_id, upload_id, 0, 10) == []
        assert world.analyses.analysed(account_id, upload_id) == (0, 0)


def test_due_results_are_fair_between_accounts(world: World) -> None:
    """One account's backlog makes nobody wait for more than their turn; each account's own come oldest first."""
    many = closing(world, 20)
    some = closing(world, 3, account_id=STRANGER)
    few = closing(world, 1, account_id="c" * 26)
    expected = [many[0], some[0], few[0], many[1], some[1], many[2], some[2], many[3]]
    assert list(world.analyses.due_results(ClosingKind.DAY, 8)) == expected


def test_due_results_are_limited_and_oldest_first_over_an_accounts_uploads(world: World) -> None:
    late = closing(world, 2, upload_id="z")
    later = closing(world, 2, upload_id="a")
    assert list(world.analyses.due_results(ClosingKind.DAY, 3)) == [*late, later[0]]


def test_a_failed_result_is_left_out_of_the_queue_and_holds_back_those_after_it(world: World) -> None:
    first, second = closing(world, 2)
    put_result(world, first, b"", failed=True)
    put_result(world, second, b"two")
    assert not world.analyses.due_results(ClosingKind.DAY, 10)
    assert derived(world, 0, 10) == []


def test_a_failed_result_with_a_body_stands_in_its_place(world: World) -> None:
    (due,) = closing(world, 1)
    put_result(world, due, b"sorry", failed=True)
    assert not world.analyses.due_results(ClosingKind.DAY, 10)
    assert derived(world, 0, 10) == [(1, b"sorry")]


def test_a_failed_result_may_still_be_derived(world: World) -> None:
    (due,) = closing(world, 1)
    put_result(world, due, b"", failed=True)
    put_result(world, due, b"at last")
    assert derived(world, 0, 10) == [(1, b"at last")]


def test_results_say_what_has_closed(world: World) -> None:
    (day,) = closing(world, 1)
    (week,) = closing(world, 1, kind=ClosingKind.WINDOW)
    world.analyses.put_results([PutResult(week, b"week"), PutResult(day, b"day")])
    assert world.analyses.results(ACCOUNT, UPLOAD, 0, 10) == [(day.closing, b"day"), (week.closing, b"week")]
    assert world.analyses.analysed(ACCOUNT, UPLOAD) == (2, week.closing.end_sample)


def test_due_results_are_of_the_kind_asked_for(world: World) -> None:
    days = closing(world, 2)
    weeks = closing(world, 2, kind=ClosingKind.WINDOW)
    assert list(world.analyses.due_results(ClosingKind.DAY, 10)) == days
    assert list(world.analyses.due_results(ClosingKind.WINDOW, 10)) == weeks
    put_result(world, weeks[0], b"week")
    assert list(world.analyses.due_results(ClosingKind.DAY, 10)) == days
    assert list(world.analyses.due_results(ClosingKind.WINDOW, 10)) == weeks[1:]


def test_due_windows_of_many_accounts_take_turns_whatever_days_are_due(world: World) -> None:
    """A backlog of the other kind counts for nothing, and an account's limit is its own."""
    closing(world, 5)
    many = closing(world, 5, kind=ClosingKind.WINDOW)
    one = closing(world, 1, account_id=STRANGER, kind=ClosingKind.WINDOW)
    assert list(world.analyses.due_results(ClosingKind.WINDOW, 3)) == [many[0], one[0], many[1]]
    assert list(world.analyses.due_results(ClosingKind.WINDOW, 1)) == [many[0]]


def test_a_window_holds_back_the_days_numbered_after_it(world: World) -> None:
    closing(world, 1, kind=ClosingKind.WINDOW)
    (day,) = closing(world, 1)
    put_result(world, day, b"day")
    assert derived(world, 0, 10) == []


def test_results_are_stored_together(world: World) -> None:
    mine, (theirs,) = closing(world, 3), closing(world, 1, account_id=STRANGER)
    world.analyses.put_results(
        [PutResult(mine[0], b"1"), PutResult(mine[1], b"", failed=True), PutResult(theirs, b"t")]
    )
    assert world.analyses.due_results(ClosingKind.DAY, 10) == mine[2:]
    assert derived(world, 0, 10) == [(1, b"1")]
    assert world.analyses.results(STRANGER, UPLOAD, 0, 10) == [(theirs.closing, b"t")]


def test_the_first_of_two_results_stored_together_under_a_number_stays(world: World) -> None:
    (due,) = closing(world, 1)
    world.analyses.put_results([PutResult(due, b"first"), PutResult(due, b"second")])
    assert derived(world, 0, 10) == [(1, b"first")]


def test_no_results_and_no_days_change_nothing(world: World) -> None:
    closing(world, 1)
    touched(world, 7)
    world.analyses.put_results([])
    world.analyses.put_days([])
    assert len(world.analyses.due_results(ClosingKind.DAY, 10)) == len(world.analyses.due_days(10)) == 1


# ---- touched days ---------------------------------------------------------------------------------------------------


def test_a_touched_day_is_due_until_its_day_is_stored(world: World) -> None:
    touched(world, 7, 5)
    due = world.analyses.due_days(10)
    assert due == [DueDay(key(7), 1), DueDay(key(5), 1)]
    put_day(world, due[0], b"seven")
    assert world.analyses.due_days(10) == [DueDay(key(5), 1)]
    assert listed(world) == [(7, b"seven")]


def test_a_day_touched_again_before_it_was_derived_is_due_once(world: World) -> None:
    touched(world, 7)
    touched(world, 7)
    assert world.analyses.due_days(10) == [DueDay(key(7), 2)]


def test_a_day_touched_while_it_was_derived_stays_due(world: World) -> None:
    touched(world, 7)
    (seen,) = world.analyses.due_days(10)
    touched(world, 7)
    put_day(world, seen, b"old")
    assert world.analyses.due_days(10) == [DueDay(key(7), 2)]


def test_a_slow_derivation_never_replaces_a_newer_one(world: World) -> None:
    touched(world, 7)
    (slow,) = world.analyses.due_days(10)
    touched(world, 7)
    (quick,) = world.analyses.due_days(10)
    put_day(world, quick, b"new")
    put_day(world, slow, b"old")
    assert listed(world) == [(7, b"new")]
    assert not world.analyses.due_days(10)


def test_a_day_derived_again_takes_the_place_of_the_older_one(world: World) -> None:
    for body in (b"first", b"second"):
        touched(world, 7)
        put_day(world, world.analyses.due_days(1)[0], body)
    assert listed(world) == [(7, b"second")]


def test_a_day_that_failed_waits_for_the_next_touch_and_keeps_what_it_had(world: World) -> None:
    touched(world, 7)
    put_day(world, world.analyses.due_days(1)[0], b"good")
    touched(world, 7)
    put_day(world, world.analyses.due_days(1)[0], b"", failed=True)
    assert not world.analyses.due_days(10)
    assert listed(world) == [(7, b"good")]
    touched(world, 7)
    assert world.analyses.due_days(10) == [DueDay(key(7), 3)]


def test_a_failure_does_not_hide_a_later_touch(world: World) -> None:
    touched(world, 7)
    (seen,) = world.analyses.due_days(1)
    touched(world, 7)
    put_day(world, seen, b"", failed=True)
    assert world.analyses.due_days(10) == [DueDay(key(7), 2)]


def test_a_day_without_samples_is_not_listed(world: World) -> None:
    touched(world, 7)
    put_day(world, world.analyses.due_days(1)[0], b"")
    assert listed(world) == []
    assert not world.analyses.due_days(10)


def test_the_oldest_touch_is_due_first_and_touching_again_does_not_move_it_back(world: World) -> None:
    touched(world, 7)
    touched(world, 5, account_id=STRANGER)
    touched(world, 7, 6)
    due = world.analyses.due_days(10)
    assert [(one.key.account_id, one.key.civil_day) for one in due] == [(ACCOUNT, 7), (STRANGER, 5), (ACCOUNT, 6)]
    assert world.analyses.due_days(2) == due[:2]


def test_due_days_may_be_asked_of_one_account(world: World) -> None:
    touched(world, 7)
    touched(world, 5, account_id=STRANGER)
    assert world.analyses.due_days(10, STRANGER) == [DueDay(key(5, account_id=STRANGER), 1)]


def test_days_are_stored_together(world: World) -> None:
    touched(world, 7, 8, 9)
    seven, eight, nine = world.analyses.due_days(10)
    puts = [PutDay(seven, b"seven", closed=True), PutDay(eight, b"", closed=False, failed=True)]
    world.analyses.put_days([*puts, PutDay(nine, b"nine", closed=False)])
    assert listed(world) == [(7, b"seven"), (9, b"nine")]
    assert not world.analyses.due_days(10)


# ---- the windows of days --------------------------------------------------------------------------------------------


def test_the_windows_of_a_day_are_due_once_the_day_is_stored(world: World) -> None:
    touched(world, 7)
    (due,) = world.analyses.due_days(10)
    assert due_windows(world) == []
    put_day(world, due, b"seven", windows=(1, 0, -1))
    source = RECORDING.source
    expected = [DueWindow(WindowKey(ACCOUNT, METRIC, source, civil_day), due.touch) for civil_day in (1, 0, -1)]
    assert world.windows.due_windows(10) == expected


def test_the_windows_of_days_stored_together_are_due_once_each(world: World) -> None:
    touched(world, 7, 8)
    seven, eight = world.analyses.due_days(10)
    world.analyses.put_days([PutDay(seven, b"7", False, windows=(6, 7)), PutDay(eight, b"8", False, windows=(7, 8))])
    assert due_windows(world) == [(6, 1), (7, 1), (8, 1)]


def test_a_window_touched_again_keeps_its_place_and_takes_the_later_touch(world: World) -> None:
    for civil_day, windows in ((7, (1, 2)), (8, (3, 1))):
        touched(world, civil_day)
        put_day(world, world.analyses.due_days(1)[0], b"day", windows=windows)
    assert due_windows(world) == [(1, 2), (2, 1), (3, 2)]


def test_an_earlier_touch_of_a_window_does_not_hide_a_later_one(world: World) -> None:
    touched(world, 7)
    (slow,) = world.analyses.due_days(1)
    touched(world, 7)
    (quick,) = world.analyses.due_days(1)
    put_day(world, quick, b"new", windows=(1,))
    put_day(world, slow, b"old", windows=(1,))
    assert due_windows(world) == [(1, 2)]


def test_windows_are_due_even_of_a_day_that_failed_or_is_gone(world: World) -> None:
    touched(world, 7, 8)
    failed, gone = world.analyses.due_days(10)
    world.analyses.put_days([PutDay(failed, b"", False, True, (1,)), PutDay(gone, b"", False, windows=(2,))])
    assert due_windows(world) == [(1, 1), (2, 1)]


# ---- days -----------------------------------------------------------------------------------------------------------


def store_days(world: World, keys: Sequence[DayKey]) -> None:
    for one in keys:
        put_day(world, DueDay(one, 1), f"{one.source.device}{one.civil_day}".encode())


def test_days_come_by_day_device_and_app(world: World) -> None:
    sources = [Source("b", "x"), Source("b"), Source("a", "z")]
    store_days(world, [key(day, source) for day in (3, -20_000, 1) for source in sources])
    found = [one for one, _ in world.analyses.days(ACCOUNT, METRIC, (None, None), None, 100)]
    assert found == [key(day, source) for day in (-20_000, 1, 3) for source in reversed(sources)]


def test_days_page_by_their_key(world: World) -> None:
    sources = [Source("a"), Source("a", "x"), Source("b")]
    keys = [key(day, source) for day in (1, 2) for source in sources]
    store_days(world, keys)
    found, after = list[DayKey](), None
    while page := world.analyses.days(ACCOUNT, METRIC, (None, None), after, 2):
        last = page[-1][0]
        found += [one for one, _ in page]
        after = (last.civil_day, last.source.device, last.source.app)
    assert found == keys


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
def test_days_are_those_of_the_dates_asked_for(
    world: World, start: date | None, end: date | None, expected: list[int]
) -> None:
    store_days(world, [key(day) for day in (-18_900, 0, 1, 2)])
    assert [day for day, _ in listed(world, (start, end))] == expected


def test_days_of_another_account_or_metric_are_not_seen(world: World) -> None:
    store_days(world, [key(1), replace(key(1), account_id=STRANGER), replace(key(1), metric="heart_rate")])
    assert len(listed(world)) == 1
    assert world.analyses.days("c" * 26, METRIC, (None, None), None, 10) == []


def test_a_day_is_closed_once_an_upload_of_its_source_has_closed_it(world: World) -> None:
    closing(world, 1)
    assert world.analyses.is_closed(key(101))
    others = [
        key(102),
        key(101, Source("other")),
        key(101, account_id=STRANGER),
        replace(key(101), metric="heart_rate"),
    ]
    assert not any(world.analyses.is_closed(other) for other in others)


def test_a_window_that_begins_on_a_day_does_not_close_it(world: World) -> None:
    closing(world, 1, kind=ClosingKind.WINDOW)
    assert not world.analyses.is_closed(key(101))


def test_a_day_is_found_by_its_key(world: World) -> None:
    put_day(world, DueDay(key(1), 1), b"one")
    assert world.analyses.day(key(1)) == b"one"
    others = [
        key(2),
        key(1, Source("other", "app")),
        key(1, Source("wrist")),
        key(1, account_id=STRANGER),
        replace(key(1), metric="heart_rate"),
    ]
    assert [world.analyses.day(other) for other in others] == [None] * 5


def test_a_day_without_samples_is_not_found(world: World) -> None:
    put_day(world, DueDay(key(1), 1), b"one")
    put_day(world, DueDay(key(1), 2), b"")
    assert world.analyses.day(key(1)) is None


def test_another_process_reads_the_same_results_and_days(world: World) -> None:
    (due,) = closing(world, 1, kind=ClosingKind.WINDOW)
    touched(world, 7)
    put_result(world, due, b"week")
    put_day(world, world.analyses.due_days(1)[0], b"seven", windows=(1,))
    with world.another() as other:
        assert other.analyses.results(ACCOUNT, UPLOAD, 0, 10) == [(due.closing, b"week")]
        assert other.analyses.day(key(7)) == b"seven"
        assert due_windows(other) == [(1, 2)]
