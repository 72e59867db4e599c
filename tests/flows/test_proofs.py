"""Passwords and one-time codes are changed by who can show the present ones, or read the account's mail."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from clarity_server.adapters.local.hashing import Hashing
from clarity_server.domain.accounts import Account, Challenge, Confirmation, Identity
from clarity_server.domain.errors import (
    Busy,
    CodeWrong,
    CredentialsWrong,
    RateLimited,
    RefreshTokenInvalid,
    StoreFull,
    TotpEnrolled,
    TotpNotEnrolled,
)
from clarity_server.domain.ids import new_id
from clarity_server.domain.mail import MailKind
from clarity_server.domain.tickets import ATTEMPTS_MAX
from clarity_server.flows.codes import RESEND_S
from clarity_server.flows.proofs import Proofs
from clarity_server.flows.second_factor import GUESSES_MAX
from clarity_server.flows.sign_in import ChallengeAnswer
from tests.contracts.identity_world import (
    CHEAP,
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

STEP_S = 30
RESET_S = 900.0
WRONG = "Night-0wL"
WRONG_CODE = "00000000"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[IdentityWorld]:
    with identity_world(tmp_path) as world:
        yield world


@pytest.fixture
def verbs(world: IdentityWorld) -> Proofs:
    return world.verbs().proofs


@pytest.fixture
def owl(world: IdentityWorld) -> Account:
    return world.member()


@pytest.fixture
def caller(world: IdentityWorld, owl: Account) -> Identity:  # noqa: ARG001  the owl calls
    return world.caller(world.signed_in())


# ---- the password ----------------------------------------------------------------------------------------------------


def test_a_changed_password_ends_all_other_sessions_and_is_told_of(
    world: IdentityWorld, verbs: Proofs, owl: Account
) -> None:
    mine, others = world.signed_in(), [world.signed_in() for _ in range(2)]
    verbs.change_password(world.caller(mine), PASSWORD, OTHER_PASSWORD, HERE)
    assert sorted(world.ended) == sorted(tokens.session_id for tokens in others)
    sign_in = world.verbs().sign_in
    assert sign_in.refresh(mine.refresh_token, "", HERE).session_id == mine.session_id
    for tokens in others:
        with pytest.raises(RefreshTokenInvalid):
            sign_in.refresh(tokens.refresh_token, "", HERE)
    assert world.signed_in(password=OTHER_PASSWORD).account_id == owl.account_id
    with pytest.raises(CredentialsWrong):
        world.signed_in()
    assert world.mails()[-1].kind is MailKind.PASSWORD_CHANGED


def test_a_wrong_present_password_changes_nothing_and_is_noted(
    world: IdentityWorld, verbs: Proofs, caller: Identity
) -> None:
    with pytest.raises(CredentialsWrong):
        verbs.change_password(caller, WRONG, OTHER_PASSWORD, HERE)
    assert world.audit.kinds[-1] == "challenge-refused"
    assert world.signed_in().access_token
    assert world.ended == []


@pytest.mark.parametrize(
    "work",
    [
        lambda verbs, caller: verbs.enroll_totp(caller, WRONG, HERE),
        lambda verbs, caller: verbs.recovery_codes(caller, WRONG, HERE),
        lambda verbs, caller: verbs.remove_totp(caller, WRONG, "123456", "", HERE),
        lambda verbs, caller: verbs.prove(caller.account_id, WRONG, ""),
    ],
    ids=["enroll", "recovery codes", "remove", "prove"],
)
def test_whatever_needs_the_password_refuses_another_one(
    verbs: Proofs, caller: Identity, work: Callable[[Proofs, Identity], object]
) -> None:
    with pytest.raises(CredentialsWrong):
        work(verbs, caller)


def test_a_password_is_not_changed_when_the_audit_cannot_keep_it(
    world: IdentityWorld, verbs: Proofs, caller: Identity
) -> None:
    world.audit.broken = StoreFull()
    with pytest.raises(StoreFull):
        verbs.change_password(caller, PASSWORD, OTHER_PASSWORD, HERE)
    world.audit.broken = None
    assert world.signed_in().access_token


# ---- a forgotten password --------------------------------------------------------------------------------------------


def test_the_code_sets_a_new_password_and_ends_all_sessions(
    world: IdentityWorld, verbs: Proofs, owl: Account, caller: Identity
) -> None:
    confirmation = verbs.request_reset(f" {EMAIL.upper()}", HERE)
    assert confirmation == Confirmation(confirmation.ticket, EMAIL.upper(), NOW + RESET_S, NOW + RESEND_S)
    verbs.reset(confirmation.ticket, world.code(), OTHER_PASSWORD, HERE)
    assert world.ended == [caller.session_id]
    assert world.signed_in(password=OTHER_PASSWORD).account_id == owl.account_id
    with pytest.raises(CredentialsWrong):
        world.signed_in()
    assert world.mails()[-1].kind is MailKind.PASSWORD_CHANGED
    assert world.audit.kinds[-4:-2] == ["password-reset-asked", "password-reset"]


def test_a_reset_leaves_the_second_factor(world: IdentityWorld, verbs: Proofs, caller: Identity) -> None:
    secret, _ = world.totp(caller)
    world.clock.wait(STEP_S)
    verbs.reset(verbs.request_reset(EMAIL, HERE).ticket, world.code(), OTHER_PASSWORD, HERE)
    challenge = world.challenged(password=OTHER_PASSWORD)
    answer = ChallengeAnswer(totp_code=world.shown(secret))
    assert not isinstance(world.verbs().sign_in.answer(challenge.ticket, answer, "", HERE), Challenge)


def test_a_code_counts_again_for_the_very_same_password_only(world: IdentityWorld, verbs: Proofs, owl: Account) -> None:
    ticket = verbs.request_reset(EMAIL, HERE).ticket
    code = world.code()
    for _ in range(2):
        verbs.reset(ticket, code, OTHER_PASSWORD, HERE)
    with pytest.raises(CodeWrong):
        verbs.reset(ticket, code, "Thi-3f!!", HERE)
    assert world.signed_in(password=OTHER_PASSWORD).account_id == owl.account_id


def test_of_eight_passwords_at_once_under_one_code_one_is_set(
    world: IdentityWorld, verbs: Proofs, owl: Account
) -> None:
    ticket = verbs.request_reset(EMAIL, HERE).ticket
    code = world.code()
    answers = at_once(8, lambda number: verbs.reset(ticket, code, f"{OTHER_PASSWORD}{number}", HERE))
    assert [type(answer) for answer in answers].count(CodeWrong) == 7
    won = answers.index(None)
    assert world.signed_in(password=f"{OTHER_PASSWORD}{won}").account_id == owl.account_id


@pytest.mark.usefixtures("owl")
def test_a_reset_that_found_the_hashing_busy_succeeds_when_repeated(world: IdentityWorld, verbs: Proofs) -> None:
    ticket = verbs.request_reset(EMAIL, HERE).ticket
    full = Hashing(CHEAP, workers=1, waiting_max=-1)  # not one place
    with pytest.raises(Busy):
        world.verbs(hashing=full).proofs.reset(ticket, world.code(), OTHER_PASSWORD, HERE)
    full.close()
    verbs.reset(ticket, world.code(), OTHER_PASSWORD, HERE)
    assert world.signed_in(password=OTHER_PASSWORD).access_token


@pytest.mark.usefixtures("owl")
def test_a_reset_takes_five_wrong_codes_and_lasts_a_quarter_of_an_hour(world: IdentityWorld, verbs: Proofs) -> None:
    first = verbs.request_reset(EMAIL, HERE).ticket
    for _ in range(ATTEMPTS_MAX):
        with pytest.raises(CodeWrong):
            verbs.reset(first, WRONG_CODE, OTHER_PASSWORD, HERE)
    with pytest.raises(CodeWrong):
        verbs.reset(first, world.code(), OTHER_PASSWORD, HERE)
    second = verbs.request_reset(EMAIL, HERE).ticket
    world.clock.wait(RESET_S)
    with pytest.raises(CodeWrong):
        verbs.reset(second, world.code(), OTHER_PASSWORD, HERE)
    assert world.signed_in().access_token


@pytest.mark.usefixtures("owl")
def test_a_code_for_a_reset_does_nothing_else_and_no_other_code_resets(world: IdentityWorld, verbs: Proofs) -> None:
    reset, code = verbs.request_reset(EMAIL, HERE).ticket, world.code()
    with pytest.raises(CodeWrong):
        world.verbs().sign_up.confirm(reset, code, HERE)
    asked, other = world.asks(OTHER_EMAIL).ticket, world.code(OTHER_EMAIL)
    with pytest.raises(CodeWrong):
        verbs.reset(asked, other, OTHER_PASSWORD, HERE)


def test_a_code_that_went_to_an_address_given_up_since_sets_nothing(
    world: IdentityWorld, verbs: Proofs, caller: Identity
) -> None:
    ticket = verbs.request_reset(EMAIL, HERE).ticket
    code = world.code()
    world.accounts.change(caller.account_id, lambda account: replace(account, email=OTHER_EMAIL))
    with pytest.raises(CodeWrong):
        verbs.reset(ticket, code, OTHER_PASSWORD, HERE)
    assert world.signed_in(OTHER_EMAIL).account_id == caller.account_id


@pytest.mark.usefixtures("owl")
def test_nothing_tells_whether_an_address_has_an_account_when_a_reset_is_asked_for(
    world: IdentityWorld, verbs: Proofs
) -> None:
    world.asks("pending@example.org")
    told = []
    for email in (EMAIL, OTHER_EMAIL, "pending@example.org"):
        before = len(world.audit.kinds)
        confirmation = verbs.request_reset(email, HERE)
        answers: list[object] = [replace(confirmation, ticket="", email=""), confirmation.email == email]
        for _ in range(ATTEMPTS_MAX + 1):
            with pytest.raises(CodeWrong) as refused:
                verbs.reset(confirmation.ticket, WRONG_CODE, OTHER_PASSWORD, HERE)
            answers.append(dict(refused.value.facts))
        with pytest.raises(RateLimited) as limited:
            world.verbs().sign_up.resend(confirmation.ticket, HERE)
        told.append((answers, str(limited.value), world.audit.kinds[before:]))
    assert told[0] == told[1] == told[2]
    assert [mail.kind for mail in world.mails()][-1] is MailKind.RESET_PASSWORD
    assert world.mails(OTHER_EMAIL) == []


# ---- one-time codes --------------------------------------------------------------------------------------------------


def test_a_secret_counts_once_a_code_of_it_was_seen(world: IdentityWorld, verbs: Proofs, caller: Identity) -> None:
    secret, uri = verbs.enroll_totp(caller, PASSWORD, HERE)
    assert pyotp.parse_uri(uri).secret == secret
    assert parse_qs(urlsplit(uri).query)["issuer"] == ["CLARITY"]
    assert world.signed_in().access_token
    recovery_codes = verbs.confirm_totp(caller, world.shown(secret), HERE)
    assert len(set(recovery_codes)) == 10
    assert world.challenged().ticket
    assert world.mails()[-1].kind is MailKind.TOTP_CHANGED
    assert "totp-enrolled" in world.audit.kinds


def test_asking_for_a_secret_again_makes_another_and_the_first_counts_no_more(
    world: IdentityWorld, verbs: Proofs, caller: Identity
) -> None:
    first, _ = verbs.enroll_totp(caller, PASSWORD, HERE)
    second, _ = verbs.enroll_totp(caller, PASSWORD, HERE)
    with pytest.raises(CodeWrong):
        verbs.confirm_totp(caller, world.shown(first), HERE)
    assert verbs.confirm_totp(caller, world.shown(second), HERE)


def test_what_is_on_is_not_turned_on_and_what_is_off_not_off(
    world: IdentityWorld, verbs: Proofs, caller: Identity
) -> None:
    with pytest.raises(TotpNotEnrolled):
        verbs.confirm_totp(caller, "123456", HERE)
    with pytest.raises(TotpNotEnrolled):
        verbs.recovery_codes(caller, PASSWORD, HERE)
    secret, _ = verbs.enroll_totp(caller, PASSWORD, HERE)
    with pytest.raises(TotpNotEnrolled):
        verbs.remove_totp(caller, PASSWORD, world.shown(secret), "", HERE)
    verbs.confirm_totp(caller, world.shown(secret), HERE)
    with pytest.raises(TotpEnrolled):
        verbs.enroll_totp(caller, PASSWORD, HERE)
    with pytest.raises(TotpEnrolled):
        verbs.confirm_totp(caller, world.shown(secret), HERE)


def test_eight_confirmations_at_once_turn_it_on_once(world: IdentityWorld, verbs: Proofs, caller: Identity) -> None:
    secret, _ = verbs.enroll_totp(caller, PASSWORD, HERE)
    answers = at_once(8, lambda _: verbs.confirm_totp(caller, world.shown(secret), HERE))
    [told] = [answer for answer in answers if isinstance(answer, list)]
    spare = ChallengeAnswer(recovery_code=told[0])
    assert not isinstance(world.verbs().sign_in.answer(world.challenged().ticket, spare, "", HERE), Challenge)


def test_a_code_that_was_used_is_refused_everywhere(world: IdentityWorld, verbs: Proofs, caller: Identity) -> None:
    secret, _ = world.totp(caller)  # which uses the code of now
    used = world.shown(secret)
    with pytest.raises(CodeWrong):
        verbs.remove_totp(caller, PASSWORD, used, "", HERE)
    with pytest.raises(CodeWrong):
        verbs.prove(caller.account_id, PASSWORD, used)
    with pytest.raises(CodeWrong):
        world.verbs().sign_in.answer(world.challenged().ticket, ChallengeAnswer(totp_code=used), "", HERE)
    world.clock.wait(STEP_S)
    fresh = world.shown(secret)
    verbs.prove(caller.account_id, PASSWORD, fresh)
    with pytest.raises(CodeWrong):
        verbs.remove_totp(caller, PASSWORD, fresh, "", HERE)


@pytest.mark.parametrize("by_recovery_code", [False, True])
def test_one_time_codes_are_turned_off_by_either_code_and_the_recovery_codes_are_gone(
    world: IdentityWorld, verbs: Proofs, caller: Identity, by_recovery_code: bool
) -> None:
    secret, recovery_codes = world.totp(caller)
    world.clock.wait(STEP_S)
    shown = ("", recovery_codes[0]) if by_recovery_code else (world.shown(secret), "")
    verbs.remove_totp(caller, PASSWORD, *shown, HERE)
    assert world.signed_in().access_token
    assert world.factors.get(caller.account_id) is None
    assert world.audit.kinds.count("totp-removed") == 1
    assert world.mails()[-1].kind is MailKind.TOTP_CHANGED


def test_new_recovery_codes_take_the_place_of_the_old_ones(
    world: IdentityWorld, verbs: Proofs, caller: Identity
) -> None:
    _, old = world.totp(caller)
    new = verbs.recovery_codes(caller, PASSWORD, HERE)
    assert not set(old) & set(new)
    sign_in = world.verbs().sign_in
    with pytest.raises(CodeWrong):
        sign_in.answer(world.challenged().ticket, ChallengeAnswer(recovery_code=old[0]), "", HERE)
    answer = ChallengeAnswer(recovery_code=new[0])
    assert not isinstance(sign_in.answer(world.challenged().ticket, answer, "", HERE), Challenge)


def test_a_proof_is_the_password_and_a_code_where_codes_are_on(
    world: IdentityWorld, verbs: Proofs, caller: Identity
) -> None:
    verbs.prove(caller.account_id, PASSWORD, "")
    secret, recovery_codes = world.totp(caller)
    world.clock.wait(STEP_S)
    for code in ("", "000000", "aaaaaaaaaa"):
        with pytest.raises(CodeWrong):
            verbs.prove(caller.account_id, PASSWORD, code)
    verbs.prove(caller.account_id, PASSWORD, world.shown(secret))
    verbs.prove(caller.account_id, PASSWORD, recovery_codes[0].replace("-", ""))
    with pytest.raises(CodeWrong):
        verbs.prove(caller.account_id, PASSWORD, recovery_codes[0])


def test_guesses_are_counted_here_too(world: IdentityWorld, verbs: Proofs, caller: Identity) -> None:
    secret, _ = world.totp(caller)
    world.clock.wait(STEP_S)
    for _ in range(GUESSES_MAX):
        with pytest.raises(CodeWrong):
            verbs.prove(caller.account_id, PASSWORD, "000000")
    with pytest.raises(RateLimited):
        verbs.prove(caller.account_id, PASSWORD, world.shown(secret))


@pytest.mark.usefixtures("caller")
def test_the_audit_names_accounts_by_id_and_holds_no_secret(world: IdentityWorld, verbs: Proofs, owl: Account) -> None:
    verbs.reset(verbs.request_reset(EMAIL, HERE).ticket, world.code(), OTHER_PASSWORD, HERE)
    secret, recovery_codes = world.totp(world.caller(world.signed_in(password=OTHER_PASSWORD)), OTHER_PASSWORD)
    told = repr(world.audit.events)
    assert owl.account_id in told
    secrets = [EMAIL, PASSWORD, OTHER_PASSWORD, secret, world.code(), world.shown(secret), *recovery_codes, "Owl"]
    assert [text for text in secrets if text in told] == []
    assert new_id() not in told
