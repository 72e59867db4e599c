"""A sample's content as bytes: whatever a sample holds comes back from them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarity_server.domain import content
from clarity_server.domain.samples import Coded, Moment, Sample, Value
from clarity_server.domain.series import Source

SOURCE = Source("scale", "app")
KEY = content.digest_key(b"k" * 32)
TIMES = st.integers(-(1 << 50), 1 << 50)
MOMENTS = st.one_of(
    st.builds(Moment, TIMES, TIMES), st.builds(Moment, TIMES, st.none()), st.builds(Moment, st.none(), TIMES)
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=128)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=64)
VALUES: st.SearchStrategy[Value] = st.one_of(
    FINITE, st.builds(Coded, NAMES, TEXTS), st.lists(st.tuples(NAMES, FINITE), max_size=3).map(tuple)
)
SAMPLES = st.builds(
    Sample,
    metric=NAMES,
    source=st.builds(Source, TEXTS, TEXTS),
    client_record_id=TEXTS,
    version=st.integers(0, 1 << 53),
    start=MOMENTS,
    end=st.none() | MOMENTS,
    value=VALUES,
)
ONE = Sample("heart_rate", SOURCE, "a", 3, Moment(0, None), None, 61.5)


@given(SAMPLES)
def test_every_sample_comes_back_from_its_bytes(sample: Sample) -> None:
    assert content.unpack(content.pack(sample), sample.metric, sample.source, sample.version) == sample


@given(SAMPLES, SAMPLES)
def test_contents_have_the_same_digest_only_where_they_are_the_same(one: Sample, other: Sample) -> None:
    same = replace(one, version=0) == replace(other, version=0)
    assert (_digest(one) == _digest(other)) == same


def test_a_digest_does_not_depend_on_the_version() -> None:
    assert _digest(ONE) == _digest(replace(ONE, version=4))
    assert len(_digest(ONE)) == 32


@pytest.mark.parametrize(
    "other",
    [
        replace(ONE, metric="body_mass"),
        replace(ONE, source=Source("scale")),
        replace(ONE, source=Source("", "scale\0app")),
        replace(ONE, client_record_id="b"),
        replace(ONE, start=Moment(None, 0)),
        replace(ONE, end=Moment(1, None)),
        replace(ONE, value=61.25),
        replace(ONE, value=Coded("61.5")),
    ],
)
def test_a_digest_depends_on_all_that_a_sample_says(other: Sample) -> None:
    assert _digest(ONE) != _digest(other)


@pytest.mark.parametrize(
    "packed",
    [b"", content.pack(ONE)[:-1], content.pack(ONE)[:20], b"\x09" + content.pack(ONE)[1:], content.pack(ONE) + b"!"],
    ids=["nothing", "a value cut short", "a head cut short", "an unknown form", "more than a value"],
)
def test_bytes_that_are_none_of_ours_are_a_value_error(packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        content.unpack(packed, "heart_rate", SOURCE, 0)


def _digest(sample: Sample) -> bytes:
    return content.digest(KEY, sample.metric, sample.source, content.pack(sample))
