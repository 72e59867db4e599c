"""What every store of blobs must do."""

import os

import pytest

from clarity_server.domain.errors import BlobNotFound, InvalidInput
from tests.contracts.threads import at_once
from tests.contracts.worlds import World

NAME = "segments/a1/x-1_2|3=4.zst"


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_what_is_put_comes_back_in_every_process(world: World, size: int) -> None:
    data = os.urandom(size)
    world.blobs.put(NAME, data)
    assert world.blobs.get(NAME) == data
    with world.another() as other:
        assert other.blobs.get(NAME) == data


def test_what_is_there_stays(world: World) -> None:
    world.blobs.put(NAME, b"first")
    world.blobs.put(NAME, b"second")
    assert world.blobs.get(NAME) == b"first"


def test_of_many_putting_at_once_one_wins_whole(world: World) -> None:
    data = [bytes([number]) * 500_000 for number in range(16)]
    assert at_once(16, lambda number: world.blobs.put(NAME, data[number])) == [None] * 16
    assert world.blobs.get(NAME) in data


@pytest.mark.parametrize("name", [NAME, "segments", "segments/a1", "other"])
def test_a_missing_name_is_not_found_and_named(world: World, name: str) -> None:
    world.blobs.put(f"{NAME}2", b"beside it")
    with pytest.raises(BlobNotFound) as error:
        world.blobs.get(name)
    assert error.value.facts == {"piece": name}


def test_what_is_deleted_is_gone_and_may_be_put_again(world: World) -> None:
    world.blobs.put(NAME, b"first")
    world.blobs.delete(NAME)
    with pytest.raises(BlobNotFound):
        world.blobs.get(NAME)
    world.blobs.put(NAME, b"second")
    assert world.blobs.get(NAME) == b"second"


def test_deleting_a_missing_name_is_fine(world: World) -> None:
    world.blobs.delete(NAME)
    world.blobs.put(NAME, b"")
    world.blobs.delete("segments/a1")
    world.blobs.delete(f"{NAME}/below")
    assert world.blobs.get(NAME) == b""


def test_a_prefix_is_whole_parts(world: World) -> None:
    """Who erases account a1 must not meet account a10."""
    for name in ("a/a1/x", "a/a1/y/z", "a/a10/x", "b"):
        world.blobs.put(name, b"")
    found = {prefix: sorted(name for name, _ in world.blobs.names(prefix)) for prefix in ("a/a1", "a", "", "c", "b/d")}
    assert found["a/a1"] == ["a/a1/x", "a/a1/y/z"]
    assert found["a"] == ["a/a1/x", "a/a1/y/z", "a/a10/x"]
    assert found[""] == ["a/a1/x", "a/a1/y/z", "a/a10/x", "b"]
    assert found["c"] == found["b/d"] == []


def test_a_new_blob_is_young(world: World) -> None:
    world.blobs.put(NAME, b"")
    ((_, age_s),) = world.blobs.names("segments")
    assert -2 < age_s < 60


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../x",
        "a/../../x",
        "a/..",
        ".",
        "./x",
        ".hidden",
        "a/.hidden",
        "a//b",
        "a/",
        "a\0b",
        "a\nb",
        "a\n",
        "A",
        "a b",
        "ä",
        "a\\b",
        "a" * 129,
        "/".join(["a" * 100] * 11),
    ],
)
def test_a_name_that_is_none_is_refused(world: World, name: str) -> None:
    with pytest.raises(InvalidInput):
        world.blobs.put(name, b"")
    with pytest.raises(InvalidInput):
        world.blobs.get(name)
    with pytest.raises(InvalidInput):
        world.blobs.delete(name)
    if name:  # an empty prefix is everything
        with pytest.raises(InvalidInput):
            list(world.blobs.names(name))
    assert not list(world.blobs.names(""))
