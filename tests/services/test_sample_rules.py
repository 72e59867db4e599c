"""The documented limits of requests about samples, kept to the unit, and stated in the protos as they are enforced."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.datetime_pb2 import DateTime

from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.sample_pb2 import Quantity, Sample
from clarity.v1.series_pb2 import Source
from clarity_server.domain import buckets, samples
from clarity_server.domain.errors import InvalidInput
from clarity_server.flows import feed, retention, sources
from clarity_server.flows import samples as collect
from clarity_server.services import rules, rules_samples, wire, wire_samples

M = TypeVar("M", bound=Message)

PROTOS = Path(__file__).parents[2] / "protos" / "clarity" / "v1"
JUDGES: dict[type[Message], Callable[[Any], None]] = {
    pb.WriteSamplesRequest: rules_samples.write_samples,
    pb.ListSamplesRequest: rules_samples.list_samples,
    pb.AggregateSamplesRequest: rules_samples.aggregate_samples,
    pb.GetSummaryRequest: rules_samples.get_summary,
    pb.ListSourcesRequest: rules_samples.list_sources,
    pb.UpdateSourceRequest: rules_samples.update_source,
    pb.ListChangesRequest: rules_samples.list_changes,
    pb.DeleteSamplesRequest: rules_samples.delete_samples,
    pb.ListQuarantineRequest: rules_samples.list_quarantine,
    pb.SetRetentionRequest: rules_samples.set_retention,
}
A_DAY = pb.CivilRange(start=DateTime(year=2026, month=9, day=1), end=DateTime(year=2026, month=9, day=2))
BY_DAY = pb.CivilBuckets(unit=pb.CivilBuckets.UNIT_DAY)
WATCH = Source(device="Watch", app="App")
ID = "a" * 26


def summing(**changed: object) -> pb.AggregateSamplesRequest:
    """Return a good request with some fields changed."""
    fields = {"metric": "heart_rate", "civil": A_DAY, "calendar": BY_DAY}
    return pb.AggregateSamplesRequest(**{**fields, **changed})  # type: ignore[arg-type]


def physical(**length: int) -> pb.AggregateSamplesRequest:
    return summing(calendar=None, physical=pb.PhysicalBuckets(length=Duration(**length)))


def sized(size: int) -> pb.WriteSamplesRequest:
    """Return a request of exactly so many bytes."""
    request = pb.WriteSamplesRequest(samples=[Sample(metric="x" * (size - 64))])
    request.samples[0].metric += "x" * (size - request.ByteSize())
    assert request.ByteSize() == size
    return request


def broken(request: Message) -> set[str]:
    """Return the fields that the rules refuse."""
    try:
        JUDGES[type(request)](request)
    except InvalidInput as invalid:
        return set(invalid.violations)
    return set()


GOOD: list[Message] = [
    pb.WriteSamplesRequest(samples=[Sample()]),  # what a sample must be is not a rule of the request
    pb.WriteSamplesRequest(samples=[Sample()] * samples.WRITE_SAMPLES_MAX, request_id="a-Z_0.9"),
    sized(samples.WRITE_BYTES_MAX),
    pb.ListSamplesRequest(metric="m" * 64, source=WATCH, page_size=1 << 30, account_id="x" * 64),
    summing(),
    physical(seconds=1),
    physical(seconds=366 * 86_400),
    summing(functions=[1, 6], percentiles=[0.0, 100.0] * 10, page_size=0),
    pb.GetSummaryRequest(metrics=["x"] * 100),
    pb.ListSourcesRequest(metrics=["x"] * 100, page_size=7),
    pb.UpdateSourceRequest(source=WATCH),
    pb.UpdateSourceRequest(source=Source(device="d" * 128, app="a" * 128), kind=9, priority=1000),  # type: ignore[arg-type]
    pb.ListChangesRequest(metrics=["x"] * 100, page_size=20_000),
    pb.DeleteSamplesRequest(sample_ids=[ID] * 1000, validate_only=True, request_id="r"),
    pb.DeleteSamplesRequest(metrics=["x"] * 100),
    pb.DeleteSamplesRequest(source=WATCH, expected_count=0),
    pb.DeleteSamplesRequest(civil=A_DAY),
    pb.ListQuarantineRequest(page_size=1),
    pb.SetRetentionRequest(),
    pb.SetRetentionRequest(keep_days=30),
    pb.SetRetentionRequest(keep_days=36_500, validate_only=True),
]


@pytest.mark.parametrize("request_", GOOD, ids=range(len(GOOD)))
def test_what_is_allowed_to_the_last_unit_breaks_nothing(request_: Message) -> None:
    assert broken(request_) == set()


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        (pb.WriteSamplesRequest(), {"samples"}),
        (pb.WriteSamplesRequest(samples=[Sample()] * 1001), {"samples"}),
        (sized(samples.WRITE_BYTES_MAX + 1), {"samples"}),
        (pb.WriteSamplesRequest(samples=[Sample()], request_id="a b"), {"request_id"}),
        (pb.WriteSamplesRequest(samples=[Sample()], request_id="x" * 65), {"request_id"}),
        (pb.ListSamplesRequest(), {"metric"}),
        (pb.ListSamplesRequest(metric="m" * 65), {"metric"}),
        (pb.ListSamplesRequest(metric="m", source=Source()), {"source.device"}),
        (pb.ListSamplesRequest(metric="m", page_size=-1, account_id="x" * 65), {"page_size", "account_id"}),
        (summing(metric=""), {"metric"}),
        (summing(calendar=None), {"buckets"}),
        (summing(calendar=pb.CivilBuckets()), {"calendar.unit"}),
        (summing(calendar=pb.CivilBuckets(unit=4)), {"calendar.unit"}),  # type: ignore[arg-type]
        (physical(), {"physical.length"}),
        (physical(seconds=1, nanos=1), {"physical.length"}),
        (physical(seconds=-1), {"physical.length"}),
        (physical(seconds=366 * 86_400 + 1), {"physical.length"}),
        (physical(seconds=1 << 62), {"physical.length"}),
        (summing(functions=[1, 0]), {"functions[1]"}),
        (summing(functions=[8]), {"functions[0]"}),
        (summing(percentiles=[1.0] * 21), {"percentiles"}),
        (summing(percentiles=[50.0, -0.1]), {"percentiles[1]"}),
        (summing(percentiles=[100.1]), {"percentiles[0]"}),
        (summing(percentiles=[float("nan")]), {"percentiles[0]"}),
        (summing(percentiles=[float("inf")]), {"percentiles[0]"}),
        (summing(page_size=-1, account_id="x" * 65), {"page_size", "account_id"}),
        (pb.GetSummaryRequest(metrics=["x"] * 101), {"metrics"}),
        (pb.ListSourcesRequest(metrics=["x"] * 101, page_size=-1), {"metrics", "page_size"}),
        (pb.UpdateSourceRequest(), {"source"}),
        (pb.UpdateSourceRequest(source=Source(), priority=-1), {"source.device", "priority"}),
        (pb.UpdateSourceRequest(source=WATCH, priority=1001, kind=10), {"priority", "kind"}),  # type: ignore[arg-type]
        (pb.ListChangesRequest(metrics=["x"] * 101, page_size=-1), {"metrics", "page_size"}),
        (pb.DeleteSamplesRequest(), {"sample_ids"}),
        (pb.DeleteSamplesRequest(validate_only=True, request_id="r"), {"sample_ids"}),
        (pb.DeleteSamplesRequest(expected_count=3), {"sample_ids"}),
        (pb.DeleteSamplesRequest(sample_ids=[ID] * 1001), {"sample_ids"}),
        (pb.DeleteSamplesRequest(sample_ids=[ID, ""]), {"sample_ids[1]"}),
        (pb.DeleteSamplesRequest(sample_ids=["x" * 65]), {"sample_ids[0]"}),
        (pb.DeleteSamplesRequest(sample_ids=[ID], metrics=["x"]), {"metrics"}),
        (pb.DeleteSamplesRequest(sample_ids=[ID], source=WATCH), {"source"}),
        (pb.DeleteSamplesRequest(sample_ids=[ID], civil=A_DAY), {"range"}),
        (pb.DeleteSamplesRequest(sample_ids=[ID], expected_count=1), {"expected_count"}),
        (pb.DeleteSamplesRequest(metrics=["x"], expected_count=-1), {"expected_count"}),
        (pb.DeleteSamplesRequest(metrics=["x"], expected_count=1, validate_only=True), {"expected_count"}),
        (pb.DeleteSamplesRequest(metrics=["x"] * 101), {"metrics"}),
        (pb.DeleteSamplesRequest(source=Source(app="App")), {"source.device"}),
        (pb.ListQuarantineRequest(page_size=-1), {"page_size"}),
        (pb.SetRetentionRequest(keep_days=29), {"keep_days"}),
        (pb.SetRetentionRequest(keep_days=-1), {"keep_days"}),
        (pb.SetRetentionRequest(keep_days=36_501), {"keep_days"}),
    ],
)
def test_one_unit_more_breaks_its_own_field(request_: Message, fields: set[str]) -> None:
    assert broken(request_) == fields


def test_every_request_about_samples_has_its_rules() -> None:
    asked = [method.input_type.name for method in pb.DESCRIPTOR.services_by_name["HealthDataService"].methods]
    of_samples = set(asked[asked.index("WriteSamplesRequest") :]) - {"GetRetentionRequest"}  # nothing to be wrong
    assert {judged.DESCRIPTOR.name for judged in JUDGES} == of_samples


# ---- ranges ----------------------------------------------------------------------------------------------------------


def instants(start_s: int, end_s: int) -> pb.InstantRange:
    return pb.InstantRange(start=Timestamp(seconds=start_s), end=Timestamp(seconds=end_s))


def test_a_range_to_list_or_delete_may_be_of_any_length_and_runs_forward() -> None:
    centuries = pb.CivilRange(start=DateTime(year=1800, month=1, day=1), end=DateTime(year=2199, month=12, day=31))
    for asked in (pb.ListSamplesRequest, pb.DeleteSamplesRequest):
        assert wire.from_optional_range(asked(civil=centuries)) is not None
        assert wire.from_optional_range(asked()) is None
        with pytest.raises(InvalidInput) as refused:
            wire.from_optional_range(asked(instant=instants(7, 7)))
        assert set(refused.value.violations) == {"instant.end"}


def test_a_range_to_sum_up_is_required_and_at_most_ten_years() -> None:
    with pytest.raises(InvalidInput) as refused:
        wire_samples.from_query(summing(civil=None))
    assert set(refused.value.violations) == {"range"}
    with pytest.raises(InvalidInput) as refused:
        wire_samples.from_query(summing(civil=None, instant=instants(0, 3653 * 86_400 + 1)))
    assert set(refused.value.violations) == {"instant.end"}


def test_a_border_of_a_range_has_no_offset_of_its_own() -> None:
    later = DateTime(year=2026, month=9, day=2, utc_offset=Duration(seconds=3600))
    with pytest.raises(InvalidInput) as refused:
        wire.from_optional_range(pb.ListSamplesRequest(civil=pb.CivilRange(start=A_DAY.start, end=later)))
    assert set(refused.value.violations) == {"civil.end"}


# ---- request ids -----------------------------------------------------------------------------------------------------


def test_a_body_is_known_again_by_its_digest_and_any_other_by_another() -> None:
    def digest(value: float, request_id: str = "r") -> bytes:
        one = Sample(metric="heart_rate", quantity=Quantity(value=value))
        return wire_samples.body_digest(pb.WriteSamplesRequest(samples=[one], request_id=request_id))

    assert digest(61.0) == digest(61.0)
    assert digest(61.0) != digest(62.0)
    assert digest(61.0, "") == b""


# ---- what the contract says ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "stated"),
    [
        ("health_data_service.proto", f"1 to {samples.WRITE_SAMPLES_MAX:,}, of at most 3 MiB in all"),
        ("health_data_service.proto", f"these metrics only, at most {rules_samples.METRICS_MAX}"),
        ("health_data_service.proto", f"by id: at most {rules_samples.DELETE_IDS_MAX:,}"),
        ("health_data_service.proto", f"0 for none, or 1 to {samples.PRIORITY_MAX:,}"),
        ("health_data_service.proto", f"{retention.KEEP_DAYS_MIN} to {retention.KEEP_DAYS_MAX:,}"),
        ("health_data_service.proto", f"1 to {buckets.PERCENTILES_MAX} of 0 to {rules_samples.PERCENTILE_MAX:g}"),
        ("health_data_service.proto", f"Default {buckets.PAGE_BUCKETS} buckets, maximum {buckets.PAGE_BUCKETS_MAX:,}"),
        ("health_data_service.proto", f"Of a range at most\n  // {buckets.BUCKETS_MAX:,} buckets"),
        ("health_data_service.proto", f"Default {feed.CHANGES_PAGE:,}, maximum {feed.CHANGES_PAGE_MAX:,}"),
        ("health_data_service.proto", f"4;\n  }}\n  // Default {collect.LIST_PAGE}, maximum {collect.LIST_PAGE_MAX:,}"),
        (
            "health_data_service.proto",
            f"QuarantineRequest {{\n  // Default {collect.QUARANTINE_PAGE}, maximum {collect.QUARANTINE_PAGE_MAX:,}",
        ),
        (
            "health_data_service.proto",
            f"metrics = 1;\n  // Default {sources.SOURCES_PAGE}, maximum {sources.SOURCES_PAGE_MAX:,}",
        ),
        ("health_data_service.proto", f"at most {samples.QUARANTINE_MAX:,}"),
        ("health_data_service.proto", f"At most {rules.ACCOUNT_ID_CHARS_MAX} characters"),
        ("sample.proto", f"1 to {samples.CLIENT_RECORD_ID_CHARS_MAX} printable characters"),
        ("sample.proto", f"at most {samples.VENDOR_CODE_CHARS_MAX} characters"),
        ("sample.proto", f"1 to {samples.CODE_CHARS_MAX}, where the metric lists none"),
        ("sample.proto", f"1 to {samples.PRIORITY_MAX:,}: believed before"),
        ("sample.proto", f"at most {feed.PART_BYTES_MAX // 1024} KiB"),
    ],
)
def test_the_contract_states_the_limit_that_is_enforced(file: str, stated: str) -> None:
    assert stated in (PROTOS / file).read_text(encoding="utf-8")
