"""What every keeper of models must do."""

import hashlib
from dataclasses import replace

import pytest

from clarity_server.domain.models import Kind, Manifest, ModelExists, ModelNotFound, SourceChanged
from tests.contracts.threads import at_once
from tests.contracts.worlds import World

CONTENT, OTHER = b"the weights of one model" * 1000, b"those of another" * 1000


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def manifest(name: str = "pat-s", content: bytes = CONTENT, source: bytes = b"a file") -> Manifest:
    return Manifest(
        name=name,
        size="S",
        variant="linear",
        kind=Kind.PRETRAINED,
        digest=sha256(content),
        tensor_digest=sha256(b"tensors"),
        byte_count=len(content),
        source="somewhere",
        source_digest=sha256(source),
        licence="CC BY 4.0",
        attribution="their authors, Ümläuts and all",
        summary="a model",
        installed_time="2026-11-22T20:00:00Z",
    )


def test_a_new_world_has_no_models(world: World) -> None:
    assert list(world.models.list()) == []


def test_what_was_installed_is_found_by_every_process(world: World) -> None:
    assert world.models.install(manifest(), CONTENT) == manifest()
    with world.another() as other:
        assert other.models.get("pat-s") == (manifest(), CONTENT)
        assert other.models.verify("pat-s") == manifest()
        assert list(other.models.list()) == [manifest()]


def test_models_are_listed_by_name(world: World) -> None:
    for name in ("pat-s", "a", "pat-m"):
        world.models.install(manifest(name), CONTENT)
    assert [one.name for one in world.models.list()] == ["a", "pat-m", "pat-s"]


def test_installing_the_same_again_changes_nothing(world: World) -> None:
    world.models.install(manifest(), CONTENT)
    later = replace(manifest(), installed_time="2027-01-01T00:00:00Z")
    assert world.models.install(later, CONTENT) == manifest()


def test_a_name_is_never_given_to_other_weights(world: World) -> None:
    world.models.install(manifest(), CONTENT)
    with pytest.raises(ModelExists, match="remove pat-s"):
        world.models.install(manifest(content=OTHER), OTHER)
    assert world.models.get("pat-s") == (manifest(), CONTENT)


def test_the_first_file_under_a_name_is_remembered_when_the_model_is_gone(world: World) -> None:
    """Trust on first use: another file under the name is refused until somebody forgets the first on purpose."""
    world.models.install(manifest(), CONTENT)
    world.models.remove("pat-s")
    with pytest.raises(SourceChanged) as caught:
        world.models.install(manifest(content=OTHER, source=b"another file"), OTHER)
    assert sha256(b"a file") in str(caught.value)
    assert sha256(b"another file") in str(caught.value)
    assert list(world.models.list()) == []
    world.models.install(manifest(), CONTENT)  # the first file may come back
    world.models.remove("pat-s", forget=True)
    world.models.install(manifest(content=OTHER, source=b"another file"), OTHER)


def test_what_is_only_remembered_can_be_forgotten(world: World) -> None:
    world.models.install(manifest(), CONTENT)
    world.models.remove("pat-s")
    with pytest.raises(ModelNotFound):
        world.models.remove("pat-s")
    world.models.remove("pat-s", forget=True)
    with pytest.raises(ModelNotFound):
        world.models.remove("pat-s", forget=True)


def test_two_names_may_share_their_weights(world: World) -> None:
    world.models.install(manifest("one"), CONTENT)
    world.models.install(manifest("two"), CONTENT)
    world.models.remove("one")
    assert world.models.get("two") == (manifest("two"), CONTENT)


def test_a_removed_model_is_gone_in_every_process(world: World) -> None:
    world.models.install(manifest(), CONTENT)
    with world.another() as other:
        other.models.remove("pat-s")
    for ask in (world.models.get, world.models.verify):
        with pytest.raises(ModelNotFound, match="pat-s"):
            ask("pat-s")


@pytest.mark.parametrize("name", ["", "nothing", "../pat-s", "a/b", "PAT", "a" * 65, ".", "a\0"])
def test_a_name_that_is_not_there_is_not_found(world: World, name: str) -> None:
    for ask in (world.models.get, world.models.verify, world.models.remove):
        with pytest.raises(ModelNotFound):
            ask(name)


def test_of_many_installing_at_once_one_wins_and_all_agree(world: World) -> None:
    contents = [CONTENT, OTHER]

    def install(number: int) -> str:
        content = contents[number % 2]
        try:
            return world.models.install(manifest(content=content), content).digest
        except ModelExists:
            return ""

    found = set(at_once(8, install))
    assert len(found) == 2
    assert world.models.get("pat-s")[0].digest in found
