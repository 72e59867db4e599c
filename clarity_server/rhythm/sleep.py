"""Sleep or wake, minute by minute, scored from counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from clarity_server.rhythm.algorithm import Algorithm
from clarity_server.rhythm.bouts import spans

OAKLEY_THRESHOLD = 40.0  # the Actiwatch's medium sensitivity; 20 is high, 80 is low

OAKLEY = Algorithm(
    "oakley",
    "1",
    {
        "epoch_s": "60",
        "threshold": f"{OAKLEY_THRESHOLD:g}",
        "weights": "0.04 0.20 1 0.20 0.04",
        "at_threshold": "sleep",
        "missing_neighbour": "0",
    },
)


def oakley(counts: NDArray[np.floating], threshold: float = OAKLEY_THRESHOLD) -> NDArray[np.bool_]:
    """Returns True for each minute scored as sleep.

    `counts` has shape (n,), one Actiwatch count a minute; NaN (or any value that is not finite) is a missing
    minute. `threshold` is in counts; a result made with another one says `OAKLEY.having(threshold="20")`.

    Oakley, *Validation with polysomnography of the Sleepwatch sleep/wake scoring algorithm used by the
    Actiwatch activity monitoring system*, Mini Mitter, 1997, 60-second epochs:
    `score[t] = 0.04 x[t-2] + 0.20 x[t-1] + x[t] + 0.20 x[t+1] + 0.04 x[t+2]`; above the threshold is wake.

    What it leaves open, and what is done here:

    - A score of exactly the threshold is sleep (pyActigraphy calls it wake).
    - A neighbour that is missing, or lies outside the recording, adds 0: it cannot wake anyone. Every minute
      with a value is scored, the first and the last two as well (pyActigraphy calls those wake).
    - A missing minute is never sleep. Nor is it wake: whoever counts wake must leave it out.

    Scores nothing but movement: a device on the bedside table sleeps soundly. Take non-wear out first.
    """
    known: NDArray[np.bool_] = np.isfinite(counts)
    x = np.zeros(len(counts) + 4)  # two zeros on either side
    x[2:-2] = np.where(known, counts, 0.0)
    # In hundredths, so that whole counts add up exactly and a tie with the threshold is a tie.
    hundredths = 100 * x[2:-2] + 20 * (x[1:-3] + x[3:-1]) + 4 * (x[:-4] + x[4:])
    return known & (hundredths <= 100 * threshold)


# ---- Cole–Kripke ---------------------------------------------------------------------------------------------

COLE_KRIPKE_BEFORE, COLE_KRIPKE_AFTER = 4, 2  # the weights reach from t - 4 to t + 2


@dataclass(frozen=True, slots=True)
class ColeKripke:
    """One row of the paper's table: `D[t] = scale · Σ weights[k] x[t + k]`, k = -4 … +2; D < 1 is sleep.

    The arithmetic is done in whole numbers, `Σ weights[k] min(counts[t + k], counts_max) < wake_at`, so that
    a tie is a tie: `wake_at` is 1 / scale in the unit of the input.
    """

    algorithm: Algorithm
    weights: tuple[int, ...]
    wake_at: float
    counts_max: float = np.inf


def _row(name: str, reads: str, scale: str, weights: tuple[int, ...], wake_at: float, **more: float) -> ColeKripke:
    """Returns a row of the table under its published name."""
    parameters = {
        "epoch_s": "60",
        "reads": reads,
        "scale": scale,
        "weights": " ".join(map(str, weights)),
        "sleep": "D < 1",
        "missing_neighbour": "0",
        "outside_recording": "0",
    }
    return ColeKripke(Algorithm(name, "1", parameters), weights, wake_at, **more)


_MEAN_WEIGHTS = (106, 54, 58, 76, 230, 74, 67)
COLE_KRIPKE_MEAN_2S = _row(
    "cole_kripke_mean_2s",
    "mean of 2-second epochs: minute count / 30",
    "0.001",
    _MEAN_WEIGHTS,
    wake_at=30_000,  # 30 / 0.001
)
COLE_KRIPKE_ACTILIFE = _row(
    "cole_kripke_actilife",
    "minute count / 100, at most 300",
    "0.001",
    _MEAN_WEIGHTS,
    wake_at=100_000,  # 100 / 0.001
    counts_max=30_000,  # 300 · 100
)
COLE_KRIPKE_10S = _row(
    "cole_kripke_max_10s",
    "largest of the minute's non-overlapping 10-second epochs",
    "0.00001",
    (550, 378, 413, 699, 1736, 287, 309),
    wake_at=100_000,
)
COLE_KRIPKE_10S_OVERLAPPING = _row(
    "cole_kripke_max_10s_overlapping",
    "largest of the minute's overlapping 10-second epochs",
    "0.00001",
    (404, 598, 326, 441, 1408, 508, 350),
    wake_at=100_000,
)
COLE_KRIPKE_30S = _row(
    "cole_kripke_max_30s",
    "largest of the minute's 30-second epochs",
    "0.0001",
    (50, 30, 14, 28, 121, 8, 50),
    wake_at=10_000,
)


def cole_kripke(counts: NDArray[np.floating], row: ColeKripke = COLE_KRIPKE_MEAN_2S) -> NDArray[np.bool_]:
    """Returns True for each minute scored as sleep, without rescoring (for that see `webster`).

    `counts` has shape (n,): one minute count a minute for `COLE_KRIPKE_MEAN_2S` and `COLE_KRIPKE_ACTILIFE`, the
    minute's largest epoch for the other three rows. A value that is not finite, or is negative, is missing.

    Cole, Kripke, Gruen, Mullaney and Gillin, *Automatic sleep/wake identification from wrist activity*, Sleep
    15(5), 1992, table of one-minute scores. ActiLife's variant divides its own counts by 100, cuts at 300 and
    takes the first row. These are five algorithms, not settings of one: they read different inputs, and each is
    a regression on one device's counts.

    What the paper leaves open, and what is done here:

    - A neighbour that is missing, or lies outside the recording, adds 0. Every minute with a value is scored
      (pyActigraphy calls four at either edge wake).
    - A missing minute is never sleep. Nor is it wake: whoever counts wake must leave it out.
    """
    known, x = _known(counts)
    padded = np.zeros(len(x) + COLE_KRIPKE_BEFORE + COLE_KRIPKE_AFTER)
    padded[COLE_KRIPKE_BEFORE : COLE_KRIPKE_BEFORE + len(x)] = np.minimum(x, row.counts_max)
    score = np.zeros(len(x))
    for offset, weight in enumerate(row.weights):
        score += weight * padded[offset : offset + len(x)]
    return known & (score < row.wake_at)


def _known(counts: NDArray[np.floating]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Returns which minutes have a count, and the counts with 0 where there is none."""
    known: NDArray[np.bool_] = np.isfinite(counts) & (counts >= 0)
    return known, np.where(known, counts, 0.0).astype(np.float64)


