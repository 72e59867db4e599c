"""Deleting ranges of series in the SQLite file, and what keeps a derivation that began before from storing after it."""

from collections.abc import Sequence
from typing import Any

import apsw

from clarity_server.adapters.local.changes import NEWEST, NUMBER_CHANGE
from clarity_server.adapters.local.database import Row
from clarity_server.domain.civil import DAY_MS, TimeKind
from clarity_server.domain.samples import Tombstone
from clarity_server.ports import Bearing, SeriesDeletion

PUT_TOMBSTONE = """
    INSERT INTO tombstones (account_id, number, metric, device, app, kind, start_ms, end_ms, revision)
    VALUES (:account, :number, :metric, :device, :app, :kind, :start, :end, :revision)"""
# Whoever deletes what is old day by day would otherwise leave as many for every reader to look at.
COVER = """
    UPDATE tombstones SET covered = 1
    WHERE account_id = :account AND metric = :metric AND device = :device AND app = :app AND NOT covered
        AND number < :number AND kind = :kind AND start_ms >= :start AND end_ms <= :end AND revision <= :revision"""
MARK_UPLOADS = """
    UPDATE uploads SET unpurged = :number
    WHERE account_id = :account AND metric = :metric AND device = :device AND app = :app AND receipt IS NOT NULL
        AND end_ms > :start - :slack AND start_ms < :end + :slack"""
_SOURCE = "account_id = :account AND metric = :metric AND device = :device AND app = :app"
_OF_SOURCE = f"account_id = :account AND upload_id IN (SELECT upload_id FROM uploads WHERE {_SOURCE})"  # noqa: S608
TOUCH_NEAR_DAYS = f"""
    INSERT INTO touched_days (account_id, metric, device, app, civil_day, touch)
    SELECT account_id, metric, device, app, civil_day, :number FROM days
    WHERE {_SOURCE} AND civil_day >= :near AND civil_day < :near_end AND body IS NOT NULL
    ON CONFLICT DO UPDATE SET touch = excluded.touch, failed = 0"""  # noqa: S608  our own names
TOUCH_AGAIN = f"""
    UPDATE touched_days SET touch = :number, failed = 0
    WHERE {_SOURCE} AND civil_day >= :near AND civil_day < :near_end"""  # noqa: S608
EMPTY_DAYS = f"""
    UPDATE days SET body = NULL, touch = :number
    WHERE {_SOURCE} AND civil_day >= :held AND civil_day < :held_end AND body IS NOT NULL"""  # noqa: S608
EMPTY_DAY_RESULTS = f"""
    UPDATE results SET body = NULL, failed = 0
    WHERE {_OF_SOURCE} AND kind = 0 AND civil_day >= :held AND civil_day < :held_end"""  # noqa: S608
EMPTY_WINDOW_RESULTS = f"""
    UPDATE results SET body = NULL, failed = 0
    WHERE {_OF_SOURCE} AND kind = 1 AND civil_day >= :windows AND civil_day < :windows_end"""  # noqa: S608
# An insight tells of a week beside the one before it.
REMOVE_INSIGHTS = f"""
    DELETE FROM insights WHERE account_id = :account AND analysis_id IN (
        SELECT analysis_id FROM analyses
        WHERE {_SOURCE} AND civil_day >= :windows AND civil_day < :windows_end + 7)"""  # noqa: S608
TOUCH_WINDOWS = f"""
    INSERT INTO touched_windows (account_id, metric, device, app, civil_day, touch)
    SELECT DISTINCT account_id, metric, device, app, civil_day, :number FROM analyses
    WHERE {_SOURCE} AND civil_day >= :windows AND civil_day < :windows_end
    ON CONFLICT DO UPDATE SET touch = excluded.touch"""  # noqa: S608
REMOVE_ANALYSES = f"""
    DELETE FROM analyses WHERE {_SOURCE} AND civil_day >= :windows AND civil_day < :windows_end"""  # noqa: S608
