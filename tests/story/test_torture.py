"""Whatever is killed, cut, doubled or corrupted, an upload comes to what one clean run comes to."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from clarity.v1.day_pb2 import Day
from clarity.v1.series_pb2 import UploadReceipt
from tests.torture.faults import FAULTS
from tests.torture.ledger import Ledger, Lost, Wrong
from tests.torture.outcome import equal, outcome
from tests.torture.plan import Fault, plan
from tests.torture.point import Point, Tally
from tests.torture.recordings import catalogue
from tests.torture.run import signed_up
from tests.torture.world import World, running

ROOT = Path(__file__).parents[2]
SEED, POINTS = 1, 100
COUNTS = catalogue()[0]


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
    ledger.closed(UploadReceipt(total_samples=1))
    with pytest.raises(Wrong):
        ledger.stands(120, COUNTS.crc32c(119), floor=0)
    with pytest.raises(Wrong):
        ledger.result(Day(result=1, worn_minutes=8))
    with pytest.raises(Wrong):
        ledger.closed(UploadReceipt(total_samples=2))


PLANTED = {
    "a segment that went": "DELETE FROM segments WHERE first_sample = (SELECT max(first_sample) FROM segments)",
    "a count that fell": "UPDATE uploads SET committed = committed - 1",
    "a day that went": "DELETE FROM days WHERE civil_day = (SELECT min(civil_day) FROM days WHERE body IS NOT NULL)",
}


@pytest.mark.parametrize("what", PLANTED)
async def test_a_fault_planted_in_the_store_is_seen(what: str) -> None:
    async with running() as world, signed_up(world) as caller:
        point = Point(replace(plan(SEED), recording=catalogue().index(COUNTS)), world, caller, Tally())
        await point.complete()
        clean = await point.outcome()
        await world.stop()
        plant(world, PLANTED[what])
        await world.start()
        async with caller.again(world.address) as back:
            with pytest.raises(Wrong):
                equal(await outcome(back, COUNTS), clean)


def plant(world: World, fault: str) -> None:
    connection = apsw.Connection(str(world.records))
    connection.execute(fault)
    assert connection.changes() == 1
    connection.close()
