"""Bouts: the unbroken stretches of a yes/no sequence, as ranges [start, end)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def bouts(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Returns the longest runs of True in `mask`, shape (n,), as ranges [start, end) in order."""
    return [(int(start), int(end)) for start, end in spans(mask)]


def spans(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Returns the bouts of `mask`, shape (n,), as an array of shape (bouts, 2)."""
    walled = np.zeros(len(mask) + 2, dtype=np.bool_)  # False at both ends closes a run that touches an end
    walled[1:-1] = mask
    return np.flatnonzero(walled[1:] != walled[:-1]).reshape(-1, 2)


def painted(ranges: NDArray[np.intp], length: int) -> NDArray[np.bool_]:
    """Returns a mask of shape (length,) that is True exactly inside `ranges`, shape (k, 2): undoes `spans`.

    Ranges must be in order and must not touch, as those of `spans` are.
    """
    steps = np.zeros(length + 1, dtype=np.int8)
    steps[ranges[:, 0]] = 1
    steps[ranges[:, 1]] = -1
    return np.cumsum(steps[:-1], dtype=np.int8).astype(np.bool_)
