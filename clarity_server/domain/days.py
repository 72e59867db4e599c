"""A civil day's results as values, and when a day is closed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from clarity_server.domain.civil import MINUTE_MS, Clock, stays
from clarity_server.domain.series import Closing, Source
from clarity_server.domain.upload import Span

CONTEXT_MINUTES = 180
"""Minutes on either side of a day that may bear on it (a run of non-wear or sleep over midnight). A day closes when the
recording has gone this far beyond it, so that the result of a day never depends on how fast the data came."""
REACH_DAYS = 1
"""How far from a civil day the storage days lie that may hold its minutes or their context: civil time is at most 16
hours from UTC (Manila before 1845), and the context is 3 hours more."""


class Unavailable(StrEnum):
    """Why there is no number."""

    NOT_WORN = "NOT_WORN"
    SHORT_RECORD = "SHORT_RECORD"
    UNKNOWN_OFFSET = "UNKNOWN_OFFSET"
    FAILED = "FAILED"


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
class Day:
    """A civil day of one person as one source saw it. Ranges are elapsed minutes since the day began."""

    date: date
    metric: str
    source: Source
    length_minutes: int
    recorded_minutes: int
    worn_minutes: int
    measures: tuple[Measure, ...]
    asleep: tuple[tuple[int, int], ...]
    not_worn: tuple[tuple[int, int], ...]
    conflict_minutes: int
    closed: bool
    tzdata_version: str
    result: int = 0  # the number within an upload; 0 outside of one


def closings(
    clock: Clock, period_ms: int, before: int, after: int, *, finished: bool, numbered: int
) -> Sequence[Closing]:
    """Return the days an upload closes by growing from `before` to `after` samples, numbered from `numbered` + 1.

    A pure function of the recording: however it is cut into commits, the same days close under the same numbers. On
    finishing (`finished`, with before == after) the days not yet closed follow in order.
    """
    context = CONTEXT_MINUTES * MINUTE_MS // period_ms
    assert context > 0, "else the end of the data would look like the end of a day"
    due = [
        (day, end)
        for day, (_, end) in on_days(clock, period_ms, max(0, before - context), after)
        if end + context > before and (finished or end + context <= after)
    ]
    return [Closing(numbered + index, day, end) for index, (day, end) in enumerate(due, start=1)]


def on_days(clock: Clock, period_ms: int, start: int, end: int) -> list[tuple[int, Span]]:
    """Return the civil days of samples [start, end) and the samples that begin on each; none without a civil time."""
    found = [
        (stay.civil_day, (-(-stay.start_ms // period_ms), -(-stay.end_ms // period_ms)))
        for stay in stays(clock, start * period_ms, end * period_ms)
    ]
    # A day may begin, and the recording end, within the last sample of the day before.
    return [(day, samples) for day, samples in found if samples[0] < samples[1]]
