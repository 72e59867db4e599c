"""Grants in the SQLite file."""

from collections.abc import Sequence
from datetime import UTC, datetime

import apsw

from clarity_server.adapters.local.database import Database, Row
from clarity_server.domain.access import Family
from clarity_server.domain.errors import GrantNotFound, GrantsFull
from clarity_server.domain.sharing import Grant

COLUMNS = "grant_id, member_id, reader_id, families, create_time, expire_time, revoke_time"
FIND = f"SELECT {COLUMNS} FROM grants WHERE grant_id = ?"  # noqa: S608  our own names
INSERT = f"INSERT INTO grants ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
IN_FORCE_COUNT = "SELECT count(*) FROM grants WHERE member_id = ? AND revoke_time IS NULL AND expire_time > ?"
REVOKE = "UPDATE grants SET revoke_time = ? WHERE grant_id = ? AND member_id = ? AND revoke_time IS NULL"
COVERING = f"""
    SELECT {COLUMNS} FROM grants
    WHERE member_id = ? AND reader_id = ? AND revoke_time IS NULL AND expire_time > ?
    ORDER BY create_time, grant_id"""  # noqa: S608
GIVEN = f"""
    SELECT {COLUMNS} FROM grants WHERE member_id = ? AND (create_time, grant_id) < (?, ?)
    ORDER BY create_time DESC, grant_id DESC LIMIT ?"""  # noqa: S608
RECEIVED = GIVEN.replace("WHERE member_id", "WHERE reader_id")
FIRST = (float("inf"), "")  # after nothing


class SqliteGrants:
    """Implements ports.Grants."""

    def __init__(self, database: Database) -> None:
        """Take the file."""
        self._database = database

    def create(self, grant: Grant, in_force_max: int, now: datetime) -> Grant:
        """Store a grant unless its id is there; return the stored one. Raises GrantsFull."""

        def work(connection: apsw.Connection) -> Grant:
            stored = _find(connection, grant.grant_id)
            if stored is not None:
                return stored
            in_force: Sequence[Row] = connection.execute(IN_FORCE_COUNT, (grant.member_id, now.timestamp())).fetchall()
            if in_force[0][0] >= in_force_max:
                raise GrantsFull(in_force_max)
            connection.execute(INSERT, _row(grant))
            return grant

        return self._database.write(work)

    def get(self, grant_id: str) -> Grant | None:
        """Find a grant."""
        with self._database.read() as connection:
            return _find(connection, grant_id)

    def revoke(self, member_id: str, grant_id: str, at: datetime) -> Grant:
        """Revoke a grant of a member; the first time counts. Raises GrantNotFound."""

        def work(connection: apsw.Connection) -> Grant:
            connection.execute(REVOKE, (at.timestamp(), grant_id, member_id))
            stored = _find(connection, grant_id)
            if stored is None or stored.member_id != member_id:
                raise GrantNotFound
            return stored

        return self._database.write(work)

    def covering(self, member_id: str, reader_id: str, now: datetime) -> Sequence[Grant]:
        """List the grants in force from one to the other, the oldest first."""
        return self._list(COVERING, (member_id, reader_id, now.timestamp()))

    def given(self, member_id: str, after: tuple[float, str] | None, limit: int) -> Sequence[Grant]:
        """List a member's, the newest first by (create_time, grant_id), after one."""
        return self._list(GIVEN, (member_id, *(after or FIRST), limit))

    def received(self, reader_id: str, after: tuple[float, str] | None, limit: int) -> Sequence[Grant]:
        """List a reader's, as `given` does."""
        return self._list(RECEIVED, (reader_id, *(after or FIRST), limit))

    def _list(self, query: str, bindings: Row) -> Sequence[Grant]:
        with self._database.read() as connection:
            return [_grant(row) for row in connection.execute(query, bindings).fetchall()]


def _find(connection: apsw.Connection, grant_id: str) -> Grant | None:
    rows: Sequence[Row] = connection.execute(FIND, (grant_id,)).fetchall()
    return _grant(rows[0]) if rows else None


def _row(grant: Grant) -> Row:
    return (
        grant.grant_id,
        grant.member_id,
        grant.reader_id,
        " ".join(sorted(grant.families)),
        grant.create_time.timestamp(),
        grant.expire_time.timestamp(),
        grant.revoke_time and grant.revoke_time.timestamp(),
    )


def _grant(row: Row) -> Grant:
    grant_id, member_id, reader_id, families, create_time, expire_time, revoke_time = row
    return Grant(
        grant_id,
        member_id,
        reader_id,
        frozenset(map(Family, families.split())),
        datetime.fromtimestamp(create_time, UTC),
        datetime.fromtimestamp(expire_time, UTC),
        None if revoke_time is None else datetime.fromtimestamp(revoke_time, UTC),
    )
