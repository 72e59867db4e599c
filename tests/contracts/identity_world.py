"""A small world for identity: a real store and real keys on disk, a clock that moves when told, cheap hashes."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyotp

from clarity_server.adapters.local.accounts import SqliteAccounts
from clarity_server.adapters.local.consents import SqliteConsents
from clarity_server.adapters.local.database import Database
from clarity_server.adapters.local.factors import SqliteFactors
from clarity_server.adapters.local.hashing import Hashing
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.adapters.local.outbox import SqliteOutbox
from clarity_server.adapters.local.passwords import SqlitePasswords
from clarity_server.adapters.local.requests import SqliteRequests
from clarity_server.adapters.local.sessions import SqliteSessions
from clarity_server.adapters.local.tickets import SqliteTickets
from clarity_server.domain.accounts import (
    PRIVACY_VERSION,
    TERMS_VERSION,
    Account,
    Challenge,
    Confirmation,
    Identity,
    Origin,
    Tokens,
)
from clarity_server.domain.mail import Mail
from clarity_server.domain.tokens import public_keys, verify_access
from clarity_server.flows.chains import Chains
from clarity_server.flows.challenges import Challenges
from clarity_server.flows.codes import Codes
from clarity_server.flows.profile import Profile
from clarity_server.flows.proofs import Proofs
from clarity_server.flows.second_factor import SecondFactor
from clarity_server.flows.sign_in import SignIn, SignInAsked
from clarity_server.flows.sign_up import SignUp, SignUpAsked
from clarity_server.flows.trail import Trail
from tests.contracts.threads import at_once
from tests.contracts.worlds import CHEAP, NOW, Clock, LocalWorld, local
from tests.flows.access_world import Heard

__all__ = [
    "CHEAP",
    "EMAIL",
    "HERE",
    "NOW",
    "OTHER_EMAIL",
    "OTHER_PASSWORD",
    "PASSWORD",
    "Clock",
    "IdentityWorld",
    "asked",
    "at_once",
    "identity_world",
]

EMAIL = "Owl@Example.org"
OTHER_EMAIL = "lark@example.org"
PASSWORD = "Night-0wl"
OTHER_PASSWORD = "Day-1ark!"
HERE = Origin("192.0.2.1", "request-of-the-log")
MAILS_MAX = 10_000


@dataclass(frozen=True)
class Verbs:
    """The verbs of one process."""

    sign_up: SignUp
    sign_in: SignIn
    profile: Profile
    proofs: Proofs


@dataclass
class IdentityWorld:
    """Everything the identity verbs need, and the verbs."""

    store: LocalWorld
    audit: Heard
    ended: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # whose erasure was taken back

    @property
    def clock(self) -> Clock:
        return self.store.clock

    @property
    def root(self) -> Path:
        return self.store.root

    @property
    def hashing(self) -> Hashing:
        return self.store.hashing

    @property
    def database(self) -> Database:
        return self.store.database

    @property
    def keys(self) -> DiskKeys:
        return self.store.keys

    @property
    def accounts(self) -> SqliteAccounts:
        return self.store.accounts

    @property
    def passwords(self) -> SqlitePasswords:
        return self.store.passwords

    @property
    def sessions(self) -> SqliteSessions:
        return self.store.sessions

    @property
    def tickets(self) -> SqliteTickets:
        return self.store.tickets

    @property
    def factors(self) -> SqliteFactors:
        return self.store.factors

    @property
    def consents(self) -> SqliteConsents:
        return self.store.consents

    @property
    def requests(self) -> SqliteRequests:
        return self.store.requests

    @property
    def outbox(self) -> SqliteOutbox:
        return self.store.outbox

    def verbs(self, *, sign_up_open: bool = True, hashing: Hashing | None = None) -> Verbs:
        store = self.store if hashing is None else replace(self.store, hashing=hashing)
        accounts, passwords, outbox = store.accounts, store.passwords, store.outbox
        tickets, requests, keys, clock = store.tickets, store.requests, store.keys, store.clock
        trail = Trail(self.audit)
        codes = Codes(tickets, accounts, outbox, trail, keys, clock)
        factor = SecondFactor(store.factors, tickets, keys, clock)
        chains = Chains(store.sessions, keys, self.ended.append, clock)
        challenges = Challenges(tickets, codes, keys, clock)
        profile = Profile(accounts, store.factors, outbox, codes, trail, clock)
        return Verbs(
            SignUp(accounts, passwords, store.consents, requests, keys, codes, trail, sign_up_open, clock),
            SignIn(
                *(accounts, passwords, requests, keys, chains, codes, challenges, factor, trail),
                on_signed_in_while_erasing=lambda account_id, _: self.kept.append(account_id),
                clock=clock,
            ),
            profile,
            Proofs(accounts, passwords, factor, chains, codes, outbox, trail, clock, profile.known.forget),
        )

    # ---- mails -------------------------------------------------------------------------------------------------------

    def mails(self, to: str = "") -> list[Mail]:
        """All that wait, or those to an address."""
        waiting = [queued.mail for queued in self.outbox.due(self.clock(), MAILS_MAX)]
        return [mail for mail in waiting if to in ("", mail.to)]

    def code(self, to: str = EMAIL) -> str:
        """The newest code that was mailed to an address."""
        found = [shown for mail in self.mails(to) for shown in re.findall(r"^ *([0-9]{8})$", mail.text, re.MULTILINE)]
        return str(found[-1])

    # ---- people ------------------------------------------------------------------------------------------------------

    def asks(self, email: str = EMAIL, password: str = PASSWORD, request_id: str = "") -> Confirmation:
        """Somebody signs up."""
        return self.verbs().sign_up.sign_up(asked(email, password), request_id, HERE)[1]

    def member(self, email: str = EMAIL, password: str = PASSWORD) -> Account:
        """Somebody who has signed up and confirmed it."""
        confirmation = self.asks(email, password)
        return self.verbs().sign_up.confirm(confirmation.ticket, self.code(email.strip()), HERE)

    def answered(self, email: str = EMAIL, password: str = PASSWORD, request_id: str = "") -> Tokens | Challenge:
        """What a sign-in is answered."""
        return self.verbs().sign_in.sign_in(SignInAsked(email, password), request_id, HERE)

    def signed_in(self, email: str = EMAIL, password: str = PASSWORD, request_id: str = "") -> Tokens:
        """A new session of a member."""
        tokens = self.answered(email, password, request_id)
        assert isinstance(tokens, Tokens)
        return tokens

    def challenged(self, email: str = EMAIL, password: str = PASSWORD, request_id: str = "") -> Challenge:
        """What a sign-in waits for."""
        challenge = self.answered(email, password, request_id)
        assert isinstance(challenge, Challenge)
        return challenge

    def caller(self, tokens: Tokens) -> Identity:
        """Who calls with tokens."""
        return verify_access(tokens.access_token, public_keys(self.keys.jwks()), self.clock())

    def totp(self, caller: Identity, password: str = PASSWORD) -> tuple[str, list[str]]:
        """Turn one-time codes on; return the secret and the recovery codes. The step of now is spent by it."""
        proofs = self.verbs().proofs
        secret, _ = proofs.enroll_totp(caller, password, HERE)
        return secret, proofs.confirm_totp(caller, self.shown(secret), HERE)

    def shown(self, secret: str) -> str:
        """What an authenticator app shows now."""
        return pyotp.TOTP(secret).at(int(self.clock()))


def asked(email: str = EMAIL, password: str = PASSWORD) -> SignUpAsked:
    """What somebody signs up with."""
    return SignUpAsked(email, password, "Owl", terms_version=TERMS_VERSION, privacy_version=PRIVACY_VERSION)


@contextmanager
def identity_world(root: Path, clock: Clock | None = None) -> Iterator[IdentityWorld]:
    """Open the world under a directory. Opened twice, it is two processes over one store."""
    with local(root, clock) as store:
        yield IdentityWorld(store, Heard(store.audit))
