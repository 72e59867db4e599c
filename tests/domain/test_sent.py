"""Samples as they are sent: each is taken in the metric's unit, or put aside for one reason that names the field."""

import math
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clarity_server.domain.civil import DAY_MS
from clarity_server.domain.metrics import Dimension, Kind, Metric, catalogue
from clarity_server.domain.samples import (
    CLIENT_RECORD_ID_CHARS_MAX,
    FUTURE_MS_MAX,
    VENDOR_CODE_CHARS_MAX,
    VERSION_MAX,
    Coded,
    Fault,
    Moment,
    Reason,
    Sample,
)
from clarity_server.domain.sent import SOURCE_CHARS_MAX, Sent, SentParts, SentQuantity, examine, identity_fault
from clarity_server.domain.series import Source
from clarity_server.domain.units import Conversion, conversion

NOW = 1_764_000_000_000
HOUR_MS = 3_600_000
BOTH = Moment(NOW, NOW + HOUR_MS)
INSTANT = Moment(NOW, None)
FLOATING = Moment(None, NOW)
NOWHERE = Moment(None, None)
QUANTITIES = [metric for metric in catalogue().values() if metric.kind is Kind.QUANTITY]
CATEGORIES = [metric for metric in catalogue().values() if metric.kind is Kind.CATEGORY]
SERIES = [metric for metric in catalogue().values() if metric.kind is Kind.SERIES]

HEART_RATE = Sent(
    metric="heart_rate",
    device="Watch 9",
    app="Health",
    client_record_id="a-1",
    version=3,
    start=BOTH,
    end=None,
    time_fault="",
    value=SentQuantity(61.0, "/min"),
    raw=b"as it came",
)


def later(moment: Moment, ms: int) -> Moment:
    """The same kind of time, `ms` later."""
    instant = None if moment.instant_ms is None else moment.instant_ms + ms
    return Moment(instant, None if moment.civil_ms is None else moment.civil_ms + ms)


def of(metric: str, value: float | None, unit: str) -> Sent:
    """A quantity."""
    return replace(HEART_RATE, metric=metric, value=SentQuantity(value, unit))


def coded(metric: str, code: str, vendor_code: str = "") -> Sent:
    """A category."""
    return replace(HEART_RATE, metric=metric, value=Coded(code, vendor_code))


def pressure(*parts: tuple[str, float | None, str]) -> Sent:
    """A blood pressure, of parts with their names cut short."""
    value: SentParts = tuple((f"blood_pressure_{name}", SentQuantity(number, unit)) for name, number, unit in parts)
    return replace(HEART_RATE, metric="blood_pressure", value=value)


def taken(sent: Sent) -> Sample:
    """The sample, which must be taken."""
    sample = examine(sent, NOW)
    assert isinstance(sample, Sample), sample
    return sample


def refused(sent: Sent) -> Fault:
    """What is wrong, which something must be."""
    fault = examine(sent, NOW)
    assert isinstance(fault, Fault), fault
    return fault


# ---- what is taken ---------------------------------------------------------------------------------------------------


def test_a_good_sample_is_taken_as_it_is() -> None:
    source = Source("Watch 9", "Health")
    assert taken(HEART_RATE) == Sample("heart_rate", source, "a-1", 3, BOTH, None, 61.0)


def test_a_value_in_another_unit_is_taken_in_the_metrics_own() -> None:
    assert taken(of("body_mass", 180.0, "[lb_av]")).value == 81.6466266
    assert taken(of("body_temperature", 98.6, "[degF]")).value == 37.0
    assert taken(of("blood_glucose", 5.5, "mmol/L")).value == 99.0858
    assert taken(of("oxygen_saturation", 0.97, "1")).value == 97.0


def test_zero_is_a_value_and_has_no_sign() -> None:
    plus, minus = taken(of("step_count", 0.0, "{steps}")).value, taken(of("step_count", -0.0, "{steps}")).value
    assert [math.copysign(1, value) for value in (plus, minus) if isinstance(value, float)] == [1, 1]


def test_a_stage_of_sleep_keeps_what_the_vendor_calls_it() -> None:
    sent = replace(coded("sleep_stage", "light", "HKCategoryValueSleepAnalysis.asleepCore"), end=later(BOTH, HOUR_MS))
    sample = taken(sent)
    assert sample.value == Coded("light", "HKCategoryValueSleepAnalysis.asleepCore")
    assert sample.duration_ms == HOUR_MS


