"""Where the built things lie, and how the tests start an Envoy and wait for what it does."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from clarity import edge

DESCRIPTORS = Path(__file__).parents[2] / "build" / "clarity.binpb"
READY_WITHIN_S = 30.0
POLL_S = 0.02


class StartEdge(Protocol):
    """Starts an Envoy before a server on this machine; it is stopped when the tests end."""

    def __call__(self, server_port: int, changes: dict[str, str] | None = None) -> edge.Edge:
        """`changes` are literals of envoy.yaml and what takes their place."""


def until(holds: Callable[[], bool], within_s: float = READY_WITHIN_S) -> None:
    """Wait for something that happens in another process. Raises AssertionError when it does not."""
    give_up = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < give_up, f"it did not happen within {within_s:g} s"
        time.sleep(POLL_S)
