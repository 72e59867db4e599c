"""The HealthDataService of the contract."""

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc

from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1 import health_data_service_pb2_grpc
from clarity_server.domain import metrics
from clarity_server.domain.access import Family, Use
from clarity_server.domain.metrics import ACTIVITY_COUNTS
from clarity_server.flows.aggregate import Aggregate
from clarity_server.flows.feed import Feed
from clarity_server.flows.list_days import Lists
from clarity_server.flows.permits import check, sees_results
from clarity_server.flows.read import Read, Tally
from clarity_server.flows.remove import Remove
from clarity_server.flows.retention import Retain
from clarity_server.flows.samples import Collect
from clarity_server.flows.sources import Known
from clarity_server.services import rules, rules_samples, wire, wire_insight, wire_samples
from clarity_server.services.caller import caller, needed
from clarity_server.services.stream import Room, Stream, replayed
from clarity_server.services.subjects import Subjects

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Discrete:
    """The verbs of samples, and of what there is in all."""

    collect: Collect
    aggregate: Aggregate
    known: Known
    feed: Feed
    remove: Remove
    retain: Retain


class HealthDataService(health_data_service_pb2_grpc.HealthDataServiceServicer):
    """Samples and recordings in, days and sums out."""

    def __init__(self, room: Room, read: Read, lists: Lists, discrete: Discrete) -> None:
        """Take what the streams share, and the verbs."""
        self._room = room
        self._ingest = room.ingest
        self._offload = room.offload
        self._read = read
        self._lists = lists
        self._discrete = discrete
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
        span = wire.from_range(request)
        source, tally = wire.from_wanted_source(request), Tally()
        families = {metrics.streamable(request.metric).family}
        account_id = await self._subjects.read(request.account_id, families, "ReadSeries")
        blocks = self._read.blocks(account_id, request.metric, source, span.kind, span.start_ms, span.end_ms, tally)
        while (block := await self._offload(next, blocks, None)) is not None:
            yield pb.ReadSeriesResponse(block=wire.to_block(block, span.kind))
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

    async def WriteSamples(self, request: pb.WriteSamplesRequest, context: Context) -> pb.WriteSamplesResponse:
        rules_samples.write_samples(request)
        known = {sample.metric for sample in request.samples} & metrics.catalogue().keys()
        check(caller(), families(known), Use.WRITE)
        return await self._offload(self._written, caller().account_id, request)

    def _written(self, account_id: str, request: pb.WriteSamplesRequest) -> pb.WriteSamplesResponse:
        """Translate both ways beside the loop: of a thousand samples it takes as long as twenty calls."""
        sent, digest = wire_samples.from_samples(request.samples), wire_samples.body_digest(request)
        return wire_samples.to_written(self._discrete.collect.write(account_id, sent, request.request_id, digest))

    async def ListSamples(self, request: pb.ListSamplesRequest, context: Context) -> pb.ListSamplesResponse:
        rules_samples.list_samples(request)
        source, span = wire.from_wanted_source(request), wire.from_optional_range(request)
        account_id = await self._subjects.read(request.account_id, families([request.metric]), "ListSamples")
        page, token = await self._offload(
            self._discrete.collect.list, account_id, request.metric, source, span, request.page_size, request.page_token
        )
        return await self._offload(wire_samples.to_listed, page, token)

    async def AggregateSamples(
        self, request: pb.AggregateSamplesRequest, context: Context
    ) -> pb.AggregateSamplesResponse:
        rules_samples.aggregate_samples(request)
        query = wire_samples.from_query(request)
        account_id = await self._subjects.read(request.account_id, families([query.metric]), "AggregateSamples")
        page = await self._offload(
            self._discrete.aggregate.page, account_id, query, request.page_size, request.page_token
        )
        return await self._offload(wire_samples.to_aggregate, page, query.range.kind)

    async def GetSummary(self, request: pb.GetSummaryRequest, context: Context) -> pb.GetSummaryResponse:
        rules_samples.get_summary(request)
        wanted = named(request.metrics)
        account_id = await self._subjects.read(request.account_id, families(wanted), "GetSummary")
        summary = await self._offload(self._discrete.known.summary, account_id, wanted)
        return wire_samples.to_summary(summary, whole=account_id == caller().account_id)

    async def ListSources(self, request: pb.ListSourcesRequest, context: Context) -> pb.ListSourcesResponse:
        rules_samples.list_sources(request)
        wanted = named(request.metrics)
        account_id = await self._subjects.read(request.account_id, families(wanted), "ListSources")
        page, token = await self._offload(
            self._discrete.known.list, account_id, wanted, request.page_size, request.page_token
        )
        return wire_samples.to_sources(page, token)

    async def UpdateSource(self, request: pb.UpdateSourceRequest, context: Context) -> pb.UpdateSourceResponse:
        rules_samples.update_source(request)
        setting = wire_samples.from_setting(request)
        return wire_samples.to_setting(await self._offload(self._discrete.known.update, caller().account_id, setting))

    async def ListChanges(self, request: pb.ListChangesRequest, context: Context) -> pb.ListChangesResponse:
        rules_samples.list_changes(request)
        wanted = named(request.metrics)
        check(caller(), families(wanted), Use.READ)
        page = await self._offload(
            self._discrete.feed.page, caller().account_id, wanted, request.change_token, request.page_size
        )
        return await self._offload(wire_samples.to_changes, page)

    async def DeleteSamples(self, request: pb.DeleteSamplesRequest, context: Context) -> pb.DeleteSamplesResponse:
        rules_samples.delete_samples(request)
        wanted, account_id, remove = wire_samples.from_wanted(request), caller().account_id, self._discrete.remove
        if wanted.sample_ids:
            check(caller(), families(await self._offload(remove.metrics_of, account_id, wanted.sample_ids)), Use.WRITE)
        else:
            check(caller(), families(wanted.metrics), Use.WRITE)
        if request.validate_only:
            return wire_samples.to_removed(await self._offload(remove.count, account_id, wanted))
        digest, expected = wire_samples.body_digest(request), wire_samples.from_expected(request)
        removed = await self._offload(remove.remove, account_id, wanted, expected, request.request_id, digest)
        return wire_samples.to_removed(removed)

    async def ListQuarantine(self, request: pb.ListQuarantineRequest, context: Context) -> pb.ListQuarantineResponse:
        rules_samples.list_quarantine(request)
        page, token, count = await self._offload(
            self._discrete.collect.quarantined, caller().account_id, request.page_size, request.page_token
        )
        return wire_samples.to_aside(page, token, count)

    async def GetRetention(self, request: pb.GetRetentionRequest, context: Context) -> pb.GetRetentionResponse:
        return pb.GetRetentionResponse(keep_days=await self._offload(self._discrete.retain.get, caller().account_id))

    async def SetRetention(self, request: pb.SetRetentionRequest, context: Context) -> pb.SetRetentionResponse:
        rules_samples.set_retention(request)
        keep_days, older = await self._offload(
            self._discrete.retain.set, caller().account_id, request.keep_days, validate_only=request.validate_only
        )
        return pb.SetRetentionResponse(keep_days=keep_days, older_count=older)


def named(wanted: Iterable[str]) -> frozenset[str] | None:
    """Return the metrics that are named, None where none is: then all are meant. Raises MetricUnknown."""
    return frozenset(metrics.find(metric).metric for metric in wanted) or None


def families(wanted: Iterable[str] | None) -> frozenset[Family]:
    """Return the families of metrics, of all there are where None is said. Raises MetricUnknown."""
    return frozenset(metrics.find(metric).family for metric in (metrics.catalogue() if wanted is None else wanted))
