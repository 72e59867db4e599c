"""Rhythm over days: stability, variability, the lowest and highest hours, the cosine, and the regularity of sleep.

Every function takes `civil`, what the person's clock showed at each minute (`clock.civil_minutes`), and answers
`SHORT_RECORD` where there are too few values and `UNDEFINED` where the formula divides by zero: nothing varies.
Counts are per minute, shape (n,); NaN (or any value that is not finite) is a minute left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.measures import Unavailable
from clarity_server.rhythm.algorithm import Algorithm
from clarity_server.rhythm.clock import DAY_HOURS, DAY_MINUTES, HOUR_MINUTES

FLAT_RATIO = 1e-12  # values that differ by less than this share of the largest are the same but for rounding
TIE_RATIO = 1e-9  # the same for means of a window

# ---- IS and IV -----------------------------------------------------------------------------------------------

CLOCK_HOUR_DAYS_MIN = 2  # with one day, IS is 1 by construction
PAIRS_MIN = DAY_HOURS - 1  # as many as one whole day has

_HOURLY = {
    "bins": "clock hours, means of whole ones",
    "variance": "population",
    "period_hours": str(DAY_HOURS),
    "gaps": "left out",
}
INTERDAILY_STABILITY = Algorithm(
    "interdaily_stability", "1", {**_HOURLY, "clock_hour_days_min": str(CLOCK_HOUR_DAYS_MIN)}
)
INTRADAILY_VARIABILITY = Algorithm("intradaily_variability", "1", {**_HOURLY, "pairs_min": str(PAIRS_MIN)})


@dataclass(frozen=True, slots=True, eq=False)
class ClockHours:
    """The mean count of each clock hour from `first` on, counted since 1970; NaN for one that is not whole."""

    first: int
    means: NDArray[np.float64]  # (hours,)

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Which hours have a mean, shape (hours,)."""
        known: NDArray[np.bool_] = np.isfinite(self.means)
        return known


@dataclass(frozen=True, slots=True)
class Stability:
    """IS, and how many hours it rests on."""

    value: float
    hours: int


@dataclass(frozen=True, slots=True)
class Variability:
    """IV, and how many hours and pairs of neighbouring hours it rests on."""

    value: float
    hours: int
    pairs: int


def clock_hours(counts: NDArray[np.floating], civil: NDArray[np.int64]) -> ClockHours:
    """Returns the mean of each clock hour, of those that are whole: every minute of them recorded and known.

    `counts` and `civil` have shape (n,). An hour that the clock repeats (the end of summer time) is one hour of 120
    minutes, and one that it skips is missing.
    """
    if not len(counts):
        return ClockHours(0, np.empty(0))
    hour = civil // HOUR_MINUTES
    first = int(hour.min())
    slot, known = hour - first, np.isfinite(counts)
    minutes = np.bincount(slot)
    with_value = np.bincount(slot[known], minlength=len(minutes))
    totals = np.bincount(slot[known], weights=counts[known], minlength=len(minutes))
    means = np.full(len(minutes), np.nan)
    np.divide(totals, with_value, out=means, where=(minutes >= HOUR_MINUTES) & (with_value == minutes))
    return ClockHours(first, means)


def interdaily_stability(hours: ClockHours) -> Stability | Unavailable:
    """Returns IS: how much of the variance between hours is the same from day to day.

    Witting, Kwa, Eikelenboom, Mirmiran and Swaab 1990; Van Someren et al., *Bright light therapy*, Chronobiol Int
    16(4), 1999: `IS = n Σ_h (x̄_h - x̄)² / (24 Σ_i (x_i - x̄)²)` over n hourly means with the grand mean x̄ and the hourly
    profile x̄_h. Population variances: pyActigraphy's sample variances give (24/23)·((n-1)/n) as much. Within [0, 1]
    on whole days; where hours are missing the 24 profile hours still weigh the same, as in the formula, and IS may
    pass 1 slightly.

    Needs each of the 24 clock hours on at least two days.
    """
    x = hours.means[hours.whole]
    of_day = ((hours.first + np.flatnonzero(hours.whole)) % DAY_HOURS).astype(np.intp)
    days = np.bincount(of_day, minlength=DAY_HOURS)
    if days.min() < CLOCK_HOUR_DAYS_MIN:
        return Unavailable.SHORT_RECORD
    if _flat(x):
        return Unavailable.UNDEFINED
    mean = x.mean()
    profile = np.bincount(of_day, weights=x - mean, minlength=DAY_HOURS) / days
    between, within = _squares(profile), _squares(x - mean)
    return Stability(len(x) * between / (DAY_HOURS * within), len(x))


