"""A server on this machine: started, waited for, and never left behind."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self, TypeVar

from clarity import edge

HOST = "127.0.0.1"
PREFIX = "CLARITY_"
OUTBOX = "file:var/outbox"  # where a server leaves its mail that is not told otherwise
READY_WITHIN_S = 30.0
STOP_WITHIN_S = 30.0
POLL_S = 0.02
WATCH_S = 0.2
LOG_LINES_SHOWN = 12
SETTINGS_TIMEOUT_S = 20.0
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

R = TypeVar("R")


class LocalError(Exception):
    """Something on this machine did not start or did not last; the text says what and what to do."""


class Server:
    """One clarity_server process with settings of its own. Use it as a context manager."""

    def __init__(
        self, settings: Mapping[str, str], folder: Path, *, log: Path | None = None, inherit: bool = False
    ) -> None:
        """Take its settings by their names without the prefix, a folder for its ready file, and where its log goes.

        With no log it writes to our stderr. With `inherit` our own CLARITY_* settings hold where `settings` is silent.
        """
        self.folder = folder
        self._settings = dict(settings)
        self._ready = folder / "ready.json"
        self._log = log
        self._inherit = inherit
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            self.start()
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process that serves."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def address(self) -> str:
        """Where it serves."""
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        """Start, and return once it serves: on its port, the second time on the same one. Raises LocalError."""
        self._ready.unlink(missing_ok=True)
        settings = {**self._settings, "READY_FILE": str(self._ready)}
        if self.port:
            settings["LISTEN"] = self.address
        self._process = spawn(server_command(), environment(settings, inherit=self._inherit), self._log)
        self.port = wait_for(self._served_port, self.failed)

    @property
    def is_running(self) -> bool:
        """Whether it is there, serving or not."""
        return self._process is not None and self._process.poll() is None

    def failed(self) -> str | None:
        """Say how it ended, or None while it runs."""
        if self._process is None or self._process.poll() is None:
            return None
        return f"the server ended with exit code {self._process.returncode}{tail(self._log)}"

    def kill(self) -> None:
        """End it as a power cut would: no word to anybody, nothing flushed."""
        assert self._process is not None, "the server is not running"
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it cleanly if it runs; when it does not, that is fine."""
        if self._process is not None:
            end(self._process)

    def _served_port(self) -> int | None:
        try:
            ready = json.loads(self._ready.read_text(encoding="utf-8"))
            return int(ready["port"])
        except (FileNotFoundError, ValueError):  # not there yet, or half written
            return None


class Stand:
    """A server, and a real Envoy in front of it. Use it as a context manager."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        *,
        edge_port: int = 0,
        log: Path | None = None,
        inherit: bool = False,
    ) -> None:
        """Take a folder for what both need while they run, and the server's settings; port 0 takes a free one."""
        self._folder = folder
        self._edge_port = edge_port
        self._edge: edge.Edge | None = None
        self.server = Server(settings, folder, log=log, inherit=inherit)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            self._folder.mkdir(parents=True, exist_ok=True)
            self.server.start()
            self._edge = self._envoy()
            self._edge.wait_ready(READY_WITHIN_S)
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def edge_address(self) -> str:
        """Where Envoy listens."""
        assert self._edge is not None, "Envoy is not running"
        return f"{HOST}:{self._edge.port}"

    @property
    def is_running(self) -> bool:
        """Whether one of the two is there."""
        return self.server.is_running or (self._edge is not None and self._edge.process.poll() is None)

    def wait_ready(self) -> None:
        """Return once Envoy sends calls to the server again. Raises EdgeError."""
        assert self._edge is not None, "Envoy is not running"
        self._edge.wait_ready(READY_WITHIN_S)

    def wait(self) -> None:
        """Stay until one of the two ends. Raises LocalError then."""
        assert self._edge is not None, "Envoy is not running"
        while (why := self.server.failed()) is None:
            if (code := self._edge.process.poll()) is not None:
                raise LocalError(f"Envoy ended with exit code {code}; see {self._edge.log}")
            time.sleep(WATCH_S)
        raise LocalError(why)

    def stop(self) -> None:
        """End both, whatever runs of them: the server drains through an Envoy that is still there."""
        with uninterrupted():
            self.server.stop()
            if self._edge is not None:
                self._edge.stop()

    def _envoy(self) -> edge.Edge:
        descriptors = self._folder / "clarity.binpb"
        descriptors.write_bytes(edge.descriptor_set())
        return edge.start(self._edge_port, self.server.port, descriptors, self._folder / "envoy")


