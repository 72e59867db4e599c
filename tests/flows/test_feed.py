"""The feed: numbers without a gap, told in order and at least once, enough to keep a mirror."""

import hashlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from clarity_server.domain.civil import DAY_MS, MINUTE_MS, Start, StartKind, TimeKind, TimeRange
from clarity_server.domain.errors import ChangeTokenExpired, ResumeTokenInvalid, StoreDamaged
from clarity_server.domain.ids import new_id
from clarity_server.domain.samples import Moment, Tombstone, Wanted
from clarity_server.domain.series import NO_VALUE_FLOAT32_BITS, Descriptor, Encoding, Source
from clarity_server.flows.compact import Compact
from clarity_server.flows.feed import (
    PAGE_BYTES_MAX,
    FinishedTold,
    PartDamaged,
    PartTold,
    SampleDamaged,
    SampleGone,
    SampleTold,
)
from clarity_server.flows.read import Block, Tally
from clarity_server.ports import ChangeRow, Changes, StoredSample
from clarity_server.services.wire_samples import to_changes
from tests.flows.mirror import Mirror, numbers
from tests.flows.samples_world import HOUR_MS, NOON_MS, SCALE, SamplesWorld, SentValue, at, samples_world, sent
from tests.flows.upload_world import ACCOUNT, COUNTS, HEART, WRIST, Recording, float32

ZONED = Start(StartKind.OFFSET, NOON_MS + 7_200_000, utc_offset_s=7200)
BEATS = Descriptor("heartbeat_rr_interval", WRIST, Start(StartKind.INSTANT, NOON_MS), None, Encoding.INT16, scale=1.0)

VALUES: Sequence[SentValue] = (60.0, 61.0, 62.0, "rem", "deep")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SamplesWorld]:
    with samples_world(tmp_path) as opened:
        yield opened


def minutes(upload_id: str, count: int, *, first: float = 0.0) -> Recording:
    return Recording(upload_id, replace(COUNTS, start=ZONED), float32(np.arange(count, dtype=np.float32) + first))


# ---- samples ---------------------------------------------------------------------------------------------------------


def test_where_nothing_changed_there_is_an_empty_page_to_go_on_from(world: SamplesWorld) -> None:
    page = world.feed.page(ACCOUNT, None, "", 0)
    assert (page.changes, page.has_more, page.told_number) == ([], False, 0)
    world.write(sent("a"))
    assert numbers(world.feed.page(ACCOUNT, None, page.next_token, 0).changes) == [1]


def test_a_sample_is_told_as_it_is_stored_now(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("b"))
    world.write(sent("a", 61.0, version=1))
    told = world.told()
    assert numbers(told) == [1, 2, 3]
    assert told[0].what is None
    assert [one.what.sample.value for one in told if isinstance(one.what, SampleTold)] == [60.0, 61.0]


def test_what_changes_nothing_takes_no_number(world: SamplesWorld) -> None:
    world.write(sent("a", version=1))
    world.write(sent("a", version=1), sent("a", 61.0, version=1), sent("a", version=0), sent("bad", None))
    assert numbers(world.told()) == [1]


def test_a_deleted_sample_is_told_with_its_version(world: SamplesWorld) -> None:
    (outcome,) = world.write(sent("a", version=7))
    world.remove.remove(ACCOUNT, Wanted(sample_ids=frozenset({outcome.sample_id})), None, "", b"")
    replaced, gone = world.told()
    assert replaced.what is None
    assert gone.what == SampleGone(outcome.sample_id, "heart_rate", SCALE, 7)


@pytest.mark.parametrize("page_size", [1, 2, 3, 100])
def test_pages_of_any_size_tell_the_same(world: SamplesWorld, page_size: int) -> None:
    for size in (1, 4, 2):
        world.write(*(sent(f"{size} {place}") for place in range(size)))
    world.write(sent("1 0", version=1))
    pages = world.pages(page_size=page_size)
    assert [one for page in pages for one in page.changes] == world.told()
    assert [page.told_number for page in pages] == [min(page_size * (place + 1), 8) for place in range(len(pages))]
    assert [page.has_more for page in pages] == [True] * (len(pages) - 1) + [False]