def intradaily_variability(hours: ClockHours) -> Variability | Unavailable:
    """Returns IV: how broken up the rhythm is, 0 for a slow wave and about 2 for noise.

    Witting 1990; Van Someren 1999: `IV = n Σ (x_i - x_{i-1})² / ((n - 1) Σ_i (x_i - x̄)²)` over n hourly means. Only
    neighbouring hours that are both there make a pair, and (n - 1) is the number of pairs used. pyActigraphy's sample
    variances give (n-1)/n as much on whole days.

    Needs as many pairs as one whole day has.
    """
    x = hours.means[hours.whole]
    steps = np.diff(hours.means)
    steps = steps[np.isfinite(steps)]
    if len(steps) < PAIRS_MIN:
        return Unavailable.SHORT_RECORD
    if _flat(x):
        return Unavailable.UNDEFINED
    value = len(x) * _squares(steps) / (len(steps) * _squares(x - x.mean()))
    return Variability(value, len(x), len(steps))


def _squares(x: NDArray[np.float64]) -> float:
    """Returns the sum of squares.

    Not `x @ x`: BLAS may add in another order wherever the array happens to lie, and the last digit would change.
    """
    return float((x * x).sum())


def _flat(x: NDArray[np.float64]) -> bool:
    """Whether all values are the same but for rounding."""
    return bool(np.ptp(x) <= FLAT_RATIO * np.abs(x).max())


# ---- L5, M10, RA ---------------------------------------------------------------------------------------------

L5_MINUTES = 300
M10_MINUTES = 600

REST_ACTIVITY = Algorithm(
    "rest_activity",
    "1",
    {
        "profile": "mean of each clock minute over all days",
        "l5_minutes": str(L5_MINUTES),
        "m10_minutes": str(M10_MINUTES),
        "window": "circular",
        "tie": "first after midnight",
        "gaps": "left out",
    },
)


@dataclass(frozen=True, slots=True)
class Extreme:
    """The window of the average day with the lowest or the highest mean."""

    mean: float  # counts a minute
    onset_minute: int | Unavailable  # minutes after midnight; the first of those that tie
    onsets_tied: int  # 1 where nothing ties


@dataclass(frozen=True, slots=True)
class RestActivity:
    """The five quietest and the ten most active hours of the average day."""

    l5: Extreme
    m10: Extreme
    relative_amplitude: float | Unavailable


def rest_activity(counts: NDArray[np.floating], civil: NDArray[np.int64]) -> RestActivity | Unavailable:
    """Returns L5, M10 and RA of the average day.

    Witting 1990; Van Someren 1999: the average 24-hour profile by clock minute over all days; the circular window of
    300 (600) minutes with the lowest (highest) mean; `RA = (M10 - L5) / (M10 + L5)`. Windows that tie are counted, and
    the first after midnight is named; if all 1440 tie (a constant) there is no onset. An L5 taken day by day and
    averaged is another number.

    Needs a value for each of the 1440 clock minutes on some day.
    """
    known = np.isfinite(counts)
    minute = civil[known] % DAY_MINUTES
    days = np.bincount(minute, minlength=DAY_MINUTES)
    if days.min() == 0:
        return Unavailable.SHORT_RECORD
    profile = np.bincount(minute, weights=counts[known], minlength=DAY_MINUTES) / days
    l5, m10 = _extreme(profile, L5_MINUTES, -1), _extreme(profile, M10_MINUTES, 1)
    total = m10.mean + l5.mean
    return RestActivity(l5, m10, (m10.mean - l5.mean) / total if total else Unavailable.UNDEFINED)


def _extreme(profile: NDArray[np.float64], length: int, sign: int) -> Extreme:
    """Returns the circular window of the profile, shape (1440,), with the highest (1) or lowest (-1) mean."""
    around = np.concatenate((profile, profile[: length - 1]))
    totals = np.concatenate(([0.0], np.cumsum(around)))
    means = (totals[length:] - totals[:-length]) / length
    best = float((sign * means).max())
    ties = np.flatnonzero(sign * means >= best - TIE_RATIO * np.abs(means).max())
    onset = int(ties[0])
    # Summed anew: the difference of two long sums of zeros need not be 0.
    mean = float(around[onset : onset + length].mean())
    return Extreme(mean, Unavailable.UNDEFINED if len(ties) == DAY_MINUTES else onset, len(ties))


# ---- the cosine ----------------------------------------------------------------------------------------------

COSINOR = Algorithm(
    "cosinor",
    "1",
    {
        "model": "mesor + amplitude cos(2π(t - peak)/24 h)",
        "fit": "least squares on minutes",
        "period_hours": str(DAY_HOURS),
        "t": "civil, from midnight",
        "gaps": "left out",
    },
)


@dataclass(frozen=True, slots=True)
class Cosinor:
    """The cosine of 24 hours that lies nearest to the counts."""

    mesor: float  # counts a minute
    amplitude: float  # counts a minute
    peak_minute: float | Unavailable  # minutes after midnight, [0, 1440)
    percent_rhythm: float | Unavailable  # 100 R²


