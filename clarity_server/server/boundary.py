"""The boundary: every call passes here. Identity in, errors out, one log line; the only `except Exception`.

A request is decoded here and not by gRPC, after the limits and the token: what is refused is not even read, and bytes
that are no message are our REQUEST_INVALID.

A streamed answer whose message has a `problem` field is told of an error in band as well, as its last message: a JSON
client cannot see trailers. Where messages carry a `resume_token`, that one too says what to resume with.
"""

import asyncio
import inspect
import logging
import math
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from clarity_server.domain.accounts import Identity, Origin
from clarity_server.domain.errors import DeadlineExceeded, InvalidInput
from clarity_server.server import errors, limits, trace
from clarity_server.server.gate import FORWARDED, Gate
from clarity_server.services.caller import CALLER, NEEDED, ORIGIN

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
    identity: Identity | None = None  # None where the method needs no token
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
            account=self.identity.account_id if self.identity else "-",
            received=self.received,
            sent=self.sent,
        )


class Boundary(grpc.aio.ServerInterceptor):
    """Wraps the handlers of all four kinds of RPC."""

    def __init__(self, gate: Gate) -> None:
        """Take who judges what may pass."""
        self._gate = gate

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]], details: grpc.HandlerCallDetails
    ) -> Handler:
        """Return the guarded handler of a method, or None for one there is not."""
        handler = await continuation(details)
        if handler is None:
            return None
        return self._guarded(handler, details.method)

    def _guarded(self, handler: Handler, method: str) -> Handler:
        raw, encode = None, handler.response_serializer
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(self._unary_unary(handler, method), raw, encode)
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(self._unary_stream(handler, method), raw, encode)
        if handler.stream_unary:
            return grpc.stream_unary_rpc_method_handler(self._stream_unary(handler, method), raw, encode)
        return grpc.stream_stream_rpc_method_handler(self._stream_stream(handler, method), raw, encode)

    def _unary_unary(self, handler: Handler, method: str) -> Callable[..., Any]:
        async def guarded(data: bytes, context: Context) -> Message:
            async with self._call(method, context) as call, _within(limits.UNARY_S):
                request = await self._allowed(call, handler, data)
                call.received = call.sent = 1
                answer: Message = await handler.unary_unary(request, context)
            return answer

        return guarded

    def _stream_unary(self, handler: Handler, method: str) -> Callable[..., Any]:
        async def guarded(sent: AsyncIterator[bytes], context: Context) -> Message:
            async with self._call(method, context) as call:
                await self._allow(call)
                answer: Message = await handler.stream_unary(_counted(sent, call, handler), context)
                call.sent = 1
            return answer

        return guarded

    def _unary_stream(self, handler: Handler, method: str) -> Callable[..., Any]:
        async def guarded(data: bytes, context: Context) -> None:
            async with self._call(method, context) as call, _within(_limit_of(method)):
                request = await self._allowed(call, handler, data)
                call.received = 1
                call.resume_token = getattr(request, RESUME_TOKEN, "")
                await _send_all(handler.unary_stream(request, context), context, call)

        return guarded

    def _stream_stream(self, handler: Handler, method: str) -> Callable[..., Any]:
        async def guarded(sent: AsyncIterator[bytes], context: Context) -> None:
            async with self._call(method, context) as call:
                await self._allow(call)
                await _send_all(handler.stream_stream(_counted(sent, call, handler), context), context, call)

        return guarded

    async def _allowed(self, call: Call, handler: Handler, data: bytes) -> Message:
        """Decode the one request of a call that is allowed."""
        request = _decoded(handler, data)
        await self._allow(call, request)
        return request

    async def _allow(self, call: Call, request: Message | None = None) -> None:
        if call.identity is not None:
            await self._gate.allow(call.method, call.identity, request)

    @asynccontextmanager
    async def _call(self, method: str, context: Context) -> AsyncIterator[Call]:
        metadata = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
        call = Call(method, _request_id(metadata.get(REQUEST_ID)), time.perf_counter())
        try:
            network = self._gate.network(context.peer(), metadata.get(FORWARDED, ""))
            ORIGIN.set(Origin(network, call.request_id))
            call.identity = self._gate.enter(method, network, metadata.get("authorization"))
            if call.identity is not None:
                CALLER.set(call.identity)
                NEEDED.set(self._gate.needed(method))
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
        # Whole seconds, upwards: whoever came earlier would be refused again.
        trailers.append(("retry-after", str(max(1, math.ceil(retry.retry_delay.ToMilliseconds() / 1000)))))
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


async def _counted(sent: AsyncIterator[bytes], call: Call, handler: Handler) -> AsyncIterator[Message]:
    async for data in sent:
        call.received += 1
        yield _decoded(handler, data)


def _decoded(handler: Handler, data: bytes) -> Message:
    if handler.request_deserializer is None:  # it wants the bytes
        return data  # type: ignore[return-value]
    try:
        request: Message = handler.request_deserializer(data)
    except DecodeError as why:
        raise InvalidInput(request="is not a message of this method") from why
    return request


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
