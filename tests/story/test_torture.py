"""Whatever is killed, cut, doubled or corrupted, an upload comes to what one clean run comes to."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from clarity.v1.analysis_pb2 import (
    ANALYSIS_STATE_QUEUED,
    ANALYSIS_STATE_SUCCEEDED,
    ANALYSIS_STATE_SUPERSEDED,
    Analysis,
    AnalysisState,
)
from clarity.v1.day_pb2 import Day
from clarity.v1.health_data_service_pb2 import WindowAnalysed
from clarity.v1.insight_service_pb2 import WatchAnalysesResponse
from clarity.v1.series_pb2 import UploadReceipt
from tests.torture.faults import FAULTS
from tests.torture.ledger import Ledger, Lost, Wrong
from tests.torture.outcome import equal, outcome
from tests.torture.plan import Fault, plan
from tests.torture.point import Point, Tally
from tests.torture.recordings import catalogue
from tests.torture.run import signed_up
from tests.torture.watch import Heard
from tests.torture.world import World, running

ROOT = Path(__file__).parents[2]
SEED, POINTS = 301, 100
BY_NAME = {recording.name: recording for recording in catalogue()}
COUNTS, WEEKS = BY_NAME["floating"], BY_NAME["weeks-floating"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_hundred_points_lose_nothing_and_come_to_what_a_clean_run_comes_to() -> None:
    command = [sys.executable, "-m", "tests.torture", "--seed", str(SEED), "--points", str(POINTS)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures = {name: int(count.replace(",", "")) for count, name in re.findall(r"([\d,]+)  (.+)", ran.stdout)}
    assert (figures["points"], figures["losses"], figures["wrong"]) == (POINTS, 0, 0)
    assert figures["server kills"] > POINTS // 5
    assert figures["STORE_FULL"] > 0
    assert figures["windows compared"] > POINTS // 2
    assert figures["analyses compared"] > POINTS // 2
    assert 0 < figures["with a model"] < POINTS // 10
    assert figures["watches resumed"] > 0


def test_a_seed_is_one_plan_and_a_hundred_seeds_know_every_fault() -> None:
    plans = [plan(seed) for seed in range(SEED, SEED + POINTS)]
    assert plans == [plan(seed) for seed in range(SEED, SEED + POINTS)]
    assert {leg.fault for one in plans for leg in one.legs} == set(Fault) == set(FAULTS)
    assert {one.recording for one in plans} == set(range(len(catalogue())))


# ---- the torture would see it ----------------------------------------------------------------------------------------


def test_a_promise_that_is_taken_back_is_a_loss() -> None:
    ledger = Ledger(COUNTS)
    ledger.stands(120, COUNTS.crc32c(120), floor=0)
    with pytest.raises(Lost):
        ledger.stands(119, COUNTS.crc32c(119), floor=ledger.promised)


def test_a_prefix_with_other_bytes_a_changed_result_and_a_second_receipt_are_wrong() -> None:
    ledger = Ledger(COUNTS)
    ledger.result(Day(result=1, worn_minutes=7))
    ledger.result(week(2, "an-id"))
    ledger.closed(UploadReceipt(total_samples=1))
    with pytest.raises(Wrong):
        ledger.stands(120, COUNTS.crc32c(119), floor=0)
    with pytest.raises(Wrong):
        ledger.result(Day(result=1, worn_minutes=8))
    with pytest.raises(Wrong):
        ledger.result(week(2, "another-id"))
    with pytest.raises(Wrong):
        ledger.result(week(1, ""))
    with pytest.raises(Wrong):
        ledger.listed([week(2, "an-id")], after=0)
    with pytest.raises(Wrong):
        ledger.closed(UploadReceipt(total_samples=2))


def week(result: int, analysis_id: str) -> WindowAnalysed:
    return WindowAnalysed(result=result, analysis=Analysis(analysis_id=analysis_id))


def test_a_watch_that_begins_again_is_wrong_and_one_that_goes_on_is_not() -> None:
    heard = Heard()
    for state in (ANALYSIS_STATE_QUEUED, ANALYSIS_STATE_SUCCEEDED, ANALYSIS_STATE_SUPERSEDED):
        heard.take(told("an-id", state))
    heard.take(told("another-id", ANALYSIS_STATE_SUCCEEDED))
    with pytest.raises(Wrong):
        heard.take(told("an-id", ANALYSIS_STATE_SUPERSEDED))


def told(analysis_id: str, state: AnalysisState) -> WatchAnalysesResponse:
    return WatchAnalysesResponse(analysis=Analysis(analysis_id=analysis_id, state=state))


PLANTED = {
    "a segment that went": "DELETE FROM segments WHERE first_sample = (SELECT max(first_sample) FROM segments)",
    "a count that fell": "UPDATE uploads SET committed = committed - 1",
    "a day that went": "DELETE FROM days WHERE civil_day = (SELECT min(civil_day) FROM days WHERE body IS NOT NULL)",
}
PLANTED_IN_WEEKS = {
    "a week that is not in force any more": """
        UPDATE analyses SET state = 'SUPERSEDED' WHERE place = (SELECT max(place) FROM analyses)""",
    "a result that became that of another week": """
        UPDATE results SET body = (SELECT body FROM results WHERE kind = 1 ORDER BY number LIMIT 1)
        WHERE number = (SELECT max(number) FROM results WHERE kind = 1)""",
}


@pytest.mark.parametrize("what", [*PLANTED, *PLANTED_IN_WEEKS])
async def test_a_fault_planted_in_the_store_is_seen(what: str) -> None:
    recording, fault = (COUNTS, PLANTED[what]) if what in PLANTED else (WEEKS, PLANTED_IN_WEEKS[what])
    async with running() as world, signed_up(world) as caller:
        point = Point(replace(plan(SEED), recording=catalogue().index(recording)), world, caller, Tally())
        await point.complete()
        clean = await point.outcome()
        await world.stop()
        plant(world, fault)
        await world.start()
        async with caller.again(world.address) as back:
            with pytest.raises(Wrong):
                equal(await outcome(back, recording), clean)


def plant(world: World, fault: str) -> None:
    connection = apsw.Connection(str(world.records))
    connection.execute(fault)
    assert connection.changes() == 1
    connection.close()
