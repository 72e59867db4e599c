"""Ids cannot be guessed or put in order, and a digest of texts knows where each one ends."""

import re

from hypothesis import given
from hypothesis import strategies as st

from clarity_server.domain.ids import ID_CHARS, keyed_digest, new_id

TEXTS = st.lists(st.text())


def test_an_id_is_26_characters_of_lower_case_base32() -> None:
    assert ID_CHARS == 26
    assert re.fullmatch(r"[a-z2-7]{26}", new_id())


def test_a_thousand_ids_differ() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000


@given(first=TEXTS, second=TEXTS)
def test_two_lists_of_texts_share_a_digest_only_when_they_are_equal(first: list[str], second: list[str]) -> None:
    assert (keyed_digest(b"key", *first) == keyed_digest(b"key", *second)) == (first == second)


def test_moving_a_letter_from_one_text_to_the_next_changes_the_digest() -> None:
    assert keyed_digest(b"key", "ab", "c") != keyed_digest(b"key", "a", "bc")


def test_another_key_gives_another_digest() -> None:
    assert keyed_digest(b"key", "a") != keyed_digest(b"yek", "a")
