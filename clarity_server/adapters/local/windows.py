"""Analyses of windows in the SQLite file, and the queues of what is still to analyse."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import apsw

from clarity_server.adapters.local.analyses import TOUCH_WINDOW, civil_days
from clarity_server.adapters.local.database import Database, Row
from clarity_server.adapters.local.deleting import newest_deletion, overtaken
from clarity_server.adapters.local.turns import in_turn
from clarity_server.domain.analysis import State
from clarity_server.domain.errors import Busy
from clarity_server.domain.series import Source
from clarity_server.ports import DueWindow, Look, StoredAnalysis, WindowKey

DUE_WINDOWS = in_turn(
    f"account_id, metric, device, app, civil_day, touch, {newest_deletion('touched_windows')}",
    "touched_windows",
    due="true",
    ready="NOT EXISTS (SELECT 1 FROM touched_days WHERE account_id = account AND failed = 0)",
)
ANALYSIS = f"analyses.*, {newest_deletion('analyses')}"
DUE_ANALYSES = in_turn(ANALYSIS, "analyses", due="state = 'QUEUED'")
WAITING_COUNT = """
    SELECT (SELECT count(*) FROM touched_windows WHERE account_id = :account)
        + (SELECT count(*) FROM analyses WHERE account_id = :account AND state = 'QUEUED')
        + EXISTS (SELECT 1 FROM touched_days WHERE account_id = :account AND failed = 0)"""
REQUEUE = """
    UPDATE analyses SET
        place = (SELECT max(place) + 1 FROM analyses), state = :state, body = :body,
        number = (SELECT max(number) + 1 FROM analyses WHERE account_id = :account)
    WHERE account_id = :account AND analysis_id = :id"""
QUEUED_COUNT = "SELECT count(*) FROM analyses WHERE account_id = ? AND state = 'QUEUED'"
PUT_ANALYSIS = """
    INSERT INTO analyses VALUES (
        (SELECT coalesce(max(place), 0) + 1 FROM analyses), :account, :id,
        (SELECT coalesce(max(number), 0) + 1 FROM analyses WHERE account_id = :account),
        :metric, :device, :app, :civil_day, :state, :input_digest, :method, :model_digest, :body)
    ON CONFLICT (account_id, analysis_id) DO UPDATE SET
        place = excluded.place, number = excluded.number, state = excluded.state, input_digest = excluded.input_digest,
        method = excluded.method, model_digest = excluded.model_digest, body = excluded.body
    WHERE state IN ('QUEUED', 'FAILED') OR state = 'SUPERSEDED' AND excluded.state = 'SUCCEEDED'"""
# Only superseded ones pile up in a window, and the index has none. What never succeeded does not change either.
OUTDATED = """
    SELECT analysis_id, state FROM analyses INDEXED BY analyses_in_force
    WHERE account_id = :account AND metric = :metric AND device = :device AND app = :app AND civil_day = :civil_day
        AND state <> 'SUPERSEDED' AND (state = 'SUCCEEDED' OR state = 'FAILED' AND :succeeded)
        AND analysis_id IS NOT :id AND (input_digest <> :input_digest OR method IS :method)
    ORDER BY number"""
CHANGE_STATE = """
    UPDATE analyses SET state = :after, number = (
        SELECT max(number) + 1 FROM analyses WHERE account_id = :account)
    WHERE account_id = :account AND analysis_id = :id AND state = :before"""
IS_TOUCHED = """
    SELECT 1 FROM touched_windows
    WHERE account_id = ? AND metric = ? AND device = ? AND app = ? AND civil_day = ?"""
CLEAR_TOUCH = """
    DELETE FROM touched_windows
    WHERE account_id = ? AND metric = ? AND device = ? AND app = ? AND civil_day = ? AND touch = ?"""
TOUCH_OLDER = """
    INSERT INTO touched_windows (account_id, metric, device, app, civil_day, touch)
    SELECT account_id, metric, device, app, civil_day, 0 FROM analyses
    WHERE method = :method AND state = 'SUCCEEDED' AND model_digest <> :model_digest
    ON CONFLICT DO NOTHING"""
# Without an id it is nobody's: see `deleting`.
FIND = f"SELECT {ANALYSIS} FROM analyses WHERE account_id = ? AND analysis_id = ? AND analysis_id <> ''"  # noqa: S608
LIST = f"""
    SELECT {ANALYSIS} FROM analyses
    WHERE account_id = :account AND metric = :metric AND civil_day >= :start AND civil_day < :end
        AND (civil_day, device, app, analysis_id) > (:day, :device, :app, :id) AND state <> 'SUPERSEDED'
    ORDER BY civil_day, device, app, analysis_id LIMIT :limit"""  # noqa: S608  our own names
LIST_ALL = LIST.replace("AND state <> 'SUPERSEDED'", "")
NEWEST = f"""
    SELECT {ANALYSIS} FROM analyses WHERE account_id = ? AND method = ? AND state = 'SUCCEEDED'
    ORDER BY civil_day DESC, metric DESC, device DESC, app DESC, number DESC LIMIT 1"""  # noqa: S608
OF_WINDOW = f"""
    SELECT {ANALYSIS} FROM analyses
    WHERE account_id = ? AND metric = ? AND device = ? AND app = ? AND civil_day = ? AND method = ?
        AND state = 'SUCCEEDED'
    ORDER BY number DESC LIMIT 1"""  # noqa: S608
SINCE = f"""
    SELECT {ANALYSIS} FROM analyses
    WHERE account_id = ? AND number > ? AND analysis_id <> '' ORDER BY number LIMIT ?"""  # noqa: S608

UNTOUCHED = 0  # no change has touched the window, and still it has to be looked at

Bindings = dict[str, Any] | Row


class SqliteWindows:
    """Implements ports.Windows."""

    def __init__(self, database: Database) -> None:
        """Take the file."""
        self._database = database

    def due_windows(self, limit: int) -> Sequence[DueWindow]:
        """List touched windows, oldest touch first, fair between accounts; none of an account with touched days."""
        with self._database.read() as connection:
            rows: Sequence[Row] = connection.execute(DUE_WINDOWS, {"limit": limit}).fetchall()
        return [
            DueWindow(WindowKey(owner, metric, Source(device, app), civil_day), touch, deletion)
            for owner, metric, device, app, civil_day, touch, deletion in rows
        ]

    def due_analyses(self, limit: int) -> Sequence[StoredAnalysis]:
        """List queued analyses, oldest first, fair between accounts."""
        return self._read(DUE_ANALYSES, {"limit": limit})

    def waiting_count(self, account_id: str) -> int:
        """Count an account's touched windows and queued analyses, and one for touched days, which may touch more."""
        with self._database.read() as connection:
            return _count(connection, WAITING_COUNT, {"account": account_id})

    def queue(
        self, analysis: StoredAnalysis, waiting_max: int, instead_of: StoredAnalysis | None = None
    ) -> StoredAnalysis:
        """Store an analysis as QUEUED, unless it is there and has not FAILED; return it as stored. Raises Busy.

        `instead_of`, as it was found, gives way in any state.
        """
        owner, analysis_id = analysis.key.account_id, analysis.analysis_id
        queued = _row(replace(analysis, state=State.QUEUED))

        def work(connection: apsw.Connection) -> StoredAnalysis:
            stored = _find(connection, owner, analysis_id)
            if stored and stored.state is not State.FAILED and stored != instead_of:
                return stored
            if overtaken(connection, owner, analysis.deletion):
                raise Busy("deletion")
            if _count(connection, QUEUED_COUNT, (owner,)) >= waiting_max:
                raise Busy("analysis")
            connection.execute(REQUEUE if stored else PUT_ANALYSIS, queued)
            added = _find(connection, owner, analysis_id)
            assert added is not None, "it was just stored"
            return added

        return self._database.write(work)

    def put(self, analyses: Sequence[StoredAnalysis], *, touch: bool = False) -> None:
        """Store analyses, all or none, each under the account's next number; one that succeeded stays.

        Nothing is stored of an account that has deleted more than an analysis knows of.
        One that was superseded gives way only to numbers: it may have been queued until then, and have none. `touch`
        makes the windows of those that were stored due.
        """

        def work(connection: apsw.Connection) -> None:
            for analysis in analyses:
                if overtaken(connection, analysis.key.account_id, analysis.deletion):
                    continue
                connection.execute(PUT_ANALYSIS, _row(analysis))
                if touch and connection.changes():
                    connection.execute(TOUCH_WINDOW, (*_key(analysis.key), UNTOUCHED))

        if analyses:
            self._database.write(work)

    def settle(self, looks: Sequence[Look]) -> None:
        """Make each current analysis that of its window, supersede what it replaces, and clear the touches seen.

        Where somebody else has cleared one meanwhile, and this changes what they left, one of the two has seen older
        data: the window is due again, and whoever looks next sees all of it.
        """

        def work(connection: apsw.Connection) -> None:
            for look in looks:
                if overtaken(connection, look.due.key.account_id, look.due.deletion):
                    continue
                window = _key(look.due.key)
                changed = _supersede(connection, look) + _revive(connection, look.current)
                seen_by_all = not changed or connection.execute(IS_TOUCHED, window).fetchall()
                connection.execute(CLEAR_TOUCH if seen_by_all else TOUCH_WINDOW, (*window, look.due.touch))

        if looks:
            self._database.write(work)

    def touch_older(self, method: str, model_digest: str) -> int:
        """Make due every window whose analysis of this method was made with another model; return how many became so.

        One that is due already stays as it is.
        """

        def work(connection: apsw.Connection) -> int:
            connection.execute(TOUCH_OLDER, {"method": method, "model_digest": model_digest})
            return connection.changes()

        return self._database.write(work)

    def get(self, account_id: str, analysis_id: str) -> StoredAnalysis | None:
        """Find an analysis."""
        with self._database.read() as connection:
            return _find(connection, account_id, analysis_id)

    def list(
        self,
        account_id: str,
        metric: str,
        dates: tuple[date | None, date | None],
        after: tuple[int, str, str, str] | None,
        limit: int,
        *,
        superseded: bool = False,
    ) -> Sequence[StoredAnalysis]:
        """List analyses of windows that begin in [start, end), by (civil day, device, app, id), after a key."""
        start, end = civil_days(dates)
        day, device, app, analysis_id = after or (start - 1, "", "", "")
        bindings = {
            "account": account_id,
            "metric": metric,
            "start": start,
            "end": end,
            "day": day,
            "device": device,
            "app": app,
            "id": analysis_id,
            "limit": limit,
        }
        return self._read(LIST_ALL if superseded else LIST, bindings)

    def newest(self, account_id: str, method: str) -> StoredAnalysis | None:
        """Find the analysis of this method that SUCCEEDED and whose window begins last; of sources alike, the last."""
        return next(iter(self._read(NEWEST, (account_id, method))), None)

    def of_window(self, key: WindowKey, method: str) -> StoredAnalysis | None:
        """Find the analysis of a window and method that SUCCEEDED; until it is settled, the one that came last."""
        return next(iter(self._read(OF_WINDOW, (*_key(key), method))), None)

    def since(self, account_id: str, number: int, limit: int) -> Sequence[StoredAnalysis]:
        """List analyses numbered above `number`, by number."""
        return self._read(SINCE, (account_id, number, limit))

    def _read(self, query: str, bindings: Bindings) -> Sequence[StoredAnalysis]:
        with self._database.read() as connection:
            return [_analysis(row) for row in connection.execute(query, bindings).fetchall()]


