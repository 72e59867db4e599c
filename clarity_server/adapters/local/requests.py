"""First answers under a request_id, in SQLite."""

from typing import Any

import apsw

from clarity_server.adapters.local.database import Database
from clarity_server.domain.errors import RequestIdReused

SWEPT_MAX = 16  # expired answers each call clears away, so that they never pile up and no call pays for all


class SqliteRequests:
    """First answers, so that a repeat gets the same one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def first(self, scope: str, request_id: str, body_digest: bytes, answer: str, *, now: float, keep_s: float) -> str:
        """Keep the answer if the id is new in its scope; return the first one kept. Raises RequestIdReused."""
        row = (scope, request_id, body_digest, answer.encode(), now + keep_s)
        digest, first = self._database.write(lambda connection: _first(connection, row, now))
        if digest != body_digest:
            raise RequestIdReused
        return first.decode()


def _first(connection: apsw.Connection, row: tuple[str, str, bytes, bytes, float], now: float) -> tuple[bytes, bytes]:
    connection.execute(_SWEEP, (now, SWEPT_MAX))
    connection.execute(_KEEP, {**dict(zip(_COLUMNS, row, strict=True)), "now": now})
    rows: list[Any] = connection.execute(_FIRST, row[:2]).fetchall()
    digest, answer = rows[0]
    return digest, answer


_COLUMNS = ("scope", "request_id", "body_digest", "answer", "expire_time")
_SWEEP = """
    DELETE FROM requests WHERE (scope, request_id) IN
        (SELECT scope, request_id FROM requests WHERE expire_time <= ? ORDER BY expire_time LIMIT ?)
"""
# An expired answer that the sweep has not reached counts no more, and gives way to the new one.
_KEEP = """
    INSERT INTO requests (scope, request_id, body_digest, answer, expire_time)
    VALUES (:scope, :request_id, :body_digest, :answer, :expire_time)
    ON CONFLICT (scope, request_id) DO UPDATE SET
        body_digest = excluded.body_digest, answer = excluded.answer, expire_time = excluded.expire_time
    WHERE requests.expire_time <= :now
"""
_FIRST = "SELECT body_digest, answer FROM requests WHERE scope = ? AND request_id = ?"
