"""What every audit must do."""

from dataclasses import replace

from clarity_server.domain import chain
from clarity_server.domain.audit import AuditEvent, AuditKind
from tests.contracts.recordings import ACCOUNT
from tests.contracts.threads import at_once
from tests.contracts.worlds import World

EVENT = AuditEvent(AuditKind.CONSENT_GIVEN, ACCOUNT, ACCOUNT, "session", "", "request", {"purpose": "analysis"})
SOME = 1000


def events(world: World) -> list[AuditEvent]:
    return [chain.unpacked(row.event) for row in world.audit.rows(0, SOME)]


def test_events_are_kept_in_order_with_their_times(world: World) -> None:
    world.audit.append(EVENT)
    world.clock.wait(1.5)
    world.audit.append(replace(EVENT, kind=AuditKind.CONSENT_WITHDRAWN))
    assert events(world) == [EVENT, replace(EVENT, kind=AuditKind.CONSENT_WITHDRAWN)]
    first, second = world.audit.rows(0, SOME)
    assert (first.seq, second.seq, second.time - first.time) == (1, 2, 1.5)


def test_rows_come_page_by_page(world: World) -> None:
    for _ in range(5):
        world.audit.append(EVENT)
    assert [row.seq for row in world.audit.rows(0, 2)] == [1, 2]
    assert [row.seq for row in world.audit.rows(2, 2)] == [3, 4]
    assert world.audit.rows(5, 2) == []


def test_of_a_network_only_a_digest_is_kept_and_the_same_one_for_the_same(world: World) -> None:
    for network in ("192.0.2.77", "192.0.2.78", "192.0.2.77", ""):
        world.audit.append(replace(EVENT, origin=network))
    one, other, again, none = [event.origin for event in events(world)]
    assert one == again != other
    assert none == ""
    assert not any(b"192.0.2.7" in row.event for row in world.audit.rows(0, SOME))


def test_what_was_appended_at_once_is_one_whole_chain(world: World) -> None:
    at_once(16, lambda number: world.audit.append(replace(EVENT, request_id=f"{number}")))
    assert {event.request_id for event in events(world)} == {f"{number}" for number in range(16)}
    assert (world.audit.verify().whole, world.audit.verify().rows) == (True, 16)


def test_another_process_goes_on_with_the_same_chain(world: World) -> None:
    world.audit.append(EVENT)
    with world.another() as other:
        other.audit.append(EVENT)
        other.audit.anchor()
    world.audit.append(EVENT)
    verdict = world.audit.verify()
    assert (verdict.whole, verdict.rows, verdict.anchored) == (True, 3, 2)


def test_an_anchor_vouches_for_what_is_there_and_comes_once(world: World) -> None:
    assert not world.audit.anchor(), "there is nothing yet"
    world.audit.append(EVENT)
    audit = world.audit
    assert audit.verify().anchored == 0
    assert audit.anchor()
    assert not audit.anchor(), "there is nothing new"
    assert not world.audit.anchor(), "and whoever opens it again sees that"
    assert (audit.verify().anchored, audit.verify().anchored_time) == (1, world.clock())
    audit.append(EVENT)
    assert audit.anchor()
    assert audit.verify().anchored == 2


def test_it_can_be_verified_while_others_append_and_anchor(world: World) -> None:
    audit = world.audit

    def work(number: int) -> bool:
        for _ in range(5):
            audit.append(EVENT)
            audit.anchor()
            if number % 2 and not audit.verify().whole:
                return False
        return True

    assert at_once(6, work) == [True] * 6
