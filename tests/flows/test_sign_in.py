"""Sessions begin and go on for whoever holds their newest token and knows what is asked for, and for nobody else."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from clarity_server.adapters.local.hashing import Cost, Hashing
from clarity_server.domain.access import MEMBER_SCOPES, OPERATOR_SCOPES, Role
from clarity_server.domain.accounts import Account, AccountState, ChallengeKind, Device, Tokens
from clarity_server.domain.errors import (
    AccountDisabled,
    AccountSuspended,
    ChallengeEnded,
    ClarityError,
    CodeWrong,
    CredentialsWrong,
    InvalidInput,
    PageTokenInvalid,
    RateLimited,
    RefreshTokenInvalid,
    RefreshTokenReused,
    RequestIdReused,
    ScopeNotAllowed,
    SessionNotFound,
    StoreFull,
)
from clarity_server.domain.ids import new_id
from clarity_server.domain.tickets import ATTEMPTS_MAX
from clarity_server.domain.tokens import ACCESS_S, public_keys, refresh_token, verify_access
from clarity_server.flows.challenges import CHALLENGE_S
from clarity_server.flows.second_factor import GUESSES_MAX, GUESSES_S
from clarity_server.flows.sign_in import (
    REPEAT_S,
    SESSION_S,
    SHORT_SESSION_S,
    SIGN_IN_KEEP_S,
    ChallengeAnswer,
    SignIn,
    SignInAsked,
)
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

DEARER = Cost(memory_kib=16, passes=1, lanes=1)
STEP_S = 30
WRONG = "Night-0wL"
PHONE = Device("d-1", "Pixel 9", "phone", "Android 16", "CLARITY 2.1")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[IdentityWorld]:
    with identity_world(tmp_path) as world:
        yield world


@pytest.fixture
def verbs(world: IdentityWorld) -> SignIn:
    return world.verbs().sign_in


@pytest.fixture
def owl(world: IdentityWorld) -> Account:
    return world.member()


@pytest.fixture
def secret(world: IdentityWorld, owl: Account) -> str:  # noqa: ARG001  the owl is the one who has it
    """What the owl's authenticator app holds; the code it shows now has not been used."""
    secret, _ = world.totp(world.caller(world.signed_in()))
    world.clock.wait(STEP_S)
    return secret


def raced(verbs: SignIn, tokens: Tokens, *request_ids: str) -> list[Tokens | Exception]:
    """The answers to one refresh token presented at once under each of the request_ids."""
    return at_once(len(request_ids), lambda number: verbs.refresh(tokens.refresh_token, request_ids[number], HERE))


def set_account(world: IdentityWorld, account: Account, **fields: object) -> None:
    world.accounts.change(account.account_id, lambda stored: replace(stored, **fields))  # type: ignore[arg-type]


# ---- signing in ------------------------------------------------------------------------------------------------------


def test_a_sign_in_gives_tokens_of_the_account_with_the_promised_ends(world: IdentityWorld, owl: Account) -> None:
    tokens = world.signed_in(EMAIL.lower())
    caller = verify_access(tokens.access_token, public_keys(world.keys.jwks()), NOW)
    assert (caller.account_id, caller.session_id) == (owl.account_id, tokens.session_id)
    assert tokens.access_expire_time == caller.expire_time == int(NOW) + ACCESS_S
    assert tokens.refresh_expire_time == NOW + SESSION_S
    assert caller.scopes == MEMBER_SCOPES == set(tokens.scopes)


@pytest.mark.usefixtures("owl")
@pytest.mark.parametrize(("email", "password"), [(OTHER_EMAIL, PASSWORD), (EMAIL, WRONG)])
def test_an_unknown_address_and_a_wrong_password_hear_the_same(world: IdentityWorld, email: str, password: str) -> None:
    with pytest.raises(CredentialsWrong) as refused:
        world.signed_in(email, password)
    assert str(refused.value) == str(CredentialsWrong())
    assert refused.value.facts == {}
    assert world.audit.kinds[-1] == "sign-in-refused"


def test_a_wrong_password_of_a_sign_up_that_waits_hears_the_same(world: IdentityWorld) -> None:
    world.asks()
    with pytest.raises(CredentialsWrong):
        world.signed_in(EMAIL, WRONG)


@pytest.mark.usefixtures("owl")
def test_every_sign_in_begins_a_session_of_its_own(world: IdentityWorld) -> None:
    assert len({world.signed_in(request_id=request_id).session_id for request_id in ("", "", "one", "other")}) == 4


@pytest.mark.usefixtures("owl")
def test_a_repeat_of_sign_in_gets_the_same_bytes_for_a_minute(world: IdentityWorld) -> None:
    first = world.signed_in(request_id="r")
    world.clock.wait(SIGN_IN_KEEP_S - 0.5)
    assert world.signed_in(request_id="r") == first


@pytest.mark.usefixtures("owl")
def test_after_a_minute_the_same_request_id_begins_a_new_session(world: IdentityWorld, verbs: SignIn) -> None:
    first = world.signed_in(request_id="r")
    world.clock.wait(SIGN_IN_KEEP_S)
    second = world.signed_in(request_id="r")
    assert second.session_id != first.session_id
    assert verbs.refresh(second.refresh_token, "", HERE).session_id == second.session_id


@pytest.mark.usefixtures("owl")
def test_a_repeat_of_sign_in_gets_the_same_bytes_even_after_a_refresh(world: IdentityWorld, verbs: SignIn) -> None:
    first = world.signed_in(request_id="r")
    world.clock.wait(2)
    verbs.refresh(first.refresh_token, "", HERE)
    assert world.signed_in(request_id="r") == first


