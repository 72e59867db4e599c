"""First answers under a request_id, in SQLite."""

from typing import Any

import apsw

from clarity_server.adapters.local.database import Database
from clarity_server.domain.errors import RequestIdReused
from clarity_server.ports import Kept

SWEPT_MAX = 16  # expired answers each call clears away, so that they never pile up and no call pays for all


class SqliteRequests:
    """First answers, so that a repeat gets the same one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def first(self, scope: str, request_id: str, body_digest: bytes, answer: str, *, now: float, keep_s: float) -> str:
        """Keep the answer if the id is new in its scope; return the first one kept. Raises RequestIdReused."""
        kept = Kept(scope, request_id, body_digest, now, keep_s)

        def work(connection: apsw.Connection) -> bytes:
            first = first_answer(connection, kept)
            return keep_answer(connection, kept, answer.encode()) if first is None else first

        return self._database.write(work).decode()

    def find(self, scope: str, request_id: str, body_digest: bytes, *, now: float) -> str | None:
        """Return the first answer kept, or None; keeps nothing. Raises RequestIdReused."""
        with self._database.read() as connection:
            first = first_answer(connection, Kept(scope, request_id, body_digest, now, keep_s=0.0))
        return None if first is None else first.decode()


def first_answer(connection: apsw.Connection, kept: Kept) -> bytes | None:
    """Find the answer kept under an id that has not expired. Raises RequestIdReused."""
    rows: list[Any] = connection.execute(_FIRST, (kept.scope, kept.request_id, kept.now)).fetchall()
    if not rows:
        return None
    digest, answer = rows[0]
    if digest != kept.body_digest:
        raise RequestIdReused
    return bytes(answer)


def keep_answer(connection: apsw.Connection, kept: Kept, answer: bytes) -> bytes:
    """Keep the answer under an id that `first_answer` found new in the same transaction; return it."""
    connection.execute(_SWEEP, (kept.now, SWEPT_MAX))
    connection.execute(_KEEP, (kept.scope, kept.request_id, kept.body_digest, answer, kept.now + kept.keep_s))
    return answer


_SWEEP = """
    DELETE FROM requests WHERE (scope, request_id) IN
        (SELECT scope, request_id FROM requests WHERE expire_time <= ? ORDER BY expire_time LIMIT ?)
"""
# An expired answer that the sweep has not reached counts no more, and gives way to the new one.
_KEEP = """
    INSERT OR REPLACE INTO requests (scope, request_id, body_digest, answer, expire_time) VALUES (?, ?, ?, ?, ?)
"""
_FIRST = "SELECT body_digest, answer FROM requests WHERE scope = ? AND request_id = ? AND expire_time > ?"
