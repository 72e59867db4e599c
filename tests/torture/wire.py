"""The wire, raw: generated stubs and one call at a time. Retries nothing and forgives nothing."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeAlias

import grpc
from google.rpc import error_details_pb2, status_pb2

from clarity.v1 import auth_service_pb2 as auth
from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1 import insight_service_pb2 as insight
from clarity.v1.analysis_pb2 import Analysis
from clarity.v1.auth_service_pb2_grpc import AuthServiceStub
from clarity.v1.health_data_service_pb2_grpc import HealthDataServiceStub
from clarity.v1.insight_pb2 import Fact
from clarity.v1.insight_service_pb2_grpc import InsightServiceStub
from clarity.v1.series_pb2 import SeriesItem, UploadProgress

Metadata = tuple[tuple[str, str], ...]
Watching: TypeAlias = grpc.aio.UnaryStreamCall[insight.WatchAnalysesRequest, insight.WatchAnalysesResponse]
CALL_S = 30.0
ANALYSES_PAGE = 2  # so that a list has several
FACTS_PAGE = 1000
# What grpc.aio says where one of our writes meets the end of a call: it loses the server's status, and at times the
# last message too. https://github.com/grpc/grpc/issues/36066
LOST_TRAILERS = "Internal error from Core"
# Channels to one address would otherwise share one connection, and dropping one would not drop it.
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended."""

    code: grpc.StatusCode
    reason: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    status: status_pb2.Status | None = None

    @property
    def ok(self) -> bool:
        return self.code is grpc.StatusCode.OK

    @property
    def lost(self) -> bool:
        """Whether our own library lost how the call ended."""
        return self.facts.get("details") == LOST_TRAILERS

    def __str__(self) -> str:
        return f"{self.code.name} {self.reason} {self.facts or ''}".strip()


def ending(error: grpc.aio.AioRpcError) -> Ending:
    """Read the code, the reason and its facts out of a failed call's trailers."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            told = ending_told(status_pb2.Status.FromString(value))
            assert told.code is error.code(), f"{error.code()} with {told}"
            return told
    return Ending(error.code(), facts={"details": error.details() or ""})


def ending_told(status: status_pb2.Status) -> Ending:
    """Read the code, the reason and its facts out of a status."""
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info):
            return Ending(code, info.reason, dict(info.metadata), status)
    return Ending(code, status=status)


def as_request(item: SeriesItem) -> pb.StreamSeriesRequest:
    """An item as a stream's message."""
    if item.HasField("chunk"):
        return pb.StreamSeriesRequest(chunk=item.chunk)
    return pb.StreamSeriesRequest(offset_change=item.offset_change)


