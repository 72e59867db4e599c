"""An access token is accepted for what it is and refused for everything else; a refresh token only if we derived it."""

import base64
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from clarity_server.domain.accounts import Identity
from clarity_server.domain.errors import RefreshTokenInvalid, TokenExpired, TokenInvalid
from clarity_server.domain.tokens import (
    ACCESS_CHARS_MAX,
    ACCESS_S,
    SKEW_S,
    issue_access,
    public_keys,
    read_refresh_token,
    refresh_token,
    verify_access,
)

NOW = 1_700_000_000
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEYS = {"first": KEY.public_key()}
GOOD: dict[str, Any] = {
    "iss": "clarity",
    "aud": "clarity.v1",
    "sub": "a" * 26,
    "sid": "b" * 26,
    "token_use": "access",
    "scope": "account.read heart.write",
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + ACCESS_S,
}
HEADER: dict[str, Any] = {"alg": "EdDSA", "typ": "JWT", "kid": "first"}
SECRET = bytes(range(32, 64))


def segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(
    claims: object = None, *, header: dict[str, Any] | None = None, key: Ed25519PrivateKey = KEY, **changed: object
) -> str:
    """A token written by hand: no library refuses to make a bad one."""
    said = {**GOOD, **changed} if claims is None else claims
    body = ".".join(segment(json.dumps(part).encode()) for part in (HEADER if header is None else header, said))
    return f"{body}.{segment(key.sign(body.encode()))}"


def without(claim: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != claim}


def issued() -> str:
    return issue_access("first", KEY, account_id="a" * 26, session_id="b" * 26, scopes=GOOD["scope"], issued_s=NOW)


def test_a_token_names_its_account_session_times_and_scopes() -> None:
    scopes = frozenset({"account.read", "heart.write"})
    assert verify_access(issued(), KEYS, NOW) == Identity("a" * 26, "b" * 26, NOW + 600, NOW, scopes)


def test_a_token_says_exactly_the_documented_claims() -> None:
    assert jwt.decode(issued(), options={"verify_signature": False}) == GOOD
    assert jwt.get_unverified_header(issued()) == HEADER


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert issued() == issued()


def test_the_hand_written_token_is_good_so_that_each_forgery_below_fails_for_its_own_change() -> None:
    assert verify_access(forged(), KEYS, NOW) == verify_access(issued(), KEYS, NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "someone"},
        {"iss": None},
        {"aud": "clarity.v2"},
        {"aud": ["clarity.v1"]},
        {"token_use": "refresh"},
        {"token_use": "id"},
        {"scope": ["account.read"]},
        {"sub": 7},
        {"sid": None},
        {"exp": "never"},
        {"exp": True},
        {"exp": None},
        {"iat": None},
        {"nbf": "now"},
        {"nbf": NOW + SKEW_S + 1},
        {"iat": NOW + SKEW_S + 1},
    ],
    ids=str,
)
def test_a_signed_token_with_one_wrong_claim_is_invalid(changed: dict[str, Any]) -> None:
    with pytest.raises(TokenInvalid):
        verify_access(forged(**changed), KEYS, NOW)


@pytest.mark.parametrize("claim", sorted(GOOD))
def test_a_signed_token_without_one_claim_is_invalid(claim: str) -> None:
    with pytest.raises(TokenInvalid):
        verify_access(forged(without(claim)), KEYS, NOW)


@pytest.mark.parametrize("claims", [[], "text", 7])
def test_a_signed_token_that_is_no_object_is_invalid(claims: object) -> None:
    with pytest.raises(TokenInvalid):
        verify_access(forged(claims), KEYS, NOW)


def test_a_token_is_good_until_the_second_it_names_and_expired_from_then_on() -> None:
    assert verify_access(issued(), KEYS, NOW + ACCESS_S - 0.001).session_id == "b" * 26
    with pytest.raises(TokenExpired):
        verify_access(issued(), KEYS, NOW + ACCESS_S)


def test_a_token_from_a_clock_slightly_ahead_is_good() -> None:
    assert verify_access(issued(), KEYS, NOW - SKEW_S).session_id == "b" * 26
    with pytest.raises(TokenInvalid):
        verify_access(issued(), KEYS, NOW - SKEW_S - 1)


def test_an_expired_token_of_another_audience_is_invalid_rather_than_expired() -> None:
    with pytest.raises(TokenInvalid):
        verify_access(forged(aud="someone"), KEYS, NOW + ACCESS_S)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None], ids=repr)
