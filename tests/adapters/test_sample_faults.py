"""Samples where something fails: the disk, a page, a body, the clock, or the luck of being alone."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import apsw
import pytest

from clarity_server.adapters.local.changes import SqliteChanges
from clarity_server.adapters.local.database import Database
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.adapters.local.samples import SqliteSamples
from clarity_server.domain.civil import MINUTE_MS, TimeKind, TimeRange
from clarity_server.domain.errors import StoreDamaged, StoreFull, StoreUnavailable
from clarity_server.domain.samples import Sample, Verdict, Wanted
from clarity_server.flows.samples import REQUEST_KEEP_S, Collect
from tests.adapters.faulty_disk import FaultyDisk
from tests.adapters.sample_writers import SHARED, WRITES, write_many
from tests.contracts.worlds import Clock
from tests.flows.samples_world import HOUR_MS, NOON_MS, at, sent
from tests.flows.upload_world import ACCOUNT

QUOTA = 1024 * 1024
BATCH = 100
PROCESSES = 3
ALL = Wanted(metrics=frozenset({"heart_rate"}))
STORED, DUPLICATE = Verdict.STORED, Verdict.DUPLICATE


@dataclass
class Store:
    """Samples over one file, and a clock that tells what it is told."""

    database: Database
    keys: DiskKeys
    clock: Clock = field(default_factory=Clock)

    @property
    def samples(self) -> SqliteSamples:
        return SqliteSamples(self.database, self.keys)

    @property
    def collect(self) -> Collect:
        return Collect(self.samples, self.keys, self.clock)

    def write(self, *records: str, version: int = 0, request_id: str = "") -> list[Verdict]:
        """Write samples a minute apart, by the numbers at the ends of their records."""
        told = [sent(record, version=version, start=at(minute_of(record))) for record in records]
        return [one.verdict for one in self.collect.write(ACCOUNT, told, request_id, b"")]

    def batch(self, number: int) -> Sequence[str]:
        """Write BATCH samples in one call; return their records."""
        records = [f"r {number * BATCH + one}" for one in range(BATCH)]
        assert self.write(*records) == [STORED] * BATCH
        return records

    def page(self, span: TimeRange | None = None, size: int = 1000) -> list[Sample]:
        return [one for _, one in self.collect.list(ACCOUNT, "heart_rate", None, span, size, "")[0] if one is not None]

    def records(self) -> list[str]:
        """What is stored, by time."""
        found, token = list[str](), ""
        while True:
            page, token = self.collect.list(ACCOUNT, "heart_rate", None, None, 1000, token)
            found += [one.client_record_id for _, one in page if one is not None]
            if not token:
                return found

    @property
    def numbers(self) -> list[int]:
        """The account's change numbers, as its changes have them."""
        rows = SqliteChanges(self.database).rows(ACCOUNT, 0, 100_000)
        return [number for row in rows for number in range(row.number, row.number + row.span)]


def minute_of(record: str) -> int:
    """When a record is of: a minute after the one before."""
    return NOON_MS + int(record.rsplit(" ", 1)[1]) * MINUTE_MS


@contextmanager
def opened(root: Path, *, bytes_max: int = 0, disk: FaultyDisk | None = None) -> Iterator[Store]:
    database = Database(root / "clarity.db", bytes_max=bytes_max, vfs=None if disk is None else disk.vfs_name)
    try:
        yield Store(database, DiskKeys(root / "keys"))
    finally:
        database.close()


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    disk = FaultyDisk()
    yield disk
    disk.unregister()


def until_full(store: Store) -> list[str]:
    """Write until the store is full; return what was acknowledged."""
    kept = list[str]()
    with suppress(StoreFull):
        for number in count():
            kept += store.batch(number)
    return kept


# ---- a full disk -----------------------------------------------------------------------------------------------------


def test_a_full_store_keeps_what_was_acknowledged_and_nothing_half(tmp_path: Path) -> None:
    with opened(tmp_path, bytes_max=QUOTA) as store:
        kept = until_full(store)
        assert len(kept) > BATCH
        assert store.records() == kept
        assert store.numbers == list(range(1, len(kept) + 1))


