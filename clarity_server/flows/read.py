"""Read values back over a range of time: in order, one winner per minute and source."""

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain import merge, metrics
from clarity_server.domain.civil import DAY_MS, MINUTE_MS, Clock, StartKind
from clarity_server.domain.errors import TimeKindWrong
from clarity_server.domain.series import Source, StoredUpload, as_float32
from clarity_server.flows.ingest import clock_of, open_segment
from clarity_server.ports import Keys, Series

BLOCK_VALUES_MAX = 64 * 1024  # of float32: 256 KiB
WINDOW_VALUES_MAX = 1024 * 1024  # about, where uploads are compared: with their times, some 12 MiB, held twice


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


@dataclass(frozen=True, slots=True)
class _Track:
    """An upload on the axis asked for, where it lies in [start_ms, end_ms)."""

    upload: StoredUpload
    clock: Clock
    kind: TimeKind
    start_ms: int
    end_ms: int

    @property
    def values_per_day(self) -> int:
        """About how many values it has in a day."""
        values = self.upload.committed * self.upload.descriptor.channels
        return min(values, DAY_MS * values // _elapsed_end(self.upload))

    def reached(self, window: tuple[int, int]) -> "Iterator[_Reach]":
        """Yield what lies in a window, stretch by stretch of one offset."""
        axis, slack = self.clock.axis_ms, 0 if self.kind is TimeKind.INSTANT else DAY_MS
        low = max(0, window[0] - axis - slack)
        high = min(_elapsed_end(self.upload), window[1] - axis + slack)
        for stretch in self.clock.stretches(low, high) if low < high else ():
            base = axis if self.kind is TimeKind.INSTANT else self.clock.civil_ms(stretch, 0)
            if base is not None:
                start, end = max(stretch.start_ms, window[0] - base), min(stretch.end_ms, window[1] - base)
                if start < end:
                    yield _Reach(start, end, base, stretch.utc_offset_s)


@dataclass(frozen=True, slots=True)
class _Reach:
    """Elapsed time [start_ms, end_ms) under one UTC offset, and what to add to it for the axis asked for."""

    start_ms: int
    end_ms: int
    base_ms: int
    utc_offset_s: int | None


@dataclass(slots=True)
class Read:
    """The verb, over its ports."""

    series: Series
    keys: Keys
    window_values_max: int = WINDOW_VALUES_MAX
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

        What is read is what was committed at the call. Raises MetricUnknown; TimeKindWrong when there is data, but none
        with this kind of time.
        """
        metrics.streamable(metric)
        uploads = [
            one
            for one in self.series.uploads(account_id, metric)
            if one.committed and source in {None, one.descriptor.source}
        ]
        usable = sorted((one for one in uploads if self._has(one, kind)), key=_source)
        if uploads and not usable:
            raise TimeKindWrong(f"no recording of {metric} has {kind} times ({len(uploads)} have the other kind)")
        for _, theirs in itertools.groupby(usable, key=_source):
            tracks = [_track(one, kind) for one in theirs]
            for window, near in _windows(tracks, (start_ms, end_ms), self.window_values_max):
                runs = self._runs(account_id, near, window)
                # One upload's runs are passed on as they come: a day of them may not fit into memory.
                kept = runs if len(near) == 1 else _merged(list(runs), window, tally)
                for run in kept:
                    yield from _blocks(_part(run, *np.searchsorted(run.times_ms, (start_ms, end_ms))), tally)

    def _has(self, upload: StoredUpload, kind: TimeKind) -> bool:
        known = upload.descriptor.start.kind in self._kinds[kind]
        return known or (kind is TimeKind.CIVIL and bool(upload.offset_changes))

    def _runs(self, account_id: str, tracks: Sequence[_Track], window: tuple[int, int]) -> Iterator[_Run]:
        """Yield what a source's uploads have in a window of at most one day."""
        key = self.keys.data_key(account_id)
        for track in tracks:
            if track.upload.descriptor.period_ms is not None:
                yield from self._regular_runs(account_id, key, track, window)
        irregular = [track for track in tracks if track.upload.descriptor.period_ms is None]
        if irregular:
            yield from self._irregular_runs(account_id, key, irregular, window)

    def _regular_runs(self, account_id: str, key: bytes, track: _Track, window: tuple[int, int]) -> Iterator[_Run]:
        """Yield the samples of a regular series in a window, whose positions follow from their times."""
        upload, descriptor, period_ms = track.upload, track.upload.descriptor, track.upload.descriptor.period_ms
        assert period_ms is not None
        for reach in track.reached(window):
            first, end = -(-reach.start_ms // period_ms), -(-reach.end_ms // period_ms)
            for segment in self.series.segments(account_id, upload.upload_id, first, end) if first < end else ():
                low, high = max(first, segment.first_sample), min(end, segment.first_sample + segment.count)
                values = as_float32(open_segment(key, segment).values, descriptor).reshape(-1, descriptor.channels)
                times = np.arange(low, high, dtype=np.int64) * period_ms + reach.base_ms
                inside = slice(low - segment.first_sample, high - segment.first_sample)
                yield _Run(upload, low, times, reach.utc_offset_s, values[inside])

    def _irregular_runs(
        self, account_id: str, key: bytes, tracks: Sequence[_Track], window: tuple[int, int]
    ) -> Iterator[_Run]:
        """Yield the samples of irregular series of one source in a window, found by their storage days."""
        by_id = {track.upload.upload_id: (track.upload, list(track.reached(window))) for track in tracks}
        descriptor = tracks[0].upload.descriptor
        # A civil time is less than a day from its instant.
        slack = 0 if tracks[0].kind is TimeKind.INSTANT else DAY_MS
        span = ((window[0] - slack) // DAY_MS, (window[1] - 1 + slack) // DAY_MS + 1)
        for piece in self.series.pieces(account_id, descriptor.metric, span, descriptor.source):
            segment, (upload, reaches) = piece.segment, by_id.get(piece.upload.upload_id, (piece.upload, ()))
            if not reaches or segment.end_ms <= window[0] - slack or segment.start_ms >= window[1] + slack:
                continue
            plain = open_segment(key, segment)
            assert plain.offsets_ms is not None
            values = as_float32(plain.values, upload.descriptor).reshape(-1, upload.descriptor.channels)
            for reach in reaches:
                low, high = np.searchsorted(plain.offsets_ms, (reach.start_ms, reach.end_ms))
                if low < high:
                    times, first = plain.offsets_ms[low:high] + reach.base_ms, segment.first_sample + int(low)
                    yield _Run(upload, first, times, reach.utc_offset_s, values[low:high])


def _source(upload: StoredUpload) -> tuple[str, str]:
    return (upload.descriptor.source.device, upload.descriptor.source.app)


def _elapsed_end(upload: StoredUpload) -> int:
    """Return the elapsed time after the last sample."""
    period_ms = upload.descriptor.period_ms
    return upload.last_offset_ms + 1 if period_ms is None else upload.committed * period_ms


def _track(upload: StoredUpload, kind: TimeKind) -> _Track:
    clock = clock_of(upload.descriptor, upload.offset_changes)
    end_ms = _elapsed_end(upload)
    if kind is TimeKind.INSTANT:
        return _Track(upload, clock, kind, clock.axis_ms, clock.axis_ms + end_ms)
    starts_ends = [
        (start, start + stretch.end_ms - stretch.start_ms)
        for stretch in clock.stretches(0, end_ms)
        if (start := clock.civil_ms(stretch, stretch.start_ms)) is not None
    ]
    return _Track(upload, clock, kind, min(start for start, _ in starts_ends), max(end for _, end in starts_ends))


def _windows(
    tracks: Sequence[_Track], span: tuple[int, int], values_max: int
) -> Iterator[tuple[tuple[int, int], Sequence[_Track]]]:
    """Cut a span into windows of whole minutes, with the uploads that reach into each, where any does.

    A window is at most a day, and shorter where several uploads together have more values than `values_max` in a day.
    """
    start_ms, end_ms = span
    waiting = deque(sorted(tracks, key=lambda track: track.start_ms))
    reaching: list[_Track] = []
    at = start_ms // MINUTE_MS * MINUTE_MS
    while at < end_ms:
        reaching = [track for track in reaching if track.end_ms > at]
        if not reaching and waiting:
            at = max(at, waiting[0].start_ms // MINUTE_MS * MINUTE_MS)
        while waiting and waiting[0].start_ms < at + DAY_MS:
            reaching.append(waiting.popleft())
        if not reaching:
            return
        until = min(at + _step_ms(reaching, values_max), -(-end_ms // MINUTE_MS) * MINUTE_MS)
        near = [track for track in reaching if track.start_ms < until and track.end_ms > at]
        if near and at < end_ms:
            yield (at, until), near
        at = until


def _step_ms(tracks: Sequence[_Track], values_max: int) -> int:
    values_per_day = sum(track.values_per_day for track in tracks)
    if len(tracks) == 1 or values_per_day <= values_max:
        return DAY_MS
    return max(1, DAY_MS * values_max // values_per_day // MINUTE_MS) * MINUTE_MS


def _merged(runs: Sequence[_Run], window: tuple[int, int], tally: Tally) -> Sequence[_Run]:
    """Return a window's samples in time order, each minute from the upload that wins it."""
    uploads = sorted({run.upload.upload_id: run.upload for run in runs}.values(), key=merge.precedence)
    first, count = window[0] // MINUTE_MS, (window[1] - window[0]) // MINUTE_MS
    rank = {upload.upload_id: index for index, upload in enumerate(uploads)}
    covers = [_cover([run for run in runs if run.upload.upload_id == upload.upload_id]) for upload in uploads]
    owner, conflicted = merge.winners([upload.descriptor.revision for upload in uploads], covers, first, count)
    tally.conflict_minutes += int(np.count_nonzero(conflicted))
    won = (part for run in runs for part in _kept(run, owner, rank[run.upload.upload_id], first))
    return sorted(won, key=lambda run: int(run.times_ms[0]))


def _cover(runs: Sequence[_Run]) -> merge.Cover:
    """Join an upload's runs by time; a clock moved back may put two samples into one minute, which is no conflict."""
    minutes = np.concatenate([run.times_ms // MINUTE_MS for run in runs])
    values = np.concatenate([run.values for run in runs])
    order = np.argsort(minutes, kind="stable")
    return merge.Cover(minutes[order], values[order])


def _kept(run: _Run, owner: NDArray[np.int32], rank: int, first: int) -> Iterator[_Run]:
    """Cut a run to the samples that won, and wherever another upload has won a minute in between."""
    slots = run.times_ms // MINUTE_MS - first
    others = np.cumsum((owner != rank) & (owner >= 0))[slots]  # minutes of other uploads, up to each sample
    mine = owner[slots] == rank
    cuts = np.flatnonzero((mine[1:] != mine[:-1]) | (others[1:] != others[:-1])) + 1
    for low, high in itertools.pairwise((0, *cuts.tolist(), len(slots))):
        if mine[low]:
            yield _part(run, low, high)


def _part(run: _Run, low: int, high: int) -> _Run:
    inside = slice(low, high)
    return _Run(run.upload, run.first_sample + int(low), run.times_ms[inside], run.utc_offset_s, run.values[inside])


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
