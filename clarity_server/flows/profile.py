"""The account as its owner sees and changes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from clarity_server.domain.accounts import Account, Confirmation, Identity, Origin, Shown
from clarity_server.domain.audit import AuditKind
from clarity_server.domain.errors import SessionEnded
from clarity_server.domain.ids import new_id
from clarity_server.domain.mail import Mail
from clarity_server.domain.tickets import TicketKind
from clarity_server.flows import mails
from clarity_server.flows.codes import Addressee, Codes
from clarity_server.flows.remembered import Remembered
from clarity_server.flows.trail import Trail
from clarity_server.ports import Accounts, Factors, Outbox

CHANGEABLE = frozenset(
    {"email", "display_name", "first_name", "last_name", "time_zone", "language", "preferences"},
)


@dataclass(frozen=True, slots=True)
class Profile:
    """The verbs, over their ports."""

    accounts: Accounts
    factors: Factors
    outbox: Outbox
    codes: Codes
    trail: Trail
    clock: Callable[[], float]  # seconds since 1970
    known: Remembered[Shown] = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is known at first."""
        object.__setattr__(self, "known", Remembered(self.clock))

    def account(self, identity: Identity) -> Shown:
        """Read the calling account. Raises SessionEnded when it is gone."""
        return self.known.read(identity.account_id, lambda: self._shown(self._own(identity)))

    def known_account(self, identity: Identity) -> Shown | None:
        """Return the calling account if it was read a moment ago; never blocks for long."""
        return self.known.get(identity.account_id)

    def update(
        self, identity: Identity, changes: Mapping[str, object], origin: Origin
    ) -> tuple[Shown, Confirmation | None]:
        """Change fields of the calling account, by name; another address waits until it is confirmed."""
        assert changes.keys() <= CHANGEABLE, "the rules let no other field pass"
        before = self._own(identity)
        changed, moves_to = _changed(before, changes)
        if moves_to:
            self.trail.note_by(identity, AuditKind.EMAIL_CHANGED, origin, step="asked")
        after = self.accounts.change(identity.account_id, lambda account: replace(account, **changed))
        self.known.forget(identity.account_id)
        confirmation = self._confirmation(after, moves_to) if moves_to else None
        return self._shown(after), confirmation

    def confirm_email(self, identity: Identity, ticket: str, code: str, origin: Origin) -> Shown:
        """Make the new address count, or find that it does. Raises CodeWrong, EmailTaken."""
        used = self.codes.use(ticket, TicketKind.NEW_EMAIL, code, origin, account_id=identity.account_id)
        email, account = self.codes.sent_to(used), self._own(identity)
        if _same(email, account.email):
            return self._shown(account)
        if not _same(email, account.new_email):
            self.codes.refuse(TicketKind.NEW_EMAIL, used, origin)  # another one was asked for since
        self.trail.note_by(identity, AuditKind.EMAIL_CHANGED, origin, step="confirmed")
        after = self.accounts.change(identity.account_id, lambda found: replace(found, email=email, new_email=""))
        self.known.forget(identity.account_id)
        return self._shown(after)

    def _own(self, identity: Identity) -> Account:
        account = self.accounts.get(identity.account_id)
        if account is None:
            raise SessionEnded
        return account

    def _shown(self, account: Account) -> Shown:
        factor = self.factors.get(account.account_id)
        if factor is None or not factor.confirmed:
            return Shown(account)
        return Shown(account, totp_enabled=True, recovery_code_count=len(factor.recovery_hashes))

    def _confirmation(self, account: Account, email: str) -> Confirmation:
        """Write to both addresses, or to the owner of the new one: whoever asks cannot tell."""
        to, instead = self._written_to(account, email)
        confirmation = self.codes.issue(TicketKind.NEW_EMAIL, new_id(), to, self.clock(), instead)
        self.outbox.put(mails.email_changing(account), self.clock())
        return replace(confirmation, email=email)

    def _written_to(self, account: Account, email: str) -> tuple[Addressee, Mail | None]:
        owner = self.codes.owner(email)
        if owner is None:
            return Addressee(account, email), None
        return Addressee(account, ""), mails.address_has_account(owner)


def _changed(account: Account, changes: Mapping[str, object]) -> tuple[dict[str, Any], str]:
    """The fields as they are to be, and the address that is to be confirmed first; empty where none is."""
    changed: dict[str, Any] = dict(changes)
    if "email" not in changed:
        return changed, ""
    email = str(changed.pop("email")).strip()
    if _same(email, account.email):
        # Spelled otherwise it is the same address, and asking for it takes back what waits.
        return {**changed, "email": email, "new_email": ""}, ""
    return {**changed, "new_email": email}, email


def _same(one: str, other: str) -> bool:
    """Tell whether two addresses are one, without regard to case."""
    return one.strip().casefold() == other.strip().casefold()