def test_a_full_store_takes_samples_again_when_there_is_room_and_numbers_go_on(tmp_path: Path) -> None:
    with opened(tmp_path, bytes_max=QUOTA) as store:
        kept = until_full(store)
    with opened(tmp_path, bytes_max=2 * QUOTA) as store:
        kept += store.batch(len(kept) // BATCH)
        assert store.records() == kept
        assert store.numbers == list(range(1, len(kept) + 1))


def test_where_the_store_is_full_a_person_can_still_delete_and_make_room(tmp_path: Path) -> None:
    with opened(tmp_path, bytes_max=QUOTA) as store:
        kept = until_full(store)
        counts = store.samples.delete(ACCOUNT, ALL, len(kept))
        assert counts.samples == len(kept)
        more = [f"more {number}" for number in range(BATCH)]
        assert store.write(*more) == [STORED] * BATCH
        assert store.records() == more


def test_a_request_that_found_the_store_full_is_judged_when_it_comes_again(tmp_path: Path) -> None:
    """An answer is kept with what it tells of, or not at all."""
    with opened(tmp_path, bytes_max=QUOTA) as store:
        number = len(until_full(store))
        records = [f"r {number + one}" for one in range(BATCH)]
        with pytest.raises(StoreFull):
            store.write(*records, request_id="again")
    with opened(tmp_path, bytes_max=2 * QUOTA) as store:
        assert store.write(*records, request_id="again") == [STORED] * BATCH
        assert store.write(*records, request_id="again") == [STORED] * BATCH
        assert store.numbers == list(range(1, number + BATCH + 1))


def test_a_disk_that_runs_full_is_recovered_from(tmp_path: Path, disk: FaultyDisk) -> None:
    with opened(tmp_path):
        pass  # so that the schema no longer lies in the log
    with opened(tmp_path, disk=disk) as store:
        disk.orders.log_bytes_max = QUOTA
        kept = until_full(store)
        assert store.records() == kept
        disk.orders.log_bytes_max = None
        kept += store.batch(len(kept) // BATCH)
        assert store.records() == kept
        assert store.numbers == list(range(1, len(kept) + 1))


# ---- a disk that fails -----------------------------------------------------------------------------------------------


def test_a_sync_that_fails_stores_nothing_and_the_same_request_stores_it_once(tmp_path: Path, disk: FaultyDisk) -> None:
    with opened(tmp_path, disk=disk) as store:
        store.write("r 0")
        disk.orders.fail_log_sync = True
        with pytest.raises(StoreUnavailable):
            store.write("r 1", "r 2", request_id="again")
        assert store.records() == ["r 0"]
        disk.orders.fail_log_sync = False
        assert store.write("r 1", "r 2", request_id="again") == [STORED, STORED]
        assert store.numbers == [1, 2, 3]


def test_a_disk_that_turns_read_only_takes_no_samples_and_what_it_has_is_still_read(
    tmp_path: Path, disk: FaultyDisk
) -> None:
    with opened(tmp_path, disk=disk) as store:
        kept = store.batch(0)
        disk.orders.read_only = True
        for work in (partial(store.write, "r 1000"), partial(store.samples.delete, ACCOUNT, ALL, 1)):
            with pytest.raises(StoreUnavailable):
                work()
        assert store.records() == kept
        disk.orders.read_only = False
        assert store.write("r 1000") == [STORED]
        assert store.numbers == list(range(1, BATCH + 2))


# ---- damage ----------------------------------------------------------------------------------------------------------


def spoil_page(root: Path, name: str) -> None:
    """Overwrite a leaf page in the middle of a table or an index."""
    connection = apsw.Connection(str(root / "clarity.db"))
    query = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY pageno"
    pages = [page for (page,) in connection.execute(query, (name,))]
    size = connection.pragma("page_size")
    connection.close()
    assert len(pages) > 2
    with (root / "clarity.db").open("r+b") as file:
        file.seek((pages[len(pages) // 2] - 1) * size)
        file.write(b"\xff" * size)


def served(store: Store, sample_id: str) -> bool:
    """Whether a sample is served; else it is said that it is damaged."""
    try:
        assert store.samples.get(ACCOUNT, [sample_id])
    except StoreDamaged:
        return False
    return True


def hours(start: int, end: int) -> TimeRange:
    return TimeRange(TimeKind.INSTANT, NOON_MS + start * HOUR_MS, NOON_MS + end * HOUR_MS)


def test_a_damaged_page_costs_the_samples_on_it_and_no_others(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for number in range(10):
            store.batch(number)
        ids = [sample_id for sample_id, _ in store.collect.list(ACCOUNT, "heart_rate", None, None, 1000, "")[0]]
    spoil_page(tmp_path, "samples")
    with opened(tmp_path) as store:
        lost = len(ids) - sum(served(store, sample_id) for sample_id in ids)
        assert 0 < lost < len(ids) // 5
        with pytest.raises(StoreDamaged):
            store.page()
        assert [one.client_record_id for one in store.page(hours(0, 1))] == [f"r {number}" for number in range(60)]
        assert store.write("more 1") == [STORED]
        assert store.samples.get(ACCOUNT, ids[:1])


def spoil_first(store: Store) -> str:
    """Overwrite the body of the first sample; return its id."""
    [(damaged, _)] = store.collect.list(ACCOUNT, "heart_rate", None, None, 1, "")[0]
    spoil = "UPDATE samples SET body = zeroblob(length(body)) WHERE sample_id = ?"
    store.database.write(lambda connection: connection.execute(spoil, (damaged,)).close())
    return damaged


def test_a_damaged_body_is_named_and_all_around_it_is_served(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(tmp_path) as store:
        store.batch(0)
        damaged = spoil_first(store)
        assert [one.client_record_id for one in store.page()] == [f"r {number}" for number in range(1, BATCH)]
        assert f"{ACCOUNT}|sample|{damaged}|0" in caplog.text


def test_a_damaged_sample_can_be_deleted_and_sent_again(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.write("r 0", "r 1")
        damaged = spoil_first(store)
        store.samples.delete(ACCOUNT, Wanted(frozenset({damaged})), 1)
        assert store.records() == ["r 1"]
        assert store.write("r 0", version=1) == [Verdict.REPLACED]
        assert store.records() == ["r 0", "r 1"]


# ---- a clock that jumps ----------------------------------------------------------------------------------------------


def test_a_clock_that_jumps_back_changes_neither_numbers_nor_order_nor_first_answers(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert store.write("r 3", request_id="first") == [STORED]
        store.clock.wait(-30 * 24 * 3600.0)
        assert store.write("r 3", request_id="first") == [STORED]  # told again, and not judged again
        assert store.write("r 1", request_id="second") == [STORED]
        assert store.write("r 3") == [DUPLICATE]
        store.clock.wait(31 * 24 * 3600.0)
        assert store.write("r 2") == [STORED]
        assert store.numbers == [1, 2, 3]
        assert store.records() == ["r 1", "r 2", "r 3"]


def test_an_answer_that_a_clock_ahead_has_thrown_away_costs_nothing(tmp_path: Path) -> None:
    """Versions and contents, not answers, are what keeps a sample from being stored twice."""
    with opened(tmp_path) as store:
        assert store.write("r 0", request_id="first") == [STORED]
        store.clock.wait(2 * REQUEST_KEEP_S)
        assert store.write("r 1", request_id="second") == [STORED]
        store.clock.wait(-2 * REQUEST_KEEP_S)
        assert store.write("r 0", request_id="first") == [DUPLICATE]
        assert store.numbers == [1, 2]


# ---- several processes -----------------------------------------------------------------------------------------------


def test_processes_that_write_at_once_lose_nothing_and_store_nothing_twice(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.keys.create_data_key(ACCOUNT)
        with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
            futures = [pool.submit(write_many, tmp_path, writer) for writer in range(PROCESSES)]
            while not all(future.done() for future in futures):
                seen = store.numbers
                assert seen == list(range(1, len(seen) + 1))
        outcomes = [one for future in futures for one in future.result()]
        records = Counter(store.records())
    assert max(records.values()) == 1
    assert sum(record.startswith("writer") for record in records) == PROCESSES * WRITES
    assert sum(record.startswith("shared") for record in records) == SHARED
    changed = [one for one in outcomes if one.verdict in {STORED, Verdict.REPLACED}]
    with opened(tmp_path) as store:
        assert store.numbers == list(range(1, len(changed) + 1))
    stored = Counter(one.sample_id for one in outcomes if one.verdict is STORED)
    assert set(stored.values()) == {1}  # of all who wrote one record, one was told that it is new
    assert len(stored) == len(records)
