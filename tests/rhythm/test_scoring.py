"""Cole–Kripke, Webster and Sadeh: worked out by hand, and against their formulas in plain loops."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarity_server.rhythm import sleep
from clarity_server.rhythm.sleep import SCORERS, ColeKripke, cole_kripke, sadeh, sadeh_actilife, webster

GAP = math.nan
WEEK_MINUTES = 10_080
ROWS = (
    sleep.COLE_KRIPKE_MEAN_2S,
    sleep.COLE_KRIPKE_ACTILIFE,
    sleep.COLE_KRIPKE_10S,
    sleep.COLE_KRIPKE_10S_OVERLAPPING,
    sleep.COLE_KRIPKE_30S,
)
counts_lists = st.lists(st.one_of(st.integers(0, 900).map(float), st.just(GAP)), max_size=40)
rows = st.sampled_from(ROWS)


def text(asleep: np.ndarray) -> str:
    """Returns a night as text: `s` asleep, `.` not."""
    return "".join("s" if minute else "." for minute in asleep)


def minutes(night: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns asleep and scored of a night spelled s (sleep), . (wake) and ? (not scored)."""
    return np.array([mark == "s" for mark in night], bool), np.array([mark != "?" for mark in night], bool)


# ---- Cole–Kripke ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # 30 counts a minute are 1 of a 2-second epoch: D = 0.001 · 230 · (x / 30) reaches 1 at x = 130.43.
        ((0, 0, 0, 0, 130, 0, 0), "sssssss"),
        ((0, 0, 0, 0, 131, 0, 0), "ssss.ss"),
        # 30 · 1000 / 106 = 283.02: wakes the fourth minute after it too; by 76, 58 and 54 less: 395, 518, 556.
        # So 300 wakes itself (230) and the fourth after (106), nothing between.
        ((0, 0, 300, 0, 0, 0, 0), "ss.sss."),
        # Before it 74 (405.4) and 67 (447.8): 448 wakes the two minutes before, itself, the next (76), the fourth.
        ((0, 0, 0, 448, 0, 0, 0, 0, 0), "s....ss.s"),
        # A tie, D = 1 exactly, is wake: 30000 / (230 + 76 + 74 + …) with a constant c: Σ = 665 inside.
        ((GAP, 0, 131), ".s."),
        ((), ""),
        ((130,), "s"),
        ((131,), "."),
        ((GAP,), "."),
        ((-5, 0), ".s"),
        ((math.inf, 0), ".s"),
    ],
)
def test_cole_kripke_worked_out_by_hand(counts: tuple[float, ...], expected: str) -> None:
    assert text(cole_kripke(np.array(counts, dtype=np.float64))) == expected


@given(counts_lists, rows)
def test_cole_kripke_is_its_formula_summed_one_minute_at_a_time(counts: list[float], row: ColeKripke) -> None:
    present = {minute: int(min(count, row.counts_max)) for minute, count in enumerate(counts) if not math.isnan(count)}
    expected = [
        minute in present
        and sum(weight * present.get(minute + k, 0) for k, weight in zip(range(-4, 3), row.weights, strict=True))
        < row.wake_at
        for minute in range(len(counts))
    ]
    assert cole_kripke(np.array(counts), row).tolist() == expected


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_table_is_published_as_it_is_computed(row: ColeKripke) -> None:
    assert row.algorithm.parameters["weights"].split() == [str(weight) for weight in row.weights]
    unit = {"cole_kripke_mean_2s": 30, "cole_kripke_actilife": 100}.get(row.algorithm.id, 1)
    assert row.wake_at == pytest.approx(unit / float(row.algorithm.parameters["scale"]), rel=1e-15)


def test_the_variants_have_names_of_their_own() -> None:
    assert len({row.algorithm.id for row in ROWS} | {sleep.SADEH.id, sleep.SADEH_ACTILIFE.id, sleep.OAKLEY.id}) == 8


