"""Sums: which buckets a person means, and the numbers of each as rows for people and for programs."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TextIO

from rich.console import RenderableType

from clarity import bars, moments, show, terminal
from clarity.actogram import label
from clarity.samples import Aggregate, By, Unit
from clarity.v1.sample_pb2 import Bucket, BucketState, ObservationTime, SourceShare
from clarity.v1.series_pb2 import Source

ROWS_SHOWN = 400
SPAN_MAX = timedelta(days=3652)  # the contract's ten years
DAY = timedelta(days=1)
OFFSET_MAX = timedelta(hours=14)  # of a clock from UTC
BEYOND = timedelta(seconds=1)  # a moment ends when it begins, and a range is without its end
MINUTES_AN_HOUR = 60
TENTHS_FROM = 1000.0  # of numbers this large, tenths are read; of smaller ones, four digits
LENGTH = re.compile(r"([1-9]\d{0,5})([smh])")
LENGTHS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}
LONGEST = {Unit.DAY: 1, Unit.WEEK: 7, Unit.MONTH: 31}  # days
PLAIN = ("count", "sum", "mean", "min", "max")
MINUTES = ("covered_minutes", "not_worn_minutes", "unset_minutes")
STATES = {
    BucketState.BUCKET_STATE_VALUE: "value",
    BucketState.BUCKET_STATE_UNSET: "unset",
    BucketState.BUCKET_STATE_NOT_WORN: "not worn",
}


# ---- which buckets ---------------------------------------------------------------------------------------------------


def bucket(text: str) -> By:
    """Read which buckets are meant. Raises ValueError."""
    if text in set(Unit):
        return Unit(text)
    found = LENGTH.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is neither day, week, month nor a length like 1h, 5m or 30s")
    return int(found[1]) * LENGTHS[found[2]]


def asked(start: datetime, end: datetime, by: By) -> tuple[datetime, datetime]:
    """Return the range that a person asks for: days, weeks and months whole, lengths counted from the start.

    Raises ValueError for a range that cannot be.
    """
    if isinstance(by, timedelta):
        if start.tzinfo is None or end.tzinfo is None:
            raise ValueError("a length like 1h goes with times with an offset; without, sum up by day, week or month")
    elif start.tzinfo is not None or end.tzinfo is not None:
        raise ValueError("days, weeks and months are those of the person's clock: give times without an offset")
    else:
        start, end = whole(start, by), ceiling(end, by)
    if start >= end:
        raise ValueError("the end is not after the start")
    if end - start > SPAN_MAX:
        raise ValueError("that is more than ten years: give --start and --end")
    return start, end


def fitting(first: ObservationTime, last: ObservationTime, by: By) -> tuple[datetime, datetime]:
    """Return a range of buckets that all data from the first to the last moment lies in; empty ones may be at its ends.

    Days are those of the data's own clock. Where no instant is known the times stay without an offset, and no length
    fits.
    """
    if not isinstance(by, timedelta):
        return whole(_by_clock(first, -OFFSET_MAX), by), ceiling(_by_clock(last, OFFSET_MAX) + BEYOND, by)
    start, end = moments.known(first), moments.known(last) + BEYOND
    if start.tzinfo is None or end.tzinfo is None:
        return start, end
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight + (start - midnight) // by * by
    return start, start + math.ceil((end - start) / by) * by


def _by_clock(time: ObservationTime, beyond: timedelta) -> datetime:
    """A time on the person's clock; where only its instant is known, what may be its time there at the utmost."""
    return moments.known(time).replace(tzinfo=None) + (beyond if time.HasField("instant") else timedelta())


def trimmed(found: Aggregate, *, head: bool, tail: bool) -> Aggregate:
    """Leave out the buckets before all data, and those after it, where these ends were not asked for."""
    kept = [at for at, one in enumerate(found.buckets) if one.state != BucketState.BUCKET_STATE_UNSET]
    first = (kept[0] if kept else len(found.buckets)) if head else 0
    last = (kept[-1] + 1 if kept else first) if tail else len(found.buckets)
    return replace(found, buckets=found.buckets[first:last])


def whole(time: datetime, by: Unit) -> datetime:
    """Return when the day, week or month begins that a time lies in."""
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
    if by == Unit.WEEK:
        return midnight - midnight.weekday() * DAY
    return midnight.replace(day=1) if by == Unit.MONTH else midnight


def ceiling(time: datetime, by: Unit) -> datetime:
    """Return when the day, week or month ends in which the last moment before a time lies."""
    floor = whole(time, by)
    return time if floor == time else whole(floor + LONGEST[by] * DAY, by)


# ---- their numbers ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A number of a bucket: its name, and what it is in one; None where that has none."""

    name: str
    of: Callable[[Bucket], float | None]


