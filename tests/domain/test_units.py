"""Units: what a metric is sent in, what it becomes, and what is refused however alike it looks."""

import math
import re
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarity_server.domain import units
from clarity_server.domain.metrics import Dimension, Kind, Metric, catalogue
from clarity_server.domain.samples import Reason
from clarity_server.domain.units import SAME, Conversion, conversion

MEASURED = [metric for metric in catalogue().values() if metric.kind in {Kind.QUANTITY, Kind.SERIES}]
COMMON = (  # what clients send, right or wrong: HealthKit's and Health Connect's units, and those seen in the wild
    *("1", "%", "{count}", "{beats}/min", "{breaths}/min", "{count}/min", "1/min", "/s", "/h", "Hz", "s", "ms", "min"),
    *("h", "d", "m", "cm", "mm", "km", "[in_i]", "[ft_i]", "[yd_i]", "[mi_i]", "g", "kg", "mg", "[lb_av]", "[oz_av]"),
    *("[stone_av]", "J", "kJ", "cal", "kcal", "kcal/d", "kcal/h", "W", "kW", "mm[Hg]", "kPa", "Pa", "mbar", "mg/dL"),
    *("mmol/L", "umol/L", "g/L", "Cel", "[degF]", "K", "m/s", "km/h", "[mi_i]/h", "mL", "L", "dL", "[foz_us]", "S"),
    *("uS", "mS", "uV", "mV", "lx", "[g]", "dB[SPL]", "mL/kg/min", "mL/min/kg", "kg/m2", "[lb_av]/[in_i]2", "{score}"),
)
TAKEN = [
    (metric.metric, unit)
    for metric in MEASURED
    for unit in sorted({*COMMON, metric.ucum_unit})
    if isinstance(conversion(metric.metric, unit), Conversion)
]


def found(metric: str, unit: str) -> Conversion:
    """The conversion of a unit that is taken."""
    conversion_ = conversion(metric, unit)
    assert isinstance(conversion_, Conversion), (metric, unit)
    return conversion_


@pytest.mark.parametrize("metric", MEASURED, ids=lambda metric: metric.metric)
def test_ucum_has_every_unit_of_the_catalogue_and_nothing_happens_to_its_values(metric: Metric) -> None:
    assert units.is_ucum(metric.ucum_unit)
    assert conversion(metric.metric, metric.ucum_unit) is SAME


@pytest.mark.parametrize(
    ("metric", "unit", "sent", "own"),
    [
        ("heart_rate", "{beats}/min", 61.0, 61.0),
        ("heart_rate", "{count}/min", 61.0, 61.0),
        ("heart_rate", "1/min", 61.0, 61.0),
        ("heart_rate", "Hz", 1.2, 72.0),
        ("heart_rate", "/s", 1.2, 72.0),
        ("respiratory_rate", "{breaths}/min", 14.5, 14.5),
        ("hrv_rmssd", "s", 0.042, 42.0),
        ("body_mass", "[lb_av]", 180.0, 81.6466266),
        ("body_mass", "g", 300.0, 0.3),
        ("body_mass", "[stone_av]", 11.0, 69.85322498),
        ("height", "[in_i]", 70.0, 177.8),
        ("height", "[ft_i]", 6.0, 182.88),
        ("height", "m", 1.78, 178.0),
        ("distance_walking_running", "km", 5.1, 5100.0),
        ("distance_cycling", "[mi_i]", 26.2, 42164.8128),
        ("walking_speed", "km/h", 4.5, 1.25),
        ("walking_speed", "[mi_i]/h", 3.0, 1.34112),
        ("exercise_time", "h", 1.5, 90.0),
        ("exercise_time", "s", 90.0, 1.5),
        ("active_energy_burned", "kJ", 418.4, 100.0),
        ("active_energy_burned", "cal", 2500.0, 2.5),
        ("basal_metabolic_rate", "kcal/h", 70.0, 1680.0),
        ("basal_metabolic_rate", "W", 100.0, 100 * 86400 / 4184),
        ("blood_pressure_systolic", "kPa", 16.0, 120.00985213530501),
        ("blood_glucose", "mmol/L", 5.5, 99.0858),
        ("blood_glucose", "g/L", 0.99, 99.0),
        ("body_temperature", "[degF]", 98.6, 37.0),
        ("body_temperature", "[degF]", 113.0, 45.0),
        ("body_temperature", "K", 310.15, 37.0),
        ("oxygen_saturation", "1", 0.97, 97.0),
        ("body_fat_percentage", "1", 0.21, 21.0),
        ("walking_asymmetry", "1", 0.57, 57.0),
        ("step_count", "1", 412.0, 412.0),
        ("step_count", "{count}", 412.0, 412.0),
        ("phq9_score", "1", 9.0, 9.0),
        ("dietary_water", "L", 0.25, 250.0),
        ("dietary_water", "[foz_us]", 8.0, 236.5882365),
        ("electrodermal_activity", "mS", 0.002, 2.0),
        ("vo2_max", "mL/min/kg", 41.5, 41.5),
        ("body_mass_index", "[lb_av]/[in_i]2", 0.0325, 0.0325 * 0.45359237 / 0.0254**2),
    ],
)
def test_a_value_in_another_unit_becomes_the_metrics_own(metric: str, unit: str, sent: float, own: float) -> None:
    assert found(metric, unit).there(sent) == own


