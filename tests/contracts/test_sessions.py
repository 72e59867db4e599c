"""What every store of sessions must do."""

from dataclasses import replace

import pytest

from clarity_server.ports import SessionRow, Sessions
from tests.contracts.threads import at_once
from tests.contracts.worlds import NOW, World

MINE, THEIRS = "a" * 26, "b" * 26
FIRST = SessionRow(
    "s" * 26, MINE, 0, b"hash 0", "", NOW, NOW + 1000, None, NOW - 5, 1005.5, "account.read mind.write", b"sealed"
)


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
    assert sessions.create(replace(FIRST, account_id=THEIRS, spent_time=NOW + 5)) == FIRST
    assert sessions.get(FIRST.session_id) == FIRST


def test_advancing_replaces_everything_that_a_refresh_changes(sessions: Sessions) -> None:
    sessions.create(FIRST)
    second = replace(following(FIRST), spent_time=NOW + 7, expire_time=NOW + 2000, about=b"another network")
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


# ---- of an account --------------------------------------------------------------------------------------------------


def made(sessions: Sessions, name: str, create_time: float = NOW, account_id: str = MINE) -> str:
    sessions.create(replace(FIRST, session_id=name * 26, create_time=create_time, account_id=account_id))
    return name * 26


def listed(sessions: Sessions, after: tuple[float, str] | None = None, limit: int = 10, now: float = NOW) -> str:
    return "".join(row.session_id[0] for row in sessions.of_account(MINE, now, after, limit))


def test_sessions_come_the_newest_first_and_then_by_id(sessions: Sessions) -> None:
    for name, age in (("c", 1), ("a", 2), ("d", 1), ("b", 0)):
        made(sessions, name, NOW - age)
    assert listed(sessions) == "bdca"


def test_a_session_is_listed_as_it_is_stored(sessions: Sessions) -> None:
    sessions.create(FIRST)
    assert sessions.of_account(MINE, NOW, None, 1) == [FIRST]


def test_sessions_page_by_their_key(sessions: Sessions) -> None:
    for name, age in zip("abcde", (0, 0, 1, 1, 2), strict=True):
        made(sessions, name, NOW - age)
    whole = sessions.of_account(MINE, NOW, None, 10)
    paged, after = list[SessionRow](), None
    while page := sessions.of_account(MINE, NOW, after, 2):
        assert len(page) <= 2
        paged += page
        after = (page[-1].create_time, page[-1].session_id)
    assert paged == whole
    assert len(paged) == 5


def test_neither_ended_nor_expired_nor_anothers_sessions_are_listed(sessions: Sessions) -> None:
    for name in "abc":
        made(sessions, name)
    made(sessions, "t", account_id=THEIRS)
    sessions.end("b" * 26, NOW)
    expired = replace(following(FIRST), session_id="c" * 26, expire_time=NOW)
    assert sessions.advance(replace(FIRST, session_id="c" * 26), expired)
    assert listed(sessions) == "a"
    assert listed(sessions, now=NOW + 1000) == ""


def test_all_sessions_of_an_account_end_at_once_but_one(sessions: Sessions) -> None:
    ended = [made(sessions, name) for name in "abc"]
    kept, theirs = made(sessions, "k"), made(sessions, "t", account_id=THEIRS)
    sessions.end("c" * 26, NOW - 1)
    assert sorted(sessions.end_all(MINE, NOW + 1, but=kept)) == ended[:2]
    assert sorted(sessions.ended_since(NOW)) == ended[:2]
    assert listed(sessions) == "k"
    assert (found := sessions.get(theirs)) is not None
    assert found.ended_time is None


def test_without_an_exception_all_of_them_end_and_ending_all_again_ends_none(sessions: Sessions) -> None:
    made(sessions, "a")
    assert sessions.end_all(MINE, NOW) == ["a" * 26]
    assert sessions.end_all(MINE, NOW + 1) == []
    assert (found := sessions.get("a" * 26)) is not None
    assert found.ended_time == NOW


def test_of_sixteen_that_end_all_each_session_is_told_to_one(world: World, sessions: Sessions) -> None:
    made_ids = [made(sessions, name) for name in "abcdefgh"]
    with world.another() as other:
        answers = at_once(16, lambda number: (world, other)[number % 2].sessions.end_all(MINE, NOW))
    told = [session_id for answer in answers if not isinstance(answer, Exception) for session_id in answer]
    assert sorted(told) == made_ids


def test_a_session_that_ends_while_it_advances_is_not_alive(sessions: Sessions) -> None:
    sessions.create(FIRST)
    at_once(2, lambda number: sessions.advance(FIRST, following(FIRST)) if number else sessions.end_all(MINE, NOW))
    assert (found := sessions.get(FIRST.session_id)) is not None
    assert found.ended_time == NOW
