"""Outside figures for real recordings, and our own in the same terms: a row a figure, with what is expected of it.

The figures are those of ../shared/data/actiwatch/reference.json, made once by pyActigraphy 1.1 and by textbook formulas
in numpy (its README says how); the recordings lie beside it and are never committed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.measures import Unavailable
from clarity_server.rhythm import circadian, sleep, week
from clarity_server.rhythm.clock import DAY_MINUTES, civil_minutes

ACTIWATCH = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "actiwatch"
FILES = ("example_01.AWD", "example_03.AWD", "example_05.AWD")
WINDOWS = ("whole_recording", "first_7_days", "first_7_civil_days")
AWD_HEADER_LINES = 7
EXACT = 1e-9  # relative: the convention is the same
CK_EDGE_MINUTES = 4  # that pyActigraphy leaves unscored on either side

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, theirs and ours; `within` is relative, or absolute where `absolute` says so."""

    file: str
    window: str
    tool: str
    name: str
    theirs: float
    ours: float
    within: float = EXACT
    absolute: bool = False
    why: str = ""

    @property
    def distance(self) -> float:
        """How far ours lies from theirs, in the terms of `within`."""
        away = abs(self.ours - self.theirs)
        return away if self.absolute or not away else away / abs(self.theirs)

    @property
    def agrees(self) -> bool:
        """Whether ours is as near as the conventions allow."""
        # The file rounds to 12 significant digits.
        return self.distance <= self.within


@cache
def reference() -> Tree:
    """Returns reference.json."""
    document: dict[str, Tree] = json.loads((ACTIWATCH / "reference.json").read_text(encoding="utf-8"))
    return document["recordings"]