def _supersede(connection: apsw.Connection, look: Look) -> int:
    """Supersede what has another input than the window now, or its analysis replaces, each under its own number."""
    key = look.due.key
    current = None if look.current is None or look.current.state is State.FAILED else look.current
    replacing = {
        "id": current and current.analysis_id,
        "method": current and current.method,
        "input_digest": look.input_digest,
        "succeeded": current is not None,
    }
    window = dict(zip(("account", "metric", "device", "app", "civil_day"), _key(key), strict=True))
    outdated: Sequence[Row] = connection.execute(OUTDATED, {**replacing, **window}).fetchall()
    return sum(
        _change(connection, key.account_id, analysis_id, State(state), State.SUPERSEDED)
        for analysis_id, state in outdated
    )


def _revive(connection: apsw.Connection, current: StoredAnalysis | None) -> int:
    """Let a superseded analysis succeed that is current again; return how many there were."""
    if current is None or current.state is State.FAILED:
        return 0
    return _change(connection, current.key.account_id, current.analysis_id, State.SUPERSEDED, State.SUCCEEDED)


def _change(connection: apsw.Connection, account_id: str, analysis_id: str, before: State, after: State) -> int:
    bindings = {"account": account_id, "id": analysis_id, "before": before, "after": after}
    connection.execute(CHANGE_STATE, bindings)
    return connection.changes()