HIGHEST = "SELECT coalesce(max(number), 0) FROM analyses WHERE account_id = :account"
# Who watches goes on after a number: none may come twice. The row is nobody's analysis: no metric, no id.
KEEP_HIGHEST = """
    INSERT INTO analyses
    SELECT coalesce(max(place), 0) + 1, :account, '', :highest, '', '', '', 0, 'SUPERSEDED', '', '', '', x''
    FROM analyses WHERE true
    ON CONFLICT (account_id, analysis_id) DO UPDATE SET number = excluded.number"""
IS_OVERTAKEN = "SELECT 1 FROM tombstones WHERE account_id = ? AND number > ? LIMIT 1"

Bindings = dict[str, Any]


def newest_deletion(table: str) -> str:
    """Return the column that tells, of a row of a table, the number of its account's newest deletion."""
    return (
        "(SELECT coalesce(max(tombstones.number), 0) FROM tombstones "  # noqa: S608  our own names
        f"WHERE tombstones.account_id = {table}.account_id)"
    )


def overtaken(connection: apsw.Connection, account_id: str, deletion: int) -> bool:
    """Tell whether an account has deleted more than whoever derived something knew of: it must not be stored."""
    return bool(connection.execute(IS_OVERTAKEN, (account_id, deletion)).fetchall())


def delete(connection: apsw.Connection, deletion: SeriesDeletion) -> None:
    """Store tombstones, each under a change number, and let all follow."""
    account = {"account": deletion.account_id}
    unseen = _number(connection, NEWEST, account) > deletion.change
    number = 0
    for tombstone in deletion.tombstones:
        number = _put(connection, account, tombstone)
    for bearing in deletion.bearings if number else ():
        _follow(connection, {**account, "number": number}, bearing, int(unseen))


def _put(connection: apsw.Connection, account: Bindings, tombstone: Tombstone) -> int:
    """Store a tombstone and mark what has to be purged; return its number."""
    source, span = tombstone.source, tombstone.range
    change = {"metric": tombstone.metric, "kind": "series_deleted", "upload": "", "first_sample": 0, "count": 0}
    number = _number(connection, NUMBER_CHANGE, {**account, **change, "span": 1})
    bindings = {
        **account,
        "number": number,
        "metric": tombstone.metric,
        "device": source.device,
        "app": source.app,
        "kind": span.kind,
        "start": span.start_ms,
        "end": span.end_ms,
        "revision": tombstone.revision,
        "slack": 0 if span.kind is TimeKind.INSTANT else DAY_MS,
    }
    connection.execute(PUT_TOMBSTONE, bindings)
    connection.execute(COVER, bindings)
    connection.execute(MARK_UPLOADS, bindings)
    return number


def _follow(connection: apsw.Connection, numbered: Bindings, bearing: Bearing, slack: int) -> None:
    """Take away what tells of deleted samples, and let it be derived again from what is left."""
    ranges = {"near": bearing.near, "held": bearing.held, "windows": bearing.windows}
    bindings = {
        **numbered,
        "metric": bearing.metric,
        "device": bearing.source.device,
        "app": bearing.source.app,
        **{name: first - slack for name, (first, _) in ranges.items()},
        **{f"{name}_end": end + slack for name, (_, end) in ranges.items()},
    }
    for change in (TOUCH_NEAR_DAYS, TOUCH_AGAIN, EMPTY_DAYS, EMPTY_DAY_RESULTS, EMPTY_WINDOW_RESULTS):
        connection.execute(change, bindings)
    highest = _number(connection, HIGHEST, bindings)
    for change in (REMOVE_INSIGHTS, TOUCH_WINDOWS, REMOVE_ANALYSES):
        connection.execute(change, bindings)
    if _number(connection, HIGHEST, bindings) < highest:
        connection.execute(KEEP_HIGHEST, {**bindings, "highest": highest})


def _number(connection: apsw.Connection, query: str, bindings: Bindings) -> int:
    rows: Sequence[Row] = connection.execute(query, bindings).fetchall()
    return int(rows[0][0])
