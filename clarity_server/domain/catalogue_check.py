"""Is the catalogue consistent? `make check` asks, and stops the build at a row that contradicts itself."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from clarity_server.domain.metrics import ANY_CODE, Aggregation, Dimension, Kind, Metric, read, rows, table
from clarity_server.domain.samples import CODE_CHARS_MAX
from clarity_server.domain.sent import HIGHER, METRIC_CHARS_MAX
from clarity_server.domain.units import ANNOTATION, is_ucum

COLUMNS = (
    *("name", "kind", "ucum_unit", "dimension", "loinc", "healthkit", "health_connect", "min", "max"),
    *("family", "aggregation", "codes", "parts"),
)
UNIT: Mapping[Dimension, str] = {
    Dimension.ACCELERATION: "[g]",
    Dimension.CONDUCTANCE: "uS",
    Dimension.DISTANCE: "m",
    Dimension.DURATION: "min",
    Dimension.ENERGY: "kcal",
    Dimension.FRACTION: "%",
    Dimension.FREQUENCY: "/min",
    Dimension.ILLUMINANCE: "lx",
    Dimension.INTERVAL: "ms",
    Dimension.LENGTH: "cm",
    Dimension.MASS: "kg",
    Dimension.MASS_CONCENTRATION: "mg/dL",
    Dimension.MASS_PER_AREA: "kg/m2",
    Dimension.NUMBER: "1",
    Dimension.OXYGEN_UPTAKE: "mL/kg/min",
    Dimension.POWER: "kcal/d",
    Dimension.PRESSURE: "mm[Hg]",
    Dimension.SCORE: "{score}",
    Dimension.SOUND_LEVEL: "dB[SPL]",
    Dimension.SPEED: "m/s",
    Dimension.TEMPERATURE: "Cel",
    Dimension.TEMPERATURE_DIFFERENCE: "K",
    Dimension.VOLTAGE: "uV",
    Dimension.VOLUME: "mL",
}
"""The one unit that values of a dimension have here."""
COUNTED: Mapping[Dimension, re.Pattern[str]] = {
    Dimension.COUNT: re.compile(ANNOTATION.pattern),
    Dimension.COUNT_RATE: re.compile(ANNOTATION.pattern + "/min"),
}
"""The units that say what is counted, which the metric's name must say, too."""
SIGNED = frozenset({Dimension.ACCELERATION, Dimension.NUMBER, Dimension.TEMPERATURE_DIFFERENCE, Dimension.VOLTAGE})
"""What may be below 0."""
HIGHEST: Mapping[Dimension, float] = {Dimension.FRACTION: 100, Dimension.DURATION: 24 * 60}
"""What there is no more of: parts of a whole, and minutes in the 24 h that a sample may last."""
_ADDS_UP = frozenset({Aggregation.SUM})
_EITHER = frozenset({Aggregation.SUM, Aggregation.MEAN, Aggregation.BOTH})
_AVERAGED = frozenset({Aggregation.MEAN})
SUMMED_UP: Mapping[Dimension, frozenset[Aggregation]] = {
    Dimension.COUNT: _ADDS_UP,
    Dimension.DISTANCE: _ADDS_UP,
    Dimension.ENERGY: _ADDS_UP,
    Dimension.VOLUME: _ADDS_UP,
    Dimension.DURATION: _EITHER,
    Dimension.COUNT_RATE: frozenset({Aggregation.BOTH}),
    Dimension.ACCELERATION: frozenset({Aggregation.NONE}),
    Dimension.VOLTAGE: frozenset({Aggregation.NONE}),
}
"""How a dimension is summed up; all others are averaged."""
HEALTHKIT: Mapping[str, frozenset[Kind]] = {
    "HKQuantityTypeIdentifier": frozenset({Kind.QUANTITY}),
    "HKCategoryTypeIdentifier": frozenset({Kind.CATEGORY}),
    "HKCorrelationTypeIdentifier": frozenset({Kind.CORRELATION}),
    "HKWorkoutTypeIdentifier": frozenset({Kind.CATEGORY}),
    "HKDataTypeIdentifier": frozenset({Kind.SERIES}),
    "HKScoredAssessmentTypeIdentifier": frozenset({Kind.QUANTITY}),
}
_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{METRIC_CHARS_MAX - 1}}}")
_CODE = re.compile(rf"[a-z0-9_]{{1,{CODE_CHARS_MAX}}}")
_LOINC = re.compile(r"(\d{1,7})-(\d)")
_HEALTHKIT = re.compile(r"(HK[A-Za-z]+TypeIdentifier)(\w*)")
_RECORD = re.compile(r"[A-Z]\w+Record")


