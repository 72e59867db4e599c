"""One upload is read in each minute, and which one never depends on the order in which they came."""

from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clarity_server.domain.civil import Start, StartKind
from clarity_server.domain.merge import Cover, precedence, winners
from clarity_server.domain.series import Descriptor, Source, StoredUpload

FIRST, COUNT = -5, 20
STORED = StoredUpload(
    "", Descriptor("heart_rate", Source("d"), Start(StartKind.FLOATING, 0), 1000), 1, 0, 0, 0, (), -1, 0
)

Said = list[tuple[int, float]]
"""What an upload says: (minute, value), by minute."""

uploads = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.integers(0, 2),
        st.lists(
            st.tuples(st.integers(FIRST - 2, FIRST + COUNT + 1), st.sampled_from([0.0, 1.0, float("nan")])), max_size=30
        ).map(lambda said: sorted(said, key=lambda one: one[0])),
    ),
    max_size=5,
    unique_by=lambda upload: upload[0],
)


def stored(upload_id: str, revision: int) -> StoredUpload:
    return replace(STORED, upload_id=upload_id, descriptor=replace(STORED.descriptor, revision=revision))


def cover(said: Said) -> Cover:
    minutes = np.array([minute for minute, _ in said], dtype=np.int64)
    return Cover(minutes, np.array([[value] for _, value in said], dtype=np.float32).reshape(-1, 1))


def naive(ranked: list[tuple[str, int, Said]]) -> tuple[list[int], list[bool]]:
    """The rule in words: the first in rank with a sample in the minute; a conflict where an equal says otherwise."""
    owner, conflicted = [-1] * COUNT, [False] * COUNT
    for slot in range(COUNT):
        said = [[str(value) for minute, value in one[2] if minute == FIRST + slot] for one in ranked]
        speaking = [index for index, values in enumerate(said) if values]
        if speaking:
            first = owner[slot] = speaking[0]
            equals = [index for index in speaking if ranked[index][1] == ranked[first][1]]
            conflicted[slot] = any(said[index] != said[first] for index in equals)
    return owner, conflicted


@settings(max_examples=800, deadline=None)
@given(uploads, st.randoms(use_true_random=False))
def test_winners_and_conflicts_are_those_of_the_rule_in_any_order_of_arrival(
    given_uploads: list[tuple[str, int, Said]], random: Random
) -> None:
    arrived = list(given_uploads)
    random.shuffle(arrived)
    ranked = sorted(arrived, key=lambda one: precedence(stored(one[0], one[1])))
    owner, conflicted = winners([one[1] for one in ranked], [cover(one[2]) for one in ranked], FIRST, COUNT)
    assert (owner.tolist(), conflicted.tolist()) == naive(ranked)
    in_order = sorted(given_uploads, key=lambda one: (-one[1], one[0]))
    assert [one[0] for one in ranked] == [one[0] for one in in_order]


def test_the_higher_revision_comes_first_and_then_the_smaller_id() -> None:
    ranked = sorted([stored("b", 1), stored("a", 0), stored("c", 2), stored("a2", 1)], key=precedence)
    assert [one.upload_id for one in ranked] == ["c", "a2", "b", "a"]


def test_a_higher_revision_overrides_without_a_conflict() -> None:
    owner, conflicted = winners([1, 0], [cover([(0, 1.0)]), cover([(0, 2.0)])], 0, 1)
    assert (owner.tolist(), conflicted.tolist()) == ([0], [False])


def test_equals_that_agree_are_no_conflict() -> None:
    nan = float("nan")
    owner, conflicted = winners([0, 0], [cover([(0, 1.0), (1, nan)]), cover([(0, 1.0), (1, nan)])], 0, 2)
    assert (owner.tolist(), conflicted.tolist()) == ([0, 0], [False, False])


def test_a_conflict_below_a_higher_revision_is_not_counted() -> None:
    covers = [cover([(0, 9.0)]), cover([(0, 1.0)]), cover([(0, 2.0)])]
    assert not winners([1, 0, 0], covers, 0, 1)[1].any()


def test_another_number_of_samples_or_channels_in_a_minute_is_another_content() -> None:
    wide = Cover(np.array([0]), np.array([[1.0, 1.0]], dtype=np.float32))
    assert winners([0, 0], [cover([(0, 1.0)]), cover([(0, 1.0), (0, 1.0)])], 0, 1)[1].tolist() == [True]
    assert winners([0, 0], [cover([(0, 1.0)]), wide], 0, 1)[1].tolist() == [True]


def test_nothing_at_all_has_no_winner() -> None:
    owner, conflicted = winners([], [], 0, 3)
    assert (owner.tolist(), conflicted.tolist()) == ([-1, -1, -1], [False, False, False])
