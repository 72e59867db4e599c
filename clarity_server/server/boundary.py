"""The boundary: every call passes here. Identity in, errors out, one log line; the only `except Exception`.

A streamed answer whose message has a `problem` field is told of an error in band as well, as its last message: a JSON
client cannot see trailers. Where messages carry a `resume_token`, that one too says what to resume with.
"""

import asyncio
import inspect
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from clarity_server.domain.accounts import Identity
from clarity_server.domain.errors import DeadlineExceeded
from clarity_server.server import errors, limits, trace
from clarity_server.server.identity import PUBLIC
from clarity_server.services.caller import CALLER

REQUEST_ID = "x-request-id"
RESUME_TOKEN = "resume_token"  # noqa: S105  the name of a field
_REQUEST_ID_SHAPE = re.compile(r"[A-Za-z0-9-]{8,64}")  # anything else would be a way to write into our log
_CANCELLED = "CANCELLED"

Handler = Any  # grpc.RpcMethodHandler: untyped in its own package
Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(slots=True)
class Call:
    """One RPC as the log line tells it."""

    method: str
    request_id: str
    began: float
    account_id: str = "-"
    received: int = 0
    sent: int = 0
    resume_token: str = ""  # of the newest message of a stream that can be resumed; at first that of its request
    code: str = "OK"
    reason: str = "-"

    def log(self) -> None:
        """Write the canonical line."""
        trace.line(
            "rpc",
            method=self.method,
            code=self.code,
            reason=self.reason,
            ms=round((time.perf_counter() - self.began) * 1000, 2),
            request_id=self.request_id,
            account=self.account_id,
            received=self.received,
            sent=self.sent,
        )


class Boundary(grpc.aio.ServerInterceptor):
    """Wraps the handlers of all four kinds of RPC."""

    def __init__(self, verify: Callable[[str | None], Identity]) -> None:
        """Take what reads the caller from the `authorization` metadata, or raises."""
        self._verify = verify

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]], details: grpc.HandlerCallDetails
    ) -> Handler:
        """Return the guarded handler of a method, or None for one there is not."""
        handler = await continuation(details)
        if handler is None:
            return None
        return self._guarded(handler, details.method)

    def _guarded(self, handler: Handler, method: str) -> Handler:
        coders = (handler.request_deserializer, handler.response_serializer)
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(self._unary_unary(handler.unary_unary, method), *coders)
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(self._unary_stream(handler.unary_stream, method), *coders)
        if handler.stream_unary:
            return grpc.stream_unary_rpc_method_handler(self._stream_unary(handler.stream_unary, method), *coders)
        return grpc.stream_stream_rpc_method_handler(self._stream_stream(handler.stream_stream, method), *coders)

    def _unary_unary(self, behaviour: Callable[..., Any], method: str) -> Callable[..., Any]:
        async def guarded(request: Message, context: Context) -> Message:
            async with self._call(method, context) as call, _within(limits.UNARY_S):
                call.received = call.sent = 1
                answer: Message = await behaviour(request, context)
            return answer

        return guarded

    def _stream_unary(self, behaviour: Callable[..., Any], method: str) -> Callable[..., Any]:
        async def guarded(requests: AsyncIterator[Message], context: Context) -> Message:
            async with self._call(method, context) as call:
                answer: Message = await behaviour(_counted(requests, call), context)
                call.sent = 1
            return answer

        return guarded

    def _unary_stream(self, behaviour: Callable[..., Any], method: str) -> Callable[..., Any]:
        async def guarded(request: Message, context: Context) -> None:
            async with self._call(method, context) as call, _within(_limit_of(method)):
                call.received = 1
                call.resume_token = getattr(request, RESUME_TOKEN, "")
                await _send_all(behaviour(request, context), context, call)

        return guarded

    def _stream_stream(self, behaviour: Callable[..., Any], method: str) -> Callable[..., Any]:
        async def guarded(requests: AsyncIterator[Message], context: Context) -> None:
            async with self._call(method, context) as call:
                await _send_all(behaviour(_counted(requests, call), context), context, call)

        return guarded

    @asynccontextmanager
    async def _call(self, method: str, context: Context) -> AsyncIterator[Call]:
        metadata = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
        call = Call(method, _request_id(metadata.get(REQUEST_ID)), time.perf_counter())
        try:
            if method not in PUBLIC:
                identity = self._verify(metadata.get("authorization"))
                call.account_id = identity.account_id
                CALLER.set(identity)
            yield call
        except asyncio.CancelledError:
            call.code = _CANCELLED
            raise
        except Exception as error:  # the boundary
            status = errors.to_status(error, call.request_id)
            _note(call, status, error)
            await _tell(context, method, status, call)
        finally:
            if _ours(method):
                call.log()


