"""The SQLite file: one writer thread, group commit, a bounded pool of readers.

SQLite is the one in the `apsw` wheel. In versions before 3.51.3 (Python's own and Debian 12's 3.40.1 among them) two
connections that commit and checkpoint at the same moment can lose a commit or corrupt the file: the "WAL-reset bug",
https://sqlite.org/wal.html#walresetbug.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

import apsw

from clarity_server.adapters.local import files, schema
from clarity_server.domain.errors import (
    Busy,
    ClarityError,
    StartRefused,
    StoreDamaged,
    StoreFull,
    StoreUnavailable,
)

SQLITE_MIN = (3, 51, 3)
PAGE_BYTES = 8192  # of 4096 to 32768 the least time per commit for bodies of 100 KiB to 1 MiB
CACHE_KIB = 4 * 1024  # of the writer: a usual group stays in memory until its COMMIT
LOCK_TIMEOUT_MS = 10_000  # how long another process may hold the write lock
GROUP_WRITES_MAX = 64  # what comes during one fsync shares the next; to wait for more on purpose only cost throughput
WAITING_WRITES_MAX = 1024
WAITING_TIMEOUT_S = 10.0  # for a place among them, and for a reader
READERS_MAX = 8
CHECKPOINT_BYTES = 16 * 1024 * 1024  # of write-ahead log, from which on it is copied into the file after a commit
WAL_BYTES_MAX = 8 * CHECKPOINT_BYTES  # from which on readers and other processes are made to wait for that
CHECKPOINT_WAIT_MS = 1000  # how long writes wait for a reader then; a backup reads for longer, and the log grows on

log = logging.getLogger(__name__)

T = TypeVar("T")
Row = tuple[Any, ...]


def check_sqlite(version: str) -> None:
    """Refuse a SQLite with the WAL-reset bug. Raises StartRefused."""
    if tuple(int(part) for part in version.split(".")) < SQLITE_MIN:
        raise StartRefused(
            f"SQLite {version} can corrupt a database that two connections write (the WAL-reset bug, fixed in 3.51.3): "
            "install the apsw wheel from PyPI, which brings its own SQLite (`pip install --force-reinstall apsw`)"
        )


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Say SQLite's errors in our words: StoreFull, StoreUnavailable, StoreDamaged. The rest fly."""
    try:
        yield
    except apsw.FullError as why:
        raise StoreFull from why
    except apsw.IOError as why:
        # The shared-memory file can fail to grow for one reason only: there is no room.
        if getattr(why, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE:
            raise StoreFull from why
        raise StoreUnavailable(f"{name} cannot be read or written") from why
    except (apsw.BusyError, apsw.LockedError) as why:
        raise StoreUnavailable(f"{name} is locked by another process") from why
    except (apsw.ReadOnlyError, apsw.CantOpenError, apsw.PermissionsError) as why:
        raise StoreUnavailable(f"{name} or its directory cannot be opened for writing") from why
    except (apsw.CorruptError, apsw.NotADBError) as why:
        raise StoreDamaged(piece=name) from why


class Database:
    """The file and its connections. Several processes may share the file."""

    def __init__(self, path: Path | str, *, bytes_max: int = 0, vfs: str | None = None) -> None:
        """Open or make the file and bring its schema up to date.

        `bytes_max` is a quota for the file (0: none); `vfs` names another SQLite file system, for faults in tests.
        Raises StartRefused, StoreUnavailable, StoreDamaged.
        """
        check_sqlite(apsw.sqlite_lib_version())
        self._path, self._vfs = Path(path), vfs
        self._free_readers = threading.BoundedSemaphore(READERS_MAX)
        self._idle_readers: list[apsw.Connection] = []
        self._waiting = _Waiting()
        self._wal_pages = 0
        self._patient_bytes = WAL_BYTES_MAX
        with files.translated(), translated(self.name):
            files.make_parent(self._path)
            # The change to a write-ahead log does not wait for a lock as all else does: a second start would fail.
            with files.alone(self._path.parent):
                self._writer = self._open_writer(bytes_max)
        self._thread = threading.Thread(target=self._write_until_closed, name="clarity-writer", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """The file's name, without its directory: safe to show."""
        return self._path.name

    @property
    def waiting_count(self) -> int:
        """How many writes wait for the next transaction."""
        return len(self._waiting)

    def write(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run work in a transaction; return its answer once that is on disk.

        Writes that wait at the same time share a transaction and an fsync; each fails alone. What the work raises is
        raised here and nothing of it is kept. The work may run twice and must do nothing but use the connection, and
        leave no cursor open. Raises StoreFull, StoreUnavailable, StoreDamaged, Busy.
        """
        write = _Write(work)
        self._waiting.put(write)
        return write.wait()

    @contextmanager
    def read(self) -> Iterator[apsw.Connection]:
        """Lend a read-only connection. Use up every cursor inside: a page of results, then give it back.

        Raises Busy when all are lent for long, StoreUnavailable, StoreDamaged.
        """
        if not self._free_readers.acquire(timeout=WAITING_TIMEOUT_S):
            raise Busy("reads")
        try:
            with translated(self.name):
                connection = self._idle_reader() or self._open_reader()
                try:
                    yield connection
                finally:
                    self._take_back(connection)
        finally:
            self._free_readers.release()

    def scrub(self) -> None:
        """Copy the write-ahead log into the file and cut it to nothing, so that what was deleted is in neither.

        Raises StoreUnavailable when readers or other processes keep it for long.
        """
        with translated(self.name):
            connection = self._open(apsw.SQLITE_OPEN_READWRITE)
            try:
                schema.version(connection)  # before it has read anything, it knows of no log, and would do nothing
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            finally:
                connection.close()

    def close(self) -> None:
        """Commit what waits, empty the write-ahead log into the file, and close. Closing again changes nothing."""
        self._waiting.close()
        self._thread.join()
        while reader := self._idle_reader():
            reader.close()
        # Not our last chance: what stays in the log is read from there at the next start.
        with suppress(apsw.Error):
            self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self._writer.close()

    def _open_writer(self, bytes_max: int) -> apsw.Connection:
        if not self._path.exists():
            self._path.touch(files.PRIVATE_FILE)  # SQLite would let everybody read it, and the log beside it
        connection = self._open(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        connection.pragma("page_size", PAGE_BYTES)
        if connection.pragma("journal_mode", "wal") != "wal":
            raise StartRefused(f"{self._path} is on a file system without SQLite's write-ahead log; use a local disk")
        connection.pragma("synchronous", "full")
        connection.pragma("secure_delete", 1)  # what is deleted is overwritten, not only unlinked
        connection.pragma("foreign_keys", 1)
        connection.pragma("cache_size", -CACHE_KIB)
        if bytes_max:
            connection.pragma("max_page_count", max(1, bytes_max // connection.pragma("page_size")))
        schema.migrate(connection, str(self._path))
        connection.set_wal_hook(self._note_wal)
        return connection

    def _open_reader(self) -> apsw.Connection:
        return self._open(apsw.SQLITE_OPEN_READONLY)

    def _open(self, flags: int) -> apsw.Connection:
        connection = apsw.Connection(str(self._path), flags=flags, vfs=self._vfs)
        connection.set_busy_timeout(LOCK_TIMEOUT_MS)
        connection.wal_autocheckpoint(0)  # only the writer checkpoints, and after its callers have their answers
        connection.pragma("temp_store", "memory")
        return connection

    def _idle_reader(self) -> apsw.Connection | None:
        with suppress(IndexError):
            return self._idle_readers.pop()
        return None

    def _take_back(self, connection: apsw.Connection) -> None:
        # A cursor left half-read (its reader raised, say) would hold the read transaction, and the log could never end.
        if connection.txn_state() == apsw.SQLITE_TXN_NONE:
            self._idle_readers.append(connection)
        else:
            connection.close(force=True)

    def _write_until_closed(self) -> None:
        group: Sequence[_Write[Any]] = ()
        try:
            while group := self._waiting.take():
                self._commit(group)
                self._checkpoint()
        finally:
            # Only a fault of ours ends up here with work undone; nobody may wait for a thread that is gone.
            self._waiting.close()
            for write in [*group, *self._waiting.rest()]:
                write.settle(StoreUnavailable("its writer has stopped"))

    def _commit(self, group: Sequence["_Write[Any]"]) -> None:
        """Run a group in one transaction and answer it; nobody is answered before all of it is on disk."""
        try:
            with translated(self.name):
                self._transact(group)
        except (ClarityError, apsw.Error) as why:
            self._commit_each(group, why)
        else:
            for write in group:
                write.settle()

    def _transact(self, group: Sequence["_Write[Any]"]) -> None:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            for write in group:
                write.run(self._writer, self.name)
            self._writer.execute("COMMIT")
        finally:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")

    def _commit_each(self, group: Sequence["_Write[Any]"], why: Exception) -> None:
        """Answer a group whose transaction is lost: where it was too large together, each may still fit alone."""
        if isinstance(why, StoreFull) and len(group) > 1:
            for write in group:
                self._commit([write])
            return
        for write in group:
            write.settle(why)

    def _note_wal(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        """Copy the log into the file when it is large; never in the way of an answer."""
        size = self._wal_pages * PAGE_BYTES
        if size < CHECKPOINT_BYTES:
            self._patient_bytes = WAL_BYTES_MAX
            return
        patient = size < self._patient_bytes
        mode = apsw.SQLITE_CHECKPOINT_PASSIVE if patient else apsw.SQLITE_CHECKPOINT_TRUNCATE
        self._writer.set_busy_timeout(CHECKPOINT_WAIT_MS)
        try:
            self._writer.wal_checkpoint(mode=mode)
        except apsw.Error as why:
            # Nothing is lost: the log holds it, and a later commit tries again.
            # A patient one fails where another process is at it.
            level = logging.INFO if patient else logging.WARNING
            log.log(level, "checkpoint failed file=%s error=%s wal_bytes=%d", self.name, type(why).__name__, size)
            self._patient_bytes = size + WAL_BYTES_MAX
        finally:
            self._writer.set_busy_timeout(LOCK_TIMEOUT_MS)


class _Write(Generic[T]):
    """One caller's work, and its way back to the caller."""

    def __init__(self, work: Callable[[apsw.Connection], T]) -> None:
        self._work = work
        self._answer: T | None = None
        self._error: BaseException | None = None
        self._settled = threading.Event()

    def run(self, connection: apsw.Connection, name: str) -> None:
        """Run the work in a savepoint. Raises only what has cost the whole transaction."""
        connection.execute("SAVEPOINT work")
        error = self._attempt(connection, name)
        if error is not None:
            # After "full" or "I/O error" SQLite may have rolled back everything, the neighbours' work included.
            if not connection.in_transaction:
                raise error
            connection.execute("ROLLBACK TO work")
        connection.execute("RELEASE work")

    def _attempt(self, connection: apsw.Connection, name: str) -> BaseException | None:
        self._error = None
        with self, translated(name):
            self._answer = self._work(connection)
        return self._error

    def __enter__(self) -> None:
        """Begin the caller's part."""

    def __exit__(self, _: object, error: BaseException | None, _trace: TracebackType | None) -> bool:
        """Carry what the caller's work raised over to the caller, in whose thread it then flies."""
        self._error = error
        return True

    def settle(self, error: Exception | None = None) -> None:
        """Let the caller go on, with an error where its group has one. The first time counts."""
        if not self._settled.is_set():
            self._error = error or self._error
            self._settled.set()

    def wait(self) -> T:
        """Return what the work answered, or raise what it raised."""
        self._settled.wait()
        if self._error is not None:
            raise self._error
        return cast(T, self._answer)


class _Waiting:
    """Writes in the order they came, at most WAITING_WRITES_MAX."""

    def __init__(self) -> None:
        self._writes: deque[_Write[Any]] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._writes)

    def put(self, write: _Write[Any]) -> None:
        """Queue a write. Raises Busy when there is no room for long, StoreUnavailable once closed."""
        with self._changed:
            if not self._changed.wait_for(self._has_room, WAITING_TIMEOUT_S):
                raise Busy("writes")
            if self._closed:
                raise StoreUnavailable("it is closed")
            self._writes.append(write)
            self._changed.notify_all()

    def take(self) -> list[_Write[Any]]:
        """Wait for writes and return those that share the next transaction; none once closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._writes or self._closed)
            group = [self._writes.popleft() for _ in range(min(len(self._writes), GROUP_WRITES_MAX))]
            self._changed.notify_all()
            return group

    def rest(self) -> list[_Write[Any]]:
        """Return what waits; called once nobody takes."""
        with self._changed:
            return list(self._writes)

    def close(self) -> None:
        """Take no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return self._closed or len(self._writes) < WAITING_WRITES_MAX
