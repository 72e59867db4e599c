"""The ledger of erasures on this machine's disk: a private file each, below the keys and outside the stores.

A file is called `<account id>.<hash of the receipt secret>.json`, so that both ways to one need only the names.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from pathlib import Path

from clarity_server.adapters.local import files
from clarity_server.adapters.local.keys import ACCOUNT_ID
from clarity_server.domain.erasure import Erasure, ErasureState
from clarity_server.domain.errors import InvalidInput, StoreDamaged
from clarity_server.domain.ids import spelled

SUFFIX = ".json"


class DiskLedger:
    """Implements ports.Ledger. Several processes may share the directory."""

    def __init__(self, keys: Path | str) -> None:
        """Make the directory below the keys where there is none. Raises StoreFull, StoreUnavailable."""
        self._root = Path(keys) / "erasures"
        self._aside = self._root / "aside"
        with files.translated():
            for directory in (self._root, self._aside):
                files.make_directory(directory)
            files.sweep(self._aside)

    def create(self, erasure: Erasure) -> None:
        """Store a new erasure, durably. Raises StoreFull, StoreUnavailable."""
        with files.translated():
            placed = files.place(self._file(erasure), _packed(erasure), self._aside)
        assert placed, "a secret is made once"

    def advance(self, old: Erasure, new: Erasure) -> bool:
        """Replace `old` by `new`, durably, if what is stored is still in the state of `old`; tell whether."""
        path = self._file(old)
        assert path == self._file(new), "an erasure stays of one account and one secret"
        with files.translated(), files.alone(self._root):  # between the look and the change nobody comes
            if _read(path).state is not old.state:
                return False
            files.replace(path, _packed(new), self._aside)
            return True

    def by_secret(self, secret_hash: bytes) -> Erasure | None:
        """Find an erasure by the hash of its receipt secret. Raises StoreDamaged."""
        wanted = f".{spelled(secret_hash)}{SUFFIX}"
        return next(iter(self._read(lambda name: name.endswith(wanted))), None)

    def of_account(self, account_id: str) -> Erasure | None:
        """Find the newest erasure of an account. Raises StoreDamaged."""
        found = self._read(lambda name: name.startswith(f"{account_id}."))
        return max(found, key=_age, default=None)

    def newest(self, states: Collection[ErasureState]) -> Sequence[Erasure]:
        """List the newest erasure of each account where it is in one of these states. Raises StoreDamaged."""
        found = {erasure.account_id: erasure for erasure in sorted(self._read(lambda _: True), key=_age)}
        return [erasure for erasure in found.values() if erasure.state in states]

    def _read(self, wanted: Callable[[str], bool]) -> list[Erasure]:
        with files.translated():
            return [_read(path) for path in self._root.glob(f"*{SUFFIX}") if wanted(path.name)]

    def _file(self, erasure: Erasure) -> Path:
        if not ACCOUNT_ID.fullmatch(erasure.account_id):
            raise InvalidInput(account_id="an account's id is 1 to 64 characters of `a-z 0-9 -`")
        return self._root / f"{erasure.account_id}.{spelled(erasure.secret_hash)}{SUFFIX}"


def _age(erasure: Erasure) -> tuple[float, str]:
    return erasure.request_time, erasure.erasure_id


def _packed(erasure: Erasure) -> bytes:
    return json.dumps({**asdict(erasure), "secret_hash": erasure.secret_hash.hex()}, indent=1).encode()


def _read(path: Path) -> Erasure:
    try:
        told = json.loads(path.read_bytes())
        told["secret_hash"] = bytes.fromhex(told["secret_hash"])
        told["state"] = ErasureState(told["state"])
        told["stores"] = tuple((name, erased, left) for name, erased, left in told["stores"])
        return Erasure(**told)
    except (ValueError, KeyError, TypeError) as why:
        raise StoreDamaged(piece=f"erasures/{path.name}") from why
