"""Permits: consent at every use, and another's data only by a grant in force, and never unseen."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from clarity_server.domain.access import Family, Purpose, Role, Use, scope
from clarity_server.domain.accounts import AccountState, Identity
from clarity_server.domain.civil import EPOCH
from clarity_server.domain.errors import AccessNotGranted, ConsentMissing, ScopeMissing, StoreUnavailable
from clarity_server.domain.ids import new_id
from clarity_server.domain.sharing import Consent, Grant
from clarity_server.flows.permits import Permits, covered_by, sees_results
from clarity_server.flows.remembered import REMEMBERED_S
from tests.flows.access_world import HERE, AccessWorld, access_world

HEART, SLEEP, ACTIVITY = Family.HEART, Family.SLEEP, Family.ACTIVITY
ONLY_HEART, HEART_AND_SLEEP = frozenset({HEART}), frozenset({HEART, SLEEP})


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


def read(world: AccessWorld, who: Identity, whose: str, families: Collection[Family] = ONLY_HEART) -> str:
    return world.permits.subject(who, whose, families, Use.READ, "ReadSeries", HERE)


def refused(world: AccessWorld, who: Identity, whose: str, families: Collection[Family] = ONLY_HEART) -> bool:
    try:
        read(world, who, whose, families)
    except AccessNotGranted:
        return True
    return False


def seen_by(world: AccessWorld, member: Identity) -> Sequence[tuple[str, str, frozenset[Family]]]:
    events, _ = world.sharing.access_events(member, 0, "")
    return [(event.reader_name, event.method, event.families) for event in events]


# ---- consent ---------------------------------------------------------------------------------------------------------


def test_what_is_consented_to_is_allowed_and_the_first_that_is_not_is_named(world: AccessWorld) -> None:
    person = world.person(consents=[Purpose.STORAGE])
    world.permits.consented(person.account_id, [Purpose.STORAGE])
    with pytest.raises(ConsentMissing, match="analysis") as refused:
        world.permits.consented(person.account_id, [Purpose.STORAGE, Purpose.ANALYSIS, Purpose.NARRATION])
    assert refused.value.facts == {"purpose": "analysis"}


def test_nothing_said_is_no_consent(world: AccessWorld) -> None:
    with pytest.raises(ConsentMissing):
        world.permits.consented(new_id(), [Purpose.STORAGE])


def test_consent_is_not_known_before_it_was_asked_for_once(world: AccessWorld, member: Identity) -> None:
    assert not world.permits.known_consented(member.account_id, [Purpose.STORAGE])
    world.permits.consented(member.account_id, [Purpose.STORAGE])
    assert world.permits.known_consented(member.account_id, [Purpose.STORAGE])


def test_what_another_process_withdrew_is_noticed_within_a_second(world: AccessWorld, member: Identity) -> None:
    world.permits.consented(member.account_id, [Purpose.STORAGE])
    world.consent(member, Purpose.STORAGE, given=False)
    world.clock.wait(REMEMBERED_S)
    assert not world.permits.known_consented(member.account_id, [Purpose.STORAGE])
    with pytest.raises(ConsentMissing):
        world.permits.consented(member.account_id, [Purpose.STORAGE])


def test_what_this_process_withdrew_is_noticed_at_once(world: AccessWorld, member: Identity) -> None:
    world.permits.consented(member.account_id, [Purpose.STORAGE])
    world.sharing.set_consent(member, Purpose.STORAGE, given=False, text_version="", origin=HERE)
    with pytest.raises(ConsentMissing):
        world.permits.consented(member.account_id, [Purpose.STORAGE])


class Overtaken:
    """Consents whose listing is overtaken by a withdrawal: what it returns was read just before."""

    def __init__(self, world: AccessWorld) -> None:
        self._stored = world.store.consents
        self.put = self._stored.put
        self.permits: Permits | None = None

    def of_account(self, account_id: str) -> Sequence[Consent]:
        listed = self._stored.of_account(account_id)
        if self.permits is not None:
            self.permits.forget(account_id)
        return listed


def test_what_was_read_before_a_withdrawal_is_not_remembered_after_it(world: AccessWorld, member: Identity) -> None:
    overtaken = Overtaken(world)
    overtaken.permits = replace(world.permits, stored=overtaken)
    overtaken.permits.consented(member.account_id, [Purpose.STORAGE])
    assert not overtaken.permits.known_consented(member.account_id, [Purpose.STORAGE])


def test_what_is_missing_is_told_of_many_at_once(world: AccessWorld, member: Identity) -> None:
    other = world.person(consents=[Purpose.STORAGE])
    asked = dict.fromkeys((member.account_id, other.account_id), (Purpose.STORAGE, Purpose.ANALYSIS))
    assert world.permits.missing(asked) == {other.account_id: {Purpose.ANALYSIS}}


# ---- one's own data --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [False, True], ids=["unnamed", "named"])
def test_ones_own_data_needs_the_scope_alone_and_leaves_no_trace(
    world: AccessWorld, member: Identity, *, named: bool
) -> None:
    assert read(world, member, member.account_id if named else "") == member.account_id
    assert seen_by(world, member) == []
    assert world.audit.events == []


@pytest.mark.parametrize("use", Use)
def test_a_token_without_the_scope_of_one_family_is_told_which(world: AccessWorld, member: Identity, use: Use) -> None:
    less = replace(member, scopes=member.scopes - {scope(SLEEP, use)})
    with pytest.raises(ScopeMissing) as refused:
        world.permits.subject(less, "", HEART_AND_SLEEP, use, "ListDays", HERE)
    assert refused.value.facts == {"scope": f"sleep.{use}"}


def test_results_are_for_tokens_that_may_read_all_that_is_in_them(member: Identity) -> None:
    assert sees_results(member, ACTIVITY)
    for missing in ("activity.read", "sleep.read", "analysis.read"):
        assert not sees_results(replace(member, scopes=member.scopes - {missing}), ACTIVITY)


# ---- another's data --------------------------------------------------------------------------------------------------


def test_a_clinician_reads_exactly_the_families_that_were_granted(
    world: AccessWorld, member: Identity, clinician: Identity
) -> None:
    world.granted(member, clinician, [HEART])
    assert read(world, clinician, member.account_id) == member.account_id
    assert refused(world, clinician, member.account_id, [SLEEP])
    assert refused(world, clinician, member.account_id, HEART_AND_SLEEP)


def test_every_reading_is_in_the_members_own_list_and_in_the_audit(
    world: AccessWorld, member: Identity, clinician: Identity
) -> None:
    named = world.granted(member, clinician, HEART_AND_SLEEP)
    for _ in range(2):
        read(world, clinician, member.account_id)
    assert seen_by(world, member) == [("Dr. Lark", "ReadSeries", ONLY_HEART)] * 2
    written = world.audit.events[-1]
    assert (written.kind, written.account_id, written.actor_id) == (
        "read-by-grant",
        member.account_id,
        clinician.account_id,
    )
    assert (written.session_id, written.request_id) == (clinician.session_id, HERE.request_id)
    assert written.facts == {"grant_id": named.grant.grant_id, "method": "ReadSeries", "families": "heart"}


def test_a_reading_that_cannot_be_written_down_is_refused(
    world: AccessWorld, member: Identity, clinician: Identity
) -> None:
    world.granted(member, clinician, [HEART])
    world.audit.broken = StoreUnavailable("the audit is away")
    with pytest.raises(StoreUnavailable):
        read(world, clinician, member.account_id)
    assert seen_by(world, member) == []


def test_two_grants_together_cover_what_neither_does_and_each_is_named(
    world: AccessWorld, member: Identity, clinician: Identity
) -> None:
    world.granted(member, clinician, [HEART])
    world.granted(member, clinician, [SLEEP])
    read(world, clinician, member.account_id, HEART_AND_SLEEP)
    assert sorted(seen_by(world, member), key=str) == [
        ("Dr. Lark", "ReadSeries", ONLY_HEART),
        ("Dr. Lark", "ReadSeries", frozenset({SLEEP})),
    ]


def test_of_several_grants_one_that_is_enough_is_used_alone() -> None:
    def grant(name: str, *families: Family) -> Grant:
        return Grant(name, "m", "r", frozenset(families), EPOCH, EPOCH)  # times are judged elsewhere

    narrow, wide = grant("narrow", HEART), grant("wide", HEART, SLEEP, ACTIVITY)
    assert covered_by([narrow, wide], HEART_AND_SLEEP) == [(wide, HEART_AND_SLEEP)]
    assert covered_by([narrow], HEART_AND_SLEEP) == ()
    assert covered_by([], ONLY_HEART) == ()


def test_a_grant_ends_at_its_time_and_when_it_is_revoked(
    world: AccessWorld, member: Identity, clinician: Identity
) -> None:
    world.granted(member, clinician, [HEART], days=1)
    world.clock.wait(timedelta(days=1).total_seconds() - 1)
    assert not refused(world, clinician, member.account_id)
    world.clock.wait(1)
    assert refused(world, clinician, member.account_id)
    again = world.granted(member, clinician, [HEART])
    assert not refused(world, clinician, member.account_id)
    world.sharing.revoke_grant(member, again.grant.grant_id, HERE)
    assert refused(world, clinician, member.account_id)


def test_a_grant_lets_its_reader_read_and_nobody_else_and_nothing_back(
    world: AccessWorld, member: Identity, clinician: Identity
) -> None:
    other = world.person(roles=[Role.CLINICIAN])
    world.granted(member, clinician, [HEART])
    assert refused(world, other, member.account_id)
    assert refused(world, member, clinician.account_id)


def test_a_grant_lets_nobody_write(world: AccessWorld, member: Identity, clinician: Identity) -> None:
    world.granted(member, clinician, [HEART])
    with pytest.raises(AccessNotGranted):
        world.permits.subject(clinician, member.account_id, ONLY_HEART, Use.WRITE, "AppendSeries", HERE)


def test_a_reader_needs_the_scope_as_for_their_own_data(
    world: AccessWorld, member: Identity, clinician: Identity
) -> None:
    world.granted(member, clinician, [HEART])
    with pytest.raises(ScopeMissing):
        read(world, replace(clinician, scopes=frozenset({"sleep.read"})), member.account_id)


def test_who_is_no_reader_any_more_reads_nothing(world: AccessWorld, member: Identity, clinician: Identity) -> None:
    world.granted(member, clinician, [HEART])
    world.store.accounts.change(clinician.account_id, lambda one: replace(one, roles=frozenset({Role.MEMBER})))
    assert refused(world, clinician, member.account_id)


@pytest.mark.parametrize("state", [AccountState.SUSPENDED, AccountState.DISABLED, AccountState.ERASING])
@pytest.mark.parametrize("whose", ["member", "reader"])
def test_neither_party_may_be_out_of_service(
    world: AccessWorld, member: Identity, clinician: Identity, state: AccountState, whose: str
) -> None:
    world.granted(member, clinician, [HEART])
    world.set_state({"member": member, "reader": clinician}[whose], state)
    assert refused(world, clinician, member.account_id)


def test_a_researcher_needs_the_members_consent_to_research_at_every_use(world: AccessWorld, member: Identity) -> None:
    researcher = world.person(roles=[Role.RESEARCHER])
    world.granted(member, researcher, [HEART])
    assert not refused(world, researcher, member.account_id)
    world.sharing.set_consent(member, Purpose.RESEARCH, given=False, text_version="", origin=HERE)
    assert refused(world, researcher, member.account_id)


def test_a_clinician_needs_no_consent_to_research(world: AccessWorld, clinician: Identity) -> None:
    member = world.person(consents=[])
    world.granted(member, clinician, [HEART])
    assert not refused(world, clinician, member.account_id)


def test_with_a_grant_the_members_consent_to_what_the_call_does_is_asked_for(
    world: AccessWorld, clinician: Identity
) -> None:
    member = world.person(consents=[Purpose.STORAGE])
    world.granted(member, clinician, [HEART])
    with pytest.raises(ConsentMissing, match="analysis"):
        world.permits.subject(
            clinician, member.account_id, ONLY_HEART, Use.READ, "ListDays", HERE, purposes=[Purpose.ANALYSIS]
        )
    assert seen_by(world, member) == []


@pytest.mark.parametrize("account_id", ["a" * 26, "no id at all", "x" * 64])
def test_an_account_there_is_not_is_told_as_one_without_a_grant(
    world: AccessWorld, member: Identity, clinician: Identity, account_id: str
) -> None:
    told = []
    for whose in (account_id, member.account_id):
        with pytest.raises(AccessNotGranted) as raised:
            read(world, clinician, whose)
        told.append((str(raised.value), raised.value.facts))
    assert told[0] == told[1]


def test_who_asked_in_vain_is_in_the_audit_and_not_in_the_members_list(
    world: AccessWorld, member: Identity, clinician: Identity
) -> None:
    """A text that is no id is not written down: it may be anything."""
    for whose in (member.account_id, "owl@example.org"):
        assert refused(world, clinician, whose)
    assert [(event.kind, event.account_id) for event in world.audit.events] == [
        ("read-refused", member.account_id),
        ("read-refused", ""),
    ]
    assert seen_by(world, member) == []


def test_roles_are_those_of_the_store(world: AccessWorld, clinician: Identity) -> None:
    assert world.permits.roles(clinician.account_id) == {Role.MEMBER, Role.CLINICIAN}
    assert world.permits.roles("a" * 26) == frozenset()
