"""People whose data must outlive the power: each does one thing after the other and says when each was acknowledged.

Usage: python -m tests.adapters.surviving ROOT SEED. The stores come to lie in ROOT/stores, the answers in ROOT/told: a
line `<who> <digest of all that is theirs>` each. test_power_loss.py runs it under strace.
"""

import hashlib
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apsw

from clarity_server.adapters.local.blobs import DiskBlobs
from clarity_server.adapters.local.changes import SqliteChanges
from clarity_server.adapters.local.database import Database
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.adapters.local.ledger import DiskLedger
from clarity_server.adapters.local.samples import SqliteSamples
from clarity_server.adapters.local.series import INLINE_BYTES_MAX, SqliteSeries
from clarity_server.domain.civil import MINUTE_MS, TimeKind, TimeRange
from clarity_server.domain.erasure import Erasure, ErasureState
from clarity_server.domain.errors import AccountNotFound, StoreDamaged, StoreUnavailable, UploadNotFound
from clarity_server.domain.samples import Tombstone, Wanted
from clarity_server.domain.series import Segment, StoredUpload
from clarity_server.ports import Kept, SeriesDeletion, StoredSample, Written
from tests.contracts.discrete import fault, sample
from tests.contracts.recordings import RECORDING, append, committed
from tests.contracts.threads import at_once

FILE = "clarity.db"
PEOPLE = 4
TURNS = 10
RECORDS = 4
COUNT = 10  # samples of an append
SIZES = (100, 30_000)
LARGE = INLINE_BYTES_MAX + 1
NOW = 1_700_000_000.0
Tell = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Stores:
    """What keeps people's data: the file, and the directories of blobs and keys."""

    path: Path
    vfs: str | None
    database: Database
    keys: DiskKeys
    blobs: DiskBlobs
    ledger: DiskLedger

    @property
    def series(self) -> SqliteSeries:
        return SqliteSeries(self.database, self.blobs)

    @property
    def samples(self) -> SqliteSamples:
        return SqliteSamples(self.database, self.keys)

    def tidy(self, draw: random.Random) -> None:
        """Copy the log into the file, as the server does now and then; another process may be doing so."""
        with suppress(StoreUnavailable, apsw.BusyError):
            if draw.random() < 1 / 2:
                self.database.scrub()
                return
            connection = apsw.Connection(str(self.path), vfs=self.vfs)
            connection.pragma("synchronous", "full")
            try:
                connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            finally:
                connection.close()


@contextmanager
def opened(
    root: Path, keys: Path | None = None, *, vfs: str | None = None, kind: type[Database] = Database
) -> Iterator[Stores]:
    """Open the stores in a directory, their keys perhaps in another."""
    keys = keys or root / "keys"
    database = kind(root / FILE, vfs=vfs)
    try:
        yield Stores(
            root / FILE, vfs, database, DiskKeys(keys, look_again_s=0.0), DiskBlobs(root / "blobs"), DiskLedger(keys)
        )
    finally:
        database.close()


