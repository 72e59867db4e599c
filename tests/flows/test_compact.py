"""Compaction changes no answer: not to readers, in derivations, to who sends again or finishes; nor does purging."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clarity_server.adapters.local.series import INLINE_BYTES_MAX
from clarity_server.domain.civil import DAY_MS, MINUTE_MS, Start, StartKind, TimeKind, TimeRange
from clarity_server.domain.errors import ContentConflict, TimeKindWrong
from clarity_server.domain.samples import Wanted
from clarity_server.domain.series import Encoding, Segment
from clarity_server.flows.compact import Compact
from clarity_server.flows.deleted import Deletions
from clarity_server.flows.grid import WINDOW_DAYS, Reels, Track, day_grid, window_grid
from clarity_server.flows.ingest import open_segment
from clarity_server.flows.read import Tally
from clarity_server.ports import Piece, Series
from tests.contracts.threads import at_once
from tests.flows.test_read import ALWAYS, recordings, samples
from tests.flows.upload_world import ACCOUNT, COUNTS, HEART, WRIST, Hand, Recording, UploadWorld, float32, fresh_account

T = TypeVar("T")

DAY = 19_812
BASE = DAY * DAY_MS


def compact(uploads: UploadWorld, bytes_max: int = 1 << 20) -> Compact:
    return Compact(uploads.store.series, uploads.store.keys, bytes_max)


def run_until_done(one: Compact) -> int:
    """Everything there is to do, part by part."""
    done = 0
    while part := one.run_due():
        done += part
    return done


def delete(uploads: UploadWorld, wanted: Wanted, account_id: str = ACCOUNT) -> None:
    verbs = Deletions(uploads.store.series, uploads.store.keys, lambda: None)
    verbs.carry_out(verbs.plan(account_id, wanted))


def segments(uploads: UploadWorld, upload_id: str, account_id: str = ACCOUNT) -> list[Segment]:
    return list(uploads.store.series.segments(account_id, upload_id, 0, 1 << 40))


def read(uploads: UploadWorld, account_id: str, metric: str) -> list[object]:
    """All that a metric's readers get, by either time."""
    found = list[object]()
    for kind in TimeKind:
        tally = Tally()
        try:
            blocks = list(uploads.read.blocks(account_id, metric, None, kind, *ALWAYS, tally))
            found.append((samples(blocks), tally.samples, tally.conflict_minutes))
        except TimeKindWrong as why:
            found.append(str(why))
    return found


def grids(uploads: UploadWorld, account_id: str, days: range) -> list[str]:
    """The minutes of all days and windows, of the source and as the upload `u` has them, now and at every change."""
    track, series = Track(account_id, COUNTS.metric, WRIST), uploads.store.series
    found = list[str]()
    for upto in (None, *range(1, series.change_count(account_id), 3)):
        for day in days:
            for make, length in ((day_grid, 1), (window_grid, WINDOW_DAYS)):
                wanted = range(day, day + length)
                parts = Reels(series, uploads.store.keys, [(track, wanted)]).parts(track, wanted, upto)
                made = [make(parts, day), make(parts, day, "u")]
                found += ["" if grid is None else grid.digest for grid in made]
    return found


# ---- any layout ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """How a recording came: in commits of so many samples, and whether it was finished."""

    recording: Recording
    step: int
    finish: bool


