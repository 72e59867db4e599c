"""The catalogue is whole: every row parses, every quantity has a unit, and a misspelt name finds its neighbour."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clarity_server.domain import metrics
from clarity_server.domain.catalogue_check import faults
from clarity_server.domain.errors import MetricNotStreamable, MetricUnknown
from clarity_server.domain.metrics import ACTIVITY_COUNTS, Dimension, Kind, catalogue

ROWS = {row["name"]: row for row in metrics.rows(metrics.table())}
MEASURED = [metric for metric in catalogue().values() if metric.kind in {Kind.QUANTITY, Kind.SERIES}]
UNITS = sorted({metric.ucum_unit for metric in MEASURED} | {"g", "[lb_av]", "mmol/L", "[degF]", "/s", "h", "km", "kJ"})


def changed(name: str, /, **cells: str) -> str:
    """The table with some cells of one row changed; None of them is what it was."""
    assert all(ROWS[name][column] != cell for column, cell in cells.items())
    table = {**ROWS, name: ROWS[name] | cells}
    return "\n".join("\t".join(row) for row in ([*ROWS[name]], *(row.values() for row in table.values())))


def test_every_row_of_the_table_is_a_metric_of_its_own() -> None:
    table = metrics.rows(metrics.table())
    assert len(table) == len(catalogue()) > 50
    assert all(None not in row and None not in row.values() for row in table)  # as many cells as columns


# ---- what stops the build --------------------------------------------------------------------------------------------


def test_the_catalogue_does_not_contradict_itself() -> None:
    assert faults(metrics.table()) == []


def test_the_build_asks_whether_it_does() -> None:
    makefile = Path(__file__).parents[2].joinpath("Makefile").read_text(encoding="utf-8")
    check = makefile.partition("\ncheck:")[2].partition("\n\n")[0]
    assert "python -m clarity_server.domain.catalogue_check" in check


def test_asked_as_the_build_asks_it_ends_well() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "clarity_server.domain.catalogue_check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("metric", MEASURED, ids=lambda metric: metric.metric)
def test_no_row_can_have_another_unit_or_none(metric: metrics.Metric) -> None:
    for unit in {*UNITS, "-", "furlong"} - {metric.ucum_unit}:
        found = faults(changed(metric.metric, ucum_unit=unit))
        assert any(fault.startswith(f"{metric.metric}: ") for fault in found), unit


@pytest.mark.parametrize("metric", MEASURED, ids=lambda metric: metric.metric)
def test_no_row_can_have_another_dimension_or_none(metric: metrics.Metric) -> None:
    for dimension in {"-", "mojo", *Dimension} - {metric.dimension, Dimension.NONE}:
        found = faults(changed(metric.metric, dimension=dimension))
        assert any(fault.startswith(f"{metric.metric}: ") for fault in found), dimension


@pytest.mark.parametrize("metric", MEASURED, ids=lambda metric: metric.metric)
def test_no_row_can_have_its_bounds_the_other_way_round(metric: metrics.Metric) -> None:
    row = ROWS[metric.metric]
    if metric.minimum is None or metric.maximum is None:
        assert metric.kind is Kind.SERIES
        return
    assert faults(changed(metric.metric, min=row["max"], max=row["min"])) != []


@pytest.mark.parametrize("name", [name for name, metric in catalogue().items() if metric.loinc])
def test_no_loinc_code_can_have_another_check_digit(name: str) -> None:
    number, _, digit = ROWS[name]["loinc"].partition("-")
    for other in set("0123456789") - {digit}:
        assert faults(changed(name, loinc=f"{number}-{other}")) == [
            f"{name}: {number}-{other} is no LOINC code: look at its check digit"
        ]


def contradictions() -> Iterator[tuple[str, dict[str, str], str]]:
    """A row, how it is changed, and what must be said of it."""
    yield "heart_rate", {"name": "Heart rate"}, "the name is not lower-case words"
    yield "heart_rate", {"name": "step_count"}, "stands twice in name"
    yield "heart_rate", {"kind": "vital"}, "'vital' is not a valid Kind"
    yield "heart_rate", {"family": "soul"}, "'soul' is not a valid Family"
    yield "heart_rate", {"min": "low"}, "could not convert"
    yield "heart_rate", {"max": "-"}, "a quantity has both bounds"
    yield "heart_rate", {"max": "inf"}, "the bounds are no range"
    yield "heart_rate", {"max": "nan"}, "the bounds are no range"
    yield "heart_rate", {"min": "-1"}, "frequency is never below 0"
    yield "heart_rate", {"aggregation": "sum"}, "is not summed up by sum"
    yield "heart_rate", {"aggregation": ""}, "aggregation is empty"
    yield "heart_rate", {"codes": "fast slow"}, "only a category has codes"
    yield "heart_rate", {"parts": "step_count"}, "only a correlation has parts"
    yield "heart_rate", {"loinc": "40443-4"}, "stands twice in loinc"
    yield "heart_rate", {"healthkit": "HKCategoryTypeIdentifierHeartRate"}, "is no HealthKit identifier of a quantity"
    yield "heart_rate", {"healthkit": "HeartRate"}, "is no HealthKit identifier of a quantity"
    yield "heart_rate", {"health_connect": "HeartRate"}, "is no Health Connect record"
    yield "step_count", {"aggregation": "mean"}, "is not summed up by mean"
    yield "step_count", {"ucum_unit": "{flights}"}, "{flights} is not what the name says is counted"
    yield "body_fat_percentage", {"max": "101"}, "fraction is never above 100 %"
    yield "exercise_time", {"max": "1441"}, "duration is never above 1440 min"
    yield "skin_temperature_delta", {"min": "0"}, "a difference may be below 0"
    yield "skin_temperature_delta", {"dimension": "temperature"}, "temperature is in Cel here and not in K"
    yield "basal_metabolic_rate", {"ucum_unit": "kcal"}, "power is in kcal/d here and not in kcal"
    yield "height", {"ucum_unit": "in"}, "in is no UCUM"
    yield "sleep_stage", {"codes": "-"}, "a category has codes"
    yield "sleep_stage", {"codes": "rem rem"}, "a category has codes"
    yield "sleep_stage", {"codes": "REM"}, "a category has codes"
    yield "sleep_stage", {"ucum_unit": "min"}, "has neither unit nor dimension"
    yield "sleep_stage", {"max": "6"}, "a category has no bounds"
    yield "sleep_stage", {"aggregation": "mean"}, "is not summed up by mean"
    yield "blood_pressure", {"parts": "blood_pressure_systolic"}, "two parts or more"
    yield "blood_pressure", {"parts": "blood_pressure_systolic pulse"}, "two parts or more"
    yield "blood_pressure", {"parts": "blood_pressure_systolic workout"}, "two parts or more"
    yield "blood_pressure", {"parts": "heart_rate hrv_sdnn"}, "does not say which part is the higher one"
    yield "blood_pressure", {"family": "body"}, "parts are of the family of the whole"
    yield "blood_pressure", {"aggregation": "mean"}, "is not summed up by mean"


@pytest.mark.parametrize(("name", "cells", "said"), list(contradictions()), ids=str)
def test_a_contradiction_is_named(name: str, cells: dict[str, str], said: str) -> None:
    assert any(said in fault for fault in faults(changed(name, **cells)))


def test_a_column_or_a_cell_too_few_is_seen() -> None:
    assert faults(metrics.table().replace("\tdimension\t", "\t", 1)) != []
    assert faults(metrics.table().replace("\t20\t300\t", "\t20\t", 1)) == ["heart_rate: has not 13 cells"]


# ---- what the catalogue says -----------------------------------------------------------------------------------------


def test_blood_pressure_is_two_quantities_measured_together() -> None:
    whole = metrics.find("blood_pressure")
    assert (whole.kind, whole.ucum_unit, whole.dimension) == (Kind.CORRELATION, "", Dimension.NONE)
    assert metrics.wholes() == dict.fromkeys(whole.parts, "blood_pressure")


def test_stages_of_sleep_keep_in_bed_and_unspecified_apart_from_sleep_and_light_sleep() -> None:
    assert {"light", "asleep", "in_bed", "unknown"} < set(metrics.find("sleep_stage").codes)


def test_the_page_on_sleep_maps_to_every_code_and_to_no_other() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "metrics.md").read_text(encoding="utf-8")
    table = page.partition("| ours |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, flags=re.MULTILINE)) == set(metrics.find("sleep_stage").codes)


def test_two_measures_of_variability_are_two_metrics() -> None:
    assert metrics.find("hrv_rmssd").healthkit != metrics.find("hrv_sdnn").healthkit
    assert metrics.find("hrv_sdnn").health_connect == ""  # Health Connect has RMSSD only


def test_any_kind_of_workout_is_taken() -> None:
    assert metrics.find("workout").codes == ()


def test_names_are_in_alphabetical_order_and_made_of_plain_words() -> None:
    names = list(catalogue())
    assert names == sorted(names)
    assert all(name == metric.metric and name.replace("_", "").isalnum() for name, metric in catalogue().items())
    assert all(name == name.lower() for name in names)


@pytest.mark.parametrize("metric", MEASURED)
def test_what_is_measured_has_a_unit(metric: metrics.Metric) -> None:
    assert metric.ucum_unit
    assert metric.ucum_unit.isascii()


@pytest.mark.parametrize("metric", catalogue().values())
def test_bounds_are_a_range_or_not_known(metric: metrics.Metric) -> None:
    low, high = metric.minimum, metric.maximum
    assert low is None or high is None or low < high


@pytest.mark.parametrize("metric", catalogue().values())
def test_what_is_not_known_is_empty_and_never_a_dash(metric: metrics.Metric) -> None:
    assert not {"-", "?"} & {metric.ucum_unit, metric.loinc, metric.healthkit, metric.health_connect}


def test_only_activity_counts_have_days_and_a_fixed_period() -> None:
    assert [name for name, metric in catalogue().items() if metric.has_days] == [ACTIVITY_COUNTS]
    assert metrics.FIXED_PERIOD_MS == {ACTIVITY_COUNTS: 60_000}


@pytest.mark.parametrize(
    ("misspelt", "meant"), [("heart_rat", "heart_rate"), ("activity_counts", ACTIVITY_COUNTS), ("Heart_Rate", None)]
)
def test_a_misspelt_name_finds_its_neighbour(misspelt: str, meant: str | None) -> None:
    with pytest.raises(MetricUnknown) as caught:
        metrics.find(misspelt)
    assert meant is None or f"did you mean '{meant}'?" in str(caught.value)
    assert caught.value.facts == {"metric": misspelt}


def test_a_name_like_no_other_points_to_the_list() -> None:
    with pytest.raises(MetricUnknown, match="see ListMetrics"):
        metrics.find("zzzzzz")


def test_a_hostile_name_is_cut_short() -> None:
    with pytest.raises(MetricUnknown) as caught:
        metrics.find("heart_rate" * 100_000)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "name", [name for name, metric in catalogue().items() if metric.kind in {Kind.CATEGORY, Kind.CORRELATION}]
)
def test_a_category_or_correlation_cannot_be_streamed(name: str) -> None:
    assert metrics.find(name).metric == name
    with pytest.raises(MetricNotStreamable):
        metrics.streamable(name)


@pytest.mark.parametrize("name", ["heart_rate", ACTIVITY_COUNTS, "accelerometer_raw"])
def test_quantities_and_series_can_be_streamed(name: str) -> None:
    assert metrics.streamable(name).metric == name


def test_counts_of_each_minute_add_up_to_counts_and_all_else_keeps_its_unit() -> None:
    found = {
        metric.metric: metric for metric in metrics.catalogue().values() if metric.sum_ucum_unit != metric.ucum_unit
    }
    assert {name: metric.sum_ucum_unit for name, metric in found.items()} == {"activity_counts_1min": "{counts}"}


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("heart_rate", "Heart rate"),
        ("hrv_rmssd", "Heart rate variability, RMSSD"),
        ("activity_counts_1min", "Activity counts per minute"),
        ("vo2_max", "VO2 max"),
        ("phq9_score", "PHQ-9 score"),
    ],
)
def test_a_metric_has_a_name_that_people_say(metric: str, name: str) -> None:
    assert catalogue()[metric].display_name == name


def test_no_two_metrics_are_called_the_same() -> None:
    names = [metric.display_name for metric in catalogue().values()]
    assert len(names) == len(set(names))
