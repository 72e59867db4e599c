"""The client: sign in, stream a recording in, read days, weeks and values back, and ask what they mean.

    with Client("127.0.0.1:50051", MemoryTokens()) as client:
        client.sign_in(email, password)
        receipt = client.upload(parcel_of(recording, describe(recording, metric), upload_id), on_event=print)

What to send and what an answer means is decided by clarity.sending; `Client` and `AsyncClient` only carry its messages,
each in its own kind of thread.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing
from datetime import UTC, date, datetime
from queue import SimpleQueue
from types import TracebackType
from typing import Protocol, Self, TypeVar

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date

from clarity.calls import (
    ClarityError,
    Patience,
    Remedy,
    Target,
    async_channel,
    bearer,
    channel,
    failure,
    problem,
    remedy,
    target_of,
)
from clarity.credentials import SignedIn, Tokens
from clarity.sending import Event, Parcel, Sending, civil_time, cut_off
from clarity.v1 import account_pb2
from clarity.v1 import auth_service_pb2 as auth
from clarity.v1 import health_data_service_pb2 as health
from clarity.v1 import insight_service_pb2 as insights
from clarity.v1.analysis_pb2 import Analysis, AnalysisParameters
from clarity.v1.auth_service_pb2_grpc import AuthServiceStub
from clarity.v1.day_pb2 import Day
from clarity.v1.health_data_service_pb2_grpc import HealthDataServiceStub
from clarity.v1.insight_pb2 import Fact, Insight, InsightKind
from clarity.v1.insight_service_pb2_grpc import InsightServiceStub
from clarity.v1.metric_pb2 import Metric
from clarity.v1.model_pb2 import Model
from clarity.v1.series_pb2 import Source, UploadOpened, UploadReceipt

CALL_TIMEOUT_S = 30.0
TOKEN_LEEWAY_S = 30.0  # a token this close to its end is renewed before it is used
PAGES_MAX = 10_000  # of one list: a server that never comes to an end is not believed

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


def _kept(session: account_pb2.Session, email: str) -> SignedIn:
    return SignedIn(
        email=email,
        account_id=session.account_id,
        session_id=session.session_id,
        access_expire_s=session.access_expire_time.ToDatetime(UTC).timestamp(),
        access_token=session.access_token,
        refresh_token=session.refresh_token,
        refresh_request_id=uuid.uuid4().hex,
    )


class Client:
    """Calls one server on behalf of one person. Threads may share it; close it, or use it as a context manager."""

    def __init__(self, target: str | Target, tokens: Tokens | None = None, patience: Patience | None = None) -> None:
        self.target = target_of(target) if isinstance(target, str) else target
        self.tokens = tokens
        self.patience = patience or Patience()
        self._channel = channel(self.target)
        self._auth = AuthServiceStub(self._channel)
        self._health = HealthDataServiceStub(self._channel)
        self._insight = InsightServiceStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what runs and hang up."""
        self._channel.close()

    def sign_up(self, email: str, password: str, display_name: str = "") -> account_pb2.Account:
        """Make an account. Does not sign in."""
        request = auth.SignUpRequest(
            email=email, password=password, display_name=display_name, request_id=uuid.uuid4().hex
        )
        return self._call(self._auth.SignUp, request, public=True).account

    def sign_in(self, email: str, password: str) -> SignedIn:
        """Begin a session and keep its tokens."""
        request = auth.SignInRequest(email=email, password=password, request_id=uuid.uuid4().hex)
        session = _kept(self._call(self._auth.SignIn, request, public=True).session, email)
        if self.tokens is not None:
            self.tokens.keep(session)
        return session

    def sign_out(self) -> None:
        """End the session and forget its tokens; a session that has ended already is as good."""
        try:
            self._call(self._auth.SignOut, auth.SignOutRequest())
        except ClarityError as error:
            if error.code is not grpc.StatusCode.UNAUTHENTICATED:
                raise
        if self.tokens is not None:
            self.tokens.forget()

    def account(self) -> account_pb2.Account:
        """Return the account that is signed in."""
        return self._call(self._auth.GetAccount, auth.GetAccountRequest()).account

    def metrics(self) -> Iterator[Metric]:
        """Yield the catalogue, by name."""
        request = health.ListMetricsRequest()
        for page in self._pages(self._health.ListMetrics, request):
            yield from page.metrics

    def days(self, metric: str = "", start: date | None = None, end: date | None = None) -> Iterator[Day]:
        """Yield the civil days of [start, end), by date and source."""
        request = health.ListDaysRequest(metric=metric, start_date=_date(start), end_date=_date(end))
        for page in self._pages(self._health.ListDays, request):
            yield from page.days

    def get_upload(self, upload_id: str, after_result: int = 0) -> health.GetUploadResponse:
        """Return an upload and its results after a number, at most 100 of them."""
        return self._call(
            self._health.GetUpload, health.GetUploadRequest(upload_id=upload_id, after_result=after_result)
        )

    def read(
        self, metric: str, start: datetime, end: datetime, source: Source | None = None
    ) -> Iterator[health.SeriesBlock | health.ReadSeriesDone]:
        """Yield the values of [start, end) block by block, and last what they came to.

        Times are civil without an offset and instants with one, both alike. A reading that breaks off raises
        ClarityError with CUT_OFF: what came before it is right, and not all.
        """
        yield from self.minutes(_read_request(metric, start, end, source))

    def minutes(self, request: health.ReadSeriesRequest) -> Iterator[health.SeriesBlock | health.ReadSeriesDone]:
        """Yield the values that a request asks for, as `read` does: the minutes behind a Fact, for example."""
        counts = [0, 0]
        for message in self._reading(request):
            match message.WhichOneof("message"):
                case "block":
                    counts = [counts[0] + 1, counts[1] + _sample_count(message.block)]
                    yield message.block
                case "done":
                    if counts != [message.done.block_count, message.done.sample_count]:
                        raise cut_off()
                    yield message.done
                    return
                case "problem":
                    raise problem(message.problem)
        raise cut_off()

    # ---- weeks, and what they mean

    def analyses(
        self, metric: str = "", start: date | None = None, end: date | None = None, *, superseded: bool = False
    ) -> Iterator[Analysis]:
        """Yield the analyses of weeks that begin in [start, end), by date and source."""
        request = insights.ListAnalysesRequest(
            metric=metric, start_date=_date(start), end_date=_date(end), superseded=superseded
        )
        for page in self._pages(self._insight.ListAnalyses, request):
            yield from page.analyses

    def waiting_count(self) -> int:
        """Return how many weeks wait to be looked at."""
        return self._call(self._insight.ListAnalyses, insights.ListAnalysesRequest(page_size=1)).waiting_count

    def analysis(self, analysis_id: str) -> Analysis:
        """Return an analysis."""
        return self._call(self._insight.GetAnalysis, insights.GetAnalysisRequest(analysis_id=analysis_id)).analysis

    def start_analysis(
        self,
        start: date,
        *,
        metric: str = "",
        source: Source | None = None,
        parameters: AnalysisParameters | None = None,
    ) -> Analysis:
        """Ask for the week that begins on a date; return its analysis as it stands."""
        request = insights.StartAnalysisRequest(
            metric=metric,
            source=source,
            start_date=_date(start),
            parameters=parameters,
            request_id=uuid.uuid4().hex,
        )
        return self._call(self._insight.StartAnalysis, request).analysis

    def watch(self, resume_token: str = "") -> Iterator[insights.WatchAnalysesResponse]:
        """Yield every analysis as it comes or changes, and say where there is nothing more; never ends by itself.

        A watch that breaks off goes on where it was.
        """
        failures, token = 0, ""
        while True:
            try:
                token = self.token()
                for message in self._watching(resume_token, token):
                    resume_token, failures = message.resume_token, 0
                    yield message
                raise cut_off()  # it ends with an error, or not at all
            except ClarityError as error:
                self._recover(error, failures, token)
                failures += 1

    def _watching(self, resume_token: str, token: str) -> Iterator[insights.WatchAnalysesResponse]:
        call = self._insight.WatchAnalyses(
            insights.WatchAnalysesRequest(resume_token=resume_token), metadata=bearer(token)
        )
        try:
            for message in call:
                if message.HasField("problem"):
                    raise problem(message.problem)
                yield message
        except grpc.RpcError as error:
            raise failure(error, self.target) from error
        finally:
            call.cancel()

    def models(self) -> tuple[list[Model], str]:
        """Return the installed models, by name, and what the operator should do; empty for nothing."""
        pages = list(self._pages(self._insight.ListModels, insights.ListModelsRequest()))
        return [model for page in pages for model in page.models], pages[-1].advice

    def facts(self, analysis_id: str) -> Iterator[Fact]:
        """Yield the facts of an analysis, in the order a person would ask."""
        request = insights.ListFactsRequest(analysis_id=analysis_id)
        for page in self._pages(self._insight.ListFacts, request):
            yield from page.facts

    def tell(self, analysis_id: str = "", kind: InsightKind = InsightKind.INSIGHT_KIND_SUMMARY) -> Insight:
        """Return what a week means, in sentences; without an id, of the newest week."""
        request = insights.GenerateInsightRequest(analysis_id=analysis_id, kind=kind, request_id=uuid.uuid4().hex)
        return self._call(self._insight.GenerateInsight, request).insight

    def insight(self, insight_id: str) -> Insight:
        """Return an insight that was told before."""
        return self._call(self._insight.GetInsight, insights.GetInsightRequest(insight_id=insight_id)).insight

    def insights(self) -> Iterator[Insight]:
        """Yield what was told before, the newest first."""
        request = insights.ListInsightsRequest()
        for page in self._pages(self._insight.ListInsights, request):
            yield from page.insights

    # ---- recordings in

    def upload(
        self,
        parcel: Parcel,
        *,
        on_event: Callable[[Event], None] | None = None,
        before_chunk: Callable[[int], None] | None = None,
    ) -> UploadReceipt:
        """Stream a parcel until the server has all of it, through any interruption, and return the receipt."""
        for event in self.uploading(parcel, before_chunk=before_chunk):
            if on_event is not None:
                on_event(event)
            if isinstance(event, UploadReceipt):
                return event
        raise cut_off()

    def uploading(self, parcel: Parcel, *, before_chunk: Callable[[int], None] | None = None) -> Generator[Event]:
        """Stream a parcel and yield what happens, last the receipt. Leaving the iteration leaves the upload open.

        `before_chunk` is called with the first sample of each chunk and may block: it sets the pace, in its own thread.
        """
        sending = Sending(parcel)
        token = ""
        while sending.receipt is None:
            try:
                token = self.token()
                for after, event in self._stream(sending, token, before_chunk):
                    sending = after
                    if event is not None:
                        yield event
            except ClarityError as error:
                sending, interrupted = sending.interrupted(error, self.patience)
                yield interrupted
                time.sleep(interrupted.wait_s)
                if interrupted.renew:
                    self.renew(token)

    def token(self) -> str:
        """Return an access token that is good for a while, renewed if need be. Raises ClarityError."""
        session = self.tokens.read() if self.tokens is not None else None
        if session is None:
            raise _not_signed_in(self.target)
        if session.access_expire_s - time.time() > TOKEN_LEEWAY_S:
            return session.access_token
        return self.renew(session.access_token)

    def renew(self, stale: str) -> str:
        """Return an access token other than this one; many who ask at once get the same."""
        session = self.tokens.renew(stale, self._spend) if self.tokens is not None else None
        if session is None:
            raise _not_signed_in(self.target)
        return session.access_token

    def _spend(self, session: SignedIn) -> SignedIn:
        request = auth.RefreshSessionRequest(refresh_token=session.refresh_token, request_id=session.refresh_request_id)
        return _kept(self._call(self._auth.RefreshSession, request, public=True).session, session.email)

    def _call(self, method: grpc.UnaryUnaryMultiCallable[Q, A], request: Q, *, public: bool = False) -> A:
        """Call until it answers, as often as patience allows: all calls here are safe to repeat."""
        failures = 0
        while True:
            token = "" if public else self.token()
            try:
                return method(request, timeout=CALL_TIMEOUT_S, metadata=bearer(token))
            except grpc.RpcError as error:
                self._recover(failure(error, self.target), failures, token)
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

    def _reading(self, request: health.ReadSeriesRequest) -> Iterator[health.ReadSeriesResponse]:
        """Read; a call that fails before its first message is repeated."""
        failures = 0
        while True:
            token = self.token()
            call = self._health.ReadSeries(request, metadata=bearer(token))
            begun = False
            try:
                for message in call:
                    begun = True
                    yield message
            except grpc.RpcError as error:
                if begun:
                    raise failure(error, self.target) from error
                self._recover(failure(error, self.target), failures, token)
                failures += 1
            else:
                return
            finally:
                call.cancel()

    def _stream(
        self, sending: Sending, token: str, before_chunk: Callable[[int], None] | None
    ) -> Iterator[tuple[Sending, Event | None]]:
        """Carry one opening of an upload: requests in gRPC's thread, answers in the caller's."""
        outbox = _Outbox(sending, before_chunk)
        call = self._health.StreamSeries(outbox.requests(), metadata=bearer(token))
        try:
            for message in call:
                sending, event = sending.receive(message)
                if isinstance(event, UploadOpened):
                    outbox.opened.put(sending)
                yield sending, event
        except grpc.RpcError as error:
            if outbox.error is not None:
                raise outbox.error from error
            if sending.receipt is None:
                raise failure(error, self.target) from error
        finally:
            outbox.opened.put(None)
            call.cancel()
        if sending.receipt is None:
            raise cut_off()


