"""What every store of sessions must do."""

from dataclasses import replace

import pytest

from clarity_server.ports import SessionRow, Sessions
from tests.contracts.identity_world import NOW, at_once
from tests.contracts.worlds import World

FIRST = SessionRow("s" * 26, "a" * 26, 0, b"hash 0", "", NOW, NOW + 1000)


@pytest.fixture
def sessions(world: World) -> Sessions:
    return world.sessions


def following(row: SessionRow, request_id: str = "r") -> SessionRow:
    return replace(row, counter=row.counter + 1, refresh_hash=request_id.encode(), spent_request_id=request_id)


def test_a_session_is_found_as_it_was_stored(sessions: Sessions) -> None:
    assert sessions.create(FIRST) == FIRST
    assert sessions.get(FIRST.session_id) == FIRST


def test_an_unknown_session_is_found_to_be_none(sessions: Sessions) -> None:
    assert sessions.get("x" * 26) is None


def test_storing_an_id_again_changes_nothing_and_returns_the_stored_one(sessions: Sessions) -> None:
    sessions.create(FIRST)
    assert sessions.create(replace(FIRST, account_id="b" * 26, spent_time=NOW + 5)) == FIRST
    assert sessions.get(FIRST.session_id) == FIRST


def test_advancing_replaces_everything_that_a_refresh_changes(sessions: Sessions) -> None:
    sessions.create(FIRST)
    second = replace(following(FIRST), spent_time=NOW + 7, expire_time=NOW + 2000)
    assert sessions.advance(FIRST, second)
    assert sessions.get(FIRST.session_id) == second


def test_advancing_from_a_number_that_is_past_changes_nothing(sessions: Sessions) -> None:
    sessions.create(FIRST)
    second = following(FIRST)
    assert sessions.advance(FIRST, second)
    assert not sessions.advance(FIRST, following(FIRST, "late"))
    assert sessions.get(FIRST.session_id) == second


def test_of_sixteen_callers_that_advance_one_wins(sessions: Sessions) -> None:
    sessions.create(FIRST)
    answers = at_once(16, lambda number: sessions.advance(FIRST, following(FIRST, str(number))))
    assert sorted(answers, key=str) == [False] * 15 + [True]
    assert sessions.get(FIRST.session_id) == following(FIRST, str(answers.index(True)))


def test_an_ended_session_does_not_advance(sessions: Sessions) -> None:
    sessions.create(FIRST)
    sessions.end(FIRST.session_id, NOW + 1)
    assert not sessions.advance(FIRST, following(FIRST))
    assert sessions.get(FIRST.session_id) == replace(FIRST, ended_time=NOW + 1)


def test_an_unknown_session_does_not_advance(sessions: Sessions) -> None:
    assert not sessions.advance(FIRST, following(FIRST))
    assert sessions.get(FIRST.session_id) is None


def test_the_first_end_counts(sessions: Sessions) -> None:
    sessions.create(FIRST)
    sessions.end(FIRST.session_id, NOW + 1)
    sessions.end(FIRST.session_id, NOW + 2)
    assert sessions.get(FIRST.session_id) == replace(FIRST, ended_time=NOW + 1)


def test_ending_an_unknown_session_is_harmless(sessions: Sessions) -> None:
    sessions.end("x" * 26, NOW)
    assert sessions.ended_since(0) == []


def test_the_ends_since_a_time_include_that_time_and_no_living_session(sessions: Sessions) -> None:
    for name, ended in (("k", NOW - 1), ("l", NOW), ("m", NOW + 1), ("n", None)):
        sessions.create(replace(FIRST, session_id=name * 26))
        if ended is not None:
            sessions.end(name * 26, ended)
    assert sorted(sessions.ended_since(NOW)) == ["l" * 26, "m" * 26]


def test_an_end_is_seen_by_another_process_at_once(world: World, sessions: Sessions) -> None:
    with world.another() as other:
        sessions.create(FIRST)
        sessions.end(FIRST.session_id, NOW)
        assert other.sessions.ended_since(NOW) == [FIRST.session_id]
