"""What a request about samples must be before a verb sees it. What a sample must be is judged one by one, in domain."""

from typing import TypeAlias

from google.protobuf.duration_pb2 import Duration

from clarity.v1.health_data_service_pb2 import (
    AggregateSamplesRequest,
    CivilBuckets,
    DeleteSamplesRequest,
    GetSummaryRequest,
    ListChangesRequest,
    ListQuarantineRequest,
    ListSamplesRequest,
    ListSourcesRequest,
    SetRetentionRequest,
    UpdateSourceRequest,
    WriteSamplesRequest,
)
from clarity.v1.sample_pb2 import AggregateFunction, DeviceKind
from clarity_server.domain import buckets, civil, samples
from clarity_server.domain.errors import InvalidInput
from clarity_server.flows import retention
from clarity_server.services.rules import (
    ACCOUNT_ID_CHARS_MAX,
    METRIC_CHARS_MAX,
    Rules,
    at_most,
    between,
    filled,
    one_of,
    request_id,
    source,
)

METRICS_MAX = 100  # named in one request
DELETE_IDS_MAX = 1000
SAMPLE_ID_CHARS_MAX = 64
PERCENTILE_MAX = 100.0

Paged: TypeAlias = (
    ListSamplesRequest | AggregateSamplesRequest | ListSourcesRequest | ListChangesRequest | ListQuarantineRequest
)
Shared: TypeAlias = ListSamplesRequest | AggregateSamplesRequest | GetSummaryRequest | ListSourcesRequest
Listing: TypeAlias = GetSummaryRequest | ListSourcesRequest | ListChangesRequest
Measured: TypeAlias = ListSamplesRequest | AggregateSamplesRequest


def write_samples(request: WriteSamplesRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("samples", len(request.samples), between(1, samples.WRITE_SAMPLES_MAX))
    rules.check(
        "samples", request.ByteSize(), lambda size: None if size <= samples.WRITE_BYTES_MAX else "is over 3 MiB"
    )
    rules.check("request_id", request.request_id, request_id)
    rules.enforce()


def list_samples(request: ListSamplesRequest) -> None:
    """Raises InvalidInput. The metric is the catalogue's business and the range the translation's."""
    rules = Rules()
    _measured(rules, request)
    rules.enforce()


def aggregate_samples(request: AggregateSamplesRequest) -> None:
    """Raises InvalidInput. What applies to the metric is the flow's business."""
    rules = Rules()
    _measured(rules, request)
    rules.check("buckets", request.WhichOneof("buckets"), lambda which: None if which else "is required")
    if request.HasField("physical"):
        rules.check("physical.length", request.physical.length, whole_length)
    if request.HasField("calendar"):
        rules.check("calendar.unit", request.calendar.unit, specified, one_of(CivilBuckets.Unit))
    for index, function in enumerate(request.functions):
        rules.check(f"functions[{index}]", function, specified, one_of(AggregateFunction))
    rules.check("percentiles", len(request.percentiles), between(0, buckets.PERCENTILES_MAX))
    for index, percentile in enumerate(request.percentiles):
        rules.check(f"percentiles[{index}]", percentile, between(0, PERCENTILE_MAX))  # NaN is between nothing
    rules.enforce()


def get_summary(request: GetSummaryRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    _shared(rules, request)
    _metrics(rules, request)
    rules.enforce()


def list_sources(request: ListSourcesRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    _shared(rules, request)
    _metrics(rules, request)
    _page(rules, request)
    rules.enforce()


def update_source(request: UpdateSourceRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("source", request, lambda asked: None if asked.HasField("source") else "is required")
    if request.HasField("source"):
        source(rules, request.source, "source")
    rules.check("kind", request.kind, one_of(DeviceKind))
    rules.check("priority", request.priority, between(0, samples.PRIORITY_MAX))
    rules.enforce()


def list_changes(request: ListChangesRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    _metrics(rules, request)
    _page(rules, request)
    rules.enforce()


def delete_samples(request: DeleteSamplesRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    rules.check("request_id", request.request_id, request_id)
    rules.check("sample_ids", len(request.sample_ids), between(0, DELETE_IDS_MAX))
    for index, named in enumerate(request.sample_ids):
        rules.check(f"sample_ids[{index}]", named, filled, at_most(SAMPLE_ID_CHARS_MAX))
    rules.check("metrics", len(request.metrics), between(0, METRICS_MAX))
    if request.HasField("source"):
        source(rules, request.source, "source")
    for field in _beside(request):
        rules.check(field, request.sample_ids, lambda ids: "is not for sample_ids" if ids else None)
    if request.HasField("expected_count"):
        rules.check("expected_count", request.expected_count, between(0, (1 << 63) - 1))
        rules.check(
            "expected_count", request, lambda asked: "is not for validate_only" if asked.validate_only else None
        )
    if not request.sample_ids and not set(_beside(request)) - {"expected_count"}:
        rules.check("sample_ids", "", lambda _: "is required, or metrics, or source, or a range")
    rules.enforce()


def list_quarantine(request: ListQuarantineRequest) -> None:
    """Raises InvalidInput."""
    rules = Rules()
    _page(rules, request)
    rules.enforce()


def set_retention(request: SetRetentionRequest) -> None:
    """Raises InvalidInput."""
    low, high = retention.KEEP_DAYS_MIN, retention.KEEP_DAYS_MAX
    allowed = between(low, high)
    if request.keep_days != retention.FOR_EVER and allowed(request.keep_days) is not None:
        raise InvalidInput(keep_days=f"is not 0, for ever, or {low} to {high:,}")


def whole_seconds(offset: Duration) -> str | None:
    """Refuses a UTC offset that is not whole seconds within 14 hours: clocks before standard time had any of these."""
    if offset.nanos:
        return "is not whole seconds"
    return None if abs(offset.seconds) <= civil.UTC_OFFSET_S_MAX else "is not -14 h to +14 h"


def whole_length(length: Duration) -> str | None:
    """Refuses a bucket's length that is not whole seconds from 1 s to 366 days."""
    if length.nanos:
        return "is not whole seconds"
    within = buckets.LENGTH_MS_MIN <= length.seconds * 1000 <= buckets.LENGTH_MS_MAX
    return None if within else "is not 1 s to 366 days"


def specified(value: int) -> str | None:
    """Refuses an enum's UNSPECIFIED."""
    return None if value else "is required"


def _measured(rules: Rules, request: Measured) -> None:
    rules.check("metric", request.metric, filled, at_most(METRIC_CHARS_MAX))
    if request.HasField("source"):
        source(rules, request.source, "source")
    _shared(rules, request)
    _page(rules, request)


def _shared(rules: Rules, request: Shared) -> None:
    rules.check("account_id", request.account_id, at_most(ACCOUNT_ID_CHARS_MAX))


def _metrics(rules: Rules, request: Listing) -> None:
    """Judge how many metrics are named; which there are is the catalogue's business."""
    rules.check("metrics", len(request.metrics), between(0, METRICS_MAX))


def _page(rules: Rules, request: Paged) -> None:
    rules.check("page_size", request.page_size, lambda size: None if size >= 0 else "is negative")


def _beside(request: DeleteSamplesRequest) -> list[str]:
    """Name what is asked for that does not go with ids."""
    named = {
        "metrics": bool(request.metrics),
        "source": request.HasField("source"),
        "range": request.WhichOneof("range") is not None,
        "expected_count": request.HasField("expected_count"),
    }
    return [field for field, there in named.items() if there]
