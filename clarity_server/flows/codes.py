"""Codes that are mailed, and the tickets without which they are worth nothing.

Whoever asks gets a ticket, whether anybody is written to or not. A ticket can be derived again from its seed, so a
repeat gets the same one although the store keeps only hashes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import NoReturn

from clarity_server.domain.accounts import Account, AccountState, Confirmation, Origin
from clarity_server.domain.audit import AuditKind
from clarity_server.domain.errors import CodeWrong, RateLimited
from clarity_server.domain.ids import ID_BYTES, keyed_digest, spelled
from clarity_server.domain.mail import Mail
from clarity_server.domain.sealing import seal, unseal
from clarity_server.domain.tickets import ATTEMPTS_MAX, Outcome, Ticket, TicketKind, attempt, counted, new_code
from clarity_server.flows import mails
from clarity_server.flows.trail import Trail
from clarity_server.ports import Accounts, Keys, Outbox, Tickets

RESEND_S = 60.0  # from one code to the next
RESENDS_MAX = 5
LASTS_S: Mapping[TicketKind, float] = MappingProxyType(
    {
        TicketKind.SIGN_UP: timedelta(hours=1).total_seconds(),
        TicketKind.NEW_EMAIL: timedelta(hours=1).total_seconds(),
        TicketKind.RESET: timedelta(minutes=15).total_seconds(),
    }
)


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whose code it is, and where it goes. Where it goes nowhere, the mail is made all the same: that takes as long."""

    account: Account
    to: str  # empty: to nobody

    def mail(self, kind: TicketKind, code: str) -> Mail:
        """The mail with a code."""
        match kind:
            case TicketKind.NEW_EMAIL:
                made = mails.confirm_email(self.account, self.to, code)
            case TicketKind.RESET:
                made = mails.reset_password(self.account, code)
            case _:
                made = mails.confirm_sign_up(self.account, code)
        return replace(made, to=self.to) if self.to else mails.to_nobody(made)


NOBODY = Addressee(Account("", "", "", datetime.fromtimestamp(0, UTC)), "")


