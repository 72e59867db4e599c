"""The bytes of a segment: columnar, delta + zstd, and the exact way back.

Format 1 (`INTEGRAL`): float32 values that are whole numbers up to 2**24: zigzag int32 deltas, bytes transposed, zstd.
Format 2 (`BITS`): any float32, as its bits: XOR with the value before, bytes transposed, zstd.
Format 3 (`INTEGRAL16`): int16 values, in the same way.
Format 4 (`NARROW`): float32 values that are whole numbers within int16: as zigzag int16 deltas.
Format 5 (`NARROW_PLAIN`): the same without deltas, where a trial of the first values says that this takes less.
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

INTEGRAL, BITS, INTEGRAL16, NARROW, NARROW_PLAIN = 1, 2, 3, 4, 5
LEVEL = 1  # higher levels gain 2-4 % on counts and cost twice the time
INTEGRAL_MAX = 1 << 24  # float32 holds every whole number up to here
HEADER = struct.Struct("<BBI")  # format, channels, bytes of the values frame
RAW_BYTES_MAX = 64 * 1024 * 1024  # of one decoded segment: a damaged length cannot exhaust memory
NO_VALUE = np.int32(-(1 << 31))
NARROW_MAX = (1 << 15) - 1
NO_VALUE_NARROW = np.int16(-(1 << 15))
TRIAL_SAMPLES = 4096

T = TypeVar("T", bound=np.signedinteger[Any])


@dataclass(frozen=True, slots=True)
class Plain:
    """A segment's content: value bytes as sent, and the offsets of an irregular series."""

    values: bytes
    offsets_ms: NDArray[np.int64] | None = None


def encode(plain: Plain, encoding: Encoding, channels: int) -> bytes:
    """Pack a segment's content."""
    form, integers = _integers(plain.values, encoding)
    if form == NARROW and not _delta_helps(integers, channels):
        form = NARROW_PLAIN
    frame = _pack(integers if form == NARROW_PLAIN else _delta(integers, channels, exclusive=form == BITS))
    offsets = b"" if plain.offsets_ms is None else _pack(_delta(plain.offsets_ms.astype("<i8"), 1, exclusive=False))
    return HEADER.pack(form, channels, len(frame)) + frame + offsets


def decode(body: bytes) -> Plain:
    """Unpack a segment's content. Raises ValueError on bytes that are none of ours."""
    try:
        form, channels, length = HEADER.unpack_from(body)
        frame, rest = body[HEADER.size : HEADER.size + length], body[HEADER.size + length :]
        integers = _unpack(frame, "<i2" if form in {NARROW, NARROW_PLAIN} else "<i4")
        if form != NARROW_PLAIN:
            integers = _sum(integers, channels, exclusive=form == BITS)
        offsets = _sum(_unpack(rest, "<i8"), 1, exclusive=False) if rest else None
        return Plain(_values(form, integers), offsets)
    except (struct.error, zstandard.ZstdError) as why:
        raise ValueError(str(why)) from why


def _integers(values: bytes, encoding: Encoding) -> tuple[int, NDArray[np.signedinteger[Any]]]:
    """Return the values as integers, as narrow as they fit, and the format that leads back."""
    if encoding is Encoding.INT16:
        return INTEGRAL16, np.frombuffer(values, dtype="<i2").astype(np.int32)
    bits = np.frombuffer(values, dtype="<i4")
    floats = np.frombuffer(values, dtype="<f4")
    missing = None
    if np.isnan(floats.min()):
        missing = bits == NO_VALUE_FLOAT32_BITS
        floats = np.where(missing, np.float32(0), floats)
    low, high = floats.min(), floats.max()
    # A NaN that is not ours compares false. The bounds also keep out NO_VALUE itself, and casts that differ by machine.
    if not (low >= -INTEGRAL_MAX and high <= INTEGRAL_MAX):
        return BITS, bits
    narrow = bool(low >= -NARROW_MAX and high <= NARROW_MAX)
    whole: NDArray[np.signedinteger[Any]] = floats.astype(np.int16 if narrow else np.int32)
    # Compare bits, not numbers: -0.0 and 3.5 must come back as they were.
    if not np.array_equal(whole.astype("<f4").view("<i4"), floats.view("<i4")):
        return BITS, bits
    if missing is not None:
        whole[missing] = NO_VALUE_NARROW if narrow else NO_VALUE
    return (NARROW if narrow else INTEGRAL), whole


def _delta_helps(integers: NDArray[T], channels: int) -> bool:
    trial = integers[: TRIAL_SAMPLES * channels]
    return len(_pack(_delta(trial, channels, exclusive=False))) < len(_pack(trial))


def _values(form: int, integers: NDArray[np.signedinteger[Any]]) -> bytes:
    if form == INTEGRAL16:
        return integers.astype("<i2").tobytes()
    if form == BITS:
        return integers.astype("<i4").tobytes()
    if form not in {INTEGRAL, NARROW, NARROW_PLAIN}:
        raise ValueError(f"unknown segment format {form}")
    floats = integers.astype("<f4")
    none = NO_VALUE if form == INTEGRAL else NO_VALUE_NARROW
    if len(integers) and integers.min() == none:
        floats.view("<i4")[integers == none] = NO_VALUE_FLOAT32_BITS
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
    rows = deltas if channels == 1 else deltas.reshape(-1, channels)  # in one dimension it takes two thirds of the time
    wide = np.promote_types(deltas.dtype, np.int32)  # int16 takes six times as long; what wraps there is cut off here
    summed = operation.accumulate(rows.astype(wide, copy=False), axis=0, dtype=wide)
    return np.asarray(summed.reshape(-1).astype(deltas.dtype, copy=False))


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
    unsigned = np.ascontiguousarray(integers).view(f"<u{width}")
    # Shifts run over whole registers; copying every n-th byte does not, and takes five times as long.
    planes = b"".join((unsigned >> 8 * place).astype(np.uint8).tobytes() for place in range(width))
    return _ZSTD.compressor.compress(planes)


def _unpack(frame: bytes, dtype: str) -> NDArray[np.signedinteger[Any]]:
    width = np.dtype(dtype).itemsize
    # The decompressor would allocate whatever size the frame declares.
    if zstandard.get_frame_parameters(frame).content_size > RAW_BYTES_MAX:
        raise ValueError("the frame is larger than any of ours")
    planes = _ZSTD.decompressor.decompress(frame, max_output_size=RAW_BYTES_MAX, allow_extra_data=False)
    rows = np.frombuffer(planes, dtype=np.uint8).reshape(width, -1)
    joined = rows[-1].astype(f"<u{width}")
    for row in rows[-2::-1]:
        joined <<= 8
        joined |= row
    integers: NDArray[np.signedinteger[Any]] = joined.view(dtype)
    return integers
