"""The operator's verbs: accounts are made, found, suspended and given roles; nobody's data is read."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clarity_server.domain import passwords
from clarity_server.domain.access import Role
from clarity_server.domain.accounts import AccountState, Challenge, ChallengeKind, Identity
from clarity_server.domain.audit import AuditKind
from clarity_server.domain.errors import (
    AccountNotFound,
    AccountSuspended,
    EmailTaken,
    InvalidInput,
    RefreshTokenInvalid,
    RequestIdReused,
)
from clarity_server.flows.operate import CONSOLE
from clarity_server.flows.sign_in import SignInAsked
from tests.flows.erasing_world import HERE, PASSWORD, ErasingWorld, erasing_world

OWL, WOLF = "owl@example.org", "wolf@example.org"
CLINICIAN = frozenset({Role.MEMBER, Role.CLINICIAN})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ErasingWorld]:
    with erasing_world(tmp_path) as opened:
        yield opened


@pytest.fixture
def operator(world: ErasingWorld) -> Identity:
    account = world.signed_up(WOLF)
    world.operate.set_roles(CONSOLE, account.account_id, [Role.OPERATOR], HERE)
    return world.signed_in(WOLF)[0]


def kinds(world: ErasingWorld, actor: Identity) -> list[AuditKind]:
    return [event.kind for event in world.events() if event.actor_id == actor.account_id]


def handed_over(world: ErasingWorld, email: str) -> list[str]:
    """The passwords that are on their way to somebody, the newest last."""
    texts = [one.mail.text for one in world.store.outbox.due(world.clock(), 100) if one.mail.to == email]
    return [line.strip() for text in texts for line in text.splitlines() if line.startswith("    ")]


def test_an_account_that_was_made_asks_for_a_password_of_its_own(world: ErasingWorld, operator: Identity) -> None:
    made = world.operate.create_account(operator, f" {OWL} ", "Owl", [Role.CLINICIAN], "", HERE)
    assert (made.email, made.state, made.roles) == (OWL, AccountState.ACTIVE, CLINICIAN)
    (password,) = handed_over(world, OWL)
    assert passwords.violations(password) == ()
    answer = world.sign_in.sign_in(SignInAsked(OWL, password), "", HERE)
    assert isinstance(answer, Challenge)
    assert answer.kind is ChallengeKind.NEW_PASSWORD
    assert {one.purpose: one.given for one in world.store.consents.of_account(made.account_id)} == dict.fromkeys(
        {one.purpose for one in world.store.consents.of_account(made.account_id)}, False
    )
    assert made.terms_version == ""


def test_an_address_that_is_taken_is_told_and_one_that_waits_is_not(world: ErasingWorld, operator: Identity) -> None:
    with pytest.raises(EmailTaken):
        world.operate.create_account(operator, WOLF.upper(), "", [], "", HERE)
    assert AuditKind.ACCOUNT_MADE not in kinds(world, operator)


def test_a_repeat_makes_one_account_and_mails_until_it_is_used(world: ErasingWorld, operator: Identity) -> None:
    first = world.operate.create_account(operator, OWL, "Owl", [], "request", HERE)
    again = world.operate.create_account(operator, OWL, "Owl", [], "request", HERE)
    assert again == first
    assert kinds(world, operator).count(AuditKind.ACCOUNT_MADE) == 1
    older, newer = handed_over(world, OWL)
    assert older != newer
    assert isinstance(world.sign_in.sign_in(SignInAsked(OWL, newer), "", HERE), Challenge)
    with pytest.raises(RequestIdReused):
        world.operate.create_account(operator, OWL, "Another", [], "request", HERE)


def test_an_account_is_found_by_its_address_or_its_id(world: ErasingWorld, operator: Identity) -> None:
    owl = world.signed_up(OWL)
    assert world.operate.find(operator, email=OWL, origin=HERE) == owl
    assert world.operate.find(operator, account_id=owl.account_id, origin=HERE) == owl
    for nobody in ({"email": "nobody@example.org"}, {"account_id": "c" * 26}):
        with pytest.raises(AccountNotFound):
            world.operate.find(operator, **nobody, origin=HERE)
    assert kinds(world, operator).count(AuditKind.ACCOUNT_FOUND) == 4, "a look is noted, also one that finds nothing"


def test_who_is_suspended_is_refused_and_goes_on_once_reinstated(world: ErasingWorld, operator: Identity) -> None:
    owl = world.signed_up(OWL)
    _, tokens = world.signed_in(OWL)
    world.operate.set_state(operator, owl.account_id, AccountState.SUSPENDED, "asked for", HERE)
    with pytest.raises(AccountSuspended):
        world.sign_in.refresh(tokens.refresh_token, "", HERE)
    (standing,) = [one for one in world.store.accounts.standings_since(0) if one.account_id == owl.account_id]
    assert standing.state is AccountState.SUSPENDED
    world.operate.set_state(operator, owl.account_id, AccountState.ACTIVE, "cleared up", HERE)
    assert world.sign_in.refresh(tokens.refresh_token, "", HERE).session_id == tokens.session_id
    facts = [event.facts for event in world.events() if event.kind is AuditKind.STATE_SET]
    assert [dict(one) for one in facts] == [
        {"state": "suspended", "reason": "asked for"},
        {"state": "active", "reason": "cleared up"},
    ]


def test_other_roles_end_the_sessions_and_refuse_the_tokens(world: ErasingWorld, operator: Identity) -> None:
    owl = world.signed_up(OWL)
    _, tokens = world.signed_in(OWL)
    world.clock.wait(5)
    account = world.operate.set_roles(operator, owl.account_id, [Role.CLINICIAN], HERE)
    assert account.roles == CLINICIAN
    assert account.not_before == float(int(world.clock()))
    assert tokens.session_id in world.ended
    with pytest.raises(RefreshTokenInvalid):
        world.sign_in.refresh(tokens.refresh_token, "", HERE)
    identity, _ = world.signed_in(OWL)
    assert identity.issued_time >= account.not_before, "who signs in in the same second is let in"


def test_nobody_changes_themselves(world: ErasingWorld, operator: Identity) -> None:
    with pytest.raises(InvalidInput, match="your own"):
        world.operate.set_state(operator, operator.account_id, AccountState.SUSPENDED, "", HERE)
    with pytest.raises(InvalidInput, match="your own"):
        world.operate.set_roles(operator, operator.account_id, [], HERE)


@pytest.mark.parametrize("state", [AccountState.PENDING, AccountState.ERASING])
def test_states_that_only_the_owner_sets_are_refused(
    world: ErasingWorld, operator: Identity, state: AccountState
) -> None:
    owl = world.signed_up(OWL)
    with pytest.raises(InvalidInput):
        world.operate.set_state(operator, owl.account_id, state, "", HERE)


def test_an_account_that_waits_for_its_erasure_is_left_to_its_owner(world: ErasingWorld, operator: Identity) -> None:
    owl = world.signed_up(OWL)
    world.erase.request(world.signed_in(OWL)[0], PASSWORD, "", HERE)
    with pytest.raises(InvalidInput, match="erasing"):
        world.operate.set_state(operator, owl.account_id, AccountState.ACTIVE, "", HERE)
    assert AuditKind.STATE_SET not in kinds(world, operator)


def test_an_account_that_there_is_not_is_told(world: ErasingWorld, operator: Identity) -> None:
    with pytest.raises(AccountNotFound):
        world.operate.set_state(operator, "c" * 26, AccountState.SUSPENDED, "", HERE)
    with pytest.raises(AccountNotFound):
        world.operate.set_roles(operator, "c" * 26, [], HERE)


def test_what_the_audit_does_not_take_does_not_happen(world: ErasingWorld, operator: Identity) -> None:
    owl = world.signed_up(OWL)

    class Full:
        def append(self, _: object) -> None:
            raise OSError("no room")

    unnoted = replace(world.operate, audit=Full())  # type: ignore[arg-type]
    with pytest.raises(OSError, match="no room"):
        unnoted.set_roles(operator, owl.account_id, [Role.CLINICIAN], HERE)
    with pytest.raises(OSError, match="no room"):
        unnoted.set_state(operator, owl.account_id, AccountState.SUSPENDED, "", HERE)
    with pytest.raises(OSError, match="no room"):
        unnoted.create_account(operator, "new@example.org", "", [], "", HERE)
    assert world.store.accounts.get(owl.account_id) == owl
    assert world.store.accounts.by_email("new@example.org") is None
