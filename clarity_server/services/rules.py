"""What a request must be before a verb sees it: every limit of the proto comments, declared once and enforced here.

A rule is a function from a value to what is wrong with it, or to None. `Rules` collects the first broken rule of every
field, so that a caller learns of all of them from one answer.
"""

import re
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from clarity.v1.health_data_service_pb2 import (
    AppendSeriesRequest,
    FinishUpload,
    FinishUploadRequest,
    GetUploadRequest,
    ListDaysRequest,
    ListMetricsRequest,
    OpenUpload,
    ReadSeriesRequest,
)
from clarity.v1.insight_pb2 import InsightKind
from clarity.v1.insight_service_pb2 import (
    GenerateInsightRequest,
    GetAnalysisRequest,
    GetInsightRequest,
    ListAnalysesRequest,
    ListFactsRequest,
    ListInsightsRequest,
    ListModelsRequest,
    StartAnalysisRequest,
)
from clarity.v1.series_pb2 import Chunk, Encoding, OffsetChange, SeriesDescriptor, Source
from clarity_server.domain import civil, sent, series
from clarity_server.domain.errors import InvalidInput

REQUEST_ID_CHARS_MAX = 64

T = TypeVar("T")
Rule = Callable[[T], str | None]
Page: TypeAlias = (
    ListMetricsRequest
    | ListDaysRequest
    | ListAnalysesRequest
    | ListModelsRequest
    | ListFactsRequest
    | ListInsightsRequest
)


class Rules:
    """One request under judgement: `check` field by field, then `enforce`."""

    def __init__(self) -> None:
        self._broken: dict[str, str] = {}

    def check(self, field: str, value: T, *rules: Rule[T]) -> bool:
        """Judge one field, named as in the proto with dots (`open.source.device`); tell whether it kept every rule."""
        wrong = next((said for rule in rules if (said := rule(value)) is not None), None)
        if wrong is not None:
            self._broken.setdefault(field, wrong)
        return wrong is None

    def enforce(self) -> None:
        """Raise one InvalidInput with every field that broke a rule."""
        if self._broken:
            raise InvalidInput(**self._broken)


# ---- rules of any field ----------------------------------------------------------------------------------------------


def filled(value: str) -> str | None:
    """Refuses an empty text."""
    return None if value else "is required"


def at_most(chars_max: int) -> Rule[str]:
    """Refuses a longer text; counts characters, not bytes."""
    return lambda value: None if len(value) <= chars_max else f"has more than {chars_max} characters"


def matching(pattern: str, said: str) -> Rule[str]:
    """Refuses a text that the whole pattern does not describe."""
    shape = re.compile(pattern)
    return lambda value: None if shape.fullmatch(value) else said


def optional(rule: Rule[str]) -> Rule[str]:
    """Lets the empty text pass, and asks the rule about any other."""
    return lambda value: rule(value) if value else None


# ---- rules of our fields ---------------------------------------------------------------------------------------------

request_id = optional(
    matching(
        rf"[A-Za-z0-9_.-]{{1,{REQUEST_ID_CHARS_MAX}}}",
        f"is not 1 to {REQUEST_ID_CHARS_MAX} characters of `A-Z a-z 0-9 - _ .`",
    )
)


# ---- HealthDataService -----------------------------------------------------------------------------------------------

UPLOAD_ID_CHARS_MAX = 128
SOURCE_CHARS_MAX = sent.SOURCE_CHARS_MAX
METRIC_CHARS_MAX = sent.METRIC_CHARS_MAX
APPEND_ITEMS_MAX = 1000
APPEND_BYTES_MAX = 3_500_000  # as JSON, in base64, it still fits through the edge
SHA256_BYTES = 32
CRC32C_MAX = (1 << 32) - 1
READ_RANGE_MS_MAX = 3653 * civil.DAY_MS
ACCOUNT_ID_CHARS_MAX = 64

upload_id = matching(
    rf"[A-Za-z0-9_.-]{{1,{UPLOAD_ID_CHARS_MAX}}}",
    f"is not 1 to {UPLOAD_ID_CHARS_MAX} characters of `A-Z a-z 0-9 - _ .`",
)
printable = matching(r"[^\x00-\x1f\x7f]*", "has control characters")


def between(low: float, high: float) -> Rule[float]:
    """Refuses a number outside [low, high]."""
    return lambda value: None if low <= value <= high else f"is not {low:,} to {high:,}"


def open_upload(rules: Rules, request: OpenUpload | AppendSeriesRequest, within: str) -> None:
    """Judge what opens an upload; the metric is the catalogue's business and the start the translation's."""
    rules.check(f"{within}upload_id", request.upload_id, upload_id)
    rules.check(f"{within}after_result", request.after_result, between(0, (1 << 63) - 1))
    described = request.series
    rules.check(f"{within}series.metric", described.metric, filled, at_most(METRIC_CHARS_MAX))
    source(rules, described.source, f"{within}series.source")
    rules.check(f"{within}series.channels", described.channels, between(0, series.CHANNELS_MAX))
    rules.check(f"{within}series.revision", described.revision, between(0, series.REVISION_MAX))
    rules.check(f"{within}series.encoding", described.encoding, one_of(Encoding))
    rules.check(f"{within}series.scale", described, scaled)
    if described.HasField("period"):
        rules.check(f"{within}series.period", described.period, whole_period)


