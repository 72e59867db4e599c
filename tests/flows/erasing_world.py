"""A small world for erasure: people with something in every store there is, and the verbs that use and erase it."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from clarity_server.adapters.local.holders import holders
from clarity_server.domain import chain
from clarity_server.domain.access import Family, Purpose, Role, scopes_of
from clarity_server.domain.accounts import PRIVACY_VERSION, TERMS_VERSION, Account, Identity, Origin, Tokens
from clarity_server.domain.analysis import State
from clarity_server.domain.audit import AuditEvent
from clarity_server.domain.civil import TimeKind, TimeRange
from clarity_server.domain.ids import new_id
from clarity_server.domain.samples import DeviceKind, SourceSetting, Tombstone
from clarity_server.domain.series import Closing, Source
from clarity_server.domain.sharing import AccessEvent, Grant
from clarity_server.flows.chains import Chains
from clarity_server.flows.challenges import Challenges
from clarity_server.flows.codes import Codes
from clarity_server.flows.erase import Erase
from clarity_server.flows.operate import Operate
from clarity_server.flows.proofs import Proofs
from clarity_server.flows.second_factor import SecondFactor
from clarity_server.flows.sign_in import SignIn, SignInAsked
from clarity_server.flows.sign_up import SignUp, SignUpAsked
from clarity_server.flows.trail import Trail
from clarity_server.ports import (
    Factor,
    Holder,
    PutDay,
    PutResult,
    SeriesDeletion,
    StoredAnalysis,
    StoredInsight,
    WindowKey,
)
from clarity_server.server.verbs import Memory
from tests.contracts.discrete import fault, sample, wrote
from tests.contracts.recordings import RECORDING, append
from tests.contracts.worlds import Clock, LocalWorld, local
from tests.flows.upload_world import flies

HERE = Origin("192.0.2.1", "request-of-the-log")
PASSWORD = "Night-0wl"
GRACE_S = 7 * 86400.0
MARK = "mark-of-an-owl"
"""Names things that lie open in the store: the device of a recording."""
RECORDED = Source(MARK, "app")
OLD = (1_000_000_000,) * 2  # a time, as os.utime wants it
CODE = re.compile(r"^ {4}(\d+)$", re.MULTILINE)


@dataclass
class ErasingWorld:
    """The stores, and the verbs over them."""

    store: LocalWorld
    ended: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    grace_s: float = GRACE_S
    through: Callable[[Any], Any] = lambda port: port  # what every port of Erase is seen through

    @property
    def clock(self) -> Clock:
        return self.store.clock

    @property
    def holders(self) -> list[Holder]:
        store = self.store
        asides = [store.root / "blobs" / ".aside", store.root / "keys" / "aside"]
        return [*holders(store.database, store.blobs, asides), Memory("a cache", self.forgotten.append)]

    @property
    def erase(self) -> Erase:
        store, through = self.store, self.through
        return Erase(
            accounts=through(store.accounts),
            sessions=through(store.sessions),
            consents=through(store.consents),
            outbox=through(store.outbox),
            audit=through(store.audit),
            ledger=through(store.ledger),
            keys=through(store.keys),
            holders=[through(holder) for holder in self.holders],
            prove=self.proofs.prove,
            failing=flies,
            scrub=store.database.scrub,
            grace_s=self.grace_s,
            on_ended=self.ended.append,
            clock=self.clock,
        )

    @property
    def trail(self) -> Trail:
        return Trail(self.store.audit)

    @property
    def chains(self) -> Chains:
        return Chains(self.store.sessions, self.store.keys, self.ended.append, self.clock)

    @property
    def codes(self) -> Codes:
        store = self.store
        return Codes(
            tickets=store.tickets,
            accounts=store.accounts,
            outbox=store.outbox,
            trail=self.trail,
            keys=store.keys,
            clock=self.clock,
        )

    @property
    def second_factor(self) -> SecondFactor:
        return SecondFactor(self.store.factors, self.store.tickets, self.store.keys, self.clock)

    @property
    def sign_up(self) -> SignUp:
        store = self.store
        return SignUp(
            accounts=store.accounts,
            passwords=store.passwords,
            consents=store.consents,
            requests=store.requests,
            keys=store.keys,
            codes=self.codes,
            trail=self.trail,
            is_open=True,
            clock=self.clock,
        )

    @property
    def sign_in(self) -> SignIn:
        store = self.store
        return SignIn(
            accounts=store.accounts,
            passwords=store.passwords,
            requests=store.requests,
            keys=store.keys,
            chains=self.chains,
            codes=self.codes,
            challenges=Challenges(store.tickets, self.codes, store.keys, self.clock),
            second_factor=self.second_factor,
            trail=self.trail,
            on_signed_in_while_erasing=self.erase.cancel,
            clock=self.clock,
        )

    @property
    def proofs(self) -> Proofs:
        store = self.store
        return Proofs(
            accounts=store.accounts,
            passwords=store.passwords,
            second_factor=self.second_factor,
            chains=self.chains,
            codes=self.codes,
            outbox=store.outbox,
            trail=self.trail,
            clock=self.clock,
        )

    @property
    def operate(self) -> Operate:
        store = self.store
        return Operate(
            accounts=store.accounts,
            passwords=store.passwords,
            sessions=store.sessions,
            consents=store.consents,
            outbox=store.outbox,
            audit=store.audit,
            requests=store.requests,
            keys=store.keys,
            on_ended=self.ended.append,
            clock=self.clock,
        )

    def signed_up(self, email: str) -> Account:
        """Sign somebody up and confirm it with the code of the mail."""
        asked = SignUpAsked(
            email,
            PASSWORD,
            "Owl",
            terms_version=TERMS_VERSION,
            privacy_version=PRIVACY_VERSION,
            consents=frozenset(Purpose),
        )
        _, confirmation = self.sign_up.sign_up(asked, new_id(), HERE)
        return self.sign_up.confirm(confirmation.ticket, self.mailed(email), HERE)

    def signed_in(self, email: str, request_id: str = "") -> tuple[Identity, Tokens]:
        """Sign somebody in, as a call with the tokens would be known."""
        tokens = self.sign_in.sign_in(SignInAsked(email, PASSWORD), request_id, HERE)
        assert isinstance(tokens, Tokens)
        now = self.clock()
        scopes = scopes_of([Role.MEMBER])
        return Identity(
            tokens.account_id, tokens.session_id, tokens.access_expire_time, float(int(now)), scopes
        ), tokens

    def mailed(self, email: str) -> str:
        """The newest code that waits to be sent to somebody."""
        texts = [one.mail.text for one in self.store.outbox.due(self.clock(), 1000) if one.mail.to == email]
        found = [code for text in texts for code in CODE.findall(text)]
        return str(found[-1])

    def mail_kinds(self, email: str) -> list[str]:
        """Why somebody is written to."""
        return [str(one.mail.kind) for one in self.store.outbox.due(self.clock(), 1000) if one.mail.to == email]

    def events(self) -> list[AuditEvent]:
        """All of the audit."""
        return [chain.unpacked(row.event) for row in self.store.audit.rows(0, 10_000)]

    def left(self, account_id: str) -> dict[str, int]:
        """Where something of an account is, and how much."""
        return {holder.name: count for holder in self.holders if (count := holder.count(account_id))}

    def person(self, email: str, other: Account) -> Account:
        """Sign somebody up and leave something of them in every store there is; they and another read each other."""
        account = self.signed_up(email)
        self.signed_in(email, new_id())
        store, account_id = self.store, account.account_id
        store.factors.change(account_id, lambda _: (Factor(account_id, b"sealed", False, 0, ()), None))
        self.proofs.request_reset(email, HERE)
        self.shared(account, other)
        self.shared(other, account)
        self.recorded(account_id)
        self.weighed(account_id)
        for aside in (store.root / "blobs" / ".aside", store.root / "keys" / "aside"):
            (aside / new_id()).write_bytes(b"half of something")
            for file in aside.iterdir():
                os.utime(file, OLD)
        return account

    def weighed(self, account_id: str) -> None:
        """Write a sample and a bad one, and say what their source is and how long to keep them; delete a recording."""
        store = self.store
        good, bad = (sample(record, source=RECORDED, account_id=account_id) for record in "ab")
        wrote(store.samples, good, fault(bad))
        store.sources.put(account_id, SourceSetting(RECORDED, DeviceKind.BAND))
        store.retentions.put(account_id, 365)
        gone = Tombstone("heart_rate", RECORDED, TimeRange(TimeKind.CIVIL, 0, 1), 1)
        store.series.delete(SeriesDeletion(account_id, (gone,), (), store.changes.newest(account_id)))

    def shared(self, member: Account, reader: Account) -> None:
        """Let one read the other, once."""
        now = datetime.fromtimestamp(self.clock(), UTC)
        families = frozenset({Family.ACTIVITY})
        grant = Grant(new_id(), member.account_id, reader.account_id, families, now, now + timedelta(days=1))
        self.store.grants.create(grant, 10, now)
        event = AccessEvent(member.account_id, reader.account_id, grant.grant_id, "ReadSeries", families, now)
        self.store.access_events.add(event)

    def recorded(self, account_id: str) -> None:
        """Record something, in rows and in a blob; derive half of it, and leave the rest due."""
        store, descriptor = self.store, replace(RECORDING, source=RECORDED)
        upload = store.series.open(account_id, "u", descriptor)
        closings = [Closing(1, 20, 60), Closing(2, 21, 120)]
        one = append(upload, 60, days=[20, 21, 22], closings=closings, account_id=account_id)
        store.series.commit(one)
        store.series.commit(append(one.after, 60, body=os.urandom(600_000), account_id=account_id))
        derived = next(due for due in store.analyses.due_days(100, account_id) if due.key.civil_day == 20)
        store.analyses.put_days([PutDay(derived, b"a day", closed=True, windows=(14, 15))])
        result = next(due for due in store.analyses.due_results(closings[0].kind, 100) if due.account_id == account_id)
        store.analyses.put_results([PutResult(result, b"a result")])
        key = WindowKey(account_id, descriptor.metric, RECORDED, 14)
        store.windows.put([StoredAnalysis(key, "an analysis", State.SUCCEEDED, "digest", "method", "", b"a week")])
        now = datetime.fromtimestamp(self.clock(), UTC)
        store.insights.put(StoredInsight(account_id, "an insight", "an analysis", now, b"told"))


@contextmanager
def erasing_world(root: Path, clock: Clock | None = None) -> Iterator[ErasingWorld]:
    """Open the world under a directory. Opened again, it is a server that starts again."""
    with local(root, clock) as store:
        yield ErasingWorld(store)
