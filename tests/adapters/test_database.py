"""The SQLite file: who is answered when, what a fault costs, and what stops the start."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from clarity_server.adapters.local import database as local
from clarity_server.adapters.local import schema
from clarity_server.adapters.local.database import Database, check_sqlite
from clarity_server.domain.errors import (
    InvalidInput,
    StartRefused,
    StoreDamaged,
    StoreFull,
    StoreUnavailable,
)
from tests.adapters.faulty_disk import FaultyDisk

ROOT = Path(__file__).parents[2]
NOBODY = 65534
Work = Callable[[apsw.Connection], Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clarity.db"


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    disk = FaultyDisk()
    yield disk
    disk.unregister()


@contextmanager
def opened(path: Path, *, bytes_max: int = 0, disk: FaultyDisk | None = None) -> Iterator[Database]:
    """A database with a table for notes, closed at the end."""
    database = Database(path, bytes_max=bytes_max, vfs=None if disk is None else disk.vfs_name)
    try:
        database.write(lambda connection: connection.execute("CREATE TABLE IF NOT EXISTS notes (text, body)").close())
        yield database
    finally:
        database.close()


def note(text: str, size: int = 0) -> Work:
    """Work that adds a note of a size in bytes, and answers with its text."""

    def work(connection: apsw.Connection) -> str:
        connection.execute("INSERT INTO notes VALUES (?, ?)", (text, os.urandom(size))).close()
        return text

    return work


def refused(connection: apsw.Connection) -> None:
    """Work that writes, and then finds its caller's input wrong."""
    note("never kept")(connection)
    raise InvalidInput(text="must be nicer")


def notes(database: Database) -> list[str]:
    with database.read() as connection:
        rows: list[Any] = connection.execute("SELECT text FROM notes ORDER BY text").fetchall()
    return [text for (text,) in rows]


def read_half(database: Database) -> None:
    with database.read() as connection:
        for _ in connection.execute("SELECT text FROM notes"):
            raise InvalidInput(text="seen enough")


