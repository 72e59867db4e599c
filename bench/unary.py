"""GetAccount against an empty echo on the same server, eight calls at a time. `python -m bench unary`.

Both pass the same boundary with the same token. GetAccount reads the store, opens a seal and is logged; the echo not.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import grpc

from bench import processes
from bench.client import bearer, sign_up
from bench.echoing import ECHO
from clarity.local import HOST, wait_for
from clarity.v1 import auth_service_pb2 as auth
from clarity.v1.auth_service_pb2_grpc import AuthServiceStub

CONCURRENCY = 8
CALLS = 1600  # of each kind in a round
ROUNDS = 5
WARM_UP = 400

Call = Callable[[], Awaitable[object]]


def main() -> None:
    """Measure in interleaved rounds and print the medians."""
    with ExitStack() as held:
        place = held.enter_context(processes.folder())
        settings = {**processes.settings(place), "READY_FILE": str(place / "ready.json")}
        held.enter_context(processes.module("bench.echoing", place=place, settings=settings))
        port = wait_for(lambda: processes.ready_port(place / "ready.json"), lambda: None)
        address = f"{HOST}:{port}"
        asyncio.run(measured(address, sign_up(address, place)))


async def measured(address: str, token: str) -> None:
    """Call both in turn and print."""
    async with grpc.aio.insecure_channel(address) as channel:
        metadata = bearer(token)
        account = AuthServiceStub(channel).GetAccount
        echo = channel.unary_unary(ECHO, auth.GetAccountRequest.SerializeToString, auth.GetAccountRequest.FromString)
        kinds: dict[str, Call] = {
            "empty echo": lambda: echo(auth.GetAccountRequest(), metadata=metadata),
            "GetAccount": lambda: account(auth.GetAccountRequest(), metadata=metadata),
        }
        for call in kinds.values():
            await times(call, WARM_UP)
        rounds = [{name: await times(call, CALLS) for name, call in kinds.items()} for _ in range(ROUNDS)]
    print(f"{CONCURRENCY} at a time, {CALLS} calls of each kind a round, {ROUNDS} rounds interleaved, medians")
    p50 = {name: statistics.median(statistics.median(one[name]) for one in rounds) for name in kinds}
    p99 = {name: statistics.median(statistics.quantiles(one[name], n=100)[98] for one in rounds) for name in kinds}
    for name in kinds:
        print(f"{name:12} p50 {1000 * p50[name]:6.2f} ms  p99 {1000 * p99[name]:6.2f} ms")
    print(f"GetAccount's p50 is {p50['GetAccount'] / p50['empty echo']:.2f}x the echo's")


async def times(call: Call, calls: int) -> list[float]:
    """Make so many calls, a few at a time; return the seconds each took."""
    taken: list[float] = []

    async def caller() -> None:
        for _ in range(calls // CONCURRENCY):
            began = time.perf_counter()
            await call()
            taken.append(time.perf_counter() - began)

    await asyncio.gather(*(caller() for _ in range(CONCURRENCY)))
    return taken


if __name__ == "__main__":
    main()
