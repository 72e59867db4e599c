"""What every store of tickets must do."""

from dataclasses import replace

import pytest

from clarity_server.domain.errors import RateLimited
from clarity_server.domain.tickets import ATTEMPTS_MAX, Ticket, TicketKind
from clarity_server.ports import Tickets
from tests.contracts.recordings import ACCOUNT
from tests.contracts.threads import at_once
from tests.contracts.worlds import NOW, World

TICKET = Ticket(b"t" * 32, TicketKind.RESET, ACCOUNT, b"c" * 32, ATTEMPTS_MAX, NOW - 1.5, NOW + 60, None, b"\0sealed")
Changed = tuple[Ticket | None, Ticket | None]


@pytest.fixture
def tickets(world: World) -> Tickets:
    world.tickets.change(TICKET.ticket_hash, lambda _: (TICKET, None))
    return world.tickets


def found(tickets: Tickets, ticket_hash: bytes = TICKET.ticket_hash) -> Ticket | None:
    def look(stored: Ticket | None) -> Changed:
        return stored, stored

    return tickets.change(ticket_hash, look)


def spent(stored: Ticket | None) -> tuple[Ticket | None, bool]:
    """Use up one attempt; tell whether there was one."""
    if stored is None or not stored.attempts_left:
        return stored, False
    return replace(stored, attempts_left=stored.attempts_left - 1), True


def test_a_ticket_is_found_as_it_was_stored(tickets: Tickets) -> None:
    assert found(tickets) == TICKET


def test_a_ticket_that_is_not_there_is_none(tickets: Tickets) -> None:
    assert found(tickets, b"x" * 32) is None


@pytest.mark.parametrize("kind", TicketKind)
def test_every_kind_is_kept(tickets: Tickets, kind: TicketKind) -> None:
    used = replace(TICKET, kind=kind, used_time=NOW, code_hash=b"", account_id="", body=b"")
    tickets.change(TICKET.ticket_hash, lambda _: (used, None))
    assert found(tickets) == used


def test_a_ticket_is_replaced_by_what_a_function_makes_of_it(tickets: Tickets) -> None:
    assert tickets.change(TICKET.ticket_hash, spent)
    assert found(tickets) == replace(TICKET, attempts_left=ATTEMPTS_MAX - 1)


def test_a_ticket_of_which_nothing_is_made_is_gone(tickets: Tickets) -> None:
    assert tickets.change(TICKET.ticket_hash, lambda stored: (None, stored)) == TICKET
    assert found(tickets) is None


def test_what_a_function_raises_is_raised_and_nothing_is_changed(tickets: Tickets) -> None:
    def refuse(_: Ticket | None) -> Changed:
        raise RateLimited("resend", 1)

    with pytest.raises(RateLimited):
        tickets.change(TICKET.ticket_hash, refuse)
    assert found(tickets) == TICKET


def test_of_sixteen_attempts_at_once_as_many_count_as_there_are(world: World, tickets: Tickets) -> None:
    with world.another() as other:
        answers = at_once(16, lambda number: (world, other)[number % 2].tickets.change(TICKET.ticket_hash, spent))
    assert answers.count(True) == ATTEMPTS_MAX
    assert found(tickets) == replace(TICKET, attempts_left=0)


def test_of_sixteen_that_make_a_ticket_one_does(tickets: Tickets) -> None:
    def make(number: int) -> bool:
        mine = replace(TICKET, ticket_hash=b"n", body=b"%d" % number)
        return tickets.change(b"n", lambda stored: (stored or mine, stored is None))

    answers = at_once(16, make)
    assert answers.count(True) == 1
    assert found(tickets, b"n") == replace(TICKET, ticket_hash=b"n", body=b"%d" % answers.index(True))


def test_one_that_counts_stays_while_others_expire(world: World, tickets: Tickets) -> None:
    for number in range(50):
        old = replace(TICKET, ticket_hash=b"%d" % number, expire_time=NOW + 1)
        tickets.change(old.ticket_hash, lambda _, old=old: (old, None))  # type: ignore[misc]
    world.clock.wait(2)
    for _ in range(10):
        assert found(tickets) == TICKET


def test_another_process_finds_the_same_ticket(world: World, tickets: Tickets) -> None:
    tickets.change(TICKET.ticket_hash, spent)
    with world.another() as other:
        assert found(other.tickets) == found(tickets)