def columns(buckets: Sequence[Bucket]) -> list[Column]:
    """Return what there is to show of these buckets: each number that one of them has."""
    found = [Column(name, partial(_plain, name=name)) for name in PLAIN]
    found = [column for column in found if any(column.of(bucket) is not None for bucket in buckets)]
    ranks = sorted({one.percentile for bucket in buckets for one in bucket.percentiles})
    found += [Column(f"p{rank:g}", partial(_percentile, rank=rank)) for rank in ranks]
    return found + [Column(f"{code} min", partial(_minutes, code=code)) for code in bars.codes_of(buckets)]


def _plain(bucket: Bucket, name: str) -> float | None:
    return getattr(bucket, name) if bucket.HasField(name) else None


def _percentile(bucket: Bucket, rank: float) -> float | None:
    return next((one.value for one in bucket.percentiles if one.percentile == rank), None)


def _minutes(bucket: Bucket, code: str) -> float | None:
    """Minutes with a code; a bucket with values, and without this one, has none of it."""
    if bucket.state != BucketState.BUCKET_STATE_VALUE:
        return None
    return sum(one.duration.ToTimedelta() / LENGTHS["m"] for one in bucket.durations if one.code == code)


def state(bucket: Bucket) -> str:
    """Return how a bucket stands: a value, and a zero is one; not worn; or unset: nobody said anything."""
    return STATES.get(bucket.state, "?")


def source_words(source: Source) -> str:
    """Return a source in words."""
    return f"{source.device} ({source.app})" if source.app else source.device


# ---- for people ------------------------------------------------------------------------------------------------------


def parts(found: Aggregate) -> Iterator[RenderableType]:
    """Yield what a person sees: a row for each bucket, then the unit and the sources."""
    shares = [share.alone for bucket in found.buckets for share in bucket.shares]
    shown = columns([*found.buckets, *shares])
    numbers = [*(column.name for column in shown), "covered", "not worn", "unset"]
    table = terminal.table("from", "state", *numbers, "", right=numbers)
    for one in found.buckets[:ROWS_SHOWN]:
        table.add_row(_start_words(one), *_row(one, shown), _length_words(one))
        for share in one.shares:
            table.add_row(f"  {source_words(share.source)}", *_row(share.alone, shown), _share_words(share))
    yield table
    if len(found.buckets) > ROWS_SHOWN:
        yield f"… and {len(found.buckets) - ROWS_SHOWN:,} more; --csv and --json print every one."
    if found.unit:
        others = f", sums; else {found.ucum_unit}" if found.unit != found.ucum_unit else ""
        yield show.text(("in ", "quiet"), f"{found.unit}{others}")
    if found.sources:
        yield show.text(("from ", "quiet"), "; then ".join(map(source_words, found.sources)))


def _row(bucket: Bucket, shown: Iterable[Column]) -> tuple[str, ...]:
    values = (column.of(bucket) for column in shown)
    numbers = ("–" if value is None else _number(value) for value in values)
    return (state(bucket), *numbers, *(_minutes_words(getattr(bucket, name)) for name in MINUTES))


def _number(value: float) -> str:
    """A number to be read: whole ones as they are, others to a tenth, or to four digits."""
    if value == int(value) or abs(value) >= TENTHS_FROM:
        return f"{value:,.1f}".removesuffix(".0")
    return f"{value:.4g}"


def _start_words(bucket: Bucket) -> str:
    """When a bucket begins; of one that begins at midnight, the date."""
    words = moments.said(bucket.start)
    if not (bucket.start.HasField("civil") and words.endswith(" 00:00")):
        return words
    day = moments.known(bucket.start)
    return f"{label(day.date())} {day.year}"


def _minutes_words(minutes: int) -> str:
    return show.duration(minutes) if minutes >= MINUTES_AN_HOUR else f"{minutes} min"


def _length_words(bucket: Bucket) -> str:
    """A day that is not as long as the clock says."""
    if not bucket.start.HasField("civil"):
        return ""
    by_clock = moments.known(bucket.end) - moments.known(bucket.start)
    length = bucket.length.ToTimedelta()
    return "" if length == by_clock else f"{length / LENGTHS['h']:g} h long"


def _share_words(share: SourceShare) -> str:
    passed = f", passed over for {_minutes_words(share.passed_over_minutes)}" if share.passed_over_minutes else ""
    return f"believed for {_minutes_words(share.chosen_minutes)}{passed}"


# ---- for programs ----------------------------------------------------------------------------------------------------


def write_csv(found: Aggregate, file: TextIO) -> None:
    """Write a row for each bucket; a number that there is none of is empty, never 0."""
    shown = columns(found.buckets)
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(("start", "end", "state", *MINUTES, *(column.name.replace(" ", "_") for column in shown)))
    for one in found.buckets:
        times = (moments.known(one.start).isoformat(), moments.known(one.end).isoformat())
        values = (column.of(one) for column in shown)
        numbers = ("" if value is None else repr(value) for value in values)
        rows.writerow((*times, state(one), *(getattr(one, name) for name in MINUTES), *numbers))
