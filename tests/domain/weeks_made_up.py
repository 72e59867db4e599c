"""Analyses made up: any measure, any night, anything missing; from a source of chance that repeats itself."""

from dataclasses import replace
from random import Random

from clarity_server.domain.analysis import Abstention, Analysis, Output, PatReading, State, Window
from clarity_server.domain.measures import Measure, Night, Sleep, Unavailable
from clarity_server.domain.series import Source

DAY = 1440
FIRST_DAY = 20_000  # 2024-10-04, a Friday
MISSING = (
    Unavailable.SHORT_RECORD,
    Unavailable.GAP,
    Unavailable.NOT_WORN,
    Unavailable.NO_SLEEP,
    Unavailable.UNDEFINED,
    Unavailable.FAILED,
)
NO_PAT = (Unavailable.NO_MODEL, Unavailable.GAP, Unavailable.NOT_WORN, Unavailable.OUT_OF_DISTRIBUTION)
# name, unit, least, most
MEASURES: tuple[tuple[str, str, float, float], ...] = (
    ("wear_coverage", "1", 0, 1),
    ("activity_mean", "{counts}/min", 0, 2500),
    ("interdaily_stability", "1", 0, 1),
    ("interdaily_stability_hours", "{hours}", 40, 168),
    ("intradaily_variability", "1", 0, 2),
    ("intradaily_variability_pairs", "{pairs}", 40, 167),
    ("l5", "{counts}/min", 0, 60),
    ("l5_onset", "min", 0, 1439),
    ("l5_onsets_tied", "{onsets}", 1, 3),
    ("m10", "{counts}/min", 60, 3000),
    ("m10_onset", "min", 0, 1439),
    ("m10_onsets_tied", "{onsets}", 1, 3),
    ("relative_amplitude", "1", 0, 1),
    ("cosinor_mesor", "{counts}/min", 0, 500),
    ("cosinor_amplitude", "{counts}/min", 0, 500),
    ("cosinor_peak", "min", 0, 1439.99),
    ("cosinor_percent_rhythm", "%", 0, 100),
    ("asleep_ratio", "1", 0, 1),
    ("sleep_regularity_index", "1", -100, 100),
    ("sleep_regularity_pairs", "{pairs}", 1440, 8640),
    ("sleep_regularity_valid_pair_ratio", "1", 0, 1),
    ("nights", "{nights}", 0, 7),
    ("night_time_in_bed", "min", 200, 800),
    ("night_total_sleep", "min", 180, 700),
    ("night_onset_latency", "min", 0, 90),
    ("night_wake_after_onset", "min", 0, 150),
    ("night_latency_to_arising", "min", 0, 90),
    ("night_efficiency", "%", 40, 100),
    ("night_awakenings", "{awakenings}", 0, 9),
    ("night_onset_time", "min", 0, 1439.99),
    ("night_midpoint_time", "min", 0, 1439.99),
    ("night_final_awakening_time", "min", 0, 1439.99),
)
WHOLE = {"{hours}", "{pairs}", "{onsets}", "{nights}"}
OF_NIGHTS = {"of": "main_sleep 1", "wear": "choi", "sleep": "oakley"}


def a_week(chance: Random, start_day: int = FIRST_DAY, missing: float | None = None) -> Analysis:
    """An Analysis; `missing` is how likely a number is to be missing, drawn where it is not given."""
    likely = chance.choice((0.0, 0.1, 0.5)) if missing is None else missing
    nights = tuple(a_night(chance, start_day, place, likely) for place in range(7))
    known = sum(isinstance(night.outcome, Sleep) for night in nights)
    return Analysis(
        f"analysis{chance.getrandbits(60)}",
        State.SUCCEEDED,
        a_window(chance, start_day),
        {"wear": "choi", "sleep": "oakley", "rescoring": "false"},
        tuple(a_measure(chance, row, likely, known) for row in MEASURES),
        nights,
        pat=a_reading(chance),
    )


def two_weeks(chance: Random) -> tuple[Analysis, Analysis | None]:
    """An Analysis, and sometimes that of the week before: of the same source, and often much alike."""
    now = a_week(chance)
    if chance.random() < 0.25:
        return now, None
    before = a_week(chance, FIRST_DAY - 7)
    if chance.random() < 0.3:
        alike = {one.measure: one for one in now.measures}
        before = replace(before, measures=tuple(alike[one.measure] for one in before.measures))
    return now, before


def a_window(chance: Random, start_day: int) -> Window:
    recorded = chance.choice((10080, chance.randrange(1, 10081)))
    worn = chance.choice((recorded, chance.randrange(recorded + 1)))
    return Window(
        metric="activity_counts_1min",
        source=Source("wrist", "app"),
        start_day=start_day,
        start_civil=start_day * DAY,
        start_ms=start_day * DAY * 60_000,
        floating=True,
        length_minutes=10080,
        recorded_minutes=recorded,
        worn_minutes=worn,
        longest_gap_minutes=10080 - recorded,
        worn_days=min(7, worn // 960) if chance.random() < 0.8 else chance.randrange(8),
        offset_change_minutes=0,
        conflict_minutes=0,
        input_digest=f"{chance.getrandbits(256):064x}",
        tzdata_version="",
    )


def a_measure(chance: Random, row: tuple[str, str, float, float], missing: float, nights: int = 7) -> Measure:
    name, unit, least, most = row
    value = chance.choice((chance.uniform(least, most), float(chance.randint(int(least), int(most)))))
    if chance.random() < 0.05:
        value = chance.choice((float(least), float(most), (least + most) / 2))
    if unit in WHOLE:
        value = float(round(value))
    outcome = chance.choice(MISSING) if chance.random() < missing else value
    if name == "nights":
        outcome = float(nights)
    parameters = OF_NIGHTS if name.startswith("night") else {"wear": "choi"}
    return Measure(name, outcome, unit, chance.random(), "algorithm", "1", parameters, "d" * 64)


def a_night(chance: Random, start_day: int, place: int, missing: float) -> Night:
    day = start_day + place
    if chance.random() < missing:
        return Night(day, chance.choice(MISSING), chance.random())
    onset_latency, total, wake, arising = (chance.randrange(*span) for span in ((60,), (120, 700), (90,), (60,)))
    start = place * DAY - chance.randrange(300)
    onset, end = start + onset_latency, start + onset_latency + total + wake + arising
    begins = start_day * DAY
    return Night(
        day,
        Sleep(
            start=start,
            onset=onset,
            final_awakening=end - arising,
            end=end,
            start_civil=begins + start,
            onset_civil=begins + onset,
            final_awakening_civil=begins + end - arising,
            end_civil=begins + end,
            total_sleep=total,
            onset_latency=onset_latency,
            wake_after_onset=wake,
            latency_to_arising=arising,
            awakenings=chance.randrange(8),
            unscored=0,
        ),
        chance.random(),
    )


def a_reading(chance: Random) -> PatReading | None:
    if chance.random() < 0.2:
        return None
    if chance.random() < 0.4:
        nothing = Abstention(chance.choice(NO_PAT), "longest_gap", 90, 60, "min")
        return PatReading("", "", demonstration=False, scaler="", scaler_digest="", filled_minutes=0, outcome=nothing)
    weights = [chance.random() ** 3 + 1e-3 for _ in range(560)]
    attention = tuple(weight / sum(weights) for weight in weights)
    output = Output((0.0,) * 96, attention, 18)
    return PatReading(
        "pat-s-demo",
        "e" * 64,
        demonstration=chance.random() < 0.5,
        scaler="own_week",
        scaler_digest="",
        filled_minutes=chance.randrange(504),
        outcome=output,
    )