def test_actilife_cuts_at_300_of_its_own_counts() -> None:
    counts = np.array([0.0, 0, 0, 0, 30_000, 0, 0])
    loud = np.where(counts > 0, 65_535 * 100.0, 0)
    np.testing.assert_array_equal(
        cole_kripke(loud, sleep.COLE_KRIPKE_ACTILIFE), cole_kripke(counts, sleep.COLE_KRIPKE_ACTILIFE)
    )


# ---- Webster -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # After 3, 4, 9, 10, 14, 15 minutes of wake, of a long sleep.
        ("." * 3 + "s" * 20, "." * 3 + "s" * 20),
        ("." * 4 + "s" * 20, "." * 5 + "s" * 19),
        ("." * 9 + "s" * 20, "." * 10 + "s" * 19),
        ("." * 10 + "s" * 20, "." * 13 + "s" * 17),
        ("." * 14 + "s" * 20, "." * 17 + "s" * 17),
        ("." * 15 + "s" * 20, "." * 19 + "s" * 16),
        # A sleep shorter than what is taken goes altogether, and no other rule sees that it has.
        ("." * 15 + "ss" + "..." + "s" * 20, "." * 20 + "s" * 20),
        # 6 minutes between 10 and 10, 10 between 20 and 20; 7, and 9 on one side, stay (but for their first 3).
        ("." * 10 + "s" * 6 + "." * 10, "." * 26),
        ("." * 10 + "s" * 7 + "." * 10, "." * 13 + "s" * 4 + "." * 10),
        ("." * 10 + "s" * 6 + "." * 9, "." * 13 + "s" * 3 + "." * 9),
        ("." * 20 + "s" * 10 + "." * 20, "." * 50),
        ("." * 20 + "s" * 10 + "." * 19, "." * 24 + "s" * 6 + "." * 19),
        # The edge of the recording is no wake, and neither is a minute without a score, which ends a run.
        ("s" * 6 + "." * 10, "s" * 6 + "." * 10),
        ("." * 10 + "s" * 6, "." * 13 + "s" * 3),
        ("." * 10 + "?" + "s" * 6 + "." * 10, "." * 10 + "?" + "s" * 6 + "." * 10),
        ("." * 3 + "?" + "." * 3 + "s" * 4, "." * 3 + "?" + "." * 3 + "s" * 4),
        ("", ""),
        ("s" * 9, "s" * 9),
        ("." * 9, "." * 9),
    ],
)
def test_webster_worked_out_by_hand(before: str, after: str) -> None:
    asleep, scored = minutes(before)
    np.testing.assert_array_equal(webster(asleep, scored), minutes(after)[0])


runs_of_marks = st.lists(
    st.tuples(st.sampled_from("s.?"), st.sampled_from([1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 14, 15, 19, 20, 21])), max_size=9
).map(lambda runs: "".join(mark * length for mark, length in runs))


@given(runs_of_marks)
def test_webster_agrees_with_five_rules_read_one_by_one(night: str) -> None:
    asleep, scored = minutes(night)
    assert webster(asleep, scored).tolist() == by_the_rules(night)


@given(runs_of_marks)
def test_webster_never_makes_sleep_and_leaves_its_input_alone(night: str) -> None:
    asleep, scored = minutes(night)
    kept = asleep.copy()
    assert not (webster(asleep, scored) & ~kept).any()
    np.testing.assert_array_equal(asleep, kept)


def by_the_rules(night: str) -> list[bool]:
    """Returns what the five rules leave asleep, slowly."""
    asleep = [mark == "s" for mark in night]
    start = 0
    while start < len(night):
        end = start
        while end < len(night) and night[end] == night[start]:
            end += 1
        if night[start] == "s":
            before = len(night[:start]) - len(night[:start].rstrip("."))
            after = len(night[end:]) - len(night[end:].lstrip("."))
            taken = 4 if before >= 15 else 3 if before >= 10 else 1 if before >= 4 else 0
            short = (end - start <= 6 and min(before, after) >= 10) or (end - start <= 10 and min(before, after) >= 20)
            lost = end - start if short else min(taken, end - start)
            asleep[start : start + lost] = [False] * lost
        start = end
    return asleep


# ---- Sadeh ---------------------------------------------------------------------------------------------------


