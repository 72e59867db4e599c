"""Chores: each looks at once and again and again, and a failure stops nothing."""

import threading

from clarity_server.server.chores import Chore

SOON_S = 30.0  # how long a test waits for what comes at once, before it fails


class Work:
    """Counts how often it was run; the first time it fails."""

    def __init__(self) -> None:
        self.times = 0
        self.thrice = threading.Event()

    def __call__(self) -> int:
        self.times += 1
        if self.times == 1:
            raise OSError("no disk")
        if self.times == 3:
            self.thrice.set()
        return 0


def test_it_runs_again_after_a_failure_and_not_after_its_end() -> None:
    work = Work()
    chore = Chore(work, 0.0, "chore")
    chore.start()
    assert work.thrice.wait(SOON_S)
    chore.stop()
    times = work.times
    assert not any(thread.name == "chore" for thread in threading.enumerate())
    assert work.times == times


def test_it_looks_at_once_and_ends_without_waiting_for_its_turn() -> None:
    looked = threading.Event()
    chore = Chore(looked.set, 3600.0, "chore")
    chore.start()
    assert looked.wait(SOON_S)
    chore.stop()
