"""Envoy as the first gate: what it refuses itself, in the server's words, and what it does not let out."""

import contextlib
import http.client
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import grpc
import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from clarity import edge, local
from clarity.v1.auth_service_pb2 import GetAccountRequest
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.domain import tokens
from clarity_server.domain.access import MEMBER_SCOPES
from tests.edge.people import Person
from tests.edge.running import DESCRIPTORS, READY_WITHIN_S, StartEdge, until
from tests.edge.surfaces import (
    TIMEOUT_S,
    Answer,
    Ask,
    Curl,
    Grpcurl,
    Stub,
    Surface,
    Web,
    access_of,
    described,
    path_of,
    rpcs,
    rule_of,
    rule_verb,
    template_of,
)
from tests.edge.upstream import Upstream
from tests.edge.web import WEB, bearer, call, framed, send

GET_ACCOUNT = described("clarity.v1.AuthService/GetAccount")
OPEN_RPCS = [rpc for rpc in rpcs(DESCRIPTORS) if access_of(described(rpc)).public]
JWKS = "/.well-known/jwks.json"


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
        "scope": " ".join(sorted(MEMBER_SCOPES)),
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    }

    def signed(claims: Mapping[str, object], by: Ed25519PrivateKey = key, key_id: str = key_id) -> str:
        return pyjwt.encode(dict(claims), by, algorithm=tokens.ALGORITHM, headers={"kid": key_id})

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
        "signed with a key nobody knows": signed(good, Ed25519PrivateKey.generate(), "unknown"),
        "signed with what is public": with_hmac(good, key, key_id),
        "with another body": f"{head}.{body[:-4]}AAAA.{signature}",
        "without a signature": f"{head}.{body}.",
        "with no algorithm": pyjwt.encode(good, "", algorithm="none"),
        "garbage": "garbage",
    }


def with_hmac(claims: Mapping[str, object], key: Ed25519PrivateKey, key_id: str) -> str:
    """What a verifier takes that lets a token choose how it is checked: HS256, with the public key for a secret."""
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return pyjwt.encode(dict(claims), public, algorithm="HS256", headers={"kid": key_id})


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
        ("signed with a key nobody knows", "TOKEN_INVALID"),
        ("signed with what is public", "TOKEN_INVALID"),
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


@pytest.mark.parametrize("rpc", OPEN_RPCS)
def test_the_open_calls_need_no_token(envoy: edge.Edge, rpc: str) -> None:
    """With or without one that is good for nothing."""
    rule = rule_of(described(rpc))
    for token in ("", "garbage"):
        told = call(envoy.port, rule_verb(rule), template_of(described(rpc)), token, {} if rule.body else None)
        assert told.status == 200 if not rule.body else told.reason == "REQUEST_INVALID"


def test_the_keys_are_where_everybody_looks_for_them(envoy: edge.Edge, keys: Path) -> None:
    told = call(envoy.port, "GET", JWKS)
    assert (told.status, told.headers["content-type"]) == (200, "application/json")
    assert told.json == DiskKeys(keys).jwks()
    assert not [key for key in told.json["keys"] if "d" in key], "a private key"


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
        "/.well-known/../v1/account",
        f"{JWKS}/",
        f"{JWKS}/../../v1/account",
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


# ---- too often -------------------------------------------------------------------------------------------------------


def test_the_servers_own_limits_reach_json_with_the_time_to_wait(tmp_path: Path, start_edge: StartEdge) -> None:
    """429 and retry-after, as HTTP has them; and one address's limit is not another's."""
    with local.Server({**local.own_stores(tmp_path), "RATE_FACTOR": "0.1"}, tmp_path) as server:
        running = start_edge(server.port)
        running.wait_ready(READY_WITHIN_S)
        nobody = {"email": "nobody@example.org", "password": "Wrong-horse-9"}
        told = [call(running.port, "POST", "/v1/auth:signIn", message=nobody) for _ in range(3)]
        assert [reply.status for reply in told][:1] == [401]
        assert (told[-1].status, told[-1].reason) == (429, "RATE_LIMITED")
        [delay] = [detail["retry_delay"] for detail in told[-1].json["details"] if "retry_delay" in detail]
        assert int(told[-1].headers["retry-after"]) >= float(delay.rstrip("s")) > 0
        elsewhere = come_from_elsewhere(running.port, "/.well-known/jwks.json", "application/json")
        assert elsewhere == 200


# ---- who calls -------------------------------------------------------------------------------------------------------

ELSEWHERE = "127.0.0.9"  # this machine has it, too
CLAIMED = "203.0.113.7, 198.51.100.23"


@pytest.mark.parametrize("claimed", ["", "203.0.113.7", CLAIMED])
@pytest.mark.parametrize(("path", "content"), [("/v1/account", "application/json"), (path_of(GET_ACCOUNT), WEB)])
def test_the_server_is_told_who_connected_and_not_who_they_say_they_are(
    impatient: edge.Edge, upstream: Upstream, person: Person, claimed: str, path: str, content: str
) -> None:
    """Red without x-forwarded-for set anew: limits by address would hold for whomever the caller names."""
    upstream.seen.clear()
    assert come_from_elsewhere(impatient.port, path, content, person.access_token, claimed) == 200
    [(_, metadata)] = upstream.seen
    assert metadata["x-forwarded-for"] == ELSEWHERE


def test_behind_a_proxy_of_ours_the_caller_is_who_the_proxy_says(
    start_edge: StartEdge, upstream: Upstream, person: Person
) -> None:
    """And still not who the caller says: the proxy adds to what they wrote."""
    behind = start_edge(upstream.port, {"xff_num_trusted_hops: 0": "xff_num_trusted_hops: 1"})
    behind.wait_ready(READY_WITHIN_S)
    upstream.seen.clear()
    assert come_from_elsewhere(behind.port, "/v1/account", "application/json", person.access_token, CLAIMED) == 200
    [(_, metadata)] = upstream.seen
    assert metadata["x-forwarded-for"] == "198.51.100.23"


def come_from_elsewhere(port: int, path: str, content: str, token: str = "", claimed: str = "") -> int:
    """Call from another address than the tests do, and say whose it is; the HTTP status."""
    headers = {"content-type": content, **bearer(token)}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S, source_address=(ELSEWHERE, 0))
    with contextlib.closing(connection):
        body = framed(GetAccountRequest()) if content == WEB else None
        connection.request(
            "POST" if body else "GET", path, body, headers | {"x-forwarded-for": claimed} if claimed else headers
        )
        return connection.getresponse().status


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
