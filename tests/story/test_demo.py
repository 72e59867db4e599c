"""`clarity demo`, as a newcomer runs it: what it shows, what it leaves on disk, and that it leaves nothing running."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from clarity import demo, local, recordings
from clarity.credentials import FileTokens, SignedIn
from clarity.mailbox import Mailbox
from clarity.v1.day_pb2 import Day, MinuteRange
from tests.client.person import Person

ROOT = Path(__file__).parents[2]
GOLDEN_S = ROOT / "tests" / "pat" / "golden" / "legacy_S_weights.h5"
REAL = ROOT.parent / "shared" / "data" / "actiwatch" / "example_01.AWD"
COMMAND = [sys.executable, "-m", "clarity.cli", "demo"]
TIMEOUT_S = 110

# Each of these starts a server and an Envoy, and one of them kills its server.
pytestmark = pytest.mark.timeout(120)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """A newcomer's, with a cache of their own, no registry, and settings that must not matter."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLARITY")}
    own = {"XDG_CACHE_HOME": str(folder / "cache"), "PIP_NO_INDEX": "1", "CLARITY_RECORDS": "sqlite:elsewhere.db"}
    return {**kept, **own, "CLARITYCLIENT_HOME": str(folder / "home"), **more}


def shown(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


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


def numbers_after(word: str, printed: str) -> list[int]:
    """The number after a word, in each line of progress."""
    lines = [line for line in printed.splitlines() if line.lstrip().startswith("progress")]
    return [int(line.split(word)[1].split()[0].replace(",", "")) for line in lines]


def test_without_a_network_it_runs_on_a_simulated_recording_and_says_so_everywhere(tmp_path: Path) -> None:
    done = shown(tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "The real recording is not at hand" in done.stdout
    assert "read in var/demo/outbox: the account is made" in done.stdout
    assert len(list((tmp_path / "var" / "demo" / "outbox").glob("*.eml"))) == 1
    for where in ("from SIMULATED sensor", "The SIMULATED recording streams in", "picture of the SIMULATED recording"):
        assert where in done.stdout
    assert "GPL" not in done.stdout
    for picture in ("picture.png", "days.png"):
        assert b"SIMULATED: " in (tmp_path / "var" / "demo" / picture).read_bytes()  # in the picture's own title
    assert not (tmp_path / "elsewhere.db").exists()
    assert processes_of(tmp_path) == []


def test_the_real_recording_tells_the_whole_story(tmp_path: Path) -> None:
    if not REAL.exists():
        pytest.skip("needs ../shared/data/actiwatch, see ../shared/data/README.md")
    assert hashlib.sha256(REAL.read_bytes()).hexdigest() == demo.MEMBER_SHA256
    done = shown(tmp_path, str(REAL))
    assert done.returncode == 0, done.stderr + done.stdout
    story = done.stdout
    first, second = story.split("\n5  ")
    assert "307 chunks of an hour" in first
    assert first.count("   day ") == 14
    assert numbers_after("committed", first)[-1] == 18_401
    assert 0 < story.index("   day ") < story.index("committed  18,401")  # days come while the recording still streams
    assert "SIGKILL to process" in second
    assert "resuming from there" in second
    assert first.count("   week ") == second.count("   week ") == 6
    assert "sha256 and all 14 days and 6 weeks equal those of the unbroken upload" in second
    assert "read it with pat-s-depresjon-demo (demonstration)" in first
    assert "simple methods beat it" in story  # the first line of its card
    assert "On average you slept 8 h 46 min a night [" in second
    assert "rests on 746 minutes, read back by its own range" in second
    assert story.count("sha256 ca097ccab6f7ddd4183196c43a67b3dec6aba915f56ea23def8f5383e998d6c0") == 2
    assert "bit for bit what went in" in second
    assert "put aside  712 kg" in second
    assert "quantity.value: is not 0.3 to 650 kg" in second
    assert "mended     71.4 kg" in second
    assert "14 days: 254 h 20 min with values, 52 h 21 min not worn" in second
    assert "both sensors recorded all of it, and asked of both it comes to the same" in second
    assert "SIMULATED" not in story
    assert "\x1b" not in story  # a pipe gets no colours
    for picture in ("picture.png", "days.png"):
        assert (tmp_path / "var" / "demo" / picture).read_bytes().startswith(demo.PNG)
    assert processes_of(tmp_path) == []


def test_without_a_model_it_says_so_and_how_to_get_one(tmp_path: Path) -> None:
    """A client alone has no demonstration model beside it."""
    program = "from pathlib import Path; from clarity import cli, demo; demo.DEMONSTRATION = Path('nowhere'); cli.app()"
    done = subprocess.run(
        [sys.executable, "-c", program, "demo"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "PAT   NO_MODEL" in done.stdout
    assert "clarity models pull pat-l" in done.stdout
    assert "PAT no model" in done.stdout
    assert "because no model is installed" in done.stdout  # the insight says it, too


@pytest.mark.parametrize(
    ("content", "told"),
    [(GOLDEN_S, "noise, which is never served"), (b"<!DOCTYPE html><html></html>", "this is a web page, not the file")],
)
def test_a_model_that_may_not_answer_ends_it_with_the_reason(tmp_path: Path, content: Path | bytes, told: str) -> None:
    weights = tmp_path / "weights.h5"
    weights.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    done = shown(tmp_path, "--model", str(weights))
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert told in done.stderr
    assert "streams in" not in done.stdout
    assert processes_of(tmp_path) == []


def test_what_an_earlier_run_left_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "demo"
    (folder / "server").mkdir(parents=True)
    (folder / "server" / "clarity.db").write_text("an earlier run's")
    (folder / "picture.png").write_text("an earlier run's")
    assert shown(tmp_path).returncode == 0
    assert (folder / "picture.png").read_bytes().startswith(demo.PNG)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["Envoy ", "progress", "SIGKILL"])
def test_however_and_whenever_it_is_ended_nothing_is_left_running(
    tmp_path: Path, moment: str, ending: signal.Signals
) -> None:
    with subprocess.Popen(
        COMMAND,
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if moment in line:
                assert processes_of(tmp_path)
                running.send_signal(ending)
                break
        rest, _ = running.communicate(timeout=TIMEOUT_S)
    assert running.returncode != 0
    assert "Traceback" not in rest
    assert processes_of(tmp_path) == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[local.Server]:
    folder = tmp_path / "theirs"
    folder.mkdir()
    with local.Server(local.own_stores(folder), folder, log=folder / "log") as running:
        yield running


@pytest.fixture
def member(tmp_path: Path, server: local.Server) -> Person:
    """Somebody who is signed in there, and runs the demonstration in the folder of the test."""
    person = Person(tmp_path / "home", server.address, local.outbox_of(server.folder))
    person.joins("member@example.org")
    return person


def test_at_somebody_elses_server_it_says_what_it_leaves_out(
    tmp_path: Path, server: local.Server, member: Person
) -> None:
    done = shown(tmp_path, "--target", member.target)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "member@example.org is signed in there" in done.stdout
    assert "skipped    killing the server: it is not ours" in done.stdout
    assert "curl    skipped: " in done.stdout
    assert "resuming from there" in done.stdout
    assert server.failed() is None
    assert not (tmp_path / "var" / "demo" / "server").exists()


def test_the_same_account_is_shown_it_again(tmp_path: Path, member: Person) -> None:
    """What an earlier run streamed in is still there: this one needs sources of its own."""
    short = tmp_path / "days.csv"
    values = enumerate(recordings.simulate(6, 2).values.tolist())
    lines = [f"{(datetime(2026, 3, 1) + timedelta(minutes=at)).isoformat()},{value}" for at, value in values]
    short.write_text("\n".join(["timestamp,value", *lines]))
    for _ in range(2):
        done = shown(tmp_path, str(short), "--target", member.target)
        assert done.returncode == 0, done.stderr + done.stdout
        assert "finished already" not in done.stdout


def test_where_nobody_is_signed_in_and_nobody_can_be_asked_it_says_what_to_do(
    tmp_path: Path, server: local.Server
) -> None:
    done = shown(tmp_path, "--target", server.address)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert f"run `clarity sign-up --target http://{server.address}` first" in done.stderr


def test_where_an_account_does_not_consent_it_says_to_what(tmp_path: Path, member: Person) -> None:
    member.succeeds("consents", "withdraw", "analysis")
    done = shown(tmp_path, "--target", member.target)
    assert done.returncode == 1
    assert "`clarity consents give analysis`" in done.stderr


def test_at_a_terminal_it_makes_an_account_with_the_code_that_is_mailed(tmp_path: Path, server: local.Server) -> None:
    person = Person(tmp_path / "home", server.address, local.outbox_of(server.folder), {"PIP_NO_INDEX": "1"})
    mail = Mailbox(person.outbox)
    with person.terminal("demo", "--target", server.address, folder=tmp_path) as terminal:
        terminal.sees("E-mail, for an account of its own: ")
        terminal.types("visitor@example.org")
        terminal.sees("Code that was mailed there: ")
        terminal.types(mail.code("visitor@example.org"))
        terminal.sees("visitor@example.org is signed in")
        terminal.sees("streams in")
    assert not person.home.exists()  # an account for one demonstration leaves no tokens


def test_where_no_server_is_it_says_so(tmp_path: Path) -> None:
    session = SignedIn("ada@example.org", "a", "s", time.time() + 600, "access", "refresh", "request")
    FileTokens("http://127.0.0.1:1", tmp_path / "home").keep(session)
    done = shown(tmp_path, "--target", "127.0.0.1:1")
    assert done.returncode == 1
    assert "no server answers at http://127.0.0.1:1" in done.stderr


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["2026-01-23T13:58:00,1", "2026-01-23T13:59:00,2"], "a day or more of one-minute counts"),
        (["2026-01-23T13:58:00,1", "2026-01-23T13:58:30,2"], "a day or more of one-minute counts"),
        (["nonsense,1", "nonsense,2"], "is not a timestamp"),
    ],
)
def test_a_recording_it_cannot_show_is_refused_before_anything_is_started(
    tmp_path: Path, rows: list[str], told: str
) -> None:
    table = tmp_path / "short.csv"
    table.write_text("\n".join(["timestamp,value", *rows]))
    done = shown(tmp_path, str(table))
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert told in done.stderr
    assert not (tmp_path / "var" / "demo" / "server").exists()


def test_two_in_one_folder_do_not_delete_each_others_data(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "demo"
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = shown(tmp_path)
    assert done.returncode == 1
    assert "another demonstration is running" in done.stderr


# ---- what it checks ------------------------------------------------------------------------------------------


def test_other_bytes_in_the_cache_are_not_taken_for_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    planted = tmp_path / "clarity" / "example_01.AWD"
    planted.parent.mkdir()
    planted.write_text("something else")
    printed = StringIO()
    assert demo.chosen(Console(file=printed), None).simulated
    assert "not at hand" in printed.getvalue()


@pytest.mark.parametrize(
    "program", ["print('nonsense')", "print('{\"dais\": []}')", "import sys; sys.exit('no such host')"]
)
def test_a_program_that_gives_no_answer_ends_it(program: str) -> None:
    with pytest.raises(demo.DemoFailed, match="grpcurl"):
        demo.asked(demo.Question("grpcurl", "grpcurl …", [sys.executable, "-c", program]), "token")


def test_the_token_is_in_no_command_line() -> None:
    program = (
        "import os, sys; assert 'secret' not in sys.argv; assert os.environ['TOKEN'] in sys.stdin.read(); print('{}')"
    )
    assert not demo.asked(demo.Question("curl", "curl …", [sys.executable, "-c", program]), "secret").days


def test_values_are_laid_over_days_of_any_length() -> None:
    lengths = [1440, 1380, 1440]
    days = [Day(length_minutes=length) for length in lengths]
    for at, day in enumerate(days):
        day.date.year, day.date.month, day.date.day = 2026, 3, 28 + at
    days[1].asleep.append(MinuteRange(start_minute=0, end_minute=60))
    values = np.arange(600 + 1380 + 100, dtype=np.float32)
    first, second, third = demo.traces(days, values, datetime(2026, 3, 28, 14, 0))
    assert np.isnan(first.counts[:840]).all()
    assert first.counts[840:].tolist() == values[:600].tolist()
    assert second.counts.tolist() == values[600:1980].tolist()
    assert third.counts[:100].tolist() == values[1980:].tolist()
    assert np.isnan(third.counts[100:]).all()
    assert second.asleep == ((0, 60),)
