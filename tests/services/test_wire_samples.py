"""Samples, sums, sources and changes on their way through the wire: nothing is lost, assumed, or made of nothing."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.sample_pb2 import Bucket as BucketMessage
from clarity.v1.sample_pb2 import Change, ObservationTime, Sample
from clarity_server.domain import buckets, civil, metrics, samples
from clarity_server.domain.buckets import CodeDuration, Share
from clarity_server.domain.civil import OffsetChange, Start, StartKind, TimeKind, TimeRange
from clarity_server.domain.samples import Coded, Fault, Moment, Outcome, Reason, SourceSetting, Tombstone, Verdict
from clarity_server.domain.sent import Sent, SentQuantity, examine
from clarity_server.domain.series import Descriptor, Source
from clarity_server.flows.aggregate import AggregatePage
from clarity_server.flows.feed import (
    FeedPage,
    FinishedTold,
    PartDamaged,
    PartTold,
    SampleDamaged,
    SampleGone,
    SampleTold,
    Told,
)
from clarity_server.flows.remove import Removed
from clarity_server.flows.samples import Quarantined
from clarity_server.flows.sources import MetricKnown, SourceKnown, SourceMetric, Summary
from clarity_server.services import wire_samples
from tests.fuzz.messages import messages

NOON = {"year": 2026, "month": 3, "day": 29, "hours": 12}
NOON_MS = 1_774_785_600_000
WATCH = Source("Watch", "App")
SAMPLE = descriptor_pool.Default().FindMessageTypeByName("clarity.v1.Sample")
ID = "a" * 26
NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000


def sample(**changed: Any) -> Sample:  # noqa: ANN401  fields
    """Return a good sample with some fields changed; None takes one away."""
    fields: dict[str, Any] = {
        "metric": "heart_rate",
        "source": {"device": "Watch", "app": "App"},
        "client_record_id": "r-1",
        "client_record_version": 3,
        "start": {"civil": NOON},
        "quantity": {"value": 61.5, "ucum_unit": "/min"},
    }
    return Sample(**{**fields, **changed})


def sent(**changed: Any) -> Sent:  # noqa: ANN401  fields
    return wire_samples.from_samples([sample(**changed)])[0]


def start_of(**moment: Any) -> Moment | None:  # noqa: ANN401  fields
    found = sent(start=moment)
    assert found.time_fault == ""
    return found.start


# ---- times -----------------------------------------------------------------------------------------------------------


def test_an_offset_a_zone_neither_and_an_instant_are_four_kinds_of_knowledge() -> None:
    assert start_of(civil={**NOON, "utc_offset": {"seconds": 7200}}) == Moment(NOON_MS - 2 * HOUR_MS, NOON_MS)
    assert start_of(civil={**NOON, "time_zone": {"id": "Europe/Zurich"}}) == Moment(NOON_MS - 2 * HOUR_MS, NOON_MS)
    assert start_of(civil=NOON) == Moment(None, NOON_MS)
    assert start_of(instant={"seconds": 1, "nanos": 5_000_000}) == Moment(1005, None)


@pytest.mark.parametrize(
    ("zone", "hour", "minute", "offset_s"),
    [
        ("Europe/Zurich", 2, 30, 3600),  # skipped: the offset before
        ("Asia/Kathmandu", 2, 30, 20_700),
        ("Pacific/Apia", 2, 30, 46_800),
    ],
)
def test_a_zone_gives_the_offset_of_that_moment_and_the_earlier_of_two(
    zone: str, hour: int, minute: int, offset_s: int
) -> None:
    moment = start_of(civil={**NOON, "hours": hour, "minutes": minute, "time_zone": {"id": zone}})
    assert moment is not None
    assert moment.utc_offset_s == offset_s


def test_a_time_that_the_clock_repeats_is_the_first_of_the_two() -> None:
    lord_howe = {
        "year": 2026,
        "month": 4,
        "day": 5,
        "hours": 1,
        "minutes": 45,
        "time_zone": {"id": "Australia/Lord_Howe"},
    }
    moment = start_of(civil=lord_howe)
    assert moment is not None
    assert moment.utc_offset_s == 11 * 3600


def test_the_answer_of_a_zone_is_its_offset_which_may_have_seconds() -> None:
    """In 1850 the clocks of Brussels were 17 min 30 s ahead of Greenwich."""
    moment = start_of(civil={"year": 1850, "month": 1, "day": 1, "time_zone": {"id": "Europe/Brussels"}})
    assert moment is not None
    (listed,) = wire_samples.to_listed([(ID, stored(start=moment))], "").samples
    assert listed.start.civil.utc_offset.seconds == 1050
    assert start_of(civil=listed.start.civil) == moment


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ({"civil": {**NOON, "month": 2}}, "start.civil: is no time of the calendar"),  # the 29th, in 2026
        ({"civil": {"hours": 7}}, "start.civil: is no time of the calendar"),
        ({"civil": {**NOON, "hours": 24}}, "start.civil: is no time of the calendar"),
        ({"civil": {**NOON, "nanos": 1}}, "start.civil: is not whole milliseconds"),
        ({"civil": {**NOON, "year": 1799}}, "start.civil: has a year"),
        ({"civil": {**NOON, "utc_offset": {"seconds": 14 * 3600 + 1}}}, "start.civil.utc_offset: is not -14 h"),
        ({"civil": {**NOON, "utc_offset": {"nanos": 1}}}, "start.civil.utc_offset: is not whole seconds"),
        ({"civil": {**NOON, "time_zone": {"id": "Mars/Olympus"}}}, "start.civil.time_zone: is not an IANA zone"),
        (
            {"civil": {**NOON, "time_zone": {"id": "Europe/Zurich", "version": "2026a"}}},
            "start.civil.time_zone: is not",
        ),
        (
            {"civil": {"year": 1840, "month": 1, "day": 1, "time_zone": {"id": "Asia/Manila"}}},
            "start.civil.time_zone: was more than 14 h from UTC then",
        ),
        ({"instant": {"seconds": 1 << 60}}, "start.instant: has a year"),
        ({"instant": {"nanos": -1}}, "start.instant: is not whole milliseconds"),
        ({"instant": {"nanos": 1_500_000}}, "start.instant: is not whole milliseconds"),
    ],
)
def test_a_fault_of_a_time_is_told_with_its_field_and_fails_nothing_else(start: dict[str, Any], said: str) -> None:
    found = sent(start=start)
    assert found.time_fault.startswith(said)
    assert found.client_record_id == "r-1"
    assert examine(found, NOW_MS) == Fault(Reason.TIME_INVALID, found.time_fault)


def test_a_start_is_known_though_the_end_is_wrong() -> None:
    """So that deleting a range finds it in quarantine."""
    found = sent(end={"civil": {**NOON, "nanos": 1}})
    assert (found.start, found.end) == (Moment(None, NOON_MS), None)
    assert found.time_fault.startswith("end.civil: ")


def test_an_end_that_says_nothing_is_wrong_and_none_is_a_moment() -> None:
    assert sent(end={}).time_fault.startswith("end: ")
    assert sent().end is None
    assert sent().time_fault == ""
    assert sent(start={}).start is sent(start=None).start is None  # which is judged with the rest


# ---- values ----------------------------------------------------------------------------------------------------------


def test_zero_is_a_value_and_nothing_is_none() -> None:
    assert sent(quantity={"value": 0.0}).value == SentQuantity(0.0, "")
    assert sent(quantity={"ucum_unit": "/min"}).value == SentQuantity(None, "/min")
    assert sent(quantity=None).value is None


def test_codes_and_parts_are_taken_as_they_are() -> None:
    assert sent(category={"code": "deep", "vendor_code": "N3"}).value == Coded("deep", "N3")
    parts = [{"metric": "a", "quantity": {"value": 1.0, "ucum_unit": "mm[Hg]"}}, {"metric": "b"}]
    assert sent(correlation={"components": parts}).value == (
        ("a", SentQuantity(1.0, "mm[Hg]")),
        ("b", SentQuantity(None, "")),
    )
    assert sent(correlation={}).value == ()


def test_what_was_sent_is_kept_to_the_byte_with_fields_that_nobody_knows() -> None:
    data = sample().SerializeToString() + b"\xfa\x3f\x03new"
    (found,) = wire_samples.from_samples([Sample.FromString(data)])
    aside = Quarantined("q" * 26, Fault(Reason.OUT_OF_BOUNDS, "quantity.value: is not"), found.raw, 1.5)
    told = wire_samples.to_aside([aside], "next", 3)
    assert told.samples[0].sample.SerializeToString() == data
    assert int(told.samples[0].reason) == Reason.OUT_OF_BOUNDS
    assert (told.samples[0].quarantine_time.seconds, told.samples[0].quarantine_time.nanos) == (1, 500_000_000)
    assert (told.next_page_token, told.total_count) == ("next", 3)


@given(messages(SAMPLE, st.text(max_size=40)))
@settings(max_examples=300, deadline=None)
def test_whatever_a_sample_is_it_is_judged_and_never_raises(message: Message) -> None:
    assert isinstance(message, Sample)
    (found,) = wire_samples.from_samples([message])
    assert isinstance(examine(found, NOW_MS), samples.Sample | Fault)
    assert Sample.FromString(found.raw).SerializeToString() == found.raw


# ---- samples as they are stored --------------------------------------------------------------------------------------


def stored(**changed: Any) -> samples.Sample:  # noqa: ANN401  fields
    whole = samples.Sample("heart_rate", WATCH, "r-1", 3, Moment(None, NOON_MS), None, 61.5)
    return replace(whole, **changed)


def told_of(one: samples.Sample) -> Sample:
    (message,) = wire_samples.to_listed([(ID, one)], "").samples
    return message


@st.composite
def spans(draw: Any) -> tuple[Moment, Moment | None]:  # noqa: ANN401  hypothesis
    """A start, and an end of the same kind of time."""
    ms = draw(st.integers(wire_samples.CONTRACT_START_MS + civil.DAY_MS, NOW_MS))
    kind, offset_ms = draw(st.integers(0, 2)), 1000 * draw(st.integers(-14 * 3600, 14 * 3600))
    length = draw(st.none() | st.integers(1, civil.DAY_MS))

    def moment(at: int) -> Moment:
        return (Moment(None, at), Moment(at, None), Moment(at - offset_ms, at))[kind]

    return moment(ms), None if length is None else moment(ms + length)


VALUES = {
    "heart_rate": st.floats(20, 300),
    "step_count": st.sampled_from([0.0, 1.0, 300_000.0]),
    "sleep_stage": st.builds(Coded, st.sampled_from(["awake", "deep"]), st.text("abcü ", max_size=128)),
    "blood_pressure": st.just((("blood_pressure_diastolic", 80.0), ("blood_pressure_systolic", 120.5))),
}


@given(data=st.data(), metric=st.sampled_from(sorted(VALUES)), span=spans(), version=st.integers(0, 1 << 53))
def test_a_sample_that_was_told_can_be_sent_and_is_the_same(
    data: st.DataObject, metric: str, span: tuple[Moment, Moment | None], version: int
) -> None:
    """What a mirror lives by."""
    value = data.draw(VALUES[metric])
    one = stored(metric=metric, version=version, start=span[0], end=span[1], value=value)
    again = Sample.FromString(told_of(one).SerializeToString())
    assert again.sample_id == ID
    assert examine(wire_samples.from_samples([again])[0], NOW_MS + civil.DAY_MS) == one


def test_an_answer_has_the_metrics_own_unit_and_a_zero_is_there() -> None:
    told = told_of(stored(metric="step_count", value=0.0))
    assert told.quantity.HasField("value")
    assert told.quantity.ucum_unit == metrics.find("step_count").ucum_unit
    parts = told_of(stored(metric="blood_pressure", value=(("blood_pressure_systolic", 120.0),))).correlation.components
    assert [(part.metric, part.quantity.ucum_unit) for part in parts] == [("blood_pressure_systolic", "mm[Hg]")]


@pytest.mark.parametrize(
    ("moment", "fields"),
    [
        (Moment(None, NOON_MS), {"civil"}),
        (Moment(NOON_MS, None), {"instant"}),
        (Moment(NOON_MS, NOON_MS), {"civil", "utc_offset"}),  # an offset of 0 is one
    ],
)
def test_an_answer_says_of_a_time_what_is_known_and_no_more(moment: Moment, fields: set[str]) -> None:
    start = told_of(stored(start=moment)).start
    said = {field.name for field, _ in start.ListFields()}
    said |= {field.name for field, _ in start.civil.ListFields() if field.message_type is not None}
    assert said == fields
    assert not told_of(stored(start=moment)).HasField("end")


def test_one_that_is_damaged_is_named_beside_the_others() -> None:
    page = wire_samples.to_listed([("damaged", None), (ID, stored())], "next")
    assert [one.sample_id for one in page.samples] == [ID]
    assert list(page.damaged_sample_ids) == ["damaged"]


def test_verdicts_come_in_order_with_what_belongs_to_them_and_their_counts_sum_up() -> None:
    fault = Fault(Reason.UNIT_WRONG, "quantity.ucum_unit: does not measure")
    outcomes = [
        *(Outcome(ID, verdict) for verdict in (Verdict.STORED, Verdict.STORED, Verdict.REPLACED, Verdict.SUPERSEDED)),
        Outcome(ID, Verdict.DUPLICATE),
        Outcome(ID, Verdict.CONFLICT, b"s" * 32, b"t" * 32),
        Outcome("", Verdict.QUARANTINED, fault=fault),
    ]
    told = wire_samples.to_written(outcomes)
    assert [int(one.verdict) for one in told.results] == [outcome.verdict.value for outcome in outcomes]
    assert (told.results[5].stored_digest, told.results[5].sent_digest) == (b"s" * 32, b"t" * 32)
    assert (told.results[6].sample_id, told.results[6].reason, told.results[6].reason_text) == ("", 9, fault.text)
    counts = (
        told.stored_count,
        told.replaced_count,
        told.duplicate_count,
        told.superseded_count,
        told.conflict_count,
        told.quarantined_count,
    )
    assert counts == (2, 1, 1, 1, 1, 1)


# ---- sums ------------------------------------------------------------------------------------------------------------

EMPTY = buckets.Bucket(0, civil.DAY_MS, civil.DAY_MS, buckets.BucketState.UNSET, 0, 0, 1440)


def bucket_told(bucket: buckets.Bucket, kind: TimeKind = TimeKind.CIVIL) -> BucketMessage:
    page = AggregatePage([bucket], "next", "{counts}/min", [WATCH], "2026b", "{counts}")
    told = wire_samples.to_aggregate(page, kind)
    assert (told.next_page_token, told.ucum_unit, told.tzdata_version) == ("next", "{counts}/min", "2026b")
    assert told.sum_ucum_unit == "{counts}"
    assert [(source.device, source.app) for source in told.sources] == [("Watch", "App")]
    return told.buckets[0]


FIGURES = ("count", "sum", "mean", "min", "max")


def test_a_figure_that_is_zero_is_there_and_one_that_is_none_is_not() -> None:
    assert not any(bucket_told(EMPTY).HasField(figure) for figure in FIGURES)
    zeros = bucket_told(replace(EMPTY, count=0, sum=0.0, mean=0.0, min=0.0, max=0.0))
    assert all(zeros.HasField(figure) for figure in FIGURES)


def test_the_borders_of_a_bucket_are_of_one_kind_of_time() -> None:
    assert bucket_told(EMPTY).start == ObservationTime(civil={"year": 1970, "month": 1, "day": 1})
    assert bucket_told(EMPTY, TimeKind.INSTANT).end == ObservationTime(instant={"seconds": 86_400})
    skipped = bucket_told(replace(EMPTY, length_ms=0))
    assert skipped.HasField("length")
    assert skipped.length.ToMilliseconds() == 0


def test_a_bucket_tells_all_it_has_and_so_does_every_share() -> None:
    alone = replace(EMPTY, state=buckets.BucketState.VALUE, covered_minutes=2, not_worn_minutes=3, unset_minutes=5)
    whole = replace(
        alone,
        count=1 << 40,
        percentiles=((50.0, 61.0), (0.0, 0.0)),
        durations=(CodeDuration("deep", 90_500, 2),),
        shares=(Share(WATCH, 7, 8, alone),),
    )
    told = bucket_told(whole)
    assert (told.state, told.covered_minutes, told.not_worn_minutes, told.unset_minutes) == (1, 2, 3, 5)
    assert told.count == 1 << 40
    assert [(one.percentile, one.value) for one in told.percentiles] == [(50.0, 61.0), (0.0, 0.0)]
    assert [(one.code, one.duration.ToMilliseconds(), one.count) for one in told.durations] == [("deep", 90_500, 2)]
    (share,) = told.shares
    assert (share.source.device, share.chosen_minutes, share.passed_over_minutes) == ("Watch", 7, 8)
    assert share.alone.covered_minutes == 2


def test_a_question_for_sums_is_taken_whole() -> None:
    asked = pb.AggregateSamplesRequest(
        metric="heart_rate",
        source={"device": "Watch", "app": "App"},
        instant={"start": {"seconds": 0}, "end": {"seconds": 7200}},
        physical={"length": {"seconds": 60}},
        functions=["AGGREGATE_FUNCTION_SUM", "AGGREGATE_FUNCTION_PERCENTILES"],
        percentiles=[90.0, 10.0],
        show_sources=True,
    )
    query = wire_samples.from_query(asked)
    assert query.range == TimeRange(TimeKind.INSTANT, 0, 2 * HOUR_MS)
    assert (query.metric, query.source, query.length_ms, query.unit) == ("heart_rate", WATCH, 60_000, None)
    assert query.functions == {buckets.Function.SUM, buckets.Function.PERCENTILES}
    assert (query.percentiles, query.show_sources) == ((90.0, 10.0), True)
    asked.calendar.unit = pb.CivilBuckets.UNIT_WEEK
    assert (wire_samples.from_query(asked).length_ms, wire_samples.from_query(asked).unit) == (None, buckets.Unit.WEEK)


# ---- what there is ---------------------------------------------------------------------------------------------------


def test_a_summary_is_told_whole_to_its_owner_and_to_others_without_what_was_put_aside() -> None:
    known = MetricKnown("heart_rate", 1, 2, 3, Moment(5, 7), Moment(None, 9), 1.5, 4)
    gone = MetricKnown("step_count", 0, 2, 1, None, None, None, 0)
    summary = Summary((known, gone), 5, 6, 7)
    told = wire_samples.to_summary(summary, whole=True)
    assert (told.total_count, told.quarantined_count, told.change_number) == (5, 6, 7)
    assert wire_samples.to_summary(summary, whole=False).quarantined_count == 0
    first, second = told.metrics
    assert (first.sample_count, first.series_sample_count, first.source_count, first.day_count) == (1, 2, 3, 4)
    assert first.first_start.civil.nanos == 7_000_000
    assert first.last_write_time.nanos == 500_000_000
    assert not any(second.HasField(field) for field in ("first_start", "last_end", "last_write_time"))


def test_a_source_is_told_with_what_the_account_says_of_it_and_what_it_sent() -> None:
    setting = SourceSetting(WATCH, samples.DeviceKind.RING, 5)
    sent_by_it = SourceMetric("heart_rate", WATCH, 1, 2, 3, Moment(1000, None), None, 2.0, frozenset({1}))
    (told,) = wire_samples.to_sources([SourceKnown(setting, (sent_by_it,))], "next").sources
    assert (told.source.device, told.kind, told.priority) == ("Watch", 4, 5)
    (metric,) = told.metrics
    assert (metric.metric, metric.sample_count, metric.upload_count, metric.series_sample_count) == (
        "heart_rate",
        1,
        2,
        3,
    )
    assert metric.first_start.instant.seconds == 1
    asked = pb.UpdateSourceRequest(source=told.source, kind=told.kind, priority=told.priority)
    assert wire_samples.from_setting(asked) == setting
    assert wire_samples.to_setting(setting).source.kind == 4


# ---- changes ---------------------------------------------------------------------------------------------------------

DESCRIPTOR = Descriptor("heart_rate", WATCH, Start(StartKind.FLOATING, NOON_MS), None)
PART = PartTold("u", DESCRIPTOR, 7, b"12345678", np.array([0, 1500]), (OffsetChange(8, -3600, 1500),))
GONE = SampleGone(ID, "heart_rate", WATCH, 9)
ALWAYS = TimeRange(TimeKind.CIVIL, -civil.FAR_MS, civil.FAR_MS)


def test_every_kind_of_change_is_told_under_its_number() -> None:
    said: list[Any] = [
        SampleTold(ID, stored()),
        GONE,
        PART,
        replace(PART, first_sample=9, offsets_ms=None, offset_changes=()),
        FinishedTold("u", 9, b"d" * 32),
        Tombstone("heart_rate", WATCH, TimeRange(TimeKind.INSTANT, 1000, 2000), 4, 6),
        SampleDamaged(ID),
        PartDamaged("u", 7, 100),
        None,
    ]
    page = FeedPage([Told(number, what) for number, what in enumerate(said, start=1)], "next", True, 7)
    told = wire_samples.to_changes(page)
    assert (told.next_change_token, told.has_more, told.told_number) == ("next", True, 7)
    assert [change.number for change in told.changes] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    one, gone, part, regular, finished, deleted, spoilt, spoilt_part, replaced = told.changes
    assert one.sample == told_of(stored())
    assert gone.sample_deleted.client_record_version == 9
    assert (part.series_part.first_sample, part.series_part.values) == (7, b"12345678")
    assert list(part.series_part.offsets_ms) == [0, 1500]
    assert [(move.first_sample, move.utc_offset.seconds) for move in part.series_part.offset_changes] == [(8, -3600)]
    assert part.series_part.series == regular.series_part.series
    assert part.series_part.series.metric == "heart_rate"
    assert (finished.series_finished.total_samples, finished.series_finished.sha256) == (9, b"d" * 32)
    assert (deleted.series_deleted.start.instant.seconds, deleted.series_deleted.revision) == (1, 4)
    assert (spoilt.damaged.sample_id, spoilt.damaged.upload_id) == (ID, "")
    assert (spoilt_part.damaged.upload_id, spoilt_part.damaged.first_sample) == ("u", 7)
    assert spoilt_part.damaged.sample_count == 100
    assert replaced.WhichOneof("change") == "replaced"


@pytest.mark.parametrize("kind", TimeKind)
def test_all_time_is_told_as_far_as_the_contract_goes_and_can_be_asked_for(kind: TimeKind) -> None:
    tombstone = Tombstone("heart_rate", WATCH, replace(ALWAYS, kind=kind), 1, 1)
    (change,) = wire_samples.to_changes(FeedPage([Told(1, tombstone)], "", False, 1)).changes
    told = Change.FromString(change.SerializeToString()).series_deleted
    if kind is TimeKind.CIVIL:
        asked = pb.DeleteSamplesRequest(civil={"start": told.start.civil, "end": told.end.civil})
    else:
        asked = pb.DeleteSamplesRequest(instant={"start": told.start.instant, "end": told.end.instant})
    span = TimeRange(kind, wire_samples.CONTRACT_START_MS, wire_samples.CONTRACT_END_MS)
    assert wire_samples.from_wanted(asked).range == span


# ---- deleting --------------------------------------------------------------------------------------------------------


def test_what_is_to_be_deleted_is_taken_whole_and_nothing_named_is_everything() -> None:
    by_id = wire_samples.from_wanted(pb.DeleteSamplesRequest(sample_ids=["b", "a", "b"]))
    assert by_id == samples.Wanted(sample_ids=frozenset({"a", "b"}))
    of_source = pb.DeleteSamplesRequest(source={"device": "Watch", "app": "App"})
    assert wire_samples.from_wanted(of_source) == samples.Wanted(source=WATCH)
    assert wire_samples.from_wanted(pb.DeleteSamplesRequest(metrics=["m"])).metrics == frozenset({"m"})
    assert wire_samples.from_expected(of_source) is None
    of_source.expected_count = 0
    assert wire_samples.from_expected(of_source) == 0


def test_what_was_deleted_sums_up() -> None:
    told = wire_samples.to_removed(Removed(samples=1, series_samples=20, quarantined=300, days=4))
    counts = (told.sample_count, told.series_sample_count, told.quarantined_count, told.total_count, told.day_count)
    assert counts == (1, 20, 300, 321, 4)
