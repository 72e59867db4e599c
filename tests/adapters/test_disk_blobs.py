"""Blobs on disk: what the contract cannot see from outside."""

import os
import time
from pathlib import Path

import pytest

from clarity_server.adapters.local.blobs import ASIDE, DiskBlobs
from clarity_server.adapters.local.files import ASIDE_AGE_S
from clarity_server.domain.errors import InvalidInput

NAME = "a/b"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


def everything(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("name", ["../x", "a/../../x", "a/../../blobs2/x", "{outside}", "..", "a/\0../../x"])
def test_no_name_touches_anything_outside_the_root(root: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "x"
    outside.write_bytes(b"not ours")
    blobs = DiskBlobs(root)
    before = everything(tmp_path)
    name = name.format(outside=outside)
    for attempt in (lambda: blobs.put(name, b"!"), lambda: blobs.get(name), lambda: blobs.delete(name)):
        with pytest.raises(InvalidInput):
            attempt()
    assert outside.read_bytes() == b"not ours"
    assert everything(tmp_path) == before


def test_files_being_written_have_no_name(root: Path) -> None:
    blobs = DiskBlobs(root)
    (root / ASIDE / "half").write_bytes(b"ha")
    with pytest.raises(InvalidInput):
        blobs.get(f"{ASIDE}/half")
    assert not list(blobs.names(""))


def test_a_link_that_leads_outside_is_not_listed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").touch()
    blobs = DiskBlobs(root)
    blobs.put(NAME, b"")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "file").symlink_to(tmp_path / "outside" / "x")
    assert [name for name, _ in blobs.names("")] == [NAME]


def test_putting_leaves_nothing_aside(root: Path) -> None:
    blobs = DiskBlobs(root)
    for data in (b"first", b"second"):
        blobs.put(NAME, data)
    assert not list((root / ASIDE).iterdir())


def test_blobs_are_for_their_owner_only(root: Path) -> None:
    DiskBlobs(root).put(NAME, b"")
    assert {path.stat().st_mode & 0o077 for path in [root, *root.rglob("*")]} == {0}


def test_a_start_sweeps_what_dead_processes_left_aside_and_nothing_younger(root: Path) -> None:
    DiskBlobs(root)
    for name, age_s in (("old", ASIDE_AGE_S + 60), ("young", 60)):
        (root / ASIDE / name).touch()
        os.utime(root / ASIDE / name, (time.time() - age_s,) * 2)
    DiskBlobs(root)
    assert everything(root / ASIDE) == ["young"]
