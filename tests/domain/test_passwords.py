"""The policy says everything that a password still needs, and nothing of a good one."""

import pytest

from clarity_server.domain.passwords import CHARS_MAX, violations


def test_a_password_with_every_kind_of_character_may_be_used() -> None:
    assert violations("Night-0wl") == ()


@pytest.mark.parametrize(
    ("password", "need"),
    [
        ("Aa1-567", "at least 8 characters"),
        ("Aa1-" + "x" * (CHARS_MAX - 3), "at most 128 characters"),
        ("NIGHT-0WL", "a lower-case letter"),
        ("night-0wl", "an upper-case letter"),
        ("Night-owl", "a digit"),
        ("Night0wls", "a character that is none of these"),
    ],
)
def test_a_password_that_breaks_one_rule_hears_of_that_rule_only(password: str, need: str) -> None:
    assert violations(password) == (need,)


def test_an_empty_password_hears_of_every_rule_it_breaks() -> None:
    assert len(violations("")) == 5


@pytest.mark.parametrize("length", [8, 128])
def test_both_ends_of_the_length_are_allowed(length: int) -> None:
    assert violations("Aa1-" + "x" * (length - 4)) == ()


def test_length_counts_characters_and_not_bytes() -> None:
    assert violations("Aa1-" + "é" * 124) == ()


@pytest.mark.parametrize("password", ["Nächte-0", "ñÑ１ß blau", "Night 0wl", "Night睡0wl"])
def test_letters_and_digits_of_any_script_count_as_such(password: str) -> None:
    assert violations(password) == ()
