"""The caller comes from a token that is ours, in time, of a session that goes on and an account in good standing."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from clarity_server.adapters.local.accounts import SqliteAccounts
from clarity_server.adapters.local.keys import NOT_YET_S, RETIRE_S
from clarity_server.adapters.local.sessions import SqliteSessions
from clarity_server.domain.accounts import AccountState, Identity, Standing
from clarity_server.domain.errors import (
    AccountDisabled,
    AccountErasing,
    AccountSuspended,
    ClarityError,
    SessionEnded,
    StoreUnavailable,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
)
from clarity_server.domain.tokens import ACCESS_S, SKEW_S, issue_access
from clarity_server.ports import SessionRow
from clarity_server.server.identity import CACHE_MAX, KNOWN_S, Verifier
from tests.flows.access_world import AccessWorld, access_world

STATES: dict[AccountState, type[ClarityError]] = {
    AccountState.SUSPENDED: AccountSuspended,
    AccountState.DISABLED: AccountDisabled,
    AccountState.ERASING: AccountErasing,
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AccessWorld]:
    with access_world(tmp_path) as opened:
        yield opened


@pytest.fixture
def owl(world: AccessWorld) -> Identity:
    return signed_in(world)


@pytest.fixture
def verifier(world: AccessWorld) -> Verifier:
    return world.verifier


def signed_in(world: AccessWorld) -> Identity:
    """Make a person with a session."""
    person = world.person()
    row = SessionRow(person.session_id, person.account_id, 0, b"", "", 0.0, world.clock() + 86400)
    world.store.sessions.create(row)
    return person


def bearer(world: AccessWorld, identity: Identity) -> str:
    return f"Bearer {world.token(identity)}"


# ---- tokens ----------------------------------------------------------------------------------------------------------


def test_the_caller_is_the_subject_of_the_token(world: AccessWorld, verifier: Verifier, owl: Identity) -> None:
    for _ in range(2):  # the second time remembered
        assert verifier.verify(bearer(world, owl)) == owl


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_has_no_case(world: AccessWorld, verifier: Verifier, owl: Identity, scheme: str) -> None:
    assert verifier.verify(f"{scheme} {world.token(owl)}") == owl


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Bearer  ", "Basic b3dsOm93bA==", "token"])
def test_without_a_bearer_token_it_is_missing(verifier: Verifier, authorization: str | None) -> None:
    with pytest.raises(TokenMissing):
        verifier.verify(authorization)


@pytest.mark.parametrize("token", ["x", "a.b.c", "ü", "a b", "\ud800"])
def test_a_token_that_is_not_ours_is_invalid(verifier: Verifier, token: str) -> None:
    with pytest.raises(TokenInvalid):
        verifier.verify(f"Bearer {token}")


def test_a_token_of_another_house_is_invalid(tmp_path: Path, world: AccessWorld, verifier: Verifier) -> None:
    with access_world(tmp_path / "other", world.clock) as other:
        foreign = bearer(other, signed_in(other))
    with pytest.raises(TokenInvalid):
        verifier.verify(foreign)


def test_a_remembered_token_expires_as_any_other(world: AccessWorld, verifier: Verifier, owl: Identity) -> None:
    token = bearer(world, owl)
    verifier.verify(token)
    expires = owl.issued_time + ACCESS_S
    world.clock.now = expires - 0.001
    assert verifier.verify(token) == owl
    world.clock.now = expires
    for check in (verifier, world.verifier):
        with pytest.raises(TokenExpired):
            check.verify(token)


def test_a_token_is_good_however_many_others_came_since(world: AccessWorld, verifier: Verifier, owl: Identity) -> None:
    key_id, key = world.store.keys.signing_key()
    verifier.verify(bearer(world, owl))
    for number in range(CACHE_MAX + 10):
        issued_s = int(owl.issued_time)
        other = issue_access(key_id, key, account_id="a", session_id=str(number), scopes="", issued_s=issued_s)
        assert verifier.verify(f"Bearer {other}").session_id == str(number)
    assert verifier.verify(bearer(world, owl)) == owl
    assert len(verifier._verified) == CACHE_MAX  # noqa: SLF001  the bound shows nowhere else


def test_verifying_asks_the_store_nothing(world: AccessWorld, verifier: Verifier, owl: Identity) -> None:
    token = bearer(world, owl)
    world.store.database.close()
    for _ in range(2):
        assert verifier.verify(token) == owl


# ---- keys ------------------------------------------------------------------------------------------------------------


def test_a_key_that_another_process_made_is_known_after_the_next_refresh(tmp_path: Path, world: AccessWorld) -> None:
    verifier = world.verifier
    with access_world(tmp_path, world.clock) as other:
        other.store.keys.rotate_signing_key()
        world.clock.wait(NOT_YET_S + 1)
        other.store.keys.refresh()
        owl = signed_in(other)
        token = bearer(other, owl)
    with pytest.raises(TokenInvalid):
        verifier.verify(token)
    verifier.refresh()
    assert verifier.verify(token) == owl


def test_a_token_of_a_retired_key_is_invalid_although_it_was_remembered(world: AccessWorld) -> None:
    """A key retires only when its last token is dead; here the clock of the token is made to say otherwise."""
    key_id, key = world.store.keys.signing_key()
    late = int(world.clock() + NOT_YET_S + RETIRE_S)
    token = issue_access(key_id, key, account_id="a", session_id="s", scopes="", issued_s=late)
    world.store.keys.rotate_signing_key()
    world.clock.now = late - 1
    verifier = world.verifier
    verifier.refresh()
    verifier.verify(f"Bearer {token}")
    world.clock.wait(60)
    verifier.refresh()
    with pytest.raises(TokenInvalid):
        verifier.verify(f"Bearer {token}")


# ---- ended sessions --------------------------------------------------------------------------------------------------


def test_a_sign_out_in_this_process_bites_at_once(world: AccessWorld, verifier: Verifier, owl: Identity) -> None:
    other = signed_in(world)
    verifier.verify(bearer(world, owl))
    verifier.mark_ended(owl.session_id)
    assert verifier.is_ended(owl.session_id)
    with pytest.raises(SessionEnded):
        verifier.verify(bearer(world, owl))
    assert verifier.verify(bearer(world, other)) == other


def test_a_sign_out_in_another_process_bites_after_the_next_refresh(
    world: AccessWorld, verifier: Verifier, owl: Identity
) -> None:
    verifier.refresh()
    assert verifier.verify(bearer(world, owl)) == owl
    world.store.sessions.end(owl.session_id, world.clock())
    verifier.refresh()
    with pytest.raises(SessionEnded):
        verifier.verify(bearer(world, owl))


def test_an_end_is_remembered_until_no_token_of_its_session_can_live(
    world: AccessWorld, verifier: Verifier, owl: Identity
) -> None:
    world.store.sessions.end(owl.session_id, world.clock())
    verifier.refresh()
    token = bearer(world, owl)
    world.clock.wait(ACCESS_S + SKEW_S)
    verifier.refresh()
    assert verifier.is_ended(owl.session_id)
    world.clock.wait(1)
    verifier.refresh()
    assert not verifier.is_ended(owl.session_id)
    with pytest.raises(TokenExpired):
        verifier.verify(token)


def test_an_end_of_long_ago_is_not_loaded(world: AccessWorld, owl: Identity) -> None:
    world.store.sessions.end(owl.session_id, world.clock() - KNOWN_S - 1)
    verifier = world.verifier
    verifier.refresh()
    assert not verifier.is_ended(owl.session_id)


class OvertakenSessions(SqliteSessions):
    """Sessions whose listing is overtaken by a sign-out: what it returns was read just before. Or they are away."""

    verifier: Verifier | None = None
    away = False

    def ended_since(self, at: float) -> Sequence[str]:
        if self.away:
            raise StoreUnavailable("it is away")
        listed = super().ended_since(at)
        if self.verifier is not None:
            self.verifier.mark_ended("s" * 26)
        return listed


class OvertakenAccounts(SqliteAccounts):
    """Accounts whose listing is overtaken by a suspension."""

    verifier: Verifier | None = None

    def standings_since(self, at: float) -> Sequence[Standing]:
        listed = super().standings_since(at)
        if self.verifier is not None:
            for standing in listed:
                self.verifier.mark_standing(replace(standing, state=AccountState.SUSPENDED))
        return listed


def test_a_sign_out_during_the_listing_is_not_forgotten(world: AccessWorld) -> None:
    sessions = OvertakenSessions(world.store.database)
    sessions.verifier = verifier = Verifier(world.store.keys, sessions, world.store.accounts, world.clock)
    verifier.refresh()
    assert verifier.is_ended("s" * 26)


def test_what_happened_while_the_store_was_away_is_asked_for_when_it_is_back(world: AccessWorld, owl: Identity) -> None:
    """However long: a stream may outlive its token by more than a session's end is remembered."""
    sessions = OvertakenSessions(world.store.database)
    verifier = Verifier(world.store.keys, sessions, world.store.accounts, world.clock)
    world.clock.wait(1)
    sessions.end(owl.session_id, world.clock())
    sessions.away = True
    with pytest.raises(StoreUnavailable):
        verifier.refresh()
    world.clock.wait(KNOWN_S + 1800)
    sessions.away = False
    verifier.refresh()
    assert verifier.is_ended(owl.session_id)


