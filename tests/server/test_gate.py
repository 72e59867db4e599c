"""The gate: limits first, then the token, then scope, role and consent, each with its own reason."""

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from clarity.v1.health_data_service_pb2 import ListDaysRequest
from clarity_server.config import ConfigError
from clarity_server.domain.access import Purpose, Role
from clarity_server.domain.accounts import AccountState, Identity, Standing
from clarity_server.domain.errors import (
    AccountSuspended,
    ConsentMissing,
    RateLimited,
    RoleMissing,
    ScopeMissing,
    TokenMissing,
)
from clarity_server.server.access import declared
from clarity_server.server.gate import Gate
from clarity_server.server.identity import Verifier
from clarity_server.server.throttle import Throttle
from clarity_server.services.offload import Offload
from tests.flows.access_world import AccessWorld, access_world

SIGN_IN = "/clarity.v1.AuthService/SignIn"
SIGN_OUT = "/clarity.v1.AuthService/SignOut"
GET_ACCOUNT = "/clarity.v1.AuthService/GetAccount"
FIND_ACCOUNT = "/clarity.v1.AuthService/FindAccount"
START_ANALYSIS = "/clarity.v1.InsightService/StartAnalysis"
GENERATE = "/clarity.v1.InsightService/GenerateInsight"
LIST_DAYS = "/clarity.v1.HealthDataService/ListDays"
STREAM = "/clarity.v1.HealthDataService/StreamSeries"
CHECK = "/grpc.health.v1.Health/Check"
HERE = "192.0.2.1"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AccessWorld]:
    with access_world(tmp_path) as opened:
        yield opened


@pytest.fixture
def verifier(world: AccessWorld) -> Verifier:
    return world.verifier


@pytest.fixture
async def gate(world: AccessWorld, verifier: Verifier) -> AsyncIterator[Gate]:
    offload = Offload(1)
    yield Gate(declared(), verifier.verify, Throttle(0.5), world.permits, offload)
    offload.close()


async def asked(gate: Gate, method: str, who: Identity, request: ListDaysRequest | None = None) -> str:
    """Return what a caller is told: nothing, or what is missing."""
    try:
        await gate.allow(method, who, request)
    except (ScopeMissing, RoleMissing, ConsentMissing) as why:
        return next(iter(why.facts.values()))
    return ""


def told(gate: Gate, network: str, authorization: str | None) -> list[str]:
    """Return what a caller is told one after the other who calls again and again."""
    answers = list[str]()
    for _ in range(2000):
        try:
            gate.enter(GET_ACCOUNT, network, authorization)
            answers.append("")
        except (TokenMissing, RateLimited) as why:
            answers.append(type(why).__name__)
    return [answer for answer, _ in itertools.groupby(answers)]


# ---- entering --------------------------------------------------------------------------------------------------------


async def test_a_public_method_needs_no_token_and_nobody_is_calling(gate: Gate) -> None:
    assert gate.enter(SIGN_IN, HERE, None) is None
    assert gate.enter(SIGN_IN, HERE, "Bearer nonsense") is None


async def test_any_other_method_needs_one_whoever_has_declared_it(gate: Gate) -> None:
    for method in (GET_ACCOUNT, SIGN_OUT, "/somebody.else.Service/Call"):
        with pytest.raises(TokenMissing):
            gate.enter(method, HERE, None)


async def test_who_is_over_the_limit_is_refused_before_the_token_is_looked_at(gate: Gate) -> None:
    assert told(gate, HERE, None) == ["TokenMissing", "RateLimited"]
    with pytest.raises(TokenMissing):
        gate.enter(GET_ACCOUNT, "192.0.2.2", None)


async def test_what_is_counted_for_an_account_is_counted_after_its_standing(
    world: AccessWorld, verifier: Verifier, gate: Gate
) -> None:
    owl, lark = world.person(), world.person()
    verifier.mark_standing(Standing(lark.account_id, AccountState.SUSPENDED, 0.0))
    assert told(gate, HERE, f"Bearer {world.token(owl)}") == ["", "RateLimited"]
    with pytest.raises(AccountSuspended):
        gate.enter(GET_ACCOUNT, "192.0.2.2", f"Bearer {world.token(lark)}")


async def test_probes_are_not_limited(gate: Gate) -> None:
    for _ in range(3000):
        gate.enter(CHECK, HERE, None)


# ---- what is allowed -------------------------------------------------------------------------------------------------


async def test_a_method_that_names_no_scope_takes_any_token(world: AccessWorld, gate: Gate) -> None:
    assert await asked(gate, SIGN_OUT, replace(world.person(), scopes=frozenset())) == ""


