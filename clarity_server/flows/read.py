"""Read values back over a range of time: in order, one winner per minute and source."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain import merge, metrics
from clarity_server.domain.civil import DAY_MS, MINUTE_MS, StartKind
from clarity_server.domain.errors import TimeKindWrong
from clarity_server.domain.series import Descriptor, Source, StoredUpload, as_float32
from clarity_server.flows.ingest import clock_of, open_segment
from clarity_server.ports import Keys, Piece, Series

BLOCK_VALUES_MAX = 64 * 1024  # of float32: 256 KiB


class TimeKind(StrEnum):
    """By which time a range is meant."""

    CIVIL = "civil"
    INSTANT = "instant"


@dataclass(frozen=True, slots=True)
class Block:
    """A run of values of one source and one upload, on the kind of time that was asked for."""

    source: Source
    upload_id: str
    first_sample: int
    start_ms: int
    utc_offset_s: int | None
    period_ms: int | None
    offsets_ms: NDArray[np.int64] | None  # from the block's start; only for an irregular series
    channels: int
    values: NDArray[np.float32]  # (samples * channels,)


@dataclass(slots=True)
class Tally:
    """Counts what was read, for the last message."""

    blocks: int = 0
    samples: int = 0
    conflict_minutes: int = 0


@dataclass(frozen=True, slots=True)
class _Run:
    """Samples of one segment under one UTC offset: times are on the axis asked for."""

    upload: StoredUpload
    first_sample: int
    times_ms: NDArray[np.int64]
    utc_offset_s: int | None
    values: NDArray[np.float32]  # (samples, channels)


@dataclass(slots=True)
class Read:
    """The verb, over its ports."""

    series: Series
    keys: Keys
    _kinds: dict[TimeKind, frozenset[StartKind]] = field(
        default_factory=lambda: {
            TimeKind.CIVIL: frozenset({StartKind.FLOATING, StartKind.OFFSET, StartKind.ZONE}),
            TimeKind.INSTANT: frozenset({StartKind.OFFSET, StartKind.ZONE, StartKind.INSTANT}),
        }
    )

    def blocks(
        self,
        account_id: str,
        metric: str,
        source: Source | None,
        kind: TimeKind,
        start_ms: int,
        end_ms: int,
        tally: Tally,
    ) -> Iterator[Block]:
        """Yield the values in [start_ms, end_ms), by source and then by time; `tally` counts along.

        Raises MetricUnknown; TimeKindWrong when there is data, but none with this kind of time.
        """
        metrics.streamable(metric)
        uploads = [one for one in self.series.uploads(account_id, metric) if source in {None, one.descriptor.source}]
        usable = [one for one in uploads if self._has(one, kind)]
        if uploads and not usable:
            raise TimeKindWrong(f"no recording of {metric} has {kind} times ({len(uploads)} have the other kind)")
        for each in sorted({one.descriptor.source for one in usable}, key=lambda one: (one.device, one.app)):
            theirs = {one.upload_id: one for one in usable if one.descriptor.source == each}
            for day_start in range(start_ms // DAY_MS * DAY_MS, end_ms, DAY_MS):
                window = (max(start_ms, day_start), min(end_ms, day_start + DAY_MS))
                runs = self._runs(account_id, metric, each, theirs, kind, window)
                yield from _merged(runs, window, tally)

    def _has(self, upload: StoredUpload, kind: TimeKind) -> bool:
        known = upload.descriptor.start.kind in self._kinds[kind]
        return known or (kind is TimeKind.CIVIL and bool(upload.offset_changes))

    def _runs(
        self,
        account_id: str,
        metric: str,
        source: Source,
        uploads: dict[str, StoredUpload],
        kind: TimeKind,
        window: tuple[int, int],
    ) -> list[_Run]:
        """Return what the source's uploads have in a window of at most one day."""
        day = window[0] // DAY_MS
        # A civil day lies within three storage days, whatever the offset.
        span = (day, day + 1) if kind is TimeKind.INSTANT else (day - 1, day + 2)
        key = self.keys.data_key(account_id) if uploads else b""
        return [
            run
            for piece in self.series.pieces(account_id, metric, span, source)
            if piece.upload.upload_id in uploads and _near(piece, kind, window)
            for run in _cut_runs(piece, key, kind, window)
        ]


def _near(piece: Piece, kind: TimeKind, window: tuple[int, int]) -> bool:
    """Tell whether a segment can reach into the window, without opening it."""
    slack = 0
    if kind is TimeKind.CIVIL and piece.upload.descriptor.start.kind is not StartKind.FLOATING:
        slack = DAY_MS
    return piece.segment.start_ms < window[1] + slack and piece.segment.end_ms > window[0] - slack


