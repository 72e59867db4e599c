"""Sharing and consent over the wire of a whole server: who sees exactly what, who is told of it, and when it ends."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message
from google.type.datetime_pb2 import DateTime

from clarity.v1 import access_pb2
from clarity.v1 import auth_service_pb2 as auth
from clarity.v1 import health_data_service_pb2 as health_data
from clarity.v1 import insight_service_pb2 as insight
from clarity.v1.account_pb2 import Account
from clarity_server.domain.access import Purpose, Role
from clarity_server.domain.metrics import ACTIVITY_COUNTS
from tests.server.house import DAYS, PROMISED_S, House, Person, finish, house, recording

AUTH, HEALTH_DATA, INSIGHT = (f"/clarity.v1.{name}Service" for name in ("Auth", "HealthData", "Insight"))
ACTIVITY, SLEEP, ANALYSIS = (
    access_pb2.DATA_FAMILY_ACTIVITY,
    access_pb2.DATA_FAMILY_SLEEP,
    access_pb2.DATA_FAMILY_ANALYSIS,
)
SPAN = health_data.CivilRange(start=DateTime(year=2026, month=9, day=2), end=DateTime(year=2026, month=9, day=3))


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as served:
        yield served


async def told(opened: House, method: str, person: Person, *requests: Message) -> str:
    sent = [request.SerializeToString() for request in requests]
    return (await opened.told(method, sent, opened.tokens.good(person))).reason


async def recorded(opened: House, person: Person) -> None:
    await opened.ask(f"{HEALTH_DATA}/StreamSeries", person, *recording("u"), finish())


async def granted(opened: House, member: Person, reader: Person, families: Collection[access_pb2.DataFamily]) -> str:
    asked = auth.CreateGrantRequest(reader_id=reader.account_id, families=families)
    asked.expire_time.GetCurrentTime()
    asked.expire_time.seconds += 3600
    (made,) = await opened.ask(f"{AUTH}/CreateGrant", member, asked)
    assert isinstance(made, auth.CreateGrantResponse)
    return made.grant.grant_id


async def seen(opened: House, reader: Person, whose: str) -> Sequence[str]:
    """Which of somebody's data a reader is shown."""
    asked: Sequence[tuple[str, Message]] = [
        ("HealthData/ReadSeries", health_data.ReadSeriesRequest(metric=ACTIVITY_COUNTS, civil=SPAN, account_id=whose)),
        ("HealthData/ListDays", health_data.ListDaysRequest(account_id=whose)),
        ("Insight/ListAnalyses", insight.ListAnalysesRequest(account_id=whose)),
    ]
    shown = []
    for name, request in asked:
        service, _, method = name.partition("/")
        reason = await told(opened, f"/clarity.v1.{service}Service/{method}", reader, request)
        assert reason in {"OK", "ACCESS_NOT_GRANTED"}
        shown += [method] if reason == "OK" else []
    return shown


async def test_a_clinician_sees_exactly_what_was_granted_and_the_member_sees_that_they_did(opened: House) -> None:
    owl, lark = opened.person(), opened.person(Role.CLINICIAN)
    await recorded(opened, owl)
    assert await seen(opened, lark, owl.account_id) == []
    last = ""
    for families, shown in (
        ([ACTIVITY], ["ReadSeries"]),
        ([ACTIVITY, SLEEP], ["ReadSeries", "ListDays"]),
        ([ANALYSIS], ["ListAnalyses"]),
    ):
        last = await granted(opened, owl, lark, families)
        assert await seen(opened, lark, owl.account_id) == shown
        await opened.ask(f"{AUTH}/RevokeGrant", owl, auth.RevokeGrantRequest(grant_id=last))
        assert await seen(opened, lark, owl.account_id) == []
    (answer,) = await opened.ask(f"{AUTH}/ListAccessEvents", owl, auth.ListAccessEventsRequest())
    assert isinstance(answer, auth.ListAccessEventsResponse)
    assert [(event.method, event.reader_id) for event in answer.access_events] == [
        (method, lark.account_id) for method in ("ListAnalyses", "ListDays", "ReadSeries", "ReadSeries")
    ]
    assert answer.access_events[0].grant_id == last


async def test_what_a_reader_is_shown_is_the_members_and_not_their_own(opened: House) -> None:
    owl, lark = opened.person(), opened.person(Role.CLINICIAN)
    await recorded(opened, owl)
    await granted(opened, owl, lark, [ACTIVITY, SLEEP])
    counts = []
    for whose in (owl.account_id, ""):
        (answer,) = await opened.ask(f"{HEALTH_DATA}/ListDays", lark, health_data.ListDaysRequest(account_id=whose))
        assert isinstance(answer, health_data.ListDaysResponse)
        counts.append(len(answer.days))
    assert counts == [DAYS + 1, 0]