@pytest.mark.parametrize(
    ("method", "scope"), [(GET_ACCOUNT, "account.read"), (START_ANALYSIS, "analysis.write"), (LIST_DAYS, "")]
)
async def test_a_scope_that_is_missing_is_named(world: AccessWorld, gate: Gate, method: str, scope: str) -> None:
    """Those of a metric's family come with the request: nothing is asked for them here."""
    owl = world.person()
    assert await asked(gate, method, replace(owl, scopes=owl.scopes - {scope})) == scope
    assert await asked(gate, method, owl) == ""


async def test_who_is_no_operator_lacks_the_role_and_an_operator_with_less_the_scope(
    world: AccessWorld, gate: Gate
) -> None:
    owl, operator = world.person(), world.person(roles=[Role.OPERATOR])
    assert await asked(gate, FIND_ACCOUNT, owl) == "operator"
    assert await asked(gate, FIND_ACCOUNT, replace(operator, scopes=owl.scopes)) == "operator.read"
    assert await asked(gate, FIND_ACCOUNT, operator) == ""


async def test_the_first_consent_that_is_missing_is_named(world: AccessWorld, gate: Gate) -> None:
    assert await asked(gate, GENERATE, world.person(consents=[Purpose.ANALYSIS])) == "narration"
    assert await asked(gate, GENERATE, world.person(consents=[Purpose.NARRATION])) == "analysis"
    assert await asked(gate, GENERATE, world.person()) == ""
    assert await asked(gate, STREAM, world.person(consents=[])) == "storage"


async def test_what_is_known_of_consents_is_not_asked_for_again(world: AccessWorld, gate: Gate) -> None:
    owl = world.person()
    assert await asked(gate, STREAM, owl) == ""
    world.consent(owl, Purpose.STORAGE, given=False)  # elsewhere
    assert await asked(gate, STREAM, owl) == ""
    world.clock.wait(1)
    assert await asked(gate, STREAM, owl) == "storage"


async def test_where_anothers_data_is_asked_for_ones_own_consent_does_not_count(world: AccessWorld, gate: Gate) -> None:
    """The owner's does, once there is a grant: see flows/permits.py."""
    reader = world.person(consents=[])
    assert await asked(gate, LIST_DAYS, reader, ListDaysRequest(account_id="o" * 26)) == ""
    for own in ("", reader.account_id):
        assert await asked(gate, LIST_DAYS, reader, ListDaysRequest(account_id=own)) == "analysis"


# ---- networks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("ipv4:192.0.2.7:50000", "", "192.0.2.7"),
        ("ipv4:192.0.2.7:50000", "198.51.100.1", "192.0.2.7"),  # who is no proxy says nothing
        ("ipv4:127.0.0.1:50000", "", "127.0.0.1"),
        ("ipv4:127.0.0.1:50000", "198.51.100.1", "198.51.100.1"),
        ("ipv4:127.0.0.1:50000", "203.0.113.9, 198.51.100.1", "198.51.100.1"),  # the caller wrote the first
        ("ipv6:%5B::1%5D:50000", "2001:db8::5", "2001:db8::5"),
        ("ipv6:[2001:db8::7]:50000", "198.51.100.1", "2001:db8::7"),
        ("ipv6:%5B::ffff:192.0.2.7%5D:50000", "", "192.0.2.7"),
        ("unix:/run/clarity.sock", "198.51.100.1", "198.51.100.1"),
        ("unix:", "", "127.0.0.1"),
        ("ipv4:127.0.0.1:50000", "nonsense", "127.0.0.1"),
        ("ipv4:10.1.2.3:50000", "198.51.100.1", "198.51.100.1"),
        ("something:else", "198.51.100.1", ""),
    ],
)
async def test_the_network_is_the_peers_or_what_a_trusted_proxy_says(
    world: AccessWorld, verifier: Verifier, peer: str, forwarded: str, expected: str
) -> None:
    trusted = frozenset({"127.0.0.1", "::1", " 10.0.0.0/8"})
    gate = Gate(declared(), verifier.verify, Throttle(), world.permits, Offload(1), trusted)
    assert gate.network(peer, forwarded) == expected


def test_a_proxy_that_is_no_address_stops_the_start(world: AccessWorld, verifier: Verifier) -> None:
    with pytest.raises(ConfigError, match=r"CLARITY_TRUSTED_PROXIES.*envoy"):
        Gate(declared(), verifier.verify, Throttle(), world.permits, Offload(1), frozenset({"envoy"}))
