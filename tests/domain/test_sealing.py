"""What is sealed opens with its key under its name, and with nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarity_server.domain.errors import StoreDamaged
from clarity_server.domain.sealing import KEY_BYTES, NONCE_BYTES, seal, unseal

KEY = b"k" * KEY_BYTES
NAME = "account|heart_rate|3|upload|0|60"
TAG_BYTES = 16


@given(st.binary(max_size=400), st.text(max_size=40))
def test_what_was_sealed_comes_back(plain: bytes, name: str) -> None:
    assert unseal(KEY, seal(KEY, plain, name), name) == plain


def test_the_sealed_bytes_tell_nothing_but_their_length() -> None:
    sealed = seal(KEY, b"resting heart rate", NAME)
    assert b"heart" not in sealed
    assert len(sealed) == NONCE_BYTES + len(b"resting heart rate") + TAG_BYTES


def test_the_same_bytes_are_sealed_differently_each_time() -> None:
    assert seal(KEY, b"same", NAME) != seal(KEY, b"same", NAME)


@pytest.mark.parametrize("name", ["", "account|heart_rate|3|upload|0|61", NAME + " "])
def test_another_name_does_not_open_it(name: str) -> None:
    with pytest.raises(StoreDamaged) as caught:
        unseal(KEY, seal(KEY, b"plain", NAME), name)
    assert caught.value.facts == {"piece": name}


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(StoreDamaged):
        unseal(b"j" * KEY_BYTES, seal(KEY, b"plain", NAME), NAME)


def test_every_changed_byte_is_noticed() -> None:
    sealed = seal(KEY, b"plain", NAME)
    for at in range(len(sealed)):
        changed = bytes([*sealed[:at], sealed[at] ^ 1, *sealed[at + 1 :]])
        with pytest.raises(StoreDamaged):
            unseal(KEY, changed, NAME)


def test_truncated_bytes_are_refused_at_every_length() -> None:
    sealed = seal(KEY, b"plain", NAME)
    for length in range(len(sealed)):
        with pytest.raises(StoreDamaged):
            unseal(KEY, sealed[:length], NAME)


def test_the_text_of_the_error_does_not_name_the_piece() -> None:
    """The piece is a fact for the log; its key holds an account's id."""
    with pytest.raises(StoreDamaged) as caught:
        unseal(KEY, b"", NAME)
    assert NAME not in str(caught.value)
