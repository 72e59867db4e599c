"""Passwords to argon2id hashes and back to yes or no, a bounded number at a time."""

import os
import secrets
import sys
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from clarity_server.domain.errors import Busy, CredentialsWrong

WORKERS = min(8, max(1, (os.cpu_count() or 1) - 1))  # one core is left for all who do not sign in
NICENESS = 10
WAITING_MAX = 64  # at some 20 ms each over two workers, the last one waits well under a second

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one argon2id hash costs: memory in KiB, passes over it, lanes."""

    memory_kib: int
    passes: int
    lanes: int


OWASP = Cost(memory_kib=19 * 1024, passes=2, lanes=1)
"""The OWASP Password Storage Cheat Sheet's choice: 19 MiB of memory, two iterations, one degree of parallelism.

https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id
"""


class Hashing:
    """Makes and checks password hashes on its own few threads; a caller waits its turn, or hears Busy."""

    def __init__(self, cost: Cost = OWASP, *, workers: int = WORKERS, waiting_max: int = WAITING_MAX) -> None:
        """Start the threads' pool, and hash a password that nobody knows."""
        self._hasher = PasswordHasher(cost.passes, cost.memory_kib, cost.lanes)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="argon2", initializer=_give_way)
        self._places = threading.BoundedSemaphore(workers + waiting_max)
        self._decoy = self._hasher.hash(secrets.token_hex())

    def hash(self, password: str) -> str:
        """Hash a new password under a random salt. Raises Busy."""
        return self._run(lambda: self._hasher.hash(_normal(password)))

    def check(self, password_hash: str | None, password: str) -> str | None:
        """Check a password; return its new hash when the stored one has another cost. Raises CredentialsWrong, Busy.

        With no stored hash, because no account has the address, the decoy is checked: that takes as long, and fails.
        """
        return self._run(lambda: self._check(password_hash or self._decoy, _normal(password)))

    def close(self) -> None:
        """Wait for running hashes and take no more."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _check(self, password_hash: str, password: str) -> str | None:
        try:
            self._hasher.verify(password_hash, password)
        except VerifyMismatchError:
            raise CredentialsWrong from None
        return self._hasher.hash(password) if self._hasher.check_needs_rehash(password_hash) else None

    def _run(self, work: Callable[[], R]) -> R:
        if not self._places.acquire(blocking=False):
            raise Busy("password checking")
        try:
            return self._pool.submit(work).result()
        finally:
            self._places.release()


def _give_way() -> None:
    """Let other calls come first: a crowd that signs in would keep every core for itself."""
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _normal(password: str) -> str:
    """One spelling of what a person typed: keyboards differ in how they compose é (RFC 8265, section 4.2.2)."""
    return unicodedata.normalize("NFC", password)
