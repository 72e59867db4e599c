"""What a store of an older schema holds reads as before, and gets what came since."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pytest

from clarity_server.adapters.local import schema
from clarity_server.domain.accounts import Account
from clarity_server.domain.series import Closing, ClosingKind, Source, StoredUpload
from clarity_server.ports import DayKey, DueDay, DueResult, DueWindow, PutDay, PutResult, WindowKey
from tests.contracts.recordings import ACCOUNT, RECORDING, STRANGER, append, committed
from tests.contracts.worlds import LocalWorld, local

EMAIL = "owl@example.org"
DAYS = (None, None)
METRIC, SOURCE = RECORDING.metric, RECORDING.source


def filled(world: LocalWorld) -> None:
    """Store something of everything that schema 1 knows; a day and a result are still due."""
    world.accounts.create(Account(ACCOUNT, EMAIL, "Owl", datetime(2026, 1, 2, tzinfo=UTC)), "hash")
    closings = [Closing(1, 20, 60), Closing(2, 21, 120)]
    upload = world.series.open(ACCOUNT, "u", RECORDING)
    committed(world.series, append(upload, 120, days=[20, 21, 22], closings=closings))
    world.analyses.put_results([PutResult(DueResult(ACCOUNT, "u", closings[0]), b"result")])
    bodies = {20: b"twenty", 21: b""}
    days = [due for due in world.analyses.due_days(10) if due.key.civil_day in bodies]
    world.analyses.put_days([PutDay(due, bodies[due.key.civil_day], closed=False) for due in days])
    theirs = DayKey(STRANGER, "heart_rate", Source("watch"), -3)
    world.analyses.put_days([PutDay(DueDay(theirs, 5), b"theirs", closed=True)])


def first_schema(newer: Path, older: Path) -> None:
    """Copy what a file holds into one of schema 1."""
    connection = apsw.Connection(str(older))
    schema.migrate(connection, older.name, upto=1)
    connection.execute("ATTACH ? AS newer", (str(newer),))
    for (table,) in connection.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'").fetchall():
        about: list[Any] = connection.execute("SELECT name FROM pragma_table_info(?, 'main')", (table,)).fetchall()
        columns = ", ".join(name for (name,) in about)
        connection.execute(f"INSERT INTO main.{table} SELECT {columns} FROM newer.{table}")  # noqa: S608 - our own names
    connection.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LocalWorld]:
    """A store that schema 1 has written, opened today."""
    with local(tmp_path / "writing") as writing:
        filled(writing)
    shutil.copytree(tmp_path / "writing", tmp_path / "today", ignore=shutil.ignore_patterns("clarity.db*"))
    first_schema(tmp_path / "writing" / "clarity.db", tmp_path / "today" / "clarity.db")
    with local(tmp_path / "today") as opened:
        yield opened


def upload(world: LocalWorld) -> StoredUpload:
    return world.series.upload(ACCOUNT, "u")


def test_accounts_and_series_of_schema_1_read_as_before(world: LocalWorld) -> None:
    account = world.accounts.get(ACCOUNT)
    assert account == Account(ACCOUNT, EMAIL, "Owl", datetime(2026, 1, 2, tzinfo=UTC))
    assert (upload(world).committed, upload(world).result_count, upload(world).descriptor) == (120, 2, RECORDING)
    assert [segment.count for segment in world.series.segments(ACCOUNT, "u", 0, 120)] == [120]
    assert world.series.change_count(ACCOUNT) == 1


def test_results_and_days_of_schema_1_read_as_before(world: LocalWorld) -> None:
    assert world.analyses.results(ACCOUNT, "u", 0, 10) == [(Closing(1, 20, 60), b"result")]
    assert world.analyses.due_results(ClosingKind.DAY, 10) == [DueResult(ACCOUNT, "u", Closing(2, 21, 120))]
    assert world.analyses.due_results(ClosingKind.WINDOW, 10) == []
    assert world.analyses.is_closed(DayKey(ACCOUNT, METRIC, SOURCE, 21))
    assert [body for _, body in world.analyses.days(ACCOUNT, METRIC, DAYS, None, 10)] == [b"twenty"]
    assert world.analyses.due_days(10) == [DueDay(DayKey(ACCOUNT, METRIC, SOURCE, 22), 1)]


def test_a_recording_of_schema_1_goes_on(world: LocalWorld) -> None:
    closing = Closing(3, 15, 180, ClosingKind.WINDOW)
    committed(world.series, append(upload(world), closings=[closing]))
    assert world.analyses.due_results(ClosingKind.WINDOW, 10) == [DueResult(ACCOUNT, "u", closing)]


def test_every_window_that_a_day_of_schema_1_may_bear_on_is_due(world: LocalWorld) -> None:
    """Theirs at once; mine when the day is derived that is still due. A day without samples bears on none."""
    mine = [DueWindow(WindowKey(ACCOUNT, METRIC, SOURCE, day), 1) for day in range(13, 21)]
    theirs = [DueWindow(WindowKey(STRANGER, "heart_rate", Source("watch"), day), 5) for day in range(-10, -2)]
    assert world.windows.due_windows(100) == theirs
    world.analyses.put_days([PutDay(world.analyses.due_days(1)[0], b"", closed=False)])
    assert world.windows.waiting_count(ACCOUNT) == 8
    due = world.windows.due_windows(100)
    assert [one for one in due if one.key.account_id == ACCOUNT] == mine
    assert [one for one in due if one.key.account_id == STRANGER] == theirs


def test_a_window_that_several_days_bear_on_is_due_once_with_the_latest_touch(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "clarity.db"))
    schema.migrate(connection, "clarity.db", upto=1)
    days = [(0, 4), (1, 9), (9, 2)]
    row = "INSERT INTO days VALUES ('a', 'm', ?, 'd', '', ?, 0, x'00')"
    connection.executemany(row, days)
    connection.close()
    with local(tmp_path) as world:
        due = {one.key.civil_day: one.touch for one in world.windows.due_windows(100)}
    assert due == {-7: 4, **dict.fromkeys(range(-6, 2), 9), **dict.fromkeys(range(2, 10), 2)}
