"""Non-wear by Choi and by Troiano: worked out by hand, and against the paper's words in plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarity_server.rhythm.bouts import bouts
from clarity_server.rhythm.wear import CHOI, DETECTORS, choi, troiano

Counts = np.ndarray[tuple[int], np.dtype[np.float64]]
GAP = math.nan
WEEK_MINUTES = 10_080


def minutes(*runs: tuple[float, int]) -> Counts:
    """Returns counts spelled as runs of (count, minutes)."""
    return np.repeat([count for count, _ in runs], [length for _, length in runs]).astype(np.float64)


def not_worn(*runs: tuple[float, int]) -> list[tuple[int, int]]:
    """Returns the non-wear of the minutes spelled as runs."""
    return bouts(~choi(minutes(*runs)))


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        # How long is long enough.
        (((5, 10), (0, 89), (5, 10)), []),
        (((5, 10), (0, 90), (5, 10)), [(10, 100)]),
        # An artifact of 1 or 2 minutes, whatever its counts; 3 minutes are a person.
        (((5, 10), (0, 60), (9, 1), (0, 60), (5, 10)), [(10, 131)]),
        (((5, 10), (0, 60), (9999, 2), (0, 60), (5, 10)), [(10, 132)]),
        (((5, 10), (0, 60), (9, 3), (0, 60), (5, 10)), []),
        (((5, 10), (0, 90), (9, 3), (0, 90), (5, 10)), [(10, 100), (103, 193)]),
        # Its flanks: 30 zeros on either side, not 29.
        (((5, 10), (0, 60), (9, 1), (0, 30), (5, 10)), [(10, 101)]),
        (((5, 10), (0, 30), (9, 1), (0, 60), (5, 10)), [(10, 101)]),
        (((5, 10), (0, 60), (9, 1), (0, 29), (5, 10)), []),
        (((5, 10), (0, 29), (9, 1), (0, 60), (5, 10)), []),
        (((5, 10), (0, 90), (9, 1), (0, 29), (5, 10)), [(10, 100)]),
        # The artifact counts towards the 90 minutes: 30 + 1 + 59 = 90, 30 + 1 + 58 = 89.
        (((5, 10), (0, 30), (9, 1), (0, 59), (5, 10)), [(10, 100)]),
        (((5, 10), (0, 30), (9, 1), (0, 58), (5, 10)), []),
        # Two movements within one flank are no artifacts: 1 + 1 around a zero is not one interval of 2.
        (((5, 10), (0, 60), (9, 1), (0, 1), (9, 1), (0, 60), (5, 10)), []),
        # Any number of artifacts, each with its own flanks.
        (((5, 10), (0, 30), (9, 1), (0, 30), (9, 2), (0, 30), (5, 10)), [(10, 103)]),
        # Edges: a stretch may touch them, an artifact within 30 minutes of them is none.
        (((0, 90), (5, 10)), [(0, 90)]),
        (((5, 10), (0, 90)), [(10, 100)]),
        (((0, 30), (9, 1), (0, 60)), [(0, 91)]),
        (((0, 60), (9, 1), (0, 30)), [(0, 91)]),
        (((0, 29), (9, 1), (0, 90)), [(30, 120)]),
        (((0, 90), (9, 1), (0, 29)), [(0, 90)]),
        (((9, 1), (0, 90), (9, 1)), [(1, 91)]),
        # A missing minute is not worn, ends a stretch, and spoils a flank.
        (((0, 89), (GAP, 1), (0, 89)), [(89, 90)]),
        (((0, 90), (GAP, 1), (0, 89)), [(0, 91)]),
        (((5, 10), (0, 60), (9, 1), (0, 29), (GAP, 1), (0, 60)), [(100, 101)]),
        (((5, 10), (GAP, 200), (5, 10)), [(10, 210)]),
        # Not finite is missing; negative is movement.
        (((5, 10), (math.inf, 1), (-math.inf, 1), (5, 10)), [(10, 12)]),
        (((5, 10), (0, 60), (-1, 3), (0, 60)), []),
    ],
)
def test_non_wear_worked_out_by_hand(runs: tuple[tuple[float, int], ...], expected: list[tuple[int, int]]) -> None:
    assert not_worn(*runs) == expected


@pytest.mark.parametrize(
    ("runs", "worn"),
    [
        ((), 0),
        (((0, 1),), 1),
        (((7, 1),), 1),
        (((GAP, 1),), 0),
        (((0, 89),), 89),
        (((0, WEEK_MINUTES),), 0),
        (((65_535, WEEK_MINUTES),), WEEK_MINUTES),
        (((GAP, WEEK_MINUTES),), 0),
        (((0, 5_000), (7, 1), (0, 5_079)), 0),
        (((0, WEEK_MINUTES - 1),), 0),
        (((0, WEEK_MINUTES + 1),), 0),
    ],
)
def test_recordings_at_the_edge_of_sense_have_an_answer(runs: tuple[tuple[float, int], ...], worn: int) -> None:
    answer = choi(minutes(*runs))
    assert answer.dtype == np.bool_
    assert answer.shape == (sum(length for _, length in runs),)
    assert int(answer.sum()) == worn


# Lengths and gaps where something changes, so that examples fall on both sides of every limit.
runs_of_minutes = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.0, 1.0, 250.0, GAP]),
        st.sampled_from([1, 2, 3, 28, 29, 30, 31, 32, 58, 59, 60, 88, 89, 90, 91]),
    ),
    max_size=12,
)


@given(runs_of_minutes)
def test_it_agrees_with_the_paper_read_word_by_word(runs: list[tuple[float, int]]) -> None:
    counts = minutes(*runs)
    assert choi(counts).tolist() == by_the_paper(counts.tolist())


@given(runs_of_minutes, st.sampled_from([1e-3, 0.5, 2.0, 100.0]))
def test_the_scale_of_the_counts_does_not_matter(runs: list[tuple[float, int]], factor: float) -> None:
    np.testing.assert_array_equal(choi(factor * minutes(*runs)), choi(minutes(*runs)))


@given(runs_of_minutes)
def test_time_may_run_backwards(runs: list[tuple[float, int]]) -> None:
    np.testing.assert_array_equal(choi(minutes(*runs[::-1])), choi(minutes(*runs))[::-1])


@given(runs_of_minutes)
def test_three_moving_minutes_are_always_worn_and_a_missing_one_never(runs: list[tuple[float, int]]) -> None:
    counts = minutes(*runs)
    worn = choi(counts)
    moving = np.nan_to_num(counts) > 0
    assert worn[1:-1][moving[:-2] & moving[1:-1] & moving[2:]].all()
    assert not worn[np.isnan(counts)].any()


@pytest.mark.parametrize("kind", [">f8", "<f4", ">f4"])
def test_any_float_layout_gives_the_same_answer(kind: str) -> None:
    counts = minutes((5, 10), (0, 60), (9, 2), (0, 60), (GAP, 3), (5, 10))
    np.testing.assert_array_equal(choi(counts.astype(kind)), choi(counts))


def test_the_input_may_be_read_only_and_strided_and_is_left_alone() -> None:
    counts = minutes((5, 10), (0, 90), (5, 10))
    stored = np.stack([counts, np.full_like(counts, 7)], axis=1)
    before = stored.copy()
    stored.flags.writeable = False
    np.testing.assert_array_equal(choi(stored[:, 0]), choi(counts))
    np.testing.assert_array_equal(stored, before)


def test_the_published_parameters_are_those_of_the_paper() -> None:
    assert (CHOI.id, CHOI.version) == ("choi", "1")
    assert CHOI.parameters["quiet_minutes"] == "90"
    assert CHOI.parameters["artifact_minutes"] == "2"
    assert CHOI.parameters["flank_minutes"] == "30"


# ---- Troiano -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        # How long is long enough.
        (((500, 10), (0, 59), (500, 10)), []),
        (((500, 10), (0, 60), (500, 10)), [(10, 70)]),
        # An interruption of 1 or 2 minutes up to 100 counts; a third minute, or one above 100, is a person.
        (((500, 10), (0, 30), (100, 2), (0, 28), (500, 10)), [(10, 70)]),
        (((500, 10), (0, 30), (100, 2), (0, 27), (500, 10)), []),
        (((500, 10), (0, 60), (100, 3), (0, 60), (500, 10)), [(10, 70), (73, 133)]),
        (((500, 10), (0, 60), (101, 1), (0, 60), (500, 10)), [(10, 70), (71, 131)]),
        (((500, 10), (0, 60), (100, 1), (101, 1), (0, 60), (500, 10)), [(10, 70), (72, 132)]),
        # Any number of interruptions, every other minute even.
        (((500, 1), *(((0, 1), (5, 1)) * 40), (0, 1), (500, 1)), [(1, 82)]),
        # A stretch begins and ends with a zero.
        (((500, 10), (5, 2), (0, 60), (5, 2), (500, 10)), [(12, 72)]),
        (((5, 2), (0, 60)), [(2, 62)]),
        (((0, 60), (5, 2)), [(0, 60)]),
        # Missing ends it, negative is wear.
        (((0, 59), (GAP, 1), (0, 59)), [(59, 60)]),
        (((0, 30), (5, 1), (GAP, 1), (0, 60)), [(31, 92)]),
        (((0, 59), (-1, 1), (0, 59)), []),
    ],
)
def test_troiano_worked_out_by_hand(runs: tuple[tuple[float, int], ...], expected: list[tuple[int, int]]) -> None:
    assert bouts(~troiano(minutes(*runs))) == expected


@given(runs_of_minutes)
def test_troiano_never_takes_a_quiet_hour_for_wear(runs: list[tuple[float, int]]) -> None:
    counts = minutes(*runs)
    worn = troiano(counts)
    for start, end in bouts(counts == 0):
        assert end - start < 60 or not worn[start:end].any()
    assert worn[np.nan_to_num(counts) > 100].all()


@given(runs_of_minutes)
def test_troiano_may_run_backwards(runs: list[tuple[float, int]]) -> None:
    np.testing.assert_array_equal(troiano(minutes(*runs[::-1])), troiano(minutes(*runs))[::-1])


@pytest.mark.parametrize("detector", sorted(DETECTORS))
@pytest.mark.parametrize(
    ("runs", "worn"),
    [
        ((), 0),
        (((0, 1),), 1),
        (((GAP, WEEK_MINUTES),), 0),
        (((65_535, WEEK_MINUTES),), WEEK_MINUTES),
        (((1e9, WEEK_MINUTES + 1),), WEEK_MINUTES + 1),
    ],
)
def test_every_detector_answers_at_the_edge_of_sense(
    detector: str, runs: tuple[tuple[float, int], ...], worn: int
) -> None:
    algorithm, judge = DETECTORS[detector]
    assert algorithm.version == "1"
    assert int(judge(minutes(*runs)).sum()) == worn


def by_the_paper(counts: list[float]) -> list[bool]:
    """Returns what Choi 2011 says, slowly: one minute and one sentence at a time."""
    worn = [not math.isnan(count) for count in counts]
    for start in range(len(counts)):
        # "time interval with consecutive zero counts of at least 90 minutes": as far as it reaches from here
        end = start
        while end < len(counts) and (counts[end] == 0 or allowed(counts, end)):
            end += 1
        if end - start >= 90:
            worn[start:end] = [False] * (end - start)
    return worn


def allowed(counts: list[float], minute: int) -> bool:
    """Returns whether a moving minute lies in an interval of at most 2 between 30 zeros and 30 zeros."""
    first = last = minute
    while first > 0 and moves(counts[first - 1]):
        first -= 1
    while last + 1 < len(counts) and moves(counts[last + 1]):
        last += 1
    upstream = counts[first - 30 : first] if first >= 30 else []
    downstream = counts[last + 1 : last + 31]
    return moves(counts[minute]) and last - first < 2 and upstream == [0.0] * 30 == downstream


def moves(count: float) -> bool:
    """Returns whether something moved: a value is there and is not zero."""
    return not math.isnan(count) and count != 0
