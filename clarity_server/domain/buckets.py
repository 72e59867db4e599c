"""Buckets of time, and what may be said of each: the nouns of an aggregate."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from clarity_server.domain.metrics import Aggregation
from clarity_server.domain.series import Source

BUCKETS_MAX = 1_000_000  # of a range
PAGE_BUCKETS = 366
PAGE_BUCKETS_MAX = 5_000
LENGTH_MS_MIN = 1_000
LENGTH_MS_MAX = 366 * 24 * 3600 * 1000
PERCENTILES_MAX = 20


class Function(IntEnum):
    """A number that sums up a bucket. The numbers are those of the contract."""

    COUNT = 1
    SUM = 2
    MEAN = 3
    MIN = 4
    MAX = 5
    PERCENTILES = 6
    DURATION = 7


class Unit(IntEnum):
    """A bucket of the person's clock. The numbers are those of the contract."""

    DAY = 1
    WEEK = 2  # from Monday
    MONTH = 3


class BucketState(IntEnum):
    """How a bucket stands. The numbers are those of the contract."""

    VALUE = 1
    UNSET = 2
    NOT_WORN = 3


_SPREAD = frozenset({Function.MEAN, Function.MIN, Function.MAX, Function.PERCENTILES})
APPLICABLE: Mapping[Aggregation, frozenset[Function]] = {
    Aggregation.NONE: frozenset(),
    Aggregation.SUM: frozenset({Function.COUNT, Function.SUM}),
    Aggregation.MEAN: frozenset({Function.COUNT}) | _SPREAD,
    Aggregation.BOTH: frozenset({Function.COUNT, Function.SUM}) | _SPREAD,
    Aggregation.DURATION: frozenset({Function.COUNT, Function.DURATION}),
}


@dataclass(frozen=True, slots=True)
class CodeDuration:
    """How long a code lasted in a bucket, and how many stretches of it began there."""

    code: str
    duration_ms: int
    count: int


@dataclass(frozen=True, slots=True)
class Share:
    """What one source says of a bucket. `alone` is what would be said if it were the only one."""

    source: Source
    chosen_minutes: int
    passed_over_minutes: int
    alone: "Bucket"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A stretch of time summed up. Start and end are on the kind of time of the range; the length is physical.

    A function has None where it was not asked for or there is no value.
    """

    start_ms: int
    end_ms: int
    length_ms: int
    state: BucketState
    covered_minutes: int
    not_worn_minutes: int
    unset_minutes: int
    count: int | None = None
    sum: float | None = None
    mean: float | None = None
    min: float | None = None
    max: float | None = None
    percentiles: tuple[tuple[float, float], ...] = ()  # (which, its value), in the order asked
    durations: tuple[CodeDuration, ...] = ()  # by code
    shares: tuple[Share, ...] = ()  # the most believed first