class Caller:
    """One signed-in client on a connection of its own."""

    def __init__(self, address: str, token: str = "") -> None:
        """Take where to call and, when signed in already, the access token."""
        self.address = address
        self.token = token
        self.refresh_token = ""
        self.email = ""
        self.channel = grpc.aio.insecure_channel(address, options=OWN_CONNECTION)
        self.auth = AuthServiceStub(self.channel)
        self.health = HealthDataServiceStub(self.channel)
        self.insight = InsightServiceStub(self.channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def metadata(self) -> Metadata:
        return (("authorization", f"Bearer {self.token}"),)

    async def close(self) -> None:
        """Drop the connection and every call on it, at once."""
        await self.channel.close(grace=None)

    def again(self, address: str | None = None) -> "Caller":
        """The same client on another connection."""
        return Caller(address or self.address, self.token)

    async def sign_in(self, email: str, password: str) -> None:
        self.email = email
        request = auth.SignInRequest(email=email, password=password, request_id=uuid.uuid4().hex)
        session = (await self.auth.SignIn(request, timeout=CALL_S)).session
        self.token, self.refresh_token = session.access_token, session.refresh_token

    async def append(self, request: pb.AppendSeriesRequest) -> pb.AppendSeriesResponse:
        return await self.health.AppendSeries(request, metadata=self.metadata, timeout=CALL_S)

    async def upload(self, upload_id: str, after_result: int = 0) -> pb.GetUploadResponse:
        request = pb.GetUploadRequest(upload_id=upload_id, after_result=after_result)
        return await self.health.GetUpload(request, metadata=self.metadata, timeout=CALL_S)

    async def finish(self, upload_id: str, total_samples: int, sha256: bytes) -> pb.FinishUploadResponse:
        request = pb.FinishUploadRequest(upload_id=upload_id, total_samples=total_samples, sha256=sha256)
        return await self.health.FinishUpload(request, metadata=self.metadata, timeout=CALL_S)

    async def days(self, metric: str) -> pb.ListDaysResponse:
        request = pb.ListDaysRequest(metric=metric, page_size=366)
        return await self.health.ListDays(request, metadata=self.metadata, timeout=CALL_S)

    async def read(self, request: pb.ReadSeriesRequest) -> list[pb.ReadSeriesResponse]:
        call = self.health.ReadSeries(request, metadata=self.metadata, timeout=CALL_S)
        return [message async for message in call]

    async def analyses(self, page_token: str = "") -> insight.ListAnalysesResponse:
        request = insight.ListAnalysesRequest(page_size=ANALYSES_PAGE, page_token=page_token)
        return await self.insight.ListAnalyses(request, metadata=self.metadata, timeout=CALL_S)

    async def analysis(self, analysis_id: str) -> Analysis:
        request = insight.GetAnalysisRequest(analysis_id=analysis_id)
        return (await self.insight.GetAnalysis(request, metadata=self.metadata, timeout=CALL_S)).analysis

    async def facts(self, analysis_id: str) -> list[Fact]:
        request = insight.ListFactsRequest(analysis_id=analysis_id, page_size=FACTS_PAGE)
        return list((await self.insight.ListFacts(request, metadata=self.metadata, timeout=CALL_S)).facts)

    def watch(self, resume_token: str = "") -> Watching:
        request = insight.WatchAnalysesRequest(resume_token=resume_token)
        return self.insight.WatchAnalyses(request, metadata=self.metadata)

    def stream(self, hear: Callable[[pb.StreamSeriesResponse], None] | None = None) -> "Stream":
        """Open a StreamSeries call; `hear` is told every message as it comes."""
        return Stream(self.health.StreamSeries(metadata=self.metadata), hear or (lambda _: None))


class Stream:
    """One StreamSeries call: what is sent, and all that is heard until it ends."""

    def __init__(
        self,
        call: grpc.aio.StreamStreamCall[pb.StreamSeriesRequest, pb.StreamSeriesResponse],
        hear: Callable[[pb.StreamSeriesResponse], None],
    ) -> None:
        """Begin to listen."""
        self.heard: list[pb.StreamSeriesResponse] = []
        self._call = call
        self._hear = hear
        self._news = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())
        self._listening.add_done_callback(lambda _: self._news.set())

    @property
    def problem(self) -> status_pb2.Status | None:
        """What the server said in band."""
        return next((one.problem for one in self.heard if one.HasField("problem")), None)

    @property
    def acknowledgements(self) -> list[UploadProgress]:
        """All that was heard of progress."""
        return [one.progress for one in self.heard if one.HasField("progress")]

    @property
    def committed(self) -> int:
        """The newest acknowledged count."""
        return max((one.committed_samples for one in self.acknowledgements), default=0)

    @property
    def ended(self) -> bool:
        return self._listening.done()

    async def open(self, upload: pb.OpenUpload) -> bool:
        return await self.send(pb.StreamSeriesRequest(open=upload))

    async def send(self, request: pb.StreamSeriesRequest) -> bool:
        """Send a message; False once the call has ended."""
        try:
            await self._call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return False
        return True

    async def finish(self, total_samples: int, sha256: bytes) -> bool:
        finish = pb.FinishUpload(total_samples=total_samples, sha256=sha256)
        return await self.send(pb.StreamSeriesRequest(finish=finish))

    async def half_close(self) -> None:
        """Say that no more will be sent."""
        if not self.ended:
            await self._call.done_writing()

    async def until(self, come: Callable[["Stream"], bool]) -> bool:
        """Wait until something was heard; False when the call ended before."""
        while not self.ended and not come(self):
            self._news.clear()
            await self._news.wait()
        return come(self)

    async def end(self) -> Ending:
        """Hear everything, and return how the call ended."""
        return await asyncio.shield(self._listening)

    def cancel(self) -> None:
        """End the call at once: the server sees a reset stream."""
        self._call.cancel()

    async def _listen(self) -> Ending:
        try:
            while isinstance(message := await self._call.read(), pb.StreamSeriesResponse):
                self.heard.append(message)
                self._hear(message)
                self._news.set()
        except grpc.aio.AioRpcError as error:
            return self._ending(error)
        except asyncio.CancelledError:
            return Ending(grpc.StatusCode.CANCELLED)
        return Ending(grpc.StatusCode.OK)

    def _ending(self, error: grpc.aio.AioRpcError) -> Ending:
        found = ending(error)
        return ending_told(self.problem) if found.lost and self.problem is not None else found
