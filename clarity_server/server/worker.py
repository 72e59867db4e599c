"""The worker that derives results: one thread beside the calls, never in their way."""

import threading
import time
from collections.abc import Callable

from clarity_server.flows.analyze import Analyze
from clarity_server.server.boundary import failing

LOOK_EVERY_S = 1.0  # for what another process committed
DAYS_EVERY_S = 1.0  # a day in progress is derived again at most this often; ListDays does not wait for it


class Worker:
    """Derives what is due whenever it is woken."""

    def __init__(self, analyze: Analyze, on_results: Callable[[], object]) -> None:
        """Take the verbs and whom to tell of new results."""
        self._analyze = analyze
        self._on_results = on_results
        self._woken = threading.Event()
        self._stopped = False
        self._days_at = 0.0
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look now. May be called from any thread."""
        self._woken.set()

    def stop(self) -> None:
        """End after the derivation that is running; what is due stays in the store."""
        self._stopped = True
        self._woken.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped:
            self._woken.wait(LOOK_EVERY_S)
            self._woken.clear()
            failing(self._step)

    def _step(self) -> None:
        while not self._stopped and self._analyze.derive_results():
            self._on_results()
        if time.monotonic() - self._days_at < DAYS_EVERY_S:
            return
        while not self._stopped and not self._woken.is_set() and self._analyze.derive_days():
            pass
        self._days_at = time.monotonic()
