"""Days, analyses, facts, insights and models as the contract shows them: nothing left out, nothing added."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from enum import Enum

import pytest
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from google.type.date_pb2 import Date
from google.type.datetime_pb2 import DateTime

from clarity.v1 import analysis_pb2, day_pb2, insight_pb2, model_pb2
from clarity.v1.health_data_service_pb2 import AppendSeriesResponse, StreamSeriesResponse
from clarity.v1.series_pb2 import UploadProgress
from clarity_server.domain import models
from clarity_server.domain.analysis import Analysed, State
from clarity_server.domain.civil import TimeKind, TimeRange
from clarity_server.domain.days import Day
from clarity_server.domain.insight import Kind
from clarity_server.domain.measures import Unavailable
from clarity_server.services import wire, wire_insight
from tests.services.samples import (
    ABSTENTION,
    ANALYSIS,
    FACT,
    INSIGHT,
    MANIFEST,
    MEASURE,
    MINUTES,
    NIGHT,
    NO_MEASURE,
    NO_NIGHT,
    READING,
    START_MS,
    WRIST,
)

PACKAGE = "clarity.v1"
DAY = Day(
    date=date(2024, 3, 4),
    metric="activity_counts_1min",
    source=WRIST,
    length_minutes=1440,
    recorded_minutes=1400,
    worn_minutes=1300,
    measures=(MEASURE, NO_MEASURE),
    asleep=((1, 400),),
    not_worn=((1000, 1100),),
    conflict_minutes=2,
    closed=True,
    tzdata_version="2026b",
    night=NIGHT,
    result=3,
)


def unset(message: Message, within: str = "") -> Iterable[str]:
    """The fields of a message and of those in it that are left at their zero, but for the other arms of a oneof."""
    for field in message.DESCRIPTOR.fields:
        name = f"{within}{field.name}"
        oneof = field.containing_oneof
        if oneof is not None and message.WhichOneof(oneof.name) not in {None, field.name}:
            continue
        value = getattr(message, field.name)
        if not (message.HasField(field.name) if field.has_presence else value):
            yield name
        elif (kind := field.message_type) and kind.file.package == PACKAGE and not kind.GetOptions().map_entry:
            for one in value if field.is_repeated else (value,):
                yield from unset(one, f"{name}.")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Unavailable, day_pb2.UnavailableReason.DESCRIPTOR),
        (State, analysis_pb2.AnalysisState.DESCRIPTOR),
        (Kind, insight_pb2.InsightKind.DESCRIPTOR),
        (models.Kind, model_pb2.ModelKind.DESCRIPTOR),
    ],
)
def test_an_enum_and_the_contracts_have_the_same_names(ours: type[Enum], theirs: EnumDescriptor) -> None:
    prefix, _, _ = theirs.values_by_number[0].name.partition("UNSPECIFIED")
    assert {prefix + one.name for one in ours} == set(theirs.values_by_name) - {f"{prefix}UNSPECIFIED"}


# ---- days ------------------------------------------------------------------------------------------------------------


def test_a_day_is_shown_whole() -> None:
    message = wire.to_day(DAY)
    assert set(unset(message)) == set()
    assert [one.WhichOneof("outcome") for one in message.measures] == ["value", "unavailable"]
    assert message.measures[1].unavailable == day_pb2.UNAVAILABLE_REASON_UNDEFINED


def test_a_day_of_before_there_were_nights_has_none() -> None:
    assert set(unset(wire.to_day(replace(DAY, night=None)))) == {"night"}


def test_a_nights_times_are_those_of_the_persons_clock() -> None:
    sleep = wire.to_night(NIGHT).sleep
    assert (sleep.start_minute, sleep.onset_minute) == (-60, -45)
    assert sleep.start_time == DateTime(year=2024, month=3, day=3, hours=23)
    assert sleep.final_awakening_time == DateTime(year=2024, month=3, day=4, hours=6, minutes=40)


def test_a_night_without_sleep_says_why() -> None:
    message = wire.to_night(NO_NIGHT)
    assert (message.date, message.coverage_ratio) == (Date(year=2024, month=3, day=5), 1.0)
    assert message.WhichOneof("outcome") == "unavailable"
    assert message.unavailable == day_pb2.UNAVAILABLE_REASON_NO_SLEEP


# ---- analyses --------------------------------------------------------------------------------------------------------


def test_an_analysis_is_shown_whole() -> None:
    message = wire_insight.to_analysis(ANALYSIS)
    assert set(unset(message)) == {"hourly_means.hour"}  # 0 is one, too: midnight
    assert message.state == analysis_pb2.ANALYSIS_STATE_SUCCEEDED
    assert message.window.start_date == Date(year=2024, month=3, day=4)
    assert message.window.start_time == DateTime(year=2024, month=3, day=4, hours=1)  # the clock skipped midnight
    assert (message.window.recorded_minutes, message.window.worn_minutes, message.window.worn_days) == (10_000, 9000, 6)
    assert [(one.hour, one.mean) for one in message.hourly_means] == [(0, 1.5), (23, 2.5)]
    assert list(message.pat.output.embedding) == [0.5, -0.25]
    assert list(message.pat.output.attention) == [0.125, 0.875]


@pytest.mark.parametrize("state", State)
def test_an_analysis_that_is_not_done_has_a_window_and_no_numbers(state: State) -> None:
    waiting = replace(ANALYSIS, state=state, measures=(), nights=(), hourly_means=(), pat=None)
    message = wire_insight.to_analysis(waiting)
    assert set(unset(message)) == {"measures", "nights", "hourly_means", "pat"}
    assert analysis_pb2.AnalysisState.Name(message.state) == f"ANALYSIS_STATE_{state.name}"


@pytest.mark.parametrize(("spelled", "rescoring"), [("true", True), ("false", False)])
def test_the_parameters_are_shown_as_they_may_be_asked_for(spelled: str, rescoring: bool) -> None:
    parameters = {"wear": "troiano", "sleep": "sadeh", "rescoring": spelled}
    message = wire_insight.to_analysis(replace(ANALYSIS, parameters=parameters)).parameters
    assert message == analysis_pb2.AnalysisParameters(wear="troiano", sleep="sadeh", rescoring=rescoring)


def test_a_model_that_abstains_says_what_it_found_and_would_have_needed() -> None:
    message = wire_insight.to_analysis(replace(ANALYSIS, pat=replace(READING, outcome=ABSTENTION))).pat
    assert message.WhichOneof("outcome") == "unavailable"
    assert message.unavailable == analysis_pb2.Abstention(
        reason="UNAVAILABLE_REASON_GAP", what="longest_gap", found=61.0, needed=60.0, ucum_unit="min"
    )


# ---- results of an upload --------------------------------------------------------------------------------------------


def test_a_result_is_a_day_or_a_window_and_keeps_its_number() -> None:
    day, window = (wire_insight.to_result(one) for one in (DAY, Analysed(4, ANALYSIS)))
    assert (day.WhichOneof("message"), day.day.result) == ("day", 3)
    assert (window.WhichOneof("message"), window.window.result) == ("window", 4)
    days, windows = wire_insight.to_results([DAY, Analysed(4, ANALYSIS), replace(DAY, result=5)])
    assert [one.result for one in days] == [3, 5]
    assert [one.result for one in windows] == [4]
    assert windows[0].analysis == window.window.analysis


def test_an_append_answers_with_the_first_hundred_days_and_windows_together() -> None:
    """In the order of their numbers, so that GetUpload goes on where it ended."""
    answer = AppendSeriesResponse()
    for number in range(1, 121):
        result = Analysed(number, ANALYSIS) if number % 3 == 0 else replace(DAY, result=number)
        wire.add_to_append(answer, wire_insight.to_result(result))
    wire.add_to_append(answer, StreamSeriesResponse(progress=UploadProgress(committed_samples=7)))
    assert sorted([day.result for day in answer.days] + [one.result for one in answer.windows]) == list(range(1, 101))
    assert answer.progress.committed_samples == 7


# ---- facts and insights ----------------------------------------------------------------------------------------------


def test_a_fact_is_shown_whole() -> None:
    assert set(unset(wire_insight.to_fact(FACT, "an account"))) == set()
    assert wire_insight.to_fact(FACT).minutes.account_id == ""  # one's own


def test_a_fact_that_is_not_there_says_why_and_one_of_a_week_has_no_date() -> None:
    message = wire_insight.to_fact(replace(FACT, outcome=Unavailable.NOT_WORN, day=None))
    assert message.unavailable == day_pb2.UNAVAILABLE_REASON_NOT_WORN
    assert not message.HasField("date")


@pytest.mark.parametrize(("floating", "kind"), [(True, TimeKind.CIVIL), (False, TimeKind.INSTANT)])
def test_a_facts_minutes_are_a_range_that_read_series_takes(floating: bool, kind: TimeKind) -> None:
    message = wire_insight.to_fact(replace(FACT, minutes=replace(MINUTES, floating=floating))).minutes
    assert wire.from_range(message) == TimeRange(kind, START_MS, START_MS + 10_080 * 60_000)
    assert wire.from_wanted_source(message) == WRIST
    assert message.metric == "activity_counts_1min"


def test_a_zero_is_a_value() -> None:
    assert wire_insight.to_fact(replace(FACT, outcome=0.0)).WhichOneof("outcome") == "value"
    assert wire.to_measure(replace(MEASURE, outcome=0.0)).WhichOneof("outcome") == "value"


def test_an_insight_is_shown_whole() -> None:
    message = wire_insight.to_insight(INSIGHT, "an account")
    assert set(unset(message)) == set()
    assert message.create_time.ToDatetime() == datetime(2026, 11, 22, 12, 0, 0, 250_000)
    [citation] = message.sentences[0].citations
    assert message.sentences[0].text[citation.start : citation.end] == message.facts[0].text
    assert message.kind == insight_pb2.INSIGHT_KIND_BRIEF


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (insight_pb2.INSIGHT_KIND_UNSPECIFIED, Kind.SUMMARY),
        (insight_pb2.INSIGHT_KIND_SUMMARY, Kind.SUMMARY),
        (insight_pb2.INSIGHT_KIND_BRIEF, Kind.BRIEF),
    ],
)
def test_an_unset_kind_is_a_summary(asked: insight_pb2.InsightKind, meant: Kind) -> None:
    assert wire_insight.from_kind(asked) is meant


# ---- models ----------------------------------------------------------------------------------------------------------


def test_a_model_is_shown_whole() -> None:
    message = wire_insight.to_model(MANIFEST, serving=True)
    assert set(unset(message)) == set()
    assert message.install_time.ToJsonString() == MANIFEST.installed_time
    assert message.kind == model_pb2.MODEL_KIND_PRETRAINED


def test_a_time_of_installation_that_nobody_can_read_is_left_out() -> None:
    message = wire_insight.to_model(replace(MANIFEST, installed_time="last week"), serving=False)
    assert set(unset(message)) == {"install_time", "serving"}