async def test_a_page_token_of_another_subject_is_none(opened: House) -> None:
    owl, lark = opened.person(), opened.person(Role.CLINICIAN)
    await recorded(opened, owl)
    await recorded(opened, lark)
    await granted(opened, owl, lark, [ACTIVITY, SLEEP])
    own, theirs = health_data.ListDaysRequest(page_size=1), health_data.ListDaysRequest(page_size=1)
    theirs.account_id = owl.account_id
    (answer,) = await opened.ask(f"{HEALTH_DATA}/ListDays", lark, own)
    assert isinstance(answer, health_data.ListDaysResponse)
    own.page_token = theirs.page_token = answer.next_page_token
    assert await told(opened, f"{HEALTH_DATA}/ListDays", lark, own) == "OK"
    assert await told(opened, f"{HEALTH_DATA}/ListDays", lark, theirs) == "PAGE_TOKEN_INVALID"


async def test_days_need_the_scope_of_sleep_beside_the_metrics_own(opened: House) -> None:
    owl = opened.person()
    for missing in ("activity.read", "sleep.read"):
        less = replace(owl, scopes=owl.scopes - {missing})
        assert await told(opened, f"{HEALTH_DATA}/ListDays", less, health_data.ListDaysRequest()) == "SCOPE_MISSING"


async def test_what_is_derived_is_shown_with_an_upload_only_to_who_may_read_it(opened: House) -> None:
    owl = opened.person()
    await recorded(opened, owl)
    asked, shown = health_data.GetUploadRequest(upload_id="u"), []
    for scopes in (owl.scopes, owl.scopes - {"sleep.read"}, frozenset({"activity.read"})):
        (answer,) = await opened.ask(f"{HEALTH_DATA}/GetUpload", replace(owl, scopes=scopes), asked)
        assert isinstance(answer, health_data.GetUploadResponse)
        assert answer.upload.upload_id == "u"
        shown.append((len(answer.days) > 0, len(answer.windows) > 0))
    assert shown == [(True, True), (False, False), (False, False)]


# ---- what is open ----------------------------------------------------------------------------------------------------


async def endless(first: Sequence[Message], goes_on: asyncio.Event) -> AsyncIterator[bytes]:
    for request in first:
        yield request.SerializeToString()
    await goes_on.wait()


async def ended(opened: House, method: str, person: Person, requests: Sequence[Message], what: str) -> str:
    """Open a stream, do something to its person once it is under way, and return what it ends with and when."""
    multi: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = opened.channel.stream_stream(method, bytes, bytes)
    metadata = (("authorization", f"Bearer {opened.tokens.good(person)}"),)
    call = multi(endless(requests, asyncio.Event()), metadata=metadata)
    answers = aiter(call)
    await anext(answers)
    await DOINGS[what](opened, person)
    try:
        async with asyncio.timeout(PROMISED_S):
            async for _ in answers:
                pass
    except grpc.aio.AioRpcError as error:
        return str(error.details())
    raise AssertionError("it ended with nothing to say")


async def suspend(opened: House, person: Person) -> None:
    asked = auth.SetAccountStateRequest(account_id=person.account_id, state=Account.STATE_SUSPENDED, reason="a test")
    await opened.ask(f"{AUTH}/SetAccountState", opened.person(Role.OPERATOR), asked)


async def sign_out(opened: House, person: Person) -> None:
    await opened.ask(f"{AUTH}/SignOut", person, auth.SignOutRequest())


async def withdraw_storage(opened: House, person: Person) -> None:
    await opened.consents([person], Purpose.STORAGE, given=False)


async def withdraw_analysis(opened: House, person: Person) -> None:
    await opened.consents([person], Purpose.ANALYSIS, given=False)


DOINGS = {
    "suspended": suspend,
    "the session has ended": sign_out,
    "consent to storage": withdraw_storage,
    "consent to analysis": withdraw_analysis,
}


@pytest.mark.parametrize("what", ["suspended", "the session has ended", "consent to storage"])
async def test_an_open_upload_ends_within_seconds_and_keeps_what_it_received(opened: House, what: str) -> None:
    owl = opened.person()
    said = await ended(opened, f"{HEALTH_DATA}/StreamSeries", owl, recording("u"), what)
    assert what in said
    assert opened.world.series.upload(owl.account_id, "u").committed == DAYS * 1440


@pytest.mark.parametrize("what", ["suspended", "the session has ended", "consent to analysis"])
async def test_an_open_watch_ends_within_seconds(opened: House, what: str) -> None:
    requests = [insight.WatchAnalysesRequest()]
    assert what in await ended(opened, f"{INSIGHT}/WatchAnalyses", opened.person(), requests, what)
