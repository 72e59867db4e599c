"""Tickets in the SQLite file."""

import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from typing import TypeVar

import apsw

from clarity_server.adapters.local.database import Database, Row
from clarity_server.domain.tickets import Ticket, TicketKind
from clarity_server.ports import Change

SWEEP_MAX = 16  # expired tickets that each change clears away, so that they never pile up and no call pays for all
# In the order of the fields of Ticket.
FIND = """
    SELECT ticket_hash, kind, account_id, code_hash, attempts_left, sent_time, expire_time, used_time, body
    FROM tickets WHERE ticket_hash = ?"""
PUT = """
    REPLACE INTO tickets
        (ticket_hash, kind, account_id, code_hash, attempts_left, sent_time, expire_time, used_time, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
REMOVE = "DELETE FROM tickets WHERE ticket_hash = ?"
SWEEP = """
    DELETE FROM tickets WHERE ticket_hash IN (
        SELECT ticket_hash FROM tickets WHERE expire_time <= ? ORDER BY expire_time LIMIT ?)"""

A = TypeVar("A")


class SqliteTickets:
    """Implements ports.Tickets."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        """Take the file, and the clock by which tickets expire."""
        self._database = database
        self._clock = clock

    def change(self, ticket_hash: bytes, change: Change[Ticket, A]) -> A:
        """Replace a ticket, or none, by what a pure function makes of it, and return the function's answer."""

        def work(connection: apsw.Connection) -> A:
            connection.execute(SWEEP, (self._clock(), SWEEP_MAX))
            before = _find(connection, ticket_hash)
            after, answer = change(before)
            if after != before:
                _put(connection, ticket_hash, after)
            return answer

        return self._database.write(work)


def _find(connection: apsw.Connection, ticket_hash: bytes) -> Ticket | None:
    rows: Sequence[Row] = connection.execute(FIND, (ticket_hash,)).fetchall()
    return replace(Ticket(*rows[0]), kind=TicketKind(rows[0][1])) if rows else None


def _put(connection: apsw.Connection, ticket_hash: bytes, ticket: Ticket | None) -> None:
    if ticket is None:
        connection.execute(REMOVE, (ticket_hash,))
        return
    assert ticket.ticket_hash == ticket_hash, "a ticket keeps its name"
    connection.execute(PUT, astuple(ticket))
