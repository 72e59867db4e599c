"""Sessions in SQLite."""

from collections.abc import Sequence
from dataclasses import astuple, fields
from typing import Any

import apsw

from clarity_server.adapters.local.database import Database
from clarity_server.ports import SessionRow

SWEEP_MAX = 16  # expired sessions removed by each new one


class SqliteSessions:
    """Chains of refresh tokens. Every change is conditional: of two callers at once one wins."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, row: SessionRow) -> SessionRow:
        """Store a new session, or return the one that has its id."""
        return self._database.write(lambda connection: _create(connection, row))

    def get(self, session_id: str) -> SessionRow | None:
        """Find a session."""
        with self._database.read() as connection:
            return _get(connection, session_id)

    def advance(self, old: SessionRow, new: SessionRow) -> bool:
        """Replace `old` by `new` if the stored counter is still the old one and the session has not ended."""
        return self._database.write(lambda connection: _advance(connection, old, new))

    def end(self, session_id: str, at: float) -> None:
        """End a session; the first end counts."""
        self._database.write(lambda connection: connection.execute(_END, (at, session_id)).close())

    def end_all(self, account_id: str, at: float, but: str = "") -> Sequence[str]:
        """End all sessions of an account, but one; return the ids of those that ended now."""

        def work(connection: apsw.Connection) -> list[str]:
            rows: list[Any] = connection.execute(_END_ALL, (at, account_id, but)).fetchall()
            return [session_id for (session_id,) in rows]

        return self._database.write(work)

    def ended_since(self, at: float) -> Sequence[str]:
        """List the ids of sessions ended at or after a time."""
        with self._database.read() as connection:
            rows: list[Any] = connection.execute(_ENDED_SINCE, (at,)).fetchall()
        return [session_id for (session_id,) in rows]

    def of_account(
        self, account_id: str, now: float, after: tuple[float, str] | None, limit: int
    ) -> Sequence[SessionRow]:
        """List sessions that live, the newest first by (create_time, session_id), after one."""
        create_time, session_id = after or (float("inf"), "")
        with self._database.read() as connection:
            rows: list[Any] = connection.execute(
                _OF_ACCOUNT, (account_id, now, create_time, session_id, limit)
            ).fetchall()
        return [SessionRow(*row) for row in rows]


def _create(connection: apsw.Connection, row: SessionRow) -> SessionRow:
    # A new session sweeps a few old ones: the table grows with the people, not with the years.
    connection.execute(_SWEEP, (row.spent_time, SWEEP_MAX))
    connection.execute(_INSERT, astuple(row))
    stored = _get(connection, row.session_id)
    assert stored is not None, "it was there, or it was just inserted"
    return stored


def _get(connection: apsw.Connection, session_id: str) -> SessionRow | None:
    rows: list[Any] = connection.execute(_GET, (session_id,)).fetchall()
    return SessionRow(*rows[0]) if rows else None


def _advance(connection: apsw.Connection, old: SessionRow, new: SessionRow) -> bool:
    changed = (new.counter, new.refresh_hash, new.spent_request_id, new.spent_time, new.expire_time, new.about)
    connection.execute(_ADVANCE, (*changed, old.session_id, old.counter))
    return connection.changes() == 1


_FIELDS = ", ".join(field.name for field in fields(SessionRow))
_SWEEP = """
DELETE FROM sessions WHERE session_id IN (SELECT session_id FROM sessions WHERE expire_time < ? LIMIT ?)"""
_INSERT = f"""
    INSERT INTO sessions ({_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""  # noqa: S608  our own names
_GET = f"SELECT {_FIELDS} FROM sessions WHERE session_id = ?"  # noqa: S608
_ADVANCE = """
    UPDATE sessions
    SET counter = ?, refresh_hash = ?, spent_request_id = ?, spent_time = ?, expire_time = ?, about = ?
    WHERE session_id = ? AND counter = ? AND ended_time IS NULL
"""
_END = "UPDATE sessions SET ended_time = ? WHERE session_id = ? AND ended_time IS NULL"
_END_ALL = """
    UPDATE sessions SET ended_time = ? WHERE account_id = ? AND session_id <> ? AND ended_time IS NULL
    RETURNING session_id
"""
_ENDED_SINCE = "SELECT session_id FROM sessions WHERE ended_time >= ?"
_OF_ACCOUNT = f"""
    SELECT {_FIELDS} FROM sessions
    WHERE account_id = ? AND ended_time IS NULL AND expire_time > ? AND (create_time, session_id) < (?, ?)
    ORDER BY create_time DESC, session_id DESC LIMIT ?
"""  # noqa: S608
