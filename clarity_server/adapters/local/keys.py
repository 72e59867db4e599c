"""Keys on this machine's disk: a root key, an account's data key wrapped by it, and the key that signs tokens.

    root.key                   32 random bytes; all else is derived from it or wrapped under it
    accounts/<account_id>.key  a data key, AES key wrap (RFC 3394)
    signing/<key id>.pem       Ed25519, PKCS #8; the key id is the thumbprint (RFC 7638)

Whoever has this directory and the stores can read everything: it belongs in no backup of the stores.
"""

import base64
import hashlib
import json
import os
import re
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from clarity_server.adapters.local import files
from clarity_server.domain.errors import InvalidInput, StartRefused, StoreDamaged
from clarity_server.domain.sealing import KEY_BYTES

ACCOUNT_ID = re.compile(r"[a-z0-9-]{1,64}")
CACHED_KEYS_MAX = 4096
NOT_PRIVATE = 0o077  # any right of the group or the world
NOT_OURS_ALONE = 0o022  # a directory where others may put their own key in place of ours


class DiskKeys:
    """Implements ports.Keys. Several processes may share the root."""

    def __init__(self, root: Path | str) -> None:
        """Make the root key and a signing key where there are none. Raises StartRefused where others can read them."""
        self._root = Path(root)
        self._cached: OrderedDict[str, bytes] = OrderedDict()
        self._caching = threading.Lock()
        with files.translated():
            for directory in (self._root, self._accounts, self._signing, self._aside):
                files.make_directory(directory)
                _refuse_shared(directory, NOT_OURS_ALONE, "700")
            files.sweep(self._aside)
            self._root_key = self._load_root_key()
            with files.alone(self._signing):  # two that start at once must not make a signing key each
                self._signing_keys = self._load_signing_keys() or [self._create_signing_key()]

    @property
    def _accounts(self) -> Path:
        return self._root / "accounts"

    @property
    def _signing(self) -> Path:
        return self._root / "signing"

    @property
    def _aside(self) -> Path:
        return self._root / "aside"

    def derived(self, purpose: str) -> bytes:
        """Return 32 bytes that belong to a purpose: HKDF-SHA256 (RFC 5869) of the root key, no salt, info = purpose."""
        return HKDF(hashes.SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(self._root_key)

    def create_data_key(self, account_id: str) -> bytes:
        """Make an account's data key if there is none, keep it wrapped, and return it.

        Raises StoreDamaged, StoreFull, StoreUnavailable.
        """
        path = self._account_file(account_id)
        with files.translated():
            if self._recall(account_id) is None and not path.exists():
                files.place(path, aes_key_wrap(self._wrapping_key(account_id), os.urandom(KEY_BYTES)), self._aside)
        return self.data_key(account_id)

    def data_key(self, account_id: str) -> bytes:
        """Return an account's data key. Raises StoreDamaged when it is gone or cannot be unwrapped."""
        key = self._recall(account_id)
        if key is None:
            key = self._unwrap(account_id)
            self._remember(account_id, key)
        return key

    def signing_key(self) -> tuple[str, Ed25519PrivateKey]:
        """Return the key id and key that sign access tokens now: the newest file."""
        return key_id(self._signing_keys[-1]), self._signing_keys[-1]

    def jwks(self) -> dict[str, object]:
        """Return the public keys that verify access tokens, as a JSON Web Key Set (RFC 7517, 8037)."""
        stated = [{**_public(key), "kid": key_id(key), "use": "sig", "alg": "EdDSA"} for key in self._signing_keys]
        return {"keys": stated}

    def _load_root_key(self) -> bytes:
        path = self._root / "root.key"
        if not path.exists():
            files.place(path, os.urandom(KEY_BYTES), self._aside)
        key = _private(path)
        if len(key) != KEY_BYTES:
            raise StartRefused(f"{path} is {len(key)} bytes and not {KEY_BYTES}: restore it from its backup")
        return key

    def _wrapping_key(self, account_id: str) -> bytes:
        # One each: key wrap binds no name, and with a common one a file copied over another's would open.
        return self.derived(f"data key of {account_id}")

    def _unwrap(self, account_id: str) -> bytes:
        path = self._account_file(account_id)
        try:
            with files.translated():
                return aes_key_unwrap(self._wrapping_key(account_id), path.read_bytes())
        except (FileNotFoundError, InvalidUnwrap, ValueError) as why:
            raise StoreDamaged(piece=f"accounts/{path.name}") from why

    def _account_file(self, account_id: str) -> Path:
        if not ACCOUNT_ID.fullmatch(account_id):
            raise InvalidInput(account_id="an account's id is 1 to 64 characters of `a-z 0-9 -`")
        return self._accounts / f"{account_id}.key"

    def _recall(self, account_id: str) -> bytes | None:
        with self._caching:
            if account_id in self._cached:
                self._cached.move_to_end(account_id)
            return self._cached.get(account_id)

    def _remember(self, account_id: str, key: bytes) -> None:
        with self._caching:
            self._cached[account_id] = key
            while len(self._cached) > CACHED_KEYS_MAX:
                self._cached.popitem(last=False)

    def _load_signing_keys(self) -> list[Ed25519PrivateKey]:
        found = sorted(self._signing.glob("*.pem"), key=lambda path: (path.stat().st_mtime, path.name))
        return [_load_pem(path) for path in found]

    def _create_signing_key(self) -> Ed25519PrivateKey:
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        files.place(self._signing / f"{key_id(key)}.pem", pem, self._aside)
        return key


def key_id(key: Ed25519PrivateKey) -> str:
    """Return the thumbprint of a key (RFC 7638): SHA-256 of its required members in order, base64url."""
    members = json.dumps(_public(key), sort_keys=True, separators=(",", ":"))
    return _base64url(hashlib.sha256(members.encode()).digest())


def _public(key: Ed25519PrivateKey) -> dict[str, str]:
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _load_pem(path: Path) -> Ed25519PrivateKey:
    with suppress(ValueError, UnsupportedAlgorithm):
        key = load_pem_private_key(_private(path), password=None)
        if isinstance(key, Ed25519PrivateKey):
            return key
    raise StartRefused(f"{path} is not an Ed25519 key: restore it, or move it away and a new one is made")


def _private(path: Path) -> bytes:
    """Read a key file. Raises StartRefused when others can, too."""
    _refuse_shared(path, NOT_PRIVATE, "600")
    return path.read_bytes()


def _refuse_shared(path: Path, rights: int, mode: str) -> None:
    if path.stat().st_mode & rights:
        raise StartRefused(f"{path} is open to other users of this machine: run `chmod {mode} {path}`")
