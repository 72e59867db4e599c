"""What every RPC about samples is asked."""

from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.datetime_pb2 import DateTime, TimeZone

from clarity.v1.health_data_service_pb2 import (
    AggregateSamplesRequest,
    CivilBuckets,
    CivilRange,
    DeleteSamplesRequest,
    GetRetentionRequest,
    GetSummaryRequest,
    ListChangesRequest,
    ListQuarantineRequest,
    ListSamplesRequest,
    ListSourcesRequest,
    SetRetentionRequest,
    UpdateSourceRequest,
    WriteSamplesRequest,
)
from clarity.v1.sample_pb2 import (
    AGGREGATE_FUNCTION_MEAN,
    AGGREGATE_FUNCTION_PERCENTILES,
    AGGREGATE_FUNCTION_SUM,
    DEVICE_KIND_RING,
    Category,
    Component,
    Correlation,
    ObservationTime,
    Quantity,
    Sample,
)
from clarity.v1.series_pb2 import Source
from tests.edge.asking import Case, Cast, own, public, read
from tests.edge.people import HEART_RATE, People, Person

STEPS = "step_count"
RING, WATCH = Source(device="ring", app="Oura"), Source(device="watch")
NIGHT = DateTime(year=2024, month=3, day=31, hours=1, minutes=30)  # of a clock change in Europe
HIGHEST_VERSION = 1 << 53  # JavaScript's own numbers end here


def pulse(client_record_id: str, value: float, version: int = 0, source: Source = RING) -> Sample:
    """A pulse at an instant and a civil time."""
    start = DateTime()
    start.CopyFrom(NIGHT)
    start.utc_offset.CopyFrom(Duration(seconds=3600))
    return Sample(
        metric=HEART_RATE,
        source=source,
        client_record_id=client_record_id,
        client_record_version=version,
        start=ObservationTime(civil=start),
        quantity=Quantity(value=value, ucum_unit="/min"),
    )


def steps(client_record_id: str, value: float, minute: int) -> Sample:
    """Steps of a minute, by a clock that nobody knows the offset of."""
    times = [
        ObservationTime(civil=DateTime(year=2024, month=3, day=31, hours=8, minutes=at)) for at in (minute, minute + 1)
    ]
    return Sample(
        metric=STEPS,
        source=WATCH,
        client_record_id=client_record_id,
        start=times[0],
        end=times[1],
        quantity=Quantity(value=value, ucum_unit="{steps}"),
    )


def stage() -> Sample:
    """Deep sleep across the skipped hour, in a zone."""
    times = [
        DateTime(year=2024, month=3, day=31, hours=hours, time_zone=TimeZone(id="Europe/Zurich")) for hours in (1, 4)
    ]
    return Sample(
        metric="sleep_stage",
        source=RING,
        client_record_id="night",
        start=ObservationTime(civil=times[0]),
        end=ObservationTime(civil=times[1]),
        category=Category(code="deep", vendor_code="N3 – tief"),
    )


def pressure() -> Sample:
    """A blood pressure at an instant of unknown offset, to the millisecond."""
    values = {"blood_pressure_systolic": 120.5, "blood_pressure_diastolic": 80.0}
    parts = [
        Component(metric=metric, quantity=Quantity(value=value, ucum_unit="mm[Hg]")) for metric, value in values.items()
    ]
    return Sample(
        metric="blood_pressure",
        source=Source(device="cuff"),
        client_record_id="morning",
        start=ObservationTime(instant=Timestamp(seconds=1_711_872_000, nanos=7_000_000)),
        correlation=Correlation(components=parts),
    )


def mixed() -> WriteSamplesRequest:
    """Samples of every shape, and every verdict there is."""
    unset = pulse("unset", 0.0)
    unset.quantity.ClearField("value")
    return WriteSamplesRequest(
        samples=[
            pulse("p", 61.5, 1),
            pulse("p", 61.5, 1),  # a duplicate
            pulse("p", 61.0, 1),  # a conflict
            pulse("p", 61.0, HIGHEST_VERSION),
            pulse("p", 61.0, 2),  # superseded
            pulse("nan", float("nan")),
            pulse("infinite", float("inf")),
            pulse("zero", 0.0),  # out of bounds: there, and no pulse
            unset,
            steps("zero", 0.0, 0),
            stage(),
            pressure(),
            Sample(),
        ],
        request_id="mixed",
    )


