"""The catalogue is whole: every row parses, every quantity has a unit, and a misspelt name finds its neighbour."""

import csv
from importlib import resources

import pytest

from clarity_server.domain import metrics
from clarity_server.domain.errors import MetricNotStreamable, MetricUnknown
from clarity_server.domain.metrics import ACTIVITY_COUNTS, Kind, catalogue


def rows() -> list[dict[str, str]]:
    text = resources.files("clarity_server.domain").joinpath("metrics.tsv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t", strict=True))


def test_every_row_of_the_table_is_a_metric_of_its_own() -> None:
    table = rows()
    assert len(table) == len(catalogue()) > 50
    assert all(None not in row and None not in row.values() for row in table)  # as many cells as columns


def test_names_are_in_alphabetical_order_and_made_of_plain_words() -> None:
    names = list(catalogue())
    assert names == sorted(names)
    assert all(name == metric.metric and name.replace("_", "").isalnum() for name, metric in catalogue().items())
    assert all(name == name.lower() for name in names)


@pytest.mark.parametrize("metric", [one for one in catalogue().values() if one.kind is not Kind.CATEGORY])
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


@pytest.mark.parametrize("name", [name for name, metric in catalogue().items() if metric.kind is Kind.CATEGORY])
def test_a_category_cannot_be_streamed(name: str) -> None:
    assert metrics.find(name).metric == name
    with pytest.raises(MetricNotStreamable):
        metrics.streamable(name)


@pytest.mark.parametrize("name", ["heart_rate", ACTIVITY_COUNTS, "accelerometer_raw"])
def test_quantities_and_series_can_be_streamed(name: str) -> None:
    assert metrics.streamable(name).metric == name
