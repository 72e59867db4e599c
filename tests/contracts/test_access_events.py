"""What every log of who has read must do."""

from dataclasses import replace
from datetime import UTC, datetime

from clarity_server.domain.access import Family
from clarity_server.domain.sharing import AccessEvent
from tests.contracts.recordings import ACCOUNT, STRANGER
from tests.contracts.threads import at_once
from tests.contracts.worlds import World

WHEN = datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=UTC)


def event(method: str = "ReadSeries", member_id: str = ACCOUNT) -> AccessEvent:
    return AccessEvent(member_id, "r" * 26, "g" * 26, method, frozenset({Family.SLEEP, Family.MIND}), WHEN)


def listed(world: World, before: int | None = None, limit: int = 10, member_id: str = ACCOUNT) -> list[str]:
    return [one.method for one in world.access_events.list(member_id, before, limit)]


def test_an_event_is_kept_as_it_is_under_the_next_number(world: World) -> None:
    assert world.access_events.add(event()) == replace(event(), number=1)
    assert world.access_events.add(event("ListDays")) == replace(event("ListDays"), number=2)
    assert world.access_events.list(ACCOUNT, None, 10) == [
        replace(event("ListDays"), number=2),
        replace(event(), number=1),
    ]


def test_the_same_event_again_is_another_one(world: World) -> None:
    world.access_events.add(event())
    assert world.access_events.add(event()).number == 2


def test_events_added_at_once_are_numbered_without_a_gap(world: World) -> None:
    owners = [ACCOUNT, STRANGER]
    with world.another() as other:
        worlds = (world, other)
        at_once(16, lambda number: worlds[number // 8].access_events.add(event(member_id=owners[number % 2])))
    for owner in owners:
        assert [one.number for one in world.access_events.list(owner, None, 10)] == [8, 7, 6, 5, 4, 3, 2, 1]


def test_events_come_the_newest_first_from_below_a_number_on(world: World) -> None:
    for method in "edcba":
        world.access_events.add(event(method))
    assert listed(world) == ["a", "b", "c", "d", "e"]
    assert listed(world, limit=2) == ["a", "b"]
    assert listed(world, before=4, limit=2) == ["c", "d"]
    assert listed(world, before=1) == []


def test_events_of_another_member_are_not_listed(world: World) -> None:
    world.access_events.add(event())
    assert listed(world, member_id=STRANGER) == []


def test_another_process_reads_the_same_events(world: World) -> None:
    world.access_events.add(event())
    with world.another() as other:
        assert other.access_events.add(event()).number == 2
        assert other.access_events.list(ACCOUNT, None, 10) == world.access_events.list(ACCOUNT, None, 10)