def test_a_blood_pressure_is_taken_whole_by_the_names_of_its_parts() -> None:
    expected = (("blood_pressure_diastolic", 80.0), ("blood_pressure_systolic", 120.0))
    systolic, diastolic = ("systolic", 120.0, "mm[Hg]"), ("diastolic", 80.0, "mm[Hg]")
    assert taken(pressure(systolic, diastolic)).value == expected
    assert taken(pressure(diastolic, systolic)).value == expected


def test_a_part_in_another_unit_is_converted() -> None:
    value = taken(pressure(("systolic", 16.0, "kPa"), ("diastolic", 80.0, "mm[Hg]"))).value
    assert value == (("blood_pressure_diastolic", 80.0), ("blood_pressure_systolic", 120.00985213530501))


@pytest.mark.parametrize("metric", CATEGORIES, ids=lambda metric: metric.metric)
def test_every_code_of_a_category_is_taken_and_no_other(metric: Metric) -> None:
    for code in metric.codes or ("running", "x" * 64):
        assert taken(coded(metric.metric, code)).value == Coded(code)
    assert refused(coded(metric.metric, "Core")).reason is Reason.CODE_UNKNOWN


# ---- bounds ----------------------------------------------------------------------------------------------------------


def plain(metric: Metric, value: float) -> Sent:
    """A value in the metric's unit; of a small part of a whole, as the fraction it would be taken for."""
    if metric.dimension is Dimension.FRACTION and 0 < value <= 1:
        return of(metric.metric, value / 100, "1")
    return of(metric.metric, value, metric.ucum_unit)


@pytest.mark.parametrize("metric", QUANTITIES, ids=lambda metric: metric.metric)
def test_a_value_at_a_bound_is_taken_and_the_next_one_beyond_is_not(metric: Metric) -> None:
    low, high = metric.minimum, metric.maximum
    assert low is not None
    assert high is not None
    assert taken(plain(metric, low)).value == low
    assert taken(plain(metric, high)).value == high
    for beyond in (math.nextafter(low, -math.inf), math.nextafter(high, math.inf), -1e300, 1e300):
        fault = refused(of(metric.metric, beyond, metric.ucum_unit))
        expected = {Reason.OUT_OF_BOUNDS}
        if metric.dimension is Dimension.FRACTION and 0 < beyond <= 1:
            expected = {Reason.FRACTION_SUSPECTED}
        assert {fault.reason} == expected


def test_bounds_hold_after_conversion() -> None:
    assert taken(of("body_temperature", 113.0, "[degF]")).value == 45.0
    assert refused(of("body_temperature", 113.01, "[degF]")).reason is Reason.OUT_OF_BOUNDS
    assert refused(of("body_mass", 1e308, "t")).reason is Reason.OUT_OF_BOUNDS


def test_the_text_tells_what_is_plausible() -> None:
    text = refused(of("step_count", 300_001.0, "{steps}")).text
    assert text == "quantity.value: is not 0 to 300,000 {steps}, which is plausible for step_count"
    assert "0.3 to 650 kg" in refused(of("body_mass", 0.1, "kg")).text


# ---- fractions -------------------------------------------------------------------------------------------------------

FRACTIONS = [metric.metric for metric in QUANTITIES if metric.dimension is Dimension.FRACTION]


@pytest.mark.parametrize("metric", FRACTIONS)
def test_what_looks_like_a_fraction_is_not_taken_for_a_percentage(metric: str) -> None:
    for value in (5e-324, 0.5, 1.0):
        assert refused(of(metric, value, "%")).reason is Reason.FRACTION_SUSPECTED
    assert "unit `1`" in refused(of(metric, 0.5, "%")).text


@pytest.mark.parametrize("metric", FRACTIONS)
def test_a_fraction_that_says_so_is_taken(metric: str) -> None:
    assert taken(of(metric, 0.75, "1")).value == 75.0
    assert refused(of(metric, 97.0, "1")).reason is Reason.OUT_OF_BOUNDS


def test_nothing_of_nothing_is_a_percentage() -> None:
    assert taken(of("atrial_fibrillation_burden", 0.0, "%")).value == 0.0


# ---- every reason, and its field -------------------------------------------------------------------------------------

