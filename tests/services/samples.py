"""One of everything that an analysis and an insight are made of, each field with a value of its own."""

from datetime import UTC, date, datetime

from clarity_server.domain.analysis import Abstention, Analysis, Output, PatReading, State, Window
from clarity_server.domain.insight import Citation, Fact, Form, Insight, Kind, Minutes, Sentence
from clarity_server.domain.measures import Measure, Night, Sleep, Unavailable
from clarity_server.domain.models import Kind as ModelKind
from clarity_server.domain.models import Manifest
from clarity_server.domain.series import Source

WRIST = Source("wrist", "app")
START_DAY = 19_786  # 2024-03-04
START_MS = START_DAY * 86_400_000

SLEEP = Sleep(
    start=-60,
    onset=-45,
    final_awakening=400,
    end=410,
    start_civil=START_DAY * 1440 - 60,
    onset_civil=START_DAY * 1440 - 45,
    final_awakening_civil=START_DAY * 1440 + 400,
    end_civil=START_DAY * 1440 + 410,
    total_sleep=430,
    onset_latency=15,
    wake_after_onset=11,
    latency_to_arising=10,
    awakenings=3,
    unscored=4,
)
NIGHT = Night(START_DAY, SLEEP, 0.75)
NO_NIGHT = Night(START_DAY + 1, Unavailable.NO_SLEEP, 1.0)
MEASURE = Measure("relative_amplitude", 0.875, "1", 0.5, "m10_l5", "2", {"epoch_s": "60"}, "d" * 64)
NO_MEASURE = Measure("sri", Unavailable.UNDEFINED, "1", 0.25, "sri", "3", {"pairing": "civil"}, "d" * 64)
WINDOW = Window(
    metric="activity_counts_1min",
    source=WRIST,
    start_day=START_DAY,
    start_civil=START_DAY * 1440 + 60,
    start_ms=START_MS,
    floating=True,
    length_minutes=10_080,
    recorded_minutes=10_000,
    worn_minutes=9_000,
    longest_gap_minutes=50,
    worn_days=6,
    offset_change_minutes=61,
    conflict_minutes=7,
    input_digest="i" * 64,
    tzdata_version="2026b",
)
OUTPUT = Output((0.5, -0.25), (0.125, 0.875), 18)
ABSTENTION = Abstention(Unavailable.GAP, "longest_gap", 61.0, 60.0, "min")
READING = PatReading("pat-l", "m" * 64, True, "week_zscore", "s" * 64, 80, OUTPUT)
ANALYSIS = Analysis(
    analysis_id="a" * 32,
    state=State.SUCCEEDED,
    window=WINDOW,
    parameters={"wear": "choi", "sleep": "oakley", "rescoring": "true"},
    measures=(MEASURE, NO_MEASURE),
    nights=(NIGHT, NO_NIGHT),
    hourly_means=((0, 1.5), (23, 2.5)),
    pat=READING,
)
MINUTES = Minutes("activity_counts_1min", WRIST, True, START_MS, START_MS + 10_080 * 60_000)
FACT = Fact(
    fact_id="f" * 32,
    analysis_id=ANALYSIS.analysis_id,
    name="night_total_sleep",
    day=date(2024, 3, 5),
    outcome=432.0,
    ucum_unit="min",
    form=Form.DURATION,
    text="7 h 12 min",
    coverage_ratio=0.875,
    algorithm="nightly_mean",
    algorithm_version="1",
    parameters={"nights_min": "3"},
    input_digest="i" * 64,
    model_digest="m" * 64,
    of_facts=("g" * 32,),
    minutes=MINUTES,
)
INSIGHT = Insight(
    insight_id="n" * 32,
    analysis_id=ANALYSIS.analysis_id,
    kind=Kind.BRIEF,
    language="en",
    narrator="template",
    narrator_version="4",
    sentences=(Sentence("You slept 7 h 12 min.", (Citation(FACT.fact_id, 10, 20),)),),
    facts=(FACT,),
    create_time=datetime(2026, 11, 22, 12, 0, 0, 250_000, UTC),
)
MANIFEST = Manifest(
    name="pat-l",
    size="L",
    variant="conv",
    kind=ModelKind.PRETRAINED,
    digest="1" * 64,
    tensor_digest="2" * 64,
    byte_count=8,
    source="from a friend",
    source_digest="3" * 64,
    licence="CC BY 4.0",
    attribution="its authors",
    summary="The large one.",
    installed_time="2026-11-22T12:00:00Z",
    scaler_name="zscore",
    scaler_digest="4" * 64,
)
