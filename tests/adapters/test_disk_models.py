"""Models on disk: what a stranger's hand in the directory comes to, and what is left behind."""

from dataclasses import replace
from pathlib import Path

import pytest

from clarity_server.adapters.local.models import DiskModels
from clarity_server.domain.models import FileTooLarge, ManifestRefused, ModelChanged, ModelNotFound, from_json
from tests.contracts.test_models import CONTENT, OTHER, manifest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "models"


def weights_of(root: Path) -> Path:
    (file,) = (root / "weights").iterdir()
    return file


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"x", OTHER])
def test_bytes_that_changed_are_never_handed_out(root: Path, content: bytes) -> None:
    models = DiskModels(root)
    models.install(manifest(), CONTENT)
    weights_of(root).chmod(0o600)
    weights_of(root).write_bytes(content)
    for ask in (models.get, models.verify):
        with pytest.raises(ModelChanged, match=manifest().digest):
            ask("pat-s")


def test_bytes_that_are_gone_are_named(root: Path) -> None:
    models = DiskModels(root)
    models.install(manifest(), CONTENT)
    weights_of(root).unlink()
    with pytest.raises(ModelChanged, match="missing"):
        models.get("pat-s")


def test_a_manifest_under_another_name_is_refused(root: Path) -> None:
    models = DiskModels(root)
    models.install(manifest(), CONTENT)
    (root / "names" / "pat-s.json").rename(root / "names" / "pat-l.json")
    with pytest.raises(ManifestRefused, match="the manifest of pat-s"):
        models.get("pat-l")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "{" * 9000,
        '{"name": 3}',
        manifest().to_json().replace("pretrained", "magic"),
        manifest().to_json().replace(manifest().digest, "../../etc"),
        manifest().to_json().replace('"size"', '"height"'),
        manifest().to_json().replace("24000", '"24000"'),
    ],
)
def test_a_manifest_that_is_none_is_refused(root: Path, text: str) -> None:
    models = DiskModels(root)
    (root / "names" / "pat-s.json").write_text(text)
    for ask in (models.list, lambda: models.get("pat-s")):
        with pytest.raises(ManifestRefused):
            ask()


def test_a_manifest_of_any_size_is_not_read_whole(root: Path) -> None:
    models = DiskModels(root)
    with (root / "names" / "pat-s.json").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(FileTooLarge):
        models.get("pat-s")


def test_removing_leaves_no_weights_behind_but_those_in_use(root: Path) -> None:
    models = DiskModels(root)
    models.install(manifest("one"), CONTENT)
    models.install(manifest("two", OTHER), OTHER)
    models.remove("one")
    assert weights_of(root).stem == manifest(content=OTHER).digest
    models.remove("two", forget=True)
    assert not list((root / "weights").iterdir())
    assert [path.name for path in (root / "first").iterdir()] == ["one"]


def test_a_name_always_has_its_bytes(root: Path) -> None:
    """Weights are placed first: an installation that dies in between leaves bytes without a name, which is nothing."""
    models = DiskModels(root)
    models.install(manifest(), CONTENT)
    (root / "names" / "pat-s.json").unlink()
    with pytest.raises(ModelNotFound):
        models.get("pat-s")
    assert models.install(manifest(), CONTENT) == manifest()
    assert models.get("pat-s") == (manifest(), CONTENT)


def test_models_are_for_their_owner_only(root: Path) -> None:
    DiskModels(root).install(manifest(), CONTENT)
    assert {path.stat().st_mode & 0o077 for path in [root, *root.rglob("*")]} == {0}


def test_a_manifest_has_a_name_and_digests() -> None:
    for wrong in ("name", "digest", "source_digest", "tensor_digest"):
        found = manifest().to_json().replace(f'"{wrong}": "', f'"{wrong}": "!')
        with pytest.raises(ManifestRefused):
            from_json(found)
    with pytest.raises(ManifestRefused, match="at most 2000 letters"):
        replace(manifest(), summary="x" * 2001)
