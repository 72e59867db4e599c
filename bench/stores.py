"""Four stores that take the same days of values and answer the same two questions. For `bench store`."""

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.ingest import NO_CONTENT, answers
from clarity.local import own_stores, wait_for
from clarity_server import config
from clarity_server.domain.buckets import Function, Unit
from clarity_server.domain.civil import DAY_MS, Start, StartKind, TimeKind, TimeRange
from clarity_server.domain.series import CHUNK_BYTES_MAX, Chunk, Descriptor, Source
from clarity_server.flows.aggregate import Aggregate, Query
from clarity_server.flows.compact import Compact
from clarity_server.flows.ingest import Ingest
from clarity_server.flows.intake import Intake, checksum
from clarity_server.flows.read import Read, Tally
from clarity_server.server.wiring import World, world

ACCOUNT = "b" * 26
UTC_OFFSET_S = 3600
UPLOAD_DAYS = 7
FIRST_DAY = 18_262  # 2020-01-01
Values = NDArray[np.float32]
Summed = tuple[int, float, float, float]  # count, mean, min, max


def start_ms(day: int) -> int:
    """Return the instant at which a civil day of the data begins, counted from the first."""
    return (FIRST_DAY + day) * DAY_MS - UTC_OFFSET_S * 1000


class Store(Protocol):
    """What is compared."""

    name: str

    def put(self, metric: str, day: int, period_ms: int, values: Values) -> None:
        """Store a day of values; they survive the process when it returns, where the store promises that."""

    def read(self, metric: str, start: int, end: int) -> int:
        """Bring the times and values of a range of instants into memory; return how many there are."""

    def days(self, metric: str, first: int, count: int) -> Sequence[Summed]:
        """Sum up civil days."""

    def settle(self) -> None:
        """Do what the store does by itself in a quiet moment."""

    def bytes(self) -> int:
        """Return what it takes on the disk."""


@dataclass
class _Upload:
    """An upload that goes on from day to day."""

    intake: Intake
    digest: Any = field(default_factory=hashlib.sha256)


class Clarity:
    """This store, in process: the flows that the service calls, without the wire."""

    name = "CLARITY"

    def __init__(self, place: Path) -> None:
        """Make the stores under a folder."""
        self._place = place
        self.world: World = world(config.load({f"CLARITY_{name}": value for name, value in own_stores(place).items()}))
        ports = self.world
        ports.keys.create_data_key(ACCOUNT)
        self._open: dict[str, _Upload] = {}
        self._ingest = Ingest(ports.series, ports.analyses, ports.windows, ports.keys, lambda: None)
        self._read = Read(ports.series, ports.keys)
        self._aggregate = Aggregate(ports.samples, ports.series, ports.sources, self._read, ports.keys)

    def put(self, metric: str, day: int, period_ms: int, values: Values) -> None:
        """An upload a week, a commit a day, and at its end the receipt, for which all of it is read again."""
        upload = self._open.get(metric) or self._opened(metric, day, period_ms)
        intake, raw = upload.intake, values.tobytes()
        for low in range(0, len(raw), CHUNK_BYTES_MAX):
            part = raw[low : low + CHUNK_BYTES_MAX]
            chunk = Chunk(intake.upload.received, part)
            intake.check(chunk, checksum(chunk))
            intake.take(chunk)
            upload.digest.update(part)
        while (batch := intake.batch()) is not None:
            append = self._ingest.prepare(intake, batch)
            intake.prepared(append)
            self._ingest.commit(append)
            intake.committed(append)
        if day % UPLOAD_DAYS == UPLOAD_DAYS - 1:
            self._finish(metric)

    def _opened(self, metric: str, day: int, period_ms: int) -> "_Upload":
        start = Start(StartKind.OFFSET, (FIRST_DAY + day) * DAY_MS, utc_offset_s=UTC_OFFSET_S)
        described = Descriptor(metric, Source("bench"), start, period_ms)
        self._open[metric] = _Upload(self._ingest.open(ACCOUNT, f"{metric}-{day}", described))
        return self._open[metric]

    def _finish(self, metric: str) -> None:
        upload = self._open.pop(metric)
        stored = upload.intake.stored
        self._ingest.finish(ACCOUNT, stored, stored.committed, upload.digest.digest())

    def read(self, metric: str, start: int, end: int) -> int:
        """As ReadSeries does."""
        blocks = self._read.blocks(ACCOUNT, metric, None, TimeKind.INSTANT, start, end, Tally())
        return sum(len(block.values) for block in blocks)

    def days(self, metric: str, first: int, count: int) -> Sequence[Summed]:
        """As AggregateSamples does."""
        wanted = TimeRange(TimeKind.CIVIL, (FIRST_DAY + first) * DAY_MS, (FIRST_DAY + first + count) * DAY_MS)
        functions = frozenset({Function.COUNT, Function.MEAN, Function.MIN, Function.MAX})
        query = Query(metric, None, wanted, None, Unit.DAY, functions, (), show_sources=False)
        page = self._aggregate.page(ACCOUNT, query, count, "")
        return [(one.count or 0, one.mean or 0.0, one.min or 0.0, one.max or 0.0) for one in page.buckets]

    def settle(self) -> None:
        """Finish what is open, join small segments, and copy the log into the file."""
        for metric in list(self._open):
            self._finish(metric)
        compact = Compact(self.world.series, self.world.keys)
        while compact.run_due():
            pass
        self.world.scrub()

    def bytes(self) -> int:
        """The database, its log and the blobs."""
        return _size(self._place)


