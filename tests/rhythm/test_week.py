"""A week whole: every measure a number or a reason, whatever the recording."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clarity_server.domain.measures import Unavailable
from clarity_server.rhythm.clock import DAY_MINUTES
from clarity_server.rhythm.night import MainSleep
from clarity_server.rhythm.sleep import SCORERS
from clarity_server.rhythm.wear import DETECTORS
from clarity_server.rhythm.week import WEEK_MINUTES, Week, analyse, circular_mean, weeks

Counts = NDArray[np.float64]
MIDNIGHT = -18_970 * DAY_MINUTES  # 1918-01-24 00:00
FROM_13_58 = MIDNIGHT - 602
LEAP_DAY = 11_016 * DAY_MINUTES  # 2000-02-29 00:00


def person(days: int, seed: int = 0) -> Counts:
    """Returns days of somebody who sleeps from 23:00 to 07:00, from midnight on."""
    rng = np.random.default_rng(seed)
    hour = np.arange(days * DAY_MINUTES) // 60 % 24
    asleep = (hour >= 23) | (hour < 7)
    moves = rng.random(len(hour)) < np.where(asleep, 0.15, 0.95)
    return np.where(moves, np.floor(rng.gamma(1.5, np.where(asleep, 10, 200))), 0.0)


def numbers(week: Week) -> dict[str, float]:
    return {measure.name: measure.outcome for measure in week.measures if not isinstance(measure.outcome, Unavailable)}


def reasons(week: Week) -> dict[str, Unavailable]:
    return {measure.name: measure.outcome for measure in week.measures if isinstance(measure.outcome, Unavailable)}


def test_a_week_of_somebody_has_every_number() -> None:
    week = analyse(person(9), MIDNIGHT, core=(DAY_MINUTES, DAY_MINUTES + WEEK_MINUTES))
    assert reasons(week) == {}
    assert (week.start_minute, week.minutes, week.worn_minutes) == (MIDNIGHT + DAY_MINUTES, WEEK_MINUTES, WEEK_MINUTES)
    assert [night.civil_day for night in week.nights] == list(range(-18_969, -18_962))
    found = numbers(week)
    assert found["nights"] == 7
    assert found["night_total_sleep"] == pytest.approx(465, abs=15)
    assert found["night_time_in_bed"] == pytest.approx(
        found["night_onset_latency"]
        + found["night_total_sleep"]
        + found["night_wake_after_onset"]
        + found["night_latency_to_arising"]
    )
    assert found["night_midpoint_time"] == pytest.approx(180, abs=10)
    assert 0.9 < found["relative_amplitude"] <= 1
    assert week.hourly_profile[12] == pytest.approx(285, abs=15)


def test_the_first_night_of_a_week_needs_the_evening_before() -> None:
    week = analyse(person(7), MIDNIGHT)
    assert [isinstance(night.sleep, MainSleep) for night in week.nights] == [False] + [True] * 6
    assert week.nights[0].sleep is Unavailable.SHORT_RECORD


def test_each_number_names_its_algorithm_and_the_wear_before_it() -> None:
    week = analyse(person(3), MIDNIGHT, wear="troiano", sleep="sadeh", rescoring=True, pairing="physical")
    algorithms = {measure.name: measure.algorithm for measure in week.measures}
    assert algorithms["wear_coverage"].id == "troiano"
    assert all(one.parameters["wear"] == "troiano" for name, one in algorithms.items() if name != "wear_coverage")
    assert algorithms["asleep_ratio"].id == "sadeh"
    assert algorithms["asleep_ratio"].parameters["rescoring"] == "webster 1"
    assert algorithms["sleep_regularity_index"].parameters["pairing"] == "physical"
    assert algorithms["sleep_regularity_index"].parameters["sleep"] == "sadeh+webster"
    assert week.night_algorithm.parameters["sleep"] == "sadeh+webster"
    with pytest.raises(KeyError):
        analyse(person(1), MIDNIGHT, wear="chio")


everything = pytest.mark.parametrize(("wear", "sleep"), [(wear, sleep) for wear in DETECTORS for sleep in SCORERS])


@everything
@pytest.mark.parametrize("start", [MIDNIGHT, FROM_13_58, LEAP_DAY])
@pytest.mark.parametrize("value", [0.0, 40.0, 65_535.0, 1e9, math.nan, math.inf, -1.0])
def test_a_constant_has_no_rhythm(wear: str, sleep: str, start: int, value: float) -> None:
    week = analyse(np.full(WEEK_MINUTES, value), start, wear=wear, sleep=sleep)
    without = reasons(week)
    nobody = Unavailable.GAP if not 0 <= value < math.inf else Unavailable.NOT_WORN if week.worn_minutes == 0 else None
    for name in ("interdaily_stability", "intradaily_variability", "cosinor_peak", "l5_onset"):
        assert without[name] is (nobody or Unavailable.UNDEFINED)
    assert without.get("activity_mean") is nobody
    assert "night_total_sleep" in without


@everything
@pytest.mark.parametrize("minutes", [0, 1, 60, DAY_MINUTES, 2 * DAY_MINUTES, 10_066, 10_079, 10_080, 10_081])
@pytest.mark.parametrize("start", [MIDNIGHT, FROM_13_58])
def test_any_length_has_an_answer(wear: str, sleep: str, minutes: int, start: int) -> None:
    week = analyse(person(8)[:minutes], start, wear=wear, sleep=sleep)
    assert week.minutes == minutes
    assert all(math.isfinite(value) for value in numbers(week).values())
    if minutes < 2 * DAY_MINUTES:
        assert week.outcome("interdaily_stability") is Unavailable.SHORT_RECORD


def test_too_little_says_what_is_missing() -> None:
    counts = person(7)
    worn_by_day_only, holes = counts.copy(), counts.copy()
    night = np.arange(len(counts)) % DAY_MINUTES < 480
    worn_by_day_only[night] = 0
    holes[night] = math.nan
    assert analyse(worn_by_day_only, MIDNIGHT).outcome("l5") is Unavailable.NOT_WORN
    assert analyse(holes, MIDNIGHT).outcome("l5") is Unavailable.GAP
    assert analyse(counts[:DAY_MINUTES], MIDNIGHT).outcome("interdaily_stability") is Unavailable.SHORT_RECORD
    assert analyse(holes, MIDNIGHT).outcome("sleep_regularity_valid_pair_ratio") == pytest.approx(2 / 3, abs=0.01)


def test_one_nonzero_minute_is_nobody() -> None:
    counts = np.zeros(WEEK_MINUTES)
    counts[5000] = 7
    assert analyse(counts, MIDNIGHT).worn_minutes == 0
    assert analyse(counts, MIDNIGHT, wear="none").outcome("relative_amplitude") == 1


def test_gaps_at_either_end_and_inside_are_in_no_sum() -> None:
    counts = person(9)
    short = analyse(counts[DAY_MINUTES:-DAY_MINUTES], MIDNIGHT + DAY_MINUTES, wear="none")
    counts[:DAY_MINUTES] = counts[-DAY_MINUTES:] = math.nan
    long = analyse(counts, MIDNIGHT, wear="none")
    for name in ("interdaily_stability", "intradaily_variability", "l5", "m10", "cosinor_peak"):
        assert long.outcome(name) == pytest.approx(short.outcome(name), rel=1e-12)
    assert long.outcome("sleep_regularity_index") == pytest.approx(short.outcome("sleep_regularity_index"), abs=0.1)


@pytest.mark.parametrize(("shift", "minutes"), [(60, WEEK_MINUTES - 60), (-60, WEEK_MINUTES + 60)])
def test_a_clock_change_moves_nobody(shift: int, minutes: int) -> None:
    """Seven civil days of 24 hours but for one of 23 or 25, of somebody who lives by the clock."""
    at = 3 * DAY_MINUTES + (120 if shift > 0 else 180)
    plain = person(7)
    lived = np.delete(plain, np.s_[at : at + 60]) if shift > 0 else np.insert(plain, at, plain[at - 60 : at])
    assert len(lived) == minutes
    changed, usual = (
        analyse(lived, LEAP_DAY, moves=[(at, shift)], wear="none"),
        analyse(plain, LEAP_DAY, wear="none"),
    )
    assert changed.clock_moves == ((at, shift),)
    for name in ("l5_onset", "m10_onset", "cosinor_peak", "night_midpoint_time"):
        assert changed.outcome(name) == pytest.approx(usual.outcome(name), abs=20)
    assert changed.outcome("interdaily_stability") == pytest.approx(usual.outcome("interdaily_stability"), abs=0.01)
    assert [night.civil_day for night in changed.nights] == [night.civil_day for night in usual.nights]


def test_a_move_over_many_zones_still_has_an_answer() -> None:
    for shift in (540, -540, 1440, -1440):
        week = analyse(person(9), MIDNIGHT, moves=[(4000, shift)])
        assert all(math.isfinite(value) for value in numbers(week).values())
        assert len({night.civil_day for night in week.nights}) == len(week.nights)


@pytest.mark.parametrize("kind", ["<f4", ">f4", ">f8"])
def test_any_float_layout_gives_the_same_answer(kind: str) -> None:
    counts = person(7)
    counts[100:200] = math.nan
    stored = np.stack([counts, counts], axis=1).astype(kind)
    stored.flags.writeable = False
    assert analyse(stored[:, 1], MIDNIGHT) == analyse(counts, MIDNIGHT)


def test_integers_are_counts_too() -> None:
    counts = person(7)
    assert analyse(counts.astype(np.int32), MIDNIGHT).measures == analyse(counts, MIDNIGHT).measures


def test_a_scale_100_times_off_moves_sleep_and_leaves_the_rhythm() -> None:
    plain, loud = analyse(person(7), MIDNIGHT), analyse(100 * person(7), MIDNIGHT)
    for name in ("interdaily_stability", "relative_amplitude", "cosinor_peak", "wear_coverage"):
        assert loud.outcome(name) == pytest.approx(plain.outcome(name))
    assert numbers(loud)["asleep_ratio"] < numbers(plain)["asleep_ratio"]


holes = st.lists(
    st.tuples(
        st.integers(0, 5 * DAY_MINUTES),
        st.sampled_from([1, 59, 60, 90, 600, 2000]),
        st.sampled_from([math.nan, 0.0, 65_535.0, -3.0]),
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(holes, st.sampled_from(sorted(DETECTORS)), st.sampled_from(sorted(SCORERS)), st.booleans())
def test_every_number_is_finite_and_within_its_bounds(
    damage: list[tuple[int, int, float]], wear: str, sleep: str, rescoring: bool
) -> None:
    counts = person(5)
    for at, length, value in damage:
        counts[at : at + length] = value
    week = analyse(counts, FROM_13_58, wear=wear, sleep=sleep, rescoring=rescoring)
    found = numbers(week)
    assert all(math.isfinite(value) for value in found.values())
    assert all(0 <= measure.coverage_ratio <= 1 for measure in week.measures)
    for name in ("wear_coverage", "asleep_ratio", "relative_amplitude"):
        assert 0 <= found.get(name, 0) <= 1
    for name in ("l5_onset", "m10_onset", "cosinor_peak", "night_onset_time", "night_midpoint_time"):
        assert 0 <= found.get(name, 0) < DAY_MINUTES
    assert -100 <= found.get("sleep_regularity_index", 0) <= 100
    assert 0 <= found.get("cosinor_percent_rhythm", 0) <= 100
    assert found.get("night_efficiency", 1) <= 100


# ---- weeks ---------------------------------------------------------------------------------------------------


def test_weeks_begin_at_each_midnight_and_rest_on_their_own_minutes() -> None:
    counts = person(10)[602:]
    found = list(weeks(counts, MIDNIGHT + 602))
    assert [week.start_minute for week in found] == [MIDNIGHT + day * DAY_MINUTES for day in (1, 2, 3)]
    assert {week.minutes for week in found} == {WEEK_MINUTES}
    alone = counts[DAY_MINUTES - 602 - 720 : DAY_MINUTES - 602 + WEEK_MINUTES + 180]
    assert next(weeks(alone, MIDNIGHT + DAY_MINUTES - 720)) == found[0]


@pytest.mark.parametrize(
    ("start", "minutes", "expected"),
    [
        (MIDNIGHT, WEEK_MINUTES - 1, 0),
        (MIDNIGHT, WEEK_MINUTES, 1),
        (MIDNIGHT, WEEK_MINUTES + 1, 1),
        (FROM_13_58, WEEK_MINUTES, 0),
        (MIDNIGHT, 0, 0),
    ],
)
def test_only_whole_weeks_are_weeks(start: int, minutes: int, expected: int) -> None:
    assert len(list(weeks(person(8)[:minutes], start))) == expected


def test_a_week_keeps_its_10080_minutes_over_a_clock_change() -> None:
    found = list(weeks(person(9), LEAP_DAY, moves=[(2 * DAY_MINUTES + 120, 60)]))
    assert {week.minutes for week in found} == {WEEK_MINUTES}
    assert [week.start_minute % DAY_MINUTES for week in found] == [0, 0, 0]
    assert [week.clock_moves for week in found] == [((3000, 60),), ((1560, 60),), ((120, 60),)]


# ---- clock times ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "mean"),
    [((1425, 15), 0), ((60,), 60), ((1380, 1400, 1439), 1406.3), ((0, 120), 60), ((360, 1080), Unavailable.UNDEFINED)],
)
def test_clock_times_are_averaged_on_the_circle(times: tuple[int, ...], mean: float | Unavailable) -> None:
    found = circular_mean(times)
    if isinstance(mean, Unavailable) or isinstance(found, Unavailable):
        assert found is mean
    else:
        assert (found - mean + 720) % 1440 - 720 == pytest.approx(0, abs=0.1)
