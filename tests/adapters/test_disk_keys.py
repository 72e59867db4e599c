"""Keys on disk: who can read them, and what a stranger's hand in the directory comes to."""

import os
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from clarity_server.adapters.local import keys as local
from clarity_server.adapters.local.keys import DiskKeys, key_id
from clarity_server.domain.errors import AccountNotFound, InvalidInput, StartRefused, StoreDamaged
from tests.contracts.worlds import Clock

ONE, TWO = "a" * 26, "b" * 26


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_keys_are_for_their_owner_only(root: Path) -> None:
    DiskKeys(root).create_data_key(ONE)
    assert {path.stat().st_mode & 0o777 for path in [root, *root.rglob("*")]} == {0o600, 0o700}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o606])
@pytest.mark.parametrize("name", ["root.key", "signing/*.pem"])
def test_a_key_file_that_others_can_read_is_refused_with_what_to_do(root: Path, name: str, mode: int) -> None:
    DiskKeys(root)
    (file,) = root.glob(name)
    file.chmod(mode)
    with pytest.raises(StartRefused, match=f"chmod 600 {file}"):
        DiskKeys(root)
    file.chmod(0o600)
    DiskKeys(root)


@pytest.mark.parametrize("folder", [".", "signing", "accounts"])
def test_a_directory_that_others_can_write_is_refused_with_what_to_do(root: Path, folder: str) -> None:
    DiskKeys(root)
    (root / folder).chmod(0o770)
    with pytest.raises(StartRefused, match=f"chmod 700 {root / folder}"):
        DiskKeys(root)


