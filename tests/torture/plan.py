"""What happens at a point, decided by its seed alone."""

import random
from dataclasses import dataclass
from enum import StrEnum

from tests.torture.recordings import catalogue


class Fault(StrEnum):
    """What is done to an upload, or by it."""

    KILL_AFTER_CHUNK = "server killed after a chunk"
    KILL_SOON = "server killed a moment later"
    KILL_ON_ACK = "server killed on an acknowledgement"
    KILL_ON_FINISH = "server killed before the receipt"
    KILL_IN_APPEND = "server killed in a unary append"
    CLIENT_DROPPED = "client dropped its connection"
    CLIENT_RESET = "client reset its stream"
    CLIENT_KILLED = "client process killed"
    DUPLICATED = "chunks duplicated"
    OVERLAPPING = "chunks overlapping"
    REORDERED = "chunks reordered"
    CORRUPTED = "bytes corrupted"
    TRUNCATED = "chunk truncated"
    CONFLICTING = "other content in an overlap"
    PAUSED = "paused"
    TAKEN_OVER = "taken over"
    UNARY = "switched to the unary twin"
    WRONG_FIGURES = "finished with wrong figures"
    DISK_FULL = "disk full"
    QUOTA_FULL = "quota full"
    DRAINED = "drained by SIGTERM"


FAULTS = tuple(Fault)
LEGS_MAX = 3
MODEL_SHARE = 0.07  # of the recordings with weeks: PyTorch takes seconds at every start
# Starting a process takes longer than all the rest: every kind of kill begins its share of the points, follows in few.
STARTING = frozenset(one for one in FAULTS if "server killed" in one.value) | {Fault.DRAINED}
NEVER_LATER = frozenset({Fault.DISK_FULL, Fault.QUOTA_FULL, Fault.CLIENT_KILLED})
LATER = {one: 1 if one in STARTING else 3 for one in FAULTS if one not in NEVER_LATER}


@dataclass(frozen=True, slots=True)
class Leg:
    """One stretch of an upload, and what goes wrong in it."""

    fault: Fault
    at: float  # how far into what is left, 0 to 1
    chunk_samples: int
    delay_s: float  # before a kill, or in a pause
    variant: int  # which of a fault's kinds
    back: int  # samples sent again at the start, already acknowledged


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a point does before its recording is finished and compared."""

    seed: int
    recording: int  # in the catalogue
    legs: tuple[Leg, ...]
    unary_finish: bool
    reopened: bool  # whether the finished upload is opened again
    model: bool = False  # whether a model reads the weeks


def plan(seed: int) -> Plan:
    """The plan of a seed: its first fault follows from its place in the row of seeds, all else is drawn."""
    drawn = random.Random(seed)
    following = drawn.choices(list(LATER), weights=list(LATER.values()), k=drawn.randrange(LEGS_MAX))
    faults = [FAULTS[seed % len(FAULTS)], *following]
    recording = drawn.randrange(len(catalogue()))
    usual = catalogue()[recording].chunk_samples
    legs = tuple(_leg(drawn, fault, usual) for fault in faults)
    return Plan(
        seed,
        recording,
        legs,
        unary_finish=drawn.random() < 0.3,
        reopened=drawn.random() < 0.3,
        model=catalogue()[recording].weeks > 0 and drawn.random() < MODEL_SHARE,
    )


def _leg(drawn: random.Random, fault: Fault, usual: int) -> Leg:
    size = max(1, int(usual * drawn.choice((0.25, 0.5, 1.0, 1.0, 1.9))))
    back = drawn.choice((0, 0, 1, size, 3 * size))
    delay = drawn.choice((0.0, drawn.uniform(0, 0.005), drawn.uniform(0, 0.05)))
    return Leg(fault, drawn.uniform(0.05, 0.9), size, delay, drawn.randrange(1 << 16), back)
