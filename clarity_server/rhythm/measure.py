"""A number as an algorithm computes it, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from clarity_server.domain.measures import Unavailable
from clarity_server.rhythm.algorithm import Algorithm


@dataclass(frozen=True, slots=True)
class Measure:
    """One computed number, or why there is none."""

    name: str
    outcome: float | Unavailable
    ucum_unit: str
    coverage_ratio: float  # of the minutes asked about, the share that the number rests on
    algorithm: Algorithm
