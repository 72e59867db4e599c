"""A small world for identity: a real store and real keys on disk, a clock that moves when told, cheap hashes."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from clarity_server.adapters.local.accounts import SqliteAccounts
from clarity_server.adapters.local.database import Database
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.adapters.local.requests import SqliteRequests
from clarity_server.adapters.local.sessions import SqliteSessions
from clarity_server.flows.hashing import Cost, Hashing
from clarity_server.flows.sign_in import SignIn

CHEAP = Cost(memory_kib=8, passes=1, lanes=1)  # argon2's least: the tests are about everything around it
NOW = 1_700_000_000.25
EMAIL = "Owl@Example.org"
PASSWORD = "Night-0wl"

T = TypeVar("T")


@dataclass
class Clock:
    """Tells the time it was told."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class IdentityWorld:
    """Everything the identity verbs need, and the verbs."""

    root: Path
    clock: Clock
    hashing: Hashing
    database: Database
    keys: DiskKeys
    ended: list[str] = field(default_factory=list)

    @property
    def accounts(self) -> SqliteAccounts:
        return SqliteAccounts(self.database, self.keys)

    @property
    def sessions(self) -> SqliteSessions:
        return SqliteSessions(self.database)

    @property
    def requests(self) -> SqliteRequests:
        return SqliteRequests(self.database)

    def verbs(self, *, sign_up_open: bool = True, hashing: Hashing | None = None) -> SignIn:
        return SignIn(
            self.accounts,
            self.sessions,
            self.requests,
            self.keys,
            hashing or self.hashing,
            on_ended=self.ended.append,
            sign_up_open=sign_up_open,
            clock=self.clock,
        )


@contextmanager
def identity_world(root: Path, clock: Clock | None = None) -> Iterator[IdentityWorld]:
    """Open the world under a directory. Opened twice, it is two processes over one store."""
    hashing = Hashing(CHEAP)
    database = Database(root / "clarity.db")
    try:
        yield IdentityWorld(root, clock or Clock(), hashing, database, DiskKeys(root / "keys"))
    finally:
        database.close()
        hashing.close()


def at_once(count: int, work: Callable[[int], T]) -> list[T | Exception]:
    """Run work(0), work(1), … from as many threads, all let go together; an answer may be what was raised."""
    gate = threading.Barrier(count)

    def run(number: int) -> T:
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(run, number) for number in range(count)]
    errors = [future.exception() for future in futures]
    assert all(error is None or isinstance(error, Exception) for error in errors)
    return [
        error if isinstance(error, Exception) else future.result()
        for error, future in zip(errors, futures, strict=True)
    ]
