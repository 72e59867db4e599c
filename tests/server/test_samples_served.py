"""Samples over the wire of a whole server: which scopes what needs, whose they are, and what a repeat comes to."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from google.protobuf.message import Message

from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.sample_pb2 import (
    QUARANTINE_REASON_METRIC_UNKNOWN,
    VERDICT_DUPLICATE,
    VERDICT_QUARANTINED,
    VERDICT_REPLACED,
    VERDICT_STORED,
    VERDICT_SUPERSEDED,
    Sample,
)
from clarity.v1.series_pb2 import Source
from clarity_server.domain.access import Purpose, Role
from clarity_server.domain.metrics import ACTIVITY_COUNTS
from tests.server.house import PROMISED_S, STEPS, House, Person, finish, house, recording, sample

M = TypeVar("M", bound=Message)

SERVICE = "/clarity.v1.HealthDataService"
WRIST = Source(device="wrist")


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as served:
        yield served


@pytest.fixture
def owl(opened: House) -> Person:
    return opened.person()


async def told(opened: House, person: Person, request: Message) -> str:
    method = f"{SERVICE}/{type(request).__name__.removesuffix('Request')}"
    return (await opened.told(method, [request.SerializeToString()], opened.tokens.good(person))).reason


async def ask(opened: House, person: Person, request: Message, kind: type[M]) -> M:
    method = f"{SERVICE}/{type(request).__name__.removesuffix('Request')}"
    (answer,) = await opened.ask(method, person, request)
    assert isinstance(answer, kind)
    return answer


async def written(opened: House, person: Person, *samples: Sample, request_id: str = "") -> pb.WriteSamplesResponse:
    asked = pb.WriteSamplesRequest(samples=samples, request_id=request_id)
    return await ask(opened, person, asked, pb.WriteSamplesResponse)


async def deleted(opened: House, person: Person, request: pb.DeleteSamplesRequest) -> pb.DeleteSamplesResponse:
    return await ask(opened, person, request, pb.DeleteSamplesResponse)


def of(metric: str, client_record_id: str = "one") -> Sample:
    """A sample of another metric; whether it fits does not matter here."""
    made = sample(client_record_id)
    made.metric = metric
    return made


def from_1999(client_record_id: str) -> Sample:
    made = sample(client_record_id)
    for time in (made.start, made.end):
        time.civil.year = 1999
    return made


def without(person: Person, *scopes: str) -> Person:
    return replace(person, scopes=person.scopes - set(scopes))


# ---- scopes ----------------------------------------------------------------------------------------------------------


async def test_writing_needs_the_scope_of_every_family_and_none_for_what_nobody_knows(
    opened: House, owl: Person
) -> None:
    both = pb.WriteSamplesRequest(samples=[sample("one"), of("heart_rate")])
    assert await told(opened, without(owl, "heart.write"), both) == "SCOPE_MISSING"
    assert await told(opened, without(owl, "activity.write"), both) == "SCOPE_MISSING"
    assert await told(opened, without(owl, "sleep.write", "heart.read"), both) == "OK"
    nobody = replace(owl, scopes=frozenset({"account.read"}))
    answer = await written(opened, nobody, of("steps_of_a_cat"))
    assert answer.results[0].reason == QUARANTINE_REASON_METRIC_UNKNOWN


async def test_reading_needs_the_scope_of_what_is_named_and_all_of_them_where_nothing_is(
    opened: House, owl: Person
) -> None:
    less = without(owl, "heart.read")
    for request in (pb.GetSummaryRequest(), pb.ListSourcesRequest(), pb.ListChangesRequest()):
        assert await told(opened, owl, request) == "OK"
        assert await told(opened, less, request) == "SCOPE_MISSING"
        request.metrics.append(STEPS)
        assert await told(opened, less, request) == "OK"
        request.metrics.append("heart_rate")
        assert await told(opened, less, request) == "SCOPE_MISSING"
        request.metrics.append("steps_of_a_cat")
        assert await told(opened, owl, request) == "METRIC_UNKNOWN"


async def test_deleting_by_id_needs_the_scopes_of_what_those_are(opened: House, owl: Person) -> None:
    """Of what was put aside, too."""
    steps = (await written(opened, owl, sample("one"))).results[0].sample_id
    pulse = (await written(opened, owl, of("heart_rate"))).results[0]  # put aside: steps are no heart rate
    assert pulse.verdict == VERDICT_QUARANTINED
    less = without(owl, "heart.write")
    assert await told(opened, less, pb.DeleteSamplesRequest(sample_ids=[steps, pulse.sample_id])) == "SCOPE_MISSING"
    assert await told(opened, less, pb.DeleteSamplesRequest(source=WRIST)) == "SCOPE_MISSING"
    assert await told(opened, less, pb.DeleteSamplesRequest(metrics=[STEPS], validate_only=True)) == "OK"
    assert await told(opened, less, pb.DeleteSamplesRequest(sample_ids=[steps])) == "OK"
    assert await told(opened, owl, pb.DeleteSamplesRequest(sample_ids=[pulse.sample_id])) == "OK"


async def test_deleting_needs_no_consent_and_writing_does(opened: House, owl: Person) -> None:
    await written(opened, owl, sample("one"))
    await opened.consents([owl], Purpose.STORAGE, given=False)
    assert await told(opened, owl, pb.WriteSamplesRequest(samples=[sample("two")])) == "CONSENT_MISSING"
    assert (await deleted(opened, owl, pb.DeleteSamplesRequest(metrics=[STEPS]))).sample_count == 1


# ---- whose they are --------------------------------------------------------------------------------------------------


async def test_a_reader_sees_what_was_granted_and_nothing_of_what_was_put_aside(opened: House, owl: Person) -> None:
    lark = opened.person(Role.CLINICIAN)
    await written(opened, owl, sample("one"), sample("bad", -1.0))
    await opened.granted(owl, lark)
    listing = pb.ListSamplesRequest(metric=STEPS, account_id=owl.account_id)
    found = await ask(opened, lark, listing, pb.ListSamplesResponse)
    assert [one.client_record_id for one in found.samples] == ["one"]
    for whose, count in ((owl.account_id, 0), ("", 0)):
        summary = await ask(opened, lark, pb.GetSummaryRequest(account_id=whose), pb.GetSummaryResponse)
        assert summary.quarantined_count == count
    own = await ask(opened, owl, pb.GetSummaryRequest(), pb.GetSummaryResponse)
    assert (own.total_count, own.quarantined_count, own.change_number) == (1, 1, 1)


async def test_an_id_of_another_account_is_told_as_one_that_nobody_has(opened: House, owl: Person) -> None:
    theirs = (await written(opened, owl, sample("one"))).results[0].sample_id
    stranger = opened.person()
    assert await told(opened, stranger, pb.DeleteSamplesRequest(sample_ids=[theirs])) == "SAMPLE_NOT_FOUND"
    assert await told(opened, stranger, pb.UpdateSourceRequest(source=WRIST)) == "SOURCE_NOT_FOUND"


# ---- repeats and retries ---------------------------------------------------------------------------------------------


async def test_a_repeat_under_a_request_id_gets_the_first_answer_and_another_body_none(
    opened: House, owl: Person
) -> None:
    first = await written(opened, owl, sample("one"), sample("bad", -1.0), request_id="r")
    assert await written(opened, owl, sample("one"), sample("bad", -1.0), request_id="r") == first
    assert [one.verdict for one in first.results] == [VERDICT_STORED, VERDICT_QUARANTINED]
    other = pb.WriteSamplesRequest(samples=[sample("one", 251.0)], request_id="r")
    assert await told(opened, owl, other) == "REQUEST_ID_REUSED"
    assert (await written(opened, owl, sample("one"))).results[0].verdict == VERDICT_DUPLICATE


async def test_what_was_counted_is_deleted_once_and_stays_so(opened: House, owl: Person) -> None:
    await written(opened, owl, sample("one"), sample("two"), sample("bad", -1.0))
    dry = await deleted(opened, owl, pb.DeleteSamplesRequest(metrics=[STEPS], validate_only=True, request_id="dry"))
    assert (dry.sample_count, dry.quarantined_count, dry.total_count) == (2, 1, 3)
    wrong = pb.DeleteSamplesRequest(metrics=[STEPS], expected_count=2)
    assert await told(opened, owl, wrong) == "COUNT_CHANGED"
    right = pb.DeleteSamplesRequest(metrics=[STEPS], expected_count=3, request_id="d")
    assert await deleted(opened, owl, right) == dry
    assert (await written(opened, owl, sample("one"))).results[0].verdict == VERDICT_SUPERSEDED
    higher = sample("one")
    higher.client_record_version = 1
    assert (await written(opened, owl, higher)).results[0].verdict == VERDICT_REPLACED
    assert await deleted(opened, owl, right) == dry  # the first answer: what came since stays
    listed = await ask(opened, owl, pb.ListSamplesRequest(metric=STEPS), pb.ListSamplesResponse)
    assert [one.client_record_version for one in listed.samples] == [1]


async def test_what_was_put_aside_is_shown_as_it_was_sent_and_goes_when_it_comes_mended(
    opened: House, owl: Person
) -> None:
    bad = sample("one", -1.0)
    await written(opened, owl, bad)
    aside = await ask(opened, owl, pb.ListQuarantineRequest(), pb.ListQuarantineResponse)
    assert [one.sample for one in aside.samples] == [bad]
    assert aside.total_count == 1
    assert (await written(opened, owl, sample("one"))).results[0].verdict == VERDICT_STORED
    assert (await ask(opened, owl, pb.ListQuarantineRequest(), pb.ListQuarantineResponse)).total_count == 0


# ---- all that there is -----------------------------------------------------------------------------------------------


async def test_series_and_samples_are_summed_up_listed_told_and_deleted_alike(opened: House, owl: Person) -> None:
    await opened.ask(f"{SERVICE}/StreamSeries", owl, *recording("u"), finish())
    await written(opened, owl, sample("one"))
    summary = await ask(opened, owl, pb.GetSummaryRequest(), pb.GetSummaryResponse)
    assert {one.metric for one in summary.metrics} == {ACTIVITY_COUNTS, STEPS}
    asked = pb.UpdateSourceRequest(source=WRIST, kind="DEVICE_KIND_RING", priority=7)
    state = (await ask(opened, owl, asked, pb.UpdateSourceResponse)).source
    (found,) = (await ask(opened, owl, pb.ListSourcesRequest(), pb.ListSourcesResponse)).sources
    assert (found.kind, found.priority) == (state.kind, state.priority)
    assert [one.metric for one in found.metrics] == [ACTIVITY_COUNTS, STEPS]
    changes = await ask(opened, owl, pb.ListChangesRequest(), pb.ListChangesResponse)
    assert {change.WhichOneof("change") for change in changes.changes} == {"series_part", "series_finished", "sample"}
    assert not changes.has_more
    assert changes.told_number == summary.change_number
    gone = await deleted(opened, owl, pb.DeleteSamplesRequest(source=WRIST))
    assert gone.total_count == summary.total_count
    after = pb.ListChangesRequest(change_token=changes.next_change_token)
    later = await ask(opened, owl, after, pb.ListChangesResponse)
    assert {change.WhichOneof("change") for change in later.changes} == {"sample_deleted", "series_deleted"}


async def test_retention_is_off_until_somebody_says_so(opened: House, owl: Person) -> None:
    assert (await ask(opened, owl, pb.GetRetentionRequest(), pb.GetRetentionResponse)).keep_days == 0
    await written(opened, owl, from_1999("one"))
    dry = await ask(opened, owl, pb.SetRetentionRequest(keep_days=30, validate_only=True), pb.SetRetentionResponse)
    assert (dry.keep_days, dry.older_count) == (0, 1)
    done = await ask(opened, owl, pb.SetRetentionRequest(keep_days=30), pb.SetRetentionResponse)
    assert (done.keep_days, done.older_count) == (30, 1)
    assert (await ask(opened, owl, pb.GetRetentionRequest(), pb.GetRetentionResponse)).keep_days == 30


async def test_what_is_to_be_kept_no_longer_goes_when_the_server_looks(tmp_path: Path) -> None:
    """It looks as soon as it serves, and again and again."""
    async with house(tmp_path) as before:
        owl = before.person()
        await written(before, owl, from_1999("old"), sample("new"))
        keeping = pb.SetRetentionRequest(keep_days=36_500 // 5)  # twenty years
        await ask(before, owl, keeping, pb.SetRetentionResponse)
    async with house(tmp_path) as after, asyncio.timeout(PROMISED_S):
        while len(kept := await names(after, owl)) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert kept == ["new"]


async def names(opened: House, person: Person) -> list[str]:
    listed = await ask(opened, person, pb.ListSamplesRequest(metric=STEPS), pb.ListSamplesResponse)
    return [one.client_record_id for one in listed.samples]