@dataclass(frozen=True, slots=True)
class Codes:
    """Issues and checks them."""

    tickets: Tickets
    accounts: Accounts
    outbox: Outbox
    trail: Trail
    keys: Keys
    clock: Callable[[], float]  # seconds since 1970

    def owner(self, email: str) -> Account | None:
        """Find who has an address; those that wait for it do not have it. Takes as long where nobody has."""
        found = self.accounts.get(self.accounts.by_email(email) or "")
        return None if found is None or found.state is AccountState.PENDING else found

    def ticket_of(self, seed: str) -> str:
        """The ticket of a seed; only the holder of the key can derive it."""
        return spelled(keyed_digest(self.keys.derived("ticket"), seed)[:ID_BYTES])

    def hash_of(self, ticket: str) -> bytes:
        """What the store knows a ticket by."""
        return keyed_digest(self.keys.derived("ticket-index"), ticket)

    def issued(self, seed: str) -> bool:
        """Tell whether the ticket of a seed is there."""
        return self.tickets.change(self.hash_of(self.ticket_of(seed)), lambda stored: (stored, stored is not None))

    def issue(
        self, kind: TicketKind, seed: str, addressee: Addressee, began: float, instead: Mail | None = None
    ) -> Confirmation:
        """Make the ticket of a seed and mail its code, or `instead`; where it is there, mail nothing.

        The Confirmation has no address: what the caller gave is the caller's to show.
        """
        ticket, code = self.ticket_of(seed), new_code()
        ticket_hash, account_id = self.hash_of(ticket), addressee.account.account_id
        made = Ticket(
            ticket_hash=ticket_hash,
            kind=kind,
            account_id=account_id,
            code_hash=self._code_hash(ticket, code),
            attempts_left=ATTEMPTS_MAX,
            sent_time=began,
            expire_time=began + LASTS_S[kind],
            body=self._sealed(ticket_hash, account_id, {"to": addressee.to, "resends": "0"}),
        )
        # The ticket first: of two repeats at once one mails, and nobody holds a code that is not the ticket's.
        if self.tickets.change(ticket_hash, lambda stored: (stored or made, stored is None)):
            self.outbox.put(instead or addressee.mail(kind, code), self.clock())
        return Confirmation(ticket, "", made.expire_time, began + RESEND_S)

    def issue_again(self, seed: str, account: Account, began: float) -> Confirmation:
        """Make another ticket for a sign-up that waits, and mail its code. Raises RateLimited.

        Counted, as are the codes of one ticket: who signs up with another's address shall not write to it without end.
        """
        if not self.issued(seed):
            now, name = self.clock(), keyed_digest(self.keys.derived("ticket-index"), "again", account.account_id)
            until = now + LASTS_S[TicketKind.SIGN_UP]
            fresh = Ticket(name, TicketKind.SIGN_UP, account.account_id, b"", RESENDS_MAX, now, until)
            wait_s = self.tickets.change(name, lambda stored: counted(stored, fresh))
            if wait_s:
                raise RateLimited("codes", wait_s)
        return self.issue(TicketKind.SIGN_UP, seed, Addressee(account, account.email), began)

    def resend(self, ticket: str) -> Confirmation:
        """Mail another code under a ticket; the one before stops counting. Raises RateLimited.

        The answer is the same for a ticket that there is not, or that waits for nothing.
        """
        now, code = self.clock(), new_code()
        ticket_hash, code_hash = self.hash_of(ticket), self._code_hash(ticket, code)
        renewed = self.tickets.change(ticket_hash, lambda stored: self._renewed(stored, code_hash, now))
        if renewed is not None:
            self.outbox.put(self._addressee(renewed).mail(renewed.kind, code), now)
        kind = TicketKind.SIGN_UP if renewed is None else renewed.kind
        return Confirmation(ticket, "", now + LASTS_S[kind], now + RESEND_S)

    def use(
        self,
        ticket: str,
        kind: TicketKind,
        code: str,
        origin: Origin,
        *,
        account_id: str | None = None,
        with_it: str = "",
    ) -> Ticket:
        """Use a code up; return its ticket, also where it was used before with the very same `with_it`.

        Raises CodeWrong; for a ticket of another account than a given one as for one that there is not.
        """
        code_hash, now = self._code_hash(ticket, code), self.clock()
        answer_hash = self._code_hash(ticket, code, with_it)

        def tried(stored: Ticket | None) -> tuple[Ticket | None, tuple[Ticket | None, Outcome]]:
            if stored is not None and account_id not in (None, stored.account_id):
                return stored, (None, Outcome.WRONG)
            after, outcome = attempt(stored, kind, code_hash, answer_hash, now)
            return after, (after, outcome)

        found, outcome = self.tickets.change(self.hash_of(ticket), tried)
        if found is None or outcome is Outcome.WRONG:
            self.refuse(kind, found, origin)
        return found

    def refuse(self, kind: TicketKind, ticket: Ticket | None, origin: Origin) -> NoReturn:
        """Say that a code is wrong, and note it."""
        self.trail.note(AuditKind.CODE_REFUSED, ticket.account_id if ticket else "", origin, of=kind)
        raise CodeWrong(ticket.attempts_left if ticket is not None and ticket.waits(self.clock()) else 0)

    def sent_to(self, ticket: Ticket) -> str:
        """The address that a ticket's code went to; empty for nobody's."""
        return self._opened(ticket)["to"]

    def _renewed(self, stored: Ticket | None, code_hash: bytes, now: float) -> tuple[Ticket | None, Ticket | None]:
        if stored is None or stored.kind not in LASTS_S or stored.used_time is not None or now >= stored.expire_time:
            return stored, None
        if now < stored.sent_time + RESEND_S:
            raise RateLimited("resend", stored.sent_time + RESEND_S - now)
        body = self._opened(stored)
        if int(body["resends"]) >= RESENDS_MAX:
            raise RateLimited("resends", stored.expire_time - now)
        body["resends"] = str(int(body["resends"]) + 1)
        renewed = replace(
            stored,
            code_hash=code_hash,
            attempts_left=ATTEMPTS_MAX,
            sent_time=now,
            expire_time=now + LASTS_S[stored.kind],
            body=self._sealed(stored.ticket_hash, stored.account_id, body),
        )
        return renewed, renewed

    def _addressee(self, ticket: Ticket) -> Addressee:
        account = self.accounts.get(ticket.account_id)
        return Addressee(account, self.sent_to(ticket)) if account is not None else NOBODY

    def _code_hash(self, ticket: str, code: str, with_it: str = "") -> bytes:
        return keyed_digest(self.keys.derived("code"), ticket, code, with_it)

    def _sealed(self, ticket_hash: bytes, account_id: str, body: Mapping[str, str]) -> bytes:
        return seal(self._key(account_id), json.dumps(dict(body)).encode(), _name(ticket_hash))

    def _opened(self, ticket: Ticket) -> dict[str, str]:
        opened: dict[str, str] = json.loads(
            unseal(self._key(ticket.account_id), ticket.body, _name(ticket.ticket_hash))
        )
        return opened

    def _key(self, account_id: str) -> bytes:
        return self.keys.data_key(account_id) if account_id else self.keys.derived("ticket-seal")


def _name(ticket_hash: bytes) -> str:
    return f"ticket|{ticket_hash.hex()}"
