"""`python -m clarity_server.rhythm`: minute counts in, the same results out, no server and no account."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clarity_server.rhythm.__main__ import Unreadable, main, read
from clarity_server.rhythm.week import WEEK_MINUTES, analyse

START = "1918-01-23T13:58"
START_MINUTE = -18_970 * 1440 - 602


def counts(minutes: int = 12_200) -> list[int]:
    hour = (np.arange(minutes) + 838) // 60 % 24
    moved: list[int] = (np.random.default_rng(1).integers(0, 500, minutes) * ((hour > 6) & (hour < 23))).tolist()
    return moved


def document(**changed: object) -> bytes:
    return json.dumps({"start": START, "counts": counts(), **changed}).encode()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "clarity_server.rhythm", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=False)


def test_json_on_standard_input_gives_the_whole_and_each_week() -> None:
    done = run("-", "--json", "--wear", "none", stdin=document())
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    direct = analyse(np.array(counts(), dtype=float), START_MINUTE, wear="none")
    assert answer["whole"]["start"] == START
    assert {row["measure"]: row.get("value", row.get("unavailable")) for row in answer["whole"]["measures"]} == {
        measure.name: measure.outcome for measure in direct.measures
    }
    assert [week["start"] for week in answer["weeks"]] == ["1918-01-24T00:00", "1918-01-25T00:00"]
    assert {week["minutes"] for week in answer["weeks"]} == {WEEK_MINUTES}
    row = answer["whole"]["measures"][0]
    assert row.keys() == {
        "measure",
        "value",
        "ucum_unit",
        "coverage_ratio",
        "algorithm",
        "algorithm_version",
        "parameters",
    }


def test_the_parts_of_a_printed_night_add_up(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "minutes.json").write_bytes(document())
    assert main([str(tmp_path / "minutes.json"), "--json", "--wear", "none"]) == 0
    nights = [night for night in json.loads(capsys.readouterr().out)["whole"]["nights"] if "start" in night]
    assert nights
    for night in nights:
        parts = ("onset_latency_min", "total_sleep_min", "wake_after_onset_min", "latency_to_arising_min")
        assert night["time_in_bed_min"] == sum(night[part] for part in parts)
        assert night["start"] <= night["onset"] < night["final_awakening"] <= night["end"]


def test_a_table_is_printed_for_people(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "minutes.npy").write_bytes(npy(np.array(counts(), dtype=">i4")))
    assert main([str(tmp_path / "minutes.npy"), "--start", START]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1918-01-23T13:58, 12,200 minutes; wear: choi; sleep: oakley"
    assert any(line.startswith("interdaily stability IS") for line in lines)
    assert any(line.startswith("1918-01-25") for line in lines)


def test_both_forms_are_read_alike() -> None:
    gapped = [None if index % 7 == 0 else float(count) for index, count in enumerate(counts(100))]
    one = read(document(counts=gapped, moves=[[50, 60]]), None)
    other = read(npy(np.array(gapped, dtype=float)), START)
    np.testing.assert_array_equal(one.counts, other.counts)
    assert one.start_minute == other.start_minute == START_MINUTE
    assert one.moves == ((50, 60),)


@pytest.mark.parametrize(
    ("content", "start", "says"),
    [
        (b"", None, "neither JSON nor NPY"),
        (b"[1, 2]", None, "the JSON form is"),
        (b"[" * 100_000, None, "neither JSON nor NPY"),
        (document(extra=1), None, "the JSON form is"),
        (document(), START, "--start belongs to an NPY array"),
        (document(start="yesterday"), None, "'yesterday'"),
        (document(start="1918-01-23T13:58Z"), None, "without an offset"),
        (document(start=5), None, "the start is 5"),
        (document(counts=[1, "2"]), None, "a list of numbers"),
        (document(counts=[True]), None, "a list of numbers"),
        (document(counts=[]), None, "0 minutes"),
        (b'{"start": "1918-01-23T13:58", "counts": [1e999]}', None, "a list of numbers"),
        (b'{"start": "1918-01-23T13:58", "counts": [1' + b"0" * 400 + b"]}", None, "a list of numbers"),
        (document(moves=[[5]]), None, "moves is a list"),
        (document(moves=[[0, 60]]), None, "moves is a list"),
        (document(moves=[[60, 60], [50, 60]]), None, "moves is a list"),
        (document(moves=[[60, 10**9]]), None, "moves is a list"),
        (npy(np.zeros(5)), None, "add --start"),
        (npy(np.zeros((5, 2))), START, "one dimension"),
        (npy(np.array(["a"])), START, "one dimension"),
        (npy(np.zeros(50))[:-8], START, "cannot be read"),
        (b"\x93NUMPY", START, "cannot be read"),
    ],
)
def test_what_is_neither_form_is_refused_with_a_sentence(content: bytes, start: str | None, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        read(content, start)


def test_a_refusal_is_one_line_and_no_traceback() -> None:
    for done in (run("-", stdin=b"nonsense"), run("no-such-file.json")):
        assert done.returncode == 1
        assert done.stdout == b""
        assert done.stderr.startswith(b"clarity: ")
        assert done.stderr.count(b"\n") == 1
