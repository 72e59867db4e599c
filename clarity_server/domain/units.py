"""Units: which UCUM units a metric is sent in, and how each becomes the metric's own.

UCUM is read with ucumvert and reckoned with pint, in exact fractions. Their notion of a dimension is too wide for
health data: a torque is an energy to them, and a becquerel a heart rate. So each dimension of the catalogue names the
atoms of UCUM it is spelled with, and whatever else is spelled is not it, right dimension or not.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from importlib import resources
from threading import Lock

from lark import Lark, Token, Tree
from lark.exceptions import LarkError
from pint import UnitRegistry
from pint.facets.plain import PlainQuantity, PlainUnit
from ucumvert import UcumToPintTransformer, get_ucum_parser

from clarity_server.domain.access import Family
from clarity_server.domain.metrics import Dimension, Metric, find
from clarity_server.domain.samples import Reason

UNIT_CHARS_MAX = 32  # twice the longest of ours
OPERATORS_MAX = 4  # and parentheses: reading a unit takes a millisecond, and more with each
EXPONENT_MAX = 3  # the highest that any of our units needs
CONVERSIONS_MAX = 4096  # remembered; one takes a millisecond to find and a microsecond to remember
BLOOD_GLUCOSE = "blood_glucose"
MOLAR_MASS: Mapping[str, Fraction] = {BLOOD_GLUCOSE: Fraction("180.156")}  # in g/mol: C6H12O6


@dataclass(frozen=True, slots=True)
class Conversion:
    """A value of one unit in another: `value * factor + offset`."""

    factor: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)

    def there(self, value: float) -> float:
        """Convert a finite value, correctly rounded; an infinity where it is too large."""
        return _rounded(_written(value) * self.factor + self.offset)

    def back(self, value: float) -> float:
        """Undo `there`."""
        return _rounded((_written(value) - self.offset) / self.factor)


SAME = Conversion()


def _written(value: float) -> Fraction:
    """Return a value as it is written: 98.6, and not the binary fraction next to it."""
    return Fraction(repr(float(value)))


def _rounded(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


# ---- what a dimension is spelled with --------------------------------------------------------------------------------

_TIME = frozenset({"s", "min", "h", "d"})
_LENGTH = frozenset({"m", "[in_i]", "[ft_i]", "[yd_i]", "[mi_i]"})
_MASS = frozenset({"g", "t", "[lb_av]", "[oz_av]", "[stone_av]"})
_LITRE = frozenset({"L", "l"})
_ENERGY = frozenset({"J", "cal", "cal_th", "cal_IT"})
ATOMS: Mapping[Dimension, frozenset[str]] = {
    Dimension.ACCELERATION: frozenset({"[g]", "m", "s"}),
    Dimension.CONDUCTANCE: frozenset({"S"}),
    Dimension.ENERGY: _ENERGY,
    Dimension.COUNT_RATE: _TIME,
    Dimension.DISTANCE: _LENGTH,
    Dimension.DURATION: _TIME,
    Dimension.FREQUENCY: _TIME | {"Hz"},
    Dimension.ILLUMINANCE: frozenset({"lx"}),
    Dimension.INTERVAL: _TIME,
    Dimension.LENGTH: _LENGTH,
    Dimension.MASS: _MASS,
    Dimension.MASS_CONCENTRATION: _LITRE | {"g"},
    Dimension.MASS_PER_AREA: _LENGTH | _MASS,
    Dimension.OXYGEN_UPTAKE: _LITRE | _TIME | {"g"},
    Dimension.POWER: _ENERGY | _TIME | {"W"},
    Dimension.PRESSURE: frozenset({"m[Hg]", "Pa", "bar"}),
    Dimension.SPEED: _LENGTH | _TIME,
    Dimension.VOLTAGE: frozenset({"V"}),
    Dimension.VOLUME: _LITRE | {"m", "[foz_us]", "[foz_br]", "[cup_us]", "[pt_us]", "[pt_br]"},
}
"""Units of these dimensions are any that these atoms make, with prefixes, exponents to 3, products and quotients."""
_AMOUNT = _LITRE | {"mol"}

LISTED: Mapping[Dimension, Mapping[str, Conversion]] = {
    Dimension.FRACTION: {"%": SAME, "1": Conversion(Fraction(100))},
    Dimension.NUMBER: {"1": SAME},
    Dimension.SOUND_LEVEL: {"dB[SPL]": SAME},
    Dimension.TEMPERATURE: {
        "Cel": SAME,
        "K": Conversion(offset=Fraction("-273.15")),
        "[degF]": Conversion(Fraction(5, 9), Fraction(-160, 9)),
    },
    # A difference of 1 degree Celsius is one of 1 K; as a Celsius it would read like a temperature.
    Dimension.TEMPERATURE_DIFFERENCE: {"K": SAME},
}
"""All units of these dimensions: scales with a zero of their own, and numbers that look alike."""
ALSO: Mapping[Dimension, frozenset[str]] = {
    Dimension.COUNT: frozenset({"1", "{count}"}),
    Dimension.SCORE: frozenset({"1"}),
}
"""Units of these dimensions are these and the metric's own: an annotation says what is counted."""
COUNTED: Mapping[Family, frozenset[str]] = {
    Family.HEART: frozenset({"{count}", "{beats}", "{beat}"}),
    Family.RESPIRATION: frozenset({"{count}", "{breaths}", "{breath}"}),
}
"""What may be counted in a frequency that says nothing of it."""


