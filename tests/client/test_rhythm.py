"""`clarity rhythm FILE`: a file in, the server's own numbers out, with no server."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clarity.recordings import Recording, RecordingError, simulate
from clarity.rhythm import Sleep, Wear, minutes_of
from clarity_server.rhythm.sleep import SCORERS
from clarity_server.rhythm.wear import DETECTORS
from clarity_server.rhythm.week import analyse

NINE = datetime(2026, 3, 28, 9, 0)
CET = timezone(timedelta(hours=1))


def recording(*values: float, start: datetime = NINE, period_s: int = 60) -> Recording:
    return Recording("x", "x", start, period_s, np.array(values, dtype=np.float32), "x")


def form(made: Recording) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(minutes_of(made, "x.csv"))
    return document


def clarity(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "clarity.cli", "rhythm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_file_gives_the_servers_own_numbers(tmp_path: Path) -> None:
    person = simulate(3, days=8)
    awd = tmp_path / "person.AWD"
    lines = ["SIMULATED", "09-Jan-2026", "14:00", " 4 ", "0", "V1", "X", *(f"{value:.0f}" for value in person.values)]
    awd.write_text("\r\n".join(lines), encoding="ascii")
    done = clarity(str(awd), "--json", "--sleep", "cole-kripke", "--webster")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)["whole"]
    start = (person.start - datetime(1970, 1, 1)) // timedelta(minutes=1)
    direct = analyse(person.values, start, sleep="cole-kripke", rescoring=True)
    assert [row.get("value", row.get("unavailable")) for row in answer["measures"]] == [
        measure.outcome for measure in direct.measures
    ]
    assert answer["input_digest"] == direct.input_digest
    assert "night to" in clarity(str(awd)).stdout


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    done = clarity(str(tmp_path / "nothing.AWD"), "--json")
    assert done.returncode == 1
    assert done.stderr.startswith("clarity: ")
    assert "Traceback" not in done.stderr


def test_the_choices_are_those_of_the_server() -> None:
    assert set(Wear) == set(DETECTORS)
    assert set(Sleep) == set(SCORERS)


def test_shorter_epochs_are_summed_into_minutes_and_a_gap_is_a_gap() -> None:
    made = form(recording(1, 2, 3, 4, 5, np.nan, 7, period_s=30))
    assert made == {"start": "2026-03-28T09:00:00", "counts": [3, 7, None], "moves": []}


def test_a_clock_change_in_the_file_moves_the_clock() -> None:
    """09:00 in winter time, and summer time from sample 3 on; half minutes make it minute 2."""
    start = NINE.replace(tzinfo=CET)
    made = form(replace(recording(*range(8), start=start, period_s=30), offset_changes=((3, 7200),)))
    assert made["start"] == "2026-03-28T09:00:00"
    assert made["moves"] == [[2, 60]]


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (replace(recording(1, 2, start=NINE.replace(tzinfo=CET)), offset_known=False), "the person's clock"),
        (recording(1, 2, period_s=7), "every 7 s"),
        (recording(1, 2, period_s=120), "every 120 s"),
        (recording(1, period_s=30), "no whole minute"),
    ],
)
def test_what_has_no_minutes_of_the_persons_clock_is_refused(made: Recording, says: str) -> None:
    with pytest.raises(RecordingError, match=says):
        minutes_of(made, "x.csv")