LONG = "x" * 129
FAULTS = [
    (replace(HEART_RATE, client_record_id=""), Reason.IDENTITY_INVALID, "client_record_id:"),
    (replace(HEART_RATE, client_record_id=LONG), Reason.IDENTITY_INVALID, "client_record_id:"),
    (replace(HEART_RATE, client_record_id="a\n1"), Reason.IDENTITY_INVALID, "client_record_id:"),
    (replace(HEART_RATE, device=""), Reason.IDENTITY_INVALID, "source.device:"),
    (replace(HEART_RATE, device=LONG), Reason.IDENTITY_INVALID, "source.device:"),
    (replace(HEART_RATE, device="a\x00"), Reason.IDENTITY_INVALID, "source.device:"),
    (replace(HEART_RATE, app=LONG), Reason.IDENTITY_INVALID, "source.app:"),
    (replace(HEART_RATE, app="\x7f"), Reason.IDENTITY_INVALID, "source.app:"),
    (replace(HEART_RATE, version=-1), Reason.IDENTITY_INVALID, "client_record_version:"),
    (replace(HEART_RATE, version=VERSION_MAX + 1), Reason.IDENTITY_INVALID, "client_record_version:"),
    (replace(HEART_RATE, metric=""), Reason.METRIC_UNKNOWN, "metric: is required"),
    (replace(HEART_RATE, metric="hart_rate"), Reason.METRIC_UNKNOWN, "did you mean heart_rate?"),
    (replace(HEART_RATE, metric="q" * 10_000), Reason.METRIC_UNKNOWN, "see ListMetrics"),
    *[(replace(HEART_RATE, metric=one.metric), Reason.METRIC_NOT_DISCRETE, "StreamSeries") for one in SERIES],
    (replace(HEART_RATE, time_fault="end: is no date"), Reason.TIME_INVALID, "end: is no date"),
    (replace(HEART_RATE, start=None), Reason.TIME_INVALID, "start: is required"),
    (replace(HEART_RATE, start=NOWHERE), Reason.TIME_INVALID, "start: is required"),
    (replace(HEART_RATE, end=NOWHERE), Reason.TIME_INVALID, "end:"),
    (replace(HEART_RATE, end=later(BOTH, -1)), Reason.TIME_INVALID, "end: is before start"),
    (replace(HEART_RATE, end=later(BOTH, DAY_MS + 1)), Reason.TOO_LONG, "end: is more than 24 h after start"),
    (replace(HEART_RATE, start=later(BOTH, FUTURE_MS_MAX + 1)), Reason.IN_FUTURE, "start:"),
    (replace(HEART_RATE, value=None), Reason.VALUE_INVALID, "quantity:"),
    (replace(HEART_RATE, value=Coded("fast")), Reason.VALUE_INVALID, "quantity:"),
    (replace(HEART_RATE, value=()), Reason.VALUE_INVALID, "quantity:"),
    (of("sleep_stage", 4.0, "1"), Reason.VALUE_INVALID, "category:"),
    (of("blood_pressure", 120.0, "mm[Hg]"), Reason.VALUE_INVALID, "correlation:"),
    (of("heart_rate", None, "/min"), Reason.VALUE_INVALID, "quantity.value: is required; 0 is a value"),
    (of("heart_rate", math.nan, "/min"), Reason.VALUE_INVALID, "quantity.value: is not finite"),
    (of("heart_rate", math.inf, "/min"), Reason.VALUE_INVALID, "quantity.value: is not finite"),
    (of("heart_rate", -math.inf, "/min"), Reason.VALUE_INVALID, "quantity.value: is not finite"),
    (of("heart_rate", 61.0, ""), Reason.UNIT_UNKNOWN, "quantity.ucum_unit: is required"),
    (of("heart_rate", 61.0, "bpm"), Reason.UNIT_UNKNOWN, "quantity.ucum_unit: is no UCUM; send heart_rate in `/min`"),
    (of("heart_rate", 61.0, "ms"), Reason.UNIT_WRONG, "quantity.ucum_unit: does not measure what heart_rate is"),
    (of("basal_energy_burned", 61.0, "kcal/d"), Reason.UNIT_WRONG, "send `kcal`"),
    (of("skin_temperature_delta", 1.0, "Cel"), Reason.UNIT_WRONG, "a difference is sent in `K`"),
    (of("skin_temperature_delta", 1.0, "[degF]"), Reason.UNIT_WRONG, "a difference is sent in `K`"),
    (of("heart_rate", 19.9, "/min"), Reason.OUT_OF_BOUNDS, "quantity.value: is not 20 to 300 /min"),
    (of("oxygen_saturation", 0.97, "%"), Reason.FRACTION_SUSPECTED, "quantity.value: looks like a fraction"),
    (coded("sleep_stage", ""), Reason.VALUE_INVALID, "category.code: is required"),
    (coded("sleep_stage", "core"), Reason.CODE_UNKNOWN, "category.code: sleep_stage has awake, light, deep"),
    (coded("workout", "Running"), Reason.CODE_UNKNOWN, "category.code: is not 1 to 64"),
    (coded("workout", "x" * 65), Reason.CODE_UNKNOWN, "category.code: is not 1 to 64"),
    (coded("workout", "running\n"), Reason.CODE_UNKNOWN, "category.code: is not 1 to 64"),
    (coded("workout", "running", "x" * (VENDOR_CODE_CHARS_MAX + 1)), Reason.VALUE_INVALID, "category.vendor_code:"),
    (coded("workout", "running", "a\tb"), Reason.VALUE_INVALID, "category.vendor_code:"),
    (pressure(), Reason.PARTS_INCONSISTENT, "correlation.components:"),
    (pressure(("systolic", 120.0, "mm[Hg]")), Reason.PARTS_INCONSISTENT, "each once and nothing else"),
    (
        pressure(*[("systolic", 120.0, "mm[Hg]")] * 2, ("diastolic", 80.0, "mm[Hg]")),
        Reason.PARTS_INCONSISTENT,
        "each once and nothing else",
    ),
    (
        pressure(("systolic", 120.0, "mm[Hg]"), ("diastolic", 80.0, "mm[Hg]"), ("mean", 93.0, "mm[Hg]")),
        Reason.PARTS_INCONSISTENT,
        "blood_pressure has blood_pressure_systolic and blood_pressure_diastolic",
    ),
    (
        pressure(("systolic", 80.0, "mm[Hg]"), ("diastolic", 80.0, "mm[Hg]")),
        Reason.PARTS_INCONSISTENT,
        "blood_pressure_systolic is not above blood_pressure_diastolic",
    ),
    (
        pressure(("systolic", 120.0, "mm[Hg]"), ("diastolic", 201.0, "mm[Hg]")),
        Reason.OUT_OF_BOUNDS,
        "correlation.components[blood_pressure_diastolic].quantity.value:",
    ),
    (
        pressure(("systolic", None, "mm[Hg]"), ("diastolic", 80.0, "mm[Hg]")),
        Reason.VALUE_INVALID,
        "correlation.components[blood_pressure_systolic].quantity.value:",
    ),
    (
        pressure(("systolic", 12.0, "cm"), ("diastolic", 80.0, "mm[Hg]")),
        Reason.UNIT_WRONG,
        "correlation.components[blood_pressure_systolic].quantity.ucum_unit:",
    ),
]