def test_of_some_metrics_the_numbers_of_others_are_left_out(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("b", "rem"), sent("c"))
    world.write(sent("c", version=1))
    world.upload(minutes("u", 10))
    (page,) = world.pages(frozenset({"heart_rate"}))
    assert numbers(page.changes) == [1, 4]
    assert (page.told_number, page.has_more) == (6, False)
    assert numbers(world.told(frozenset({"activity_counts_1min"}))) == [5, 6]


def test_a_page_looks_at_a_bounded_part_even_where_it_tells_nothing(world: SamplesWorld) -> None:
    world.write(*(sent(str(place)) for place in range(30)), sent("last", "rem"))
    feed = replace(world.feed, looked_at_max=10)
    pages = world.pages(frozenset({"sleep_stage"}), feed=feed)
    assert [numbers(page.changes) for page in pages] == [[], [], [], [31]]
    assert [page.told_number for page in pages] == [10, 20, 30, 31]


def test_a_page_is_bounded_in_bytes_and_never_empty_for_that(world: SamplesWorld) -> None:
    world.write(*(sent(str(place)) for place in range(5)))
    feed = replace(world.feed, page_bytes_max=1)
    assert [numbers(page.changes) for page in world.pages(feed=feed)] == [[1], [2], [3], [4], [5]]


def test_a_page_of_the_longest_names_is_still_a_message_of_its_bound(world: SamplesWorld) -> None:
    name = "\N{GRINNING FACE}" * 128  # four bytes each
    longest = Source(name, name)
    for values in (60.0, "rem", (120.123456, 80.2)):
        several = [sent(f"{name[:120]}{place}", values, source=longest) for place in range(900)]
        world.write(*(replace(one, end=at(NOON_MS + 1)) for one in several))
    pages = world.pages(page_size=10_000)
    assert len(pages) > 1
    assert max(to_changes(page).ByteSize() for page in pages) <= PAGE_BYTES_MAX


# ---- tokens ----------------------------------------------------------------------------------------------------------


def test_a_token_is_bound_to_the_account_and_the_metrics(world: SamplesWorld) -> None:
    world.write(sent("a"))
    token = world.feed.page(ACCOUNT, frozenset({"heart_rate"}), "", 0).next_token
    for account_id, metrics, told in (
        (new_id(), frozenset({"heart_rate"}), token),
        (ACCOUNT, frozenset({"sleep_stage"}), token),
        (ACCOUNT, None, token),
        (ACCOUNT, frozenset({"heart_rate"}), token[:-2]),
        (ACCOUNT, frozenset({"heart_rate"}), "no token"),
    ):
        with pytest.raises(ResumeTokenInvalid):
            world.feed.page(account_id, metrics, told, 0)


def test_a_token_of_another_history_has_expired(world: SamplesWorld) -> None:
    world.write(sent("a"))
    token = world.feed.page(ACCOUNT, None, "", 0).next_token
    world.store.database.write(lambda connection: connection.execute("UPDATE lineage SET id = 'another'").close())
    with pytest.raises(ChangeTokenExpired):
        world.feed.page(ACCOUNT, None, token, 0)
    assert numbers(world.told()) == [1]


# ---- series ----------------------------------------------------------------------------------------------------------


def test_an_append_is_told_in_parts_under_one_number_that_pages_may_cut(world: SamplesWorld) -> None:
    recording = minutes("u", 1000)
    world.upload(recording, finish=False)
    feed = replace(world.feed, part_bytes_max=1200)
    for page_size in (1, 2, 100):
        told = world.told(feed=feed, page_size=page_size)
        parts = [one.what for one in told if isinstance(one.what, PartTold)]
        assert len(parts) == len(told) > 3
        assert set(numbers(told)) == {1}
        assert all(len(part.values) <= 1200 for part in parts)
        assert b"".join(part.values for part in parts) == recording.values
    first = feed.page(ACCOUNT, None, "", 2)
    assert (first.told_number, first.has_more) == (0, True)


