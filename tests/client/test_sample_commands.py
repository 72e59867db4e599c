"""The commands about samples, as a person meets them: what they print, what they ask, what they say when it fails."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from clarity import local
from tests.client.person import COMMAND, TIMEOUT_S, Person

PNG = b"\x89PNG\r\n\x1a\n"
WEIGHTS = (
    "client_record_id,start,value",
    "m1,2026-01-23T07:00+01:00,71.2",
    "m2,2026-01-24T07:10+01:00,71.4",
)
STEPS = (
    "metric,unit,device,start,end,value",
    "step_count,{steps},Watch,2026-01-23T08:00+01:00,2026-01-23T09:00+01:00,1000",
    "step_count,{steps},Phone,2026-01-23T08:00+01:00,2026-01-23T09:00+01:00,900",
    "step_count,{steps},Watch,2026-01-25T08:00+01:00,2026-01-25T08:30+01:00,0",
)
OF_A_SCALE = ("--metric", "body_mass", "--unit", "kg", "--source", "Scale")


@pytest.fixture(scope="module")
def walker(server: local.Server, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Somebody whose steps and weights are there already; for tests that only read."""
    home = tmp_path_factory.mktemp("walker")
    walker = Person(home, server.address, local.outbox_of(folder))
    walker.joins("walker@example.org")
    walker.succeeds("samples", "write", file(home, "steps.csv", *STEPS))
    walker.succeeds("samples", "write", file(home, "weights.csv", *WEIGHTS), *OF_A_SCALE)
    walker.succeeds("sources", "set", "Watch", "--kind", "watch")
    walker.succeeds("sources", "set", "Phone", "--kind", "phone")
    return walker


