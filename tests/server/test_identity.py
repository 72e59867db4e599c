"""The caller comes from a token that is ours, in time, and of a session that goes on; the store is never waited for."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from clarity.v1 import auth_service_pb2, health_data_service_pb2
from clarity_server.domain.accounts import Identity, Tokens
from clarity_server.domain.errors import SessionEnded, TokenExpired, TokenInvalid, TokenMissing
from clarity_server.domain.tokens import ACCESS_S, SKEW_S, issue_access
from clarity_server.ports import SessionRow
from clarity_server.server.identity import CACHE_MAX, ENDED_S, PUBLIC, Verifier
from tests.contracts.identity_world import EMAIL, NOW, PASSWORD, IdentityWorld, identity_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[IdentityWorld]:
    with identity_world(tmp_path) as world:
        world.verbs().sign_up(EMAIL, PASSWORD, "", "")
        yield world


@pytest.fixture
def verifier(world: IdentityWorld) -> Verifier:
    return Verifier(world.keys, world.sessions, world.clock)


def signed_in(world: IdentityWorld) -> Tokens:
    return world.verbs().sign_in(EMAIL, PASSWORD, "")


def identity(tokens: Tokens) -> Identity:
    return Identity(tokens.account_id, tokens.session_id, tokens.access_expire_time)


def bearer(tokens: Tokens) -> str:
    return f"Bearer {tokens.access_token}"


def paths(service: str, methods: Iterable[str]) -> set[str]:
    return {f"/{service}/{method}" for method in methods}


# ---- which methods are public ----------------------------------------------------------------------------------------


def test_of_our_own_methods_only_the_three_that_begin_a_session_are_public() -> None:
    auth = auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"].methods_by_name
    health_data = health_data_service_pb2.DESCRIPTOR.services_by_name["HealthDataService"].methods_by_name
    ours = {path for path in PUBLIC if path.startswith("/clarity.")}
    assert ours == paths("clarity.v1.AuthService", ["SignUp", "SignIn", "RefreshSession"])
    assert ours < paths("clarity.v1.AuthService", auth)
    assert not PUBLIC & paths("clarity.v1.HealthDataService", health_data)


def test_health_and_both_reflections_are_public_and_nothing_else_is() -> None:
    health = health_pb2.DESCRIPTOR.services_by_name["Health"].methods_by_name
    reflection = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"].methods_by_name
    expected = paths("grpc.health.v1.Health", health)
    for version in ("v1", "v1alpha"):  # the package brings v1alpha; v1 has the same method
        expected |= paths(f"grpc.reflection.{version}.ServerReflection", reflection)
    assert {path for path in PUBLIC if not path.startswith("/clarity.")} == expected


# ---- tokens ----------------------------------------------------------------------------------------------------------


def test_the_caller_is_the_subject_of_the_token(world: IdentityWorld, verifier: Verifier) -> None:
    tokens = signed_in(world)
    for _ in range(2):  # the second time remembered
        assert verifier.verify(bearer(tokens)) == identity(tokens)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_has_no_case(world: IdentityWorld, verifier: Verifier, scheme: str) -> None:
    tokens = signed_in(world)
    assert verifier.verify(f"{scheme} {tokens.access_token}") == identity(tokens)


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Bearer  ", "Basic b3dsOm93bA==", "token"])
def test_without_a_bearer_token_it_is_missing(verifier: Verifier, authorization: str | None) -> None:
    with pytest.raises(TokenMissing):
        verifier.verify(authorization)


@pytest.mark.parametrize("token", ["x", "a.b.c", "ü", "a b", "\ud800"])
def test_a_token_that_is_not_ours_is_invalid(verifier: Verifier, token: str) -> None:
    with pytest.raises(TokenInvalid):
        verifier.verify(f"Bearer {token}")


def test_a_refresh_token_is_no_access_token(world: IdentityWorld, verifier: Verifier) -> None:
    with pytest.raises(TokenInvalid):
        verifier.verify(f"Bearer {signed_in(world).refresh_token}")


def test_a_token_of_another_house_is_invalid(tmp_path: Path, verifier: Verifier) -> None:
    with identity_world(tmp_path / "other") as other:
        key_id, key = other.keys.signing_key()
    token = issue_access(key_id, key, account_id="a" * 26, session_id="s" * 26, issued_s=int(NOW))
    with pytest.raises(TokenInvalid):
        verifier.verify(f"Bearer {token}")


def test_a_remembered_token_expires_as_any_other(world: IdentityWorld, verifier: Verifier) -> None:
    tokens = signed_in(world)
    verifier.verify(bearer(tokens))
    world.clock.now = tokens.access_expire_time - 0.001
    assert verifier.verify(bearer(tokens)) == identity(tokens)
    world.clock.now = tokens.access_expire_time
    for check in (verifier, Verifier(world.keys, world.sessions, world.clock)):
        with pytest.raises(TokenExpired):
            check.verify(bearer(tokens))


def test_a_token_is_good_however_many_others_came_since(world: IdentityWorld, verifier: Verifier) -> None:
    tokens = signed_in(world)
    key_id, key = world.keys.signing_key()
    verifier.verify(bearer(tokens))
    for number in range(CACHE_MAX + 10):
        other = issue_access(key_id, key, account_id="a", session_id=str(number), issued_s=int(NOW))
        assert verifier.verify(f"Bearer {other}").session_id == str(number)
    assert verifier.verify(bearer(tokens)) == identity(tokens)
    assert len(verifier._verified) == CACHE_MAX  # noqa: SLF001  the bound shows nowhere else


def test_verifying_asks_the_store_nothing(world: IdentityWorld, verifier: Verifier) -> None:
    tokens = signed_in(world)
    world.database.close()
    for _ in range(2):
        assert verifier.verify(bearer(tokens)) == identity(tokens)


# ---- ended sessions --------------------------------------------------------------------------------------------------


def test_a_sign_out_in_this_process_bites_at_once(world: IdentityWorld, verifier: Verifier) -> None:
    tokens, other = signed_in(world), signed_in(world)
    verifier.verify(bearer(tokens))
    verifier.mark_ended(tokens.session_id)
    assert verifier.is_ended(tokens.session_id)
    with pytest.raises(SessionEnded):
        verifier.verify(bearer(tokens))
    assert verifier.verify(bearer(other)) == identity(other)


def test_a_sign_out_in_another_process_bites_after_the_next_refresh(tmp_path: Path, world: IdentityWorld) -> None:
    tokens = signed_in(world)
    with identity_world(tmp_path, world.clock) as other:
        verifier = Verifier(other.keys, other.sessions, world.clock)
        verifier.refresh_ended()
        assert verifier.verify(bearer(tokens)) == identity(tokens)
        world.verbs().sign_out(identity(tokens))
        verifier.refresh_ended()
        with pytest.raises(SessionEnded):
            verifier.verify(bearer(tokens))


def test_a_reused_refresh_token_ends_the_access_token_too(world: IdentityWorld) -> None:
    tokens = signed_in(world)
    verifier = Verifier(world.keys, world.sessions, world.clock)
    verbs = world.verbs()
    verbs.refresh(tokens.refresh_token, "")
    with pytest.raises(Exception, match="spent refresh token"):
        verbs.refresh(tokens.refresh_token, "")
    verifier.refresh_ended()
    with pytest.raises(SessionEnded):
        verifier.verify(bearer(tokens))


def test_an_end_is_remembered_until_no_token_of_its_session_can_live(world: IdentityWorld, verifier: Verifier) -> None:
    tokens = signed_in(world)
    world.verbs().sign_out(identity(tokens))
    verifier.refresh_ended()
    world.clock.wait(ACCESS_S + SKEW_S)
    verifier.refresh_ended()
    assert verifier.is_ended(tokens.session_id)
    world.clock.wait(1)
    verifier.refresh_ended()
    assert not verifier.is_ended(tokens.session_id)
    with pytest.raises(TokenExpired):
        verifier.verify(bearer(tokens))


def test_an_end_of_long_ago_is_not_loaded(world: IdentityWorld, verifier: Verifier) -> None:
    row = SessionRow("s" * 26, "a" * 26, 0, b"", "", NOW, NOW)
    world.sessions.create(row)
    world.sessions.end(row.session_id, NOW - ENDED_S - 1)
    verifier.refresh_ended()
    assert not verifier.is_ended(row.session_id)


class Overtaken:
    """Sessions whose listing is overtaken by a sign-out: what it returns was read just before."""

    def __init__(self, world: IdentityWorld) -> None:
        self.create, self.get = world.sessions.create, world.sessions.get
        self.advance, self.end = world.sessions.advance, world.sessions.end
        self.world = world
        self.verifier: Verifier | None = None

    def ended_since(self, at: float) -> Sequence[str]:
        listed = self.world.sessions.ended_since(at)
        if self.verifier is not None:
            self.verifier.mark_ended("s" * 26)
        return listed


def test_a_sign_out_during_the_listing_is_not_forgotten(world: IdentityWorld) -> None:
    sessions = Overtaken(world)
    sessions.verifier = Verifier(world.keys, sessions, world.clock)
    sessions.verifier.refresh_ended()
    assert sessions.verifier.is_ended("s" * 26)
