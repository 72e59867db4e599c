"""Batches of results, Days and analyses in SQLite: all of one or none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clarity_server.adapters.local.analyses import SqliteAnalyses
from clarity_server.adapters.local.blobs import DiskBlobs
from clarity_server.adapters.local.database import Database
from clarity_server.adapters.local.series import SqliteSeries
from clarity_server.adapters.local.windows import SqliteWindows
from clarity_server.domain.analysis import State
from clarity_server.domain.errors import StoreFull
from clarity_server.domain.series import Closing, ClosingKind
from clarity_server.ports import DayKey, DueDay, DueResult, PutDay, PutResult, StoredAnalysis, WindowKey
from tests.contracts.recordings import ACCOUNT, RECORDING, append, committed

QUOTA = 2 * 1024 * 1024
TOO_LARGE = bytes(2 * QUOTA)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A store with a quota."""
    database = Database(tmp_path / "clarity.db", bytes_max=QUOTA)
    yield database
    database.close()


def test_of_results_that_do_not_fit_together_none_is_stored(database: Database, tmp_path: Path) -> None:
    analyses, series = SqliteAnalyses(database), SqliteSeries(database, DiskBlobs(tmp_path / "blobs"))
    closings = [Closing(1, 0, 30), Closing(2, 1, 60)]
    committed(series, append(series.open(ACCOUNT, "u", RECORDING), closings=closings))
    one, two = (DueResult(ACCOUNT, "u", closing) for closing in closings)
    with pytest.raises(StoreFull):
        analyses.put_results([PutResult(one, b"small"), PutResult(two, TOO_LARGE)])
    assert analyses.due_results(ClosingKind.DAY, 10) == [one, two]


def test_of_days_that_do_not_fit_together_none_is_stored_and_no_window_is_due(database: Database) -> None:
    analyses = SqliteAnalyses(database)
    one, two = (DueDay(DayKey(ACCOUNT, RECORDING.metric, RECORDING.source, day), 1) for day in (0, 1))
    with pytest.raises(StoreFull):
        analyses.put_days([PutDay(one, b"small", False, windows=(0,)), PutDay(two, TOO_LARGE, False, windows=(1,))])
    assert analyses.day(one.key) is None
    assert SqliteWindows(database).due_windows(10) == []


def test_of_analyses_that_do_not_fit_together_none_is_stored(database: Database) -> None:
    windows, key = SqliteWindows(database), WindowKey(ACCOUNT, RECORDING.metric, RECORDING.source, 0)
    bodies = {"one": b"small", "two": TOO_LARGE}
    with pytest.raises(StoreFull):
        windows.put([StoredAnalysis(key, name, State.SUCCEEDED, "", "", "", body) for name, body in bodies.items()])
    assert windows.since(ACCOUNT, 0, 10) == []
