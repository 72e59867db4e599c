"""Derived results in the SQLite file, and the queues of what is still to derive."""

from collections.abc import Sequence
from datetime import date

import apsw

from clarity_server.adapters.local.database import Database, Row
from clarity_server.domain.civil import EPOCH_DATE
from clarity_server.domain.series import Closing, Source
from clarity_server.ports import DayKey, DueDay, DueResult

# Every account's oldest few, then one of each in turn. The recursion steps from account to account through the index.
DUE_RESULTS = """
    WITH RECURSIVE accounts (id) AS (
        SELECT min(account_id) FROM results WHERE body IS NULL AND failed = 0
        UNION ALL
        SELECT (SELECT min(account_id) FROM results WHERE body IS NULL AND failed = 0 AND account_id > id)
        FROM accounts WHERE id IS NOT NULL),
    due AS (
        SELECT *, row_number() OVER (PARTITION BY account_id ORDER BY place) AS turn
        FROM accounts JOIN results ON place IN (
            SELECT place FROM results WHERE account_id = id AND body IS NULL AND failed = 0
            ORDER BY place LIMIT :limit))
    SELECT account_id, upload_id, number, civil_day, end_sample FROM due ORDER BY turn, place LIMIT :limit"""
DUE_DAYS = """
    SELECT account_id, metric, device, app, civil_day, touch FROM touched_days
    WHERE failed = 0 ORDER BY place LIMIT :limit"""
DUE_DAYS_OF_ACCOUNT = """
    SELECT account_id, metric, device, app, civil_day, touch FROM touched_days
    WHERE failed = 0 AND account_id = :account ORDER BY place LIMIT :limit"""
PUT_RESULT = """
    UPDATE results SET body = ?, failed = ? WHERE account_id = ? AND upload_id = ? AND number = ? AND body IS NULL"""
PUT_DAY = """
    INSERT INTO days (account_id, metric, device, app, civil_day, touch, closed, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET touch = excluded.touch, closed = excluded.closed, body = excluded.body
    WHERE excluded.touch >= touch"""
CLEAR_TOUCH = """
    DELETE FROM touched_days
    WHERE account_id = ? AND metric = ? AND device = ? AND app = ? AND civil_day = ? AND touch = ?"""
FAIL_TOUCH = """
    UPDATE touched_days SET failed = 1
    WHERE account_id = ? AND metric = ? AND device = ? AND app = ? AND civil_day = ? AND touch = ?"""
LIST_RESULTS = """
    SELECT number, body FROM results
    WHERE account_id = :account AND upload_id = :upload AND number > :after AND number < ifnull((
        SELECT min(number) FROM results
        WHERE account_id = :account AND upload_id = :upload AND body IS NULL), 1 << 62)
    ORDER BY number LIMIT :limit"""
LAST_RESULT = """
    SELECT number, end_sample FROM results
    WHERE account_id = :account AND upload_id = :upload AND number < ifnull((
        SELECT min(number) FROM results
        WHERE account_id = :account AND upload_id = :upload AND body IS NULL), 1 << 62)
    ORDER BY number DESC LIMIT 1"""
IS_CLOSED = """
    SELECT 1 FROM results JOIN uploads USING (account_id, upload_id)
    WHERE account_id = ? AND metric = ? AND device = ? AND app = ? AND civil_day = ? LIMIT 1"""
LIST_DAYS = """
    SELECT civil_day, device, app, body FROM days
    WHERE account_id = :account AND metric = :metric AND body IS NOT NULL
        AND civil_day >= :start AND civil_day < :end AND (civil_day, device, app) > (:day, :device, :app)
    ORDER BY civil_day, device, app LIMIT :limit"""


class SqliteAnalyses:
    """Implements ports.Analyses."""

    def __init__(self, database: Database) -> None:
        """Take the file."""
        self._database = database

    def due_results(self, limit: int) -> Sequence[DueResult]:
        """List closings without a result, oldest first, one account after the other; those that failed are left out."""
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(DUE_RESULTS, {"limit": limit}).fetchall()
        return [DueResult(account_id, upload_id, Closing(*closing)) for account_id, upload_id, *closing in rows]

    def due_days(self, limit: int, account_id: str | None = None) -> Sequence[DueDay]:
        """List touched days, of one account or of all, oldest touch first; those that failed wait for a new touch."""
        query = DUE_DAYS if account_id is None else DUE_DAYS_OF_ACCOUNT
        bindings = {"limit": limit} if account_id is None else {"limit": limit, "account": account_id}
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(query, bindings).fetchall()
        return [
            DueDay(DayKey(owner, metric, Source(device, app), day), touch)
            for owner, metric, device, app, day, touch in rows
        ]

    def put_result(self, due: DueResult, body: bytes, *, failed: bool = False) -> None:
        """Store a sealed result under its number; the first one stays. A failure without a body stays underived."""
        row = (body or None, failed, due.account_id, due.upload_id, due.closing.number)
        self._database.write(lambda connection: connection.execute(PUT_RESULT, row).close())

    def put_day(self, due: DueDay, body: bytes, *, closed: bool, failed: bool = False) -> None:
        """Store a sealed Day in place of the older one and clear the touch, unless a later touch came.

        No body and no failure means that the day has no samples, and is not listed.
        """
        key, source = due.key, due.key.source
        touched = (key.account_id, key.metric, source.device, source.app, key.civil_day, due.touch)

        def work(connection: apsw.Connection) -> None:
            if body or not failed:
                connection.execute(PUT_DAY, (*touched, closed, body or None))
            connection.execute(FAIL_TOUCH if failed else CLEAR_TOUCH, touched)

        self._database.write(work)

    def results(self, account_id: str, upload_id: str, after: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """List sealed results by number, stopping before the first one not yet derived."""
        bindings = {"account": account_id, "upload": upload_id, "after": after, "limit": limit}
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(LIST_RESULTS, bindings).fetchall()
        return [(number, body) for number, body in rows]

    def analysed(self, account_id: str, upload_id: str) -> tuple[int, int]:
        """Return (number, end_sample) of the last result before the first one not yet derived; (0, 0) for none."""
        bindings = {"account": account_id, "upload": upload_id}
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(LAST_RESULT, bindings).fetchall()
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

    def is_closed(self, key: DayKey) -> bool:
        """Tell whether some upload of this metric and source has closed this day."""
        bindings = (key.account_id, key.metric, key.source.device, key.source.app, key.civil_day)
        with self._database.read() as connection:
            return bool(connection.execute(IS_CLOSED, bindings).fetchall())

    def days(
        self,
        account_id: str,
        metric: str,
        dates: tuple[date | None, date | None],
        after: tuple[int, str, str] | None,
        limit: int,
    ) -> Sequence[tuple[DayKey, bytes]]:
        """List sealed Days with dates in [start, end), by (civil day, device, app), after a key."""
        start, end = dates
        day, device, app = after or (_day(date.min) - 1, "", "")
        bindings = {
            "account": account_id,
            "metric": metric,
            "start": _day(start or date.min),
            "end": _day(date.max) + 1 if end is None else _day(end),
            "day": day,
            "device": device,
            "app": app,
            "limit": limit,
        }
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(LIST_DAYS, bindings).fetchall()
        return [(DayKey(account_id, metric, Source(device, app), day), body) for day, device, app, body in rows]


def _day(when: date) -> int:
    """Return a date as days since 1970-01-01."""
    return (when - EPOCH_DATE).days
