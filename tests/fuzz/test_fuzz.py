"""Whatever is sent: no crash, no INTERNAL, no memory that only grows. `python -m bench fuzz` sends far more."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clarity.local import Server, own_stores
from tests.fuzz.target import GROWN_KIB_MAX, SERVICES, inhabited

CALLS = 1000
SEED = 20_261_123


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(own_stores(tmp_path), tmp_path, log=tmp_path / "server.log") as running:
        yield running


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_no_request_breaks_a_service(server: Server, tmp_path: Path, service: str) -> None:
    with inhabited(server, tmp_path, SERVICES[service]) as target:
        fuzzed = target.run(CALLS, SEED)
    assert fuzzed.calls >= CALLS
    assert fuzzed.grown_kib < GROWN_KIB_MAX
    reached = {name.partition(" ")[0] for name in fuzzed.codes}
    assert reached == {method.name for method in SERVICES[service].methods}
