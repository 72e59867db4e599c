"""Read values back over a range of time: in order, one winner per minute and source."""

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain import merge, metrics
from clarity_server.domain.civil import DAY_MS, FAR_MS, MINUTE_MS, Clock, StartKind, TimeKind, TimeRange
from clarity_server.domain.errors import TimeKindWrong
from clarity_server.domain.reach import Elapsed, Reach, clock_of, elapsed_end, hidden, reached, under
from clarity_server.domain.samples import Tombstone
from clarity_server.domain.series import Source, StoredUpload, as_float32
from clarity_server.flows.ingest import open_segment, unread
from clarity_server.ports import Keys, Series

BLOCK_VALUES_MAX = 64 * 1024  # of float32: 256 KiB
SOME = 16  # uploads looked at first, where it is asked whether there is any with the right kind of time
WINDOW_VALUES_MAX = 1024 * 1024  # about, where uploads are compared: with their times, some 12 MiB, held twice


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

    @property
    def times_ms(self) -> NDArray[np.int64]:
        """When its samples begin, shape (samples,)."""
        if self.offsets_ms is not None:
            return self.offsets_ms + self.start_ms
        assert self.period_ms is not None, "a block without offsets is regular"
        return regular(self.start_ms, len(self.values) // self.channels, self.period_ms)


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
        return min(values, DAY_MS * values // elapsed_end(self.upload))

    def reached(self, window: tuple[int, int]) -> Iterator[Reach]:
        """Yield what lies in a window, stretch by stretch of one offset."""
        return reached(self.clock, TimeRange(self.kind, *window), elapsed_end(self.upload))


@dataclass(slots=True)
class _Deleted:
    """What of a metric's uploads is deleted, as far as a reading has to know."""

    series: Series
    account_id: str
    metric: str
    _tombstones: Sequence[Tombstone] | None = None
    _parts: dict[str, Sequence[Elapsed]] = field(default_factory=dict)

    def parts(self, upload: StoredUpload, values: NDArray[np.float32]) -> Sequence[Elapsed]:
        """Return the elapsed time of an upload that is deleted, having read values of it."""
        # Missing values may have been purged since this reading began: then they were deleted before.
        if self._tombstones is None or np.isnan(values.min()):
            found = self.series.tombstones(self.account_id, self.metric)
            if found != self._tombstones:
                self._tombstones, self._parts = found, {}
        if not self._tombstones:
            return ()
        if upload.upload_id not in self._parts:
            self._parts[upload.upload_id] = hidden(upload, self._tombstones)
        return self._parts[upload.upload_id]


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
        # Whole minutes: of each, all uploads are looked at that say something of it.
        span = TimeRange(kind, start_ms // MINUTE_MS * MINUTE_MS, -(-end_ms // MINUTE_MS) * MINUTE_MS)
        near = [one for one in self.series.near(account_id, metric, span) if source in {None, one.descriptor.source}]
        usable = sorted((one for one in near if self._has(one, kind)), key=_source)
        if not usable:
            self._check_kind(account_id, metric, source, kind)
        deleted = _Deleted(self.series, account_id, metric)
        for _, theirs in itertools.groupby(usable, key=_source):
            tracks = [track for one in theirs if (track := _track(one, span)) is not None]
            for window, there in _windows(tracks, (start_ms, end_ms), self.window_values_max):
                runs = self._runs(account_id, there, window, deleted)
                # One upload's runs are passed on as they come: a day of them may not fit into memory.
                kept = runs if len(there) == 1 else _merged(list(runs), window, tally)
                for run in kept:
                    yield from _blocks(_part(run, *np.searchsorted(run.times_ms, (start_ms, end_ms))), tally)

    def _check_kind(self, account_id: str, metric: str, source: Source | None, kind: TimeKind) -> None:
        """Demand that there is data with this kind of time, or none at all. Raises TimeKindWrong."""

        def there(limit: int | None) -> list[StoredUpload]:
            found = self.series.uploads(account_id, metric, limit)
            return [one for one in found if one.committed and source in {None, one.descriptor.source}]

        if any(self._has(one, kind) for one in there(SOME)):
            return
        tombstones = self.series.tombstones(account_id, metric)
        left = [one for one in there(None) if hidden(one, tombstones) != [(0, elapsed_end(one))]]
        if left and not any(self._has(one, kind) for one in left):
            raise TimeKindWrong(f"no recording of {metric} has {kind} times ({len(left)} have the other kind)")

    def _has(self, upload: StoredUpload, kind: TimeKind) -> bool:
        known = upload.descriptor.start.kind in self._kinds[kind]
        return known or (kind is TimeKind.CIVIL and bool(upload.offset_changes))

    def _runs(
        self, account_id: str, tracks: Sequence[_Track], window: tuple[int, int], deleted: _Deleted
    ) -> Iterator[_Run]:
        """Yield what a source's uploads have in a window."""
        key = self.keys.data_key(account_id)
        for track in tracks:
            if track.upload.descriptor.period_ms is not None:
                yield from self._regular_runs(account_id, key, track, window, deleted)
        irregular = [track for track in tracks if track.upload.descriptor.period_ms is None]
        if irregular:
            yield from self._irregular_runs(account_id, key, irregular, window, deleted)

    def _regular_runs(
        self, account_id: str, key: bytes, track: _Track, window: tuple[int, int], deleted: _Deleted
    ) -> Iterator[_Run]:
        """Yield the samples of a regular series in a window, whose positions follow from their times."""
        upload, descriptor, period_ms = track.upload, track.upload.descriptor, track.upload.descriptor.period_ms
        assert period_ms is not None
        for reach in track.reached(window):
            at, end = -(-reach.start_ms // period_ms), -(-reach.end_ms // period_ms)
            for segment in self.series.segments(account_id, upload.upload_id, at, end) if at < end else ():
                low, high = segment.first_sample + unread(segment, at), min(end, segment.first_sample + segment.count)
                if low >= high:
                    continue
                every = as_float32(open_segment(key, segment).values, descriptor).reshape(-1, descriptor.channels)
                times = regular(low * period_ms + reach.base_ms, high - low, period_ms)
                values = every[low - segment.first_sample : high - segment.first_sample]
                run = _Run(upload, low, times, reach.utc_offset_s, values)
                yield from _left(run, reach.base_ms, deleted.parts(upload, values))
                at = high

    def _irregular_runs(
        self, account_id: str, key: bytes, tracks: Sequence[_Track], window: tuple[int, int], deleted: _Deleted
    ) -> Iterator[_Run]:
        """Yield the samples of irregular series of one source in a window, found by their storage days."""
        by_id = {track.upload.upload_id: (track.upload, list(track.reached(window))) for track in tracks}
        at = dict.fromkeys(by_id, 0)
        descriptor = tracks[0].upload.descriptor
        # A civil time is less than a day from its instant.
        slack = 0 if tracks[0].kind is TimeKind.INSTANT else DAY_MS
        span = ((window[0] - slack) // DAY_MS, (window[1] - 1 + slack) // DAY_MS + 1)
        for piece in self.series.pieces(account_id, descriptor.metric, span, descriptor.source):
            segment, (upload, reaches) = piece.segment, by_id.get(piece.upload.upload_id, (piece.upload, ()))
            if not reaches or segment.end_ms <= window[0] - slack or segment.start_ms >= window[1] + slack:
                continue
            skipped = unread(segment, at[upload.upload_id])
            at[upload.upload_id] = segment.first_sample + segment.count
            plain = open_segment(key, segment)
            assert plain.offsets_ms is not None
            values = as_float32(plain.values, upload.descriptor).reshape(-1, upload.descriptor.channels)
            for reach in reaches:
                low, high = np.searchsorted(plain.offsets_ms, (reach.start_ms, reach.end_ms))
                low = max(low, skipped)
                if low < high:
                    times, first = plain.offsets_ms[low:high] + reach.base_ms, segment.first_sample + int(low)
                    run = _Run(upload, first, times, reach.utc_offset_s, values[low:high])
                    yield from _left(run, reach.base_ms, deleted.parts(upload, run.values))


def regular(start_ms: int, count: int, period_ms: int) -> NDArray[np.int64]:
    """Return the times of samples that follow each other at a period."""
    return np.arange(start_ms, start_ms + count * period_ms, period_ms, dtype=np.int64)


def _source(upload: StoredUpload) -> tuple[str, str]:
    return (upload.descriptor.source.device, upload.descriptor.source.app)


def _track(upload: StoredUpload, span: TimeRange) -> _Track | None:
    """Place an upload on the axis of a range, as far as it lies in it; None where nothing of it does."""
    clock = clock_of(upload.descriptor, upload.offset_changes)
    end_ms = elapsed_end(upload)
    if span.kind is TimeKind.INSTANT:
        return _Track(upload, clock, span.kind, clock.axis_ms, clock.axis_ms + end_ms)
    reaches = list(reached(clock, span, end_ms))
    if not reaches:
        return None
    start_ms = min(reach.start_ms + reach.base_ms for reach in reaches)
    return _Track(upload, clock, span.kind, start_ms, max(reach.end_ms + reach.base_ms for reach in reaches))


def _left(run: _Run, base_ms: int, deleted: Sequence[Elapsed]) -> Iterator[_Run]:
    """Cut a run to what is not deleted."""
    if not deleted:
        yield run
        return
    gone = under(deleted, run.times_ms - base_ms)
    cuts = np.flatnonzero(gone[1:] != gone[:-1]) + 1
    for low, high in itertools.pairwise((0, *cuts.tolist(), len(gone))):
        if not gone[low]:
            yield _part(run, low, high)


def _windows(
    tracks: Sequence[_Track], span: tuple[int, int], values_max: int
) -> Iterator[tuple[tuple[int, int], Sequence[_Track]]]:
    """Cut a span into windows of whole minutes, with the uploads that reach into each, where any does.

    A window is at most a day, and shorter where several uploads together have more values than `values_max` in a day;
    where an upload is alone among instants the window is as long as that, since its values are passed on as they come.
    Among instants segments end where days do: there, or where uploads meet, windows end, and none is opened twice.
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
        until = _alone_until(*reaching, *itertools.islice(waiting, 1))
        if until <= at:
            until = min(at + _step_ms(reaching, values_max), (at // DAY_MS + 1) * DAY_MS)
        until = min(until, -(-end_ms // MINUTE_MS) * MINUTE_MS)
        near = [track for track in reaching if track.start_ms < until and track.end_ms > at]
        if near and at < end_ms:
            yield (at, until), near
        at = until


def _alone_until(track: _Track, *later: _Track) -> int:
    """Return to where an upload need not be compared with those that begin after it."""
    if track.kind is TimeKind.CIVIL:  # its clock may show a time twice: by day it stays in order
        return -FAR_MS
    if not later:
        return FAR_MS
    until = later[0].start_ms // MINUTE_MS * MINUTE_MS
    return until if track.end_ms <= until else until // DAY_MS * DAY_MS


def _step_ms(tracks: Sequence[_Track], values_max: int) -> int:
    values_per_day = sum(track.values_per_day for track in tracks)
    if len(tracks) == 1 or values_per_day <= values_max:
        return DAY_MS
    return max(1, DAY_MS * values_max // values_per_day // MINUTE_MS) * MINUTE_MS


def _merged(runs: Sequence[_Run], window: tuple[int, int], tally: Tally) -> Sequence[_Run]:
    """Return a window's samples in time order, each minute from the upload that wins it."""
    runs = _whole(runs)
    uploads = sorted({run.upload.upload_id: run.upload for run in runs}.values(), key=merge.precedence)
    first, count = window[0] // MINUTE_MS, (window[1] - window[0]) // MINUTE_MS
    rank = {upload.upload_id: index for index, upload in enumerate(uploads)}
    covers = [_cover([run for run in runs if run.upload.upload_id == upload.upload_id]) for upload in uploads]
    owner, conflicted = merge.winners([upload.descriptor.revision for upload in uploads], covers, first, count)
    tally.conflict_minutes += int(np.count_nonzero(conflicted))
    won = (part for run in runs for part in _kept(run, owner, rank[run.upload.upload_id], first))
    return sorted(won, key=lambda run: int(run.times_ms[0]))


def _whole(runs: Sequence[_Run]) -> Sequence[_Run]:
    """Join runs that go on where the one before ends: how samples lie in segments is nothing to their order."""
    found = list[list[_Run]]()
    for run in runs:
        if found and _goes_on(found[-1][-1], run):
            found[-1].append(run)
        else:
            found.append([run])
    return [_joined(parts) if len(parts) > 1 else parts[0] for parts in found]


def _goes_on(run: _Run, after: _Run) -> bool:
    same = (run.upload.upload_id, run.utc_offset_s) == (after.upload.upload_id, after.utc_offset_s)
    return same and run.first_sample + len(run.times_ms) == after.first_sample


def _joined(parts: Sequence[_Run]) -> _Run:
    times, values = (np.concatenate([getattr(part, name) for part in parts]) for name in ("times_ms", "values"))
    return replace(parts[0], times_ms=times, values=values)


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
