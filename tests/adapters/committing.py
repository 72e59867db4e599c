"""Commits to several uploads at once until it is killed, and tells each commit once it is acknowledged.

Usage: python -m tests.adapters.committing ROOT. Each line is `<number of the upload> <samples committed>`.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from clarity_server.adapters.local.series import INLINE_BYTES_MAX
from clarity_server.ports import Series
from tests.contracts.recordings import RECORDING, append, committed
from tests.contracts.worlds import local

UPLOADS = 4
SIZES = [100, 100_000, INLINE_BYTES_MAX + 1]
COMMITS_MAX = 10_000


def account(number: int) -> str:
    """Whose upload that is."""
    return f"account-{number}"


def commit_on_and_on(series: Series, number: int) -> None:
    stored = series.open(account(number), "u", RECORDING)
    for turn in range(COMMITS_MAX):
        body = bytes([number]) * SIZES[turn % len(SIZES)]
        stored = committed(series, append(stored, 1, body=body, account_id=account(number)))
        os.write(sys.stdout.fileno(), f"{number} {stored.committed}\n".encode())  # one call, so that lines stay whole


if __name__ == "__main__":
    with local(Path(sys.argv[1])) as world, ThreadPoolExecutor(UPLOADS) as pool:
        list(pool.map(partial(commit_on_and_on, world.series), range(UPLOADS)))
