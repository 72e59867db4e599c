"""A day or window closes once, under the same number, however its recording was cut into commits."""

import itertools
from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from clarity_server.domain.civil import DAY_MS, MINUTE_MS, Clock, Start, StartKind, civil_day
from clarity_server.domain.days import CONTEXT_AFTER_MINUTES, closings, on_days
from clarity_server.domain.series import Closing, ClosingKind
from tests.strategies import clocks, cuts

SAMPLES = 4 * 1440  # too short for a window
LONG = 10 * 1440
WINDOW = 7 * 1440
NOON = 12 * 60 * MINUTE_MS


def floating(ms: int) -> Clock:
    return Clock(Start(StartKind.FLOATING, ms))


def moved_only(clock: Clock, before: int) -> Clock:
    """The clock as a store knows it once so many samples are committed: later moves have not been told."""
    return Clock(clock.start, [move for move in clock.moves if move[0] < before * MINUTE_MS])


def run(clock: Clock, commits: Sequence[int]) -> list[Closing]:
    """All that closes over a whole upload with these committed counts, the last one finished."""
    found: list[Closing] = []
    for before, after in itertools.pairwise(commits):
        known = moved_only(clock, after)
        found += closings(known, MINUTE_MS, before, after, finished=False, numbered=len(found))
    total = commits[-1]
    return found + list(closings(clock, MINUTE_MS, total, total, finished=True, numbered=len(found)))


@settings(max_examples=1000, deadline=None)
@given(st.data(), st.integers(1, SAMPLES))
def test_however_a_recording_is_cut_the_same_days_close_under_the_same_numbers(data: st.DataObject, total: int) -> None:
    clock = data.draw(clocks(total))
    assert run(clock, data.draw(cuts(total))) == run(clock, [0, total])


@settings(max_examples=300, deadline=None)
@given(clocks(SAMPLES), st.integers(1, SAMPLES))
@example(floating(DAY_MS - 30_000), 1)  # the recording ends within the minute in which the next day begins
@example(floating(DAY_MS - 30_000), 2)
@example(Clock(Start(StartKind.OFFSET, DAY_MS - 90_000, 0), [(2 * MINUTE_MS, -3600)]), 400)
def test_at_the_end_every_day_with_a_sample_is_closed_once_and_no_other(clock: Clock, total: int) -> None:
    closed = run(clock, [0, total])
    assert [one.number for one in closed] == list(range(1, len(closed) + 1))
    assert [(one.civil_day, one.end_sample) for one in closed] == [
        (day, samples[1]) for day, samples in on_days(clock, MINUTE_MS, 0, total)
    ]


