"""Calls of one server on behalf of one person: the way there, tokens that are renewed, patience, and pages."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from datetime import UTC
from types import TracebackType
from typing import Protocol, Self, TypeVar

import grpc

from clarity.calls import ClarityError, Patience, Remedy, Target, bearer, channel, failure, remedy, target_of
from clarity.credentials import SignedIn, Tokens
from clarity.v1 import account_pb2
from clarity.v1 import auth_service_pb2 as auth
from clarity.v1.auth_service_pb2_grpc import AuthServiceStub

CALL_TIMEOUT_S = 30.0
TOKEN_LEEWAY_S = 30.0  # a token this close to its end is renewed before it is used
PAGES_MAX = 10_000  # of one list: a server that never comes to an end is not believed
NEVER_BEGUN = frozenset({"NO_SERVER", "BUSY", "SHUTTING_DOWN", "RATE_LIMITED"})  # such a call has changed nothing

Q = TypeVar("Q")
A = TypeVar("A")


class Paged(Protocol):
    """Asks for a page of a list."""

    page_token: str


class Page(Protocol):
    """A page of a list."""

    next_page_token: str


PQ = TypeVar("PQ", bound=Paged)
PA = TypeVar("PA", bound=Page)


class Calls:
    """Calls one server on behalf of one person. Threads may share it; close it, or use it as a context manager."""

    def __init__(self, target: str | Target, tokens: Tokens | None = None, patience: Patience | None = None) -> None:
        self.target = target_of(target) if isinstance(target, str) else target
        self.tokens = tokens
        self.patience = patience or Patience()
        self._channel = channel(self.target)
        self._auth = AuthServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what runs and hang up."""
        self._channel.close()

    def token(self) -> str:
        """Return an access token that is good for a while, renewed if need be. Raises ClarityError."""
        session = self.tokens.read() if self.tokens is not None else None
        if session is None:
            raise not_signed_in(self.target)
        if session.access_expire_s - time.time() > TOKEN_LEEWAY_S:
            return session.access_token
        return self.renew(session.access_token)

    def renew(self, stale: str) -> str:
        """Return an access token other than this one; many who ask at once get the same."""
        session = self.tokens.renew(stale, self._spend) if self.tokens is not None else None
        if session is None:
            raise not_signed_in(self.target)
        return session.access_token

    def _spend(self, session: SignedIn) -> SignedIn:
        request = auth.RefreshSessionRequest(refresh_token=session.refresh_token, request_id=session.refresh_request_id)
        return kept(self._call(self._auth.RefreshSession, request, public=True).session, session.email)

    def _call(
        self, method: grpc.UnaryUnaryMultiCallable[Q, A], request: Q, *, public: bool = False, once: bool = False
    ) -> A:
        """Call until it answers, as often as patience allows.

        What may not happen twice is called `once`: it is repeated only where it has surely not begun.
        """
        failures = 0
        while True:
            token = "" if public else self.token()
            try:
                return method(request, timeout=CALL_TIMEOUT_S, metadata=bearer(token))
            except grpc.RpcError as error:
                found = failure(error, self.target)
                if once and remedy(found) is Remedy.WAIT and found.reason not in NEVER_BEGUN:
                    raise found from error
                self._recover(found, failures, token)
                failures += 1

    def _pages(self, method: grpc.UnaryUnaryMultiCallable[PQ, PA], request: PQ) -> Iterator[PA]:
        """Yield a list's pages, one at least. Raises ClarityError for one that never ends."""
        for _ in range(PAGES_MAX):
            page = self._call(method, request)
            yield page
            request.page_token = page.next_page_token
            if not request.page_token:
                return
        text = f"the server's list does not end after {PAGES_MAX} pages"
        raise ClarityError("CUT_OFF", text, code=grpc.StatusCode.OUT_OF_RANGE)

    def _recover(self, error: ClarityError, failures: int, token: str) -> None:
        """Do what helps against an error, or raise it."""
        what = remedy(error)
        if what is Remedy.NONE or failures + 1 >= self.patience.first_tries or (what is Remedy.RENEW and not token):
            raise error
        if what is Remedy.RENEW:
            self.renew(token)
        else:
            time.sleep(self.patience.wait_s(failures, error, random.random()))  # noqa: S311  spreads clients


def kept(session: account_pb2.Session, email: str) -> SignedIn:
    """Return a session as a client keeps it."""
    return SignedIn(
        email=email,
        account_id=session.account_id,
        session_id=session.session_id,
        access_expire_s=session.access_expire_time.ToDatetime(UTC).timestamp(),
        access_token=session.access_token,
        refresh_token=session.refresh_token,
        refresh_request_id=uuid.uuid4().hex,
    )


def not_signed_in(target: Target) -> ClarityError:
    """Return the error of a call that needs somebody where nobody is."""
    text = f"nobody is signed in at {target}"
    return ClarityError("NOT_SIGNED_IN", text, code=grpc.StatusCode.UNAUTHENTICATED)
