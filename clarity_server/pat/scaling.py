"""What is done to counts before PAT sees them: an input with a name, a source and a digest, never a guess.

As published, every minute of the week has its own mean and deviation over a reference population; nobody publishes
one. So a model comes with the scaler it was trained with, or without any, and then it says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from clarity_server.pat.shapes import WINDOW_MINUTES

SEEN_PERCENTILE = 99
SEEN_MARGIN = 0.1
SEEN: Mapping[str, tuple[float, float]] = {"depresjon-log1p-global-1": (1.13, 1.77)}
"""By a scaler's name, the least and greatest of the 99th percentiles of the scaled weeks it was fitted on: a week that
lies outside by more than the margin is of another scale. Ten times the counts, or a tenth, always is
(tests/pat/test_week.py)."""
OWN_WEEK = "week_zscore"


class Transform(StrEnum):
    """What happens to a count before mean and deviation."""

    NONE = "none"
    LOG1P = "log1p"


# eq=False: arrays have no single answer to ==; the digest says whether two are the same.
@dataclass(frozen=True, slots=True, eq=False)
class Scaler:
    """`(transform(count) − mean) / deviation`, by one number each or by one for every minute of the week."""

    name: str
    source: str  # whose means these are, in words a person can check
    transform: Transform
    mean: NDArray[np.float64]  # (1,) or (10080,)
    deviation: NDArray[np.float64]  # the same

    def __post_init__(self) -> None:
        """Refuse what would not scale. Raises ValueError."""
        if self.mean.shape not in {(1,), (WINDOW_MINUTES,)} or self.deviation.shape != self.mean.shape:
            raise ValueError(f"a scaler has 1 or {WINDOW_MINUTES} means and as many deviations")
        if not np.isfinite(self.mean).all() or not np.isfinite(self.deviation).all() or not (self.deviation > 0).all():
            raise ValueError("a scaler's means are finite, and its deviations finite and above 0")

    @property
    def digest(self) -> str:
        """The sha256 of what it does: its name and source may be told otherwise, its numbers not."""
        found = hashlib.sha256(json.dumps([self.transform.value, len(self.mean)]).encode())
        found.update(self.mean.astype("<f8").tobytes())
        found.update(self.deviation.astype("<f8").tobytes())
        return found.hexdigest()

    def scale(self, counts: NDArray[np.floating]) -> NDArray[np.float32]:
        """Returns weeks of counts, shape (…, 10080), as PAT takes them; a missing minute (NaN) stays missing."""
        values = np.asarray(counts, dtype=np.float64)
        if self.transform is Transform.LOG1P:
            values = np.log1p(np.maximum(values, 0.0))  # a negative count is none; np.maximum keeps NaN
        return ((values - self.mean) / self.deviation).astype(np.float32)


def own_week(counts: NDArray[np.floating]) -> Scaler | None:
    """Returns the scaler of a week by itself, for weights that came without one; None where nothing in it varies.

    It is another input than PAT was trained on: how much a person moves is lost, and only the course of it is left. So
    it has its own name, and readings of it are never to be compared with those of another scaler.
    """
    known = counts[np.isfinite(counts)].astype(np.float64)
    if not len(known) or not known.std() > 0:
        return None
    return Scaler(OWN_WEEK, "the week itself", Transform.NONE, np.array([known.mean()]), np.array([known.std()]))


def filled(scaled: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns scaled minutes with the missing ones at the scaler's mean, which is 0."""
    return np.where(np.isnan(scaled), np.float32(0), scaled)


def fitted(name: str, source: str, counts: NDArray[np.floating]) -> Scaler:
    """Returns the scaler of one mean and deviation of log1p over all counts that are known."""
    logs = np.log1p(counts[np.isfinite(counts)].astype(np.float64))
    return Scaler(name, source, Transform.LOG1P, np.array([logs.mean()]), np.array([logs.std()]))