def test_a_token_that_wants_no_algorithm_is_invalid(alg: str | None) -> None:
    body = forged(header={**HEADER, "alg": alg}).rpartition(".")[0]
    for token in (f"{body}.", f"{body}.{segment(KEY.sign(body.encode()))}"):
        with pytest.raises(TokenInvalid):
            verify_access(token, KEYS, NOW)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER, Encoding.Raw])
def test_a_token_signed_by_hmac_with_the_public_key_as_its_secret_is_invalid(encoding: Encoding) -> None:
    shape = PublicFormat.Raw if encoding is Encoding.Raw else PublicFormat.SubjectPublicKeyInfo
    public = KEY.public_key().public_bytes(encoding, shape)
    body = forged(header={**HEADER, "alg": "HS256"}).rpartition(".")[0]
    with pytest.raises(TokenInvalid):
        verify_access(f"{body}.{segment(hmac.digest(public, body.encode(), 'sha256'))}", KEYS, NOW)


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "kid": "second"},
        {**HEADER, "kid": ["first"]},
        {**HEADER, "kid": 1},
        {"alg": "EdDSA"},
        {"kid": "first"},
        {**HEADER, "b64": False},
        {**HEADER, "crit": ["exp"]},
    ],
    ids=str,
)
def test_a_header_with_an_unknown_key_or_an_unknown_demand_is_invalid(header: dict[str, Any]) -> None:
    with pytest.raises(TokenInvalid):
        verify_access(forged(header=header), KEYS, NOW)


def test_a_token_of_another_key_under_our_key_id_is_invalid() -> None:
    with pytest.raises(TokenInvalid):
        verify_access(forged(key=STRANGER), KEYS, NOW)


@given(place=st.integers(0, 10_000), char=st.sampled_from("abcXYZ019-_.= \n\x00é"))
def test_a_token_with_one_character_changed_is_invalid(place: int, char: str) -> None:
    token = issued()
    place %= len(token)
    mutated = token[:place] + char + token[place + 1 :]
    if mutated == token:
        return
    with pytest.raises(TokenInvalid):
        verify_access(mutated, KEYS, NOW)


@given(st.one_of(st.text(), st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True)))
def test_garbage_is_invalid(token: str) -> None:
    with pytest.raises(TokenInvalid):
        verify_access(token, KEYS, NOW)


@pytest.mark.parametrize("header", [b"[" * 1500, b"{" * 1500, b'{"a":' * 300, b"\xff\xfe", b"1" * 1500, b"[]", b"null"])
def test_a_header_that_would_exhaust_a_parser_is_invalid(header: bytes) -> None:
    with pytest.raises(TokenInvalid):
        verify_access(f"{segment(header)}.e30.AA", KEYS, NOW)


def test_a_token_over_the_limit_is_invalid_whatever_it_says() -> None:
    with pytest.raises(TokenInvalid):
        verify_access(forged(more="x" * ACCESS_CHARS_MAX), KEYS, NOW)


def test_public_keys_come_from_a_key_set_by_key_id() -> None:
    raw = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    jwks = {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "first", "x": segment(raw)}]}
    assert verify_access(issued(), public_keys(jwks), NOW).session_id == "b" * 26


def test_a_refresh_token_is_read_back_and_says_session_and_number() -> None:
    token = refresh_token(SECRET, "s" * 26, 41)
    assert token.startswith("s" * 26 + ".41.")
    assert read_refresh_token(SECRET, token) == ("s" * 26, 41)


@given(place=st.integers(0, 10_000), char=st.sampled_from("az27019A.= \n\x00é"))
def test_a_refresh_token_with_one_character_changed_is_invalid(place: int, char: str) -> None:
    token = refresh_token(SECRET, "s" * 26, 7)
    place %= len(token)
    mutated = token[:place] + char + token[place + 1 :]
    if mutated == token:
        return
    with pytest.raises(RefreshTokenInvalid):
        read_refresh_token(SECRET, mutated)


@given(st.one_of(st.text(), st.from_regex(r"[a-z2-7]{26}\.[0-9]{1,3}\.[a-z2-7]{52}", fullmatch=True)))
def test_a_refresh_token_that_we_did_not_derive_is_invalid(token: str) -> None:
    with pytest.raises(RefreshTokenInvalid):
        read_refresh_token(SECRET, token)


def test_a_number_has_one_spelling() -> None:
    token = refresh_token(SECRET, "s" * 26, 7)
    for other in ("07", "+7", " 7", "7 ", "\u0667"):
        with pytest.raises(RefreshTokenInvalid):
            read_refresh_token(SECRET, token.replace(".7.", f".{other}."))
