"""One world for the tests of uploads, reading and derivation."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.upload_world import UploadWorld, upload_world


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[UploadWorld]:
    """A world with nothing in it, closed at the end."""
    with upload_world(tmp_path) as opened:
        yield opened
