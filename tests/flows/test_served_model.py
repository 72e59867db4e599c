"""The model that answers: the demonstration's numbers, the same every time, from one thread; noise never."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clarity_server.adapters.local.models import DiskModels
from clarity_server.domain.analysis import WINDOW_MINUTES, Output
from clarity_server.domain.errors import InvalidInput
from clarity_server.domain.models import Kind, Manifest, ModelChanged, TestWeights
from clarity_server.flows import models as flow
from clarity_server.flows.models import Told
from clarity_server.flows.served_model import NICENESS, ServedModel
from clarity_server.pat.infer import Pat
from clarity_server.pat.weights import Weights, content_of
from tests.pat.goldens import LEGACY_S

ROOT = Path(__file__).parents[2]
CARD = ROOT / "models" / "pat-s-depresjon-demo"
TOLD = Told("a test", "none")


def week(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(WINDOW_MINUTES).astype(np.float32)


def installed(root: Path) -> tuple[Manifest, Weights]:
    """The demonstration, as a server finds it."""
    models = DiskModels(root)
    flow.install_card(models, CARD)
    found = flow.served(models)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Weights]:
    return installed(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def model(weights: tuple[Manifest, Weights]) -> Iterator[ServedModel]:
    served = ServedModel(*weights, threads=1)
    yield served
    served.close()


def digest(answers: list[Output]) -> str:
    """Of all numbers of some answers, to the last bit."""
    told = [np.array([*one.embedding, *one.attention], dtype="<f8").tobytes() for one in answers]
    return hashlib.sha256(b"".join(told)).hexdigest()


def model_threads() -> list[threading.Thread]:
    """The threads of served models that there are."""
    return [one for one in threading.enumerate() if one.name.startswith("model")]


# ---- what it answers -------------------------------------------------------------------------------------------------


def test_the_demonstration_answers_with_an_embedding_and_where_it_looked(model: ServedModel) -> None:
    found = model.read(week())
    assert len(found.embedding) == 96
    assert len(found.attention) == 560
    assert found.patch_minutes * len(found.attention) == WINDOW_MINUTES
    assert sum(found.attention) == pytest.approx(1, abs=1e-12)
    assert min(found.attention) > 0
    assert np.isfinite(found.embedding).all()


def test_it_says_what_it_is(model: ServedModel, weights: tuple[Manifest, Weights]) -> None:
    manifest, judged = weights
    assert model.manifest == manifest
    assert model.manifest.kind is Kind.DEMONSTRATION
    assert model.scaler is not None
    assert judged.scaler is not None
    assert model.scaler.digest == judged.scaler.digest == manifest.scaler_digest


def test_the_answer_is_pat_s_reading(model: ServedModel, weights: tuple[Manifest, Weights]) -> None:
    pat = Pat(weights[1])
    found, expected = model.read(week(1)), pat.read(week(1))
    assert np.array_equal(np.array(found.embedding, dtype=np.float32), expected.embedding)
    assert np.array(found.attention) == pytest.approx(expected.attention.reshape(560, 18).sum(axis=1), rel=1e-12)


def test_another_week_has_another_answer(model: ServedModel) -> None:
    one, other = model.read(week(1)), model.read(week(2))
    assert one.embedding != other.embedding
    assert one.attention != other.attention


def test_a_gap_that_nobody_filled_is_refused_and_the_next_week_is_answered(model: ServedModel) -> None:
    expected = model.read(week())
    broken = week()
    broken[5000] = np.nan
    with pytest.raises(InvalidInput, match="NaN"):
        model.read(broken)
    assert model.read(week()) == expected


# ---- the same bytes --------------------------------------------------------------------------------------------------

ELSEWHERE = """
import sys
from pathlib import Path
from clarity_server.flows.served_model import ServedModel
from tests.flows.test_served_model import digest, installed, week
model = ServedModel(*installed(Path(sys.argv[1])), threads=1)
print(digest([model.read(week(seed)) for seed in range(3)]))
model.close()
"""


def test_the_same_week_has_the_same_bytes(model: ServedModel) -> None:
    first = [model.read(week(seed)) for seed in range(3)]
    again = [model.read(week(seed)) for seed in reversed(range(3))]
    assert digest(first) == digest(again[::-1])


def test_another_process_answers_with_the_same_bytes(model: ServedModel, tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path)], check=True, capture_output=True, text=True, cwd=ROOT
    )
    assert told.stdout.strip() == digest([model.read(week(seed)) for seed in range(3)])


def test_two_threads_that_ask_at_once_get_what_one_after_the_other_gets(model: ServedModel) -> None:
    weeks = [week(seed) for seed in range(8)]
    alone = [model.read(one) for one in weeks]
    both = threading.Barrier(2, timeout=30)

    def ask(mine: list[NDArray[np.float32]]) -> list[Output]:
        both.wait()
        return [model.read(one) for one in mine]

    with ThreadPoolExecutor(2) as askers:
        even, odd = askers.map(ask, (weeks[::2], weeks[1::2]))
    assert digest(even) == digest(alone[::2])
    assert digest(odd) == digest(alone[1::2])


# ---- its thread ------------------------------------------------------------------------------------------------------


def test_it_runs_in_one_thread_of_its_own_whoever_asks(weights: tuple[Manifest, Weights]) -> None:
    before = set(model_threads())
    served = ServedModel(*weights, threads=1)
    with ThreadPoolExecutor(4) as askers:
        list(askers.map(served.read, [week(seed) for seed in range(6)]))
    (ours,) = set(model_threads()) - before
    assert ours.name == "model_0"
    served.close()
    assert not ours.is_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_its_thread_gives_way_and_no_other_does(weights: tuple[Manifest, Weights]) -> None:
    before = set(model_threads())
    served = ServedModel(*weights, threads=1)
    (ours,) = set(model_threads()) - before
    assert ours.native_id is not None
    usual = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert os.getpriority(os.PRIO_PROCESS, ours.native_id) == max(usual, NICENESS)
    served.read(week())
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == usual < NICENESS
    served.close()


def test_closing_waits_for_the_week_that_is_read_and_takes_no_more(weights: tuple[Manifest, Weights]) -> None:
    served = ServedModel(*weights, threads=1)
    served.alive()
    expected = served.read(week())
    begun, asked = threading.Event(), Future[Output]()

    class Telling(np.ndarray[tuple[int], np.dtype[np.float32]]):
        """A week that tells when it is looked at."""

        def __array_finalize__(self, _: object) -> None:
            if threading.current_thread().name == "model_0":
                begun.set()

    def ask() -> None:
        asked.set_result(served.read(week().view(Telling)))

    asker = threading.Thread(target=ask)
    asker.start()
    assert begun.wait(30)
    served.close()
    asker.join(30)
    assert asked.result(0) == expected
    for late in (served.alive, lambda: served.read(week())):
        with pytest.raises(RuntimeError, match="after shutdown"):
            late()


# ---- which weights may answer ----------------------------------------------------------------------------------------


def test_test_weights_are_not_installed_to_be_served(tmp_path: Path) -> None:
    content = content_of(LEGACY_S.weights)
    with pytest.raises(TestWeights):
        flow.install(DiskModels(tmp_path), content, "mine", TOLD)
    assert flow.served(DiskModels(tmp_path)) is None


def test_test_weights_that_are_installed_as_such_are_never_served(tmp_path: Path) -> None:
    """And do not keep the demonstration from answering."""
    models = DiskModels(tmp_path)
    flow.install(models, content_of(LEGACY_S.weights), "mine", replace(TOLD, kind=Kind.TEST))
    assert flow.served(models) is None
    kept = flow.install_card(models, CARD)
    found = flow.served(models)
    assert found is not None
    assert found[0] == kept


def test_test_weights_behind_a_manifest_that_hides_it_stop_the_start(tmp_path: Path) -> None:
    models = DiskModels(tmp_path)
    flow.install(models, content_of(LEGACY_S.weights), "mine", replace(TOLD, kind=Kind.TEST))
    (manifest,) = [one for one in tmp_path.rglob("*.json") if '"test"' in one.read_text(encoding="utf-8")]
    manifest.chmod(0o600)
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"test"', '"pretrained"'), encoding="utf-8")
    with pytest.raises(TestWeights):
        flow.served(models)


def test_a_file_that_was_changed_stops_the_start(tmp_path: Path) -> None:
    models = DiskModels(tmp_path)
    flow.install_card(models, CARD)
    (kept,) = list(tmp_path.rglob("*.safetensors"))
    content = bytearray(kept.read_bytes())
    content[-1] ^= 1
    kept.chmod(0o600)
    kept.write_bytes(content)
    with pytest.raises(ModelChanged):
        flow.served(models)