class _Outbox:
    """What one opening sends. gRPC asks for it in a thread of its own, and hides errors: here they are kept."""

    def __init__(self, sending: Sending, before_chunk: Callable[[int], None] | None) -> None:
        self.opened: SimpleQueue[Sending | None] = SimpleQueue()
        self.error: BaseException | None = None
        self._sending = sending
        self._before_chunk = before_chunk

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.error = None if isinstance(error, GeneratorExit) else error

    def requests(self) -> Iterator[health.StreamSeriesRequest]:
        """Yield the opening; and when the server has said how far it is, the rest."""
        with self:
            yield self._sending.open()
            after = self.opened.get()
            for request in after.rest() if after is not None else ():
                if self._before_chunk is not None and request.HasField("chunk"):
                    self._before_chunk(request.chunk.first_sample)
                yield request


class AsyncClient:
    """Uploads from an event loop. Signing in and renewing are a `Client`'s, called in a thread."""

    def __init__(self, target: str | Target, tokens: Tokens, patience: Patience | None = None) -> None:
        self.client = Client(target, tokens, patience)
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> Self:
        self._channel = async_channel(self.client.target)  # belongs to the loop that runs now
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._channel is not None:
            await self._channel.close()
        self.client.close()

    async def upload(self, parcel: Parcel, *, on_event: Callable[[Event], None] | None = None) -> UploadReceipt:
        """Stream a parcel until the server has all of it, through any interruption, and return the receipt."""
        async for event in self.uploading(parcel):
            if on_event is not None:
                on_event(event)
            if isinstance(event, UploadReceipt):
                return event
        raise cut_off()

    async def uploading(self, parcel: Parcel) -> AsyncGenerator[Event]:
        """Stream a parcel and yield what happens, last the receipt. Leaving the iteration leaves the upload open."""
        sending = Sending(parcel)
        token = ""
        while sending.receipt is None:
            try:
                token = await asyncio.to_thread(self.client.token)
                async with aclosing(self._stream(sending, token)) as stream:
                    async for after, event in stream:
                        sending = after
                        if event is not None:
                            yield event
            except ClarityError as error:
                sending, interrupted = sending.interrupted(error, self.client.patience)
                yield interrupted
                await asyncio.sleep(interrupted.wait_s)
                if interrupted.renew:
                    await asyncio.to_thread(self.client.renew, token)

    async def _stream(self, sending: Sending, token: str) -> AsyncGenerator[tuple[Sending, Event | None]]:
        assert self._channel is not None, "use AsyncClient as a context manager"
        opened: asyncio.Queue[Sending] = asyncio.Queue()
        stub = HealthDataServiceStub(self._channel)
        call = stub.StreamSeries(_async_requests(sending, opened), metadata=bearer(token))
        try:
            async for message in call:
                sending, event = sending.receive(message)
                if isinstance(event, UploadOpened):
                    opened.put_nowait(sending)
                yield sending, event
        except grpc.RpcError as error:
            if sending.receipt is None:
                raise failure(error, self.client.target) from error
        finally:
            call.cancel()
        if sending.receipt is None:
            raise cut_off()


