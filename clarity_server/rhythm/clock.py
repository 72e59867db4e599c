"""The person's clock beside the minutes of a recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

HOUR_MINUTES = 60
DAY_HOURS = 24
DAY_MINUTES = DAY_HOURS * HOUR_MINUTES


def civil_minutes(start_minute: int, count: int, moves: Sequence[tuple[int, int]] = ()) -> NDArray[np.int64]:
    """Returns what the person's clock showed at each minute: shape (count,), in minutes since 1970-01-01 00:00.

    `start_minute` is the civil time of the first minute (negative before 1970; nothing here knows UTC). `moves`
    are the moments at which the clock was put on or back, as (minute of the recording, shift in minutes) in any
    order: (4_000, 60) at the start of summer time, (4_000, -60) at its end, (4_000, 540) after a flight from
    London to Tokyo. So the answer rises by one from minute to minute except at a move.
    """
    civil = start_minute + np.arange(count, dtype=np.int64)
    for at, shift in moves:
        civil[max(0, at) :] += shift
    return civil


def reached(civil: NDArray[np.int64], minutes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns when the clock first reached each of the civil `minutes`, counted in minutes since the recording's first.

    `civil` has shape (n,), n ≥ 1, as `civil_minutes` makes it; the answer has the shape of `minutes`. Before the
    recording and after it the clock is taken to run on, so an answer may be negative or beyond the end.
    """
    latest = np.maximum.accumulate(civil)
    inside = np.searchsorted(latest, minutes)
    after = len(civil) + minutes - civil[-1] - 1
    return np.where(minutes <= civil[0], minutes - civil[0], np.where(minutes > latest[-1], after, inside))
