"""The `clarity` command, as a person meets it: what it prints, what it keeps, what it says when something is wrong."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from clarity import local, recordings
from clarity.advice import ADVICE, sentence
from clarity.calls import ClarityError
from clarity.v1.error_pb2 import ErrorReason
from tests.client.person import COMMAND, PASSWORD, TIMEOUT_S, Person, environment


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three simulated days of counts, as a table."""
    simulated = recordings.simulate(3, 3)
    return table(tmp_path_factory.mktemp("files") / "minutes.csv", simulated.start, 60, simulated.values.tolist())


@pytest.fixture(scope="module")
def reader(server: local.Server, folder: Path, minutes: Path, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Somebody whose three days are there already; for tests that only read."""
    reader = Person(tmp_path_factory.mktemp("reader"), server.address, local.outbox_of(folder))
    reader.joins("reader@example.org")
    reader.succeeds("stream", minutes)
    return reader


def table(path: Path, start: datetime, step_s: int, values: list[float]) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["timestamp", "value"])
        rows.writerows(((start + timedelta(seconds=step_s * at)).isoformat(), value) for at, value in enumerate(values))
    return path


def receipt_of(printed: str) -> list[str]:
    """The lines from the receipt on."""
    lines = printed.splitlines()
    return lines[next(at for at, line in enumerate(lines) if line.startswith("receipt")) :]


@pytest.fixture(scope="module")
def nine_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine simulated days of counts, two whole weeks among them, as a table."""
    simulated = recordings.simulate(4, 9)
    return table(tmp_path_factory.mktemp("files") / "nine.csv", simulated.start, 60, simulated.values.tolist())


@pytest.fixture(scope="module")
def weekly(server: local.Server, folder: Path, nine_days: Path, tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Somebody whose nine days are there already; for tests that only read."""
    person = Person(tmp_path_factory.mktemp("weekly"), server.address, local.outbox_of(folder))
    person.joins("weekly@example.org")
    person.succeeds("stream", nine_days)
    return person


def watched(person: Person, *more: str) -> list[dict[str, object]]:
    """All that `clarity watch` shows until it says that no week waits."""
    found = list[dict[str, object]]()
    command = [*COMMAND, "watch", "--json", *more]
    with subprocess.Popen(command, env=person.environ, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            found.append(json.loads(line))
            if found[-1].get("caught_up") == {}:
                break
        running.send_signal(signal.SIGINT)
        assert running.wait(TIMEOUT_S) == 0
    return found


# ---- accounts ------------------------------------------------------------------------------------------------


def test_signing_up_signs_in_and_signing_out_ends_it(stranger: Person) -> None:
    assert "is made and signed in as Ada@example.org" in stranger.joins("Ada@example.org", "--name", "Ada")
    shown = json.loads(stranger.succeeds("account", "--json"))
    assert (shown["email"], shown["display_name"]) == ("Ada@example.org", "Ada")
    assert "Ada@example.org" in stranger.succeeds("account")
    stranger.succeeds("sign-out")
    assert "run `clarity sign-in`" in stranger.fails("account")
    stranger.succeeds("sign-out")


def test_a_password_comes_from_a_file_or_a_pipe_and_never_from_the_command_line(person: Person, tmp_path: Path) -> None:
    email = json.loads(person.succeeds("account", "--json"))["email"]
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n")
    person.succeeds("sign-in", "--email", email, "--password-file", secret)
    person.succeeds("sign-in", "--email", email, "--password-file", "-", typed=PASSWORD)
    assert person.runs("sign-in", "--email", email, "--password", PASSWORD).returncode == 2


def test_tokens_are_kept_where_only_their_owner_can_read_them(person: Person) -> None:
    kept = [path.stat().st_mode & 0o777 for path in person.home.iterdir()]
    assert kept
    assert set(kept) == {0o600}


def test_a_wrong_password_is_told_in_one_sentence(stranger: Person) -> None:
    told = stranger.fails("sign-in", "--email", "nobody@example.org", typed="Wrong-horse-7\n")
    assert "no account has this e-mail address and password" in told
    assert "Wrong-horse-7" not in told


def test_a_weak_password_is_told_with_its_rule(stranger: Person) -> None:
    told = stranger.fails("sign-up", "--email", "weak@example.org", "--accept-terms", typed="weak\n")
    assert "password" in told


# ---- weeks, and what they mean -------------------------------------------------------------------------------


def test_weeks_come_with_the_recording_and_are_listed(person: Person, nine_days: Path) -> None:
    printed = person.succeeds("stream", nine_days)
    assert printed.count("\nweek ") == 2
    assert printed.count("PAT no model") == 2
    listed = person.succeeds("weeks").splitlines()
    assert listed[0].split() == [
        "week",
        "from",
        "source",
        "worn",
        "sleep",
        "asleep",
        "at",
        "SRI",
        "RA",
        "PAT",
        "analysis",
    ]
    assert len(listed) == 3
    found = [json.loads(line) for line in person.succeeds("weeks", "--json").splitlines()]
    assert [one["analysis_id"] in row for one, row in zip(found, listed[1:], strict=True)] == [True, True]
    assert {one["state"] for one in found} == {"ANALYSIS_STATE_SUCCEEDED"}
    assert "NO_MODEL" in found[0]["pat"]["unavailable"]["reason"]


def test_without_a_week_it_says_so(reader: Person) -> None:
    assert "No weeks yet" in reader.succeeds("weeks")
    assert "`clarity weeks` lists those there are" in reader.fails("insight")


def test_an_insight_numbers_what_it_cites_and_lists_it_below(weekly: Person) -> None:
    name, *lines = weekly.succeeds("insight").splitlines()
    assert name.startswith("The week from Sun 11 Jan 2026, ")
    facts = [line for line in lines if line.startswith("[")]
    told = " ".join(line for line in lines if not line.startswith("["))
    numbers = [int(one) for one in re.findall(r"\[(\d+)\]", told)]
    assert list(dict.fromkeys(numbers)) == list(range(1, len(facts) + 1))
    assert [int(line[1:].split("]")[0]) for line in facts] == list(range(1, len(facts) + 1))
    assert len(weekly.succeeds("insight", "--brief").splitlines()) - 1 < len(lines)
    found = json.loads(weekly.succeeds("insight", "--json"))
    cited = {one["fact_id"] for sentence in found["sentences"] for one in sentence.get("citations", [])}
    assert cited == {fact["fact_id"] for fact in found["facts"]}


def test_facts_lead_to_the_minutes_they_rest_on(weekly: Person) -> None:
    newest = json.loads(weekly.succeeds("weeks", "--json").splitlines()[-1])["analysis_id"]
    shown = weekly.succeeds("facts", newest).splitlines()
    found = [json.loads(line) for line in weekly.succeeds("facts", newest, "--json").splitlines()]
    assert len(shown) == len(found)
    for fact in found:
        asked = fact["minutes"]
        assert asked["metric"] == "activity_counts_1min"
        assert asked["source"]["device"]
        assert "civil" in asked or "instant" in asked
    assert "there is no such analysis" in weekly.fails("facts", "unknown")


def test_a_week_that_is_not_whole_or_another_way_is_analysed_when_asked_for(weekly: Person) -> None:
    start = json.loads(weekly.succeeds("weeks", "--json").splitlines()[-1])["window"]["start_date"]
    day = f"{start['year']}-{start['month']:02}-{start['day']:02}"
    asked = weekly.succeeds("analyse", day, "--sleep", "sadeh", "--rescoring").split()[-1]
    later = f"{datetime.fromisoformat(day) + timedelta(days=3):%Y-%m-%d}"
    weekly.succeeds("analyse", later)
    watched(weekly)
    found = {one["analysis_id"]: one for one in map(json.loads, weekly.succeeds("weeks", "--json").splitlines())}
    assert found[asked]["parameters"] == {"wear": "choi", "sleep": "sadeh", "rescoring": True}
    short = next(one for one in found.values() if f"{one['window']['start_date']['day']:02}" == later[-2:])
    assert short["pat"]["unavailable"]["reason"].endswith("NO_MODEL")
    assert short["window"]["recorded_minutes"] < 10_080
    assert "parameters.sleep" in weekly.fails("analyse", day, "--sleep", "sade")
    assert "`clarity days` lists what is there" in weekly.fails("analyse", "1950-01-01")


def test_a_file_without_a_server_has_the_very_numbers_of_its_weeks(weekly: Person, nine_days: Path) -> None:
    """The same minutes: every measure of every week, each with its digest, and every night."""
    alone = json.loads(weekly.succeeds("rhythm", nine_days, "--json"))["weeks"]
    served = [json.loads(line) for line in weekly.succeeds("weeks", "--json").splitlines()]
    default = {"wear": "choi", "sleep": "oakley"}  # and no rescoring, which JSON leaves out
    whole = [one for one in served if one["parameters"] == default and one["window"]["recorded_minutes"] == 10_080]
    assert len(alone) == len(whole) == 2
    for ours, theirs in zip(alone, whole, strict=True):
        names = ("measure", "value", "ucum_unit", "coverage_ratio", "algorithm", "algorithm_version", "parameters")
        told = [{name: one.get(name) for name in names} for one in theirs["measures"]]
        assert [{name: one.get(name) for name in names} for one in ours["measures"]] == told
        assert {one["input_digest"] for one in theirs["measures"]} == {ours["input_digest"]}
        slept = [night.get("sleep", {}).get("total_sleep_minutes") for night in theirs["nights"]]
        assert [night.get("total_sleep_min") for night in ours["nights"]] == slept


def test_watching_shows_what_is_there_and_goes_on_after_a_token(weekly: Person) -> None:
    everything = watched(weekly)
    assert len(everything) >= 3
    assert watched(weekly, "--resume", str(everything[-1]["resume_token"])) == everything[-1:]
    assert watched(weekly, "--resume", str(everything[0]["resume_token"])) == everything[1:]
    assert "start from the beginning" in weekly.fails("watch", "--resume", "nonsense")


# ---- recordings in, and out ----------------------------------------------------------------------------------


def test_a_recording_streams_in_with_progress_days_and_a_receipt(person: Person, minutes: Path) -> None:
    printed = person.succeeds("stream", minutes)
    assert "committed   4,320" in printed
    assert printed.count("\nday ") == 4
    assert "oakley@" in printed
    assert "4,320 samples = 4,320 with a value + 0 without, 4 results" in printed
    assert "\x1b" not in printed  # a pipe gets no colours


def test_streaming_it_again_shows_the_receipt_again(reader: Person, minutes: Path) -> None:
    second, third = reader.succeeds("stream", minutes), reader.succeeds("stream", minutes)
    assert "finished already" in second
    assert receipt_of(second) == receipt_of(third)


def test_another_source_is_another_upload(person: Person, minutes: Path) -> None:
    person.succeeds("stream", minutes)
    assert "finished already" not in person.succeeds("stream", minutes, "--source", "my other watch")
    sources = [json.loads(line)["source"]["device"] for line in person.succeeds("days", "--json").splitlines()]
    assert sources.count("my other watch") == len(sources) // 2 == 4


def test_a_killed_client_goes_on_by_running_again(person: Person, tmp_path: Path) -> None:
    beats = table(tmp_path / "beats.csv", datetime(2026, 1, 23, 13, 58), 1, [60 + at % 7 for at in range(20_000)])
    arguments = ["stream", str(beats), "--metric", "heart_rate", "--chunk-samples", "2"]
    with subprocess.Popen([*COMMAND, *arguments], env=person.environ, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        for line in killed.stdout:
            if line.startswith("progress") and int(line.split("committed")[1].split()[0].replace(",", "")):
                killed.kill()
                break
    printed = person.succeeds(*arguments)
    assert "samples are safe, their checksum is ours; resuming from there" in printed
    assert "20,000 samples = 20,000 with a value + 0 without, 0 results" in printed


def test_where_there_are_no_days_the_way_to_some_is_told(person: Person) -> None:
    assert "`clarity stream FILE` brings some" in person.succeeds("days")


def test_days_are_a_table_for_people_and_lines_of_json_for_programs(reader: Person) -> None:
    shown = reader.succeeds("days").splitlines()
    assert shown[0].split()[:3] == ["day", "source", "worn"]
    assert shown[1].startswith("Fri 9 Jan 2026")
    days = [json.loads(line) for line in reader.succeeds("days", "--json").splitlines()]
    assert [day["date"]["day"] for day in days] == [9, 10, 11, 12]
    assert days[1]["length_minutes"] == 1440
    assert {measure["measure"] for measure in days[1]["measures"]} == {
        "wear_coverage",
        "activity_counts",
        "sleep_minutes",
    }
    one = reader.succeeds("days", "--json", "--start", "2026-01-10", "--end", "2026-01-11").splitlines()
    assert [json.loads(line) for line in one] == [days[1]]


def test_values_are_read_over_civil_times(reader: Person) -> None:
    shown = reader.succeeds("read", "--start", "2026-01-10", "--end", "2026-01-10T03:30").splitlines()
    assert shown[0].split() == ["hour", "from", "source", "samples", "with", "value", "lowest", "mean", "highest"]
    assert [line.split()[1] for line in shown[1:]] == ["00:00", "01:00", "02:00", "03:00"]
    *blocks, done = [
        json.loads(line) for line in reader.succeeds("read", "--start", "2026-01-10", "--json").splitlines()
    ]
    assert done["done"]["sample_count"] == "1440"  # int64 is a string in JSON
    assert sum(len(block["block"]["values"]) for block in blocks) == 4 * 1440 * 4 // 3  # bytes are base64
    assert "Nothing was recorded" in reader.succeeds("read", "--start", "2026-02-10")


def test_values_are_read_over_instants_where_they_are_known(person: Person, tmp_path: Path) -> None:
    start = datetime.fromisoformat("2026-01-23T13:58:00+01:00")
    person.succeeds("stream", table(tmp_path / "zone.csv", start, 60, [1.5] * 120), "--metric", "heart_rate")
    shown = person.succeeds("read", "--metric", "heart_rate", "--start", "2026-01-23T12:00Z")
    assert "2026-01-23 12:00 UTC" in shown
    assert "1.5" in shown


def test_the_kind_of_time_that_a_recording_has_not_is_told(reader: Person) -> None:
    told = reader.fails("read", "--start", "2026-01-10T00:00Z", "--end", "2026-01-11T00:00Z")
    assert "give --start and --end as civil times" in told


def test_the_catalogue_is_listed(reader: Person) -> None:
    assert "activity_counts_1min" in reader.succeeds("metrics")
    listed = [json.loads(line) for line in reader.succeeds("metrics", "--json").splitlines()]
    assert [metric["metric"] for metric in listed if metric.get("has_days")] == ["activity_counts_1min"]


# ---- what is wrong, and what to do ---------------------------------------------------------------------------


def test_where_no_server_is_the_way_to_one_is_told(tmp_path: Path) -> None:
    nowhere = Person(tmp_path, "127.0.0.1:1", tmp_path)
    told = nowhere.fails("sign-in", "--email", "ada@example.org", typed=f"{PASSWORD}\n")
    assert "no server answers at http://127.0.0.1:1: start one with `clarity up`, or name another" in told


def test_tls_where_none_is_spoken_is_told(stranger: Person) -> None:
    secured = Person(stranger.home, f"https://{stranger.target}", stranger.outbox)
    told = secured.fails("sign-in", "--email", "ada@example.org", typed=f"{PASSWORD}\n")
    assert "does not speak TLS" in told


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("missing.csv", None, "no such file"),
        ("words.txt", "some words", "cannot tell the format"),
        ("wrong.csv", "timestamp,value\nyesterday,5\nnow,6\n", "'yesterday' is not a timestamp"),
    ],
)
def test_a_file_that_is_no_recording_is_told(
    reader: Person, tmp_path: Path, name: str, content: str | None, told: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    assert told in reader.fails("stream", tmp_path / name)


def test_a_metric_that_does_not_exist_is_told_with_the_nearest(reader: Person, minutes: Path) -> None:
    told = reader.fails("stream", minutes, "--metric", "hart_rate")
    assert "did you mean 'heart_rate'?" in told


@pytest.mark.parametrize(
    "arguments",
    [
        ["stream"],
        ["stream", "x.csv", "--chunk-samples", "0"],
        ["read", "--start", "yesterday"],
        ["read", "--start", "2026-01-10", "--end", "2026-01-11T00:00Z"],
        ["days", "--start", "10.1.2026"],
        ["account", "--target", "ftp://x"],
        ["account", "--json", "update", "--name", "Ada"],
        ["account", "update"],
        ["account", "update", "--set", "goal.steps"],
        ["sign-up", "--email", "ada@example.org"],
        ["consents", "give", "money"],
        ["grants", "give", "somebody", "--family", "money"],
        ["grants", "give", "somebody", "--family", "sleep", "--days", "367"],
        ["nonsense"],
    ],
    ids=" ".join,
)
def test_a_mistake_in_the_command_is_exit_code_2(stranger: Person, arguments: list[str]) -> None:
    done = stranger.runs(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_every_advice_is_for_a_reason_that_exists() -> None:
    known = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.keys()}  # noqa: SIM118  an enum, no dict
    client_only = {"NO_SERVER", "CUT_OFF", "NOT_SIGNED_IN", "UNIMPLEMENTED"}
    assert set(ADVICE) - known == client_only


def test_a_failure_without_advice_still_is_one_sentence() -> None:
    assert sentence(ClarityError("NEW", "something new happened.")) == "something new happened."
    assert sentence(FileNotFoundError(2, "No such file or directory", "a.csv")) == "a.csv: no such file or directory."


# ---- servers -------------------------------------------------------------------------------------------------


def test_the_help_of_serve_lists_every_setting() -> None:
    shown = subprocess.run([*COMMAND, "serve", "--help"], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    assert "CLARITY_LISTEN=127.0.0.1:50051" in shown.stdout
    assert "CLARITY_RECORDS=" in shown.stdout


def test_serve_takes_no_defaults_where_none_are_wanted(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "serve", "--no-defaults"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 2
    assert "CLARITY_RECORDS" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_up_serves_both_doors_and_leaves_nothing_behind(tmp_path: Path, ending: signal.Signals) -> None:
    command = [*COMMAND, "up", "--listen", "0", "--edge-port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as up:
        assert up.stdout is not None
        shown = list[str]()
        for line in up.stdout:
            shown.append(line)
            if "curl" in line and "/v1/days" in line:
                break
        doors = [line.split()[-1] for line in shown if line.startswith("  gRPC  ")]
        outbox = tmp_path / "var" / "outbox"
        assert any("lands in var/outbox" in line for line in shown)
        ada = Person(tmp_path / "home", doors[0], outbox)
        edge = next(word for line in shown for word in line.split() if word.startswith("http://"))
        ada.joins("ada@example.org")
        through = Person(tmp_path / "home2", edge, outbox)
        through.succeeds("sign-in", "--email", "ada@example.org", typed=f"{PASSWORD}\n")
        assert json.loads(through.succeeds("account", "--json"))["email"] == "ada@example.org"
        up.send_signal(ending)
        _, log = up.communicate(timeout=TIMEOUT_S)
    assert up.returncode == (0 if ending is signal.SIGINT else 128 + ending)
    assert "stopped" in log
    assert processes_of(tmp_path) == []


def test_up_on_a_port_that_is_taken_says_so(server: local.Server, tmp_path: Path) -> None:
    command = [*COMMAND, "up", "--listen", str(server.port), "--edge-port", "0"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 1
    assert "is another server on this port?" in done.stderr
    assert processes_of(tmp_path) == []


def processes_of(folder: Path) -> list[str]:
    """The commands of all processes that work in a folder; nothing where the system does not tell."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has ended meanwhile, or belongs to somebody else
            continue
    return found


def test_what_looks_for_processes_finds_them(tmp_path: Path) -> None:
    if not Path("/proc/self/cwd").exists():
        pytest.skip("this system does not tell where its processes work")
    with subprocess.Popen([sys.executable, "-c", "input()"], cwd=tmp_path, stdin=subprocess.PIPE) as process:
        assert len(processes_of(tmp_path)) == 1
        process.communicate(b"\n")
    assert processes_of(tmp_path) == []
