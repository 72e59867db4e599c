"""Accounts and sessions: sign up, sign in, refresh, sign out."""

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime

from clarity_server.domain.accounts import Account, Identity, Tokens
from clarity_server.domain.errors import (
    EmailTaken,
    FeatureOff,
    RefreshTokenInvalid,
    RefreshTokenReused,
    SessionEnded,
)
from clarity_server.domain.ids import keyed_digest, new_id
from clarity_server.domain.tokens import ACCESS_S, issue_access, read_refresh_token, refresh_token
from clarity_server.flows.hashing import Hashing
from clarity_server.ports import Accounts, Keys, Requests, SessionRow, Sessions

SIGN_UP_KEEP_S = 24 * 3600  # how long a repeat of SignUp gets the first answer
SIGN_IN_KEEP_S = 60  # the same for SignIn
REPEAT_S = 60  # how long after a refresh token was spent its answer may be asked for again
SESSION_S = 30 * 24 * 3600  # from the newest refresh to the end of the session
FIRST_COUNTER = 0
KNOWN_S = 1.0  # how long a change made by another process may go unseen
KNOWN_MAX = 4096


class SignIn:
    """Who may call, and how they come to be allowed to."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        requests: Requests,
        keys: Keys,
        hashing: Hashing,
        *,
        on_ended: Callable[[str], None],
        sign_up_open: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`on_ended` hears the id of every session ended here, after the store has it."""
        self._accounts = accounts
        self._sessions = sessions
        self._requests = requests
        self._keys = keys
        self._hashing = hashing
        self._on_ended = on_ended
        self._sign_up_open = sign_up_open
        self._clock = clock
        self._known: dict[str, tuple[Account, float]] = {}
        self._refresh_key = keys.derived("refresh")
        self._digest_key = keys.derived("request-digest")

    def sign_up(self, email: str, password: str, display_name: str, request_id: str) -> Account:
        """Make an account, or find the one this request made. Raises FeatureOff, EmailTaken, RequestIdReused, Busy."""
        if not self._sign_up_open:
            raise FeatureOff("sign-up")
        now = self._clock()
        digest = keyed_digest(self._digest_key, email.strip(), password, display_name)
        # The id is settled first: of two repeats at once, each tries to make the same account.
        account_id = self._settled("sign-up", request_id, digest, new_id(), now, SIGN_UP_KEEP_S)
        made = self._accounts.get(account_id) if request_id else None
        if made is not None:
            return made
        account = Account(account_id, email.strip(), display_name, datetime.fromtimestamp(now, UTC))
        return self._created(account, self._hashing.hash(password))

    def sign_in(self, email: str, password: str, request_id: str) -> Tokens:
        """Begin a session, or repeat how this request began one. Raises CredentialsWrong, RequestIdReused, Busy."""
        found = self._accounts.by_email(email)
        new_hash = self._hashing.check(found.password_hash if found else None, password)
        assert found is not None, "without an account the check has failed"
        if new_hash is not None:
            self._accounts.rehash(found.account_id, found.password_hash, new_hash)
        return self._begun(found.account_id, request_id, keyed_digest(self._digest_key, email.strip(), password))

    def refresh(self, token: str, request_id: str) -> Tokens:
        """Spend a refresh token, or repeat its answer. Raises RefreshTokenInvalid, RefreshTokenReused."""
        session_id, counter = read_refresh_token(self._refresh_key, token)
        now = self._clock()
        row = self._live(session_id, now)
        if counter == row.counter and _hash(token) == row.refresh_hash:
            successor = self._successor(row, request_id, now)
            if self._sessions.advance(row, successor):
                return self._tokens_of(successor)
            row = self._live(session_id, now)  # another caller spent it first
        if counter >= row.counter:
            raise RefreshTokenInvalid  # not one this store has given out, e.g. after an older copy was put back
        if not _is_repeat(row, counter, request_id, now):
            self._end(session_id, now)
            raise RefreshTokenReused
        return self._tokens_of(row)

    def sign_out(self, identity: Identity) -> None:
        """End the calling session. Ending it again changes nothing."""
        self._end(identity.session_id, self._clock())

    def account(self, identity: Identity) -> Account:
        """Read the calling account. Raises SessionEnded when it is gone."""
        account = self._accounts.get(identity.account_id)
        if account is None:
            raise SessionEnded
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[account.account_id] = (account, self._clock() + KNOWN_S)
        return account

    def known_account(self, identity: Identity) -> Account | None:
        """Return the calling account if it was read a moment ago; never blocks."""
        account, until = self._known.get(identity.account_id, (None, 0.0))
        return account if self._clock() < until else None

    def _settled(self, scope: str, request_id: str, digest: bytes, answer: str, now: float, keep_s: float) -> str:
        """The first answer given under the request_id; without one every answer is the first."""
        if not request_id:
            return answer
        return self._requests.first(scope, request_id, digest, answer, now=now, keep_s=keep_s)

    def _created(self, account: Account, password_hash: str) -> Account:
        try:
            self._accounts.create(account, password_hash)
        except EmailTaken:
            made = self._accounts.get(account.account_id)
            if made is None:
                raise
            return made  # by a repeat of this very request
        return account

    def _begun(self, account_id: str, request_id: str, digest: bytes) -> Tokens:
        now = self._clock()
        # Scoped by account: another's request_id is like one that does not exist.
        answer = self._settled(f"sign-in:{account_id}", request_id, digest, f"{new_id()} {now!r}", now, SIGN_IN_KEEP_S)
        session_id, began = answer.split()
        row = self._row(session_id, account_id, FIRST_COUNTER, "", float(began))
        self._sessions.create(row)
        return self._tokens_of(row)  # not of the stored row: a repeat gets the same bytes whatever came after

    def _live(self, session_id: str, now: float) -> SessionRow:
        row = self._sessions.get(session_id)
        if row is None or row.ended_time is not None or now >= row.expire_time:
            raise RefreshTokenInvalid
        return row

    def _end(self, session_id: str, now: float) -> None:
        self._sessions.end(session_id, now)
        self._on_ended(session_id)

    def _successor(self, row: SessionRow, request_id: str, now: float) -> SessionRow:
        return self._row(row.session_id, row.account_id, row.counter + 1, request_id, now)

    def _row(self, session_id: str, account_id: str, counter: int, request_id: str, now: float) -> SessionRow:
        newest = refresh_token(self._refresh_key, session_id, counter)
        return SessionRow(session_id, account_id, counter, _hash(newest), request_id, now, now + SESSION_S)

    def _tokens_of(self, row: SessionRow) -> Tokens:
        """The tokens that the row stands for: the same bytes as often as they are asked for."""
        issued_s = int(row.spent_time)
        key_id, key = self._keys.signing_key()
        access = issue_access(key_id, key, account_id=row.account_id, session_id=row.session_id, issued_s=issued_s)
        newest = refresh_token(self._refresh_key, row.session_id, row.counter)
        return Tokens(row.account_id, row.session_id, access, issued_s + ACCESS_S, newest, row.expire_time)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _is_repeat(row: SessionRow, counter: int, request_id: str, now: float) -> bool:
    """Whether this is the call that spent the newest token's predecessor, asked again in time."""
    same_call = counter == row.counter - 1 and request_id != "" and request_id == row.spent_request_id
    return same_call and now < row.spent_time + REPEAT_S
