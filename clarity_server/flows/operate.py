"""Operate: make, find, suspend and reinstate accounts, and give roles. Nobody's data is read here."""

import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from clarity_server.domain.access import Purpose, Role
from clarity_server.domain.accounts import Account, AccountState, Identity, Origin
from clarity_server.domain.audit import AuditEvent, AuditKind
from clarity_server.domain.errors import AccountNotFound, EmailTaken, InvalidInput
from clarity_server.domain.ids import keyed_digest, new_id
from clarity_server.domain.sharing import Consent
from clarity_server.flows import mails
from clarity_server.ports import Accounts, Audit, Consents, Keys, Outbox, Passwords, Requests, Sessions

REQUEST_KEEP_S = 24 * 3600.0
SETTABLE = frozenset({AccountState.ACTIVE, AccountState.SUSPENDED, AccountState.DISABLED})
CONSOLE = Identity("console", "", math.inf, 0.0, frozenset())
"""Who acts from the machine itself, signed in nowhere. No account has this id."""


@dataclass(frozen=True, slots=True)
class Operate:
    """The verbs, over their ports."""

    accounts: Accounts
    passwords: Passwords
    sessions: Sessions
    consents: Consents
    outbox: Outbox
    audit: Audit
    requests: Requests
    keys: Keys
    on_ended: Callable[[str], object]  # hears the id of every session ended here
    clock: Callable[[], float] = time.time  # seconds since 1970

    def create_account(
        self,
        identity: Identity,
        email: str,
        display_name: str,
        roles: Collection[Role],
        request_id: str,
        origin: Origin,
    ) -> Account:
        """Make an account for somebody else, and mail them a password for one use.

        A repeat returns the same account; until its owner has set a password, it mails another. Raises EmailTaken,
        RequestIdReused, Busy.
        """
        now, email, roles = self.clock(), email.strip(), _with_member(roles)
        digest = keyed_digest(self.keys.derived("request-digest"), email, display_name, *sorted(roles))
        account_id = self._settled(identity, request_id, digest, now)
        made = self.accounts.get(account_id)
        if made is None:
            self._refuse_taken(email)
            facts = {"roles": _named(roles)}
            self._note(identity, AuditKind.ACCOUNT_MADE, account_id, origin, **facts)
            made = Account(
                account_id,
                email,
                display_name,
                datetime.fromtimestamp(now, UTC),
                roles=roles,
                must_change_password=True,
            )
            self.accounts.create(made)
        if made.must_change_password:
            self._hand_over(made, now)
        return made

    def find(self, identity: Identity, *, email: str = "", account_id: str = "", origin: Origin) -> Account:
        """Find an account by its address or its id. Raises AccountNotFound."""
        found = account_id or self.accounts.by_email(email)
        self._note(identity, AuditKind.ACCOUNT_FOUND, found or "", origin, by="id" if account_id else "email")
        account = self.accounts.get(found) if found else None
        if account is None:
            raise AccountNotFound
        return account

    def set_state(
        self, identity: Identity, account_id: str, state: AccountState, reason: str, origin: Origin
    ) -> Account:
        """Suspend, disable or reinstate an account. Raises AccountNotFound, InvalidInput.

        Calls and open streams notice through the account's standing; its sessions are left, so that they go on once it
        is reinstated.
        """
        if account_id == identity.account_id:
            raise InvalidInput(account_id="is your own: ask another operator")
        if state not in SETTABLE:
            raise InvalidInput(state="is not one that an operator sets")
        self._refuse_unsettable(self._known(account_id))
        self._note(identity, AuditKind.STATE_SET, account_id, origin, state=state, reason=reason)

        def changed(account: Account) -> Account:
            self._refuse_unsettable(account)
            return replace(account, state=state)

        return self.accounts.change(account_id, changed)

    def set_roles(self, identity: Identity, account_id: str, roles: Collection[Role], origin: Origin) -> Account:
        """Give an account exactly these roles, and end its sessions: tokens hold what the roles allowed.

        Raises AccountNotFound, InvalidInput.
        """
        if account_id == identity.account_id:
            raise InvalidInput(account_id="is your own: ask another operator")
        self._known(account_id)
        now, roles = self.clock(), _with_member(roles)
        self._note(identity, AuditKind.ROLES_SET, account_id, origin, roles=_named(roles))

        def changed(account: Account) -> Account:
            # Tokens tell the second they are from: one of a sign-in in this very second is good.
            return replace(account, roles=roles, not_before=max(account.not_before, float(math.floor(now))))

        account = self.accounts.change(account_id, changed)
        for session_id in self.sessions.end_all(account_id, now):
            self.on_ended(session_id)
        return account

    def _settled(self, identity: Identity, request_id: str, digest: bytes, now: float) -> str:
        """The id that this request has given to the account; without a request_id every request is the first."""
        if not request_id:
            return new_id()
        scope = f"create-account:{identity.account_id}"
        return self.requests.first(scope, request_id, digest, new_id(), now=now, keep_s=REQUEST_KEEP_S)

    def _hand_over(self, account: Account, now: float) -> None:
        password = _one_use()
        self.consents.put(
            account.account_id,
            [Consent(purpose, given=False, effective_time=account.create_time) for purpose in Purpose],
        )
        self.passwords.put(account.account_id, password)
        self.outbox.put(mails.account_made(account, password), now)

    def _refuse_taken(self, email: str) -> None:
        owner = self.accounts.by_email(email)
        account = self.accounts.get(owner) if owner else None
        if account is not None and account.state is not AccountState.PENDING:
            raise EmailTaken

    def _known(self, account_id: str) -> Account:
        account = self.accounts.get(account_id)
        if account is None:
            raise AccountNotFound
        return account

    @staticmethod
    def _refuse_unsettable(account: Account) -> None:
        if account.state not in SETTABLE:
            raise InvalidInput(account_id=f"is {account.state}: only its owner can change that")

    def _note(self, identity: Identity, kind: AuditKind, account_id: str, origin: Origin, **facts: str) -> None:
        self.audit.append(
            AuditEvent(
                kind, account_id, identity.account_id, identity.session_id, origin.network, origin.request_id, facts
            )
        )


def _with_member(roles: Collection[Role]) -> frozenset[Role]:
    return frozenset(roles) | {Role.MEMBER}


def _named(roles: Collection[Role]) -> str:
    return " ".join(sorted(roles))


def _one_use() -> str:
    """A password that follows the policy: 90 random bits, and one of each kind of character."""
    id_ = new_id()
    return f"{id_[:6]}-{id_[6:12]}-{id_[12:18]}-A7"
