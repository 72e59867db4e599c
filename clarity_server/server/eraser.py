"""The eraser: a thread beside the calls that erases what is due."""

import threading
from collections.abc import Callable

from clarity_server.server.boundary import failing

LOOK_EVERY_S = 10.0  # an erasure begins at most so long after its time


class Eraser:
    """Runs what is due, again and again, until it is stopped."""

    def __init__(self, run_due: Callable[[], object], every_s: float = LOOK_EVERY_S) -> None:
        """Take the verb."""
        self._run_due = run_due
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="eraser", daemon=True)

    def start(self) -> None:
        """Begin, with a look at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the erasure that is running; what is due stays in the ledger and the stores."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        failing(self._run_due)
        while not self._stopped.wait(self._every_s):
            failing(self._run_due)