def source(rules: Rules, named: Source, field: str) -> None:
    """Judge where a series came from."""
    rules.check(f"{field}.device", named.device, filled, at_most(SOURCE_CHARS_MAX), printable)
    rules.check(f"{field}.app", named.app, at_most(SOURCE_CHARS_MAX), printable)


def one_of(enum: EnumTypeWrapper) -> Rule[int]:
    """Refuses a number the enum does not name."""
    return lambda value: None if value in enum.values() else f"is not one of {', '.join(enum.keys())}"


def scaled(described: SeriesDescriptor) -> str | None:
    """Demands a scale for int16, and none for float32."""
    if described.encoding == Encoding.ENCODING_INT16:
        return None if 0 < described.scale < float("inf") else "is required for ENCODING_INT16, finite and above 0"
    return None if described.scale == 0 else "is only for ENCODING_INT16"


def whole_period(period: Duration) -> str | None:
    """Refuses a period that is not whole milliseconds from 1 ms to 24 h."""
    if period.nanos % 1_000_000:
        return "is not whole milliseconds"
    # ToMilliseconds would overflow on a hostile number of seconds.
    milliseconds = period.seconds * 1000 + period.nanos // 1_000_000
    return None if 1 <= milliseconds <= series.PERIOD_MS_MAX else "is not 1 ms to 24 h"


def chunk(request: Chunk) -> None:
    """Raises InvalidInput. What the bytes say is judged against the upload, in the intake."""
    rules = Rules()
    rules.check("chunk.first_sample", request.first_sample, between(0, 1 << 62))
    rules.check("chunk.crc32c", request.crc32c, between(0, CRC32C_MAX))
    rules.enforce()


def offset_change(request: OffsetChange) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("offset_change.first_sample", request.first_sample, between(0, 1 << 62))
    rules.check("offset_change.utc_offset", request.utc_offset, whole_offset)
    rules.enforce()


def whole_offset(offset: Duration) -> str | None:
    """Refuses a UTC offset that is not whole minutes within 14 hours."""
    if offset.nanos or offset.seconds % 60:
        return "is not whole minutes"
    return None if abs(offset.seconds) <= civil.UTC_OFFSET_S_MAX else "is not -14 h to +14 h"


def finish(request: FinishUpload | FinishUploadRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("total_samples", request.total_samples, between(1, 1 << 62))
    rules.check("sha256", request.sha256, lambda digest: None if len(digest) == SHA256_BYTES else "is not 32 bytes")
    rules.enforce()


def append_series(request: AppendSeriesRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    open_upload(rules, request, "")
    rules.check("items", len(request.items), between(0, APPEND_ITEMS_MAX))
    rules.check("items", sum(len(item.chunk.values) for item in request.items), between(0, APPEND_BYTES_MAX))
    for index, item in enumerate(request.items):
        rules.check(f"items[{index}]", item.WhichOneof("item"), lambda which: None if which else "is empty")
    rules.enforce()


def upload_named(request: GetUploadRequest | FinishUploadRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("upload_id", request.upload_id, upload_id)
    if isinstance(request, GetUploadRequest):
        rules.check("after_result", request.after_result, between(0, (1 << 63) - 1))
    rules.enforce()


def read_series(request: ReadSeriesRequest) -> None:
    """Raises InvalidInput. The metric is the catalogue's business and the range the translation's."""
    rules = Rules()
    rules.check("account_id", request.account_id, at_most(ACCOUNT_ID_CHARS_MAX))
    rules.enforce()


def page(request: Page) -> None:
    """Raises InvalidInput. Too large a page is taken as the maximum, a negative one is a mistake."""
    rules = Rules()
    rules.check("page_size", request.page_size, lambda size: None if size >= 0 else "is negative")
    if isinstance(request, ListFactsRequest):
        rules.check("analysis_id", request.analysis_id, filled)
    if isinstance(request, ListDaysRequest | ListAnalysesRequest | ListFactsRequest | ListInsightsRequest):
        rules.check("account_id", request.account_id, at_most(ACCOUNT_ID_CHARS_MAX))
    rules.enforce()


# ---- InsightService --------------------------------------------------------------------------------------------------


def start_analysis(request: StartAnalysisRequest) -> None:
    """Raises InvalidInput. What the parameters are called is the algorithms' business."""
    rules = Rules()
    rules.check("metric", request.metric, at_most(METRIC_CHARS_MAX))
    if request.HasField("source"):
        source(rules, request.source, "source")
    rules.check("start_date", request, lambda asked: None if asked.HasField("start_date") else "is required")
    rules.check("request_id", request.request_id, request_id)
    rules.enforce()


def analysis_named(request: GetAnalysisRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("analysis_id", request.analysis_id, filled)
    rules.check("account_id", request.account_id, at_most(ACCOUNT_ID_CHARS_MAX))
    rules.enforce()


def generate_insight(request: GenerateInsightRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("kind", request.kind, one_of(InsightKind))
    rules.check("request_id", request.request_id, request_id)
    rules.enforce()


def insight_named(request: GetInsightRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("insight_id", request.insight_id, filled)
    rules.check("account_id", request.account_id, at_most(ACCOUNT_ID_CHARS_MAX))
    rules.enforce()
