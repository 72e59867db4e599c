"""Samples as they are sent: what each must be to be taken, judged one by one and before anything is stored."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from clarity_server.domain.civil import UTC_OFFSET_S_MAX
from clarity_server.domain.metrics import Dimension, Kind, Metric, catalogue
from clarity_server.domain.samples import (
    CLIENT_RECORD_ID_CHARS_MAX,
    CODE_CHARS_MAX,
    DURATION_MS_MAX,
    FUTURE_MS_MAX,
    VENDOR_CODE_CHARS_MAX,
    VERSION_MAX,
    Coded,
    Fault,
    Moment,
    Parts,
    Reason,
    Sample,
    Value,
)
from clarity_server.domain.series import Source
from clarity_server.domain.units import SAME, conversion

SOURCE_CHARS_MAX = 128
METRIC_CHARS_MAX = 64
HIGHER: Mapping[str, tuple[str, str]] = {"blood_pressure": ("blood_pressure_systolic", "blood_pressure_diastolic")}
"""Of each correlation: the part that is above another."""
_CODE = re.compile(rf"[a-z0-9_]{{1,{CODE_CHARS_MAX}}}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class SentQuantity:
    """A number and its unit, as sent."""

    value: float | None
    ucum_unit: str


SentParts: TypeAlias = tuple[tuple[str, SentQuantity], ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """A sample as it was sent, translated but not judged."""

    metric: str
    device: str
    app: str
    client_record_id: str
    version: int
    start: Moment | None
    end: Moment | None
    time_fault: str  # what is wrong with a time, naming the field; empty where nothing is
    value: SentQuantity | Coded | SentParts | None
    raw: bytes  # the message as sent, opaque to all below services


def examine(sent: Sent, now_ms: int) -> Sample | Fault:
    """Return the sample in the metric's unit, or the first thing that is wrong with it. Never raises.

    The order is fixed: identity, metric, time, value. Texts name the field and never tell what it holds.
    """
    fault = identity_fault(sent)
    if fault is not None:
        return fault
    metric = catalogue().get(sent.metric)
    if metric is None or metric.kind is Kind.SERIES:
        return _metric_fault(sent.metric)
    span = _span(sent, now_ms)
    if isinstance(span, Fault):
        return span
    value = _value(metric, sent.value)
    if isinstance(value, Fault):
        return value
    start, end = span
    source = Source(sent.device, sent.app)
    return Sample(sent.metric, source, sent.client_record_id, sent.version, start, end, value)


# ---- whose it is -----------------------------------------------------------------------------------------------------


def identity_fault(sent: Sent) -> Fault | None:
    """Tell what is wrong with the source, client_record_id or version: without them a sample has no id."""
    wrong = ""
    if not 0 < len(sent.client_record_id) <= CLIENT_RECORD_ID_CHARS_MAX or not sent.client_record_id.isprintable():
        wrong = f"client_record_id: is not 1 to {CLIENT_RECORD_ID_CHARS_MAX} printable characters"
    elif not 0 < len(sent.device) <= SOURCE_CHARS_MAX or _CONTROL.search(sent.device):
        wrong = f"source.device: is not 1 to {SOURCE_CHARS_MAX} characters without control characters"
    elif len(sent.app) > SOURCE_CHARS_MAX or _CONTROL.search(sent.app):
        wrong = f"source.app: is not at most {SOURCE_CHARS_MAX} characters without control characters"
    elif not 0 <= sent.version <= VERSION_MAX:
        wrong = f"client_record_version: is not 0 to {VERSION_MAX:,}"
    return Fault(Reason.IDENTITY_INVALID, wrong) if wrong else None


# ---- what is measured ------------------------------------------------------------------------------------------------


def _metric_fault(name: str) -> Fault:
    if not name:
        return Fault(Reason.METRIC_UNKNOWN, "metric: is required; see ListMetrics")
    if name in catalogue():
        return Fault(Reason.METRIC_NOT_DISCRETE, f"metric: {name} is a series; stream it with StreamSeries")
    nearest = _nearest(name[:METRIC_CHARS_MAX])
    advice = f"did you mean {nearest}?" if nearest else "see ListMetrics"
    return Fault(Reason.METRIC_UNKNOWN, f"metric: the catalogue has none of this name; {advice}")


@lru_cache(maxsize=1024)
def _nearest(name: str) -> str:
    return next(iter(difflib.get_close_matches(name, catalogue(), n=1)), "")


# ---- when ------------------------------------------------------------------------------------------------------------


def _span(sent: Sent, now_ms: int) -> tuple[Moment, Moment | None] | Fault:
    start, end = sent.start, sent.end
    if sent.time_fault:
        return Fault(Reason.TIME_INVALID, sent.time_fault)
    if start is None or _empty(start):
        return Fault(Reason.TIME_INVALID, "start: is required")
    if _ahead_ms(start, now_ms) > FUTURE_MS_MAX:
        why = "is more than a day after the server's clock; is the device's clock right?"
        return Fault(Reason.IN_FUTURE, f"start: {why}")
    if end is None:
        return start, None
    fault = _end_fault(start, end)
    return fault or (start, end if end.axis_ms > start.axis_ms else None)


def _end_fault(start: Moment, end: Moment) -> Fault | None:
    if _knowledge(start) != _knowledge(end):
        why = (
            "is of another kind of time than start; send both with an offset or zone, both without, or both as instants"
        )
        return Fault(Reason.TIME_INVALID, f"end: {why}")
    length_ms = end.axis_ms - start.axis_ms
    if length_ms < 0:
        return Fault(Reason.TIME_INVALID, "end: is before start")
    if length_ms > DURATION_MS_MAX:
        return Fault(Reason.TOO_LONG, "end: is more than 24 h after start; send a sample for each part")
    return None


def _empty(moment: Moment) -> bool:
    return moment.instant_ms is None and moment.civil_ms is None


def _knowledge(moment: Moment) -> tuple[bool, bool]:
    return moment.instant_ms is None, moment.civil_ms is None


def _ahead_ms(moment: Moment, now_ms: int) -> int:
    # Some clock on earth is ahead of UTC by 14 h, and a floating time may be that one's.
    return moment.axis_ms - now_ms - (UTC_OFFSET_S_MAX * 1000 if moment.floating else 0)


# ---- how much, or which ----------------------------------------------------------------------------------------------


def _value(metric: Metric, value: SentQuantity | Coded | SentParts | None) -> Value | Fault:
    if metric.kind is Kind.QUANTITY and isinstance(value, SentQuantity):
        return _quantity(metric, value, "quantity")
    if metric.kind is Kind.CATEGORY and isinstance(value, Coded):
        return _category(metric, value)
    if metric.kind is Kind.CORRELATION and isinstance(value, tuple):
        return _correlation(metric, value)
    return Fault(Reason.VALUE_INVALID, f"{metric.kind}: is required for {metric.metric}, and nothing else")


def _quantity(metric: Metric, quantity: SentQuantity, field: str) -> float | Fault:
    value, unit = quantity.value, quantity.ucum_unit
    if value is None:
        return Fault(Reason.VALUE_INVALID, f"{field}.value: is required; 0 is a value")
    if not math.isfinite(value):
        return Fault(Reason.VALUE_INVALID, f"{field}.value: is not finite; where nothing was measured send no sample")
    found = conversion(metric.metric, unit)
    if isinstance(found, Reason):
        return Fault(found, f"{field}.ucum_unit: {_unit_advice(metric, unit, found)}")
    if unit == "%" and 0 < value <= 1:
        why = "looks like a fraction; send a fraction with the unit `1`"
        return Fault(Reason.FRACTION_SUSPECTED, f"{field}.value: {why}")
    own = value + 0.0 if found is SAME else found.there(value)  # no -0.0: equal contents are to have equal digests
    assert metric.minimum is not None  # the catalogue is checked for it
    assert metric.maximum is not None
    if not metric.minimum <= own <= metric.maximum:
        within = f"{metric.minimum:,.10g} to {metric.maximum:,.10g} {metric.ucum_unit}"
        return Fault(Reason.OUT_OF_BOUNDS, f"{field}.value: is not {within}, which is plausible for {metric.metric}")
    return own


def _unit_advice(metric: Metric, unit: str, reason: Reason) -> str:
    if not unit:
        return f"is required; send {metric.metric} in `{metric.ucum_unit}`"
    if reason is Reason.UNIT_UNKNOWN:
        return f"is no UCUM; send {metric.metric} in `{metric.ucum_unit}`"
    if metric.dimension is Dimension.TEMPERATURE_DIFFERENCE:
        return f"a difference is sent in `K`, and {metric.metric} is one"
    return f"does not measure what {metric.metric} is; send `{metric.ucum_unit}`"


def _category(metric: Metric, coded: Coded) -> Coded | Fault:
    if not coded.code:
        return Fault(Reason.VALUE_INVALID, "category.code: is required")
    if metric.codes and coded.code not in metric.codes:
        return Fault(Reason.CODE_UNKNOWN, f"category.code: {metric.metric} has {', '.join(metric.codes)}")
    if not metric.codes and not _CODE.fullmatch(coded.code):
        return Fault(Reason.CODE_UNKNOWN, f"category.code: is not 1 to {CODE_CHARS_MAX} of `a-z 0-9 _`")
    if len(coded.vendor_code) > VENDOR_CODE_CHARS_MAX or _CONTROL.search(coded.vendor_code):
        why = f"has more than {VENDOR_CODE_CHARS_MAX} characters, or control characters"
        return Fault(Reason.VALUE_INVALID, f"category.vendor_code: {why}")
    return coded


def _correlation(metric: Metric, sent: SentParts) -> Parts | Fault:
    if sorted(name for name, _ in sent) != sorted(metric.parts):
        why = f"{metric.metric} has {' and '.join(metric.parts)}, each once and nothing else"
        return Fault(Reason.PARTS_INCONSISTENT, f"correlation.components: {why}")
    values: dict[str, float] = {}
    for name, quantity in sorted(sent, key=lambda part: part[0]):
        own = _quantity(catalogue()[name], quantity, f"correlation.components[{name}].quantity")
        if isinstance(own, Fault):
            return own
        values[name] = own
    high, low = HIGHER[metric.metric]
    if values[high] <= values[low]:
        return Fault(Reason.PARTS_INCONSISTENT, f"correlation.components: {high} is not above {low}")
    return tuple(values.items())