@pytest.mark.parametrize(("sent", "reason", "said"), FAULTS)
def test_what_is_wrong_is_told_with_its_field(sent: Sent, reason: Reason, said: str) -> None:
    fault = refused(sent)
    assert fault.reason is reason
    assert said in fault.text


def test_every_reason_of_the_contract_is_given() -> None:
    assert {reason for _, reason, _ in FAULTS} == set(Reason)


def test_of_several_faults_the_first_in_a_fixed_order_is_told() -> None:
    worst = replace(of("hart_rate", math.nan, "bpm"), version=-1, start=None)
    mended = [{"version": 0}, {"metric": "heart_rate"}, {"start": BOTH}]
    told = [refused(worst).reason]
    for change in mended:
        worst = replace(worst, **change)  # type: ignore[arg-type]
        told.append(refused(worst).reason)
    told.append(refused(replace(worst, value=SentQuantity(19.0, "bpm"))).reason)
    told.append(refused(replace(worst, value=SentQuantity(19.0, "/min"))).reason)
    assert told == [
        Reason.IDENTITY_INVALID,
        Reason.METRIC_UNKNOWN,
        Reason.TIME_INVALID,
        Reason.VALUE_INVALID,
        Reason.UNIT_UNKNOWN,
        Reason.OUT_OF_BOUNDS,
    ]


def test_an_identity_is_judged_by_itself() -> None:
    assert identity_fault(replace(HEART_RATE, metric="", start=None, value=None)) is None
    assert identity_fault(replace(HEART_RATE, client_record_id="")) is not None


