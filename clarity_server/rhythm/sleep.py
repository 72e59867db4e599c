"""Sleep or wake, minute by minute, scored from counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarity_server.rhythm.algorithm import Algorithm

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
