"""What each thread of a history asks, and when all of them meet: drawn from a seed, the same each time."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.histories.model import Count, Delete, Get, ListAll, Newest, Operation, Sent, Write

NAMES_MAX = 3
VERSIONS = 3  # in play at a time: they rise with the turns
CONTENTS = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """One history as it is planned. Who comes first where threads do not meet is for the machine to say."""

    seed: int
    names: int
    threads: tuple[tuple[Operation, ...], ...]
    meetings: frozenset[int]  # turns before which every thread waits for all others


def planned(seed: int, threads: int | None = None) -> Plan:
    """Draw a history: 3 to 5 threads of 4 to 6 operations on 1 to 3 samples."""
    draw = random.Random(seed)
    names, turns = draw.randint(1, NAMES_MAX), draw.randint(4, 6)
    asked = list[Operation]()
    columns = [
        tuple(_operation(draw, names, asked, turn) for turn in range(turns))
        for _ in range(threads or draw.randint(3, 5))
    ]
    meetings = frozenset(turn for turn in range(turns) if turn == 0 or draw.random() < draw.choice([0.2, 0.8]))
    return Plan(seed, names, tuple(columns), meetings)


def _operation(draw: random.Random, names: int, asked: list[Operation], turn: int) -> Operation:
    some = _some(draw, names)
    kinds: list[Operation] = [
        _write(draw, names, asked, turn),
        Delete(some),
        Get(some),
        ListAll(),
        Count(some),
        Newest(),
    ]
    operation = draw.choices(kinds, [10, 4, 3, 2, 1, 1])[0]
    asked.append(operation)
    return operation


def _write(draw: random.Random, names: int, asked: Sequence[Operation], turn: int) -> Write:
    """A new write, or now and then one that somebody sends again, or another under the same request_id."""
    sent = tuple(
        Sent(draw.randrange(names), turn + draw.randrange(VERSIONS), draw.randrange(CONTENTS), draw.random() < 1 / 8)
        for _ in range(draw.choice([1, 1, 1, 2, 3]))
    )
    earlier = [one for one in asked if isinstance(one, Write) and one.request_id]
    if earlier and draw.random() < 1 / 4:
        again = draw.choice(earlier)
        return again if draw.random() < 3 / 4 else Write(sent, again.request_id)
    return Write(sent, f"request-{len(asked)}" if draw.random() < 1 / 3 else "")


def _some(draw: random.Random, names: int) -> tuple[int, ...]:
    return tuple(sorted(draw.sample(range(names), draw.choice([1, 1, min(2, names)]))))
