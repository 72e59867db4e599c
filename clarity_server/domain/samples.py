"""A sample: one discrete measurement, what may become of it, and the range of what is deleted."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from clarity_server.domain.civil import DAY_MS, TimeRange
from clarity_server.domain.ids import ID_BYTES, spelled
from clarity_server.domain.series import Source

DURATION_MS_MAX = DAY_MS
VERSION_MAX = 1 << 53  # JSON's whole numbers are exact up to here
CLIENT_RECORD_ID_CHARS_MAX = 128
CODE_CHARS_MAX = 64
VENDOR_CODE_CHARS_MAX = 128
FUTURE_MS_MAX = DAY_MS  # ahead of the server's clock
QUARANTINE_MAX = 10_000  # of an account
WRITE_SAMPLES_MAX = 1000
WRITE_BYTES_MAX = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was observed: its instant, its civil time, or both, in ms since 1970. One is known."""

    instant_ms: int | None
    civil_ms: int | None

    @property
    def utc_offset_s(self) -> int | None:
        """The offset from UTC, where both are known."""
        if self.instant_ms is None or self.civil_ms is None:
            return None
        return (self.civil_ms - self.instant_ms) // 1000

    @property
    def floating(self) -> bool:
        """Whether only civil time is known."""
        return self.instant_ms is None

    @property
    def axis_ms(self) -> int:
        """The instant where it is known, else the civil time."""
        if self.instant_ms is not None:
            return self.instant_ms
        assert self.civil_ms is not None, "one is known"
        return self.civil_ms


@dataclass(frozen=True, slots=True)
class Coded:
    """A code of a category, and what the vendor calls it."""

    code: str
    vendor_code: str = ""


Parts: TypeAlias = tuple[tuple[str, float], ...]
"""Values measured together: (metric, value in its unit), by metric."""
Value: TypeAlias = float | Coded | Parts


@dataclass(frozen=True, slots=True)
class Sample:
    """One discrete measurement over [start, end); a moment where `end` is None. Values are in the metric's unit."""

    metric: str
    source: Source
    client_record_id: str
    version: int
    start: Moment
    end: Moment | None
    value: Value

    @property
    def duration_ms(self) -> int:
        """How long it lasted; 0 for a moment."""
        return 0 if self.end is None else self.end.axis_ms - self.start.axis_ms


class Verdict(IntEnum):
    """What became of a sample. The numbers are those of the contract."""

    STORED = 1
    REPLACED = 2
    DUPLICATE = 3
    SUPERSEDED = 4
    CONFLICT = 5
    QUARANTINED = 6


class Reason(IntEnum):
    """Why a sample was put aside. The numbers are those of the contract."""

    IDENTITY_INVALID = 1
    METRIC_UNKNOWN = 2
    METRIC_NOT_DISCRETE = 3
    TIME_INVALID = 4
    TOO_LONG = 5
    IN_FUTURE = 6
    VALUE_INVALID = 7
    UNIT_UNKNOWN = 8
    UNIT_WRONG = 9
    OUT_OF_BOUNDS = 10
    FRACTION_SUSPECTED = 11
    CODE_UNKNOWN = 12
    PARTS_INCONSISTENT = 13


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a sample was put aside, and the same in words that name the field."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one sample. The digests are of a CONFLICT, the fault of one QUARANTINED."""

    sample_id: str
    verdict: Verdict
    stored_digest: bytes = b""
    sent_digest: bytes = b""
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """What the store holds under a sample's id: its version, its content's digest, and whether it was deleted."""

    version: int
    digest: bytes
    deleted: bool


def judge(held: Held | None, version: int, digest: bytes) -> Verdict:
    """Say what becomes of a sample that comes where `held` is: the higher version wins, a delete keeps its version."""
    if held is None:
        return Verdict.STORED
    if version > held.version:
        return Verdict.REPLACED
    if version < held.version or held.deleted:
        return Verdict.SUPERSEDED
    return Verdict.DUPLICATE if digest == held.digest else Verdict.CONFLICT


def sample_id(account_id: str, metric: str, source: Source, client_record_id: str) -> str:
    """Return the id of a sample's identity, 26 characters: the same identity always has the same one."""
    told = json.dumps([account_id, metric, source.device, source.app, client_record_id]).encode()
    return spelled(hashlib.sha256(told).digest()[:ID_BYTES])


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be deleted: these ids, or all that is of these metrics, this source and this time (None: of any)."""

    sample_ids: frozenset[str] = frozenset()
    metrics: frozenset[str] | None = None
    source: Source | None = None
    range: TimeRange | None = None
    floating: bool = False  # only what has no instant; with a civil range


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A range of a source's series that is deleted: in uploads of a lower revision it stays so, whenever they come."""

    metric: str
    source: Source
    range: TimeRange
    revision: int
    number: int = 0  # of its change


class DeviceKind(IntEnum):
    """What a source is. The numbers are those of the contract."""

    UNSPECIFIED = 0
    MEDICAL = 1
    CHEST_STRAP = 2
    WATCH = 3
    RING = 4
    BAND = 5
    BED_SENSOR = 6
    SCALE = 7
    PHONE = 8
    MANUAL = 9


PRIORITY_MAX = 1000
_BELIEF = (  # the most believed first
    DeviceKind.MEDICAL,
    DeviceKind.CHEST_STRAP,
    DeviceKind.WATCH,
    DeviceKind.RING,
    DeviceKind.BAND,
    DeviceKind.BED_SENSOR,
    DeviceKind.SCALE,
    DeviceKind.PHONE,
    DeviceKind.UNSPECIFIED,
    DeviceKind.MANUAL,
)


@dataclass(frozen=True, slots=True)
class SourceSetting:
    """What an account says of a source: what it is, and 1 to PRIORITY_MAX where it outranks the rest; 0 for none."""

    source: Source
    kind: DeviceKind = DeviceKind.UNSPECIFIED
    priority: int = 0


def belief(setting: SourceSetting) -> tuple[int, int, str, str]:
    """Sort sources by this: the most believed comes first. Total, and free of what arrived when."""
    source = setting.source
    return (setting.priority or PRIORITY_MAX + 1, _BELIEF.index(setting.kind), source.device, source.app)


def by_belief(sources: Sequence[Source], settings: Sequence[SourceSetting]) -> list[Source]:
    """Return sources, the most believed first."""
    known = {setting.source: setting for setting in settings}
    ranked = sorted((known.get(source, SourceSetting(source)) for source in set(sources)), key=belief)
    return [setting.source for setting in ranked]