layouts = recordings().flatmap(
    lambda made: st.tuples(
        *(st.builds(Layout, st.just(one), st.sampled_from([1, 2, 7, 30]), st.booleans()) for one in made)
    )
)
ranges = st.builds(
    lambda kind, start, length: TimeRange(kind, BASE + start, BASE + start + length),
    st.sampled_from(list(TimeKind)),
    st.integers(-DAY_MS, 2 * DAY_MS),
    st.sampled_from([MINUTE_MS, DAY_MS // 5, 3 * DAY_MS]),
)


def commit_all(uploads: UploadWorld, layout: Layout, account_id: str) -> Hand:
    hand = uploads.open(layout.recording, account_id)
    while hand.received < layout.recording.count:
        hand.send_all(layout.step, chunks=1)
        hand.commit()
    if layout.finish:
        hand.finish()
    return hand


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layouts, st.lists(ranges, max_size=2), st.sampled_from([100, 1000, 1 << 20]))
def test_no_answer_changes_whatever_the_layout(
    uploads: UploadWorld, all_of_them: Sequence[Layout], deleted: list[TimeRange], bytes_max: int
) -> None:
    """Regular and irregular, either encoding, several channels, overlapping, deleted from, finished or not."""
    account_id = fresh_account(uploads)
    for layout in all_of_them:
        commit_all(uploads, layout, account_id)
    for span in deleted:
        delete(uploads, Wanted(range=span), account_id)
    before = read(uploads, account_id, "heart_rate")
    told = [uploads.stored(layout.recording.upload_id, account_id) for layout in all_of_them]
    run_until_done(compact(uploads, bytes_max))
    assert read(uploads, account_id, "heart_rate") == before
    assert [uploads.stored(layout.recording.upload_id, account_id) for layout in all_of_them] == told
    for layout in all_of_them:
        again = uploads.open(layout.recording, account_id)
        again.send_range(0, layout.recording.count)  # is compared, bit for bit
        again.finish()  # so is the digest of all
    run_until_done(compact(uploads, bytes_max))
    assert read(uploads, account_id, "heart_rate") == before


@pytest.mark.parametrize("seed", range(4))
def test_days_and_weeks_have_the_same_minutes(uploads: UploadWorld, seed: int) -> None:
    rng = np.random.default_rng(seed)
    zone = Start(StartKind.ZONE, BASE, time_zone="Europe/Berlin")
    floating = Start(StartKind.FLOATING, BASE + DAY_MS // 3)
    for upload_id, start, revision in (("u", zone, 0), ("v", zone, 0), ("w", [zone, floating][seed % 2], 1)):
        descriptor = replace(COUNTS, start=start, revision=revision)
        values = float32(rng.choice([0, 5, 80, np.nan], int(rng.integers(2000, 9 * 1440))).astype(np.float32))
        uploads.upload(Recording(upload_id, descriptor, values), step=int(rng.integers(60, 400)), finish=seed != 3)
    days = range(DAY - 2, DAY + 11)
    delete(uploads, Wanted(range=TimeRange(TimeKind.CIVIL, BASE + 2 * DAY_MS, BASE + 3 * DAY_MS + seed * 10**7)))
    before = grids(uploads, ACCOUNT, days)
    uploads.derive()
    told = uploads.days(), uploads.all_results("u")
    assert run_until_done(compact(uploads, 1440 * 3)) > 10
    assert grids(uploads, ACCOUNT, days) == before
    assert (uploads.days(), uploads.all_results("u")) == told
    assert uploads.analyze.derive_days() == uploads.analyze.derive_windows() == 0


# ---- joining ---------------------------------------------------------------------------------------------------------


def heart(upload_id: str, days: float, *, step: int, start: int = BASE, **more: object) -> tuple[Recording, int]:
    descriptor = replace(HEART, start=Start(StartKind.INSTANT, start), period_ms=MINUTE_MS, **more)  # type: ignore[arg-type]
    values = np.random.default_rng(2).integers(50, 90, round(days * 1440))
    return Recording(upload_id, descriptor, float32(values.astype(np.float32))), step


def commit_each(uploads: UploadWorld, made: tuple[Recording, int], *, finish: bool = True) -> Hand:
    return commit_all(uploads, Layout(*made, finish), ACCOUNT)


def test_what_came_in_small_pieces_lies_in_one_a_day(uploads: UploadWorld) -> None:
    commit_each(uploads, heart("u", 3, step=60))
    assert len(segments(uploads, "u")) == 72
    assert run_until_done(compact(uploads)) == 69
    assert [(one.day, one.first_sample, one.count) for one in segments(uploads, "u")] == [
        (DAY + day, day * 1440, 1440) for day in range(3)
    ]
    assert run_until_done(compact(uploads)) == 0, "and stays so"


def test_no_piece_grows_beyond_a_batch(uploads: UploadWorld) -> None:
    commit_each(uploads, heart("u", 1, step=60))
    run_until_done(compact(uploads, bytes_max=4 * 500))
    assert [one.count for one in segments(uploads, "u")] == [480, 480, 480]
    assert run_until_done(compact(uploads, bytes_max=4 * 500)) == 0


def test_a_day_that_still_grows_is_left_alone_until_it_is_worth_it(uploads: UploadWorld) -> None:
    hand = commit_each(uploads, heart("u", 50 / 1440, step=1), finish=False)
    assert run_until_done(compact(uploads)) == 0
    hand.finish()
    assert run_until_done(compact(uploads)) == 49


def test_each_run_is_bounded_and_the_next_goes_on_there(uploads: UploadWorld) -> None:
    commit_each(uploads, heart("u", 6, step=720))
    commit_each(uploads, heart("v", 6, step=720))
    one = compact(uploads)
    fewer = [one.run(2) for _ in range(8)]
    assert fewer == [2] * 6 + [0, 0]


def test_a_large_joined_piece_lies_in_a_blob_and_the_old_ones_are_read_on(uploads: UploadWorld) -> None:
    rng = np.random.default_rng(1)
    descriptor = replace(HEART, start=Start(StartKind.INSTANT, BASE), period_ms=100)
    made = Recording("u", descriptor, rng.random(250_000).astype("<f4").tobytes())
    commit_all(uploads, Layout(made, 50_000, True), ACCOUNT)
    assert run_until_done(compact(uploads)) == 4
    (joined,) = segments(uploads, "u")
    assert len(joined.body) > INLINE_BYTES_MAX
    assert uploads.content("u")[0] == made.values


def test_the_clock_of_an_upload_moves_on_within_a_joined_piece(uploads: UploadWorld) -> None:
    made, step = heart("u", 1, step=90)
    moved = replace(made, moves=((500, 3600), (900, -7200)))
    commit_all(uploads, Layout(moved, step, True), ACCOUNT)
    before = read(uploads, ACCOUNT, "heart_rate")
    assert run_until_done(compact(uploads))
    assert read(uploads, ACCOUNT, "heart_rate") == before


def test_where_the_clock_moved_back_the_order_does_not_follow_the_pieces(uploads: UploadWorld) -> None:
    """Two uploads are laid over each other; one shows an hour twice, in the middle of a piece and at its edge."""
    made, _ = heart("u", 0.5, step=30)
    moved = replace(made, moves=((0, 7200), (240, 3600), (455, 0)))
    commit_each(uploads, (moved, 30))
    commit_each(uploads, (replace(moved, upload_id="v", values=moved.values[: 4 * 400], moves=((0, 7200),)), 100))
    before = read(uploads, ACCOUNT, "heart_rate")
    assert run_until_done(compact(uploads))
    assert read(uploads, ACCOUNT, "heart_rate") == before


def test_many_may_compact_at_once_beside_readers_and_a_writer(uploads: UploadWorld) -> None:
    made, step = heart("u", 4, step=30)
    hand = commit_all(uploads, Layout(replace(made, values=made.values[: 4 * 4000]), step, False), ACCOUNT)
    hand.recording = made
    wrong = list[object]()

    def turn(number: int) -> None:
        if number < 3:
            run_until_done(compact(uploads))
        elif number == 3:
            while hand.received < made.count:
                hand.send_all(step, chunks=1)
                hand.commit()
        else:
            for _ in range(20):
                tally = Tally()
                blocks = list(uploads.read.blocks(ACCOUNT, "heart_rate", None, TimeKind.INSTANT, *ALWAYS, tally))
                values = b"".join(block.values.tobytes() for block in blocks)
                if values != made.values[: len(values)] or len(values) < 16_000:
                    wrong.append(len(values))

    assert at_once(6, turn) == [None] * 6
    assert not wrong
    hand.finish()
    run_until_done(compact(uploads))
    assert uploads.content("u")[0] == made.values
    assert len(segments(uploads, "u")) == 4


@dataclass
class Joining:
    """A store of series in which pieces are joined while somebody reads them."""

    series: Series
    world: UploadWorld

    def __getattr__(self, name: str) -> object:
        return getattr(self.series, name)

    def segments(self, *query: object) -> Iterator[Segment]:
        return self._joined_meanwhile(self.series.segments(*query))  # type: ignore[arg-type]

    def pieces(self, *query: object) -> Iterator[Piece]:
        return self._joined_meanwhile(self.series.pieces(*query))  # type: ignore[arg-type]

    def _joined_meanwhile(self, found: Iterator[T]) -> Iterator[T]:
        for number, one in enumerate(found):
            yield one
            if number == 30:
                run_until_done(compact(self.world))


@pytest.mark.parametrize("irregular", [False, True])
def test_whoever_reads_while_pieces_are_joined_gets_each_sample_once(uploads: UploadWorld, *, irregular: bool) -> None:
    """A page of pieces is read before they are joined, and the next one after."""
    made, step = heart("u", 0.9, step=10)
    if irregular:
        offsets = np.arange(made.count, dtype=np.int64) * MINUTE_MS
        made = replace(made, descriptor=replace(made.descriptor, period_ms=None), offsets_ms=offsets)
    hand = commit_all(uploads, Layout(made, step, False), ACCOUNT)
    late = Joining(uploads.store.series, uploads)
    reader = replace(uploads.read, series=late)  # type: ignore[arg-type]
    blocks = list(reader.blocks(ACCOUNT, "heart_rate", None, TimeKind.INSTANT, *ALWAYS, Tally()))
    assert len(segments(uploads, "u")) == 1
    assert b"".join(block.values.tobytes() for block in blocks) == made.values
    hand.finish()


def minutes_in_130_pieces(uploads: UploadWorld) -> Hand:
    descriptor = replace(COUNTS, start=Start(StartKind.FLOATING, BASE))
    made = Recording("u", descriptor, float32(np.arange(1300, dtype=np.float32)))
    hand = commit_all(uploads, Layout(made, 10, finish=False), ACCOUNT)
    assert len(segments(uploads, "u")) == 130
    return hand


def test_whoever_finishes_while_pieces_are_joined_finds_each_sample_once(uploads: UploadWorld) -> None:
    hand = minutes_in_130_pieces(uploads)
    ingest = uploads.ingest
    ingest._series = Joining(uploads.store.series, uploads)  # type: ignore[assignment]  # noqa: SLF001
    made = hand.recording
    assert ingest.finish(ACCOUNT, hand.intake.stored, made.count, made.sha256).receipt is not None
    assert len(segments(uploads, "u")) == 1


def test_whoever_derives_while_pieces_are_joined_finds_each_sample_once(uploads: UploadWorld) -> None:
    minutes_in_130_pieces(uploads)
    track, days = Track(ACCOUNT, COUNTS.metric, WRIST), range(DAY, DAY + 1)

    def grid(series: Series) -> str:
        found = day_grid(Reels(series, uploads.store.keys, [(track, days)]).parts(track, days), DAY)
        assert found is not None
        return found.digest

    before = grid(uploads.store.series)
    assert grid(Joining(uploads.store.series, uploads)) == before  # type: ignore[arg-type]
    assert len(segments(uploads, "u")) == 1


def test_a_damaged_piece_is_left_as_it_is_and_the_others_are_joined(uploads: UploadWorld) -> None:
    commit_each(uploads, heart("bad", 1, step=720))
    commit_each(uploads, heart("good", 1, step=720))
    damage = "UPDATE segments SET body = zeroblob(9) WHERE upload_id = 'bad' AND first_sample = 0"
    uploads.store.database.write(lambda connection: connection.execute(damage).close())
    assert run_until_done(compact(uploads)) == 1
    assert [len(segments(uploads, upload_id)) for upload_id in ("bad", "good")] == [2, 1]


def test_without_a_key_nothing_can_be_compacted_and_nobody_is_held_up(uploads: UploadWorld) -> None:
    gone = fresh_account(uploads)
    commit_all(uploads, Layout(heart("u", 1, step=720)[0], 720, True), gone)
    commit_each(uploads, heart("u", 1, step=720))
    uploads.store.keys.destroy_data_key(gone)
    assert run_until_done(compact(uploads)) == 1


# ---- purging ---------------------------------------------------------------------------------------------------------


def plain_values(uploads: UploadWorld, upload_id: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """All values that anybody with the key finds on the disk."""
    key = uploads.store.keys.data_key(ACCOUNT)
    found = b"".join(open_segment(key, segment).values for segment in segments(uploads, upload_id))
    return np.frombuffer(found, "<f4")


def hours(start: float, end: float) -> Wanted:
    hour = 60 * MINUTE_MS
    return Wanted(range=TimeRange(TimeKind.INSTANT, BASE + round(start * hour), BASE + round(end * hour)))


def test_deleted_values_of_a_finished_upload_are_on_the_disk_no_more(uploads: UploadWorld) -> None:
    made, _ = heart("u", 2, step=60)
    commit_each(uploads, (made, 60))
    delete(uploads, hours(5.5, 30))
    before = read(uploads, ACCOUNT, "heart_rate")
    assert not np.isnan(plain_values(uploads, "u")).any(), "they are there until they are purged"
    assert compact(uploads).purge(1000) == 25
    left = np.frombuffer(made.values, "<f4").copy()
    left[330:1800] = np.nan
    assert np.array_equal(plain_values(uploads, "u"), left, equal_nan=True)
    assert read(uploads, ACCOUNT, "heart_rate") == before
    assert not uploads.store.series.unpurged(None, 10)
    assert compact(uploads).purge(1000) == 0


@pytest.mark.parametrize("encoding", list(Encoding))
def test_every_channel_of_a_deleted_sample_is_purged(uploads: UploadWorld, encoding: Encoding) -> None:
    descriptor = replace(HEART, start=Start(StartKind.INSTANT, BASE), period_ms=None, channels=3, encoding=encoding)
    values = np.arange(1, 31, dtype="<f4" if encoding is Encoding.FLOAT32 else "<i2")
    offsets = np.array([0, 5, 60_000, 60_001, 120_000, 180_000, 180_001, 180_002, 300_000, 300_001])
    uploads.upload(Recording("u", descriptor, values.tobytes(), offsets), step=4)
    delete(uploads, hours(1 / 60, 3 / 60))
    assert compact(uploads).purge(10)
    stored, times = uploads.content("u")
    found = np.frombuffer(stored, values.dtype).reshape(-1, 3)
    none = np.isnan(found) if encoding is Encoding.FLOAT32 else found == -32768
    assert none.all(axis=1).tolist() == none.any(axis=1).tolist() == [at in {2, 3, 4} for at in range(10)]
    assert times == offsets.tolist()


def test_an_open_upload_is_purged_once_it_is_finished(uploads: UploadWorld) -> None:
    made, _ = heart("u", 1, step=60)
    hand = commit_each(uploads, (made, 60), finish=False)
    delete(uploads, hours(2, 3))
    assert compact(uploads).purge(10) == 0
    assert uploads.content("u")[0] == made.values
    hand.finish()
    assert compact(uploads).purge(10) == 1
    assert np.isnan(plain_values(uploads, "u")).sum() == 60


def test_purged_samples_may_come_again_and_others_may_not_differ(uploads: UploadWorld) -> None:
    made, _ = heart("u", 1, step=60)
    commit_each(uploads, (made, 60))
    delete(uploads, hours(2, 3))
    run_until_done(compact(uploads))
    uploads.open(made).send_range(0, 1440)
    with pytest.raises(ContentConflict) as error:
        uploads.open(replace(made, values=float32(np.zeros(1440, np.float32)))).send_range(120, 1440)
    assert error.value.facts == {"first_sample": "180"}


def test_purging_is_bounded_and_goes_on_where_it_stopped(uploads: UploadWorld) -> None:
    for upload_id in "abc":
        commit_each(uploads, heart(upload_id, 1, step=360))
    delete(uploads, Wanted(metrics=frozenset({"heart_rate"})))
    one = compact(uploads)
    assert [one.purge(5) for _ in range(4)] == [5, 5, 2, 0]
    assert not uploads.store.series.unpurged(None, 10)
    assert all(np.isnan(plain_values(uploads, upload_id)).all() for upload_id in "abc")


def test_an_upload_that_cannot_be_purged_holds_up_no_other(uploads: UploadWorld) -> None:
    for upload_id in ("bad", "good"):
        commit_each(uploads, heart(upload_id, 1, step=720))
    delete(uploads, hours(1, 2))
    damage = "UPDATE segments SET body = zeroblob(9) WHERE upload_id = 'bad'"
    uploads.store.database.write(lambda connection: connection.execute(damage).close())
    assert run_until_done(compact(uploads)) == 2, "one purged, and two that are one now"
    assert [upload_id for _, upload_id, _ in uploads.store.series.unpurged(None, 10)] == ["bad"]


def test_a_deletion_during_a_purge_is_purged_the_next_time(uploads: UploadWorld) -> None:
    made, _ = heart("u", 1, step=1440)
    commit_each(uploads, (made, 1440))
    delete(uploads, hours(1, 2))

    class Late:
        """Another deletion comes just before the rewritten piece is stored."""

        def __getattr__(self, name: str) -> object:
            return getattr(uploads.store.series, name)

        def join(self, *pieces: object) -> bool:
            delete(uploads, hours(5, 6))
            return uploads.store.series.join(*pieces)  # type: ignore[arg-type]

    late = Compact(Late(), uploads.store.keys)  # type: ignore[arg-type]
    assert late.purge(1) == 1
    assert np.isnan(plain_values(uploads, "u")).sum() == 60
    assert compact(uploads).purge(10) == 1
    assert np.isnan(plain_values(uploads, "u")).sum() == 120


def test_whoever_began_to_read_before_a_deletion_and_a_purge_reads_no_blanks(uploads: UploadWorld) -> None:
    """What is purged was deleted before: a reading that comes upon it looks again at what is deleted."""
    commit_each(uploads, heart("u", 3, step=60))  # in 72 pieces, of which the store gives 64 at a time
    tally = Tally()
    blocks = uploads.read.blocks(ACCOUNT, "heart_rate", None, TimeKind.INSTANT, *ALWAYS, tally)
    first = next(blocks)
    delete(uploads, hours(66, 70))
    compact(uploads).purge(10)
    found = [first, *blocks]
    assert not any(np.isnan(block.values).any() for block in found)
    assert tally.samples == 3 * 1440 - 4 * 60
