"""What every store of insights must do."""

from dataclasses import replace
from datetime import UTC, datetime

from clarity_server.ports import StoredInsight
from tests.contracts.recordings import ACCOUNT, STRANGER
from tests.contracts.threads import at_once
from tests.contracts.worlds import World

WHEN = datetime(2026, 3, 29, 1, 59, 59, 999_999, tzinfo=UTC)


def insight(insight_id: str, account_id: str = ACCOUNT) -> StoredInsight:
    return StoredInsight(account_id, insight_id, "of a week", WHEN, f"says {insight_id}".encode())


def listed(world: World, before: int | None = None, limit: int = 10, account_id: str = ACCOUNT) -> list[str]:
    return [one.insight_id for one in world.insights.list(account_id, before, limit)]


def test_an_insight_is_kept_as_it_is_under_the_next_number(world: World) -> None:
    assert world.insights.put(insight("b")) == replace(insight("b"), number=1)
    assert world.insights.put(insight("a")) == replace(insight("a"), number=2)
    assert world.insights.get(ACCOUNT, "b") == replace(insight("b"), number=1)


def test_the_first_insight_under_an_id_stays_and_is_returned(world: World) -> None:
    first = world.insights.put(insight("a"))
    later = replace(insight("a"), analysis_id="of another", create_time=datetime(2027, 1, 1, tzinfo=UTC), body=b"later")
    assert world.insights.put(later) == first
    assert world.insights.get(ACCOUNT, "a") == first
    assert world.insights.put(insight("b")).number == 2, "what stays takes no number"


def test_the_same_insight_stored_at_once_is_stored_once(world: World) -> None:
    stored = at_once(16, lambda number: world.insights.put(replace(insight("a"), body=b"%d" % number)))
    assert stored == [world.insights.get(ACCOUNT, "a")] * 16


def test_insights_stored_at_once_are_numbered_without_a_gap(world: World) -> None:
    owners = [ACCOUNT, STRANGER]
    at_once(16, lambda number: world.insights.put(insight(f"{number}", owners[number % 2])))
    for owner in owners:
        assert [one.number for one in world.insights.list(owner, None, 10)] == [8, 7, 6, 5, 4, 3, 2, 1]


def test_an_insight_is_found_by_its_own_account_only(world: World) -> None:
    world.insights.put(insight("a"))
    assert world.insights.get(STRANGER, "a") is None
    assert world.insights.get(ACCOUNT, "unknown") is None
    theirs = world.insights.put(insight("a", STRANGER))
    assert world.insights.get(STRANGER, "a") == theirs
    assert theirs.number == 1


def test_insights_come_the_newest_first_from_below_a_number_on(world: World) -> None:
    for name in "edcba":
        world.insights.put(insight(name))
    assert listed(world) == ["a", "b", "c", "d", "e"]
    assert listed(world, limit=2) == ["a", "b"]
    assert listed(world, before=4, limit=2) == ["c", "d"]
    assert listed(world, before=1) == []


def test_insights_of_another_account_are_not_listed(world: World) -> None:
    world.insights.put(insight("a"))
    assert listed(world, account_id=STRANGER) == []


def test_another_process_reads_the_same_insights(world: World) -> None:
    world.insights.put(insight("a"))
    with world.another() as other:
        assert other.insights.put(insight("b")).number == 2
        assert other.insights.list(ACCOUNT, None, 10) == world.insights.list(ACCOUNT, None, 10)
