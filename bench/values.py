"""What is streamed: a real wrist's minute counts, repeated to any length."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clarity import recordings

REAL = Path(__file__).parents[2] / "shared" / "data" / "actiwatch"
SIMULATED_SEED = 1


def counts(samples: int) -> tuple[NDArray[np.float32], str]:
    """Return so many values, and where they come from."""
    files = sorted(REAL.glob("*.AWD"))
    if files:
        parts, named = [recordings.read(file) for file in files], f"real counts of {len(files)} Actiwatch recordings"
    else:
        parts, named = [recordings.simulate(SIMULATED_SEED)], f"SIMULATED counts, seed {SIMULATED_SEED}"
    joined = np.concatenate([part.values for part in parts]).astype("<f4")
    return np.resize(joined, samples), f"{named}, repeated"
