"""A person sees and changes their own account; another address counts once its mail was read."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clarity_server.domain.accounts import Account, Confirmation, Identity, Shown
from clarity_server.domain.errors import CodeWrong, CredentialsWrong, EmailTaken, SessionEnded, StoreFull
from clarity_server.domain.ids import new_id
from clarity_server.domain.mail import MailKind
from clarity_server.domain.tickets import ATTEMPTS_MAX
from clarity_server.flows.codes import RESEND_S
from clarity_server.flows.profile import Profile
from clarity_server.flows.remembered import REMEMBERED_S
from tests.contracts.identity_world import (
    EMAIL,
    HERE,
    NOW,
    OTHER_EMAIL,
    OTHER_PASSWORD,
    PASSWORD,
    IdentityWorld,
    at_once,
    identity_world,
)

NEW_EMAIL = "Uhu@Example.org"
WRONG = "00000000"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[IdentityWorld]:
    with identity_world(tmp_path) as world:
        yield world


@pytest.fixture
def verbs(world: IdentityWorld) -> Profile:
    return world.verbs().profile


@pytest.fixture
def owl(world: IdentityWorld) -> Account:
    return world.member()


@pytest.fixture
def caller(world: IdentityWorld, owl: Account) -> Identity:  # noqa: ARG001  the owl calls
    return world.caller(world.signed_in())


def asks_for(verbs: Profile, caller: Identity, email: str) -> Confirmation:
    _, confirmation = verbs.update(caller, {"email": email}, HERE)
    assert confirmation is not None
    return confirmation


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_the_calling_account_is_the_one_that_signed_up(verbs: Profile, owl: Account, caller: Identity) -> None:
    assert verbs.account(caller) == Shown(owl)


def test_a_call_of_an_account_that_is_gone_hears_that_its_session_ended(verbs: Profile, caller: Identity) -> None:
    with pytest.raises(SessionEnded):
        verbs.account(replace(caller, account_id=new_id()))


def test_an_account_read_a_moment_ago_is_known_without_reading_it_again(
    world: IdentityWorld, verbs: Profile, caller: Identity
) -> None:
    assert verbs.known_account(caller) is None
    shown = verbs.account(caller)
    assert verbs.known_account(caller) == shown
    world.clock.wait(REMEMBERED_S)
    assert verbs.known_account(caller) is None


def test_what_is_changed_here_is_not_known_as_it_was(world: IdentityWorld, caller: Identity) -> None:
    verbs = world.verbs()
    verbs.profile.account(caller)
    verbs.profile.update(caller, {"display_name": "Uhu"}, HERE)
    assert verbs.profile.known_account(caller) is None
    verbs.profile.account(caller)
    secret, _ = verbs.proofs.enroll_totp(caller, PASSWORD, HERE)
    verbs.proofs.confirm_totp(caller, world.shown(secret), HERE)
    assert verbs.profile.known_account(caller) is None
    assert (verbs.profile.account(caller).totp_enabled, verbs.profile.account(caller).recovery_code_count) == (True, 10)


# ---- changing --------------------------------------------------------------------------------------------------------


def test_exactly_the_named_fields_are_changed(world: IdentityWorld, verbs: Profile, caller: Identity) -> None:
    changes = {
        "first_name": "Ola",
        "time_zone": "Europe/Zurich",
        "language": "de-CH",
        "preferences": {"notify.weekly": "on"},
    }
    shown, confirmation = verbs.update(caller, changes, HERE)
    assert confirmation is None
    assert (shown.account.first_name, shown.account.time_zone) == ("Ola", "Europe/Zurich")
    assert (shown.account.display_name, shown.account.email) == ("Owl", EMAIL)
    assert world.accounts.get(caller.account_id) == shown.account
    cleared, _ = verbs.update(caller, {"first_name": "", "preferences": {}}, HERE)
    assert (cleared.account.first_name, dict(cleared.account.preferences)) == ("", {})
    assert cleared.account.language == "de-CH"


def test_another_address_waits_and_both_addresses_are_written_to(
    world: IdentityWorld, verbs: Profile, caller: Identity
) -> None:
    shown, confirmation = verbs.update(caller, {"email": f" {NEW_EMAIL} "}, HERE)
    assert (shown.account.email, shown.account.new_email) == (EMAIL, NEW_EMAIL)
    assert confirmation is not None
    assert confirmation == Confirmation(confirmation.ticket, NEW_EMAIL, NOW + 3600, NOW + RESEND_S)
    assert [mail.kind for mail in world.mails(NEW_EMAIL)] == [MailKind.CONFIRM_EMAIL]
    note = world.mails(EMAIL)[-1]
    assert note.kind is MailKind.EMAIL_CHANGING
    assert NEW_EMAIL.lower() not in note.text.lower()
    assert world.signed_in().account_id == caller.account_id
    with pytest.raises(CredentialsWrong):
        world.signed_in(NEW_EMAIL)


def test_the_code_makes_the_new_address_count_and_the_old_one_free(
    world: IdentityWorld, verbs: Profile, caller: Identity
) -> None:
    confirmation = asks_for(verbs, caller, NEW_EMAIL)
    shown = verbs.confirm_email(caller, confirmation.ticket, world.code(NEW_EMAIL), HERE)
    assert (shown.account.email, shown.account.new_email) == (NEW_EMAIL, "")
    assert world.signed_in(NEW_EMAIL).account_id == caller.account_id
    assert world.member(EMAIL).account_id != caller.account_id
    assert world.audit.kinds.count("email-changed") == 2


def test_the_confirmation_may_be_repeated(world: IdentityWorld, verbs: Profile, caller: Identity) -> None:
    ticket = asks_for(verbs, caller, NEW_EMAIL).ticket
    first = verbs.confirm_email(caller, ticket, world.code(NEW_EMAIL), HERE)
    assert verbs.confirm_email(caller, ticket, world.code(NEW_EMAIL), HERE) == first


def test_a_change_of_address_that_the_audit_cannot_keep_does_not_happen(
    world: IdentityWorld, verbs: Profile, caller: Identity
) -> None:
    world.audit.broken = StoreFull()
    with pytest.raises(StoreFull):
        verbs.update(caller, {"email": NEW_EMAIL, "first_name": "Ola"}, HERE)
    stored = world.accounts.get(caller.account_id)
    assert stored is not None
    assert (stored.new_email, stored.first_name) == ("", "")


def test_a_ticket_takes_five_wrong_codes(world: IdentityWorld, verbs: Profile, caller: Identity) -> None:
    ticket = asks_for(verbs, caller, NEW_EMAIL).ticket
    for _ in range(ATTEMPTS_MAX):
        with pytest.raises(CodeWrong):
            verbs.confirm_email(caller, ticket, WRONG, HERE)
    with pytest.raises(CodeWrong):
        verbs.confirm_email(caller, ticket, world.code(NEW_EMAIL), HERE)


def test_another_account_cannot_use_the_ticket_nor_use_it_up(
    world: IdentityWorld, verbs: Profile, caller: Identity
) -> None:
    ticket = asks_for(verbs, caller, NEW_EMAIL).ticket
    world.member(OTHER_EMAIL)
    stranger = world.caller(world.signed_in(OTHER_EMAIL))
    for _ in range(ATTEMPTS_MAX):
        with pytest.raises(CodeWrong) as refused:
            verbs.confirm_email(stranger, ticket, world.code(NEW_EMAIL), HERE)
        assert refused.value.facts == {"attempts_left": "0"}
    assert verbs.confirm_email(caller, ticket, world.code(NEW_EMAIL), HERE).account.email == NEW_EMAIL


def test_only_the_address_that_was_asked_for_last_can_be_confirmed(
    world: IdentityWorld, verbs: Profile, caller: Identity
) -> None:
    first = asks_for(verbs, caller, NEW_EMAIL).ticket
    second = asks_for(verbs, caller, "uhu@example.net").ticket
    with pytest.raises(CodeWrong):
        verbs.confirm_email(caller, first, world.code(NEW_EMAIL), HERE)
    assert verbs.confirm_email(caller, second, world.code("uhu@example.net"), HERE).account.email == "uhu@example.net"


def test_asking_for_the_present_address_takes_back_what_waits(
    world: IdentityWorld, verbs: Profile, caller: Identity
) -> None:
    ticket = asks_for(verbs, caller, NEW_EMAIL).ticket
    shown, confirmation = verbs.update(caller, {"email": EMAIL.lower()}, HERE)
    assert (shown.account.email, shown.account.new_email, confirmation) == (EMAIL.lower(), "", None)
    with pytest.raises(CodeWrong):
        verbs.confirm_email(caller, ticket, world.code(NEW_EMAIL), HERE)


def test_another_code_for_the_new_address_can_be_asked_for(
    world: IdentityWorld, verbs: Profile, caller: Identity
) -> None:
    ticket = asks_for(verbs, caller, NEW_EMAIL).ticket
    world.clock.wait(RESEND_S)
    world.verbs().sign_up.resend(ticket, HERE)
    assert [mail.kind for mail in world.mails(NEW_EMAIL)] == [MailKind.CONFIRM_EMAIL] * 2
    assert verbs.confirm_email(caller, ticket, world.code(NEW_EMAIL), HERE).account.email == NEW_EMAIL


def test_nothing_tells_whether_the_new_address_is_somebody_elses(
    world: IdentityWorld, verbs: Profile, caller: Identity
) -> None:
    world.member(OTHER_EMAIL)
    told = []
    for email in (OTHER_EMAIL, NEW_EMAIL):
        before = len(world.audit.kinds)
        shown, confirmation = verbs.update(caller, {"email": email}, HERE)
        assert confirmation is not None
        answers: list[object] = [
            replace(shown.account, new_email=""),
            shown.account.new_email == email,
            replace(confirmation, ticket="", email=""),
        ]
        for _ in range(ATTEMPTS_MAX + 1):
            with pytest.raises(CodeWrong) as refused:
                verbs.confirm_email(caller, confirmation.ticket, WRONG, HERE)
            answers.append(dict(refused.value.facts))
        told.append((answers, world.audit.kinds[before:]))
    assert told[0] == told[1]
    assert world.mails(OTHER_EMAIL)[-1].kind is MailKind.ADDRESS_HAS_ACCOUNT


def test_an_address_that_somebody_else_confirmed_meanwhile_is_taken(
    world: IdentityWorld, verbs: Profile, caller: Identity
) -> None:
    ticket = asks_for(verbs, caller, NEW_EMAIL).ticket
    code = world.code(NEW_EMAIL)
    world.member(NEW_EMAIL, OTHER_PASSWORD)
    with pytest.raises(EmailTaken):
        verbs.confirm_email(caller, ticket, code, HERE)
    assert world.signed_in().account_id == caller.account_id


def test_of_eight_who_confirm_one_address_at_once_one_has_it(world: IdentityWorld, verbs: Profile) -> None:
    people = [f"{number}@example.org" for number in range(8)]
    held = []
    for email in people:
        world.member(email)
        caller = world.caller(world.signed_in(email))
        held.append((caller, asks_for(verbs, caller, NEW_EMAIL).ticket, world.code(NEW_EMAIL)))
    answers = at_once(8, lambda number: verbs.confirm_email(*held[number], HERE))
    assert sorted(type(answer).__name__ for answer in answers) == ["EmailTaken"] * 7 + ["Shown"]
