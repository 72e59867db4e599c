"""Ingest: open an upload, verify what comes again, commit what is new, and close it with a receipt."""

import hashlib
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from clarity_server.domain import metrics, sealing, segments
from clarity_server.domain.analysis import Analysed
from clarity_server.domain.civil import DAY_MS, Clock, OffsetChange, stays
from clarity_server.domain.days import REACH_AFTER_DAYS, REACH_BEFORE_DAYS, Day, closings
from clarity_server.domain.errors import (
    ContentConflict,
    DigestMismatch,
    InvalidInput,
    StoreDamaged,
    TotalMismatch,
    UploadTakenOver,
)
from clarity_server.domain.reach import clock_of, hidden, times, under
from clarity_server.domain.series import (
    SCALE_MAX,
    Append,
    Chunk,
    Closing,
    ClosingKind,
    Descriptor,
    Receipt,
    Segment,
    StoredUpload,
    missing_count,
    segment_key,
)
from clarity_server.flows.intake import Batch, Intake, compare
from clarity_server.flows.results import analysis_as_made, unseal_result
from clarity_server.ports import Analyses, Keys, Series, Windows

__all__ = ["Ingest", "Progress", "clock_of", "open_segment", "unread"]

RESULTS_PAGE = 100
OPEN_AHEAD = 2  # segments of at most a batch each


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the server has come with an upload, in samples."""

    received: int
    committed: int
    analysed: int
    crc32c: int


class Ingest:
    """The verbs of an upload. All block."""

    def __init__(
        self, series: Series, analyses: Analyses, windows: Windows, keys: Keys, wake: Callable[[], None]
    ) -> None:
        """Take the ports, and what wakes the derivation of results."""
        self._series = series
        self._analyses = analyses
        self._windows = windows
        self._keys = keys
        self._wake = wake

    def open(self, account_id: str, upload_id: str, descriptor: Descriptor) -> Intake:
        """Make the upload or find it, raising its epoch.

        Raises MetricUnknown, MetricNotStreamable, InvalidInput, UploadMismatch.
        """
        _check(descriptor)
        self._keys.create_data_key(account_id)
        return Intake(account_id, self._series.open(account_id, upload_id, descriptor))

    def upload(self, account_id: str, upload_id: str) -> StoredUpload:
        """Find an upload. Raises UploadNotFound."""
        return self._series.upload(account_id, upload_id)

    def verify(self, intake: Intake, part: Chunk) -> None:
        """Compare samples that are committed already with the store, bit for bit; those that are deleted are not.

        Raises ContentConflict; StoreDamaged where the store does not have them all: nothing is dropped uncompared.
        """
        width = intake.descriptor.sample_bytes
        at, end = part.first_sample, part.first_sample + len(part.values) // width
        for segment in self._series.segments(intake.account_id, intake.stored.upload_id, at, end):
            if segment.first_sample > at:
                break
            plain = self._plain(segment)
            high = min(end, segment.first_sample + segment.count)
            ours = _cut(Chunk(segment.first_sample, plain.values, plain.offsets_ms), at, high, width)
            self._compare(intake, ours, _cut(part, at, high, width))
            at = high
        if at < end:
            raise StoreDamaged(piece=f"{intake.account_id}|{intake.stored.upload_id}|{at}")

    def _compare(self, intake: Intake, ours: Chunk, theirs: Chunk) -> None:
        """Demand that what is not deleted is equal. Raises ContentConflict."""
        descriptor = intake.descriptor
        try:
            compare(ours, theirs, descriptor.sample_bytes)
        except ContentConflict:
            # Asked after the segment was read: what was purged of it was deleted before.
            deleted = hidden(intake.stored, self._series.tombstones(intake.account_id, descriptor.metric))
            if not deleted:
                raise
            count = len(ours.values) // descriptor.sample_bytes
            mask = under(deleted, times(descriptor, ours.first_sample, count, ours.offsets_ms))
            compare(_with(ours, theirs, mask, descriptor.sample_bytes), theirs, descriptor.sample_bytes)

    def prepare(self, intake: Intake, batch: Batch) -> Append:
        """Encode and seal a batch and work out all that follows from it; touches neither the store nor the intake."""
        before, descriptor = intake.tip, intake.descriptor
        assert batch.first_sample == before.committed, "batches are prepared in order"
        values = b"".join(chunk.values for chunk in batch.chunks)
        offsets = _joined_offsets(batch.chunks)
        count = len(values) // descriptor.sample_bytes
        committed = before.committed + count
        moves = tuple(_resolved(change, batch, descriptor, offsets) for change in batch.changes)
        changes = before.offset_changes + moves
        clock = clock_of(descriptor, changes)
        due = self._closings(descriptor, clock, before, committed, finished=False)
        after = replace(
            before,
            committed=committed,
            crc32c=int(google_crc32c.extend(before.crc32c, values)),
            value_samples=before.value_samples
            + count
            - missing_count(values, descriptor.encoding, descriptor.channels),
            offset_changes=changes,
            last_offset_ms=before.last_offset_ms if offsets is None else int(offsets[-1]),
            result_count=before.result_count + len(due),
        )
        pieces = _split_by_day(clock.axis_ms, descriptor, before.committed, values, offsets)
        return Append(
            account_id=intake.account_id,
            before=before,
            after=after,
            segments=tuple(self._sealed(intake, first, part, axis) for first, part, axis in pieces),
            touched_days=_touched(descriptor, clock, before.committed, committed, due),
            closings=tuple(due),
        )

    def commit(self, append: Append) -> None:
        """Make an append durable. Raises UploadTakenOver, StoreFull, StoreUnavailable."""
        self._series.commit(append)
        if append.touched_days:
            self._wake()

    def finish(self, account_id: str, stored: StoredUpload, total_samples: int, sha256: bytes) -> StoredUpload:
        """Close an upload against the client's figures, re-reading the store. A finished one answers as before.

        Raises TotalMismatch, DigestMismatch; the upload then stays open. Raises UploadTakenOver.
        """
        if total_samples != stored.committed:
            raise TotalMismatch(expected=stored.committed, received=total_samples)
        if stored.receipt is not None:
            if stored.receipt.sha256 != sha256:
                raise DigestMismatch
            return stored
        digest = hashlib.sha256()
        for values in self._all_values(account_id, stored):
            digest.update(values)
        if digest.digest() != sha256:
            raise DigestMismatch
        clock = clock_of(stored.descriptor, stored.offset_changes)
        due = self._closings(stored.descriptor, clock, stored, stored.committed, finished=True)
        receipt = Receipt(
            total_samples=stored.committed,
            value_samples=stored.value_samples,
            missing_samples=stored.committed - stored.value_samples,
            sha256=sha256,
            crc32c=stored.crc32c,
            result_count=stored.result_count + len(due),
        )
        touched = {closing.civil_day for closing in due if closing.kind is ClosingKind.DAY}
        finished = self._series.finish(account_id, stored, receipt, due, sorted(touched))
        if finished.receipt != receipt:  # a newer stream has finished it, with more samples than we know of
            raise UploadTakenOver
        self._wake()
        return finished

    def results(self, account_id: str, upload_id: str, after: int) -> Sequence[Day | Analysed]:
        """Return the next results after a number, in order, at most RESULTS_PAGE, as far as they are derived."""
        found = list[Day | Analysed]()
        for closing, body in self._analyses.results(account_id, upload_id, after, RESULTS_PAGE):
            key = self._keys.data_key(account_id)
            if closing.kind is ClosingKind.DAY:
                found.append(unseal_result(key, account_id, upload_id, closing.number, body))
                continue
            analysis = self._windows.get(account_id, body.decode())
            if analysis is None:
                self._deleted_meanwhile(account_id, upload_id, closing, body)
                break
            # As it was made: a result never changes.
            found.append(Analysed(closing.number, analysis_as_made(key, analysis)))
        return found

    def _deleted_meanwhile(self, account_id: str, upload_id: str, closing: Closing, body: bytes) -> None:
        """Demand that a result no longer names an analysis that is gone: it is derived again. Raises StoreDamaged."""
        if (closing, body) in self._analyses.results(account_id, upload_id, closing.number - 1, 1):
            raise StoreDamaged(piece=f"{account_id}|analysis|{body.decode()}")

    def progress(self, account_id: str, stored: StoredUpload, received: int) -> Progress:
        """Tell how far an upload has come."""
        return Progress(received, stored.committed, self.analysed(account_id, stored), stored.crc32c)

    def analysed(self, account_id: str, stored: StoredUpload) -> int:
        """Return how many samples have their results."""
        if not metrics.find(stored.descriptor.metric).has_days:
            return stored.committed
        number, end_sample = self._analyses.analysed(account_id, stored.upload_id)
        if stored.receipt is not None and number == stored.receipt.result_count:
            return stored.committed
        return min(end_sample, stored.committed)

    def _closings(
        self, descriptor: Descriptor, clock: Clock, before: StoredUpload, after: int, *, finished: bool
    ) -> Sequence[Closing]:
        if not metrics.find(descriptor.metric).has_days or descriptor.period_ms is None:
            return ()
        return closings(
            clock, descriptor.period_ms, before.committed, after, finished=finished, numbered=before.result_count
        )

    def _sealed(self, intake: Intake, first_sample: int, plain: segments.Plain, axis: tuple[int, int]) -> Segment:
        descriptor, account_id = intake.descriptor, intake.account_id
        count = len(plain.values) // descriptor.sample_bytes
        day = axis[0] // DAY_MS
        upload_id = intake.stored.upload_id
        name = segment_key(account_id, descriptor.metric, day, upload_id, first_sample, count)
        body = segments.encode(plain, descriptor.encoding, descriptor.channels)
        sealed = sealing.seal(self._keys.data_key(account_id), body, name)
        return Segment(account_id, descriptor.metric, day, upload_id, first_sample, count, *axis, sealed)

    def _plain(self, segment: Segment) -> segments.Plain:
        return open_segment(self._keys.data_key(segment.account_id), segment)

    def _opened_ahead(self, found: Iterator[Segment]) -> Iterator[tuple[Segment, segments.Plain]]:
        """Open segments a few ahead of whoever asks for them, so that digesting one does not wait for the next."""
        with ThreadPoolExecutor(OPEN_AHEAD, "reread") as threads:
            opening: deque[tuple[Segment, Future[segments.Plain]]] = deque()
            for segment in found:
                opening.append((segment, threads.submit(self._plain, segment)))
                if len(opening) > OPEN_AHEAD:
                    done, plain = opening.popleft()
                    yield done, plain.result()
            for done, plain in opening:
                yield done, plain.result()

    def _all_values(self, account_id: str, stored: StoredUpload) -> Iterator[bytes]:
        """Yield all committed value bytes in order. Raises StoreDamaged where a piece is missing."""
        at = 0
        found = self._series.segments(account_id, stored.upload_id, 0, stored.committed)
        width = stored.descriptor.sample_bytes
        for segment, plain in self._opened_ahead(found):
            if segment.first_sample > at:
                raise StoreDamaged(piece=f"{account_id}|{stored.upload_id}|{at}")
            yield plain.values[unread(segment, at) * width :]
            at = max(at, segment.first_sample + segment.count)
        if at != stored.committed:
            raise StoreDamaged(piece=f"{account_id}|{stored.upload_id}|{at}")


def _check(descriptor: Descriptor) -> None:
    """Demand what the metric and the encoding ask for. Raises MetricUnknown, MetricNotStreamable, InvalidInput."""
    metric = metrics.streamable(descriptor.metric)
    fixed = metrics.FIXED_PERIOD_MS.get(descriptor.metric)
    if fixed is not None and descriptor.period_ms != fixed:
        raise InvalidInput(series__period=f"{descriptor.metric} has a period of {fixed} ms")
    if metric.has_days and descriptor.channels != 1:
        raise InvalidInput(series__channels=f"{descriptor.metric} has one value a sample")
    if descriptor.scale > SCALE_MAX:
        raise InvalidInput(series__scale=f"is over {SCALE_MAX:g}: some values would be read as infinities")


def open_segment(key: bytes, segment: Segment) -> segments.Plain:
    """Unseal and decode a segment. Raises StoreDamaged."""
    try:
        return segments.decode(sealing.unseal(key, segment.body, segment.key))
    except ValueError as why:
        raise StoreDamaged(piece=segment.key) from why


def unread(segment: Segment, at: int) -> int:
    """Return how many of a segment's samples lie before `at`: joined with its neighbours meanwhile, some come again."""
    return min(max(0, at - segment.first_sample), segment.count)


