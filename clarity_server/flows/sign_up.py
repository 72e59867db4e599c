"""Sign-up: an account is asked for, and is made once its address is confirmed.

Everything happens alike for an address that has an account: its sign-up waits, too, for a code that nobody is told,
and is swept away like any that is never confirmed.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from clarity_server.domain.access import Purpose
from clarity_server.domain.accounts import (
    CONSENT_VERSION,
    Account,
    AccountState,
    Confirmation,
    Origin,
)
from clarity_server.domain.audit import AuditKind
from clarity_server.domain.errors import CodeWrong, EmailTaken, FeatureOff
from clarity_server.domain.ids import keyed_digest, new_id
from clarity_server.domain.mail import Mail
from clarity_server.domain.sharing import Consent
from clarity_server.domain.tickets import TicketKind
from clarity_server.flows import mails
from clarity_server.flows.codes import LASTS_S, RESEND_S, Addressee, Codes
from clarity_server.flows.trail import Trail
from clarity_server.ports import Accounts, Consents, Keys, Passwords, Requests

SIGN_UP_KEEP_S = timedelta(hours=24).total_seconds()  # how long a repeat gets the first answer


@dataclass(frozen=True, slots=True)
class SignUpAsked:
    """What somebody signs up with."""

    email: str = field(repr=False)
    password: str = field(repr=False)
    display_name: str = field(default="", repr=False)
    first_name: str = field(default="", repr=False)
    last_name: str = field(default="", repr=False)
    terms_version: str = ""
    privacy_version: str = ""
    consents: frozenset[Purpose] = frozenset()


@dataclass(frozen=True, slots=True)
class SignUp:
    """How an account comes to be."""

    accounts: Accounts
    passwords: Passwords
    consents: Consents
    requests: Requests
    keys: Keys
    codes: Codes
    trail: Trail
    is_open: bool
    clock: Callable[[], float]  # seconds since 1970

    def sign_up(self, asked: SignUpAsked, request_id: str, origin: Origin) -> tuple[Account, Confirmation]:
        """Ask for an account; it has no id yet. Raises FeatureOff, RequestIdReused, Busy."""
        if not self.is_open:
            raise FeatureOff("sign-up")
        seed, began = self._settled(asked, request_id)
        if not self._done(seed, began, request_id):
            self._ask(asked, seed, began, origin)
        ticket, expire_time = self.codes.ticket_of(seed), began + LASTS_S[TicketKind.SIGN_UP]
        return _account("", asked, began), Confirmation(ticket, asked.email.strip(), expire_time, began + RESEND_S)

    def confirm(self, ticket: str, code: str, origin: Origin) -> Account:
        """Make the account of a sign-up, or return it where it was made. Raises CodeWrong, EmailTaken."""
        used = self.codes.use(ticket, TicketKind.SIGN_UP, code, origin)
        account = self.accounts.get(used.account_id)
        if account is None:
            raise CodeWrong  # it was swept away
        if account.state is not AccountState.PENDING:
            return account
        if self.codes.owner(account.email) is not None:
            raise EmailTaken
        self.trail.note(AuditKind.SIGN_UP_CONFIRMED, account.account_id, origin)
        given = {said.purpose for said in self.consents.of_account(account.account_id) if said.given}
        self._put_consents(account.account_id, given)  # in force from now on, not from the sign-up
        return self.accounts.confirm(account.account_id)

    def resend(self, ticket: str, origin: Origin) -> Confirmation:  # noqa: ARG002  every verb hears where a call is from
        """Mail another code under a ticket. Raises RateLimited."""
        return self.codes.resend(ticket)

    def _settled(self, asked: SignUpAsked, request_id: str) -> tuple[str, float]:
        """The seed of the ticket, and when it was asked for: the first ones under the request_id."""
        now = self.clock()
        kept = f"{new_id()} {now!r}"
        if request_id:
            kept = self.requests.first("sign-up", request_id, self._digest(asked), kept, now=now, keep_s=SIGN_UP_KEEP_S)
        seed, began = kept.split()
        return seed, float(began)

    def _done(self, seed: str, began: float, request_id: str) -> bool:
        """Tell whether the first call came to its end, or comes too late to be made good."""
        late = self.clock() >= began + LASTS_S[TicketKind.SIGN_UP]
        return bool(request_id) and (late or self.codes.issued(seed))

    def _ask(self, asked: SignUpAsked, seed: str, began: float, origin: Origin) -> None:
        account = _account(new_id(), asked, began)
        owner = self.codes.owner(account.email)
        self.trail.note(AuditKind.SIGN_UP, account.account_id, origin)
        self.accounts.create(account)
        self.passwords.put(account.account_id, asked.password)
        self._put_consents(account.account_id, asked.consents)
        to, instead = self._written_to(account, owner)
        self.codes.issue(TicketKind.SIGN_UP, seed, to, began, instead)

    def _written_to(self, account: Account, owner: Account | None) -> tuple[Addressee, Mail | None]:
        if owner is None:
            return Addressee(account, account.email), None
        return Addressee(account, ""), mails.address_has_account(owner)

    def _put_consents(self, account_id: str, given: Collection[Purpose]) -> None:
        at = datetime.fromtimestamp(self.clock(), UTC)
        self.consents.put(account_id, [Consent(purpose, purpose in given, CONSENT_VERSION, at) for purpose in Purpose])

    def _digest(self, asked: SignUpAsked) -> bytes:
        said = (asked.password, asked.display_name, asked.first_name, asked.last_name)
        chosen = (asked.terms_version, asked.privacy_version, *sorted(asked.consents))
        return keyed_digest(self.keys.derived("request-digest"), asked.email.strip(), *said, *chosen)


def _account(account_id: str, asked: SignUpAsked, began: float) -> Account:
    return Account(
        account_id,
        asked.email.strip(),
        asked.display_name,
        datetime.fromtimestamp(began, UTC),
        AccountState.PENDING,
        first_name=asked.first_name,
        last_name=asked.last_name,
        terms_version=asked.terms_version,
        privacy_version=asked.privacy_version,
    )
