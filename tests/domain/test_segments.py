"""A segment gives back, bit for bit, what was put into it; what is none of ours is refused, whatever it is."""

import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zstandard
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from clarity_server.domain import segments
from clarity_server.domain.segments import (
    BITS,
    HEADER,
    INTEGRAL,
    INTEGRAL16,
    NARROW,
    NARROW_MAX,
    NARROW_PLAIN,
    RAW_BYTES_MAX,
    Plain,
    decode,
    encode,
)
from clarity_server.domain.series import NO_VALUE_FLOAT32_BITS, NO_VALUE_INT16, OFFSET_MS_MAX, Encoding
from tests.strategies import NASTY_BITS, bit_patterns, float32_bytes

MANY = 1500
channel_counts = st.integers(1, 16)


def whole_samples(values: list[int], channels: int) -> list[int]:
    """The values, repeated up to a multiple of the channels."""
    return (values * channels)[: -(-len(values) // channels) * channels]


def form(body: bytes) -> int:
    return body[0]


@settings(max_examples=MANY, deadline=None)
@given(bit_patterns(), channel_counts)
@example([0xCF000000], 1)  # -2**31, which as an integer would stand for "no value"
@example([0xCF000000, NO_VALUE_FLOAT32_BITS, 0x3F800000], 1)
@example([0x4F000000, 0x3F800000], 2)
@example([0x80000000], 1)
@example(list(NASTY_BITS), 1)
def test_any_float32_comes_back_bit_for_bit(bits: list[int], channels: int) -> None:
    values = float32_bytes(whole_samples(bits, channels))
    assert decode(encode(Plain(values), Encoding.FLOAT32, channels)) == Plain(values)


@settings(max_examples=MANY, deadline=None)
@given(st.lists(st.integers(-(1 << 15), (1 << 15) - 1), min_size=1, max_size=64), channel_counts)
@example([NO_VALUE_INT16, 32767, NO_VALUE_INT16], 1)
def test_any_int16_comes_back(numbers: list[int], channels: int) -> None:
    values = np.array(whole_samples(numbers, channels), dtype="<i2").tobytes()
    body = encode(Plain(values), Encoding.INT16, channels)
    assert form(body) == INTEGRAL16
    assert decode(body) == Plain(values)


@settings(max_examples=MANY // 3, deadline=None)
@given(st.lists(st.integers(0, OFFSET_MS_MAX), min_size=1, max_size=64, unique=True), channel_counts)
def test_the_offsets_of_an_irregular_series_come_back(offsets: list[int], channels: int) -> None:
    offsets_ms = np.array(sorted(offsets), dtype=np.int64)
    values = float32_bytes(range(len(offsets) * channels))
    found = decode(encode(Plain(values, offsets_ms), Encoding.FLOAT32, channels))
    assert found.values == values
    assert found.offsets_ms is not None
    assert found.offsets_ms.tolist() == offsets_ms.tolist()


@settings(max_examples=MANY, deadline=None)
@given(st.lists(st.one_of(st.integers(-(1 << 24), 1 << 24), st.none()), min_size=1, max_size=64))
def test_whole_numbers_and_no_values_are_kept_as_integers(numbers: list[int | None]) -> None:
    values = np.array([np.nan if number is None else number for number in numbers], dtype="<f4").tobytes()
    body = encode(Plain(values), Encoding.FLOAT32, 1)
    narrow = all(number is None or abs(number) <= NARROW_MAX for number in numbers)
    assert form(body) in ({NARROW, NARROW_PLAIN} if narrow else {INTEGRAL})
    assert decode(body).values == values


@settings(max_examples=MANY, deadline=None)
@given(st.lists(st.one_of(st.integers(-NARROW_MAX - 2, NARROW_MAX + 2), st.none()), min_size=1, max_size=64))
def test_numbers_around_the_bounds_of_int16_come_back(numbers: list[int | None]) -> None:
    values = np.array([np.nan if number is None else number for number in numbers], dtype="<f4").tobytes()
    assert decode(encode(Plain(values), Encoding.FLOAT32, 1)).values == values


@pytest.mark.parametrize(("step", "expected"), [(0, NARROW_PLAIN), (7, NARROW)])
def test_deltas_are_taken_where_they_help(step: int, expected: int) -> None:
    rng = np.random.default_rng(11)
    noise = rng.integers(0, 1000, 5000) if step == 0 else np.zeros(5000)
    values = (noise + np.arange(5000) % 4000 * step).astype("<f4").tobytes()
    body = encode(Plain(values), Encoding.FLOAT32, 1)
    assert form(body) == expected
    assert decode(body).values == values


@pytest.mark.parametrize("bits", [bits for bits in NASTY_BITS if bits not in {0, 0x3F800000, 0x4B800000, 0xCB800000}])
def test_what_is_no_whole_number_is_kept_as_bits(bits: int) -> None:
    expected = {NARROW, NARROW_PLAIN} if bits == NO_VALUE_FLOAT32_BITS else {BITS}
    assert form(encode(Plain(float32_bytes([bits, 0x3F800000])), Encoding.FLOAT32, 1)) in expected


def test_a_batch_of_the_largest_size_comes_back() -> None:
    rng = np.random.default_rng(5)
    values = rng.integers(0, 1 << 32, 1 << 18, dtype=np.uint32).astype("<u4").tobytes()
    offsets_ms = np.cumsum(rng.integers(1, 1000, 1 << 18))
    found = decode(encode(Plain(values, offsets_ms), Encoding.FLOAT32, 1))
    assert found.values == values
    assert found.offsets_ms is not None
    assert np.array_equal(found.offsets_ms, offsets_ms)


def test_minute_counts_take_less_than_half_their_bytes() -> None:
    rng = np.random.default_rng(7)
    counts = np.where(rng.random(1440) < 0.5, 0, rng.integers(0, 2000, 1440)).astype("<f4").tobytes()
    assert len(encode(Plain(counts), Encoding.FLOAT32, 1)) < len(counts) / 2


def test_threads_do_not_disturb_each_other() -> None:
    rng = np.random.default_rng(3)
    contents = [rng.integers(0, 1 << 32, 20_000, dtype=np.uint32).astype("<u4").tobytes() for _ in range(4)]

    def come_back(values: bytes) -> bool:
        return all(decode(encode(Plain(values), Encoding.FLOAT32, 1)).values == values for _ in range(20))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(come_back, contents))


# ---- what is none of ours --------------------------------------------------------------------------------------------


def some_body(*, irregular: bool = False) -> bytes:
    offsets = np.arange(300, dtype=np.int64) * 7 if irregular else None
    return encode(Plain(float32_bytes(range(300)), offsets), Encoding.FLOAT32, 1)


@settings(max_examples=MANY, deadline=None)
@given(st.booleans(), st.data())
def test_damaged_bytes_are_refused_or_read_as_something_else_but_never_crash(
    irregular: bool, data: st.DataObject
) -> None:
    """A seal keeps damage out; should it ever get in, only ValueError comes of it."""
    body = bytearray(some_body(irregular=irregular))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode(bytes(body))
    except ValueError:
        return
    assert len(found.values) <= RAW_BYTES_MAX


@settings(max_examples=MANY // 3, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(body: bytes) -> None:
    assume(zstandard.FRAME_HEADER not in body)
    with pytest.raises(ValueError):  # noqa: PT011  the text is the decoder's
        decode(body)


@pytest.mark.parametrize("irregular", [False, True])
def test_a_truncated_segment_is_refused_at_every_length(irregular: bool) -> None:
    body = some_body(irregular=irregular)
    values_end = HEADER.size + HEADER.unpack_from(body)[2]
    for length in set(range(len(body))) - {
        values_end
    }:  # cut off there, the offsets are not missed here but by the seal
        with pytest.raises(ValueError):  # noqa: PT011
            decode(body[:length])


def test_bytes_after_the_end_are_refused() -> None:
    with pytest.raises(ValueError, match="unused data"):
        decode(some_body(irregular=True) + b"\0")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown segment format 9"):
        decode(b"\x09" + some_body()[1:])


@pytest.mark.parametrize("declared", [RAW_BYTES_MAX + 1, 1 << 40, (1 << 64) - 2])
def test_a_frame_that_declares_a_huge_size_is_refused_before_the_memory_is_taken(declared: int) -> None:
    frame = zstandard.FRAME_HEADER + b"\xe0" + struct.pack("<Q", declared) + b"\x01\x00\x00"
    with pytest.raises(ValueError, match="larger than any of ours"):
        decode(HEADER.pack(INTEGRAL, 1, len(frame)) + frame)


def test_a_frame_that_does_not_declare_its_size_is_refused() -> None:
    """It could grow to any; ours always say."""
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(4000))
    with pytest.raises(ValueError, match="larger than any of ours"):
        decode(HEADER.pack(INTEGRAL, 1, len(frame)) + frame)


@pytest.mark.parametrize("channels", [0, 7])
def test_channels_that_do_not_divide_the_values_are_refused(channels: int) -> None:
    body = some_body()
    with pytest.raises(ValueError, match="reshape"):
        decode(body[:1] + bytes([channels]) + body[2:])


def test_the_names_of_formats_are_never_reused() -> None:
    """They stand in stored bytes."""
    assert (segments.INTEGRAL, segments.BITS, segments.INTEGRAL16) == (1, 2, 3)
