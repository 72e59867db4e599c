"""One fixture over every world: what a contract says holds in each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.worlds import WORLDS, World


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world with nothing in it, closed at the end."""
    with WORLDS[request.param](tmp_path) as opened:
        yield opened
