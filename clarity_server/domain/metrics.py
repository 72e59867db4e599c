"""The catalogue: every metric there is, its unit and bounds."""

import csv
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import resources

from clarity_server.domain.access import Family
from clarity_server.domain.errors import MetricNotStreamable, MetricUnknown

ACTIVITY_COUNTS = "activity_counts_1min"
FIXED_PERIOD_MS: Mapping[str, int] = {ACTIVITY_COUNTS: 60_000}
WITH_DAYS = frozenset({ACTIVITY_COUNTS})


class Kind(StrEnum):
    """What shape the measurements have."""

    QUANTITY = "quantity"
    CATEGORY = "category"
    SERIES = "series"


@dataclass(frozen=True, slots=True)
class Metric:
    """One entry; None and "" stand for what is not known or ambiguous."""

    metric: str
    kind: Kind
    ucum_unit: str
    loinc: str
    healthkit: str
    health_connect: str
    minimum: float | None
    maximum: float | None
    family: Family

    @property
    def has_days(self) -> bool:
        """Whether civil days are derived from it."""
        return self.metric in WITH_DAYS


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Metric]:
    """Return all metrics by name, in alphabetical order."""
    text = resources.files("clarity_server.domain").joinpath("metrics.tsv").read_text(encoding="utf-8")
    rows = [_metric(row) for row in csv.DictReader(text.splitlines(), delimiter="\t")]
    return {metric.metric: metric for metric in sorted(rows, key=lambda metric: metric.metric)}


def _metric(row: Mapping[str, str]) -> Metric:
    known = {name: "" if cell in {"-", "?"} else cell for name, cell in row.items()}
    return Metric(
        metric=known["name"],
        kind=Kind(known["kind"]),
        ucum_unit=known["ucum_unit"],
        loinc=known["loinc"],
        healthkit=known["healthkit"],
        health_connect=known["health_connect"],
        minimum=float(known["min"]) if known["min"] else None,
        maximum=float(known["max"]) if known["max"] else None,
        family=Family(known["family"]),
    )


def find(name: str) -> Metric:
    """Return the metric of a name. Raises MetricUnknown with the nearest one."""
    metric = catalogue().get(name)
    if metric is None:
        nearest = difflib.get_close_matches(name[:64], catalogue(), n=1)
        raise MetricUnknown(name, nearest[0] if nearest else None)
    return metric


def streamable(name: str) -> Metric:
    """Return the metric of a name that can be streamed. Raises MetricUnknown, MetricNotStreamable."""
    metric = find(name)
    if metric.kind is Kind.CATEGORY:
        raise MetricNotStreamable(name)
    return metric
