"""Weeks are asked for, found, listed and watched: by their own account, each change once and in order."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import pytest

from clarity_server.domain.analysis import WINDOW_MINUTES, Abstention, Analysis, State
from clarity_server.domain.civil import DAY_MS, MINUTE_MS, Start, StartKind
from clarity_server.domain.errors import (
    AnalysisNotFound,
    Busy,
    InvalidInput,
    MetricUnknown,
    PageTokenInvalid,
    RequestIdReused,
    ResumeTokenInvalid,
    TimeKindWrong,
    WindowNotFound,
)
from clarity_server.domain.ids import new_id
from clarity_server.domain.measures import Unavailable
from clarity_server.domain.metrics import ACTIVITY_COUNTS
from clarity_server.domain.series import Source
from clarity_server.flows.analyze import PAGE as WORKER_PAGE
from clarity_server.flows.weeks import PAGE, PAGE_MAX, QUEUED_MAX, WATCH_PAGE, method
from clarity_server.rhythm.sleep import SCORERS
from clarity_server.rhythm.wear import DETECTORS
from clarity_server.rhythm.week import Method
from tests.flows.test_windows import MANIFEST, Adding
from tests.flows.upload_world import (
    ACCOUNT,
    COUNTS,
    HEART,
    WRIST,
    Recording,
    UploadWorld,
    float32,
    fresh_account,
    outcome_of,
)
from tests.strategies import counts

FIRST = date(2024, 3, 30)
FIRST_DAY = 19_812
DAY = 1440
ALL = (None, None)
DEFAULT = Method()


def recording(days: float, upload_id: str = "u", *, first: float = 0, seed: int = 1, **more: object) -> Recording:
    """So many days of a wrist, from so many days after the first midnight on."""
    start = Start(StartKind.FLOATING, FIRST_DAY * DAY_MS + int(first * DAY_MS))
    descriptor = replace(COUNTS, **{"start": start, **more})  # type: ignore[arg-type]  # fields of it
    return Recording(upload_id, descriptor, float32(counts(seed, int(days * DAY))))


def upload(uploads: UploadWorld, made: Recording, account_id: str = ACCOUNT) -> None:
    uploads.upload(made, account_id, step=20_000)


def start(
    uploads: UploadWorld,
    day: date = FIRST,
    how: Method = DEFAULT,
    *,
    account_id: str = ACCOUNT,
    metric: str = "",
    source: Source | None = None,
    request_id: str = "",
) -> Analysis:
    return uploads.weeks.start(account_id, metric, source, day, how, request_id)


def listed(uploads: UploadWorld, *, superseded: bool = False, account_id: str = ACCOUNT) -> Sequence[Analysis]:
    return uploads.weeks.list(account_id, "", ALL, superseded, 100, "")[0]


def watched(uploads: UploadWorld, token: str = "", account_id: str = ACCOUNT) -> tuple[list[tuple[str, State]], str]:
    """What a watcher is told after a token until nothing is new, and its token then."""
    told = list[tuple[str, State]]()
    while page := uploads.weeks.since(account_id, token)[0]:
        told += [(one.analysis_id, one.state) for one, _ in page]
        token = page[-1][1]
    return told, token


def waiting(uploads: UploadWorld, account_id: str = ACCOUNT) -> int:
    return uploads.weeks.since(account_id, "")[1]


# ---- asking ----------------------------------------------------------------------------------------------------------


def test_a_short_week_is_analysed_on_request_and_says_how_short_it_is(uploads: UploadWorld) -> None:
    uploads.model = Adding()
    upload(uploads, recording(2))
    uploads.derive()
    assert listed(uploads) == []
    asked = start(uploads)
    assert (asked.state, asked.measures, asked.pat) == (State.QUEUED, (), None)
    uploads.derive()
    found = uploads.weeks.get(ACCOUNT, asked.analysis_id)
    assert found.state is State.SUCCEEDED
    assert found.pat is not None
    reach = 2 * DAY
    short = Abstention(Unavailable.SHORT_RECORD, "minutes_from_first_to_last", reach, WINDOW_MINUTES, "min")
    assert found.pat.outcome == short
    assert outcome_of(found, "nights") in {0, 1, 2}
    assert outcome_of(found, "night_total_sleep") in set(Unavailable)


def test_a_queued_week_says_already_what_of_it_is_there(uploads: UploadWorld) -> None:
    upload(uploads, recording(2))
    asked = start(uploads)
    uploads.derive()
    assert asked.window == uploads.weeks.get(ACCOUNT, asked.analysis_id).window
    assert 0 < asked.window.recorded_minutes <= 2 * DAY


def test_asking_again_changes_nothing(uploads: UploadWorld) -> None:
    upload(uploads, recording(2))
    uploads.derive()
    asked = start(uploads)
    assert start(uploads) == asked
    assert waiting(uploads) == 1
    uploads.derive()
    before = watched(uploads)
    assert start(uploads) == uploads.weeks.get(ACCOUNT, asked.analysis_id)
    assert waiting(uploads) == 0
    assert watched(uploads) == before


def test_a_week_that_is_there_is_returned_at_once(uploads: UploadWorld) -> None:
    upload(uploads, recording(8))
    uploads.derive()
    assert start(uploads) == listed(uploads)[0]
    assert start(uploads).state is State.SUCCEEDED


def test_another_method_is_another_analysis_of_the_same_week(uploads: UploadWorld) -> None:
    """And neither replaces the other."""
    upload(uploads, recording(7.5))
    uploads.derive()
    other = start(uploads, how=method("troiano", "sadeh", rescoring=True))
    uploads.derive()
    found = listed(uploads)
    assert {one.state for one in found} == {State.SUCCEEDED}
    assert sorted(sorted(one.parameters.items()) for one in found) == [
        [("rescoring", "false"), ("sleep", "oakley"), ("wear", "choi")],
        [("rescoring", "true"), ("sleep", "sadeh"), ("wear", "troiano")],
    ]
    assert other.analysis_id in {one.analysis_id for one in found}


def test_asking_wakes_the_worker_only_where_there_is_work(uploads: UploadWorld) -> None:
    upload(uploads, recording(7.5))
    uploads.derive()
    woken = list[None]()
    weeks = replace(uploads.weeks, wake=lambda: woken.append(None))
    weeks.start(ACCOUNT, "", None, FIRST, Method(), "")
    assert woken == []
    weeks.start(ACCOUNT, "", None, FIRST, Method(sleep="sadeh"), "")
    assert woken == [None]


def test_an_empty_name_of_a_method_is_its_default() -> None:
    assert method("", "", rescoring=False) == Method()
    assert method("none", "", rescoring=True) == Method(wear="none", rescoring=True)


def test_an_unknown_method_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidInput) as caught:
        method("magic", "dreams", rescoring=False)
    assert set(caught.value.violations) == {"parameters.wear", "parameters.sleep"}
    assert "choi" in caught.value.violations["parameters.wear"]
    assert "oakley" in caught.value.violations["parameters.sleep"]


@pytest.mark.parametrize("day", [FIRST - timedelta(days=9), FIRST + timedelta(days=2), date.min, date.max])
def test_a_week_of_which_there_is_no_minute_is_not_found(uploads: UploadWorld, day: date) -> None:
    upload(uploads, recording(1.9))
    with pytest.raises(WindowNotFound):
        start(uploads, day)


@pytest.mark.parametrize(
    "begins",
    [
        Start(StartKind.ZONE, FIRST_DAY * DAY_MS, time_zone="Pacific/Kiritimati"),
        Start(StartKind.OFFSET, FIRST_DAY * DAY_MS, utc_offset_s=-12 * 3600),
    ],
)
def test_the_ends_of_the_calendar_are_not_found_by_any_clock(uploads: UploadWorld, begins: Start) -> None:
    upload(uploads, recording(1, start=begins))
    for day in (date.min, date.max):
        with pytest.raises(WindowNotFound):
            start(uploads, day)


def test_a_week_of_which_there_is_one_minute_is_found(uploads: UploadWorld) -> None:
    upload(uploads, recording(1.9))
    assert start(uploads, FIRST - timedelta(days=6)).window.recorded_minutes > 0
    assert start(uploads, FIRST + timedelta(days=1)).window.recorded_minutes > 0


def test_without_a_recording_there_is_no_week(uploads: UploadWorld) -> None:
    with pytest.raises(WindowNotFound):
        start(uploads)
    upload(uploads, recording(1))
    with pytest.raises(WindowNotFound):
        start(uploads, source=Source("ankle"))
    with pytest.raises(WindowNotFound):
        start(uploads, account_id=fresh_account(uploads))


def test_an_upload_of_which_nothing_is_committed_has_no_week(uploads: UploadWorld) -> None:
    uploads.open(recording(1))
    with pytest.raises(WindowNotFound):
        start(uploads)


def test_of_several_sources_one_must_be_named_and_the_answer_names_them(uploads: UploadWorld) -> None:
    upload(uploads, recording(1))
    upload(uploads, recording(1, "v", source=Source("ankle")))
    with pytest.raises(InvalidInput) as caught:
        start(uploads)
    assert set(caught.value.violations) == {"source"}
    assert caught.value.violations["source"].endswith(": ankle, wrist app")
    assert start(uploads, source=Source("ankle")).window.source == Source("ankle")
    assert start(uploads, source=WRIST).window.source == WRIST


def test_a_recording_without_civil_times_has_no_weeks(uploads: UploadWorld) -> None:
    upload(uploads, recording(8, start=Start(StartKind.INSTANT, FIRST_DAY * DAY_MS)))
    with pytest.raises(TimeKindWrong, match=ACTIVITY_COUNTS):
        start(uploads)


def test_a_recording_that_learned_of_its_offset_has_weeks(uploads: UploadWorld) -> None:
    made = recording(2, start=Start(StartKind.INSTANT, FIRST_DAY * DAY_MS))
    upload(uploads, replace(made, moves=((60, 3600),)))
    assert start(uploads).window.recorded_minutes > 0


def test_metrics_without_weeks_and_unknown_ones_are_refused(uploads: UploadWorld) -> None:
    upload(uploads, replace(recording(1), descriptor=HEART))
    with pytest.raises(InvalidInput) as caught:
        start(uploads, metric="heart_rate")
    assert set(caught.value.violations) == {"metric"}
    with pytest.raises(MetricUnknown):
        start(uploads, metric="activity_counts_1mim")
    with pytest.raises(InvalidInput):
        uploads.weeks.list(ACCOUNT, "heart_rate", ALL, False, 1, "")


def test_an_unknown_analysis_and_another_account_s_are_alike(uploads: UploadWorld) -> None:
    upload(uploads, recording(1))
    theirs = start(uploads)
    other = fresh_account(uploads)
    for account_id, name in ((ACCOUNT, new_id()), (other, theirs.analysis_id), (other, new_id()), (ACCOUNT, "")):
        with pytest.raises(AnalysisNotFound) as caught:
            uploads.weeks.get(account_id, name)
        assert str(caught.value) == str(AnalysisNotFound())


def fill(uploads: UploadWorld, count: int) -> list[Analysis]:
    """Ask for so many analyses of the days from -6 to 8 about the first midnight, by different methods."""
    methods = [Method(wear, sleep) for wear in DETECTORS for sleep in SCORERS]
    days = [FIRST + timedelta(days=more) for more in range(-6, 9)]
    wanted = itertools.islice(itertools.product(methods, days), count)
    return [start(uploads, day, how) for how, day in wanted]


def test_as_many_as_may_wait_can_be_asked_for_and_no_more(uploads: UploadWorld) -> None:
    upload(uploads, recording(9))
    asked = fill(uploads, QUEUED_MAX)
    assert len({one.analysis_id for one in asked}) == QUEUED_MAX
    rescored = Method(rescoring=True)
    with pytest.raises(Busy):
        start(uploads, how=rescored)
    assert fill(uploads, 1) == asked[:1]
    other = fresh_account(uploads)
    upload(uploads, recording(1), other)
    assert start(uploads, account_id=other).state is State.QUEUED
    uploads.analyze.derive_analyses()
    assert start(uploads, how=rescored).state is State.QUEUED


# ---- the same request again ------------------------------------------------------------------------------------------


def test_a_repeated_request_has_the_first_answer_even_after_newer_data(uploads: UploadWorld) -> None:
    upload(uploads, recording(2))
    first = start(uploads, request_id="r")
    uploads.derive()
    upload(uploads, recording(1, "more", first=3))
    assert start(uploads, request_id="r").analysis_id == first.analysis_id
    assert start(uploads, request_id="another").analysis_id != first.analysis_id


def test_a_request_id_under_which_something_else_was_asked_is_refused(uploads: UploadWorld) -> None:
    upload(uploads, recording(3))
    start(uploads, request_id="r")
    for day, how in ((FIRST + timedelta(days=1), Method()), (FIRST, Method(sleep="sadeh"))):
        with pytest.raises(RequestIdReused):
            start(uploads, day, how, request_id="r")


def test_a_request_id_is_of_its_account_alone(uploads: UploadWorld) -> None:
    upload(uploads, recording(1))
    start(uploads, request_id="r")
    other = fresh_account(uploads)
    upload(uploads, recording(2), other)
    assert start(uploads, FIRST + timedelta(days=1), account_id=other, request_id="r").state is State.QUEUED


def test_a_request_says_the_same_with_or_without_the_defaults(uploads: UploadWorld) -> None:
    upload(uploads, recording(1))
    first = start(uploads, request_id="r")
    assert start(uploads, metric=ACTIVITY_COUNTS, source=WRIST, request_id="r") == first


def test_a_request_that_found_the_queue_full_can_be_repeated_after_newer_data(uploads: UploadWorld) -> None:
    """It had no answer: there is no first one to repeat."""
    upload(uploads, recording(9))
    fill(uploads, QUEUED_MAX)
    rescored = Method(rescoring=True)
    with pytest.raises(Busy):
        start(uploads, how=rescored, request_id="r")
    upload(uploads, recording(0.1, "more", first=3, seed=2, revision=1))
    uploads.analyze.derive_analyses()
    assert start(uploads, how=rescored, request_id="r").state is State.QUEUED


# ---- newer data and other models meanwhile ---------------------------------------------------------------------------


def test_newer_data_supersedes_what_is_queued_and_its_own_week_succeeds(uploads: UploadWorld) -> None:
    upload(uploads, recording(2))
    old = start(uploads)
    upload(uploads, recording(1, "more", first=2))
    uploads.derive()
    (new,) = listed(uploads)
    assert new.state is State.SUCCEEDED
    assert new.analysis_id != old.analysis_id
    assert new.window.recorded_minutes > old.window.recorded_minutes
    assert uploads.weeks.get(ACCOUNT, old.analysis_id).state is State.SUPERSEDED
    assert waiting(uploads) == 0


def test_newer_data_supersedes_a_short_week_that_was_analysed_before(uploads: UploadWorld) -> None:
    upload(uploads, recording(2))
    old = start(uploads)
    uploads.derive()
    upload(uploads, recording(1, "more", first=2))
    uploads.derive()
    assert uploads.weeks.get(ACCOUNT, old.analysis_id).state is State.SUPERSEDED
    assert listed(uploads) == []
    again = start(uploads)
    uploads.derive()
    assert listed(uploads) == [uploads.weeks.get(ACCOUNT, again.analysis_id)]


def test_data_of_another_week_leaves_what_is_queued_alone(uploads: UploadWorld) -> None:
    upload(uploads, recording(2))
    asked = start(uploads)
    upload(uploads, recording(1, "more", first=30))
    uploads.derive()
    assert uploads.weeks.get(ACCOUNT, asked.analysis_id).state is State.SUCCEEDED


def test_what_was_queued_for_another_model_is_read_by_the_one_that_answers(uploads: UploadWorld) -> None:
    upload(uploads, recording(7.5))
    uploads.analyze.settle(ACCOUNT)
    old = start(uploads)
    uploads.model = Adding()
    uploads.derive()
    (new,) = listed(uploads)
    assert new.pat is not None
    assert new.pat.model_digest == MANIFEST.digest
    assert uploads.weeks.get(ACCOUNT, old.analysis_id).state is State.SUPERSEDED


@pytest.mark.parametrize("derived", [pytest.param(False, id="never computed"), pytest.param(True, id="computed")])
def test_a_superseded_week_that_is_asked_for_and_current_again_is_in_force(uploads: UploadWorld, derived: bool) -> None:
    """Newer data came, and then a correction that says what had been said first."""
    made = recording(2)
    upload(uploads, made)
    old = start(uploads)
    if derived:
        uploads.derive()
    wrong = recording(2, "wrong", seed=2, revision=1)
    upload(uploads, wrong)
    uploads.derive()
    assert uploads.weeks.get(ACCOUNT, old.analysis_id).state is State.SUPERSEDED
    upload(uploads, replace(made, upload_id="right", descriptor=replace(made.descriptor, revision=2)))
    uploads.derive()
    asked = start(uploads)
    uploads.derive()
    assert asked.analysis_id == old.analysis_id
    assert uploads.weeks.get(ACCOUNT, asked.analysis_id).state is State.SUCCEEDED


# ---- listing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_pages_of_any_size_list_every_week_once_and_in_order(uploads: UploadWorld, size: int) -> None:
    for device in ("wrist", "ankle"):
        upload(uploads, recording(8.5, device, source=Source(device)))
    uploads.derive()
    pages, token = list[Sequence[Analysis]](), ""
    while not pages or token:
        page, token, _ = uploads.weeks.list(ACCOUNT, "", ALL, False, size, token)
        pages.append(page)
    found = [one for page in pages for one in page]
    assert [(one.window.start_date, one.window.source.device) for one in found] == [
        (FIRST + timedelta(days=more), device) for more in (0, 1) for device in ("ankle", "wrist")
    ]
    assert len(pages) == -(-4 // size)


def test_dates_are_a_range_of_first_days_without_its_end(uploads: UploadWorld) -> None:
    upload(uploads, recording(10))
    uploads.derive()
    second, third = FIRST + timedelta(days=1), FIRST + timedelta(days=2)
    found = uploads.weeks.list(ACCOUNT, "", (second, third), False, 9, "")[0]
    assert [one.window.start_date for one in found] == [second]
    assert len(uploads.weeks.list(ACCOUNT, "", (third, None), False, 9, "")[0]) == 2


def test_the_size_of_a_page_has_a_default_and_a_maximum(uploads: UploadWorld) -> None:
    upload(uploads, recording(9))
    fill(uploads, QUEUED_MAX)
    assert uploads.analyze.derive_analyses() == WORKER_PAGE
    fill(uploads, QUEUED_MAX + 1)
    assert len(uploads.weeks.list(ACCOUNT, "", ALL, False, 0, "")[0]) == PAGE
    assert len(uploads.weeks.list(ACCOUNT, "", ALL, False, 10_000, "")[0]) == PAGE_MAX == QUEUED_MAX


def test_what_was_superseded_is_listed_on_request_only(uploads: UploadWorld) -> None:
    upload(uploads, recording(7.5))
    uploads.derive()
    (old,) = listed(uploads)
    upload(uploads, recording(1, "late", first=2, seed=3, revision=1))
    uploads.derive()
    (new,) = listed(uploads)
    assert {(one.analysis_id, one.state) for one in listed(uploads, superseded=True)} == {
        (old.analysis_id, State.SUPERSEDED),
        (new.analysis_id, State.SUCCEEDED),
    }


def test_a_page_token_is_bound_to_its_account_and_its_query(uploads: UploadWorld) -> None:
    other = fresh_account(uploads)
    for account_id in (ACCOUNT, other):
        upload(uploads, recording(9), account_id)
    uploads.derive()
    _, token, _ = uploads.weeks.list(ACCOUNT, "", ALL, False, 1, "")
    _, watching = watched(uploads)
    assert token
    for account_id, dates, superseded in ((other, ALL, False), (ACCOUNT, (FIRST, None), False), (ACCOUNT, ALL, True)):
        with pytest.raises(PageTokenInvalid):
            uploads.weeks.list(account_id, "", dates, superseded, 1, token)
    for wrong in (watching, token[:-1], token + "A", "x", "é"):
        with pytest.raises(PageTokenInvalid):
            uploads.weeks.list(ACCOUNT, "", ALL, False, 1, wrong)
    assert uploads.weeks.list(ACCOUNT, ACTIVITY_COUNTS, ALL, False, 1, token)[0]


def test_a_week_that_is_superseded_between_two_pages_is_listed_once(uploads: UploadWorld) -> None:
    upload(uploads, recording(9.5))
    uploads.derive()
    page, token, _ = uploads.weeks.list(ACCOUNT, "", ALL, False, 1, "")
    upload(uploads, recording(0.1, "late", first=6, seed=3, revision=1))
    uploads.derive()
    rest, _, _ = uploads.weeks.list(ACCOUNT, "", ALL, False, 9, token)
    days = [one.window.start_date for one in (*page, *rest)]
    assert sorted(set(days)) == [FIRST + timedelta(days=more) for more in range(3)]
    assert days[1:] == sorted(set(days[1:]))


# ---- watching --------------------------------------------------------------------------------------------------------


def test_a_watcher_hears_of_every_change_once_and_in_order(uploads: UploadWorld) -> None:
    upload(uploads, recording(7.5))
    uploads.analyze.settle(ACCOUNT)
    told, token = watched(uploads)
    assert told == []
    asked = start(uploads, how=Method(sleep="sadeh")).analysis_id
    told, token = watched(uploads, token)
    assert told == [(asked, State.QUEUED)]
    uploads.derive()
    told, token = watched(uploads, token)
    (by_itself,) = [one.analysis_id for one in listed(uploads) if one.analysis_id != asked]
    assert sorted(told) == sorted([(by_itself, State.SUCCEEDED), (asked, State.SUCCEEDED)])
    upload(uploads, recording(1, "late", first=2, seed=3, revision=1))
    uploads.derive()
    told, token = watched(uploads, token)
    (new,) = [one.analysis_id for one in listed(uploads)]
    assert told[0] == (new, State.SUCCEEDED)
    assert sorted(told[1:]) == sorted([(by_itself, State.SUPERSEDED), (asked, State.SUPERSEDED)])
    assert watched(uploads, token) == ([], token)


def test_a_watcher_from_the_beginning_hears_of_everything_as_it_stands(uploads: UploadWorld) -> None:
    upload(uploads, recording(9))
    uploads.derive()
    upload(uploads, recording(0.5, "late", first=8, seed=3, revision=1))
    uploads.derive()
    told, _ = watched(uploads)
    assert dict(told) == {one.analysis_id: one.state for one in listed(uploads, superseded=True)}
    assert len(told) == len(dict(told))


def test_a_watcher_goes_on_after_any_token_it_was_given(uploads: UploadWorld) -> None:
    upload(uploads, recording(9))
    asked = [one.analysis_id for one in fill(uploads, WATCH_PAGE + 3)]
    page, _ = uploads.weeks.since(ACCOUNT, "")
    assert [one.analysis_id for one, _ in page] == asked[:WATCH_PAGE]
    for at, (_, token) in enumerate(page, start=1):
        assert [name for name, _ in watched(uploads, token)[0]] == asked[at:]


def test_a_resume_token_is_of_its_account_and_of_a_watch(uploads: UploadWorld) -> None:
    upload(uploads, recording(9))
    uploads.derive()
    _, token = watched(uploads)
    _, page_token, _ = uploads.weeks.list(ACCOUNT, "", ALL, False, 1, "")
    assert page_token
    with pytest.raises(ResumeTokenInvalid):
        uploads.weeks.since(fresh_account(uploads), token)
    for wrong in (page_token, token[:-1], "x", "…"):
        with pytest.raises(ResumeTokenInvalid):
            uploads.weeks.since(ACCOUNT, wrong)


def test_other_accounts_are_not_watched(uploads: UploadWorld) -> None:
    upload(uploads, recording(7.5), fresh_account(uploads))
    uploads.derive()
    assert uploads.weeks.since(ACCOUNT, "") == ([], 0)


def test_how_many_weeks_wait_falls_to_nothing(uploads: UploadWorld) -> None:
    upload(uploads, recording(8))
    uploads.analyze.settle(ACCOUNT)
    start(uploads, FIRST + timedelta(days=5))
    counted = [waiting(uploads)]
    assert counted[0] > 1
    while uploads.analyze.derive_analyses() or uploads.analyze.derive_windows():
        counted.append(waiting(uploads))
        assert uploads.weeks.list(ACCOUNT, "", ALL, False, 1, "")[2] == counted[-1]
    assert counted == sorted(counted, reverse=True)
    assert counted[-1] == 0


def test_a_minute_more_is_another_week(uploads: UploadWorld) -> None:
    """The digest is of all that was sent, values or none."""
    hand = uploads.open(recording(2))
    names = set()
    for end in (100, 101, 2 * DAY):
        hand.send_range(hand.received, end)
        hand.commit()
        names.add(start(uploads).analysis_id)
    assert len(names) == 3
    assert hand.intake.stored.committed * MINUTE_MS == 2 * DAY_MS


@dataclass
class Meanwhile:
    """The windows, of which all is derived right after they were asked anything for the first time."""

    port: object
    derive: Callable[[], object]
    asked: bool = False

    def __getattr__(self, name: str) -> object:
        def first(*arguments: object, **named: object) -> object:
            answer = getattr(self.port, name)(*arguments, **named)
            if not self.asked:
                self.asked = True
                self.derive()
            return answer

        return first


@pytest.mark.parametrize("verb", ["list", "since"])
def test_none_waits_only_where_all_is_listed(uploads: UploadWorld, verb: str) -> None:
    """Or who waits for the end would take a list from before it for the last word."""
    upload(uploads, recording(7.5))
    assert waiting(uploads) > 0
    windows = Meanwhile(uploads.store.windows, uploads.derive)
    weeks = replace(uploads.weeks, windows=windows)  # type: ignore[arg-type]
    if verb == "list":
        found, _, waits = weeks.list(ACCOUNT, "", ALL, False, 100, "")
    else:
        page, waits = weeks.since(ACCOUNT, "")
        found = [one for one, _ in page]
    assert windows.asked
    assert waits > 0 or found
