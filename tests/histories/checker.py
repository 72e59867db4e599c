"""Whether concurrent calls were answered as if they had come one after the other: linearizability.

Each call must seem to take effect at one moment between its beginning and its end (Herlihy and Wing, "Linearizability:
a correctness condition for concurrent objects", TOPLAS 1990). The search is that of Wing and Gong ("Testing and
verifying concurrent objects", JPDC 1993): of the calls that had begun before any other was over, take one as the first,
see whether a sequential object would answer it so, and go on with the rest. With Lowe's memory ("Testing for
linearizability", Concurrency and Computation 2017): the same calls done and the same state reached need no second look,
in whatever order they were done.

No maintained library on PyPI does it (Porcupine is in Go, Knossos in Clojure, todc-utils in Rust).
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)
O = TypeVar("O")  # noqa: E741  an operation
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Call(Generic[O, A]):
    """One operation as it was seen from outside: who asked what, when it began and ended, and what was answered."""

    who: str
    begun: int  # by a clock that all share
    ended: int
    asked: O
    answer: A


Step = Callable[[S, O], tuple[S, A]]
"""The sequential object: state, operation → state after it, and its answer."""


@dataclass(frozen=True, slots=True)
class Finding(Generic[O, A]):
    """An order of the calls that explains their answers; or else the longest one that explains some of them."""

    order: tuple[Call[O, A], ...]
    left: tuple[Call[O, A], ...]  # none of which could be answered as it was, after those

    @property
    def linearizable(self) -> bool:
        """Whether all calls are explained."""
        return not self.left


def linearized(
    calls: Sequence[Call[O, A]], state: S, step: Step[S, O, A], reads: tuple[type, ...] = ()
) -> Finding[O, A]:
    """Look for an order in which a sequential object, from `state` on, answers every call as it was answered.

    `reads` are operations that never change anything.
    """
    return _Search(sorted(calls, key=lambda call: call.begun), step, reads).run(state)


class _Search(Generic[S, O, A]):
    def __init__(self, calls: Sequence[Call[O, A]], step: Step[S, O, A], reads: tuple[type, ...]) -> None:
        self._calls, self._step, self._reads = calls, step, reads
        self._seen: set[tuple[int, S]] = set()
        self._longest: tuple[int, ...] = ()

    def run(self, state: S) -> Finding[O, A]:
        self._explains(0, state, ())
        left = (call for number, call in enumerate(self._calls) if number not in self._longest)
        return Finding(tuple(self._calls[number] for number in self._longest), tuple(left))

    def _explains(self, done: int, state: S, order: tuple[int, ...]) -> bool:
        """Whether the calls that are not in the set of bits `done` can follow on a state."""
        if len(order) > len(self._longest):
            self._longest = order
        if len(order) == len(self._calls):
            return True
        if (done, state) in self._seen:
            return False
        self._seen.add((done, state))
        for number in self._first(done):
            call = self._calls[number]
            after, answer = self._step(state, call.asked)
            if answer != call.answer:
                continue
            if self._explains(done | 1 << number, after, (*order, number)):
                return True
            if isinstance(call.asked, self._reads):
                return False  # it could come first in any order that explains the rest, so there is none
        return False

    def _first(self, done: int) -> Iterator[int]:
        """Yield those of the calls left that may have been the first: begun before any of them was over."""
        over = min(call.ended for number, call in enumerate(self._calls) if not done >> number & 1)
        for number, call in enumerate(self._calls):
            if call.begun > over:
                return  # and so have all that follow
            if not done >> number & 1:
                yield number
