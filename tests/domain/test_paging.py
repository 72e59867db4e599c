"""A page token continues the query it was made for, and is worth nothing anywhere else."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarity_server.domain.errors import PageTokenInvalid
from clarity_server.domain.paging import page_token, position

KEY = b"k" * 32
QUERY = ("days", "account", "activity_counts_1min", None, None)
PLACE: list[str | int] = [-18_000, "wrist|left", "app, 2"]

places = st.lists(st.one_of(st.text(max_size=20), st.integers(-(1 << 53), 1 << 53)), max_size=4)


@settings(max_examples=300)
@given(places)
def test_a_token_says_where_its_query_goes_on(place: list[str | int]) -> None:
    assert position(KEY, QUERY, page_token(KEY, QUERY, place)) == place


def test_no_token_is_the_first_page() -> None:
    assert position(KEY, QUERY, "") is None


def test_a_token_is_plain_ascii_that_fits_into_a_url() -> None:
    token = page_token(KEY, QUERY, ["ü?&/+ =", 7])
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize("part", range(len(QUERY)))
def test_a_token_of_another_query_is_refused(part: int) -> None:
    other = [*QUERY[:part], "another", *QUERY[part + 1 :]]
    with pytest.raises(PageTokenInvalid):
        position(KEY, other, page_token(KEY, QUERY, PLACE))


def test_the_parts_of_a_query_do_not_run_into_each_other() -> None:
    with pytest.raises(PageTokenInvalid):
        position(KEY, ("a", "b", "c"), page_token(KEY, ("a", 'b", "c'), PLACE))


def test_a_token_under_another_key_is_refused() -> None:
    with pytest.raises(PageTokenInvalid):
        position(b"j" * 32, QUERY, page_token(KEY, QUERY, PLACE))


def test_every_changed_byte_is_noticed() -> None:
    raw = base64.urlsafe_b64decode(page_token(KEY, QUERY, [1, "ab"]) + "==")
    for at in range(len(raw)):
        changed = bytes([*raw[:at], raw[at] ^ 1, *raw[at + 1 :]])
        with pytest.raises(PageTokenInvalid):
            position(KEY, QUERY, base64.urlsafe_b64encode(changed).decode().rstrip("="))


@settings(max_examples=300)
@given(st.text(min_size=1, max_size=60))
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(PageTokenInvalid):
        position(KEY, QUERY, text)


def test_a_truncated_token_is_refused_at_every_length() -> None:
    token = page_token(KEY, QUERY, PLACE)
    for length in range(1, len(token)):
        with pytest.raises(PageTokenInvalid):
            position(KEY, QUERY, token[:length])