def _cut_runs(piece: Piece, key: bytes, kind: TimeKind, window: tuple[int, int]) -> Iterator[_Run]:
    """Open a segment and yield its samples within the window, cut where the UTC offset changes."""
    descriptor, segment = piece.upload.descriptor, piece.segment
    clock = clock_of(descriptor, piece.upload.offset_changes)
    plain = open_segment(key, segment)
    elapsed = _elapsed(descriptor, segment.first_sample, segment.count, plain.offsets_ms)
    values = as_float32(plain.values, descriptor).reshape(-1, descriptor.channels)
    for stretch in clock.stretches(int(elapsed[0]), int(elapsed[-1]) + 1):
        if kind is TimeKind.INSTANT:
            base: int | None = clock.axis_ms
        else:
            at_zero = clock.civil_ms(stretch, 0)
            base = at_zero
        if base is None:
            continue
        low, high = np.searchsorted(elapsed, [stretch.start_ms, stretch.end_ms])
        times = elapsed[low:high] + base
        inside = slice(*np.searchsorted(times, window))
        if len(times[inside]):
            first = segment.first_sample + int(low) + inside.start
            yield _Run(piece.upload, first, times[inside], stretch.utc_offset_s, values[low:high][inside])


def _elapsed(
    descriptor: Descriptor, first_sample: int, count: int, offsets_ms: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    if offsets_ms is not None:
        return offsets_ms
    assert descriptor.period_ms is not None
    return np.arange(first_sample, first_sample + count, dtype=np.int64) * descriptor.period_ms


def _merged(runs: Sequence[_Run], window: tuple[int, int], tally: Tally) -> Iterator[Block]:
    """Yield a window's samples in time order, each minute from the upload that wins it."""
    uploads = sorted({run.upload.upload_id: run.upload for run in runs}.values(), key=merge.precedence)
    if len(uploads) > 1:
        runs = _won(runs, uploads, window, tally)
    for run in sorted(runs, key=lambda run: int(run.times_ms[0])):
        yield from _blocks(run, tally)


def _won(runs: Sequence[_Run], uploads: Sequence[StoredUpload], window: tuple[int, int], tally: Tally) -> list[_Run]:
    first = window[0] // MINUTE_MS
    count = -(-window[1] // MINUTE_MS) - first
    rank = {upload.upload_id: index for index, upload in enumerate(uploads)}
    covers = [_cover([run for run in runs if run.upload.upload_id == upload.upload_id]) for upload in uploads]
    owner, conflicts = merge.winners([upload.descriptor.revision for upload in uploads], covers, first, count)
    tally.conflict_minutes += conflicts
    return [
        part
        for run in runs
        for part in _kept(run, owner[run.times_ms // MINUTE_MS - first] == rank[run.upload.upload_id])
    ]


def _cover(runs: Sequence[_Run]) -> merge.Cover:
    """Join an upload's runs by time; a clock moved back may put two samples into one minute, which is no conflict."""
    minutes = np.concatenate([run.times_ms // MINUTE_MS for run in runs])
    values = np.concatenate([run.values for run in runs])
    order = np.argsort(minutes, kind="stable")
    return merge.Cover(minutes[order], values[order])


def _kept(run: _Run, keep: NDArray[np.bool_]) -> Iterator[_Run]:
    """Cut a run to the samples that won, as contiguous runs."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], keep, [False])).astype(np.int8)))
    for low, high in edges.reshape(-1, 2).tolist():
        yield _Run(run.upload, run.first_sample + low, run.times_ms[low:high], run.utc_offset_s, run.values[low:high])


def _blocks(run: _Run, tally: Tally) -> Iterator[Block]:
    descriptor = run.upload.descriptor
    step = max(1, BLOCK_VALUES_MAX // descriptor.channels)
    for low in range(0, len(run.times_ms), step):
        times = run.times_ms[low : low + step]
        tally.blocks += 1
        tally.samples += len(times)
        yield Block(
            source=descriptor.source,
            upload_id=run.upload.upload_id,
            first_sample=run.first_sample + low,
            start_ms=int(times[0]),
            utc_offset_s=run.utc_offset_s,
            period_ms=descriptor.period_ms,
            offsets_ms=None if descriptor.period_ms is not None else times - times[0],
            channels=descriptor.channels,
            values=run.values[low : low + step].reshape(-1),
        )
