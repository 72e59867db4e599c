"""Which weights may answer, and how they come: installed, pulled, checked on every load, noise never."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clarity_server.adapters.local.downloads import HttpDownloads
from clarity_server.adapters.local.models import DiskModels
from clarity_server.domain.models import (
    HtmlPage,
    Keras3Weights,
    Kind,
    Manifest,
    ManifestRefused,
    ModelChanged,
    ModelNotFound,
    NotWeights,
    SizeDisagrees,
    SourceChanged,
    TestWeights,
    from_json,
    preferred,
)
from clarity_server.flows import models as flow
from clarity_server.flows.models import Published, Told
from clarity_server.pat.scaling import Scaler, Transform
from clarity_server.pat.shapes import M, S, Shape
from clarity_server.pat.weights import content_of, read, to_safetensors
from tests.adapters.faulty_web import Orders, serving
from tests.pat.goldens import KERAS3_WEIGHTS, LEGACY_S
from tests.pat.keras_files import arrays, h5

TOLD = Told("a test", "none")
DEMONSTRATION = replace(TOLD, kind=Kind.DEMONSTRATION)


@pytest.fixture
def models(tmp_path: Path) -> DiskModels:
    return DiskModels(tmp_path / "models")


def trained(shape: Shape = S, seed: int = 0) -> bytes:
    """A file of weights that are not known to be noise."""
    return h5(arrays(shape, seed))


# ---- installing ----------------------------------------------------------------------------------------------


def test_an_installed_model_answers_and_is_the_file_s(models: DiskModels) -> None:
    kept = flow.install(models, trained(), "mine", TOLD)
    found = flow.served(models)
    assert found is not None
    assert found[0] == kept
    assert found[1].digest == read(trained()).digest == kept.tensor_digest
    assert (kept.size, kept.variant, kept.kind, kept.source) == ("S", "linear", Kind.PRETRAINED, "a test")
    assert (kept.scaler_name, kept.scaler_digest) == ("", "")


def test_without_a_model_nothing_answers(models: DiskModels) -> None:
    assert flow.served(models) is None


def test_random_weights_are_refused_with_the_reason(models: DiskModels) -> None:
    with pytest.raises(TestWeights, match=r"legacy_S.*noise"):
        flow.install(models, content_of(LEGACY_S.weights), "pat-s", TOLD)
    assert list(models.list()) == []


def test_test_weights_can_be_installed_as_such_and_never_answer(models: DiskModels) -> None:
    kept = flow.install(models, content_of(LEGACY_S.weights), "golden", replace(TOLD, kind=Kind.TEST))
    assert not kept.is_servable
    assert flow.served(models) is None
    assert flow.verify(models, "golden") == kept


def test_a_manifest_that_hides_what_its_weights_are_does_not_help(models: DiskModels, tmp_path: Path) -> None:
    flow.install(models, content_of(LEGACY_S.weights), "golden", replace(TOLD, kind=Kind.TEST))
    path = tmp_path / "models" / "names" / "golden.json"
    path.write_text(path.read_text().replace('"test"', '"pretrained"'))
    with pytest.raises(TestWeights):
        flow.served(models)


def test_a_manifest_that_describes_other_weights_stops_the_start(models: DiskModels, tmp_path: Path) -> None:
    flow.install(models, trained(), "mine", TOLD)
    path = tmp_path / "models" / "names" / "mine.json"
    path.write_text(path.read_text().replace('"size": "S"', '"size": "L"'))
    with pytest.raises(ManifestRefused, match="does not describe its weights"):
        flow.served(models)


def test_bytes_that_changed_stop_the_start(models: DiskModels, tmp_path: Path) -> None:
    flow.install(models, trained(), "mine", TOLD)
    (file,) = (tmp_path / "models" / "weights").iterdir()
    file.write_bytes(to_safetensors(read(trained(seed=1))))
    with pytest.raises(ModelChanged):
        flow.served(models)
    with pytest.raises(ModelChanged):
        flow.verify(models, "mine")


def test_what_is_no_model_is_refused_and_leaves_nothing(models: DiskModels, tmp_path: Path) -> None:
    with pytest.raises(Keras3Weights):
        flow.install(models, content_of(KERAS3_WEIGHTS), "pat-s", TOLD)
    with pytest.raises(SizeDisagrees):
        flow.install(models, trained(), "pat-m", TOLD, declared="PAT-M")
    assert not [path for path in (tmp_path / "models").rglob("*") if path.is_file()]


# ---- which one answers ---------------------------------------------------------------------------------------


def test_a_demonstration_gives_way_to_every_other(models: DiskModels) -> None:
    flow.install(models, trained(M), "demo", DEMONSTRATION)
    assert serving_name(models) == "demo"
    flow.install(models, trained(S), "pat-s", TOLD)
    assert serving_name(models) == "pat-s"
    flow.install(models, trained(M, seed=3), "pat-m", TOLD)
    assert serving_name(models) == "pat-m"
    models.remove("pat-m")
    assert serving_name(models) == "pat-s"


def serving_name(models: DiskModels) -> str:
    found = flow.served(models)
    assert found is not None
    return found[0].name


def test_the_order_of_the_list_decides_nothing(models: DiskModels) -> None:
    for name, shape, told in (("a", S, TOLD), ("b", S, TOLD), ("c", M, DEMONSTRATION)):
        flow.install(models, trained(shape), name, told)
    found = list(models.list())
    assert preferred(found) == preferred(found[::-1]) == next(one for one in found if one.name == "a")


# ---- with its card -------------------------------------------------------------------------------------------


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A model's folder, as training leaves it."""
    scaler = Scaler("ours", "a test", Transform.LOG1P, np.array([3.0]), np.array([2.0]))
    content = to_safetensors(replace(read(trained()), scaler=scaler))
    manifest = flow.describe(read(content), content, content, "a-demo", DEMONSTRATION)
    folder = tmp_path / "card"
    folder.mkdir()
    (folder / flow.CARD_WEIGHTS).write_bytes(content)
    (folder / flow.CARD_MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return folder


def test_a_model_with_its_card_is_installed_as_the_card_says(models: DiskModels, card: Path) -> None:
    kept = flow.install_card(models, card)
    said = from_json((card / flow.CARD_MANIFEST).read_text(encoding="utf-8"))
    assert replace(kept, installed_time="") == replace(said, installed_time="")
    found = flow.served(models)
    assert found is not None
    assert found[1].scaler is not None
    assert found[1].scaler.digest == kept.scaler_digest
    assert kept.scaler_name == "ours"


def test_a_card_of_other_weights_is_refused(models: DiskModels, card: Path) -> None:
    (card / flow.CARD_WEIGHTS).write_bytes(to_safetensors(read(trained(seed=2))))
    with pytest.raises(ModelChanged):
        flow.install_card(models, card)


def test_a_card_that_calls_noise_a_demonstration_is_refused(models: DiskModels, card: Path) -> None:
    content = to_safetensors(LEGACY_S.read()[0])
    manifest = flow.describe(read(content), content, content, "a-demo", DEMONSTRATION)
    (card / flow.CARD_WEIGHTS).write_bytes(content)
    (card / flow.CARD_MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    with pytest.raises(TestWeights):
        flow.install_card(models, card)


def test_a_manifest_comes_back_as_it_was_written(card: Path) -> None:
    text = (card / flow.CARD_MANIFEST).read_text(encoding="utf-8")
    assert from_json(text).to_json() == text
    assert set(json.loads(text)) == set(Manifest.__dataclass_fields__)


# ---- pulling -------------------------------------------------------------------------------------------------


@pytest.fixture
def orders() -> Orders:
    return Orders(content=trained())


@pytest.fixture
def url(orders: Orders) -> Iterator[str]:
    with serving(orders) as address:
        yield address


@pytest.fixture
def downloads(tmp_path: Path) -> HttpDownloads:
    return HttpDownloads(tmp_path / "downloads", pause_s=0)


def pull(models: DiskModels, downloads: HttpDownloads, url: str, model: str = "PAT-S") -> Manifest:
    published = {"pat-s": Published(url, model, "29,307")}
    return flow.pull(models, downloads, "pat-s", lambda _here, _total: None, published)


def test_a_pulled_model_answers_with_its_attribution(
    models: DiskModels, downloads: HttpDownloads, url: str, tmp_path: Path
) -> None:
    kept = pull(models, downloads, url)
    assert serving_name(models) == "pat-s"
    assert kept.source == url
    assert kept.licence == "CC BY 4.0"
    assert "Ruan et al." in kept.attribution
    assert "29,307 people" in kept.summary
    assert not list((tmp_path / "downloads").iterdir())


def test_what_is_pulled_is_only_verified_the_second_time(
    models: DiskModels, downloads: HttpDownloads, url: str, orders: Orders
) -> None:
    first = pull(models, downloads, url)
    orders.asked.clear()
    assert pull(models, downloads, url) == first
    assert orders.asked == []


def test_a_pull_through_a_bad_wire_is_the_same_model(
    models: DiskModels, downloads: HttpDownloads, url: str, orders: Orders
) -> None:
    orders.cut_after = [1000, 400_000, 0, 7]
    assert pull(models, downloads, url).tensor_digest == read(trained()).digest


def test_another_file_under_the_same_link_is_refused(
    models: DiskModels, downloads: HttpDownloads, url: str, orders: Orders
) -> None:
    """Trust on first use: nobody publishes a digest, so the first one is kept."""
    pull(models, downloads, url)
    models.remove("pat-s")
    orders.content = trained(seed=1)
    with pytest.raises(SourceChanged, match="--forget"):
        pull(models, downloads, url)
    assert flow.served(models) is None
    models.remove("pat-s", forget=True)
    pull(models, downloads, url)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<!DOCTYPE html><title>Dropbox</title>", HtmlPage),  # with a content type that lies
        (b"another file altogether", NotWeights),
        (trained(M), SizeDisagrees),
        (KERAS3_WEIGHTS.read_bytes(), Keras3Weights),
        (LEGACY_S.weights.read_bytes(), TestWeights),
    ],
    ids=["page", "nonsense", "PAT-M", "Keras 3", "random"],
)
def test_a_wrong_file_is_refused_and_the_next_pull_starts_afresh(
    models: DiskModels, downloads: HttpDownloads, url: str, orders: Orders, content: bytes, why: type[Exception]
) -> None:
    orders.content = content
    with pytest.raises(why):
        pull(models, downloads, url)
    assert list(models.list()) == []
    orders.content = trained()
    orders.asked.clear()
    pull(models, downloads, url)
    assert orders.asked == [""]


def test_a_name_that_nobody_publishes_is_not_found(models: DiskModels, downloads: HttpDownloads) -> None:
    with pytest.raises(ModelNotFound):
        flow.pull(models, downloads, "pat-xl", lambda _here, _total: None)


def test_the_published_links_ask_for_the_file_and_tell_their_sets_apart() -> None:
    """In the authors' README one link ends in dl=0, which is a page; both sets share file names but not addresses."""
    urls = [one.url for one in flow.PUBLISHED.values()]
    assert len(set(urls)) == len(urls) == 6
    for name, one in flow.PUBLISHED.items():
        assert one.url.startswith("https://www.dropbox.com/")
        assert one.url.endswith("&dl=1")
        size = name.split("-")[1].upper()
        people = "21k" if name.endswith("21k") else "29k"
        assert f"PAT-{size}_{people}_weights.h5" in one.url
        assert one.model == f"PAT-{size}"
        assert one.told.licence == "CC BY 4.0"
    assert "never evaluate it there" in flow.PUBLISHED["pat-s"].told.summary
    assert "never evaluate it there" not in flow.PUBLISHED["pat-s-21k"].told.summary