@pytest.mark.usefixtures("owl")
def test_a_repeat_of_sign_in_does_not_bring_an_ended_session_back(world: IdentityWorld, verbs: SignIn) -> None:
    first = world.signed_in(request_id="r")
    verbs.sign_out(world.caller(first), HERE)
    assert world.signed_in(request_id="r") == first
    with pytest.raises(RefreshTokenInvalid):
        verbs.refresh(first.refresh_token, "", HERE)


@pytest.mark.usefixtures("owl")
def test_a_repeat_of_sign_in_with_a_wrong_password_hears_only_that(world: IdentityWorld) -> None:
    world.signed_in(request_id="r")
    with pytest.raises(CredentialsWrong):
        world.signed_in(EMAIL, WRONG, "r")


@pytest.mark.usefixtures("owl")
@pytest.mark.parametrize(
    "other",
    [
        SignInAsked(EMAIL.lower(), PASSWORD),
        SignInAsked(EMAIL, PASSWORD, device=PHONE),
        SignInAsked(EMAIL, PASSWORD, short_session=True),
        SignInAsked(EMAIL, PASSWORD, scopes=("account.read",)),
    ],
    ids=["email", "device", "short_session", "scopes"],
)
def test_sign_in_with_another_body_under_the_same_request_id_is_refused(
    world: IdentityWorld, verbs: SignIn, other: SignInAsked
) -> None:
    world.signed_in(request_id="r")
    with pytest.raises(RequestIdReused):
        verbs.sign_in(other, "r", HERE)


def test_sign_in_with_the_new_password_under_the_request_id_of_the_old_one_is_refused(
    world: IdentityWorld, owl: Account
) -> None:
    world.signed_in(request_id="r")
    world.passwords.put(owl.account_id, OTHER_PASSWORD)
    with pytest.raises(RequestIdReused):
        world.signed_in(EMAIL, OTHER_PASSWORD, "r")


@pytest.mark.usefixtures("owl")
def test_another_accounts_request_id_is_like_one_that_does_not_exist(world: IdentityWorld) -> None:
    world.signed_in(request_id="r")
    lark = world.member(OTHER_EMAIL)
    assert world.signed_in(OTHER_EMAIL, request_id="r").account_id == lark.account_id


@pytest.mark.usefixtures("owl")
def test_eight_repeats_of_sign_in_at_once_agree(world: IdentityWorld) -> None:
    answers = at_once(8, lambda _: world.signed_in(request_id="r"))
    assert len(set(answers)) == 1
    assert isinstance(answers[0], Tokens)


@pytest.mark.usefixtures("owl")
def test_a_repeat_after_a_crash_between_the_answer_and_the_session_begins_the_session(
    world: IdentityWorld, verbs: SignIn
) -> None:
    first = world.signed_in(request_id="r")
    world.database.write(lambda connection: connection.execute("DELETE FROM sessions").close())
    assert world.signed_in(request_id="r") == first
    assert verbs.refresh(first.refresh_token, "", HERE).session_id == first.session_id


def test_a_password_in_another_composition_of_the_same_letters_is_the_same_password(world: IdentityWorld) -> None:
    world.member(password="N\u00e4cht-0wl")
    assert world.signed_in(password="Na\u0308cht-0wl").access_token


def password_hash(world: IdentityWorld) -> str:
    with world.database.read() as connection:
        return str(connection.execute("SELECT password_hash FROM passwords").fetchall()[0][0])


@pytest.mark.usefixtures("owl")
def test_a_password_of_an_older_cost_is_hashed_anew_at_sign_in(world: IdentityWorld) -> None:
    before, dearer = password_hash(world), Hashing(DEARER)
    world.verbs(hashing=dearer).sign_in.sign_in(SignInAsked(EMAIL, PASSWORD), "", HERE)
    dearer.close()
    assert "m=8,t=1,p=1" in before
    assert "m=16,t=1,p=1" in password_hash(world)
    assert world.signed_in().access_token


@pytest.mark.usefixtures("owl")
def test_a_wrong_password_is_not_hashed_anew(world: IdentityWorld) -> None:
    before, dearer = password_hash(world), Hashing(DEARER)
    with pytest.raises(CredentialsWrong):
        world.verbs(hashing=dearer).sign_in.sign_in(SignInAsked(EMAIL, WRONG), "", HERE)
    dearer.close()
    assert password_hash(world) == before


@pytest.mark.usefixtures("owl")
def test_a_sign_in_that_the_audit_cannot_keep_fails_and_so_does_a_refusal(world: IdentityWorld) -> None:
    world.audit.broken = StoreFull()
    for password in (PASSWORD, WRONG):
        with pytest.raises(StoreFull):
            world.signed_in(EMAIL, password)
    with world.database.read() as connection:
        assert connection.execute("SELECT count(*) FROM sessions").fetchall() == [(0,)]


@pytest.mark.usefixtures("owl")
def test_a_short_session_ends_twelve_hours_after_its_newest_refresh(world: IdentityWorld, verbs: SignIn) -> None:
    first = verbs.sign_in(SignInAsked(EMAIL, PASSWORD, short_session=True), "", HERE)
    assert isinstance(first, Tokens)
    assert first.refresh_expire_time == NOW + SHORT_SESSION_S
    world.clock.wait(SHORT_SESSION_S - 1)
    second = verbs.refresh(first.refresh_token, "", HERE)
    assert second.refresh_expire_time == world.clock() + SHORT_SESSION_S
    world.clock.wait(SHORT_SESSION_S)
    with pytest.raises(RefreshTokenInvalid):
        verbs.refresh(second.refresh_token, "", HERE)


