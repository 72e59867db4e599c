"""Sums worked out slowly, minute by minute and value by value: what flows/aggregate.py must come to."""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from clarity_server.domain.samples import Coded, DeviceKind, SourceSetting
from clarity_server.domain.series import Source

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
BELIEVED = ["MEDICAL", "CHEST_STRAP", "WATCH", "RING", "BAND", "BED_SENSOR", "SCALE", "PHONE", "UNSPECIFIED", "MANUAL"]


@dataclass(frozen=True)
class Item:
    """One value of one voice; a moment where it ends when it begins."""

    source: Source
    streamed: bool
    start: int
    end: int
    value: float | Coded
    name: str = ""

    @property
    def last(self) -> int:
        return max(self.start, self.end - 1)


@dataclass
class Told:
    """What is told of one bucket."""

    minutes: int = 0
    covered: int = 0
    count: int = 0
    sum: float = 0.0
    values: list[float] = field(default_factory=list)
    lasted: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    began: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def mean(self) -> float | None:
        if not self.values:
            return None
        return min(max(math.fsum(self.values) / len(self.values), min(self.values)), max(self.values))

    def percentile(self, which: float) -> float:
        """Hyndman and Fan, type 7."""
        ranked = sorted(self.values)
        place = (len(ranked) - 1) * which / 100
        low = math.floor(place)
        high = min(low + 1, len(ranked) - 1)
        return ranked[low] + (place - low) * (ranked[high] - ranked[low])


def belief(source: Source, settings: Mapping[Source, SourceSetting]) -> tuple[int, int, str, str]:
    setting = settings.get(source, SourceSetting(source))
    return (setting.priority or 9999, BELIEVED.index(DeviceKind(setting.kind).name), source.device, source.app)


