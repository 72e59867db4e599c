"""`clarity models`: everything after it is the server's own command, its exit code included."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clarity.models import VERBS, app
from clarity_server import models


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLARITY_MODELS", f"file:{tmp_path / 'models'}")


def test_what_the_server_answers_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    done = CliRunner().invoke(app, ["list", "--json"])
    assert done.exit_code == 0
    assert json.loads(capfd.readouterr().out) == {"models": [], "serving": ""}


def test_a_refusal_keeps_its_exit_code_and_its_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    done = CliRunner().invoke(app, ["remove", "nothing", "--forget"])
    assert done.exit_code == 1
    assert "no model 'nothing' is installed" in capfd.readouterr().err


def test_the_server_s_own_help_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert CliRunner().invoke(app, ["install", "--help"]).exit_code == 0
    assert "--licence" in capfd.readouterr().out


def test_every_verb_of_the_server_is_here(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        models.main(["--help"])
    listed = capsys.readouterr().out
    assert all(f"    {verb}" in listed for verb in VERBS)
    assert listed.count("\n    ") >= len(VERBS)
