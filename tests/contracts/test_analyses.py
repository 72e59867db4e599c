"""What every store of derived results must do."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from clarity_server.domain.series import Closing, Source, StoredUpload
from clarity_server.ports import DayKey, DueDay, DueResult
from tests.contracts.identity_world import at_once
from tests.contracts.recordings import ACCOUNT, RECORDING, STRANGER, append, committed
from tests.contracts.worlds import World

UPLOAD = "u"
METRIC = RECORDING.metric


def touched(world: World, *days: int, account_id: str = ACCOUNT, upload_id: str = UPLOAD) -> StoredUpload:
    """Commit a sample that touches days."""
    stored = world.series.open(account_id, upload_id, RECORDING)
    return committed(world.series, append(stored, 1, days=days, account_id=account_id))


def closing(world: World, count: int, account_id: str = ACCOUNT, upload_id: str = UPLOAD) -> list[DueResult]:
    """Commit samples that close the next days of an upload, one of 1,440 samples after the other."""
    stored = world.series.open(account_id, upload_id, RECORDING)
    numbers = range(stored.result_count + 1, stored.result_count + count + 1)
    closings = [Closing(number, 100 + number, 1440 * number) for number in numbers]
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


# ---- results --------------------------------------------------------------------------------------------------------


def test_a_closing_is_due_until_its_result_is_stored(world: World) -> None:
    first, second = closing(world, 2)
    assert world.analyses.due_results(10) == [first, second]
    world.analyses.put_result(first, b"one")
    assert world.analyses.due_results(10) == [second]
    world.analyses.put_result(second, b"two")
    assert not world.analyses.due_results(10)
    assert world.analyses.results(ACCOUNT, UPLOAD, 0, 10) == [(1, b"one"), (2, b"two")]


def test_the_first_result_stays(world: World) -> None:
    (due,) = closing(world, 1)
    bodies = [b"%d" % number for number in range(8)]
    at_once(8, lambda number: world.analyses.put_result(due, bodies[number]))
    ((_, kept),) = world.analyses.results(ACCOUNT, UPLOAD, 0, 10)
    world.analyses.put_result(due, b"later")
    assert world.analyses.results(ACCOUNT, UPLOAD, 0, 10) == [(1, kept)]


def test_results_stop_before_the_first_one_not_derived(world: World) -> None:
    first, second, third, fourth = closing(world, 4)
    world.analyses.put_result(first, b"1")
    world.analyses.put_result(third, b"3")
    assert world.analyses.results(ACCOUNT, UPLOAD, 0, 10) == [(1, b"1")]
    assert world.analyses.results(ACCOUNT, UPLOAD, 2, 10) == []
    assert world.analyses.analysed(ACCOUNT, UPLOAD) == (1, 1440)
    world.analyses.put_result(second, b"2")
    assert world.analyses.results(ACCOUNT, UPLOAD, 0, 10) == [(1, b"1"), (2, b"2"), (3, b"3")]
    assert world.analyses.analysed(ACCOUNT, UPLOAD) == (3, 3 * 1440)
    world.analyses.put_result(fourth, b"4")
    assert world.analyses.analysed(ACCOUNT, UPLOAD) == (4, 4 * 1440)


def test_results_go_on_after_a_number_and_up_to_a_limit(world: World) -> None:
    for due in closing(world, 5):
        world.analyses.put_result(due, b"%d" % due.closing.number)
    assert [number for number, _ in world.analyses.results(ACCOUNT, UPLOAD, 1, 3)] == [2, 3, 4]
    assert world.analyses.results(ACCOUNT, UPLOAD, 5, 3) == []


def test_nothing_is_analysed_of_an_upload_without_results(world: World) -> None:
    touched(world)
    assert world.analyses.analysed(ACCOUNT, UPLOAD) == (0, 0)
    assert world.analyses.analysed(ACCOUNT, "unknown") == (0, 0)


def test_results_of_another_account_or_upload_are_not_seen(world: World) -> None:
    (due,) = closing(world, 1)
    world.analyses.put_result(due, b"mine")
    for account_id, upload_id in [(STRANGER, UPLOAD), (ACCOUNT, "other")]:
        assert world.analyses.results(account_id, upload_id, 0, 10) == []
        assert world.analyses.analysed(account_id, upload_id) == (0, 0)


def test_due_results_are_fair_between_accounts(world: World) -> None:
    """One account's backlog makes nobody wait for more than their turn; each account's own come oldest first."""
    many = closing(world, 20)
    some = closing(world, 3, account_id=STRANGER)
    few = closing(world, 1, account_id="c" * 26)
    expected = [many[0], some[0], few[0], many[1], some[1], many[2], some[2], many[3]]
    assert list(world.analyses.due_results(8)) == expected


def test_due_results_are_limited_and_oldest_first_over_an_accounts_uploads(world: World) -> None:
    late = closing(world, 2, upload_id="z")
    later = closing(world, 2, upload_id="a")
    assert list(world.analyses.due_results(3)) == [*late, later[0]]


def test_a_failed_result_is_left_out_of_the_queue_and_holds_back_those_after_it(world: World) -> None:
    first, second = closing(world, 2)
    world.analyses.put_result(first, b"", failed=True)
    world.analyses.put_result(second, b"two")
    assert not world.analyses.due_results(10)
    assert world.analyses.results(ACCOUNT, UPLOAD, 0, 10) == []


def test_a_failed_result_with_a_body_stands_in_its_place(world: World) -> None:
    (due,) = closing(world, 1)
    world.analyses.put_result(due, b"sorry", failed=True)
    assert not world.analyses.due_results(10)
    assert world.analyses.results(ACCOUNT, UPLOAD, 0, 10) == [(1, b"sorry")]


def test_a_failed_result_may_still_be_derived(world: World) -> None:
    (due,) = closing(world, 1)
    world.analyses.put_result(due, b"", failed=True)
    world.analyses.put_result(due, b"at last")
    assert world.analyses.results(ACCOUNT, UPLOAD, 0, 10) == [(1, b"at last")]


# ---- touched days ---------------------------------------------------------------------------------------------------


def test_a_touched_day_is_due_until_its_day_is_stored(world: World) -> None:
    touched(world, 7, 5)
    due = world.analyses.due_days(10)
    assert due == [DueDay(key(7), 1), DueDay(key(5), 1)]
    world.analyses.put_day(due[0], b"seven", closed=False)
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
    world.analyses.put_day(seen, b"old", closed=False)
    assert world.analyses.due_days(10) == [DueDay(key(7), 2)]


def test_a_slow_derivation_never_replaces_a_newer_one(world: World) -> None:
    touched(world, 7)
    (slow,) = world.analyses.due_days(10)
    touched(world, 7)
    (quick,) = world.analyses.due_days(10)
    world.analyses.put_day(quick, b"new", closed=True)
    world.analyses.put_day(slow, b"old", closed=False)
    assert listed(world) == [(7, b"new")]
    assert not world.analyses.due_days(10)


def test_a_day_derived_again_takes_the_place_of_the_older_one(world: World) -> None:
    for body in (b"first", b"second"):
        touched(world, 7)
        world.analyses.put_day(world.analyses.due_days(1)[0], body, closed=False)
    assert listed(world) == [(7, b"second")]


def test_a_day_that_failed_waits_for_the_next_touch_and_keeps_what_it_had(world: World) -> None:
    touched(world, 7)
    world.analyses.put_day(world.analyses.due_days(1)[0], b"good", closed=False)
    touched(world, 7)
    world.analyses.put_day(world.analyses.due_days(1)[0], b"", closed=False, failed=True)
    assert not world.analyses.due_days(10)
    assert listed(world) == [(7, b"good")]
    touched(world, 7)
    assert world.analyses.due_days(10) == [DueDay(key(7), 3)]


def test_a_failure_does_not_hide_a_later_touch(world: World) -> None:
    touched(world, 7)
    (seen,) = world.analyses.due_days(1)
    touched(world, 7)
    world.analyses.put_day(seen, b"", closed=False, failed=True)
    assert world.analyses.due_days(10) == [DueDay(key(7), 2)]


def test_a_day_without_samples_is_not_listed(world: World) -> None:
    touched(world, 7)
    world.analyses.put_day(world.analyses.due_days(1)[0], b"", closed=False)
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


# ---- days -----------------------------------------------------------------------------------------------------------


def store_days(world: World, keys: Sequence[DayKey]) -> None:
    for one in keys:
        world.analyses.put_day(DueDay(one, 1), f"{one.source.device}{one.civil_day}".encode(), closed=False)


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
