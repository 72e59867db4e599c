"""Envoy as the first gate: what it refuses itself, in the server's words, and what it does not let out."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import grpc
import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from clarity import edge, local
from clarity.v1.auth_service_pb2 import GetAccountRequest
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.domain import tokens
from tests.edge.people import Person
from tests.edge.running import until
from tests.edge.surfaces import Answer, Ask, Curl, Grpcurl, Stub, Surface, Web, described
from tests.edge.upstream import Upstream
from tests.edge.web import call, send

GET_ACCOUNT = described("clarity.v1.AuthService/GetAccount")
OPEN_RPCS = ("signUp", "signIn", "refresh")


@pytest.fixture(scope="module")
def forged(keys: Path, server: local.Server, person: Person) -> Mapping[str, str]:
    """Tokens that the server's own key signed, and one of a stranger's, none of which should pass."""
    assert server.port
    key_id, key = DiskKeys(keys).signing_key()
    now = int(time.time())
    good = {
        "iss": tokens.ISSUER,
        "aud": tokens.AUDIENCE,
        "sub": person.account_id,
        "sid": person.session_id,
        "token_use": tokens.ACCESS_USE,
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    }

    def signed(claims: Mapping[str, object], by: Ed25519PrivateKey = key) -> str:
        return pyjwt.encode(dict(claims), by, algorithm="EdDSA", headers={"kid": key_id})

    head, body, signature = signed(good).split(".")
    return {
        "good": signed(good),
        "none": "",
        "expired long ago": signed({**good, "exp": now - 120}),
        "expired just now": signed({**good, "exp": now - 1}),  # within Envoy's clock skew: the server refuses it
        "of another audience": signed({**good, "aud": "somebody-else"}),
        "of another issuer": signed({**good, "iss": "somebody-else"}),
        "not yet valid": signed({**good, "nbf": now + 300, "iat": now + 300}),
        "of another use": signed({**good, "token_use": "refresh"}),  # only the server looks at it
        "signed by a stranger": signed(good, Ed25519PrivateKey.generate()),
        "with another body": f"{head}.{body[:-4]}AAAA.{signature}",
        "without a signature": f"{head}.{body}.",
        "with no algorithm": pyjwt.encode(good, "", algorithm="none"),
        "garbage": "garbage",
    }


@pytest.fixture(scope="module")
def gates(direct: grpc.Channel, through: grpc.Channel, envoy: edge.Edge) -> Sequence[Surface]:
    surfaces: list[Surface] = [
        Stub("stub", direct),
        Stub("stub through Envoy", through),
        Web("gRPC-Web", envoy.port),
        Curl("curl", envoy.port),
    ]
    return [*surfaces, Grpcurl("grpcurl", envoy.port)] if local.tool("grpcurl") else surfaces


@pytest.mark.parametrize(
    ("which", "reason"),
    [
        ("none", "TOKEN_MISSING"),
        ("expired long ago", "TOKEN_EXPIRED"),
        ("expired just now", "TOKEN_EXPIRED"),
        ("of another audience", "TOKEN_INVALID"),
        ("of another issuer", "TOKEN_INVALID"),
        ("not yet valid", "TOKEN_INVALID"),
        ("of another use", "TOKEN_INVALID"),
        ("signed by a stranger", "TOKEN_INVALID"),
        ("with another body", "TOKEN_INVALID"),
        ("without a signature", "TOKEN_INVALID"),
        ("with no algorithm", "TOKEN_INVALID"),
        ("garbage", "TOKEN_INVALID"),
    ],
)
def test_envoy_refuses_a_token_in_the_servers_words(
    gates: Sequence[Surface], forged: Mapping[str, str], which: str, reason: str
) -> None:
    """The first answer is the server's own; code, text, reason and details of the others are the same."""
    ask = Ask([GetAccountRequest()], forged[which])
    answers = {surface.name: surface.call(GET_ACCOUNT, ask) for surface in gates}
    expected = Answer([], answers["stub"].status)
    assert expected.reason == reason
    assert answers == dict.fromkeys(answers, expected)


