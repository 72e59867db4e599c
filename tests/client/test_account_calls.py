"""Calls about accounts, over a wire to a server that fails: what is repeated, what is waited for, and what never is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from clarity.calls import ClarityError, Patience, Remedy, problem, remedy
from clarity.client import Client
from clarity.credentials import MemoryTokens, SignedIn

QUICK = Patience(base_s=0.001, cap_s=0.002)


@dataclass
class Refusing(grpc.GenericRpcHandler):
    """A server that answers every call with one status, and remembers the calls."""

    status: Status
    calls: list[str] = field(default_factory=list)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        def refuse(_: bytes, context: grpc.ServicerContext) -> bytes:
            self.calls.append(handler_call_details.method.rpartition("/")[2])
            context.abort_with_status(rpc_status.to_status(self.status))

        return grpc.unary_unary_rpc_method_handler(refuse, bytes, bytes)


def refusal(code: grpc.StatusCode, reason: str, retry_s: int | None = None) -> Status:
    """A status as the server makes it."""
    details: list[ErrorInfo | RetryInfo] = [ErrorInfo(reason=reason, domain="clarity.v1")]
    if retry_s is not None:
        details.append(RetryInfo(retry_delay=Duration(seconds=retry_s)))
    status = Status(code=code.value[0], message="for the test")
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status


@contextmanager
def calling(status: Status) -> Iterator[tuple[Client, list[str]]]:
    """A client that is signed in at such a server."""
    session = SignedIn("ada@example.org", "a", "s", time.time() + 600, "access", "refresh", "request")
    servicer, server = Refusing(status), grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((servicer,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with Client(f"127.0.0.1:{port}", MemoryTokens(session), QUICK) as client:
            yield client, servicer.calls
    finally:
        server.stop(None).wait()


LOST = refusal(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
BUSY = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "BUSY")
ONCE: dict[str, Callable[[Client], object]] = {
    "ChangePassword": lambda client: client.change_password("old", "new"),
    "ResetPassword": lambda client: client.reset_password("ticket", "12345678", "new"),
    "ConfirmTotp": lambda client: client.confirm_totp("123456"),
    "RemoveTotp": lambda client: client.remove_totp("password", totp_code="123456"),
    "DeleteAccount": lambda client: client.delete_account("password"),
    "ResendConfirmation": lambda client: client.resend_confirmation("ticket"),
}
AGAIN: dict[str, Callable[[Client], object]] = {
    "SignUp": lambda client: client.sign_up("ada@example.org", "password"),
    "ConfirmSignUp": lambda client: client.confirm_sign_up("ticket", "12345678"),
    "SignIn": lambda client: client.sign_in("ada@example.org", "password"),
    "AnswerChallenge": lambda client: client.answer_challenge("ticket", "ada@example.org", totp_code="123456"),
    "UpdateAccount": lambda client: client.update_account({"display_name": "Ada"}),
    "ListGrants": lambda client: list(client.grants()),
    "GetErasureReceipt": lambda client: client.erasure_receipt("secret"),
}


@pytest.mark.parametrize("method", ONCE)
def test_what_may_not_happen_twice_is_not_repeated_after_a_failure_that_may_hide_a_success(method: str) -> None:
    with calling(LOST) as (client, calls):
        with pytest.raises(ClarityError):
            ONCE[method](client)
        assert calls == [method]


@pytest.mark.parametrize("method", ONCE)
def test_even_that_is_repeated_where_it_has_surely_not_begun(method: str) -> None:
    with calling(BUSY) as (client, calls):
        with pytest.raises(ClarityError):
            ONCE[method](client)
        assert calls == [method] * QUICK.first_tries


@pytest.mark.parametrize("method", AGAIN)
def test_what_is_safe_to_repeat_is_repeated(method: str) -> None:
    with calling(LOST) as (client, calls):
        with pytest.raises(ClarityError):
            AGAIN[method](client)
        assert calls == [method] * QUICK.first_tries


@pytest.mark.parametrize(("retry_s", "expected"), [(2, Remedy.WAIT), (600, Remedy.NONE), (None, Remedy.NONE)])
def test_a_rate_limit_is_waited_for_only_where_it_is_short(retry_s: int | None, expected: Remedy) -> None:
    limited = problem(refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", retry_s))
    assert remedy(limited) is expected


def test_whoever_is_signed_in_nowhere_is_not_told_that_all_sessions_have_ended() -> None:
    ended = refusal(grpc.StatusCode.UNAUTHENTICATED, "SESSION_ENDED")
    with calling(ended) as (client, _):
        with pytest.raises(ClarityError):
            client.sign_out(everywhere=True)
        client.sign_out()  # this session has ended, as was wanted
        assert client.tokens is not None
        assert client.tokens.read() is None
