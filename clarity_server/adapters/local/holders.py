"""Everything on this machine that keeps something of an account, each as a ports.Holder.

Not among them, because nothing can be taken back or nothing tells of anybody: mails that were handed over; the audit
and the ledger, which keep opaque ids, times and counts, and which are what proves an erasure; and copies that somebody
made of the files, in which what is sealed is noise once the key is destroyed.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import apsw

from clarity_server.adapters.local import files
from clarity_server.adapters.local.database import Database, Row
from clarity_server.adapters.local.series import BLOBS_PREFIX
from clarity_server.ports import Blobs, Holder

PAGE_ROWS = 64  # in one transaction: at most 32 MiB of bodies, and nobody's write waits for more

_OWN = "account_id = :account"
# Where rows are found that have something of an account, table by table, in the order in which they are removed: what
# is derived before what it is derived from, so that nothing is derived again; what refers before what is referred to;
# the withdrawn consent, which keeps the workers away, after all that they work on; the account last.
TABLES = {
    "touched_windows": _OWN,
    "touched_days": _OWN,
    "insights": _OWN,
    "analyses": _OWN,
    "days": _OWN,
    "results": _OWN,
    "quarantine": _OWN,
    "samples": _OWN,
    "changes": _OWN,
    "segments": _OWN,
    "uploads": _OWN,
    "tombstones": _OWN,  # after the uploads: without it, what it hides would be read again
    "source_metrics": _OWN,  # after the samples, which are found by it
    "sources": _OWN,
    "retention": _OWN,
    "outbox": _OWN,
    # Scopes and answers have ids in them; they are texts of many kinds, and an id is in none by chance.
    "requests": "instr(scope, :account) OR instr(answer, CAST(:account AS BLOB))",
    "tickets": _OWN,
    "factors": _OWN,
    "access_events": "member_id = :account",
    "grants": "member_id = :account OR reader_id = :account",
    "sessions": _OWN,
    "passwords": _OWN,
    "consents": _OWN,
    "accounts": _OWN,
}
# Who has read is the member's to know, also when the reader has gone: the entry stays, and names nobody.
READINGS = "access_events of others"
EXEMPT = {
    "audit": "is only added to, and has ids, times and digests; it is what proves that the rest is gone",
    "lineage": "has one random id: which history the change numbers of all are of",
    "sqlite_sequence": "has one number a table: SQLite's own",
}


def holders(database: Database, blobs: Blobs, asides: Sequence[Path]) -> list[Holder]:
    """All that the local world keeps on disk; `asides` are the directories of files being written."""
    tables = [Rows(database, table, where) for table, where in TABLES.items()]
    return [Readings(database), *tables, BlobFiles(blobs), *(Aside(aside) for aside in asides)]


class Rows:
    """The rows of a table."""

    def __init__(self, database: Database, table: str, where: str) -> None:
        """Name the table, and what holds of the `:account`'s rows."""
        self.name = table
        self._database = database
        with database.read() as connection:
            about: Sequence[Row] = connection.execute(_KEY_OF, (table,)).fetchall()
        key = ", ".join(name for (name,) in about)
        self._count = f"SELECT count(*) FROM {table} WHERE {where}"  # noqa: S608  our own names
        self._erase = (
            f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {where} LIMIT {PAGE_ROWS})"  # noqa: S608  our own names
        )

    def count(self, account_id: str) -> int:
        """Count the account's rows."""
        return _count(self._database, self._count, account_id)

    def erase(self, account_id: str) -> int:
        """Delete them, a page a transaction."""
        return _until_none(self._database, self._erase, account_id)


class Readings:
    """What others' logs say of an account that has read."""

    name = READINGS

    def __init__(self, database: Database) -> None:
        """Take the file."""
        self._database = database

    def count(self, account_id: str) -> int:
        """Count the entries that name the account."""
        return _count(self._database, "SELECT count(*) FROM access_events WHERE reader_id = :account", account_id)

    def erase(self, account_id: str) -> int:
        """Let them name nobody."""
        return _until_none(self._database, _UNNAME, account_id)


class BlobFiles:
    """The blobs below an account's name."""

    name = "blobs"

    def __init__(self, blobs: Blobs) -> None:
        """Take the store."""
        self._blobs = blobs

    def count(self, account_id: str) -> int:
        """Count them, whether a row names them or not."""
        return sum(1 for _ in self._blobs.names(f"{BLOBS_PREFIX}/{account_id}"))

    def erase(self, account_id: str) -> int:
        """Delete them."""
        found = [name for name, _ in self._blobs.names(f"{BLOBS_PREFIX}/{account_id}")]
        for name in found:
            self._blobs.delete(name)
        return len(found)


class Aside:
    """What processes that died left aside while they wrote.

    Nothing tells whose a file was, so whatever is old enough to be nobody's work any more is everybody's.
    """

    def __init__(self, directory: Path) -> None:
        """Name the directory."""
        self.name = f"{directory.parent.name}/{directory.name}"
        self._directory = directory

    def count(self, account_id: str) -> int:  # noqa: ARG002  whoever asks
        """Count what was left."""
        with files.translated():
            return sum(1 for file in self._directory.iterdir() if _age_s(file) > files.ASIDE_AGE_S)

    def erase(self, account_id: str) -> int:
        """Remove it."""
        count = self.count(account_id)
        with files.translated():
            files.sweep(self._directory)
        return count


def _count(database: Database, query: str, account_id: str) -> int:
    with database.read() as connection:
        rows: Sequence[Row] = connection.execute(query, {"account": account_id}).fetchall()
    return int(rows[0][0])


def _until_none(database: Database, change: str, account_id: str) -> int:
    """Change rows page by page, until there are none left to change; return how many there were."""

    def work(connection: apsw.Connection) -> int:
        connection.execute(change, {"account": account_id})
        return connection.changes()

    changed = 0
    while page := database.write(work):
        changed += page
    return changed


def _age_s(file: Path) -> float:
    try:
        return time.time() - file.stat().st_mtime
    except FileNotFoundError:  # placed meanwhile
        return 0.0


_KEY_OF = "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk"
_UNNAME = f"""
    UPDATE access_events SET reader_id = '' WHERE (member_id, number) IN (
        SELECT member_id, number FROM access_events WHERE reader_id = :account LIMIT {PAGE_ROWS})"""  # noqa: S608
