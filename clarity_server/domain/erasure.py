"""Erasures as values, and the signed receipt of one.

A receipt is a JWS (RFC 7515, compact) with `alg` EdDSA and `typ` clarity-erasure+jws. To check one, take the audit's
public key (`python -m clarity_server audit key` prints it as a JWK), see that its `kid` is the one of the header, and
verify: `jwt.PyJWS().decode(receipt, key, algorithms=["EdDSA"])` with PyJWT, or any JOSE library. The key is none that
signs tokens, and stays the same for as long as the server's root key does.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jwt.api_jws import PyJWS

from clarity_server.domain.chain import public_jwk

RECEIPT_TYPE = "clarity-erasure+jws"
_ALGORITHM = "EdDSA"
_JWS = PyJWS(algorithms=[_ALGORITHM])


class ErasureState(StrEnum):
    """How far an erasure is."""

    SCHEDULED = "scheduled"
    CANCELLED = "cancelled"
    RUNNING = "running"
    DONE = "done"


BEGUN = frozenset({ErasureState.RUNNING, ErasureState.DONE})


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure as the ledger has it: ids, times and counts, and nothing that tells who it was."""

    erasure_id: str
    account_id: str
    secret_hash: bytes
    request_time: float
    erase_time: float
    state: ErasureState = ErasureState.SCHEDULED
    done_time: float | None = None
    stores: tuple[tuple[str, int, int], ...] = ()  # name, erased, left
    signed_receipt: str = ""


def receipt(erasure: Erasure, key: Ed25519PrivateKey) -> str:
    """Sign what became of an erasure. The account's id is not in it: it would tie the receipt to older tokens."""
    assert erasure.done_time is not None, "there is a receipt once it is done"
    stores = [{"store": name, "erased_count": erased, "left_count": left} for name, erased, left in erasure.stores]
    told = {
        "iss": "clarity",
        "erasure_id": erasure.erasure_id,
        "state": erasure.state,
        "request_time": _spelled(erasure.request_time),
        "erase_time": _spelled(erasure.erase_time),
        "done_time": _spelled(erasure.done_time),
        "stores": stores,
    }
    headers = {"kid": public_jwk(key.public_key())["kid"], "typ": RECEIPT_TYPE}
    return _JWS.encode(json.dumps(told).encode(), key, algorithm=_ALGORITHM, headers=headers)


def read_receipt(signed: str, key: Ed25519PublicKey) -> dict[str, Any]:
    """What a receipt says. Raises ValueError where it is not one of ours, or was changed."""
    try:
        decoded = _JWS.decode_complete(signed, key, algorithms=[_ALGORITHM])
    except jwt.PyJWTError as why:
        raise ValueError("this is not a receipt that the key has signed") from why
    if decoded["header"].get("typ") != RECEIPT_TYPE:
        raise ValueError("this is signed by the key, and is no receipt")
    told: dict[str, Any] = json.loads(decoded["payload"])
    return told


def _spelled(time: float) -> str:
    """Seconds since 1970 as RFC 3339 has them."""
    return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")