def test_parts_have_their_own_offsets_and_moves(world: SamplesWorld) -> None:
    values = np.arange(100, dtype="<i2").tobytes()
    recording = Recording(
        "u", BEATS, values, np.arange(100, dtype=np.int64) * 800 + 5, ((10, 3600), (32, 5400), (60, 7200))
    )
    world.upload(recording)
    feed = replace(world.feed, part_bytes_max=64)
    mirror = Mirror()
    mirror.catch_up(feed)
    found = mirror.uploads["u"].recording("u")
    assert found.offsets_ms is not None
    assert found.offsets_ms.tolist() == (np.arange(100) * 800 + 5).tolist()
    assert (found.values, found.moves) == (values, recording.moves)
    assert world.told(feed=feed)[-1].what == FinishedTold("u", 100, hashlib.sha256(values).digest())
    parts = [one.what for one in world.told(feed=feed) if isinstance(one.what, PartTold)]
    assert [[move.first_sample for move in part.offset_changes] for part in parts] == [[10], [32, 60], [], []]


def test_parts_are_told_alike_after_segments_were_joined(world: SamplesWorld) -> None:
    recording = minutes("u", 600)
    hand = world.open(recording)
    for end in range(20, 601, 20):
        hand.send_range(end - 20, end)
        hand.commit()
    hand.finish()
    before = world.told()[:-1]
    assert Compact(world.store.series, world.store.keys).run(1000)
    assert len(list(world.store.series.segments(ACCOUNT, "u", 0, 600))) < 30
    after = world.told()[:-1]
    assert [_part(one.what) for one in after] == [_part(one.what) for one in before]


def _part(what: object) -> object:
    assert isinstance(what, PartTold)
    return replace(what, offsets_ms=None)


def test_what_is_deleted_of_a_series_is_told_without_values(world: SamplesWorld) -> None:
    world.upload(minutes("u", 100))
    deleted = TimeRange(TimeKind.INSTANT, NOON_MS + 10 * MINUTE_MS, NOON_MS + 20 * MINUTE_MS)
    world.remove.remove(ACCOUNT, Wanted(metrics=frozenset({COUNTS.metric}), range=deleted), None, "", b"")
    part, finished, tombstone = world.told()
    assert isinstance(part.what, PartTold)
    values = np.frombuffer(part.what.values, dtype="<u4")
    assert np.flatnonzero(values == NO_VALUE_FLOAT32_BITS).tolist() == list(range(10, 20))
    assert isinstance(finished.what, FinishedTold)
    assert tombstone.what == Tombstone(COUNTS.metric, WRIST, deleted, 1, number=3)


def execute(world: SamplesWorld, statement: str) -> None:
    """Change the store behind its back."""
    world.store.database.write(lambda connection: connection.execute(statement).close())


def test_a_number_that_the_store_has_lost_is_named(world: SamplesWorld) -> None:
    for record in "abc":
        world.write(sent(record))
    execute(world, "DELETE FROM changes WHERE number = 2")
    with pytest.raises(StoreDamaged) as raised:
        world.told()
    assert raised.value.facts["piece"].endswith("|change|2")