def _with(ours: Chunk, theirs: Chunk, mask: NDArray[np.bool_], width: int) -> Chunk:
    """Return our chunk with the others' values under a mask."""
    values = np.frombuffer(ours.values, np.uint8).reshape(-1, width).copy()
    values[mask] = np.frombuffer(theirs.values, np.uint8).reshape(-1, width)[mask]
    return replace(ours, values=values.tobytes())


def _resolved(
    change: OffsetChange, batch: Batch, descriptor: Descriptor, offsets: NDArray[np.int64] | None
) -> OffsetChange:
    """Say when a clock move takes place, in elapsed time."""
    if descriptor.period_ms is not None:
        return replace(change, elapsed_ms=change.first_sample * descriptor.period_ms)
    assert offsets is not None
    return replace(change, elapsed_ms=int(offsets[change.first_sample - batch.first_sample]))


def _joined_offsets(chunks: Sequence[Chunk]) -> NDArray[np.int64] | None:
    parts = [chunk.offsets_ms for chunk in chunks if chunk.offsets_ms is not None]
    return np.concatenate(parts) if parts else None


def _cut(chunk: Chunk, start: int, end: int, width: int) -> Chunk:
    low, high = start - chunk.first_sample, end - chunk.first_sample
    return Chunk(
        start,
        chunk.values[low * width : high * width],
        None if chunk.offsets_ms is None else chunk.offsets_ms[low:high],
    )