# ---- Webster's rescoring -------------------------------------------------------------------------------------

WEBSTER_AFTER_WAKE = ((4, 1), (10, 3), (15, 4))  # after so many minutes of wake, so many of sleep become wake
WEBSTER_BETWEEN_WAKE = ((6, 10), (10, 20))  # so short a sleep between wakes so long becomes wake

WEBSTER = Algorithm(
    "webster",
    "1",
    {
        "after_wake": "4:1 10:3 15:4",
        "between_wake": "6:10 10:20",
        "order": "at once, on the unrescored minutes",
        "shorter_sleep": "wholly rescored",
        "missing": "ends a run",
    },
)


def webster(asleep: NDArray[np.bool_], scored: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns the minutes that remain asleep under Webster's five rules.

    `asleep` and `scored` have shape (n,); a minute that was not scored is neither sleep nor wake, and ends a run
    of either.

    Webster, Kripke, Messin, Mullaney and Wyborney, *An activity-based sleep monitor system for ambulatory use*,
    Sleep 5(4), 1982, as quoted in Cole 1992: (a) after at least 4 minutes of wake the next minute of sleep is
    wake; (b) after at least 10 the next 3; (c) after at least 15 the next 4; (d) 6 minutes of sleep or fewer
    between at least 10 minutes of wake on both sides are wake; (e) 10 or fewer between at least 20.

    What the papers leave open, and what is done here: all five rules look at the minutes as they were scored,
    never at each other's work; a sleep shorter than the 1, 3 or 4 minutes becomes wake altogether; the edge of
    the recording is no wake. (pyActigraphy asks for runs as long as the rule, and agrees in .997 to .9999.)
    """
    sleeps = spans(asleep & scored)
    before, after = _wake_around(sleeps, spans(scored & ~asleep))
    taken = np.zeros(len(sleeps), dtype=np.intp)
    for wake, minutes in WEBSTER_AFTER_WAKE:
        taken[before >= wake] = minutes
    length = sleeps[:, 1] - sleeps[:, 0]
    for longest, wake in WEBSTER_BETWEEN_WAKE:
        lost = (length <= longest) & (before >= wake) & (after >= wake)
        taken[lost] = length[lost]
    remains = asleep & scored
    for start, minutes in zip(sleeps[:, 0], np.minimum(taken, length), strict=True):
        remains[start : start + minutes] = False
    return remains


def _wake_around(sleeps: NDArray[np.intp], wakes: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Returns the length of the wake that ends where each sleep begins, and of that which begins where it ends."""
    length = np.append(wakes[:, 1] - wakes[:, 0], 0)  # the last stands for no wake at all
    none = len(wakes)
    before = np.searchsorted(wakes[:, 1], sleeps[:, 0])
    after = np.searchsorted(wakes[:, 0], sleeps[:, 1])
    ends, starts = np.append(wakes[:, 1], -1), np.append(wakes[:, 0], -1)
    before = np.where(ends[before] == sleeps[:, 0], before, none)
    after = np.where(starts[after] == sleeps[:, 1], after, none)
    return length[before], length[after]


# ---- Sadeh ---------------------------------------------------------------------------------------------------

SADEH_REACH = 5  # minutes on either side in the mean, before it in the deviation
SADEH_NAT = (50, 100)  # [low, high): counts of a minute that moved without waking
SADEH_MEAN_MINUTES = 2 * SADEH_REACH + 1
SADEH_DEVIATION_MINUTES = SADEH_REACH + 1
ACTILIFE_COUNTS_MAX = 300.0
ACTILIFE_SLEEP_ABOVE = -4.0

_SADEH_PARAMETERS = {
    "epoch_s": "60",
    "formula": "7.601 - 0.065 MW5 - 1.08 NAT - 0.056 SD6 - 0.703 ln(x + 1)",
    "nat": "50 <= x < 100",
    "deviation_ddof": "1",
    "counts_max": "none",
    "sleep": "PS >= 0",
    "missing_neighbour": "0",
    "outside_recording": "0",
}
SADEH = Algorithm("sadeh", "1", _SADEH_PARAMETERS)
SADEH_ACTILIFE = Algorithm("sadeh_actilife", "1", {**_SADEH_PARAMETERS, "counts_max": "300", "sleep": "PS > -4"})


def sadeh(counts: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Returns True for each minute scored as sleep, by the paper: PS ≥ 0.

    `counts` has shape (n,), one count a minute; a value that is not finite, or is negative, is missing.

    Sadeh, Sharkey and Carskadon, *Activity-based sleep-wake identification: an empirical test of methodological
    issues*, Sleep 17(3), 1994: `PS = 7.601 - 0.065 MW5 - 1.08 NAT - 0.056 SD6 - 0.703 LG`. MW5 is the mean of the 11
    minutes t - 5 … t + 5; NAT how many of them have 50 ≤ x < 100; SD6 the standard deviation of the 6 minutes
    t - 5 … t; LG = ln(x[t] + 1).

    What the paper leaves open, and what is done here: SD6 is a sample deviation (ddof 1); minutes that are missing
    or outside the recording enter all four terms as 0, as in ActiLife (so every minute with a value is scored);
    a missing minute is never sleep. pyActigraphy takes 50 < x, the *next* minute in LG and PS > 0.
    """
    known, x = _known(counts)
    return known & (_sadeh_score(x) >= 0)


def sadeh_actilife(counts: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Returns True for each minute scored as sleep, by ActiLife: counts cut at 300, and PS > -4.

    `counts` has shape (n,), one count a minute. The formula and all else is as in `sadeh`.
    """
    known, x = _known(counts)
    return known & (_sadeh_score(np.minimum(x, ACTILIFE_COUNTS_MAX)) > ACTILIFE_SLEEP_ABOVE)


def _sadeh_score(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns PS of each minute of `x`, shape (n,), which has no missing values."""
    padded = np.zeros(len(x) + 2 * SADEH_REACH)
    padded[SADEH_REACH : SADEH_REACH + len(x)] = x
    low, high = SADEH_NAT
    mean = _sums(padded, SADEH_MEAN_MINUTES) / SADEH_MEAN_MINUTES
    nat = _sums(((padded >= low) & (padded < high)).astype(np.float64), SADEH_MEAN_MINUTES)
    past = padded[: len(x) + SADEH_REACH]
    n = SADEH_DEVIATION_MINUTES
    # In whole numbers up to the last division, so that a constant has a deviation of exactly 0.
    spread = n * _sums(past * past, n) - _sums(past, n) ** 2
    deviation = np.sqrt(np.maximum(spread, 0) / (n * (n - 1)))
    score: NDArray[np.float64] = 7.601 - 0.065 * mean - 1.08 * nat - 0.056 * deviation - 0.703 * np.log1p(x)
    return score


def _sums(x: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Returns the sum of each window of `length` values: shape (n - length + 1,).

    Adds slices rather than subtracting cumulative sums: what is far away must not disturb the last digits.
    """
    total = np.zeros(len(x) - length + 1)
    for offset in range(length):
        total += x[offset : offset + len(total)]
    return total


# ---- by name -------------------------------------------------------------------------------------------------

Scorer = Callable[[NDArray[np.floating]], NDArray[np.bool_]]
SCORERS: Mapping[str, tuple[Algorithm, Scorer]] = MappingProxyType(
    {
        "oakley": (OAKLEY, oakley),
        "cole-kripke": (COLE_KRIPKE_MEAN_2S.algorithm, cole_kripke),
        "cole-kripke-actilife": (COLE_KRIPKE_ACTILIFE.algorithm, partial(cole_kripke, row=COLE_KRIPKE_ACTILIFE)),
        "sadeh": (SADEH, sadeh),
        "sadeh-actilife": (SADEH_ACTILIFE, sadeh_actilife),
    }
)
"""How sleep can be scored from minute counts, by the name a person would ask for."""
