"""Moments: a time as people write it, and as the contract carries it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.datetime_pb2 import DateTime

from clarity.sending import civil_time, naive
from clarity.v1.health_data_service_pb2 import (
    AggregateSamplesRequest,
    CivilRange,
    DeleteSamplesRequest,
    InstantRange,
    ListSamplesRequest,
    ReadSeriesRequest,
)
from clarity.v1.sample_pb2 import ObservationTime

UNKNOWN_OFFSETS = ("Z", "z", "-00:00")  # RFC 9557: the instant is known, the person's clock is not
DATE_CHARS = len("2026-01-23")
HOUR_S, MINUTE_S = 3600, 60

Ranged = ReadSeriesRequest | ListSamplesRequest | AggregateSamplesRequest | DeleteSamplesRequest


def moment(text: str) -> datetime:
    """Read a bound of a range: civil without an offset, an instant with one or Z. Raises ValueError."""
    try:
        return datetime.fromisoformat(text)
    except ValueError as why:
        forms = "2026-01-23, 2026-01-23T13:58 or 2026-01-23T13:58:00+01:00"
        raise ValueError(f"{text!r} is no time; write it like {forms}") from why


def observation(text: str) -> ObservationTime:
    """Read when something was observed. Raises ValueError.

    `2026-01-23T07:00` is floating, with `+01:00` or `[Europe/Zurich]` behind it its instant is known, too, and with `Z`
    the instant is known and the person's clock is not. A date alone is refused: nobody knows when on that day.
    """
    clock, bracket, zone = text.strip().removesuffix("]").partition("[")
    time = moment(clock)
    if len(clock) <= DATE_CHARS:
        raise ValueError(f"{text!r} is a date without a time")
    if bracket:
        if time.tzinfo is not None or not zone:
            raise ValueError(f"{text!r} is no time: write a zone without an offset before it")
        civil = civil_time(time)
        civil.time_zone.id = zone
        return ObservationTime(civil=civil)
    if clock.endswith(UNKNOWN_OFFSETS):
        return ObservationTime(instant=instant(time))
    return ObservationTime(civil=civil_time(time))


def instant(time: datetime) -> Timestamp:
    """Return an instant for the wire."""
    made = Timestamp()
    made.FromDatetime(time)
    return made


def within(request: Ranged, start: datetime, end: datetime) -> None:
    """Ask for [start, end) only: by civil time without an offset, by instants with one. Raises ValueError for a mix."""
    if (start.tzinfo is None) != (end.tzinfo is None):
        raise ValueError("start and end are both civil times (without an offset) or both instants (with one)")
    if start.tzinfo is None:
        request.civil.CopyFrom(CivilRange(start=civil_time(start), end=civil_time(end)))
    else:
        request.instant.CopyFrom(InstantRange(start=instant(start), end=instant(end)))


def known(time: ObservationTime) -> datetime:
    """Return a time of an answer: naive where only civil time is known, in UTC where only the instant is."""
    if time.HasField("instant"):
        return time.instant.ToDatetime(UTC)
    civil = naive(time.civil)
    if not time.civil.HasField("utc_offset"):
        return civil
    return civil.replace(tzinfo=timezone(timedelta(seconds=time.civil.utc_offset.seconds)))


def said(time: ObservationTime) -> str:
    """Put a time in words; one that is none of the calendar, as it may lie in quarantine, in its own numbers."""
    match time.WhichOneof("time"):
        case "civil":
            return _civil_words(time.civil)
        case "instant":
            return _instant_words(time.instant)
        case _:
            return "–"


def _civil_words(time: DateTime) -> str:
    words = f"{time.year:04}-{time.month:02}-{time.day:02} {time.hours:02}:{time.minutes:02}"
    words += f":{time.seconds:02}" if time.seconds or time.nanos else ""
    words += f".{time.nanos:09}".rstrip("0") if time.nanos else ""
    if time.HasField("utc_offset"):
        return words + _offset_words(time.utc_offset.seconds)
    return f"{words} {time.time_zone.id}".rstrip()


def _offset_words(offset_s: int) -> str:
    hours, rest = divmod(abs(offset_s), HOUR_S)
    return f"{'-' if offset_s < 0 else '+'}{hours:02}:{rest // MINUTE_S:02}"


def _instant_words(time: Timestamp) -> str:
    try:
        return f"{_civil_words(civil_time(time.ToDatetime()))} UTC"
    except (ValueError, OverflowError):
        return f"{time.seconds} s after 1970"
