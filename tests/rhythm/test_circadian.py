"""IS, IV, L5, M10, RA, cosinor and SRI: worked out by hand, and what must not change them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clarity_server.domain.measures import Unavailable
from clarity_server.rhythm.circadian import (
    ClockHours,
    Cosinor,
    Regularity,
    RestActivity,
    Stability,
    Variability,
    clock_hours,
    cosinor,
    interdaily_stability,
    intradaily_variability,
    rest_activity,
    sleep_regularity,
)
from clarity_server.rhythm.clock import DAY_MINUTES, civil_minutes, reached

Counts = NDArray[np.float64]
FROM_13_58 = -18_970 * DAY_MINUTES - 602  # 1918-01-23 13:58
scales = st.sampled_from([1e-3, 0.1, 3.0, 100.0])


def clock(counts: NDArray[np.floating] | NDArray[np.bool_], start: int = 0) -> NDArray[np.int64]:
    return civil_minutes(start, len(counts))


def days(*hourly: list[float] | NDArray[np.float64]) -> Counts:
    """Returns whole days of minutes, each day given by 24 numbers that hold for an hour."""
    return np.repeat(np.concatenate([np.asarray(day, dtype=np.float64) for day in hourly]), 60)


def hours(*means: float, first: int = 0) -> ClockHours:
    return ClockHours(first, np.array(means, dtype=np.float64))


def noise(seed: int, n: int = 7 * DAY_MINUTES) -> Counts:
    return np.floor(np.random.default_rng(seed).gamma(0.5, 200, size=n))


def stable(counts: Counts, start: int = 0) -> float:
    found = interdaily_stability(clock_hours(counts, clock(counts, start)))
    assert isinstance(found, Stability)
    return found.value


def variable(counts: Counts, start: int = 0) -> float:
    found = intradaily_variability(clock_hours(counts, clock(counts, start)))
    assert isinstance(found, Variability)
    return found.value


def profile(counts: Counts, start: int = 0) -> RestActivity:
    found = rest_activity(counts, clock(counts, start))
    assert isinstance(found, RestActivity)
    return found


def fitted(counts: Counts, start: int = 0) -> Cosinor:
    found = cosinor(counts, clock(counts, start))
    assert isinstance(found, Cosinor)
    return found


def regular(asleep: NDArray[np.bool_]) -> float:
    found = sleep_regularity(asleep, np.ones_like(asleep), clock(asleep))
    assert isinstance(found, Regularity)
    return found.value


# ---- the clock -----------------------------------------------------------------------------------------------


def test_the_clock_may_be_put_on_and_back() -> None:
    assert civil_minutes(100, 6, [(2, 60), (4, -60)]).tolist() == [100, 101, 162, 163, 104, 105]
    assert civil_minutes(-1, 3).tolist() == [-1, 0, 1]


def test_a_civil_minute_is_reached_once_and_the_clock_runs_on_outside() -> None:
    civil = civil_minutes(100, 6, [(2, 60), (4, -60)])
    assert reached(civil, np.array([90, 100, 101, 130, 163, 164])).tolist() == [-10, 0, 1, 2, 3, 64]


def test_hours_follow_the_clock_and_only_whole_ones_count() -> None:
    counts = np.arange(180.0)
    found = clock_hours(counts, clock(counts, FROM_13_58))
    assert found.first == FROM_13_58 // 60
    np.testing.assert_array_equal(found.means, [math.nan, 31.5, 91.5, math.nan])
    counts[100] = math.nan
    np.testing.assert_array_equal(clock_hours(counts, clock(counts, FROM_13_58)).means[2], math.nan)


def test_a_repeated_hour_is_one_of_120_minutes_and_a_skipped_one_is_missing() -> None:
    counts = np.repeat([1.0, 2.0, 3.0, 4.0], 60)
    np.testing.assert_array_equal(clock_hours(counts, civil_minutes(0, 240, [(180, -60)])).means, [1, 2, 3.5])
    np.testing.assert_array_equal(clock_hours(counts, civil_minutes(0, 240, [(120, 60)])).means, [1, 2, math.nan, 3, 4])


# ---- IS and IV -----------------------------------------------------------------------------------------------


def test_two_days_worked_out_by_hand() -> None:
    """Mean 0; day 1 is +2 in twelve hours and -2 in twelve, day 2 is zero: profile ±1, IS = 48·24/(24·24·4) = .5."""
    day = [2.0] * 12 + [-2.0] * 12
    found = interdaily_stability(hours(*day, *[0.0] * 24))
    assert found == Stability(0.5, 48)
    # Steps: 4 once within day 1, 2 at midnight: 16 + 4. IV = 48·20 / (47·96).
    assert intradaily_variability(hours(*day, *[0.0] * 24)) == Variability(48 * 20 / (47 * 96), 48, 47)


def test_a_pure_sine_is_perfectly_stable() -> None:
    sine = 100 + 50 * np.sin(2 * np.pi * np.arange(24) / 24)
    assert stable(days(*[sine] * 7)) == pytest.approx(1, rel=1e-12)


def test_alternating_hours_are_as_variable_as_hours_can_be() -> None:
    n = 7 * 24
    assert variable(days(*[[0.0, 1.0] * 12] * 7)) == pytest.approx(4 * n * (n - 1) / ((n - 1) * n), rel=1e-12)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_is_and_iv_of_whole_days_stay_within_their_bounds(seed: int) -> None:
    counts = noise(seed)
    assert 0 <= stable(counts) <= 1
    assert 0 <= variable(counts) < 4 * 168 / 167


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), scales, st.sampled_from([-50.0, 1.0, 1000.0]))
def test_is_and_iv_know_neither_scale_nor_offset(seed: int, a: float, b: float) -> None:
    counts = noise(seed)
    assert stable(a * counts + b) == pytest.approx(stable(counts), rel=1e-9)
    assert variable(a * counts + b) == pytest.approx(variable(counts), rel=1e-9)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations(range(7)))
def test_the_order_of_whole_days_does_not_matter_to_is_and_l5(seed: int, order: list[int]) -> None:
    counts = noise(seed)
    shuffled = counts.reshape(7, -1)[order].ravel()
    assert stable(shuffled) == pytest.approx(stable(counts), rel=1e-12)
    assert profile(shuffled).l5 == profile(counts).l5 or profile(shuffled).l5.mean == pytest.approx(
        profile(counts).l5.mean, rel=1e-12
    )


def test_iv_pairs_only_hours_that_are_neighbours() -> None:
    x = [float(hour % 5) for hour in range(72)]
    x[10] = math.nan
    found = intradaily_variability(hours(*x))
    assert isinstance(found, Variability)
    assert (found.hours, found.pairs) == (71, 69)


@pytest.mark.parametrize(
    ("n", "expected"),
    [(0, Unavailable.SHORT_RECORD), (24, Unavailable.SHORT_RECORD), (47, Unavailable.SHORT_RECORD), (48, Stability)],
)
def test_is_needs_every_clock_hour_on_two_days(n: int, expected: object) -> None:
    found = interdaily_stability(hours(*np.arange(float(n)) % 7))
    assert found is expected or type(found) is expected


@pytest.mark.parametrize(
    ("n", "expected"), [(0, Unavailable.SHORT_RECORD), (23, Unavailable.SHORT_RECORD), (24, Variability)]
)
def test_iv_needs_the_pairs_of_a_day(n: int, expected: object) -> None:
    found = intradaily_variability(hours(*np.arange(float(n)) % 7))
    assert found is expected or type(found) is expected


@pytest.mark.parametrize("value", [0.0, 0.1, 65_535.0])
def test_a_constant_has_neither_is_nor_iv(value: float) -> None:
    constant = clock_hours(np.full(7 * DAY_MINUTES, value), civil_minutes(0, 7 * DAY_MINUTES))
    assert interdaily_stability(constant) is Unavailable.UNDEFINED
    assert intradaily_variability(constant) is Unavailable.UNDEFINED


# ---- L5, M10, RA ---------------------------------------------------------------------------------------------


def test_l5_over_midnight_and_m10_worked_out_by_hand() -> None:
    """22:00 to 03:00 at 1, 09:00 to 19:00 at 9, else 5: L5 = 1 from 22:00, M10 = 9 from 09:00, RA = 8/10."""
    day = [1.0] * 3 + [5.0] * 6 + [9.0] * 10 + [5.0] * 3 + [1.0] * 2
    found = profile(days(day, day), 0)
    assert (found.l5.mean, found.l5.onset_minute, found.l5.onsets_tied) == (1, 22 * 60, 1)
    assert (found.m10.mean, found.m10.onset_minute, found.m10.onsets_tied) == (9, 9 * 60, 1)
    assert found.relative_amplitude == pytest.approx(0.8)


def test_of_windows_that_tie_the_first_after_midnight_is_named() -> None:
    """Zeros from 21:00 to 05:00: every start from 21:00 to 00:00 is as low, and the first of the day is 00:00."""
    day = [0.0] * 5 + [7.0] * 16 + [0.0] * 3
    found = profile(days(day)).l5
    assert (found.mean, found.onset_minute, found.onsets_tied) == (0, 0, 3 * 60 + 1)


def test_a_constant_has_no_onsets_and_zeros_no_amplitude() -> None:
    flat, zero = profile(np.full(DAY_MINUTES, 3.0)), profile(np.zeros(DAY_MINUTES))
    assert flat.l5.onset_minute is Unavailable.UNDEFINED
    assert flat.relative_amplitude == 0
    assert (zero.l5.mean, zero.m10.mean, zero.relative_amplitude) == (0, 0, Unavailable.UNDEFINED)


def test_one_nonzero_minute_is_in_m10_only() -> None:
    counts = np.zeros(DAY_MINUTES)
    counts[700] = 600
    found = profile(counts)
    assert (found.l5.mean, found.m10.mean, found.relative_amplitude) == (0, 1, 1)
    assert (found.m10.onset_minute, found.m10.onsets_tied) == (101, 600)


def test_the_average_day_needs_every_clock_minute_once() -> None:
    counts = np.ones(DAY_MINUTES + 1)
    assert isinstance(rest_activity(counts, clock(counts, FROM_13_58)), RestActivity)
    counts[[0, DAY_MINUTES]] = math.nan
    assert rest_activity(counts, clock(counts, FROM_13_58)) is Unavailable.SHORT_RECORD
    assert rest_activity(counts[:1439], clock(counts[:1439])) is Unavailable.SHORT_RECORD


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), scales)
def test_l5_m10_and_the_cosine_scale_and_ra_does_not(seed: int, a: float) -> None:
    counts = noise(seed)
    one, other = profile(counts), profile(a * counts)
    assert other.l5.mean == pytest.approx(a * one.l5.mean)
    assert other.m10.mean == pytest.approx(a * one.m10.mean)
    assert other.relative_amplitude == pytest.approx(one.relative_amplitude)
    assert (other.l5.onset_minute, other.m10.onset_minute) == (one.l5.onset_minute, one.m10.onset_minute)
    fit, scaled = fitted(counts), fitted(a * counts)
    assert (scaled.mesor, scaled.amplitude) == pytest.approx((a * fit.mesor, a * fit.amplitude))
    assert (scaled.peak_minute, scaled.percent_rhythm) == pytest.approx((fit.peak_minute, fit.percent_rhythm))


# ---- the cosine ----------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.floats(1, 1000),
    st.floats(0.1, 500),
    st.floats(0, 1439),
    st.sampled_from([0, 838, FROM_13_58]),
    st.lists(st.integers(0, 4 * DAY_MINUTES - 1), max_size=300),
)
def test_a_cosine_is_found_again_with_gaps_and_from_any_start(
    mesor: float, amplitude: float, peak: float, start: int, gaps: list[int]
) -> None:
    civil = civil_minutes(start, 4 * DAY_MINUTES)
    counts = mesor + amplitude * np.cos(2 * np.pi * (civil - peak) / DAY_MINUTES)
    counts[gaps] = math.nan
    found = cosinor(counts, civil)
    assert isinstance(found, Cosinor)
    assert (found.mesor, found.amplitude) == pytest.approx((mesor, amplitude), rel=1e-8)
    assert isinstance(found.peak_minute, float)
    away = (found.peak_minute - peak + 720) % 1440 - 720
    assert away == pytest.approx(0, abs=1e-5)
    assert found.percent_rhythm == pytest.approx(100)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_cosine_is_that_of_least_squares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = np.where(rng.random(2 * DAY_MINUTES) < 0.3, math.nan, noise(seed, 2 * DAY_MINUTES))
    found, known = fitted(counts), np.isfinite(counts)
    angle = 2 * np.pi * np.flatnonzero(known) / DAY_MINUTES
    terms = np.stack((np.ones_like(angle), np.cos(angle), np.sin(angle)), axis=1)
    (mesor, beta, gamma), residual, *_ = np.linalg.lstsq(terms, counts[known])
    assert (found.mesor, found.amplitude) == pytest.approx((mesor, math.hypot(beta, gamma)), rel=1e-9)
    total = ((counts[known] - counts[known].mean()) ** 2).sum()
    assert found.percent_rhythm == pytest.approx(100 * (1 - residual[0] / total), abs=1e-9)


def test_a_constant_has_a_mesor_and_no_peak() -> None:
    assert fitted(np.full(DAY_MINUTES, 7.0)) == Cosinor(7.0, 0.0, Unavailable.UNDEFINED, Unavailable.UNDEFINED)
    assert cosinor(np.ones(1380), civil_minutes(0, 1380)) is Unavailable.SHORT_RECORD


# ---- the regularity of sleep ---------------------------------------------------------------------------------

NIGHT = np.arange(DAY_MINUTES) < 480


def test_the_same_every_day_is_100_the_reverse_is_minus_100_and_a_quarter_off_is_50() -> None:
    assert regular(np.tile(NIGHT, 3)) == 100
    assert regular(np.concatenate((NIGHT, ~NIGHT))) == -100
    assert regular(np.concatenate((NIGHT, NIGHT ^ (np.arange(DAY_MINUTES) >= 1080)))) == 50
    assert regular(np.ones(2 * DAY_MINUTES, bool)) == 100


def test_a_pair_with_an_end_that_was_not_scored_drops_out() -> None:
    asleep, scored = np.tile(NIGHT, 4), np.ones(4 * DAY_MINUTES, bool)
    scored[DAY_MINUTES : DAY_MINUTES + 60] = False
    found = sleep_regularity(asleep, scored, clock(asleep))
    assert isinstance(found, Regularity)
    assert (found.value, found.pairs, found.pairs_possible) == (100, 3 * DAY_MINUTES - 120, 3 * DAY_MINUTES)
    assert found.valid_pair_ratio == pytest.approx(1 - 120 / 4320)


def test_sleep_by_the_clock_is_regular_by_the_clock_across_its_change() -> None:
    civil = civil_minutes(0, 3 * DAY_MINUTES - 60, [(DAY_MINUTES + 120, 60)])  # a day of 23 hours
    asleep = civil % DAY_MINUTES < 480
    by_the_clock = sleep_regularity(asleep, np.ones_like(asleep), civil, "civil")
    by_physics = sleep_regularity(asleep, np.ones_like(asleep), civil, "physical")
    assert isinstance(by_the_clock, Regularity)
    assert isinstance(by_physics, Regularity)
    assert by_the_clock.value == 100 > by_physics.value
    assert by_the_clock.pairs == 2 * DAY_MINUTES - 120  # the skipped hour has no partner on either side


def test_a_minute_that_the_clock_repeats_counts_once_the_first_time() -> None:
    civil = civil_minutes(0, 2 * DAY_MINUTES + 60, [(180, -60)])
    asleep = np.zeros(len(civil), bool)
    asleep[180:240] = True  # only the second time round
    found = sleep_regularity(asleep, np.ones_like(asleep), civil)
    assert found == Regularity(100.0, DAY_MINUTES, DAY_MINUTES)


@pytest.mark.parametrize("n", [0, 1, DAY_MINUTES, 2 * DAY_MINUTES - 1])
def test_regularity_needs_a_day_of_pairs(n: int) -> None:
    asleep = np.zeros(n, bool)
    assert sleep_regularity(asleep, ~asleep, clock(asleep)) is Unavailable.SHORT_RECORD


@pytest.mark.parametrize("kind", [">f8", "<f4", ">f4"])
def test_any_float_layout_gives_the_same_answer(kind: str) -> None:
    counts = noise(1, 2 * DAY_MINUTES)
    stored = np.stack([counts, counts], axis=1).astype(kind)
    stored.flags.writeable = False
    other, civil = stored[:, 0], clock(counts)
    assert interdaily_stability(clock_hours(other, civil)) == interdaily_stability(clock_hours(counts, civil))
    assert rest_activity(other, civil) == rest_activity(counts, civil)
    assert cosinor(other, civil) == cosinor(counts, civil)
