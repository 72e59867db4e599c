"""Sealing: AES-256-GCM under an account's data key, bound to the name of what is sealed."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clarity_server.domain.errors import StoreDamaged

KEY_BYTES = 32
NONCE_BYTES = 12  # random: NIST SP 800-38D allows 2**32 seals under one key


def seal(key: bytes, plain: bytes, name: str) -> bytes:
    """Seal bytes under a name; only the same name opens them again."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, name.encode())


def unseal(key: bytes, sealed: bytes, name: str) -> bytes:
    """Open sealed bytes. Raises StoreDamaged when key, name or bytes are not the sealed ones."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name.encode())
    except (InvalidTag, ValueError) as why:
        raise StoreDamaged(piece=name) from why
