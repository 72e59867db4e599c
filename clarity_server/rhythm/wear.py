"""When the device was worn, judged from minute counts alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from clarity_server.rhythm.algorithm import Algorithm
from clarity_server.rhythm.bouts import painted, spans

QUIET_MINUTES = 90  # a stretch this long without movement is non-wear
ARTIFACT_MINUTES = 2  # a knock on the bedside table, not a person: at most this long ...
FLANK_MINUTES = 30  # ... with this many zeros on either side
TROIANO_QUIET_MINUTES = 60
TROIANO_COUNTS_MAX = 100  # above it a single minute is a person

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

TROIANO = Algorithm(
    "troiano",
    "1",
    {
        "epoch_s": "60",
        "quiet_minutes": str(TROIANO_QUIET_MINUTES),
        "artifact_minutes": str(ARTIFACT_MINUTES),
        "artifact_counts_max": str(TROIANO_COUNTS_MAX),
        "outside_recording": "not_zero",
    },
)
RECORDED = Algorithm("recorded", "1", {"epoch_s": "60"})


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
    artifacts = _between_zeros(_short(known & ~zero), zero, FLANK_MINUTES)
    return known & ~_quiet(zero, artifacts, QUIET_MINUTES)


def troiano(counts: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Returns True for each minute that was worn.

    `counts` has shape (n,), one count a minute; NaN (or any value that is not finite) is a missing minute.

    Troiano, Berrigan, Dodd, Mâsse, Tilert and McDowell, *Physical activity in the United States measured by
    accelerometer*, Med Sci Sports Exerc 40(1), 2008: non-wear is a stretch of at least 60 minutes of zero
    counts, with allowance for 1 or 2 minutes of counts between 0 and 100.

    What the paper leaves open, and what is done here:

    - "1 or 2 minutes" is said of each interruption, a whole run of nonzero minutes: a third one in a row, or a
      single minute above 100, is wear. A stretch may be interrupted any number of times, even every other minute.
    - A stretch begins and ends with a zero, so an interruption at its end is wear. It is as long as it lasts,
      its interruptions included.
    - Only 0 is zero, and a negative count interrupts nothing: it is wear.
    - A missing minute is not worn, and it is not a zero either: it ends a stretch.

    Made for counts of a hip device, and much quicker than Choi to call motionless sleep non-wear.
    """
    known: NDArray[np.bool_] = np.isfinite(counts)
    zero = known & (counts == 0)
    faint = known & (counts > 0) & (counts <= TROIANO_COUNTS_MAX)
    short = _short(known & ~zero)
    faint_before = np.concatenate(([0], np.cumsum(faint)))  # (n + 1,): faint minutes in [0, i)
    short = short[faint_before[short[:, 1]] - faint_before[short[:, 0]] == short[:, 1] - short[:, 0]]
    return known & ~_quiet(zero, _between_zeros(short, zero, 1), TROIANO_QUIET_MINUTES)


def recorded(counts: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Returns True for each minute with a value: wear is taken for granted. `counts` has shape (n,)."""
    known: NDArray[np.bool_] = np.isfinite(counts)
    return known


Detector = Callable[[NDArray[np.floating]], NDArray[np.bool_]]
DETECTORS: Mapping[str, tuple[Algorithm, Detector]] = MappingProxyType(
    {"choi": (CHOI, choi), "troiano": (TROIANO, troiano), "none": (RECORDED, recorded)}
)
"""How wear can be judged, by the name a person would ask for."""


def _short(moving: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Returns the runs of moving minutes that are short enough for an artifact, shape (k, 2)."""
    found = spans(moving)
    return found[found[:, 1] - found[:, 0] <= ARTIFACT_MINUTES]


def _between_zeros(found: NDArray[np.intp], zero: NDArray[np.bool_], flank: int) -> NDArray[np.bool_]:
    """Returns a mask of those ranges, of shape (k, 2), that have `flank` zeros on either side."""
    zeros_before = np.concatenate(([0], np.cumsum(zero)))  # (n + 1,): zeros in [0, i)
    found = found[(found[:, 0] >= flank) & (found[:, 1] + flank <= len(zero))]
    start, end = found[:, 0], found[:, 1]
    quiet_before = zeros_before[start] - zeros_before[start - flank] == flank
    quiet_after = zeros_before[end + flank] - zeros_before[end] == flank
    return painted(found[quiet_before & quiet_after], len(zero))


def _quiet(zero: NDArray[np.bool_], artifacts: NDArray[np.bool_], minutes_min: int) -> NDArray[np.bool_]:
    """Returns True for each minute in a stretch of zeros and artifacts that is long enough."""
    found = spans(zero | artifacts)
    return painted(found[found[:, 1] - found[:, 0] >= minutes_min], len(zero))