@cache
def recording(file: str) -> tuple[NDArray[np.float64], int]:
    """Returns the counts of an AWD file, whose content must be the reference's, and its start in civil minutes."""
    content = (ACTIWATCH / file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == reference()[file]["sha256"]
    lines = content.decode("ascii").splitlines()[AWD_HEADER_LINES:]
    start = datetime.fromisoformat(reference()[file]["start"])
    return np.array([float(line.split()[0]) for line in lines]), minute_of(start)


def minute_of(civil: datetime) -> int:
    """Returns a civil time in minutes since 1970-01-01 00:00."""
    since = civil - datetime(1970, 1, 1)
    return since.days * DAY_MINUTES + since.seconds // 60


def cut(file: str, window: str) -> tuple[NDArray[np.float64], int]:
    """Returns the counts and the start of a window as reference.json names it."""
    counts, start = recording(file)
    if window == "whole_recording":
        return counts, start
    first = -start % DAY_MINUTES if window == "first_7_civil_days" else 0
    return counts[first : first + week.WEEK_MINUTES], start + first


def figures(file: str, window: str) -> Iterator[Figure]:
    """Yields every figure of a window, ours computed with wear taken for granted."""
    counts, start = cut(file, window)
    theirs = reference()[file]["windows"][window]
    for tool, name, value, ours, *rest in (*_rhythms(theirs, counts, start), *_sleeps(theirs, counts, start)):
        within, absolute, why = rest or (EXACT, False, "")
        yield Figure(file, window, tool, name, value, ours, within, absolute, why)


def _clock(text: str) -> int:
    return 60 * int(text[:2]) + int(text[3:])


def _number(outcome: float | Unavailable) -> float:
    assert not isinstance(outcome, Unavailable), outcome
    return outcome


def _rhythms(theirs: Tree, counts: NDArray[np.float64], start: int) -> Iterator[tuple[Any, ...]]:
    """Yields the rows of IS, IV, L5, M10, RA and the cosinor."""
    found = week.analyse(counts, start, wear="none")
    ours = {measure.name: measure.outcome for measure in found.measures}
    textbook, pyactigraphy = theirs["numpy"], theirs["pyActigraphy"]
    on_the_clock, from_first = textbook["hours_on_the_clock"], textbook["hours_from_first_sample"]
    shifted = circadian.clock_hours(counts, civil_minutes(0, len(counts)))  # bins from the first sample
    stable, variable = circadian.interdaily_stability(shifted), circadian.intradaily_variability(shifted)
    assert isinstance(stable, circadian.Stability)
    assert isinstance(variable, circadian.Variability)
    n = stable.hours
    yield "numpy", "IS, clock hours", on_the_clock["IS"], ours["interdaily_stability"]
    yield "numpy", "IV, clock hours", on_the_clock["IV"], ours["intradaily_variability"]
    yield "numpy", "IS, hours from the first sample", from_first["IS"], stable.value
    yield "numpy", "IV, hours from the first sample", from_first["IV"], variable.value
    if len(counts) == week.WEEK_MINUTES:
        yield "pyActigraphy", "IS, sample variances", pyactigraphy["IS"], stable.value * 24 / 23 * (n - 1) / n
        yield "pyActigraphy", "IV, sample variances", pyactigraphy["IV"], variable.value * (n - 1) / n
    for tool, values in (("numpy", textbook), ("pyActigraphy", pyactigraphy)):
        for name, measure in (("L5", "l5"), ("M10", "m10"), ("RA", "relative_amplitude")):
            yield tool, name, values[name], ours[measure]
        for name, measure in (("L5_onset", "l5_onset"), ("M10_onset", "m10_onset")):
            yield tool, f"{name}, minutes", _clock(values[name]), ours[measure]
    yield "numpy", "L5_onsets_tied", textbook["L5_onsets_tied"], ours["l5_onsets_tied"]
    fit = textbook["cosinor_24h"]
    for name in ("mesor", "amplitude", "percent_rhythm"):
        yield "numpy", f"cosinor {name}", fit[name], ours[f"cosinor_{name}"]
    yield "numpy", "cosinor peak, hours", fit["peak_clock_hours"], _number(ours["cosinor_peak"]) / 60


def _sleeps(theirs: Tree, counts: NDArray[np.float64], start: int) -> Iterator[tuple[Any, ...]]:
    """Yields the rows of the sleep scores and SRI."""
    textbook, pyactigraphy = theirs["numpy"]["sleep_fraction"], theirs["pyActigraphy"]["sleep_fraction"]
    scored = np.ones(len(counts), dtype=np.bool_)
    plain = sleep.cole_kripke(counts)
    ours = {
        "cole_kripke_mean": plain,
        "cole_kripke_mean_webster": sleep.webster(plain, scored),
        "cole_kripke_actilife": sleep.cole_kripke(counts, sleep.COLE_KRIPKE_ACTILIFE),
        "sadeh_paper": sleep.sadeh(counts),
        "sadeh_actilife": sleep.sadeh_actilife(counts),
    }
    for name, asleep in ours.items():
        yield "numpy", f"asleep, {name}", textbook[name], float(asleep.mean())
    inside = plain.copy()
    inside[:CK_EDGE_MINUTES] = inside[-CK_EDGE_MINUTES:] = False
    name, value = "asleep, cole_kripke_mean", pyactigraphy["cole_kripke_mean"]
    yield "pyActigraphy", name, value, float(plain.mean()), *EDGES
    yield "pyActigraphy", f"{name}, without the edges", value, float(inside.mean())
    yield (
        "pyActigraphy",
        "asleep, cole_kripke_mean_webster",
        pyactigraphy["cole_kripke_mean_webster"],
        float(ours["cole_kripke_mean_webster"].mean()),
        *RESCORED,
    )
    yield "pyActigraphy", "asleep, sadeh", pyactigraphy["sadeh"], float(ours["sadeh_paper"].mean()), *SADEH
    yield "pyActigraphy", "asleep, oakley_40", pyactigraphy["oakley_40"], float(sleep.oakley(counts).mean()), *OAKLEY
    yield from _regularities(theirs, ours, sleep.oakley(counts), start)


def _regularities(
    theirs: Tree, ours: dict[str, NDArray[np.bool_]], oakley: NDArray[np.bool_], start: int
) -> Iterator[tuple[Any, ...]]:
    def sri(asleep: NDArray[np.bool_]) -> float:
        found = circadian.sleep_regularity(asleep, np.ones_like(asleep), civil_minutes(start, len(asleep)))
        assert isinstance(found, circadian.Regularity)
        return found.value

    for name in ("cole_kripke_mean_webster", "sadeh_paper"):
        yield "numpy", f"SRI, {name}", theirs["numpy"]["sri"][name], sri(ours[name])
    yield "pyActigraphy", "SRI, oakley_40", theirs["pyActigraphy"]["sri"]["oakley_40"], sri(oakley), *SRI


# (how far apart, absolutely, why)
EDGES = (1e-3, True, "it calls four minutes at either edge wake; we score every minute")
RESCORED = (5e-3, True, "it rescores only sleep runs at least as long as the rule; we rescore shorter ones wholly")
SADEH = (5e-3, True, "it takes 50 < x, the next minute in LG and PS > 0; we take the paper's terms")
OAKLEY = (1e-3, True, "it scores exactly 40, and two minutes at either edge, as wake")
SRI = (0.3, True, "as its Oakley, and it averages by clock minute first (the same on whole days only)")