def file(folder: Path, name: str, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def words(line: str) -> list[str]:
    return line.split()


# ---- writing ---------------------------------------------------------------------------------------------------------


def test_a_table_is_written_and_again_is_duplicates(person: Person, tmp_path: Path) -> None:
    weights = file(tmp_path, "weights.csv", *WEIGHTS)
    assert person.succeeds("samples", "write", weights, *OF_A_SCALE) == "2 samples: 2 stored\n"
    assert person.succeeds("samples", "write", weights, *OF_A_SCALE) == "2 samples: 2 duplicate\n"
    listed = person.succeeds("samples", "list", "body_mass").splitlines()
    assert len(listed) == 3
    assert listed[1].startswith("2026-01-23 07:00+01:00")
    assert "71.2 kg" in listed[1]
    assert "Scale" in listed[1]


def test_what_is_listed_as_json_can_be_written_by_another(person: Person, walker: Person, tmp_path: Path) -> None:
    lines = walker.succeeds("samples", "list", "body_mass", "--json").splitlines()
    assert person.succeeds("samples", "write", file(tmp_path, "theirs.ndjson", *lines)) == "2 samples: 2 stored\n"
    ours = [json.loads(line) for line in person.succeeds("samples", "list", "body_mass", "--json").splitlines()]
    theirs = [json.loads(line) for line in lines]
    assert {one.pop("sample_id") for one in ours}.isdisjoint(one.pop("sample_id") for one in theirs)
    assert ours == theirs


def test_what_is_not_taken_is_told_with_its_line_and_its_reason(person: Person, tmp_path: Path) -> None:
    weights = file(tmp_path, "weights.csv", *WEIGHTS, "m3,2026-01-25T07:00+01:00,712", "m1,2026-01-23T07:00+01:00,80")
    done = person.runs("samples", "write", weights, *OF_A_SCALE)
    assert done.returncode == 1
    head, columns, *rows = done.stdout.splitlines()
    assert head == "4 samples: 2 stored, 1 quarantined, 1 conflict"
    assert words(columns) == ["line", "verdict", "metric", "client_record_id", "why"]
    assert words(rows[0])[:4] == ["4", "quarantined", "body_mass", "m3"]
    assert "out of bounds: " in rows[0]
    assert words(rows[1])[:4] == ["5", "conflict", "body_mass", "m1"]
    assert "2 of 4 samples not stored as sent" in done.stderr
    verdicts = [
        json.loads(line)["verdict"]
        for line in person.runs("samples", "write", weights, *OF_A_SCALE, "--json").stdout.splitlines()
    ]
    assert [one.removeprefix("VERDICT_") for one in verdicts] == ["DUPLICATE", "DUPLICATE", "QUARANTINED", "CONFLICT"]


def test_a_file_with_an_unreadable_line_is_refused_before_anything_is_sent(person: Person, tmp_path: Path) -> None:
    weights = file(tmp_path, "weights.csv", *WEIGHTS, "m3,yesterday,71")
    assert "weights.csv, line 4: 'yesterday' is no time" in person.fails("samples", "write", weights, *OF_A_SCALE)
    assert "No samples" in person.succeeds("samples", "list", "body_mass")
    assert "has no samples" in person.fails("samples", "write", file(tmp_path, "empty.ndjson"))


def test_a_pressure_of_the_blood_is_written_as_json_and_said_in_words(person: Person, tmp_path: Path) -> None:
    time = {"civil": {"year": 2026, "month": 1, "day": 23, "hours": 7, "utc_offset": "3600s"}}
    parts = [
        {"metric": f"blood_pressure_{name}", "quantity": {"value": value, "ucum_unit": "mm[Hg]"}}
        for name, value in (("systolic", 121), ("diastolic", 79))
    ]
    sample = {
        "metric": "blood_pressure",
        "source": {"device": "Cuff"},
        "start": time,
        "correlation": {"components": parts},
    }
    person.succeeds("samples", "write", file(tmp_path, "pressure.ndjson", json.dumps(sample)))
    (_, row) = person.succeeds("samples", "list", "blood_pressure").splitlines()
    assert "systolic 121 mm[Hg]" in row
    assert "diastolic 79 mm[Hg]" in row
    _, summed, *_ = person.succeeds("samples", "sum", "blood_pressure_systolic", "--by", "day").splitlines()
    assert words(summed)[4:7] == ["value", "1", "121"]


def test_a_bar_is_seen_at_a_terminal(person: Person, tmp_path: Path) -> None:
    weights = file(tmp_path, "weights.csv", *WEIGHTS)
    with person.terminal("samples", "write", str(weights), *OF_A_SCALE) as terminal:
        terminal.sees("2 samples: 2 stored")
        assert terminal.ends() == 0
        assert "2 of 2" in terminal.seen


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_zero_and_nothing_look_different_in_a_sum(walker: Person) -> None:
    head, *rows = walker.succeeds("samples", "sum", "step_count", "--by", "day").splitlines()
    assert words(head)[:4] == ["from", "state", "count", "sum"]
    assert [row.split("  ")[0] for row in rows[:3]] == ["Fri 23 Jan 2026", "Sat 24 Jan 2026", "Sun 25 Jan 2026"]
    assert [words(row)[4:7] for row in rows[:3]] == [["value", "1", "1,000"], ["unset", "–", "–"], ["value", "1", "0"]]
    assert rows[3:] == ["in {steps}", "from Watch; then Phone"]


def test_what_the_losers_say_is_shown_on_request(walker: Person) -> None:
    rows = walker.succeeds("samples", "sum", "step_count", "--by", "day", "--sources").splitlines()
    phone = next(row for row in rows if row.startswith("  Phone"))
    assert "900" in phone
    assert "passed over for 1 h 00 min" in phone
    alone = walker.succeeds("samples", "sum", "step_count", "--by", "week", "--source", "Phone").splitlines()
    assert "900" in alone[1]
    assert alone[-1] == "from Phone"


def test_hours_go_with_instants_and_begin_where_the_data_does(walker: Person) -> None:
    _, first, *_ = walker.succeeds("samples", "sum", "step_count", "--by", "1h").splitlines()
    assert first.startswith("2026-01-23 07:00 UTC  value")
    one = walker.succeeds(
        *("samples", "sum", "step_count", "--by", "30m"),
        *("--start", "2026-01-23T08:30+01:00", "--end", "2026-01-23T09:00+01:00", "--json"),
    )
    assert json.loads(one)["sum"] == 500


def test_percentiles_and_single_functions_are_asked_for_by_name(walker: Person) -> None:
    asked = ("samples", "sum", "body_mass", "--by", "month", "--csv")
    head, row = walker.succeeds(*asked, "--function", "mean", "--percentile", "50").splitlines()
    named = dict(zip(head.split(","), row.split(","), strict=True))
    assert float(named["mean"]) == float(named["p50"]) == pytest.approx(71.3)
    assert "count" not in named
    assert named["state"] == "value"
    assert named["start"] == "2026-01-01T00:00:00"


def test_a_picture_is_drawn_where_it_is_asked_for(walker: Person, tmp_path: Path) -> None:
    picture, drawing = tmp_path / "steps.png", tmp_path / "steps.svg"
    shown = walker.succeeds("samples", "sum", "step_count", "--by", "day", "--plot", picture)
    assert f"drawn {picture}" in shown
    assert picture.read_bytes().startswith(PNG)
    quiet = walker.succeeds("samples", "sum", "body_mass", "--by", "day", "--plot", drawing, "--csv")
    assert "drawn" not in quiet
    assert b"<svg" in drawing.read_bytes()


def test_a_sum_that_makes_no_sense_is_told(walker: Person) -> None:
    told = walker.fails("samples", "sum", "body_mass", "--by", "day", "--function", "sum")
    assert "`clarity metrics` tells how each is summed up" in told
    assert "there is nothing of height" in walker.fails("samples", "sum", "height", "--by", "day")
    assert "did you mean 'step_count'?" in walker.fails("samples", "list", "step_cuont")


def test_what_there_is_is_told_by_metric_and_by_source(walker: Person) -> None:
    rows = [words(row) for row in walker.succeeds("summary").splitlines()[1:]]
    assert [(row[0], row[1]) for row in rows] == [("body_mass", "2"), ("step_count", "3")]
    sources = walker.succeeds("sources").splitlines()[1:]
    assert [words(row)[0] for row in sources] == ["Watch", "Phone", "Scale"]
    assert "watch" in sources[0]
    one = [
        json.loads(line) for line in walker.succeeds("sources", "list", "--metric", "body_mass", "--json").splitlines()
    ]
    assert [state["source"]["device"] for state in one] == ["Scale"]


def test_a_source_can_be_believed_first(person: Person, tmp_path: Path) -> None:
    person.succeeds("samples", "write", file(tmp_path, "steps.csv", *STEPS))
    told = person.succeeds("sources", "set", "Phone", "--kind", "phone", "--priority", "1")
    assert told == "Phone is a phone with priority 1.\n"
    assert "900" in person.succeeds("samples", "sum", "step_count", "--by", "day").splitlines()[1]
    assert (
        person.succeeds("sources", "set", "Phone", "--priority", "0")
        == "Phone is a phone with no priority of its own.\n"
    )
    assert "`clarity sources` lists them" in person.fails("sources", "set", "Ring", "--kind", "ring")


# ---- changes ---------------------------------------------------------------------------------------------------------


def test_changes_are_told_and_gone_on_with(person: Person, tmp_path: Path) -> None:
    person.succeeds("samples", "write", file(tmp_path, "weights.csv", *WEIGHTS), *OF_A_SCALE)
    *rows, last = person.succeeds("changes").splitlines()
    assert [words(row)[:3] for row in rows] == [["1", "sample", "body_mass"], ["2", "sample", "body_mass"]]
    token = last.removeprefix("go on with clarity changes --since ")
    person.succeeds("samples", "delete", "--metric", "body_mass", "--yes")
    *rows, _ = person.succeeds("changes", "--since", token).splitlines()
    assert [words(row)[:3] for row in rows] == [["3", "sample", "deleted"], ["4", "sample", "deleted"]]
    (page,) = [json.loads(line) for line in person.succeeds("changes", "--json").splitlines()]
    assert page["told_number"] == "4"
    assert person.fails("changes", "--since", "nonsense").endswith("start from the beginning, without a token.\n")


def test_following_shows_what_comes_until_it_is_stopped(person: Person, tmp_path: Path) -> None:
    command = [*COMMAND, "changes", "--follow"]
    environ = {**person.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        person.succeeds("samples", "write", file(tmp_path, "weights.csv", *WEIGHTS), *OF_A_SCALE)
        assert "body_mass" in following.stdout.readline()
        following.send_signal(signal.SIGINT)
        rest = following.stdout.read()
        assert following.wait(TIMEOUT_S) == 0
    assert "go on with clarity changes --since " in rest


# ---- deleting --------------------------------------------------------------------------------------------------------


def test_deleting_counts_first_and_goes_on_only_if_it_is_meant(person: Person, tmp_path: Path) -> None:
    person.succeeds("samples", "write", file(tmp_path, "weights.csv", *WEIGHTS), *OF_A_SCALE)
    done = person.runs("samples", "delete", "--metric", "body_mass")
    assert done.returncode == 1
    assert done.stdout == "This deletes 2 samples for good.\n"
    assert "nothing was deleted: say --yes to delete 2 samples" in done.stderr
    with person.terminal("samples", "delete", "--metric", "body_mass", "--start", "2026-01-24") as terminal:
        terminal.sees("This deletes 1 sample for good.")
        terminal.sees("Delete that?")
        terminal.types("n")
        assert terminal.ends() == 1
    with person.terminal("samples", "delete", "--metric", "body_mass", "--start", "2026-01-24") as terminal:
        terminal.sees("Delete that?")
        terminal.types("y")
        terminal.sees("Deleted 1 sample.")
        assert terminal.ends() == 0
    left = [json.loads(line) for line in person.succeeds("samples", "list", "body_mass", "--json").splitlines()]
    assert [one["client_record_id"] for one in left] == ["m1"]
    person.succeeds("samples", "delete", left[0]["sample_id"], "--yes")
    assert person.succeeds("samples", "delete", "--source", "Scale", "--yes") == "There is nothing to delete.\n"
    assert "`clarity quarantine` list those there are" in person.fails("samples", "delete", "unknown", "--yes")


def test_what_was_not_counted_does_not_go(person: Person, tmp_path: Path) -> None:
    person.succeeds("samples", "write", file(tmp_path, "weights.csv", *WEIGHTS), *OF_A_SCALE)
    with person.terminal("samples", "delete", "--metric", "body_mass") as terminal:
        terminal.sees("This deletes 2 samples for good.")
        more = file(tmp_path, "more.csv", WEIGHTS[0], "m3,2026-01-25T07:00+01:00,71")
        person.succeeds("samples", "write", more, *OF_A_SCALE)
        terminal.types("y")
        terminal.sees("nothing was deleted; run the same command again to count anew")
        assert terminal.ends() == 1
    assert len(person.succeeds("samples", "list", "body_mass", "--json").splitlines()) == 3


def test_a_sample_that_is_damaged_in_the_store_is_named_and_costs_no_other(
    person: Person, folder: Path, tmp_path: Path
) -> None:
    person.succeeds("samples", "write", file(tmp_path, "weights.csv", *WEIGHTS), *OF_A_SCALE)
    first, _ = [json.loads(line) for line in person.succeeds("samples", "list", "body_mass", "--json").splitlines()]
    with closing(sqlite3.connect(folder / "clarity.db")) as store, store:
        store.execute("UPDATE samples SET body = x'00' WHERE sample_id = ?", (first["sample_id"],))
    done = person.runs("samples", "list", "body_mass")
    assert done.returncode == 1
    assert "71.4 kg" in done.stdout
    assert f"cannot read 1 of these samples any more: {first['sample_id']}" in done.stderr
    assert "damaged" in person.succeeds("changes").splitlines()[0]
    again = file(tmp_path, "again.csv", f"{WEIGHTS[0]},version", f"{WEIGHTS[1]},1")
    assert person.succeeds("samples", "write", again, *OF_A_SCALE) == "1 sample: 1 replaced\n"
    assert len(person.succeeds("samples", "list", "body_mass", "--json").splitlines()) == 2


def test_what_was_put_aside_is_shown_and_can_be_deleted(person: Person, tmp_path: Path) -> None:
    assert person.succeeds("quarantine") == "Nothing is in quarantine.\n"
    weights = file(
        tmp_path, "weights.csv", WEIGHTS[0], "m1,2026-01-23T07:00+01:00,712", "m2,2026-01-23T07:00+01:00,713"
    )
    assert person.runs("samples", "write", weights, *OF_A_SCALE).returncode == 1
    assert "In quarantine: 2 samples" in person.succeeds("summary")
    _, first, second = person.succeeds("quarantine").splitlines()
    assert {"712 kg", "713 kg"} == {" ".join(words(row)[words(row).index("kg") - 1 :][:2]) for row in (first, second)}
    assert "out of bounds" in first
    ids = [json.loads(line)["quarantine_id"] for line in person.succeeds("quarantine", "list", "--json").splitlines()]
    assert "Deleted 1 sample in quarantine." in person.succeeds("quarantine", "delete", ids[0], "--yes")
    assert "Deleted 1 sample in quarantine." in person.succeeds("quarantine", "delete", "--all", "--yes")
    assert person.succeeds("quarantine", "delete", "--all") == "Nothing is in quarantine.\n"


def test_how_long_data_is_kept_is_said_and_asked_for(person: Person, tmp_path: Path) -> None:
    person.succeeds("samples", "write", file(tmp_path, "old.csv", WEIGHTS[0], "m1,2020-01-23T07:00Z,71"), *OF_A_SCALE)
    forever = "Your data is kept until you delete it.\n"
    assert person.succeeds("retention") == person.succeeds("retention", "show") == forever
    assert "nothing was deleted: say --yes to delete 1 sample" in person.fails("retention", "set", "365")
    assert person.succeeds("retention") == forever
    assert "365 days after its observation" in person.succeeds("retention", "set", "365", "--yes")
    assert person.succeeds("retention", "off") == forever


# ---- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["samples"],
        ["samples", "write"],
        ["samples", "list"],
        ["samples", "list", "body_mass", "--start", "2026-01-24", "--end", "2026-01-23"],
        ["samples", "list", "body_mass", "--start", "2026-01-23", "--end", "2026-01-24T00:00Z"],
        ["samples", "list", "body_mass", "--app", "Health"],
        ["samples", "sum", "step_count"],
        ["samples", "sum", "step_count", "--by", "3d"],
        ["samples", "sum", "step_count", "--by", "1h", "--start", "2026-01-23", "--end", "2026-01-24"],
        ["samples", "sum", "step_count", "--by", "day", "--percentile", "101"],
        ["samples", "sum", "step_count", "--by", "day", "--function", "median"],
        ["samples", "sum", "step_count", "--by", "day", "--plot", "steps.pdf"],
        ["samples", "delete"],
        ["samples", "delete", "some", "--metric", "body_mass"],
        ["quarantine", "delete"],
        ["quarantine", "delete", "some", "--all"],
        ["sources", "set", "Watch"],
        ["sources", "set", "Watch", "--kind", "toaster"],
        ["retention", "set", "29"],
        ["retention", "set", "36501"],
    ],
    ids=" ".join,
)
def test_a_mistake_in_the_command_is_exit_code_2(walker: Person, arguments: list[str]) -> None:
    done = walker.runs(*arguments)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


def test_every_command_says_what_it_does(walker: Person) -> None:
    for command in ("samples", "quarantine", "sources", "summary", "changes", "retention"):
        shown = walker.succeeds(command, "--help")
        assert "Traceback" not in shown
        assert os.linesep in shown
