"""Derived results in the SQLite file, and the queues of what is still to derive."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import apsw

from clarity_server.adapters.local.database import Database, Row
from clarity_server.adapters.local.deleting import newest_deletion, overtaken
from clarity_server.adapters.local.turns import in_turn, withheld
from clarity_server.domain.civil import EPOCH_DATE
from clarity_server.domain.series import Closing, ClosingKind, Source
from clarity_server.ports import DayKey, DueDay, DueResult, PutDay, PutResult

DUE_RESULTS = in_turn(
    f"account_id, upload_id, change, {newest_deletion('results')}, number, civil_day, end_sample, kind",
    "results",
    "kind = :kind AND body IS NULL AND failed = 0",
)
DUE_DAY = f"account_id, metric, device, app, civil_day, touch, {newest_deletion('touched_days')}"
DUE_DAYS = in_turn(DUE_DAY, "touched_days", "failed = 0")
DUE_DAYS_OF_ACCOUNT = f"""
    SELECT {DUE_DAY} FROM touched_days
    WHERE failed = 0 AND account_id = :account AND NOT {withheld(":account")} ORDER BY place LIMIT :limit"""  # noqa: S608
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
TOUCH_WINDOW = """
    INSERT INTO touched_windows (account_id, metric, device, app, civil_day, touch) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET touch = excluded.touch WHERE excluded.touch > touch"""
LIST_RESULTS = """
    SELECT number, civil_day, end_sample, kind, body FROM results
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
    WHERE account_id = ? AND metric = ? AND device = ? AND app = ? AND civil_day = ? AND kind = 0 LIMIT 1"""
FIND_DAY = """
    SELECT body FROM days WHERE account_id = ? AND metric = ? AND device = ? AND app = ? AND civil_day = ?"""
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

    def due_results(self, kind: ClosingKind, limit: int) -> Sequence[DueResult]:
        """List closings of a kind without a result, oldest first, the accounts in turn; not those that failed."""
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(DUE_RESULTS, {"kind": kind, "limit": limit}).fetchall()
        return [
            DueResult(account_id, upload_id, _closing(*closing), change, deletion)
            for account_id, upload_id, change, deletion, *closing in rows
        ]

    def due_days(self, limit: int, account_id: str | None = None) -> Sequence[DueDay]:
        """List touched days, oldest touch first, of one account or of all in turn; those that failed wait."""
        query = DUE_DAYS if account_id is None else DUE_DAYS_OF_ACCOUNT
        bindings = {"limit": limit} if account_id is None else {"limit": limit, "account": account_id}
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(query, bindings).fetchall()
        return [
            DueDay(DayKey(owner, metric, Source(device, app), day), touch, deletion)
            for owner, metric, device, app, day, touch, deletion in rows
        ]

    def put_results(self, puts: Sequence[PutResult]) -> None:
        """Store sealed results under their numbers, all or none; the first one under a number stays.

        Of an account that has deleted more than a result knows of, nothing is stored.
        """

        def work(connection: apsw.Connection) -> None:
            for put in puts:
                if not overtaken(connection, put.due.account_id, put.due.deletion):
                    connection.execute(PUT_RESULT, (put.body or None, put.failed, *_result(put.due)))

        if puts:
            self._database.write(work)

    def put_days(self, puts: Sequence[PutDay]) -> None:
        """Store sealed Days in place of the older ones, all or none, clear their touches and touch their windows.

        A touch that came meanwhile stays, and so does a Day that was derived for a later one. Of an account that has
        deleted more than a Day knows of, nothing is stored or cleared.
        """

        def work(connection: apsw.Connection) -> None:
            for put in puts:
                if not overtaken(connection, put.due.key.account_id, put.due.deletion):
                    _put_day(connection, put)

        if puts:
            self._database.write(work)

    def results(self, account_id: str, upload_id: str, after: int, limit: int) -> Sequence[tuple[Closing, bytes]]:
        """List sealed results by number, stopping before the first one not yet derived."""
        bindings = {"account": account_id, "upload": upload_id, "after": after, "limit": limit}
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(LIST_RESULTS, bindings).fetchall()
        return [(_closing(*closing), body) for *closing, body in rows]

    def analysed(self, account_id: str, upload_id: str) -> tuple[int, int]:
        """Return (number, end_sample) of the last result before the first one not yet derived; (0, 0) for none."""
        bindings = {"account": account_id, "upload": upload_id}
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(LAST_RESULT, bindings).fetchall()
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

    def is_closed(self, key: DayKey) -> bool:
        """Tell whether some upload of this metric and source has closed this day."""
        with self._database.read() as connection:
            return bool(connection.execute(IS_CLOSED, _day(key)).fetchall())

    def day(self, key: DayKey) -> bytes | None:
        """Return a sealed Day, or None where there is none."""
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(FIND_DAY, _day(key)).fetchall()
        return rows[0][0] if rows else None

    def days(
        self,
        account_id: str,
        metric: str,
        dates: tuple[date | None, date | None],
        after: tuple[int, str, str] | None,
        limit: int,
    ) -> Sequence[tuple[DayKey, bytes]]:
        """List sealed Days with dates in [start, end), by (civil day, device, app), after a key."""
        start, end = civil_days(dates)
        day, device, app = after or (start - 1, "", "")
        bindings = {
            "account": account_id,
            "metric": metric,
            "start": start,
            "end": end,
            "day": day,
            "device": device,
            "app": app,
            "limit": limit,
        }
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(LIST_DAYS, bindings).fetchall()
        return [(DayKey(account_id, metric, Source(device, app), day), body) for day, device, app, body in rows]


def civil_days(dates: tuple[date | None, date | None]) -> tuple[int, int]:
    """Return dates [start, end) as days since 1970-01-01; None is as far as there are dates."""
    start, end = dates
    beyond = (date.max - EPOCH_DATE).days + 1
    return ((start or date.min) - EPOCH_DATE).days, beyond if end is None else (end - EPOCH_DATE).days


def _put_day(connection: apsw.Connection, put: PutDay) -> None:
    """Store a Day, clear its touch and touch its windows."""
    if put.body or not put.failed:
        connection.execute(PUT_DAY, (*_touched(put.due), put.closed, put.body or None))
    connection.execute(FAIL_TOUCH if put.failed else CLEAR_TOUCH, _touched(put.due))
    connection.executemany(TOUCH_WINDOW, [_touched(put.due, civil_day) for civil_day in put.windows])


def _closing(number: int, civil_day: int, end_sample: int, kind: int) -> Closing:
    return Closing(number, civil_day, end_sample, ClosingKind(kind))


def _result(due: DueResult) -> Row:
    return (due.account_id, due.upload_id, due.closing.number)


def _day(key: DayKey) -> Row:
    return (key.account_id, key.metric, key.source.device, key.source.app, key.civil_day)


def _touched(due: DueDay, window: int | None = None) -> Row:
    """Return a touched day's key and touch, or as much of a window that begins on another day."""
    key = due.key if window is None else replace(due.key, civil_day=window)
    return (*_day(key), due.touch)
