"""When the device was worn, judged from minute counts alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity_server.rhythm.algorithm import Algorithm
from clarity_server.rhythm.bouts import painted, spans

QUIET_MINUTES = 90  # a stretch this long without movement is non-wear
ARTIFACT_MINUTES = 2  # a knock on the bedside table, not a person: at most this long ...
FLANK_MINUTES = 30  # ... with this many zeros on either side

CHOI = Algorithm(
    "choi",
    "1",
    {
        "epoch_s": "60",
        "quiet_minutes": str(QUIET_MINUTES),
        "artifact_minutes": str(ARTIFACT_MINUTES),
        "flank_minutes": str(FLANK_MINUTES),
        "outside_recording": "not_zero",
    },
)


def choi(counts: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Returns True for each minute that was worn.

    `counts` has shape (n,), one count a minute; NaN (or any value that is not finite) is a missing minute.

    Choi, Liu, Matthews and Buchowski, *Validation of accelerometer wear and nonwear time classification
    algorithm*, Med Sci Sports Exerc 43(2), 2011: non-wear is a stretch of at least 90 minutes of zero counts.
    An interval of at most 2 minutes of nonzero counts may interrupt it, as an artifact, if the 30 minutes
    before and the 30 minutes after that interval hold no counts at all. Any other movement is wear.

    What the paper leaves open, and what is done here:

    - The interval of nonzero counts is a whole run: 3 moving minutes in a row are wear, and so are 2 single
      ones with fewer than 30 zeros between them. There is no upper bound on its counts.
    - A stretch is as long as it lasts, its artifacts included, and may hold any number of them.
    - Only 0 is zero. A negative count is movement.
    - A missing minute is not worn, and it is not a zero either: it ends a stretch and spoils a flank. So 89
      zeros on each side of a gap are worn.
    - Nothing is known outside the recording, so nothing there counts as zero: movement in the first or the
      last 30 minutes is never an artifact. A stretch may begin or end with the recording.

    Made for counts of a hip device; on the wrist, sleep without movement can look like non-wear.
    """
    known: NDArray[np.bool_] = np.isfinite(counts)
    zero = known & (counts == 0)
    quiet = spans(zero | _artifacts(known & ~zero, zero))
    long_enough = quiet[:, 1] - quiet[:, 0] >= QUIET_MINUTES
    return known & ~painted(quiet[long_enough], len(counts))


def _artifacts(moving: NDArray[np.bool_], zero: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns True for each moving minute of an interval that may interrupt a stretch of zeros."""
    zeros_before = np.concatenate(([0], np.cumsum(zero)))  # (n + 1,): zeros in [0, i)
    found = spans(moving)
    short = found[:, 1] - found[:, 0] <= ARTIFACT_MINUTES
    inside = (found[:, 0] >= FLANK_MINUTES) & (found[:, 1] + FLANK_MINUTES <= len(moving))
    found = found[short & inside]
    start, end = found[:, 0], found[:, 1]
    quiet_before = zeros_before[start] - zeros_before[start - FLANK_MINUTES] == FLANK_MINUTES
    quiet_after = zeros_before[end + FLANK_MINUTES] - zeros_before[end] == FLANK_MINUTES
    return painted(found[quiet_before & quiet_after], len(moving))
