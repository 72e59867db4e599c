"""A week's analysis, five years of weeks through a server, and other calls while PAT runs. `python -m bench weeks`.

Aims: a full rhythm analysis of one week in 15 ms (goal 10); five years imported and analysed without PAT in 10 s; the
p99 of an empty echo at most 6 times its idle one while PAT reads weeks (goal 4), median of five interleaved rounds.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
from numpy.typing import NDArray

from bench import processes
from bench.client import bearer, member, sign_up
from bench.echoing import ECHO
from clarity import recordings
from clarity.client import Client
from clarity.local import HOST, PREFIX, wait_for
from clarity.sending import Parcel, describe, parcel_of
from clarity.v1 import auth_service_pb2 as auth
from clarity.v1.health_data_service_pb2 import WindowAnalysed
from clarity_server.rhythm.week import analyse

METRIC = "activity_counts_1min"
DAY_MINUTES = 1440
WEEK_MINUTES = 7 * DAY_MINUTES
CONTEXT = (720, 180)
WEEKS = 200
YEARS_DAYS = 5 * 365 + 1
CHUNK_SAMPLES = 16 * 1024
DEMONSTRATION = Path("models") / "pat-s-depresjon-demo"

ROUNDS = 5
CONCURRENCY = 8
CALLS = 1600
BUSY_DAYS = 400  # PAT is still at their weeks when the calls of a round are over; else the round is no measure
WEEK_AIM_MS, WEEK_GOAL_MS = 15, 10
IMPORT_AIM_S = 10
ECHO_AIM, ECHO_GOAL = 6, 4

Call = Callable[[], Awaitable[object]]


def main() -> None:
    """Measure all three and print."""
    one_week()
    five_years()
    with_pat()


# ---- one week ----------------------------------------------------------------------------------------------------


def one_week() -> None:
    """Analyse weeks one after the other, in this process."""
    counts = np.tile(recordings.simulate(1, 28).values, 2)[: 40 * DAY_MINUTES]
    took = [timed(counts, DAY_MINUTES * (1 + turn % 30)) for turn in range(WEEKS)][WEEKS // 10 :]
    said = against(1000 * statistics.median(took), "ms", aim=WEEK_AIM_MS, goal=WEEK_GOAL_MS)
    print(f"one week, every measure and night, {len(took)} weeks: median {said}")


def timed(counts: NDArray[np.float32], first: int) -> float:
    """Return the seconds that one analysis takes."""
    before, after = CONTEXT
    began = time.perf_counter()
    analyse(counts[first - before : first + WEEK_MINUTES + after], first - before, core=(before, before + WEEK_MINUTES))
    return time.perf_counter() - began


# ---- five years --------------------------------------------------------------------------------------------------


def five_years() -> None:
    """Stream five years of minutes into a server without a model, until every day and week has come back."""
    with ExitStack() as held:
        place = held.enter_context(processes.folder())
        server = held.enter_context(processes.clarity(place))
        client = held.enter_context(member(server.address, place))
        parcel = recorded(YEARS_DAYS)
        began = time.perf_counter()
        weeks = imported(client, parcel)
        took = time.perf_counter() - began
        wait_for(lambda: client.waiting_count() == 0 or None, lambda: None)
        rest = time.perf_counter() - began
    said = against(took, "s", aim=IMPORT_AIM_S)
    print(f"five years of minutes, {weeks:,} weeks: to the receipt, with every day and week analysed, {said}")
    print(f"  until the lists of days and weeks are settled, too: {rest:.1f} s")


def recorded(days: int) -> Parcel:
    """Days of minutes, the same year again and again, ready to be sent."""
    year = recordings.simulate(1, min(days, 366))
    recording = replace(year, values=np.resize(year.values, days * DAY_MINUTES))
    return parcel_of(recording, describe(recording, METRIC, "bench"), uuid.uuid4().hex, CHUNK_SAMPLES)


def imported(client: Client, parcel: Parcel) -> int:
    """Stream a recording and return how many weeks came back on the call."""
    return sum(isinstance(event, WindowAnalysed) for event in client.uploading(parcel))


# ---- other calls while PAT runs ----------------------------------------------------------------------------------


def with_pat() -> None:
    """Call an empty echo while nothing else happens, and while PAT reads weeks, in turn."""
    with ExitStack() as held:
        place = held.enter_context(processes.folder())
        settings = {**processes.settings(place), "READY_FILE": str(place / "ready.json")}
        install(settings["MODELS"])
        held.enter_context(processes.module("bench.echoing", place=place, settings=settings))
        port = wait_for(lambda: processes.ready_port(place / "ready.json"), lambda: None)
        address = f"{HOST}:{port}"
        asyncio.run(measured(address, place))


def install(models: str) -> None:
    """Install the demonstration model."""
    command = [sys.executable, "-m", "clarity_server.models", "install", str(DEMONSTRATION)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, f"{PREFIX}MODELS": models})


async def measured(address: str, place: Path) -> None:
    """Measure in interleaved rounds and print."""
    rounds, token = [], await asyncio.to_thread(sign_up, address, place)
    async with grpc.aio.insecure_channel(address) as channel:
        echo = channel.unary_unary(ECHO, auth.GetAccountRequest.SerializeToString, auth.GetAccountRequest.FromString)

        def call() -> Awaitable[object]:
            return echo(auth.GetAccountRequest(), metadata=bearer(token))

        await p99_ms(call)
        for _ in range(ROUNDS):
            idle = await p99_ms(call)
            with await asyncio.to_thread(member, address, place) as client:
                await asyncio.to_thread(imported, client, recorded(10))  # the account's first week: nothing is cold
                busy_parcel = recorded(BUSY_DAYS)
                uploading = asyncio.create_task(asyncio.to_thread(imported, client, busy_parcel))
                await asyncio.sleep(1.0)  # the samples are in, and the days of the most part
                busy = await p99_ms(call)
                assert not uploading.done(), "PAT was done before the calls were: make BUSY_DAYS larger"
                await uploading
            rounds.append((idle, busy))
    ratio = statistics.median(busy / idle for idle, busy in rounds)
    idle, busy = (statistics.median(one[which] for one in rounds) for which in (0, 1))
    said = against(ratio, "times", aim=ECHO_AIM, goal=ECHO_GOAL)
    print(
        f"an empty echo, {CONCURRENCY} at a time, {CALLS} calls, {ROUNDS} rounds interleaved: p99 idle {idle:.2f} ms,"
    )
    print(f"  while PAT-S reads weeks {busy:.2f} ms: {said}")


async def p99_ms(call: Call) -> float:
    """Return the 99th percentile of calls, some at a time."""
    took: list[float] = []

    async def caller() -> None:
        for _ in range(CALLS // CONCURRENCY):
            began = time.perf_counter()
            await call()
            took.append(time.perf_counter() - began)

    await asyncio.gather(*(caller() for _ in range(CONCURRENCY)))
    return 1000 * statistics.quantiles(took, n=100)[98]


def against(found: float, unit: str, *, aim: float, goal: float | None = None) -> str:
    """Say a figure with what was aimed at, and whether it is met."""
    met = "goal met" if goal is not None and found <= goal else "aim met" if found <= aim else "AIM NOT MET"
    wanted = f"aim {aim}" if goal is None else f"aim {aim}, goal {goal}"
    return f"{found:.2f} {unit} ({wanted}: {met})"
