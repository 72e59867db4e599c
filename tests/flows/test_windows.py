"""Windows are what their minutes say: the same numbers however the minutes came, and whenever anybody looked."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clarity_server.domain.analysis import (
    DAY_MINUTES,
    EDGE_MINUTES,
    WINDOW_MINUTES,
    Abstention,
    Analysed,
    Analysis,
    Output,
    State,
)
from clarity_server.domain.civil import DAY_MS, MINUTE_MS, Start, StartKind
from clarity_server.domain.days import CONTEXT_AFTER_MINUTES, CONTEXT_BEFORE_MINUTES, Day
from clarity_server.domain.errors import Busy, ClarityError, StoreFull
from clarity_server.domain.ids import new_id
from clarity_server.domain.measures import Measure, Night, Sleep, Unavailable
from clarity_server.domain.metrics import ACTIVITY_COUNTS
from clarity_server.domain.models import Kind, Manifest
from clarity_server.domain.series import Source
from clarity_server.flows.analyze import PAGE, Analyze
from clarity_server.flows.describe import DEFAULT_METHOD, analysis_id
from clarity_server.flows.grid import Grid
from clarity_server.pat.scaling import Scaler, Transform
from clarity_server.ports import Keys, WindowKey
from clarity_server.rhythm.clock import civil_minutes
from clarity_server.rhythm.night import MainSleep
from clarity_server.rhythm.night import Night as FoundNight
from clarity_server.rhythm.week import Method, Week, analyse
from tests.flows.upload_world import (
    ACCOUNT,
    COUNTS,
    WRIST,
    Recording,
    UploadWorld,
    float32,
    fresh_account,
    outcome_of,
    upload_world,
)

SPRING = 19_812  # 30 March 2024: the day before Berlin's clocks go forward
AUTUMN = 20_022  # 26 October 2024: the day before they go back
NOON_MS = DAY_MS // 2
CLOSES = WINDOW_MINUTES + CONTEXT_AFTER_MINUTES
KEY = WindowKey(ACCOUNT, ACTIVITY_COUNTS, WRIST, SPRING)
Moves = Sequence[tuple[int, int]]  # (minute of the recording, shift in minutes)


# ---- what is recorded, and what is said of it ------------------------------------------------------------------------


def floating(ms: int = SPRING * DAY_MS) -> Start:
    return Start(StartKind.FLOATING, ms)


def offset(hours: float, ms: int = SPRING * DAY_MS) -> Start:
    return Start(StartKind.OFFSET, ms, utc_offset_s=int(hours * 3600))


def berlin(ms: int = SPRING * DAY_MS) -> Start:
    return Start(StartKind.ZONE, ms, time_zone="Europe/Berlin")


def life(civil: NDArray[np.int64], seed: int = 1) -> NDArray[np.float32]:
    """Counts of somebody who sleeps from 23:00 to 7:00 by the clock; a minute in a hundred has no value."""
    rng = np.random.default_rng(seed)
    asleep = (civil + 60) % DAY_MINUTES < 8 * 60
    found = np.where(asleep, rng.integers(1, 4, len(civil)), 40 + rng.gamma(0.8, 250, len(civil)).round())
    found[rng.random(len(civil)) < 0.01] = np.nan
    return found.astype(np.float32)


def recording(
    start: Start, size: int, upload_id: str = "u", *, moves: Moves = (), seed: int = 1, **more: object
) -> Recording:
    """A life by this clock, `moves` and all; a zone's are told to nobody, for it knows them."""
    descriptor = replace(COUNTS, start=start, **more)  # type: ignore[arg-type]  # fields of it
    values = float32(life(civil_minutes(start.ms // MINUTE_MS, size, moves), seed))
    if start.utc_offset_s is None:
        return Recording(upload_id, descriptor, values)
    shifts = itertools.accumulate((shift * 60 for _, shift in moves), initial=start.utc_offset_s)
    told = tuple((at, east) for (at, _), east in zip(moves, list(shifts)[1:], strict=True))
    return Recording(upload_id, descriptor, values, moves=told)


def part(made: Recording, first: int, end: int, upload_id: str, **more: object) -> Recording:
    """Some of a recording as one of its own, by its first clock."""
    start = replace(made.descriptor.start, ms=made.descriptor.start.ms + first * MINUTE_MS)
    descriptor = replace(made.descriptor, start=start, **more)  # type: ignore[arg-type]  # fields of it
    return Recording(upload_id, descriptor, made.values[4 * first : 4 * end])


def counts_of(made: Recording) -> NDArray[np.float64]:
    return np.frombuffer(made.values, "<f4").astype(float)


def upload(uploads: UploadWorld, made: Recording, account_id: str = ACCOUNT, *, finish: bool = True) -> None:
    uploads.upload(made, account_id, step=20_000, finish=finish)


def weeks_of(uploads: UploadWorld, upload_id: str = "u", account_id: str = ACCOUNT) -> list[Analysis]:
    """The Analyses among an upload's results."""
    found = uploads.all_results(upload_id, account_id)
    return [one.analysis for one in found if isinstance(one, Analysed)]


def listed(uploads: UploadWorld, account_id: str = ACCOUNT, *, superseded: bool = False) -> list[Analysis]:
    """All Analyses of an account, as ListAnalyses has them."""
    found, token = list[Analysis](), ""
    while True:
        page, token, _ = uploads.weeks.list(account_id, "", (None, None), superseded, 100, token)
        found += page
        if not token:
            return found


def ids(found: Iterable[Analysis]) -> dict[int, str]:
    """Which Analysis each window has, by its first civil day, counted from SPRING."""
    told = [(one.window.start_day - SPRING, one.analysis_id) for one in found]
    assert len(told) == len(dict(told)), "a window has one Analysis in force"
    return dict(told)


def unnamed(found: Iterable[Analysis]) -> list[Analysis]:
    """Analyses without their ids, which are the account's."""
    return [replace(one, analysis_id="") for one in found]


def numbers(measures: Iterable[Measure]) -> list[object]:
    """All of measures but what their minutes' digest is."""
    return [replace(one, input_digest="") for one in measures]


# ---- a model that counts ---------------------------------------------------------------------------------------------

MANIFEST = Manifest(
    name="counting",
    size="S",
    variant="linear",
    kind=Kind.PRETRAINED,
    digest="1" * 64,
    tensor_digest="2" * 64,
    byte_count=1,
    source="this test",
    source_digest="3" * 64,
    licence="none",
    attribution="",
    summary="adds up",
    installed_time="2026-01-01T00:00:00Z",
)
SCALER = Scaler("halves", "this test", Transform.NONE, np.array([0.0]), np.array([2.0]))


@dataclass
class Adding:
    """A model whose embedding is the sum of the week. It remembers which weeks it was asked about."""

    manifest: Manifest = MANIFEST
    scaler: Scaler | None = SCALER
    asked: list[bytes] = field(default_factory=list)

    def read(self, scaled: NDArray[np.float32]) -> Output:
        self.asked.append(scaled.tobytes())
        return Output((float(scaled.sum()),) * 96, (1 / 560,) * 560, 18)


# ---- the numbers of a window -----------------------------------------------------------------------------------------

CLOCKS: dict[str, tuple[Start, Moves]] = {
    "floating, in 1918": (floating(-18_970 * DAY_MS + 838 * MINUTE_MS), ()),
    "a fixed offset": (offset(-9.5, SPRING * DAY_MS + NOON_MS), ()),
    "a zone in spring": (berlin(SPRING * DAY_MS + NOON_MS), [(840, 60)]),
    "a zone in autumn": (berlin(AUTUMN * DAY_MS + NOON_MS), [(900, -60)]),
    "there and back": (offset(1, SPRING * DAY_MS + NOON_MS), [(3000, 8 * 60), (8000, -8 * 60)]),
}


@dataclass
class Seen:
    """The first window of a recording by some clock: as it was stored, and as the arrays themselves have it."""

    stored: Analysis
    week: Week
    civil: NDArray[np.int64]  # of the window's minutes and those after it
    before: NDArray[np.int64]  # of the twelve hours before it


@pytest.fixture(params=CLOCKS)
def seen(uploads: UploadWorld, request: pytest.FixtureRequest) -> Seen:
    start, moves = CLOCKS[request.param]
    began = start.ms // MINUTE_MS
    first = -began % DAY_MINUTES
    made = recording(start, first + CLOSES + 500, moves=moves)
    upload(uploads, made)
    uploads.derive()
    civil = civil_minutes(began, made.count, moves)
    low, high = max(0, first - CONTEXT_BEFORE_MINUTES), first + CLOSES
    week = analyse(
        counts_of(made)[low:high],
        int(civil[low]),
        core=(first - low, first - low + WINDOW_MINUTES),
        moves=[(at - low, shift) for at, shift in moves],
    )
    return Seen(weeks_of(uploads)[0], week, civil[first:], civil[:first])


def test_the_numbers_of_a_window_are_those_of_its_minutes_and_their_context(seen: Seen) -> None:
    assert [
        (one.measure, one.outcome, one.ucum_unit, one.coverage_ratio, one.algorithm, one.algorithm_version)
        for one in seen.stored.measures
    ] == [
        (one.name, one.outcome, one.ucum_unit, one.coverage_ratio, one.algorithm.id, one.algorithm.version)
        for one in seen.week.measures
    ]
    assert [one.parameters for one in seen.stored.measures] == [one.algorithm.parameters for one in seen.week.measures]
    assert {one.input_digest for one in seen.stored.measures} == {seen.week.input_digest}
    told = [(hour, mean) for hour, mean in enumerate(seen.week.hourly_profile) if mean is not None]
    assert list(seen.stored.hourly_means) == told
    assert seen.stored.state is State.SUCCEEDED


def test_a_window_says_what_of_it_is_there_and_how_far_the_clock_was_moved(seen: Seen) -> None:
    window = seen.stored.window
    assert (window.length_minutes, window.recorded_minutes, window.worn_minutes) == (
        WINDOW_MINUTES,
        seen.week.recorded_minutes,
        seen.week.worn_minutes,
    )
    assert window.offset_change_minutes == sum(abs(shift) for _, shift in seen.week.clock_moves)
    assert window.start_civil == seen.week.start_minute == window.start_day * DAY_MINUTES
    assert window.worn_days == 7
    assert window.longest_gap_minutes in {1, 2, 3}
    assert window.conflict_minutes == 0


def test_a_night_s_minutes_are_counted_from_the_window_and_its_clock_is_the_person_s(seen: Seen) -> None:
    def expected(night: FoundNight) -> Night:
        if isinstance(night.sleep, Unavailable):
            return Night(night.civil_day, night.sleep, night.coverage_ratio)
        at = (night.sleep.start, night.sleep.onset, night.sleep.final_awakening, night.sleep.end)
        clock = [int(seen.civil[minute] if minute >= 0 else seen.before[minute]) for minute in at]
        parts = [night.sleep.total_sleep, night.sleep.onset_latency, night.sleep.wake_after_onset]
        more = [night.sleep.latency_to_arising, night.sleep.awakenings, night.sleep.unscored]
        return Night(night.civil_day, Sleep(*at, *clock, *parts, *more), night.coverage_ratio)

    assert list(seen.stored.nights) == [expected(night) for night in seen.week.nights]
    slept = [night for night in seen.week.nights if isinstance(night.sleep, MainSleep)]
    assert len(slept) >= 5
    assert [night.civil_day for night in seen.stored.nights][:1] == [seen.stored.window.start_day]


@pytest.mark.parametrize(
    ("start", "shift", "elapsed"),
    [(floating(), 0, 8 * 60), (berlin(), 60, 7 * 60), (berlin(AUTUMN * DAY_MS), -60, 9 * 60)],
    ids=["no change", "spring", "autumn"],
)
def test_a_day_s_night_begins_the_evening_before_and_lasts_as_long_as_it_did(
    uploads: UploadWorld, start: Start, shift: int, elapsed: int
) -> None:
    """From 23:00 to 7:00 by the clock. The minutes beside the bounds are the algorithm's; these here are elapsed."""
    change = DAY_MINUTES + (120 if shift > 0 else 180)
    upload(uploads, recording(start, 4 * DAY_MINUTES, moves=[(change, shift)]))
    uploads.derive()
    day = uploads.results("u")[1]
    assert day.night is not None
    sleep = day.night.outcome
    assert isinstance(sleep, Sleep)
    assert -60 <= sleep.start <= sleep.onset < -40
    assert abs(sleep.end - sleep.start - elapsed) <= 20
    midnight = (start.ms // DAY_MS + 1) * DAY_MINUTES
    assert (sleep.start_civil, sleep.onset_civil) == (midnight + sleep.start, midnight + sleep.onset)
    assert sleep.final_awakening_civil == midnight + sleep.final_awakening + shift
    assert sleep.end_civil == midnight + sleep.end + shift
    assert abs(sleep.end_civil - midnight - 7 * 60) <= 15


def test_a_day_and_a_window_tell_the_same_of_a_night(uploads: UploadWorld) -> None:
    upload(uploads, recording(berlin(SPRING * DAY_MS + NOON_MS), 12_000, moves=[(840, 60)]))
    uploads.derive()
    (week,) = weeks_of(uploads)
    days = {day.night.civil_day: day for day in uploads.results("u") if day.night is not None}
    starts = itertools.accumulate((days[night.civil_day].length_minutes for night in week.nights), initial=0)
    for began, night in zip(starts, week.nights[:7], strict=False):  # the week ends in an eighth at 1:00
        theirs = days[night.civil_day].night
        assert theirs is not None
        assert isinstance(night.outcome, Sleep)
        assert isinstance(theirs.outcome, Sleep)
        assert (theirs.outcome.start_civil, theirs.outcome.end_civil, theirs.outcome.total_sleep) == (
            night.outcome.start_civil,
            night.outcome.end_civil,
            night.outcome.total_sleep,
        )
        assert (theirs.outcome.start + began, theirs.outcome.end + began) == (night.outcome.start, night.outcome.end)


def test_without_a_model_pat_says_that_there_is_none(uploads: UploadWorld) -> None:
    upload(uploads, recording(floating(), CLOSES))
    uploads.derive()
    (week,) = weeks_of(uploads)
    assert week.pat is not None
    assert week.pat.outcome == Abstention(Unavailable.NO_MODEL, "models_installed", 0, 1, "{models}")
    assert (week.pat.model, week.pat.model_digest, week.pat.scaler, week.pat.filled_minutes) == ("", "", "", 0)


def test_a_model_gets_the_scaled_week_with_its_gaps_at_the_mean(uploads: UploadWorld) -> None:
    model = Adding()
    uploads.model = model
    made = recording(floating(SPRING * DAY_MS + NOON_MS), 720 + CLOSES)
    upload(uploads, made)
    uploads.derive()
    own = counts_of(made)[720 : 720 + WINDOW_MINUTES]
    scaled = np.nan_to_num(own / 2).astype(np.float32)
    assert model.asked == [scaled.tobytes()]
    (week,) = weeks_of(uploads)
    assert week.pat is not None
    assert isinstance(week.pat.outcome, Output)
    assert week.pat.outcome.embedding[0] == float(scaled.sum())
    assert (week.pat.model, week.pat.scaler, week.pat.demonstration) == ("counting", "halves", False)
    assert (week.pat.model_digest, week.pat.scaler_digest) == (MANIFEST.digest, SCALER.digest)
    assert week.pat.filled_minutes == int(np.isnan(own).sum())


def test_a_week_on_the_table_is_kept_from_the_model_and_has_its_other_numbers(uploads: UploadWorld) -> None:
    model = Adding()
    uploads.model = model
    made = replace(recording(floating(), CLOSES), values=float32([0.0] * CLOSES))
    upload(uploads, made)
    uploads.derive()
    (week,) = weeks_of(uploads)
    assert week.pat is not None
    assert week.pat.outcome == Abstention(Unavailable.NOT_WORN, "days_worn_for_16_hours", 0, 4, "d")
    assert model.asked == []
    assert outcome_of(week, "wear_coverage") == 0


# ---- results of an upload --------------------------------------------------------------------------------------------


def test_days_and_windows_are_numbered_together_in_order_of_their_ends(uploads: UploadWorld) -> None:
    upload(uploads, recording(floating(SPRING * DAY_MS + NOON_MS), 10 * DAY_MINUTES))
    uploads.derive()
    closings = [one for one, _ in uploads.store.analyses.results(ACCOUNT, "u", 0, 100)]
    assert [one.number for one in closings] == list(range(1, 11 + 3 + 1))
    ends = [one.end_sample for one in closings]
    assert ends == sorted(ends)
    told = [
        ("day", (one.date - date(2024, 3, 30)).days)
        if isinstance(one, Day)
        else ("week", one.analysis.window.start_day - SPRING)
        for one in uploads.all_results("u")
    ]
    days, weeks = [("day", day) for day in range(8)], [("week", 1), ("day", 8), ("week", 2), ("day", 9), ("week", 3)]
    assert told == [*days, *weeks, ("day", 10)]
    assert [one.result for one in uploads.all_results("u")] == list(range(1, len(told) + 1))


def test_results_are_replayed_from_any_number_on_and_in_any_process(uploads: UploadWorld, tmp_path: Path) -> None:
    upload(uploads, recording(floating(), 9 * DAY_MINUTES))
    uploads.derive()
    whole = uploads.all_results("u")
    for after in (0, 6, 7, 8, len(whole)):
        assert list(uploads.ingest.results(ACCOUNT, "u", after)) == whole[after:]
    with upload_world(tmp_path) as again:
        assert again.all_results("u") == whole


def test_a_week_s_result_waits_for_its_context_and_not_for_the_end(uploads: UploadWorld) -> None:
    hand = uploads.open(recording(floating(), CLOSES + 10))
    hand.send_range(0, CLOSES - 1)
    hand.commit()
    uploads.derive()
    assert weeks_of(uploads) == []
    hand.send_range(CLOSES - 1, CLOSES)
    hand.commit()
    uploads.derive()
    assert len(weeks_of(uploads)) == 1


VERBS: Sequence[Callable[[Analyze], int]] = (
    Analyze.derive_day_results,
    Analyze.derive_days,
    Analyze.derive_window_results,
    Analyze.derive_windows,
    Analyze.derive_analyses,
)
KINDS = {
    "floating": recording(floating(SPRING * DAY_MS + NOON_MS), 9 * DAY_MINUTES),
    "spring": recording(berlin(SPRING * DAY_MS + NOON_MS), 9 * DAY_MINUTES, moves=[(840, 60)]),
    "travel": recording(offset(1), 9 * DAY_MINUTES, moves=[(3000, 540), (11_000, -540)]),
}


@contextmanager
def worlds(root: Path) -> Iterator[Callable[[], UploadWorld]]:
    """Stores of their own, all with the same account in them: so ids can be compared, too."""
    numbers_ = itertools.count()
    opened = []

    def fresh() -> UploadWorld:
        world = upload_world(root / f"world-{next(numbers_)}")
        opened.append(world)
        return world.__enter__()

    try:
        yield fresh
    finally:
        for world in opened:
            world.__exit__(None, None, None)


@dataclass
class Clean:
    """What one clean run of a recording comes to."""

    results: list[Day | Analysed]
    weeks: list[Analysis]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Clean]:
    found = {}
    with worlds(tmp_path_factory.mktemp("clean")) as fresh:
        for name, made in KINDS.items():
            world = fresh()
            upload(world, made)
            world.derive()
            found[name] = Clean(world.all_results(made.upload_id), listed(world))
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(st.integers(1, 9 * DAY_MINUTES - 1), max_size=5),
    st.lists(st.lists(st.sampled_from(VERBS), max_size=4), min_size=6, max_size=6),
)
def test_results_do_not_depend_on_the_cuts_nor_on_what_was_derived_when(
    tmp_path: Path,
    clean: dict[str, Clean],
    kind: str,
    cuts: list[int],
    looks: list[list[Callable[[Analyze], int]]],
) -> None:
    """Each look is a new Analyze over the same store, as after a crash."""
    made = KINDS[kind]
    with upload_world(tmp_path / new_id()) as world:
        hand = world.open(made)
        for end, verbs in zip([*sorted(cuts), made.count], looks, strict=False):
            if end > hand.received:
                hand.send_range(hand.received, end)
                hand.commit()
            for verb in verbs:
                verb(world.analyze)
        if hand.received < made.count:
            hand.send_range(hand.received, made.count)
            hand.commit()
        hand.finish()
        world.derive()
        assert world.all_results("u") == clean[kind].results
        assert listed(world) == clean[kind].weeks


class Died(Exception):
    """The process is no more."""


@dataclass
class Life:
    """Writes that a process gets to make before it dies."""

    left: int

    def write(self, job: Callable[..., None], *values: object, **more: object) -> None:
        if values == ([],):
            return  # nothing was written
        if not self.left:
            raise Died
        self.left -= 1
        job(*values, **more)


@dataclass
class Mortal:
    """A port of a process that dies; its `verbs` write."""

    port: object
    life: Life
    verbs: tuple[str, ...]

    def __getattr__(self, name: str) -> object:
        verb = getattr(self.port, name)
        return partial(self.life.write, verb) if name in self.verbs else verb


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_results_are_the_same_after_a_crash_between_any_two_writes(
    tmp_path: Path, clean: dict[str, Clean], kind: str
) -> None:
    """The first process dies after one write, the next one after two, until one lives to the end."""
    with upload_world(tmp_path) as world:
        upload(world, KINDS[kind])
        for writes in itertools.count(1):
            life = Life(writes)
            analyze = replace(
                world.analyze,
                analyses=Mortal(world.store.analyses, life, ("put_results", "put_days")),  # type: ignore[arg-type]
                windows=Mortal(world.store.windows, life, ("put", "settle")),  # type: ignore[arg-type]
            )
            try:
                while sum(verb(analyze) for verb in VERBS):
                    pass
            except Died:
                continue
            break
        assert world.all_results("u") == clean[kind].results
        assert listed(world) == clean[kind].weeks


def test_a_later_move_of_the_clock_does_not_reach_back_into_a_week(uploads: UploadWorld) -> None:
    """Back over the date line an hour after the week has closed: the evening of its last day is lived again."""
    made = recording(offset(12), CLOSES + 1500, moves=[(CLOSES + 60, -23 * 60)])
    slow, fast = fresh_account(uploads), fresh_account(uploads)
    hand = uploads.open(made, slow)
    for end in (CLOSES, CLOSES + 60, CLOSES + 61, made.count):
        hand.send_range(hand.received, end)
        hand.commit()
        uploads.derive()
    hand.finish()
    upload(uploads, made, fast)
    uploads.derive()
    assert unnamed(weeks_of(uploads, "u", slow)) == unnamed(weeks_of(uploads, "u", fast))
    assert unnamed(listed(uploads, slow)) == unnamed(listed(uploads, fast))
    assert weeks_of(uploads, "u", slow)[0].window.offset_change_minutes == 0


# ---- late data -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "affected"),
    [
        (10 * 60, {0}),
        (12 * 60 + 30, {0, 1}),  # within twelve hours of the second midnight
        (7 * DAY_MINUTES + 60, {0, 1, 2, 3}),  # within three hours of the first week's end
        (7 * DAY_MINUTES + 240, {1, 2, 3}),
        (9 * DAY_MINUTES + 240, {3}),
    ],
)
def test_late_data_makes_anew_the_weeks_of_which_it_has_a_minute_or_context_and_no_other(
    uploads: UploadWorld, first: int, affected: set[int]
) -> None:
    whole = recording(floating(), 10 * DAY_MINUTES + CONTEXT_AFTER_MINUTES)
    upload(uploads, whole)
    uploads.derive()
    before = listed(uploads)
    late = part(whole, first, first + 20, "late", revision=1)
    upload(uploads, replace(late, values=float32([77.0] * 20)))
    uploads.derive()
    after = listed(uploads)
    assert list(ids(before)) == list(ids(after)) == [0, 1, 2, 3]
    assert {day for day, one in ids(after).items() if one != ids(before)[day]} == affected
    superseded = [one for one in listed(uploads, superseded=True) if one.state is State.SUPERSEDED]
    assert ids(superseded) == {day: ids(before)[day] for day in sorted(affected)}
    assert {one.state for one in after} == {State.SUCCEEDED}
    assert uploads.weeks.list(ACCOUNT, "", (None, None), False, 0, "")[2] == 0


def test_late_data_beyond_the_last_day_of_a_week_that_the_clock_drew_out_makes_it_anew(uploads: UploadWorld) -> None:
    """In spring a week ends at 1:00 of an eighth day, and its context at 4:00."""
    whole = recording(berlin(), 8 * DAY_MINUTES, moves=[(26 * 60, 60)])
    upload(uploads, whole)
    uploads.derive()
    before = ids(listed(uploads))
    late = recording(berlin((SPRING + 7) * DAY_MS + 190 * MINUTE_MS), 20, "late", seed=9, revision=1)
    upload(uploads, late)
    uploads.derive()
    assert ids(listed(uploads))[0] != before[0]


def test_data_that_comes_while_a_week_is_read_makes_it_anew(uploads: UploadWorld) -> None:
    """Between the look at the minutes and the answer, all else that there was to derive is derived."""
    whole = recording(floating(), CLOSES)
    late = part(recording(floating(), CLOSES, seed=9), 5000, 6000, "late", revision=1)

    class Overtaken(Adding):
        def read(self, scaled: NDArray[np.float32]) -> Output:
            if not self.asked:
                self.asked.append(b"")
                upload(uploads, late)
                elsewhere = replace(uploads.analyze, model=None)
                while elsewhere.derive_days() or elsewhere.derive_windows():
                    pass
            return super().read(scaled)

    upload(uploads, whole)
    uploads.derive()
    asked = uploads.weeks.start(ACCOUNT, "", None, date(2024, 3, 30), Method(sleep="sadeh"), "")
    uploads.model = Overtaken()
    uploads.analyze.derive_analyses()
    uploads.model = None
    uploads.derive()
    digests = {one.window.input_digest for one in listed(uploads)}
    assert len(digests) == 1
    assert asked.window.input_digest not in digests


def test_a_result_stays_as_it_was_whatever_data_comes_late(uploads: UploadWorld) -> None:
    whole = recording(floating(), CLOSES)
    upload(uploads, whole)
    uploads.derive()
    before = uploads.all_results("u")
    upload(uploads, part(recording(floating(), CLOSES, seed=9), 100, 200, "late", revision=1))
    uploads.derive()
    assert uploads.all_results("u") == before
    assert listed(uploads)[0].analysis_id != weeks_of(uploads)[0].analysis_id


def test_late_data_gives_what_a_clean_run_with_it_gives(uploads: UploadWorld) -> None:
    whole = recording(offset(2), 9 * DAY_MINUTES)
    late = part(recording(offset(2), 9 * DAY_MINUTES, seed=9), 5000, 6000, "late", revision=1)
    upload(uploads, whole)
    uploads.derive()
    upload(uploads, late)
    uploads.derive()
    other = fresh_account(uploads)
    upload(uploads, late, other)
    upload(uploads, whole, other)
    uploads.derive()
    assert unnamed(listed(uploads)) == unnamed(listed(uploads, other))


def test_data_that_says_the_same_again_changes_no_week(uploads: UploadWorld) -> None:
    whole = recording(offset(2), 9 * DAY_MINUTES)
    upload(uploads, whole)
    uploads.derive()
    before = listed(uploads, superseded=True)
    upload(uploads, replace(whole, upload_id="again", descriptor=replace(whole.descriptor, revision=3)))
    upload(uploads, part(whole, 3000, 4000, "a", revision=3))
    uploads.derive()
    assert listed(uploads, superseded=True) == before
    assert ids(weeks_of(uploads, "again")) == ids(before)


@pytest.mark.parametrize("derived", [False, True], ids=["at the end", "in between"])
def test_a_conflict_that_comes_late_is_counted(uploads: UploadWorld, derived: bool) -> None:
    """The values that are read stay the same, and the week is another all the same: it says how much is in doubt."""
    whole = recording(offset(2), CLOSES)
    upload(uploads, whole)
    if derived:
        uploads.derive()
    other = replace(part(whole, 5000, 5010, "v"), values=float32([7777.0] * 10))
    upload(uploads, other)
    uploads.derive()
    assert [one.window.conflict_minutes for one in listed(uploads)] == [10]


@pytest.mark.parametrize("derived", [False, True], ids=["at the end", "in between"])
def test_a_clock_told_later_is_the_clock_of_the_week(uploads: UploadWorld, derived: bool) -> None:
    """The device lay on a table, and by a later upload of the same counts the clock went on an hour, and back."""
    upload(uploads, replace(recording(offset(2), CLOSES), values=float32([0.0] * CLOSES)))
    if derived:
        uploads.derive()
    later = offset(2, SPRING * DAY_MS + 4900 * MINUTE_MS)
    moved = recording(later, 500, "moved", moves=[(100, 60), (300, -60)], revision=1)
    upload(uploads, replace(moved, values=float32([0.0] * 500)))
    uploads.derive()
    assert [one.window.offset_change_minutes for one in listed(uploads)] == [120]


@pytest.mark.parametrize("first", [Analyze.derive_windows, Analyze.derive_window_results])
def test_a_window_has_one_analysis_in_force_whichever_queue_is_first(
    uploads: UploadWorld, first: Callable[[Analyze], int]
) -> None:
    """The upload has a clock of its own; another one knows better where the person was on the first two days."""
    made = recording(offset(0), 8 * DAY_MINUTES + CONTEXT_AFTER_MINUTES)
    better = recording(offset(2, SPRING * DAY_MS - 10 * 60 * MINUTE_MS), 2 * DAY_MINUTES, "better", seed=2, revision=1)
    upload(uploads, made)
    upload(uploads, better)
    uploads.analyze.settle(ACCOUNT)
    while first(uploads.analyze):
        pass
    uploads.derive()
    assert list(ids(listed(uploads))) == [0, 1]
    assert [one.window.offset_change_minutes for one in listed(uploads)] == [120, 120]
    assert [one.window.offset_change_minutes for one in weeks_of(uploads)] == [0, 0]


# ---- several uploads -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [DAY_MINUTES, 7 * 60 + 1])
def test_a_phone_that_uploads_in_pieces_has_the_very_weeks_of_a_single_upload(
    tmp_path: Path, uploads: UploadWorld, minutes: int
) -> None:
    made = recording(offset(2), 8 * DAY_MINUTES + 720)
    for number, first in enumerate(range(0, made.count, minutes)):
        upload(uploads, part(made, first, min(first + minutes, made.count), f"{number:03}"))
        if number % 5 == 0:
            uploads.derive()
    uploads.derive()
    with upload_world(tmp_path / "single") as single:
        upload(single, made)
        single.derive()
        assert listed(uploads) == listed(single)
        assert list(ids(listed(single))) == [0, 1]


def test_a_phone_that_uploads_by_the_hour_over_a_clock_change_has_the_week_of_a_single_upload(
    uploads: UploadWorld,
) -> None:
    """Each upload has the offset of its hour and no zone; the whole one has the zone."""
    hours = 24 * 7 + 5
    made = recording(berlin(SPRING * DAY_MS), 60 * hours, "all", moves=[(26 * 60, 60)])
    for hour in range(hours):
        shift = 2 if hour >= 26 else 1
        start = offset(shift, SPRING * DAY_MS + (hour + shift - 1) * 60 * MINUTE_MS)
        values = made.values[240 * hour : 240 * (hour + 1)]
        upload(uploads, Recording(f"h{hour:03}", replace(COUNTS, start=start), values))
        if hour == hours // 2:
            uploads.derive()
    uploads.derive()
    single = fresh_account(uploads)
    upload(uploads, made, single)
    uploads.derive()
    ours, theirs = listed(uploads), listed(uploads, single)
    assert [one.window.start_day for one in ours] == [one.window.start_day for one in theirs] == [SPRING]
    assert numbers(ours[0].measures) == numbers(theirs[0].measures)
    assert ours[0].nights == theirs[0].nights
    assert ours[0].window.offset_change_minutes == theirs[0].window.offset_change_minutes == 60


@pytest.mark.parametrize(
    ("first", "end", "found"),
    [
        (0, WINDOW_MINUTES, 1),
        (EDGE_MINUTES, WINDOW_MINUTES - EDGE_MINUTES, 1),
        (EDGE_MINUTES + 1, WINDOW_MINUTES, 0),
        (0, WINDOW_MINUTES - EDGE_MINUTES - 1, 0),
    ],
)
def test_a_window_that_is_not_whole_is_not_analysed_by_itself(
    uploads: UploadWorld, first: int, end: int, found: int
) -> None:
    made = part(recording(floating(), WINDOW_MINUTES), first, end, "u")
    upload(uploads, replace(made, values=float32(np.nan_to_num(counts_of(made), nan=50.0).astype(np.float32))))
    uploads.derive()
    assert len(listed(uploads, superseded=True)) == found
    assert uploads.store.windows.waiting_count(ACCOUNT) == 0


def test_a_week_that_grows_is_not_analysed_before_it_closes(uploads: UploadWorld) -> None:
    hand = uploads.open(recording(offset(2), CLOSES))
    for end in (WINDOW_MINUTES - 10, WINDOW_MINUTES + 10, CLOSES - 1):
        hand.send_range(hand.received, end)
        hand.commit()
        uploads.derive()
        assert listed(uploads, superseded=True) == []


def test_a_week_that_was_asked_for_and_grows_is_not_analysed_before_it_closes(uploads: UploadWorld) -> None:
    hand = uploads.open(recording(offset(2), CLOSES))
    hand.send_range(0, 5000)
    hand.commit()
    uploads.weeks.start(ACCOUNT, "", None, date(2024, 3, 30), Method(), "")
    uploads.derive()
    for end in (WINDOW_MINUTES - 10, WINDOW_MINUTES + 10, CLOSES - 1):
        hand.send_range(hand.received, end)
        hand.commit()
        uploads.derive()
        assert listed(uploads) == []
    hand.send_range(hand.received, CLOSES)
    hand.commit()
    uploads.derive()
    assert [one.state for one in listed(uploads)] == [State.SUCCEEDED]


def test_a_week_that_one_upload_finished_is_made_anew_when_the_next_goes_on(uploads: UploadWorld) -> None:
    """The minutes after it are its context: the last hours may have been sleep or a bare wrist."""
    whole = recording(floating(), WINDOW_MINUTES + 600)
    upload(uploads, part(whole, 0, WINDOW_MINUTES, "one"))
    uploads.derive()
    (alone,) = weeks_of(uploads, "one")
    assert listed(uploads) == [alone]
    upload(uploads, part(whole, WINDOW_MINUTES, whole.count, "two"))
    uploads.derive()
    single = fresh_account(uploads)
    upload(uploads, whole, single)
    uploads.derive()
    assert unnamed(listed(uploads)) == unnamed(listed(uploads, single))
    assert uploads.weeks.get(ACCOUNT, alone.analysis_id).state is State.SUPERSEDED
    assert weeks_of(uploads, "one") == [alone]


def test_two_sources_never_mix(uploads: UploadWorld) -> None:
    wrist = recording(floating(), CLOSES)
    ankle = recording(floating(), CLOSES, "v", seed=2, source=Source("ankle"))
    upload(uploads, wrist)
    upload(uploads, ankle)
    uploads.derive()
    for made in (wrist, ankle):
        alone = fresh_account(uploads)
        upload(uploads, made, alone)
        uploads.derive()
        theirs = [one for one in listed(uploads) if one.window.source == made.descriptor.source]
        assert unnamed(theirs) == unnamed(listed(uploads, alone))
    assert len(listed(uploads)) == 2


def test_a_week_of_two_halves_from_two_sources_is_none(uploads: UploadWorld) -> None:
    whole = recording(floating(), CLOSES)
    upload(uploads, part(whole, 0, 5000, "one"))
    upload(uploads, part(whole, 5000, CLOSES, "two", source=Source("ankle")))
    uploads.derive()
    assert listed(uploads) == []


def test_another_account_s_data_changes_nothing(uploads: UploadWorld) -> None:
    whole = recording(floating(), CLOSES)
    upload(uploads, whole)
    uploads.derive()
    before, change = listed(uploads), uploads.weeks.since(ACCOUNT, "")
    other = fresh_account(uploads)
    upload(uploads, recording(floating(), CLOSES, seed=2, revision=9), other)
    uploads.derive()
    assert (listed(uploads), uploads.weeks.since(ACCOUNT, "")) == (before, change)
    assert {one.analysis_id for one in before}.isdisjoint(one.analysis_id for one in listed(uploads, other))


def test_a_page_of_one_account_s_weeks_makes_no_other_account_wait_but_its_turn(uploads: UploadWorld) -> None:
    upload(uploads, recording(floating(), (PAGE + 9) * DAY_MINUTES))
    other = fresh_account(uploads)
    upload(uploads, recording(floating(), CLOSES), other)
    while uploads.analyze.derive_day_results():
        pass
    assert uploads.analyze.derive_window_results() == PAGE
    assert len(weeks_of(uploads, "u", other)) == 1


# ---- failures --------------------------------------------------------------------------------------------------------


def told(job: Callable[[], object]) -> bool:
    """The boundary of derivations as the server has it, but only for what these tests make fail."""
    try:
        job()
    except (ClarityError, AssertionError):
        return True
    return False


def derive(analyze: Analyze) -> None:
    while sum(verb(analyze) for verb in VERBS):
        pass


@contextmanager
def damaged(uploads: UploadWorld, day: int) -> Iterator[None]:
    """Damage what the store has of a storage day, and mend it in the end."""
    write = uploads.store.database.write
    where = (ACCOUNT, day)
    kept = "CREATE TABLE kept AS SELECT rowid AS place, body FROM segments WHERE account_id = ? AND day = ?"
    broken = "UPDATE segments SET body = zeroblob(length(body)) WHERE account_id = ? AND day = ?"
    mended = "UPDATE segments SET body = kept.body FROM kept WHERE segments.rowid = kept.place"
    write(lambda connection: connection.execute(kept, where).close())
    write(lambda connection: connection.execute(broken, where).close())
    yield
    write(lambda connection: connection.execute(mended).close())


def test_a_week_that_fails_is_told_under_its_number_and_the_others_go_on(uploads: UploadWorld) -> None:
    upload(uploads, recording(floating(), 14 * DAY_MINUTES))
    with damaged(uploads, SPRING + 12):
        derive(replace(uploads.analyze, failing=told))
        results = uploads.all_results("u")
    assert [one.result for one in results] == list(range(1, 14 + 8 + 1))
    states = {one.window.start_day - SPRING: one.state for one in weeks_of(uploads)}
    assert states == {day: State.SUCCEEDED if day < 4 else State.FAILED for day in range(8)}
    assert uploads.store.windows.waiting_count(ACCOUNT) == 0


def test_a_week_that_failed_has_no_numbers(uploads: UploadWorld) -> None:
    upload(uploads, recording(floating(), CLOSES))
    with damaged(uploads, SPRING + 3):
        derive(replace(uploads.analyze, failing=told))
        (week,) = weeks_of(uploads)
    assert (week.state, week.measures, week.nights, week.hourly_means, week.pat) == (State.FAILED, (), (), (), None)
    assert (week.window.start_day, week.window.source) == (SPRING, WRIST)


def test_a_week_that_failed_is_tried_again_when_data_comes(uploads: UploadWorld) -> None:
    whole = recording(floating(), CLOSES)
    upload(uploads, whole)
    with damaged(uploads, SPRING + 3):
        derive(replace(uploads.analyze, failing=told))
    upload(uploads, part(whole, 3 * DAY_MINUTES, 3 * DAY_MINUTES + 10, "more"))
    uploads.derive()
    found = uploads.store.windows.of_window(KEY, DEFAULT_METHOD)
    assert found is not None
    assert [one.state for one in weeks_of(uploads)] == [State.FAILED]  # what was told stays told
    alone = fresh_account(uploads)
    upload(uploads, whole, alone)
    uploads.derive()
    (expected,) = listed(uploads, alone)
    assert unnamed([uploads.weeks.get(ACCOUNT, found.analysis_id)]) == unnamed([expected])


@dataclass
class InTheWay:
    """Keys behind a store that is in the way."""

    keys: Keys
    error: ClarityError

    def data_key(self, account_id: str) -> bytes:
        assert account_id
        raise self.error


@pytest.mark.parametrize("error", [StoreFull(), Busy("reads")], ids=["full", "busy"])
def test_a_week_that_only_has_to_wait_for_the_store_is_not_marked_as_failed(
    uploads: UploadWorld, error: ClarityError
) -> None:
    upload(uploads, recording(floating(), CLOSES))
    day = date(2024, 3, 30)
    uploads.weeks.start(ACCOUNT, "", None, day, Method(sleep="sadeh"), "")
    while uploads.analyze.derive_days() or uploads.analyze.derive_day_results():
        pass
    waiting = replace(uploads.analyze, failing=told, keys=InTheWay(uploads.store.keys, error))  # type: ignore[arg-type]
    for verb in (Analyze.derive_window_results, Analyze.derive_windows, Analyze.derive_analyses):
        with pytest.raises(type(error)):
            verb(waiting)
    uploads.derive()
    assert [one.state for one in listed(uploads, superseded=True)] == [State.SUCCEEDED] * 2
    assert len(weeks_of(uploads)) == 1


# ---- a repeat is free ------------------------------------------------------------------------------------------------


def test_the_model_is_asked_once_about_a_week_whoever_wants_it(uploads: UploadWorld) -> None:
    model = Adding()
    uploads.model = model
    whole = recording(floating(), 8 * DAY_MINUTES)
    upload(uploads, whole)
    uploads.derive()
    assert len(model.asked) == 2
    assert uploads.store.windows.touch_older(DEFAULT_METHOD, "another") == 2
    uploads.derive()
    upload(uploads, replace(whole, upload_id="again", descriptor=replace(whole.descriptor, revision=1)))
    uploads.derive()
    again = uploads.weeks.start(ACCOUNT, "", None, date(2024, 3, 30), Method(), "")
    uploads.derive()
    assert again.state is State.SUCCEEDED
    assert again == listed(uploads)[0]
    assert len(model.asked) == 2


def test_another_model_reads_every_week_again_and_its_readings_are_in_force(uploads: UploadWorld) -> None:
    uploads.model = Adding()
    upload(uploads, recording(floating(), 8 * DAY_MINUTES))
    uploads.derive()
    before = listed(uploads)
    new = Adding(replace(MANIFEST, digest="9" * 64))
    uploads.model = new
    assert uploads.store.windows.touch_older(DEFAULT_METHOD, new.manifest.digest) == 2
    uploads.derive()
    assert {one.pat.model_digest for one in listed(uploads) if one.pat} == {"9" * 64}
    assert {one.state for one in listed(uploads)} == {State.SUCCEEDED}
    assert {uploads.weeks.get(ACCOUNT, one.analysis_id).state for one in before} == {State.SUPERSEDED}
    assert len(new.asked) == 2
    assert {one.analysis.state for one in uploads.all_results("u") if isinstance(one, Analysed)} == {State.SUCCEEDED}


def grid(civil: NDArray[np.int64] | None = None, **more: object) -> Grid:
    """A week of somebody's life, with its context."""
    size = CONTEXT_BEFORE_MINUTES + CLOSES
    began = SPRING * DAY_MINUTES - CONTEXT_BEFORE_MINUTES
    clock = civil_minutes(began, size)
    made = Grid(
        counts=life(clock).astype(float),
        civil=clock if civil is None else civil,
        core=slice(CONTEXT_BEFORE_MINUTES, CONTEXT_BEFORE_MINUTES + WINDOW_MINUTES),
        sent=slice(0, size),
        start_ms=SPRING * DAY_MS,
        floating=False,
        zoned=False,
        conflict_minutes=0,
    )
    return replace(made, **more)  # type: ignore[arg-type]  # fields of it


def test_an_id_is_of_account_window_data_clock_model_scaler_and_parameters() -> None:
    """One thing after the other is another one, and so is the id."""
    plain, method, model = grid(), Method(), Adding()
    one_count, one_gap, before = plain.counts.copy(), plain.counts.copy(), plain.counts.copy()
    one_count[5000] += 1
    one_gap[5000] = np.nan
    before[0] += 1  # of the context
    moved, further = plain.civil.copy(), plain.civil.copy()
    moved[5000:] += 60
    further[5001:] += 60
    scaler = Scaler("thirds", "this test", Transform.NONE, np.array([0.0]), np.array([3.0]))
    made = [
        analysis_id(KEY, plain, method, model),
        analysis_id(KEY, plain, method, None),
        *(
            analysis_id(key, plain, method, model)
            for key in (
                replace(KEY, account_id="b" * 26),
                replace(KEY, metric="steps"),
                replace(KEY, civil_day=SPRING + 1),
                replace(KEY, source=Source("ankle", "app")),
                replace(KEY, source=Source("wrist")),
                replace(KEY, source=Source("wrist app")),
            )
        ),
        *(
            analysis_id(KEY, other, method, model)
            for other in (
                grid(counts=one_count),
                grid(counts=one_gap),
                grid(counts=before),
                grid(moved),
                grid(further),
                grid(start_ms=SPRING * DAY_MS + 1),
                grid(floating=True),
                grid(zoned=True),
                grid(conflict_minutes=1),
                grid(sent=slice(1, len(plain.counts))),
            )
        ),
        *(
            analysis_id(KEY, plain, other, model)
            for other in (Method(wear="troiano"), Method(sleep="sadeh"), Method(rescoring=True))
        ),
        analysis_id(KEY, plain, method, Adding(replace(MANIFEST, digest="9" * 64))),
        analysis_id(KEY, plain, method, Adding(scaler=scaler)),
        analysis_id(KEY, plain, method, Adding(scaler=None)),
    ]
    assert len(set(made)) == len(made)


def test_an_id_is_of_nothing_else() -> None:
    """What a model or a scaler is called, or where it came from, changes no number."""
    renamed = replace(MANIFEST, name="other", summary="another", source="elsewhere", installed_time="later")
    model = Adding(renamed, replace(SCALER, name="other", source="another"))
    assert analysis_id(KEY, grid(), Method(), model) == analysis_id(KEY, grid(), Method(), Adding())
