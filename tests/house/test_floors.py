"""A floor looks only down: the house's rules on who imports whom, kept by reading every import there is."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVER = "clarity_server"
CLIENT = "clarity"

# What each floor may see of our own. Whoever is not listed may see only itself; nobody is listed twice.
SEES = {
    "domain": {"domain"},
    "ports": {"ports", "domain"},
    "pat": {"pat", "domain"},
    "rhythm": {"rhythm", "domain"},
    "flows": {"flows", "ports", "domain", "pat", "rhythm"},
    "adapters": {"adapters", "ports", "domain"},
    "services": {"services", "flows", "ports", "domain"},
    "server": {"server", "services", "flows", "ports", "domain", "config"},
    "config": {"config", "domain"},
    "models": {"models", "server", "flows", "pat", "ports", "domain", "config"},  # the command, a way in as __main__ is
    "__main__": {"server", "config"},
    "": set[str](),  # clarity_server/__init__.py
}
WIRING = f"{SERVER}.server.wiring"
WIRING_ALSO_SEES = {"adapters", "pat", "rhythm"}

# The outside, floor by floor: below the services nobody speaks protobuf, and only adapters know a store or a
# service by its vendor. Libraries that only compute (numpy, cryptography, zstandard) are nobody's vendor.
WIRE = {
    "grpc",
    "grpc_health",
    "grpc_reflection",
    "grpc_status",
    "google.protobuf",
    "google.rpc",
    "google.type",
    CLIENT,
}
VENDORS = {
    "apsw",
    "sqlite3",
    "boto3",
    "botocore",
    "google.genai",
    "httpx",
    "requests",
    "smtplib",
    "urllib.request",
}
PURE = {"domain", "ports", "pat", "rhythm", "flows"}
OFF_LIMITS = dict.fromkeys(PURE, WIRE | VENDORS) | {"adapters": {"grpc", CLIENT}, "services": VENDORS}

ASYNC_FLOORS = {"services", "server"}
READS_ENVIRONMENT = f"{SERVER}.config"
CATCHES_EVERYTHING = f"{SERVER}.server.boundary"
EVERYTHING = {"Exception", "BaseException"}


@dataclass(frozen=True, slots=True)
class Module:
    """One source file under its dotted name."""

    name: str
    tree: ast.Module
    is_package: bool = False

    @property
    def floor(self) -> str:
        """The second part of the name: `flows` of `clarity_server.flows.ingest`."""
        return [*self.name.split("."), ""][1]

    def imports(self) -> Iterator[tuple[int, str]]:
        """Every (line, dotted name) imported, `from a import b` as `a.b`, wherever it stands."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, name.name) for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                origin = self._origin(node)
                yield from ((node.lineno, f"{origin}.{name.name}") for name in node.names)

    def _origin(self, node: ast.ImportFrom) -> str:
        """The absolute name behind `from …`, relative or not."""
        if not node.level:
            return node.module or ""
        parents = self.name.split(".")
        here = parents[: len(parents) - node.level + self.is_package]
        return ".".join([*here, node.module or ""]).rstrip(".")


def under(name: str, roots: set[str]) -> bool:
    """Whether a dotted name is one of the roots or inside one."""
    return any(name == root or name.startswith(f"{root}.") for root in roots)


def looks_up(module: Module) -> Iterator[str]:
    """Imports of our own that this floor may not see."""
    seen = SEES.get(module.floor)
    if seen is None:
        yield f"{module.name}: no such floor; the house is {', '.join(filter(None, SEES))}"
        return
    seen = seen | (WIRING_ALSO_SEES if module.name == WIRING else set())
    for line, name in module.imports():
        parts = name.split(".")
        if parts[0] == SERVER and len(parts) > 1 and parts[1] not in seen:
            yield f"{module.name}:{line}: {module.floor or SERVER} may not see {name}"


def looks_out(module: Module) -> Iterator[str]:
    """Imports from outside that this floor must not know."""
    forbidden = OFF_LIMITS.get(module.floor, set())
    for line, name in module.imports():
        if under(name, forbidden):
            yield f"{module.name}:{line}: {module.floor} may not know {name}"


