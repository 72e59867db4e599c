"""What was sent is read back by either kind of time: all of it, in order, one upload a minute and source."""

import itertools
import zoneinfo
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clarity_server.domain.civil import DAY_MS, EPOCH, MINUTE_MS, Start, StartKind, TimeKind
from clarity_server.domain.errors import MetricUnknown, StoreDamaged, TimeKindWrong
from clarity_server.domain.series import Encoding, Source
from clarity_server.flows.read import BLOCK_VALUES_MAX, Block, Read, Tally
from tests.flows.upload_world import ACCOUNT, HEART, WRIST, Recording, UploadWorld, float32, fresh_account

HOUR_MS = 60 * MINUTE_MS
NOON = 20_000 * DAY_MS + 12 * HOUR_MS
CHEST = Source("chest", "")
ALWAYS = (-(10**14), 10**14)


@dataclass(frozen=True)
class Sample:
    """One sample as a reader gets it."""

    device: str
    upload_id: str
    sample: int
    ms: int
    utc_offset_s: int | None
    values: bytes


def all_blocks(
    uploads: UploadWorld,
    kind: TimeKind,
    window: tuple[int, int],
    account_id: str = ACCOUNT,
    source: Source | None = None,
) -> tuple[list[Block], Tally]:
    tally = Tally()
    return list(uploads.read.blocks(account_id, "heart_rate", source, kind, *window, tally)), tally


def samples(blocks: list[Block]) -> list[Sample]:
    """Take blocks apart."""
    found = []
    for block in blocks:
        rows = block.values.reshape(-1, block.channels)
        times = block.offsets_ms if block.offsets_ms is not None else np.arange(len(rows)) * (block.period_ms or 0)
        found += [
            Sample(
                block.source.device,
                block.upload_id,
                block.first_sample + index,
                block.start_ms + int(time),
                block.utc_offset_s,
                row.astype("<f4").tobytes(),
            )
            for index, (time, row) in enumerate(zip(times, rows, strict=True))
        ]
    return found


# ---- a naive reading -------------------------------------------------------------------------------------------------


def naive_samples(recording: Recording, kind: TimeKind) -> list[Sample]:
    """An upload's samples on an axis, worked out one by one."""
    descriptor, start, found = recording.descriptor, recording.descriptor.start, []
    zone = zoneinfo.ZoneInfo(start.time_zone) if start.time_zone else None
    for index in range(recording.count):
        elapsed = (
            index * (descriptor.period_ms or 0) if recording.offsets_ms is None else int(recording.offsets_ms[index])
        )
        offset = next((then for at, then in reversed(recording.moves) if at <= index), start.utc_offset_s)
        instant = start.ms - (start.utc_offset_s or 0) * 1000 + elapsed
        if zone is not None:
            began = (datetime(1970, 1, 1, tzinfo=zone) + timedelta(milliseconds=start.ms)).astimezone(UTC)
            now = (began + timedelta(milliseconds=elapsed)).astimezone(zone)
            instant, shift = (now - EPOCH) // timedelta(milliseconds=1), now.utcoffset()
            assert shift is not None
            offset = int(shift.total_seconds())
        civil = instant if start.kind is StartKind.FLOATING else None if offset is None else instant + offset * 1000
        ms = civil if kind is TimeKind.CIVIL else None if start.kind is StartKind.FLOATING else instant
        if ms is not None:
            values = recording.chunk(index, index + 1).values
            if descriptor.encoding is Encoding.INT16:
                raw = np.frombuffer(values, "<i2")
                values = np.where(raw == -32768, np.nan, raw * descriptor.scale).astype("<f4").tobytes()
            found.append(Sample(descriptor.source.device, recording.upload_id, index, ms, offset, values))
    return found


