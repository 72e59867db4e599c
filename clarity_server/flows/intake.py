"""One open upload in memory: what was received and is not yet committed."""

import itertools
from collections import deque
from dataclasses import dataclass

import google_crc32c
import numpy as np

from clarity_server.domain.civil import OffsetChange, StartKind
from clarity_server.domain.errors import (
    ChunkCorrupt,
    ChunkMalformed,
    ChunkTooLarge,
    ContentConflict,
    InvalidInput,
    UploadFinished,
    UploadMismatch,
)
from clarity_server.domain.series import (
    CHUNK_BYTES_MAX,
    OFFSET_CHANGES_MAX,
    OFFSET_MS_MAX,
    Append,
    Chunk,
    Descriptor,
    StoredUpload,
    check_offsets,
    check_values,
)
from clarity_server.domain.upload import Upload

BATCH_BYTES_MAX = 1024 * 1024
"""Bytes of values and offsets in one commit: larger batches compress no better and hold memory longer."""
CHUNK_COST_BYTES = 256
"""What a waiting chunk takes beside its bytes: chunks of one sample must not fill memory that nobody counts."""
OFFSET_BYTES = 8


@dataclass(frozen=True, slots=True)
class Batch:
    """Contiguous chunks that go to the store in one commit, and the clock moves among them."""

    chunks: tuple[Chunk, ...]
    changes: tuple[OffsetChange, ...]

    @property
    def first_sample(self) -> int:
        """Where it begins."""
        return self.chunks[0].first_sample


