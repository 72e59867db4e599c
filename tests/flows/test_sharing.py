"""Sharing: consents with their versions and times, grants to those who may be named, and who has read."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from clarity_server.domain.access import Family, Purpose, Role, Use
from clarity_server.domain.accounts import CONSENT_VERSION, AccountState, Identity
from clarity_server.domain.errors import (
    ConsentMissing,
    GrantNotFound,
    GrantsFull,
    InvalidInput,
    PageTokenInvalid,
    ReaderNotFound,
    RequestIdReused,
    StoreUnavailable,
)
from clarity_server.domain.sharing import Consent, GrantState, NamedGrant
from clarity_server.flows.sharing import GRANT_DAYS_MAX, GRANTS_IN_FORCE_MAX
from tests.flows.access_world import HERE, AccessWorld, access_world

HEART, SLEEP = Family.HEART, Family.SLEEP


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AccessWorld]:
    with access_world(tmp_path) as opened:
        yield opened


@pytest.fixture
def member(world: AccessWorld) -> Identity:
    return world.person("Owl")


@pytest.fixture
def clinician(world: AccessWorld) -> Identity:
    return world.person("Dr. Lark", roles=[Role.CLINICIAN])


def consent_of(world: AccessWorld, who: Identity, purpose: Purpose) -> Consent:
    return next(one for one in world.sharing.consents(who) if one.purpose is purpose)


# ---- consents --------------------------------------------------------------------------------------------------------


def test_there_is_one_consent_for_every_purpose_whatever_was_said(world: AccessWorld) -> None:
    person = replace(world.person(), account_id="z" * 26)  # of whom nothing is stored
    assert world.sharing.consents(person) == [Consent(purpose, given=False) for purpose in Purpose]


def test_consent_is_given_to_a_version_from_a_time_on(world: AccessWorld) -> None:
    person = world.person(consents=[])
    world.clock.wait(60)
    said = world.sharing.set_consent(person, Purpose.ANALYSIS, True, CONSENT_VERSION, HERE)
    assert said == Consent(Purpose.ANALYSIS, True, CONSENT_VERSION, world.now)
    assert consent_of(world, person, Purpose.ANALYSIS) == said
    assert world.audit.kinds == ["consent-given"]
    assert world.audit.events[0].facts == {"purpose": "analysis", "text_version": CONSENT_VERSION}
    assert world.changed == [person.account_id]


@pytest.mark.parametrize("version", ["", "2019-01"])
def test_only_the_present_text_can_be_agreed_to(world: AccessWorld, version: str) -> None:
    person = world.person(consents=[])
    with pytest.raises(InvalidInput) as refused:
        world.sharing.set_consent(person, Purpose.ANALYSIS, True, version, HERE)
    assert set(refused.value.violations) == {"text_version"}
    assert not consent_of(world, person, Purpose.ANALYSIS).given
    assert world.audit.events == []


def test_consent_is_withdrawn_without_naming_a_text(world: AccessWorld, member: Identity) -> None:
    world.clock.wait(60)
    said = world.sharing.set_consent(member, Purpose.NARRATION, False, "", HERE)
    assert said == Consent(Purpose.NARRATION, False, CONSENT_VERSION, world.now)
    assert world.audit.kinds == ["consent-withdrawn"]


def test_saying_the_same_again_keeps_the_first_time_and_tells_nobody(world: AccessWorld, member: Identity) -> None:
    before = consent_of(world, member, Purpose.STORAGE)
    world.clock.wait(60)
    assert world.sharing.set_consent(member, Purpose.STORAGE, True, CONSENT_VERSION, HERE) == before
    assert world.audit.events == []
    assert world.changed == []


def test_a_first_no_is_kept_although_nothing_was_given_before(world: AccessWorld) -> None:
    person = replace(world.person(), account_id="z" * 26)
    assert world.sharing.set_consent(person, Purpose.RESEARCH, False, "", HERE).effective_time == world.now


def test_a_consent_that_cannot_be_written_down_is_not_given(world: AccessWorld) -> None:
    person = world.person(consents=[])
    world.audit.broken = StoreUnavailable("the audit is away")
    with pytest.raises(StoreUnavailable):
        world.sharing.set_consent(person, Purpose.ANALYSIS, True, CONSENT_VERSION, HERE)
    assert not consent_of(world, person, Purpose.ANALYSIS).given


# ---- grants ----------------------------------------------------------------------------------------------------------


def test_a_grant_names_its_reader_and_stands_in_both_lists(
    world: AccessWorld, member: Identity, clinician: Identity
) -> None:
    named = world.granted(member, clinician, [HEART, SLEEP])
    assert (named.reader_name, named.member_name, named.state) == ("Dr. Lark", "", GrantState.ACTIVE)
    assert named.grant.families == {HEART, SLEEP}
    given, _ = world.sharing.grants(member, received=False, page_size=0, page_token="")
    received, _ = world.sharing.grants(clinician, received=True, page_size=0, page_token="")
    assert given == [named]
    assert received == [replace(named, member_name="Owl")]
    assert world.audit.kinds == ["grant-made"]


def test_a_person_without_a_display_name_is_called_by_their_names(world: AccessWorld, member: Identity) -> None:
    clinician = world.person("", roles=[Role.CLINICIAN])
    named = {"first_name": "Ada", "last_name": "Lark"}
    world.store.accounts.change(clinician.account_id, lambda account: replace(account, **named))  # type: ignore[arg-type]
    assert world.granted(member, clinician, [HEART]).reader_name == "Ada Lark"


def test_only_an_active_reader_other_than_oneself_can_be_named(world: AccessWorld) -> None:
    member = world.person(roles=[Role.CLINICIAN])
    suspended = world.person(roles=[Role.CLINICIAN])
    world.set_state(suspended, AccountState.SUSPENDED)
    nobody = replace(member, account_id="a" * 26)
    operator = world.person(roles=[Role.OPERATOR])
    for reader in (nobody, world.person(), operator, member, suspended):
        with pytest.raises(ReaderNotFound):
            world.granted(member, reader, [HEART])
    assert world.audit.events == []


@pytest.mark.parametrize("days", [0.0, -1.0, GRANT_DAYS_MAX + 0.001])
def test_a_grant_ends_in_the_future_and_within_a_year(
    world: AccessWorld, member: Identity, clinician: Identity, days: float
) -> None:
    with pytest.raises(InvalidInput) as refused:
        world.granted(member, clinician, [HEART], days)
    assert set(refused.value.violations) == {"expire_time"}
    world.granted(member, clinician, [HEART], GRANT_DAYS_MAX)


def test_a_researcher_is_named_only_with_consent_to_research(world: AccessWorld) -> None:
    member, researcher = world.person(consents=[Purpose.STORAGE]), world.person(roles=[Role.RESEARCHER])
    with pytest.raises(ConsentMissing, match="research"):
        world.granted(member, researcher, [HEART])
    world.sharing.set_consent(member, Purpose.RESEARCH, True, CONSENT_VERSION, HERE)
    world.granted(member, researcher, [HEART])


def test_a_repeat_under_the_same_request_id_is_the_first_grant(
    world: AccessWorld, member: Identity, clinician: Identity
) -> None:
    until = world.now + timedelta(days=2)

    def ask(request_id: str, families: tuple[Family, ...] = (HEART,)) -> NamedGrant:
        return world.sharing.create_grant(member, clinician.account_id, families, until, request_id, HERE)

    first = ask("one")
    world.clock.wait(60)
    assert ask("one") == first
    assert ask("two").grant.grant_id != first.grant.grant_id
    with pytest.raises(RequestIdReused):
        ask("one", (SLEEP,))
    assert world.audit.kinds == ["grant-made"] * 2


def test_a_request_that_was_refused_can_come_again(world: AccessWorld, member: Identity) -> None:
    """The same body under the same id, once the reader can be named."""
    reader = world.person()
    until = world.now + timedelta(days=2)
    with pytest.raises(ReaderNotFound):
        world.sharing.create_grant(member, reader.account_id, [HEART], until, "one", HERE)
    world.store.accounts.change(reader.account_id, lambda one: replace(one, roles=frozenset({Role.CLINICIAN})))
    world.sharing.create_grant(member, reader.account_id, [HEART], until, "one", HERE)


def test_the_request_ids_of_two_members_do_not_meet(world: AccessWorld, member: Identity, clinician: Identity) -> None:
    other, until = world.person(), world.now + timedelta(days=2)
    made = [
        world.sharing.create_grant(who, clinician.account_id, [HEART], until, "one", HERE).grant.member_id
        for who in (member, other)
    ]
    assert made == [member.account_id, other.account_id]


def test_more_than_so_many_grants_in_force_are_refused(
    world: AccessWorld, member: Identity, clinician: Identity
) -> None:
    for _ in range(GRANTS_IN_FORCE_MAX):
        world.granted(member, clinician, [HEART])
    with pytest.raises(GrantsFull):
        world.granted(member, clinician, [HEART])


def test_grants_come_page_by_page_the_newest_first(world: AccessWorld, member: Identity, clinician: Identity) -> None:
    made = []
    for _ in range(5):
        made.append(world.granted(member, clinician, [HEART]).grant.grant_id)
        world.clock.wait(1)
    for received, who in ((False, member), (True, clinician)):
        found, token = list[str](), ""
        while True:
            page, token = world.sharing.grants(who, received=received, page_size=2, page_token=token)
            found += [named.grant.grant_id for named in page]
            if not token:
                break
        assert found == made[::-1]


def test_a_page_token_is_bound_to_its_list(world: AccessWorld, member: Identity, clinician: Identity) -> None:
    for _ in range(2):
        world.granted(member, clinician, [HEART])
    _, token = world.sharing.grants(member, received=False, page_size=1, page_token="")
    for who, received in ((member, True), (clinician, False)):
        with pytest.raises(PageTokenInvalid):
            world.sharing.grants(who, received=received, page_size=1, page_token=token)


def test_revoking_counts_the_first_time(world: AccessWorld, member: Identity, clinician: Identity) -> None:
    grant_id = world.granted(member, clinician, [HEART]).grant.grant_id
    first = world.sharing.revoke_grant(member, grant_id, HERE)
    world.clock.wait(60)
    assert world.sharing.revoke_grant(member, grant_id, HERE) == first
    assert (first.state, first.reader_name) == (GrantState.REVOKED, "Dr. Lark")
    assert world.audit.kinds == ["grant-made", "grant-revoked"]


def test_another_persons_grant_is_not_found_and_stays(
    world: AccessWorld, member: Identity, clinician: Identity
) -> None:
    """Not by its reader either."""
    grant_id = world.granted(member, clinician, [HEART]).grant.grant_id
    for who, name in ((clinician, grant_id), (world.person(), grant_id), (member, "a" * 26)):
        with pytest.raises(GrantNotFound):
            world.sharing.revoke_grant(who, name, HERE)
    (named,), _ = world.sharing.grants(member, received=False, page_size=0, page_token="")
    assert named.state is GrantState.ACTIVE


def test_a_grant_that_cannot_be_written_down_is_not_made(
    world: AccessWorld, member: Identity, clinician: Identity
) -> None:
    world.audit.broken = StoreUnavailable("the audit is away")
    with pytest.raises(StoreUnavailable):
        world.granted(member, clinician, [HEART])
    assert world.sharing.grants(member, received=False, page_size=0, page_token="") == ([], "")


# ---- who has read ----------------------------------------------------------------------------------------------------


def test_access_events_come_page_by_page_the_newest_first(
    world: AccessWorld, member: Identity, clinician: Identity
) -> None:
    world.granted(member, clinician, [HEART])
    methods = ["ReadSeries", "ListDays", "GetAnalysis", "ListFacts", "GetInsight"]
    for method in methods:
        world.permits.subject(clinician, member.account_id, [HEART], Use.READ, method, HERE)
    found, token = list[tuple[int, str]](), ""
    while True:
        page, token = world.sharing.access_events(member, 2, token)
        found += [(event.number, event.method) for event in page]
        if not token:
            break
    assert found == list(reversed(list(enumerate(methods, start=1))))
    with pytest.raises(PageTokenInvalid):
        world.sharing.access_events(clinician, 2, world.sharing.access_events(member, 2, "")[1])


def test_a_reader_who_is_gone_has_no_name(world: AccessWorld, member: Identity, clinician: Identity) -> None:
    world.granted(member, clinician, [HEART])
    world.permits.subject(clinician, member.account_id, [HEART], Use.READ, "ReadSeries", HERE)
    world.store.database.write(
        lambda connection: connection.execute(
            "DELETE FROM accounts WHERE account_id = ?", (clinician.account_id,)
        ).close()
    )
    (event,), _ = world.sharing.access_events(member, 0, "")
    assert (event.reader_id, event.reader_name) == (clinician.account_id, "")
