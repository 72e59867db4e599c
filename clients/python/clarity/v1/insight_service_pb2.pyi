from clarity.v1 import access_pb2 as _access_pb2
from clarity.v1 import analysis_pb2 as _analysis_pb2
from clarity.v1 import insight_pb2 as _insight_pb2
from clarity.v1 import model_pb2 as _model_pb2
from clarity.v1 import series_pb2 as _series_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.rpc import status_pb2 as _status_pb2
from google.type import date_pb2 as _date_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StartAnalysisRequest(_message.Message):
    __slots__ = ("metric", "source", "start_date", "parameters", "request_id")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    START_DATE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    metric: str
    source: _series_pb2.Source
    start_date: _date_pb2.Date
    parameters: _analysis_pb2.AnalysisParameters
    request_id: str
    def __init__(self, metric: _Optional[str] = ..., source: _Optional[_Union[_series_pb2.Source, _Mapping]] = ..., start_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., parameters: _Optional[_Union[_analysis_pb2.AnalysisParameters, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class StartAnalysisResponse(_message.Message):
    __slots__ = ("analysis",)
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    analysis: _analysis_pb2.Analysis
    def __init__(self, analysis: _Optional[_Union[_analysis_pb2.Analysis, _Mapping]] = ...) -> None: ...

class GetAnalysisRequest(_message.Message):
    __slots__ = ("analysis_id", "account_id")
    ANALYSIS_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    analysis_id: str
    account_id: str
    def __init__(self, analysis_id: _Optional[str] = ..., account_id: _Optional[str] = ...) -> None: ...

class GetAnalysisResponse(_message.Message):
    __slots__ = ("analysis",)
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    analysis: _analysis_pb2.Analysis
    def __init__(self, analysis: _Optional[_Union[_analysis_pb2.Analysis, _Mapping]] = ...) -> None: ...

class ListAnalysesRequest(_message.Message):
    __slots__ = ("metric", "start_date", "end_date", "superseded", "page_size", "page_token", "account_id")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    START_DATE_FIELD_NUMBER: _ClassVar[int]
    END_DATE_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDED_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    metric: str
    start_date: _date_pb2.Date
    end_date: _date_pb2.Date
    superseded: bool
    page_size: int
    page_token: str
    account_id: str
    def __init__(self, metric: _Optional[str] = ..., start_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., end_date: _Optional[_Union[_date_pb2.Date, _Mapping]] = ..., superseded: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., account_id: _Optional[str] = ...) -> None: ...

class ListAnalysesResponse(_message.Message):
    __slots__ = ("analyses", "next_page_token", "waiting_count")
    ANALYSES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    WAITING_COUNT_FIELD_NUMBER: _ClassVar[int]
    analyses: _containers.RepeatedCompositeFieldContainer[_analysis_pb2.Analysis]
    next_page_token: str
    waiting_count: int
    def __init__(self, analyses: _Optional[_Iterable[_Union[_analysis_pb2.Analysis, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., waiting_count: _Optional[int] = ...) -> None: ...

class WatchAnalysesRequest(_message.Message):
    __slots__ = ("resume_token",)
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    resume_token: str
    def __init__(self, resume_token: _Optional[str] = ...) -> None: ...

class CaughtUp(_message.Message):
    __slots__ = ("waiting_count",)
    WAITING_COUNT_FIELD_NUMBER: _ClassVar[int]
    waiting_count: int
    def __init__(self, waiting_count: _Optional[int] = ...) -> None: ...

class WatchAnalysesResponse(_message.Message):
    __slots__ = ("analysis", "caught_up", "problem", "resume_token")
    ANALYSIS_FIELD_NUMBER: _ClassVar[int]
    CAUGHT_UP_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    analysis: _analysis_pb2.Analysis
    caught_up: CaughtUp
    problem: _status_pb2.Status
    resume_token: str
    def __init__(self, analysis: _Optional[_Union[_analysis_pb2.Analysis, _Mapping]] = ..., caught_up: _Optional[_Union[CaughtUp, _Mapping]] = ..., problem: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., resume_token: _Optional[str] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "next_page_token", "advice")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[_model_pb2.Model]
    next_page_token: str
    advice: str
    def __init__(self, models: _Optional[_Iterable[_Union[_model_pb2.Model, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., advice: _Optional[str] = ...) -> None: ...

class ListFactsRequest(_message.Message):
    __slots__ = ("analysis_id", "page_size", "page_token", "account_id")
    ANALYSIS_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    analysis_id: str
    page_size: int
    page_token: str
    account_id: str
    def __init__(self, analysis_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., account_id: _Optional[str] = ...) -> None: ...

class ListFactsResponse(_message.Message):
    __slots__ = ("facts", "next_page_token")
    FACTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    facts: _containers.RepeatedCompositeFieldContainer[_insight_pb2.Fact]
    next_page_token: str
    def __init__(self, facts: _Optional[_Iterable[_Union[_insight_pb2.Fact, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GenerateInsightRequest(_message.Message):
    __slots__ = ("analysis_id", "kind", "request_id")
    ANALYSIS_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    analysis_id: str
    kind: _insight_pb2.InsightKind
    request_id: str
    def __init__(self, analysis_id: _Optional[str] = ..., kind: _Optional[_Union[_insight_pb2.InsightKind, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class GenerateInsightResponse(_message.Message):
    __slots__ = ("insight",)
    INSIGHT_FIELD_NUMBER: _ClassVar[int]
    insight: _insight_pb2.Insight
    def __init__(self, insight: _Optional[_Union[_insight_pb2.Insight, _Mapping]] = ...) -> None: ...

class GetInsightRequest(_message.Message):
    __slots__ = ("insight_id", "account_id")
    INSIGHT_ID_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    insight_id: str
    account_id: str
    def __init__(self, insight_id: _Optional[str] = ..., account_id: _Optional[str] = ...) -> None: ...

class GetInsightResponse(_message.Message):
    __slots__ = ("insight",)
    INSIGHT_FIELD_NUMBER: _ClassVar[int]
    insight: _insight_pb2.Insight
    def __init__(self, insight: _Optional[_Union[_insight_pb2.Insight, _Mapping]] = ...) -> None: ...

class ListInsightsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "account_id")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    account_id: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., account_id: _Optional[str] = ...) -> None: ...

class ListInsightsResponse(_message.Message):
    __slots__ = ("insights", "next_page_token")
    INSIGHTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    insights: _containers.RepeatedCompositeFieldContainer[_insight_pb2.Insight]
    next_page_token: str
    def __init__(self, insights: _Optional[_Iterable[_Union[_insight_pb2.Insight, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