class Intake:
    """Takes chunks in order, compares what comes again, and hands out batches to commit.

    Belongs to one stream and is used from one thread at a time. Raising leaves it as it was.
    """

    def __init__(self, account_id: str, stored: StoredUpload) -> None:
        """Begin where the store stands."""
        self.account_id = account_id
        self.stored = stored
        self.tip = stored  # as it will be once all batches handed out are committed
        self.upload = Upload(stored.committed, stored.committed, finished=stored.receipt is not None)
        self._queue: deque[Chunk] = deque()  # received, not committed; the first `_handed` are in batches
        self._handed = 0
        self._loose_bytes = 0  # of what is received and not handed out
        self.waiting_bytes = 0  # memory of what was received and is not yet committed
        self._last_offset_ms = stored.last_offset_ms
        self._changes: list[OffsetChange] = []  # noted, and in no batch yet
        self._moves = {move.first_sample: move.utc_offset_s for move in stored.offset_changes}  # all that are known

    @property
    def descriptor(self) -> Descriptor:
        """What the upload is of."""
        return self.stored.descriptor

    def check(self, chunk: Chunk, crc32c: int) -> Chunk | None:
        """Check a chunk and compare what is still in memory; return the part to compare with the store, if any.

        Raises ChunkTooLarge, ChunkMalformed, ChunkCorrupt, ValueNotFinite, SequenceGap, UploadFinished and
        ContentConflict.
        """
        count = self._count(chunk)
        if crc32c != checksum(chunk):
            raise ChunkCorrupt(chunk.first_sample)
        check_values(chunk.values, self.descriptor.encoding, chunk.first_sample, self.descriptor.channels)
        accepted = self.upload.accept(chunk.first_sample, count)
        fresh = self._part(chunk, *accepted.fresh)
        if fresh is not None:
            self._check_time(fresh, accepted.upload.received - 1)
        low, high = accepted.verify
        self._compare_queued(chunk, max(low, self.stored.committed), high)
        return self._part(chunk, low, min(high, self.stored.committed))

    def fresh_bytes(self, chunk: Chunk) -> int:
        """Return by how much taking a checked chunk will raise `waiting_bytes`; 0 where nothing of it is new."""
        low, high = self.upload.accept(chunk.first_sample, self._count(chunk)).fresh
        offset_bytes = 0 if chunk.offsets_ms is None else OFFSET_BYTES
        return (high - low) * (self.descriptor.sample_bytes + offset_bytes) + CHUNK_COST_BYTES if high > low else 0

    def take(self, chunk: Chunk) -> None:
        """Take the new part of a chunk that was checked, and whose known part was compared."""
        accepted = self.upload.accept(chunk.first_sample, self._count(chunk))
        fresh = self._part(chunk, *accepted.fresh)
        self.upload = accepted.upload
        if fresh is None:
            return
        if fresh.offsets_ms is not None:
            self._last_offset_ms = int(fresh.offsets_ms[-1])
        self._queue.append(fresh)
        self.waiting_bytes += _bytes(fresh) + CHUNK_COST_BYTES
        self._loose_bytes += _bytes(fresh)

    def move_clock(self, first_sample: int, utc_offset_s: int) -> None:
        """Note that the clock moves at a sample not yet received; a known move may come again unaltered.

        Raises InvalidInput where the recording has no offsets to change, or the move comes too late or is one too many,
        UploadMismatch where it differs from the known one, UploadFinished.
        """
        if self.descriptor.start.kind in {StartKind.FLOATING, StartKind.ZONE}:
            raise InvalidInput(offset_change="a floating recording and one with a time_zone have no offset changes")
        if first_sample in self._moves:
            if self._moves[first_sample] != utc_offset_s:
                raise UploadMismatch("offset_change")
            return
        if self.upload.finished:
            raise UploadFinished
        if len(self._moves) >= OFFSET_CHANGES_MAX:
            raise InvalidInput(offset_change=f"an upload has at most {OFFSET_CHANGES_MAX} offset changes")
        latest = next(reversed(self._moves), -1)
        if first_sample < max(self.upload.received, latest):
            raise InvalidInput(
                offset_change__first_sample=f"must come before its sample, in order; {self.upload.received} received"
            )
        self._moves[first_sample] = utc_offset_s
        self._changes.append(OffsetChange(first_sample, utc_offset_s, elapsed_ms=-1))

    @property
    def batch_is_full(self) -> bool:
        """Whether no further chunk is sure to fit into the next batch."""
        return self._loose_bytes > BATCH_BYTES_MAX - CHUNK_BYTES_MAX

    def batch(self) -> Batch | None:
        """Hand out what is waiting, up to BATCH_BYTES_MAX, or None."""
        taken: list[Chunk] = []
        size = 0
        for chunk in itertools.islice(self._queue, self._handed, None):
            if taken and size + _bytes(chunk) > BATCH_BYTES_MAX:
                break
            taken.append(chunk)
            size += _bytes(chunk)
        if not taken:
            return None
        self._handed += len(taken)
        self._loose_bytes -= size
        end = taken[-1].first_sample + self._count(taken[-1])
        due = tuple(change for change in self._changes if change.first_sample < end)
        self._changes = self._changes[len(due) :]
        return Batch(tuple(taken), due)

    def prepared(self, append: Append) -> None:
        """Note what the upload will be once an append is committed."""
        self.tip = append.after

    def committed(self, append: Append) -> None:
        """Let go of what is now in the store."""
        self.stored = append.after
        self.upload = self.upload.commit(append.after.committed)
        while self._queue and self._queue[0].first_sample < append.after.committed:
            self.waiting_bytes -= _bytes(self._queue.popleft()) + CHUNK_COST_BYTES
            self._handed -= 1

    def finish(self, finished: StoredUpload) -> None:
        """Take no more samples."""
        assert finished.receipt is not None
        self.stored = self.tip = finished
        self.upload = self.upload.finish(finished.receipt.total_samples)

    def _count(self, chunk: Chunk) -> int:
        size = len(chunk.values)
        if size > CHUNK_BYTES_MAX:
            raise ChunkTooLarge(size, CHUNK_BYTES_MAX)
        count, rest = divmod(size, self.descriptor.sample_bytes)
        if count == 0 or rest:
            raise ChunkMalformed(
                f"the chunk at sample {chunk.first_sample} has {size} bytes, a sample {self.descriptor.sample_bytes}"
            )
        offsets = 0 if chunk.offsets_ms is None else len(chunk.offsets_ms)
        wanted = 0 if self.descriptor.period_ms else count
        if offsets != wanted:
            raise ChunkMalformed(f"the chunk at sample {chunk.first_sample} has {offsets} offsets and needs {wanted}")
        if chunk.offsets_ms is not None:
            check_offsets(chunk.offsets_ms, chunk.first_sample)
        return count

    def _check_time(self, fresh: Chunk, last_sample: int) -> None:
        """Demand that new samples come after those before them, and within the longest recording."""
        if fresh.offsets_ms is not None and fresh.offsets_ms[0] <= self._last_offset_ms:
            raise ChunkMalformed(f"the offsets must increase strictly between chunks, at {fresh.first_sample}")
        if last_sample * (self.descriptor.period_ms or 0) > OFFSET_MS_MAX:
            raise ChunkMalformed(f"sample {last_sample} lies over {OFFSET_MS_MAX} ms, ten years, after the first one")

    def _part(self, chunk: Chunk, start: int, end: int) -> Chunk | None:
        """Cut the samples [start, end) out of a chunk; None where that is nothing."""
        if start >= end:
            return None
        low, high = start - chunk.first_sample, end - chunk.first_sample
        width = self.descriptor.sample_bytes
        whole = (high - low) * width == len(chunk.values)
        values = chunk.values if whole else chunk.values[low * width : high * width]
        return Chunk(start, values, None if chunk.offsets_ms is None else chunk.offsets_ms[low:high])

    def _compare_queued(self, chunk: Chunk, start: int, end: int) -> None:
        """Compare the part [start, end) with what is received and not committed. Raises ContentConflict."""
        for queued in reversed(self._queue):
            queued_end = queued.first_sample + len(queued.values) // self.descriptor.sample_bytes
            if start >= min(end, queued_end):  # as for a chunk that is all new: nothing before this one can matter
                return
            low, high = max(start, queued.first_sample), min(end, queued_end)
            ours, theirs = self._part(queued, low, high), self._part(chunk, low, high)
            if ours is not None and theirs is not None:
                compare(ours, theirs, self.descriptor.sample_bytes)


def _bytes(chunk: Chunk) -> int:
    return len(chunk.values) + (0 if chunk.offsets_ms is None else chunk.offsets_ms.nbytes)


def checksum(chunk: Chunk) -> int:
    """Return the CRC-32C of a chunk: its values, then its offsets as little-endian int64."""
    crc = int(google_crc32c.value(chunk.values))
    if chunk.offsets_ms is None:
        return crc
    return int(google_crc32c.extend(crc, chunk.offsets_ms.astype("<i8").tobytes()))


def compare(stored: Chunk, again: Chunk, sample_bytes: int) -> None:
    """Demand that two chunks over the same samples are equal bit for bit. Raises ContentConflict."""
    if stored.values != again.values:
        differ = np.frombuffer(stored.values, np.uint8) != np.frombuffer(again.values, np.uint8)
        raise ContentConflict(stored.first_sample + int(np.argmax(differ)) // sample_bytes)
    if stored.offsets_ms is not None and again.offsets_ms is not None:
        moved = stored.offsets_ms != again.offsets_ms
        if moved.any():
            raise ContentConflict(stored.first_sample + int(np.argmax(moved)))
