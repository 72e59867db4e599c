"""The weeks of the recordings beside the project, analysed as the server analyses them."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from clarity.recordings import read
from clarity_server.domain.analysis import Analysis
from clarity_server.domain.civil import EPOCH_DATE
from clarity_server.domain.metrics import ACTIVITY_COUNTS
from clarity_server.domain.series import Source
from clarity_server.flows.describe import analysis_of
from clarity_server.flows.grid import Grid
from clarity_server.ports import WindowKey
from clarity_server.rhythm.week import CONTEXT_AFTER_MINUTES, CONTEXT_BEFORE_MINUTES, WEEK_MINUTES, Method

FOLDER = Path(__file__).parents[2].parent / "shared" / "data" / "actiwatch"
FILES = ("example_01.AWD", "example_03.AWD", "example_05.AWD")
DAY_MINUTES = 1440


@cache
def real_weeks(file: str) -> dict[int, Analysis]:
    """Every whole week of a recording by its first civil day; skips where the recording is absent."""
    if not (FOLDER / file).exists():
        pytest.skip("needs ../shared/data/actiwatch, see its README")
    recording = read(FOLDER / file)
    counts = recording.values.astype(np.float64)
    began = (
        recording.start.hour * 60 + recording.start.minute + DAY_MINUTES * (recording.start.date() - EPOCH_DATE).days
    )
    first = -began % DAY_MINUTES
    found = {}
    for at in range(first, len(counts) - WEEK_MINUTES + 1, DAY_MINUTES):
        low, high = max(0, at - CONTEXT_BEFORE_MINUTES), min(len(counts), at + WEEK_MINUTES + CONTEXT_AFTER_MINUTES)
        civil = began + np.arange(low, high)
        grid = Grid(
            counts=counts[low:high],
            civil=civil,
            core=slice(at - low, at - low + WEEK_MINUTES),
            sent=slice(0, high - low),
            start_ms=(began + at) * 60_000,
            floating=True,
            zoned=False,
            conflict_minutes=0,
        )
        day = (began + at) // DAY_MINUTES
        key = WindowKey("a" * 26, ACTIVITY_COUNTS, Source(recording.device), day)
        found[day] = analysis_of(key, grid, Method(), None)
    return found
