"""Which upload is read where several cover the same minute of one source.

The higher revision wins; a tie goes to the smaller upload_id and counts as a conflict where the values differ. So the
answer never depends on the order of arrival.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.series import StoredUpload


@dataclass(frozen=True, slots=True)
class Cover:
    """What one upload says: for each sample its minute and its values' bits, (samples,) and (samples, channels).

    Minutes are in order; several samples may share one.
    """

    minutes: NDArray[np.int64]
    values: NDArray[np.float32]


def precedence(upload: StoredUpload) -> tuple[int, str]:
    """Sort uploads by this: the one that is read comes first."""
    return (-upload.descriptor.revision, upload.upload_id)


def winners(
    revisions: Sequence[int], covers: Sequence[Cover], first: int, count: int
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return for each of `count` minutes from `first` which cover is read (-1 for none), and whether another conflicts.

    `covers` are in order of precedence.
    """
    owner = np.full(count, -1, dtype=np.int32)
    conflicted = np.zeros(count, dtype=bool)
    for index, cover in enumerate(covers):
        low, high = np.searchsorted(cover.minutes, [first, first + count])
        slots = cover.minutes[low:high] - first
        slots = slots[np.diff(slots, prepend=-1) > 0]
        taken = slots[owner[slots] >= 0]
        for other in np.unique(owner[taken]):
            if revisions[other] == revisions[index]:
                tied = taken[owner[taken] == other]
                conflicted[tied[_differ(covers[other], cover, tied + first)]] = True
        free = slots[owner[slots] < 0]
        owner[free] = index
    return owner, conflicted


def _differ(one: Cover, other: Cover, minutes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell for each minute whether two covers have other values in it."""
    return np.array([_bits(one, minute) != _bits(other, minute) for minute in minutes], dtype=bool)


def _bits(cover: Cover, minute: int) -> bytes:
    low, high = np.searchsorted(cover.minutes, [minute, minute + 1])
    return cover.values[low:high].tobytes()