# ---- standings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_an_account_out_of_service_is_refused_after_the_next_refresh_and_served_when_it_is_back(
    world: AccessWorld, verifier: Verifier, owl: Identity, state: AccountState
) -> None:
    token = bearer(world, owl)
    verifier.verify(token)
    world.set_state(owl, state)
    verifier.refresh()
    with pytest.raises(STATES[state]):
        verifier.verify(token)
    assert isinstance(verifier.objection(owl), STATES[state])
    world.set_state(owl, AccountState.ACTIVE)
    verifier.refresh()
    assert verifier.verify(token) == owl


def test_a_change_in_this_process_bites_at_once(world: AccessWorld, verifier: Verifier, owl: Identity) -> None:
    verifier.mark_standing(Standing(owl.account_id, AccountState.SUSPENDED, 0.0))
    with pytest.raises(AccountSuspended):
        verifier.verify(bearer(world, owl))


def test_a_change_during_the_listing_is_not_undone_by_it(world: AccessWorld, owl: Identity) -> None:
    world.set_state(owl, AccountState.SUSPENDED)
    world.set_state(owl, AccountState.ACTIVE)  # so that the listing has it
    accounts = OvertakenAccounts(world.store.database, world.store.keys, world.clock)
    accounts.verifier = verifier = Verifier(world.store.keys, world.store.sessions, accounts, world.clock)
    verifier.refresh()
    assert isinstance(verifier.objection(owl), AccountSuspended)


