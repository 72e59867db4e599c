"""The ledger on disk: private, whole or not at all, and a damaged file is named."""

from dataclasses import replace
from pathlib import Path

import pytest

from clarity_server.adapters.local.ledger import DiskLedger
from clarity_server.domain.erasure import Erasure, ErasureState
from clarity_server.domain.errors import InvalidInput, StoreDamaged

ASKED = Erasure("erasure-1", "a" * 26, b"\1" * 32, 100.5, 200.25)


def test_the_ledger_is_for_its_owner_only(tmp_path: Path) -> None:
    ledger = DiskLedger(tmp_path)
    ledger.create(ASKED)
    ledger.advance(ASKED, replace(ASKED, state=ErasureState.RUNNING))
    found = [tmp_path / "erasures", *(tmp_path / "erasures").rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in found} == {0o600, 0o700}
    assert len([path for path in found if path.is_file()]) == 1, "nothing is left aside"


def test_an_account_id_names_no_other_file(tmp_path: Path) -> None:
    ledger = DiskLedger(tmp_path)
    with pytest.raises(InvalidInput):
        ledger.create(replace(ASKED, account_id="../root"))


@pytest.mark.parametrize("content", [b"", b"{}", b'{"secret_hash": "zz"}', b"[]"], ids=["none", "empty", "hex", "list"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    ledger = DiskLedger(tmp_path)
    ledger.create(ASKED)
    (file,) = (tmp_path / "erasures").glob("*.json")
    file.write_bytes(content)
    with pytest.raises(StoreDamaged) as error:
        ledger.by_secret(ASKED.secret_hash)
    assert error.value.facts == {"piece": f"erasures/{file.name}"}
