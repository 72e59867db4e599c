"""Series in SQLite: where large bodies lie, what is swept, and what a kill leaves."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import apsw
import pytest

from clarity_server.adapters.local.blobs import DiskBlobs
from clarity_server.adapters.local.database import Database
from clarity_server.adapters.local.series import BLOBS_PREFIX, INLINE_BYTES_MAX, NEAR, ORPHAN_AGE_S, SqliteSeries
from clarity_server.domain.civil import DAY_MS
from clarity_server.domain.errors import StoreDamaged, UploadTakenOver
from tests.adapters.committing import UPLOADS, account
from tests.contracts.recordings import ACCOUNT, RECORDING, append, committed
from tests.contracts.worlds import LocalWorld, local

ROOT = Path(__file__).parents[2]
LARGE = os.urandom(INLINE_BYTES_MAX + 1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LocalWorld]:
    with local(tmp_path) as opened:
        yield opened


def names(world: LocalWorld) -> list[str]:
    return [name for name, _ in world.blobs.names("")]


def aged(world: LocalWorld, name: str) -> str:
    """Make a blob old enough to be swept."""
    when = time.time() - ORPHAN_AGE_S - 60
    os.utime(world.root / "blobs" / name, (when, when))
    return name


# ---- bodies in blobs ------------------------------------------------------------------------------------------------


def test_a_large_body_lies_in_a_blob_and_a_small_one_in_its_row(world: LocalWorld) -> None:
    stored = world.series.open(ACCOUNT, "u", RECORDING)
    stored = committed(world.series, append(stored, body=LARGE[1:]))
    assert names(world) == []
    committed(world.series, append(stored, body=LARGE))
    (name,) = names(world)
    assert name.startswith(f"{BLOBS_PREFIX}/{ACCOUNT}/")
    assert world.blobs.get(name) == LARGE


def test_a_body_whose_blob_is_gone_is_damage_and_named(world: LocalWorld) -> None:
    committed(world.series, append(world.series.open(ACCOUNT, "u", RECORDING), body=LARGE))
    (name,) = names(world)
    world.blobs.delete(name)
    with pytest.raises(StoreDamaged) as error:
        list(world.series.segments(ACCOUNT, "u", 0, 60))
    assert error.value.facts == {"piece": name}


def test_only_old_blobs_without_a_row_are_swept(world: LocalWorld) -> None:
    committed(world.series, append(world.series.open(ACCOUNT, "u", RECORDING), body=LARGE))
    (named,) = names(world)
    aged(world, named)
    for name in (f"{BLOBS_PREFIX}/x/young", f"{BLOBS_PREFIX}/x/old", "other/old"):
        world.blobs.put(name, b"")
    for name in (f"{BLOBS_PREFIX}/x/old", "other/old"):
        aged(world, name)
    assert world.series.sweep() == 1
    assert sorted(names(world)) == sorted([named, f"{BLOBS_PREFIX}/x/young", "other/old"])
    assert world.series.sweep() == 0


def test_the_blob_of_a_refused_commit_is_swept_once_it_is_old(world: LocalWorld) -> None:
    stored = world.series.open(ACCOUNT, "u", RECORDING)
    committed(world.series, append(stored))
    with pytest.raises(UploadTakenOver):
        world.series.commit(append(stored, body=LARGE))
    assert world.series.sweep() == 0
    aged(world, *names(world))
    assert world.series.sweep() == 1
    assert names(world) == []


def test_a_reader_goes_on_where_a_blob_was_joined_away_and_swept(world: LocalWorld) -> None:
    """It has read which blob comes next, and finds the joined one in its place."""
    stored = world.series.open(ACCOUNT, "u", RECORDING)
    for _ in range(3):
        stored = committed(world.series, append(stored, body=LARGE))
    reader = world.series.segments(ACCOUNT, "u", 0, 1 << 40)
    first, second, third = next(reader), *list(world.series.segments(ACCOUNT, "u", 60, 180))
    joined = replace(second, count=120, end_ms=third.end_ms, body=os.urandom(INLINE_BYTES_MAX + 1))
    old = names(world)
    assert world.series.join(joined, [second, third])
    for name in old:
        aged(world, name)
    assert world.series.sweep() == 2
    assert [first, *reader] == [first, joined]


def test_a_join_that_comes_too_late_stores_no_blob(world: LocalWorld) -> None:
    stored = committed(world.series, append(world.series.open(ACCOUNT, "u", RECORDING)))
    (part,) = world.series.segments(ACCOUNT, "u", 0, 60)
    assert world.series.join(replace(part, body=b"rewritten"), [part])
    assert not world.series.join(replace(part, body=LARGE), [part])
    assert names(world) == []
    assert world.series.upload(ACCOUNT, "u") == stored


def test_to_find_uploads_near_a_range_costs_the_same_however_many_there_are(world: LocalWorld) -> None:
    """Counted in steps of SQLite's machine, at the beginning, in the middle and at the end; some uploads are long."""
    few = steps_to_find(world, 30)
    assert max(steps_to_find(world, 1825)) <= 1.5 * max(few)