def test_no_file_holds_a_data_key_in_the_clear(root: Path) -> None:
    key = DiskKeys(root).create_data_key(ONE)
    assert not any(key in path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_a_key_file_put_in_the_place_of_anothers_does_not_open(root: Path) -> None:
    keys = DiskKeys(root)
    keys.create_data_key(ONE)
    shutil.copy(root / "accounts" / f"{ONE}.key", root / "accounts" / f"{TWO}.key")
    with pytest.raises(StoreDamaged) as error:
        keys.data_key(TWO)
    assert error.value.facts == {"piece": f"accounts/{TWO}.key"}


@pytest.mark.parametrize("content", [b"", b"short", bytes(40)])
def test_a_damaged_data_key_is_named_and_never_replaced(root: Path, content: bytes) -> None:
    DiskKeys(root).create_data_key(ONE)
    (root / "accounts" / f"{ONE}.key").write_bytes(content)
    with pytest.raises(StoreDamaged):
        DiskKeys(root).create_data_key(ONE)
    assert (root / "accounts" / f"{ONE}.key").read_bytes() == content


def test_a_root_key_of_another_length_is_refused(root: Path) -> None:
    DiskKeys(root)
    (root / "root.key").write_bytes(b"short")
    with pytest.raises(StartRefused, match="5 bytes and not 32"):
        DiskKeys(root)


def test_a_signing_file_that_is_no_key_is_refused(root: Path) -> None:
    DiskKeys(root)
    (file,) = root.glob("signing/*.pem")
    file.write_bytes(b"nonsense")
    with pytest.raises(StartRefused, match="is not an Ed25519 key"):
        DiskKeys(root)


@pytest.mark.parametrize("account_id", ["", "../root", "a/b", "A", "a\0", "a" * 65])
def test_an_account_id_names_no_other_file(root: Path, account_id: str) -> None:
    keys = DiskKeys(root)
    before = sorted(root.rglob("*"))
    with pytest.raises(InvalidInput):
        keys.create_data_key(account_id)
    assert sorted(root.rglob("*")) == before


def test_the_cache_is_bounded(root: Path) -> None:
    keys = DiskKeys(root)
    first = keys.create_data_key(ONE)
    for number in range(local.CACHED_KEYS_MAX + 10):
        keys._remember(f"other-{number}", b"")  # noqa: SLF001  making as many files would take minutes
    assert len(keys._cached) == local.CACHED_KEYS_MAX  # noqa: SLF001
    assert keys.data_key(ONE) == first


# ---- destroyed ------------------------------------------------------------------------------------------------------


def test_a_destroyed_data_key_leaves_an_empty_mark_and_none_of_its_bytes(root: Path) -> None:
    keys = DiskKeys(root)
    keys.create_data_key(ONE)
    file = root / "accounts" / f"{ONE}.key"
    with file.open("rb") as opened:
        wrapped = opened.read()
        keys.destroy_data_key(ONE)
        opened.seek(0)
        assert opened.read() not in (wrapped, b""), "who has it open still finds other bytes in it"
    assert [path.name for path in (root / "accounts").iterdir()] == [f"{ONE}.gone"]
    assert (root / "accounts" / f"{ONE}.gone").read_bytes() == b""


def test_a_destruction_that_was_cut_short_counts_and_is_finished_by_the_next(root: Path) -> None:
    keys = DiskKeys(root, look_again_s=0.0)
    keys.create_data_key(ONE)
    (root / "accounts" / f"{ONE}.gone").touch()
    for one in (keys, DiskKeys(root)):
        with pytest.raises(StoreDamaged):
            one.data_key(ONE)
    keys.destroy_data_key(ONE)
    assert not (root / "accounts" / f"{ONE}.key").exists()


def test_a_key_put_back_from_an_older_copy_stays_destroyed(root: Path, tmp_path: Path) -> None:
    keys = DiskKeys(root)
    keys.create_data_key(ONE)
    shutil.copytree(root, tmp_path / "copy")
    keys.destroy_data_key(ONE)
    shutil.copytree(tmp_path / "copy", root, dirs_exist_ok=True)
    for one in (keys, DiskKeys(root)):
        with pytest.raises(StoreDamaged):
            one.data_key(ONE)
        with pytest.raises(AccountNotFound):
            one.create_data_key(ONE)


@pytest.mark.parametrize("account_id", ["", "../root", "a/b"])
def test_no_other_file_is_destroyed(root: Path, account_id: str) -> None:
    keys = DiskKeys(root)
    before = sorted(root.rglob("*"))
    with pytest.raises(InvalidInput):
        keys.destroy_data_key(account_id)
    assert sorted(root.rglob("*")) == before


# ---- signing --------------------------------------------------------------------------------------------------------


def files_of(root: Path) -> set[str]:
    return {path.stem for path in (root / "signing").iterdir()}


def test_a_new_signing_key_signs_from_when_all_can_know_it(root: Path) -> None:
    clock = Clock()
    keys = DiskKeys(root, clock=clock)
    older, _ = keys.signing_key()
    clock.wait(1)
    newer = keys.rotate_signing_key()
    clock.wait(local.NOT_YET_S - 0.5)
    assert keys.signing_key()[0] == DiskKeys(root, clock=clock).signing_key()[0] == older
    clock.wait(0.5)
    assert keys.signing_key()[0] == DiskKeys(root, clock=clock).signing_key()[0] == newer
    assert files_of(root) == {older, newer}


def test_how_long_a_new_key_waits_may_be_chosen(root: Path) -> None:
    clock = Clock()
    keys = DiskKeys(root, not_yet_s=0, clock=clock)
    clock.wait(1)
    assert keys.rotate_signing_key() == keys.signing_key()[0]


def test_the_file_of_a_key_goes_when_its_last_token_has_expired(root: Path) -> None:
    clock = Clock()
    keys, other = DiskKeys(root, clock=clock), DiskKeys(root, clock=clock)
    older, _ = keys.signing_key()
    clock.wait(1)
    newer = keys.rotate_signing_key()
    clock.wait(local.NOT_YET_S + local.RETIRE_S - 1)
    assert not keys.refresh()
    assert files_of(root) == {older, newer}
    clock.wait(1)
    assert keys.refresh()
    assert files_of(root) == {newer}
    assert other.refresh()
    assert other.jwks() == keys.jwks()


def test_keys_that_an_operator_has_taken_away_still_sign_where_they_are_known(root: Path) -> None:
    keys = DiskKeys(root)
    (file,) = root.glob("signing/*.pem")
    file.unlink()
    assert not keys.refresh()
    assert keys.signing_key()[0] == file.stem


def test_a_key_whose_file_says_another_time_is_in_force_then(root: Path) -> None:
    """A file copied in by hand: its time is what counts."""
    older, _ = DiskKeys(root).signing_key()
    added = Ed25519PrivateKey.generate()
    file = root / "signing" / f"{key_id(added)}.pem"
    file.touch(0o600)
    file.write_bytes(added.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    os.utime(file, (2_000_000_000,) * 2)
    clock = Clock(2_000_000_000)
    keys = DiskKeys(root, clock=clock)
    assert keys.signing_key()[0] == older
    clock.wait(local.NOT_YET_S)
    assert keys.signing_key()[0] == key_id(added)
    published = keys.jwks()["keys"]
    assert isinstance(published, list)
    assert [key["kid"] for key in published] == [older, key_id(added)]


def test_a_key_id_is_the_thumbprint_of_rfc_8037() -> None:
    """The example of its appendix A.3, with the private key of A.1."""
    private = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = Ed25519PrivateKey.from_private_bytes(private)
    assert key_id(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