def prepare_samples(people: People, reader: Person) -> None:
    """Give the reader samples of two sources, some of them put aside, and one that is deleted."""
    passed_over = [pulse("w", 90.0, source=WATCH)]
    samples = [*mixed().samples, steps("some", 40.0, 1), steps("gone", 2.0, 2), *passed_over]
    told = people.data.WriteSamples(WriteSamplesRequest(samples=samples), metadata=reader.metadata)
    assert (told.stored_count, told.quarantined_count) == (7, 5), told
    (gone,) = (
        one.sample_id for one, sent in zip(told.results, samples, strict=True) if sent.client_record_id == "gone"
    )
    people.data.DeleteSamples(DeleteSamplesRequest(sample_ids=[gone]), metadata=reader.metadata)


def month() -> CivilRange:
    return CivilRange(start=DateTime(year=2024, month=3, day=30), end=DateTime(year=2024, month=4, day=2))


def summing(function: int) -> Message:
    return AggregateSamplesRequest(
        metric=HEART_RATE,
        civil=month(),
        calendar=CivilBuckets(unit=CivilBuckets.UNIT_DAY),
        functions=[function, AGGREGATE_FUNCTION_PERCENTILES],  # type: ignore[list-item]
        percentiles=[0.0, 97.5],
        show_sources=True,
        page_size=2,
    )


def update_source(cast: Cast) -> Message:
    cast.people.data.WriteSamples(WriteSamplesRequest(samples=[pulse("u", 60.0)]), metadata=cast.own.metadata)
    return UpdateSourceRequest(source=RING, kind=DEVICE_KIND_RING, priority=1000)


def delete_samples(cast: Cast) -> Message:
    written = [steps("deleted", 1.0, 30), steps("deleted, too", 1e9, 31)]
    cast.people.data.WriteSamples(WriteSamplesRequest(samples=written), metadata=cast.own.metadata)
    span = CivilRange(start=written[0].start.civil, end=written[1].end.civil)
    return DeleteSamplesRequest(metrics=[STEPS, HEART_RATE], source=WATCH, civil=span, expected_count=2)


SAMPLE_CASES: Mapping[str, Case] = {
    "clarity.v1.HealthDataService/WriteSamples": Case(
        own(lambda _: mixed()), own(lambda _: WriteSamplesRequest(request_id="a b")), "REQUEST_INVALID"
    ),
    "clarity.v1.HealthDataService/ListSamples": Case(
        read(ListSamplesRequest(metric=STEPS, source=WATCH, civil=month(), page_size=1)),
        read(ListSamplesRequest(metric=STEPS, page_token="nonsense")),
        "PAGE_TOKEN_INVALID",
    ),
    "clarity.v1.HealthDataService/AggregateSamples": Case(
        read(summing(AGGREGATE_FUNCTION_MEAN)), read(summing(AGGREGATE_FUNCTION_SUM)), "AGGREGATE_INAPPLICABLE"
    ),
    "clarity.v1.HealthDataService/GetSummary": Case(
        read(GetSummaryRequest(metrics=[HEART_RATE, "blood_pressure", STEPS])),
        read(GetSummaryRequest(metrics=[HEART_RATE, "steps_of_a_cat"])),
        "METRIC_UNKNOWN",
    ),
    "clarity.v1.HealthDataService/ListSources": Case(
        read(ListSourcesRequest(metrics=[HEART_RATE, STEPS], page_size=1)),
        read(ListSourcesRequest(page_size=-1)),
        "REQUEST_INVALID",
    ),
    "clarity.v1.HealthDataService/UpdateSource": Case(
        own(update_source), own(lambda _: UpdateSourceRequest(source=Source(device="nobody's"))), "SOURCE_NOT_FOUND"
    ),
    "clarity.v1.HealthDataService/ListChanges": Case(
        read(ListChangesRequest(page_size=10)),
        read(ListChangesRequest(change_token="nonsense")),
        "RESUME_TOKEN_INVALID",
    ),
    "clarity.v1.HealthDataService/DeleteSamples": Case(
        own(delete_samples), own(lambda _: DeleteSamplesRequest(sample_ids=["a" * 26])), "SAMPLE_NOT_FOUND"
    ),
    "clarity.v1.HealthDataService/ListQuarantine": Case(
        read(ListQuarantineRequest(page_size=3)), read(ListQuarantineRequest(page_size=-1)), "REQUEST_INVALID"
    ),
    "clarity.v1.HealthDataService/GetRetention": Case(
        read(GetRetentionRequest()), public(lambda _: GetRetentionRequest()), "TOKEN_MISSING"
    ),
    "clarity.v1.HealthDataService/SetRetention": Case(
        own(lambda _: SetRetentionRequest(keep_days=36_500)),
        own(lambda _: SetRetentionRequest(keep_days=29)),
        "REQUEST_INVALID",
    ),
}
