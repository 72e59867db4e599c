"""Values and offsets are checked to the bit, and read as what they mean."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarity_server.domain.civil import Start, StartKind
from clarity_server.domain.errors import ChunkMalformed, ValueNotFinite
from clarity_server.domain.series import (
    NO_VALUE_FLOAT32_BITS,
    NO_VALUE_INT16,
    OFFSET_MS_MAX,
    SCALE_MAX,
    Descriptor,
    Encoding,
    Segment,
    Source,
    as_float32,
    check_offsets,
    check_values,
    missing_count,
)
from tests.strategies import bit_patterns, float32_bytes

DESCRIPTOR = Descriptor("heart_rate", Source("strap", "app"), Start(StartKind.FLOATING, 0), 1000)
INFINITY = 0x7F800000


def int16_bytes(numbers: list[int]) -> bytes:
    return np.array(numbers, dtype="<i2").tobytes()


# ---- values ----------------------------------------------------------------------------------------------------------


@settings(max_examples=1500, deadline=None)
@given(bit_patterns(), st.integers(0, 1 << 40), st.integers(1, 16))
def test_infinities_and_strange_nans_are_refused_with_their_sample_and_nothing_else_is(
    bits: list[int], first_sample: int, channels: int
) -> None:
    bits = (bits * channels)[: len(bits) // channels * channels]
    wrong = [at for at, one in enumerate(bits) if one & INFINITY == INFINITY and one != NO_VALUE_FLOAT32_BITS]
    if not wrong:
        check_values(float32_bytes(bits), Encoding.FLOAT32, first_sample, channels)
        return
    with pytest.raises(ValueNotFinite) as caught:
        check_values(float32_bytes(bits), Encoding.FLOAT32, first_sample, channels)
    assert caught.value.facts == {"sample": str(first_sample + wrong[0] // channels)}


def test_every_int16_is_a_value() -> None:
    check_values(int16_bytes([NO_VALUE_INT16, -32767, 0, 32767]), Encoding.INT16, 0, 1)


@given(st.lists(st.booleans(), max_size=96), st.integers(1, 4))
def test_a_sample_is_missing_when_no_channel_has_a_value(present: list[bool], channels: int) -> None:
    present = present[: len(present) // channels * channels]
    rows = [present[at : at + channels] for at in range(0, len(present), channels)]
    missing = sum(not any(row) for row in rows)
    floats = float32_bytes([0x3F800000 if one else NO_VALUE_FLOAT32_BITS for one in present])
    shorts = int16_bytes([7 if one else NO_VALUE_INT16 for one in present])
    assert missing_count(floats, Encoding.FLOAT32, channels) == missing
    assert missing_count(shorts, Encoding.INT16, channels) == missing


@settings(max_examples=300)
@given(bit_patterns())
def test_float32_is_read_as_it_was_sent(bits: list[int]) -> None:
    assert as_float32(float32_bytes(bits), DESCRIPTOR).view("<u4").tolist() == bits


@given(st.lists(st.integers(-(1 << 15), (1 << 15) - 1), max_size=32), st.floats(2.0**-100, SCALE_MAX, width=32))
def test_int16_is_read_scaled_and_its_no_value_as_nan(numbers: list[int], scale: float) -> None:
    found = as_float32(int16_bytes(numbers), replace(DESCRIPTOR, encoding=Encoding.INT16, scale=scale))
    for number, value in zip(numbers, found, strict=True):
        if number == NO_VALUE_INT16:
            assert value.view(np.uint32) == NO_VALUE_FLOAT32_BITS
        else:
            assert value == np.float32(number * scale)


def test_the_largest_scale_makes_no_infinity() -> None:
    found = as_float32(int16_bytes([-32767, 32767]), replace(DESCRIPTOR, encoding=Encoding.INT16, scale=SCALE_MAX))
    assert np.isfinite(found).all()


# ---- offsets ---------------------------------------------------------------------------------------------------------


@settings(max_examples=1500, deadline=None)
@given(
    st.lists(
        st.one_of(st.integers(0, 20), st.integers(0, OFFSET_MS_MAX), st.integers(-(1 << 63), (1 << 63) - 1)),
        min_size=1,
        max_size=8,
    )
)
def test_only_offsets_that_rise_strictly_within_ten_years_pass(offsets: list[int]) -> None:
    rising = all(one < two for one, two in itertools.pairwise(offsets))
    if rising and offsets[0] >= 0 and offsets[-1] <= OFFSET_MS_MAX:
        check_offsets(np.array(offsets, dtype=np.int64), 0)
        return
    with pytest.raises(ChunkMalformed, match="must increase strictly"):
        check_offsets(np.array(offsets, dtype=np.int64), 0)


def test_offsets_whose_differences_wrap_around_are_refused() -> None:
    """Each difference of these, as an int64, is positive."""
    offsets = np.array([0, (1 << 63) - 1, -(1 << 63) + 11, 10], dtype=np.int64)
    assert (np.diff(offsets) > 0).all()
    with pytest.raises(ChunkMalformed):
        check_offsets(offsets, 0)


# ---- descriptors and keys --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("metric", replace(DESCRIPTOR, metric="step_count")),
        ("source", replace(DESCRIPTOR, source=Source("strap", "another app"))),
        ("start", replace(DESCRIPTOR, start=Start(StartKind.FLOATING, 1))),
        ("period_ms", replace(DESCRIPTOR, period_ms=None)),
        ("encoding", replace(DESCRIPTOR, encoding=Encoding.INT16)),
        ("scale", replace(DESCRIPTOR, scale=0.5)),
        ("channels", replace(DESCRIPTOR, channels=3)),
        ("revision", replace(DESCRIPTOR, revision=1)),
    ],
)
def test_the_difference_of_two_descriptors_is_named(field: str, other: Descriptor) -> None:
    assert DESCRIPTOR.difference(other) == field
    assert other.difference(DESCRIPTOR) == field


def test_equal_descriptors_have_no_difference() -> None:
    assert DESCRIPTOR.difference(replace(DESCRIPTOR)) is None


def test_every_field_of_a_descriptor_counts_as_a_difference() -> None:
    """A field added later must not be forgotten there."""
    other = Descriptor(
        "b", Source("c"), Start(StartKind.INSTANT, 9), 7, Encoding.INT16, scale=2.0, channels=2, revision=3
    )
    differences = []
    while (field := DESCRIPTOR.difference(other)) is not None:
        differences.append(field)
        other = replace(other, **{field: getattr(DESCRIPTOR, field)})
    assert other == DESCRIPTOR
    assert differences == list(Descriptor.__dataclass_fields__)


def test_a_sample_has_the_bytes_of_all_its_channels() -> None:
    assert replace(DESCRIPTOR, channels=3).sample_bytes == 12
    assert replace(DESCRIPTOR, channels=3, encoding=Encoding.INT16).sample_bytes == 6


def test_segments_of_different_content_have_different_keys() -> None:
    one = Segment("account", "heart_rate", 3, "upload", 10, 5, 0, 1, b"")
    others = [
        replace(one, account_id="other"),
        replace(one, metric="step_count"),
        replace(one, day=-3),
        replace(one, upload_id="u"),
        replace(one, first_sample=1),
        replace(one, count=6),
    ]
    assert len({one.key, *(other.key for other in others)}) == 7