def own_stores(folder: Path) -> dict[str, str]:
    """The settings of a server that keeps everything in a folder, mail among it: a free port, and no rate limits."""
    return {
        "LISTEN": f"{HOST}:0",
        "RECORDS": f"sqlite:{folder / 'clarity.db'}",
        "BLOBS": f"file:{folder / 'blobs'}",
        "KEYS": f"file:{folder / 'keys'}",
        "MODELS": f"file:{folder / 'models'}",
        "OUTBOX": f"file:{outbox_of(folder)}",
        "RATE_FACTOR": "0",
    }


def outbox_of(folder: Path) -> Path:
    """Where the mail of a server lies that keeps everything in a folder."""
    return folder / "outbox"


def server_command() -> list[str]:
    """Return the command that starts a server. Raises LocalError where none is installed."""
    if importlib.util.find_spec("clarity_server") is None:
        raise LocalError("the server is not installed beside this client; install the clarity-backend package")
    return [sys.executable, "-m", "clarity_server"]


def environment(settings: Mapping[str, str], *, inherit: bool) -> dict[str, str]:
    """Return our environment with these settings; the server's other settings stay only with `inherit`."""
    kept = {name: value for name, value in os.environ.items() if inherit or not name.startswith(PREFIX)}
    return {**kept, **{PREFIX + name: value for name, value in settings.items()}}


def settings_help() -> str:
    """Return the server's settings, a line each, as the server lists them."""
    command = [*server_command(), "--settings"]
    listed = subprocess.run(
        command,
        env=environment({}, inherit=False),
        capture_output=True,
        text=True,
        timeout=SETTINGS_TIMEOUT_S,
        check=False,
    )
    if listed.returncode:
        raise LocalError(f"the server could not list its settings: {listed.stderr.strip()}")
    return listed.stdout.rstrip()


def spawn(command: Sequence[str], environ: Mapping[str, str], log: Path | None) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own: Ctrl-C in the terminal reaches us, and we end it in order."""
    with contextlib.ExitStack() as held:
        output = None if log is None else held.enter_context(log.open("ab"))
        return subprocess.Popen(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, insist after a while, and return when it is gone."""
    with uninterrupted():
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(ask: Callable[[], R | None], failed: Callable[[], str | None], within_s: float = READY_WITHIN_S) -> R:
    """Ask until there is an answer. Raises LocalError when it has failed meanwhile, or takes too long."""
    deadline = time.monotonic() + within_s
    while (answer := ask()) is None:
        if (why := failed()) is not None:
            raise LocalError(why)
        if time.monotonic() > deadline:
            raise LocalError(f"it did not start within {within_s:g} s; is the machine very busy?")
        time.sleep(POLL_S)
    return answer


def tail(log: Path | None) -> str:
    """Return the last lines of a log, as they follow the sentence that says what happened."""
    if log is None or not log.exists():
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES_SHOWN:]
    return "".join(f"\n  {line}" for line in lines)


def free_port() -> int:
    """Return a port nobody listens on; another program could take it before it is used, which its user then says."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def tool(name: str) -> str | None:
    """Find a program beside our Python, where wheels install theirs, or on the PATH."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


@contextlib.contextmanager
def tidy() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end us as Ctrl-C does, so that what we started is ended first."""
    before = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the shape of a signal handler
    raise SystemExit(128 + number)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let nothing stop the tidying up; an impatient second Ctrl-C would leave processes behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDINGS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
