"""Erase: everything there is of an account, after a time in which its owner can still keep it.

The ledger, outside the stores, says how far an erasure is, and is written before what it says happens: whoever dies
between two steps only has to go on from there, and a store that is put back from before is brought to where it was.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from clarity_server.domain import chain
from clarity_server.domain import erasure as receipts
from clarity_server.domain.access import Purpose
from clarity_server.domain.accounts import Account, AccountState, Identity, Origin, Standing
from clarity_server.domain.audit import AuditEvent, AuditKind
from clarity_server.domain.erasure import BEGUN, Erasure, ErasureState
from clarity_server.domain.errors import AccountErasing, ReceiptNotFound, SessionEnded
from clarity_server.domain.ids import keyed_digest, new_id
from clarity_server.domain.sharing import Consent
from clarity_server.flows import mails
from clarity_server.ports import Accounts, Audit, Consents, Holder, Keys, Ledger, Outbox, Sessions

PAGE = 100
PASSES_MAX = 5  # over the stores, until all are empty; who wrote late is found in the next
LOOK_AGAIN_S = 15 * 60.0  # after it is done: longer than any access token, or call, lasts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Erase:
    """The verbs, over their ports."""

    accounts: Accounts
    sessions: Sessions
    consents: Consents
    outbox: Outbox
    audit: Audit
    ledger: Ledger
    keys: Keys
    holders: Sequence[Holder]  # all there are, in the order in which they are emptied
    prove: Callable[[str, str, str, Origin], object]  # account, password, one-time code; raises as Proofs.prove
    failing: Callable[[Callable[[], object]], bool]  # runs a job, tells whether it failed
    scrub: Callable[[], object]  # makes what was deleted disappear from the files
    grace_s: float
    on_ended: Callable[[str], object]  # hears the id of every session ended here
    clock: Callable[[], float] = time.time  # seconds since 1970
    _unfinished: set[str] = field(default_factory=set)
    _done: dict[str, float] = field(default_factory=dict)  # when; to look again for a while

    def request(self, identity: Identity, password: str, totp_code: str, origin: Origin) -> tuple[str, float]:
        """Let an account be erased; return the secret that opens its receipt, and when it begins.

        Raises CredentialsWrong, CodeWrong, SessionEnded, Busy.
        """
        self.prove(identity.account_id, password, totp_code, origin)
        account = self.accounts.get(identity.account_id)
        if account is None:
            raise SessionEnded
        now, secret = self.clock(), new_id()
        self._note(AuditKind.ERASURE_ASKED, identity.account_id, origin, identity)
        erasure = self._scheduled(account.account_id, secret, now, now + self.grace_s)
        self._hold(erasure, account)
        return secret, erasure.erase_time

    def cancel(self, account_id: str, origin: Origin) -> None:
        """Keep an account whose owner has signed in. Raises AccountErasing where the erasure has begun."""
        erasure = self.ledger.of_account(account_id)
        if erasure is not None and erasure.state is ErasureState.SCHEDULED:
            self._note(AuditKind.ERASURE_CANCELLED, account_id, origin)
            self.ledger.advance(erasure, replace(erasure, state=ErasureState.CANCELLED))
            erasure = self.ledger.of_account(account_id)  # which may be another: of two at once one comes first
        if erasure is not None and erasure.state in BEGUN:
            raise AccountErasing
        self._keep(account_id)

    def receipt(self, secret: str) -> Erasure:
        """Tell what became of an erasure. Raises ReceiptNotFound."""
        erasure = self.ledger.by_secret(self._secret_hash(secret))
        if erasure is None:
            raise ReceiptNotFound
        return erasure

    def run_due(self) -> int:
        """Erase what is due, go on with what was left, and look again where it was done; return how many are done."""
        now = self.clock()
        due = dict.fromkeys([*self.accounts.erasing(now, PAGE), *sorted(self._unfinished)])
        done = sum(self._tried(self._settle, account_id) for account_id in due)
        self._look_again(now)
        return done

    def apply_ledger(self) -> int:
        """Bring the stores to where the ledger is, at a start: they may be older; return how many were erased for that.

        What is erased stays erased, what is to be erased waits for it, and who was kept is kept.
        """
        known = self.ledger.newest(frozenset(ErasureState))
        return sum(self._tried(self._applied, erasure.account_id) for erasure in known)

    def lately(self) -> Sequence[Standing]:
        """How the accounts stand that were erased a moment ago: the stores know nothing of them, and tokens live on.

        For the gate of a server that starts; while it runs, it has heard of the request.
        """
        return [Standing(account_id, AccountState.ERASING, self.clock()) for account_id in self._done]

    def _tried(self, settle: Callable[[str], bool], account_id: str) -> bool:
        """Try with one account, so that the others do not wait for it; what fails is tried again."""
        answers: list[bool] = []
        if self.failing(lambda: answers.append(settle(account_id))):
            self._unfinished.add(account_id)
        else:
            self._unfinished.discard(account_id)
        return any(answers)

    def _applied(self, account_id: str) -> bool:
        """Let the store say of an account what the ledger says; tell whether anything was erased for that."""
        erasure = self.ledger.of_account(account_id)
        assert erasure is not None, "it was listed"
        if erasure.state in BEGUN:
            if erasure.done_time is not None and self.clock() - erasure.done_time < LOOK_AGAIN_S:
                self._done[account_id] = erasure.done_time
            return self._settle(account_id)
        account = self.accounts.get(account_id)
        if account is None:
            return False
        if erasure.state is ErasureState.CANCELLED:
            self._keep(account_id)
        elif account.state is not AccountState.ERASING:
            self._hold(erasure, account)
        else:
            self._end_sessions(account_id)
        return False

    def _settle(self, account_id: str) -> bool:
        """Do what the ledger says of an account that the store says is to be erased; tell whether it is done."""
        erasure = self.ledger.of_account(account_id)
        if erasure is None:  # the store knows of it, so it was asked for; nobody has the secret any more
            now = self.clock()
            erasure = self._scheduled(account_id, new_id(), now, now)
        if erasure.state is ErasureState.CANCELLED:
            self._keep(account_id)
            return False
        return self._erase_again(account_id) if erasure.state is ErasureState.DONE else self._run(erasure)

    def _run(self, erasure: Erasure) -> bool:
        """Erase an account, or go on with it. Tell whether it is done; False where its owner was quicker."""
        account_id = erasure.account_id
        if erasure.state is ErasureState.SCHEDULED:
            # How much there is is kept first: who goes on after a crash finds only the rest.
            running = replace(erasure, state=ErasureState.RUNNING, stores=self._listed(account_id))
            if not self.ledger.advance(erasure, running):
                return False
            erasure = running
        self._note(AuditKind.ERASED, account_id, Origin(), step="begun")
        erased = self._emptied(account_id)
        self.keys.destroy_data_key(account_id)
        self.scrub()
        stores = tuple((name, max(found, erased.get(name, 0)), 0) for name, found, _ in erasure.stores)
        self._note(AuditKind.ERASED, account_id, Origin(), step="done", erasure=erasure.erasure_id)
        done = replace(erasure, state=ErasureState.DONE, done_time=self.clock(), stores=stores)
        key = chain.signing_key(self.keys.derived(chain.SIGNING_PURPOSE))
        self.ledger.advance(erasure, replace(done, signed_receipt=receipts.receipt(done, key)))
        self._done[account_id] = self.clock()
        return True

    def _emptied(self, account_id: str) -> Mapping[str, int]:
        """Erase from every store until all are empty, each listed again; return how much there was, by name.

        Raises NotEmpty where something keeps coming.
        """
        erased: dict[str, int] = {}
        # Nothing is due of an account that withholds this one: the workers leave its rows alone.
        self.consents.put(account_id, [Consent(Purpose.ANALYSIS, given=False)])
        for _ in range(PASSES_MAX):
            for holder in self.holders:
                erased[holder.name] = erased.get(holder.name, 0) + holder.erase(account_id)
            if not self._left(account_id):
                return erased
        raise NotEmpty(f"not all is erased, and it will be tried again: left is {self._left(account_id)}")

    def _erase_again(self, account_id: str) -> bool:
        """Erase what has come back of an account that was erased; tell whether there was anything."""
        if not (left := self._left(account_id)):
            return False
        log.warning("an erased account is in the stores again, and is erased again left=%s", left)
        self._note(AuditKind.ERASED, account_id, Origin(), step="again")
        self._emptied(account_id)
        self.keys.destroy_data_key(account_id)
        self.scrub()
        self._done[account_id] = self.clock()
        return True

    def _look_again(self, now: float) -> None:
        """A call, or a derivation, that was under way may have written after the last look."""
        for account_id, when in list(self._done.items()):
            self._tried(self._erase_again, account_id)
            if now - when > LOOK_AGAIN_S:
                self._done.pop(account_id, None)

    def _listed(self, account_id: str) -> tuple[tuple[str, int, int], ...]:
        counts = ((holder.name, holder.count(account_id)) for holder in self.holders)
        return tuple((name, count, count) for name, count in counts)

    def _left(self, account_id: str) -> Mapping[str, int]:
        return {name: count for name, count, _ in self._listed(account_id) if count}

    def _scheduled(self, account_id: str, secret: str, now: float, erase_time: float) -> Erasure:
        erasure = Erasure(new_id(), account_id, self._secret_hash(secret), now, erase_time)
        self.ledger.create(erasure)
        return erasure

    def _hold(self, erasure: Erasure, account: Account) -> None:
        """Let an account do nothing but wait for its erasure."""
        now, erase_time = self.clock(), _instant(erasure.erase_time)
        self.outbox.put(mails.erasure_asked(account, erase_time), now)

        def held(account: Account) -> Account:
            # Tokens tell the second they are from: one of this very second is good, should the account be kept.
            since = max(account.not_before, float(math.floor(now)))
            return replace(account, state=AccountState.ERASING, erase_time=erase_time, not_before=since)

        self.accounts.change(account.account_id, held)
        self._end_sessions(account.account_id)

    def _end_sessions(self, account_id: str) -> None:
        for session_id in self.sessions.end_all(account_id, self.clock()):
            self.on_ended(session_id)

    def _keep(self, account_id: str) -> None:
        account = self.accounts.get(account_id)
        if account is None or account.state is not AccountState.ERASING:
            return
        self.outbox.put(mails.erasure_cancelled(account), self.clock())
        self.accounts.change(account_id, _kept)

    def _secret_hash(self, secret: str) -> bytes:
        return keyed_digest(self.keys.derived("erasure-secret"), secret)

    def _note(
        self, kind: AuditKind, account_id: str, origin: Origin, actor: Identity | None = None, **facts: str
    ) -> None:
        actor_id, session_id = (actor.account_id, actor.session_id) if actor else ("", "")
        event = AuditEvent(kind, account_id, actor_id, session_id, origin.network, origin.request_id, facts)
        self.audit.append(event)


class NotEmpty(Exception):
    """A store of an account that is being erased is not empty yet."""


def _kept(account: Account) -> Account:
    erasing = account.state is AccountState.ERASING
    return replace(account, state=AccountState.ACTIVE, erase_time=None) if erasing else account


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
