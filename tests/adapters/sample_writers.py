"""Processes that write samples of one account at once: each its own, and all of them the same ones."""

from pathlib import Path

from clarity_server.adapters.local.database import Database
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.adapters.local.samples import SqliteSamples
from clarity_server.domain.samples import Outcome
from clarity_server.flows.samples import Collect
from tests.flows.samples_world import sent
from tests.flows.upload_world import ACCOUNT

WRITES = 40
SHARED = 10


def write_many(root: Path, writer: int) -> list[Outcome]:
    """Write a sample that nobody else writes and one that all do, again and again; return what became of each."""
    database = Database(root / "clarity.db")
    collect = Collect(SqliteSamples(database, DiskKeys(root / "keys")), DiskKeys(root / "keys"))
    outcomes = list[Outcome]()
    for number in range(WRITES):
        both = [sent(f"writer {writer} {number}"), sent(f"shared {number % SHARED}", version=number)]
        outcomes += collect.write(ACCOUNT, both, f"writer-{writer}-{number}", b"")
    database.close()
    return outcomes
