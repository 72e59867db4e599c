"""Verifying tokens, a crowd that signs in, and whether time tells who has an account. `python -m bench auth`.

A p value is that of a permutation test: how often the two medians would lie as far apart if the labels meant nothing.
"""

import asyncio
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import numpy as np

from bench import processes
from bench.client import PASSWORD, bearer, sign_up
from bench.crowd import PEOPLE
from clarity.calls import Target
from clarity.client import Client
from clarity.credentials import MemoryTokens
from clarity.local import outbox_of
from clarity.mailbox import joined
from clarity.v1 import auth_service_pb2 as auth
from clarity.v1.auth_service_pb2_grpc import AuthServiceStub
from clarity_server.adapters.local.accounts import SqliteAccounts
from clarity_server.adapters.local.database import Database
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.adapters.local.sessions import SqliteSessions
from clarity_server.domain.access import MEMBER_SCOPES
from clarity_server.domain.ids import new_id
from clarity_server.domain.tokens import issue_access
from clarity_server.server.identity import Verifier

TOKENS = 2000
CALLS = 1000  # of another account, while the crowd signs in
ROUNDS = 5
PAIRS = 200
WARM_UP = 10
MEMBERS = 20
PERMUTATIONS = 10_000
VERSION = "2026-11"
WRONG = "Bench-1919"

Asked = Callable[[str], Awaitable[object]]


def main() -> None:
    """Measure all three and print."""
    verification()
    with ExitStack() as held:
        place = held.enter_context(processes.folder())
        server = held.enter_context(processes.clarity(place))
        token = sign_up(server.address, place)
        with Client(Target(server.address, tls=False), MemoryTokens()) as client:
            members = [f"member-{number:02}-{uuid.uuid4().hex[:8]}@example.org" for number in range(MEMBERS)]
            for member in members:
                joined(client, outbox_of(place), member, PASSWORD)
        asyncio.run(crowd(server.address, token, members[0]))
        asyncio.run(uniform(server.address, members))


# ---- tokens ----------------------------------------------------------------------------------------------------------


def verification() -> None:
    """Verify tokens that were never seen, and the same ones again."""
    with tempfile.TemporaryDirectory() as root:
        keys, database = DiskKeys(Path(root, "keys")), Database(Path(root, "clarity.db"))
        verifier = Verifier(keys, SqliteSessions(database), SqliteAccounts(database, keys))
        key_id, key = keys.signing_key()
        scopes, now = " ".join(sorted(MEMBER_SCOPES)), int(time.time())
        tokens = [
            "Bearer " + issue_access(key_id, key, account_id=new_id(), session_id=new_id(), scopes=scopes, issued_s=now)
            for _ in range(TOKENS)
        ]
        for name in ("never seen", "seen before"):
            taken = [_timed(verifier, token) for token in tokens]
            p50, p99 = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
            print(f"token {name:12} p50 {1e6 * p50:6.1f} µs  p99 {1e6 * p99:6.1f} µs  n = {TOKENS}")
        database.close()


def _timed(verifier: Verifier, token: str) -> float:
    start = time.perf_counter()
    verifier.verify(token)
    return time.perf_counter() - start


# ---- a crowd ---------------------------------------------------------------------------------------------------------


async def crowd(address: str, token: str, member: str) -> None:
    """Call GetAccount one after the other, idle and while a crowd signs in all the time, in turn."""
    async with grpc.aio.insecure_channel(address) as channel:
        idle, busy = [], []
        await _called(channel, token)
        for _ in range(ROUNDS):
            idle.append(await _called(channel, token))
            with _crowd(address, member):
                busy.append(await _called(channel, token))
            await _queued(channel, member)
    ratios = [high / low for low, high in zip(idle, busy, strict=True)]
    print(
        f"GetAccount p99 idle {1000 * statistics.median(idle):.2f} ms, while {PEOPLE} sign in at once "
        f"{1000 * statistics.median(busy):.2f} ms: {statistics.median(ratios):.2f}x, median of {ROUNDS} rounds "
        f"({', '.join(f'{ratio:.2f}' for ratio in ratios)})"
    )


