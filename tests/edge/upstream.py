"""A real gRPC server of our services that does what a test says, and remembers what Envoy sent it.

It stands where the real server would have to be slow, silent or wrong: before it is the same Envoy, on the same wire.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import grpc
from google.api.httpbody_pb2 import HttpBody
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from clarity.v1.health_data_service_pb2 import (
    ReadSeriesDone,
    ReadSeriesRequest,
    ReadSeriesResponse,
    SeriesBlock,
    StreamSeriesRequest,
    StreamSeriesResponse,
)
from clarity.v1.insight_service_pb2 import CaughtUp, WatchAnalysesRequest, WatchAnalysesResponse
from clarity.v1.series_pb2 import UploadOpened, UploadReceipt

SERVICES = ("clarity.v1.AuthService", "clarity.v1.HealthDataService", "clarity.v1.InsightService")
WATCHED = SERVICES[1]  # the name Envoy's health check asks for
WAIT_S = 30.0
THREADS = 32
SLOW = "slow"


class Upstream:
    """Answers with empty messages; `fails_with`, the upload SLOW, held streams and no keys are how it misbehaves."""

    def __init__(self, keys: Mapping[str, object] | None, port: int = 0) -> None:
        """Take the public keys that Envoy shall verify tokens with; with none, asking for them fails."""
        self.keys = keys
        self.asked_for_keys = 0
        self.seen: list[tuple[str, Mapping[str, str]]] = []  # (RPC, metadata) of every call
        self.answers: dict[str, Message] = {}  # by RPC; an empty one otherwise
        self.fails_with: Status | None = None
        self.released = threading.Event()  # until then readings and watches stay open
        self.gave_up = threading.Event()  # somebody no longer waits for SLOW
        self._health = health.HealthServicer()
        self._server = grpc.server(ThreadPoolExecutor(THREADS), options=[("grpc.so_reuseport", 0)])
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for service in SERVICES:
            methods = descriptor_pool.Default().FindServiceByName(service).methods
            handlers = {method.name: self._handler(method) for method in methods}
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self.port: int = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self.serving(yes=True)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self._server.stop(None).wait()

    def serving(self, *, yes: bool) -> None:
        """Say to the health check how we are."""
        state = health_pb2.HealthCheckResponse.SERVING if yes else health_pb2.HealthCheckResponse.NOT_SERVING
        self._health.set(WATCHED, state)

    def _handler(self, method: MethodDescriptor) -> "grpc.RpcMethodHandler[Any, Any]":
        coders = (
            message_factory.GetMessageClass(method.input_type).FromString,
            lambda message: message.SerializeToString(),
        )
        match method.name:
            case "StreamSeries":
                return grpc.stream_stream_rpc_method_handler(self._stream_series, *coders)
            case "ReadSeries":
                return grpc.unary_stream_rpc_method_handler(self._read_series, *coders)
            case "GetJwks":
                return grpc.unary_unary_rpc_method_handler(self._get_jwks, *coders)
            case "WatchAnalyses":
                return grpc.unary_stream_rpc_method_handler(self._watch_analyses, *coders)
        empty = message_factory.GetMessageClass(method.output_type)()

        def unary(request: Message, context: grpc.ServicerContext) -> Message:
            self._note(context, method.name)
            if getattr(request, "upload_id", "") == SLOW:
                self._wait_until_nobody_does(context)
            return self.answers.get(method.name, empty)

        return grpc.unary_unary_rpc_method_handler(unary, *coders)

    def _note(self, context: grpc.ServicerContext, rpc: str) -> None:
        self.seen.append((rpc, {name: str(value) for name, value in context.invocation_metadata()}))
        if (status := self.fails_with) is not None:
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            context.abort(next(code for code in grpc.StatusCode if code.value[0] == status.code), status.message)

    def _wait_until_nobody_does(self, context: grpc.ServicerContext) -> None:
        ended = threading.Event()
        if context.add_callback(ended.set) and not ended.wait(WAIT_S):
            return
        self.gave_up.set()

    def _get_jwks(self, _: Message, context: grpc.ServicerContext) -> HttpBody:
        """What Envoy asks every few seconds; no call of a test."""
        self.asked_for_keys += 1
        if self.keys is None:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no keys now")
        return HttpBody(content_type="application/json", data=json.dumps(self.keys).encode())

    def _stream_series(
        self, requests: Iterator[StreamSeriesRequest], context: grpc.ServicerContext
    ) -> Iterator[StreamSeriesResponse]:
        """Open, take everything, and give a receipt of how many messages came after."""
        self._note(context, "StreamSeries")
        next(requests)
        yield StreamSeriesResponse(opened=UploadOpened(epoch=1))
        yield StreamSeriesResponse(receipt=UploadReceipt(total_samples=sum(1 for _ in requests)))

    def _read_series(self, request: ReadSeriesRequest, context: grpc.ServicerContext) -> Iterator[ReadSeriesResponse]:
        """A block at once; the end when released."""
        self._note(context, "ReadSeries")
        yield ReadSeriesResponse(block=SeriesBlock(upload_id=request.metric))
        self.released.wait(WAIT_S)
        yield ReadSeriesResponse(done=ReadSeriesDone(block_count=1))

    def _watch_analyses(
        self, request: WatchAnalysesRequest, context: grpc.ServicerContext
    ) -> Iterator[WatchAnalysesResponse]:
        """Say at once that there is nothing; again when released, and end."""
        self._note(context, "WatchAnalyses")
        yield WatchAnalysesResponse(caught_up=CaughtUp(), resume_token=request.resume_token)
        self.released.wait(WAIT_S)
        yield WatchAnalysesResponse(caught_up=CaughtUp(), resume_token=request.resume_token)