def test_a_good_token_passes(gates: Sequence[Surface], forged: Mapping[str, str]) -> None:
    """The control of the test above: the same key, the same claims."""
    ask = Ask([GetAccountRequest()], forged["good"])
    assert [surface.call(GET_ACCOUNT, ask).status for surface in gates] == [None] * len(gates)


def test_a_bad_token_never_reaches_the_server(
    impatient: edge.Edge, upstream: Upstream, forged: Mapping[str, str]
) -> None:
    upstream.seen.clear()
    the_servers_to_refuse = {"good", "expired just now", "of another use"}
    for which in forged.keys() - the_servers_to_refuse:
        assert call(impatient.port, "GET", "/v1/account", forged[which]).status == 401, which
    assert upstream.seen == []


def test_a_token_in_the_address_is_none(envoy: edge.Edge, person: Person) -> None:
    """Envoy takes `?access_token=` unless it is told not to; addresses end up in logs and histories."""
    assert call(envoy.port, "GET", f"/v1/account?access_token={person.access_token}").reason == "TOKEN_MISSING"


@pytest.mark.parametrize("verb", OPEN_RPCS)
def test_the_open_calls_need_no_token(envoy: edge.Edge, verb: str) -> None:
    assert call(envoy.port, "POST", f"/v1/auth:{verb}", message={}).reason == "REQUEST_INVALID"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/auth:signOut",
        "/v1/auth:signUp/",
        "/v1/auth:signUp/../account",
        "/v1/auth:signUp%2f..%2faccount",
        "//v1/auth:signUp",
        "/v1/auth:signup",
        "/v1/auth%3AsignUp",
        "/grpc.reflection/../v1/account",
        "/clarity.v1.AuthService/GetAccount",
    ],
)
def test_what_only_looks_open_is_not(envoy: edge.Edge, path: str) -> None:
    assert send(envoy.port, "POST", path, "{}").status == 401


def test_health_and_reflection_are_open(through: grpc.Channel) -> None:
    """Operators look before they have an account. Reflection has two names; older tools know only the second."""
    check = through.unary_unary(
        "/grpc.health.v1.Health/Check", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
    )
    for service in ("", "clarity.v1.InsightService"):
        assert check(HealthCheckRequest(service=service), timeout=10).status == HealthCheckResponse.SERVING
    for package in ("grpc.reflection.v1", "grpc.reflection.v1alpha"):
        ask = through.stream_stream(
            f"/{package}.ServerReflection/ServerReflectionInfo",
            ServerReflectionRequest.SerializeToString,
            ServerReflectionResponse.FromString,
        )
        [told] = ask(iter([ServerReflectionRequest(list_services="")]), timeout=10)
        names = {service.name for service in told.list_services_response.service}
        assert names >= {"clarity.v1.AuthService", "clarity.v1.HealthDataService", "clarity.v1.InsightService"}


def test_the_log_has_no_tokens_ids_or_queries(envoy: edge.Edge, person: Person) -> None:
    assert call(envoy.port, "GET", "/v1/uploads/an-upload-id?after_result=7", person.access_token).status == 404
    call(envoy.port, "POST", "/v1/auth:signIn", message={"email": person.email, "password": "nonsense-9X"})
    log = envoy.log.with_name("access.log")
    until(lambda: "/clarity.v1.HealthDataService/GetUpload" in log.read_text())
    text = log.read_text()
    for secret in ("an-upload-id", "after_result", person.access_token[:40], person.email, "nonsense-9X"):
        assert secret not in text
    assert json.loads(text.splitlines()[0])["request_id"]


def test_envoy_says_nothing_of_itself(envoy: edge.Edge, person: Person) -> None:
    told = call(envoy.port, "GET", "/v1/account", person.access_token)
    assert told.headers.get("server") != "envoy"
    assert not [name for name in told.headers if name.startswith("x-envoy")]
