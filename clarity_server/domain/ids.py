"""Opaque ids, and keyed digests of several texts: what has to be unguessable is made here."""

import base64
import hmac
import os

ID_BYTES = 16  # 128 random bits, unordered: an id tells neither when it was made nor how many there are
ID_CHARS = 26  # ceil(8 * ID_BYTES / 5)


def new_id() -> str:
    """A fresh id of 26 characters `a-z 2-7`."""
    return spelled(os.urandom(ID_BYTES))


def spelled(data: bytes) -> str:
    """Bytes as lower-case base32 without padding (RFC 4648, section 6)."""
    return base64.b32encode(data).rstrip(b"=").lower().decode()


def keyed_digest(key: bytes, *texts: str) -> bytes:
    """HMAC-SHA256 over texts, 32 bytes. Each text is preceded by its length, so that ("ab", "c") is not ("a", "bc")."""
    parts = [text.encode() for text in texts]
    return hmac.digest(key, b"".join(len(part).to_bytes(4) + part for part in parts), "sha256")
