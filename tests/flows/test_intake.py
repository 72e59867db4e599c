"""What an open upload takes, what it refuses and why, and what it then holds in memory."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarity_server.domain.civil import DAY_MS, OffsetChange, Start, StartKind
from clarity_server.domain.errors import (
    ChunkCorrupt,
    ChunkMalformed,
    ChunkTooLarge,
    ClarityError,
    ContentConflict,
    InvalidInput,
    SequenceGap,
    UploadFinished,
    UploadMismatch,
    ValueNotFinite,
)
from clarity_server.domain.series import (
    CHUNK_BYTES_MAX,
    OFFSET_CHANGES_MAX,
    OFFSET_MS_MAX,
    Append,
    Chunk,
    Descriptor,
    Encoding,
    Receipt,
    StoredUpload,
)
from clarity_server.flows.intake import BATCH_BYTES_MAX, CHUNK_COST_BYTES, Batch, Intake, checksum
from tests.flows.upload_world import ACCOUNT, HEART, float32

INFINITY, STRANGE_NAN = float32([float("inf")]), b"\x01\x00\xc0\x7f"
IRREGULAR = replace(HEART, period_ms=None)
MOVING = replace(HEART, start=Start(StartKind.OFFSET, 0, utc_offset_s=3600))


def intake(descriptor: Descriptor = HEART, committed: int = 0, **more: object) -> Intake:
    """An upload as it is opened with so many samples committed."""
    stored = StoredUpload("upload", descriptor, 1, committed, 0, 0, (), -1, 0)
    return Intake(ACCOUNT, replace(stored, **more))  # type: ignore[arg-type]  # the tests name fields of it


def chunk(first: int, values: list[float], offsets: list[int] | None = None) -> Chunk:
    return Chunk(first, float32(values), None if offsets is None else np.array(offsets, dtype=np.int64))


def send(into: Intake, one: Chunk) -> Chunk | None:
    """Check and take a chunk; return what the store would have to compare."""
    known = into.check(one, checksum(one))
    into.take(one)
    return known


def committed(into: Intake, batch: Batch) -> None:
    """Do as if the batch was written; preparing and writing are Ingest's."""
    before = into.tip
    count = sum(len(one.values) for one in batch.chunks) // before.descriptor.sample_bytes
    after = replace(before, committed=before.committed + count, offset_changes=(*before.offset_changes, *batch.changes))
    append = Append(ACCOUNT, before, after, (), (), ())
    into.prepared(append)
    into.committed(append)


def refused(into: Intake, one: Chunk, crc32c: int | None = None) -> ClarityError:
    """Send what must be refused; return why. The upload stays as it was."""
    before = (into.upload, into.waiting_bytes, into.stored, into.tip)
    with pytest.raises(ClarityError) as caught:
        into.check(one, checksum(one) if crc32c is None else crc32c)
    assert (into.upload, into.waiting_bytes, into.stored, into.tip) == before
    return caught.value


# ---- chunks ----------------------------------------------------------------------------------------------------------


def test_chunks_in_order_are_taken() -> None:
    into = intake()
    assert send(into, chunk(0, [1, 2])) is None
    assert send(into, chunk(2, [3])) is None
    assert into.upload.received == 3


def test_a_gap_names_both_samples() -> None:
    why = refused(intake(), chunk(5, [1]))
    assert isinstance(why, SequenceGap)
    assert why.facts == {"expected": "0", "received": "5"}


def test_a_wrong_checksum_names_the_chunk() -> None:
    one = chunk(0, [1, 2])
    why = refused(intake(), one, checksum(one) ^ 1)
    assert isinstance(why, ChunkCorrupt)
    assert why.facts == {"first_sample": "0"}


def test_the_checksum_covers_the_offsets() -> None:
    one, other = chunk(0, [1, 2], [0, 5]), chunk(0, [1, 2], [0, 6])
    assert isinstance(refused(intake(IRREGULAR), one, checksum(other)), ChunkCorrupt)


