"""An Analysis: one run over a Window, 10,080 minutes of one source; and which windows there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from clarity_server.domain.civil import as_date
from clarity_server.domain.measures import Measure, Night, Unavailable
from clarity_server.domain.series import Source

DAY_MINUTES = 24 * 60
WINDOW_MINUTES = 7 * DAY_MINUTES
EDGE_MINUTES = 60
"""A window is whole if its source has values this near to both of its ends. Windows that are not are analysed only on
request."""
GAP_MINUTES_MAX = 60
MISSING_MINUTES_MAX = 504  # one twentieth of a window
WORN_DAY_MINUTES = 16 * 60
WORN_DAYS_MIN = 4
VERSION = "1"
"""Rises whenever the same minutes, model and parameters could give another analysis; part of every analysis_id."""


class State(StrEnum):
    """Where an Analysis stands."""

    QUEUED = "QUEUED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SUPERSEDED = "SUPERSEDED"  # newer data of the same window, or another model, was analysed in its place


@dataclass(frozen=True, slots=True)
class Window:
    """10,080 consecutive physical minutes from a local midnight, and what of them is there."""

    metric: str
    source: Source
    start_day: int  # civil, in days since 1970-01-01
    start_civil: int  # what the clock showed in its first minute, in minutes since 1970-01-01 00:00
    start_ms: int  # of its first minute: an instant, or a civil time where the recordings float
    floating: bool
    length_minutes: int
    recorded_minutes: int
    worn_minutes: int
    longest_gap_minutes: int
    worn_days: int  # its seven stretches of 1,440 minutes in which WORN_DAY_MINUTES or more were worn
    offset_change_minutes: int  # how far the clock was moved within it, all moves together
    conflict_minutes: int
    input_digest: str
    tzdata_version: str

    @property
    def start_date(self) -> date:
        """The date of its first minute."""
        return as_date(self.start_day)


@dataclass(frozen=True, slots=True)
class Abstention:
    """Why PAT does not answer: a figure that was found, and what would have been needed."""

    reason: Unavailable
    what: str  # what the figure is: `longest_gap`, `days_worn`, …
    found: float
    needed: float
    ucum_unit: str


@dataclass(frozen=True, slots=True)
class Output:
    """What PAT makes of a window. An encoder without a head estimates nothing."""

    embedding: tuple[float, ...]  # (96,)
    attention: tuple[float, ...]  # (patches,), sums to 1: what each patch received in the last block
    patch_minutes: int


@dataclass(frozen=True, slots=True)
class PatReading:
    """PAT's part of an Analysis, with the model that was asked; empty texts where there is none."""

    model: str
    model_digest: str
    demonstration: bool
    scaler: str
    scaler_digest: str
    filled_minutes: int
    outcome: Output | Abstention


@dataclass(frozen=True, slots=True)
class Analysis:
    """One run over a Window. Equal data, model and parameters give an equal Analysis, its id included."""

    analysis_id: str
    state: State
    window: Window
    parameters: Mapping[str, str]
    measures: tuple[Measure, ...] = ()
    nights: tuple[Night, ...] = ()
    hourly_means: tuple[tuple[int, float], ...] = ()  # (clock hour, counts a minute), hours never worn left out
    pat: PatReading | None = None


@dataclass(frozen=True, slots=True)
class Analysed:
    """An Analysis as a numbered result of an upload."""

    result: int
    analysis: Analysis
