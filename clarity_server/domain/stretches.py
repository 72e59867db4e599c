"""How long codes last: the stretches of a person's sleep, work-outs and the like, one code at a time.

Of one source the sample that begins later is read where several overlap, of two that begin at once the one with the
smaller client_record_id. Being in bed is no stage of sleep: it has a lane of its own, and neither hides the other.
"""

import heapq
import itertools
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

IN_BED = "in_bed"
LANES = (0, 1)


class Stretch(NamedTuple):
    """A code over [start_ms, end_ms); a moment where the two are equal."""

    start_ms: int
    end_ms: int
    code: str


@dataclass(frozen=True, slots=True)
class Stay:
    """A sample of a category; a moment where it ends when it begins."""

    start_ms: int
    end_ms: int
    code: str
    client_record_id: str


def lane_of(code: str) -> int:
    """Return the lane a code is in: codes of one lane exclude each other."""
    return LANES[code == IN_BED]


def one_at_a_time(stays: Sequence[Stay]) -> list[Stretch]:
    """Return what one source says in one lane, in order, one code at each moment; moments come besides."""
    lasting = sorted((one for one in stays if one.start_ms < one.end_ms), key=lambda one: one.start_ms)
    moments = [Stretch(one.start_ms, one.end_ms, one.code) for one in stays if one.start_ms == one.end_ms]
    turns = sorted({moment for one in lasting for moment in (one.start_ms, one.end_ms)})
    running: list[tuple[int, str, int, str]] = []  # the one that is read comes first
    found, coming = list[Stretch](), 0
    for start, end in itertools.pairwise(turns):
        while coming < len(lasting) and lasting[coming].start_ms <= start:
            one, coming = lasting[coming], coming + 1
            heapq.heappush(running, (-one.start_ms, one.client_record_id, one.end_ms, one.code))
        while running and running[0][2] <= start:
            heapq.heappop(running)
        if running:
            found.append(Stretch(start, end, running[0][3]))
    return sorted(found + moments)


def within(stretches: Iterable[Stretch], mine: NDArray[np.bool_], start_ms: int, step_ms: int) -> list[Stretch]:
    """Cut stretches to the steps of time, counted from `start_ms`, that are `mine`."""
    borders = (np.flatnonzero(np.diff(mine, prepend=False, append=False)) * step_ms + start_ms).tolist()
    begins, ends = borders[::2], borders[1::2]
    found = list[Stretch]()
    for start, end, code in stretches:
        for at in range(bisect_right(ends, start), bisect_left(begins, max(end, start + 1))):
            found.append(Stretch(max(start, begins[at]), min(max(start, end), ends[at]), code))
    return found


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Join stretches of one lane wherever one of the same code goes on; a moment within its own code adds nothing."""
    found: dict[str, list[Stretch]] = defaultdict(list)
    for start, end, code in sorted(stretches):
        before = found[code]
        if before and start <= before[-1].end_ms:
            before[-1] = Stretch(before[-1].start_ms, max(before[-1].end_ms, end), code)
        else:
            before.append(Stretch(start, end, code))
    return sorted(itertools.chain.from_iterable(found.values()))


def durations(stretches: Iterable[Stretch], edges_ms: Sequence[int]) -> Sequence[Mapping[str, tuple[int, int]]]:
    """Return for each bucket how long each code lasts, in ms, and how many stretches of it begin there."""
    found: list[dict[str, tuple[int, int]]] = [{} for _ in edges_ms[1:]]
    for start, end, code in stretches:
        bucket = bisect_right(edges_ms, start) - 1
        if 0 <= bucket < len(found):
            lasted, began = found[bucket].get(code, (0, 0))
            found[bucket][code] = (lasted, began + 1)
        for at in range(max(bucket, 0), len(found)):
            if edges_ms[at] >= end:
                break
            overlap = min(end, edges_ms[at + 1]) - max(start, edges_ms[at])
            if overlap > 0:
                lasted, began = found[at].get(code, (0, 0))
                found[at][code] = (lasted + overlap, began)
    return found