@pytest.mark.parametrize("unit", ["", "in", "IU", "kcal/hr/kg", "dB(SPL)", "dB(HL)", "hertz", "bpm", "KG", "kg ", " "])
@pytest.mark.parametrize("metric", ["heart_rate", "oxygen_saturation", "step_count", "body_temperature", "body_mass"])
def test_what_is_no_ucum_is_unknown_to_every_metric(metric: str, unit: str) -> None:
    assert conversion(metric, unit) is Reason.UNIT_UNKNOWN


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        # Right dimension, another quality.
        ("heart_rate", "Bq"),
        ("heart_rate", "rad/s"),
        ("heart_rate", "%/min"),
        ("heart_rate", "{breaths}/min"),
        ("heart_rate", "{steps}/min"),
        ("respiratory_rate", "{beats}/min"),
        ("activity_counts_1min", "{steps}/min"),
        ("active_energy_burned", "N.m"),
        ("active_energy_burned", "[Cal]"),
        ("vo2_max", "[MET]"),
        ("body_mass", "u"),
        ("body_mass", "kg{fat}"),
        ("hrv_sdnn", "ms{RMSSD}"),
        ("hrv_rmssd", "ms{SDNN}"),
        # Another dimension.
        ("basal_energy_burned", "kcal/d"),
        ("basal_metabolic_rate", "kcal"),
        ("walking_speed", "min/km"),
        ("body_mass", "N"),
        ("heart_rate", "min"),
        ("blood_pressure_systolic", "cm"),
        ("blood_glucose", "mmol"),
        ("blood_glucose", "mmol/kg"),
        ("blood_glucose", "%"),
        ("dietary_water", "mmol/L"),
        ("electrodermal_activity", "Ohm"),
        # Numbers that look alike.
        ("step_count", "%"),
        ("step_count", "{flights}"),
        ("step_count", "{score}"),
        ("step_count", "10*3"),
        ("flights_climbed", "{steps}"),
        ("phq9_score", "%"),
        ("phq9_score", "{count}"),
        ("interdaily_stability", "%"),
        ("sleep_regularity_index", "%"),
        ("oxygen_saturation", "[ppth]"),
        ("oxygen_saturation", "10*-2"),
        ("oxygen_saturation", "{count}"),
        # A difference is no temperature, and a temperature no difference.
        ("skin_temperature_delta", "Cel"),
        ("skin_temperature_delta", "[degF]"),
        ("skin_temperature_delta", "mK"),
        ("body_temperature", "[degRe]"),
        # Sound: a level of another thing, or no level.
        ("environmental_audio_exposure", "dB"),
        ("environmental_audio_exposure", "Pa"),
        # Scaled by a number, or to a power that nothing here has.
        ("body_mass", "10.kg"),
        ("body_mass", "m999999999"),
        ("body_mass", "10*999999999.kg"),
    ],
)
def test_a_unit_that_measures_something_else_is_wrong(metric: str, unit: str) -> None:
    assert conversion(metric, unit) is Reason.UNIT_WRONG


