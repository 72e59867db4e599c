"""Hashes cost what was asked for, and no more are made at a time than was allowed."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from clarity_server.adapters.local.hashing import OWASP, Cost, Hashing
from clarity_server.domain.errors import Busy, CredentialsWrong
from tests.contracts.worlds import CHEAP

SLOW = Cost(memory_kib=19 * 1024, passes=20, lanes=1)


@pytest.fixture
def hashing() -> Iterator[Hashing]:
    hashing = Hashing(CHEAP)
    yield hashing
    hashing.close()


def test_the_usual_cost_is_the_one_that_owasp_names() -> None:
    hashing = Hashing()
    made = hashing.hash("Night-0wl")
    hashing.close()
    assert made.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert Cost(19456, 2, 1) == OWASP


def test_the_right_password_passes_and_needs_no_new_hash(hashing: Hashing) -> None:
    assert hashing.check(hashing.hash("Night-0wl"), "Night-0wl") is None


def test_a_wrong_password_fails(hashing: Hashing) -> None:
    with pytest.raises(CredentialsWrong):
        hashing.check(hashing.hash("Night-0wl"), "night-0wl")


def test_without_a_stored_hash_every_password_fails(hashing: Hashing) -> None:
    with pytest.raises(CredentialsWrong):
        hashing.check(None, "Night-0wl")


def test_the_same_password_has_another_hash_each_time(hashing: Hashing) -> None:
    assert hashing.hash("Night-0wl") != hashing.hash("Night-0wl")


def test_a_hash_of_another_cost_passes_and_comes_back_made_anew(hashing: Hashing) -> None:
    dearer = Hashing(Cost(memory_kib=16, passes=1, lanes=1))
    renewed = hashing.check(dearer.hash("Night-0wl"), "Night-0wl")
    dearer.close()
    assert renewed is not None
    assert hashing.check(renewed, "Night-0wl") is None


def test_beyond_the_waiting_places_callers_hear_busy_and_those_inside_get_their_answer() -> None:
    hashing = Hashing(SLOW, workers=1, waiting_max=2)
    gate = threading.Barrier(12)

    def attempt() -> str | Busy:
        gate.wait()
        try:
            return hashing.hash("Night-0wl")
        except Busy as busy:
            return busy

    with ThreadPoolExecutor(12) as callers:
        answers = [call.result() for call in [callers.submit(attempt) for _ in range(12)]]
    hashing.close()
    busy = [answer for answer in answers if isinstance(answer, Busy)]
    assert 1 <= len(busy) <= 9
    assert busy[0].retry_after_s
    assert all(answer.startswith("$argon2id$") for answer in answers if isinstance(answer, str))


def test_a_place_is_free_again_after_a_wrong_password() -> None:
    hashing = Hashing(CHEAP, workers=1, waiting_max=0)
    for _ in range(3):
        with pytest.raises(CredentialsWrong):
            hashing.check(None, "Night-0wl")
    assert hashing.hash("Night-0wl")
    hashing.close()
