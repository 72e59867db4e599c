"""Who is calling, from the access token and from what is known of its account: fast enough for the event loop.

The store is never waited for: once a second a job learns from it which sessions have ended, whose accounts have
changed, and which keys there are.
"""

import hashlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from clarity_server.domain.accounts import AccountState, Identity, Standing
from clarity_server.domain.errors import (
    AccountDisabled,
    AccountErasing,
    AccountSuspended,
    ClarityError,
    SessionEnded,
    TokenExpired,
    TokenMissing,
)
from clarity_server.domain.tokens import ACCESS_S, SKEW_S, public_keys, verify_access
from clarity_server.ports import Accounts, Keys, Sessions

SCHEME = "bearer"
CACHE_MAX = 4096  # verified tokens remembered: some 2 MB
KNOWN_S = ACCESS_S + SKEW_S
"""How long a token could still look valid after its session ended or its account changed: who was refused then gets no
other, for signing in and refreshing ask the store."""

OBJECTIONS: Mapping[AccountState, Callable[[], ClarityError]] = MappingProxyType(
    {
        AccountState.SUSPENDED: AccountSuspended,
        AccountState.DISABLED: AccountDisabled,
        AccountState.ERASING: AccountErasing,
    }
)


class Verifier:
    """Turns the authorization metadata into an Identity.

    `verify` belongs to the event loop's thread. What has ended may be told and asked from any thread.
    """

    def __init__(
        self,
        keys: Keys,
        sessions: Sessions,
        accounts: Accounts,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read the public keys; call `refresh` once before the first call is served, then every second."""
        self._keys = keys
        self._public: Mapping[str, Ed25519PublicKey] = public_keys(keys.jwks())
        self._sessions = sessions
        self._accounts = accounts
        self._clock = clock
        self._verified: OrderedDict[bytes, Identity] = OrderedDict()  # by sha256, so that no token lies in memory
        self._known_until = clock()  # all that happened before this was learnt
        self._ended: dict[str, float] = {}  # session id → when we heard of its end
        self._standings: dict[str, tuple[Standing, float]] = {}  # account id → how it stands, and when we heard of it
        self._marked: set[str] = set()  # accounts that mark_standing told of while they were being listed
        self._lock = threading.Lock()

    def verify(self, authorization: str | None) -> Identity:
        """Read the caller from `Bearer <token>`.

        Raises TokenMissing, TokenInvalid, TokenExpired, SessionEnded, AccountSuspended, AccountDisabled,
        AccountErasing.
        """
        token = _token(authorization)
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        verified = self._verified
        identity = verified.get(digest) or self._remembered(verified, digest, token)
        if self._clock() >= identity.expire_time:
            raise TokenExpired
        against = self.objection(identity)
        if against is not None:
            raise against
        verified.move_to_end(digest)
        return identity

    def objection(self, identity: Identity) -> ClarityError | None:
        """Return why a caller who was verified once may not go on, or None. Streams are asked this while they run."""
        standing, _ = self._standings.get(identity.account_id, (None, 0.0))
        if standing is not None and standing.state in OBJECTIONS:
            return OBJECTIONS[standing.state]()
        if self.is_ended(identity.session_id):
            return SessionEnded()
        # Tokens tell whole seconds: those of the same one are told apart by the end of their session.
        if standing is not None and identity.issued_time < math.floor(standing.not_before):
            return SessionEnded()
        return None

    def is_ended(self, session_id: str) -> bool:
        """Whether a session is known to have ended."""
        return session_id in self._ended

    def mark_ended(self, session_id: str) -> None:
        """Know of an end at once, where it happened in this process."""
        with self._lock:
            self._ended[session_id] = self._clock()

    def mark_standing(self, standing: Standing) -> None:
        """Know at once of an account that changed in this process. Call it after the store has it."""
        with self._lock:
            self._standings[standing.account_id] = (standing, self._clock())
            self._marked.add(standing.account_id)

    def refresh(self) -> None:
        """Learn of what other processes did, and forget what no living token can ask about. Blocks on the stores."""
        self._refresh_keys()
        began = self._clock()
        self._marked.clear()
        since = min(began, self._known_until) - KNOWN_S  # a store that was away is asked for all that it did not tell
        self._note_ended(self._sessions.ended_since(since), began)
        self._note_standings(self._accounts.standings_since(since), began)
        self._known_until = began

    def _refresh_keys(self) -> None:
        if not self._keys.refresh():
            return
        before, self._public = self._public, public_keys(self._keys.jwks())
        if not before.keys() <= self._public.keys():
            self._verified = OrderedDict()  # what a retired key signed is looked at again

    def _note_ended(self, listed: Sequence[str], began: float) -> None:
        with self._lock:
            # Added to, never replaced: what mark_ended told during the listing stays.
            for session_id in listed:
                self._ended.setdefault(session_id, began)
            for session_id in [known for known, heard in self._ended.items() if heard < began - KNOWN_S]:
                del self._ended[session_id]

    def _note_standings(self, listed: Sequence[Standing], began: float) -> None:
        with self._lock:
            for standing in listed:
                if standing.account_id not in self._marked:  # what was told meanwhile is newer
                    self._standings[standing.account_id] = (standing, began)
            for account_id in [known for known, (_, heard) in self._standings.items() if heard < began - KNOWN_S]:
                del self._standings[account_id]

    def _remembered(self, verified: OrderedDict[bytes, Identity], digest: bytes, token: str) -> Identity:
        identity = verify_access(token, self._public, self._clock())
        verified[digest] = identity
        if len(verified) > CACHE_MAX:
            verified.popitem(last=False)
        return identity


def _token(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != SCHEME or not token.strip():
        raise TokenMissing
    return token.strip()
