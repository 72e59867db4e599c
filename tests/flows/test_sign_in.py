"""Accounts are made once, sessions begin and go on for whoever holds their newest token, and for nobody else."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from clarity_server.adapters.local.hashing import Cost, Hashing
from clarity_server.domain.accounts import Identity, Tokens
from clarity_server.domain.errors import (
    Busy,
    ClarityError,
    CredentialsWrong,
    EmailTaken,
    FeatureOff,
    RefreshTokenInvalid,
    RefreshTokenReused,
    RequestIdReused,
    SessionEnded,
)
from clarity_server.domain.ids import new_id
from clarity_server.domain.tokens import ACCESS_S, public_keys, refresh_token, verify_access
from clarity_server.flows.sign_in import REPEAT_S, SESSION_S, SIGN_IN_KEEP_S, SIGN_UP_KEEP_S, SignIn
from tests.contracts.identity_world import (
    CHEAP,
    EMAIL,
    NOW,
    PASSWORD,
    IdentityWorld,
    at_once,
    identity_world,
)

DEARER = Cost(memory_kib=16, passes=1, lanes=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[IdentityWorld]:
    with identity_world(tmp_path) as world:
        yield world


@pytest.fixture
def verbs(world: IdentityWorld) -> SignIn:
    return world.verbs()


def signed_in(verbs: SignIn, request_id: str = "") -> Tokens:
    """A new session of the one account, made where there is none."""
    with suppress(EmailTaken):
        verbs.sign_up(EMAIL, PASSWORD, "", "")
    return verbs.sign_in(EMAIL, PASSWORD, request_id)


def raced(verbs: SignIn, tokens: Tokens, *request_ids: str) -> list[Tokens | Exception]:
    """The answers to one refresh token presented at once under each of the request_ids."""
    return at_once(len(request_ids), lambda number: verbs.refresh(tokens.refresh_token, request_ids[number]))


def identity(tokens: Tokens) -> Identity:
    return Identity(tokens.account_id, tokens.session_id, tokens.access_expire_time)


# ---- signing up ------------------------------------------------------------------------------------------------------


def test_a_new_account_has_what_was_given_without_the_blanks_around_the_address(verbs: SignIn) -> None:
    account = verbs.sign_up(f"  {EMAIL}\n", PASSWORD, "Owl", "")
    assert (account.email, account.display_name, account.create_time.timestamp()) == (EMAIL, "Owl", NOW)


def test_an_account_read_a_moment_ago_is_known_without_reading_it_again(world: IdentityWorld, verbs: SignIn) -> None:
    account = verbs.sign_up("owl@example.org", "Night-0wl", "Owl", "")
    caller = Identity(account.account_id, "session", 0.0)
    assert verbs.known_account(caller) is None
    assert verbs.account(caller) == account
    assert verbs.known_account(caller) == account
    world.clock.now += 1.0
    assert verbs.known_account(caller) is None


def test_an_address_has_one_account_in_whatever_case(verbs: SignIn) -> None:
    verbs.sign_up(EMAIL, PASSWORD, "", "first")
    with pytest.raises(EmailTaken):
        verbs.sign_up(EMAIL.upper(), PASSWORD, "", "second")


def test_a_repeat_of_sign_up_gets_the_first_account_for_a_day(world: IdentityWorld, verbs: SignIn) -> None:
    first = verbs.sign_up(EMAIL, PASSWORD, "Owl", "r")
    world.clock.wait(SIGN_UP_KEEP_S - 1)
    assert verbs.sign_up(EMAIL, PASSWORD, "Owl", "r") == first


def test_after_a_day_the_same_request_is_a_new_one_and_finds_the_address_taken(
    world: IdentityWorld, verbs: SignIn
) -> None:
    verbs.sign_up(EMAIL, PASSWORD, "Owl", "r")
    world.clock.wait(SIGN_UP_KEEP_S)
    with pytest.raises(EmailTaken):
        verbs.sign_up(EMAIL, PASSWORD, "Owl", "r")


@pytest.mark.parametrize(
    "body",
    [("lark@example.org", PASSWORD, "Owl"), (EMAIL, f"{PASSWORD}!", "Owl"), (EMAIL, PASSWORD, "Lark")],
    ids=["email", "password", "display_name"],
)
def test_sign_up_with_another_body_under_the_same_request_id_is_refused(
    verbs: SignIn, body: tuple[str, str, str]
) -> None:
    verbs.sign_up(EMAIL, PASSWORD, "Owl", "r")
    with pytest.raises(RequestIdReused):
        verbs.sign_up(*body, "r")


def test_without_a_request_id_the_second_sign_up_finds_the_address_taken(verbs: SignIn) -> None:
    verbs.sign_up(EMAIL, PASSWORD, "", "")
    with pytest.raises(EmailTaken):
        verbs.sign_up(EMAIL, PASSWORD, "", "")


def test_a_sign_up_that_failed_fails_the_same_way_when_repeated(verbs: SignIn) -> None:
    verbs.sign_up(EMAIL, PASSWORD, "", "")
    for _ in range(2):
        with pytest.raises(EmailTaken):
            verbs.sign_up(EMAIL, PASSWORD, "", "late")


def test_eight_repeats_at_once_make_one_account_and_all_get_it(verbs: SignIn) -> None:
    answers = at_once(8, lambda _: verbs.sign_up(EMAIL, PASSWORD, "Owl", "r"))
    assert len(set(answers)) == 1
    assert not isinstance(answers[0], Exception)


def test_of_eight_strangers_with_one_address_one_gets_an_account(verbs: SignIn) -> None:
    answers = at_once(8, lambda number: verbs.sign_up(EMAIL, PASSWORD, "", f"r{number}"))
    assert [type(answer) for answer in answers].count(EmailTaken) == 7


def test_a_sign_up_that_found_the_hashing_busy_succeeds_when_repeated(world: IdentityWorld) -> None:
    full = Hashing(CHEAP, workers=1, waiting_max=-1)  # not one place
    with pytest.raises(Busy):
        world.verbs(hashing=full).sign_up(EMAIL, PASSWORD, "", "r")
    full.close()
    account = world.verbs().sign_up(EMAIL, PASSWORD, "", "r")
    assert world.verbs().sign_up(EMAIL, PASSWORD, "", "r") == account


def test_a_repeat_of_sign_up_needs_no_hash_and_so_is_never_busy(world: IdentityWorld, verbs: SignIn) -> None:
    account = verbs.sign_up(EMAIL, PASSWORD, "", "r")
    full = Hashing(CHEAP, workers=1, waiting_max=-1)  # not one place
    assert world.verbs(hashing=full).sign_up(EMAIL, PASSWORD, "", "r") == account
    full.close()


def test_with_sign_up_closed_nobody_makes_an_account_and_members_sign_in(world: IdentityWorld, verbs: SignIn) -> None:
    verbs.sign_up(EMAIL, PASSWORD, "", "r")
    closed = world.verbs(sign_up_open=False)
    for request_id in ("", "r", "new"):
        with pytest.raises(FeatureOff):
            closed.sign_up(EMAIL, PASSWORD, "", request_id)
    assert closed.sign_in(EMAIL, PASSWORD, "").access_token


# ---- signing in ------------------------------------------------------------------------------------------------------


def test_a_sign_in_gives_tokens_of_the_account_with_the_promised_ends(world: IdentityWorld, verbs: SignIn) -> None:
    account = verbs.sign_up(EMAIL, PASSWORD, "", "")
    tokens = verbs.sign_in(EMAIL.lower(), PASSWORD, "")
    assert verify_access(tokens.access_token, public_keys(world.keys.jwks()), NOW) == identity(tokens)
    assert tokens.account_id == account.account_id
    assert tokens.access_expire_time == int(NOW) + ACCESS_S
    assert tokens.refresh_expire_time == NOW + SESSION_S


@pytest.mark.parametrize(("email", "password"), [("lark@example.org", PASSWORD), (EMAIL, "Night-0wL")])
def test_an_unknown_address_and_a_wrong_password_hear_the_same(verbs: SignIn, email: str, password: str) -> None:
    verbs.sign_up(EMAIL, PASSWORD, "", "")
    with pytest.raises(CredentialsWrong) as refused:
        verbs.sign_in(email, password, "r")
    assert str(refused.value) == str(CredentialsWrong())
    assert refused.value.facts == {}


def test_every_sign_in_begins_a_session_of_its_own(verbs: SignIn) -> None:
    assert signed_in(verbs).session_id != signed_in(verbs).session_id
    assert signed_in(verbs, "one").session_id != signed_in(verbs, "other").session_id


def test_a_repeat_of_sign_in_gets_the_same_bytes_for_a_minute(world: IdentityWorld, verbs: SignIn) -> None:
    first = signed_in(verbs, "r")
    world.clock.wait(SIGN_IN_KEEP_S - 0.5)
    assert verbs.sign_in(EMAIL, PASSWORD, "r") == first


def test_after_a_minute_the_same_request_id_begins_a_new_session(world: IdentityWorld, verbs: SignIn) -> None:
    first = signed_in(verbs, "r")
    world.clock.wait(SIGN_IN_KEEP_S)
    second = verbs.sign_in(EMAIL, PASSWORD, "r")
    assert second.session_id != first.session_id
    assert verbs.refresh(second.refresh_token, "").session_id == second.session_id


def test_a_repeat_of_sign_in_gets_the_same_bytes_even_after_a_refresh(world: IdentityWorld, verbs: SignIn) -> None:
    first = signed_in(verbs, "r")
    world.clock.wait(2)
    verbs.refresh(first.refresh_token, "")
    assert verbs.sign_in(EMAIL, PASSWORD, "r") == first


def test_a_repeat_of_sign_in_does_not_bring_an_ended_session_back(verbs: SignIn) -> None:
    first = signed_in(verbs, "r")
    verbs.sign_out(identity(first))
    assert verbs.sign_in(EMAIL, PASSWORD, "r") == first
    with pytest.raises(RefreshTokenInvalid):
        verbs.refresh(first.refresh_token, "")


def test_a_repeat_of_sign_in_with_a_wrong_password_hears_only_that(verbs: SignIn) -> None:
    signed_in(verbs, "r")
    with pytest.raises(CredentialsWrong):
        verbs.sign_in(EMAIL, "Night-0wL", "r")


def test_sign_in_with_another_body_under_the_same_request_id_is_refused(verbs: SignIn) -> None:
    signed_in(verbs, "r")
    with pytest.raises(RequestIdReused):
        verbs.sign_in(EMAIL.lower(), PASSWORD, "r")


def test_sign_in_with_the_new_password_under_the_request_id_of_the_old_one_is_refused(
    world: IdentityWorld, verbs: SignIn
) -> None:
    account_id = signed_in(verbs, "r").account_id
    found = world.accounts.by_email(EMAIL)
    assert found is not None
    world.accounts.rehash(account_id, found.password_hash, world.hashing.hash("Day-1ark!"))
    with pytest.raises(RequestIdReused):
        verbs.sign_in(EMAIL, "Day-1ark!", "r")


def test_another_accounts_request_id_is_like_one_that_does_not_exist(verbs: SignIn) -> None:
    signed_in(verbs, "r")
    lark = verbs.sign_up("lark@example.org", PASSWORD, "", "")
    assert verbs.sign_in("lark@example.org", PASSWORD, "r").account_id == lark.account_id


def test_eight_repeats_of_sign_in_at_once_agree(verbs: SignIn) -> None:
    verbs.sign_up(EMAIL, PASSWORD, "", "")
    answers = at_once(8, lambda _: verbs.sign_in(EMAIL, PASSWORD, "r"))
    assert len(set(answers)) == 1
    assert isinstance(answers[0], Tokens)


def test_a_repeat_after_a_crash_between_the_answer_and_the_session_begins_the_session(world: IdentityWorld) -> None:
    verbs = world.verbs()
    first = signed_in(verbs, "r")
    world.database.write(lambda connection: connection.execute("DELETE FROM sessions").close())
    assert verbs.sign_in(EMAIL, PASSWORD, "r") == first
    assert verbs.refresh(first.refresh_token, "").session_id == first.session_id


def test_a_password_in_another_composition_of_the_same_letters_is_the_same_password(verbs: SignIn) -> None:
    verbs.sign_up(EMAIL, "N\u00e4cht-0wl", "", "")
    assert verbs.sign_in(EMAIL, "Na\u0308cht-0wl", "").access_token


def test_a_password_of_an_older_cost_is_hashed_anew_at_sign_in(world: IdentityWorld, verbs: SignIn) -> None:
    signed_in(verbs)
    before = world.accounts.by_email(EMAIL)
    dearer = Hashing(DEARER)
    world.verbs(hashing=dearer).sign_in(EMAIL, PASSWORD, "")
    dearer.close()
    after = world.accounts.by_email(EMAIL)
    assert before is not None
    assert after is not None
    assert "m=8,t=1,p=1" in before.password_hash
    assert "m=16,t=1,p=1" in after.password_hash
    assert verbs.sign_in(EMAIL, PASSWORD, "").access_token


def test_a_wrong_password_is_not_hashed_anew(world: IdentityWorld, verbs: SignIn) -> None:
    signed_in(verbs)
    before = world.accounts.by_email(EMAIL)
    dearer = Hashing(DEARER)
    with pytest.raises(CredentialsWrong):
        world.verbs(hashing=dearer).sign_in(EMAIL, "Night-0wL", "")
    dearer.close()
    assert world.accounts.by_email(EMAIL) == before


# ---- refreshing ------------------------------------------------------------------------------------------------------


def test_a_refresh_gives_new_tokens_of_the_same_session(world: IdentityWorld, verbs: SignIn) -> None:
    first = signed_in(verbs)
    world.clock.wait(500)
    second = verbs.refresh(first.refresh_token, "r")
    assert (second.session_id, second.account_id) == (first.session_id, first.account_id)
    assert second.refresh_token != first.refresh_token
    assert second.access_expire_time == first.access_expire_time + 500
    assert second.refresh_expire_time == first.refresh_expire_time + 500


def test_a_lost_reply_can_be_asked_for_again_for_a_minute(world: IdentityWorld, verbs: SignIn) -> None:
    first = signed_in(verbs)
    second = verbs.refresh(first.refresh_token, "r")
    world.clock.wait(REPEAT_S - 0.5)
    assert verbs.refresh(first.refresh_token, "r") == second
    assert verbs.refresh(second.refresh_token, "s").session_id == first.session_id


@pytest.mark.parametrize(
    ("waited", "spent_under", "asked_under"),
    [(REPEAT_S, "r", "r"), (0, "r", "s"), (0, "r", ""), (0, "", ""), (0, "", "r")],
)
def test_any_other_use_of_a_spent_token_ends_the_session(
    world: IdentityWorld, verbs: SignIn, waited: float, spent_under: str, asked_under: str
) -> None:
    first = signed_in(verbs)
    second = verbs.refresh(first.refresh_token, spent_under)
    world.clock.wait(waited)
    with pytest.raises(RefreshTokenReused):
        verbs.refresh(first.refresh_token, asked_under)
    assert world.ended == [first.session_id]
    for token in (first.refresh_token, second.refresh_token):
        with pytest.raises(RefreshTokenInvalid):
            verbs.refresh(token, asked_under)


def test_the_token_before_the_last_spent_one_ends_the_session_whatever_its_request_id(verbs: SignIn) -> None:
    first = signed_in(verbs)
    second = verbs.refresh(first.refresh_token, "r")
    verbs.refresh(second.refresh_token, "r")
    with pytest.raises(RefreshTokenReused):
        verbs.refresh(first.refresh_token, "r")


def test_a_session_ends_thirty_days_after_its_newest_refresh(world: IdentityWorld, verbs: SignIn) -> None:
    first = signed_in(verbs)
    world.clock.wait(SESSION_S - 1)
    second = verbs.refresh(first.refresh_token, "")
    world.clock.wait(SESSION_S - 1)
    third = verbs.refresh(second.refresh_token, "")
    world.clock.wait(SESSION_S)
    with pytest.raises(RefreshTokenInvalid):
        verbs.refresh(third.refresh_token, "")


def test_a_token_that_we_did_not_derive_is_invalid_and_harms_no_session(world: IdentityWorld, verbs: SignIn) -> None:
    first = signed_in(verbs)
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
            verbs.refresh(forgery, "r")
    assert verbs.refresh(first.refresh_token, "r").session_id == first.session_id


def test_a_derived_token_whose_hash_is_not_the_stored_one_is_invalid(world: IdentityWorld, verbs: SignIn) -> None:
    first = signed_in(verbs)
    row = world.sessions.get(first.session_id)
    assert row is not None
    world.sessions.advance(row, replace(row, refresh_hash=b"another"))
    with pytest.raises(RefreshTokenInvalid):
        verbs.refresh(first.refresh_token, "r")


def test_two_refreshes_at_once_under_one_request_id_agree(verbs: SignIn) -> None:
    for _ in range(8):
        first = signed_in(verbs)
        answers = raced(verbs, first, "r", "r")
        assert answers[0] == answers[1]
        assert isinstance(answers[0], Tokens)
        assert verbs.refresh(answers[0].refresh_token, "").session_id == first.session_id


def test_of_two_refreshes_at_once_under_different_request_ids_one_wins_and_the_other_ends_the_session(
    world: IdentityWorld, verbs: SignIn
) -> None:
    for _ in range(8):
        first = signed_in(verbs)
        answers = raced(verbs, first, "r", "s")
        assert {type(answer) for answer in answers} == {Tokens, RefreshTokenReused}
        assert world.ended.pop() == first.session_id
        [won] = [answer for answer in answers if isinstance(answer, Tokens)]
        with pytest.raises(RefreshTokenInvalid):
            verbs.refresh(won.refresh_token, "")


def test_a_session_goes_on_in_another_process(tmp_path: Path, world: IdentityWorld, verbs: SignIn) -> None:
    first = signed_in(verbs)
    second = verbs.refresh(first.refresh_token, "r")
    with identity_world(tmp_path, world.clock) as other:
        assert other.verbs().refresh(first.refresh_token, "r") == second
        assert other.verbs().refresh(second.refresh_token, "").session_id == first.session_id


# ---- signing out, and the account ------------------------------------------------------------------------------------


def test_sign_out_ends_the_session_for_good_and_tells_of_it(world: IdentityWorld, verbs: SignIn) -> None:
    tokens = signed_in(verbs)
    verbs.sign_out(identity(tokens))
    assert world.ended == [tokens.session_id]
    assert world.sessions.ended_since(NOW) == [tokens.session_id]
    with pytest.raises(RefreshTokenInvalid):
        verbs.refresh(tokens.refresh_token, "")


def test_sign_out_again_changes_nothing(world: IdentityWorld, verbs: SignIn) -> None:
    tokens = signed_in(verbs)
    verbs.sign_out(identity(tokens))
    world.clock.wait(100)
    verbs.sign_out(identity(tokens))
    assert world.sessions.ended_since(NOW + 1) == []


def test_sign_out_leaves_the_accounts_other_sessions_alone(verbs: SignIn) -> None:
    tokens, other = signed_in(verbs), signed_in(verbs)
    verbs.sign_out(identity(tokens))
    assert verbs.refresh(other.refresh_token, "").session_id == other.session_id


def test_the_calling_account_is_the_one_that_signed_up(verbs: SignIn) -> None:
    account = verbs.sign_up(EMAIL, PASSWORD, "Owl", "")
    assert verbs.account(identity(verbs.sign_in(EMAIL, PASSWORD, ""))) == account


def test_a_call_of_an_account_that_is_gone_hears_that_its_session_ended(verbs: SignIn) -> None:
    with pytest.raises(SessionEnded):
        verbs.account(Identity(new_id(), new_id(), NOW))


# ---- what the store gives away ---------------------------------------------------------------------------------------


def test_the_digest_of_a_body_cannot_be_guessed_without_the_keys(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "other"):
        with identity_world(tmp_path / name) as world:
            world.verbs().sign_up(EMAIL, PASSWORD, "", "r")
            with world.database.read() as connection:
                digests.append(connection.execute("SELECT body_digest FROM requests").fetchall())
    assert digests[0] != digests[1]


# ---- any plan of refreshes -------------------------------------------------------------------------------------------


class RefreshPlan(RuleBasedStateMachine):
    """A session against its model: which tokens there are, how the newest came to be, and whether the session lives."""

    def __init__(self, world: IdentityWorld) -> None:
        super().__init__()
        self.world, self.verbs = world, world.verbs()
        self.answers = [signed_in(self.verbs)]
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
            answer: Tokens | type[ClarityError] = self.verbs.refresh(self.answers[-1 - back].refresh_token, request_id)
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
            self.verbs.refresh(refresh_token(b"k" * 32, self.answers[0].session_id, len(self.answers)), "r")

    @rule()
    def sign_out(self) -> None:
        self.verbs.sign_out(identity(self.answers[0]))
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
