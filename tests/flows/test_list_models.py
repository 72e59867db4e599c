"""The installed models are listed page by page, and with them what the operator should do."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.adapters.local.models import DiskModels
from clarity_server.domain.errors import PageTokenInvalid, StoreDamaged
from clarity_server.domain.models import Kind, Manifest
from clarity_server.flows.list_models import MODELS_PAGE, NO_MODEL, ListModels, advice
from tests.services.samples import MANIFEST

LARGE = MANIFEST
SMALL = replace(MANIFEST, name="pat-s", size="S", digest="5" * 64)
DEMO = replace(SMALL, name="demo", kind=Kind.DEMONSTRATION, digest="6" * 64)
TEST = replace(LARGE, name="random", kind=Kind.TEST, digest="7" * 64)


class Shelf(DiskModels):
    """Models on disk, whose manifests alone are there."""

    def __init__(self, root: Path, manifests: Sequence[Manifest]) -> None:
        super().__init__(root)
        for one in manifests:
            (root / "names" / f"{one.name}.json").write_text(one.to_json())


def listing(root: Path, *manifests: Manifest, serving: Manifest | None = None) -> ListModels:
    return ListModels(Shelf(root / "models", manifests), DiskKeys(root / "keys"), serving)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_pages_of_any_size_list_every_model_once_and_by_name(tmp_path: Path, size: int) -> None:
    verbs = listing(tmp_path, LARGE, SMALL, DEMO, TEST)
    names, token, pages = list[str](), "", 0
    while not pages or token:
        page, token, _ = verbs.page(size, token)
        names += [one.name for one in page]
        pages += 1
    assert names == ["demo", "pat-l", "pat-s", "random"]
    assert pages == -(-4 // size)  # no empty page at the end


def test_a_page_has_a_default_and_a_token_is_of_this_list(tmp_path: Path) -> None:
    many = [replace(SMALL, name=f"model-{number:03}") for number in range(MODELS_PAGE + 1)]
    verbs = listing(tmp_path, *many)
    page, token, _ = verbs.page(0, "")
    assert (len(page), bool(token)) == (MODELS_PAGE, True)
    assert len(verbs.page(10**6, "")[0]) == MODELS_PAGE + 1
    for wrong in ("nonsense", token[:-2] + "AA"):
        with pytest.raises(PageTokenInvalid):
            verbs.page(0, wrong)


def test_only_the_very_model_that_was_there_at_the_start_is_serving(tmp_path: Path) -> None:
    """Not another one that has come under its name since."""
    verbs = listing(tmp_path, LARGE, SMALL, serving=LARGE)
    assert [verbs.is_serving(one) for one in (LARGE, SMALL, replace(LARGE, digest="8" * 64))] == [True, False, False]
    assert not listing(tmp_path, LARGE).is_serving(LARGE)


def test_a_file_that_is_no_manifest_is_damage_and_named_only_to_the_operator(tmp_path: Path) -> None:
    verbs = listing(tmp_path, LARGE)
    (tmp_path / "models" / "names" / "stray.json").write_text("{}")
    with pytest.raises(StoreDamaged) as damaged:
        verbs.page(0, "")
    assert "models" in damaged.value.facts["piece"]
    assert "manifest" not in str(damaged.value)


@pytest.mark.parametrize(
    ("installed", "serving", "said"),
    [
        ([], None, [NO_MODEL, "clarity models pull pat-l", "clarity models install FILE", "restart"]),
        ([TEST], None, [NO_MODEL]),
        ([LARGE], LARGE, []),
        ([LARGE, SMALL, DEMO, TEST], LARGE, []),
        ([DEMO], DEMO, ["demo answers, a demonstration", "clarity models pull pat-l", "restart the server"]),
        ([LARGE], None, ["pat-l is installed", "restart the server"]),
        ([LARGE, DEMO], DEMO, ["pat-l is installed now, and demo of before answers: restart the server"]),
        ([LARGE, SMALL], SMALL, ["pat-l is installed now, and pat-s of before"]),
        ([replace(LARGE, digest="8" * 64)], LARGE, ["pat-l is installed now, and pat-l of before"]),
        ([SMALL], LARGE, ["pat-s is installed now, and pat-l of before"]),
        ([], LARGE, ["pat-l answers until the next start", "clarity models pull pat-l"]),
    ],
)
def test_the_advice_says_what_to_do_and_nothing_where_nothing_is(
    installed: Sequence[Manifest], serving: Manifest | None, said: Sequence[str]
) -> None:
    given = advice(installed, serving)
    assert [part for part in said if part not in given] == []
    assert bool(given) == bool(said)