def naive(
    recordings: list[Recording],
    kind: TimeKind,
    window: tuple[int, int],
    deleted: Mapping[str, Collection[int]] = MappingProxyType({}),
) -> tuple[set[Sample], int]:
    """What a reading must give, and its conflicts: for each minute and source the first in rank, if any speaks."""
    said: dict[tuple[str, int], dict[tuple[int, str], list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for recording in recordings:
        rank = (-recording.descriptor.revision, recording.upload_id)
        gone = deleted.get(recording.upload_id, ())
        for sample in (one for one in naive_samples(recording, kind) if one.sample not in gone):
            said[sample.device, sample.ms // MINUTE_MS][rank].append(sample)
    found, conflicts = set[Sample](), 0
    for (_, minute), by_rank in said.items():
        first = min(by_rank)
        found.update(sample for sample in by_rank[first] if window[0] <= sample.ms < window[1])
        contents = {
            rank: b"".join(sample.values for sample in sorted(theirs, key=lambda one: one.ms))
            for rank, theirs in by_rank.items()
            if rank[0] == first[0]
        }
        reached = (minute + 1) * MINUTE_MS > window[0] and minute * MINUTE_MS < window[1]
        conflicts += reached and any(content != contents[first] for content in contents.values())
    return found, conflicts


@st.composite
def recordings(draw: st.DrawFn) -> list[Recording]:
    """A few uploads of a source or two that lie over each other within some days."""
    found = []
    for upload_id in draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True)):
        rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
        count, channels = draw(st.integers(1, 200)), draw(st.sampled_from([1, 1, 2]))
        period = draw(st.sampled_from([None, 20_000, 45_000, MINUTE_MS, 5 * MINUTE_MS, HOUR_MS]))
        spread = draw(st.sampled_from([1000, MINUTE_MS, 20 * MINUTE_MS]))
        offsets = None if period else np.cumsum(rng.integers(1, spread, count)) - 1
        # Some days before a clock change in Berlin and Lord Howe, and near a midnight.
        ms = 19_812 * DAY_MS + draw(st.integers(-6 * HOUR_MS, 4 * HOUR_MS)) // draw(st.sampled_from([1, 1000])) * 1000
        kind = draw(st.sampled_from(list(StartKind)))
        start = Start(
            kind,
            ms,
            draw(st.sampled_from([0, 3600, -18_000, 50_400])) if kind is StartKind.OFFSET else None,
            draw(st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe"])) if kind is StartKind.ZONE else None,
        )
        moves: tuple[tuple[int, int], ...] = ()
        if kind in {StartKind.OFFSET, StartKind.INSTANT} and draw(st.booleans()):
            at = sorted(draw(st.lists(st.integers(0, count - 1), max_size=3, unique=True)))
            moves = tuple((one, draw(st.sampled_from([0, 3600, 7200, -39_600, 50_400]))) for one in at)
        descriptor = replace(
            HEART,
            source=draw(st.sampled_from([WRIST, WRIST, CHEST])),
            start=start,
            period_ms=period,
            channels=channels,
            revision=draw(st.integers(0, 1)),
        )
        if draw(st.booleans()):
            # Few values, so that equals often agree.
            values = rng.choice([1.0, 2.0, np.nan], count * channels).astype("<f4").tobytes()
        else:
            values = rng.choice([100, 200, -32768], count * channels).astype("<i2").tobytes()
            descriptor = replace(descriptor, encoding=Encoding.INT16, scale=0.01)
        found.append(Recording(upload_id, descriptor, values, offsets, moves))
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    recordings(),
    st.sampled_from(list(TimeKind)),
    st.integers(-10 * HOUR_MS, 30 * HOUR_MS),
    st.integers(1, 50 * HOUR_MS),
)
def test_any_range_of_any_uploads_is_read_as_a_naive_reader_does(
    uploads: UploadWorld, all_of_them: list[Recording], kind: TimeKind, start: int, length: int
) -> None:
    account_id = fresh_account(uploads)
    for recording in all_of_them:
        uploads.upload(recording, account_id, step=90)
    low = 19_812 * DAY_MS + start
    wanted = [
        one
        for one in all_of_them
        if one.descriptor.start.kind
        in {
            TimeKind.CIVIL: {StartKind.FLOATING, StartKind.OFFSET, StartKind.ZONE},
            TimeKind.INSTANT: {StartKind.INSTANT, StartKind.OFFSET, StartKind.ZONE},
        }[kind]
        or (kind is TimeKind.CIVIL and one.moves)
    ]
    for window in ((low, low + length), (low // MINUTE_MS * MINUTE_MS, low + DAY_MS), ALWAYS):
        if not wanted:
            with pytest.raises(TimeKindWrong):
                all_blocks(uploads, kind, window, account_id)
            continue
        blocks, tally = all_blocks(uploads, kind, window, account_id)
        found = samples(blocks)
        expected, conflicts = naive(wanted, kind, window)
        assert len(found) == len(set(found)), "nothing twice"
        assert set(found) == expected
        assert (tally.samples, tally.blocks) == (len(found), len(blocks))
        assert tally.conflict_minutes == conflicts
        assert [one.device for one in found] == sorted(one.device for one in found)
        if kind is TimeKind.INSTANT:  # a civil clock that was moved back shows a time twice
            assert [(one.device, one.ms) for one in found] == sorted((one.device, one.ms) for one in found)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recordings(), st.lists(st.integers(-10 * HOUR_MS, 60 * HOUR_MS), max_size=6))
def test_a_range_read_in_parts_gives_what_it_gives_whole(
    uploads: UploadWorld, all_of_them: list[Recording], cuts: list[int]
) -> None:
    """Also when a part begins within a minute: the winner of a minute is that of the whole minute."""
    account_id = fresh_account(uploads)
    for recording in [*all_of_them, *_instants(all_of_them)]:
        uploads.upload(recording, account_id, step=90)
    bounds = sorted({ALWAYS[0], *(19_812 * DAY_MS + cut for cut in cuts), ALWAYS[1]})
    whole = samples(all_blocks(uploads, TimeKind.INSTANT, ALWAYS, account_id)[0])
    parts = [
        sample
        for window in itertools.pairwise(bounds)
        for sample in samples(all_blocks(uploads, TimeKind.INSTANT, window, account_id)[0])
    ]
    assert sorted(parts, key=str) == sorted(whole, key=str)


def _instants(all_of_them: list[Recording]) -> list[Recording]:
    """One more that has instants, so that a reading by instants is never refused."""
    start = Start(StartKind.INSTANT, 19_812 * DAY_MS)
    return [
        replace(all_of_them[0], upload_id="z", descriptor=replace(all_of_them[0].descriptor, start=start), moves=())
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recordings())
def test_small_windows_give_what_large_ones_give(uploads: UploadWorld, all_of_them: list[Recording]) -> None:
    """Uploads with many values are compared in smaller windows; nobody can tell."""
    account_id = fresh_account(uploads)
    for recording in [*all_of_them, *_instants(all_of_them)]:
        uploads.upload(recording, account_id, step=90)
    large, tally = all_blocks(uploads, TimeKind.INSTANT, ALWAYS, account_id)
    again = Tally()
    reader = replace(uploads.read, window_values_max=50)
    small = list(reader.blocks(account_id, "heart_rate", None, TimeKind.INSTANT, *ALWAYS, again))
    assert samples(small) == samples(large)
    assert again.conflict_minutes == tally.conflict_minutes


# ---- by example ------------------------------------------------------------------------------------------------------


def heart(upload_id: str, start: Start, count: int, **more: object) -> Recording:
    descriptor = replace(HEART, start=start, period_ms=MINUTE_MS, **more)  # type: ignore[arg-type]  # fields of it
    return Recording(upload_id, descriptor, float32(range(count)))


def test_nothing_stored_is_an_empty_reading(uploads: UploadWorld) -> None:
    assert all_blocks(uploads, TimeKind.INSTANT, ALWAYS) == ([], Tally())


def test_an_upload_without_samples_is_no_data_and_no_reason_to_refuse(uploads: UploadWorld) -> None:
    uploads.open(heart("a", Start(StartKind.FLOATING, NOON), 5))
    assert all_blocks(uploads, TimeKind.INSTANT, ALWAYS)[0] == []


def test_an_unknown_metric_is_refused(uploads: UploadWorld) -> None:
    with pytest.raises(MetricUnknown):
        next(uploads.read.blocks(ACCOUNT, "hart_rate", None, TimeKind.CIVIL, 0, 1, Tally()))


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (Start(StartKind.FLOATING, NOON), TimeKind.INSTANT),
        (Start(StartKind.INSTANT, NOON), TimeKind.CIVIL),
    ],
)
def test_the_wrong_kind_of_time_is_refused(uploads: UploadWorld, start: Start, kind: TimeKind) -> None:
    uploads.upload(heart("a", start, 5))
    with pytest.raises(TimeKindWrong, match="1 have the other kind"):
        all_blocks(uploads, kind, (0, 1))