class Rows:
    """A row a sample in SQLite, as most backends do it."""

    name = "SQLite, a row a sample"

    def __init__(self, place: Path) -> None:
        """Make the file."""
        self._file = place / "rows.db"
        self._connection = sqlite3.connect(self._file, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(
            "CREATE TABLE samples (account TEXT, metric TEXT, at_ms INTEGER, value REAL, "
            "PRIMARY KEY (account, metric, at_ms)) WITHOUT ROWID"
        )

    def put(self, metric: str, day: int, period_ms: int, values: Values) -> None:
        """One transaction a day."""
        times = range(start_ms(day), start_ms(day) + len(values) * period_ms, period_ms)
        rows = ((ACCOUNT, metric, at, value) for at, value in zip(times, values.tolist(), strict=True))
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO samples VALUES (?, ?, ?, ?)", rows)
        self._connection.execute("COMMIT")

    def read(self, metric: str, start: int, end: int) -> int:
        """A range of the key."""
        query = "SELECT at_ms, value FROM samples WHERE account = ? AND metric = ? AND at_ms >= ? AND at_ms < ?"
        return len(self._connection.execute(query, (ACCOUNT, metric, start, end)).fetchall())

    def days(self, metric: str, first: int, count: int) -> Sequence[Summed]:
        """A group a day."""
        query = f"""
            SELECT count(*), avg(value), min(value), max(value) FROM samples
            WHERE account = ? AND metric = ? AND at_ms >= ? AND at_ms < ?
            GROUP BY (at_ms + {UTC_OFFSET_S * 1000}) / {DAY_MS} ORDER BY 1"""  # noqa: S608  our own numbers
        found = self._connection.execute(query, (ACCOUNT, metric, start_ms(first), start_ms(first + count)))
        return [(int(n), mean, low, high) for n, mean, low, high in found.fetchall()]

    def settle(self) -> None:
        """Copy the log into the file."""
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def bytes(self) -> int:
        """The file and its log."""
        return sum(file.stat().st_size for file in self._file.parent.glob("rows.db*"))


class Duck:
    """DuckDB, in process, appending without a key: nothing keeps a sample from being there twice."""

    name = "DuckDB, no key"

    def __init__(self, place: Path) -> None:
        """Make the file."""
        self._file = place / "duck.db"
        self._connection: Any = import_module("duckdb").connect(str(self._file))
        self._connection.execute("CREATE TABLE samples (account VARCHAR, metric VARCHAR, at_ms BIGINT, value FLOAT)")

    def put(self, metric: str, day: int, period_ms: int, values: Values) -> None:
        """One transaction a day, from arrays."""
        times = start_ms(day) + np.arange(len(values), dtype=np.int64) * period_ms
        self._connection.register("day", {"at_ms": times, "value": values})
        self._connection.execute(f"INSERT INTO samples SELECT '{ACCOUNT}', '{metric}', at_ms, value FROM day")  # noqa: S608  our own names

    def read(self, metric: str, start: int, end: int) -> int:
        """As arrays, which is the quickest way out of it."""
        query = "SELECT at_ms, value FROM samples WHERE account = ? AND metric = ? AND at_ms >= ? AND at_ms < ?"
        found = self._connection.execute(query, [ACCOUNT, metric, start, end]).fetchnumpy()
        return len(found["value"])

    def days(self, metric: str, first: int, count: int) -> Sequence[Summed]:
        """A group a day."""
        query = f"""
            SELECT count(*), avg(value), min(value), max(value) FROM samples
            WHERE account = ? AND metric = ? AND at_ms >= ? AND at_ms < ?
            GROUP BY (at_ms + {UTC_OFFSET_S * 1000}) // {DAY_MS}"""  # noqa: S608  our own numbers
        found = self._connection.execute(query, [ACCOUNT, metric, start_ms(first), start_ms(first + count)])
        return [(int(n), mean, low, high) for n, mean, low, high in found.fetchall()]

    def settle(self) -> None:
        """Copy the log into the file."""
        self._connection.execute("CHECKPOINT")

    def bytes(self) -> int:
        """The file and its log."""
        return sum(file.stat().st_size for file in self._file.parent.glob("duck.db*"))


class Victoria:
    """VictoriaMetrics over HTTP on this machine; it acknowledges before its data is durable."""

    name = "VictoriaMetrics, HTTP"

    def __init__(self, url: str, place: Path) -> None:
        """Wait until it serves."""
        self._url, self._folder = url, place / "victoria"
        self._client: Any = import_module("httpx").Client(base_url=url, timeout=60.0)
        self._orjson: Any = import_module("orjson")
        wait_for(lambda: answers(self._client, "/health"), lambda: None)

    def put(self, metric: str, day: int, period_ms: int, values: Values) -> None:
        """Columnar JSON import."""
        times = list(range(start_ms(day), start_ms(day) + len(values) * period_ms, period_ms))
        body = {"metric": {"__name__": metric, "account": ACCOUNT}, "values": values.tolist(), "timestamps": times}
        answer = self._client.post("/api/v1/import", content=self._orjson.dumps(body))
        assert answer.status_code == NO_CONTENT

    def read(self, metric: str, start: int, end: int) -> int:
        """Columnar JSON export."""
        asked = {"match[]": f'{metric}{{account="{ACCOUNT}"}}', "start": start / 1000, "end": (end - 1) / 1000}
        lines = self._client.get("/api/v1/export", params=asked).content.splitlines()
        return sum(len(self._orjson.loads(line)["values"]) for line in lines)

    def days(self, metric: str, first: int, count: int) -> Sequence[Summed]:
        """MetricsQL over windows of a day, which are open at their beginning: asked for a millisecond early."""
        functions = '("count_over_time", "avg_over_time", "min_over_time", "max_over_time")'
        asked: Mapping[str, Any] = {
            "query": f'aggr_over_time({functions}, {metric}{{account="{ACCOUNT}"}}[1d])',
            "start": (start_ms(first + 1) - 1) / 1000,
            "end": (start_ms(first + count) - 1) / 1000,
            "step": "1d",
            "nocache": "1",
        }
        found = self._orjson.loads(self._client.get("/api/v1/query_range", params=asked).content)["data"]["result"]
        by_name = {one["metric"]["rollup"]: [float(value) for _, value in one["values"]] for one in found}
        columns = [by_name[name] for name in ("count_over_time", "avg_over_time", "min_over_time", "max_over_time")]
        return [(int(n), mean, low, high) for n, mean, low, high in zip(*columns, strict=True)]

    def settle(self) -> None:
        """Write what it has in memory, and merge."""
        self._client.get("/internal/force_flush").raise_for_status()
        self._client.get("/internal/force_merge").raise_for_status()

    def bytes(self) -> int:
        """Its folder."""
        return _size(self._folder)


def _size(place: Path) -> int:
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file())
