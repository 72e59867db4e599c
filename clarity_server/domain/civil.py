"""Civil time: which wall-clock time, and which civil day, a sample belongs to.

All times are integers of milliseconds since 1970-01-01T00:00, on one of two axes: *instants* (UTC) or *civil* times
(the person's clock, whose days have 86,400,000 ms by definition). The tz database is the pinned `tzdata` package, never
the machine's: the same build must give the same days.
"""

import itertools
import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from importlib import metadata

DAY_MS = 24 * 3600 * 1000
MINUTE_MS = 60 * 1000
FAR_MS = 10_000 * 366 * DAY_MS  # beyond any time of the calendar
EPOCH_DATE = date(1970, 1, 1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UTC_OFFSET_S_MAX = 14 * 3600
YEAR_MIN = 1800
YEAR_MAX = 2199

zoneinfo.reset_tzpath(to=())  # an empty search path leaves only the tzdata package


class StartKind(StrEnum):
    """What is known of the moment sample 0 begins."""

    FLOATING = "floating"  # civil time only
    OFFSET = "offset"  # civil time and its UTC offset
    ZONE = "zone"  # civil time and an IANA zone
    INSTANT = "instant"  # the instant only


class TimeKind(StrEnum):
    """By which time a range is meant."""

    CIVIL = "civil"
    INSTANT = "instant"


@dataclass(frozen=True, slots=True)
class TimeRange:
    """[start_ms, end_ms) in one kind of time."""

    kind: TimeKind
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Start:
    """When sample 0 begins: `ms` is civil for all kinds but INSTANT."""

    kind: StartKind
    ms: int
    utc_offset_s: int | None = None
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class OffsetChange:
    """The person's clock has this offset from UTC from `first_sample` on, which begins `elapsed_ms` after sample 0."""

    first_sample: int
    utc_offset_s: int
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Elapsed time [start_ms, end_ms) since sample 0 with one UTC offset, None where it is unknown or meaningless."""

    start_ms: int
    end_ms: int
    utc_offset_s: int | None


@lru_cache(maxsize=1)
def tzdata_version() -> str:
    """Return the version of the tz database in use."""
    return metadata.version("tzdata")


def civil_day(civil_ms: int) -> int:
    """Return the civil day of a civil time, in days since 1970-01-01."""
    return civil_ms // DAY_MS


def as_date(day: int) -> date:
    """Return the date of a civil day."""
    return EPOCH_DATE + timedelta(days=day)


def zone_exists(name: str) -> bool:
    """Tell whether the tz database has a zone of this name."""
    return name in _zones()


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


@lru_cache(maxsize=65536)
def zone_offset_s(zone: str, instant_s: int) -> int:
    """Return the UTC offset of a zone at an instant, in seconds east."""
    at = (EPOCH + timedelta(seconds=instant_s)).astimezone(zoneinfo.ZoneInfo(zone))
    offset = at.utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def zone_instant_ms(zone: str, civil_ms: int) -> int:
    """Return the instant of a civil time in a zone; of two, or none, by the earlier offset (PEP 495, fold 0)."""
    civil = datetime(1970, 1, 1, tzinfo=zoneinfo.ZoneInfo(zone)) + timedelta(milliseconds=civil_ms)
    offset = civil.replace(fold=0).utcoffset()
    assert offset is not None
    return civil_ms - int(offset.total_seconds()) * 1000


class Clock:
    """Tells the time of an upload's samples: its start and every move of the person's clock, as elapsed time."""

    def __init__(self, start: Start, moves: Sequence[tuple[int, int]] = ()) -> None:
        """Take the start and the moves as (elapsed ms, utc offset in s), in order."""
        self.start = start
        self.moves = tuple(moves)
        self.axis_ms = _axis_ms(start)
        """The start on the upload's own axis: the instant where it is known, else the civil time."""

    @property
    def floating(self) -> bool:
        """Whether only civil time is known."""
        return self.start.kind is StartKind.FLOATING

    @property
    def known_from_ms(self) -> int | None:
        """The elapsed time from which on civil time is known, or None."""
        if self.start.kind is not StartKind.INSTANT:
            return 0
        return self.moves[0][0] if self.moves else None

    def stretches(self, start_ms: int, end_ms: int) -> Iterator[Stretch]:
        """Cut elapsed time [start_ms, end_ms) wherever the offset changes; a floating clock has the offset None."""
        if self.start.kind is StartKind.ZONE:
            yield from self._zone_stretches(start_ms, end_ms)
            return
        known: list[tuple[int, int | None]] = [(0, self.start.utc_offset_s), *self.moves]
        for (at, offset), (until, _) in zip(known, [*known[1:], (end_ms, None)], strict=True):
            low, high = max(at, start_ms), min(until, end_ms)
            if low < high:
                yield Stretch(low, high, offset)

    def _zone_stretches(self, start_ms: int, end_ms: int) -> Iterator[Stretch]:
        zone, axis = self.start.time_zone, self.axis_ms
        assert zone is not None
        at = start_ms
        while at < end_ms:
            offset = zone_offset_s(zone, (axis + at) // 1000)
            until = _next_change_ms(zone, axis + at, axis + end_ms) - axis
            yield Stretch(at, until, offset)
            at = until

    def civil_ms(self, stretch: Stretch, elapsed_ms: int) -> int | None:
        """Return the civil time of an elapsed time within a stretch, or None where no offset is known."""
        if self.floating:
            return self.start.ms + elapsed_ms
        if stretch.utc_offset_s is None:
            return None
        return self.axis_ms + elapsed_ms + stretch.utc_offset_s * 1000

    def day_start_ms(self, day: int) -> int:
        """Return the elapsed time at which the clock first reaches a civil day; some civil time must be known.

        Outside of what it was told the clock runs on as at the nearest time of which it was.
        """
        if self.floating:
            return day * DAY_MS - self.axis_ms
        if self.start.time_zone is not None:
            return _zone_day_start_ms(self.start.time_zone, day) - self.axis_ms
        return next(
            max(start, day * DAY_MS - self.axis_ms - offset_s * 1000)
            for start, end, offset_s in self.told()
            if day * DAY_MS - self.axis_ms - offset_s * 1000 < end
        )

    def told(self) -> list[tuple[int, int, int]]:
        """List (start, end, offset in s) of all elapsed time, for a start with an offset or an instant; some is known.

        Outside of what it was told the clock runs on as at the nearest time of which it was.
        """
        # One that is replaced at the very moment it begins was never in force.
        by_moment = {at: offset for at, offset in ((0, self.start.utc_offset_s), *self.moves) if offset is not None}
        known = list(by_moment.items())
        turns = [-FAR_MS, *(at for at, _ in known[1:]), FAR_MS]
        return [(*ends, offset) for ends, (_, offset) in zip(itertools.pairwise(turns), known, strict=True)]


def _axis_ms(start: Start) -> int:
    if start.kind is StartKind.OFFSET:
        assert start.utc_offset_s is not None
        return start.ms - start.utc_offset_s * 1000
    if start.kind is StartKind.ZONE:
        assert start.time_zone is not None
        return zone_instant_ms(start.time_zone, start.ms)
    return start.ms


def _zone_day_start_ms(zone: str, day: int) -> int:
    """Return the first instant at which a zone's clock reaches a civil day."""
    at = zone_instant_ms(zone, day * DAY_MS)
    skipped = at + zone_offset_s(zone, at // 1000) * 1000 - day * DAY_MS
    if not skipped:
        return at
    # There is no such midnight: the clock jumped over it (Toronto went from 23:30 to 00:30 in March 1919).
    before_s = (at - skipped) // 1000
    return _bisect_change_s(zone, before_s, at // 1000, zone_offset_s(zone, before_s)) * 1000


def _next_change_ms(zone: str, from_ms: int, to_ms: int) -> int:
    """Return the first instant after from_ms at which the zone's offset changes, or to_ms."""
    here = zone_offset_s(zone, from_ms // 1000)
    low = from_ms
    # Daily steps on a shared grid: two changes within a day are not in the database, and the grid keeps the cache warm.
    while low < to_ms:
        high = min((low // DAY_MS + 1) * DAY_MS, to_ms)
        if zone_offset_s(zone, (high - 1) // 1000) != here:
            return min(_bisect_change_s(zone, low // 1000, (high - 1) // 1000, here) * 1000, to_ms)
        low = high
    return to_ms


def _bisect_change_s(zone: str, low_s: int, high_s: int, here: int) -> int:
    while high_s - low_s > 1:
        middle = (low_s + high_s) // 2
        if zone_offset_s(zone, middle) == here:
            low_s = middle
        else:
            high_s = middle
    return high_s


@dataclass(frozen=True, slots=True)
class Stay:
    """A run of elapsed time [start_ms, end_ms) that lies on one civil day."""

    civil_day: int
    start_ms: int
    end_ms: int


def stays(clock: Clock, start_ms: int, end_ms: int) -> list[Stay]:
    """Cut elapsed time into civil days, in order; what lies before the first known civil time is left out.

    A day begins when the clock first reaches it and ends when the clock first goes beyond it. So each day comes once: a
    clock moved back over midnight brings no day again, it makes the running one longer.
    """
    known_from = clock.known_from_ms
    if known_from is None or max(start_ms, known_from) >= end_ms:
        return []
    found: list[Stay] = []
    at = max(start_ms, known_from)
    civil = clock.civil_ms(next(clock.stretches(at, at + 1)), at)
    assert civil is not None, "within what is known"
    day = civil_day(civil)
    while at < end_ms:
        until = min(clock.day_start_ms(day + 1), end_ms)
        if until > at:  # else the clock skipped the day, or was moved back into it from a later one
            found.append(Stay(day, at, until))
            at = until
        day += 1
    return found