def goes_on(ticks: list[None]) -> bool:
    """Count a step, and ask for no interrupt."""
    ticks.append(None)
    return False


def steps_to_find(world: LocalWorld, days: int) -> list[int]:
    plant = """
        WITH RECURSIVE n (day) AS (VALUES (0) UNION ALL SELECT day + 1 FROM n WHERE day < :days - 1)
        INSERT INTO uploads (account_id, upload_id, metric, device, app, descriptor, epoch, committed, crc32c,
            value_samples, offset_changes, last_offset_ms, result_count, start_ms, end_ms)
        SELECT :account, 'u' || day, metric, device, app, descriptor, epoch, 1440, crc32c, value_samples,
            offset_changes, last_offset_ms, result_count, day * 86400000, (day + iif(day % 300, 1, 4)) * 86400000
        FROM n CROSS JOIN uploads WHERE account_id = :known"""
    world.series.open(ACCOUNT, "u", RECORDING)
    owner = f"{days:026}"
    work = {"days": days, "account": owner, "known": ACCOUNT}
    world.database.write(lambda connection: connection.execute(plant, work).close())
    counted = list[int]()
    for day in (0, days // 2, days - 1):
        start = day * DAY_MS + DAY_MS // 4
        bindings = {"account": owner, "metric": RECORDING.metric, "start": start, "end": start + DAY_MS // 4}
        ticks = list[None]()
        with world.database.read() as connection:
            connection.set_progress_handler(partial(goes_on, ticks), 1)
            assert len(connection.execute(NEAR, bindings).fetchall()) in {1, 2}
            connection.set_progress_handler(None)
        counted.append(len(ticks))
    return counted


# ---- killed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("acknowledged", [1, 20, 75])
def test_after_a_kill_every_acknowledged_commit_is_there(tmp_path: Path, acknowledged: int) -> None:
    command = [sys.executable, "-m", "tests.adapters.committing", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledged)]
        process.kill()
        lines += process.stdout.readlines()
    counts = dict.fromkeys(range(UPLOADS), 0)
    for line in lines:
        upload, count = line.split()
        counts[int(upload)] = int(count)
    assert sum(counts.values()) >= acknowledged
    check_survivors(tmp_path, counts)


def check_survivors(root: Path, counts: dict[int, int]) -> None:
    """Every upload stands at its acknowledged count or one commit beyond, whole, with as many changes."""
    database = Database(root / "clarity.db")
    series = SqliteSeries(database, DiskBlobs(root / "blobs"))
    for number, count in counts.items():
        owner = account(number)
        stored = series.uploads(owner, RECORDING.metric)
        found = stored[0].committed if stored else 0
        assert count <= found <= count + 1
        segments = list(series.segments(owner, "u", 0, found))
        assert [segment.first_sample for segment in segments] == list(range(found))
        assert all(segment.body == bytes([number]) * len(segment.body) for segment in segments)
        assert series.change_count(owner) == found
    database.close()
    connection = apsw.Connection(str(root / "clarity.db"))
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