def reads_environment(module: Module) -> Iterator[str]:
    """Uses of the environment outside the one place of configuration."""
    if module.name == READS_ENVIRONMENT:
        return
    asked = {"os.environ", "os.environb", "os.getenv", "os.putenv"}
    yield from (
        f"{module.name}:{line}: only config.py reads {name}" for line, name in module.imports() if name in asked
    )
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in asked:
            yield f"{module.name}:{node.lineno}: only config.py reads {ast.unparse(node)}"


def catches_everything(module: Module) -> Iterator[str]:
    """Handlers, and suppress(), for any exception at all outside the boundary."""
    if module.name == CATCHES_EVERYTHING:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            caught = EVERYTHING if node.type is None else names(node.type)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"suppress", "contextlib.suppress"}:
            caught = {name for argument in node.args for name in names(argument)}
        else:
            continue
        if caught & EVERYTHING:
            yield f"{module.name}:{node.lineno}: only server/boundary.py catches everything"


def names(expression: ast.expr) -> set[str]:
    """The last parts of all names in an expression: `{Exception}` of `(KeyError, builtins.Exception)`."""
    return {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(expression)
        if isinstance(node, ast.Name | ast.Attribute)
    }


def is_async_below(module: Module) -> Iterator[str]:
    """Coroutines, and asyncio itself, below the services."""
    if module.floor in ASYNC_FLOORS:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await):
            yield f"{module.name}:{node.lineno}: async lives only in services/ and server/"
    if module.name != f"{SERVER}.__main__":  # it starts the loop
        for line, name in module.imports():
            if under(name, {"asyncio"}):
                yield f"{module.name}:{line}: async lives only in services/ and server/"


def sees_the_server(module: Module) -> Iterator[str]:
    """Imports of the server by the client, which a person installs without it."""
    for line, name in module.imports():
        if under(name, {SERVER}):
            yield f"{module.name}:{line}: the client may not see {name}"


SERVER_RULES = (looks_up, looks_out, reads_environment, catches_everything, is_async_below)


def modules(folder: Path, package: str) -> list[Module]:
    """Every module of a package on disk."""
    files = sorted(folder.rglob("*.py"))
    return [module_at(file, folder, package) for file in files]


def module_at(file: Path, folder: Path, package: str) -> Module:
    """The module that a file is."""
    parts = [package, *file.relative_to(folder).with_suffix("").parts]
    is_package = parts[-1] == "__init__"
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    return Module(".".join(parts[:-1] if is_package else parts), tree, is_package)


def broken(source: str, name: str, *, is_package: bool = False) -> list[str]:
    """What the rules say of a source planted under a name."""
    module = Module(name, ast.parse(source), is_package)
    rules = SERVER_RULES if name.startswith(SERVER) else (sees_the_server,)
    return [line for rule in rules for line in rule(module)]


def test_every_floor_of_the_server_looks_only_down() -> None:
    """Also: one reader of the environment, one catcher of everything, async only above the flows."""
    house = modules(ROOT / SERVER, SERVER)
    assert house
    assert [line for module in house for rule in SERVER_RULES for line in rule(module)] == []