def test_an_instant_has_civil_times_from_its_first_offset_on(uploads: UploadWorld) -> None:
    uploads.upload(replace(heart("a", Start(StartKind.INSTANT, NOON), 9), moves=((4, 7200),)))
    found = samples(all_blocks(uploads, TimeKind.CIVIL, ALWAYS)[0])
    assert [one.sample for one in found] == [4, 5, 6, 7, 8]
    assert found[0].ms == NOON + 4 * MINUTE_MS + 2 * HOUR_MS
    everything = samples(all_blocks(uploads, TimeKind.INSTANT, ALWAYS)[0])
    assert [one.utc_offset_s for one in everything] == [None] * 4 + [7200] * 5


def test_the_hour_that_a_clock_shows_twice_is_read_twice(uploads: UploadWorld) -> None:
    """Berlin, 27 October 2024: 02:00 to 03:00 in summer time, then in winter time."""
    start = Start(StartKind.ZONE, 20_023 * DAY_MS, time_zone="Europe/Berlin")
    uploads.upload(heart("a", start, 300))
    hour = (20_023 * DAY_MS + 2 * HOUR_MS, 20_023 * DAY_MS + 3 * HOUR_MS)
    blocks, _ = all_blocks(uploads, TimeKind.CIVIL, hour)
    assert [(one.first_sample, one.utc_offset_s, len(one.values)) for one in blocks] == [
        (120, 7200, 60),
        (180, 3600, 60),
    ]


