"""The catalogue: every metric there is, its unit and bounds."""

import csv
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import resources

from clarity_server.domain.access import Family
from clarity_server.domain.civil import MINUTE_MS
from clarity_server.domain.errors import MetricNotStreamable, MetricUnknown

ACTIVITY_COUNTS = "activity_counts_1min"
FIXED_PERIOD_MS: Mapping[str, int] = {ACTIVITY_COUNTS: MINUTE_MS}
ANY_CODE = "*"
SPELLED: Mapping[str, str] = {
    "1min": "per minute",
    "ecg": "ECG",
    "gad7": "GAD-7",
    "hrv": "heart rate variability,",
    "phq9": "PHQ-9",
    "rem": "REM",
    "rmssd": "RMSSD",
    "rr": "RR",
    "sdnn": "SDNN",
    "vo2": "VO2",
}
"""Words of a metric's identifier that are not words, as one says them."""
WITH_DAYS = frozenset({ACTIVITY_COUNTS})


class Kind(StrEnum):
    """What shape the measurements have."""

    QUANTITY = "quantity"
    CATEGORY = "category"
    SERIES = "series"
    CORRELATION = "correlation"


class Aggregation(StrEnum):
    """How measurements are summed up."""

    NONE = ""
    SUM = "sum"
    MEAN = "mean"
    BOTH = "both"
    DURATION = "duration"


class Dimension(StrEnum):
    """What a metric measures. Each has one unit in the catalogue (catalogue_check.py), and those of units.py are sent.

    Finer than in physics: a body's length and a distance have different units here, and a difference of temperatures is
    no temperature. That makes a unit written into the wrong row a contradiction, which stops the build.
    """

    NONE = ""
    ACCELERATION = "acceleration"
    CONDUCTANCE = "conductance"
    COUNT = "count"
    COUNT_RATE = "count_rate"
    DISTANCE = "distance"
    DURATION = "duration"
    ENERGY = "energy"
    FRACTION = "fraction"
    FREQUENCY = "frequency"
    ILLUMINANCE = "illuminance"
    INTERVAL = "interval"
    LENGTH = "length"
    MASS = "mass"
    MASS_CONCENTRATION = "mass_concentration"
    MASS_PER_AREA = "mass_per_area"
    NUMBER = "number"
    OXYGEN_UPTAKE = "oxygen_uptake"
    POWER = "power"
    PRESSURE = "pressure"
    SCORE = "score"
    SOUND_LEVEL = "sound_level"
    SPEED = "speed"
    TEMPERATURE = "temperature"
    TEMPERATURE_DIFFERENCE = "temperature_difference"
    VOLTAGE = "voltage"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True)
class Metric:
    """One entry; None and "" stand for what is not known or ambiguous."""

    metric: str
    kind: Kind
    ucum_unit: str
    dimension: Dimension
    loinc: str
    healthkit: str
    health_connect: str
    minimum: float | None
    maximum: float | None
    family: Family
    aggregation: Aggregation
    codes: tuple[str, ...]  # of a category; empty where any is taken
    parts: tuple[str, ...]  # of a correlation: metrics of their own

    @property
    def display_name(self) -> str:
        """What to call it in English."""
        words = [SPELLED.get(word, word) for word in self.metric.split("_")]
        name = " ".join(words)
        return name[0].upper() + name[1:]

    @property
    def sum_ucum_unit(self) -> str:
        """The unit of sums: what is counted each minute adds up to how much there was."""
        return self.ucum_unit.removesuffix("/min") if FIXED_PERIOD_MS.get(self.metric) == MINUTE_MS else self.ucum_unit

    @property
    def has_days(self) -> bool:
        """Whether civil days are derived from it."""
        return self.metric in WITH_DAYS


def table() -> str:
    """Return metrics.tsv."""
    return resources.files("clarity_server.domain").joinpath("metrics.tsv").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Metric]:
    """Return all metrics by name, in alphabetical order."""
    return {one.metric: one for one in sorted(map(read, rows(table())), key=lambda one: one.metric)}


def rows(text: str) -> list[dict[str, str]]:
    """Return the rows of a table like metrics.tsv, cell by column."""
    return list(csv.DictReader(text.splitlines(), delimiter="\t", strict=True))


def read(row: Mapping[str, str]) -> Metric:
    """Return the metric of a row. Raises ValueError where a cell is none of its kind."""
    known = {name: "" if cell in {"-", "?"} else cell for name, cell in row.items()}
    return Metric(
        metric=known["name"],
        kind=Kind(known["kind"]),
        ucum_unit=known["ucum_unit"],
        dimension=Dimension(known["dimension"]),
        loinc=known["loinc"],
        healthkit=known["healthkit"],
        health_connect=known["health_connect"],
        minimum=float(known["min"]) if known["min"] else None,
        maximum=float(known["max"]) if known["max"] else None,
        family=Family(known["family"]),
        aggregation=Aggregation(known["aggregation"]),
        codes=() if known["codes"] == ANY_CODE else tuple(known["codes"].split()),
        parts=tuple(known["parts"].split()),
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
    if metric.kind in {Kind.CATEGORY, Kind.CORRELATION}:
        raise MetricNotStreamable(name)
    return metric


@lru_cache(maxsize=1)
def wholes() -> Mapping[str, str]:
    """Return the correlation of each metric that is a part of one."""
    return {part: whole.metric for whole in catalogue().values() for part in whole.parts}
