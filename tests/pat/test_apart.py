"""H5 is opened in a process of its own: the same answers and refusals, and a file that never ends does end."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clarity_server.domain.models import (
    FILE_BYTES_MAX,
    FileDamaged,
    FileTooLarge,
    HtmlPage,
    SizeDisagrees,
    WeightsRefused,
)
from clarity_server.pat import apart, weights
from clarity_server.pat.shapes import CONV_M, S
from clarity_server.pat.weights import content_of, read_own
from tests.pat.goldens import KERAS3_S_FULL, KERAS3_WEIGHTS, LEGACY_CONV_S, LEGACY_S, LEGACY_S_FULL, Case
from tests.pat.keras_files import arrays, h5

HEAP = b"GCOL\x01\x00\x00\x00"  # where HDF5 keeps texts; the length of the heap follows
FUZZED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)


@pytest.fixture(scope="module")
def legacy() -> bytes:
    return content_of(LEGACY_S.weights)


@pytest.mark.parametrize("case", [LEGACY_S, LEGACY_S_FULL, LEGACY_CONV_S, KERAS3_S_FULL], ids=lambda c: c.weights.stem)
def test_the_weights_are_the_same(case: Case) -> None:
    content = content_of(case.weights)
    assert apart.read(content).digest == weights.read(content).digest


def test_our_own_format_is_read_here(legacy: bytes) -> None:
    content = weights.to_safetensors(weights.read(legacy))
    assert apart.read(content, seconds_max=0).digest == weights.read(legacy).digest


@pytest.mark.parametrize(
    "content",
    [
        KERAS3_WEIGHTS.read_bytes(),
        h5({path: value for path, value in arrays(S).items() if "key" not in path}),
        h5(arrays(CONV_M) | {"head/head/kernel": arrays(S)["dense/dense/kernel"]}),
        LEGACY_S.weights.read_bytes()[:500_000],
    ],
    ids=["Keras 3", "missing", "a head", "cut off"],
)
def test_a_refusal_is_the_same_in_class_and_text(content: bytes) -> None:
    with pytest.raises(WeightsRefused) as here:
        weights.read(content)
    with pytest.raises(WeightsRefused) as there:
        apart.read(content)
    assert (type(there.value), str(there.value)) == (type(here.value), str(here.value))


def test_what_is_no_hdf5_is_refused_without_a_process(legacy: bytes) -> None:
    with pytest.raises(HtmlPage):
        apart.read(b"<html>", seconds_max=0)
    with pytest.raises(FileTooLarge):
        apart.read(legacy + bytes(FILE_BYTES_MAX), seconds_max=0)


def test_a_wrong_size_is_refused(legacy: bytes) -> None:
    with pytest.raises(SizeDisagrees):
        apart.read(legacy, "PAT-L")


def test_a_file_that_hdf5_reads_for_ever_is_damaged(legacy: bytes) -> None:
    """Found by changing bytes at random: with a heap said to be longer than it is, the library never comes back."""
    at = legacy.index(HEAP) + len(HEAP)
    endless = legacy[:at] + (0x8000).to_bytes(8, "little") + legacy[at + 8 :]
    with pytest.raises(FileDamaged, match="more than 3 s"):
        apart.read(endless, seconds_max=3)


def test_the_server_s_own_reader_opens_no_hdf5(legacy: bytes) -> None:
    with pytest.raises(WeightsRefused, match="our own format"):
        read_own(legacy)


@FUZZED
@given(st.lists(st.tuples(st.integers(0, 49_151), st.integers(0, 255)), min_size=1, max_size=12))
def test_damaged_bytes_are_refused_or_make_another_model(legacy: bytes, damage: list[tuple[int, int]]) -> None:
    """Damage where it hurts: the first and last 24 KiB hold the structure, the middle is numbers."""
    content = bytearray(legacy)
    for place, value in damage:
        content[place if place < 24_576 else place - 49_152] = value
    try:
        found = apart.read(bytes(content), seconds_max=4)
    except WeightsRefused:
        return
    assert found.shape == S
