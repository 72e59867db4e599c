"""`python -m clarity_server.models`, which `clarity models` runs: what it prints, and how it ends."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clarity_server import models
from clarity_server.pat.shapes import S
from tests.pat.goldens import HERE, KERAS3_S_FULL, KERAS3_WEIGHTS, LEGACY_CONV_S, LEGACY_S
from tests.pat.keras_files import arrays, h5

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process, over a directory of its own: exit code, what it printed, what it complained."""
    for name in [name for name in os.environ if name.startswith("CLARITY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CLARITY_MODELS", f"file:{tmp_path / 'models'}")

    def one(*arguments: object) -> tuple[int, str, str]:
        code = models.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return one


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "My PAT (final).h5"
    path.write_bytes(h5(arrays(S)))
    return path


def answer(of: tuple[int, str, str]) -> dict[str, Any]:
    code, out, _ = of
    assert code == 0, of
    found: dict[str, Any] = json.loads(out)
    return found


def test_with_no_model_the_list_says_what_to_do(run: Run) -> None:
    code, out, _ = run("list")
    assert code == 0
    assert "clarity models pull pat-s" in out
    assert "clarity models install models/pat-s-depresjon-demo" in out
    assert answer(run("list", "--json")) == {"models": [], "serving": ""}


def test_a_model_is_installed_listed_shown_verified_and_removed(run: Run, file: Path) -> None:
    kept = answer(run("install", file, "--source", "a friend", "--licence", "CC0", "--json"))
    assert (kept["name"], kept["source"], kept["licence"], kept["kind"]) == (
        "my-pat-final",
        "a friend",
        "CC0",
        "pretrained",
    )
    assert answer(run("list", "--json")) == {"models": [kept], "serving": "my-pat-final"}
    assert "* my-pat-final" in run("list")[1]
    assert answer(run("show", "my-pat-final", "--json")) == kept
    assert kept["digest"] in run("show", "my-pat-final")[1]
    verified = [{"name": "my-pat-final", "digest": kept["digest"]}]
    assert answer(run("verify", "--json")) == answer(run("verify", "my-pat-final", "--json")) == {"verified": verified}
    assert answer(run("remove", "my-pat-final", "--json")) == {"removed": "my-pat-final", "forgotten": False}
    assert answer(run("list", "--json"))["models"] == []


def test_what_is_not_told_is_said_to_be_not_told(run: Run, file: Path) -> None:
    kept = answer(run("install", file, "--name", "pat", "--json"))
    assert kept["source"] == "not told; the file My PAT (final).h5"
    assert kept["licence"] == "not told"
    assert "without a scaler" in run("install", file, "--name", "pat")[1]


def test_golden_weights_are_refused_with_the_reason(run: Run) -> None:
    code, out, error = run("install", LEGACY_S.weights)
    assert (code, out) == (1, "")
    assert error.startswith("clarity: these are the random weights legacy_S")
    assert error.count("\n") == 1


def test_a_refusal_is_named_in_json(run: Run) -> None:
    code, out, _ = run("install", KERAS3_WEIGHTS, "--json")
    assert code == 1
    assert json.loads(out)["error"] == "Keras3Weights"
    code, out, _ = run("install", LEGACY_S.weights, "--model", "PAT-L", "--json")
    assert (code, json.loads(out)["error"]) == (1, "SizeDisagrees")


def test_test_weights_are_listed_and_do_not_answer(run: Run) -> None:
    answer(run("install", LEGACY_S.weights, "--test", "--json"))
    assert answer(run("list", "--json"))["serving"] == ""


@pytest.mark.parametrize("verb", ["show", "verify", "remove"])
def test_a_model_that_is_not_there_is_a_sentence(run: Run, verb: str) -> None:
    code, _, error = run(verb, "nothing")
    assert code == 1
    assert "no model 'nothing' is installed" in error


def test_a_file_that_is_not_there_is_a_sentence(run: Run, tmp_path: Path) -> None:
    code, _, error = run("install", tmp_path / "nowhere.h5")
    assert code == 1
    assert "nowhere.h5" in error


def test_parity_gives_its_figures(run: Run) -> None:
    found = answer(run("parity", LEGACY_S.weights, LEGACY_S.answers, "--json"))
    assert found["tokens_max_abs"] <= 2e-4
    assert found["pooled_max_abs"] <= 5e-6
    assert found["attention_max_abs"] <= 1e-7
    assert found["passes"] is True


def test_parity_is_held_to_the_tight_gates_with_keras_positions(run: Run) -> None:
    positions = HERE / "keras_positions.npy"
    found = answer(run("parity", LEGACY_CONV_S.weights, LEGACY_CONV_S.answers, "--positions", positions, "--json"))
    assert found["tokens_max_abs"] <= found["gates"]["tokens"] == 5e-6
    assert found["pooled_max_abs"] <= found["gates"]["pooled"] == 2.5e-6
    assert "agrees with the original" in run("parity", LEGACY_CONV_S.weights, LEGACY_CONV_S.answers)[1]


def test_parity_with_another_model_s_answers_fails(run: Run) -> None:
    code, out, _ = run("parity", LEGACY_S.weights, KERAS3_S_FULL.answers, "--json")
    assert code == 1
    assert json.loads(out)["passes"] is False
    assert "NOT what the original computes" in run("parity", LEGACY_S.weights, KERAS3_S_FULL.answers)[1]


def test_parity_with_no_golden_file_is_a_sentence(run: Run) -> None:
    code, _, error = run("parity", LEGACY_S.weights, LEGACY_S.weights)
    assert code == 1
    assert "is not a golden file" in error


@pytest.mark.parametrize("arguments", [[], ["dance"], ["pull"], ["pull", "pat-xl"], ["install"]])
def test_a_mistake_in_the_command_ends_with_two(run: Run, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2


def test_a_misspelt_setting_stops_the_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLARITY_MODEL", "file:x")
    code, _, error = run("list")
    assert code == 1
    assert "did you mean CLARITY_MODELS?" in error


def test_looking_at_models_does_not_load_torch(tmp_path: Path) -> None:
    """It takes seconds; `list` on a small machine should not."""
    code = "import sys; from clarity_server import models; models.main(['list']); sys.exit('torch' in sys.modules)"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLARITY_")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=kept, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_module_is_a_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "clarity_server.models", "list", "--json"],
        env={**os.environ, "CLARITY_MODELS": f"file:{tmp_path / 'models'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout) == {"models": [], "serving": ""}
