"""Sharing: what a person consents to, whom they let read, and who has read."""

import hashlib
import json
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from clarity_server.domain import paging
from clarity_server.domain.access import READERS, Family, Purpose, Role
from clarity_server.domain.accounts import CONSENT_VERSION, Account, AccountState, Identity, Origin
from clarity_server.domain.audit import AuditKind
from clarity_server.domain.errors import ConsentMissing, GrantNotFound, InvalidInput, ReaderNotFound
from clarity_server.domain.ids import new_id
from clarity_server.domain.sharing import AccessEvent, Consent, Grant, NamedGrant
from clarity_server.flows.permits import event_by
from clarity_server.ports import AccessEvents, Accounts, Audit, Consents, Grants, Keys, Requests

GRANTS_IN_FORCE_MAX = 100
GRANT_DAYS_MAX = 366
GRANTS_PAGE = 20
GRANTS_PAGE_MAX = 100
EVENTS_PAGE = 50
EVENTS_PAGE_MAX = 1000
REQUEST_KEEP_S = 24 * 3600.0


def _nobody_asks(_: str) -> None:
    """Stand where nobody wants to hear of consents."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """The verbs, over their ports. All block."""

    accounts: Accounts
    stored: Consents
    given: Grants
    events: AccessEvents
    requests: Requests
    keys: Keys
    audit: Audit
    on_consent: Callable[[str], object] = _nobody_asks  # told the account whose consents have changed
    clock: Callable[[], float] = time.time  # seconds since 1970

    def consents(self, identity: Identity) -> Sequence[Consent]:
        """Return one consent for every purpose, in the order of the contract."""
        said = {consent.purpose: consent for consent in self.stored.of_account(identity.account_id)}
        return [said.get(purpose, Consent(purpose, given=False)) for purpose in Purpose]

    def set_consent(
        self,
        identity: Identity,
        purpose: Purpose,
        given: bool,  # noqa: FBT001  as the contract has it
        text_version: str,
        origin: Origin,
    ) -> Consent:
        """Give or withdraw consent to a purpose; saying the same again changes nothing.

        Raises InvalidInput where consent is given to a text that is not the present one.
        """
        if given and text_version != CONSENT_VERSION:
            raise InvalidInput(text_version=f"is not the present one, {CONSENT_VERSION}")
        before = next(one for one in self.consents(identity) if one.purpose is purpose)
        version = text_version or before.text_version
        if before.effective_time is not None and (before.given, before.text_version) == (given, version):
            return before
        kind = AuditKind.CONSENT_GIVEN if given else AuditKind.CONSENT_WITHDRAWN
        self._note(kind, identity, origin, purpose=purpose, text_version=version)
        consent = Consent(purpose, given, version, self._now())
        self.stored.put(identity.account_id, [consent])
        self.on_consent(identity.account_id)
        return consent

    def create_grant(
        self,
        identity: Identity,
        reader_id: str,
        families: Collection[Family],
        expire_time: datetime,
        request_id: str,
        origin: Origin,
    ) -> NamedGrant:
        """Let a reader read families until a time. A repeat under the same request_id is the first grant.

        Raises ReaderNotFound, InvalidInput, ConsentMissing, RequestIdReused, GrantsFull.
        """
        grant_id = self._grant_id(identity, reader_id, families, expire_time, request_id)
        known = self.given.get(grant_id)
        if known is not None:
            return self._as_given(known)
        now = self._now()
        if not now < expire_time <= now + timedelta(days=GRANT_DAYS_MAX):
            raise InvalidInput(expire_time=f"is not in the future, or more than {GRANT_DAYS_MAX} days ahead")
        self._check_reader(identity, reader_id)
        grant = Grant(grant_id, identity.account_id, reader_id, frozenset(families), now, expire_time)
        self._note(
            AuditKind.GRANT_MADE,
            identity,
            origin,
            grant_id=grant_id,
            reader_id=reader_id,
            families=" ".join(sorted(families)),
            expire_time=expire_time.isoformat(),
        )
        return self._as_given(self.given.create(grant, GRANTS_IN_FORCE_MAX, now))

    def grants(
        self, identity: Identity, *, received: bool, page_size: int, page_token: str
    ) -> tuple[Sequence[NamedGrant], str]:
        """Return a page of grants, the newest first, and the next token. Raises PageTokenInvalid."""
        account_id = identity.account_id
        key, query = self.keys.derived("page-token"), ("grants", account_id, received)
        after = paging.position(key, query, page_token)
        place = None if after is None else (float(after[0]), str(after[1]))
        size = min(page_size or GRANTS_PAGE, GRANTS_PAGE_MAX)
        rows = (self.given.received if received else self.given.given)(account_id, place, size + 1)
        page = rows[:size]
        following = paging.page_token(key, query, _place(page[-1])) if len(rows) > size else ""
        return self._named(page, members=received), following

    def revoke_grant(self, identity: Identity, grant_id: str, origin: Origin) -> NamedGrant:
        """End a grant; the first time counts. Raises GrantNotFound."""
        grant = self.given.get(grant_id)
        if grant is None or grant.member_id != identity.account_id:
            raise GrantNotFound
        if grant.revoke_time is None:
            self._note(AuditKind.GRANT_REVOKED, identity, origin, grant_id=grant_id, reader_id=grant.reader_id)
            grant = self.given.revoke(identity.account_id, grant_id, self._now())
        return self._as_given(grant)

    def access_events(self, identity: Identity, page_size: int, page_token: str) -> tuple[Sequence[AccessEvent], str]:
        """Return a page of who has read, the newest first, and the next token. Raises PageTokenInvalid."""
        key, query = self.keys.derived("page-token"), ("access-events", identity.account_id)
        after = paging.position(key, query, page_token)
        size = min(page_size or EVENTS_PAGE, EVENTS_PAGE_MAX)
        rows = self.events.list(identity.account_id, None if after is None else int(after[0]), size + 1)
        page = rows[:size]
        names = self._names({event.reader_id for event in page})
        following = paging.page_token(key, query, [page[-1].number]) if len(rows) > size else ""
        return [replace(event, reader_name=names[event.reader_id]) for event in page], following

    def _grant_id(
        self,
        identity: Identity,
        reader_id: str,
        families: Collection[Family],
        expire_time: datetime,
        request_id: str,
    ) -> str:
        """Return a new id, or the one of the first request. Raises RequestIdReused."""
        if not request_id:
            return new_id()
        said = json.dumps([reader_id, sorted(set(families)), expire_time.isoformat()])
        scope, digest = f"create-grant:{identity.account_id}", hashlib.sha256(said.encode()).digest()
        return self.requests.first(scope, request_id, digest, new_id(), now=self.clock(), keep_s=REQUEST_KEEP_S)

    def _check_reader(self, identity: Identity, reader_id: str) -> None:
        """Demand that somebody can be named. A member, an unknown id and oneself are told alike."""
        reader = None if reader_id == identity.account_id else self.accounts.get(reader_id)
        if reader is None or reader.state is not AccountState.ACTIVE or not reader.roles & READERS:
            raise ReaderNotFound
        if Role.CLINICIAN not in reader.roles and not self._consents_to_research(identity):
            raise ConsentMissing(Purpose.RESEARCH)

    def _consents_to_research(self, identity: Identity) -> bool:
        return any(one.given for one in self.consents(identity) if one.purpose is Purpose.RESEARCH)

    def _as_given(self, grant: Grant) -> NamedGrant:
        (named,) = self._named([grant], members=False)
        return named

    def _named(self, grants: Sequence[Grant], *, members: bool) -> Sequence[NamedGrant]:
        now = self._now()
        parties = {grant.reader_id for grant in grants} | ({grant.member_id for grant in grants} if members else set())
        names = self._names(parties)
        return [
            NamedGrant(
                grant=grant,
                member_name=names[grant.member_id] if members else "",
                reader_name=names[grant.reader_id],
                state=grant.state(now),
            )
            for grant in grants
        ]

    def _names(self, account_ids: Collection[str]) -> dict[str, str]:
        return {account_id: _name(self.accounts.get(account_id)) for account_id in account_ids}

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    def _note(self, kind: AuditKind, identity: Identity, origin: Origin, **facts: str) -> None:
        self.audit.append(event_by(identity, kind, identity.account_id, origin, facts))


def _name(account: Account | None) -> str:
    """Return what a person is called; empty for one who is gone or never said."""
    if account is None:
        return ""
    return account.display_name or f"{account.first_name} {account.last_name}".strip()


def _place(grant: Grant) -> Sequence[str | int]:
    return [repr(grant.create_time.timestamp()), grant.grant_id]
