"""Durable ingest at 64 KiB a chunk, against three other ways to take the same values. `python -m bench ingest`.

Time runs from the client's first byte to the receipt (every value re-read from the store and verified), and to the last
acknowledgement (every value on disk and fsynced). FastAPI and VictoriaMetrics receive bodies made beforehand: their
clients cost them nothing. VictoriaMetrics acknowledges before its data is durable; CLARITY and FastAPI do after.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import processes
from bench.client import SAMPLE_BYTES, Upload, clarity_stream, empty_stream, sign_up
from bench.values import counts
from clarity.local import wait_for

MIB = 1024 * 1024
ROUNDS = 3
CLARITY_BYTES = 128 * MIB
ROWS_SAMPLES, ROWS_A_REQUEST = 200_000, 10_000
VICTORIA_SAMPLES, VICTORIA_A_REQUEST = 4_000_000, 100_000
START_MS = 1_577_836_800_000  # 2020-01-01
NO_CONTENT = 204


@dataclass
class Figures:
    """Samples a second, a round each."""

    receipt: list[float] = field(default_factory=list)
    acknowledged: list[float] = field(default_factory=list)
    empty: list[float] = field(default_factory=list)
    rows: list[float] = field(default_factory=list)
    victoria: list[float] = field(default_factory=list)


def main() -> None:
    """Measure in interleaved rounds and print the medians."""
    values, named = counts(CLARITY_BYTES // SAMPLE_BYTES)
    print(f"{named}; {CLARITY_BYTES // MIB} MiB a round, {ROUNDS} rounds interleaved, medians")
    print(f"against FastAPI {version('fastapi')} on uvicorn {version('uvicorn')}, fed by httpx {version('httpx')}")
    print(f"with bodies of orjson {version('orjson')}")
    figures = Figures()
    with ExitStack() as held:
        rounds = ready(held, figures, values)
        for _ in range(ROUNDS):
            for each in rounds:
                each()
    for line in table(figures):
        print(line)


def ready(held: ExitStack, figures: Figures, values: NDArray[np.float32]) -> list[Callable[[], None]]:
    """Start every server, warm each up with a little, and return what one round does."""
    place = held.enter_context(processes.folder())
    upload, little = Upload(values.tobytes()), Upload(values[:1_000_000].tobytes())
    server = held.enter_context(processes.clarity(place))
    ours = held.enter_context(processes.channel(server.address))
    ceiling = empty_stream(held.enter_context(processes.channel(held.enter_context(processes.empty(place)))))
    rows = Rows(held.enter_context(processes.rows(place)), values)
    victoria = Victoria(held.enter_context(processes.victoria(place)), values)
    little.send(clarity_stream(ours, sign_up(server.address, place)))
    little.send(ceiling)

    def clarity_round() -> None:
        sent = upload.send(clarity_stream(ours, sign_up(server.address, place)))
        figures.receipt.append(len(values) / sent.receipt_s)
        figures.acknowledged.append(len(values) / sent.acknowledged_s)

    return [
        clarity_round,
        lambda: figures.empty.append(len(values) / upload.send(ceiling).receipt_s),
        lambda: figures.rows.append(rows.rate()),
        lambda: figures.victoria.extend(victoria.rates()),
    ]


class Rows:
    """The client of the FastAPI endpoint."""

    def __init__(self, url: str, values: NDArray[np.float32]) -> None:
        """Wait until it serves; the bodies are made before the time runs."""
        httpx = import_module("httpx")
        self._client = httpx.Client(base_url=url, timeout=60.0, headers={"content-type": "application/json"})
        self._values = values[:ROWS_SAMPLES].tolist()
        self._round = 0
        wait_for(lambda: answers(self._client, "/openapi.json"), lambda: None)

    def rate(self) -> float:
        """Store the values as a new account's; return samples a second."""
        self._round += 1
        bodies = list(self._bodies())
        began = time.perf_counter()
        for body in bodies:
            self._client.post("/samples", content=body).raise_for_status()
        return ROWS_SAMPLES / (time.perf_counter() - began)

    def _bodies(self) -> Iterator[bytes]:
        orjson = import_module("orjson")
        for low in range(0, ROWS_SAMPLES, ROWS_A_REQUEST):
            part = enumerate(self._values[low : low + ROWS_A_REQUEST], low)
            samples = [{"at_ms": START_MS + at * 1000, "value": value} for at, value in part]
            yield orjson.dumps({"account": f"bench-{self._round}", "metric": "heart_rate", "samples": samples})


class Victoria:
    """The client of VictoriaMetrics' columnar JSON import."""

    def __init__(self, url: str, values: NDArray[np.float32]) -> None:
        """Wait until it serves, where there is one."""
        self._client: Any = None
        self._values = values[:VICTORIA_SAMPLES]
        self._round = 0
        if url:
            self._client = import_module("httpx").Client(base_url=url, timeout=60.0)
            wait_for(lambda: answers(self._client, "/health"), lambda: None)

    def rates(self) -> list[float]:
        """Import the values as a new series; return samples a second, or nothing where it is not installed."""
        if self._client is None:
            return []
        self._round += 1
        bodies = list(self._bodies())
        began = time.perf_counter()
        for body in bodies:
            assert self._client.post("/api/v1/import", content=body).status_code == NO_CONTENT
        return [len(self._values) / (time.perf_counter() - began)]

    def _bodies(self) -> Iterator[bytes]:
        orjson = import_module("orjson")
        name = {"__name__": "heart_rate", "upload": f"bench-{self._round}"}
        for low in range(0, len(self._values), VICTORIA_A_REQUEST):
            part = self._values[low : low + VICTORIA_A_REQUEST].tolist()
            times = range(START_MS + low * 1000, START_MS + (low + len(part)) * 1000, 1000)
            yield orjson.dumps({"metric": name, "values": part, "timestamps": list(times)})


def answers(client: Any, path: str) -> bool | None:  # noqa: ANN401  httpx is not always installed
    """True once a server answers."""
    try:
        client.get(path)
    except import_module("httpx").TransportError:
        return None
    return True


def table(figures: Figures) -> Iterator[str]:
    """Yield the lines of the table: each rate, and how many times that the receipt's rate is."""
    ours = statistics.median(figures.receipt)
    against = {
        "CLARITY, to the receipt": figures.receipt,
        "CLARITY, to the last acknowledgement": figures.acknowledged,
        "(a) empty gRPC stream handler": figures.empty,
        "(b) FastAPI, a SQLite row a sample": figures.rows,
        "(c) VictoriaMetrics, acknowledged before durable": figures.victoria,
    }
    yield f"{'':52} {'Msamples/s':>10} {'MiB/s':>8} {'CLARITY is':>11}"
    for name, rates in against.items():
        if not rates:
            yield f"{name:52} not measured: the Debian package victoria-metrics is not installed"
            continue
        rate = statistics.median(rates)
        yield f"{name:52} {rate / 1e6:10.2f} {rate * SAMPLE_BYTES / MIB:8.0f} {ours / rate:10.2f}x"


if __name__ == "__main__":
    main()
