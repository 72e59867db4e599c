"""What is done to counts before PAT sees them: an input with a name, a source and a digest, never a guess.

As published, every minute of the week has its own mean and deviation over a reference population; nobody publishes
one. So a model comes with the scaler it was trained with, or without any, and then it says so.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from clarity_server.pat.shapes import WINDOW_MINUTES


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


def filled(scaled: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns scaled minutes with the missing ones at the scaler's mean, which is 0."""
    return np.where(np.isnan(scaled), np.float32(0), scaled)


def fitted(name: str, source: str, counts: NDArray[np.floating]) -> Scaler:
    """Returns the scaler of one mean and deviation of log1p over all counts that are known."""
    logs = np.log1p(counts[np.isfinite(counts)].astype(np.float64))
    return Scaler(name, source, Transform.LOG1P, np.array([logs.mean()]), np.array([logs.std()]))
