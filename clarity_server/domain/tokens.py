"""Access and refresh tokens, as pure functions of a key, of what they say, and of the time.

An access token is a JWT (RFC 7519) signed with Ed25519 (RFC 8037). A refresh token is `<session_id>.<counter>.<mac>`:
its successor can be derived again, so a lost reply can be repeated although the store keeps only hashes.
"""

import hmac
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jwt.api_jws import PyJWS

from clarity_server.domain.accounts import Identity
from clarity_server.domain.errors import RefreshTokenInvalid, TokenExpired, TokenInvalid
from clarity_server.domain.ids import ID_CHARS, spelled

ISSUER = "clarity"
AUDIENCE = "clarity.v1"
ACCESS_USE = "access"
ALGORITHM = "EdDSA"  # pinned: a token never chooses how it is checked
ACCESS_S = 10 * 60
SKEW_S = 30  # how far ahead the clock of the server that issued a token may be
ACCESS_CHARS_MAX = 4096  # ours have some 800; a longer one is not worth decoding
SCOPES_MAX = 256  # different claims remembered
HEADERS_MAX = 16  # remembered: one a key, and some room for forgers to fight over

_JWS = PyJWS(algorithms=[ALGORITHM])
_REFRESH_SHAPE = re.compile(rf"([a-z2-7]{{{ID_CHARS}}})\.(0|[1-9][0-9]{{0,9}})\.[a-z2-7]{{52}}")


def issue_access(
    key_id: str, key: Ed25519PrivateKey, *, account_id: str, session_id: str, scopes: str, issued_s: int
) -> str:
    """Sign an access token. The same arguments give the same bytes: Ed25519 draws nothing at random.

    `scopes` are joined by blanks, as the `scope` claim of RFC 9068 has them.
    """
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": account_id,
        "sid": session_id,
        "token_use": ACCESS_USE,
        "scope": scopes,
        "iat": issued_s,
        "nbf": issued_s,
        "exp": issued_s + ACCESS_S,
    }
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": key_id})


def public_keys(jwks: Mapping[str, object]) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 keys of a JSON Web Key Set, by key id."""
    found = jwt.PyJWKSet.from_dict(dict(jwks)).keys
    return {key.key_id: key.key for key in found if key.key_id and isinstance(key.key, Ed25519PublicKey)}


def verify_access(token: str, keys: Mapping[str, Ed25519PublicKey], now: float) -> Identity:
    """Read the subject out of an access token. Raises TokenInvalid, or TokenExpired when nothing else is wrong."""
    claims = _signed_claims(token, keys)
    _check_purpose(claims)
    identity = _subject(claims)
    _check_time(claims, now)
    return identity


def refresh_token(key: bytes, session_id: str, counter: int) -> str:
    """The session's refresh token of this number; only the holder of the key can derive it."""
    body = f"{session_id}.{counter}"
    return f"{body}.{spelled(hmac.digest(key, body.encode(), 'sha256'))}"


def read_refresh_token(key: bytes, token: str) -> tuple[str, int]:
    """Session id and number of a refresh token that we derived. Raises RefreshTokenInvalid for any other text."""
    shape = _REFRESH_SHAPE.fullmatch(token)
    if shape is None:
        raise RefreshTokenInvalid
    session_id, counter = shape[1], int(shape[2])
    if not hmac.compare_digest(token, refresh_token(key, session_id, counter)):
        raise RefreshTokenInvalid
    return session_id, counter


def _signed_claims(token: str, keys: Mapping[str, Ed25519PublicKey]) -> dict[str, Any]:
    if len(token) > ACCESS_CHARS_MAX:
        raise TokenInvalid
    try:
        key = keys.get(_key_id(token.partition(".")[0]))
        claims = None if key is None else json.loads(_JWS.decode(token, key, algorithms=[ALGORITHM]))
    except (jwt.PyJWTError, ValueError) as why:
        raise TokenInvalid from why
    if not isinstance(claims, dict):
        raise TokenInvalid
    return claims


@lru_cache(maxsize=HEADERS_MAX)
def _key_id(header: str) -> str:
    """The key that a header names. All tokens under one key have the same header: reading it once saves a fifth."""
    return str(jwt.get_unverified_header(f"{header}..").get("kid", ""))


def _check_purpose(claims: Mapping[str, Any]) -> None:
    said = (claims.get("iss"), claims.get("aud"), claims.get("token_use"))
    if said != (ISSUER, AUDIENCE, ACCESS_USE):
        raise TokenInvalid


def _subject(claims: Mapping[str, Any]) -> Identity:
    account_id, session_id, scopes = claims.get("sub"), claims.get("sid"), claims.get("scope")
    issued_s, expire_s = claims.get("iat"), claims.get("exp")
    if not (isinstance(account_id, str) and isinstance(session_id, str) and isinstance(scopes, str)):
        raise TokenInvalid
    if not (type(issued_s) is int and type(expire_s) is int):
        raise TokenInvalid
    return Identity(account_id, session_id, float(expire_s), float(issued_s), _scopes(scopes))


@lru_cache(maxsize=SCOPES_MAX)
def _scopes(text: str) -> frozenset[str]:
    """The scopes of a claim. Most tokens have the same ones: one set for all of them saves memory and time."""
    return frozenset(text.split())


def _check_time(claims: Mapping[str, Any], now: float) -> None:
    """The one place that knows clocks differ: at a token's beginning, for its end is promised by the contract."""
    begins = (claims.get("iat"), claims.get("nbf"))
    if not all(type(begin) is int and now >= begin - SKEW_S for begin in begins):
        raise TokenInvalid
    if now >= claims["exp"]:
        raise TokenExpired
