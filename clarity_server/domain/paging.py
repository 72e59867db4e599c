"""Page tokens: opaque, sealed by a keyed digest, and bound to the query they continue."""

import base64
import hashlib
import hmac
import json
from binascii import Error as BadBase64
from collections.abc import Sequence

from clarity_server.domain.errors import PageTokenInvalid

DIGEST_BYTES = 16


def page_token(key: bytes, query: Sequence[object], position: Sequence[str | int]) -> str:
    """Return the token that continues a query after a position."""
    packed = json.dumps(list(position), separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_digest(key, query, packed) + packed).decode().rstrip("=")


def position(key: bytes, query: Sequence[object], token: str) -> list[str | int] | None:
    """Return where a token continues, None for the empty one. Raises PageTokenInvalid."""
    if not token:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (BadBase64, ValueError) as why:
        raise PageTokenInvalid from why
    digest, packed = raw[:DIGEST_BYTES], raw[DIGEST_BYTES:]
    if not hmac.compare_digest(digest, _digest(key, query, packed)):
        raise PageTokenInvalid
    found: list[str | int] = json.loads(packed)
    return found


def _digest(key: bytes, query: Sequence[object], packed: bytes) -> bytes:
    said = json.dumps([str(part) for part in query]).encode()
    return hmac.new(key, said + b"\0" + packed, hashlib.sha256).digest()[:DIGEST_BYTES]
