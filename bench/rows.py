"""The usual way: a FastAPI endpoint that takes samples as JSON and stores a row each in SQLite, durably.

One transaction a request, WAL, synchronous=FULL. Run as `python -m bench.rows PORT FILE`.
"""

import sqlite3
import sys
from dataclasses import dataclass
from importlib import import_module

# Only `make bench` installs these; everything else is typed and run without them.
fastapi = import_module("fastapi")
uvicorn = import_module("uvicorn")

SCHEMA = """
    PRAGMA journal_mode = WAL;
    CREATE TABLE samples (
        account TEXT, metric TEXT, at_ms INTEGER, value REAL, PRIMARY KEY (account, metric, at_ms)) WITHOUT ROWID;"""


@dataclass(frozen=True)
class Sample:
    """One measurement."""

    at_ms: int
    value: float


@dataclass(frozen=True)
class Batch:
    """What one request carries."""

    account: str
    metric: str
    samples: list[Sample]


def main(port: int, file: str) -> None:
    """Serve until killed."""
    store = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    store.executescript(SCHEMA)
    store.execute("PRAGMA synchronous = FULL")

    async def take(batch: Batch) -> dict[str, int]:
        rows = [(batch.account, batch.metric, sample.at_ms, sample.value) for sample in batch.samples]
        with store:
            store.execute("BEGIN IMMEDIATE")
            store.executemany("INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?)", rows)
        return {"stored": len(rows)}

    app = fastapi.FastAPI()
    app.add_api_route("/samples", take, methods=["POST"])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
