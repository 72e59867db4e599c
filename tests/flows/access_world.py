"""A small world for access: a real store with people in it, their tokens, and the verbs of consent and sharing."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clarity_server.adapters.local.audit import SqliteAudit
from clarity_server.adapters.local.heads import DiskHeads
from clarity_server.domain.access import Family, Purpose, Role, scopes_of
from clarity_server.domain.accounts import Account, AccountState, Identity, Origin
from clarity_server.domain.audit import AuditEvent
from clarity_server.domain.chain import Row, Verdict
from clarity_server.domain.ids import new_id
from clarity_server.domain.sharing import Consent, NamedGrant
from clarity_server.domain.tokens import ACCESS_S, issue_access
from clarity_server.flows.permits import Permits
from clarity_server.flows.sharing import Sharing
from clarity_server.ports import Audit
from clarity_server.server.identity import Verifier
from tests.contracts.worlds import Clock, LocalWorld, local

HERE = Origin("192.0.2.1", "request-of-the-log")


@dataclass
class Heard:
    """Writes the audit and hears what is written; while it is broken it writes nothing."""

    audit: Audit
    events: list[AuditEvent] = field(default_factory=list)
    broken: Exception | None = None

    def append(self, event: AuditEvent) -> None:
        if self.broken is not None:
            raise self.broken
        self.audit.append(event)
        self.events.append(event)

    def anchor(self) -> bool:
        return self.audit.anchor()

    def rows(self, after: int, limit: int) -> Sequence[Row]:
        return self.audit.rows(after, limit)

    def verify(self) -> Verdict:
        return self.audit.verify()

    @property
    def kinds(self) -> list[str]:
        return [str(event.kind) for event in self.events]


@dataclass
class AccessWorld:
    """A store, its people and the verbs. One `permits` for all calls, as in a server."""

    store: LocalWorld
    audit: Heard
    permits: Permits
    changed: list[str] = field(default_factory=list)  # whose consents on_consent told of

    @property
    def clock(self) -> Clock:
        return self.store.clock

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    @property
    def sharing(self) -> Sharing:
        store = self.store
        return Sharing(
            accounts=store.accounts,
            stored=store.consents,
            given=store.grants,
            events=store.access_events,
            requests=store.requests,
            keys=store.keys,
            audit=self.audit,
            on_consent=self._on_consent,
            clock=self.clock,
        )

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.store.keys, self.store.sessions, self.store.accounts, self.clock)

    def person(
        self, name: str = "", *, roles: Collection[Role] = (), consents: Collection[Purpose] = tuple(Purpose)
    ) -> Identity:
        """Make an account, and the identity that a token of it with all its scopes would have."""
        account_id = new_id()
        told = frozenset({Role.MEMBER, *roles})
        created = self.now
        self.store.accounts.create(Account(account_id, f"{account_id}@example.org", name, created, roles=told))
        said = [Consent(purpose, purpose in consents, "2026-11", created) for purpose in Purpose]
        self.store.consents.put(account_id, said)
        issued = float(int(self.clock()))
        return Identity(account_id, new_id(), issued + ACCESS_S, issued, scopes_of(told))

    def token(self, identity: Identity) -> str:
        """Sign what an identity says."""
        key_id, key = self.store.keys.signing_key()
        return issue_access(
            key_id,
            key,
            account_id=identity.account_id,
            session_id=identity.session_id,
            scopes=" ".join(sorted(identity.scopes)),
            issued_s=int(identity.issued_time),
        )

    def granted(
        self, member: Identity, reader: Identity, families: Collection[Family], days: float = 1.0
    ) -> NamedGrant:
        """Let somebody read."""
        until = self.now + timedelta(days=days)
        return self.sharing.create_grant(member, reader.account_id, families, until, "", HERE)

    def set_state(self, identity: Identity, state: AccountState) -> None:
        self.store.accounts.change(identity.account_id, lambda account: _in_state(account, state))

    def consent(self, identity: Identity, purpose: Purpose, *, given: bool) -> None:
        """Say something as another process would: nobody here is told."""
        self.store.consents.put(identity.account_id, [Consent(purpose, given, "2026-11", self.now)])

    def _on_consent(self, account_id: str) -> None:
        self.changed.append(account_id)
        self.permits.forget(account_id)


def _in_state(account: Account, state: AccountState) -> Account:
    return replace(account, state=state)


@contextmanager
def access_world(root: Path, clock: Clock | None = None) -> Iterator[AccessWorld]:
    """Open the world under a directory."""
    with local(root, clock) as store:
        heads = DiskHeads(root / "heads")
        audit = Heard(SqliteAudit(store.database, heads, store.keys, store.clock))
        permits = Permits(store.consents, store.grants, store.access_events, store.accounts, audit, store.clock)
        yield AccessWorld(store, audit, permits)