def test_civil_days_come_in_order_though_a_clock_is_moved_back_over_midnight(uploads: UploadWorld) -> None:
    """From 22:00 to 01:00, where the clock is moved back by three hours, and on."""
    start = Start(StartKind.OFFSET, 20_000 * DAY_MS - 2 * HOUR_MS, utc_offset_s=7200)
    uploads.upload(replace(heart("a", start, 600), moves=((180, -3600),)))
    found = samples(all_blocks(uploads, TimeKind.CIVIL, ALWAYS)[0])
    days = [one.ms // DAY_MS for one in found]
    assert days == sorted(days)
    assert [one.sample for one in found] == [*range(120), *range(180, 300), *range(120, 180), *range(300, 600)]


def test_the_hour_that_a_clock_skips_is_empty(uploads: UploadWorld) -> None:
    start = Start(StartKind.ZONE, 19_813 * DAY_MS, time_zone="Europe/Berlin")
    uploads.upload(heart("a", start, 300))
    hour = (19_813 * DAY_MS + 2 * HOUR_MS, 19_813 * DAY_MS + 3 * HOUR_MS)
    assert all_blocks(uploads, TimeKind.CIVIL, hour)[0] == []


def test_one_source_can_be_asked_for(uploads: UploadWorld) -> None:
    start = Start(StartKind.INSTANT, NOON)
    uploads.upload(heart("a", start, 5))
    uploads.upload(heart("b", start, 5, source=CHEST))
    for source, expected in ((WRIST, ["a"]), (CHEST, ["b"]), (None, ["b", "a"]), (Source("wrist"), [])):
        blocks, _ = all_blocks(uploads, TimeKind.INSTANT, ALWAYS, source=source)
        assert [one.upload_id for one in blocks] == expected


def test_another_account_reads_nothing_of_it(uploads: UploadWorld) -> None:
    uploads.upload(heart("a", Start(StartKind.INSTANT, NOON), 5))
    assert all_blocks(uploads, TimeKind.INSTANT, ALWAYS, fresh_account(uploads))[0] == []


def test_uncommitted_samples_are_not_read(uploads: UploadWorld) -> None:
    hand = uploads.open(heart("a", Start(StartKind.INSTANT, NOON), 9))
    hand.send_range(0, 5)
    hand.commit()
    hand.send_range(5, 9)
    assert len(samples(all_blocks(uploads, TimeKind.INSTANT, ALWAYS)[0])) == 5


def test_what_is_committed_during_a_reading_is_left_to_the_next_one(uploads: UploadWorld) -> None:
    hand = uploads.open(heart("a", Start(StartKind.INSTANT, NOON), 4000))
    hand.send_range(0, 2000)
    hand.commit()
    tally = Tally()
    blocks = uploads.read.blocks(ACCOUNT, "heart_rate", None, TimeKind.INSTANT, *ALWAYS, tally)
    first = next(blocks)
    hand.send_range(2000, 4000)
    hand.commit()
    assert len(samples([first, *blocks])) == 2000 == tally.samples


@pytest.mark.parametrize("channels", [1, 3, 16])
def test_a_block_is_at_most_256_kib(uploads: UploadWorld, channels: int) -> None:
    count = 2 * BLOCK_VALUES_MAX // channels + 7
    descriptor = replace(HEART, period_ms=10, channels=channels, start=Start(StartKind.INSTANT, NOON))
    recording = Recording("a", descriptor, float32(np.arange(count * channels, dtype=np.float32)))
    uploads.upload(recording, step=BLOCK_VALUES_MAX // channels)
    blocks, tally = all_blocks(uploads, TimeKind.INSTANT, ALWAYS)
    assert max(block.values.nbytes for block in blocks) <= 256 * 1024
    assert b"".join(block.values.tobytes() for block in blocks) == recording.values
    assert tally.samples == count


def test_in_time_order_also_where_two_uploads_take_turns(uploads: UploadWorld) -> None:
    """Each has every other five minutes; a run of either must not jump over the other's."""
    start = Start(StartKind.INSTANT, NOON)
    offsets = np.arange(20) * 5 * MINUTE_MS
    descriptor = replace(HEART, period_ms=None, start=start)
    uploads.upload(Recording("a", descriptor, float32(range(20)), offsets))
    uploads.upload(Recording("b", descriptor, float32(range(20)), offsets + 2 * MINUTE_MS))
    found = samples(all_blocks(uploads, TimeKind.INSTANT, ALWAYS)[0])
    assert [one.upload_id for one in found] == ["a", "b"] * 20
    assert [one.ms for one in found] == sorted(one.ms for one in found)


def test_a_damaged_piece_ends_a_reading(uploads: UploadWorld) -> None:
    uploads.upload(heart("a", Start(StartKind.INSTANT, NOON), 5))
    uploads.store.database.write(
        lambda connection: connection.execute("UPDATE segments SET body = zeroblob(length(body))").close()
    )
    with pytest.raises(StoreDamaged):
        all_blocks(uploads, TimeKind.INSTANT, ALWAYS)


def counted(uploads: UploadWorld, asked: list[object]) -> Read:
    """Return a reader that notes where it asks the store for segments."""

    class Counted:
        def __init__(self) -> None:
            self.near = uploads.store.series.near
            self.tombstones = uploads.store.series.tombstones

        def segments(self, *place: object) -> object:
            asked.append(place)
            return uploads.store.series.segments(*place)  # type: ignore[arg-type]

    return Read(Counted(), uploads.store.keys)  # type: ignore[arg-type]


def test_ten_years_with_little_in_them_are_asked_for_in_few_steps(uploads: UploadWorld) -> None:
    """Days without a sample cost nothing: the store is asked where an upload reaches, and nowhere else."""
    asked = list[object]()
    uploads.upload(heart("a", Start(StartKind.INSTANT, 0), 5))
    uploads.upload(heart("b", Start(StartKind.INSTANT, 3000 * DAY_MS), 5))
    reader = counted(uploads, asked)
    blocks = reader.blocks(ACCOUNT, "heart_rate", None, TimeKind.INSTANT, 0, 3653 * DAY_MS, Tally())
    assert len(samples(list(blocks))) == 10
    assert len(asked) == 2


def test_uploads_that_meet_are_asked_for_once_each(uploads: UploadWorld) -> None:
    """Several days of each, meeting in the middle of a day; only on a day with two uploads are any compared."""
    asked = list[object]()
    for place, name in enumerate("abc"):
        uploads.upload(heart(name, Start(StartKind.INSTANT, NOON + place * 3 * DAY_MS), 3 * 1440))
    tally = Tally()
    blocks = counted(uploads, asked).blocks(ACCOUNT, "heart_rate", None, TimeKind.INSTANT, *ALWAYS, tally)
    found = samples(list(blocks))
    assert [one.upload_id for one in found] == [name for name in "abc" for _ in range(3 * 1440)]
    assert [one.ms for one in found] == [NOON + minute * MINUTE_MS for minute in range(9 * 1440)]
    assert len(asked) == 3