def test_a_server_that_starts_knows_who_is_suspended(world: AccessWorld, owl: Identity) -> None:
    world.set_state(owl, AccountState.SUSPENDED)
    world.clock.wait(ACCESS_S - 1)  # a token from just before lives so long
    verifier = world.verifier
    verifier.refresh()
    with pytest.raises(AccountSuspended):
        verifier.verify(bearer(world, owl))


def test_tokens_from_before_a_time_count_no_more_and_later_ones_do(
    world: AccessWorld, verifier: Verifier, owl: Identity
) -> None:
    world.clock.wait(2)
    before = float(int(world.clock()))
    world.store.accounts.change(owl.account_id, lambda account: replace(account, not_before=before + 0.5))
    verifier.refresh()
    with pytest.raises(SessionEnded):
        verifier.verify(bearer(world, owl))
    with pytest.raises(SessionEnded):
        verifier.verify(bearer(world, replace(owl, issued_time=before - 1)))
    # Of the same second: a sign-in right after a new password must not be refused for ten minutes.
    again = replace(owl, issued_time=before, expire_time=before + ACCESS_S)
    assert verifier.verify(bearer(world, again)) == again


def test_what_stands_against_the_account_is_told_before_the_end_of_the_session(
    world: AccessWorld, verifier: Verifier, owl: Identity
) -> None:
    """It says what to do: signing in again would not help, or would keep an account that is being erased."""
    verifier.mark_ended(owl.session_id)
    verifier.mark_standing(Standing(owl.account_id, AccountState.ERASING, world.clock()))
    assert isinstance(verifier.objection(owl), AccountErasing)


def test_standings_are_forgotten_when_no_token_can_ask_for_them(world: AccessWorld, owl: Identity) -> None:
    world.set_state(owl, AccountState.SUSPENDED)
    verifier = world.verifier
    verifier.refresh()
    for _ in range(4):
        assert isinstance(verifier.objection(owl), AccountSuspended)
        world.clock.wait(KNOWN_S)
        verifier.refresh()
    assert verifier.objection(owl) is None