def test_the_client_never_imports_the_server() -> None:
    house = modules(ROOT / "clients" / "python" / CLIENT, CLIENT)
    assert house
    assert [line for module in house for line in sees_the_server(module)] == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("clarity_server.domain.upload", "from clarity_server.flows import ingest"),
        ("clarity_server.domain.upload", "from clarity_server import ports"),
        ("clarity_server.domain.upload", "from ..ports import Blobs"),
        ("clarity_server.domain.upload", "def f():\n    import clarity_server.config"),
        ("clarity_server.ports", "from clarity_server.adapters.local import blobs"),
        ("clarity_server.rhythm.sleep", "from clarity_server.flows import analyze"),
        ("clarity_server.rhythm.sleep", "from clarity_server.pat import model"),
        ("clarity_server.pat.model", "from clarity_server import ports"),
        ("clarity_server.flows.ingest", "from clarity_server.services import wire"),
        ("clarity_server.flows.ingest", "from clarity_server.adapters.local.blobs import DiskBlobs"),
        ("clarity_server.flows.ingest", "import clarity_server.server.flags"),
        ("clarity_server.adapters.local.blobs", "from clarity_server.flows import ingest"),
        ("clarity_server.services.auth", "from clarity_server.adapters.local import sessions"),
        ("clarity_server.services.auth", "from clarity_server.server import limits"),
        ("clarity_server.server.run", "from clarity_server.adapters.local import blobs"),
        ("clarity_server.config", "from clarity_server.server import flags"),
        ("clarity_server", "from clarity_server.server import run"),
        ("clarity_server.utils", "x = 1"),
    ],
)
def test_a_look_up_is_seen(name: str, source: str) -> None:
    assert len(broken(source, name)) == 1


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("clarity_server.flows.ingest", "import grpc"),
        ("clarity_server.flows.ingest", "from google.protobuf import timestamp_pb2"),
        ("clarity_server.flows.ingest", "from google import protobuf"),
        ("clarity_server.flows.ingest", "from clarity.v1 import series_pb2"),
        ("clarity_server.flows.ingest", "import apsw"),
        ("clarity_server.flows.ingest", "import boto3.session"),
        ("clarity_server.domain.upload", "import sqlite3"),
        ("clarity_server.ports", "from clarity.v1 import series_pb2"),
        ("clarity_server.adapters.local.blobs", "import grpc.aio"),
        ("clarity_server.services.auth", "import apsw"),
    ],
)
def test_a_wire_or_vendor_below_its_floor_is_seen(name: str, source: str) -> None:
    assert len(broken(source, name)) == 1


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("clarity_server.server.run", "import os\nx = os.environ.get('CLARITY_X')"),
        ("clarity_server.server.run", "import os\nx = os.getenv('CLARITY_X')"),
        ("clarity_server.server.run", "from os import environ"),
        ("clarity_server.server.run", "try:\n    f()\nexcept Exception:\n    pass"),
        ("clarity_server.server.run", "try:\n    f()\nexcept (KeyError, BaseException) as error:\n    raise"),
        ("clarity_server.server.run", "try:\n    f()\nexcept:\n    pass"),
        ("clarity_server.server.run", "import contextlib\nwith contextlib.suppress(Exception):\n    f()"),
        ("clarity_server.flows.ingest", "async def f(): pass"),
        ("clarity_server.adapters.local.blobs", "import asyncio"),
        ("clarity.client", "import clarity_server.domain.upload"),
        ("clarity.client", "def f():\n    from clarity_server.server import run"),
    ],
)
def test_a_breach_of_the_single_places_is_seen(name: str, source: str) -> None:
    assert len(broken(source, name)) == 1


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("clarity_server.server.wiring", "from clarity_server.adapters.local import blobs"),
        ("clarity_server.server.boundary", "try:\n    f()\nexcept Exception:\n    pass"),
        ("clarity_server.config", "import os\nx = os.environ"),
        (
            "clarity_server.services.auth",
            "import grpc\nfrom clarity.v1 import auth_service_pb2\nasync def f(): pass",
        ),
        (
            "clarity_server.flows.ingest",
            "from clarity_server import ports\nfrom clarity_server.rhythm import sleep",
        ),
        ("clarity_server.adapters.local.series", "import apsw\nfrom clarity_server.ports import Series"),
        ("clarity_server.__main__", "import asyncio\nfrom clarity_server.server import run"),
        ("clarity_server.domain.upload", "from . import errors\nimport numpy as np"),
        ("clarity.cli", "import asyncio\nfrom clarity.v1 import auth_service_pb2"),
    ],
)
def test_what_the_house_allows_is_left_alone(name: str, source: str) -> None:
    assert broken(source, name) == []


def test_a_relative_import_in_a_package_is_read_from_that_package() -> None:
    assert broken("from . import errors", "clarity_server.domain", is_package=True) == []
    assert len(broken("from .. import ports", "clarity_server.domain", is_package=True)) == 1