def naive_sums(
    items: Sequence[Item], edges: Sequence[int], settings: Mapping[Source, SourceSetting] | None = None
) -> list[Told]:
    """Sum up numbers over the buckets between edges."""
    order = sorted(
        {(one.source, one.streamed) for one in items},
        key=lambda voice: (belief(voice[0], settings or {}), not voice[1]),
    )
    spoken: dict[int, set[tuple[Source, bool]]] = defaultdict(set)
    for one in items:
        for minute in range(one.start // MINUTE, one.last // MINUTE + 1):
            spoken[minute].add((one.source, one.streamed))
    winner = {minute: next(voice for voice in order if voice in voices) for minute, voices in spoken.items()}
    return [_told(items, winner, start, end) for start, end in itertools.pairwise(edges)]


def _told(items: Sequence[Item], winner: Mapping[int, tuple[Source, bool]], start: int, end: int) -> Told:
    told, amounts = Told(), list[float]()
    for minute in range(start // MINUTE, -(-end // MINUTE)) if start < end else ():
        told.minutes += 1
        low, high = max(start, minute * MINUTE), min(end, (minute + 1) * MINUTE)
        theirs = [one for one in items if (one.source, one.streamed) == winner.get(minute)]
        told.covered += any(one.start < high and one.last >= low for one in theirs)
    for one in items:
        assert isinstance(one.value, float)
        mine = (one.source, one.streamed)
        if start <= one.start < end and winner[one.start // MINUTE] == mine:
            told.count += 1
            told.values.append(one.value)
            if one.start == one.end:
                amounts.append(one.value)
        if one.start < one.end:
            owned = sum(
                max(0, min(one.end, end, (minute + 1) * MINUTE) - max(one.start, start, minute * MINUTE))
                for minute in range(one.start // MINUTE, one.last // MINUTE + 1)
                if winner[minute] == mine
            )
            if owned:
                amounts.append(one.value * owned / (one.end - one.start))
    told.sum = math.fsum(amounts)
    return told


def naive_durations(
    items: Sequence[Item], edges: Sequence[int], settings: Mapping[Source, SourceSetting] | None = None
) -> list[Told]:
    """Sum up codes over the buckets between edges, in steps of a second: all times must be whole ones."""
    found = [Told() for _ in edges[1:]]
    cells: list[set[tuple[int, int]]] = [set() for _ in edges[1:]]
    for in_bed in (False, True):
        lane = [one for one in items if (_code(one) == "in_bed") is in_bed]
        spoken: dict[int, set[Source]] = defaultdict(set)
        for one in lane:
            for minute in range(one.start // MINUTE, one.last // MINUTE + 1):
                spoken[minute].add(one.source)
        winner = {
            minute: min(sources, key=lambda source: belief(source, settings or {}))
            for minute, sources in spoken.items()
        }
        _tell_codes(found, edges, lane, winner)
        for told, covered, (start, end) in zip(found, cells, itertools.pairwise(edges), strict=True):
            covered.update(_covered(lane, winner, start, end))
            told.count += sum(start <= one.start < end and winner[one.start // MINUTE] == one.source for one in lane)
    for told, covered, (start, end) in zip(found, cells, itertools.pairwise(edges), strict=True):
        told.covered = len(covered)
        told.minutes = -(-end // MINUTE) - start // MINUTE if start < end else 0
    return found


def _code(one: Item) -> str:
    assert isinstance(one.value, Coded)
    return one.value.code


def _covered(lane: Sequence[Item], winner: Mapping[int, Source], start: int, end: int) -> set[tuple[int, int]]:
    found = set()
    for minute in range(start // MINUTE, -(-end // MINUTE)) if start < end else ():
        low, high = max(start, minute * MINUTE), min(end, (minute + 1) * MINUTE)
        if any(one.source == winner.get(minute) and one.start < high and one.last >= low for one in lane):
            found.add((minute, low))
    return found


def _tell_codes(
    found: Sequence[Told], edges: Sequence[int], lane: Sequence[Item], winner: Mapping[int, Source]
) -> None:
    """Go through a lane second by second."""
    lasting = [one for one in lane if one.start < one.end]
    codes, before = dict[int, str](), ""
    for second in range(min((one.start for one in lane), default=0), max((one.end for one in lane), default=0), 1000):
        speaking = [one for one in lasting if one.start <= second < one.end and winner[second // MINUTE] == one.source]
        code = _code(min(speaking, key=lambda one: (-one.start, one.name))) if speaking else ""
        codes[second] = code
        if code and (told := _bucket(found, edges, second)):
            told.lasted[code] += 1000
            told.began[code] += code != before
        before = code
    moments = {
        (one.start, _code(one)) for one in lane if one.start == one.end and winner[one.start // MINUTE] == one.source
    }
    for at, code in moments:
        if code not in {codes.get(at), codes.get(at - 1000)} and (told := _bucket(found, edges, at)):
            told.began[code] += 1


def _bucket(found: Sequence[Told], edges: Sequence[int], at: int) -> Told | None:
    return next(
        (told for told, (low, high) in zip(found, itertools.pairwise(edges), strict=True) if low <= at < high), None
    )


# ---- days ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """A clock that somebody was seen to have: a zone's, or offsets in ms from instants on."""

    source: Source
    spans: tuple[tuple[int, int], ...]  # when
    rank: tuple[int, int, str]  # within the source
    zone: str = ""
    offsets: tuple[tuple[int, int], ...] = ()

    def begins(self, day: int) -> int:
        """When it first reaches a day, found minute by minute."""
        nominal = day * DAY
        return next(
            at for at in range(nominal - 16 * 60 * MINUTE, nominal + DAY, MINUTE) if at + self.offset(at) >= nominal
        )

    def offset(self, at: int) -> int:
        if self.zone:
            shift = datetime.fromtimestamp(at / 1000, ZoneInfo(self.zone)).utcoffset()
            assert shift is not None
            return int(shift.total_seconds()) * 1000
        return next((offset for since, offset in reversed(self.offsets) if since <= at), self.offsets[0][1])

    def distance(self, at: int) -> int:
        return min(max(start - at, at - end, 0) for start, end in self.spans)


def naive_borders(seen: Sequence[Seen], days: Sequence[int], settings: Mapping[Source, SourceSetting]) -> list[int]:
    """When days begin by the person's clock."""

    def raw(day: int) -> int:
        told = [(one.distance(at := one.begins(day)), one.rank, at, one.source) for one in seen]
        nearest = min(distance for distance, *_ in told)
        near = {source for distance, *_, source in told if distance < nearest + DAY}
        believed = min(near, key=lambda source: belief(source, settings))
        return min((distance, rank, at) for distance, rank, at, source in told if source == believed)[2]

    return [max(raw(day), raw(day - 1)) for day in days]
