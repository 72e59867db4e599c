"""The `clarity` command.

Every command ends with 0, with 1 and one sentence on what happened and what to do, or with 2 for a mistake in the
command itself. A traceback is our mistake.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, NoReturn

os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # read when gRPC is imported; its remarks say less than our sentences

import numpy as np
import typer
from numpy.typing import NDArray
from typer.core import TyperCommand

from clarity import account_commands, local, models, recordings, rhythm, sample_commands, show, terminal
from clarity.advice import sentence
from clarity.calls import ClarityError
from clarity.client import Client
from clarity.credentials import CredentialsError
from clarity.edge import EdgeError
from clarity.sending import CHUNK_BYTES, describe, naive, parcel_of, upload_id_of
from clarity.terminal import TARGET, CommandFailed, Json, Moment, Of, Target, out
from clarity.v1.analysis_pb2 import AnalysisParameters
from clarity.v1.health_data_service_pb2 import ReadSeriesDone, ReadSeriesResponse, SeriesBlock
from clarity.v1.insight_pb2 import Insight, InsightKind
from clarity.v1.metric_pb2 import Metric
from clarity.v1.series_pb2 import Source

ACTIVITY = "activity_counts_1min"
MINUTE_S, HOUR_S = 60, 3600
MILLISECOND = timedelta(milliseconds=1)
ROWS_SHOWN = 48

MetricName = Annotated[str, typer.Option("--metric", help="What is measured; `clarity metrics` lists the names.")]

app = typer.Typer(
    name="clarity",
    help="Stream a wearable recording in; every acknowledged sample survives; sleep and days come back while it runs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


# ---- servers -------------------------------------------------------------------------------------------------


class _WithSettings(TyperCommand):
    """A command whose help ends with the server's settings, asked of the server itself."""

    def get_help(self, ctx: typer.Context) -> str:  # type: ignore[override]
        try:
            settings = local.settings_help()
        except local.LocalError as why:
            settings = str(why)
        return f"{super().get_help(ctx)}\n\nSettings, by the environment:\n\n{settings}"


@app.command(cls=_WithSettings)
def serve(
    no_defaults: Annotated[
        bool, typer.Option("--no-defaults", help="Refuse to start unless every store is named: for production.")
    ] = False,
) -> None:
    """Serve gRPC in the foreground, as the CLARITY_* settings say."""
    terminal.become(*(["--no-defaults"] if no_defaults else []))


@app.command()
def up(
    listen: Annotated[int, typer.Option(min=0, max=65535, help="The port of gRPC; 0 takes a free one.")] = 50051,
    edge_port: Annotated[int, typer.Option(min=0, max=65535, help="The port of Envoy; 0 takes a free one.")] = 8080,
) -> None:
    """Serve gRPC and, through Envoy, JSON and gRPC-Web, in the foreground until Ctrl-C. Data lies in ./var."""
    settings = {"LISTEN": f"{local.HOST}:{listen}"}
    with local.tidy(), local.Stand(Path("var"), settings, edge_port=edge_port, inherit=True) as stand:
        _tell_what_to_try(stand.server.address, stand.edge_address)
        with suppress(KeyboardInterrupt):
            stand.wait()
        out.print("Ending: what was received is being committed.")


def _tell_what_to_try(server: str, edge: str) -> None:
    grpcurl = local.tool("grpcurl") or "grpcurl"
    for line in (
        show.text(("CLARITY is up", "good"), "; Ctrl-C ends it, and ./var keeps the data."),
        "",
        show.text(("  gRPC                 ", "quiet"), (server, "name")),
        show.text(("  JSON, gRPC-Web, gRPC ", "quiet"), (f"http://{edge}", "name"), ("  through Envoy", "quiet")),
        show.text(("  mail                 ", "quiet"), _mail_words()),
        "",
        "Try, in another terminal:",
        "",
        show.text((f"  clarity sign-up --target {server}", "command")),
        show.text((f"  clarity stream RECORDING.AWD --target {server}", "command")),
        show.text((f"  clarity days --target {server}", "command")),
        show.text((f"  clarity weeks --target {server}", "command")),
        show.text((f"  clarity insight --target {server}", "command")),
        show.text((f"  clarity samples sum {ACTIVITY} --by day --target {server}", "command")),
        show.text((f"  {Path(grpcurl).name} -plaintext {server} list", "command")),
        show.text((f"  curl -s -X POST http://{edge}/v1/auth:signIn -d '{SIGN_IN_BODY}'", "command")),
        show.text((f'  curl -s http://{edge}/v1/days -H "authorization: Bearer $TOKEN"', "command")),
        "",
    ):
        out.print(line)


