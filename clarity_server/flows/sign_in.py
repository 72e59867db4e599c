"""Sessions: sign in, answer what is asked beside the password, refresh, sign out, list and revoke."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta

from clarity_server.domain import paging
from clarity_server.domain.access import scopes_of
from clarity_server.domain.accounts import (
    Account,
    AccountState,
    Challenge,
    ChallengeKind,
    Device,
    Identity,
    Origin,
    SessionInfo,
    Tokens,
)
from clarity_server.domain.audit import AuditKind
from clarity_server.domain.errors import (
    AccountDisabled,
    AccountSuspended,
    ChallengeEnded,
    ClarityError,
    CodeWrong,
    CredentialsWrong,
    InvalidInput,
    RefreshTokenInvalid,
    RefreshTokenReused,
    ScopeNotAllowed,
    SessionNotFound,
)
from clarity_server.domain.ids import keyed_digest, new_id
from clarity_server.domain.tokens import read_refresh_token
from clarity_server.flows.chains import Beginning, Chains, hash_of
from clarity_server.flows.challenges import ChallengeAnswer, Challenges, Held, Waiting
from clarity_server.flows.codes import Codes
from clarity_server.flows.second_factor import SecondFactor
from clarity_server.flows.trail import Trail
from clarity_server.ports import Accounts, Keys, Passwords, Requests, SessionRow

__all__ = ["ChallengeAnswer", "SignIn", "SignInAsked"]

SIGN_IN_KEEP_S = 60  # how long a repeat of SignIn gets the first answer
REPEAT_S = 60  # how long after a refresh token was spent its answer may be asked for again
SESSION_S = timedelta(days=30).total_seconds()  # from the newest refresh to the end of the session
SHORT_SESSION_S = timedelta(hours=12).total_seconds()
PAGE = 20
PAGE_MAX = 100
NO_DEVICE = Device()


@dataclass(frozen=True, slots=True)
class SignInAsked:
    """What somebody signs in with."""

    email: str = field(repr=False)
    password: str = field(repr=False)
    device: Device = NO_DEVICE
    short_session: bool = False
    scopes: tuple[str, ...] = ()  # empty: all that the account's roles allow


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who may call, and how they come to be allowed to."""

    accounts: Accounts
    passwords: Passwords
    requests: Requests
    keys: Keys
    chains: Chains
    codes: Codes
    challenges: Challenges
    second_factor: SecondFactor
    trail: Trail
    on_signed_in_while_erasing: Callable[[str, Origin], object]  # takes the request for the erasure back
    clock: Callable[[], float]  # seconds since 1970

    def sign_in(self, asked: SignInAsked, request_id: str, origin: Origin) -> Tokens | Challenge:
        """Begin a session, or say what else is asked for, or repeat how this request was answered.

        Raises CredentialsWrong, AccountSuspended, AccountDisabled, ScopeNotAllowed, RequestIdReused, RateLimited, Busy.
        """
        account = self._known(asked, origin)
        scopes = self._scopes(account, asked.scopes, origin)
        now, needs = self.clock(), self._needs(account)
        # Scoped by account: another's request_id is like one that does not exist.
        kept = f"{new_id()} {now!r} {','.join(needs)}"
        if request_id:
            scope, digest = f"sign-in:{account.account_id}", self._digest(asked)
            kept = self.requests.first(scope, request_id, digest, kept, now=now, keep_s=SIGN_IN_KEEP_S)
        seed, began, named = kept.split(" ")
        lasts_s = SHORT_SESSION_S if asked.short_session else SESSION_S
        waiting = Waiting(
            session_id=seed,
            account_id=account.account_id,
            lasts_s=lasts_s,
            scopes=scopes,
            device=asked.device,
            network=origin.network,
            needs=tuple(map(ChallengeKind, named.split(","))) if named else (),
            began=float(began),
        )
        return self._next(account, waiting, origin)

    def answer(self, ticket: str, answer: ChallengeAnswer, request_id: str, origin: Origin) -> Tokens | Challenge:
        """Answer a challenge: begin its session, say what is asked for next, or repeat what this request was answered.

        Raises CodeWrong, ChallengeEnded, InvalidInput, AccountSuspended, AccountDisabled, RateLimited, Busy.
        """
        held = self.challenges.hold(ticket, answer, request_id)
        account = self.accounts.get(held.ticket.account_id)
        if account is None or (held.waiting.began < account.password_time and not held.repeated):
            raise ChallengeEnded  # the password that it began with counts no more
        self._admit(account, origin)
        if held.repeated:
            waiting = self.challenges.as_answered(held)
        elif answer.kind is ChallengeKind.TOTP:
            waiting = self._answered_by_code(held, answer, origin)
        else:
            waiting = self._answered_by_password(held, account, answer, origin)
        if waiting.needs:
            return Challenge(waiting.needs[0], ticket, held.ticket.expire_time)
        if not set(waiting.scopes) <= scopes_of(account.roles):
            raise ChallengeEnded  # the roles have changed
        return self._begun(account, waiting.beginning, origin)

    def refresh(self, token: str, request_id: str, origin: Origin) -> Tokens:
        """Spend a refresh token, or repeat its answer.

        Raises RefreshTokenInvalid, RefreshTokenReused, AccountSuspended, AccountDisabled.
        """
        row: SessionRow | None = None
        try:
            session_id, counter = read_refresh_token(self.chains.refresh_key, token)
            row = self.chains.live(session_id, self.clock())
            self._still_allowed(row)
        except ClarityError as refused:
            self._note_refused(AuditKind.REFRESH_REFUSED, row.account_id if row else "", origin, refused)
            raise
        return self._spent(row, counter, token, request_id, origin)

    def sign_out(self, identity: Identity, origin: Origin, *, everywhere: bool = False) -> None:
        """End the calling session, or all of the account's. Ending it again changes nothing."""
        self.trail.note_by(identity, AuditKind.SIGN_OUT, origin, sessions="all" if everywhere else "one")
        if everywhere:
            self.chains.end_all(identity.account_id)
        else:
            self.chains.end(identity.session_id)

    def sessions(self, identity: Identity, page_size: int, page_token: str) -> tuple[Sequence[SessionInfo], str]:
        """Return a page of the account's sessions, the newest first, and the next token. Raises PageTokenInvalid."""
        query, key = ("sessions", identity.account_id), self.keys.derived("page-token")
        after = paging.position(key, query, page_token)
        size = min(page_size or PAGE, PAGE_MAX)
        place = None if after is None else (float(after[0]), str(after[1]))
        found = self.chains.listed(identity.account_id, place, size + 1)
        page = found[:size]
        last = [repr(page[-1].create_time), page[-1].session_id] if page else []
        return page, paging.page_token(key, query, last) if len(found) > size else ""

    def revoke(self, identity: Identity, session_id: str, origin: Origin) -> None:
        """End one of the account's sessions. Ending it again changes nothing. Raises SessionNotFound."""
        row = self.chains.store.get(session_id)
        if row is None or row.account_id != identity.account_id:
            raise SessionNotFound
        if row.ended_time is None:
            self.trail.note_by(identity, AuditKind.SESSION_REVOKED, origin, session=session_id)
            self.chains.end(session_id)

    # ---- the password ------------------------------------------------------------------------------------------------

    def _known(self, asked: SignInAsked, origin: Origin) -> Account:
        """The account of an address and a password. An unknown address takes as long as a wrong password."""
        account_id = self.accounts.by_email(asked.email)
        try:
            self.passwords.check(account_id, asked.password)
        except CredentialsWrong as refused:
            self._note_refused(AuditKind.SIGN_IN_REFUSED, account_id or "", origin, refused)
            raise
        account = self.accounts.get(account_id) if account_id is not None else None
        if account is None:
            raise CredentialsWrong  # it was removed meanwhile
        self._admit(account, origin)
        return account

    def _admit(self, account: Account, origin: Origin) -> None:
        try:
            _check_state(account)
        except ClarityError as refused:
            self._note_refused(AuditKind.SIGN_IN_REFUSED, account.account_id, origin, refused)
            raise

    def _scopes(self, account: Account, asked: Sequence[str], origin: Origin) -> tuple[str, ...]:
        allowed = scopes_of(account.roles)
        for scope in asked:
            if scope not in allowed:
                refused = ScopeNotAllowed(scope)
                self._note_refused(AuditKind.SIGN_IN_REFUSED, account.account_id, origin, refused)
                raise refused
        return tuple(sorted(set(asked) or allowed))

    def _needs(self, account: Account) -> tuple[ChallengeKind, ...]:
        if account.state is AccountState.PENDING:
            return (ChallengeKind.CONFIRM_EMAIL,)
        asked = {
            ChallengeKind.TOTP: self.second_factor.confirmed(account.account_id) is not None,
            ChallengeKind.NEW_PASSWORD: account.must_change_password,
        }
        return tuple(kind for kind, needed in asked.items() if needed)

    def _digest(self, asked: SignInAsked) -> bytes:
        rest = json.dumps([asdict(asked.device), asked.short_session, asked.scopes])
        return keyed_digest(self.keys.derived("request-digest"), asked.email.strip(), asked.password, rest)

    # ---- what comes of it --------------------------------------------------------------------------------------------

    def _next(self, account: Account, waiting: Waiting, origin: Origin) -> Tokens | Challenge:
        if not waiting.needs:
            return self._begun(account, waiting.beginning, origin)
        self.trail.note(AuditKind.SIGN_IN, account.account_id, origin, awaits=waiting.needs[0])
        if waiting.needs[0] is not ChallengeKind.CONFIRM_EMAIL:
            return self.challenges.put(waiting.session_id, waiting)
        confirmation = self.codes.issue_again(waiting.session_id, account, waiting.began)
        return Challenge(ChallengeKind.CONFIRM_EMAIL, confirmation.ticket, confirmation.expire_time)

    def _begun(self, account: Account, beginning: Beginning, origin: Origin) -> Tokens:
        self.trail.note(AuditKind.SIGN_IN, account.account_id, origin, beginning.session_id)
        # A repeat of a sign-in before the request for the erasure does not take that back.
        if account.state is AccountState.ERASING and not self.chains.begun(beginning):
            self.on_signed_in_while_erasing(account.account_id, origin)
        return self.chains.begin(beginning)

    def _answered_by_code(self, held: Held, answer: ChallengeAnswer, origin: Origin) -> Waiting:
        account_id = held.ticket.account_id
        left = self.challenges.take_attempt(held)
        if self.second_factor.right(account_id, answer.proof):
            self.trail.note(AuditKind.CHALLENGE_ANSWERED, account_id, origin, challenge=answer.kind)
            if self.second_factor.spend(account_id, answer.proof):
                return self.challenges.settle(held, answer)
        self.trail.note(AuditKind.CHALLENGE_REFUSED, account_id, origin, challenge=answer.kind)
        raise CodeWrong(left)

    def _answered_by_password(self, held: Held, account: Account, answer: ChallengeAnswer, origin: Origin) -> Waiting:
        if not account.must_change_password:
            raise ChallengeEnded  # it was changed by another sign-in
        self._check_new(account, answer.new_password)
        self.trail.note(AuditKind.PASSWORD_CHANGED, account.account_id, origin)
        self.passwords.put(account.account_id, answer.new_password)
        waiting = self.challenges.settle(held, answer)
        self.accounts.change(account.account_id, with_own_password(self.clock()))
        return waiting

    def _check_new(self, account: Account, new_password: str) -> None:
        try:
            self.passwords.check(account.account_id, new_password)
        except CredentialsWrong:
            return
        raise InvalidInput(new_password="is the present one")  # noqa: S106  a rule

    # ---- refreshing --------------------------------------------------------------------------------------------------

    def _still_allowed(self, row: SessionRow) -> None:
        account = self.accounts.get(row.account_id)
        if account is None or account.state is AccountState.ERASING:
            raise RefreshTokenInvalid
        _check_state(account)
        if not set(row.scopes.split()) <= scopes_of(account.roles):
            raise RefreshTokenInvalid  # the roles have changed

    def _spent(self, row: SessionRow, counter: int, token: str, request_id: str, origin: Origin) -> Tokens:
        now = self.clock()
        if counter == row.counter and hash_of(token) == row.refresh_hash:
            successor = self.chains.successor(row, request_id, now)
            self.trail.note(AuditKind.REFRESHED, row.account_id, origin, row.session_id)
            if self.chains.store.advance(row, successor):
                return self.chains.tokens_of(successor)
            row = self.chains.live(row.session_id, now)  # another caller spent it first
        if counter >= row.counter:
            # Not one this store has given out, e.g. after an older copy was put back.
            self._note_refused(AuditKind.REFRESH_REFUSED, row.account_id, origin, refused := RefreshTokenInvalid())
            raise refused
        if not _is_repeat(row, counter, request_id, now):
            self._note_refused(AuditKind.REFRESH_REFUSED, row.account_id, origin, reused := RefreshTokenReused())
            self.chains.end(row.session_id)
            raise reused
        return self.chains.tokens_of(row)

    def _note_refused(self, kind: AuditKind, account_id: str, origin: Origin, why: ClarityError) -> None:
        self.trail.note(kind, account_id, origin, why=type(why).__name__)


def with_own_password(now: float) -> Callable[[Account], Account]:
    """What a password that its owner has chosen changes of an account."""
    return lambda account: replace(account, must_change_password=False, password_time=now)


def _check_state(account: Account) -> None:
    """Raise what keeps an account out, if anything does."""
    if account.state is AccountState.SUSPENDED:
        raise AccountSuspended
    if account.state is AccountState.DISABLED:
        raise AccountDisabled


def _is_repeat(row: SessionRow, counter: int, request_id: str, now: float) -> bool:
    """Whether this is the call that spent the newest token's predecessor, asked again in time."""
    same_call = counter == row.counter - 1 and request_id != "" and request_id == row.spent_request_id
    return same_call and now < row.spent_time + REPEAT_S
