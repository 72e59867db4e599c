"""The client: sign in, stream a recording in, write samples, read them back, and ask what they mean.

    with Client("127.0.0.1:50051", MemoryTokens()) as client:
        client.sign_in(email, password)  # or a Challenge, which answer_challenge answers
        receipt = client.upload(parcel_of(recording, describe(recording, metric), upload_id), on_event=print)

What to send and what an answer means is decided by clarity.sending; `Client` and `AsyncClient` only carry its messages,
each in its own kind of thread.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing
from datetime import date, datetime
from queue import SimpleQueue
from types import TracebackType
from typing import Self

import grpc
from google.type.date_pb2 import Date

from clarity.accounts import Accounts
from clarity.calls import ClarityError, Patience, Target, async_channel, bearer, failure, problem
from clarity.credentials import Tokens
from clarity.moments import within
from clarity.samples import Samples
from clarity.sending import Event, Parcel, Sending, cut_off
from clarity.v1 import health_data_service_pb2 as health
from clarity.v1 import insight_service_pb2 as insights
from clarity.v1.analysis_pb2 import Analysis, AnalysisParameters
from clarity.v1.day_pb2 import Day
from clarity.v1.health_data_service_pb2_grpc import HealthDataServiceStub
from clarity.v1.insight_pb2 import Fact, Insight, InsightKind
from clarity.v1.insight_service_pb2_grpc import InsightServiceStub
from clarity.v1.metric_pb2 import Metric
from clarity.v1.model_pb2 import Model
from clarity.v1.series_pb2 import Source, UploadOpened, UploadReceipt


class Client(Accounts, Samples):
    """Calls one server on behalf of one person. Threads may share it; close it, or use it as a context manager.

    What the server knows another's data by is an `account_id`: readings take it where a grant of theirs allows it.
    """

    def __init__(self, target: str | Target, tokens: Tokens | None = None, patience: Patience | None = None) -> None:
        super().__init__(target, tokens, patience)
        self._insight = InsightServiceStub(self._channel)

    def metrics(self) -> Iterator[Metric]:
        """Yield the catalogue, by name."""
        request = health.ListMetricsRequest()
        for page in self._pages(self._health.ListMetrics, request):
            yield from page.metrics

    def days(
        self, metric: str = "", start: date | None = None, end: date | None = None, *, account_id: str = ""
    ) -> Iterator[Day]:
        """Yield the civil days of [start, end), by date and source."""
        request = health.ListDaysRequest(
            metric=metric, start_date=_date(start), end_date=_date(end), account_id=account_id
        )
        for page in self._pages(self._health.ListDays, request):
            yield from page.days

    def get_upload(self, upload_id: str, after_result: int = 0) -> health.GetUploadResponse:
        """Return an upload and its results after a number, at most 100 of them."""
        return self._call(
            self._health.GetUpload, health.GetUploadRequest(upload_id=upload_id, after_result=after_result)
        )

    def read(
        self, metric: str, start: datetime, end: datetime, source: Source | None = None, *, account_id: str = ""
    ) -> Iterator[health.SeriesBlock | health.ReadSeriesDone]:
        """Yield the values of [start, end) block by block, and last what they came to.

        Times are civil without an offset and instants with one, both alike. A reading that breaks off raises
        ClarityError with CUT_OFF: what came before it is right, and not all.
        """
        request = health.ReadSeriesRequest(metric=metric, source=source, account_id=account_id)
        within(request, start, end)
        yield from self.minutes(request)

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
        self,
        metric: str = "",
        start: date | None = None,
        end: date | None = None,
        *,
        superseded: bool = False,
        account_id: str = "",
    ) -> Iterator[Analysis]:
        """Yield the analyses of weeks that begin in [start, end), by date and source."""
        request = insights.ListAnalysesRequest(
            metric=metric,
            start_date=_date(start),
            end_date=_date(end),
            superseded=superseded,
            account_id=account_id,
        )
        for page in self._pages(self._insight.ListAnalyses, request):
            yield from page.analyses

    def waiting_count(self) -> int:
        """Return how many weeks wait to be looked at."""
        return self._call(self._insight.ListAnalyses, insights.ListAnalysesRequest(page_size=1)).waiting_count

    def analysis(self, analysis_id: str, *, account_id: str = "") -> Analysis:
        """Return an analysis."""
        request = insights.GetAnalysisRequest(analysis_id=analysis_id, account_id=account_id)
        return self._call(self._insight.GetAnalysis, request).analysis

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

    def facts(self, analysis_id: str, *, account_id: str = "") -> Iterator[Fact]:
        """Yield the facts of an analysis, in the order a person would ask."""
        request = insights.ListFactsRequest(analysis_id=analysis_id, account_id=account_id)
        for page in self._pages(self._insight.ListFacts, request):
            yield from page.facts

    def tell(self, analysis_id: str = "", kind: InsightKind = InsightKind.INSIGHT_KIND_SUMMARY) -> Insight:
        """Return what a week means, in sentences; without an id, of the newest week."""
        request = insights.GenerateInsightRequest(analysis_id=analysis_id, kind=kind, request_id=uuid.uuid4().hex)
        return self._call(self._insight.GenerateInsight, request).insight

    def insight(self, insight_id: str, *, account_id: str = "") -> Insight:
        """Return an insight that was told before."""
        request = insights.GetInsightRequest(insight_id=insight_id, account_id=account_id)
        return self._call(self._insight.GetInsight, request).insight

    def insights(self, *, account_id: str = "") -> Iterator[Insight]:
        """Yield what was told before, the newest first."""
        request = insights.ListInsightsRequest(account_id=account_id)
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
    """Uploads from an event loop. All else, signing in among it, is `client`'s: call it with asyncio.to_thread."""

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


def _date(day: date | None) -> Date | None:
    return None if day is None else Date(year=day.year, month=day.month, day=day.day)


def _sample_count(block: health.SeriesBlock) -> int:
    return len(block.values) // (4 * max(1, block.channels))