def test_the_largest_chunk_passes_and_one_sample_more_does_not() -> None:
    largest = chunk(0, [0.0] * (CHUNK_BYTES_MAX // 4))
    assert send(intake(), largest) is None
    why = refused(intake(), chunk(0, [0.0] * (CHUNK_BYTES_MAX // 4 + 1)))
    assert isinstance(why, ChunkTooLarge)
    assert why.facts == {"size": str(CHUNK_BYTES_MAX + 4), "limit": str(CHUNK_BYTES_MAX)}


def test_the_size_is_judged_before_anything_is_worked_out() -> None:
    too_large = chunk(0, [0.0] * (CHUNK_BYTES_MAX // 4 + 1))
    assert isinstance(refused(intake(), too_large, crc32c=0), ChunkTooLarge)


@pytest.mark.parametrize("values", [b"", b"\0", b"\0" * 5, b"\0" * 11])
def test_an_empty_chunk_and_part_of_a_sample_are_malformed(values: bytes) -> None:
    assert isinstance(refused(intake(replace(HEART, channels=3)), Chunk(0, values)), ChunkMalformed)


@pytest.mark.parametrize("values", [INFINITY, float32([float("-inf")]), STRANGE_NAN, b"\0\0\xc0\xff"])
def test_infinities_and_strange_nans_are_refused_with_their_sample(values: bytes) -> None:
    why = refused(intake(), Chunk(0, float32([1, 2]) + values))
    assert isinstance(why, ValueNotFinite)
    assert why.facts == {"sample": "2"}


def test_no_value_is_taken() -> None:
    assert send(intake(), chunk(0, [float("nan")])) is None
    shorts = replace(HEART, encoding=Encoding.INT16, scale=0.5)
    assert send(intake(shorts), Chunk(0, np.array([-32768], dtype="<i2").tobytes())) is None


def test_a_recording_lasts_ten_years_at_most() -> None:
    """Else one chunk of a day's period would be cut into as many segments as it has samples."""
    yearly = replace(HEART, period_ms=DAY_MS)
    last = OFFSET_MS_MAX // DAY_MS
    into = intake(yearly)
    assert send(into, chunk(0, [0.0] * (last + 1))) is None
    why = refused(into, chunk(last + 1, [0.0]))
    assert isinstance(why, ChunkMalformed)
    assert "ten years" in str(why)


# ---- offsets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "offsets",
    [
        None,
        [],
        [0],
        [0, 1, 2],
        [0, 0],
        [5, 4],
        [-1, 4],
        [0, OFFSET_MS_MAX + 1],
    ],
)
def test_offsets_must_be_one_a_sample_and_rise(offsets: list[int] | None) -> None:
    assert isinstance(refused(intake(IRREGULAR), chunk(0, [1, 2], offsets)), ChunkMalformed)


def test_a_regular_series_takes_no_offsets() -> None:
    assert isinstance(refused(intake(), chunk(0, [1, 2], [0, 1000])), ChunkMalformed)


@pytest.mark.parametrize("next_offset", [4, 9])
def test_offsets_rise_from_one_chunk_to_the_next(next_offset: int) -> None:
    into = intake(IRREGULAR)
    send(into, chunk(0, [1, 2], [0, 9]))
    assert isinstance(refused(into, chunk(2, [3], [next_offset])), ChunkMalformed)
    assert send(into, chunk(2, [3], [10])) is None


def test_offsets_rise_from_what_is_committed() -> None:
    into = intake(IRREGULAR, 2, last_offset_ms=9)
    assert isinstance(refused(into, chunk(2, [3], [9])), ChunkMalformed)
    assert send(into, chunk(2, [3], [10])) is None


# ---- what comes again ------------------------------------------------------------------------------------------------


def test_what_comes_again_unaltered_is_taken_once() -> None:
    into = intake()
    send(into, chunk(0, [1, 2, 3]))
    assert send(into, chunk(1, [2, 3, 4])) is None
    batch = into.batch()
    assert batch is not None
    assert b"".join(one.values for one in batch.chunks) == float32([1, 2, 3, 4])


def test_what_comes_again_altered_is_a_conflict_at_the_sample() -> None:
    into = intake()
    for first in range(0, 30, 3):
        send(into, chunk(first, [first, first + 1, first + 2]))
    why = refused(into, chunk(9, [9, 10, 11, 12, 99, 14]))
    assert isinstance(why, ContentConflict)
    assert why.facts == {"first_sample": "13"}


def test_other_offsets_under_the_same_values_are_a_conflict_at_the_sample() -> None:
    into = intake(IRREGULAR)
    send(into, chunk(0, [1, 2, 3], [0, 5, 9]))
    why = refused(into, chunk(0, [1, 2, 3, 4], [0, 6, 9, 10]))
    assert isinstance(why, ContentConflict)
    assert why.facts == {"first_sample": "1"}


def test_minus_zero_is_not_zero() -> None:
    """Bit for bit: a digest would tell them apart."""
    into = intake()
    send(into, chunk(0, [0.0]))
    assert isinstance(refused(into, chunk(0, [-0.0])), ContentConflict)


def test_what_is_committed_already_is_left_to_the_store_to_compare() -> None:
    into = intake(committed=10)
    assert send(into, chunk(4, [4, 5])) == chunk(4, [4, 5])
    assert send(into, chunk(8, [8, 9, 10, 11])) == chunk(8, [8, 9])
    assert into.upload.received == 12
    assert send(into, chunk(9, [9, 10, 11])) == chunk(9, [9])


def test_what_is_in_batches_that_are_being_written_is_compared_in_memory() -> None:
    into = intake()
    send(into, chunk(0, [1, 2]))
    into.batch()
    send(into, chunk(2, [3, 4]))
    assert isinstance(refused(into, chunk(0, [1, 9])), ContentConflict)
    assert send(into, chunk(0, [1, 2, 3, 4])) is None


def test_a_finished_upload_compares_and_takes_nothing_new() -> None:
    into = intake(committed=3, receipt=Receipt(3, 3, 0, b"", 0, 0))
    assert send(into, chunk(0, [1, 2, 3])) == chunk(0, [1, 2, 3])
    assert isinstance(refused(into, chunk(2, [3, 4])), UploadFinished)


sent_chunks = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10), st.booleans()), max_size=25)


@settings(max_examples=500, deadline=None)
@given(sent_chunks, st.data())
def test_batches_hand_out_every_sample_once_and_in_order_whatever_comes_again(
    plan: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    into, handed = intake(), b""
    for first, count, take_batch in plan:
        first = min(first, into.upload.received)  # noqa: PLW2901  no gaps here
        send(into, chunk(first, [float(one) for one in range(first, first + count)]))
        if take_batch and (batch := into.batch()) is not None:
            handed += b"".join(one.values for one in batch.chunks)
            if data.draw(st.booleans()):
                committed(into, batch)
            else:
                break
    while (batch := into.batch()) is not None:
        handed += b"".join(one.values for one in batch.chunks)
    assert handed == float32([float(one) for one in range(into.upload.received)])


# ---- moves of the clock ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [Start(StartKind.FLOATING, 0), Start(StartKind.ZONE, 0, time_zone="Europe/Berlin")])
def test_a_floating_recording_and_one_with_a_zone_have_no_moves(start: Start) -> None:
    with pytest.raises(InvalidInput) as caught:
        intake(replace(HEART, start=start)).move_clock(0, 3600)
    assert set(caught.value.violations) == {"offset_change"}


def test_a_move_comes_with_the_batch_of_its_sample() -> None:
    into = intake(MOVING)
    send(into, chunk(0, [1, 2]))
    into.move_clock(2, 7200)
    first = into.batch()
    send(into, chunk(2, [3]))
    second = into.batch()
    assert first is not None
    assert second is not None
    assert first.changes == ()
    assert [(one.first_sample, one.utc_offset_s) for one in second.changes] == [(2, 7200)]


def test_a_late_move_is_refused_with_the_count() -> None:
    into = intake(MOVING)
    send(into, chunk(0, [1, 2]))
    with pytest.raises(InvalidInput) as caught:
        into.move_clock(1, 7200)
    assert "2 received" in caught.value.violations["offset_change.first_sample"]


def test_moves_come_in_order() -> None:
    into = intake(MOVING)
    into.move_clock(9, 7200)
    with pytest.raises(InvalidInput):
        into.move_clock(5, 0)


@pytest.mark.parametrize("handed", [False, True])
@pytest.mark.parametrize("prepared", [False, True])
def test_a_known_move_may_come_again_at_any_time(handed: bool, prepared: bool) -> None:
    """Also while its batch is with the disk: a client that repeats itself must not depend on the moment."""
    into = intake(MOVING)
    into.move_clock(0, 7200)
    send(into, chunk(0, [1, 2]))
    batch = into.batch() if handed else None
    if batch is not None and prepared:
        committed(into, batch)
    into.move_clock(0, 7200)
    with pytest.raises(UploadMismatch) as caught:
        into.move_clock(0, 0)
    assert caught.value.facts == {"field": "offset_change"}


def test_a_committed_move_may_come_again_unaltered_and_not_altered() -> None:
    into = intake(MOVING, 5, offset_changes=(OffsetChange(2, 7200, 2000),))
    into.move_clock(2, 7200)
    with pytest.raises(UploadMismatch):
        into.move_clock(2, 0)
    send(into, chunk(5, [6]))
    batch = into.batch()
    assert batch is not None
    assert batch.changes == ()


def test_an_upload_has_so_many_moves_and_not_more() -> None:
    into = intake(MOVING)
    for sample in range(OFFSET_CHANGES_MAX):
        into.move_clock(sample, 60 * (sample % 2))
    with pytest.raises(InvalidInput, match="at most"):
        into.move_clock(OFFSET_CHANGES_MAX, 0)


def test_a_finished_upload_takes_no_moves_but_those_it_knows() -> None:
    known = (OffsetChange(2, 7200, 2000),)
    into = intake(MOVING, 5, offset_changes=known, receipt=Receipt(5, 5, 0, b"", 0, 0))
    into.move_clock(2, 7200)
    with pytest.raises(UploadFinished):
        into.move_clock(5, 0)


# ---- batches and memory ----------------------------------------------------------------------------------------------


def test_nothing_waiting_is_no_batch() -> None:
    into = intake()
    assert into.batch() is None
    send(into, chunk(0, [1]))
    assert into.batch() is not None
    assert into.batch() is None


def test_a_batch_is_at_most_a_mebibyte_of_whole_chunks() -> None:
    into, size = intake(), 100 * 1024
    for index in range(25):
        send(into, chunk(index * size // 4, [0.0] * (size // 4)))
    sizes = []
    while (batch := into.batch()) is not None:
        sizes.append(sum(len(one.values) for one in batch.chunks))
    assert sizes == [10 * size, 10 * size, 5 * size]
    assert max(sizes) <= BATCH_BYTES_MAX


def test_the_offsets_count_for_a_batch_as_the_values_do() -> None:
    into = intake(replace(IRREGULAR, encoding=Encoding.INT16, scale=1.0))
    samples = CHUNK_BYTES_MAX // 2
    for index in range(3):
        offsets = np.arange(index * samples, (index + 1) * samples, dtype=np.int64)
        send(into, Chunk(index * samples, bytes(CHUNK_BYTES_MAX), offsets))
    batch = into.batch()
    assert batch is not None
    assert len(batch.chunks) == 1


def test_waiting_bytes_are_those_of_what_is_received_and_not_committed() -> None:
    into = intake(IRREGULAR)
    first, again = chunk(0, [1, 2], [0, 1]), chunk(1, [2, 3], [1, 2])
    sizes = []
    for one in (first, again, first):
        into.check(one, checksum(one))
        sizes.append(into.fresh_bytes(one))
        into.take(one)
    assert sizes == [2 * 12 + CHUNK_COST_BYTES, 12 + CHUNK_COST_BYTES, 0]
    assert into.waiting_bytes == sum(sizes)
    batch = into.batch()
    assert batch is not None
    committed(into, batch)
    assert into.waiting_bytes == 0


def test_chunks_of_one_sample_wait_for_more_than_their_bytes() -> None:
    """The memory of a stream is bounded by these figures, and a sample of two bytes takes some hundred."""
    into = intake()
    for sample in range(1000):
        send(into, chunk(sample, [0.0]))
    assert into.waiting_bytes >= 1000 * CHUNK_COST_BYTES


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(1, 50_000), min_size=1, max_size=12), st.lists(st.booleans(), max_size=30))
def test_with_batches_written_behind_the_count_of_bytes_never_drifts(sizes: list[int], turns: list[bool]) -> None:
    """As a stream does it: one batch being written, the next one already handed out."""
    into, bounds = intake(), np.cumsum([0, *sizes]).tolist()
    ahead: list[Batch] = []
    for (low, high), turn in zip(pairwise(bounds), [*turns, *[False] * len(sizes)], strict=False):
        send(into, chunk(low, [0.0] * (high - low)))
        if turn and (batch := into.batch()) is not None:
            ahead.append(batch)
        if len(ahead) > 1:
            committed(into, ahead.pop(0))
    while (batch := into.batch()) is not None:
        ahead.append(batch)
    for batch in ahead:
        committed(into, batch)
    assert into.waiting_bytes == 0
    assert into.stored.committed == into.tip.committed == into.upload.committed == into.upload.received
