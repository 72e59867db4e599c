"""The InsightService of the contract."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc

from clarity.v1 import insight_service_pb2 as pb
from clarity.v1 import insight_service_pb2_grpc
from clarity_server.domain.access import Family
from clarity_server.flows.explain import Explain
from clarity_server.flows.list_models import ListModels
from clarity_server.flows.permits import Permits
from clarity_server.flows.weeks import Weeks, method
from clarity_server.services import rules, wire, wire_insight
from clarity_server.services.caller import caller, needed
from clarity_server.services.live import Live
from clarity_server.services.offload import Offload
from clarity_server.services.subjects import Subjects
from clarity_server.services.watch import Watch

FAMILIES = (Family.ANALYSIS,)

Context = grpc.aio.ServicerContext[Any, Any]


class InsightService(insight_service_pb2_grpc.InsightServiceServicer):
    """Weeks analysed, and what they mean in sentences."""

    def __init__(
        self, live: Live, offload: Offload, weeks: Weeks, explain: Explain, models: ListModels, permits: Permits
    ) -> None:
        """Take what counts the streams, the threads, the verbs, and who may read whose."""
        self._live = live
        self._offload = offload
        self._weeks = weeks
        self._explain = explain
        self._models = models
        self._subjects = Subjects(permits, offload)

    async def StartAnalysis(self, request: pb.StartAnalysisRequest, context: Context) -> pb.StartAnalysisResponse:
        rules.start_analysis(request)
        source, day = wire.from_wanted_source(request), wire.from_date(request.start_date, "start_date")
        wanted = request.parameters
        judged = method(wanted.wear, wanted.sleep, rescoring=wanted.rescoring)
        analysis = await self._offload(
            self._weeks.start, caller().account_id, request.metric, source, day, judged, request.request_id
        )
        return pb.StartAnalysisResponse(analysis=wire_insight.to_analysis(analysis))

    async def GetAnalysis(self, request: pb.GetAnalysisRequest, context: Context) -> pb.GetAnalysisResponse:
        rules.analysis_named(request)
        account_id = await self._subjects.read(request.account_id, FAMILIES, "GetAnalysis")
        analysis = await self._offload(self._weeks.get, account_id, request.analysis_id)
        return pb.GetAnalysisResponse(analysis=wire_insight.to_analysis(analysis))

    async def ListAnalyses(self, request: pb.ListAnalysesRequest, context: Context) -> pb.ListAnalysesResponse:
        rules.page(request)
        dates = wire.from_dates(request)
        account_id = await self._subjects.read(request.account_id, FAMILIES, "ListAnalyses")
        page, token, waiting = await self._offload(
            self._weeks.list,
            account_id,
            request.metric,
            dates,
            request.superseded,
            request.page_size,
            request.page_token,
        )
        analyses = [wire_insight.to_analysis(one) for one in page]
        return pb.ListAnalysesResponse(analyses=analyses, next_page_token=token, waiting_count=waiting)

    async def WatchAnalyses(
        self, request: pb.WatchAnalysesRequest, context: Context
    ) -> AsyncIterator[pb.WatchAnalysesResponse]:
        purposes = needed().purposes
        watch = Watch(self._live, self._offload, self._weeks.since, caller(), request.resume_token, purposes=purposes)
        async with aclosing(watch.messages()) as messages:
            async for message in messages:
                yield message

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        rules.page(request)
        page, token, advice = await self._offload(self._models.page, request.page_size, request.page_token)
        models = [wire_insight.to_model(one, serving=self._models.is_serving(one)) for one in page]
        return pb.ListModelsResponse(models=models, next_page_token=token, advice=advice)

    async def ListFacts(self, request: pb.ListFactsRequest, context: Context) -> pb.ListFactsResponse:
        rules.page(request)
        account_id = await self._subjects.read(request.account_id, FAMILIES, "ListFacts")
        facts, token = await self._offload(
            self._explain.facts, account_id, request.analysis_id, request.page_size, request.page_token
        )
        return pb.ListFactsResponse(
            facts=[wire_insight.to_fact(fact, request.account_id) for fact in facts], next_page_token=token
        )

    async def GenerateInsight(self, request: pb.GenerateInsightRequest, context: Context) -> pb.GenerateInsightResponse:
        rules.generate_insight(request)
        kind = wire_insight.from_kind(request.kind)
        insight = await self._offload(
            self._explain.generate, caller().account_id, request.analysis_id, kind, request.request_id
        )
        return pb.GenerateInsightResponse(insight=wire_insight.to_insight(insight))

    async def GetInsight(self, request: pb.GetInsightRequest, context: Context) -> pb.GetInsightResponse:
        rules.insight_named(request)
        account_id = await self._subjects.read(request.account_id, FAMILIES, "GetInsight")
        insight = await self._offload(self._explain.get, account_id, request.insight_id)
        return pb.GetInsightResponse(insight=wire_insight.to_insight(insight, request.account_id))

    async def ListInsights(self, request: pb.ListInsightsRequest, context: Context) -> pb.ListInsightsResponse:
        rules.page(request)
        account_id = await self._subjects.read(request.account_id, FAMILIES, "ListInsights")
        page, token = await self._offload(self._explain.list, account_id, request.page_size, request.page_token)
        return pb.ListInsightsResponse(
            insights=[wire_insight.to_insight(one, request.account_id) for one in page], next_page_token=token
        )
