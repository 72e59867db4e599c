"""Oakley's sleep and wake: worked out by hand, and against what pyActigraphy made of real recordings."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarity_server.rhythm.sleep import OAKLEY, OAKLEY_THRESHOLD, oakley

Counts = np.ndarray[tuple[int], np.dtype[np.float64]]
GAP = math.nan
WEEK_MINUTES = 10_080
ACTIWATCH = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "actiwatch"
AWD_HEADER_LINES = 7


def asleep(*counts: float, threshold: float = OAKLEY_THRESHOLD) -> str:
    """Returns the night as text: `s` asleep, `.` not."""
    return "".join("s" if sleep else "." for sleep in oakley(np.array(counts), threshold))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # One movement: 41 wakes its own minute; 201 also the next (40.2); 1001 the next but one (40.04).
        ((0, 0, 0, 41, 0, 0, 0), "sss.sss"),
        ((0, 0, 0, 201, 0, 0, 0), "ss...ss"),
        ((0, 0, 0, 1001, 0, 0, 0), "s.....s"),
        # Exactly 40 is sleep, by each weight.
        ((0, 0, 0, 40, 0, 0, 0), "sssssss"),
        ((0, 0, 0, 200, 0, 0, 0), "sss.sss"),
        ((0, 0, 0, 1000, 0, 0, 0), "ss...ss"),
        # A constant c scores 1.48 c inside, 1.44 c beside the edge, 1.24 c on it: 28 gives 41.4, 40.3, 34.7.
        ((28, 28, 28, 28, 28, 28), "s....s"),
        ((27, 27, 27, 27, 27, 27), "ssssss"),  # 39.96
        # Neighbours add up: 0.04 * 125 + 0.2 * 25 + 20 + 0.2 * 25 + 0.04 * 125 = 40 in the middle.
        ((125, 25, 20, 25, 125), "..s.."),
        ((125, 25, 21, 25, 125), "....."),
        # Missing: never asleep, and no help in waking a neighbour.
        ((0, 0, GAP, 0, 0), "ss.ss"),
        ((125, 25, 21, GAP, 125), "..s.."),
        ((0, math.inf, 0), "s.s"),
    ],
)
def test_sleep_worked_out_by_hand(counts: tuple[float, ...], expected: str) -> None:
    assert asleep(*counts) == expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((), ""),
        ((0,), "s"),
        ((40,), "s"),
        ((41,), "."),
        ((GAP,), "."),
        ((0, 201), ".."),
        ((0, 1000, 0, 0), "...s"),
    ],
)
def test_the_shortest_recordings_have_an_answer(counts: tuple[float, ...], expected: str) -> None:
    assert asleep(*counts) == expected


@pytest.mark.parametrize(("count", "share"), [(0.0, 1.0), (65_535.0, 0.0), (GAP, 0.0), (27.0, 1.0), (41.0, 0.0)])
@pytest.mark.parametrize("length", [WEEK_MINUTES - 1, WEEK_MINUTES, WEEK_MINUTES + 1])
def test_a_constant_week_is_all_sleep_or_none(count: float, share: float, length: int) -> None:
    answer = oakley(np.full(length, count))
    assert answer.dtype == np.bool_
    assert answer.shape == (length,)
    assert answer.mean() == share


counts_lists = st.lists(st.one_of(st.integers(0, 300).map(float), st.just(GAP)), max_size=40)


@given(counts_lists)
def test_it_agrees_with_the_formula_summed_one_minute_at_a_time(counts: list[float]) -> None:
    weights = {-2: 4, -1: 20, 0: 100, 1: 20, 2: 4}
    present = {minute: int(count) for minute, count in enumerate(counts) if not math.isnan(count)}
    expected = [
        minute in present and sum(w * present.get(minute + k, 0) for k, w in weights.items()) <= 4000
        for minute in range(len(counts))
    ]
    assert oakley(np.array(counts)).tolist() == expected


@given(counts_lists, st.sampled_from([0.25, 2.0, 64.0]))
def test_counts_and_threshold_scale_together(counts: list[float], factor: float) -> None:
    scaled = oakley(factor * np.array(counts), threshold=factor * OAKLEY_THRESHOLD)
    np.testing.assert_array_equal(scaled, oakley(np.array(counts)))


@given(counts_lists, st.sampled_from([1.0, 2.0, 10.0]))
def test_more_movement_never_makes_more_sleep(counts: list[float], factor: float) -> None:
    assert not (oakley(factor * np.array(counts)) & ~oakley(np.array(counts))).any()


@given(counts_lists)
def test_a_lower_threshold_never_makes_more_sleep(counts: list[float]) -> None:
    assert not (oakley(np.array(counts), threshold=20) & ~oakley(np.array(counts), threshold=80)).any()


@given(counts_lists)
def test_time_may_run_backwards(counts: list[float]) -> None:
    np.testing.assert_array_equal(oakley(np.array(counts[::-1])), oakley(np.array(counts))[::-1])


@pytest.mark.parametrize("kind", [">f8", "<f4", ">f4"])
def test_any_float_layout_gives_the_same_answer(kind: str) -> None:
    counts = np.array([0, 40, 200, 1000, GAP, 28, 28, 28, 0, 125, 25, 20, 25, 125])
    np.testing.assert_array_equal(oakley(counts.astype(kind)), oakley(counts))


def test_the_input_may_be_read_only_and_strided_and_is_left_alone() -> None:
    counts = np.array([0.0, 999.0, 41.0, 999.0, GAP, 999.0, 0.0])
    before = counts.copy()
    counts.flags.writeable = False
    np.testing.assert_array_equal(oakley(counts[::2]), oakley(np.array([0.0, 41.0, GAP, 0.0])))
    np.testing.assert_array_equal(counts, before)


def test_the_published_threshold_is_the_one_used() -> None:
    assert (OAKLEY.id, OAKLEY.version) == ("oakley", "1")
    assert float(OAKLEY.parameters["threshold"]) == OAKLEY_THRESHOLD


@pytest.mark.skipif(not ACTIWATCH.is_dir(), reason="needs ../shared/data/actiwatch, see README")
@pytest.mark.parametrize("window", ["whole_recording", "first_7_days", "first_7_civil_days"])
@pytest.mark.parametrize("file", ["example_01.AWD", "example_03.AWD", "example_05.AWD"])
def test_a_real_recording_sleeps_as_much_as_pyactigraphy_says(file: str, window: str) -> None:
    """Two known differences: there an exact 40 is wake, and so are the two minutes at each edge."""
    reference = json.loads((ACTIWATCH / "reference.json").read_text(encoding="utf-8"))["recordings"][file]
    counts = cut(actiwatch_counts(file, reference["sha256"]), reference["start"], window)
    below = oakley(counts, threshold=39.98)  # whole counts score multiples of 0.04: this is score < 40
    below[:2] = below[-2:] = False
    expected = reference["windows"][window]["pyActigraphy"]["sleep_fraction"]["oakley_40"]
    assert below.mean() == pytest.approx(expected, abs=1e-12)
    assert oakley(counts).mean() == pytest.approx(expected, abs=1e-3)


def cut(counts: Counts, start: str, window: str) -> Counts:
    """Returns the window of a recording that began at `start`, as reference.json names it."""
    if window == "whole_recording":
        return counts
    hour, minute = int(start[11:13]), int(start[14:16])
    first = 1440 - (60 * hour + minute) if window == "first_7_civil_days" else 0
    return counts[first : first + WEEK_MINUTES]


def actiwatch_counts(file: str, sha256: str) -> Counts:
    """Returns the counts of an AWD file whose content is the one the reference was made from."""
    content = (ACTIWATCH / file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == sha256
    lines = content.decode("ascii").splitlines()[AWD_HEADER_LINES:]
    return np.array([float(line.split()[0]) for line in lines])
