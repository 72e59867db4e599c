"""What the torture streams: seeded recordings of every shape the contract knows, the same at every run."""

import hashlib
import itertools
from dataclasses import dataclass, replace
from functools import lru_cache

import google_crc32c
import numpy as np
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.datetime_pb2 import DateTime, TimeZone
from numpy.typing import NDArray

from clarity.v1.series_pb2 import (
    ENCODING_FLOAT32,
    ENCODING_INT16,
    Chunk,
    OffsetChange,
    SeriesDescriptor,
    SeriesItem,
    Source,
)

MINUTES_A_DAY = 1440
INT16_NO_VALUE = -32768
ACTIVITY = "activity_counts_1min"
CHUNK_BYTES_MAX = 256 * 1024
SENT_BYTES = 64 * 1024  # of a chunk of a long recording
AN_HOUR = 60  # samples a chunk of a minute recording
SIX_HOURS = 6 * AN_HOUR  # the same of weeks

Values = NDArray[np.float32] | NDArray[np.int16]


@dataclass(frozen=True)
class Recording:
    """One recording as a client holds it."""

    name: str
    series: SeriesDescriptor
    values: bytes
    offsets_ms: NDArray[np.int64] | None = None
    moves: tuple[tuple[int, int], ...] = ()  # (first sample, new UTC offset in seconds)
    weeks: int = 0  # windows among its results
    earlier: "Recording | None" = None  # of the same source and sent before; it reaches into this one

    @property
    def upload_id(self) -> str:
        return f"torture-{self.name}"

    @property
    def width(self) -> int:
        """Bytes of one sample."""
        return (2 if self.series.encoding == ENCODING_INT16 else 4) * max(1, self.series.channels)

    @property
    def count(self) -> int:
        return len(self.values) // self.width

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.values).digest()

    @property
    def has_days(self) -> bool:
        return self.series.metric == ACTIVITY

    @property
    def contested(self) -> bool:
        """Whether not all of its minutes are read: the earlier recording has other values of the same revision."""
        return self.earlier is not None and self.earlier.series.revision == self.series.revision

    @property
    def chunk_samples(self) -> int:
        """How many samples a client of this recording usually sends at once."""
        if self.has_days:
            return SIX_HOURS if self.weeks else AN_HOUR
        return SENT_BYTES // self.width

    def crc32c(self, end: int) -> int:
        """The checksum of the value bytes of the samples before `end`."""
        return int(google_crc32c.value(self.values[: end * self.width]))

    def chunk(self, first: int, end: int) -> Chunk:
        """The samples [first, end), as a client should send them."""
        values = self.values[first * self.width : end * self.width]
        offsets = [] if self.offsets_ms is None else self.offsets_ms[first:end].tolist()
        return sealed(Chunk(first_sample=first, values=values, offsets_ms=offsets))

    def items(self, first: int, end: int) -> list[SeriesItem]:
        """The samples [first, end) in one chunk, cut where the clock moves."""
        cuts = [at for at, _ in self.moves if first <= at < end]
        return [
            item
            for low, high in itertools.pairwise(sorted({first, *cuts, end}))
            for item in (
                *([SeriesItem(offset_change=self.move(low))] if low in cuts else []),
                SeriesItem(chunk=self.chunk(low, high)),
            )
        ]

    def move(self, first: int) -> OffsetChange:
        """The move of the clock at a sample."""
        return OffsetChange(first_sample=first, utc_offset=Duration(seconds=dict(self.moves)[first]))


def sealed(chunk: Chunk) -> Chunk:
    """Give a chunk the checksum of what it holds."""
    offsets = np.array(chunk.offsets_ms, dtype="<i8").tobytes()
    chunk.crc32c = int(google_crc32c.extend(google_crc32c.value(chunk.values), offsets))
    return chunk


# ---- the catalogue ---------------------------------------------------------------------------------------------------

FLOATING = DateTime(year=1918, month=1, day=23, hours=13, minutes=58)
BERLIN = DateTime(
    year=2026, month=3, day=27, hours=20, time_zone=TimeZone(id="Europe/Berlin")
)  # a night before 29 March
AFTER_THREE_DAYS = DateTime(year=1918, month=1, day=26, hours=13, minutes=58)
TOKYO_S, DENVER_S = 9 * 3600, -7 * 3600
TOKYO = DateTime(year=2026, month=6, day=1, hours=8, utc_offset=Duration(seconds=TOKYO_S))
TOKYO_IN_MARCH = DateTime(year=2026, month=3, day=31, hours=2, utc_offset=Duration(seconds=TOKYO_S))
INSTANT = Timestamp(seconds=1_780_000_000)


@lru_cache(maxsize=1)
def catalogue() -> tuple[Recording, ...]:
    """All recordings; the plan of a point names one by its place here."""
    return (
        _minutes("floating", 2, FLOATING),
        _minutes("gaps", 3, FLOATING, missing=0.2),
        _minutes("zone", 3, BERLIN, missing=0.02),
        _minutes("travel", 3, TOKYO, moves=((1500, DENVER_S), (3000, TOKYO_S))),
        _minutes("int16", 2, TOKYO, int16=True, missing=0.05),
        _minutes("told-late", 3, INSTANT, moves=((700, TOKYO_S),)),
        _pulse("pulse", 150_000, period_ms=1000, missing=0.01),
        _pulse("pulse-int16", 90_000, int16=True, moves=((40_000, DENVER_S),)),
        _pulse("pulse-irregular", 40_000, missing=0.1),
        _noise("noise", 420_000),
        _acceleration("three-axes", 120_000),
        _whole("whole-numbers", 360_000),
        *_weeks(),
    )


