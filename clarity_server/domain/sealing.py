"""Sealing: AES-256-GCM under an account's data key, bound to the name of what is sealed."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clarity_server.domain.errors import StoreDamaged

KEY_BYTES = 32
NONCE_BYTES = 12  # random: NIST SP 800-38D allows 2**32 seals under one key


class Cipher:
    """Seals and opens under one key. For many small pieces in a row: making it costs more than sealing one does."""

    def __init__(self, key: bytes) -> None:
        """Take the key."""
        self._aead = AESGCM(key)

    def seal(self, plain: bytes, name: str) -> bytes:
        """Seal bytes under a name; only the same name opens them again."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, name.encode())

    def unseal(self, sealed: bytes, name: str) -> bytes:
        """Open sealed bytes. Raises StoreDamaged when key, name or bytes are not the sealed ones."""
        try:
            return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError) as why:
            raise StoreDamaged(piece=name) from why


def seal(key: bytes, plain: bytes, name: str) -> bytes:
    """Seal bytes under a name; only the same name opens them again."""
    return Cipher(key).seal(plain, name)


def unseal(key: bytes, sealed: bytes, name: str) -> bytes:
    """Open sealed bytes. Raises StoreDamaged when key, name or bytes are not the sealed ones."""
    return Cipher(key).unseal(sealed, name)
