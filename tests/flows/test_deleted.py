"""What is deleted of a series is as if it had never been sent: to readers, in days, in weeks, in insights, for good."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clarity_server.adapters.local.narrator import TemplateNarrator
from clarity_server.domain.analysis import Analysed, Analysis
from clarity_server.domain.civil import DAY_MS, MINUTE_MS, Start, StartKind, TimeKind, TimeRange
from clarity_server.domain.days import Day
from clarity_server.domain.errors import (
    AnalysisNotFound,
    Busy,
    ContentConflict,
    InsightNotFound,
    StoreDamaged,
    TimeKindWrong,
    WindowNotFound,
)
from clarity_server.domain.insight import Fact, Kind, Sentence
from clarity_server.domain.measures import Unavailable
from clarity_server.domain.metrics import ACTIVITY_COUNTS
from clarity_server.domain.samples import Tombstone, Wanted
from clarity_server.domain.series import Source
from clarity_server.flows.deleted import Deletions, Plan
from clarity_server.flows.explain import Explain
from clarity_server.flows.read import Tally
from clarity_server.ports import Series
from clarity_server.rhythm.week import Method
from tests.flows.test_read import ALWAYS, CHEST, Sample, naive, naive_samples, recordings, samples
from tests.flows.upload_world import ACCOUNT, COUNTS, HEART, WRIST, Recording, UploadWorld, float32, fresh_account

DAY = 19_812
BASE = DAY * DAY_MS
HOUR_MS = 60 * MINUTE_MS
COUNTED = frozenset({ACTIVITY_COUNTS})


def deletions(uploads: UploadWorld) -> Deletions:
    return Deletions(uploads.store.series, uploads.store.keys, lambda: uploads.woken.append(None))


def delete(uploads: UploadWorld, wanted: Wanted, account_id: str = ACCOUNT) -> Plan:
    plan = deletions(uploads).plan(account_id, wanted)
    deletions(uploads).carry_out(plan)
    return plan


def civil(start: float, end: float) -> TimeRange:
    """Days of the civil calendar, counted from DAY."""
    return TimeRange(TimeKind.CIVIL, BASE + round(start * DAY_MS), BASE + round(end * DAY_MS))


def instants(start: float, end: float) -> TimeRange:
    return replace(civil(start, end), kind=TimeKind.INSTANT)


def counts(upload_id: str, days: float, start: Start | None = None, *, seed: int = 1, **more: object) -> Recording:
    """A life by the clock: nights of little movement and days of much."""
    start = start or Start(StartKind.FLOATING, BASE)
    size = round(days * 1440)
    rng = np.random.default_rng(seed)
    asleep = (start.ms // MINUTE_MS + np.arange(size) + 60) % 1440 < 480
    values = np.where(asleep, rng.integers(0, 4, size), 40 + rng.integers(0, 400, size)).astype(np.float32)
    values[rng.random(size) < 0.01] = np.nan
    return Recording(upload_id, replace(COUNTS, start=start, **more), float32(values))  # type: ignore[arg-type]


def part(made: Recording, first: int, end: int, upload_id: str) -> Recording:
    start = replace(made.descriptor.start, ms=made.descriptor.start.ms + first * MINUTE_MS)
    return Recording(upload_id, replace(made.descriptor, start=start), made.values[4 * first : 4 * end])


def put(uploads: UploadWorld, made: Recording, account_id: str = ACCOUNT, *, finish: bool = True) -> None:
    uploads.upload(made, account_id, step=20_000, finish=finish)


def minutes_read(
    uploads: UploadWorld, span: tuple[int, int] = ALWAYS, account_id: str = ACCOUNT, metric: str = ACTIVITY_COUNTS
) -> int:
    tally = Tally()
    list(uploads.read.blocks(account_id, metric, None, TimeKind.CIVIL, *span, tally))
    return tally.samples


def weeks(uploads: UploadWorld, account_id: str = ACCOUNT, *, superseded: bool = False) -> list[Analysis]:
    return list(uploads.weeks.list(account_id, "", (None, None), superseded, 100, "")[0])


def unnamed(found: list[Analysis]) -> list[Analysis]:
    return [replace(one, analysis_id="") for one in found]


# ---- readings --------------------------------------------------------------------------------------------------------


def hides(wanted: Wanted, one: Sample, upload: Recording, kind: TimeKind, revision: int) -> bool:
    """Whether a deletion hides a sample, told by its own time; `kind` is that of `one`."""
    span = wanted.range
    if upload.descriptor.revision >= revision or wanted.source not in {None, upload.descriptor.source}:
        return False
    if span is None or span.kind is kind:
        return span is None or span.start_ms <= one.ms < span.end_ms
    other = {(sample.sample): sample.ms for sample in naive_samples(upload, span.kind)}
    return one.sample in other and span.start_ms <= other[one.sample] < span.end_ms


ranges = st.none() | st.builds(
    lambda kind, start, length: TimeRange(kind, BASE + start, BASE + start + length),
    st.sampled_from(list(TimeKind)),
    st.integers(-30 * HOUR_MS, 60 * HOUR_MS),
    st.sampled_from([1, MINUTE_MS, 5 * HOUR_MS, 24 * HOUR_MS, 500 * HOUR_MS]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    recordings(),
    st.lists(st.tuples(ranges, st.sampled_from([None, WRIST, CHEST])), min_size=1, max_size=3),
    st.sampled_from(list(TimeKind)),
)
def test_a_reading_is_what_it_would_be_had_the_deleted_samples_never_been_sent(
    uploads: UploadWorld,
    all_of_them: list[Recording],
    wishes: list[tuple[TimeRange | None, Source | None]],
    kind: TimeKind,
) -> None:
    """Also the number of samples that a deletion counts, and the conflicts that are left."""
    account_id = fresh_account(uploads)
    for recording in all_of_them:
        uploads.upload(recording, account_id, step=90)
    gone = dict[str, set[int]]((one.upload_id, set()) for one in all_of_them)
    for span, source in wishes:
        wanted = Wanted(metrics=frozenset({"heart_rate"}), source=source, range=span)
        before = sum(map(len, gone.values()))
        for one in all_of_them:
            for axis in TimeKind:
                # Everything that is there has a lower revision than the tombstone.
                gone[one.upload_id] |= {
                    sample.sample for sample in naive_samples(one, axis) if hides(wanted, sample, one, axis, 1 << 30)
                }
        assert delete(uploads, wanted, account_id).sample_count == sum(map(len, gone.values())) - before
    tally = Tally()
    blocks = uploads.read.blocks(account_id, "heart_rate", None, kind, *ALWAYS, tally)
    left = [one for one in all_of_them if len(gone[one.upload_id]) < one.count]
    try:
        found = samples(list(blocks))
    except TimeKindWrong:
        assert left
        assert not any(sample.sample not in gone[one.upload_id] for one in left for sample in naive_samples(one, kind))
        return
    expected, conflicts = naive(left, kind, ALWAYS, gone)
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert tally.conflict_minutes == conflicts


def test_what_was_deleted_on_one_clock_is_gone_on_the_other(uploads: UploadWorld) -> None:
    """Berlin, 31 March 2024: the hour from two to three does not exist."""
    start = Start(StartKind.ZONE, BASE + DAY_MS, time_zone="Europe/Berlin")
    uploads.upload(Recording("a", replace(HEART, start=start, period_ms=MINUTE_MS), float32(range(1000))))
    hour = TimeRange(TimeKind.CIVIL, BASE + DAY_MS + 60 * MINUTE_MS, BASE + DAY_MS + 240 * MINUTE_MS)
    assert delete(uploads, Wanted(range=hour)).sample_count == 120
    tally = Tally()
    found = list(uploads.read.blocks(ACCOUNT, "heart_rate", None, TimeKind.INSTANT, *ALWAYS, tally))
    assert [(one.first_sample, len(one.values)) for one in found] == [(0, 60), (180, 820)]


def test_an_upload_without_that_kind_of_time_is_not_touched(uploads: UploadWorld) -> None:
    put(uploads, counts("floats", 1))
    assert delete(uploads, Wanted(range=instants(-1000, 1000))).sample_count == 0
    assert minutes_read(uploads) == 1440
    assert delete(uploads, Wanted(metrics=COUNTED)).sample_count == 1440
    assert minutes_read(uploads) == 0


def test_where_all_was_deleted_there_is_no_data_of_the_wrong_kind(uploads: UploadWorld) -> None:
    put(uploads, counts("floats", 1))
    with pytest.raises(TimeKindWrong):
        list(uploads.read.blocks(ACCOUNT, ACTIVITY_COUNTS, None, TimeKind.INSTANT, 0, 1, Tally()))
    delete(uploads, Wanted(metrics=COUNTED))
    assert not list(uploads.read.blocks(ACCOUNT, ACTIVITY_COUNTS, None, TimeKind.INSTANT, 0, 1, Tally()))


# ---- planning --------------------------------------------------------------------------------------------------------


def test_a_plan_counts_and_deletes_nothing(uploads: UploadWorld) -> None:
    put(uploads, counts("u", 3))
    plan = deletions(uploads).plan(ACCOUNT, Wanted(range=civil(0.5, 2)))
    assert (plan.sample_count, plan.day_count) == (2160, 2)
    assert minutes_read(uploads) == 3 * 1440
    assert uploads.store.series.tombstones(ACCOUNT, ACTIVITY_COUNTS) == []


def test_deleting_the_same_again_finds_nothing_and_leaves_no_tombstone(uploads: UploadWorld) -> None:
    put(uploads, counts("u", 3))
    delete(uploads, Wanted(range=civil(1, 2)))
    changes = uploads.store.series.change_count(ACCOUNT)
    for span in (civil(1, 2), civil(1.25, 1.5)):
        again = delete(uploads, Wanted(range=span))
        assert (again.sample_count, again.day_count, again.deletion.tombstones) == (0, 0, ())
    assert uploads.store.series.change_count(ACCOUNT) == changes
    assert delete(uploads, Wanted(range=civil(0.5, 2.5))).sample_count == 1440


def test_named_samples_are_no_series(uploads: UploadWorld) -> None:
    put(uploads, counts("u", 1))
    assert deletions(uploads).plan(ACCOUNT, Wanted(sample_ids=frozenset({"x"}))).sample_count == 0


def test_other_metrics_sources_and_accounts_keep_theirs(uploads: UploadWorld) -> None:
    other = fresh_account(uploads)
    put(uploads, counts("u", 1))
    put(uploads, counts("chest", 1, source=CHEST))
    put(uploads, counts("u", 1), other)
    uploads.upload(Recording("h", replace(HEART, start=Start(StartKind.FLOATING, BASE)), float32(range(100))))
    assert delete(uploads, Wanted(metrics=COUNTED, source=WRIST)).sample_count == 1440
    assert minutes_read(uploads) == minutes_read(uploads, account_id=other) == 1440
    assert minutes_read(uploads, metric="heart_rate") == 100
    assert delete(uploads, Wanted(range=civil(-1, 2))).sample_count == 1540, "without a metric, all of them"


# ---- what comes, or comes again --------------------------------------------------------------------------------------


def test_what_is_deleted_stays_deleted_in_uploads_of_the_same_revision(uploads: UploadWorld) -> None:
    made = counts("u", 3)
    put(uploads, made)
    delete(uploads, Wanted(range=civil(1, 2)))
    put(uploads, replace(made, upload_id="again"))
    assert minutes_read(uploads) == 2 * 1440
    put(uploads, counts("corrected", 3, seed=2, revision=1))
    assert minutes_read(uploads) == 3 * 1440, "a higher one is read again"
    assert delete(uploads, Wanted(range=civil(1, 2))).deletion.tombstones[0].revision == 2


def test_what_an_open_upload_sends_later_into_the_range_is_deleted_too(uploads: UploadWorld) -> None:
    made = counts("u", 3)
    hand = uploads.open(made)
    hand.send_range(0, 2000)
    hand.commit()
    delete(uploads, Wanted(range=civil(1, 2)))
    hand.send_all(20_000)
    hand.commit()
    assert minutes_read(uploads) == 2 * 1440
    assert hand.finish().receipt is not None, "the digest is of all that was sent"


def test_deleted_samples_that_come_again_are_not_compared_and_stay_deleted(uploads: UploadWorld) -> None:
    """Their bytes may be gone. All others are."""
    made = counts("u", 3)
    put(uploads, made)
    delete(uploads, Wanted(range=civil(1, 2)))
    others = counts("u", 3, seed=9)
    lied = replace(made, values=made.values[: 4 * 1440] + others.values[4 * 1440 : 4 * 2880] + made.values[4 * 2880 :])
    again = uploads.open(lied)
    again.send_range(0, 3 * 1440)
    assert minutes_read(uploads) == 2 * 1440
    with pytest.raises(ContentConflict) as error:
        uploads.open(others).send_range(1440, 2881)
    assert error.value.facts == {"first_sample": "2880"}


# ---- days ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Twice:
    """The same recordings of two accounts: one deletes a range, the other never had it."""

    deleting: str
    without: str


def sent_without(uploads: UploadWorld, made: list[Recording], start: float, end: float) -> Twice:
    """Upload recordings, delete the days [start, end) of one account; the other gets what is left, in parts."""
    twice = Twice(fresh_account(uploads), fresh_account(uploads))
    for one in made:
        put(uploads, one, twice.deleting)
        first = (one.descriptor.start.ms - BASE) // MINUTE_MS
        low, high = (min(max(round(1440 * at) - first, 0), one.count) for at in (start, end))
        for upload_id, bounds in ((one.upload_id, (0, low)), (f"{one.upload_id}-later", (high, one.count))):
            if bounds[0] < bounds[1]:
                put(uploads, part(one, *bounds, upload_id), twice.without)
    return twice


OFFSET = Start(StartKind.OFFSET, BASE, utc_offset_s=7200)


@pytest.mark.parametrize("derive_before", [False, True])
@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (-1, 0.5), (2, 3), (2.25, 2.2625), (1.9875, 4.0125), (6, 9), (7.5, 20), (-5, 50)]
)
@pytest.mark.parametrize("first", [Start(StartKind.FLOATING, BASE), OFFSET])
def test_days_and_weeks_are_what_they_would_be_had_it_never_been_sent(
    uploads: UploadWorld, start: float, end: float, first: Start, *, derive_before: bool
) -> None:
    made = [counts("u", 9, first), counts("w", 2, replace(first, ms=BASE + DAY_MS), seed=3)]
    twice = sent_without(uploads, made, start, end)
    if derive_before:
        uploads.derive()
    delete(uploads, Wanted(range=civil(start, end)), twice.deleting)
    uploads.derive()
    assert uploads.days(twice.deleting) == uploads.days(twice.without)
    # An upload is told of its weeks also where little is left of them; nobody else is.
    told = unnamed(weeks(uploads, twice.deleting))
    assert all(one in told for one in unnamed(weeks(uploads, twice.without)))


def test_a_day_without_any_sample_left_is_not_listed(uploads: UploadWorld) -> None:
    put(uploads, counts("u", 4))
    uploads.derive()
    assert len(uploads.days()) == 4
    plan = delete(uploads, Wanted(range=civil(1, 2)))
    assert plan.day_count == 1
    assert uploads.woken
    assert [one.date for one in uploads.days()] == [date(2024, 3, 30 + day) for day in (0,)] + [
        date(2024, 4, 1),
        date(2024, 4, 2),
    ]


def test_nothing_of_a_deleted_day_is_listed_while_nobody_derives(uploads: UploadWorld) -> None:
    """Whoever withholds consent to analysis gets no days anew; the old ones must not stay."""
    put(uploads, counts("u", 4))
    uploads.derive()
    delete(uploads, Wanted(range=civil(1, 2)))
    found = uploads.store.analyses.days(ACCOUNT, ACTIVITY_COUNTS, (None, None), None, 10)
    assert {key.civil_day - DAY for key, _ in found} == {3}, "nor those whose nights the deleted minutes bore on"


# ---- an upload's results ---------------------------------------------------------------------------------------------


def of_result(uploads: UploadWorld) -> list[Day | Analysed]:
    return uploads.all_results("u")


def test_results_keep_their_numbers_and_are_derived_anew_from_what_is_left(uploads: UploadWorld) -> None:
    put(uploads, counts("u", 9, OFFSET))
    uploads.derive()
    before = of_result(uploads)
    delete(uploads, Wanted(range=civil(2, 3.5)))
    uploads.derive()
    after = of_result(uploads)
    assert [one.result for one in after] == [one.result for one in before] == list(range(1, len(before) + 1))
    days = {one.date: one for one in after if isinstance(one, Day)}
    emptied, halved = days[date(2024, 4, 1)], days[date(2024, 4, 2)]
    assert (emptied.length_minutes, emptied.recorded_minutes, emptied.worn_minutes, emptied.asleep) == (1440, 0, 0, ())
    assert [measure.outcome for measure in emptied.measures] == [0.0, Unavailable.SHORT_RECORD, Unavailable.NOT_WORN]
    assert 0 < halved.recorded_minutes <= 720
    kept = {one.date for one in before if isinstance(one, Day) and one == days[one.date]}
    assert kept == {date(2024, 3, 30)} | {date(2024, 4, day) for day in range(3, 8)}


def test_of_an_upload_that_is_deleted_whole_the_results_say_that_nothing_is_left(uploads: UploadWorld) -> None:
    put(uploads, counts("u", 9, OFFSET))
    uploads.derive()
    before = of_result(uploads)
    delete(uploads, Wanted(metrics=COUNTED))
    uploads.derive()
    after = of_result(uploads)
    assert [one.result for one in after] == [one.result for one in before]
    assert {one.recorded_minutes for one in after if isinstance(one, Day)} == {0}
    windows = [one.analysis for one in after if isinstance(one, Analysed)]
    assert {one.window.recorded_minutes for one in windows} == {0}
    assert all(isinstance(measure.outcome, Unavailable) or not measure.outcome for measure in windows[0].measures)
    assert weeks(uploads) == []
    assert uploads.days() == []


def test_while_a_result_is_derived_anew_nobody_is_told_that_the_store_is_damaged(uploads: UploadWorld) -> None:
    put(uploads, counts("u", 9, OFFSET))
    uploads.derive()
    before = of_result(uploads)
    analyses = uploads.store.analyses
    first_window = next(one.result for one in before if isinstance(one, Analysed))

    class Late:
        """Deletes once a page of results has been read."""

        def results(self, *query: object) -> object:
            found = analyses.results(*query)  # type: ignore[arg-type]
            delete(uploads, Wanted(metrics=COUNTED))
            return found

    ingest = uploads.ingest
    ingest._analyses = Late()  # type: ignore[assignment]  # noqa: SLF001
    assert len(ingest.results(ACCOUNT, "u", 0)) == first_window - 1


def test_a_result_that_names_no_analysis_is_damage(uploads: UploadWorld) -> None:
    put(uploads, counts("u", 9, OFFSET))
    uploads.derive()
    uploads.store.database.write(lambda connection: connection.execute("DELETE FROM analyses").close())
    with pytest.raises(StoreDamaged) as error:
        of_result(uploads)
    assert "|analysis|" in error.value.facts["piece"]


# ---- weeks and insights ----------------------------------------------------------------------------------------------


def asked(uploads: UploadWorld, day: int, sleep: str = "oakley") -> Analysis:
    return uploads.weeks.start(
        ACCOUNT, "", None, date(1970, 1, 1) + timedelta(days=DAY + day), Method(sleep=sleep), "request"
    )


def explain(uploads: UploadWorld) -> Explain:
    store = uploads.store
    return Explain(store.windows, store.insights, store.requests, store.keys, TemplateNarrator(), lambda: 1e9)


def test_analyses_and_insights_of_deleted_minutes_are_gone(uploads: UploadWorld) -> None:
    put(uploads, counts("u", 16, OFFSET))
    uploads.derive()
    by_day = {one.window.start_day - DAY: one for one in weeks(uploads)}
    insights = {
        day: explain(uploads).generate(ACCOUNT, one.analysis_id, Kind.SUMMARY, "") for day, one in by_day.items()
    }
    gone = asked(uploads, 0, "cole-kripke")
    delete(uploads, Wanted(range=civil(0.25, 0.5)))
    for analysis_id in (by_day[0].analysis_id, gone.analysis_id):
        with pytest.raises(AnalysisNotFound):
            uploads.weeks.get(ACCOUNT, analysis_id)
    for day in (0, 7):  # the second tells of the first as the week before
        with pytest.raises(InsightNotFound):
            explain(uploads).get(ACCOUNT, insights[day].insight_id)
    assert explain(uploads).get(ACCOUNT, insights[9].insight_id) == insights[9]
    uploads.derive()
    assert {one.window.start_day - DAY for one in weeks(uploads)} == set(by_day)
    assert by_day[9] in weeks(uploads)
    assert asked(uploads, 0, "cole-kripke").analysis_id != gone.analysis_id, "the request may be made again"


def test_of_a_week_without_minutes_nothing_can_be_asked(uploads: UploadWorld) -> None:
    put(uploads, counts("u", 9, OFFSET))
    delete(uploads, Wanted(metrics=COUNTED))
    with pytest.raises(WindowNotFound):
        asked(uploads, 0)


# ---- derivations that began before and end after ---------------------------------------------------------------------


class Interrupted:
    """Runs a derivation, and after the first one of them deletes everything: before anything is stored."""

    def __init__(self, uploads: UploadWorld) -> None:
        self._uploads, self.done = uploads, False

    def __call__(self, job: Callable[[], object]) -> bool:
        job()
        if not self.done:
            self.done = True
            delete(self._uploads, Wanted(range=civil(0, 1)))
        return False


def stored_bytes(uploads: UploadWorld) -> set[bytes]:
    """All sealed bodies that are derived from samples, wherever they lie."""
    queries = ("results", "days", "analyses", "insights")
    found = set[bytes]()
    with uploads.store.database.read() as connection:
        for table in queries:
            rows = connection.execute(f"SELECT body FROM {table} WHERE length(body) > 0").fetchall()  # noqa: S608
            found |= {bytes(str(body), "utf-8") if isinstance(body, str) else bytes(body) for (body,) in rows}  # type: ignore[arg-type]
    return found


STEPS = {
    "results of days": "derive_day_results",
    "days": "derive_days",
    "results of windows": "derive_window_results",
    "windows": "derive_windows",
}


@pytest.mark.parametrize("step", STEPS)
def test_a_derivation_that_a_deletion_overtakes_stores_nothing_of_it(uploads: UploadWorld, step: str) -> None:
    put(uploads, counts("u", 9, OFFSET))
    for derive in itertools.takewhile(lambda one: one != STEPS[step], STEPS.values()):
        while getattr(uploads.analyze, derive)():
            pass
    kept = stored_bytes(uploads)
    interrupted = Interrupted(uploads)
    overtaken = replace(uploads.analyze, failing=interrupted)
    assert getattr(overtaken, STEPS[step])()
    assert interrupted.done
    assert stored_bytes(uploads) <= kept, "nothing was stored that was derived from deleted minutes"
    uploads.derive()
    never = fresh_account(uploads)
    put(uploads, part(counts("u", 9, OFFSET), 1440, 9 * 1440, "u"), never)
    uploads.derive()
    assert uploads.days() == uploads.days(never)
    told = unnamed(weeks(uploads))
    assert all(one in told for one in unnamed(weeks(uploads, never)))


def test_an_asked_for_analysis_that_a_deletion_overtakes_is_not_stored(uploads: UploadWorld) -> None:
    put(uploads, counts("u", 9, OFFSET))
    one = asked(uploads, 0, "cole-kripke")
    interrupted = Interrupted(uploads)
    replace(uploads.analyze, failing=interrupted).derive_analyses()
    assert interrupted.done
    with pytest.raises(AnalysisNotFound):
        uploads.weeks.get(ACCOUNT, one.analysis_id)
    assert stored_bytes(uploads) == set()


@dataclass
class Overtaken:
    """A store of series in which everything is deleted once its samples, and what is deleted of them, were read."""

    world: UploadWorld
    series: Series

    def __getattr__(self, name: str) -> object:
        return getattr(self.series, name)

    def tombstones(self, account_id: str, metric: str) -> Sequence[Tombstone]:
        found = self.series.tombstones(account_id, metric)
        delete(self.world, Wanted(metrics=COUNTED))
        return found


def test_an_analysis_is_not_queued_for_minutes_that_are_deleted_meanwhile(uploads: UploadWorld) -> None:
    put(uploads, counts("u", 9, OFFSET))
    late = replace(uploads.weeks, series=Overtaken(uploads, uploads.store.series))  # type: ignore[arg-type]
    with pytest.raises(Busy):
        late.start(ACCOUNT, "", None, date(2024, 3, 30), Method(), "")
    assert stored_bytes(uploads) == set()


def test_an_insight_is_not_kept_of_an_analysis_that_is_deleted_meanwhile(uploads: UploadWorld) -> None:
    put(uploads, counts("u", 9, OFFSET))
    uploads.derive()

    class Slow(TemplateNarrator):
        def tell(self, facts: Sequence[Fact], kind: Kind) -> Sequence[Sentence]:
            delete(uploads, Wanted(metrics=COUNTED))
            return super().tell(facts, kind)

    with pytest.raises(Busy):
        replace(explain(uploads), narrator=Slow()).generate(ACCOUNT, "", Kind.SUMMARY, "")
    assert not uploads.store.insights.list(ACCOUNT, None, 10)
