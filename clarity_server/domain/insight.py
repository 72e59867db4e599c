"""Facts and Insights: computed values that lead back to the minutes, and sentences that cite them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from clarity_server.domain.measures import Unavailable
from clarity_server.domain.series import Source


class Form(StrEnum):
    """How a Fact's value is said."""

    NUMBER = "NUMBER"  # 0.62; 412 counts/min; 86 %; 5 nights
    DURATION = "DURATION"  # a length of time in minutes: 7 h 12 min
    CLOCK = "CLOCK"  # minutes after midnight: 23:48
    CHANGE = "CHANGE"  # a signed difference in the unit: 24 min more


@dataclass(frozen=True, slots=True)
class Minutes:
    """The raw minutes a Fact rests on: a range of ReadSeries, [start_ms, end_ms)."""

    metric: str
    source: Source
    floating: bool  # whether the range is of civil times, else of instants
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Fact:
    """One computed value with an id and its provenance. The same analysis always gives the same Facts."""

    fact_id: str
    analysis_id: str
    name: str  # the measure, e.g. night_total_sleep, or night_total_sleep_change
    day: date | None  # of a Fact about one night: the date of its morning
    outcome: float | Unavailable
    ucum_unit: str
    form: Form
    text: str  # how its value is said, empty where there is none
    coverage_ratio: float
    algorithm: str
    algorithm_version: str
    parameters: Mapping[str, str]
    input_digest: str
    model_digest: str  # empty unless a model made it
    of_facts: tuple[str, ...]  # ids of the Facts it was computed from
    minutes: Minutes


@dataclass(frozen=True, slots=True)
class Citation:
    """Characters [start, end) of a sentence say what a Fact says."""

    fact_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and its citations, in order and apart from each other."""

    text: str
    citations: tuple[Citation, ...]


class Kind(StrEnum):
    """How much an Insight tells."""

    SUMMARY = "SUMMARY"  # the week, a dozen sentences
    BRIEF = "BRIEF"  # its three most telling ones


@dataclass(frozen=True, slots=True)
class Insight:
    """What a person reads about a week, and every Fact it cites."""

    insight_id: str
    analysis_id: str
    kind: Kind
    language: str
    narrator: str
    narrator_version: str
    sentences: tuple[Sentence, ...]
    facts: tuple[Fact, ...]
    create_time: datetime
