"""Where a range of time lies in an upload, and what of an upload is deleted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.civil import DAY_MS, Clock, OffsetChange, TimeKind, TimeRange
from clarity_server.domain.samples import Tombstone
from clarity_server.domain.series import Descriptor, StoredUpload

Elapsed = tuple[int, int]
"""[start, end) in ms since an upload's sample 0."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Elapsed time [start_ms, end_ms) under one UTC offset, and what to add to it for the axis asked for."""

    start_ms: int
    end_ms: int
    base_ms: int
    utc_offset_s: int | None


def clock_of(descriptor: Descriptor, changes: Sequence[OffsetChange]) -> Clock:
    """Return the clock of an upload."""
    return Clock(descriptor.start, [(change.elapsed_ms, change.utc_offset_s) for change in changes])


def elapsed_end(upload: StoredUpload) -> int:
    """Return the elapsed time after the last committed sample."""
    period_ms = upload.descriptor.period_ms
    return upload.last_offset_ms + 1 if period_ms is None else upload.committed * period_ms


def reached(clock: Clock, span: TimeRange, end_ms: int) -> Iterator[Reach]:
    """Yield what of elapsed time [0, end_ms) lies in a range, stretch by stretch of one offset.

    Nothing where the clock does not know this kind of time.
    """
    instants, axis = span.kind is TimeKind.INSTANT, clock.axis_ms
    if instants and clock.floating:
        return
    # A civil time is less than a day from its instant.
    slack = 0 if instants else DAY_MS
    low, high = max(0, span.start_ms - axis - slack), min(end_ms, span.end_ms - axis + slack)
    for stretch in clock.stretches(low, high) if low < high else ():
        base = axis if instants else clock.civil_ms(stretch, 0)
        if base is not None:
            start, end = max(stretch.start_ms, span.start_ms - base), min(stretch.end_ms, span.end_ms - base)
            if start < end:
                yield Reach(start, end, base, stretch.utc_offset_s)


def within(upload: StoredUpload, span: TimeRange) -> list[Elapsed]:
    """Return the elapsed time of an upload's committed samples that lies in a range, in order."""
    clock = clock_of(upload.descriptor, upload.offset_changes)
    return [(reach.start_ms, reach.end_ms) for reach in reached(clock, span, elapsed_end(upload))]


def hidden(upload: StoredUpload, tombstones: Sequence[Tombstone]) -> list[Elapsed]:
    """Return the elapsed time of an upload that is deleted, in order and joined where it meets."""
    descriptor = upload.descriptor
    found = [
        part
        for one in tombstones
        if descriptor.revision < one.revision and (one.metric, one.source) == (descriptor.metric, descriptor.source)
        for part in within(upload, one.range)
    ]
    return joined(found)


def joined(parts: Sequence[Elapsed]) -> list[Elapsed]:
    """Return the same time in order, each moment once."""
    found = list[Elapsed]()
    for start, end in sorted(parts):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def without(parts: Sequence[Elapsed], others: Sequence[Elapsed]) -> list[Elapsed]:
    """Return what of `parts` lies in none of `others`; both in order."""
    found = list[Elapsed]()
    for start, end in parts:
        at = start
        for low, high in others:
            if at < low < end:
                found.append((at, low))
            if low < end:
                at = max(at, high)
        if at < end:
            found.append((at, end))
    return found


def positions(period_ms: int, part: Elapsed) -> tuple[int, int]:
    """Return the samples [first, end) of a regular series that begin in elapsed time."""
    return -(-part[0] // period_ms), -(-part[1] // period_ms)


def under(parts: Sequence[Elapsed], times_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell for each elapsed time, in order, whether it lies in one of `parts`."""
    mask = np.zeros(len(times_ms), dtype=bool)
    for part in parts:
        low, high = np.searchsorted(times_ms, part)
        mask[low:high] = True
    return mask


def times(
    descriptor: Descriptor, first_sample: int, count: int, offsets_ms: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """Return the elapsed times of samples, from `first_sample` on; `offsets_ms` are those of an irregular series."""
    if offsets_ms is not None:
        return offsets_ms
    assert descriptor.period_ms is not None, "irregular samples come with their offsets"
    return np.arange(first_sample, first_sample + count, dtype=np.int64) * descriptor.period_ms