def test_what_is_damaged_is_told_as_damaged_and_all_around_it_is_told(
    world: SamplesWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world.write(sent("a"), sent("b"))
    world.upload(minutes("u", 100))
    (first, _) = world.told()[0:2]
    assert isinstance(first.what, SampleTold)
    for spoil in ("UPDATE samples SET body = x'00' WHERE number = 1", "UPDATE segments SET body = x'00'"):
        execute(world, spoil)
    one, two, part, finished = world.told()
    assert one.what == SampleDamaged(first.what.sample_id)
    assert isinstance(two.what, SampleTold)
    assert part.what == PartDamaged("u", 0, 100)
    assert isinstance(finished.what, FinishedTold)
    assert f"|sample|{first.what.sample_id}|0" in caplog.text
    assert "|u|0|100" in caplog.text


# ---- who writes meanwhile --------------------------------------------------------------------------------------------


@dataclass
class Meanwhile:
    """Changes, where something happens just after the newest number was read."""

    changes: Changes
    happens: Callable[[], object]

    def lineage(self) -> str:
        return self.changes.lineage()

    def newest(self, account_id: str) -> int:
        newest = self.changes.newest(account_id)
        self.happens()
        return newest

    def rows(self, account_id: str, after: int, limit: int) -> Sequence[ChangeRow]:
        return self.changes.rows(account_id, after, limit)

    def samples(self, account_id: str, after: int, until: int, limit: int) -> Sequence[StoredSample]:
        return self.changes.samples(account_id, after, until, limit)

    def tombstone(self, account_id: str, number: int) -> Tombstone:
        return self.changes.tombstone(account_id, number)


def test_what_comes_while_a_page_is_read_is_the_next_page_s(world: SamplesWorld) -> None:
    world.write(sent("a"), sent("b"))
    changes = Meanwhile(world.store.changes, lambda: world.write(sent("a", 61.0, version=1), sent("c")))
    page = replace(world.feed, changes=changes).page(ACCOUNT, None, "", 0)
    assert numbers(page.changes) == [1, 2]
    assert page.changes[0].what is None
    assert page.told_number == 2
    following = world.feed.page(ACCOUNT, None, page.next_token, 0)
    assert numbers(following.changes) == [3, 4]


@pytest.mark.parametrize("seed", range(6))
def test_a_mirror_of_the_feed_alone_equals_the_store(world: SamplesWorld, tmp_path: Path, seed: int) -> None:
    chance, mirror = random.Random(seed), Mirror()
    steps = _Steps(world, chance)
    for _ in range(60):
        steps.one()
        if chance.random() < 0.5:
            feed = replace(
                world.feed,
                page_bytes_max=chance.choice([500, 20_000, 1 << 20]),
                part_bytes_max=chance.choice([40, 4000]),
            )
            mirror.follow(feed, chance.choice([1, 3, 100]))
    mirror.catch_up(world.feed, 7)
    _assert_equal(mirror, world, tmp_path)


def test_a_mirror_that_follows_several_writers_equals_the_store(world: SamplesWorld, tmp_path: Path) -> None:
    mirror = Mirror()
    writers = [threading.Thread(target=_write_much, args=(world, seed)) for seed in range(3)]
    for one in writers:
        one.start()
    while any(one.is_alive() for one in writers):
        mirror.catch_up(world.feed, 5)
    mirror.catch_up(world.feed)
    _assert_equal(mirror, world, tmp_path)


def _write_much(world: SamplesWorld, seed: int) -> None:
    steps = _Steps(world, random.Random(seed), name=str(seed))
    for _ in range(25):
        steps.one()


@dataclass
class _Steps:
    """Does one thing after another to an account: writes, deletes, uploads."""

    world: SamplesWorld
    chance: random.Random
    name: str = "u"
    uploads: int = 0

    def one(self) -> None:
        self.chance.choice(
            [self.write, self.write, self.upload, self.append, self.delete, self.delete_some, self.compact]
        )()

    def write(self) -> None:
        chance = self.chance
        several = [
            sent(
                str(chance.randrange(12)),
                chance.choice(VALUES),
                version=chance.randrange(8),
                start=chance.choice([at, _floating])(NOON_MS + chance.randrange(48) * HOUR_MS),
            )
            for _ in range(chance.randrange(1, 6))
        ]
        self.world.write(*several)

    def upload(self) -> None:
        self.uploads += 1
        self._recorded(self.uploads, self.chance.randrange(1, 300))

    def append(self) -> None:
        if self.uploads:
            self._recorded(self.chance.randrange(self.uploads) + 1, 400)

    def _recorded(self, place: int, count: int) -> None:
        """Bring an upload up to a count, or leave it where it has more; the whole of one is always the same."""
        whole = self._recording(place)
        hand = self.world.open(whole)
        if hand.intake.stored.receipt is None and hand.received < count:
            hand.send_range(hand.received, count)
            hand.commit()
            if count == whole.count:
                hand.finish()

    def _recording(self, place: int) -> Recording:
        chance = random.Random(f"{self.name} {place}")
        source = chance.choice([WRIST, Source("other")])
        start = chance.choice([ZONED, Start(StartKind.FLOATING, NOON_MS), Start(StartKind.INSTANT, NOON_MS + HOUR_MS)])
        upload_id, values = f"{self.name}-{place}", np.asarray([chance.randrange(50) for _ in range(400)])
        moves = () if start.kind is StartKind.FLOATING else ((chance.randrange(1, 399), 3600),)
        if chance.random() < 0.3:
            described = replace(BEATS, source=source, start=start, revision=chance.randrange(3))
            offsets = np.cumsum([chance.randrange(1, 2 * MINUTE_MS) for _ in range(400)])
            return Recording(upload_id, described, values.astype("<i2").tobytes(), offsets, moves)
        shape = replace(chance.choice([COUNTS, HEART]), source=source, start=start, revision=chance.randrange(3))
        return Recording(upload_id, shape, float32(values.astype(np.float32)), None, moves)

    def delete(self) -> None:
        """Delete a range of a kind of time, of something or of all."""
        kind, low = self.chance.choice(list(TimeKind)), NOON_MS + self.chance.randrange(48) * HOUR_MS
        span = TimeRange(kind, low, low + self.chance.randrange(1, 3 * HOUR_MS))
        metrics = self.chance.choice(
            [None, frozenset({COUNTS.metric, "heart_rate"}), frozenset({"sleep_stage", BEATS.metric})]
        )
        wanted = Wanted(metrics=metrics, source=self.chance.choice([None, WRIST, SCALE]), range=span)
        if self.world.remove.counted(ACCOUNT, wanted).total:
            self.world.remove.remove(ACCOUNT, wanted, None, "", b"")

    def delete_some(self) -> None:
        """Delete samples by id."""
        found = [sample_id for sample_id, _ in self.world.listed()]
        if found:
            some = frozenset(self.chance.sample(found, k=min(2, len(found))))
            self.world.remove.remove(ACCOUNT, Wanted(sample_ids=some), None, "", b"")

    def compact(self) -> None:
        Compact(self.world.store.series, self.world.store.keys).run_due()


def _floating(ms: int) -> Moment:
    return Moment(None, ms)


def _assert_equal(mirror: Mirror, world: SamplesWorld, root: Path) -> None:
    assert mirror.told_number == world.store.changes.newest(ACCOUNT)
    for metric in ("heart_rate", "sleep_stage"):
        assert mirror.of_metric(metric) == dict(world.listed(metric))
    with samples_world(root / "mirror") as other:
        mirror.rebuild(other)
        for metric in (COUNTS.metric, "heart_rate", BEATS.metric):
            for kind in TimeKind:
                assert _read(other, metric, kind) == _read(world, metric, kind)


def _read(world: SamplesWorld, metric: str, kind: TimeKind) -> list[tuple[object, ...]]:
    """All that Read says of a metric, sample by sample and in their own order: it may come in other blocks."""
    found = list[tuple[object, ...]]()
    if any(
        one.committed and _has(one.descriptor.start.kind, kind, bool(one.offset_changes))
        for one in world.store.series.uploads(ACCOUNT, metric)
    ):
        for block in world.read.blocks(ACCOUNT, metric, None, kind, 0, NOON_MS + 20 * DAY_MS, Tally()):
            found += _samples_of(block)
    return sorted(found, key=repr)


def _samples_of(block: Block) -> Iterator[tuple[object, ...]]:
    count = len(block.values) // block.channels
    offsets = np.arange(count) * (block.period_ms or 0) if block.offsets_ms is None else block.offsets_ms
    for place in range(count):
        yield (
            block.source,
            block.upload_id,
            block.first_sample + place,
            block.start_ms + int(offsets[place]),
            block.utc_offset_s,
            block.values[place].tobytes(),
        )


def _has(start: StartKind, kind: TimeKind, moved: bool) -> bool:
    if kind is TimeKind.INSTANT:
        return start is not StartKind.FLOATING
    return start is not StartKind.INSTANT or moved
