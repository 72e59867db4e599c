"""Every acknowledged sample survives, once; store, receipt and results end as those of a clean run."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clarity_server.domain.civil import DAY_MS, EPOCH_DATE, MINUTE_MS, Start, StartKind
from clarity_server.domain.errors import (
    ChunkCorrupt,
    ChunkTooLarge,
    ContentConflict,
    DigestMismatch,
    InvalidInput,
    MetricNotStreamable,
    MetricUnknown,
    SequenceGap,
    StoreDamaged,
    TotalMismatch,
    UploadFinished,
    UploadMismatch,
    UploadNotFound,
    UploadTakenOver,
    ValueNotFinite,
)
from clarity_server.domain.series import SCALE_MAX, Append, Chunk, Descriptor, Encoding, Segment, Source
from clarity_server.flows.ingest import Ingest, _regular_runs
from clarity_server.ports import Series
from tests.flows.upload_world import (
    ACCOUNT,
    COUNTS,
    HEART,
    WRIST,
    Hand,
    Recording,
    UploadWorld,
    float32,
    fresh_account,
)
from tests.strategies import counts

MOVING = replace(COUNTS, start=Start(StartKind.OFFSET, 20_000 * DAY_MS, utc_offset_s=3600))
IRREGULAR = replace(HEART, period_ms=None)


def heart(samples: int, upload_id: str = "heart", descriptor: Descriptor = HEART) -> Recording:
    return Recording(upload_id, descriptor, float32(np.arange(samples * descriptor.channels, dtype=np.float32) + 50))


def actigraph(samples: int, upload_id: str = "counts", descriptor: Descriptor = COUNTS, seed: int = 1) -> Recording:
    return Recording(upload_id, descriptor, float32(counts(seed, samples)))


# ---- opening ---------------------------------------------------------------------------------------------------------


def test_a_new_upload_begins_at_nothing(uploads: UploadWorld) -> None:
    stored = uploads.open(heart(5)).intake.stored
    assert (stored.committed, stored.epoch, stored.crc32c, stored.result_count) == (0, 1, 0, 0)


def test_opening_again_goes_on_where_the_store_stands(uploads: UploadWorld) -> None:
    hand = uploads.open(heart(100))
    hand.send_range(0, 60)
    hand.commit()
    hand.send_range(60, 80)
    again = uploads.open(heart(100)).intake
    assert (again.stored.committed, again.upload.received, again.stored.epoch) == (60, 60, 2)
    assert again.stored.crc32c == hand.intake.stored.crc32c


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("metric", replace(HEART, metric="step_count")),
        ("source", replace(HEART, source=Source("wrist"))),
        ("start", replace(HEART, start=Start(StartKind.INSTANT, 0))),
        ("period_ms", replace(HEART, period_ms=None)),
        ("encoding", replace(HEART, encoding=Encoding.INT16)),
        ("scale", replace(HEART, scale=0.25)),
        ("channels", replace(HEART, channels=2)),
        ("revision", replace(HEART, revision=1)),
    ],
)
def test_another_descriptor_under_an_id_is_refused_by_its_field(
    uploads: UploadWorld, field: str, other: Descriptor
) -> None:
    before = uploads.upload(heart(5), finish=False).intake.stored
    with pytest.raises(UploadMismatch) as caught:
        uploads.ingest.open(ACCOUNT, "heart", other)
    assert caught.value.facts == {"field": field}
    assert uploads.stored("heart") == before  # not even the epoch: whoever is streaming goes on


@pytest.mark.parametrize(
    ("descriptor", "field"),
    [
        (replace(COUNTS, period_ms=30_000), "series.period"),
        (replace(COUNTS, period_ms=None), "series.period"),
        (replace(COUNTS, channels=3), "series.channels"),
        (replace(HEART, encoding=Encoding.INT16, scale=SCALE_MAX * 1.01), "series.scale"),
    ],
)
def test_what_the_metric_does_not_allow_is_refused(uploads: UploadWorld, descriptor: Descriptor, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        uploads.ingest.open(ACCOUNT, "u", descriptor)
    assert set(caught.value.violations) == {field}
    with pytest.raises(UploadNotFound):
        uploads.stored("u")


def test_an_unknown_metric_and_a_category_are_refused(uploads: UploadWorld) -> None:
    with pytest.raises(MetricUnknown):
        uploads.ingest.open(ACCOUNT, "u", replace(HEART, metric="hart_rate"))
    with pytest.raises(MetricNotStreamable):
        uploads.ingest.open(ACCOUNT, "u", replace(HEART, metric="sleep_stage"))


def test_the_same_id_of_another_account_is_another_upload(uploads: UploadWorld) -> None:
    other = fresh_account(uploads)
    uploads.upload(heart(100))
    with pytest.raises(UploadNotFound):
        uploads.stored("heart", other)
    uploads.upload(heart(30, descriptor=replace(HEART, period_ms=2000)), other)
    assert uploads.stored("heart").committed == 100
    assert uploads.stored("heart", other).committed == 30
    assert uploads.content("heart", other)[0] == heart(30).values


# ---- what is stored --------------------------------------------------------------------------------------------------

RECORDINGS = [
    heart(5000),
    heart(1200, "wide", replace(HEART, channels=3)),
    heart(200, "hourly", replace(HEART, period_ms=3600 * 1000, start=Start(StartKind.OFFSET, 1 - 5 * DAY_MS, 19_800))),
    heart(40, "daily", replace(HEART, period_ms=DAY_MS)),
    Recording(
        "shorts",
        replace(HEART, encoding=Encoding.INT16, scale=0.25, channels=2),
        np.arange(-3000, 3000, dtype="<i2").tobytes(),
    ),
    Recording("offsets", IRREGULAR, float32(range(900)), np.cumsum(np.arange(900) * 997 + 1)),
    Recording(
        "odd", HEART, np.random.default_rng(2).bytes(4 * 4000).replace(b"\x7f", b"\x00").replace(b"\xff", b"\x01")
    ),
    actigraph(4000),
    Recording("moves", MOVING, float32(counts(3, 3000)), moves=((0, 7200), (700, -18_000), (1500, 3600))),
]


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda one: one.upload_id)
@pytest.mark.parametrize("step", [1, 60, 100_000])
def test_what_was_sent_is_stored_bit_for_bit_whatever_the_chunks(
    uploads: UploadWorld, recording: Recording, step: int
) -> None:
    if step == 1:
        short = recording.count // 10 or 1
        offsets = None if recording.offsets_ms is None else recording.offsets_ms[:short]
        values = recording.values[: short * recording.descriptor.sample_bytes]
        recording = replace(recording, values=values, offsets_ms=offsets)
    most = max(1, 250_000 // recording.descriptor.sample_bytes)
    hand = uploads.upload(recording, step=min(step, most))
    values, offsets_ms = uploads.content(recording.upload_id)
    assert values == recording.values
    assert offsets_ms == ([] if recording.offsets_ms is None else recording.offsets_ms.tolist())
    receipt = hand.intake.stored.receipt
    assert receipt is not None
    assert receipt.sha256 == recording.sha256
    assert receipt.total_samples == recording.count == receipt.value_samples + receipt.missing_samples


def test_missing_samples_are_counted(uploads: UploadWorld) -> None:
    nan = float("nan")
    wide = Recording("wide", replace(HEART, channels=2), float32([nan, nan, 1, nan, nan, nan]))
    receipt = uploads.upload(wide, step=2).intake.stored.receipt
    assert receipt is not None
    assert (receipt.total_samples, receipt.value_samples, receipt.missing_samples) == (3, 1, 2)


def test_the_crc_of_the_committed_prefix_is_that_of_its_bytes(uploads: UploadWorld) -> None:
    whole = uploads.upload(heart(100, "whole"), step=100, finish=False).intake.stored
    parts = uploads.upload(heart(100, "parts"), step=7, finish=False).intake.stored
    assert whole.crc32c == parts.crc32c != 0


def test_segments_never_cross_a_storage_day_and_lie_where_their_samples_do(uploads: UploadWorld) -> None:
    for recording in RECORDINGS:
        uploads.upload(recording, step=500)
        for segment in uploads.store.series.segments(ACCOUNT, recording.upload_id, 0, 1 << 60):
            first, last = segment.start_ms // DAY_MS, (segment.end_ms - 1) // DAY_MS
            period = recording.descriptor.period_ms
            assert segment.day == first
            if period is None:
                assert last == first
            else:  # the last sample may last beyond the day; it begins in it
                assert (segment.end_ms - period) // DAY_MS == first
                assert segment.end_ms - segment.start_ms == segment.count * period


@settings(max_examples=300)
@given(st.integers(-(10**12), 10**12), st.integers(1, DAY_MS), st.integers(1, 400))
def test_a_batch_is_cut_where_storage_days_begin_also_before_1970(start_ms: int, period_ms: int, count: int) -> None:
    runs = list(_regular_runs(start_ms, period_ms, count))
    days = [(start_ms + sample * period_ms) // DAY_MS for sample in range(count)]
    assert [sample for low, high, _, _ in runs for sample in range(low, high)] == list(range(count))
    assert [len(set(days[low:high])) for low, high, _, _ in runs] == [1] * len(runs)
    assert len(runs) == len(set(days))


def test_results_are_waited_for_by_a_worker_that_is_woken(uploads: UploadWorld) -> None:
    uploads.upload(heart(5), finish=False)
    assert not uploads.woken
    uploads.upload(actigraph(5), finish=False)
    assert uploads.woken


# ---- what comes again ------------------------------------------------------------------------------------------------


def test_what_comes_again_is_compared_with_the_store_and_stored_once(uploads: UploadWorld) -> None:
    recording = heart(3000)
    uploads.upload(recording, step=233, finish=False)
    hand = uploads.open(recording)
    hand.send_range(0, 3000)
    hand.send_range(1234, 1235)
    assert hand.prepare() is None
    assert uploads.content("heart")[0] == recording.values


@pytest.mark.parametrize("at", [0, 698, 699, 1500, 2999])
def test_another_content_than_the_store_has_is_a_conflict_at_its_sample(uploads: UploadWorld, at: int) -> None:
    recording = heart(3000)
    uploads.upload(recording, step=233, finish=False)
    altered = bytearray(recording.values)
    altered[4 * at] ^= 1
    hand = uploads.open(recording)
    with pytest.raises(ContentConflict) as caught:
        hand.send(Chunk(0, bytes(altered)))
    assert caught.value.facts == {"first_sample": str(at)}
    assert uploads.content("heart")[0] == recording.values


def test_another_content_is_found_in_the_part_that_waits_and_in_the_part_that_is_stored(uploads: UploadWorld) -> None:
    recording = heart(300)
    hand = uploads.open(recording)
    hand.send_range(0, 100)
    hand.commit()
    hand.send_range(100, 200)
    for at in (50, 150):
        altered = bytearray(recording.values)
        altered[4 * at + 3] ^= 0x80
        with pytest.raises(ContentConflict) as caught:
            hand.send(Chunk(0, bytes(altered)))
        assert caught.value.facts == {"first_sample": str(at)}
    hand.send_range(0, 300)
    hand.commit()
    assert uploads.content("heart")[0] == recording.values


def test_other_offsets_than_the_store_has_are_a_conflict(uploads: UploadWorld) -> None:
    recording = Recording("offsets", IRREGULAR, float32(range(5)), np.array([0, 5, 9, 13, 20]))
    uploads.upload(recording, finish=False)
    assert recording.offsets_ms is not None
    moved = replace(recording, offsets_ms=recording.offsets_ms + np.array([0, 0, 1, 0, 0]))
    with pytest.raises(ContentConflict) as caught:
        uploads.open(recording).send(moved.chunk(0, 5))
    assert caught.value.facts == {"first_sample": "2"}


@pytest.mark.parametrize("lost", [0, 900, 2700])
def test_what_the_store_has_lost_is_not_taken_for_verified(uploads: UploadWorld, lost: int) -> None:
    """Else a client would drop its buffer although nobody has the samples."""
    recording = heart(3000)
    uploads.upload(recording, step=300, finish=False)
    uploads.store.database.write(
        lambda connection: connection.execute("DELETE FROM segments WHERE first_sample = ?", (lost,)).close()
    )
    with pytest.raises(StoreDamaged) as caught:
        uploads.open(recording).send_range(0, 3000)
    assert caught.value.facts["piece"].endswith(f"|heart|{lost}")


@pytest.mark.parametrize(
    ("chunk", "why"),
    [
        (heart(100).chunk(40, 60), SequenceGap),
        (Chunk(10, b"\0" * (256 * 1024 + 4)), ChunkTooLarge),
        (Chunk(10, float32([float("inf")])), ValueNotFinite),
    ],
)
def test_what_is_refused_leaves_the_upload_resumable(uploads: UploadWorld, chunk: Chunk, why: type[Exception]) -> None:
    hand = uploads.open(heart(100))
    hand.send_range(0, 10)
    with pytest.raises(why):
        hand.send(chunk)
    with pytest.raises(ChunkCorrupt):
        hand.send(heart(100).chunk(10, 20), crc32c=1)
    hand.send_all(30)
    hand.commit()
    assert hand.finish().receipt is not None


# ---- moves of the clock ----------------------------------------------------------------------------------------------


def test_moves_are_stored_with_when_they_took_place(uploads: UploadWorld) -> None:
    uploads.upload(Recording("moves", MOVING, float32(counts(3, 300)), moves=((0, 7200), (70, -18_000))), step=50)
    assert [(one.first_sample, one.utc_offset_s, one.elapsed_ms) for one in uploads.stored("moves").offset_changes] == [
        (0, 7200, 0),
        (70, -18_000, 70 * MINUTE_MS),
    ]


def test_a_move_in_an_irregular_series_takes_place_at_its_samples_offset(uploads: UploadWorld) -> None:
    descriptor = replace(IRREGULAR, start=Start(StartKind.INSTANT, 0))
    recording = Recording("r", descriptor, float32(range(6)), np.array([0, 5, 9, 1000, 1001, 5000]), moves=((4, 3600),))
    for step in (1, 3, 6):
        one = replace(recording, upload_id=f"r{step}")
        uploads.upload(one, step=step)
        assert uploads.stored(one.upload_id).offset_changes[0].elapsed_ms == 1001


def test_a_move_that_waits_for_its_sample_is_not_stored(uploads: UploadWorld) -> None:
    """After a resume the client repeats it, as the contract says."""
    hand = uploads.open(actigraph(100, descriptor=MOVING))
    hand.send_range(0, 50)
    hand.intake.move_clock(50, 7200)
    hand.commit()
    assert uploads.stored("counts").offset_changes == ()


def test_known_moves_may_come_again_after_a_resume_and_altered_ones_not(uploads: UploadWorld) -> None:
    recording = Recording("moves", MOVING, float32(counts(3, 300)), moves=((0, 7200), (70, -18_000)))
    uploads.upload(recording, step=50, finish=False)
    hand = uploads.open(recording)
    hand.send_range(0, 300)  # with its moves
    with pytest.raises(UploadMismatch):
        hand.intake.move_clock(70, 0)
    with pytest.raises(InvalidInput):
        hand.intake.move_clock(71, 0)


# ---- taking over -----------------------------------------------------------------------------------------------------


def test_the_older_stream_of_an_upload_cannot_commit(uploads: UploadWorld) -> None:
    recording = heart(100)
    older = uploads.open(recording)
    older.send_range(0, 50)
    newer = uploads.open(recording)
    with pytest.raises(UploadTakenOver):
        older.commit()
    newer.send_all(30)
    newer.commit()
    newer.finish()
    assert uploads.content("heart")[0] == recording.values


def test_the_older_stream_cannot_finish_with_what_it_knew(uploads: UploadWorld) -> None:
    """The newer one has committed more: closing the upload at the older count would lose it."""
    recording = heart(100)
    older = uploads.open(recording)
    older.send_range(0, 50)
    older.commit()
    newer = uploads.open(recording)
    newer.send_all(30)
    newer.commit()
    first_half = replace(recording, values=recording.values[: 50 * 4])
    with pytest.raises(UploadTakenOver):
        Hand(uploads, first_half, older.intake).finish()
    newer.finish()
    with pytest.raises(UploadTakenOver):  # nor be answered with the newer one's receipt, which is not of its samples
        Hand(uploads, first_half, older.intake).finish()


def test_two_streams_that_finish_the_same_get_the_same_receipt(uploads: UploadWorld) -> None:
    recording = heart(100)
    older = uploads.upload(recording, finish=False)
    newer = uploads.open(recording)
    assert newer.finish().receipt == older.finish().receipt


# ---- finishing -------------------------------------------------------------------------------------------------------


def test_a_wrong_total_leaves_the_upload_open(uploads: UploadWorld) -> None:
    hand = uploads.upload(heart(100), finish=False)
    for total in (99, 101):
        with pytest.raises(TotalMismatch) as caught:
            uploads.ingest.finish(ACCOUNT, hand.intake.stored, total, heart(100).sha256)
        assert caught.value.facts == {"expected": "100", "received": str(total)}
    assert hand.finish().receipt is not None


def test_a_wrong_sha256_leaves_the_upload_open(uploads: UploadWorld) -> None:
    hand = uploads.upload(heart(100), finish=False)
    with pytest.raises(DigestMismatch):
        uploads.ingest.finish(ACCOUNT, hand.intake.stored, 100, heart(101).sha256)
    assert uploads.stored("heart").receipt is None
    assert hand.finish().receipt is not None


def test_finishing_again_answers_the_same_and_other_figures_are_refused(uploads: UploadWorld) -> None:
    finished = uploads.upload(actigraph(3000)).intake.stored
    again = uploads.stored("counts")
    assert again.receipt == finished.receipt
    changes = uploads.store.series.change_count(ACCOUNT)
    assert uploads.ingest.finish(ACCOUNT, again, 3000, actigraph(3000).sha256) == again
    assert uploads.store.series.change_count(ACCOUNT) == changes
    with pytest.raises(TotalMismatch):
        uploads.ingest.finish(ACCOUNT, again, 2999, actigraph(3000).sha256)
    with pytest.raises(DigestMismatch):
        uploads.ingest.finish(ACCOUNT, again, 3000, b"\0" * 32)


def test_a_finished_upload_compares_what_comes_again_and_takes_nothing_more(uploads: UploadWorld) -> None:
    uploads.upload(heart(100))
    hand = uploads.open(heart(200))
    assert hand.intake.upload.finished
    hand.send_range(0, 100)
    with pytest.raises(UploadFinished):
        hand.send_range(100, 101)
    with pytest.raises(ContentConflict):
        hand.send(Chunk(0, float32([1.0])))
    with pytest.raises(UploadFinished):
        Hand(uploads, heart(200), uploads.open(heart(200)).intake).send_range(50, 150)


@dataclass(frozen=True)
class _Tampered:
    """A store that gives back other bytes under the same keys: what a damaged disk does."""

    series: Series
    drop: int

    def segments(self, account_id: str, upload_id: str, first_sample: int, end_sample: int) -> "list[Segment]":
        found = list(self.series.segments(account_id, upload_id, first_sample, end_sample))
        return found[: self.drop] + found[self.drop + 1 :]


@pytest.mark.parametrize("drop", [0, 1, 2])
def test_a_missing_piece_is_damage_and_not_a_wrong_digest(uploads: UploadWorld, drop: int) -> None:
    hand = uploads.upload(heart(3000), step=300, finish=False)
    series = _Tampered(uploads.store.series, drop)
    store = uploads.store
    ingest = Ingest(series, store.analyses, store.windows, store.keys, lambda: None)  # type: ignore[arg-type]
    with pytest.raises(StoreDamaged):
        ingest.finish(ACCOUNT, hand.intake.stored, 3000, heart(3000).sha256)


def test_a_damaged_piece_is_named(uploads: UploadWorld) -> None:
    hand = uploads.upload(heart(3000), finish=False)
    uploads.store.database.write(
        lambda connection: connection.execute("UPDATE segments SET body = zeroblob(length(body))").close()
    )
    with pytest.raises(StoreDamaged) as caught:
        hand.finish()
    assert "|heart|0|" in caught.value.facts["piece"]


# ---- progress --------------------------------------------------------------------------------------------------------


def test_a_metric_without_days_is_analysed_as_it_is_committed(uploads: UploadWorld) -> None:
    hand = uploads.open(heart(100))
    hand.send_range(0, 40)
    hand.commit()
    hand.send_range(40, 50)
    progress = uploads.ingest.progress(ACCOUNT, hand.intake.stored, hand.received)
    assert (progress.received, progress.committed, progress.analysed) == (50, 40, 40)


def test_analysed_samples_follow_the_results(uploads: UploadWorld) -> None:
    hand = uploads.upload(
        actigraph(4000, descriptor=replace(COUNTS, start=Start(StartKind.FLOATING, DAY_MS // 2))), finish=False
    )

    def analysed() -> int:
        return uploads.ingest.progress(ACCOUNT, uploads.stored("counts"), 4000).analysed

    assert analysed() == 0
    uploads.derive()
    assert analysed() == 720 + 2 * 1440  # the third day is over, and its context is there
    hand.finish()
    assert analysed() == 720 + 2 * 1440
    uploads.derive()
    assert analysed() == 4000


def test_a_finished_recording_without_days_is_all_analysed(uploads: UploadWorld) -> None:
    uploads.upload(actigraph(3000, descriptor=replace(COUNTS, start=Start(StartKind.INSTANT, 0))))
    stored = uploads.stored("counts")
    assert stored.result_count == 0
    assert uploads.ingest.progress(ACCOUNT, stored, 3000).analysed == 3000


# ---- touched days ----------------------------------------------------------------------------------------------------


def test_a_commit_touches_the_days_it_may_bear_on_and_no_other(uploads: UploadWorld) -> None:
    """Its storage day and those around it: by its context, or by the clock of another upload of the source."""
    hand = uploads.open(actigraph(2000, descriptor=replace(COUNTS, start=Start(StartKind.FLOATING, 5 * DAY_MS))))
    hand.send_range(0, 60)
    append = hand.prepare()
    assert append is not None
    assert append.touched_days == (4, 5, 6, 7)


def test_samples_without_a_civil_time_touch_nothing_until_an_offset_is_told(uploads: UploadWorld) -> None:
    hand = uploads.open(actigraph(3000, descriptor=replace(COUNTS, start=Start(StartKind.INSTANT, 5 * DAY_MS))))
    hand.send_range(0, 60)
    first = hand.prepare()
    hand.intake.move_clock(1500, 0)
    hand.send_range(60, 3000)
    second = hand.prepare()
    assert first is not None
    assert second is not None
    assert first.touched_days == ()
    assert second.touched_days == (5, 6, 7, 8, 9)  # from the first known sample on, on day 6


def test_finishing_touches_the_days_it_closes(uploads: UploadWorld) -> None:
    """They are closed now, and their Days say so."""
    uploads.upload(actigraph(2000), finish=False)
    uploads.derive()
    assert [day.closed for day in uploads.days()] == [True, False]
    uploads.open(actigraph(2000)).finish()
    assert [day.closed for day in uploads.days()] == [True, True]


# ---- any plan ends as a clean run ------------------------------------------------------------------------------------

STEPS = st.one_of(
    st.tuples(st.just("send"), st.integers(1, 900), st.just(0)),
    st.tuples(st.just("send"), st.integers(1, 900), st.just(0)),
    st.tuples(st.just("again"), st.integers(1, 900), st.integers(0, 3000)),
    st.tuples(st.just("altered"), st.integers(1, 50), st.integers(0, 3000)),
    st.tuples(st.just("gap"), st.integers(1, 50), st.integers(1, 50)),
    st.tuples(st.just("prepare"), st.just(0), st.just(0)),
    st.tuples(st.just("write"), st.just(0), st.just(0)),
    st.tuples(st.just("crash"), st.just(0), st.just(0)),
    st.tuples(st.just("derive"), st.just(0), st.just(0)),
)


@dataclass
class Plan:
    """A client and a server in trouble, step by step, with writes going on behind."""

    world: UploadWorld
    recording: Recording
    account_id: str

    def run(self, steps: list[tuple[str, int, int]]) -> None:
        hand, writing = self.world.open(self.recording, self.account_id), list[Append]()
        for what, size, at in steps:
            if what == "prepare" and (append := hand.prepare()) is not None:
                writing.append(append)
            elif what == "write" and writing:
                hand.write(writing.pop(0))
            elif what == "crash":
                hand, writing = self.world.open(self.recording, self.account_id), []
            elif what == "derive":
                self.world.derive()
            else:
                self._say(hand, what, size, at)
        for append in writing:
            hand.write(append)
        hand.send_all(700)
        hand.commit()
        hand.finish()

    def _say(self, hand: Hand, what: str, size: int, at: int) -> None:
        received, count = hand.received, self.recording.count
        seen = min(at, received - 1)
        if what == "send" and received < count:
            hand.send_range(received, min(received + size, count))
        elif what == "again" and received:
            hand.send_range(seen, min(seen + size, count))
        elif what == "altered" and received:
            with pytest.raises(ContentConflict):
                hand.send(self._altered(seen, min(seen + size, count)))
        elif what == "gap" and received + at < count:
            with pytest.raises(SequenceGap):
                hand.send(self.recording.chunk(received + at, min(received + at + size, count)))

    def _altered(self, first: int, end: int) -> Chunk:
        chunk = self.recording.chunk(first, end)
        missing = chunk.values[:4] == float32([float("nan")])  # with another bit it would be refused as a NaN
        other = bytes(4) if missing else bytes([chunk.values[0] ^ 1, *chunk.values[1:4]])
        return replace(chunk, values=other + chunk.values[4:])

    def outcome(self) -> tuple[object, ...]:
        """Everything the client was promised: bytes, offsets, moves, receipt, results, days."""
        self.world.derive()
        upload_id = self.recording.upload_id
        stored = replace(self.world.stored(upload_id, self.account_id), epoch=0)
        results = self.world.results(upload_id, self.account_id)
        return (self.world.content(upload_id, self.account_id), stored, results, self.world.days(self.account_id))


def small(seed: int, kind: int, total: int) -> Recording:
    """A recording of up to two days of one of the kinds there are, near a midnight."""
    start = 19_800 * DAY_MS - 200 * MINUTE_MS + seed % 7 * 31_000
    moves = ((0, 7200), (total // 3, -12 * 3600), (total // 2, 14 * 3600)) if total > 6 else ()
    if kind == 0:
        return Recording("u", replace(COUNTS, start=Start(StartKind.FLOATING, start)), float32(counts(seed, total)))
    if kind == 1:
        berlin = Start(StartKind.ZONE, start, time_zone="Europe/Berlin")
        shorts = np.nan_to_num(counts(seed, total), nan=-32768).clip(-32768, 30_000).astype("<i2").tobytes()
        descriptor = replace(COUNTS, start=berlin, encoding=Encoding.INT16, scale=0.5)
        return Recording("u", descriptor, shorts)
    if kind == 2:
        descriptor = replace(COUNTS, start=Start(StartKind.OFFSET, start, utc_offset_s=3600))
        return Recording("u", descriptor, float32(counts(seed, total)), moves=moves)
    if kind == 3:
        descriptor = replace(COUNTS, start=Start(StartKind.INSTANT, start))
        return Recording("u", descriptor, float32(counts(seed, total)), moves=moves[1:])
    offsets = np.cumsum(np.random.default_rng(seed).integers(1, 90_000, total))
    descriptor = replace(IRREGULAR, channels=2, start=Start(StartKind.INSTANT, start), source=WRIST)
    return Recording("u", descriptor, float32(np.repeat(counts(seed, total), 2)), offsets, moves=moves[:2])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1000), st.integers(0, 4), st.integers(1, 3000), st.lists(STEPS, max_size=25))
def test_whatever_goes_wrong_on_the_way_the_end_is_that_of_a_clean_run(
    uploads: UploadWorld, seed: int, kind: int, total: int, steps: list[tuple[str, int, int]]
) -> None:
    recording = small(seed, kind, total)
    clean = Plan(uploads, recording, fresh_account(uploads))
    clean.run([])
    troubled = Plan(uploads, recording, fresh_account(uploads))
    troubled.run(steps)
    assert troubled.outcome() == clean.outcome()


def test_a_real_length_of_counts_in_hours_equals_one_in_bulk(uploads: UploadWorld) -> None:
    """The demo's 18,401 minutes of 1918, hour by hour with derivation in between, and in one go."""
    start = Start(StartKind.FLOATING, (date(1918, 1, 23) - EPOCH_DATE) // timedelta(milliseconds=1) + 838 * MINUTE_MS)
    recording = actigraph(18_401, descriptor=replace(COUNTS, start=start), seed=11)
    bulk, hourly = (Plan(uploads, recording, fresh_account(uploads)) for _ in range(2))
    bulk.run([])
    hand = uploads.open(recording, hourly.account_id)
    for first in range(0, recording.count, 60):
        hand.send_range(first, min(first + 60, recording.count))
        if first % 300 == 0:
            hand.commit()
        if first % 3000 == 0:
            uploads.derive()
    hand.commit()
    hand.finish()
    assert hourly.outcome() == bulk.outcome()
    assert len(uploads.results("counts", hourly.account_id)) == 14
