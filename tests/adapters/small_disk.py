"""What happens on a disk that is really full: run by test_small_disk.py in a mount of its own.

Usage: python -m tests.adapters.small_disk CASE DIRECTORY, the directory being an empty file system of SIZE bytes.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from clarity_server.adapters.local.blobs import ASIDE, DiskBlobs
from clarity_server.adapters.local.changes import SqliteChanges
from clarity_server.adapters.local.database import Database
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.adapters.local.samples import SqliteSamples
from clarity_server.adapters.local.series import INLINE_BYTES_MAX, SqliteSeries
from clarity_server.domain.errors import StoreFull
from clarity_server.domain.samples import Verdict
from clarity_server.ports import Kept
from tests.contracts.discrete import METRIC, NOW, sample, wrote
from tests.contracts.recordings import ACCOUNT, RECORDING, append, committed

SIZE = 4 * 1024 * 1024
KEEP_S = 3600.0


def refused(work: Callable[[], object]) -> bool:
    """Whether work finds the store full."""
    try:
        work()
    except StoreFull:
        return True
    return False


def until_full(work: Callable[[int], object]) -> int:
    """Do work 0, 1, … until the store is full; return how often it was done."""
    return next(number for number in count() if refused(partial(work, number)))


@contextmanager
def ballast(root: Path, size: int) -> Iterator[None]:
    """A file that takes the room of others."""
    (root / "ballast").write_bytes(bytes(size))
    yield
    (root / "ballast").unlink()


def blobs(root: Path) -> None:
    """A blob that does not fit is refused, leaves nothing behind, and fits once there is room."""
    store, data = DiskBlobs(root / "blobs"), os.urandom(500_000)
    with ballast(root, SIZE // 2):
        done = until_full(lambda number: store.put(f"a/{number}", data))
        assert done > 1
        assert [name for name, _ in store.names("")] == [f"a/{number}" for number in range(done)]
        assert not list((root / "blobs" / ASIDE).iterdir())
    store.put(f"a/{done}", data)
    assert all(store.get(name) == data for name, _ in store.names(""))


def keys(root: Path) -> None:
    """A key that cannot be kept is not handed out."""
    store = DiskKeys(root / "keys")
    with (root / "ballast").open("wb", buffering=0) as ballast:
        try:
            while ballast.write(bytes(4096)):
                pass
        except OSError:
            assert refused(lambda: store.create_data_key(ACCOUNT))
        (root / "ballast").unlink()
    key = store.create_data_key(ACCOUNT)
    assert DiskKeys(root / "keys").data_key(ACCOUNT) == key


def rows(root: Path) -> None:
    """What was acknowledged before the disk was full is there, in the running server and in the next."""
    database = Database(root / "clarity.db")
    statement = "INSERT INTO requests VALUES ('s', ?, x'', ?, 0)"

    def put(number: int) -> None:
        row = (f"{number:05}", os.urandom(30_000))
        database.write(lambda connection: connection.execute(statement, row).close())

    with ballast(root, SIZE // 4):
        done = until_full(put)
        assert done > 10
        assert refused(lambda: put(done))
        assert kept(database) == done
    put(done)
    assert kept(database) == done + 1
    database.close()
    database = Database(root / "clarity.db")
    assert kept(database) == done + 1
    with database.read() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


def kept(database: Database) -> int:
    with database.read() as connection:
        found: list[Any] = connection.execute("SELECT count(*) FROM requests").fetchall()
    return int(found[0][0])


def series(root: Path) -> None:
    """An upload stops where the disk is full and goes on from there, with bodies in rows as with bodies in blobs."""
    database = Database(root / "clarity.db")
    store = SqliteSeries(database, DiskBlobs(root / "blobs"))
    stored, sent = store.open(ACCOUNT, "u", RECORDING), list[bytes]()
    bodies = [os.urandom(INLINE_BYTES_MAX + 1 if number % 2 else 50_000) for number in range(40)]

    def send(number: int) -> None:
        nonlocal stored
        stored = committed(store, append(stored, body=bodies[number]))
        sent.append(bodies[number])

    with ballast(root, SIZE // 2):
        done = until_full(send)
        assert done > 1
        assert store.upload(ACCOUNT, "u") == stored
    send(done)
    assert [segment.body for segment in store.segments(ACCOUNT, "u", 0, stored.committed)] == sent
    database.close()


def samples(root: Path) -> None:
    """A write of samples is there whole or not at all, goes through once there is room, and takes no number twice."""
    database, store_keys = Database(root / "clarity.db"), DiskKeys(root / "keys")
    store = SqliteSamples(database, store_keys)
    store_keys.create_data_key(ACCOUNT)

    def send(number: int) -> None:
        kept = Kept(ACCOUNT, f"request {number}", b"", NOW, KEEP_S)
        writes = [replace(sample(f"{number} {one}"), body=os.urandom(2000)) for one in range(20)]
        assert all(one.verdict is Verdict.STORED for one in wrote(store, *writes, kept=kept))

    with ballast(root, SIZE // 2):
        done = until_full(send)
        assert done > 1
        assert refused(lambda: send(done))
        assert len(store.list(ACCOUNT, [METRIC], None, None, None, 100_000)) == done * 20
    send(done)
    assert len(store.list(ACCOUNT, [METRIC], None, None, None, 100_000)) == SqliteChanges(database).newest(ACCOUNT)
    database.close()


if __name__ == "__main__":
    {"blobs": blobs, "keys": keys, "rows": rows, "series": series, "samples": samples}[sys.argv[1]](Path(sys.argv[2]))