def sound(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with a closed file."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


def together(database: Database, works: Sequence[Work]) -> list[Future[Any]]:
    """Write from as many threads, all in one group: the writer is held until the last of them waits."""
    entered, gate = threading.Event(), threading.Event()

    def hold(_: apsw.Connection) -> None:
        entered.set()
        gate.wait()

    with ThreadPoolExecutor(len(works) + 1) as pool:
        pool.submit(database.write, hold)
        entered.wait()
        futures = []
        for count, work in enumerate(works, start=1):
            futures.append(pool.submit(database.write, work))
            while database.waiting_count < count:
                os.sched_yield()
        gate.set()
    return futures


# ---- groups ---------------------------------------------------------------------------------------------------------


def test_a_write_answers_what_its_work_answers(path: Path) -> None:
    with opened(path) as database:
        assert database.write(note("one")) == "one"
        assert notes(database) == ["one"]


def test_writes_that_wait_together_share_one_fsync(path: Path, disk: FaultyDisk) -> None:
    with opened(path, disk=disk) as database:
        before = disk.orders.log_syncs
        futures = together(database, [note(f"{number:02}") for number in range(32)])
        assert [future.result() for future in futures] == notes(database)
        assert disk.orders.log_syncs - before <= 2  # the holder's and the group's


def test_a_group_is_bounded(path: Path, disk: FaultyDisk) -> None:
    with opened(path, disk=disk) as database:
        before = disk.orders.log_syncs
        together(database, [note("")] * (2 * local.GROUP_WRITES_MAX))
        assert disk.orders.log_syncs - before >= 2


def test_a_write_that_raises_fails_alone_and_leaves_nothing(path: Path) -> None:
    with opened(path) as database:
        futures = together(database, [note("a"), refused, note("b"), refused, note("c")])
        assert [type(future.exception()) for future in futures[1::2]] == [InvalidInput, InvalidInput]
        assert [future.result() for future in futures[::2]] == ["a", "b", "c"] == notes(database)


def test_a_writes_own_error_flies_in_its_callers_thread(path: Path) -> None:
    with opened(path) as database, pytest.raises(apsw.SQLError, match="no such table"):
        database.write(lambda connection: connection.execute("SELECT * FROM nowhere").fetchall())


def test_a_commit_that_fails_fails_everybody_in_the_group(path: Path, disk: FaultyDisk) -> None:
    with opened(path, disk=disk) as database:
        disk.orders.fail_log_sync = True
        futures = together(database, [note("a"), refused, note("b")])
        assert [type(future.exception()) for future in futures] == [StoreUnavailable] * 3
        disk.orders.fail_log_sync = False
        database.write(note("after"))
        assert notes(database) == ["after"]


def test_the_log_goes_into_the_file_once_it_is_large_and_after_closing_nothing_is_left_beside_it(path: Path) -> None:
    with opened(path) as database:
        for number in range(6):
            database.write(note(str(number), local.CHECKPOINT_BYTES // 3))
        assert path.stat().st_size > local.CHECKPOINT_BYTES
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_what_waits_at_closing_is_written_and_what_comes_after_is_refused(path: Path) -> None:
    with opened(path) as database:
        futures = together(database, [note("waited")])
        database.close()
        assert futures[0].result() == "waited"
        with pytest.raises(StoreUnavailable):
            database.write(note("late"))
    with opened(path) as database:
        assert notes(database) == ["waited"]


# ---- reading --------------------------------------------------------------------------------------------------------


def test_a_reader_cannot_write(path: Path) -> None:
    with opened(path) as database, pytest.raises(StoreUnavailable), database.read() as connection:
        connection.execute("INSERT INTO notes VALUES ('x', '')")


def test_a_reader_that_raises_half_way_holds_no_read_transaction(path: Path) -> None:
    with opened(path) as database:
        for text in "abc":
            database.write(note(text))
        with pytest.raises(InvalidInput):
            read_half(database)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_more_readers_than_connections_wait_their_turn(path: Path) -> None:
    with opened(path) as database, ThreadPoolExecutor(4 * local.READERS_MAX) as pool:
        database.write(note("seen"))
        assert list(pool.map(lambda _: notes(database), range(200))) == [["seen"]] * 200


# ---- a full disk ----------------------------------------------------------------------------------------------------

QUOTA = 2 * 1024 * 1024


def filled(database: Database, size: int) -> list[str]:
    """Write notes until the store is full; return those acknowledged."""
    kept = list[str]()
    try:
        while True:
            kept.append(database.write(note(f"{len(kept):05}", size)))
    except StoreFull:
        return kept


def test_a_full_quota_loses_nothing_and_takes_writes_again_when_it_is_raised(path: Path) -> None:
    with opened(path, bytes_max=QUOTA) as database:
        kept = filled(database, 50_000)
        assert kept == notes(database)
    with opened(path, bytes_max=2 * QUOTA) as database:
        assert database.write(note("zzz", 50_000)) == "zzz"
        assert notes(database) == [*kept, "zzz"]
    assert sound(path)


def test_a_full_quota_takes_writes_again_when_something_is_deleted(path: Path) -> None:
    with opened(path, bytes_max=QUOTA) as database:
        kept = filled(database, 50_000)
        database.write(lambda connection: connection.execute("DELETE FROM notes WHERE text < '00005'").close())
        assert database.write(note("zzz", 50_000)) == "zzz"
        assert notes(database) == [*kept[5:], "zzz"]


def test_a_write_too_large_for_the_quota_fails_alone(path: Path) -> None:
    with opened(path, bytes_max=QUOTA) as database:
        futures = together(database, [note("a"), note("huge", 2 * QUOTA), note("b")])
        assert isinstance(futures[1].exception(), StoreFull)
        assert [futures[0].result(), futures[2].result()] == ["a", "b"] == notes(database)


def test_a_write_too_large_for_the_disk_fails_alone(path: Path, disk: FaultyDisk) -> None:
    """The disk is found full at the COMMIT, or before when the group outgrows the cache: either way for all of it."""
    with opened(path):
        pass  # so that the schema no longer lies in the log
    for size in (1_000_000, 2 * 1024 * local.CACHE_KIB):
        with opened(path, disk=disk) as database:
            before = notes(database)
            disk.orders.log_bytes_max = 500_000
            futures = together(database, [note(f"{size} a"), note("huge", size), note(f"{size} b")])
            assert isinstance(futures[1].exception(), StoreFull)
            kept = [futures[0].result(), futures[2].result()]
            assert notes(database) == sorted([*before, *kept])
            disk.orders.log_bytes_max = None
    assert sound(path)


def test_a_disk_that_was_full_takes_writes_again(path: Path, disk: FaultyDisk) -> None:
    with opened(path):
        pass  # so that the schema no longer lies in the log
    with opened(path, disk=disk) as database:
        disk.orders.log_bytes_max = 500_000
        kept = filled(database, 50_000)
        disk.orders.log_bytes_max = None
        database.write(note("zzz"))
        assert notes(database) == [*kept, "zzz"]
    assert sound(path)


# ---- the start ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["3.7.0", "3.40.1", "3.51.2"])
def test_a_sqlite_with_the_wal_reset_bug_is_refused_with_what_to_do(version: str) -> None:
    with pytest.raises(StartRefused, match=r"WAL-reset bug.*install the apsw wheel"):
        check_sqlite(version)


@pytest.mark.parametrize("version", ["3.51.3", "3.52.0", "3.54.1", "4.0.0"])
def test_a_sqlite_without_it_is_taken(version: str) -> None:
    check_sqlite(version)


def test_the_file_is_for_its_owner_only(path: Path) -> None:
    with opened(path):
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}


def test_commits_are_synchronous_and_logged(path: Path) -> None:
    def settings(connection: apsw.Connection) -> list[object]:
        return [connection.pragma(name) for name in ("journal_mode", "synchronous", "foreign_keys")]

    with opened(path) as database:
        assert database.write(settings) == ["wal", 2, 1]


def test_a_corrupt_file_is_named(path: Path) -> None:
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(StoreDamaged) as error:
        Database(path)
    assert error.value.facts == {"piece": path.name}


def test_a_lock_that_another_process_keeps_too_long_is_unavailable(path: Path) -> None:
    with opened(path):
        holder, other = apsw.Connection(str(path)), apsw.Connection(str(path))
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked by another process"), local.translated(path.name):
            other.execute("BEGIN IMMEDIATE")
        holder.close()
        other.close()


def test_a_page_damaged_later_is_named_when_it_is_read(path: Path) -> None:
    with opened(path) as database:
        database.write(note("here", 100_000))
    with path.open("r+b") as file:
        file.seek(local.PAGE_BYTES)
        file.write(bytes(path.stat().st_size - local.PAGE_BYTES))
    with pytest.raises(StoreDamaged), opened(path) as database:
        notes(database)


@pytest.fixture
def read_only_directory(path: Path) -> Iterator[Path]:
    """A directory with a database in it that this process may read and not write; root steps down for as long."""
    with opened(path):
        pass
    folder = Path(tempfile.mkdtemp())
    shutil.copy(path, folder)
    (folder / path.name).chmod(0o444)
    folder.chmod(0o555)
    mighty = os.geteuid() == 0
    if mighty:
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if mighty:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_read_only_directory_is_unavailable_and_says_so(read_only_directory: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"clarity\.db or its directory cannot be opened for writing"):
        Database(read_only_directory / "clarity.db")


def test_a_new_file_in_a_read_only_directory_is_unavailable(read_only_directory: Path) -> None:
    with pytest.raises(StoreUnavailable, match="Permission denied"):
        Database(read_only_directory / "other.db")


# ---- schemas --------------------------------------------------------------------------------------------------------

NEWEST = max(schema.migrations())
EXAMPLES = {
    1: """
        INSERT INTO uploads VALUES ('a', 'u', 'heart_rate', 'd', '', '{}', 1, 60, 7, 60, '[]', -1, 0, NULL);
        INSERT INTO segments VALUES ('a', 'u', 0, 60, 'heart_rate', 0, 0, 60, x'00', NULL);
        INSERT INTO changes VALUES ('a', 1, 'append', 'heart_rate', 'u', 0, 60);""",
    2: """
        INSERT INTO uploads VALUES ('a', 'u', 'heart_rate', 'd', '', '{}', 1, 60, 7, 60, '[]', -1, 0, NULL);
        INSERT INTO segments VALUES ('a', 'u', 0, 60, 'heart_rate', 0, 0, 60, x'00', NULL);
        INSERT INTO results VALUES (1, 'a', 'u', 1, 0, 60, 0, NULL, 1, 1);
        INSERT INTO touched_windows VALUES (1, 'a', 'heart_rate', 'd', '', 0, 1);
        INSERT INTO analyses VALUES (1, 'a', 'i', 1, 'heart_rate', 'd', '', 0, 'QUEUED', '', '', '', x'');
        INSERT INTO insights VALUES ('a', 'i', 1, 'i', 0, x'00');""",
    5: """
        INSERT INTO uploads VALUES
            ('a', 'u', 'heart_rate', 'd', '', '{}', 1, 60, 7, 60, '[]', -1, 0, NULL, 0, 60, NULL);
        INSERT INTO segments VALUES ('a', 'u', 0, 60, 'heart_rate', 0, 0, 60, x'00', NULL);
        INSERT INTO changes VALUES ('a', 1, 'append', 'heart_rate', 'u', 0, 60, 1);
        INSERT INTO changes VALUES ('a', 2, 'samples', '', '', 0, 0, 1);
        INSERT INTO source_metrics VALUES ('a', 'heart_rate', 'd', '', 0);
        INSERT INTO samples VALUES ('a', 's', 'heart_rate', 'd', '', 0, 0, NULL, 0, x'00', 2, 0, x'00');""",
}
"""Rows as each schema had them; a new migration adds its own when it changes what a row looks like."""


def shape(path: Path) -> list[Any]:
    connection = apsw.Connection(str(path))
    try:
        return connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2").fetchall()
    finally:
        connection.close()


def test_migrations_are_numbered_without_a_gap() -> None:
    assert sorted(schema.migrations()) == list(range(1, NEWEST + 1))


@pytest.mark.parametrize("old", range(1, NEWEST + 1))
def test_every_schema_since_the_first_migrates_and_keeps_its_rows(tmp_path: Path, old: int) -> None:
    connection = apsw.Connection(str(tmp_path / "old.db"))
    schema.migrate(connection, "old.db", upto=old)
    connection.execute(EXAMPLES[max(number for number in EXAMPLES if number <= old)])
    connection.close()
    for name in ("old.db", "new.db"):
        Database(tmp_path / name).close()
    assert shape(tmp_path / "old.db") == shape(tmp_path / "new.db")
    database = Database(tmp_path / "old.db")
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM segments").fetchall() == [(1,)]
    database.close()
    assert sound(tmp_path / "old.db")


def test_a_newer_schema_is_refused_with_what_to_do(path: Path) -> None:
    with opened(path) as database:
        database.write(lambda connection: connection.execute(f"PRAGMA user_version = {NEWEST + 1}").close())
    with pytest.raises(StartRefused, match="start the version that wrote it, or restore a backup"):
        Database(path)


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE days (in_the_way)")
    with pytest.raises(apsw.SQLError):
        schema.migrate(connection, "clarity.db")
    assert schema.version(connection) == 0
    connection.close()
    assert [name for _, name, _ in shape(path)] == ["days"]


# ---- several processes ----------------------------------------------------------------------------------------------

WRITES = 150
OTHER_PROCESS = """
import sys
from clarity_server.adapters.local.database import Database
print("ready", flush=True)
sys.stdin.readline()
database = Database(sys.argv[1])
statement = "INSERT INTO requests VALUES (?, ?, x'', x'', 0)"
for number in range(int(sys.argv[3])):
    database.write(lambda connection: connection.execute(statement, (sys.argv[2], str(number))).close())
database.close()
"""


def test_processes_that_start_and_write_at_once_lose_nothing(path: Path) -> None:
    command = [sys.executable, "-c", OTHER_PROCESS, str(path)]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen([*command, name, str(WRITES)], cwd=ROOT, stdin=pipe, stdout=pipe, text=True) for name in "abc"
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0]
    database = Database(path)
    with database.read() as connection:
        rows: list[Any] = connection.execute("SELECT scope, count(*) FROM requests GROUP BY scope").fetchall()
    database.close()
    assert dict(rows) == dict.fromkeys("abc", WRITES)
    assert sound(path)
