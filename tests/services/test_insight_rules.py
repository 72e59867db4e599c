"""InsightService's documented limits, kept to the unit, and stated in the protos as they are enforced."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from google.type.date_pb2 import Date

from clarity.v1 import insight_service_pb2 as pb
from clarity.v1.analysis_pb2 import AnalysisParameters
from clarity.v1.health_data_service_pb2 import ListDaysRequest, ListMetricsRequest
from clarity.v1.series_pb2 import Source
from clarity_server.domain import analysis, metrics
from clarity_server.domain.errors import InvalidInput
from clarity_server.flows import explain, list_days, list_models, weeks
from clarity_server.services import rules, watch, wire

PROTOS = Path(__file__).parents[2] / "protos" / "clarity" / "v1"
A_DATE = Date(year=2026, month=9, day=1)
PAGES: tuple[tuple[type[Any], dict[str, str], str, int, int], ...] = (
    (ListMetricsRequest, {}, "health_data_service", list_days.METRICS_PAGE, list_days.METRICS_PAGE_MAX),
    (ListDaysRequest, {}, "health_data_service", list_days.DAYS_PAGE, list_days.DAYS_PAGE_MAX),
    (pb.ListAnalysesRequest, {}, "insight_service", weeks.PAGE, weeks.PAGE_MAX),
    (pb.ListModelsRequest, {}, "insight_service", list_models.MODELS_PAGE, list_models.MODELS_PAGE_MAX),
    (pb.ListFactsRequest, {"analysis_id": "a"}, "insight_service", explain.FACTS_PAGE, explain.FACTS_PAGE_MAX),
    (pb.ListInsightsRequest, {}, "insight_service", explain.INSIGHTS_PAGE, explain.INSIGHTS_PAGE_MAX),
)


def broken(rule: Callable[[Any], object], request: Message) -> set[str]:
    """Return the fields that a rule, or a translation, refuses."""
    try:
        rule(request)
    except InvalidInput as invalid:
        return set(invalid.violations)
    return set()


def method_of(parameters: AnalysisParameters) -> object:
    return weeks.method(parameters.wear, parameters.sleep, rescoring=parameters.rescoring)


def start(**changed: object) -> pb.StartAnalysisRequest:
    """Return a good request with some fields changed."""
    fields: dict[str, Any] = {"start_date": A_DATE, **changed}
    return pb.StartAnalysisRequest(**fields)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"metric": "m" * 64},
        {"source": Source(device="d" * 128, app="a" * 128)},
        {"request_id": "x" * 64},
        {"parameters": AnalysisParameters(wear="none", sleep="cole_kripke", rescoring=True)},
    ],
)
def test_what_is_allowed_to_the_last_unit_breaks_nothing(changed: dict[str, object]) -> None:
    assert broken(rules.start_analysis, start(**changed)) == set()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"metric": "m" * 65}, "metric"),
        ({"source": Source()}, "source.device"),
        ({"source": Source(device="d" * 129)}, "source.device"),
        ({"source": Source(device="d\n")}, "source.device"),
        ({"source": Source(device="d", app="a" * 129)}, "source.app"),
        ({"start_date": None}, "start_date"),
        ({"request_id": "x" * 65}, "request_id"),
        ({"request_id": "no blanks"}, "request_id"),
    ],
)
def test_one_unit_more_breaks_its_own_field(changed: dict[str, object], field: str) -> None:
    assert broken(rules.start_analysis, start(**changed)) == {field}


@pytest.mark.parametrize("parts", [(0, 0, 0), (2026, 0, 0), (2026, 2, 29), (-1, 1, 1)])
def test_a_date_that_is_none_is_refused(parts: tuple[int, int, int]) -> None:
    year, month, day = parts
    with pytest.raises(InvalidInput) as refused:
        wire.from_date(Date(year=year, month=month, day=day), "start_date")
    assert set(refused.value.violations) == {"start_date"}


@pytest.mark.parametrize(
    ("wear", "sleep", "fields"),
    [
        ("coin", "", {"parameters.wear"}),
        ("", "sheep", {"parameters.sleep"}),
        ("CHOI", "Oakley", {"parameters.wear", "parameters.sleep"}),
    ],
)
def test_a_parameter_there_is_not_is_refused(wear: str, sleep: str, fields: set[str]) -> None:
    assert broken(method_of, AnalysisParameters(wear=wear, sleep=sleep)) == fields


def test_parameters_left_unset_are_the_defaults() -> None:
    """As stated: `choi`, `oakley`, no rescoring."""
    unset = method_of(AnalysisParameters())
    assert unset == method_of(AnalysisParameters(wear="choi", sleep="oakley", rescoring=False))
    assert unset != method_of(AnalysisParameters(rescoring=True))
    assert {"`choi` (default)", "`oakley` (default)"} <= set(re.findall(r"`\w+` \(default\)", text_of("analysis")))


@pytest.mark.parametrize("name", ["choi", "troiano", "none"])
def test_the_contract_names_every_wear_detector(name: str) -> None:
    assert broken(method_of, AnalysisParameters(wear=name)) == set()
    assert f"`{name}`" in text_of("analysis")


def test_what_is_asked_for_by_its_id_needs_one() -> None:
    assert broken(rules.analysis_named, pb.GetAnalysisRequest()) == {"analysis_id"}
    assert broken(rules.page, pb.ListFactsRequest()) == {"analysis_id"}
    assert broken(rules.insight_named, pb.GetInsightRequest()) == {"insight_id"}
    assert broken(rules.generate_insight, pb.GenerateInsightRequest()) == set()  # the newest week


def test_a_kind_of_insight_that_is_none_is_refused() -> None:
    assert broken(rules.generate_insight, pb.GenerateInsightRequest(kind=7, request_id="ü")) == {  # type: ignore[arg-type]
        "kind",
        "request_id",
    }


@pytest.mark.parametrize(("kind", "required", "file", "default", "maximum"), PAGES)
def test_a_page_has_a_default_and_a_maximum_as_stated(
    kind: type[Any], required: dict[str, str], file: str, default: int, maximum: int
) -> None:
    assert broken(rules.page, kind(page_size=-1, **required)) == {"page_size"}
    for size in (0, 1, 2**31 - 1):
        assert broken(rules.page, kind(page_size=size, **required)) == set()
    comment = f"Default {default}, maximum {maximum:,}; more is taken as the maximum, a negative number is refused."
    assert comment in message_of(file, kind.DESCRIPTOR.name)


@pytest.mark.parametrize(
    ("file", "stated"),
    [
        ("insight_service", f"repeated every {watch.HEARTBEAT_S:g} s as a heartbeat"),
        ("insight_service", f"1 to {rules.REQUEST_ID_CHARS_MAX} characters of"),
        ("insight_service", f"Optional; default {metrics.ACTIVITY_COUNTS}."),
        ("health_data_service", f"of days and windows together at most {wire.APPEND_RESULTS_MAX}"),
        ("analysis", f"Always {analysis.WINDOW_MINUTES:,}."),
        ("analysis", f"those worn for {analysis.WORN_DAY_MINUTES // 60} hours or more"),
    ],
)
def test_the_contract_states_what_is_enforced(file: str, stated: str) -> None:
    assert stated in text_of(file)


def text_of(file: str) -> str:
    return (PROTOS / f"{file}.proto").read_text(encoding="utf-8")


def message_of(file: str, name: str) -> str:
    """Return the text of one message."""
    return text_of(file).partition(f"message {name} {{")[2].partition("\n}")[0]
