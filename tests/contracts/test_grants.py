"""What every store of grants must do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from clarity_server.domain.access import Family
from clarity_server.domain.errors import GrantNotFound, GrantsFull
from clarity_server.domain.sharing import Grant
from clarity_server.ports import Grants
from tests.contracts.threads import at_once
from tests.contracts.worlds import World

WHEN = datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=UTC)
LATER = WHEN + timedelta(days=1)
MEMBER, READER, OTHER = "m" * 26, "r" * 26, "o" * 26
MAX = 100


@pytest.fixture
def grants(world: World) -> Grants:
    return world.grants


def grant(grant_id: str, member_id: str = MEMBER, reader_id: str = READER) -> Grant:
    return Grant(grant_id, member_id, reader_id, frozenset({Family.SLEEP, Family.HEART}), WHEN, LATER)


def made(grants: Grants, *names: str) -> list[Grant]:
    return [grants.create(grant(name), MAX, WHEN) for name in names]


def listed(grants: Grants, after: tuple[float, str] | None = None, limit: int = 10) -> list[str]:
    return [one.grant_id for one in grants.given(MEMBER, after, limit)]


def test_a_grant_is_found_as_it_was_made(grants: Grants) -> None:
    assert made(grants, "a") == [grant("a")]
    assert grants.get("a") == grant("a")


@pytest.mark.parametrize("families", [frozenset[Family](), frozenset(Family)])
def test_any_choice_of_families_is_kept(grants: Grants, families: frozenset[Family]) -> None:
    chosen = replace(grant("a"), families=families)
    assert grants.create(chosen, MAX, WHEN) == grants.get("a") == chosen


def test_an_unknown_grant_is_found_to_be_none(grants: Grants) -> None:
    assert grants.get("a") is None


def test_making_a_grant_again_changes_nothing_and_returns_the_stored_one(grants: Grants) -> None:
    made(grants, "a")
    revoked = grants.revoke(MEMBER, "a", WHEN)
    assert grants.create(replace(grant("a"), reader_id=OTHER), 0, WHEN) == revoked == grants.get("a")


def test_no_more_grants_are_in_force_than_there_may_be(grants: Grants) -> None:
    made(grants, "a", "b")
    with pytest.raises(GrantsFull) as error:
        grants.create(grant("c"), 2, WHEN)
    assert error.value.facts == {"limit": "2"}
    assert grants.get("c") is None
    grants.create(grant("c", member_id=OTHER), 2, WHEN)


def test_neither_a_revoked_nor_an_expired_grant_takes_a_place(grants: Grants) -> None:
    made(grants, "a", "b")
    grants.revoke(MEMBER, "a", WHEN)
    grants.create(grant("c"), 2, WHEN)
    grants.create(replace(grant("d"), expire_time=LATER + timedelta(days=1)), 1, LATER)


def test_of_sixteen_grants_made_at_once_as_many_are_as_there_may_be(world: World, grants: Grants) -> None:
    with world.another() as other:
        worlds = (world, other)
        answers = at_once(16, lambda number: worlds[number % 2].grants.create(grant(f"{number}"), 5, WHEN))
    assert [type(answer) for answer in answers].count(GrantsFull) == 11
    assert len(listed(grants, limit=99)) == 5


# ---- revoking -------------------------------------------------------------------------------------------------------


def test_a_grant_is_revoked_at_the_time_that_counts_first(grants: Grants) -> None:
    made(grants, "a")
    revoked = replace(grant("a"), revoke_time=WHEN + timedelta(seconds=1))
    assert grants.revoke(MEMBER, "a", WHEN + timedelta(seconds=1)) == revoked
    assert grants.revoke(MEMBER, "a", LATER) == revoked == grants.get("a")


@pytest.mark.parametrize("member_id", [OTHER, READER])
def test_a_grant_of_another_is_not_found(grants: Grants, member_id: str) -> None:
    made(grants, "a")
    with pytest.raises(GrantNotFound):
        grants.revoke(member_id, "a", WHEN)
    with pytest.raises(GrantNotFound):
        grants.revoke(MEMBER, "unknown", WHEN)
    assert grants.get("a") == grant("a")


# ---- lists ----------------------------------------------------------------------------------------------------------


def test_grants_in_force_cover_what_one_may_read_of_the_other(world: World, grants: Grants) -> None:
    made(grants, "b", "a", "revoked")
    grants.revoke(MEMBER, "revoked", WHEN)
    for name, one in {"else": grant("x", reader_id=OTHER), "back": grant("y", READER, MEMBER)}.items():
        grants.create(replace(one, grant_id=name), MAX, WHEN)
    assert grants.covering(MEMBER, READER, WHEN) == [grant("a"), grant("b")]
    assert grants.covering(MEMBER, READER, LATER - timedelta(microseconds=1)) == [grant("a"), grant("b")]
    assert grants.covering(MEMBER, READER, LATER) == []
    with world.another() as other:
        assert other.grants.covering(READER, MEMBER, WHEN) == [grant("back", READER, MEMBER)]


def test_grants_come_the_newest_first_and_then_by_id(grants: Grants) -> None:
    for name, age in (("c", 1), ("a", 2), ("d", 1), ("b", 0)):
        grants.create(replace(grant(name), create_time=WHEN - timedelta(days=age)), MAX, WHEN)
    assert listed(grants) == ["b", "d", "c", "a"]


def test_grants_page_by_their_key(grants: Grants) -> None:
    made(grants, *"abcde")
    assert listed(grants, limit=2) == ["e", "d"]
    assert listed(grants, (WHEN.timestamp(), "d"), 2) == ["c", "b"]
    assert listed(grants, (WHEN.timestamp(), "a")) == []


def test_a_member_sees_what_they_gave_and_a_reader_what_they_got(grants: Grants) -> None:
    mine, theirs, back = grant("a"), grant("b", OTHER), grant("c", READER, MEMBER)
    for one in (mine, theirs, back):
        grants.create(one, MAX, WHEN)
    grants.revoke(MEMBER, "a", WHEN)
    assert grants.given(MEMBER, None, 10) == [replace(mine, revoke_time=WHEN)]
    assert [one.grant_id for one in grants.received(READER, None, 10)] == ["b", "a"]
    assert grants.received(READER, (WHEN.timestamp(), "b"), 10) == [replace(mine, revoke_time=WHEN)]
    assert grants.received(MEMBER, None, 10) == [back]
