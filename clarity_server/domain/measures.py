"""A number and everything needed to make it again, or the reason why there is none."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Unavailable(StrEnum):
    """Why there is no number. The list is closed, as the contract's is."""

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
    UNKNOWN_OFFSET = "UNKNOWN_OFFSET"
    """The offset from UTC is not known, so there is no civil time."""
    NO_MODEL = "NO_MODEL"
    """No model is installed."""
    OUT_OF_DISTRIBUTION = "OUT_OF_DISTRIBUTION"
    """The week is unlike any the model has seen."""
    FAILED = "FAILED"
    """The derivation failed by a fault of ours, told in the server's log."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One computed number and everything needed to make it again."""

    measure: str
    outcome: float | Unavailable
    ucum_unit: str
    coverage_ratio: float
    algorithm: str
    algorithm_version: str
    parameters: Mapping[str, str]
    input_digest: str


@dataclass(frozen=True, slots=True)
class Sleep:
    """The main sleep of a night: rest [start, end) around sleep [onset, final_awakening).

    These four are minutes since the day or window began, below 0 for the evening before; the same four as `*_civil` are
    what the person's clock showed, in minutes since 1970-01-01 00:00. The other minutes count those that were scored.
    """

    start: int
    onset: int
    final_awakening: int
    end: int
    start_civil: int
    onset_civil: int
    final_awakening_civil: int
    end_civil: int
    total_sleep: int
    onset_latency: int
    wake_after_onset: int
    latency_to_arising: int
    awakenings: int
    unscored: int


@dataclass(frozen=True, slots=True)
class Night:
    """The night that leads to a civil day, noon to noon, with its main sleep or the reason why there is none."""

    civil_day: int  # of the morning, in days since 1970-01-01
    outcome: Sleep | Unavailable
    coverage_ratio: float  # scored minutes of the night, of all its minutes
