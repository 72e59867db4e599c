"""The main sleep of a night: drawn as runs of sleep and wake, and what it is made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarity_server.domain.measures import Unavailable
from clarity_server.rhythm.clock import DAY_MINUTES, civil_minutes
from clarity_server.rhythm.night import MainSleep, Night, nights

NOON = 720  # the recordings here begin at noon of day 0, so the night belongs to day 1


def drawn(*runs: tuple[str, int], start: int = NOON, days: tuple[int, ...] = (1,)) -> list[Night]:
    """Returns the nights of minutes spelled as runs: s sleep, . wake, u not worn, ? without a value."""
    marks = np.repeat([mark for mark, _ in runs], [length for _, length in runs])
    scored = (marks == "s") | (marks == ".")
    return nights(marks == "s", scored, marks != "?", civil_minutes(start, len(marks)), days)


def sleep_of(*runs: tuple[str, int], start: int = NOON) -> MainSleep | Unavailable:
    return drawn(*runs, start=start)[0].sleep


def found(*runs: tuple[str, int], start: int = NOON) -> MainSleep:
    sleep = sleep_of(*runs, start=start)
    assert isinstance(sleep, MainSleep), sleep
    return sleep


def test_a_night_worked_out_by_hand() -> None:
    """450 minutes of sleep broken by wakes of 4 and 20, of which only the second is an awakening."""
    sleep = found((".", 600), ("s", 200), (".", 4), ("s", 100), (".", 20), ("s", 150), (".", 366))
    assert (sleep.start, sleep.onset, sleep.final_awakening, sleep.end) == (600, 600, 1074, 1074)
    assert (sleep.total_sleep, sleep.wake_after_onset, sleep.awakenings) == (450, 24, 1)
    assert (sleep.onset_latency, sleep.latency_to_arising, sleep.time_in_bed) == (0, 0, 474)
    assert sleep.efficiency_percent == pytest.approx(100 * 450 / 474)


def test_dozing_is_latency_until_ten_minutes_of_unbroken_sleep() -> None:
    doze = [("s", 9), (".", 3)] * 5
    sleep = found((".", 600), *doze, ("s", 300), (".", 480))
    assert (sleep.start, sleep.onset, sleep.onset_latency) == (600, 660, 60)
    assert (sleep.total_sleep, sleep.time_in_bed) == (300, 360)


def test_an_interruption_below_an_hour_is_part_of_the_night_and_an_hour_is_not() -> None:
    sleep = found((".", 500), ("s", 200), (".", 59), ("s", 100), (".", 581))
    assert (sleep.start, sleep.end, sleep.wake_after_onset, sleep.awakenings) == (500, 859, 59, 1)
    sleep = found((".", 500), ("s", 200), (".", 60), ("s", 100), (".", 580))
    assert (sleep.start, sleep.end) == (500, 700)


def test_of_two_sleeps_the_longer_is_the_main_one_and_of_equals_the_first() -> None:
    assert found((".", 100), ("s", 90), (".", 400), ("s", 300), (".", 550)).start == 590
    assert found((".", 100), ("s", 300), (".", 300), ("s", 300), (".", 440)).start == 100


def test_a_nap_of_half_an_hour_is_a_sleep_and_less_is_none() -> None:
    assert found((".", 700), ("s", 30), (".", 710)).total_sleep == 30
    assert sleep_of((".", 700), ("s", 29), (".", 711)) is Unavailable.NO_SLEEP


def test_a_sleep_belongs_to_the_noons_around_its_middle() -> None:
    """08:00 to 16:00 lies as much before as after noon; its middle is noon itself, which begins a night."""
    shift = [(".", 1200), ("s", 480), (".", 1200)]
    first, second = drawn(*shift, days=(1, 2))
    assert first.sleep is Unavailable.NO_SLEEP
    assert isinstance(second.sleep, MainSleep)
    earlier, later = drawn((".", 1199), ("s", 480), (".", 1201), days=(1, 2))
    assert isinstance(earlier.sleep, MainSleep)
    assert later.sleep is Unavailable.NO_SLEEP


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        # No sleep, all sleep, no recording.
        ([(".", 1440)], Unavailable.NO_SLEEP),
        ([("s", 1440)], Unavailable.NOT_WORN),
        ([("s", 3 * 1440)], Unavailable.NOT_WORN),
        ([("?", 1440)], Unavailable.GAP),
        ([("u", 1440)], Unavailable.NOT_WORN),
        ([], Unavailable.SHORT_RECORD),
        ([(".", 1)], Unavailable.SHORT_RECORD),
        ([("s", 1)], Unavailable.SHORT_RECORD),
        # Sleep over the end of the recording, and over its start.
        ([(".", 700), ("s", 400)], Unavailable.SHORT_RECORD),
        # The device is taken off in the middle of the night, or put on; or has a hole there.
        ([(".", 600), ("s", 300), ("u", 120), (".", 420)], Unavailable.NOT_WORN),
        ([(".", 600), ("?", 120), ("s", 300), (".", 420)], Unavailable.GAP),
        ([(".", 600), ("s", 300), (".", 14), ("u", 60), (".", 466)], Unavailable.NOT_WORN),
        # Nobody knows whether the nap was the main sleep.
        ([(".", 200), ("s", 100), (".", 300), ("u", 480), (".", 360)], Unavailable.NOT_WORN),
        ([(".", 700), ("?", 30), (".", 710)], Unavailable.GAP),
    ],
)
def test_a_night_that_is_not_certain_has_a_reason(runs: list[tuple[str, int]], expected: Unavailable) -> None:
    assert sleep_of(*runs) is expected


def test_minutes_not_scored_within_the_night_are_counted_apart() -> None:
    sleep = found((".", 600), ("s", 200), ("u", 40), ("s", 200), (".", 400))
    assert (sleep.time_in_bed, sleep.total_sleep, sleep.wake_after_onset, sleep.unscored) == (400, 400, 0, 40)
    assert sleep.end - sleep.start == 440


def test_far_from_the_sleep_the_device_may_be_off_for_a_while() -> None:
    assert found((".", 100), ("u", 200), (".", 300), ("s", 400), (".", 15), ("u", 120), (".", 305)).total_sleep == 400


def test_a_night_has_its_coverage() -> None:
    (night,) = drawn((".", 600), ("s", 480), ("?", 36), (".", 324))
    assert night.coverage_ratio == pytest.approx(1 - 36 / 1440)
    (night,) = drawn((".", 360))
    assert night.coverage_ratio == pytest.approx(0.25)


def test_a_night_across_a_clock_change_is_as_long_as_it_lasted() -> None:
    marks = np.repeat([".", "s", "."], [660, 480, 360])  # 23:00 to 07:00 standard time: the clock is put back at 02:00
    civil = civil_minutes(NOON, 1500, [(900, -60)])
    (night,) = nights(marks == "s", marks != "?", marks != "?", civil, [1])
    assert isinstance(night.sleep, MainSleep)
    assert night.sleep.total_sleep == 480
    assert night.coverage_ratio == 1


runs_of_marks = st.lists(
    st.tuples(st.sampled_from("s.ss.u?"), st.sampled_from([1, 4, 5, 9, 10, 15, 16, 29, 30, 31, 59, 60, 61, 200, 400])),
    min_size=1,
    max_size=40,
)


@given(runs_of_marks, st.sampled_from([0, NOON, 838, -27_317_402]))
def test_the_parts_of_a_night_add_up_whatever_it_was(runs: list[tuple[str, int]], start: int) -> None:
    first = start // DAY_MINUTES
    for night in drawn(*runs, start=start, days=tuple(range(first, first + 8))):
        assert 0 <= night.coverage_ratio <= 1
        if isinstance(night.sleep, Unavailable):
            continue
        sleep = night.sleep
        parts = (sleep.onset_latency, sleep.total_sleep, sleep.wake_after_onset, sleep.latency_to_arising)
        assert min(*parts, sleep.awakenings, sleep.unscored) >= 0
        assert sleep.time_in_bed == sum(parts)
        assert sleep.end - sleep.start == sleep.time_in_bed + sleep.unscored
        assert sleep.start <= sleep.onset < sleep.final_awakening <= sleep.end
        assert 0 < sleep.efficiency_percent <= 100


@given(runs_of_marks)
def test_the_days_asked_for_do_not_change_each_other(runs: list[tuple[str, int]]) -> None:
    together = drawn(*runs, days=(0, 1, 2, 3))
    assert together == [drawn(*runs, days=(day,))[0] for day in (0, 1, 2, 3)]