def _mail_words() -> str:
    """Where the codes are that the server mails."""
    way, _, where = os.environ.get(f"{local.PREFIX}OUTBOX", local.OUTBOX).partition(":")
    return f"lands in {where}, codes among it" if way == "file" else "leaves by SMTP"


SIGN_IN_BODY = '{"email": "you@example.org", "password": "…"}'


# ---- accounts ------------------------------------------------------------------------------------------------

app.add_typer(account_commands.app)


# ---- recordings in -------------------------------------------------------------------------------------------


@app.command()
def stream(
    file: Annotated[Path, typer.Argument(help="An Actiwatch .AWD file, or a .csv table of timestamp,value.")],
    metric: MetricName = ACTIVITY,
    source: Annotated[str, typer.Option(help="The device; by default the one that the file names.")] = "",
    chunk_samples: Annotated[
        int | None,
        typer.Option(min=1, help="Samples a message; by default an hour of minutes, and 64 KiB of anything else."),
    ] = None,
    target: Target = TARGET,
) -> None:
    """Stream a recording in. Run it again to go on after an interruption, or to see the receipt again."""
    recording = recordings.read(file)
    series = describe(recording, metric, source)
    digest = hashlib.sha256(file.read_bytes()).digest()
    upload_id = upload_id_of(digest, metric, series.source)
    try:
        parcel = parcel_of(recording, series, upload_id, chunk_samples or _chunk_samples(recording.period_s))
    except ValueError as why:
        raise typer.BadParameter(str(why), param_hint="--chunk-samples") from why
    for note in recording.notes:
        out.print(show.text(("note ", "quiet"), note))
    out.print(
        show.text(
            ("upload ", "quiet"),
            upload_id,
            ("  ", "quiet"),
            f"{parcel.total:,} samples of {metric} from {series.source.device}",
        )
    )
    with terminal.client(target) as client, show.UploadView(out, parcel.total) as view:
        client.upload(parcel, on_event=view.show, before_chunk=view.sending)


def _chunk_samples(period_s: int) -> int:
    return HOUR_S // MINUTE_S if period_s == MINUTE_S else CHUNK_BYTES // 4


# ---- reading -------------------------------------------------------------------------------------------------


@app.command()
def metrics(json: Json = False, target: Target = TARGET) -> None:
    """List what can be measured, with units."""
    with terminal.client(target) as client:
        if json:
            terminal.print_all(client.metrics())
            return
        table = terminal.table("metric", "kind", "unit", "plausible", "summed up", "days")
        for metric in client.metrics():
            kind = Metric.Kind.Name(metric.kind).removeprefix("KIND_").lower()
            summed, days = SUMMED.get(metric.aggregation, "?"), "yes" if metric.has_days else ""
            table.add_row(metric.metric, kind, metric.ucum_unit, _bounds(metric), summed, days)
    out.print(table)


SUMMED = {
    Metric.AGGREGATION_UNSPECIFIED: "",
    Metric.AGGREGATION_SUM: "sum",
    Metric.AGGREGATION_MEAN: "mean",
    Metric.AGGREGATION_BOTH: "sum and mean",
    Metric.AGGREGATION_DURATION: "minutes of each code",
}


def _bounds(metric: Metric) -> str:
    low = f"{metric.min:g}" if metric.HasField("min") else ""
    high = f"{metric.max:g}" if metric.HasField("max") else ""
    return f"{low} – {high}".strip() if low or high else ""


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as why:
        raise typer.BadParameter(f"{text!r} is no date; write it like 2026-01-23") from why


Day = Annotated[date | None, typer.Option(parser=_day, metavar="DATE", help="Like 2026-01-23.")]