def _split_by_day(
    axis_ms: int, descriptor: Descriptor, first_sample: int, values: bytes, offsets: NDArray[np.int64] | None
) -> Iterator[tuple[int, segments.Plain, tuple[int, int]]]:
    """Cut a batch at the storage days; yield (first sample, content, (start, end) on the axis)."""
    width = descriptor.sample_bytes
    count = len(values) // width
    if offsets is None:
        assert descriptor.period_ms is not None
        runs = _regular_runs(axis_ms + first_sample * descriptor.period_ms, descriptor.period_ms, count)
    else:
        runs = _irregular_runs(axis_ms + offsets)
    for low, high, start_ms, end_ms in runs:
        part = segments.Plain(values[low * width : high * width], None if offsets is None else offsets[low:high])
        yield first_sample + low, part, (start_ms, end_ms)


def _regular_runs(start_ms: int, period_ms: int, count: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (low, high, start, end) of the samples of each storage day."""
    days = range(start_ms // DAY_MS + 1, (start_ms + (count - 1) * period_ms) // DAY_MS + 1)
    cuts = [-(-(day * DAY_MS - start_ms) // period_ms) for day in days]
    for low, high in itertools.pairwise((0, *cuts, count)):
        yield low, high, start_ms + low * period_ms, start_ms + high * period_ms


def _irregular_runs(times_ms: NDArray[np.int64]) -> Iterator[tuple[int, int, int, int]]:
    """Yield (low, high, start, end) of the samples of each storage day; a sample lasts a millisecond."""
    cuts = (np.flatnonzero(np.diff(times_ms // DAY_MS)) + 1).tolist()
    for low, high in itertools.pairwise((0, *cuts, len(times_ms))):
        yield low, high, int(times_ms[low]), int(times_ms[high - 1]) + 1


def _touched(descriptor: Descriptor, clock: Clock, before: int, after: int, due: Sequence[Closing]) -> tuple[int, ...]:
    """Return the civil days whose results may change by samples [before, after), or by the days these close.

    A Day is derived from the storage days around it, so a sample may bear on as many days on either side: by its
    context, and by the clock of another upload of the source, which no commit knows of.
    """
    if not metrics.find(descriptor.metric).has_days or descriptor.period_ms is None:
        return ()
    known = stays(clock, before * descriptor.period_ms, after * descriptor.period_ms)
    if not known:
        return ()
    closed = {closing.civil_day for closing in due if closing.kind is ClosingKind.DAY}
    first, last = (clock.axis_ms + known[0].start_ms) // DAY_MS, (clock.axis_ms + known[-1].end_ms - 1) // DAY_MS
    return tuple(sorted(closed.union(range(first - REACH_AFTER_DAYS, last + REACH_BEFORE_DAYS + 1))))
