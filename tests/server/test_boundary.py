"""The boundary over a real grpc.aio server: all four kinds of RPC, expected and unexpected errors, and the log line."""

import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.rpc import error_details_pb2, status_pb2

from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.insight_service_pb2 import WatchAnalysesRequest, WatchAnalysesResponse
from clarity_server.domain.access import Access
from clarity_server.domain.accounts import Identity, Origin
from clarity_server.domain.errors import (
    Busy,
    InvalidInput,
    SequenceGap,
    TokenMissing,
)
from clarity_server.server import limits
from clarity_server.server.boundary import Boundary, _limit_of, failing
from clarity_server.server.errors import INTERNAL_TEXT
from clarity_server.server.gate import Gate
from clarity_server.server.throttle import Throttle
from clarity_server.services.caller import caller, needed, origin
from clarity_server.services.offload import Offload
from tests.flows.access_world import access_world

SERVICE = "clarity.test.Kinds"
SECRET = "the text of an unexpected error"
KINDS = ("UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream")
Raise = Callable[[], None]
T = TypeVar("T")
Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


def verify(authorization: str | None) -> Identity:
    """Stand for the real verifier: only whether a token is there matters here."""
    if authorization is None:
        raise TokenMissing
    return Identity(
        account_id="account-of-the-token",
        session_id="session",
        expire_time=0.0,
        issued_time=0.0,
        scopes=frozenset({"account.read"}),
    )


def handlers(fail: Raise) -> grpc.GenericRpcHandler:
    """Serve one method of each kind that answers with an empty message, or fails after what it has to say."""

    async def unary_unary(request: Empty, _: Context) -> Empty:
        fail()
        return request

    async def unary_stream(request: Empty, _: Context) -> AsyncIterator[Empty]:
        yield request
        fail()

    async def stream_unary(requests: AsyncIterator[Empty], _: Context) -> Empty:
        async for __ in requests:
            fail()
        return Empty()

    async def stream_stream(requests: AsyncIterator[Empty], _: Context) -> AsyncIterator[Empty]:
        async for request in requests:
            yield request
            fail()

    coders = (Empty.FromString, Empty.SerializeToString)
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "UnaryUnary": grpc.unary_unary_rpc_method_handler(unary_unary, *coders),
            "UnaryStream": grpc.unary_stream_rpc_method_handler(unary_stream, *coders),
            "StreamUnary": grpc.stream_unary_rpc_method_handler(stream_unary, *coders),
            "StreamStream": grpc.stream_stream_rpc_method_handler(stream_stream, *coders),
        },
    )


@asynccontextmanager
async def served(
    *more: grpc.GenericRpcHandler, access: Mapping[str, Access] = MappingProxyType({}), factor: float = 0.0
) -> AsyncIterator[grpc.aio.Channel]:
    """Serve handlers behind the boundary on a free loopback port."""
    with TemporaryDirectory() as root, access_world(Path(root)) as world, closing(Offload(1)) as offload:
        gate = Gate(access, verify, Throttle(factor), world.permits, offload)
        server = grpc.aio.server(interceptors=(Boundary(gate),))
        server.add_generic_rpc_handlers(more)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield channel
        finally:
            await server.stop(None)


async def call(
    channel: grpc.aio.Channel, kind: str, *, token: bool = True, request_id: str = "", data: bytes = b""
) -> list[Empty]:
    """Call a method of a kind with one message, an empty one unless told, and return all answers."""
    metadata = [("authorization", "Bearer token")] if token else []
    metadata += [("x-request-id", request_id)] if request_id else []
    method, coders = f"/{SERVICE}/{kind}", (bytes, Empty.FromString)

    async def one() -> AsyncIterator[bytes]:
        yield data

    match kind:
        case "UnaryUnary":
            return [await channel.unary_unary(method, *coders)(data, metadata=metadata)]
        case "UnaryStream":
            return [answer async for answer in channel.unary_stream(method, *coders)(data, metadata=metadata)]
        case "StreamUnary":
            return [await channel.stream_unary(method, *coders)(one(), metadata=metadata)]
        case _:
            return [answer async for answer in channel.stream_stream(method, *coders)(one(), metadata=metadata)]


async def collect(answers: AsyncIterable[T], got: list[T]) -> None:
    """Keep what comes, also when an error ends it."""
    async for answer in answers:
        got.append(answer)  # noqa: PERF401  a comprehension would lose what came before the error