async def _queued(channel: grpc.aio.Channel, member: str) -> None:
    """Sign in behind those of the crowd whose passwords still wait to be checked: once in, it is quiet again."""
    while True:
        try:
            await AuthServiceStub(channel).SignIn(auth.SignInRequest(email=member, password=PASSWORD))
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            await asyncio.sleep(0.1)
        else:
            return


@contextmanager
def _crowd(address: str, member: str) -> Iterator[None]:
    command = [sys.executable, "-m", "bench.crowd", address, member]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as people:
        try:
            assert people.stdout is not None
            assert people.stdout.readline(), "the crowd ended before anybody was in"
            yield
        finally:
            people.terminate()


async def _called(channel: grpc.aio.Channel, token: str) -> float:
    """The p99 of GetAccount, in seconds."""
    call, metadata, taken = AuthServiceStub(channel).GetAccount, bearer(token), []
    for _ in range(CALLS):
        start = time.perf_counter()
        await call(auth.GetAccountRequest(), metadata=metadata)
        taken.append(time.perf_counter() - start)
    return statistics.quantiles(taken, n=100)[98]


# ---- who has an account ----------------------------------------------------------------------------------------------


async def uniform(address: str, members: list[str]) -> None:
    """Ask for members and for strangers, in an order drawn by lot, and compare the times of the two."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = AuthServiceStub(channel)

        async def refused(email: str) -> None:
            try:
                await stub.SignIn(auth.SignInRequest(email=email, password=WRONG))
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAUTHENTICATED:
                    raise

        kinds: Mapping[str, Asked] = {
            "SignIn, wrong password": refused,
            "SignUp": lambda email: stub.SignUp(
                auth.SignUpRequest(
                    email=email,
                    password=PASSWORD,
                    accepted_terms_version=VERSION,
                    accepted_privacy_version=VERSION,
                )
            ),
            "RequestPasswordReset": lambda email: stub.RequestPasswordReset(
                auth.RequestPasswordResetRequest(email=email)
            ),
        }
        for name, asked in kinds.items():
            known, unknown = await _compared(asked, members)
            apart = 1e6 * (statistics.median(known) - statistics.median(unknown))
            print(
                f"{name:22} member {_quartiles(known)}  stranger {_quartiles(unknown)}  "
                f"medians apart by {apart:+.0f} µs, p = {_p_value(known, unknown):.3f} (n = 2 x {PAIRS})"
            )


async def _compared(asked: Asked, members: list[str]) -> tuple[list[float], list[float]]:
    """Seconds of calls about members, and of calls about strangers."""
    lots = random.Random(1)
    times: dict[str, list[float]] = {"member": [], "stranger": []}
    for _ in range(WARM_UP + PAIRS):
        for name in lots.sample(sorted(times), 2):
            email = lots.choice(members) if name == "member" else f"strange-{uuid.uuid4().hex[:10]}@example.org"
            start = time.perf_counter()
            await asked(email)
            times[name].append(time.perf_counter() - start)
    return times["member"][WARM_UP:], times["stranger"][WARM_UP:]


def _quartiles(times: list[float]) -> str:
    low, middle, high = (1000 * cut for cut in statistics.quantiles(times, n=4))
    return f"{middle:.2f} ms ({low:.2f} to {high:.2f})"


def _p_value(one: list[float], other: list[float]) -> float:
    lots = np.random.default_rng(1)
    pooled = np.array(one + other)
    observed = abs(np.median(one) - np.median(other))
    shuffled = lots.permuted(np.tile(pooled, (PERMUTATIONS, 1)), axis=1)  # (permutations, both)
    apart = abs(np.median(shuffled[:, : len(one)], axis=1) - np.median(shuffled[:, len(one) :], axis=1))
    # The observed labels are one of the permutations: p is never 0.
    return float((1 + np.count_nonzero(apart >= observed)) / (1 + PERMUTATIONS))


if __name__ == "__main__":
    main()
