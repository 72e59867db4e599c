"""A civil day's results as values, and when a day is closed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from clarity_server.domain.analysis import WINDOW_MINUTES
from clarity_server.domain.civil import MINUTE_MS, Clock, stays
from clarity_server.domain.measures import Measure, Night
from clarity_server.domain.series import Closing, ClosingKind, Source
from clarity_server.domain.upload import Span

CONTEXT_BEFORE_MINUTES = 720
"""Minutes before a day, or a window, that bear on it: back to noon, for its first night begins the evening before."""
CONTEXT_AFTER_MINUTES = 180
"""Minutes after a day that may bear on it (a run of non-wear or sleep over midnight). A day, or a window, closes when
the recording has gone this far beyond it: so no result depends on how fast the data came."""
REACH_BEFORE_DAYS = 2
REACH_AFTER_DAYS = 1
"""How far from a civil day the storage days lie that may hold its minutes or their context: civil time is at most 16
hours from UTC (Manila before 1845), and the context is 12 hours before and 3 hours after."""


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
    night: Night | None = None  # the one that leads to this day; None in results of before there were nights
    result: int = 0  # the number within an upload; 0 outside of one


def closings(
    clock: Clock, period_ms: int, before: int, after: int, *, finished: bool, numbered: int
) -> Sequence[Closing]:
    """Return the days and windows an upload closes by growing from `before` to `after` samples, from `numbered` + 1 on.

    A pure function of the recording: however it is cut into commits, the same close under the same numbers, in order
    of their ends. On finishing (`finished`, with before == after) what has not yet closed follows: every day with a
    sample, and every window that is whole.
    """
    context = CONTEXT_AFTER_MINUTES * MINUTE_MS // period_ms
    assert context > 0, "else the end of the data would look like the end of a day"
    days = [(end, ClosingKind.DAY, day) for day, (_, end) in on_days(clock, period_ms, max(0, before - context), after)]
    whole = [(day, end) for day, end in windows(clock, period_ms, before - context, after) if end <= after]
    weeks = [(end, ClosingKind.WINDOW, day) for day, end in whole]
    due = [
        (day, end, kind)
        for end, kind, day in sorted(days + weeks)
        if end + context > before and (finished or end + context <= after)
    ]
    return [Closing(number, *one) for number, one in enumerate(due, start=numbered + 1)]


def windows(clock: Clock, period_ms: int, after: int, until: int) -> list[tuple[int, int]]:
    """Return (civil day, end sample) of each window that ends beyond sample `after` and begins before `until`.

    A window begins where the clock first reaches a civil day. One whose first minute the recording does not have, or
    has no civil time for, is none of this recording's.
    """
    length_ms = WINDOW_MINUTES * MINUTE_MS
    low_ms = max(0, after * period_ms - length_ms)
    starts = [(stay.civil_day, stay.start_ms) for stay in stays(clock, low_ms, until * period_ms)]
    return [
        (day, -(-(begins + length_ms) // period_ms))
        for day, start_ms in starts
        if start_ms - (begins := clock.day_start_ms(day)) < period_ms
    ]


def on_days(clock: Clock, period_ms: int, start: int, end: int) -> list[tuple[int, Span]]:
    """Return the civil days of samples [start, end) and the samples that begin on each; none without a civil time."""
    found = [
        (stay.civil_day, (-(-stay.start_ms // period_ms), -(-stay.end_ms // period_ms)))
        for stay in stays(clock, start * period_ms, end * period_ms)
    ]
    # A day may begin, and the recording end, within the last sample of the day before.
    return [(day, samples) for day, samples in found if samples[0] < samples[1]]
