"""Keys on this machine's disk: a root key, an account's data key wrapped by it, and the keys that sign tokens.

    root.key                    32 random bytes; all else is derived from it or wrapped under it
    accounts/<account_id>.key   a data key, AES key wrap (RFC 3394)
    accounts/<account_id>.gone  empty: the data key was destroyed, and none is made again
    signing/<key id>.pem        Ed25519, PKCS #8; named by its thumbprint (RFC 7638), and as old as the file

Whoever has this directory and the stores can read everything: it belongs in no backup of the stores.
"""

import base64
import hashlib
import json
import os
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
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
from clarity_server.domain.errors import AccountNotFound, InvalidInput, StartRefused, StoreDamaged
from clarity_server.domain.sealing import KEY_BYTES
from clarity_server.domain.tokens import ACCESS_S, SKEW_S

ACCOUNT_ID = re.compile(r"[a-z0-9-]{1,64}")
CACHED_KEYS_MAX = 4096
LOOK_AGAIN_S = 1.0  # asked for every piece of an upload, it would cost a sixth of its speed: a system call is a wait
NOT_YET_S = 60.0  # until a new key signs: by then every process and Envoy have fetched the key set once more
LATER_S = 0.001  # by which a key is younger than the one before, whatever the clock says
RETIRE_MARGIN_S = 60.0  # beyond the last token of a key: for a process whose clock is behind
RETIRE_S = ACCESS_S + SKEW_S + RETIRE_MARGIN_S  # how long a key that signs no more still verifies
NOT_PRIVATE = 0o077  # any right of the group or the world
NOT_OURS_ALONE = 0o022  # a directory where others may put their own key in place of ours


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs, has signed or will sign."""

    made_time: float
    key_id: str
    key: Ed25519PrivateKey


class DiskKeys:
    """Implements ports.Keys. Several processes may share the root; each hears of the others' keys by `refresh`."""

    def __init__(
        self,
        root: Path | str,
        *,
        not_yet_s: float = NOT_YET_S,
        look_again_s: float = LOOK_AGAIN_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make the root key and a signing key where there are none. Raises StartRefused where others can read them.

        `not_yet_s` is how long a new signing key waits before it signs; all processes must agree. `look_again_s` is how
        long it may go unseen that another process has destroyed a data key that is in use here.
        """
        self._root = Path(root)
        self._not_yet_s = not_yet_s
        self._clock = clock
        self._cached: OrderedDict[str, bytes] = OrderedDict()
        self._caching = threading.Lock()
        self._looked: dict[str, float] = {}  # when a cached key was last seen not to be destroyed
        self._look_again_s = look_again_s
        self._derived: dict[str, bytes] = {}
        with files.translated():
            for directory in (self._root, self._accounts, self._signing, self._aside):
                files.make_directory(directory)
                _refuse_shared(directory, NOT_OURS_ALONE, "700")
            files.sweep(self._aside)
            self._root_key = self._load_root_key()
            with files.alone(self._signing):  # two that start at once must not make a signing key each
                self._signing_keys = self._load_signing_keys(()) or (self._create_signing_key(),)

    @property
    def _accounts(self) -> Path:
        return self._root / "accounts"

    @property
    def _signing(self) -> Path:
        return self._root / "signing"

    @property
    def _aside(self) -> Path:
        return self._root / "aside"

    @property
    def aside(self) -> Path:
        """Where files lie while they are written."""
        return self._aside

    def derived(self, purpose: str) -> bytes:
        """Return 32 bytes that belong to a purpose: HKDF-SHA256 (RFC 5869) of the root key, no salt, info = purpose."""
        if purpose not in self._derived:  # a handful: the purposes stand in the code
            self._derived[purpose] = self._derive(purpose)
        return self._derived[purpose]

    def create_data_key(self, account_id: str) -> bytes:
        """Make an account's data key if there is none, keep it wrapped, and return it.

        Raises AccountNotFound where it was destroyed; StoreDamaged, StoreFull, StoreUnavailable.
        """
        path = self._account_file(account_id)
        with files.translated():
            if self._is_gone(account_id):
                raise AccountNotFound
            if self._recall(account_id) is None and not path.exists():
                files.place(path, aes_key_wrap(self._wrapping_key(account_id), os.urandom(KEY_BYTES)), self._aside)
        return self.data_key(account_id)

    def data_key(self, account_id: str) -> bytes:
        """Return an account's data key. Raises StoreDamaged when it is gone or cannot be unwrapped."""
        key = self._recall(account_id)
        if key is None:
            key = self._unwrap(account_id)
            self._remember(account_id, key)
        # Asked after the cache is filled, and again and again: another process may destroy it at any moment.
        if time.monotonic() >= self._looked.get(account_id, 0.0) + self._look_again_s:
            if self._is_gone(account_id):
                self._forget(account_id)
                raise StoreDamaged(piece=f"accounts/{account_id}.key")
            self._looked[account_id] = time.monotonic()
        return key

    def destroy_data_key(self, account_id: str) -> None:
        """Destroy an account's data key, durably, for all processes at once; destroying it again changes nothing.

        The mark comes first: from then on the key is neither used nor made again, and whoever dies in between only has
        to be repeated. The bytes are overwritten in place, which a file system that copies on write, or a disk that
        levels its wear, may not do; there, only the root key stands between an old block and its data.
        """
        path = self._account_file(account_id)
        with files.translated():
            files.place(self._gone_file(account_id), b"", self._aside)
            with suppress(FileNotFoundError):
                files.destroy(path)
            files.sync_directory(self._accounts)
        self._forget(account_id)

    def signing_key(self) -> tuple[str, Ed25519PrivateKey]:
        """Return the key id and key that sign access tokens now: the newest that all who verify can know."""
        known_since = self._clock() - self._not_yet_s
        keys = self._signing_keys
        signing = next((one for one in reversed(keys) if one.made_time <= known_since), keys[0])
        return signing.key_id, signing.key

    def rotate_signing_key(self) -> str:
        """Make a new signing key; return its id. It is published at once and signs in NOT_YET_S."""
        with files.translated(), files.alone(self._signing):
            known = self._load_signing_keys(self._signing_keys)
            made = self._create_signing_key(known[-1].made_time if known else 0.0)
            self._signing_keys = self._load_signing_keys(known)
        return made.key_id

    def refresh(self) -> bool:
        """Look for keys that another process made, retire those that can verify nothing any more; tell of a change."""
        before = self._signing_keys
        with files.translated():
            found = self._load_signing_keys(before)
            retired = self._retired(found)
            for one in retired:
                (self._signing / f"{one.key_id}.pem").unlink(missing_ok=True)
        # With no file left, what this process knows still signs and verifies.
        self._signing_keys = found[len(retired) :] or before
        return {one.key_id for one in self._signing_keys} != {one.key_id for one in before}

    def jwks(self) -> dict[str, object]:
        """Return the public keys that verify access tokens, as a JSON Web Key Set (RFC 7517, 8037), oldest first."""
        stated = [{**_public(one.key), "kid": one.key_id, "use": "sig", "alg": "EdDSA"} for one in self._signing_keys]
        return {"keys": stated}

    def _load_root_key(self) -> bytes:
        path = self._root / "root.key"
        if not path.exists():
            files.place(path, os.urandom(KEY_BYTES), self._aside)
        key = _private(path)
        if len(key) != KEY_BYTES:
            raise StartRefused(f"{path} is {len(key)} bytes and not {KEY_BYTES}: restore it from its backup")
        return key

    def _derive(self, purpose: str) -> bytes:
        return HKDF(hashes.SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(self._root_key)

    def _wrapping_key(self, account_id: str) -> bytes:
        # One each: key wrap binds no name, and with a common one a file copied over another's would open.
        return self._derive(f"data key of {account_id}")

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
                oldest, _ = self._cached.popitem(last=False)
                self._looked.pop(oldest, None)

    def _forget(self, account_id: str) -> None:
        with self._caching:
            self._cached.pop(account_id, None)
            self._looked.pop(account_id, None)

    def _is_gone(self, account_id: str) -> bool:
        with files.translated():
            return self._gone_file(account_id).exists()

    def _gone_file(self, account_id: str) -> Path:
        return self._account_file(account_id).with_suffix(".gone")

    def _load_signing_keys(self, known: Sequence[SigningKey]) -> tuple[SigningKey, ...]:
        """Read what is in the directory, oldest first; a file that is known is not opened again."""
        keys = {one.key_id: one.key for one in known}
        found = []
        for path in self._signing.glob("*.pem"):
            with suppress(FileNotFoundError):  # another process has retired it meanwhile
                key = keys.get(path.stem) or _load_pem(path)
                found.append(SigningKey(path.stat().st_mtime, key_id(key), key))
        return tuple(sorted(found, key=lambda one: (one.made_time, one.key_id)))

    def _retired(self, keys: Sequence[SigningKey]) -> Sequence[SigningKey]:
        """List the oldest keys of which no token can be in force: their successors have signed for long enough."""
        signing_until = self._clock() - RETIRE_S - self._not_yet_s
        return [one for one, next_one in pairwise(keys) if next_one.made_time <= signing_until]

    def _create_signing_key(self, after: float = 0.0) -> SigningKey:
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path = self._signing / f"{key_id(key)}.pem"
        files.place(path, pem, self._aside)
        os.utime(path, (max(self._clock(), after + LATER_S),) * 2)
        return SigningKey(path.stat().st_mtime, key_id(key), key)


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
