"""Changes in the SQLite file: an account's numbers, and what each of them stands for."""

from collections.abc import Sequence
from typing import Any

import apsw

from clarity_server.adapters.local.database import Database, Row
from clarity_server.domain.civil import TimeKind, TimeRange
from clarity_server.domain.errors import StoreDamaged
from clarity_server.domain.samples import Moment, Tombstone
from clarity_server.domain.series import Source
from clarity_server.ports import ChangeRow, StoredSample

# A change has the numbers [number, number + span), so that the account's next number is where its last change ends.
NEXT_NUMBER = """coalesce((
        SELECT number + span FROM changes WHERE account_id = :account ORDER BY number DESC LIMIT 1), 1)"""
NEWEST = f"SELECT {NEXT_NUMBER} - 1"
NUMBER_CHANGE = f"""
    INSERT INTO changes (account_id, number, kind, metric, upload_id, first_sample, count, span)
    VALUES (:account, {NEXT_NUMBER}, :kind, :metric, :upload, :first_sample, :count, :span)
    RETURNING number"""  # noqa: S608  our own names
# From the change that has the number above `after`, which may have begun before.
LIST_ROWS = """
    SELECT number, span, kind, metric, upload_id, first_sample, count FROM changes
    WHERE account_id = :account AND number + span - 1 > :after AND number >= coalesce((
        SELECT number FROM changes WHERE account_id = :account AND number <= :after + 1
        ORDER BY number DESC LIMIT 1), 0)
    ORDER BY number LIMIT :limit"""
SAMPLE_COLUMNS = (
    "account_id, sample_id, metric, device, app, version, instant_ms, civil_ms, duration_ms, digest, number, deleted, "
    "body"
)
LIST_SAMPLES = f"""
    SELECT {SAMPLE_COLUMNS} FROM samples WHERE account_id = ? AND number > ? AND number <= ?
    ORDER BY number LIMIT ?"""  # noqa: S608
FIND_TOMBSTONE = """
    SELECT number, metric, device, app, kind, start_ms, end_ms, revision FROM tombstones
    WHERE account_id = ? AND number = ?"""
LINEAGE = "SELECT id FROM lineage"
NEW_LINEAGE = "UPDATE lineage SET id = lower(hex(randomblob(16)))"


class SqliteChanges:
    """Implements ports.Changes."""

    def __init__(self, database: Database) -> None:
        """Take the file."""
        self._database = database

    def lineage(self) -> str:
        """Return the id of the history that the numbers are of: a store that was put back has another one."""
        return str(self._ask(LINEAGE, ())[0][0])

    def rows(self, account_id: str, after: int, limit: int) -> Sequence[ChangeRow]:
        """List changes that have a number above `after`, by number."""
        rows = self._ask(LIST_ROWS, {"account": account_id, "after": after, "limit": limit})
        return [ChangeRow(*row) for row in rows]

    def samples(self, account_id: str, after: int, until: int, limit: int) -> Sequence[StoredSample]:
        """List samples, deleted ones too, whose last change is in (after, until], by number."""
        return [stored_sample(row) for row in self._ask(LIST_SAMPLES, (account_id, after, until, limit))]

    def tombstone(self, account_id: str, number: int) -> Tombstone:
        """Find the deleted range of a change. Raises StoreDamaged."""
        rows = self._ask(FIND_TOMBSTONE, (account_id, number))
        if not rows:
            raise StoreDamaged(piece=f"{account_id}|tombstone|{number}")
        return tombstone(rows[0])

    def newest(self, account_id: str) -> int:
        """Return the account's newest change number; 0 for none."""
        return int(self._ask(NEWEST, {"account": account_id})[0][0])

    def _ask(self, query: str, bindings: dict[str, Any] | Row) -> list[Row]:
        with self._database.read() as connection:
            return connection.execute(query, bindings).fetchall()


def number_samples(connection: apsw.Connection, account_id: str, span: int) -> int:
    """Number a change of `span` samples; return the first of its numbers."""
    bindings = {
        "account": account_id,
        "kind": "samples",
        "metric": "",
        "upload": "",
        "first_sample": 0,
        "count": 0,
        "span": span,
    }
    rows: Sequence[Row] = connection.execute(NUMBER_CHANGE, bindings).fetchall()
    return int(rows[0][0])


def stored_sample(row: Row) -> StoredSample:
    """Return what SAMPLE_COLUMNS say."""
    owner, sample_id, metric, device, app, version, instant, civil, duration, digest, number, deleted, body = row
    start, source = Moment(instant, civil), Source(device, app)
    return StoredSample(
        owner, sample_id, metric, source, version, start, duration, digest, body or b"", bool(deleted), number
    )


def tombstone(row: Row) -> Tombstone:
    """Return what the columns of FIND_TOMBSTONE say."""
    number, metric, device, app, kind, start_ms, end_ms, revision = row
    return Tombstone(metric, Source(device, app), TimeRange(TimeKind(kind), start_ms, end_ms), revision, number)
