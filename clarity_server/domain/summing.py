"""Sum up what several voices say of buckets of time: one voice is believed in each minute.

A voice is a source's series, or its samples. All times are on one axis; a minute is floor(time / 60,000 ms).
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.civil import MINUTE_MS
from clarity_server.domain.errors import QueryTooLarge
from clarity_server.domain.series import Source

NOBODY = -1
EXACT_BITS = 53  # of a float64: sums of whole numbers are exact up to 2 ** 53
SHIFT_MAX = 1000  # powers of two that a float64 has
PIECE_VALUES = 32 * 1024  # looked at together: few enough to stay in the processor's cache
VALUES_MAX = 4 * 1024 * 1024  # held at once: of 5-second heart rate 242 days, with their times 64 MiB


def _no_times() -> NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What one voice says around some buckets, in order of time. All arrays but `idle_ms` have the shape (n,)."""

    source: Source
    at_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    until_ms: NDArray[np.int64] | None = None  # None: all are moments; one that ends where it begins is one, too
    idle_ms: NDArray[np.int64] = field(default_factory=_no_times)  # when there is a recording of a device not worn

    @property
    def last_ms(self) -> NDArray[np.int64]:
        """The last moment of which each speaks."""
        return self.at_ms if self.until_ms is None else np.maximum(self.until_ms - 1, self.at_ms)

    def stretches(self, apart_ms: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first and the last moment of all it speaks of; those no further apart are taken as one."""
        return _joined(self.at_ms, apart_ms) if self.until_ms is None else (self.at_ms, self.last_ms)


def _joined(times_ms: NDArray[np.int64], apart_ms: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first and the last of each run of moments, in order, that are no further apart than that."""
    pieces = ((low, times_ms[low : low + PIECE_VALUES + 1]) for low in range(0, len(times_ms), PIECE_VALUES))
    cuts = np.concatenate([_no_times(), *(np.flatnonzero(np.diff(piece) > apart_ms) + low for low, piece in pieces)])
    return np.append(times_ms[:1], times_ms[cuts + 1]), np.append(times_ms[cuts], times_ms[-1:])


def only(said: Said, which: NDArray[np.bool_] | NDArray[np.int64]) -> Said:
    """Return a choice of what was said."""
    until_ms = None if said.until_ms is None else said.until_ms[which]
    return Said(said.source, said.at_ms[which], said.values[which], until_ms, said.idle_ms)


class Ground:
    """The minutes that some buckets touch, and the cells they are cut into where a border lies within a minute.

    Belief goes by minutes; what is covered is counted by cells, so that each belongs to one bucket: a minute that two
    buckets share counts in both.
    """

    def __init__(self, edges_ms: NDArray[np.int64], lead_minutes: int = 0) -> None:
        """Take where buckets begin and the last one ends, never falling, and how many minutes to look back."""
        self.edges_ms = edges_ms
        self.first = int(edges_ms[0]) // MINUTE_MS - lead_minutes
        self.count = max(0, -(-int(edges_ms[-1]) // MINUTE_MS) - self.first)
        starts = (self.first + np.arange(self.count, dtype=np.int64)) * MINUTE_MS
        self.cells_ms = starts if not (edges_ms % MINUTE_MS).any() else np.union1d(starts, edges_ms)
        self.whole = len(self.cells_ms) == len(starts)
        self.narrowest_ms = MINUTE_MS if self.whole else int(np.diff(self.cells_ms).min(initial=MINUTE_MS))
        self._edge_cells = np.searchsorted(self.cells_ms, edges_ms)

    @property
    def span_ms(self) -> tuple[int, int]:
        """The time of all minutes: what must be known to tell the buckets."""
        return self.first * MINUTE_MS, (self.first + self.count) * MINUTE_MS

    @property
    def minutes(self) -> NDArray[np.int64]:
        """How many minutes each bucket touches."""
        return np.diff(self._edge_cells)

    def counted(self, cells: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return how many of these cells each bucket has."""
        before = np.concatenate(([0], np.cumsum(cells)))
        return np.diff(before[np.minimum(self._edge_cells, len(cells))])

    def minute(self, times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the place of each time's minute; it may lie outside."""
        return times_ms // MINUTE_MS - self.first

    def cell(self, times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the place of each time's cell; -1 before the first."""
        return self.minute(times_ms) if self.whole else np.searchsorted(self.cells_ms, times_ms, side="right") - 1

    def bucket(self, times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return each time's bucket; it may lie outside."""
        return np.searchsorted(self.edges_ms, times_ms, side="right") - 1


class Heard:
    """A voice over a ground: the minutes of which it speaks."""

    def __init__(self, ground: Ground, said: Said) -> None:
        """Lay what was said over the ground."""
        self.said = said
        first, last = said.stretches(MINUTE_MS)
        self.spoken = _touched(ground.count, ground.minute(first), ground.minute(last))


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """Who is believed: places in `heard`, NOBODY for none. `heard` has the most believed first."""

    ground: Ground
    heard: Sequence[Heard]
    minutes: NDArray[np.int32]  # (minutes of the ground,)
    cells: NDArray[np.int32]  # (cells of the ground,): of those of which the believed one speaks
    idle: NDArray[np.bool_]  # (cells of the ground,): of which there is a recording of a device not worn

    def chosen(self, source: Source) -> NDArray[np.bool_]:
        """Tell of each cell whether a source is believed there."""
        return np.isin(self.cells, [place for place, one in enumerate(self.heard) if one.said.source == source])


def believe(ground: Ground, heard: Sequence[Heard]) -> Belief:
    """Give each minute to the first that speaks of it."""
    minutes = np.full(ground.count, NOBODY, dtype=np.int32)
    for place, one in enumerate(heard):
        minutes[one.spoken & (minutes == NOBODY)] = place
    cells = minutes if ground.whole else _cells(ground, heard, minutes)
    idle = np.zeros(len(ground.cells_ms), dtype=bool)
    for one in heard:
        if len(one.said.idle_ms):
            first, last = _joined(one.said.idle_ms, ground.narrowest_ms)
            idle |= _touched(len(idle), ground.cell(first), ground.cell(last))
    return Belief(ground, heard, minutes, cells, idle)


def _cells(ground: Ground, heard: Sequence[Heard], minutes: NDArray[np.int32]) -> NDArray[np.int32]:
    found = np.full(len(ground.cells_ms), NOBODY, dtype=np.int32)
    places = ground.minute(ground.cells_ms)
    owners = np.where(places < ground.count, minutes[np.minimum(places, ground.count - 1)], NOBODY)
    for place, one in enumerate(heard):
        first, last = one.said.stretches(ground.narrowest_ms)
        found[_touched(len(found), ground.cell(first), ground.cell(last)) & (owners == place)] = place
    return found


def _touched(count: int, first: NDArray[np.int64], last: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the places [first, last] of each; those outside of [0, count) are left out."""
    there = (last >= 0) & (first < count)
    begins = np.bincount(np.maximum(first[there], 0), minlength=count + 1)
    ends = np.bincount(np.minimum(last[there], count - 1) + 1, minlength=count + 1)
    covered: NDArray[np.bool_] = np.cumsum(begins - ends)[:count] > 0
    return covered


# ---- numbers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """Values in buckets: those of bucket i are values[cuts[i] : cuts[i + 1]], in no order that means anything."""

    values: NDArray[np.float64]
    cuts: NDArray[np.int64]  # (buckets + 1,)

    @property
    def counts(self) -> NDArray[np.int64]:
        """How many there are in each bucket."""
        return np.diff(self.cuts)

    def reduced(self, by: np.ufunc) -> NDArray[np.float64]:
        """Return what a ufunc makes of each bucket's values; of one without any it means nothing."""
        found = np.zeros(len(self.cuts) - 1)
        there = self.counts > 0
        if there.any():  # the ends of one that has any are where the next one that has any begins
            found[there] = by.reduceat(self.values, self.cuts[:-1][there])
        return found

    def percentiles(self, which: Sequence[float]) -> NDArray[np.float64]:
        """Return percentiles of each bucket's values, shape (buckets, len(which))."""
        found = np.zeros((len(self.cuts) - 1, len(which)))
        for bucket, (low, high) in enumerate(itertools.pairwise(self.cuts.tolist())):
            if low < high:
                found[bucket] = percentiles(np.sort(self.values[low:high]), which)
        return found


def percentiles(ranked: NDArray[np.float64], which: Sequence[float]) -> NDArray[np.float64]:
    """Return percentiles of n values in order, linear between the nearest ranks: p is at (n - 1) * p / 100, from 0.

    Type 7 of Hyndman and Fan, *Sample Quantiles in Statistical Packages*, The American Statistician 50(4), 1996.
    """
    places = (len(ranked) - 1) * np.asarray(which, dtype=np.float64) / 100
    low = np.floor(places).astype(np.int64)
    below, above = ranked[low], ranked[np.minimum(low + 1, len(ranked) - 1)]
    return np.minimum(below + (above - below) * (places - low), above)  # which rounding might pass


def begun(belief: Belief) -> Values:
    """Return the values of what began in each bucket while its voice was believed."""
    kept = [part for place in range(len(belief.heard)) for part in [_begun(belief, place)] if len(part[0])]
    if not kept:
        kept = [(_no_times(), np.empty(0))]
    times, values = kept[0]
    if len(kept) > 1:
        times, values = (np.concatenate(parts) for parts in zip(*kept, strict=True))
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    return Values(values, np.searchsorted(times, belief.ground.edges_ms))


def _begun(belief: Belief, place: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    one, edges = belief.heard[place], belief.ground.edges_ms
    inside = slice(*np.searchsorted(one.said.at_ms, [edges[0], edges[-1]]))
    times, values = one.said.at_ms[inside], one.said.values[inside]
    if len(belief.heard) == 1:  # a voice alone is believed wherever it speaks
        return times, values
    mine = belief.minutes[belief.ground.minute(times)] == place
    return times[mine], values[mine]


def parts(belief: Belief) -> Values:
    """Return what of each value lies in each bucket: a moment's whole, else by its time in the minutes believed.

    Raises QueryTooLarge where that is more than VALUES_MAX.
    """
    if all(one.said.until_ms is None for one in belief.heard):
        return begun(belief)
    found = [part for place in range(len(belief.heard)) for part in (_moments(belief, place), _shared(belief, place))]
    buckets = np.concatenate([buckets for buckets, _ in found])
    values = np.concatenate([values for _, values in found])
    order = np.argsort(buckets, kind="stable")
    cuts = np.searchsorted(buckets[order], np.arange(len(belief.ground.edges_ms)))
    return Values(values[order], cuts)


def _moments(belief: Belief, place: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the bucket and the value of each moment of a voice that is believed."""
    said = belief.heard[place].said
    if said.until_ms is not None:
        said = only(said, said.until_ms == said.at_ms)
    edges = belief.ground.edges_ms
    inside = slice(*np.searchsorted(said.at_ms, [edges[0], edges[-1]]))
    times, values = said.at_ms[inside], said.values[inside]
    mine = belief.minutes[belief.ground.minute(times)] == place
    return belief.ground.bucket(times[mine]), values[mine]


def _shared(belief: Belief, place: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the parts of a voice's longer values, each with its bucket."""
    said, ground, edges = belief.heard[place].said, belief.ground, belief.ground.edges_ms
    if said.until_ms is None:
        return _no_times(), np.empty(0)
    said = only(said, (said.until_ms > said.at_ms) & (said.until_ms > edges[0]) & (said.at_ms < edges[-1]))
    assert said.until_ms is not None, "it has been cut from one that has it"
    low, high = np.maximum(said.at_ms, edges[0]), np.minimum(said.until_ms, edges[-1])
    first = ground.bucket(low)
    spread = ground.bucket(high - 1) - first + 1
    if spread.sum() > VALUES_MAX:
        raise too_many_values()
    whose = np.repeat(np.arange(len(spread)), spread)
    buckets = first[whose] + np.arange(len(whose)) - (np.cumsum(spread) - spread)[whose]
    owned_ms = _owned_ms(belief, place, np.minimum(high[whose], edges[buckets + 1]))
    owned_ms = owned_ms - _owned_ms(belief, place, np.maximum(low[whose], edges[buckets]))
    there = owned_ms > 0
    whose, duration_ms = whose[there], (said.until_ms - said.at_ms)[whose[there]]
    return buckets[there], said.values[whose] * owned_ms[there] / duration_ms


def _owned_ms(belief: Belief, place: int, times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how much time before each of these, all on the ground, a voice is believed."""
    mine = np.append(belief.minutes == place, False)
    before = np.concatenate(([0], np.cumsum(mine[:-1]))) * MINUTE_MS
    minutes = belief.ground.minute(times_ms)
    owned: NDArray[np.int64] = before[minutes] + mine[minutes] * (times_ms % MINUTE_MS)
    return owned


def exact_sums(given: Values) -> NDArray[np.float64]:
    """Return the sum of each bucket's values, rounded once: the same whatever their order."""
    values, sums = given.values, given.reduced(np.add)
    if not len(values):
        return sums
    largest = max(float(values.max()), -float(values.min())) * int(given.counts.max())
    rough = np.fromiter(_rough(values, largest), dtype=np.int64)
    for bucket in np.unique(np.searchsorted(given.cuts, rough, side="right") - 1).tolist():
        sums[bucket] = math.fsum(values[given.cuts[bucket] : given.cuts[bucket + 1]].tolist())
    return sums


def _rough(values: NDArray[np.float64], largest: float) -> Iterator[int]:
    """Yield places of values that are no whole number of the smallest unit in which no sum can overflow.

    Where all are, no sum of them is ever rounded, in whatever order.
    """
    shift = EXACT_BITS - math.frexp(largest)[1]
    for low in range(0, len(values), PIECE_VALUES):
        piece = values[low : low + PIECE_VALUES]
        scaled = piece * 2.0**shift if abs(shift) < SHIFT_MAX else np.ldexp(piece, shift)
        rough = scaled != np.rint(scaled)
        if shift < 0:  # it may have been made so small that it seems to be 0
            rough |= (scaled == 0) & (piece != 0)
        yield from (np.flatnonzero(rough) + low).tolist()


def too_many_values(maximum: int = VALUES_MAX) -> QueryTooLarge:
    """Say that a bucket has more in it than may be held at once."""
    return QueryTooLarge("values in one bucket", maximum, "ask for shorter buckets, or for one source")