# ---- scopes ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("owl")
def test_a_session_holds_the_scopes_it_asked_for_and_keeps_them_when_refreshed(
    world: IdentityWorld, verbs: SignIn
) -> None:
    wanted = ("sleep.read", "activity.read", "sleep.read")
    first = verbs.sign_in(SignInAsked(EMAIL, PASSWORD, scopes=wanted), "", HERE)
    assert isinstance(first, Tokens)
    second = verbs.refresh(first.refresh_token, "", HERE)
    for tokens in (first, second):
        assert tokens.scopes == ("activity.read", "sleep.read")
        assert world.caller(tokens).scopes == {"activity.read", "sleep.read"}


@pytest.mark.usefixtures("owl")
@pytest.mark.parametrize("scope", ["operator.write", "activity.delete", "", "activity.read activity.write"])
def test_a_scope_that_the_roles_do_not_allow_is_refused_by_name(verbs: SignIn, scope: str) -> None:
    with pytest.raises(ScopeNotAllowed) as refused:
        verbs.sign_in(SignInAsked(EMAIL, PASSWORD, scopes=("activity.read", scope)), "", HERE)
    assert refused.value.facts["scope"] == scope


def test_an_operators_tokens_hold_their_scopes_until_the_role_is_taken(
    world: IdentityWorld, verbs: SignIn, owl: Account
) -> None:
    set_account(world, owl, roles=frozenset({Role.MEMBER, Role.OPERATOR}))
    tokens = world.signed_in()
    assert set(tokens.scopes) == MEMBER_SCOPES | OPERATOR_SCOPES
    set_account(world, owl, roles=frozenset({Role.MEMBER}))
    with pytest.raises(RefreshTokenInvalid):
        verbs.refresh(tokens.refresh_token, "", HERE)


# ---- states ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "refusal"),
    [(AccountState.SUSPENDED, AccountSuspended), (AccountState.DISABLED, AccountDisabled)],
)
def test_an_account_that_is_kept_out_hears_so_with_the_right_password_only(
    world: IdentityWorld, verbs: SignIn, owl: Account, state: AccountState, refusal: type[ClarityError]
) -> None:
    tokens = world.signed_in()
    set_account(world, owl, state=state)
    with pytest.raises(refusal):
        world.signed_in()
    with pytest.raises(CredentialsWrong):
        world.signed_in(EMAIL, WRONG)
    with pytest.raises(refusal):
        verbs.refresh(tokens.refresh_token, "", HERE)
    assert world.audit.kinds[-3:] == ["sign-in-refused", "sign-in-refused", "refresh-refused"]
    set_account(world, owl, state=AccountState.ACTIVE)
    assert verbs.refresh(tokens.refresh_token, "", HERE).session_id == tokens.session_id


def test_signing_in_to_an_account_that_waits_for_its_erasure_keeps_it(
    world: IdentityWorld, verbs: SignIn, owl: Account
) -> None:
    before = world.signed_in(request_id="r")
    set_account(world, owl, state=AccountState.ERASING)
    with pytest.raises(RefreshTokenInvalid):
        verbs.refresh(before.refresh_token, "", HERE)
    assert world.signed_in(request_id="r") == before  # a repeat of what was before takes nothing back
    assert world.kept == []
    assert world.signed_in().access_token
    assert world.kept == [owl.account_id]


def test_half_a_sign_in_keeps_no_account(world: IdentityWorld, verbs: SignIn, owl: Account, secret: str) -> None:
    set_account(world, owl, state=AccountState.ERASING)
    challenge = world.challenged()
    assert world.kept == []
    verbs.answer(challenge.ticket, ChallengeAnswer(totp_code=world.shown(secret)), "", HERE)
    assert world.kept == [owl.account_id]


# ---- one-time codes --------------------------------------------------------------------------------------------------


def test_with_one_time_codes_on_a_sign_in_waits_for_one(world: IdentityWorld, verbs: SignIn, secret: str) -> None:
    challenge = world.challenged()
    assert (challenge.kind, challenge.expire_time) == (ChallengeKind.TOTP, world.clock() + CHALLENGE_S)
    tokens = verbs.answer(challenge.ticket, ChallengeAnswer(totp_code=world.shown(secret)), "", HERE)
    assert isinstance(tokens, Tokens)
    assert world.caller(tokens).scopes == MEMBER_SCOPES
    assert world.audit.kinds[-3:] == ["sign-in", "challenge-answered", "sign-in"]


def test_a_challenge_keeps_what_its_sign_in_asked_for(world: IdentityWorld, verbs: SignIn, secret: str) -> None:
    said = SignInAsked(EMAIL, PASSWORD, PHONE, short_session=True, scopes=("account.read",))
    challenge = verbs.sign_in(said, "", HERE)
    assert not isinstance(challenge, Tokens)
    world.clock.wait(100)
    tokens = verbs.answer(challenge.ticket, ChallengeAnswer(totp_code=world.shown(secret)), "", HERE)
    assert isinstance(tokens, Tokens)
    assert tokens.scopes == ("account.read",)
    assert tokens.refresh_expire_time == world.clock() + SHORT_SESSION_S
    newest = verbs.sessions(world.caller(tokens), 1, "")[0][0]
    assert (newest.session_id, newest.device, newest.network) == (tokens.session_id, PHONE, HERE.network)


