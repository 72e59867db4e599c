"""A server for the tests of a module, and people at the `clarity` command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clarity import local
from tests.client.person import Person


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps everything."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[local.Server]:
    settings = {**local.own_stores(folder), "DRAIN_S": "5"}
    with local.Server(settings, folder, log=folder / "log") as running:
        yield running


@pytest.fixture
def stranger(server: local.Server, folder: Path, tmp_path: Path) -> Person:
    return Person(tmp_path / "home", server.address, local.outbox_of(folder))


@pytest.fixture
def person(stranger: Person, request: pytest.FixtureRequest) -> Person:
    """Somebody with an account of their own, signed in."""
    stranger.joins(f"{abs(hash(request.node.name)):x}@example.org")
    return stranger