def _find(connection: apsw.Connection, account_id: str, analysis_id: str) -> StoredAnalysis | None:
    rows: Sequence[Row] = connection.execute(FIND, (account_id, analysis_id)).fetchall()
    return _analysis(rows[0]) if rows else None


def _count(connection: apsw.Connection, query: str, bindings: Bindings) -> int:
    rows: Sequence[Row] = connection.execute(query, bindings).fetchall()
    return int(rows[0][0])


def _key(key: WindowKey) -> Row:
    return (key.account_id, key.metric, key.source.device, key.source.app, key.civil_day)


def _row(analysis: StoredAnalysis) -> dict[str, Any]:
    key = analysis.key
    return {
        "account": key.account_id,
        "metric": key.metric,
        "device": key.source.device,
        "app": key.source.app,
        "civil_day": key.civil_day,
        "id": analysis.analysis_id,
        "state": analysis.state,
        "input_digest": analysis.input_digest,
        "method": analysis.method,
        "model_digest": analysis.model_digest,
        "body": analysis.body,
    }


def _analysis(row: Row) -> StoredAnalysis:
    _, account_id, analysis_id, number, metric, device, app, civil_day, state, *made, deletion = row
    digest, method, model, body = made
    key = WindowKey(account_id, metric, Source(device, app), civil_day)
    return StoredAnalysis(key, analysis_id, State(state), digest, method, model, body, number, deletion)
