"""Who is calling, from the access token alone: fast enough for the event loop, and never waiting for a store."""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from clarity_server.domain.accounts import Identity
from clarity_server.domain.errors import SessionEnded, TokenExpired, TokenMissing
from clarity_server.domain.tokens import ACCESS_S, SKEW_S, public_keys, verify_access
from clarity_server.ports import Keys, Sessions

PUBLIC = frozenset(
    {
        "/clarity.v1.AuthService/SignUp",
        "/clarity.v1.AuthService/SignIn",
        "/clarity.v1.AuthService/RefreshSession",
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/List",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    }
)
"""The methods that need no token; every other one does, and a new one by itself."""

SCHEME = "bearer"
CACHE_MAX = 4096  # verified tokens remembered: some 2 MB
ENDED_S = ACCESS_S + SKEW_S  # how long a token of an ended session could still look valid


class Verifier:
    """Turns the authorization metadata into an Identity.

    `verify` belongs to the event loop's thread. The ended sessions may be told and asked from any thread.
    """

    def __init__(self, keys: Keys, sessions: Sessions, clock: Callable[[], float] = time.time) -> None:
        """Read the public keys; call `refresh_ended` once before the first call is served, then every second."""
        self._keys = public_keys(keys.jwks())
        self._sessions = sessions
        self._clock = clock
        self._verified: OrderedDict[bytes, Identity] = OrderedDict()  # by sha256, so that no token lies in memory
        self._ended: dict[str, float] = {}  # session id → when we heard of its end
        self._ended_lock = threading.Lock()

    def verify(self, authorization: str | None) -> Identity:
        """Read the caller from `Bearer <token>`. Raises TokenMissing, TokenInvalid, TokenExpired, SessionEnded."""
        token = _token(authorization)
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        identity = self._verified.get(digest) or self._remembered(digest, token)
        if self._clock() >= identity.expire_time:
            raise TokenExpired
        if self.is_ended(identity.session_id):
            raise SessionEnded
        self._verified.move_to_end(digest)
        return identity

    def is_ended(self, session_id: str) -> bool:
        """Whether a session is known to have ended. Streams ask this while they run."""
        return session_id in self._ended

    def mark_ended(self, session_id: str) -> None:
        """Know of an end at once, where it happened in this process."""
        with self._ended_lock:
            self._ended[session_id] = self._clock()

    def refresh_ended(self) -> None:
        """Learn of ends in other processes, and forget those too old for any living token. Blocks on the store."""
        now = self._clock()
        listed = self._sessions.ended_since(now - ENDED_S)
        with self._ended_lock:
            # Added to, never replaced: what mark_ended told during the listing stays.
            for session_id in listed:
                self._ended.setdefault(session_id, now)
            for session_id in [known for known, heard in self._ended.items() if heard < now - ENDED_S]:
                del self._ended[session_id]

    def _remembered(self, digest: bytes, token: str) -> Identity:
        identity = verify_access(token, self._keys, self._clock())
        self._verified[digest] = identity
        if len(self._verified) > CACHE_MAX:
            self._verified.popitem(last=False)
        return identity


def _token(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != SCHEME or not token.strip():
        raise TokenMissing
    return token.strip()