@app.command()
def days(
    metric: MetricName = ACTIVITY,
    start: Day = None,
    end: Day = None,
    of: Of = "",
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """List civil days: wear, movement and sleep."""
    with terminal.client(target) as client:
        found = client.days(metric, start, end, account_id=of)
        if json:
            terminal.print_all(found)
            return
        table = terminal.table(
            "day", "source", "worn", "counts", "asleep", "scored by", right=("worn", "counts", "asleep")
        )
        for day in found:
            line = show.day_line(day)
            still_open = "" if day.closed else " (still open)"
            table.add_row(
                line.date + still_open,
                day.source.device,
                line.worn,
                line.counts,
                line.asleep,
                line.algorithm + line.conflicts,
            )
    out.print(table if table.row_count else "No days yet: `clarity stream FILE` brings some.")


@app.command()
def weeks(
    metric: MetricName = ACTIVITY,
    start: Day = None,
    end: Day = None,
    superseded: Annotated[bool, typer.Option("--superseded", help="Those that newer data has replaced, too.")] = False,
    of: Of = "",
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """List analysed weeks: sleep, rhythm, and what PAT made of them."""
    with terminal.client(target) as client:
        found = client.analyses(metric, start, end, superseded=superseded, account_id=of)
        if json:
            terminal.print_all(found)
            return
        names = ("worn", "sleep", "asleep at", "SRI", "RA")
        table = terminal.table("week from", "source", *names, "PAT", "analysis", right=names)
        for analysis in found:
            line, source = show.week_line(analysis), analysis.window.source.device
            numbers = (line.worn, line.sleep, line.onset, line.regularity, line.amplitude)
            pat = f"{line.state}; {line.pat}" if line.state else line.pat
            table.add_row(line.start, source, *numbers, pat, analysis.analysis_id)
    out.print(table if table.row_count else "No weeks yet: each is analysed as soon as it is complete.")


@app.command()
def watch(
    resume: Annotated[str, typer.Option(metavar="TOKEN", help="Go on after a token of an earlier watch.")] = "",
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """Show every analysed week as it comes or changes, until Ctrl-C."""
    with terminal.client(target) as client, suppress(KeyboardInterrupt):
        for message in client.watch(resume):
            if json:
                terminal.print_json(message)
            elif message.HasField("analysis"):
                out.print(show.week_line(message.analysis).line())
            else:
                out.print(show.text((f"{message.caught_up.waiting_count} weeks wait", "quiet")))


@app.command()
def analyse(
    start: Annotated[date, typer.Argument(parser=_day, metavar="DATE", help="The date the week begins on.")],
    metric: MetricName = ACTIVITY,
    source: Annotated[str, typer.Option(help="The device, where there are several.")] = "",
    wear: Annotated[str, typer.Option(help="choi, troiano or none.")] = "",
    sleep: Annotated[str, typer.Option(help="oakley, cole-kripke, sadeh, …; see docs/algorithms.md.")] = "",
    rescoring: Annotated[bool, typer.Option("--rescoring", help="Apply Webster's rules after the scoring.")] = False,
    target: Target = TARGET,
) -> None:
    """Analyse a week that is not complete, or in another way; prints its id."""
    with terminal.client(target) as client:
        parameters = AnalysisParameters(wear=wear, sleep=sleep, rescoring=rescoring)
        device = Source(device=source) if source else None
        found = client.start_analysis(start, metric=metric, source=device, parameters=parameters)
    out.print(show.text((show.state(found.state), "good"), f"  {found.analysis_id}"))


@app.command()
def insight(
    analysis: Annotated[
        str, typer.Argument(metavar="ANALYSIS", help="Of `clarity weeks`; by default the newest.")
    ] = "",
    brief: Annotated[bool, typer.Option("--brief", help="At most three sentences.")] = False,
    of: Of = "",
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """Tell what a week means, in sentences whose every number cites a fact; of another, what they were told."""
    kind = InsightKind.INSIGHT_KIND_BRIEF if brief else InsightKind.INSIGHT_KIND_SUMMARY
    with terminal.client(target) as client:
        found = _told(client, analysis, kind, of) if of else client.tell(analysis, kind)
        week = client.analysis(found.analysis_id, account_id=of)
    if json:
        terminal.print_json(found)
        return
    out.print(show.week_name(week))
    for line in show.insight_lines(found):
        out.print(line)


def _told(client: Client, analysis: str, kind: InsightKind, of: str) -> Insight:
    """The newest insight that another was told. Raises CommandFailed where there is none."""
    for one in client.insights(account_id=of):
        if one.kind == kind and analysis in {"", one.analysis_id}:
            return one
    raise CommandFailed("they were told no such insight yet; only they can ask for one")


@app.command()
def facts(
    analysis: Annotated[str, typer.Argument(metavar="ANALYSIS", help="Of `clarity weeks`.")],
    of: Of = "",
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """List the facts of a week, with the minutes that each rests on."""
    with terminal.client(target) as client:
        found = client.facts(analysis, account_id=of)
        if json:
            terminal.print_all(found)
            return
        for number, fact in enumerate(found, start=1):
            out.print(show.fact_line(number, fact))


@app.command()
def read(
    start: Annotated[datetime, Moment],
    end: Annotated[datetime | None, Moment] = None,
    metric: MetricName = ACTIVITY,
    of: Of = "",
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """Read values of [--start, --end); without --end, a day of them. The table shows an hour a row."""
    end = end or start + timedelta(days=1)
    if (start.tzinfo is None) != (end.tzinfo is None):
        raise typer.BadParameter("give both times without an offset (civil), or both with one (instants)")
    with terminal.client(target) as client:
        messages = client.read(metric, start, end, account_id=of)
        if json:
            terminal.print_all(_wrapped(messages))
            return
        _print_hours(messages)


def _wrapped(messages: Iterable[SeriesBlock | ReadSeriesDone]) -> Iterator[ReadSeriesResponse]:
    """The messages as the contract sends them, so that a reader of the JSON sees whether it is whole."""
    for message in messages:
        if isinstance(message, SeriesBlock):
            yield ReadSeriesResponse(block=message)
        else:
            yield ReadSeriesResponse(done=message)


def _print_hours(messages: Iterable[SeriesBlock | ReadSeriesDone]) -> None:
    hours: dict[tuple[str, datetime], list[NDArray[np.float32]]] = {}
    for message in messages:
        if isinstance(message, SeriesBlock):
            for hour, values in _by_hour(message):
                hours.setdefault((message.source.device, hour), []).append(values)
    if not hours:
        out.print("Nothing was recorded in this range.")
        return
    numbers = ("samples", "with value", "lowest", "mean", "highest")
    table = terminal.table("hour from", "source", *numbers, right=numbers)
    for (device, hour), parts in list(hours.items())[:ROWS_SHOWN]:
        zone = "" if hour.tzinfo is None else " UTC"
        table.add_row(f"{hour:%Y-%m-%d %H:%M}{zone}", device, *_summary(np.concatenate(parts)))
    out.print(table)
    if len(hours) > ROWS_SHOWN:
        out.print(f"… and {len(hours) - ROWS_SHOWN:,} more hours; --json prints every value.")


def _by_hour(block: SeriesBlock) -> Iterator[tuple[datetime, NDArray[np.float32]]]:
    """The values of each hour that a block touches; of several channels the first."""
    values = np.frombuffer(block.values, dtype="<f4").reshape(-1, max(1, block.channels))[:, 0]
    start = block.instant.ToDatetime(UTC) if block.HasField("instant") else naive(block.civil)
    first = start.replace(minute=0, second=0, microsecond=0)
    step_ms = block.period.ToMilliseconds()
    after_ms = np.array(block.offsets_ms) if block.offsets_ms else np.arange(len(values)) * step_ms
    hours = (after_ms + (start - first) // MILLISECOND) // (HOUR_S * 1000)
    for hour in np.unique(hours):
        yield first + timedelta(hours=int(hour)), values[hours == hour]


def _summary(values: NDArray[np.float32]) -> tuple[str, ...]:
    """Samples, those with a value, and the lowest, the mean and the highest of these."""
    known = values[np.isfinite(values)]
    if not len(known):
        return f"{len(values):,}", "0", "–", "–", "–"
    shown = (known.min(), known.mean(dtype=np.float64), known.max())
    return f"{len(values):,}", f"{len(known):,}", *(f"{value:,.5g}" for value in shown)


# ---- discrete samples ----------------------------------------------------------------------------------------

app.add_typer(sample_commands.app)


# ---- without a server ----------------------------------------------------------------------------------------

app.command()(rhythm.rhythm)
app.add_typer(models.app)


# ---- the demonstration ---------------------------------------------------------------------------------------


@app.command()
def demo(
    recording: Annotated[
        Path | None,
        typer.Argument(help="An .AWD or .csv of one-minute counts; without one, a real one is fetched."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            callback=terminal.checked_target,
            metavar="HOST:PORT",
            help="Show it at a running server, as far as that is possible from outside.",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Install these weights first; by default the demonstration model."),
    ] = None,
) -> None:
    """Show the whole service with one recording: a stream, a power cut, days, weeks, a picture and an insight."""
    from clarity import demo as shown

    if target is not None and model is not None:
        raise typer.BadParameter("--model is for a server of our own; install it where --target runs")
    try:
        with local.tidy():
            shown.run(out, recording, target, model)
    except shown.DemoFailed as why:
        raise CommandFailed(str(why)) from why


# ---- ending ------------------------------------------------------------------------------------------------------


EXPECTED = (
    ClarityError,
    CommandFailed,
    CredentialsError,
    local.LocalError,
    EdgeError,
    recordings.Unreadable,
    OSError,
)


def main() -> NoReturn:
    """Run the command; end with a sentence where it fails in an expected way."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without the character shows a mark, not a traceback
    try:
        app()
    except EXPECTED as error:
        show.console(stderr=True).print(show.text(("clarity: ", "bad"), sentence(error)))
        _leave(1)
    sys.exit(0)


def _leave(code: int) -> NoReturn:
    """End at once, all said: where a call has failed, gRPC's threads have kept an interpreter from ending by itself."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
