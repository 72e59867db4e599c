"""The servers that are compared, each in a process of its own that ends with the benchmark."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc

from clarity.local import HOST, Server, end, environment, free_port, own_stores, spawn, wait_for

VICTORIA = ("victoria-metrics", "victoria-metrics-prod")
MESSAGE_BYTES_MAX = 4 * 1024 * 1024
CHANNEL_OPTIONS = (("grpc.max_receive_message_length", MESSAGE_BYTES_MAX), ("grpc.use_local_subchannel_pool", 1))


@contextmanager
def folder() -> Iterator[Path]:
    """A folder on this machine's disk that goes with the benchmark."""
    with tempfile.TemporaryDirectory(prefix="clarity-bench-") as made:
        yield Path(made)


@contextmanager
def clarity(place: Path) -> Iterator[Server]:
    """CLARITY with its stores under a folder."""
    with Server(settings(place), place, log=place / "server.log") as server:
        yield server


def settings(place: Path) -> dict[str, str]:
    """Return the settings of a server whose stores lie under a folder."""
    return own_stores(place)


@contextmanager
def process(command: Sequence[str], log: Path, given: Mapping[str, str] | None = None) -> Iterator[None]:
    """A process, and the settings it is given; it ends with the benchmark."""
    started = spawn(command, environment(given or {}, inherit=False), log)
    try:
        yield
    finally:
        end(started)


@contextmanager
def module(name: str, *arguments: str, place: Path, settings: Mapping[str, str] | None = None) -> Iterator[None]:
    """A module of ours as a process, with CLARITY's settings where it takes them."""
    with process([sys.executable, "-m", name, *arguments], place / f"{name}.log", settings):
        yield


@contextmanager
def channel(address: str) -> Iterator[grpc.Channel]:
    """A connection of its own."""
    with grpc.insecure_channel(address, options=CHANNEL_OPTIONS) as opened:
        yield opened


@contextmanager
def empty(place: Path) -> Iterator[str]:
    """The empty gRPC handler; its address."""
    file = place / "empty.port"
    with module("bench.empty", str(file), place=place):
        yield f"{HOST}:{wait_for(lambda: number_in(file), lambda: None)}"


def number_in(file: Path) -> int | None:
    """The port that a process has written, once it has."""
    text = file.read_text(encoding="ascii") if file.exists() else ""
    return int(text) if text else None


def ready_port(file: Path) -> int | None:
    """The port in a ready file, once the server has written it."""
    return int(json.loads(file.read_text(encoding="utf-8"))["port"]) if file.exists() else None


@contextmanager
def rows(place: Path) -> Iterator[str]:
    """FastAPI with SQLite; its URL."""
    port = free_port()
    with module("bench.rows", str(port), str(place / "rows.db"), place=place):
        yield f"http://{HOST}:{port}"


@contextmanager
def victoria(place: Path) -> Iterator[str]:
    """VictoriaMetrics; its URL, or nothing where it is not installed."""
    program = next(filter(None, map(shutil.which, VICTORIA)), None)
    if program is None:
        yield ""
        return
    port = free_port()
    flags = [f"-httpListenAddr={HOST}:{port}", f"-storageDataPath={place / 'victoria'}", "-retentionPeriod=100y"]
    with process([program, *flags], place / "victoria.log"):
        yield f"http://{HOST}:{port}"
