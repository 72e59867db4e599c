"""The bytes of a segment: columnar, delta + zstd, and the exact way back.

Format 1 (`INTEGRAL`): float32 values that are whole numbers up to 2**24: zigzag int32 deltas, bytes transposed, zstd.
Format 2 (`BITS`): any float32, as its bits: XOR with the value before, bytes transposed, zstd.
Format 3 (`INTEGRAL16`): int16 values, in the same way.
A leading byte names the format; an irregular series has its offsets as zigzag int64 deltas in a second frame. Decoding
gives the bytes as they were sent, bit for bit, so that digests can be recomputed from the store.
"""

import struct
import threading
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import zstandard
from numpy.typing import NDArray

from clarity_server.domain.series import NO_VALUE_FLOAT32_BITS, Encoding

INTEGRAL, BITS, INTEGRAL16 = 1, 2, 3
LEVEL = 1  # higher levels gain 2-4 % on counts and cost twice the time
INTEGRAL_MAX = 1 << 24  # float32 holds every whole number up to here
HEADER = struct.Struct("<BBI")  # format, channels, bytes of the values frame
RAW_BYTES_MAX = 64 * 1024 * 1024  # of one decoded segment: a damaged length cannot exhaust memory
NO_VALUE = np.int32(-(1 << 31))

T = TypeVar("T", bound=np.signedinteger[Any])


@dataclass(frozen=True, slots=True)
class Plain:
    """A segment's content: value bytes as sent, and the offsets of an irregular series."""

    values: bytes
    offsets_ms: NDArray[np.int64] | None = None


def encode(plain: Plain, encoding: Encoding, channels: int) -> bytes:
    """Pack a segment's content."""
    form, integers = _integers(plain.values, encoding)
    frame = _pack(_delta(integers, channels, exclusive=form == BITS))
    offsets = b"" if plain.offsets_ms is None else _pack(_delta(plain.offsets_ms.astype("<i8"), 1, exclusive=False))
    return HEADER.pack(form, channels, len(frame)) + frame + offsets


def decode(body: bytes) -> Plain:
    """Unpack a segment's content. Raises ValueError on bytes that are none of ours."""
    try:
        form, channels, length = HEADER.unpack_from(body)
        frame, rest = body[HEADER.size : HEADER.size + length], body[HEADER.size + length :]
        integers = _sum(_unpack(frame, "<i4"), channels, exclusive=form == BITS)
        offsets = _sum(_unpack(rest, "<i8"), 1, exclusive=False) if rest else None
        return Plain(_values(form, integers), offsets)
    except (struct.error, zstandard.ZstdError) as why:
        raise ValueError(str(why)) from why


def _integers(values: bytes, encoding: Encoding) -> tuple[int, NDArray[np.int32]]:
    """Return the values as int32 and the format that leads back."""
    if encoding is Encoding.INT16:
        return INTEGRAL16, np.frombuffer(values, dtype="<i2").astype(np.int32)
    bits = np.frombuffer(values, dtype="<i4")
    floats = np.frombuffer(values, dtype="<f4")
    with np.errstate(invalid="ignore"):
        whole = floats.astype(np.int32)
    missing = bits == NO_VALUE_FLOAT32_BITS
    whole[missing] = 0
    # Compare bits, not numbers: -0.0 and 3.5 must come back as they were.
    back = whole.astype("<f4").view("<i4")
    back[missing] = NO_VALUE_FLOAT32_BITS
    # The bounds keep out what a cast makes of too large a value (which differs between machines), and NO_VALUE itself.
    if whole.min() < -INTEGRAL_MAX or whole.max() > INTEGRAL_MAX or not np.array_equal(back, bits):
        return BITS, bits
    whole[missing] = NO_VALUE
    return INTEGRAL, whole


def _values(form: int, integers: NDArray[np.int32]) -> bytes:
    if form == INTEGRAL16:
        return integers.astype("<i2").tobytes()
    if form == BITS:
        return integers.astype("<i4").tobytes()
    if form != INTEGRAL:
        raise ValueError(f"unknown segment format {form}")
    floats = integers.astype("<f4")
    floats.view("<i4")[integers == NO_VALUE] = NO_VALUE_FLOAT32_BITS
    return floats.tobytes()


def _delta(values: NDArray[T], channels: int, *, exclusive: bool) -> NDArray[T]:
    """Return each value's difference from the sample before in its channel; wraps, so nothing is lost.

    Differences are zigzag numbers (0, -1, 1, -2, …): the high bytes of small ones are zero whatever their sign. On
    counts that is a third fewer bytes, compressed twice as fast.
    """
    deltas = values.copy()
    operation = np.bitwise_xor if exclusive else np.subtract
    operation(values[channels:], values[:-channels], out=deltas[channels:])
    return deltas if exclusive else cast("NDArray[T]", (deltas << 1) ^ (deltas >> _top_bit(deltas)))


def _sum(deltas: NDArray[T], channels: int, *, exclusive: bool) -> NDArray[T]:
    operation = np.bitwise_xor if exclusive else np.add
    if not exclusive:
        deltas = cast("NDArray[T]", (deltas >> 1 & ~(-1 << _top_bit(deltas))) ^ -(deltas & 1))
    rows = deltas.reshape(-1, channels)
    return np.asarray(operation.accumulate(rows, axis=0, dtype=deltas.dtype)).reshape(-1)


def _top_bit(integers: NDArray[T]) -> int:
    return integers.dtype.itemsize * 8 - 1


class _Zstd(threading.local):
    """A compressor and a decompressor a thread: making them anew costs a small segment more than its bytes do."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=LEVEL)
        self.decompressor = zstandard.ZstdDecompressor()


_ZSTD = _Zstd()


def _pack(integers: NDArray[np.signedinteger[Any]]) -> bytes:
    """Transpose the bytes, so that the rarely changing ones stand together, and compress."""
    width = integers.dtype.itemsize
    planes = np.ascontiguousarray(integers).view(np.uint8).reshape(-1, width).T
    return _ZSTD.compressor.compress(planes.tobytes())


def _unpack(frame: bytes, dtype: str) -> NDArray[np.signedinteger[Any]]:
    width = np.dtype(dtype).itemsize
    # The decompressor would allocate whatever size the frame declares.
    if zstandard.get_frame_parameters(frame).content_size > RAW_BYTES_MAX:
        raise ValueError("the frame is larger than any of ours")
    planes = _ZSTD.decompressor.decompress(frame, max_output_size=RAW_BYTES_MAX, allow_extra_data=False)
    return np.frombuffer(planes, dtype=np.uint8).reshape(width, -1).T.copy().view(dtype).reshape(-1)