def test_names_as_people_give_them_are_taken() -> None:
    longest = "x" * SOURCE_CHARS_MAX
    for device in ("Zoë’s iPhone\u00a015", "👩‍👧 Uhr", longest):
        assert taken(replace(HEART_RATE, device=device)).source.device == device
    assert taken(replace(HEART_RATE, app="")).source.app == ""
    assert taken(replace(HEART_RATE, version=VERSION_MAX)).version == VERSION_MAX
    own_id = "é" * CLIENT_RECORD_ID_CHARS_MAX
    assert taken(replace(HEART_RATE, client_record_id=own_id)).client_record_id == own_id


# ---- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [BOTH, INSTANT, FLOATING], ids=["both", "instant", "floating"])
@pytest.mark.parametrize("end", [BOTH, INSTANT, FLOATING], ids=["both", "instant", "floating"])
def test_start_and_end_are_of_one_kind_of_time(start: Moment, end: Moment) -> None:
    sent = replace(HEART_RATE, start=start, end=later(end, HOUR_MS))
    if start == end:
        assert taken(sent).duration_ms == HOUR_MS
    else:
        assert refused(sent).reason is Reason.TIME_INVALID
        assert refused(sent).text.startswith("end: is of another kind of time than start")


@pytest.mark.parametrize("start", [BOTH, INSTANT, FLOATING], ids=["both", "instant", "floating"])
def test_a_sample_that_ends_as_it_starts_is_a_moment(start: Moment) -> None:
    assert taken(replace(HEART_RATE, start=start, end=start)).end is None
    assert taken(replace(HEART_RATE, start=start, end=later(start, 1))).duration_ms == 1


def test_a_sample_lasts_24_hours_at_most_by_what_truly_passed() -> None:
    assert taken(replace(HEART_RATE, end=later(BOTH, DAY_MS))).duration_ms == DAY_MS
    # A traveller's clock may show 29 hours, or 19, where 24 have passed.
    west, east = Moment(NOW + DAY_MS, NOW - 4 * HOUR_MS + DAY_MS), Moment(NOW + DAY_MS, NOW + 6 * HOUR_MS + DAY_MS)
    assert (
        taken(replace(HEART_RATE, end=west)).duration_ms == taken(replace(HEART_RATE, end=east)).duration_ms == DAY_MS
    )