def test_an_amount_becomes_a_mass_only_where_the_molecule_is_known() -> None:
    concentrations = [name for name, _ in TAKEN if isinstance(conversion(name, "mmol/L"), Conversion)]
    assert set(concentrations) == {"blood_glucose"}
    assert found("blood_glucose", "mmol/L").factor == Fraction("18.0156")
    assert found("blood_glucose", "umol/L").factor == Fraction("0.0180156")


def test_one_measure_of_variability_never_becomes_another() -> None:
    # A conversion is asked for by one metric: nothing takes two. Both are in ms, so only the name keeps them apart.
    assert conversion("hrv_sdnn", "ms") is conversion("hrv_rmssd", "ms") is SAME
    assert {unit for metric, unit in TAKEN if metric in {"hrv_sdnn", "hrv_rmssd"}} == {"ms", "s", "min", "h", "d"}


@pytest.mark.parametrize(("metric", "unit"), TAKEN, ids=str)
@settings(max_examples=20)  # of each of some hundred pairs
@given(value=st.floats(-1e12, 1e12))
def test_there_and_back_is_where_it_began(metric: str, unit: str, value: float) -> None:
    taken = found(metric, unit)
    assert math.isclose(taken.back(taken.there(value)), value, rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.parametrize(("metric", "unit"), TAKEN, ids=str)
def test_a_larger_value_stays_a_larger_one(metric: str, unit: str) -> None:
    assert found(metric, unit).there(2.0) > found(metric, unit).there(1.0)


def test_a_value_too_large_to_be_converted_is_an_infinity_and_not_an_error() -> None:
    assert found("body_mass", "t").there(1.7e308) == math.inf
    assert found("body_mass", "t").there(-1.7e308) == -math.inf


def test_a_value_is_read_as_it_is_written() -> None:
    # In binary 0.57 is a little less, and 100 times that is no 57.
    assert 0.57 * 100 != 57.0
    assert found("walking_asymmetry", "1").there(0.57) == 57.0


def test_a_unit_longer_than_any_of_ours_is_not_even_read() -> None:
    assert conversion("body_mass", "kg.kg/kg.kg/kg") == SAME
    assert conversion("body_mass", "kg.kg/kg.kg/kg.kg/kg") is Reason.UNIT_UNKNOWN
    assert conversion("body_mass", "g{" + "x" * 30 + "}") is Reason.UNIT_UNKNOWN
    assert not units.is_ucum("(" * 10_000)


def test_many_who_ask_first_at_once_get_one_answer() -> None:
    units.ucum.cache_clear()
    conversion.cache_clear()
    asked = [("body_mass", "[lb_av]"), ("height", "[in_i]"), ("walking_speed", "km/h"), ("body_mass", "oops")] * 8
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda pair: conversion(*pair), asked))
    assert answers == [conversion(*pair) for pair in asked]


ATOMS = sorted(set().union(*units.ATOMS.values()) | {"mol"})
PIECES = st.sampled_from([*ATOMS, *"kmucdM", *"/.()123-", "{steps}", "{x}", "%", "1", "10*", "[pi]", "Cel", "[degF]"])


@given(metric=st.sampled_from(MEASURED), unit=st.one_of(st.text(), st.lists(PIECES, max_size=9).map("".join)))
def test_no_unit_is_an_error_and_every_conversion_is_one(metric: Metric, unit: str) -> None:
    answer = conversion(metric.metric, unit)
    if isinstance(answer, Conversion):
        assert answer.factor > 0
        assert units.is_ucum(unit)
    else:
        assert answer in {Reason.UNIT_UNKNOWN, Reason.UNIT_WRONG}
        assert (answer is Reason.UNIT_UNKNOWN) == (not units.is_ucum(unit))