def test_an_answer_repeated_within_a_minute_gets_the_same_bytes(
    world: IdentityWorld, verbs: SignIn, secret: str
) -> None:
    ticket, answer = world.challenged().ticket, ChallengeAnswer(totp_code=world.shown(secret))
    first = verbs.answer(ticket, answer, "r", HERE)
    world.clock.wait(REPEAT_S - 0.5)
    assert verbs.answer(ticket, answer, "r", HERE) == first
    for late_s, request_id in ((0.0, "s"), (0.0, ""), (0.5, "r")):
        world.clock.wait(late_s)
        with pytest.raises(ChallengeEnded):
            verbs.answer(ticket, answer, request_id, HERE)


def test_a_repeat_of_the_sign_in_gets_the_same_challenge(world: IdentityWorld, verbs: SignIn, secret: str) -> None:
    first = world.challenged(request_id="r")
    world.clock.wait(SIGN_IN_KEEP_S - 1)
    assert world.challenged(request_id="r") == first
    verbs.answer(first.ticket, ChallengeAnswer(totp_code=world.shown(secret)), "", HERE)
    assert world.challenged(request_id="r") == first
    with pytest.raises(ChallengeEnded):
        verbs.answer(first.ticket, ChallengeAnswer(totp_code=world.shown(secret)), "", HERE)


def test_a_code_is_taken_once_whoever_sends_it(world: IdentityWorld, verbs: SignIn, secret: str) -> None:
    code = ChallengeAnswer(totp_code=world.shown(secret))
    assert isinstance(verbs.answer(world.challenged().ticket, code, "", HERE), Tokens)
    with pytest.raises(CodeWrong):
        verbs.answer(world.challenged().ticket, code, "", HERE)
    world.clock.wait(STEP_S)
    with pytest.raises(CodeWrong):
        verbs.answer(world.challenged().ticket, code, "", HERE)
    fresh = ChallengeAnswer(totp_code=world.shown(secret))
    assert isinstance(verbs.answer(world.challenged().ticket, fresh, "", HERE), Tokens)


def test_a_phone_may_be_one_step_off_and_not_two(world: IdentityWorld, verbs: SignIn, secret: str) -> None:
    early = ChallengeAnswer(totp_code=world.shown(secret))
    world.clock.wait(2 * STEP_S)
    late = ChallengeAnswer(totp_code=world.shown(secret))
    with pytest.raises(CodeWrong):
        verbs.answer(world.challenged().ticket, early, "", HERE)
    world.clock.wait(-STEP_S)
    assert isinstance(verbs.answer(world.challenged().ticket, late, "", HERE), Tokens)
    with pytest.raises(CodeWrong):  # older than the newest one that was taken
        verbs.answer(world.challenged().ticket, early, "", HERE)


def test_one_code_at_eight_challenges_at_once_begins_one_session(
    world: IdentityWorld, verbs: SignIn, secret: str
) -> None:
    tickets = [world.challenged().ticket for _ in range(8)]
    code = ChallengeAnswer(totp_code=world.shown(secret))
    answers = at_once(8, lambda number: verbs.answer(tickets[number], code, "", HERE))
    assert sorted(type(answer).__name__ for answer in answers) == ["CodeWrong"] * 7 + ["Tokens"]


def test_a_recovery_code_stands_in_once_however_it_is_typed(world: IdentityWorld, verbs: SignIn, owl: Account) -> None:
    _, recovery_codes = world.totp(world.caller(world.signed_in()))
    typed = recovery_codes[3].upper().replace("-", " ")
    spent = ChallengeAnswer(recovery_code=typed)
    tokens = verbs.answer(world.challenged().ticket, spent, "", HERE)
    assert isinstance(tokens, Tokens)
    assert world.verbs().profile.account(world.caller(tokens)).recovery_code_count == 9
    for again in (typed, recovery_codes[3]):
        with pytest.raises(CodeWrong):
            verbs.answer(world.challenged().ticket, ChallengeAnswer(recovery_code=again), "", HERE)
    assert tokens.account_id == owl.account_id


def test_one_recovery_code_at_eight_challenges_at_once_begins_one_session(
    world: IdentityWorld, verbs: SignIn, owl: Account
) -> None:
    _, recovery_codes = world.totp(world.caller(world.signed_in()))
    tickets = [world.challenged().ticket for _ in range(8)]
    code = ChallengeAnswer(recovery_code=recovery_codes[0])
    answers = at_once(8, lambda number: verbs.answer(tickets[number], code, "", HERE))
    assert sorted(type(answer).__name__ for answer in answers) == ["CodeWrong"] * 7 + ["Tokens"]
    assert owl.account_id in {answer.account_id for answer in answers if isinstance(answer, Tokens)}


@pytest.mark.usefixtures("owl")
def test_two_right_answers_to_one_challenge_at_once_begin_one_session(world: IdentityWorld, verbs: SignIn) -> None:
    _, recovery_codes = world.totp(world.caller(world.signed_in()))
    ticket = world.challenged().ticket
    answers = at_once(8, lambda number: verbs.answer(ticket, ChallengeAnswer("", recovery_codes[number]), "", HERE))
    assert [type(answer) for answer in answers].count(Tokens) == 1