def faults(text: str) -> list[str]:
    """Return all that contradicts itself in a table like metrics.tsv, as `metric: what`; empty where nothing does."""
    header, *lines = text.splitlines()
    if tuple(header.split("\t")) != COLUMNS:
        return [f"the columns are not {', '.join(COLUMNS)}"]
    ragged = [line.partition("\t")[0] for line in lines if line.count("\t") != len(COLUMNS) - 1]
    if ragged:
        return [f"{name}: has not {len(COLUMNS)} cells" for name in ragged]
    found: list[str] = []
    metrics: list[Metric] = []
    for row in rows(text):
        try:
            metrics.append(read(row))
        except ValueError as error:
            found.append(f"{row['name']}: {error}")
        found += [f"{row['name']}: {column} is empty; write - or ?" for column in COLUMNS if not row[column].strip()]
        found += [f"{row['name']}: {what}" for what in _codes(row)]
    found += [f"{metric.metric}: {what}" for metric in metrics for what in _of_one(metric)]
    return found + list(_of_all(metrics))


def _of_one(metric: Metric) -> Iterator[str]:
    if not _NAME.fullmatch(metric.metric):
        yield "the name is not lower-case words"
    yield from _unit(metric)
    yield from _bounds(metric)
    if metric.aggregation not in _aggregations(metric):
        yield f"a {metric.kind} of {metric.dimension or 'no dimension'} is not summed up by {metric.aggregation or '-'}"
    yield from _names_elsewhere(metric)


# ---- unit and dimension ----------------------------------------------------------------------------------------------


def _unit(metric: Metric) -> Iterator[str]:
    if metric.kind in {Kind.CATEGORY, Kind.CORRELATION}:
        if metric.ucum_unit or metric.dimension:
            yield f"a {metric.kind} has neither unit nor dimension"
        return
    if not metric.ucum_unit or not metric.dimension:
        yield f"a {metric.kind} has a unit and a dimension"
        return
    if not is_ucum(metric.ucum_unit):
        yield f"{metric.ucum_unit} is no UCUM"
    if metric.dimension in COUNTED:
        yield from _counted(metric, COUNTED[metric.dimension])
    elif metric.ucum_unit != UNIT[metric.dimension]:
        yield f"{metric.dimension} is in {UNIT[metric.dimension]} here and not in {metric.ucum_unit}"


def _counted(metric: Metric, shape: re.Pattern[str]) -> Iterator[str]:
    if not shape.fullmatch(metric.ucum_unit):
        yield f"{metric.dimension} is in {shape.pattern} and not in {metric.ucum_unit}"
    for annotation in ANNOTATION.findall(metric.ucum_unit):
        if annotation.strip("{}").rstrip("s") not in metric.metric:
            yield f"{annotation} is not what the name says is counted"


# ---- bounds ----------------------------------------------------------------------------------------------------------


def _bounds(metric: Metric) -> Iterator[str]:
    low, high = metric.minimum, metric.maximum
    known = [bound for bound in (low, high) if bound is not None]
    if metric.kind in {Kind.CATEGORY, Kind.CORRELATION}:
        if known:
            yield f"a {metric.kind} has no bounds"
        return
    if metric.kind is Kind.QUANTITY and (low is None or high is None):
        yield "a quantity has both bounds"
    if not all(map(math.isfinite, known)) or (low is not None and high is not None and low >= high):
        yield "the bounds are no range"
    yield from _possible(metric)


