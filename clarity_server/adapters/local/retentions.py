"""How long accounts keep their data, in the SQLite file. Without a row it is for ever."""

from collections.abc import Sequence

import apsw

from clarity_server.adapters.local.database import Database, Row

GET = "SELECT keep_days FROM retention WHERE account_id = ?"
LIST = "SELECT account_id, keep_days FROM retention ORDER BY account_id"
PUT = """
    INSERT INTO retention (account_id, keep_days) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET keep_days = excluded.keep_days"""
REMOVE = "DELETE FROM retention WHERE account_id = ?"


class SqliteRetentions:
    """Implements ports.Retentions."""

    def __init__(self, database: Database) -> None:
        """Take the file."""
        self._database = database

    def get(self, account_id: str) -> int:
        """Return the days; 0 for ever."""
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(GET, (account_id,)).fetchall()
        return int(rows[0][0]) if rows else 0

    def put(self, account_id: str, keep_days: int) -> None:
        """Say it anew."""

        def work(connection: apsw.Connection) -> None:
            if keep_days:
                connection.execute(PUT, (account_id, keep_days))
            else:
                connection.execute(REMOVE, (account_id,))

        self._database.write(work)

    def all(self) -> Sequence[tuple[str, int]]:
        """List accounts and their days."""
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(LIST).fetchall()
        return [(owner, days) for owner, days in rows]
