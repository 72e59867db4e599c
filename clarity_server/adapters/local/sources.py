"""Sources in the SQLite file: what each has sent, and what its account says of it."""

from collections.abc import Sequence

import apsw

from clarity_server.adapters.local.database import Database, Row
from clarity_server.domain.errors import SourceNotFound
from clarity_server.domain.samples import DeviceKind, SourceSetting
from clarity_server.domain.series import Source

TOUCH_SOURCE = """
    INSERT INTO source_metrics (account_id, metric, device, app, last_write_time)
    VALUES (:account, :metric, :device, :app, :now)
    ON CONFLICT DO UPDATE SET last_write_time = excluded.last_write_time"""
IS_THERE = "SELECT 1 FROM source_metrics WHERE account_id = ? AND device = ? AND app = ? LIMIT 1"
LIST = "SELECT device, app, kind, priority FROM sources WHERE account_id = ? ORDER BY device, app"
PUT = """
    INSERT INTO sources (account_id, device, app, kind, priority) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET kind = excluded.kind, priority = excluded.priority"""


class SqliteSources:
    """Implements ports.Sources."""

    def __init__(self, database: Database) -> None:
        """Take the file."""
        self._database = database

    def settings(self, account_id: str) -> Sequence[SourceSetting]:
        """List what was said, by device and app."""
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(LIST, (account_id,)).fetchall()
        return [SourceSetting(Source(device, app), DeviceKind(kind), priority) for device, app, kind, priority in rows]

    def put(self, account_id: str, setting: SourceSetting) -> None:
        """Say it anew. Raises SourceNotFound where nothing ever came from it."""
        source = (account_id, setting.source.device, setting.source.app)

        def work(connection: apsw.Connection) -> None:
            if not connection.execute(IS_THERE, source).fetchall():
                raise SourceNotFound
            connection.execute(PUT, (*source, setting.kind, setting.priority))

        self._database.write(work)