def _possible(metric: Metric) -> Iterator[str]:
    low, high = metric.minimum, metric.maximum
    if low is not None and low < 0 and metric.dimension not in SIGNED:
        yield f"{metric.dimension} is never below 0"
    if high is not None and high > HIGHEST.get(metric.dimension, math.inf):
        yield f"{metric.dimension} is never above {HIGHEST[metric.dimension]:g} {metric.ucum_unit}"
    if metric.dimension is Dimension.TEMPERATURE_DIFFERENCE and low is not None and low >= 0:
        yield "a difference may be below 0"


def _aggregations(metric: Metric) -> frozenset[Aggregation]:
    if metric.kind is Kind.CATEGORY:
        return frozenset({Aggregation.DURATION})
    if metric.kind is Kind.CORRELATION:
        return frozenset({Aggregation.NONE})
    return SUMMED_UP.get(metric.dimension, _AVERAGED)


# ---- codes, and names in other systems -------------------------------------------------------------------------------


def _codes(row: Mapping[str, str]) -> Iterator[str]:
    codes = row["codes"].split()
    if row["kind"] != Kind.CATEGORY:
        if codes != ["-"]:
            yield "only a category has codes"
        return
    if codes == [ANY_CODE]:
        return
    if len(set(codes)) < len(codes) or not all(_CODE.fullmatch(code) for code in codes):
        yield f"a category has codes of `a-z 0-9 _`, each once, or {ANY_CODE}"


def _names_elsewhere(metric: Metric) -> Iterator[str]:
    if metric.loinc and not _is_loinc(metric.loinc):
        yield f"{metric.loinc} is no LOINC code: look at its check digit"
    if metric.healthkit:
        shape = _HEALTHKIT.fullmatch(metric.healthkit)
        if not shape or metric.kind not in HEALTHKIT.get(shape[1], frozenset()):
            yield f"{metric.healthkit} is no HealthKit identifier of a {metric.kind}"
    if metric.health_connect and not _RECORD.fullmatch(metric.health_connect):
        yield f"{metric.health_connect} is no Health Connect record"


def _is_loinc(code: str) -> bool:
    shape = _LOINC.fullmatch(code)
    return shape is not None and _check_digit(shape[1]) == int(shape[2])


def _check_digit(digits: str) -> int:
    """Return the mod-10 digit of LOINC (Users' Guide, appendix C): every other digit doubled, from the right."""
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits))]
    return -sum(sum(divmod(number, 10)) for number in doubled) % 10


# ---- one with another ------------------------------------------------------------------------------------------------


def _of_all(metrics: list[Metric]) -> Iterator[str]:
    for column, cells in (
        ("name", [metric.metric for metric in metrics]),
        ("loinc", [metric.loinc for metric in metrics if metric.loinc]),
        ("healthkit", [metric.healthkit for metric in metrics if metric.healthkit]),
        ("parts", [part for metric in metrics for part in metric.parts]),
    ):
        yield from (f"{cell}: stands twice in {column}" for cell, times in Counter(cells).items() if times > 1)
    known = {metric.metric: metric for metric in metrics}
    for metric in metrics:
        yield from (f"{metric.metric}: {what}" for what in _parts(metric, known))


def _parts(metric: Metric, known: Mapping[str, Metric]) -> Iterator[str]:
    if metric.kind is not Kind.CORRELATION:
        if metric.parts:
            yield "only a correlation has parts"
        return
    parts = [known[name] for name in metric.parts if name in known]
    if len(parts) < 2 or len(parts) < len(metric.parts) or any(part.kind is not Kind.QUANTITY for part in parts):  # noqa: PLR2004
        yield "a correlation has two parts or more, each a quantity of the catalogue"
    if any(part.family is not metric.family for part in parts):
        yield "parts are of the family of the whole: scopes are given by family"
    if metric.metric not in HIGHER or not set(HIGHER[metric.metric]) <= set(metric.parts):
        yield "sent.py does not say which part is the higher one"


if __name__ == "__main__":
    if wrong := faults(table()):
        raise SystemExit("\n".join(["The catalogue contradicts itself (clarity_server/domain/metrics.tsv):", *wrong]))