class Person:
    """One account, and whoever acts for it: one thing at a time, so that at any moment only one is not acknowledged."""

    def __init__(self, number: int, seed: int, tell: Tell, *, with_files: bool) -> None:
        """`with_files` for deeds whose bytes go to files of their own, too."""
        self.account_id = f"person-{number}"
        self._draw, self._tell = random.Random(f"{seed} {number}"), tell
        self._turn = 0
        self._upload: StoredUpload | None = None
        self._segments: list[Segment] = []
        self._erasure: Erasure | None = None
        self._deeds = [self._commit, self._commit, self._join, self._delete_range]
        self._deeds += [self._write, self._write, self._put_aside, self._delete]
        if with_files:
            self._deeds += [self._commit_large, self._commit_large, self._schedule, self._destroy_key]

    def act(self, stores: Stores) -> None:
        """Do something, and say what there is once it is acknowledged."""
        if self._turn == 0:
            stores.keys.create_data_key(self.account_id)
            self._say(stores)
        self._turn += 1
        self._draw.choice(self._deeds)(stores)
        self._say(stores)
        if self._draw.random() < 1 / 4:
            stores.tidy(self._draw)

    def _say(self, stores: Stores) -> None:
        self._tell(self.account_id, seen(stores, self.account_id))

    def _commit(self, stores: Stores, size: int = 0) -> None:
        body = self._draw.randbytes(size or self._draw.choice(SIZES))
        if self._upload is None:
            self._upload = stores.series.open(self.account_id, "u", RECORDING)
            self._say(stores)
        one = append(self._upload, COUNT, body=body, account_id=self.account_id)
        self._upload = committed(stores.series, one)
        self._segments += one.segments

    def _commit_large(self, stores: Stores) -> None:
        self._commit(stores, LARGE)

    def _join(self, stores: Stores) -> None:
        if len(self._segments) < 2:
            return
        first, second = self._segments[-2:]
        if first.day == second.day:
            joined = replace(
                first, count=first.count + second.count, end_ms=second.end_ms, body=(first.body + second.body)[-LARGE:]
            )
            assert stores.series.join(joined, [first, second])
            self._segments[-2:] = [joined]

    def _sample(self, number: int) -> StoredSample:
        body = f"turn {self._turn}"
        return sample(f"r{number}", version=self._turn, content=body, account_id=self.account_id)

    def _write(self, stores: Stores) -> None:
        writes = [self._sample(number) for number in range(RECORDS)]
        self._put(stores, [*map(Written, writes)])

    def _put_aside(self, stores: Stores) -> None:
        self._put(stores, [fault(self._sample(RECORDS)), Written(self._sample(0)), Written(self._sample(1))])

    def _put(self, stores: Stores, writes: list[Written]) -> None:
        kept = Kept(self.account_id, f"request-{self._turn}", b"\1" * 32, NOW, 3600.0)
        stores.samples.write(self.account_id, writes, kept, NOW)

    def _delete(self, stores: Stores) -> None:
        ids = frozenset(self._sample(number).sample_id for number in range(RECORDS))
        there = stores.samples.get(self.account_id, ids)
        if len(there) == len(ids):
            stores.samples.delete(self.account_id, Wanted(ids), 100)

    def _delete_range(self, stores: Stores) -> None:
        span = TimeRange(TimeKind.CIVIL, 0, self._turn * MINUTE_MS)
        tombstone = Tombstone(RECORDING.metric, RECORDING.source, span, self._turn)
        newest = stores.series.change_count(self.account_id)
        stores.series.delete(SeriesDeletion(self.account_id, (tombstone,), (), newest))

    def _schedule(self, stores: Stores) -> None:
        """Ask for an erasure, and later have it done."""
        if self._erasure is None:
            self._erasure = Erasure("erasure", self.account_id, self._draw.randbytes(32), NOW, NOW)
            stores.ledger.create(self._erasure)
        elif self._erasure.state is not ErasureState.DONE:
            done = replace(self._erasure, state=ErasureState.DONE, done_time=NOW)
            assert stores.ledger.advance(self._erasure, done)
            self._erasure = done

    def _destroy_key(self, stores: Stores) -> None:
        """Make a key for an account that is soon no more, or destroy it."""
        if seen_key(stores, _second(self.account_id)) == NO_KEY:
            with suppress(AccountNotFound):
                stores.keys.create_data_key(_second(self.account_id))
        else:
            stores.keys.destroy_data_key(_second(self.account_id))


NO_KEY = "none"


def _second(account_id: str) -> str:
    return f"{account_id}-second"


def seen_key(stores: Stores, account_id: str) -> str:
    """What stands for a data key, or for there being none."""
    try:
        return hashlib.sha256(stores.keys.data_key(account_id)).hexdigest()
    except StoreDamaged:
        return NO_KEY


def seen(stores: Stores, account_id: str) -> str:
    """Return a digest of all that there is of a person."""
    asked = "SELECT request_id, answer FROM requests WHERE scope = ? ORDER BY request_id"
    with stores.database.read() as connection:
        answers: list[Any] = connection.execute(asked, (account_id,)).fetchall()
    ids = [sample(f"r{number}", account_id=account_id).sample_id for number in range(RECORDS + 1)]
    told = [
        _seen_upload(stores, account_id),
        stores.series.tombstones(account_id, RECORDING.metric),
        sorted(stores.samples.get(account_id, ids), key=lambda one: one.sample_id),
        stores.samples.faults(account_id, None, 100),
        SqliteChanges(stores.database).rows(account_id, 0, 1000),
        answers,
        [seen_key(stores, one) for one in (account_id, _second(account_id))],
        stores.ledger.of_account(account_id),
    ]
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _seen_upload(stores: Stores, account_id: str) -> object:
    try:
        upload = stores.series.upload(account_id, "u")
    except UploadNotFound:
        return None
    return upload, list(stores.series.segments(account_id, "u", 0, upload.committed))


def live(stores: Stores, people: list[Person], turns: int) -> None:
    """Let all people act, at once."""

    def run(number: int) -> None:
        for _ in range(turns):
            people[number].act(stores)

    for error in at_once(len(people), run):
        if error is not None:
            raise error


def main(root: Path, seed: int) -> None:
    """Live once, and once more in stores that are opened again; the power may go at any moment."""
    told = os.open(root / "told", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def tell(who: str, what: str) -> None:
        os.write(told, f"{who} {what}\n".encode())  # one call, so that lines stay whole

    people = [Person(number, seed, tell, with_files=True) for number in range(PEOPLE)]
    for _ in range(2):
        with opened(root / "stores") as stores:
            live(stores, people, TURNS // 2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
