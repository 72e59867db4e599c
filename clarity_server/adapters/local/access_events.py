"""Who has read, in the SQLite file."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import apsw

from clarity_server.adapters.local.database import Database, Row
from clarity_server.domain.access import Family
from clarity_server.domain.sharing import AccessEvent

NEXT = "SELECT coalesce(max(number), 0) + 1 FROM access_events WHERE member_id = ?"
INSERT = """
    INSERT INTO access_events (member_id, reader_id, grant_id, method, families, access_time, number)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""
LIST = """
    SELECT member_id, reader_id, grant_id, method, families, access_time, number FROM access_events
    WHERE member_id = ? AND number < ? ORDER BY number DESC LIMIT ?"""
NUMBER_MAX = (1 << 63) - 1


class SqliteAccessEvents:
    """Implements ports.AccessEvents. A reader's name is not kept here: it is theirs, and goes when they go."""

    def __init__(self, database: Database) -> None:
        """Take the file."""
        self._database = database

    def add(self, event: AccessEvent) -> AccessEvent:
        """Store an event under the member's next number; return it with that."""

        def work(connection: apsw.Connection) -> AccessEvent:
            numbers: Sequence[Row] = connection.execute(NEXT, (event.member_id,)).fetchall()
            numbered = replace(event, reader_name="", number=numbers[0][0])
            connection.execute(INSERT, _row(numbered))
            return numbered

        return self._database.write(work)

    def list(self, member_id: str, before: int | None, limit: int) -> Sequence[AccessEvent]:
        """List events by number, the highest first, from below a number on."""
        bindings = (member_id, NUMBER_MAX if before is None else before, limit)
        with self._database.read() as connection:
            return [_event(row) for row in connection.execute(LIST, bindings).fetchall()]


def _row(event: AccessEvent) -> Row:
    families = " ".join(sorted(event.families))
    access_time = event.access_time.timestamp()
    return (event.member_id, event.reader_id, event.grant_id, event.method, families, access_time, event.number)


def _event(row: Row) -> AccessEvent:
    member_id, reader_id, grant_id, method, families, access_time, number = row
    known = frozenset(map(Family, families.split()))
    at = datetime.fromtimestamp(access_time, UTC)
    return AccessEvent(member_id, reader_id, grant_id, method, known, at, number=number)
