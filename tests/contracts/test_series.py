"""What every store of series must do."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from clarity_server.domain.civil import DAY_MS, FAR_MS, MINUTE_MS, OffsetChange, Start, StartKind, TimeKind, TimeRange
from clarity_server.domain.errors import UploadMismatch, UploadNotFound, UploadTakenOver
from clarity_server.domain.series import Closing, ClosingKind, Descriptor, Encoding, Segment, Source
from tests.contracts.recordings import (
    ACCOUNT,
    DAY_SAMPLES,
    RECORDING,
    STRANGER,
    append,
    committed,
    receipt,
    segment,
)
from tests.contracts.threads import at_once
from tests.contracts.worlds import World

UPLOAD = "Night-1.of_3"
ELSEWHERE = replace(RECORDING, start=Start(StartKind.ZONE, 0, time_zone="Europe/Berlin"), period_ms=None, scale=0.1)


def bodies(world: World, low: int = 0, high: int = 1 << 40, upload_id: str = UPLOAD) -> list[bytes]:
    return [one.body for one in world.series.segments(ACCOUNT, upload_id, low, high)]


# ---- opening --------------------------------------------------------------------------------------------------------


def test_a_new_upload_stands_at_nothing_in_its_first_epoch(world: World) -> None:
    opened = world.series.open(ACCOUNT, UPLOAD, RECORDING)
    assert (opened.upload_id, opened.descriptor, opened.epoch, opened.committed) == (UPLOAD, RECORDING, 1, 0)
    assert (opened.crc32c, opened.value_samples, opened.last_offset_ms, opened.result_count) == (0, 0, -1, 0)
    assert (opened.offset_changes, opened.receipt) == ((), None)
    assert world.series.upload(ACCOUNT, UPLOAD) == opened


def test_every_opening_raises_the_epoch_by_one(world: World) -> None:
    assert [world.series.open(ACCOUNT, UPLOAD, RECORDING).epoch for _ in range(3)] == [1, 2, 3]


def test_openings_at_once_get_epochs_of_their_own(world: World) -> None:
    opened = at_once(16, lambda _: world.series.open(ACCOUNT, UPLOAD, RECORDING).epoch)
    assert set(opened) == set(range(1, 17))


@pytest.mark.parametrize("descriptor", [RECORDING, ELSEWHERE])
def test_a_descriptor_is_kept_to_the_last_bit(world: World, descriptor: Descriptor) -> None:
    world.series.open(ACCOUNT, UPLOAD, descriptor)
    assert world.series.upload(ACCOUNT, UPLOAD).descriptor == descriptor


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("metric", "heart_rate"),
        ("source", Source("ankle", "app")),
        ("source", Source("wrist")),
        ("start", Start(StartKind.INSTANT, 0)),
        ("start", Start(StartKind.FLOATING, 1)),
        ("period_ms", None),
        ("period_ms", 1000),
        ("encoding", Encoding.INT16),
        ("scale", 0.5),
        ("channels", 3),
        ("revision", 1),
    ],
)
def test_another_descriptor_is_refused_naming_the_field_and_takes_nothing_over(
    world: World, field: str, other: object
) -> None:
    world.series.open(ACCOUNT, UPLOAD, RECORDING)
    with pytest.raises(UploadMismatch) as error:
        world.series.open(ACCOUNT, UPLOAD, replace(RECORDING, **{field: other}))  # type: ignore[arg-type]
    assert error.value.facts == {"field": field}
    assert world.series.upload(ACCOUNT, UPLOAD).epoch == 1


def test_an_unknown_upload_is_not_found(world: World) -> None:
    with pytest.raises(UploadNotFound):
        world.series.upload(ACCOUNT, UPLOAD)


def test_ids_that_differ_in_case_are_different_uploads(world: World) -> None:
    world.series.open(ACCOUNT, "Night", RECORDING)
    with pytest.raises(UploadNotFound):
        world.series.upload(ACCOUNT, "night")


# ---- committing -----------------------------------------------------------------------------------------------------


def test_what_is_committed_is_found_by_another_process(world: World) -> None:
    opened = world.series.open(ACCOUNT, UPLOAD, RECORDING)
    change = OffsetChange(first_sample=30, utc_offset_s=-3600, elapsed_ms=30 * 60_000)
    one = append(opened, days=[0, 1], closings=[Closing(1, 0, 60)])
    one = replace(one, after=replace(one.after, offset_changes=(change,), last_offset_ms=59, crc32c=0xFFFFFFFF))
    world.series.commit(one)
    with world.another() as other:
        assert other.series.upload(ACCOUNT, UPLOAD) == one.after
        assert tuple(other.series.segments(ACCOUNT, UPLOAD, 0, 60)) == one.segments


def test_a_later_commit_keeps_the_clock_moves_of_an_earlier_one(world: World) -> None:
    stored = world.series.open(ACCOUNT, UPLOAD, RECORDING)
    moved = replace(append(stored).after, offset_changes=(OffsetChange(1, 3600, 60_000),))
    stored = committed(world.series, replace(append(stored), after=moved))
    stored = committed(world.series, append(stored))
    assert world.series.upload(ACCOUNT, UPLOAD) == stored


def test_an_append_may_bring_several_segments(world: World) -> None:
    stored = world.series.open(ACCOUNT, UPLOAD, RECORDING)
    pieces = tuple(segment(stored, first, 30) for first in (0, 30, 60))
    world.series.commit(replace(append(stored, 90), segments=pieces))
    assert bodies(world) == [piece.body for piece in pieces]


@pytest.mark.parametrize("size", [0, 1, 100_000, 512 * 1024, 512 * 1024 + 1, 1024 * 1024])
def test_a_body_of_any_size_comes_back_as_it_was(world: World, size: int) -> None:
    body = os.urandom(size)
    committed(world.series, append(world.series.open(ACCOUNT, UPLOAD, RECORDING), body=body))
    assert bodies(world) == [body]


def test_the_same_append_again_has_no_second_effect(world: World) -> None:
    one = append(world.series.open(ACCOUNT, UPLOAD, RECORDING))
    world.series.commit(one)
    with pytest.raises(UploadTakenOver):
        world.series.commit(one)
    assert bodies(world) == [one.segments[0].body]
    assert world.series.change_count(ACCOUNT) == 1


@pytest.mark.parametrize("size", [100, 600_000])
def test_of_two_commits_at_once_one_wins(world: World, size: int) -> None:
    opened = world.series.open(ACCOUNT, UPLOAD, RECORDING)
    appends = [append(opened, 60 + number, body=os.urandom(size)) for number in range(2)]
    outcomes = at_once(2, lambda number: world.series.commit(appends[number]))
    assert {type(outcome) for outcome in outcomes} == {type(None), UploadTakenOver}
    winner = appends[outcomes.index(None)]
    assert world.series.upload(ACCOUNT, UPLOAD) == winner.after
    assert bodies(world) == [winner.segments[0].body]


def test_an_older_epoch_commits_nothing_once_a_newer_one_is_open(world: World) -> None:
    older = world.series.open(ACCOUNT, UPLOAD, RECORDING)
    newer = world.series.open(ACCOUNT, UPLOAD, RECORDING)
    with pytest.raises(UploadTakenOver):
        world.series.commit(append(older))
    assert world.series.upload(ACCOUNT, UPLOAD) == newer
    world.series.commit(append(newer))


def test_a_refused_commit_leaves_no_trace(world: World) -> None:
    older = world.series.open(ACCOUNT, UPLOAD, RECORDING)
    world.series.open(ACCOUNT, UPLOAD, RECORDING)
    with pytest.raises(UploadTakenOver):
        world.series.commit(append(older, days=[0], closings=[Closing(1, 0, 60)]))
    assert bodies(world) == []
    assert world.series.change_count(ACCOUNT) == 0
    assert not world.analyses.due_days(10)
    assert not world.analyses.due_results(ClosingKind.DAY, 10)


def test_a_commit_to_an_upload_that_is_not_there_is_refused(world: World) -> None:
    opened = world.series.open(ACCOUNT, UPLOAD, RECORDING)
    with pytest.raises(UploadNotFound):
        world.series.commit(append(replace(opened, upload_id="another")))


def test_change_numbers_have_no_gap_however_many_commit(world: World) -> None:
    """Each touches a day of its own, so that the touches show the numbers."""
    opened = [world.series.open(ACCOUNT, f"u{number}", RECORDING) for number in range(16)]
    seen = list[int]()

    def commit_often(number: int) -> None:
        stored = opened[number]
        for turn in range(5):
            stored = committed(world.series, append(stored, 1, days=[number * 5 + turn]))
            seen.append(world.series.change_count(ACCOUNT))

    assert at_once(16, commit_often) == [None] * 16
    touches = sorted(due.touch for due in world.analyses.due_days(100))
    assert touches == list(range(1, 81))
    assert world.series.change_count(ACCOUNT) == max(seen) == 80


def test_changes_are_numbered_by_account(world: World) -> None:
    committed(world.series, append(world.series.open(ACCOUNT, UPLOAD, RECORDING)))
    theirs = world.series.open(STRANGER, UPLOAD, RECORDING)
    committed(world.series, append(theirs, account_id=STRANGER))
    assert [world.series.change_count(one) for one in (ACCOUNT, STRANGER, "c" * 26)] == [1, 1, 0]


# ---- finishing ------------------------------------------------------------------------------------------------------


def test_a_finished_upload_keeps_its_receipt_and_queues_its_last_results(world: World) -> None:
    stored = committed(world.series, append(world.series.open(ACCOUNT, UPLOAD, RECORDING)))
    ours = receipt(stored, more_results=1)
    finished = world.series.finish(ACCOUNT, stored, ours, [Closing(1, 0, 60)], [0])
    assert finished == replace(stored, receipt=ours, result_count=1) == world.series.upload(ACCOUNT, UPLOAD)
    assert [due.closing for due in world.analyses.due_results(ClosingKind.DAY, 10)] == [Closing(1, 0, 60)]
    assert [(due.key.civil_day, due.touch) for due in world.analyses.due_days(10)] == [(0, 2)]
    assert world.series.change_count(ACCOUNT) == 2


def test_finishing_what_is_finished_changes_nothing(world: World) -> None:
    stored = committed(world.series, append(world.series.open(ACCOUNT, UPLOAD, RECORDING)))
    finished = world.series.finish(ACCOUNT, stored, receipt(stored), [], [])
    other = replace(receipt(stored), value_samples=1)
    assert world.series.finish(ACCOUNT, stored, other, [Closing(1, 0, 60)], [0]) == finished
    assert world.series.upload(ACCOUNT, UPLOAD) == finished
    assert world.series.change_count(ACCOUNT) == 2


def test_of_many_finishing_at_once_all_get_the_first_receipt(world: World) -> None:
    stored = committed(world.series, append(world.series.open(ACCOUNT, UPLOAD, RECORDING)))
    receipts = [replace(receipt(stored), value_samples=number) for number in range(8)]
    answers = at_once(8, lambda number: world.series.finish(ACCOUNT, stored, receipts[number], [], []))
    assert set(answers) == {world.series.upload(ACCOUNT, UPLOAD)}


@pytest.mark.parametrize("change", [{"epoch": 0}, {"committed": 59}])
def test_finishing_needs_the_count_and_the_epoch(world: World, change: dict[str, int]) -> None:
    stored = committed(world.series, append(world.series.open(ACCOUNT, UPLOAD, RECORDING)))
    with pytest.raises(UploadTakenOver):
        world.series.finish(ACCOUNT, replace(stored, **change), receipt(stored), [], [])  # type: ignore[arg-type]
    assert world.series.upload(ACCOUNT, UPLOAD).receipt is None


def test_a_finished_upload_takes_no_further_commit(world: World) -> None:
    stored = committed(world.series, append(world.series.open(ACCOUNT, UPLOAD, RECORDING)))
    world.series.finish(ACCOUNT, stored, receipt(stored), [], [])
    with pytest.raises(UploadTakenOver):
        world.series.commit(append(stored))


def test_a_finished_upload_opens_again_as_it_was(world: World) -> None:
    stored = committed(world.series, append(world.series.open(ACCOUNT, UPLOAD, RECORDING)))
    finished = world.series.finish(ACCOUNT, stored, receipt(stored), [], [])
    assert world.series.open(ACCOUNT, UPLOAD, RECORDING) == replace(finished, epoch=2)


# ---- reading an upload ----------------------------------------------------------------------------------------------


def test_segments_that_overlap_a_range_come_in_order(world: World) -> None:
    stored = world.series.open(ACCOUNT, UPLOAD, RECORDING)
    for _ in range(5):
        stored = committed(world.series, append(stored, 10))
    for low, high in [(0, 50), (0, 1), (9, 10), (9, 11), (10, 20), (15, 35), (49, 50), (50, 60), (7, 7)]:
        firsts = [one.first_sample for one in world.series.segments(ACCOUNT, UPLOAD, low, high)]
        assert firsts == [first for first in range(0, 50, 10) if first < high and low < first + 10], (low, high)


def test_many_and_large_segments_are_read_page_by_page(world: World) -> None:
    stored = world.series.open(ACCOUNT, UPLOAD, RECORDING)
    sent = [os.urandom(200_000 if number % 5 == 0 else 10) for number in range(150)]
    for body in sent:
        stored = committed(world.series, append(stored, 1, body=body))
    assert bodies(world) == sent


def test_a_reader_that_stops_half_way_holds_nothing_up(world: World) -> None:
    stored = committed(world.series, append(world.series.open(ACCOUNT, UPLOAD, RECORDING)))
    stored = committed(world.series, append(stored))
    half_read = [world.series.segments(ACCOUNT, UPLOAD, 0, 1 << 40) for _ in range(50)]
    assert all(next(one) for one in half_read)
    committed(world.series, append(stored))
    assert all(next(one).first_sample == 60 for one in half_read)


def test_readers_see_nothing_beyond_the_committed_count(world: World) -> None:
    stored = committed(world.series, append(world.series.open(ACCOUNT, UPLOAD, RECORDING)))
    world.plant(segment(stored, 60, 60))
    assert len(bodies(world)) == 1
    assert len(list(world.series.pieces(ACCOUNT, RECORDING.metric, (0, 10), None))) == 1


@pytest.mark.parametrize(("first", "count"), [(60, 90), (60, 10), (75, 60), (89, 1), (90, 60)])
def test_the_current_epoch_replaces_what_lies_beyond_the_committed_count(world: World, first: int, count: int) -> None:
    stored = committed(world.series, append(world.series.open(ACCOUNT, UPLOAD, RECORDING)))
    world.plant(segment(stored, first, count))
    one, two = append(stored, 30), append(append(stored, 30).after, 30)
    world.series.commit(one)
    world.series.commit(two)
    assert list(world.series.segments(ACCOUNT, UPLOAD, 60, 1 << 40)) == [*one.segments, *two.segments]


# ---- reading a metric -----------------------------------------------------------------------------------------------


def test_pieces_come_by_source_upload_and_sample(world: World) -> None:
    sources = {"u3": Source("a"), "u1": Source("b", "x"), "u2": Source("b"), "u0": Source("b", "x"), "u4": Source("a")}
    for upload_id, source in sources.items():
        stored = world.series.open(ACCOUNT, upload_id, replace(RECORDING, source=source))
        for _ in range(2):
            stored = committed(world.series, append(stored))
    pieces = list(world.series.pieces(ACCOUNT, RECORDING.metric, (0, 1), None))
    order = [(piece.upload.upload_id, piece.segment.first_sample) for piece in pieces]
    assert order == [(upload_id, first) for upload_id in ("u3", "u4", "u2", "u0", "u1") for first in (0, 60)]
    theirs = world.series.pieces(ACCOUNT, RECORDING.metric, (0, 1), Source("b", "x"))
    assert {piece.upload.upload_id for piece in theirs} == {"u0", "u1"}


def test_pieces_carry_their_upload_as_it_stands(world: World) -> None:
    stored = committed(world.series, append(world.series.open(ACCOUNT, UPLOAD, RECORDING)))
    (piece,) = world.series.pieces(ACCOUNT, RECORDING.metric, (0, 1), None)
    assert piece.upload == stored


def test_pieces_are_those_of_the_days_asked_for(world: World) -> None:
    stored = world.series.open(ACCOUNT, UPLOAD, replace(RECORDING, start=Start(StartKind.FLOATING, -86_400_000)))
    for _ in range(8):
        stored = committed(world.series, append(stored, DAY_SAMPLES // 2))
    for low, high in [(-1, 3), (-5, 9), (0, 1), (1, 3), (-1, 0), (3, 9), (1, 1)]:
        pieces = world.series.pieces(ACCOUNT, RECORDING.metric, (low, high), None)
        days = [piece.segment.day for piece in pieces]
        assert days == [day for day in (-1, -1, 0, 0, 1, 1, 2, 2) if low <= day < high], (low, high)


def test_pieces_of_floating_and_of_instant_recordings_come_alike(world: World) -> None:
    for upload_id, start in [("f", RECORDING.start), ("i", Start(StartKind.INSTANT, 0))]:
        committed(world.series, append(world.series.open(ACCOUNT, upload_id, replace(RECORDING, start=start))))
    pieces = world.series.pieces(ACCOUNT, RECORDING.metric, (0, 1), None)
    assert [piece.upload.descriptor.start.kind for piece in pieces] == [StartKind.FLOATING, StartKind.INSTANT]


def test_another_metric_is_another_series(world: World) -> None:
    committed(world.series, append(world.series.open(ACCOUNT, UPLOAD, RECORDING)))
    assert not list(world.series.pieces(ACCOUNT, "heart_rate", (0, 1), None))
    assert not world.series.uploads(ACCOUNT, "heart_rate")


def test_uploads_are_listed_by_id(world: World) -> None:
    stored = {upload_id: world.series.open(ACCOUNT, upload_id, RECORDING) for upload_id in ("b", "a", "C", "a.1")}
    assert list(world.series.uploads(ACCOUNT, RECORDING.metric)) == [stored[one] for one in ("C", "a", "a.1", "b")]


def test_reading_while_others_commit_sees_whole_commits_only(world: World) -> None:
    stored = world.series.open(ACCOUNT, UPLOAD, RECORDING)

    def read() -> bool:
        pieces = list(world.series.pieces(ACCOUNT, RECORDING.metric, (0, 10), None))
        ends = [piece.segment.first_sample + piece.segment.count for piece in pieces]
        return not pieces or (max(ends) == pieces[0].upload.committed and ends == sorted(ends))

    with ThreadPoolExecutor(4) as pool:
        answers = []
        for _ in range(50):
            stored = committed(world.series, append(stored, 7))
            answers.append(pool.submit(read))
    assert all(answer.result() for answer in answers)


def test_the_first_uploads_by_id_can_be_asked_for_alone(world: World) -> None:
    stored = [world.series.open(ACCOUNT, upload_id, RECORDING) for upload_id in "abc"]
    assert list(world.series.uploads(ACCOUNT, RECORDING.metric, 2)) == stored[:2]


def test_the_metrics_that_have_uploads_are_listed(world: World) -> None:
    assert not world.series.metrics(ACCOUNT)
    for upload_id, metric in [("a", "step_count"), ("b", "heart_rate"), ("c", "step_count")]:
        world.series.open(ACCOUNT, upload_id, replace(RECORDING, metric=metric))
    assert list(world.series.metrics(ACCOUNT)) == ["heart_rate", "step_count"]
    assert not world.series.metrics(STRANGER)


@pytest.mark.parametrize("kind", list(TimeKind))
def test_near_a_range_are_the_uploads_that_may_reach_into_it(world: World, kind: TimeKind) -> None:
    """Of all lengths, some within others; a civil time may be as much as a day from its place on the upload's axis."""
    rng = np.random.default_rng(5)
    reaches = dict[str, tuple[int, int]]()
    for number in range(120):
        upload_id, minutes = f"u{number:03}", int(rng.choice([1, 60, 1440, 4319, 4320, 4321, 20_000, 100_000]))
        start = Start(StartKind.INSTANT, int(rng.integers(-40, 60)) * DAY_MS + int(rng.integers(0, DAY_MS)))
        stored = world.series.open(ACCOUNT, upload_id, replace(RECORDING, start=start))
        half = minutes // 2
        stored = committed(world.series, append(stored, half)) if half else stored
        committed(world.series, append(stored, minutes - half))
        reaches[upload_id] = (start.ms, start.ms + minutes * MINUTE_MS)
    world.series.open(ACCOUNT, "nothing committed", RECORDING)
    slack = DAY_MS if kind is TimeKind.CIVIL else 0
    for _ in range(200):
        low = int(rng.integers(-60, 150)) * DAY_MS + int(rng.integers(0, DAY_MS))
        high = low + int(rng.choice([1, MINUTE_MS, DAY_MS // 4, 90 * DAY_MS, 4000 * DAY_MS]))
        found = [one.upload_id for one in world.series.near(ACCOUNT, RECORDING.metric, TimeRange(kind, low, high))]
        expected = [one for one, (start, end) in reaches.items() if start - slack < high and end + slack > low]
        assert found == expected
    assert not world.series.near(STRANGER, RECORDING.metric, TimeRange(kind, -FAR_MS, FAR_MS))
    assert not world.series.near(ACCOUNT, "heart_rate", TimeRange(kind, -FAR_MS, FAR_MS))


def test_opening_and_finishing_tell_when_a_source_was_last_heard_of(world: World) -> None:
    def heard() -> list[float | None]:
        return [row.last_write_time for row in world.samples.summary(ACCOUNT, None)]

    stored = world.series.open(ACCOUNT, UPLOAD, RECORDING)
    opened = world.clock.now
    assert heard() == [opened]
    world.clock.wait(5)
    world.series.finish(ACCOUNT, stored, receipt(stored), [], [])
    assert heard() == [opened + 5]
    world.clock.wait(5)
    world.series.open(ACCOUNT, UPLOAD, RECORDING)
    assert heard() == [opened + 10]


# ---- joining --------------------------------------------------------------------------------------------------------


def scattered(world: World, limit: int = 100, bytes_max: int = 1 << 20) -> list[tuple[str, int, int]]:
    """All runs that are listed, look after look."""
    found, after = list[tuple[str, int, int]](), None
    while True:
        page = world.series.scattered(after, limit, bytes_max)
        found += [(upload_id, first, end) for _, upload_id, first, end in page.runs]
        after = page.after
        if after is None:
            return found


def small_segments(world: World, sizes: list[int], upload_id: str = UPLOAD, *, finish: bool = True) -> list[Segment]:
    stored = world.series.open(ACCOUNT, upload_id, RECORDING)
    for size in sizes:
        stored = committed(world.series, append(stored, size))
    if finish:
        world.series.finish(ACCOUNT, stored, receipt(stored), [], [])
    return list(world.series.segments(ACCOUNT, upload_id, 0, 1 << 40))


def one_of(segments: list[Segment]) -> Segment:
    count = sum(segment.count for segment in segments)
    return replace(segments[0], count=count, end_ms=segments[-1].end_ms, body=os.urandom(200))


def test_neighbours_are_scattered_as_far_as_one_segment_could_hold_them(world: World) -> None:
    """A sample of this recording has four bytes."""
    small_segments(world, [10, 10, 10, 40, 10, 50, 10], finish=True)
    assert scattered(world, bytes_max=4 * 70) == [(UPLOAD, 0, 70), (UPLOAD, 70, 140)]
    assert scattered(world, bytes_max=4 * 30) == [(UPLOAD, 0, 30)]
    assert scattered(world, bytes_max=4 * 19) == []


def test_neighbours_of_different_days_stay_apart(world: World) -> None:
    small_segments(world, [720] * 5)
    assert scattered(world) == [(UPLOAD, 0, 1440), (UPLOAD, 1440, 2880)]


def test_of_a_day_that_grows_only_many_segments_are_worth_joining(world: World) -> None:
    small_segments(world, [1] * 63, "few", finish=False)
    small_segments(world, [1] * 64, "many", finish=False)
    assert scattered(world) == [("many", 0, 64)]
    small_segments(world, [1440 - 63, 1], "few", finish=False)
    assert scattered(world) == [("few", 0, 1440), ("many", 0, 64)], "its day is over"


def test_what_lies_beyond_the_committed_count_is_never_joined(world: World) -> None:
    stored = world.series.open(ACCOUNT, UPLOAD, RECORDING)
    for _ in range(64):
        stored = committed(world.series, append(stored, 1))
    world.plant(segment(stored, 64, 1))
    assert scattered(world) == [(UPLOAD, 0, 64)]


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_all_that_is_scattered_is_listed_once_look_after_look(world: World, limit: int) -> None:
    for upload_id in "abcde":
        small_segments(world, [1, 1], upload_id)
    assert scattered(world, limit) == [(upload_id, 0, 2) for upload_id in "abcde"]


def test_a_joined_segment_stands_in_the_place_of_its_parts(world: World) -> None:
    parts = small_segments(world, [10, 20, 30, 40])
    joined = one_of(parts[1:3])
    changes = world.series.change_count(ACCOUNT)
    assert world.series.join(joined, parts[1:3])
    assert list(world.series.segments(ACCOUNT, UPLOAD, 0, 1 << 40)) == [parts[0], joined, parts[3]]
    assert [one.segment for one in world.series.pieces(ACCOUNT, RECORDING.metric, (0, 1), None)] == [
        parts[0],
        joined,
        parts[3],
    ]
    assert world.series.change_count(ACCOUNT) == changes
    assert world.series.committed_at(ACCOUNT, UPLOAD, 2) == 30


@pytest.mark.parametrize("size", [200, 600_000])
def test_of_two_who_join_the_same_one_is_refused(world: World, size: int) -> None:
    parts = small_segments(world, [10, 20, 30])
    joined = [replace(one_of(parts), body=os.urandom(size)) for _ in range(2)]
    answers = at_once(2, lambda number: world.series.join(joined[number], parts))
    assert sorted(answers, key=str) == [False, True]
    assert bodies(world) == [joined[answers.index(True)].body]


def test_whoever_joins_what_was_joined_or_rewritten_is_refused(world: World) -> None:
    """A segment rewritten in its place has the same key: its bytes count, or what was purged of it would come back."""
    parts = small_segments(world, [10, 20, 30])
    rewritten = replace(parts[0], body=b"purged")
    assert world.series.join(rewritten, parts[:1])
    assert not world.series.join(one_of(parts), parts)
    assert not world.series.join(replace(parts[0], body=b"purged by another"), parts[:1])
    assert world.series.join(one_of(parts[1:]), parts[1:])
    assert not world.series.join(one_of(parts[1:]), parts[1:])
    assert bodies(world)[0] == b"purged"


def test_a_reader_goes_on_where_neighbours_were_joined_meanwhile(world: World) -> None:
    """What it is given then begins before what it has, and nothing is left out."""
    parts = small_segments(world, [1] * 150)
    reader = world.series.segments(ACCOUNT, UPLOAD, 0, 150)
    head = [next(reader) for _ in range(64)]
    assert world.series.join(one_of(parts), parts)
    tail = list(reader)
    assert [one.first_sample for one in head] == list(range(64))
    assert [(one.first_sample, one.count) for one in tail] == [(0, 150)]


# ---- strangers ------------------------------------------------------------------------------------------------------


def test_another_account_sees_nothing_and_changes_nothing(world: World) -> None:
    stored = committed(world.series, append(world.series.open(ACCOUNT, UPLOAD, RECORDING)))
    series = world.series
    for refused in (
        lambda: series.upload(STRANGER, UPLOAD),
        lambda: series.commit(append(stored, account_id=STRANGER)),
        lambda: series.finish(STRANGER, stored, receipt(stored), [], []),
    ):
        with pytest.raises(UploadNotFound):
            refused()
    assert not list(series.segments(STRANGER, UPLOAD, 0, 60))
    assert not list(series.pieces(STRANGER, RECORDING.metric, (0, 1), None))
    assert not series.uploads(STRANGER, RECORDING.metric)
    assert series.upload(ACCOUNT, UPLOAD) == stored


def test_the_same_id_of_two_accounts_is_two_uploads(world: World) -> None:
    committed(world.series, append(world.series.open(ACCOUNT, UPLOAD, RECORDING)))
    other = replace(RECORDING, metric="heart_rate")
    assert world.series.open(STRANGER, UPLOAD, other).committed == 0
    assert len(bodies(world)) == 1