# ---- the library against UCUM's own table ----------------------------------------------------------------------------

ESSENCE = resources.files("ucumvert").joinpath("vendor", "ucum-essence.xml").read_text(encoding="utf-8")
DEFINED = {
    code: (Fraction(value), unit)
    for code, unit, value in re.findall(
        r'<unit Code="([^"]+)".*?<value Unit="([^"]+)"[^>]*? value="([^"]+)"', ESSENCE, flags=re.DOTALL
    )
}
PREFIXES = {
    code: Fraction(value)
    for code, value in re.findall(r'<prefix Code="([^"]+)".*?<value value="([^"]+)"', ESSENCE, flags=re.DOTALL)
}
BASES = {code: (Fraction(1), {code: 1}) for code in re.findall(r'<base-unit Code="([^"]+)"', ESSENCE)}
TERM = re.compile(r"([./]?)(\d+(?=[./]|$)|[^./0-9+-]+|10\*)([+-]?\d+)?")


def worth(unit: str) -> tuple[Fraction, dict[str, int]]:
    """What a unit without brackets around terms is worth in UCUM's base units, reckoned from its table alone."""
    total, made = Fraction(1), dict[str, int]()
    for operator, atom, exponent in TERM.findall(unit.replace("10*", "ten")):
        power = int(exponent or 1) * (-1 if operator == "/" else 1)
        factor, of = worth_of_atom(atom)
        total *= factor**power
        for base, times in of.items():
            made[base] = made.get(base, 0) + times * power
    return total, {base: times for base, times in made.items() if times}


def worth_of_atom(atom: str) -> tuple[Fraction, dict[str, int]]:
    if atom == "ten" or atom.isdecimal():
        return Fraction(10 if atom == "ten" else int(atom)), {}
    if atom == "[pi]":
        return Fraction(math.pi), {}
    if atom in BASES:
        return BASES[atom]
    if atom in DEFINED:
        value, unit = DEFINED[atom]
        factor, of = worth(unit)
        return value * factor, of
    prefix = next(code for code in sorted(PREFIXES, key=len, reverse=True) if atom.startswith(code))
    factor, of = worth_of_atom(atom.removeprefix(prefix))
    return PREFIXES[prefix] * factor, of


BASE_OF = ("kg", "m", "s", "J", "W", "Pa", "m3", "/s", "S", "V", "lx", "m/s2", "mol")


@pytest.mark.parametrize("atom", [*ATOMS, "mm[Hg]", "kPa", "kcal_IT", "mL", "uS", "km", "mg"])
def test_the_library_reckons_as_ucum_does(atom: str) -> None:
    factor, of = worth(atom)
    base = next(base for base in BASE_OF if worth(base)[1] == of)
    reckoned = units.ucum().conversion(atom, base)
    assert reckoned is not None
    # UCUM rounds the metre of mercury to 133.322 kPa; the libraries have more digits.
    assert math.isclose(reckoned.factor, factor / worth(base)[0], rel_tol=1e-5 if "[Hg]" in atom else 1e-12)


def test_the_food_calorie_is_left_out_for_the_library_takes_it_for_a_small_one() -> None:
    # The day this fails ucumvert reads it right, and it may join Dimension.ENERGY's atoms.
    reckoned = units.ucum().conversion("[Cal]", "J")
    assert reckoned is not None
    assert worth("[Cal]")[0] / worth("J")[0] == 4184
    assert reckoned.factor == Fraction("4.184")
    assert not any("[Cal]" in atoms for atoms in units.ATOMS.values())


@pytest.mark.parametrize("unit", ["Cel", "K", "[degF]"])
def test_scales_with_a_zero_of_their_own_are_as_the_library_has_them(unit: str) -> None:
    of_library = units.ucum().scale(unit, "Cel")
    assert units.LISTED[Dimension.TEMPERATURE][unit] == of_library