def _weeks() -> tuple[Recording, ...]:
    """Recordings with windows, and how many each has: as many as midnights with seven days after them."""
    early = _minutes("weeks-early", 9, FLOATING, device="weeks-late", weeks=2)
    late = _minutes("weeks-late", 9, AFTER_THREE_DAYS, missing=0.02, revision=1, weeks=2)
    home = _minutes("weeks-home", 8, BERLIN, device="weeks-clash", weeks=1)
    clash = _minutes("weeks-clash", 9, TOKYO_IN_MARCH, int16=True, weeks=2)
    return (
        _minutes("weeks-floating", 10, FLOATING, missing=0.01, weeks=3),
        _minutes("weeks-zone", 10, BERLIN, missing=0.005, weeks=3),
        # Flown west over midnight, a date comes again; flown back, the week has its 10,080 minutes all the same.
        _minutes("weeks-travel", 12, TOKYO, moves=((4000, DENVER_S), (9000, TOKYO_S)), weeks=4),
        _minutes("weeks-gaps", 8, TOKYO, int16=True, missing=0.2, weeks=1),
        _minutes("weeks-told-late", 9, INSTANT, moves=((700, TOKYO_S),), weeks=2),
        replace(late, earlier=early),
        replace(clash, earlier=home),
    )


def _drawn(name: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))


def _described(
    device: str,
    metric: str,
    start: DateTime | Timestamp,
    *,
    period_ms: int | None,
    scale: float = 0.0,
    channels: int = 1,
    revision: int = 0,
) -> SeriesDescriptor:
    described = SeriesDescriptor(
        metric=metric,
        source=Source(device=f"wrist {device}", app="torture"),
        encoding=ENCODING_INT16 if scale else ENCODING_FLOAT32,
        scale=scale,
        channels=channels,
        revision=revision,
    )
    if isinstance(start, DateTime):
        described.civil.CopyFrom(start)
    else:
        described.instant.CopyFrom(start)
    if period_ms is not None:
        described.period.FromMilliseconds(period_ms)
    return described


def _packed(values: NDArray[np.float64], missing: NDArray[np.bool_], scale: float) -> bytes:
    """Encode values, with "no value" where they are missing."""
    if scale:
        whole = values.astype("<i2")
        whole[missing] = INT16_NO_VALUE
        return whole.tobytes()
    floats = values.astype("<f4")
    floats[missing] = np.float32("nan")
    return floats.tobytes()


def _minutes(
    name: str,
    days: int,
    start: DateTime | Timestamp,
    *,
    int16: bool = False,
    missing: float = 0.0,
    moves: tuple[tuple[int, int], ...] = (),
    device: str = "",
    revision: int = 0,
    weeks: int = 0,
) -> Recording:
    """Days of activity counts: active by day, still by night, some hours not worn."""
    rng, count, scale = _drawn(name), days * MINUTES_A_DAY + 137, 1.0 if int16 else 0.0
    hour = np.arange(count) / 60 % 24
    active = rng.random(count) < np.where((hour > 2) & (hour < 9), 0.04, 0.7)
    counts = np.where(active, rng.integers(1, 900, count), 0).astype(np.float64)
    counts[count // 3 : count // 3 + 150] = 0
    series = _described(device or name, ACTIVITY, start, period_ms=60_000, scale=scale, revision=revision)
    return Recording(name, series, _packed(counts, rng.random(count) < missing, scale), moves=moves, weeks=weeks)


def _pulse(
    name: str,
    count: int,
    *,
    period_ms: int | None = None,
    int16: bool = False,
    missing: float = 0.0,
    moves: tuple[tuple[int, int], ...] = (),
) -> Recording:
    """A heart rate; irregular without a period."""
    rng, scale = _drawn(name), 0.5 if int16 else 0.0
    values = np.clip(70 + np.cumsum(rng.integers(-2, 3, count)), 40, 180).astype(np.float64)
    offsets = None if period_ms else np.cumsum(rng.integers(1, 4000, count)).astype(np.int64)
    series = _described(name, "heart_rate", TOKYO if moves else FLOATING, period_ms=period_ms, scale=scale)
    return Recording(name, series, _packed(values, rng.random(count) < missing, scale), offsets, moves)


def _noise(name: str, count: int) -> Recording:
    """Values that do not compress: their segments are too large for a row and lie in blobs."""
    values = _drawn(name).normal(70, 10, count)
    series = _described(name, "heart_rate", INSTANT, period_ms=1000)
    return Recording(name, series, _packed(values, np.zeros(count, bool), 0.0))


def _acceleration(name: str, count: int) -> Recording:
    """Three interleaved channels at 25 Hz."""
    rng = _drawn(name)
    values = rng.normal(0, 2000, (count, 3))
    missing = np.repeat(rng.random(count) < 0.01, 3)
    series = _described(name, "accelerometer_raw", TOKYO, period_ms=40, scale=1 / 4096, channels=3)
    return Recording(name, series, _packed(values.reshape(-1), missing, 1 / 4096))


def _whole(name: str, count: int) -> Recording:
    """Whole numbers drawn wide: they compress to a half, so that they fill a quota and still fit into rows."""
    rng = _drawn(name)
    series = _described(name, "heart_rate", FLOATING, period_ms=1000)
    return Recording(name, series, _packed(rng.integers(0, 4096, count).astype(np.float64), np.zeros(count, bool), 0.0))
