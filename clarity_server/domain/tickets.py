"""Tickets: what waits for a code or another answer, as values.

A code is worth nothing without its ticket, and only attempts with a ticket count against it: who does not hold it can
neither guess the code nor use up its attempts.
"""

import secrets
from dataclasses import dataclass, replace
from enum import StrEnum

ATTEMPTS_MAX = 5
CODE_DIGITS = 8  # five guesses of 10**8


class TicketKind(StrEnum):
    """What an answer does."""

    SIGN_UP = "sign-up"
    NEW_EMAIL = "new-email"
    RESET = "reset"
    SIGN_IN = "sign-in"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the store keeps: hashes, never a ticket or a code."""

    ticket_hash: bytes
    kind: TicketKind
    account_id: str  # empty where nobody has the address: the ticket looks alike and opens nothing
    code_hash: bytes  # of the newest code, or, once it was used, of all that it was used with
    attempts_left: int
    sent_time: float  # of the newest code, in seconds since 1970
    expire_time: float
    used_time: float | None = None  # when it was answered rightly
    body: bytes = b""  # sealed; what the answer needs beside

    def waits(self, now: float) -> bool:
        """Tell whether it still takes an answer."""
        return self.used_time is None and now < self.expire_time and self.attempts_left > 0


class Outcome(StrEnum):
    """What came of an attempt."""

    RIGHT = "right"
    REPEATED = "repeated"  # the right answer, once more
    WRONG = "wrong"


def attempt(
    ticket: Ticket | None, kind: TicketKind, code_hash: bytes, answer_hash: bytes, now: float
) -> tuple[Ticket | None, Outcome]:
    """Try a code: the ticket as it is afterwards, and what came of it.

    `answer_hash` covers the code and all that it is used with, such as a new password: a code that was used once is
    right again for the very same answer, and for no other.
    """
    if ticket is None or ticket.kind is not kind or now >= ticket.expire_time or ticket.attempts_left <= 0:
        return ticket, Outcome.WRONG
    if ticket.code_hash != (code_hash if ticket.used_time is None else answer_hash):
        return replace(ticket, attempts_left=ticket.attempts_left - 1), Outcome.WRONG
    if ticket.used_time is not None:
        return ticket, Outcome.REPEATED
    return replace(ticket, used_time=now, code_hash=answer_hash), Outcome.RIGHT


def counted(stored: Ticket | None, fresh: Ticket) -> tuple[Ticket, float]:
    """Take one of a budget that is kept as a ticket, full again when its time is over.

    Returns what is left of it, and how long to wait where nothing is. The time of `fresh` is now.
    """
    now = fresh.sent_time
    left = stored if stored is not None and now < stored.expire_time else fresh
    if left.attempts_left == 0:
        return left, left.expire_time - now
    return replace(left, attempts_left=left.attempts_left - 1), 0.0


def new_code() -> str:
    """A fresh code, every one as likely as any other."""
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