async def _async_requests(
    sending: Sending, opened: asyncio.Queue[Sending]
) -> AsyncIterator[health.StreamSeriesRequest]:
    yield sending.open()
    for request in (await opened.get()).rest():
        yield request


def _not_signed_in(target: Target) -> ClarityError:
    text = f"nobody is signed in at {target}"
    return ClarityError("NOT_SIGNED_IN", text, code=grpc.StatusCode.UNAUTHENTICATED)


def _date(day: date | None) -> Date | None:
    return None if day is None else Date(year=day.year, month=day.month, day=day.day)


def _read_request(metric: str, start: datetime, end: datetime, source: Source | None) -> health.ReadSeriesRequest:
    if (start.tzinfo is None) != (end.tzinfo is None):
        raise ValueError("start and end are both civil times (without an offset) or both instants (with one)")
    request = health.ReadSeriesRequest(metric=metric, source=source)
    if start.tzinfo is None:
        request.civil.CopyFrom(health.CivilRange(start=civil_time(start), end=civil_time(end)))
    else:
        request.instant.CopyFrom(health.InstantRange(start=_instant(start), end=_instant(end)))
    return request


def _instant(moment: datetime) -> Timestamp:
    instant = Timestamp()
    instant.FromDatetime(moment)
    return instant


def _sample_count(block: health.SeriesBlock) -> int:
    return len(block.values) // (4 * max(1, block.channels))
