"""Chores: threads beside the calls that do what is due, every so often."""

import threading
from collections.abc import Callable

from clarity_server.server.boundary import failing


class Chore:
    """Runs what is due, again and again, until it is stopped. What fails is logged, and tried again."""

    def __init__(self, run_due: Callable[[], object], every_s: float, name: str) -> None:
        """Take the verb, how often, and what its thread is called."""
        self._run_due = run_due
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin, with a look at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is under way; what is due stays where it is."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        failing(self._run_due)
        while not self._stopped.wait(self._every_s):
            failing(self._run_due)
