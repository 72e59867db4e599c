"""Bouts: unbroken stretches of True, and their way back to a mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarity_server.rhythm.algorithm import Algorithm
from clarity_server.rhythm.bouts import bouts, painted, spans

masks = st.lists(st.booleans(), max_size=60).map(lambda bits: np.array(bits, dtype=np.bool_))


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("", []),
        (".", []),
        ("#", [(0, 1)]),
        ("###", [(0, 3)]),
        ("##..#.###", [(0, 2), (4, 5), (6, 9)]),
        ("..##..", [(2, 4)]),
        ("#.#.#", [(0, 1), (2, 3), (4, 5)]),
    ],
)
def test_a_bout_is_a_longest_run_of_true(mask: str, expected: list[tuple[int, int]]) -> None:
    assert bouts(np.array([letter == "#" for letter in mask], dtype=np.bool_)) == expected


@given(masks)
def test_painting_the_bouts_gives_the_mask_back(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(painted(spans(mask), len(mask)), mask)


@given(masks)
def test_bouts_are_in_order_not_empty_and_never_touch(mask: np.ndarray) -> None:
    edges = [edge for bout in bouts(mask) for edge in bout]
    assert edges == sorted(set(edges))


def test_bouts_are_plain_ints_that_any_writer_can_take() -> None:
    assert {type(edge) for edge in bouts(np.array([True]))[0]} == {int}


def test_a_mask_that_is_strided_or_read_only_is_read_all_the_same() -> None:
    mask = np.array([True, False, True, False, False, False])
    mask.flags.writeable = False
    assert bouts(mask[::2]) == [(0, 2)]


def test_an_algorithm_keeps_the_parameters_it_was_published_with() -> None:
    parameters = {"threshold": "40"}
    algorithm = Algorithm("oakley", "1", parameters)
    parameters["threshold"] = "20"
    assert algorithm.parameters == {"threshold": "40"}
    with pytest.raises(TypeError):
        algorithm.parameters["threshold"] = "20"  # type: ignore[index]


def test_an_algorithm_run_with_another_threshold_says_so() -> None:
    assert Algorithm("oakley", "1", {"a": "1", "b": "2"}).having(b="3").parameters == {"a": "1", "b": "3"}


def test_a_misspelt_parameter_is_refused() -> None:
    with pytest.raises(KeyError, match="treshold"):
        Algorithm("oakley", "1", {"threshold": "40"}).having(treshold="20")
