"""`python -m clarity_server health`, as a container runs it, against servers that really run."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clarity_server.config import Config
from clarity_server.server import run


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[run.Running]:
    """A server with everything under one directory."""
    config = Config(
        listen="127.0.0.1:0",
        records=f"sqlite:{tmp_path}/clarity.db",
        blobs=f"file:{tmp_path}/blobs",
        keys=f"file:{tmp_path}/keys",
    )
    started = await run.start(config)
    try:
        yield started
    finally:
        await started.drain(1.0)


async def health(listen: str, **more: str) -> tuple[int, str]:
    """The exit code of the command, and what it said."""
    command = [sys.executable, "-m", "clarity_server", "health"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CLARITY_")}
    settings = {**clean, "CLARITY_LISTEN": listen, **more}
    done = await asyncio.to_thread(subprocess.run, command, env=settings, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])  # noqa: S104  dialled, not bound
async def test_a_server_that_serves_is_said_to(running: run.Running, host: str) -> None:
    assert await health(f"{host}:{running.port}") == (0, "SERVING")


async def test_a_proxy_of_the_environment_is_not_asked(running: run.Running) -> None:
    assert await health(f"127.0.0.1:{running.port}", http_proxy="http://127.0.0.1:1") == (0, "SERVING")


async def test_a_server_that_drains_is_not_serving(running: run.Running) -> None:
    await running.health.drain()
    code, said = await health(f"127.0.0.1:{running.port}")
    assert (code, said) == (1, f"clarity: the server at 127.0.0.1:{running.port} says NOT_SERVING")


async def test_where_nobody_answers_one_sentence_says_so() -> None:
    code, said = await health("127.0.0.1:1")
    assert (code, said) == (1, "clarity: no server answers at 127.0.0.1:1 within 3 s")


async def test_a_port_that_only_the_server_knows_cannot_be_asked() -> None:
    code, said = await health("127.0.0.1:0")
    assert code == 1
    assert said.startswith("clarity: CLARITY_LISTEN='127.0.0.1:0' takes any free port")


async def test_a_setting_misspelt_is_said_as_at_a_start() -> None:
    code, said = await health("127.0.0.1:1", CLARITY_RECORD="sqlite:x")
    assert (code, said) == (1, "clarity: CLARITY_RECORD is not a setting: did you mean CLARITY_RECORDS?")


def test_asking_does_without_the_whole_house() -> None:
    """It is run every few seconds, for as long as the container lives."""
    seen = "import sys; import clarity_server.__main__, clarity_server.server.checkup; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True).stdout.split()
    assert not {"clarity_server.server.run", "torch", "numpy", "apsw"} & set(loaded)
