"""Histories by the thousand: most over two databases on one file, every eighth over two processes."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from clarity_server.ports import Keys
from tests.histories.plan import Plan, planned
from tests.histories.playing import (
    PROCESS_THREADS,
    SIDES,
    Play,
    Store,
    account_of,
    in_threads,
    keys_of,
    opened,
    processes,
)
from tests.histories.verdict import Wrong, afterwards, figures, judged

PROCESSES_EVERY = 8  # histories


@dataclass
class Stage:
    """Where histories are played, and what they had in them so far."""

    store: Store
    keys: Keys
    here: Play
    elsewhere: Play | None = None
    tally: Counter[str] = field(default_factory=Counter)

    def wrong(self, seeds: Iterable[int]) -> Iterator[Wrong]:
        """Play the histories of these seeds; yield those that do not hold."""
        return (found for found in map(self.play, seeds) if found is not None)

    def play(self, seed: int) -> Wrong | None:
        """Play the history of a seed; say what is wrong with it."""
        if self.elsewhere is None or seed % PROCESSES_EVERY:
            return self._played(planned(seed), self.here)
        self.tally["histories over two processes"] += 1
        return self._played(planned(seed, PROCESS_THREADS), self.elsewhere)

    def _played(self, plan: Plan, play: Play) -> Wrong | None:
        self.keys.create_data_key(account_of(plan.seed))
        calls = play(plan)
        self.tally.update(figures(calls))
        return judged(plan, self.store, [*calls, *afterwards(plan, self.store)])


@contextmanager
def stage(
    root: Path, disguised: Callable[[Store], Store] = lambda store: store, *, with_processes: bool = False
) -> Iterator[Stage]:
    """A stage on the stores in a directory; `disguised` puts something in front of each."""
    with ExitStack() as stack:
        stores = [disguised(stack.enter_context(opened(root))) for _ in range(SIDES)]
        elsewhere = stack.enter_context(processes(root)) if with_processes else None
        yield Stage(stores[0], keys_of(root), partial(in_threads, stores=stores), elsewhere)