def score(counts: list[float], minute: int) -> float:
    """Returns PS of one minute, by the paper's words."""
    padded = [0.0] * 5 + [0.0 if math.isnan(count) else count for count in counts] + [0.0] * 5
    eleven, six = padded[minute : minute + 11], padded[minute : minute + 6]
    nat = sum(50 <= count < 100 for count in eleven)
    lg = math.log(padded[minute + 5] + 1)
    return 7.601 - 0.065 * statistics.mean(eleven) - 1.08 * nat - 0.056 * statistics.stdev(six) - 0.703 * lg


@pytest.mark.parametrize(
    ("counts", "paper", "actilife"),
    [
        # All zero: PS = 7.601.
        ((0, 0, 0), "sss", "sss"),
        # One minute of 100 among zeros: 7.601 - .065·100/11 - .056·100/√6 - .703·ln 101 = 7.601 - .591 - 2.286 - 3.244.
        ((0, 0, 0, 100, 0, 0, 0), "sssssss", "sssssss"),
        # 200: 7.601 - 1.182 - 4.572 - 3.728 = -1.881, wake in the paper and sleep in ActiLife.
        ((0, 0, 0, 200, 0, 0, 0), "sss.sss", "sssssss"),
        # Eight minutes of 50. The last sees six: 7.601 - .065·300/11 - 1.08·6 - 0 - .703·ln 51 = -3.42, which is sleep
        # in ActiLife; the one before sees seven: -4.79.
        ((50,) * 8, "." * 8, "." * 7 + "s"),
        ((GAP, 0), ".s", ".s"),
        ((), "", ""),
        ((-1, math.inf), "..", ".."),
    ],
)
def test_sadeh_worked_out_by_hand(counts: tuple[float, ...], paper: str, actilife: str) -> None:
    x = np.array(counts, dtype=np.float64)
    assert (text(sadeh(x)), text(sadeh_actilife(x))) == (paper, actilife)


@given(counts_lists)
def test_sadeh_is_its_formula_one_minute_at_a_time(counts: list[float]) -> None:
    expected = [not math.isnan(count) and score(counts, minute) >= 0 for minute, count in enumerate(counts)]
    assert sadeh(np.array(counts)).tolist() == expected
    capped = [min(count, 300.0) if not math.isnan(count) else count for count in counts]
    expected = [not math.isnan(count) and score(capped, minute) > -4 for minute, count in enumerate(counts)]
    assert sadeh_actilife(np.array(counts)).tolist() == expected


# ---- all of them ---------------------------------------------------------------------------------------------

scorers = pytest.mark.parametrize("name", sorted(SCORERS))


@scorers
@pytest.mark.parametrize("length", [1, 2, WEEK_MINUTES - 1, WEEK_MINUTES, WEEK_MINUTES + 1])
@pytest.mark.parametrize(("count", "share"), [(0.0, 1.0), (GAP, 0.0), (-1.0, 0.0), (1e6, 0.0), (65_535.0, 0.0)])
def test_a_constant_week_is_all_sleep_or_none(name: str, length: int, count: float, share: float) -> None:
    if name == "oakley" and count < 0:
        share = 1.0  # to Oakley a negative count is a count
    answer = SCORERS[name][1](np.full(length, count))
    assert answer.dtype == np.bool_
    assert answer.shape == (length,)
    assert answer.mean() == share


@scorers
@given(counts=counts_lists)
def test_a_missing_minute_never_sleeps(name: str, counts: list[float]) -> None:
    assert not SCORERS[name][1](np.array(counts))[np.isnan(counts)].any()


@scorers
@pytest.mark.parametrize("kind", [">f8", "<f4", ">f4"])
def test_any_float_layout_gives_the_same_answer(name: str, kind: str) -> None:
    scorer: Callable[[np.ndarray], np.ndarray] = SCORERS[name][1]
    counts = np.array([0, 40, 200, 1000, GAP, 28, 28, 28, 0, 125, 25, 20, 25, 125, 70_000.0])
    stored = np.stack([counts, counts + 1], axis=1).astype(kind)
    stored.flags.writeable = False
    np.testing.assert_array_equal(scorer(stored[:, 0]), scorer(counts))
