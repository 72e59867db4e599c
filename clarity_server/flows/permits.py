"""Permits: what consents and grants allow, asked at every use."""

import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from clarity_server.domain.access import READERS, Family, Purpose, Role, Use, scope
from clarity_server.domain.accounts import Account, AccountState, Identity, Origin
from clarity_server.domain.audit import AuditEvent, AuditKind
from clarity_server.domain.errors import AccessNotGranted, ConsentMissing, ScopeMissing
from clarity_server.domain.ids import ID_CHARS
from clarity_server.domain.sharing import AccessEvent, Grant
from clarity_server.flows.remembered import Remembered
from clarity_server.ports import AccessEvents, Accounts, Audit, Consents, Grants

RESULT_FAMILIES = (Family.SLEEP, Family.ANALYSIS)  # days hold nights, windows are analyses
_ID_SHAPE = re.compile(rf"[a-z2-7]{{{ID_CHARS}}}")


@dataclass(frozen=True, slots=True)
class Permits:
    """The verbs, over their ports. What blocks says so; all may be called from several threads."""

    stored: Consents
    grants: Grants
    events: AccessEvents
    accounts: Accounts
    audit: Audit
    clock: Callable[[], float] = time.time  # seconds since 1970
    _given: Remembered[frozenset[Purpose]] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing remembered."""
        object.__setattr__(self, "_given", Remembered(self.clock))

    def consented(self, account_id: str, purposes: Collection[Purpose]) -> None:
        """Demand that an account has consented to purposes. Blocks on the store. Raises ConsentMissing.

        What was never said is not consent.
        """
        given = self._given_by(account_id)
        for purpose in purposes:
            if purpose not in given:
                raise ConsentMissing(purpose)

    def known_consented(self, account_id: str, purposes: Collection[Purpose]) -> bool:
        """Whether it is known without asking the store that an account has consented."""
        given = self._given.get(account_id)
        return given is not None and given.issuperset(purposes)

    def forget(self, account_id: str) -> None:
        """Ask the store anew at the next use: the account's consents changed in this process."""
        self._given.forget(account_id)

    def missing(self, asked: Mapping[str, Collection[Purpose]]) -> Mapping[str, Collection[Purpose]]:
        """Return what is asked of accounts and they have not consented to. Blocks on the store."""
        found = {account_id: set(purposes) - self._given_by(account_id) for account_id, purposes in asked.items()}
        return {account_id: purposes for account_id, purposes in found.items() if purposes}

    def results_allowed(self, account_id: str) -> bool:
        """Whether an account has consented to what results are derived for. Blocks on the store."""
        return Purpose.ANALYSIS in self._given_by(account_id)

    def roles(self, account_id: str) -> frozenset[Role]:
        """Return an account's roles. Blocks on the store."""
        account = self.accounts.get(account_id)
        return frozenset() if account is None else account.roles

    def subject(
        self,
        identity: Identity,
        account_id: str,
        families: Collection[Family],
        use: Use,
        method: str,
        origin: Origin,
        *,
        purposes: Collection[Purpose] = (),
    ) -> str:
        """Return the account whose data is used: the caller's own, or another that a grant in force lets them read.

        A reading of another's data is in the audit and in their own list before it is answered, and needs their consent
        to `purposes`. Blocks on the store where it is not the caller's own. Raises ScopeMissing, AccessNotGranted,
        ConsentMissing.
        """
        check(identity, families, use)
        if account_id in {"", identity.account_id}:
            return identity.account_id
        now = datetime.fromtimestamp(self.clock(), UTC)
        covering = self._covering(identity, account_id, frozenset(families), now) if use is Use.READ else ()
        if not covering:
            self._refuse(identity, account_id, method, origin)
            raise AccessNotGranted
        self.consented(account_id, purposes)
        for grant, part in covering:
            said = {"grant_id": grant.grant_id, "method": method, "families": " ".join(sorted(part))}
            self.audit.append(event_by(identity, AuditKind.READ_BY_GRANT, account_id, origin, said))
            self.events.add(AccessEvent(account_id, identity.account_id, grant.grant_id, method, part, now))
        return account_id

    def _given_by(self, account_id: str) -> frozenset[Purpose]:
        known = self._given.get(account_id)
        return self._given.read(account_id, lambda: self._listed(account_id)) if known is None else known

    def _listed(self, account_id: str) -> frozenset[Purpose]:
        return frozenset(consent.purpose for consent in self.stored.of_account(account_id) if consent.given)

    def _covering(
        self, identity: Identity, member_id: str, families: frozenset[Family], now: datetime
    ) -> Sequence[tuple[Grant, frozenset[Family]]]:
        """Return the grants that together cover families, each with its part; none if anything is missing."""
        covering = covered_by(self.grants.covering(member_id, identity.account_id, now), families)
        if not covering or not _is_active(self.accounts.get(member_id)):
            return ()
        return covering if self._may_read(identity.account_id, member_id) else ()

    def _may_read(self, reader_id: str, member_id: str) -> bool:
        """Whether a reader is one still. A researcher needs the member's consent to research, at every use."""
        reader = self.accounts.get(reader_id)
        if reader is None or not _is_active(reader) or not reader.roles & READERS:
            return False
        return Role.CLINICIAN in reader.roles or Purpose.RESEARCH in self._given_by(member_id)

    def _refuse(self, identity: Identity, account_id: str, method: str, origin: Origin) -> None:
        """Write down who asked for whose data in vain; a text that is no id is nobody's."""
        about = account_id if _ID_SHAPE.fullmatch(account_id) else ""
        self.audit.append(event_by(identity, AuditKind.READ_REFUSED, about, origin, {"method": method}))


def check(identity: Identity, families: Collection[Family], use: Use) -> None:
    """Demand that a token holds the scopes of families. Waits for nothing. Raises ScopeMissing."""
    for family in families:
        wanted = scope(family, use)
        if wanted not in identity.scopes:
            raise ScopeMissing(wanted)


def sees_results(identity: Identity, family: Family) -> bool:
    """Whether a token may see what is derived from a family's data: one that can only send must not read by sending."""
    return all(scope(one, Use.READ) in identity.scopes for one in (family, *RESULT_FAMILIES))


def covered_by(grants: Sequence[Grant], families: frozenset[Family]) -> Sequence[tuple[Grant, frozenset[Family]]]:
    """Return grants that together cover families, each with the part it is used for: one if one is enough, or none."""
    whole = next((grant for grant in grants if families <= grant.families), None)
    if whole is not None:
        return [(whole, families)]
    used: list[tuple[Grant, frozenset[Family]]] = []
    left = families
    for grant in grants:
        if part := left & grant.families:
            used.append((grant, part))
            left -= part
    return () if left else used


def event_by(
    identity: Identity, kind: AuditKind, account_id: str, origin: Origin, facts: Mapping[str, str]
) -> AuditEvent:
    """What a caller does to an account, for the audit."""
    return AuditEvent(
        kind,
        account_id=account_id,
        actor_id=identity.account_id,
        session_id=identity.session_id,
        origin=origin.network,
        request_id=origin.request_id,
        facts=facts,
    )


def _is_active(account: Account | None) -> bool:
    return account is not None and account.state is AccountState.ACTIVE