@settings(max_examples=300, deadline=None)
@given(clocks(SAMPLES), st.integers(1, SAMPLES))
def test_days_share_out_the_samples_with_a_civil_time(clock: Clock, total: int) -> None:
    found = on_days(clock, MINUTE_MS, 0, total)
    known = clock.known_from_ms
    first = total if known is None else min(total, -(-known // MINUTE_MS))
    bounds = [first, *(end for _, (_, end) in found)]
    assert [samples for _, samples in found] == list(itertools.pairwise(bounds))
    assert bounds[-1] == total
    assert all(low < high for low, high in itertools.pairwise(bounds))


@settings(max_examples=200, deadline=None)
@given(clocks(SAMPLES), st.integers(0, SAMPLES), st.integers(1, SAMPLES))
def test_a_day_closes_only_once_its_context_is_there(clock: Clock, before: int, more: int) -> None:
    after = min(before + more, SAMPLES)
    for one in closings(moved_only(clock, after), MINUTE_MS, before, after, finished=False, numbered=7):
        assert before < one.end_sample + CONTEXT_AFTER_MINUTES <= after
        assert one.number > 7


def test_a_day_closes_with_the_very_sample_that_completes_its_context() -> None:
    clock, midnight = floating(NOON), 12 * 60
    close = midnight + CONTEXT_AFTER_MINUTES

    def due(before: int, after: int) -> Sequence[Closing]:
        return closings(clock, MINUTE_MS, before, after, finished=False, numbered=0)

    assert due(0, close - 1) == []
    assert due(close - 1, close) == [Closing(1, 0, midnight)]
    assert due(0, close) == [Closing(1, 0, midnight)]
    assert due(close, close + 500) == []


def test_many_days_close_in_one_commit_in_order() -> None:
    found = closings(floating(NOON), MINUTE_MS, 0, 13 * 1440, finished=False, numbered=2)
    assert [one.number for one in found] == list(range(3, 22))
    days = [one for one in found if one.kind is ClosingKind.DAY]
    assert [one.civil_day for one in days] == list(range(13))
    assert days[1].end_sample - days[0].end_sample == 1440


def test_finishing_closes_the_day_whose_context_is_not_there_and_the_last_one() -> None:
    total = 12 * 60 + 60  # an hour into the second day
    found = closings(floating(NOON), MINUTE_MS, total, total, finished=True, numbered=0)
    assert [(one.civil_day, one.end_sample) for one in found] == [(0, 12 * 60), (1, total)]


def test_a_recording_that_ends_at_midnight_has_no_day_after_it() -> None:
    found = run(floating(NOON), [0, 12 * 60])
    assert [(one.civil_day, one.end_sample) for one in found] == [(0, 12 * 60)]


def test_a_recording_without_an_offset_has_no_days_to_close() -> None:
    assert run(Clock(Start(StartKind.INSTANT, 0)), [0, 5000]) == []


def test_a_day_before_1970_closes_as_any_other() -> None:
    clock = floating(-3 * DAY_MS + NOON)
    assert [one.civil_day for one in run(clock, [0, 2 * 1440])] == [-3, -2, -1]
    assert civil_day(clock.axis_ms) == -3


# ---- windows --------------------------------------------------------------------------------------------------------


def weeks(closed: Sequence[Closing]) -> list[tuple[int, int]]:
    return [(one.civil_day, one.end_sample) for one in closed if one.kind is ClosingKind.WINDOW]


@settings(max_examples=300, deadline=None)
@given(st.data(), st.integers(WINDOW, LONG))
def test_however_a_recording_is_cut_the_same_windows_close_under_the_same_numbers(
    data: st.DataObject, total: int
) -> None:
    clock = data.draw(clocks(total))
    assert run(clock, data.draw(cuts(total))) == run(clock, [0, total])


@settings(max_examples=200, deadline=None)
@given(clocks(LONG), st.integers(WINDOW, LONG))
def test_at_the_end_every_whole_week_from_a_local_midnight_is_closed_once(clock: Clock, total: int) -> None:
    begun = [(day, samples[0]) for day, samples in on_days(clock, MINUTE_MS, 0, total)]
    # The first day is seldom there from its midnight on; and a midnight may lie within a minute.
    starts = {day: first for day, first in begun if first or 0 <= -clock.day_start_ms(day) < MINUTE_MS}
    found = weeks(run(clock, [0, total]))
    assert len(found) == len(dict(found))
    for day, end in found:
        assert day in starts
        assert end <= total
        assert WINDOW - 1 <= end - starts[day] <= WINDOW
    whole = {day for day, first in starts.items() if first + WINDOW <= total}
    assert whole <= dict(found).keys() | {day for day, _ in begun[:1]}


def test_a_window_closes_right_after_its_last_day() -> None:
    found = run(floating(NOON), [0, 12 * 60 + WINDOW + CONTEXT_AFTER_MINUTES])
    assert [(one.kind, one.civil_day) for one in found][6:] == [
        (ClosingKind.DAY, 6),
        (ClosingKind.DAY, 7),
        (ClosingKind.WINDOW, 1),
        (ClosingKind.DAY, 8),
    ]
    assert weeks(found) == [(1, 12 * 60 + WINDOW)]


def test_a_recording_from_midnight_to_midnight_of_a_week_has_one_window() -> None:
    assert weeks(run(floating(0), [0, WINDOW])) == [(0, WINDOW)]
    assert weeks(run(floating(0), [0, WINDOW - 1])) == []


def test_a_clock_change_makes_a_window_end_beside_midnight() -> None:
    """A window has 10,080 physical minutes: with an hour less on the clock it ends at one."""
    spring = Clock(Start(StartKind.ZONE, 0, time_zone="Europe/London"))  # British time is constant in 1970
    assert weeks(run(spring, [0, WINDOW])) == [(0, WINDOW)]
    start = Start(StartKind.OFFSET, 0, utc_offset_s=0)
    ahead = Clock(start, [(3 * DAY_MS, 3600)])
    found = run(ahead, [0, LONG])
    assert weeks(found)[:2] == [(0, WINDOW), (1, 1440 + WINDOW)]
    assert weeks(found)[3] == (3, 3 * 1440 + WINDOW)
    days = {one.civil_day: one.end_sample for one in found if one.kind is ClosingKind.DAY}
    assert days[6] == WINDOW - 60
