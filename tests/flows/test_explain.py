"""Facts and insights of a week, asked for as a person asks: once, again, by another, too early."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard

from clarity_server.adapters.local.narrator import TemplateNarrator
from clarity_server.domain import sealing
from clarity_server.domain.analysis import Analysis, State
from clarity_server.domain.errors import (
    AnalysisNotDone,
    AnalysisNotFound,
    InsightNotFound,
    PageTokenInvalid,
    RequestIdReused,
    StoreDamaged,
)
from clarity_server.domain.facts import facts_of
from clarity_server.domain.insight import Citation, Fact, Insight, Kind, Sentence
from clarity_server.flows.explain import FACTS_PAGE, GENERATE_KEEP_S, Explain, Ungrounded
from clarity_server.flows.results import seal_analysis
from clarity_server.ports import Narrator, StoredAnalysis, WindowKey
from tests.contracts.worlds import LocalWorld, local
from tests.domain.test_facts import week
from tests.domain.weeks_made_up import FIRST_DAY

ACCOUNT = "a" * 26
OTHER = "b" * 26
NOON = 1_800_000_000.75


@dataclass
class Told:
    """The verbs over a real store, with a clock to turn."""

    store: LocalWorld
    now: float = NOON
    narrator: Narrator = TemplateNarrator()  # noqa: RUF009 - it has no state

    @property
    def explain(self) -> Explain:
        store = self.store
        return Explain(store.windows, store.insights, store.requests, store.keys, self.narrator, lambda: self.now)

    def put(self, analysis: Analysis, account_id: str = ACCOUNT, state: State = State.SUCCEEDED) -> Analysis:
        window = analysis.window
        key = WindowKey(account_id, window.metric, window.source, window.start_day)
        data_key = self.store.keys.create_data_key(account_id)
        self.store.windows.put([seal_analysis(data_key, key, replace(analysis, state=state))])
        return analysis

    def pages(self, analysis_id: str, size: int) -> list[Sequence[Fact]]:
        found, token = list[Sequence[Fact]](), ""
        while not found or token:
            page, token = self.explain.facts(ACCOUNT, analysis_id, size, token)
            found.append(page)
        return found


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    with local(tmp_path) as store:
        store.keys.create_data_key(ACCOUNT)
        store.keys.create_data_key(OTHER)
        yield Told(store)


@pytest.fixture
def weeks(told: Told) -> tuple[Analysis, Analysis]:
    """A week and the one before it, stored."""
    return told.put(week(1)), told.put(week(2, FIRST_DAY - 7))


# ---- facts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
def test_pages_of_any_size_list_every_fact_once_and_in_order(
    told: Told, weeks: tuple[Analysis, Analysis], size: int
) -> None:
    now, before = weeks
    pages = told.pages(now.analysis_id, size)
    assert tuple(fact for page in pages for fact in page) == facts_of(now, before)
    assert all(len(page) == size for page in pages[:-1])
    assert pages[-1]


def test_a_page_of_facts_has_a_default_size_and_a_maximum(told: Told, weeks: tuple[Analysis, Analysis]) -> None:
    now, _ = weeks
    assert len(told.pages(now.analysis_id, 0)[0]) == FACTS_PAGE
    assert len(told.pages(now.analysis_id, 10_000)) == 1


def test_a_token_of_facts_is_bound_to_its_query(told: Told, weeks: tuple[Analysis, Analysis]) -> None:
    now, before = weeks
    _, token = told.explain.facts(ACCOUNT, now.analysis_id, 5, "")
    with pytest.raises(PageTokenInvalid):
        told.explain.facts(ACCOUNT, before.analysis_id, 5, token)
    with pytest.raises(PageTokenInvalid):
        told.explain.list(ACCOUNT, 5, token)


def test_the_week_before_is_the_one_of_the_same_source_and_method(told: Told) -> None:
    now = told.put(week(1))
    other = week(2, FIRST_DAY - 7)
    told.put(replace(other, parameters={**other.parameters, "sleep": "sadeh"}))
    elsewhere = week(3, FIRST_DAY - 7)
    told.put(replace(elsewhere, window=replace(elsewhere.window, source=replace(elsewhere.window.source, app="x"))))
    told.put(week(4, FIRST_DAY - 6))
    assert tuple(told.pages(now.analysis_id, 1000)[0]) == facts_of(now, None)


# ---- generating ------------------------------------------------------------------------------------------------------


def test_an_insight_is_told_once_and_then_kept(told: Told, weeks: tuple[Analysis, Analysis]) -> None:
    now, before = weeks
    first = told.explain.generate(ACCOUNT, now.analysis_id, Kind.SUMMARY, "")
    facts = facts_of(now, before)
    assert first.sentences == tuple(TemplateNarrator().tell(facts, Kind.SUMMARY))
    assert first.create_time == datetime.fromtimestamp(int(NOON), UTC)
    assert (first.analysis_id, first.kind, first.language) == (now.analysis_id, Kind.SUMMARY, "en")
    assert (first.narrator, first.narrator_version) == ("template", "1")
    told.now += 1000
    assert told.explain.generate(ACCOUNT, now.analysis_id, Kind.SUMMARY, "") == first
    assert told.explain.get(ACCOUNT, first.insight_id) == first
    assert told.explain.list(ACCOUNT, 0, "") == ([first], "")


def test_an_insight_has_every_fact_it_cites_and_no_other(told: Told, weeks: tuple[Analysis, Analysis]) -> None:
    now, before = weeks
    made = told.explain.generate(ACCOUNT, now.analysis_id, Kind.SUMMARY, "")
    cited = {citation.fact_id for sentence in made.sentences for citation in sentence.citations}
    assert {fact.fact_id for fact in made.facts} == cited
    assert all(fact in facts_of(now, before) for fact in made.facts)


def test_without_an_id_the_newest_week_is_told(told: Told, weeks: tuple[Analysis, Analysis]) -> None:
    now, _ = weeks
    assert told.explain.generate(ACCOUNT, "", Kind.BRIEF, "").analysis_id == now.analysis_id


def test_each_kind_and_each_narrator_has_its_own_insight(told: Told, weeks: tuple[Analysis, Analysis]) -> None:
    now, _ = weeks
    ids = [told.explain.generate(ACCOUNT, now.analysis_id, kind, "").insight_id for kind in Kind]
    told.narrator = Saying(lambda _: [])
    ids.append(told.explain.generate(ACCOUNT, now.analysis_id, Kind.BRIEF, "").insight_id)
    assert len(set(ids)) == len(ids)


def test_another_week_before_makes_another_insight(told: Told) -> None:
    now = told.put(week(1))
    alone = told.explain.generate(ACCOUNT, now.analysis_id, Kind.SUMMARY, "")
    told.put(week(2, FIRST_DAY - 7))
    compared = told.explain.generate(ACCOUNT, now.analysis_id, Kind.SUMMARY, "")
    assert alone.insight_id != compared.insight_id
    assert len(compared.sentences) == len(alone.sentences) + 1


@pytest.mark.parametrize("state", [State.QUEUED, State.FAILED])
def test_an_analysis_without_numbers_is_not_told(told: Told, state: State) -> None:
    queued = told.put(replace(week(1), measures=(), nights=()), state=state)
    for ask in (
        lambda: told.explain.generate(ACCOUNT, queued.analysis_id, Kind.BRIEF, ""),
        lambda: told.explain.facts(ACCOUNT, queued.analysis_id, 0, ""),
    ):
        with pytest.raises(AnalysisNotDone) as caught:
            ask()
        assert caught.value.facts == {"state": state.value}


def test_a_superseded_analysis_is_told_as_it_was(told: Told) -> None:
    old = told.put(week(1), state=State.SUPERSEDED)
    assert told.explain.generate(ACCOUNT, old.analysis_id, Kind.BRIEF, "").analysis_id == old.analysis_id


def test_a_row_without_a_body_is_not_done(told: Told) -> None:
    made = week(1)
    key = WindowKey(ACCOUNT, made.window.metric, made.window.source, FIRST_DAY)
    told.store.windows.put([StoredAnalysis(key, "bare", State.SUPERSEDED, "", "{}", "", b"")])
    with pytest.raises(AnalysisNotDone):
        told.explain.facts(ACCOUNT, "bare", 0, "")


def test_another_accounts_weeks_and_insights_are_not_there(told: Told, weeks: tuple[Analysis, Analysis]) -> None:
    now, _ = weeks
    made = told.explain.generate(ACCOUNT, now.analysis_id, Kind.BRIEF, "")
    with pytest.raises(AnalysisNotFound):
        told.explain.facts(OTHER, now.analysis_id, 0, "")
    with pytest.raises(AnalysisNotFound):
        told.explain.generate(OTHER, now.analysis_id, Kind.BRIEF, "")
    with pytest.raises(AnalysisNotFound):
        told.explain.generate(OTHER, "", Kind.BRIEF, "")
    with pytest.raises(InsightNotFound):
        told.explain.get(OTHER, made.insight_id)
    assert told.explain.list(OTHER, 0, "") == ([], "")


# ---- request ids -----------------------------------------------------------------------------------------------------


def test_a_repeat_under_a_request_id_is_the_first_week_whatever_came_since(told: Told) -> None:
    older = told.put(week(2, FIRST_DAY - 7))
    first = told.explain.generate(ACCOUNT, "", Kind.SUMMARY, "r1")
    assert first.analysis_id == older.analysis_id
    told.put(week(1))
    told.put(week(3, FIRST_DAY - 14))
    assert told.explain.generate(ACCOUNT, "", Kind.SUMMARY, "r1") == first
    assert told.explain.generate(ACCOUNT, "", Kind.SUMMARY, "r2").analysis_id != older.analysis_id
    told.now += GENERATE_KEEP_S + 1
    assert told.explain.generate(ACCOUNT, "", Kind.SUMMARY, "r1") != first


def test_another_body_under_a_request_id_is_refused(told: Told, weeks: tuple[Analysis, Analysis]) -> None:
    now, _ = weeks
    told.explain.generate(ACCOUNT, "", Kind.SUMMARY, "r1")
    for analysis_id, kind in (("", Kind.BRIEF), (now.analysis_id, Kind.SUMMARY)):
        with pytest.raises(RequestIdReused):
            told.explain.generate(ACCOUNT, analysis_id, kind, "r1")
    told.put(week(1), OTHER)
    told.explain.generate(OTHER, "", Kind.BRIEF, "r1")  # of another account it is another request


# ---- what is not grounded --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Saying:
    """A narrator that says what it is told to."""

    words: Callable[[Sequence[Fact]], Sequence[Sentence]]
    name: str = "saying"
    version: str = "1"

    def tell(self, facts: Sequence[Fact], kind: Kind) -> Sequence[Sentence]:
        del kind
        return self.words(facts)


def test_a_sentence_that_no_fact_says_is_never_stored(told: Told, weeks: tuple[Analysis, Analysis]) -> None:
    def lies(facts: Sequence[Fact]) -> Sequence[Sentence]:
        [slept] = [fact for fact in facts if fact.name == "night_total_sleep"]
        told = f"You slept {slept.text} a night."
        cited = (Citation(slept.fact_id, 4, 10 + len(slept.text)),)
        return [Sentence(told, cited), Sentence("You slept 23 h 59 min a night.", (Citation(slept.fact_id, 4, 21),))]

    now, _ = weeks
    told.narrator = Saying(lies)
    with pytest.raises(Ungrounded) as caught:
        told.explain.generate(ACCOUNT, now.analysis_id, Kind.BRIEF, "")
    assert str(caught.value) == "saying: sentence 1 is not grounded: VALUE [4, 21)"
    assert told.explain.list(ACCOUNT, 0, "") == ([], "")


# ---- the list, and the store -----------------------------------------------------------------------------------------


def many(told: Told, count: int) -> list[Insight]:
    made = []
    for place in range(count):
        told.put(week(place + 10, FIRST_DAY + place))
        made.append(told.explain.generate(ACCOUNT, "", Kind.BRIEF, ""))
    return made


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_insights_are_listed_once_the_newest_first(told: Told, size: int) -> None:
    made = many(told, 5)
    found, token, pages = list[Insight](), "", 0
    while not pages or token:
        page, token = told.explain.list(ACCOUNT, size, token)
        found += page
        pages += 1
    assert found == made[::-1]
    assert pages == -(-5 // size)


def test_an_insight_told_between_two_pages_disturbs_none(told: Told) -> None:
    made = many(told, 3)
    page, token = told.explain.list(ACCOUNT, 2, "")
    told.explain.generate(ACCOUNT, "", Kind.SUMMARY, "")
    rest, _ = told.explain.list(ACCOUNT, 2, token)
    assert [*page, *rest] == made[::-1]


def test_a_token_of_insights_is_bound_to_its_account(told: Told) -> None:
    many(told, 2)
    _, token = told.explain.list(ACCOUNT, 1, "")
    with pytest.raises(PageTokenInvalid):
        told.explain.list(OTHER, 1, token)


def test_an_insight_is_sealed_under_its_name_as_one_json(told: Told, weeks: tuple[Analysis, Analysis]) -> None:
    now, _ = weeks
    made = told.explain.generate(ACCOUNT, now.analysis_id, Kind.SUMMARY, "")
    row = told.store.insights.get(ACCOUNT, made.insight_id)
    assert row is not None
    packed = zstandard.decompress(sealing.unseal(told.store.keys.data_key(ACCOUNT), row.body, row.name))
    fields = json.loads(packed)
    assert packed == json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    assert fields["sentences"][0]["text"] == made.sentences[0].text
    with pytest.raises(StoreDamaged):
        sealing.unseal(told.store.keys.data_key(ACCOUNT), row.body, f"{ACCOUNT}|insight|other")