def test_a_clock_that_is_set_back_does_not_end_a_sample_before_it_starts() -> None:
    end = Moment(NOW + HOUR_MS // 2, NOW + HOUR_MS // 2)  # an hour of summer time is given back
    assert taken(replace(HEART_RATE, start=BOTH, end=end)).duration_ms == HOUR_MS // 2


@pytest.mark.parametrize("moment", [INSTANT, BOTH], ids=["instant", "both"])
def test_a_day_ahead_of_the_servers_clock_is_taken_and_no_more(moment: Moment) -> None:
    ahead = later(moment, FUTURE_MS_MAX)
    assert taken(replace(HEART_RATE, start=ahead)).start == ahead
    assert refused(replace(HEART_RATE, start=later(ahead, 1))).reason is Reason.IN_FUTURE


def test_a_floating_time_may_be_that_of_the_clock_furthest_ahead() -> None:
    ahead = later(FLOATING, FUTURE_MS_MAX + 14 * HOUR_MS)
    assert taken(replace(HEART_RATE, start=ahead)).start == ahead
    assert refused(replace(HEART_RATE, start=later(ahead, 1))).reason is Reason.IN_FUTURE


def test_a_recording_of_1918_is_taken() -> None:
    long_ago = Moment(None, -1_600_000_000_000)
    assert taken(replace(HEART_RATE, start=long_ago, end=later(long_ago, 1000))).start == long_ago


# ---- anything at all -------------------------------------------------------------------------------------------------

CANARY = "canary"
texts = st.one_of(st.text(max_size=140), st.just(""), st.just("a"), st.text(max_size=8).map(lambda tail: CANARY + tail))
moments = st.builds(
    Moment,
    st.none() | st.integers(NOW - 3 * DAY_MS, NOW + 3 * DAY_MS),
    st.none() | st.integers(NOW - 3 * DAY_MS, NOW + 3 * DAY_MS),
)
own_units = st.sampled_from(sorted({metric.ucum_unit for metric in QUANTITIES}))
numbers = st.none() | st.floats() | st.floats(-400, 400) | st.integers(0, 400).map(float)
quantities = st.builds(SentQuantity, numbers, own_units | st.sampled_from(["1", "[degF]", "kPa", "km"]) | texts)
names = st.sampled_from(sorted(catalogue()))
values = st.one_of(
    st.none(),
    quantities,
    st.builds(Coded, st.sampled_from(["light", "rem", "running"]) | texts, texts),
    st.lists(st.tuples(names | texts, quantities), max_size=3).map(tuple),
    st.tuples(
        st.tuples(st.just("blood_pressure_systolic"), quantities),
        st.tuples(st.just("blood_pressure_diastolic"), quantities),
    ),
)
anything = st.builds(
    Sent,
    metric=names | texts,
    device=texts,
    app=texts,
    client_record_id=texts,
    version=st.integers(-(1 << 63), (1 << 63) - 1) | st.just(0),
    start=st.none() | moments,
    end=st.none() | moments,
    time_fault=st.just("") | st.just("start: is no date"),
    value=values,
    raw=st.binary(max_size=4),
)
likely = st.builds(
    lambda metric, value, end: replace(HEART_RATE, metric=metric, value=value, end=end),
    names,
    values,
    st.none() | moments,
)


@given(sent=anything | likely, now_ms=st.just(NOW) | st.integers(-(1 << 62), 1 << 62))
@example(sent=of("body_mass", 1.7e308, "t"), now_ms=NOW)
def test_whatever_is_sent_is_taken_within_bounds_or_put_aside(sent: Sent, now_ms: int) -> None:
    first = examine(sent, now_ms)
    assert first == examine(sent, now_ms)
    if isinstance(first, Fault):
        assert first.text.strip()
        return
    assert (first.metric, first.client_record_id, first.version) == (sent.metric, sent.client_record_id, sent.version)
    assert (first.source, first.start) == (Source(sent.device, sent.app), sent.start)
    assert first.end is None or first.end == sent.end
    assert 0 <= first.duration_ms <= DAY_MS
    numbers = {first.metric: first.value} if isinstance(first.value, float) else {}
    if isinstance(first.value, tuple):
        numbers = dict(first.value)
    for name, value in numbers.items():
        metric = catalogue()[name]
        assert metric.minimum is not None
        assert metric.maximum is not None
        assert metric.minimum <= value <= metric.maximum


@given(
    metric=st.sampled_from(QUANTITIES),
    unit=st.sampled_from(
        ["1", "{count}", "kPa", "km", "[lb_av]", "[degF]", "mmol/L", "kJ", "h", "Hz", "L", "km/h", ""]
    ),
    share=st.floats(0, 1),
)
def test_what_is_plausible_is_taken_in_every_unit(metric: Metric, unit: str, share: float) -> None:
    assert metric.minimum is not None
    assert metric.maximum is not None
    wanted = metric.minimum + share * (metric.maximum - metric.minimum)
    found = conversion(metric.metric, unit or metric.ucum_unit)
    if not isinstance(found, Conversion) or (metric.dimension is Dimension.FRACTION and not unit and 0 < wanted <= 1):
        return
    told = examine(of(metric.metric, found.back(wanted), unit or metric.ucum_unit), NOW)
    if isinstance(told, Sample):
        assert isinstance(told.value, float)
        assert math.isclose(told.value, wanted, rel_tol=1e-9, abs_tol=1e-9)
    else:  # only where the rounding of what was sent goes beyond the bound
        assert told.reason is Reason.OUT_OF_BOUNDS
        assert share in {0.0, 1.0} or min(share, 1 - share) < 1e-9


@given(metric=names | st.just(CANARY), number=st.floats(987_000_000, 988_000_000), end=st.none() | moments)
def test_no_text_tells_what_was_sent(metric: str, number: float, end: Moment | None) -> None:
    sents = [
        replace(of(metric, number, CANARY), end=end),
        replace(of(metric, number, catalogue()[metric].ucum_unit if metric in catalogue() else "1"), end=end),
        coded(metric, CANARY, CANARY + "\n"),
        coded(metric, "running", CANARY + "\n"),
        replace(HEART_RATE, metric=metric, value=((CANARY, SentQuantity(number, CANARY)),)),
        pressure(("systolic", number, "mm[Hg]"), ("diastolic", number, "mm[Hg]")),
        replace(HEART_RATE, client_record_id=CANARY + "\n"),
        replace(HEART_RATE, device=CANARY + "\n"),
    ]
    for sent in sents:
        text = refused(sent).text
        assert CANARY not in text
        assert "987" not in text