def cosinor(counts: NDArray[np.floating], civil: NDArray[np.int64]) -> Cosinor | Unavailable:
    """Returns the single-component cosinor of 24 hours.

    Halberg; Cornelissen, *Cosinor-based rhythmometry*, Theor Biol Med Model 11:16, 2014: least squares of
    `y = M + β cos(2πt/τ) + γ sin(2πt/τ)`, τ = 24 h, t in civil time from midnight. Amplitude √(β² + γ²); two signs of
    the acrophase circulate, so it is given as the clock time of the peak, atan2(γ, β)·τ/2π. Percent rhythm is 100 R².
    Gaps break the orthogonality of the three terms, so the equations are solved, not correlated. No p value: the
    test's degrees of freedom are far too generous on minutes that resemble their neighbours.

    Needs values in each of the 24 clock hours.
    """
    known = np.isfinite(counts)
    minute, y = civil[known] % DAY_MINUTES, counts[known].astype(np.float64)
    weight = np.bincount(minute, minlength=DAY_MINUTES).astype(np.float64)  # how many days have this minute
    if weight.reshape(DAY_HOURS, HOUR_MINUTES).sum(axis=1).min() == 0:
        return Unavailable.SHORT_RECORD
    angle = 2 * np.pi * np.arange(DAY_MINUTES) / DAY_MINUTES
    terms = np.stack((np.ones(DAY_MINUTES), np.cos(angle), np.sin(angle)))  # (3, 1440)
    mean = y.mean()
    away = np.bincount(minute, weights=y - mean, minlength=DAY_MINUTES)
    moments = (terms[:, np.newaxis] * terms * weight).sum(axis=2)  # (3, 3), summed without BLAS, as in _squares
    right = (terms * away).sum(axis=1)  # (3,)
    solution = np.linalg.solve(moments, right)
    shift, beta, gamma = solution
    amplitude = float(np.hypot(beta, gamma))
    if _flat(y):
        return Cosinor(float(mean), 0.0, Unavailable.UNDEFINED, Unavailable.UNDEFINED)
    still = amplitude <= FLAT_RATIO * np.abs(y).max()
    turn = float(np.arctan2(gamma, beta) / (2 * np.pi) % 1)
    peak = Unavailable.UNDEFINED if still else turn * DAY_MINUTES % DAY_MINUTES
    # Of least squares: the explained sum of squares is the solution times the right-hand side.
    explained = float((solution * right).sum())
    return Cosinor(float(mean + shift), amplitude, peak, 100 * explained / _squares(y - mean))


# ---- the regularity of sleep ---------------------------------------------------------------------------------

SRI_PAIRS_MIN = DAY_MINUTES

Pairing = Literal["civil", "physical"]

SLEEP_REGULARITY = Algorithm(
    "sleep_regularity_index",
    "1",
    {"epoch_s": "60", "pairing": "civil", "pairs": "all with both ends scored", "pairs_min": str(SRI_PAIRS_MIN)},
)


@dataclass(frozen=True, slots=True)
class Regularity:
    """SRI, and how many pairs of minutes it rests on, of how many there are."""

    value: float
    pairs: int
    pairs_possible: int

    @property
    def valid_pair_ratio(self) -> float:
        """The share of the pairs of which both ends were scored."""
        return self.pairs / self.pairs_possible


def sleep_regularity(
    asleep: NDArray[np.bool_],
    scored: NDArray[np.bool_],
    civil: NDArray[np.int64],
    pairing: Pairing = "civil",
) -> Regularity | Unavailable:
    """Returns the Sleep Regularity Index: 100 for the same every day, 0 for the toss of a coin, -100 for the reverse.

    Phillips et al., *Irregular sleep/wake patterns are associated with poorer academic performance and delayed
    circadian and sleep/wake timing*, Sci Rep 7:3216, 2017: `SRI = -100 + 200 P(same state 24 h apart)` over all pairs
    of minutes. `asleep`, `scored` and `civil` have shape (n,). A pair with an end that was not scored drops out.

    `civil` pairs a minute with the same clock time a day later: across a clock change 23 or 25 hours later. A minute
    that the clock repeats counts once, the first time; one that it skips is not scored. `physical` pairs it with the
    minute 1440 minutes later. Without a move of the clock the two are the same.

    Needs as many pairs as a day has minutes.
    """
    state = np.where(scored, asleep, -1).astype(np.int8)  # 1 asleep, 0 awake, -1 not scored
    if pairing == "civil":
        state = _by_the_clock(state, civil)
    today, tomorrow = state[:-DAY_MINUTES], state[DAY_MINUTES:]
    valid = (today >= 0) & (tomorrow >= 0)
    pairs = int(np.count_nonzero(valid))
    if pairs < SRI_PAIRS_MIN:
        return Unavailable.SHORT_RECORD
    same = int(np.count_nonzero(valid & (today == tomorrow)))
    return Regularity(200 * same / pairs - 100, pairs, len(valid))


def _by_the_clock(state: NDArray[np.int8], civil: NDArray[np.int64]) -> NDArray[np.int8]:
    """Returns the states on civil minutes from the first to the last, -1 where there is none."""
    if not len(state):
        return state
    slot = civil - civil.min()
    laid = np.full(int(slot.max()) + 1, -1, dtype=np.int8)
    laid[slot[::-1]] = state[::-1]  # of a minute that comes twice, the first is written last and stays
    return laid
