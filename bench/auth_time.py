"""Does the time of a refused sign-in tell whether the account exists? Run as `python -m bench.auth_time`.

One unknown address and one wrong password at a time, in an order drawn by lot, over a real store at the real cost.
The p value is that of a permutation test: how often the two medians would lie as far apart if the labels meant nothing.
"""

import random
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from clarity_server.adapters.local.accounts import SqliteAccounts
from clarity_server.adapters.local.database import Database
from clarity_server.adapters.local.hashing import Hashing
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.adapters.local.requests import SqliteRequests
from clarity_server.adapters.local.sessions import SqliteSessions
from clarity_server.domain.errors import CredentialsWrong
from clarity_server.flows.sign_in import SignIn

ROUNDS = 200
WARM_UP = 10
ACCOUNTS = 50
PERMUTATIONS = 10_000
PASSWORD = "Night-0wl"
WRONG = "Night-0wL"


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as root:
        database, hashing = Database(Path(root, "clarity.db")), Hashing()
        verbs = _verbs(Path(root), database, hashing)
        try:
            unknown, wrong = _measure(verbs)
        finally:
            database.close()
            hashing.close()
    for name, times in (("unknown address", unknown), ("wrong password", wrong)):
        low, middle, high = (1000 * cut for cut in statistics.quantiles(times, n=4))
        print(f"{name:16} median {middle:7.3f} ms   quartiles {low:7.3f} to {high:7.3f}   n = {len(times)}")
    apart = 1e6 * (statistics.median(unknown) - statistics.median(wrong))
    print(f"medians apart by {apart:+.1f} µs; p = {_p_value(unknown, wrong):.3f} ({PERMUTATIONS} permutations)")


def _verbs(root: Path, database: Database, hashing: Hashing) -> SignIn:
    keys = DiskKeys(root / "keys")
    verbs = SignIn(
        SqliteAccounts(database, keys),
        SqliteSessions(database),
        SqliteRequests(database),
        keys,
        hashing,
        on_ended=lambda _: None,
        sign_up_open=True,
    )
    for number in range(ACCOUNTS):
        verbs.sign_up(f"member-{number:06}@example.org", PASSWORD, "", "")
    return verbs


def _measure(verbs: SignIn) -> tuple[list[float], list[float]]:
    """Seconds of refused sign-ins: of unknown addresses, and of known ones with a wrong password."""
    lots = random.Random(1)
    times: dict[str, list[float]] = {"nobody": [], "member": []}
    for _ in range(WARM_UP + ROUNDS):
        for name in lots.sample(sorted(times), 2):
            times[name].append(_refused(verbs, f"{name}-{lots.randrange(ACCOUNTS):06}@example.org"))
    return times["nobody"][WARM_UP:], times["member"][WARM_UP:]


def _refused(verbs: SignIn, email: str) -> float:
    start = time.perf_counter()
    with suppress(CredentialsWrong):
        verbs.sign_in(email, WRONG, "")
    return time.perf_counter() - start


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
