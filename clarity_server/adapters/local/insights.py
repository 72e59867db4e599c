"""What was told, in the SQLite file."""

from collections.abc import Sequence
from datetime import UTC, datetime

import apsw

from clarity_server.adapters.local.database import Database, Row
from clarity_server.adapters.local.deleting import overtaken
from clarity_server.domain.errors import Busy
from clarity_server.ports import StoredInsight

PUT = """
    INSERT INTO insights (account_id, insight_id, number, analysis_id, create_time, body) VALUES (:account, :id,
        (SELECT coalesce(max(number), 0) + 1 FROM insights WHERE account_id = :account),
        :analysis, :create_time, :body)
    ON CONFLICT (account_id, insight_id) DO NOTHING"""
FIND = """
    SELECT account_id, insight_id, analysis_id, create_time, body, number FROM insights
    WHERE account_id = ? AND insight_id = ?"""
LIST = """
    SELECT account_id, insight_id, analysis_id, create_time, body, number FROM insights
    WHERE account_id = ? AND number < ? ORDER BY number DESC LIMIT ?"""
NUMBER_MAX = (1 << 63) - 1


class SqliteInsights:
    """Implements ports.Insights."""

    def __init__(self, database: Database) -> None:
        """Take the file."""
        self._database = database

    def put(self, insight: StoredInsight) -> StoredInsight:
        """Store an insight under the account's next number unless its id is there; return the stored one.

        Raises Busy where the account has deleted more than the insight knows of.
        """
        row = {
            "account": insight.account_id,
            "id": insight.insight_id,
            "analysis": insight.analysis_id,
            "create_time": insight.create_time.timestamp(),
            "body": insight.body,
        }

        def work(connection: apsw.Connection) -> StoredInsight:
            if overtaken(connection, insight.account_id, insight.deletion):
                raise Busy("deletion")
            connection.execute(PUT, row)
            stored = _find(connection, insight.account_id, insight.insight_id)
            assert stored is not None, "it is there, ours or the first one"
            return stored

        return self._database.write(work)

    def get(self, account_id: str, insight_id: str) -> StoredInsight | None:
        """Find an insight."""
        with self._database.read() as connection:
            return _find(connection, account_id, insight_id)

    def list(self, account_id: str, before: int | None, limit: int) -> Sequence[StoredInsight]:
        """List insights by number, the highest first, from below a number on."""
        bindings = (account_id, NUMBER_MAX if before is None else before, limit)
        with self._database.read() as connection:
            return [_insight(row) for row in connection.execute(LIST, bindings).fetchall()]


def _find(connection: apsw.Connection, account_id: str, insight_id: str) -> StoredInsight | None:
    rows = connection.execute(FIND, (account_id, insight_id)).fetchall()
    return _insight(rows[0]) if rows else None


def _insight(row: Row) -> StoredInsight:
    account_id, insight_id, analysis_id, create_time, body, number = row
    return StoredInsight(account_id, insight_id, analysis_id, datetime.fromtimestamp(create_time, UTC), body, number)
