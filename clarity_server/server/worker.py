"""The workers that derive results: two threads beside the calls, never in their way.

One derives days, the other windows: a day never waits for a model.
"""

import threading
import time
from collections.abc import Callable

from clarity_server.flows.analyze import Analyze
from clarity_server.server.boundary import failing

LOOK_EVERY_S = 1.0  # for what another process committed
PATIENCE_TURNS = 8  # how many pages of windows that somebody waits for go before one of those that nobody does
DAYS_EVERY_S = 1.0  # a day in progress is derived again at most this often; ListDays does not wait for it
DAYS_BESIDE_WEEKS_S = 10.0  # and while somebody waits for a week, only so often: both want the same interpreter


class Worker:
    """Derives what is due whenever it is woken."""

    def __init__(self, analyze: Analyze, on_results: Callable[[], object]) -> None:
        """Take the verbs and whom to tell of new results."""
        self._analyze = analyze
        self._on_results = on_results
        self._stopped = False
        self._days_at = 0.0
        self._weeks_wait = False  # whether somebody waits for a week
        self._lanes = (_Lane("days", self._derive_days), _Lane("windows", self._derive_windows))

    def start(self) -> None:
        """Begin."""
        for lane in self._lanes:
            lane.start()

    def wake(self) -> None:
        """Look now. May be called from any thread."""
        for lane in self._lanes:
            lane.woken.set()

    def stop(self) -> None:
        """End after the derivations that are running; what is due stays in the store."""
        self._stopped = True
        for lane in self._lanes:
            lane.stop()

    def _derive_days(self) -> None:
        days, _ = self._lanes
        while not self._stopped and self._analyze.derive_day_results():
            self._on_results()
        waited_s = time.monotonic() - self._days_at
        if waited_s < (DAYS_BESIDE_WEEKS_S if self._weeks_wait else DAYS_EVERY_S):
            return
        while not self._stopped and not days.woken.is_set() and self._analyze.derive_days():
            self._lanes[1].woken.set()  # a changed day makes windows due
        self._days_at = time.monotonic()

    def _derive_windows(self) -> None:
        """A page of each queue in turn, so that all get on; but who uploads, or has asked, waits for an answer."""
        analyze, turn = self._analyze, 0
        while not self._stopped:
            turn += 1
            done = analyze.derive_window_results() + analyze.derive_analyses()
            self._weeks_wait = bool(done)
            if not done or turn % PATIENCE_TURNS == 0:
                done += analyze.derive_windows()
            if not done:
                return
            self._on_results()


class _Lane:
    """A thread that does one kind of work whenever it is woken, and once in a while."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.woken = threading.Event()
        self._work = work
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=f"worker-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped = True
        self.woken.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped:
            self.woken.wait(LOOK_EVERY_S)
            self.woken.clear()
            failing(self._work)
