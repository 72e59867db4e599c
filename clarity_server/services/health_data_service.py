"""The HealthDataService of the contract."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1 import health_data_service_pb2_grpc
from clarity_server.domain import metrics
from clarity_server.domain.access import Family, Use
from clarity_server.domain.metrics import ACTIVITY_COUNTS
from clarity_server.flows.list_days import Lists
from clarity_server.flows.permits import check, sees_results
from clarity_server.flows.read import Read, Tally
from clarity_server.services import rules, wire, wire_insight
from clarity_server.services.caller import caller, needed
from clarity_server.services.stream import Room, Stream, replayed
from clarity_server.services.subjects import Subjects

Context = grpc.aio.ServicerContext[Any, Any]


class HealthDataService(health_data_service_pb2_grpc.HealthDataServiceServicer):
    """Recordings in, days out."""

    def __init__(self, room: Room, read: Read, lists: Lists) -> None:
        """Take what the streams share, and the verbs."""
        self._room = room
        self._ingest = room.ingest
        self._offload = room.offload
        self._read = read
        self._lists = lists
        self._subjects = Subjects(room.permits, room.offload)

    async def ListMetrics(self, request: pb.ListMetricsRequest, context: Context) -> pb.ListMetricsResponse:
        rules.page(request)
        metrics, token = await self._offload(self._lists.metrics, request.page_size, request.page_token)
        return pb.ListMetricsResponse(metrics=[wire.to_metric(metric) for metric in metrics], next_page_token=token)

    async def StreamSeries(
        self, request_iterator: AsyncIterator[pb.StreamSeriesRequest], context: Context
    ) -> AsyncIterator[pb.StreamSeriesResponse]:
        stream = Stream(self._room, caller(), request_iterator, purposes=needed().purposes)
        async with aclosing(stream.messages()) as messages:
            async for message in messages:
                yield message

    async def AppendSeries(self, request: pb.AppendSeriesRequest, context: Context) -> pb.AppendSeriesResponse:
        rules.append_series(request)
        answer = pb.AppendSeriesResponse()
        requests = replayed(wire.from_append(request))
        stream = Stream(self._room, caller(), requests, purposes=needed().purposes, all_there=True)
        async with aclosing(stream.messages()) as messages:
            async for message in messages:
                wire.add_to_append(answer, message)
        return answer

    async def GetUpload(self, request: pb.GetUploadRequest, context: Context) -> pb.GetUploadResponse:
        rules.upload_named(request)
        account_id = caller().account_id
        stored = await self._offload(self._ingest.upload, account_id, request.upload_id)
        family = metrics.find(stored.descriptor.metric).family
        check(caller(), {family}, Use.READ)
        analysed = await self._offload(self._ingest.analysed, account_id, stored)
        answer = pb.GetUploadResponse(upload=wire.to_upload(stored, analysed))
        if sees_results(caller(), family):
            results = await self._offload(self._ingest.results, account_id, request.upload_id, request.after_result)
            days, windows = wire_insight.to_results(results)
            answer.days.extend(days)
            answer.windows.extend(windows)
        return answer

    async def FinishUpload(self, request: pb.FinishUploadRequest, context: Context) -> pb.FinishUploadResponse:
        rules.upload_named(request)
        total, sha256 = wire.from_finish(request)
        account_id = caller().account_id
        stored = await self._offload(self._ingest.upload, account_id, request.upload_id)
        check(caller(), {metrics.find(stored.descriptor.metric).family}, Use.WRITE)
        finished = await self._offload(self._ingest.finish, account_id, stored, total, sha256)
        return pb.FinishUploadResponse(receipt=wire.to_receipt(finished))

    async def ReadSeries(self, request: pb.ReadSeriesRequest, context: Context) -> AsyncIterator[pb.ReadSeriesResponse]:
        rules.read_series(request)
        kind, start_ms, end_ms = wire.from_range(request)
        source, tally = wire.from_wanted_source(request), Tally()
        families = {metrics.streamable(request.metric).family}
        account_id = await self._subjects.read(request.account_id, families, "ReadSeries")
        blocks = self._read.blocks(account_id, request.metric, source, kind, start_ms, end_ms, tally)
        while (block := await self._offload(next, blocks, None)) is not None:
            yield pb.ReadSeriesResponse(block=wire.to_block(block, kind))
        yield pb.ReadSeriesResponse(done=wire.to_done(tally))

    async def ListDays(self, request: pb.ListDaysRequest, context: Context) -> pb.ListDaysResponse:
        rules.page(request)
        dates = wire.from_dates(request)
        families = {metrics.find(request.metric or ACTIVITY_COUNTS).family, Family.SLEEP}  # a day holds a night
        account_id = await self._subjects.read(request.account_id, families, "ListDays")
        days, token = await self._offload(
            self._lists.days, account_id, request.metric, dates, request.page_size, request.page_token
        )
        return pb.ListDaysResponse(days=[wire.to_day(day) for day in days], next_page_token=token)
