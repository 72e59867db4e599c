"""An account is made for who reads the mail and holds the ticket, and whoever asks learns nothing of who has one."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clarity_server.adapters.local.hashing import Hashing
from clarity_server.domain.access import Purpose
from clarity_server.domain.accounts import (
    CONSENT_VERSION,
    PRIVACY_VERSION,
    TERMS_VERSION,
    AccountState,
    ChallengeKind,
    Confirmation,
)
from clarity_server.domain.errors import (
    Busy,
    CodeWrong,
    CredentialsWrong,
    EmailTaken,
    FeatureOff,
    RateLimited,
    RequestIdReused,
    StoreFull,
)
from clarity_server.domain.ids import new_id
from clarity_server.domain.mail import MailKind
from clarity_server.domain.tickets import ATTEMPTS_MAX
from clarity_server.flows.codes import RESEND_S, RESENDS_MAX
from clarity_server.flows.sign_up import SIGN_UP_KEEP_S, SignUp, SignUpAsked
from tests.contracts.identity_world import (
    CHEAP,
    EMAIL,
    HERE,
    NOW,
    OTHER_EMAIL,
    OTHER_PASSWORD,
    PASSWORD,
    IdentityWorld,
    asked,
    at_once,
    identity_world,
)

WRONG = "00000000"
CODE_S = 3600.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[IdentityWorld]:
    with identity_world(tmp_path) as world:
        yield world


@pytest.fixture
def verbs(world: IdentityWorld) -> SignUp:
    return world.verbs().sign_up


def attempts_left(refused: pytest.ExceptionInfo[CodeWrong]) -> str:
    return refused.value.facts["attempts_left"]


def no_place() -> Hashing:
    return Hashing(CHEAP, workers=1, waiting_max=-1)


# ---- asking ----------------------------------------------------------------------------------------------------------


def test_a_sign_up_answers_what_was_given_without_an_id_or_the_blanks_around_the_address(verbs: SignUp) -> None:
    said = replace(asked(f"  {EMAIL}\n"), first_name="Ola", last_name="Uhu")
    account, confirmation = verbs.sign_up(said, "", HERE)
    assert (account.account_id, account.email, account.display_name) == ("", EMAIL, "Owl")
    assert (account.first_name, account.last_name, account.state) == ("Ola", "Uhu", AccountState.PENDING)
    assert (account.terms_version, account.privacy_version) == (TERMS_VERSION, PRIVACY_VERSION)
    assert account.create_time.timestamp() == NOW
    assert confirmation == Confirmation(confirmation.ticket, EMAIL, NOW + CODE_S, NOW + RESEND_S)
    assert len(confirmation.ticket) == 26


def test_the_code_makes_the_account_and_its_owner_can_sign_in(world: IdentityWorld, verbs: SignUp) -> None:
    confirmation = world.asks()
    account = verbs.confirm(confirmation.ticket, world.code(), HERE)
    assert (account.email, account.state, len(account.account_id)) == (EMAIL, AccountState.ACTIVE, 26)
    assert world.signed_in().account_id == account.account_id


def test_the_mail_is_not_addressed_by_a_name_that_whoever_asked_has_typed(world: IdentityWorld, verbs: SignUp) -> None:
    verbs.sign_up(replace(asked(), display_name="Visit evil.example"), "", HERE)
    [mail] = world.mails(EMAIL)
    assert mail.kind is MailKind.CONFIRM_SIGN_UP
    assert "evil" not in mail.subject + mail.text
    assert world.code() not in mail.subject


def test_a_sign_up_is_noted_before_it_is_done_and_fails_with_the_audit(world: IdentityWorld, verbs: SignUp) -> None:
    world.audit.broken = StoreFull()
    with pytest.raises(StoreFull):
        world.verbs().sign_up.sign_up(asked(), "", HERE)
    assert world.accounts.by_email(EMAIL) is None
    world.audit.broken = None
    confirmation = world.asks()
    world.audit.broken = StoreFull()
    with pytest.raises(StoreFull):
        world.verbs().sign_up.confirm(confirmation.ticket, world.code(), HERE)
    world.audit.broken = None
    assert verbs.confirm(confirmation.ticket, world.code(), HERE).state is AccountState.ACTIVE
    assert world.audit.kinds == ["sign-up", "sign-up-confirmed"]


def test_every_purpose_has_a_consent_from_the_confirmation_on_as_it_was_chosen(
    world: IdentityWorld, verbs: SignUp
) -> None:
    chosen = frozenset({Purpose.STORAGE, Purpose.ANALYSIS})
    _, confirmation = verbs.sign_up(replace(asked(), consents=chosen), "", HERE)
    world.clock.wait(100)
    account = verbs.confirm(confirmation.ticket, world.code(), HERE)
    said = world.consents.of_account(account.account_id)
    assert {one.purpose: one.given for one in said} == {purpose: purpose in chosen for purpose in Purpose}
    assert {one.text_version for one in said} == {CONSENT_VERSION}
    assert {one.effective_time and one.effective_time.timestamp() for one in said} == {NOW + 100}


def test_a_repeat_of_the_confirmation_does_not_bring_back_a_consent_that_was_withdrawn(
    world: IdentityWorld, verbs: SignUp
) -> None:
    _, confirmation = verbs.sign_up(replace(asked(), consents=frozenset(Purpose)), "", HERE)
    account = verbs.confirm(confirmation.ticket, world.code(), HERE)
    withdrawn = [replace(one, given=False) for one in world.consents.of_account(account.account_id)]
    world.consents.put(account.account_id, withdrawn)
    verbs.confirm(confirmation.ticket, world.code(), HERE)
    assert world.consents.of_account(account.account_id) == withdrawn


def test_with_sign_up_closed_nobody_asks_for_an_account_and_members_sign_in(world: IdentityWorld) -> None:
    world.member()
    closed = world.verbs(sign_up_open=False)
    for request_id in ("", "r"):
        with pytest.raises(FeatureOff):
            closed.sign_up.sign_up(asked(OTHER_EMAIL), request_id, HERE)
    assert world.signed_in().access_token


# ---- repeats ---------------------------------------------------------------------------------------------------------


def test_a_repeat_of_sign_up_gets_the_first_answer_for_a_day_and_mails_nothing(
    world: IdentityWorld, verbs: SignUp
) -> None:
    first = verbs.sign_up(asked(), "r", HERE)
    for waited in (1, SIGN_UP_KEEP_S - 2):
        world.clock.wait(waited)
        assert verbs.sign_up(asked(), "r", HERE) == first
    assert len(world.mails()) == 1


def test_after_a_day_the_same_request_is_a_new_one(world: IdentityWorld, verbs: SignUp) -> None:
    _, first = verbs.sign_up(asked(), "r", HERE)
    world.clock.wait(SIGN_UP_KEEP_S)
    _, second = verbs.sign_up(asked(), "r", HERE)
    assert second.ticket != first.ticket
    assert verbs.confirm(second.ticket, world.code(), HERE).email == EMAIL


@pytest.mark.parametrize(
    "other",
    [
        asked(OTHER_EMAIL),
        asked(password=OTHER_PASSWORD),
        replace(asked(), display_name="Lark"),
        replace(asked(), first_name="Lark"),
        replace(asked(), consents=frozenset({Purpose.STORAGE})),
    ],
    ids=["email", "password", "display_name", "first_name", "consents"],
)
def test_sign_up_with_another_body_under_the_same_request_id_is_refused(verbs: SignUp, other: SignUpAsked) -> None:
    verbs.sign_up(asked(), "r", HERE)
    with pytest.raises(RequestIdReused):
        verbs.sign_up(other, "r", HERE)


def test_eight_repeats_at_once_hold_one_ticket_and_mail_one_code(world: IdentityWorld, verbs: SignUp) -> None:
    answers = at_once(8, lambda _: verbs.sign_up(asked(), "r", HERE)[1])
    assert len(set(answers)) == 1
    assert isinstance(answers[0], Confirmation)
    assert len(world.mails()) == 1
    assert verbs.confirm(answers[0].ticket, world.code(), HERE).email == EMAIL


def test_a_sign_up_that_found_the_hashing_busy_succeeds_when_repeated(world: IdentityWorld, verbs: SignUp) -> None:
    full = no_place()
    with pytest.raises(Busy):
        world.verbs(hashing=full).sign_up.sign_up(asked(), "r", HERE)
    full.close()
    _, confirmation = verbs.sign_up(asked(), "r", HERE)
    assert verbs.confirm(confirmation.ticket, world.code(), HERE).email == EMAIL


def test_a_repeat_of_sign_up_needs_no_hash_and_so_is_never_busy(world: IdentityWorld, verbs: SignUp) -> None:
    first = verbs.sign_up(asked(), "r", HERE)
    full = no_place()
    assert world.verbs(hashing=full).sign_up.sign_up(asked(), "r", HERE) == first
    full.close()


def test_the_answer_kept_for_a_repeat_is_neither_the_ticket_nor_the_account(
    world: IdentityWorld, verbs: SignUp
) -> None:
    _, confirmation = verbs.sign_up(asked(), "r", HERE)
    with world.database.read() as connection:
        rows: list[Any] = connection.execute("SELECT scope, answer FROM requests").fetchall()
    [(scope, answer)] = rows
    assert scope == "sign-up"
    assert confirmation.ticket.encode() not in answer
    assert str(world.accounts.by_email(EMAIL)).encode() not in answer


def test_the_digest_of_a_body_cannot_be_guessed_without_the_keys(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "other"):
        with identity_world(tmp_path / name) as world:
            world.asks(request_id="r")
            with world.database.read() as connection:
                digests.append(connection.execute("SELECT body_digest FROM requests").fetchall())
    assert digests[0] != digests[1]


# ---- codes and tickets -----------------------------------------------------------------------------------------------


def test_a_ticket_takes_five_wrong_codes_and_then_not_the_right_one(world: IdentityWorld, verbs: SignUp) -> None:
    ticket = world.asks().ticket
    for left in range(ATTEMPTS_MAX - 1, -1, -1):
        with pytest.raises(CodeWrong) as refused:
            verbs.confirm(ticket, WRONG, HERE)
        assert attempts_left(refused) == str(left)
    with pytest.raises(CodeWrong):
        verbs.confirm(ticket, world.code(), HERE)
    assert world.audit.kinds == ["sign-up", *["code-refused"] * 6]


def test_a_code_that_has_expired_is_like_one_that_there_never_was(world: IdentityWorld, verbs: SignUp) -> None:
    ticket, code = world.asks().ticket, world.code()
    world.clock.wait(CODE_S)
    for held in (ticket, new_id(), ""):
        with pytest.raises(CodeWrong) as refused:
            verbs.confirm(held, code, HERE)
        assert attempts_left(refused) == "0"


def test_the_same_code_confirms_again_for_as_long_as_it_lasts_and_makes_nothing_new(
    world: IdentityWorld, verbs: SignUp
) -> None:
    ticket, code = world.asks().ticket, world.code()
    first = verbs.confirm(ticket, code, HERE)
    world.clock.wait(CODE_S - 1)
    assert verbs.confirm(ticket, code, HERE) == first
    world.clock.wait(1)
    with pytest.raises(CodeWrong):
        verbs.confirm(ticket, code, HERE)


def test_a_code_is_worth_nothing_with_another_ticket(world: IdentityWorld, verbs: SignUp) -> None:
    world.asks()
    code, strange = world.code(), world.asks(OTHER_EMAIL).ticket
    with pytest.raises(CodeWrong):
        verbs.confirm(strange, code, HERE)


def test_a_stranger_without_the_ticket_cannot_use_up_its_attempts(world: IdentityWorld, verbs: SignUp) -> None:
    ticket = world.asks().ticket
    for _ in range(3 * ATTEMPTS_MAX):
        with pytest.raises(CodeWrong):
            verbs.confirm(new_id(), WRONG, HERE)
    assert verbs.confirm(ticket, world.code(), HERE).email == EMAIL


def test_eight_confirmations_at_once_make_one_account(world: IdentityWorld, verbs: SignUp) -> None:
    ticket, code = world.asks().ticket, world.code()
    answers = at_once(8, lambda _: verbs.confirm(ticket, code, HERE).account_id)
    assert len(set(answers)) == 1


def test_sixteen_wrong_codes_at_once_are_five_attempts(world: IdentityWorld, verbs: SignUp) -> None:
    ticket = world.asks().ticket
    answers = at_once(16, lambda number: verbs.confirm(ticket, f"{number:08}", HERE))
    lefts = sorted(answer.facts["attempts_left"] for answer in answers if isinstance(answer, CodeWrong))
    assert lefts == ["0"] * 12 + ["1", "2", "3", "4"]


# ---- another code ----------------------------------------------------------------------------------------------------


def test_another_code_takes_the_place_of_the_first_with_new_attempts(world: IdentityWorld, verbs: SignUp) -> None:
    ticket, first = world.asks().ticket, world.code()
    with pytest.raises(CodeWrong):
        verbs.confirm(ticket, WRONG, HERE)
    world.clock.wait(RESEND_S)
    now = world.clock()
    assert verbs.resend(ticket, HERE) == Confirmation(ticket, "", now + CODE_S, now + RESEND_S)
    assert world.code() != first
    with pytest.raises(CodeWrong) as refused:
        verbs.confirm(ticket, first, HERE)
    assert attempts_left(refused) == str(ATTEMPTS_MAX - 1)
    assert verbs.confirm(ticket, world.code(), HERE).email == EMAIL


def test_another_code_is_mailed_a_minute_after_the_last_and_not_before(world: IdentityWorld, verbs: SignUp) -> None:
    ticket = world.asks().ticket
    world.clock.wait(RESEND_S - 10)
    with pytest.raises(RateLimited) as limited:
        verbs.resend(ticket, HERE)
    assert limited.value.retry_after_s == 10
    assert len(world.mails()) == 1


def test_a_ticket_has_so_many_codes_and_no_more(world: IdentityWorld, verbs: SignUp) -> None:
    ticket = world.asks().ticket
    for _ in range(RESENDS_MAX):
        world.clock.wait(RESEND_S)
        verbs.resend(ticket, HERE)
    world.clock.wait(RESEND_S)
    with pytest.raises(RateLimited):
        verbs.resend(ticket, HERE)
    assert len(world.mails()) == 1 + RESENDS_MAX
    assert verbs.confirm(ticket, world.code(), HERE).email == EMAIL


def test_asking_for_another_code_answers_alike_where_nothing_waits(world: IdentityWorld, verbs: SignUp) -> None:
    used = world.asks().ticket
    verbs.confirm(used, world.code(), HERE)
    expired = world.asks(OTHER_EMAIL).ticket
    world.clock.wait(CODE_S)
    now, mails = world.clock(), len(world.mails())
    for ticket in (used, expired, new_id()):
        assert verbs.resend(ticket, HERE) == Confirmation(ticket, "", now + CODE_S, now + RESEND_S)
    assert len(world.mails()) == mails


# ---- an address that is taken ----------------------------------------------------------------------------------------


def test_nothing_tells_whether_an_address_has_an_account(world: IdentityWorld, verbs: SignUp) -> None:
    owner = world.member()
    before = len(world.audit.kinds)
    told = []
    for email in (EMAIL.upper(), OTHER_EMAIL):
        account, confirmation = verbs.sign_up(asked(email, OTHER_PASSWORD), f"r-{email}", HERE)
        heard: list[object] = [replace(account, email=""), replace(confirmation, ticket="", email="")]
        for _ in range(ATTEMPTS_MAX + 1):
            with pytest.raises(CodeWrong) as refused:
                verbs.confirm(confirmation.ticket, WRONG, HERE)
            heard.append((str(refused.value), dict(refused.value.facts)))
        with pytest.raises(RateLimited) as limited:
            verbs.resend(confirmation.ticket, HERE)
        heard.append(str(limited.value))
        assert len(confirmation.ticket) == 26
        told.append(heard)
    assert told[0] == told[1]
    events = world.audit.kinds[before:]
    assert events[: len(events) // 2] == events[len(events) // 2 :]
    assert world.accounts.by_email(EMAIL) == owner.account_id


def test_the_owner_of_an_address_is_told_that_somebody_asked_once_and_without_a_code(
    world: IdentityWorld, verbs: SignUp
) -> None:
    world.member()
    confirmation = world.asks(password=OTHER_PASSWORD)
    world.clock.wait(RESEND_S)
    verbs.resend(confirmation.ticket, HERE)
    kinds = [mail.kind for mail in world.mails()]
    assert kinds == [MailKind.CONFIRM_SIGN_UP, MailKind.ADDRESS_HAS_ACCOUNT]
    assert world.signed_in().access_token
    with pytest.raises(CredentialsWrong):
        world.signed_in(password=OTHER_PASSWORD)


def test_of_two_who_wait_for_one_address_the_first_confirmed_has_it(world: IdentityWorld, verbs: SignUp) -> None:
    first, first_code = world.asks().ticket, world.code()
    second, second_code = world.asks(password=OTHER_PASSWORD).ticket, world.code()
    account = verbs.confirm(second, second_code, HERE)
    with pytest.raises(EmailTaken):
        verbs.confirm(first, first_code, HERE)
    assert world.signed_in(password=OTHER_PASSWORD).account_id == account.account_id


def test_of_eight_strangers_who_confirm_one_address_at_once_one_has_it(world: IdentityWorld, verbs: SignUp) -> None:
    held = [(world.asks(password=f"{PASSWORD}{number}").ticket, world.code()) for number in range(8)]
    answers = at_once(8, lambda number: verbs.confirm(*held[number], HERE))
    assert [type(answer) for answer in answers].count(EmailTaken) == 7


def test_a_sign_up_prepared_with_somebody_elses_address_becomes_nobodys_account(
    world: IdentityWorld, verbs: SignUp
) -> None:
    prepared = world.asks(password=OTHER_PASSWORD)  # by the attacker, who never sees the mail
    theirs = world.asks()
    account = verbs.confirm(theirs.ticket, world.code(), HERE)
    with suppress(CodeWrong, EmailTaken):
        verbs.confirm(prepared.ticket, world.code(), HERE)
    assert world.signed_in().account_id == account.account_id
    with pytest.raises(CredentialsWrong):
        world.signed_in(password=OTHER_PASSWORD)


def test_who_lost_the_ticket_gets_another_by_signing_in(world: IdentityWorld, verbs: SignUp) -> None:
    world.asks()
    challenge = world.challenged()
    assert (challenge.kind, challenge.expire_time) == (ChallengeKind.CONFIRM_EMAIL, NOW + CODE_S)
    account = verbs.confirm(challenge.ticket, world.code(), HERE)
    assert world.signed_in().account_id == account.account_id
    assert len(world.mails()) == 2


def test_a_repeat_of_such_a_sign_in_gets_the_same_ticket_and_mails_nothing(world: IdentityWorld) -> None:
    world.asks()
    assert world.challenged(request_id="r") == world.challenged(request_id="r")
    assert len(world.mails()) == 2


def test_an_address_is_not_written_to_without_end_by_signing_in(world: IdentityWorld) -> None:
    world.asks()
    held = []
    for _ in range(RESENDS_MAX):
        held.append(world.challenged(request_id="r"))
        world.clock.wait(100)
    with pytest.raises(RateLimited):
        world.challenged()
    assert len(world.mails()) == 1 + RESENDS_MAX
    assert world.verbs().sign_up.confirm(held[-1].ticket, world.code(), HERE).email == EMAIL


def test_a_sign_up_that_was_swept_away_confirms_nothing(world: IdentityWorld, verbs: SignUp) -> None:
    ticket, code = world.asks().ticket, world.code()
    world.accounts.remove_pending(world.clock() + 1, 10)
    with pytest.raises(CodeWrong):
        verbs.confirm(ticket, code, HERE)
