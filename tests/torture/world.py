"""A real server process with stores of its own, started, killed, drained and started again."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import apsw

from clarity import local
from clarity.calls import Target
from clarity.client import Client
from clarity.credentials import SignedIn
from clarity.local import Server, environment
from clarity.mailbox import joined
from tests.torture.wire import Caller

PASSWORD = "Torture-1918"
SMALL_DISK_BYTES = 48 * 1024 * 1024
BALLAST = "ballast"
MODEL = Path(__file__).parents[2] / "models" / "pat-s-depresjon-demo"


@dataclass
class World:
    """The stores of one server, and the process that serves them now."""

    folder: Path
    stores: Path
    small: bool = False  # whether the stores are alone on a small disk
    server: Server | None = None
    kills: int = 0

    @property
    def records(self) -> Path:
        return self.stores / "clarity.db"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def address(self) -> str:
        assert self.server is not None, "the server is not running"
        return self.server.address

    @property
    def pid(self) -> int:
        assert self.server is not None, "the server is not running"
        return self.server.pid

    async def install(self, model: Path = MODEL) -> None:
        """Install a model, which answers from the next start on."""
        command = [sys.executable, "-m", "clarity_server.models", "install", str(model)]
        environ = environment({"MODELS": self._settings()["MODELS"]}, inherit=False)
        await asyncio.to_thread(subprocess.run, command, env=environ, check=True, capture_output=True)

    async def start(self, **settings: str) -> None:
        """Serve the stores in a new process, on a free port; settings by their names without the prefix."""
        assert self.server is None, "the server runs already"
        server = Server({**self._settings(), **settings}, self.folder, log=self.log)
        self.server = server
        await asyncio.to_thread(server.start)

    async def ensure(self) -> None:
        """Serve, whatever was left behind."""
        if self.server is not None and self.server.failed() is not None:
            self.server = None
        if self.server is None:
            await self.start()

    async def kill(self) -> None:
        """SIGKILL: nothing is flushed, nobody is told."""
        server = self._gone()
        self.kills += 1
        await asyncio.to_thread(server.kill)

    def terminate(self) -> None:
        """SIGTERM: the server begins to drain; `stop` waits until it is gone."""
        os.kill(self.pid, signal.SIGTERM)

    async def stop(self) -> None:
        """End the server cleanly, if it runs. Says so if it did not end by itself."""
        if self.server is not None:
            await asyncio.to_thread(self._gone().stop)

    async def restart(self, **settings: str) -> None:
        """End the server cleanly if it runs, and serve the same stores again."""
        await self.stop()
        await self.start(**settings)

    async def sign_up(self) -> Caller:
        """Make an account and sign in."""
        session = await asyncio.to_thread(self._joined, f"{uuid.uuid4().hex}@example.org")
        caller = Caller(self.address, session.access_token)
        caller.email, caller.refresh_token = session.email, session.refresh_token
        return caller

    def _joined(self, email: str) -> SignedIn:
        with Client(Target(self.address, tls=False)) as client:
            return joined(client, local.outbox_of(self.folder), email, PASSWORD)

    def check_file(self) -> str:
        """Ask SQLite whether the file is whole: `ok`, or what is wrong. For a stopped server."""
        connection = apsw.Connection(str(self.records))
        try:
            return str(connection.pragma("integrity_check"))
        finally:
            connection.close()

    def _gone(self) -> Server:
        assert self.server is not None, "the server is not running"
        server, self.server = self.server, None
        return server

    def _settings(self) -> dict[str, str]:
        return {
            **local.own_stores(self.folder),
            "RECORDS": f"sqlite:{self.records}",
            "BLOBS": f"file:{self.stores / 'blobs'}",
            "KEYS": f"file:{self.keys}",
        }


@contextlib.asynccontextmanager
async def running(*, small: bool = False, model: bool = False, **settings: str) -> AsyncIterator[World]:
    """A world in a folder that goes with it, already serving.

    Its stores are on a `small` disk where that can be had, and the demonstration `model` answers, or none.
    """
    with tempfile.TemporaryDirectory(prefix="clarity-") as made, small_disk(Path(made) / "var", wanted=small) as has:
        world = World(Path(made), Path(made) / "var", small=has)
        try:
            if model:
                await world.install()
            await world.start(**settings)
            yield world
        finally:
            await world.stop()


@contextlib.contextmanager
def small_disk(folder: Path, *, wanted: bool) -> Iterator[bool]:
    """Mount a small disk over a folder; False where it is not wanted, or this machine does not let us."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "clarity-small", str(folder)]
    usable = wanted and sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount") is not None
    mounted = usable and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_disk(folder: Path, room_bytes: int) -> None:
    """Leave no more than so much room."""
    disk = os.statvfs(folder)
    with (folder / BALLAST).open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, max(1, disk.f_bavail * disk.f_frsize - room_bytes))


def free_disk(folder: Path) -> None:
    """Take the ballast away."""
    (folder / BALLAST).unlink(missing_ok=True)