def test_a_ticket_takes_five_wrong_codes_and_then_not_the_right_one(
    world: IdentityWorld, verbs: SignIn, secret: str
) -> None:
    ticket = world.challenged().ticket
    for left in range(ATTEMPTS_MAX - 1, -1, -1):
        with pytest.raises(CodeWrong) as refused:
            verbs.answer(ticket, ChallengeAnswer(totp_code="000000"), "", HERE)
        assert refused.value.facts["attempts_left"] == str(left)
    with pytest.raises(ChallengeEnded):
        verbs.answer(ticket, ChallengeAnswer(totp_code=world.shown(secret)), "", HERE)


def test_guesses_are_counted_over_all_tickets_and_recovery_codes_are_taken_all_the_same(
    world: IdentityWorld, verbs: SignIn, owl: Account
) -> None:
    secret, recovery_codes = world.totp(world.caller(world.signed_in()))
    world.clock.wait(STEP_S)
    for _ in range(GUESSES_MAX // ATTEMPTS_MAX):
        ticket = world.challenged().ticket
        for _ in range(ATTEMPTS_MAX):
            with pytest.raises(CodeWrong):
                verbs.answer(ticket, ChallengeAnswer(totp_code="000000"), "", HERE)
    right = ChallengeAnswer(totp_code=world.shown(secret))
    with pytest.raises(RateLimited) as limited:
        verbs.answer(world.challenged().ticket, right, "", HERE)
    assert limited.value.retry_after_s == GUESSES_S - STEP_S
    spare = ChallengeAnswer(recovery_code=recovery_codes[0])
    assert isinstance(verbs.answer(world.challenged().ticket, spare, "", HERE), Tokens)
    world.clock.wait(GUESSES_S)
    fresh = ChallengeAnswer(totp_code=world.shown(secret))
    tokens = verbs.answer(world.challenged().ticket, fresh, "", HERE)
    assert isinstance(tokens, Tokens)
    assert tokens.account_id == owl.account_id


def test_right_codes_use_no_guesses_up(world: IdentityWorld, verbs: SignIn, secret: str) -> None:
    for _ in range(GUESSES_MAX + 5):
        code = ChallengeAnswer(totp_code=world.shown(secret))
        assert isinstance(verbs.answer(world.challenged().ticket, code, "", HERE), Tokens)
        world.clock.wait(STEP_S)


def test_a_challenge_ends_after_five_minutes_and_one_there_never_was_ends_alike(
    world: IdentityWorld, verbs: SignIn, secret: str
) -> None:
    ticket = world.challenged().ticket
    world.clock.wait(CHALLENGE_S)
    for held in (ticket, new_id(), ""):
        with pytest.raises(ChallengeEnded):
            verbs.answer(held, ChallengeAnswer(totp_code=world.shown(secret)), "", HERE)


def test_the_ticket_of_a_code_that_was_mailed_answers_no_challenge(world: IdentityWorld, verbs: SignIn) -> None:
    ticket = world.asks().ticket
    with pytest.raises(ChallengeEnded):
        verbs.answer(ticket, ChallengeAnswer(totp_code="000000"), "", HERE)
    with pytest.raises(ChallengeEnded):
        verbs.answer(ticket, ChallengeAnswer(new_password=OTHER_PASSWORD), "", HERE)


@pytest.mark.usefixtures("secret")
def test_an_answer_of_another_kind_is_a_mistake_and_costs_nothing(world: IdentityWorld, verbs: SignIn) -> None:
    ticket = world.challenged().ticket
    for _ in range(2 * ATTEMPTS_MAX):
        with pytest.raises(InvalidInput):
            verbs.answer(ticket, ChallengeAnswer(new_password=OTHER_PASSWORD), "", HERE)


def test_an_account_suspended_meanwhile_hears_so(
    world: IdentityWorld, verbs: SignIn, owl: Account, secret: str
) -> None:
    ticket = world.challenged().ticket
    set_account(world, owl, state=AccountState.SUSPENDED)
    with pytest.raises(AccountSuspended):
        verbs.answer(ticket, ChallengeAnswer(totp_code=world.shown(secret)), "", HERE)


def test_a_sign_in_that_waits_ends_when_the_password_is_changed(
    world: IdentityWorld, verbs: SignIn, secret: str
) -> None:
    ticket = world.challenged().ticket
    world.clock.wait(1)
    proofs = world.verbs().proofs
    proofs.reset(proofs.request_reset(EMAIL, HERE).ticket, world.code(), OTHER_PASSWORD, HERE)
    with pytest.raises(ChallengeEnded):
        verbs.answer(ticket, ChallengeAnswer(totp_code=world.shown(secret)), "", HERE)


def test_a_sign_in_that_waits_ends_when_the_roles_are_taken(
    world: IdentityWorld, verbs: SignIn, owl: Account, secret: str
) -> None:
    set_account(world, owl, roles=frozenset({Role.MEMBER, Role.OPERATOR}))
    ticket = world.challenged().ticket
    set_account(world, owl, roles=frozenset({Role.MEMBER}))
    with pytest.raises(ChallengeEnded):
        verbs.answer(ticket, ChallengeAnswer(totp_code=world.shown(secret)), "", HERE)


# ---- a new password --------------------------------------------------------------------------------------------------


def test_a_password_set_by_somebody_else_has_to_be_changed_first(
    world: IdentityWorld, verbs: SignIn, owl: Account
) -> None:
    set_account(world, owl, must_change_password=True)
    challenge = world.challenged()
    assert challenge.kind is ChallengeKind.NEW_PASSWORD
    with pytest.raises(InvalidInput) as refused:
        verbs.answer(challenge.ticket, ChallengeAnswer(new_password=PASSWORD), "r", HERE)
    assert set(refused.value.violations) == {"new_password"}
    answer = ChallengeAnswer(new_password=OTHER_PASSWORD)
    tokens = verbs.answer(challenge.ticket, answer, "r", HERE)
    assert isinstance(tokens, Tokens)
    assert verbs.answer(challenge.ticket, answer, "r", HERE) == tokens
    assert world.signed_in(password=OTHER_PASSWORD).account_id == owl.account_id
    with pytest.raises(CredentialsWrong):
        world.signed_in()


def test_who_else_knows_the_password_that_was_set_comes_too_late(
    world: IdentityWorld, verbs: SignIn, owl: Account
) -> None:
    set_account(world, owl, must_change_password=True)
    mine, theirs = world.challenged().ticket, world.challenged().ticket
    verbs.answer(mine, ChallengeAnswer(new_password=OTHER_PASSWORD), "", HERE)
    with pytest.raises(ChallengeEnded):
        verbs.answer(theirs, ChallengeAnswer(new_password="Thi-3f!!"), "", HERE)
    assert world.signed_in(password=OTHER_PASSWORD).access_token


def test_the_one_time_code_comes_before_the_new_password(
    world: IdentityWorld, verbs: SignIn, owl: Account, secret: str
) -> None:
    set_account(world, owl, must_change_password=True)
    first = world.challenged()
    code, password = ChallengeAnswer(totp_code=world.shown(secret)), ChallengeAnswer(new_password=OTHER_PASSWORD)
    with pytest.raises(InvalidInput):
        verbs.answer(first.ticket, password, "", HERE)
    second = verbs.answer(first.ticket, code, "one", HERE)
    assert second == replace(first, kind=ChallengeKind.NEW_PASSWORD)
    assert verbs.answer(first.ticket, code, "one", HERE) == second
    with pytest.raises(InvalidInput):
        verbs.answer(first.ticket, code, "", HERE)
    tokens = verbs.answer(second.ticket, password, "two", HERE)
    assert isinstance(tokens, Tokens)
    assert verbs.answer(first.ticket, code, "one", HERE) == second
    assert verbs.answer(second.ticket, password, "two", HERE) == tokens


# ---- refreshing ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("owl")
def test_a_refresh_gives_new_tokens_of_the_same_session(world: IdentityWorld, verbs: SignIn) -> None:
    first = world.signed_in()
    world.clock.wait(500)
    second = verbs.refresh(first.refresh_token, "r", HERE)
    assert (second.session_id, second.account_id) == (first.session_id, first.account_id)
    assert second.refresh_token != first.refresh_token
    assert second.access_expire_time == first.access_expire_time + 500
    assert second.refresh_expire_time == first.refresh_expire_time + 500


@pytest.mark.usefixtures("owl")
def test_a_lost_reply_can_be_asked_for_again_for_a_minute(world: IdentityWorld, verbs: SignIn) -> None:
    first = world.signed_in()
    second = verbs.refresh(first.refresh_token, "r", HERE)
    world.clock.wait(REPEAT_S - 0.5)
    assert verbs.refresh(first.refresh_token, "r", HERE) == second
    assert verbs.refresh(second.refresh_token, "s", HERE).session_id == first.session_id


@pytest.mark.usefixtures("owl")
@pytest.mark.parametrize(
    ("waited", "spent_under", "asked_under"),
    [(REPEAT_S, "r", "r"), (0, "r", "s"), (0, "r", ""), (0, "", ""), (0, "", "r")],
)
def test_any_other_use_of_a_spent_token_ends_the_session(
    world: IdentityWorld, verbs: SignIn, waited: float, spent_under: str, asked_under: str
) -> None:
    first = world.signed_in()
    second = verbs.refresh(first.refresh_token, spent_under, HERE)
    world.clock.wait(waited)
    with pytest.raises(RefreshTokenReused):
        verbs.refresh(first.refresh_token, asked_under, HERE)
    assert world.ended == [first.session_id]
    for token in (first.refresh_token, second.refresh_token):
        with pytest.raises(RefreshTokenInvalid):
            verbs.refresh(token, asked_under, HERE)


@pytest.mark.usefixtures("owl")
def test_the_token_before_the_last_spent_one_ends_the_session_whatever_its_request_id(
    world: IdentityWorld, verbs: SignIn
) -> None:
    first = world.signed_in()
    second = verbs.refresh(first.refresh_token, "r", HERE)
    verbs.refresh(second.refresh_token, "r", HERE)
    with pytest.raises(RefreshTokenReused):
        verbs.refresh(first.refresh_token, "r", HERE)


@pytest.mark.usefixtures("owl")
def test_a_session_ends_thirty_days_after_its_newest_refresh(world: IdentityWorld, verbs: SignIn) -> None:
    first = world.signed_in()
    world.clock.wait(SESSION_S - 1)
    second = verbs.refresh(first.refresh_token, "", HERE)
    world.clock.wait(SESSION_S - 1)
    third = verbs.refresh(second.refresh_token, "", HERE)
    world.clock.wait(SESSION_S)
    with pytest.raises(RefreshTokenInvalid):
        verbs.refresh(third.refresh_token, "", HERE)


@pytest.mark.usefixtures("owl")
def test_a_token_that_we_did_not_derive_is_invalid_and_harms_no_session(world: IdentityWorld, verbs: SignIn) -> None:
    first = world.signed_in()
    key = world.keys.derived("refresh")
    forgeries = [
        "",
        "garbage",
        refresh_token(b"k" * 32, first.session_id, 0),  # another key
        refresh_token(key, new_id(), 0),  # ours, of a session that does not exist
        refresh_token(key, first.session_id, 1),  # ours, and not given out yet
        first.access_token,
    ]
    for forgery in forgeries:
        with pytest.raises(RefreshTokenInvalid):
            verbs.refresh(forgery, "r", HERE)
    assert verbs.refresh(first.refresh_token, "r", HERE).session_id == first.session_id


@pytest.mark.usefixtures("owl")
def test_a_derived_token_whose_hash_is_not_the_stored_one_is_invalid(world: IdentityWorld, verbs: SignIn) -> None:
    first = world.signed_in()
    row = world.sessions.get(first.session_id)
    assert row is not None
    world.sessions.advance(row, replace(row, refresh_hash=b"another"))
    with pytest.raises(RefreshTokenInvalid):
        verbs.refresh(first.refresh_token, "r", HERE)


@pytest.mark.usefixtures("owl")
def test_two_refreshes_at_once_under_one_request_id_agree(world: IdentityWorld, verbs: SignIn) -> None:
    for _ in range(8):
        first = world.signed_in()
        answers = raced(verbs, first, "r", "r")
        assert answers[0] == answers[1]
        assert isinstance(answers[0], Tokens)
        assert verbs.refresh(answers[0].refresh_token, "", HERE).session_id == first.session_id


@pytest.mark.usefixtures("owl")
def test_of_two_refreshes_at_once_under_different_request_ids_one_wins_and_the_other_ends_the_session(
    world: IdentityWorld, verbs: SignIn
) -> None:
    for _ in range(8):
        first = world.signed_in()
        answers = raced(verbs, first, "r", "s")
        assert {type(answer) for answer in answers} == {Tokens, RefreshTokenReused}
        assert world.ended.pop() == first.session_id
        [won] = [answer for answer in answers if isinstance(answer, Tokens)]
        with pytest.raises(RefreshTokenInvalid):
            verbs.refresh(won.refresh_token, "", HERE)


@pytest.mark.usefixtures("owl")
def test_a_session_goes_on_in_another_process(tmp_path: Path, world: IdentityWorld, verbs: SignIn) -> None:
    first = world.signed_in()
    second = verbs.refresh(first.refresh_token, "r", HERE)
    with identity_world(tmp_path, world.clock) as other:
        assert other.verbs().sign_in.refresh(first.refresh_token, "r", HERE) == second
        assert other.verbs().sign_in.refresh(second.refresh_token, "", HERE).session_id == first.session_id


# ---- sessions and their ends -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("owl")
def test_sign_out_ends_the_session_for_good_and_tells_of_it(world: IdentityWorld, verbs: SignIn) -> None:
    tokens = world.signed_in()
    verbs.sign_out(world.caller(tokens), HERE)
    assert world.ended == [tokens.session_id]
    assert world.sessions.ended_since(NOW) == [tokens.session_id]
    with pytest.raises(RefreshTokenInvalid):
        verbs.refresh(tokens.refresh_token, "", HERE)


@pytest.mark.usefixtures("owl")
def test_sign_out_again_changes_nothing(world: IdentityWorld, verbs: SignIn) -> None:
    caller = world.caller(world.signed_in())
    verbs.sign_out(caller, HERE)
    world.clock.wait(100)
    verbs.sign_out(caller, HERE)
    assert world.sessions.ended_since(NOW + 1) == []


@pytest.mark.usefixtures("owl")
def test_sign_out_leaves_the_accounts_other_sessions_alone(world: IdentityWorld, verbs: SignIn) -> None:
    tokens, other = world.signed_in(), world.signed_in()
    verbs.sign_out(world.caller(tokens), HERE)
    assert verbs.refresh(other.refresh_token, "", HERE).session_id == other.session_id


@pytest.mark.usefixtures("owl")
def test_sign_out_everywhere_ends_all_sessions_of_the_account_and_of_nobody_else(
    world: IdentityWorld, verbs: SignIn
) -> None:
    world.member(OTHER_EMAIL)
    mine, theirs = [world.signed_in() for _ in range(3)], world.signed_in(OTHER_EMAIL)
    verbs.sign_out(world.caller(mine[1]), HERE, everywhere=True)
    assert sorted(world.ended) == sorted(tokens.session_id for tokens in mine)
    for tokens in mine:
        with pytest.raises(RefreshTokenInvalid):
            verbs.refresh(tokens.refresh_token, "", HERE)
    assert verbs.refresh(theirs.refresh_token, "", HERE).session_id == theirs.session_id


def signed_in_often(world: IdentityWorld, count: int) -> list[Tokens]:
    """Sessions a second apart, the newest first."""
    made = []
    for _ in range(count):
        made.append(world.signed_in())
        world.clock.wait(1)
    return made[::-1]


@pytest.mark.usefixtures("owl")
def test_sessions_are_listed_by_page_the_newest_first_without_those_that_ended(
    world: IdentityWorld, verbs: SignIn
) -> None:
    made = signed_in_often(world, 7)
    caller = world.caller(made[0])
    verbs.revoke(caller, made[3].session_id, HERE)
    listed: list[str] = []
    token = ""
    for expected in (4, 2):
        page, token = verbs.sessions(caller, 4, token)
        assert len(page) == expected
        listed += [session.session_id for session in page]
    assert token == ""
    assert listed == [tokens.session_id for number, tokens in enumerate(made) if number != 3]


@pytest.mark.usefixtures("owl")
def test_a_session_tells_what_it_was_begun_with_and_when(world: IdentityWorld, verbs: SignIn) -> None:
    said = SignInAsked(EMAIL, PASSWORD, PHONE, scopes=("account.read",))
    tokens = verbs.sign_in(said, "", HERE)
    assert isinstance(tokens, Tokens)
    world.clock.wait(60)
    verbs.refresh(tokens.refresh_token, "", HERE)
    [listed], _ = verbs.sessions(world.caller(tokens), 0, "")
    assert (listed.device, listed.network, listed.scopes) == (PHONE, HERE.network, ("account.read",))
    assert (listed.create_time, listed.refresh_time) == (NOW, NOW + 60)
    assert listed.expire_time == NOW + 60 + SESSION_S


@pytest.mark.usefixtures("owl")
def test_a_page_token_of_another_account_is_none(world: IdentityWorld, verbs: SignIn) -> None:
    mine = world.caller(signed_in_often(world, 3)[0])
    world.member(OTHER_EMAIL)
    theirs = world.caller(world.signed_in(OTHER_EMAIL))
    _, token = verbs.sessions(mine, 1, "")
    with pytest.raises(PageTokenInvalid):
        verbs.sessions(theirs, 1, token)


@pytest.mark.usefixtures("owl")
def test_a_session_can_be_revoked_by_its_owner_and_by_nobody_else(world: IdentityWorld, verbs: SignIn) -> None:
    mine, lost = world.signed_in(), world.signed_in()
    world.member(OTHER_EMAIL)
    stranger = world.caller(world.signed_in(OTHER_EMAIL))
    for session_id in (lost.session_id, new_id()):
        with pytest.raises(SessionNotFound):
            verbs.revoke(stranger, session_id, HERE)
    for _ in range(2):
        verbs.revoke(world.caller(mine), lost.session_id, HERE)
    assert world.ended == [lost.session_id]
    assert world.audit.kinds.count("session-revoked") == 1
    with pytest.raises(RefreshTokenInvalid):
        verbs.refresh(lost.refresh_token, "", HERE)


# ---- any plan of refreshes -------------------------------------------------------------------------------------------


class RefreshPlan(RuleBasedStateMachine):
    """A session against its model: which tokens there are, how the newest came to be, and whether the session lives."""

    def __init__(self, world: IdentityWorld) -> None:
        super().__init__()
        self.world, self.verbs = world, world.verbs().sign_in
        self.answers = [world.signed_in()]
        self.caller = world.caller(self.answers[0])
        self.spent_under, self.spent_at = "", world.clock.now
        self.ended = False

    @rule(seconds=st.sampled_from([1, REPEAT_S - 1, REPEAT_S, ACCESS_S, SESSION_S - 1, SESSION_S]))
    def wait(self, seconds: int) -> None:
        self.world.clock.wait(seconds)

    @rule(back=st.integers(0, 3), request_id=st.sampled_from(["", "r", "s"]))
    def refresh(self, back: int, request_id: str) -> None:
        """Present the newest token, or one `back` steps older."""
        back = min(back, len(self.answers) - 1)
        expected = self.expected(back, request_id)
        try:
            answer: Tokens | type[ClarityError] = self.verbs.refresh(
                self.answers[-1 - back].refresh_token, request_id, HERE
            )
        except (RefreshTokenInvalid, RefreshTokenReused) as refused:
            answer = type(refused)
        if expected is None:
            self.note_new(answer, request_id)
        else:
            assert answer == expected
        if expected is RefreshTokenReused:
            self.ended = True
            assert self.world.ended.pop() == self.answers[0].session_id

    @rule()
    def forge(self) -> None:
        """Present the token that would come next, made with another key."""
        with pytest.raises(RefreshTokenInvalid):
            self.verbs.refresh(refresh_token(b"k" * 32, self.answers[0].session_id, len(self.answers)), "r", HERE)

    @rule()
    def sign_out(self) -> None:
        self.verbs.sign_out(self.caller, HERE)
        self.ended = True

    def expected(self, back: int, request_id: str) -> Tokens | type[ClarityError] | None:
        """The answer foretold; None for new tokens."""
        now = self.world.clock.now
        if self.ended or now >= self.spent_at + SESSION_S:
            return RefreshTokenInvalid
        if back == 0:
            return None
        prompt = now < self.spent_at + REPEAT_S
        if back == 1 and prompt and request_id and request_id == self.spent_under:
            return self.answers[-1]
        return RefreshTokenReused

    def note_new(self, answer: Tokens | type[ClarityError], request_id: str) -> None:
        assert isinstance(answer, Tokens)
        assert answer.session_id == self.answers[0].session_id
        assert answer.refresh_token not in {earlier.refresh_token for earlier in self.answers}
        assert answer.refresh_expire_time == self.world.clock.now + SESSION_S
        self.answers.append(answer)
        self.spent_under, self.spent_at = request_id, self.world.clock.now


@pytest.mark.usefixtures("owl")
def test_any_plan_of_refreshes_does_what_the_model_foretells(world: IdentityWorld) -> None:
    class Plan(RefreshPlan):
        def __init__(self) -> None:
            super().__init__(world)

    run_state_machine_as_test(
        Plan,
        settings=settings(
            max_examples=150,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
