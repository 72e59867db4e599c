"""Where the days of a person's clock begin, in physical time, as the clocks of all who spoke have it.

A day begins when the clock of the most believed source first reaches it, among those that spoke as near to that moment
as any, give or take a day. Of one source's clocks the one that ran nearest tells, as for its Days. Days that meet share
one border: so each instant lies on exactly one day, and the lengths of days add up to that of their range, whatever the
sources say.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.civil import DAY_MS, FAR_MS, Clock, Start, StartKind

Turns = tuple[tuple[int, int], ...]
"""(instant in ms, UTC offset in s from then on), in order; the first one holds before it, too."""
Manner = str | Turns
"""How a clock runs: by the rules of a zone, or by what it was seen to show."""
Belief = tuple[int, int, str, str]
"""Of a source (domain.samples.belief): the lowest is believed."""
Rank = tuple[Belief, int, int, str]
"""Belief in the source, whether it is samples rather than a series, and the precedence of the upload (two)."""


@dataclass(frozen=True, slots=True)
class Voice:
    """How a clock runs, and when it was seen to: [start, end] of each observation, by instant."""

    manner: Manner
    seen_ms: Sequence[tuple[int, int]]
    rank: Rank


def manner_of(clock: Clock) -> Manner:
    """Return how an upload's clock runs; some civil time must be known."""
    assert not clock.floating, "a floating clock runs nowhere in physical time"
    if clock.start.time_zone is not None:
        return clock.start.time_zone
    return tuple((start if start == -FAR_MS else start + clock.axis_ms, offset) for start, _, offset in clock.told())


def manner_seen(seen: Iterable[tuple[int, int]]) -> Turns:
    """Return how a clock runs that showed these offsets at these instants, in order: each holds until another comes."""
    by_moment = dict(seen)  # one that is replaced at the very moment it begins was never in force
    turns = [next(runs) for _, runs in itertools.groupby(by_moment.items(), key=lambda one: one[1])]
    return ((-FAR_MS, turns[0][1]), *turns[1:])


def day_borders(
    voices: Sequence[Voice], days: Sequence[int], known: tuple[int, int] | None = None
) -> NDArray[np.int64] | None:
    """Return the instant at which each civil day begins, shape (days,), never falling.

    `voices` are all that were seen within the instants `known`; None says that they are all there are. Returns None
    where one that is missing may lie nearer. With no voice at all any clock would do.
    """
    asked = np.asarray(days, dtype=np.int64)
    # Where two clocks tell them, a border may lie before the one of the day before. Clocks differ by 32 hours at most
    # (DAY_MS is more than any offset): further back there is nothing to look at.
    wanted = np.unique(np.concatenate([asked, asked - 1]))
    groups = [_Group(theirs, wanted) for _, theirs in sorted(_grouped(voices).items())]
    distances = np.array([group.distances_ms for group in groups], dtype=np.int64).reshape(len(groups), len(wanted))
    if known is not None:
        unseen = np.minimum(wanted * DAY_MS - DAY_MS - known[0], known[1] - wanted * DAY_MS - DAY_MS)
        if (distances.min(axis=0, initial=FAR_MS) + DAY_MS >= unseen).any():
            return None
    found = _chosen(groups, _of_believed(groups, distances)) if groups else wanted * DAY_MS
    borders: NDArray[np.int64] = np.maximum(
        found[np.searchsorted(wanted, asked)], found[np.searchsorted(wanted, asked - 1)]
    )
    return borders


def _of_believed(groups: Sequence["_Group"], distances: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the distances of those groups that are of the source that is believed at each border, else FAR_MS."""
    sources = [group.source for group in groups]  # in order, so that each one's groups stand together
    firsts = [at for at, source in enumerate(sources) if source not in sources[:at]]
    nearest = np.minimum.reduceat(distances, firsts, axis=0)
    believed = (nearest < nearest.min(axis=0) + DAY_MS).argmax(axis=0)
    whose = np.searchsorted(firsts, np.arange(len(groups)), side="right") - 1
    return np.where(whose[:, None] == believed, distances, FAR_MS)


def _chosen(groups: Sequence["_Group"], distances: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each border as the nearest group has it; of several as near, the one with the best rank."""
    borders = np.array([group.borders_ms for group in groups])
    first, nearest = distances.argmin(axis=0), distances.min(axis=0)
    found: NDArray[np.int64] = borders[first, np.arange(len(first))]
    tied = (distances == nearest) & (borders != found)  # where all say the same there is nothing to choose
    for at in np.flatnonzero(tied.any(axis=0)).tolist():
        rivals = [group for group, near in zip(groups, distances[:, at] == nearest[at], strict=True) if near]
        found[at] = min(rivals, key=lambda group: group.rank(at)).borders_ms[at]
    return found


def _grouped(voices: Sequence[Voice]) -> Mapping[tuple[Belief, str], Sequence[Voice]]:
    """Put voices together by source, and then by how their clocks run."""
    found: dict[tuple[Belief, str], list[Voice]] = defaultdict(list)
    for voice in voices:
        found[voice.rank[0], str(voice.manner)].append(voice)
    return found


class _Group:
    """Voices of a source whose clocks run alike, and where they have the borders of some days."""

    def __init__(self, voices: Sequence[Voice], days: NDArray[np.int64]) -> None:
        seen = np.array([moment for voice in voices for moment in voice.seen_ms], dtype=np.int64).reshape(-1, 2)
        owners = np.repeat(np.arange(len(voices)), [len(voice.seen_ms) for voice in voices])
        order = np.argsort(seen[:, 0], kind="stable")
        self.source = voices[0].rank[0]
        self._voices, self._owners = voices, owners[order]
        self._starts, self._ends = seen[order, 0], seen[order, 1]
        self.borders_ms = _borders(voices[0].manner, days)
        self.distances_ms = self._distances()

    def _distances(self) -> NDArray[np.int64]:
        """Return how far each border is from what was seen: 0 within it."""
        latest = np.maximum.accumulate(self._ends)
        places = np.searchsorted(self._starts, self.borders_ms, side="right")
        last = len(self._starts) - 1
        before = np.where(places > 0, self.borders_ms - latest[np.maximum(places - 1, 0)], FAR_MS)
        after = np.where(places <= last, self._starts[np.minimum(places, last)] - self.borders_ms, FAR_MS)
        return np.maximum(np.minimum(before, after), 0)

    def rank(self, at: int) -> Rank:
        """Return the best rank among the voices that are as near as any to a border."""
        border = self.borders_ms[at]
        distances = np.maximum(np.maximum(self._starts - border, border - self._ends), 0)
        nearest = np.unique(self._owners[distances == self.distances_ms[at]])
        ranks: list[Rank] = [self._voices[owner].rank for owner in nearest.tolist()]
        return min(ranks)


def _borders(manner: Manner, days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the instants at which a clock first reaches days."""
    if isinstance(manner, str):
        clock = Clock(Start(StartKind.ZONE, 0, time_zone=manner))
        return np.array([clock.axis_ms + clock.day_start_ms(day) for day in days.tolist()], dtype=np.int64)
    turns = np.array(manner, dtype=np.int64)
    starts, shifts = turns[:, 0], turns[:, 1] * 1000
    ends = np.append(starts[1:], FAR_MS)
    # A day is reached in the first stretch that ends beyond its midnight.
    reached = np.searchsorted(np.maximum.accumulate(ends + shifts), days * DAY_MS, side="right")
    borders: NDArray[np.int64] = np.maximum(starts[reached], days * DAY_MS - shifts[reached])
    return borders
