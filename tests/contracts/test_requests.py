"""What every store of first answers must do."""

from functools import partial
from pathlib import Path

import pytest

from clarity_server.domain.errors import RequestIdReused
from clarity_server.ports import Requests
from tests.contracts.identity_world import NOW, at_once, identity_world
from tests.contracts.worlds import World

BODY, OTHER = b"b" * 32, b"o" * 32


@pytest.fixture
def requests(world: World) -> Requests:
    return world.requests


def test_a_repeat_gets_the_first_answer(requests: Requests) -> None:
    assert requests.first("scope", "id", BODY, "first", now=NOW, keep_s=60) == "first"
    assert requests.first("scope", "id", BODY, "second", now=NOW + 59, keep_s=60) == "first"


def test_a_repeat_does_not_prolong_the_first_answer(requests: Requests) -> None:
    requests.first("scope", "id", BODY, "first", now=NOW, keep_s=60)
    requests.first("scope", "id", BODY, "second", now=NOW + 59, keep_s=60)
    assert requests.first("scope", "id", BODY, "third", now=NOW + 60, keep_s=60) == "third"


def test_another_body_is_refused_and_the_first_answer_stays(requests: Requests) -> None:
    requests.first("scope", "id", BODY, "first", now=NOW, keep_s=60)
    with pytest.raises(RequestIdReused):
        requests.first("scope", "id", OTHER, "second", now=NOW, keep_s=60)
    assert requests.first("scope", "id", BODY, "third", now=NOW, keep_s=60) == "first"


def test_ids_of_other_scopes_are_strangers(requests: Requests) -> None:
    requests.first("scope", "id", BODY, "first", now=NOW, keep_s=60)
    assert requests.first("other", "id", OTHER, "second", now=NOW, keep_s=60) == "second"


def test_after_its_time_an_id_is_new_again_even_for_another_body(requests: Requests) -> None:
    requests.first("scope", "id", BODY, "first", now=NOW, keep_s=60)
    assert requests.first("scope", "id", OTHER, "second", now=NOW + 60, keep_s=60) == "second"
    assert requests.first("scope", "id", OTHER, "third", now=NOW + 119, keep_s=60) == "second"


def test_an_expired_id_is_new_although_many_older_ones_expired_before_it(requests: Requests) -> None:
    for number in range(100):
        requests.first("scope", f"id-{number}", BODY, "first", now=NOW + number / 100, keep_s=60)
    assert requests.first("scope", "id-99", OTHER, "second", now=NOW + 1000, keep_s=60) == "second"
    assert requests.first("scope", "id-99", OTHER, "third", now=NOW + 1001, keep_s=60) == "second"


def test_expired_answers_do_not_pile_up(tmp_path: Path) -> None:
    with identity_world(tmp_path) as world:
        for number in range(100):
            world.requests.first("scope", f"id-{number}", BODY, "first", now=NOW + number, keep_s=10)
        with world.database.read() as connection:
            assert connection.execute("SELECT count(*) FROM requests").fetchall() == [(10,)]


def test_of_sixteen_callers_with_one_id_all_get_the_answer_of_one(requests: Requests) -> None:
    call = partial(requests.first, "scope", "id", BODY, now=NOW, keep_s=60)
    answers = at_once(16, lambda number: call(answer=str(number)))
    assert len(set(answers)) == 1
    assert answers[0] in {str(number) for number in range(16)}


def test_of_sixteen_callers_with_one_id_and_two_bodies_one_body_wins(requests: Requests) -> None:
    bodies = [BODY, OTHER] * 8
    answers = at_once(16, lambda n: requests.first("scope", "id", bodies[n], str(n), now=NOW, keep_s=60))
    refused = {bodies[n] for n, answer in enumerate(answers) if isinstance(answer, RequestIdReused)}
    answered = {bodies[n] for n, answer in enumerate(answers) if isinstance(answer, str)}
    assert len(refused) == len(answered) == 1
    assert refused != answered


def test_whoever_only_looks_keeps_nothing(requests: Requests) -> None:
    assert requests.find("scope", "id", BODY, now=NOW) is None
    assert requests.first("scope", "id", OTHER, "first", now=NOW, keep_s=60) == "first"
    assert requests.find("scope", "id", OTHER, now=NOW + 59) == "first"
    assert requests.find("other", "id", OTHER, now=NOW) is None
    with pytest.raises(RequestIdReused):
        requests.find("scope", "id", BODY, now=NOW)
    assert requests.find("scope", "id", BODY, now=NOW + 60) is None


def test_an_answer_is_found_by_another_process(world: World, requests: Requests) -> None:
    requests.first("scope", "id", BODY, "first", now=NOW, keep_s=60)
    with world.another() as other:
        assert other.requests.first("scope", "id", BODY, "second", now=NOW, keep_s=60) == "first"