@lru_cache(maxsize=CONVERSIONS_MAX)
def conversion(metric: str, ucum_unit: str) -> Conversion | Reason:
    """Return what turns values of a unit into the metric's own, or UNIT_UNKNOWN or UNIT_WRONG. The metric exists."""
    known = find(metric)
    if ucum_unit == known.ucum_unit:
        return SAME
    if not _short(ucum_unit):
        return Reason.UNIT_UNKNOWN
    with _READING:
        return _found(known, ucum_unit)


@lru_cache(maxsize=CONVERSIONS_MAX)
def is_ucum(ucum_unit: str) -> bool:
    """Tell whether UCUM has such a unit, of at most UNIT_CHARS_MAX and OPERATORS_MAX."""
    if not _short(ucum_unit):
        return False
    with _READING:
        return ucum().tree(ucum_unit) is not None


def _short(ucum_unit: str) -> bool:
    return len(ucum_unit) <= UNIT_CHARS_MAX and sum(map(ucum_unit.count, "./(")) <= OPERATORS_MAX


def _found(metric: Metric, ucum_unit: str) -> Conversion | Reason:
    tree = ucum().tree(ucum_unit)
    if tree is None:
        return Reason.UNIT_UNKNOWN
    if metric.dimension in LISTED:
        return LISTED[metric.dimension].get(ucum_unit, Reason.UNIT_WRONG)
    if metric.dimension in ALSO:
        return SAME if ucum_unit in ALSO[metric.dimension] else Reason.UNIT_WRONG
    return _reckoned(metric, ucum_unit, _spelled(tree)) or Reason.UNIT_WRONG


def _reckoned(metric: Metric, ucum_unit: str, spelled: "Spelled") -> Conversion | None:
    if not spelled.plain or not spelled.annotations <= _annotations(metric):
        return None
    if spelled.atoms <= ATOMS[metric.dimension]:
        return ucum().conversion(ucum_unit, metric.ucum_unit)
    if metric.metric in MOLAR_MASS and spelled.atoms <= _AMOUNT:
        return _from_amount(metric, ucum_unit)
    return None


def _from_amount(metric: Metric, ucum_unit: str) -> Conversion | None:
    in_moles, in_grams = ucum().conversion(ucum_unit, "mol/L"), ucum().conversion("g/L", metric.ucum_unit)
    if in_moles is None or in_grams is None:
        return None
    return Conversion(in_moles.factor * MOLAR_MASS[metric.metric] * in_grams.factor)


def _annotations(metric: Metric) -> frozenset[str]:
    if metric.dimension is Dimension.FREQUENCY:
        return COUNTED.get(metric.family, frozenset())
    return frozenset(ANNOTATION.findall(metric.ucum_unit))


# ---- UCUM ------------------------------------------------------------------------------------------------------------

ANNOTATION = re.compile(r"\{[^{}]*\}")
_STANDING_ALONE = re.compile(r"(?:^|(?<=[./(]))" + ANNOTATION.pattern)
_READING = Lock()  # pint's registry is not made for several threads, and loads for half a second


@dataclass(frozen=True, slots=True)
class Spelled:
    """What a unit is spelled with."""

    atoms: frozenset[str]
    annotations: frozenset[str]
    plain: bool  # has no number but 1, and no exponent above EXPONENT_MAX


class Ucum:
    """All of UCUM, loaded: use it under one lock."""

    def __init__(self) -> None:
        self._registry: UnitRegistry[Fraction] = UnitRegistry(non_int_type=Fraction)
        self._registry.load_definitions(str(resources.files("ucumvert").joinpath("pint_ucum_defs.txt")))
        self._parser: Lark = get_ucum_parser()
        self._transformer = UcumToPintTransformer(ureg=self._registry)

    def tree(self, ucum_unit: str) -> Tree[Token] | None:
        """Return how a unit is built, or None where it is no UCUM."""
        try:
            return self._parser.parse(ucum_unit)
        except LarkError:
            return None

    def conversion(self, ucum_unit: str, other: str) -> Conversion | None:
        """Return what turns values of a unit into another's, or None where their dimensions differ."""
        there, here = self._read(ucum_unit), self._read(other)
        if there.dimensionality != here.dimensionality:
            return None
        return Conversion(Fraction(self._registry.convert(Fraction(1), there, here)))

    def scale(self, ucum_unit: str, other: str) -> Conversion:
        """Return the same of two scales with zeros of their own."""
        there, here = self._read(ucum_unit), self._read(other)
        zero, one = (Fraction(self._registry.convert(Fraction(value), there, here)) for value in (0, 1))
        return Conversion(one - zero, zero)

    def _read(self, ucum_unit: str) -> PlainUnit:
        # An annotation means 1 where it stands alone, and nothing behind a unit. ucumvert fails on the first.
        bare = ANNOTATION.sub("", _STANDING_ALONE.sub("1", ucum_unit))
        read: PlainQuantity[Fraction] = self._transformer.transform(self._parser.parse(bare))
        return read.units


@lru_cache(maxsize=1)
def ucum() -> Ucum:
    """Return UCUM, loaded when first asked for."""
    return Ucum()


def _spelled(tree: Tree[Token]) -> Spelled:
    tokens = [(token.type, str(token)) for token in tree.scan_values(lambda _: True)]
    return Spelled(
        atoms=frozenset(text for kind, text in tokens if kind in {"UNIT_METRIC", "UNIT_NON_METRIC"}),
        annotations=frozenset(text for kind, text in tokens if kind == "ANNOTATION"),
        plain=all(text == "1" for kind, text in tokens if kind == "FACTOR")
        and all(abs(int(text)) <= EXPONENT_MAX for kind, text in tokens if kind == "EXPONENT"),
    )
