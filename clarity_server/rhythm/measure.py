"""A number and everything needed to believe it, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from clarity_server.rhythm.algorithm import Algorithm


class Reason(StrEnum):
    """Why there is no number."""

    SHORT_RECORD = "SHORT_RECORD"
    """The recording does not reach far enough, whatever is in it."""
    GAP = "GAP"
    """It reaches far enough, and too many of its minutes have no value."""
    NOT_WORN = "NOT_WORN"
    """The minutes have values, and in too many of them nobody wore the device."""
    NO_SLEEP = "NO_SLEEP"
    """The device was worn, and nobody slept."""
    UNDEFINED = "UNDEFINED"
    """There is enough, and the formula divides by zero: nothing in the recording varies."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One computed number, or why there is none."""

    name: str
    outcome: float | Reason
    ucum_unit: str
    coverage_ratio: float  # of the minutes asked about, the share that the number rests on
    algorithm: Algorithm
