"""Which weeks PAT may see, and how they are made ready: a gap, a bare wrist, another scale is said, never hidden."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.analysis import (
    DAY_MINUTES,
    EDGE_MINUTES,
    GAP_MINUTES_MAX,
    MISSING_MINUTES_MAX,
    WINDOW_MINUTES,
    WORN_DAY_MINUTES,
    WORN_DAYS_MIN,
    Abstention,
)
from clarity_server.domain.measures import Unavailable
from clarity_server.pat.scaling import SEEN, SEEN_MARGIN, SEEN_PERCENTILE, Scaler, filled, own_week


# eq=False: arrays have no single answer to ==.
@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """A week as PAT takes it."""

    scaled: NDArray[np.float32]  # (10080,)
    filled_minutes: int


def longest_gap(recorded: NDArray[np.bool_]) -> int:
    """Returns the longest run of minutes without a value, shape (n,)."""
    walls = np.flatnonzero(np.concatenate(([True], recorded, [True])))
    return int(np.diff(walls).max()) - 1


def worn_days(worn: NDArray[np.bool_]) -> int:
    """Returns in how many of a week's seven stretches of 24 hours the device was worn long enough; shape (10080,)."""
    return int(np.count_nonzero(worn.reshape(-1, DAY_MINUTES).sum(axis=1) >= WORN_DAY_MINUTES))


def ready(counts: NDArray[np.float64], worn: NDArray[np.bool_], scaler: Scaler | None) -> Ready | Abstention:
    """Returns a window, shape (10080,), NaN where there is no value, scaled and filled; or why PAT must not see it.

    Without a scaler, which authors' weights come without, the week is scaled by itself (`scaling.own_week`).
    """
    assert counts.shape == (WINDOW_MINUTES,)
    recorded = np.isfinite(counts)
    objection = next(_objections(recorded, worn), None)
    if objection is not None:
        return objection
    chosen = scaler or own_week(counts)
    if chosen is None:
        return Abstention(Unavailable.UNDEFINED, "standard_deviation", 0.0, 0.0, "{counts}/min")
    scaled = chosen.scale(counts)
    seen = SEEN.get(chosen.name)
    if seen is not None:
        high = float(np.percentile(scaled[recorded], SEEN_PERCENTILE))
        for bound, outside in ((seen[0] - SEEN_MARGIN, -1), (seen[1] + SEEN_MARGIN, 1)):
            if (high - bound) * outside > 0:
                return Abstention(Unavailable.OUT_OF_DISTRIBUTION, "scaled_99th_percentile", high, bound, "1")
    return Ready(filled(scaled), int(np.count_nonzero(~recorded)))


def _objections(recorded: NDArray[np.bool_], worn: NDArray[np.bool_]) -> Iterator[Abstention]:
    """Yields what speaks against a week, the plainest first."""
    there = np.flatnonzero(recorded)
    reach = int(there[-1] - there[0]) + 1 if len(there) else 0
    if not reach or there[0] > EDGE_MINUTES or WINDOW_MINUTES - 1 - there[-1] > EDGE_MINUTES:
        yield Abstention(Unavailable.SHORT_RECORD, "minutes_from_first_to_last", reach, WINDOW_MINUTES, "min")
    gap = longest_gap(recorded)
    if gap > GAP_MINUTES_MAX:
        yield Abstention(Unavailable.GAP, "longest_gap", gap, GAP_MINUTES_MAX, "min")
    missing = WINDOW_MINUTES - len(there)
    if missing > MISSING_MINUTES_MAX:
        yield Abstention(Unavailable.GAP, "minutes_without_a_value", missing, MISSING_MINUTES_MAX, "min")
    days = worn_days(worn)
    if days < WORN_DAYS_MIN:
        yield Abstention(Unavailable.NOT_WORN, "days_worn_for_16_hours", days, WORN_DAYS_MIN, "d")
