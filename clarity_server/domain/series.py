"""A series: what a recording is, how its values are encoded, and the pieces the store keeps."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.civil import OffsetChange, Start
from clarity_server.domain.errors import ChunkMalformed, ValueNotFinite

CHUNK_BYTES_MAX = 256 * 1024
CHANNELS_MAX = 16
REVISION_MAX = 1_000_000
PERIOD_MS_MAX = 24 * 3600 * 1000
OFFSET_MS_MAX = 3653 * 24 * 3600 * 1000  # ten years: the last sample of a recording, since its first
OFFSET_CHANGES_MAX = 1000  # in one upload
SCALE_MAX = float(np.float32(1e34))  # times 2**15 is just below the largest float32: no int16 becomes infinite
NO_VALUE_INT16 = -32768
NO_VALUE_FLOAT32_BITS = 0x7FC00000
EXPONENT_BITS = 0x7F800000  # all ones: an infinity or a NaN


class Encoding(IntEnum):
    """How values lie in bytes, little-endian."""

    FLOAT32 = 1
    INT16 = 2

    @property
    def width(self) -> int:
        """Bytes per value."""
        return 4 if self is Encoding.FLOAT32 else 2


@dataclass(frozen=True, slots=True)
class Source:
    """The device and app a series came from."""

    device: str
    app: str = ""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Describes a recording once; identical at every opening of its upload."""

    metric: str
    source: Source
    start: Start
    period_ms: int | None  # None: irregular, every chunk carries offsets
    encoding: Encoding = Encoding.FLOAT32
    scale: float = 1.0
    channels: int = 1
    revision: int = 0

    @property
    def sample_bytes(self) -> int:
        """Bytes per sample, all channels."""
        return self.encoding.width * self.channels

    def difference(self, other: "Descriptor") -> str | None:
        """Name the first field in which two descriptors differ, or None."""
        fields = ("metric", "source", "start", "period_ms", "encoding", "scale", "channels", "revision")
        return next((name for name in fields if getattr(self, name) != getattr(other, name)), None)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a recording as it came, its checksum already verified."""

    first_sample: int
    values: bytes
    offsets_ms: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """An immutable, acknowledged piece of a series in the store.

    `body` is encoded and sealed; the store never sees a value. `start_ms` and `end_ms` are on the upload's axis:
    instants where they are known, civil times where the recording floats.
    """

    account_id: str
    metric: str
    day: int  # start_ms // one day: a storage key only, civil days are derived elsewhere
    upload_id: str
    first_sample: int
    count: int
    start_ms: int
    end_ms: int
    body: bytes

    @property
    def key(self) -> str:
        """The segment's name, which is also what its seal is bound to."""
        return segment_key(self.account_id, self.metric, self.day, self.upload_id, self.first_sample, self.count)


def segment_key(account_id: str, metric: str, day: int, upload_id: str, first_sample: int, count: int) -> str:
    """Name a segment."""
    return f"{account_id}|{metric}|{day}|{upload_id}|{first_sample}|{count}"


class ClosingKind(IntEnum):
    """What has closed."""

    DAY = 0
    WINDOW = 1


@dataclass(frozen=True, slots=True)
class Closing:
    """A civil day, or a window, that an upload has gone beyond: a result is due, over samples before `end_sample`."""

    number: int
    civil_day: int  # days since 1970-01-01; of a window, its first
    end_sample: int
    kind: ClosingKind = ClosingKind.DAY


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a finished upload came to: total = value + missing."""

    total_samples: int
    value_samples: int
    missing_samples: int
    sha256: bytes
    crc32c: int
    result_count: int


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """An upload as the store has it."""

    upload_id: str
    descriptor: Descriptor
    epoch: int
    committed: int
    crc32c: int  # of the value bytes of the committed samples
    value_samples: int
    offset_changes: tuple[OffsetChange, ...]
    last_offset_ms: int  # of the newest committed sample of an irregular series; -1 before the first
    result_count: int  # results due so far, derived or not
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class Append:
    """One Series transaction: segments, the new count, and all that follows from it.

    Holds only if the upload still has `before` as its count and epoch; the adapter then gives the account its next
    change number in the same transaction.
    """

    account_id: str
    before: StoredUpload
    after: StoredUpload
    segments: tuple[Segment, ...]
    touched_days: tuple[int, ...]  # civil days whose Day must be derived again
    closings: tuple[Closing, ...]


def check_values(values: bytes, encoding: Encoding, first_sample: int, channels: int) -> None:
    """Refuse infinities and non-canonical NaNs. Raises ValueNotFinite with the sample."""
    if encoding is Encoding.INT16:
        return
    if np.isfinite(np.frombuffer(values, dtype="<f4")).all():  # a fifth of the time of the exact look below
        return
    bits = np.frombuffer(values, dtype="<u4")
    special = (bits & EXPONENT_BITS) == EXPONENT_BITS
    if not special.any():
        return
    wrong = special & (bits != NO_VALUE_FLOAT32_BITS)
    if wrong.any():
        raise ValueNotFinite(sample=first_sample + int(np.argmax(wrong)) // channels)


def missing_count(values: bytes, encoding: Encoding, channels: int) -> int:
    """Count samples with "no value" in every channel."""
    if encoding is Encoding.FLOAT32:
        missing = np.frombuffer(values, dtype="<u4") == NO_VALUE_FLOAT32_BITS
    else:
        missing = np.frombuffer(values, dtype="<i2") == NO_VALUE_INT16
    if channels > 1:
        missing = missing.reshape(-1, channels).all(axis=1)
    return int(np.count_nonzero(missing))


def as_float32(values: bytes, descriptor: Descriptor) -> NDArray[np.float32]:
    """Return the values in the metric's unit, flat, NaN for "no value"."""
    if descriptor.encoding is Encoding.FLOAT32:
        return np.frombuffer(values, dtype="<f4")
    raw = np.frombuffer(values, dtype="<i2")
    scaled = (raw * np.float64(descriptor.scale)).astype(np.float32)
    scaled[raw == NO_VALUE_INT16] = np.float32("nan")
    return scaled


def check_offsets(offsets_ms: NDArray[np.int64], first_sample: int) -> None:
    """Demand strictly increasing offsets within bounds. Raises ChunkMalformed."""
    # Compared and not subtracted: a difference of two int64 may wrap around and look like an increase.
    if offsets_ms[0] < 0 or offsets_ms[-1] > OFFSET_MS_MAX or (offsets_ms[1:] <= offsets_ms[:-1]).any():
        raise ChunkMalformed(
            f"the offsets of the chunk at sample {first_sample} must increase strictly from 0 to {OFFSET_MS_MAX}"
        )