def details(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """Return the rich status in an error's trailers."""
    trailers = dict(error.trailing_metadata())
    return status_pb2.Status.FromString(trailers["grpc-status-details-bin"])


def info(status: status_pb2.Status) -> error_details_pb2.ErrorInfo:
    """Return the ErrorInfo of a status, which comes first."""
    found = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(found)
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_what_goes_well_passes_unchanged(kind: str) -> None:
    async with served(handlers(lambda: None)) as channel:
        assert await call(channel, kind) == [Empty()]


@pytest.mark.parametrize("kind", KINDS)
async def test_an_expected_error_becomes_its_code_reason_and_facts(kind: str) -> None:
    def fail() -> None:
        raise SequenceGap(expected=120, received=180)

    async with served(handlers(fail)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(channel, kind)
    assert raised.value.code() is grpc.StatusCode.OUT_OF_RANGE
    found = info(details(raised.value))
    assert (found.reason, found.domain) == ("SEQUENCE_GAP", "clarity.v1")
    assert dict(found.metadata) == {"expected": "120", "received": "180"}


@pytest.mark.parametrize("kind", KINDS)
async def test_an_unexpected_error_tells_the_caller_nothing_and_the_log_everything(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError(SECRET)

    logging.getLogger("clarity").propagate = True
    async with served(handlers(fail)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(channel, kind, request_id="0123456789abcdef")
    assert raised.value.code() is grpc.StatusCode.INTERNAL
    assert raised.value.details() == INTERNAL_TEXT
    status = details(raised.value)
    assert SECRET.encode() not in status.SerializeToString()
    assert dict(info(status).metadata) == {"request_id": "0123456789abcdef"}
    assert SECRET in caplog.text


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_without_a_token_never_reaches_its_handler(kind: str) -> None:
    reached: list[str] = []
    async with served(handlers(lambda: reached.append(kind))) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(channel, kind, token=False)
    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert info(details(raised.value)).reason == "TOKEN_MISSING"
    assert dict(raised.value.trailing_metadata())["www-authenticate"] == "Bearer"
    assert reached == []


async def test_the_handler_sees_the_caller_of_the_token() -> None:
    seen: list[str] = []
    async with served(handlers(lambda: seen.append(caller().account_id))) as channel:
        await call(channel, "UnaryUnary")
    assert seen == ["account-of-the-token"]


async def test_the_handler_knows_where_the_call_comes_from_and_what_its_method_needs() -> None:
    seen = list[object]()
    access = {f"/{SERVICE}/UnaryUnary": Access(scope="account.read")}
    async with served(handlers(lambda: seen.append((origin(), needed()))), access=access) as channel:
        await call(channel, "UnaryUnary", request_id="feedfacefeedface")
    assert seen == [(Origin("127.0.0.1", "feedfacefeedface"), Access(scope="account.read"))]


@pytest.mark.parametrize("kind", KINDS)
async def test_who_may_not_call_a_method_never_reaches_its_handler(kind: str) -> None:
    reached: list[str] = []
    access = {f"/{SERVICE}/{kind}": Access(scope="operator.write")}
    async with served(handlers(lambda: reached.append(kind)), access=access) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(channel, kind)
    assert info(details(raised.value)).reason == "SCOPE_MISSING"
    assert reached == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x7f", b"\x0b" * 10_000])
async def test_bytes_that_are_no_message_are_an_invalid_request(kind: str, data: bytes) -> None:
    """Left to gRPC they would be an unknown error with a text of Python's."""
    reached: list[str] = []
    async with served(handlers(lambda: reached.append(kind))) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(channel, kind, data=data)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert info(details(raised.value)).reason == "REQUEST_INVALID"
    assert reached == []


async def test_who_is_over_the_limit_is_told_how_long_to_wait_in_whole_seconds_upwards() -> None:
    async with served(handlers(lambda: None), factor=1e-9) as channel:
        await call(channel, "UnaryUnary")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(channel, "UnaryUnary")
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = details(raised.value)
    assert (info(status).reason, dict(info(status).metadata)) == ("RATE_LIMITED", {"limit": "network"})
    retry = error_details_pb2.RetryInfo()
    assert status.details[1].Unpack(retry)
    after_s = int(str(dict(raised.value.trailing_metadata())["retry-after"]))
    assert 0 < retry.retry_delay.ToMilliseconds() <= after_s * 1000 <= retry.retry_delay.ToMilliseconds() + 1000


async def test_invalid_input_names_each_field() -> None:
    def fail() -> None:
        raise InvalidInput(email="is required", series__metric="is required")

    async with served(handlers(fail)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(channel, "UnaryUnary")
    broken = error_details_pb2.BadRequest()
    assert details(raised.value).details[1].Unpack(broken)
    assert {one.field: one.description for one in broken.field_violations} == {
        "email": "is required",
        "series.metric": "is required",
    }


async def test_an_error_that_waiting_helps_says_how_long() -> None:
    def fail() -> None:
        raise Busy("hashing")

    async with served(handlers(fail)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(channel, "UnaryUnary")
    retry = error_details_pb2.RetryInfo()
    assert details(raised.value).details[1].Unpack(retry)
    assert retry.retry_delay.seconds == Busy.retry_after_s
    assert dict(raised.value.trailing_metadata())["retry-after"] == "1"


async def test_a_stream_with_room_for_a_problem_is_told_in_band_last() -> None:
    async def read(__: pb.ReadSeriesRequest, _: Context) -> AsyncIterator[pb.ReadSeriesResponse]:
        yield pb.ReadSeriesResponse(done=pb.ReadSeriesDone(block_count=7))
        raise SequenceGap(expected=1, received=2)

    handler = grpc.unary_stream_rpc_method_handler(
        read, pb.ReadSeriesRequest.FromString, pb.ReadSeriesResponse.SerializeToString
    )
    service = "clarity.v1.HealthDataService"
    got: list[pb.ReadSeriesResponse] = []
    async with served(grpc.method_handlers_generic_handler(service, {"ReadSeries": handler})) as channel:
        method = channel.unary_stream(
            f"/{service}/ReadSeries", pb.ReadSeriesRequest.SerializeToString, pb.ReadSeriesResponse.FromString
        )
        answers = method(pb.ReadSeriesRequest(), metadata=[("authorization", "Bearer token")])
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await collect(answers, got)
    assert [answer.WhichOneof("message") for answer in got] == ["done", "problem"]
    assert got[-1].problem == details(raised.value)


@pytest.mark.parametrize("said", [[], ["newer", "newest"]])
async def test_a_problem_says_what_to_resume_with(said: list[str]) -> None:
    """The token of the newest message; before there was one, the caller's own."""

    async def watch(__: WatchAnalysesRequest, _: Context) -> AsyncIterator[WatchAnalysesResponse]:
        for token in said:
            yield WatchAnalysesResponse(resume_token=token)
        raise Busy("watching")

    coders = (WatchAnalysesRequest.FromString, WatchAnalysesResponse.SerializeToString)
    handler = grpc.unary_stream_rpc_method_handler(watch, *coders)
    service, got = "clarity.v1.InsightService", list[WatchAnalysesResponse]()
    async with served(grpc.method_handlers_generic_handler(service, {"WatchAnalyses": handler})) as channel:
        method = channel.unary_stream(
            f"/{service}/WatchAnalyses", WatchAnalysesRequest.SerializeToString, WatchAnalysesResponse.FromString
        )
        answers = method(WatchAnalysesRequest(resume_token="old"), metadata=[("authorization", "Bearer token")])
        with pytest.raises(grpc.aio.AioRpcError):
            await collect(answers, got)
    assert got[-1].HasField("problem")
    assert got[-1].resume_token == (said or ["old"])[-1]


@pytest.mark.parametrize(
    ("method", "limit_s"),
    [
        ("/clarity.v1.HealthDataService/ReadSeries", limits.SERVER_STREAM_S),
        ("/clarity.v1.InsightService/WatchAnalyses", None),
        ("/grpc.health.v1.Health/Watch", None),
    ],
)
def test_only_a_stream_that_cannot_be_resumed_has_a_limit(method: str, limit_s: float | None) -> None:
    """A watch lasts as long as its session and its age allow."""
    assert _limit_of(method) == limit_s


async def test_a_handler_that_writes_to_its_context_itself_is_served_too() -> None:
    async def watch(request: Empty, context: Context) -> None:
        await context.write(request)

    handler = grpc.unary_stream_rpc_method_handler(watch, Empty.FromString, Empty.SerializeToString)
    async with served(grpc.method_handlers_generic_handler(SERVICE, {"UnaryStream": handler})) as channel:
        assert await call(channel, "UnaryStream") == [Empty()]


@pytest.mark.parametrize("kind", KINDS)
async def test_each_call_writes_one_line(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("clarity").propagate = True
    logging.getLogger("clarity").setLevel(logging.INFO)
    async with served(handlers(lambda: None)) as channel:
        await call(channel, kind, request_id="feedfacefeedface")
    lines = [record for record in caplog.records if record.getMessage() == "rpc"]
    assert len(lines) == 1
    fields = lines[0].__dict__["fields"]
    assert fields["method"] == f"/{SERVICE}/{kind}"
    assert (fields["code"], fields["reason"], fields["request_id"]) == ("OK", "-", "feedfacefeedface")
    assert (fields["received"], fields["sent"]) == (1, 1)


async def test_a_request_id_that_could_forge_a_line_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("clarity").propagate = True
    logging.getLogger("clarity").setLevel(logging.INFO)
    async with served(handlers(lambda: None)) as channel:
        await call(channel, "UnaryUnary", request_id="x code=OK method=/forged")
    assert "forged" not in str([record.__dict__.get("fields") for record in caplog.records])


def test_a_background_job_that_fails_is_logged_and_told(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("clarity").propagate = True

    def job() -> None:
        raise RuntimeError(SECRET)

    assert failing(job)
    assert SECRET in caplog.text
    assert not failing(lambda: None)