def _ours(method: str) -> bool:
    return method.startswith("/clarity.")


def _request_id(given: str | None) -> str:
    return given if given and _REQUEST_ID_SHAPE.fullmatch(given) else uuid.uuid4().hex


def _note(call: Call, status: status_pb2.Status, error: Exception) -> None:
    call.code, call.reason = errors.code_of(status).name, errors.reason_of(status)
    if call.reason in {"INTERNAL", "STORE_DAMAGED"}:
        facts = getattr(error, "facts", {})
        trace.line("failed", logging.ERROR, error=error, method=call.method, request_id=call.request_id, **facts)


async def _tell(context: Context, method: str, status: status_pb2.Status, call: Call) -> None:
    """End a call with a status: in band where the answer has room for it, and always in the trailers."""
    problem = _problem_type(method)
    if problem is not None:
        call.sent += 1
        resumed = {RESUME_TOKEN: call.resume_token} if RESUME_TOKEN in problem.DESCRIPTOR.fields_by_name else {}
        await context.write(problem(problem=status, **resumed))
    await context.abort(errors.code_of(status), status.message, _trailers(status))


def _trailers(status: status_pb2.Status) -> tuple[tuple[str, str | bytes], ...]:
    trailers: list[tuple[str, str | bytes]] = [("grpc-status-details-bin", status.SerializeToString())]
    retry = error_details_pb2.RetryInfo()
    if any(detail.Unpack(retry) for detail in status.details):
        trailers.append(("retry-after", str(max(1, retry.retry_delay.seconds))))
    if status.code == grpc.StatusCode.UNAUTHENTICATED.value[0]:
        trailers.append(("www-authenticate", "Bearer"))
    return tuple(trailers)


def _problem_type(method: str) -> type[Message] | None:
    """Return the class of a method's streamed answers if they have a `problem` field."""
    answers = _streamed(method)
    return None if answers is None or "problem" not in answers.DESCRIPTOR.fields_by_name else answers


def _limit_of(method: str) -> float | None:
    """Return how long a server's stream may take. One that can be resumed has no end: its session and age end it."""
    answers = _streamed(method)
    lasts = answers is not None and RESUME_TOKEN in answers.DESCRIPTOR.fields_by_name
    return limits.SERVER_STREAM_S if _ours(method) and not lasts else None


def _streamed(method: str) -> type[Message] | None:
    """Return the class of a method's answers if the contract has it and they are streamed."""
    service, _, name = method.strip("/").rpartition("/")
    try:
        described = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    except KeyError:  # served without a descriptor
        return None
    return message_factory.GetMessageClass(described.output_type) if described.server_streaming else None


@asynccontextmanager
async def _within(limit_s: float | None) -> AsyncIterator[None]:
    """Bound a call's time; the reason is ours, not asyncio's."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError as why:
        raise DeadlineExceeded(limit_s or 0.0) from why


async def _counted(requests: AsyncIterator[Message], call: Call) -> AsyncIterator[Message]:
    async for request in requests:
        call.received += 1
        yield request


async def _send_all(answers: Any, context: Context, call: Call) -> None:  # noqa: ANN401  of either of grpc.aio's styles
    if inspect.isawaitable(answers):  # it writes to the context itself, as grpc's own health service does
        await answers
        return
    async with aclosing(answers):
        async for answer in answers:
            await context.write(answer)
            call.sent += 1
            call.resume_token = getattr(answer, RESUME_TOKEN, "")


def failing(job: Callable[[], object]) -> bool:
    """Run a background job; log what it raises and tell whether it did. The next job runs in any case."""
    try:
        job()
    except Exception as error:  # the boundary of work that no call waits for
        trace.line("job failed", logging.ERROR, error=error)
        return True
    return False
