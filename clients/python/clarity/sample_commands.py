"""The commands about discrete samples: write, read, sum up, follow, delete; their sources; how long they stay."""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, cast

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from rich.text import Text

from clarity import bars, moments, sample_files, show, sums, terminal
from clarity.client import Client
from clarity.recordings import Unreadable
from clarity.sample_files import Assumed
from clarity.samples import Aggregate, By, over
from clarity.terminal import TARGET, CommandFailed, Json, Moment, Of, Target, out
from clarity.v1 import health_data_service_pb2 as health
from clarity.v1.sample_pb2 import (
    AggregateFunction,
    Change,
    DeviceKind,
    ObservationTime,
    QuarantineReason,
    Sample,
    SampleResult,
    SeriesPart,
    SourceState,
    Verdict,
)
from clarity.v1.series_pb2 import Source

ROWS_SHOWN = 48
EVERY_S = 2.0  # that what changed is asked for
FIRST, LAST = datetime(1800, 1, 2), datetime(2199, 12, 31)  # in any zone within the contract's times
DELETED_AT_ONCE = 1000
KEEP_DAYS_MIN, KEEP_DAYS_MAX = 30, 36_500
NOT_TAKEN = frozenset({Verdict.VERDICT_CONFLICT, Verdict.VERDICT_QUARANTINED})


class Kind(StrEnum):
    """What kind of device a source is, as a person writes it."""

    MEDICAL = "medical"
    CHEST_STRAP = "chest-strap"
    WATCH = "watch"
    RING = "ring"
    BAND = "band"
    BED_SENSOR = "bed-sensor"
    SCALE = "scale"
    PHONE = "phone"
    MANUAL = "manual"


class Function(StrEnum):
    """A number that sums up a bucket, as a person writes it."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    PERCENTILES = "percentiles"
    DURATION = "duration"


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower().replace("_", " ")


def _when(moment: Timestamp) -> str:
    return f"{moment.ToDatetime(UTC):%Y-%m-%d %H:%M} UTC" if moment.ByteSize() else "–"


MetricName = Annotated[
    str, typer.Argument(metavar="METRIC", help="What is measured; `clarity metrics` lists the names.")
]
Metrics = Annotated[list[str] | None, typer.Option("--metric", help="Only this; once for each.")]
Device = Annotated[str, typer.Option("--source", metavar="DEVICE", help="Only of this device.")]
App = Annotated[str, typer.Option("--app", help="The app that read it, where a device has several.")]
Start = Annotated[datetime | None, Moment]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

app = typer.Typer()
samples_app = terminal.group("samples", "Discrete samples: write, list, sum up and delete them.", verb_needed=True)
app.add_typer(samples_app)


# ---- in --------------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What became of the samples of a file."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    refused: list[tuple[int, Sample, SampleResult]] = field(default_factory=list)  # with the line, the first ones

    def note(self, line: int, sample: Sample, result: SampleResult) -> None:
        """Count one."""
        self.verdicts[result.verdict] += 1
        if result.verdict in NOT_TAKEN and len(self.refused) < ROWS_SHOWN:
            self.refused.append((line, sample, result))

    @property
    def refused_count(self) -> int:
        """How many are not stored as they were sent."""
        return sum(self.verdicts[verdict] for verdict in NOT_TAKEN)

    def words(self) -> str:
        """How many became what, the frequent ones first."""
        counted = self.verdicts.most_common()
        return ", ".join(f"{count:,} {_word(Verdict.Name(verdict), 'VERDICT_')}" for verdict, count in counted)


@samples_app.command()
def write(
    file: Annotated[Path, typer.Argument(help="A .csv table with a named header, or .ndjson: a Sample a line.")],
    metric: Annotated[str, typer.Option(help="Of lines that name none.")] = "",
    unit: Annotated[str, typer.Option(help="Of lines that name none, in UCUM.")] = "",
    source: Annotated[str, typer.Option(metavar="DEVICE", help="Of lines that name none.")] = "",
    app_name: Annotated[str, typer.Option("--app", help="Of lines that name none.")] = "",
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """Write the samples of a file. Run it again as often as you like: what is stored already is a duplicate.

    Columns of a table: metric, client_record_id, start, end, value, unit, code, device, app, version; only `start` must
    be there. A time with an offset is known by both clocks, one without is floating, one in Z is an instant.
    """
    assumed = Assumed(metric, unit, source, app_name)
    total = sum(1 for _ in sample_files.read(file, assumed))
    if not total:
        raise Unreadable(file.name, "has no samples", "Give it some")
    tally = Tally()
    with terminal.client(target) as client, show.bar(out, "[quiet]written[/]") as bar:
        task = bar.add_task("written", total=total)
        for line, sample, result in _written(client, sample_files.read(file, assumed)):
            bar.update(task, advance=1)
            tally.note(line, sample, result)
            if json:
                terminal.print_json(result)
    if not json:
        _print_tally(tally, total)
    if tally.refused_count:
        left = f"{tally.refused_count:,} of {_samples(total)} not stored as sent"
        raise CommandFailed(f"{left}: mend and run it again; `clarity quarantine` shows what was put aside.")


def _written(client: Client, lines: Iterable[sample_files.Line]) -> Iterator[tuple[int, Sample, SampleResult]]:
    """Write, and yield each sample with its line and what became of it."""
    numbers = deque[int]()

    def samples() -> Iterator[Sample]:
        for line in lines:
            numbers.append(line.number)
            yield line.sample

    for batch in client.writing(samples()):
        for sample, result in batch:
            yield numbers.popleft(), sample, result


def _print_tally(tally: Tally, total: int) -> None:
    out.print(show.text((f"{_samples(total)}: ", "name"), tally.words()))
    if not tally.refused:
        return
    table = terminal.table("line", "verdict", "metric", "client_record_id", "why", right=("line",))
    for line, sample, result in tally.refused:
        verdict = _word(Verdict.Name(result.verdict), "VERDICT_")
        table.add_row(str(line), verdict, sample.metric, sample.client_record_id, _why(result))
    out.print(table)
    if tally.refused_count > len(tally.refused):
        out.print(f"… and {tally.refused_count - len(tally.refused):,} more.")


def _why(result: SampleResult) -> str:
    if result.verdict == Verdict.VERDICT_QUARANTINED:
        return f"{_reason(result.reason)}: {result.reason_text}"
    return "the same version is stored with other content; send it with a higher version if you mean it"


def _reason(reason: QuarantineReason) -> str:
    return _word(QuarantineReason.Name(reason), "QUARANTINE_REASON_")


# ---- out -------------------------------------------------------------------------------------------------------------


@samples_app.command("list")
def list_samples(
    metric: MetricName,
    start: Start = None,
    end: Start = None,
    source: Device = "",
    app_name: App = "",
    of: Of = "",
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """List samples by start; with --start or --end, those that overlap the range."""
    first, last = _open_range(start, end)
    with terminal.client(target) as client:
        found = client.samples(metric, first, last, _source(client, source, app_name, of, [metric]), account_id=of)
        if json:
            terminal.print_all(found)
            return
        _print_samples(found)


def _print_samples(found: Iterator[Sample]) -> None:
    table = terminal.table("start", "end", "what", "source", "app", "client_record_id", "version", "sample_id")
    try:
        for sample in islice(found, ROWS_SHOWN):
            table.add_row(*_sample_row(sample))
        has_more = next(found, None) is not None
    finally:  # what came before an error is shown
        if table.row_count:
            out.print(table)
    if not table.row_count:
        out.print("No samples: `clarity samples write FILE` brings some.")
    if has_more:
        out.print("… and more; --json prints every one.")


def _sample_row(sample: Sample) -> tuple[str, ...]:
    end = moments.said(sample.end) if sample.HasField("end") else ""
    source, version = sample.source, str(sample.client_record_version)
    times = (moments.said(sample.start), end)
    return (*times, measured(sample), source.device, source.app, sample.client_record_id, version, sample.sample_id)


def measured(sample: Sample) -> str:
    """What was measured, in words."""
    match sample.WhichOneof("value"):
        case "quantity":
            return _quantity(sample.quantity.value, sample.quantity.ucum_unit)
        case "category":
            vendor = f" ({sample.category.vendor_code})" if sample.category.vendor_code else ""
            return sample.category.code + vendor
        case "correlation":
            parts = sample.correlation.components
            named = ((part.metric.removeprefix(f"{sample.metric}_"), part.quantity) for part in parts)
            return ", ".join(f"{name} {_quantity(one.value, one.ucum_unit)}" for name, one in named)
        case _:
            return "–"


def _quantity(value: float, unit: str) -> str:
    return f"{value:,.10g} {unit}".rstrip()


def _open_range(start: datetime | None, end: datetime | None) -> tuple[datetime | None, datetime | None]:
    """Both bounds or none: one that is not given lies beyond all times."""
    if start is None and end is None:
        return None, None
    zone = next(bound.tzinfo for bound in (start, end) if bound is not None)
    first, last = start or FIRST.replace(tzinfo=zone), end or LAST.replace(tzinfo=zone)
    if (first.tzinfo is None) != (last.tzinfo is None):
        raise typer.BadParameter("give both times without an offset (civil), or both with one (instants)")
    if first >= last:
        raise typer.BadParameter("--end is not after --start")
    return first, last


def _source(client: Client, device: str, app_name: str, of: str, metrics: Sequence[str]) -> Source | None:
    """The source that a device, and an app where it has several, name. Raises CommandFailed for none, and several."""
    if not device:
        if app_name:
            raise typer.BadParameter("name the device, too", param_hint="--source")
        return None
    known = [one.source for one in client.sources(metrics, account_id=of) if one.source.device == device]
    found = [source for source in known if app_name in {"", source.app}]
    if len(found) == 1:
        return found[0]
    if found:
        apps = ", ".join(source.app or "none" for source in found)
        raise CommandFailed(f"{device} was read by several apps: say which with --app ({apps})")
    what = " and ".join(metrics)
    raise CommandFailed(f"no source {device!r} has sent {what or 'anything'}: `clarity sources` lists them")


# ---- summed up -------------------------------------------------------------------------------------------------------


def _by(text: str) -> By:
    try:
        return sums.bucket(text)
    except ValueError as why:
        raise typer.BadParameter(str(why)) from why


def _drawable(path: Path | None) -> Path | None:
    """Refuse what cannot be drawn before anything is asked."""
    try:
        if path is not None:
            bars.suffix_of(path)
    except ValueError as why:
        raise typer.BadParameter(str(why)) from why
    return path


@samples_app.command("sum")
def sum_up(  # noqa: PLR0913, PLR0917  an option for every field of the question, and every way to see the answer
    metric: MetricName,
    by: Annotated[str, typer.Option(metavar="BUCKET", help="day, week, month; or like 1h, 5m, 30s.")],
    start: Start = None,
    end: Start = None,
    source: Device = "",
    app_name: App = "",
    function: Annotated[list[Function] | None, typer.Option(help="Only this; once for each.")] = None,
    percentile: Annotated[list[float] | None, typer.Option(min=0, max=100, help="Like 50; once for each.")] = None,
    sources: Annotated[bool, typer.Option("--sources", help="What each source says, believed or not.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw it, too: a .png or an .svg.", callback=_drawable),
    ] = None,
    of: Of = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table for programs.")] = False,
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """Sum up a metric, series and samples alike, over days, weeks, months or equal lengths of time.

    Without a range it is all there is. Civil times go with days, weeks and months, whose whole ones are answered; times
    with an offset go with lengths.
    """
    length = _by(by)
    with terminal.client(target) as client:
        request = over(metric, *_range(client, metric, length, start, end, of), length)
        chosen = _source(client, source, app_name, of, [metric])
        if chosen is not None:
            request.source.CopyFrom(chosen)
        request.functions.extend(_function(name) for name in function or ())
        request.percentiles.extend(percentile or ())
        if percentile and function and Function.PERCENTILES not in function:
            request.functions.append(AggregateFunction.AGGREGATE_FUNCTION_PERCENTILES)
        request.show_sources, request.account_id = sources, of
        found = sums.trimmed(client.aggregate(request), head=start is None, tail=end is None)
    if json:
        terminal.print_all(found.buckets)
    elif as_csv:
        sums.write_csv(found, sys.stdout)
    else:
        _print_buckets(found)
    if plot is not None:
        _draw(found, metric, plot, said=not (json or as_csv))


def _function(name: Function) -> AggregateFunction:
    return cast("AggregateFunction", AggregateFunction.Value(f"AGGREGATE_FUNCTION_{name.name}"))


def _range(
    client: Client, metric: str, by: By, start: datetime | None, end: datetime | None, of: str
) -> tuple[datetime, datetime]:
    """The range that was asked for; what is not given is as far as there is data."""
    if start is None or end is None:
        first, last = sums.fitting(*_extent(client, metric, of), by)
        start, end = start or first, end or last
    try:
        return sums.asked(start, end, by)
    except ValueError as why:
        raise typer.BadParameter(str(why)) from why


def _extent(client: Client, metric: str, of: str) -> tuple[ObservationTime, ObservationTime]:
    """When the data of a metric begins and ends. Raises CommandFailed where there is none."""
    found = list(client.summary([metric], account_id=of).metrics)
    if not found:  # of a part it is told under the name of the whole
        wholes = [one.metric for one in client.metrics() if metric in one.parts]
        found = list(client.summary(wholes, account_id=of).metrics) if wholes else []
    if not (found and found[0].HasField("first_start")):
        raise CommandFailed(f"there is nothing of {metric}: `clarity summary` lists what there is.")
    return found[0].first_start, found[0].last_end


def _print_buckets(found: Aggregate) -> None:
    for part in sums.parts(found):
        out.print(part)


def _draw(found: Aggregate, metric: str, path: Path, *, said: bool) -> None:
    if not found.buckets:
        raise CommandFailed("nothing is drawn: there is nothing")
    first, last = moments.said(found.buckets[0].start), moments.said(found.buckets[-1].end)
    sources = "; then ".join(map(sums.source_words, found.sources)) or "nobody"
    chart = bars.Chart(found.buckets, metric.replace("_", " "), f"{first} to {last}, from {sources}", found.unit)
    try:
        bars.draw(chart, path)
    except ModuleNotFoundError as why:
        raise CommandFailed("drawing needs matplotlib: `pip install 'clarity-backend[plot]'`") from why
    except ValueError as why:
        raise CommandFailed(f"nothing is drawn: {why}") from why
    if said:
        out.print(show.text(("drawn ", "quiet"), str(path)))


@app.command()
def summary(metric: Metrics = None, of: Of = "", json: Json = False, target: Target = TARGET) -> None:
    """Sum up what there is: how much of each metric, from when to when."""
    with terminal.client(target) as client:
        found = client.summary(metric or (), account_id=of)
    if json:
        terminal.print_json(found)
        return
    numbers = ("samples", "of series", "days")
    table = terminal.table("metric", *numbers, "from", "to", "last came", right=numbers)
    for one in found.metrics:
        counts = (f"{one.sample_count:,}", f"{one.series_sample_count:,}", f"{one.day_count:,}")
        times = (moments.said(one.first_start), moments.said(one.last_end), _when(one.last_write_time))
        table.add_row(one.metric, *counts, *times)
    out.print(
        table if table.row_count else "Nothing yet: `clarity stream FILE` and `clarity samples write FILE` bring some."
    )
    if found.quarantined_count:
        out.print(f"In quarantine: {_samples(found.quarantined_count)}; `clarity quarantine` shows why.")


# ---- deleting --------------------------------------------------------------------------------------------------------


@samples_app.command()
def delete(  # noqa: PLR0913, PLR0917  an option for every field of the question
    sample: Annotated[list[str] | None, typer.Argument(metavar="SAMPLE_ID…", help="These, and nothing else.")] = None,
    metric: Metrics = None,
    source: Device = "",
    app_name: App = "",
    start: Start = None,
    end: Start = None,
    yes: Yes = False,
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """Delete samples and parts of series for good, by id, metric, source or range. It counts first, and asks."""
    narrowed = bool(metric or source or start or end)
    if bool(sample) == narrowed:
        raise typer.BadParameter("name either samples, or at least one of --metric, --source, --start and --end")
    first, last = _open_range(start, end)
    with terminal.client(target) as client:
        wanted = health.DeleteSamplesRequest(
            sample_ids=sample, metrics=metric, source=_source(client, source, app_name, "", metric or [])
        )
        if first is not None and last is not None:
            moments.within(wanted, first, last)
        _delete(client, wanted, yes=yes, json=json)


def _delete(client: Client, wanted: health.DeleteSamplesRequest, *, yes: bool, json: bool) -> None:
    """Count, ask, and delete what was counted."""
    counting = health.DeleteSamplesRequest()
    counting.CopyFrom(wanted)
    counting.validate_only = True
    counted = client.delete_samples(counting)
    if not counted.total_count:
        if json:
            terminal.print_json(counted)
        else:
            out.print("There is nothing to delete.")
        return
    if not json:
        out.print(f"This deletes {_count_words(counted)} for good{_days_words(counted)}.")
    _ask("Delete that?", yes=yes, what=_samples(counted.total_count))
    if not wanted.sample_ids:
        wanted.expected_count = counted.total_count
    deleted = client.delete_samples(wanted)
    if json:
        terminal.print_json(deleted)
    else:
        out.print(show.text(("Deleted ", "good"), _count_words(deleted), _days_words(deleted), "."))


def _count_words(counted: health.DeleteSamplesResponse) -> str:
    parts = [
        (counted.sample_count, ""),
        (counted.series_sample_count, " of series"),
        (counted.quarantined_count, " in quarantine"),
    ]
    return " and ".join(_samples(count) + where for count, where in parts if count) or "nothing"


def _days_words(counted: health.DeleteSamplesResponse) -> str:
    return f"; days derived again: {counted.day_count:,}" if counted.day_count else ""


def _samples(count: int) -> str:
    return f"{count:,} sample{'' if count == 1 else 's'}"


def _ask(question: str, *, yes: bool, what: str) -> None:
    """Have it meant. Raises CommandFailed where it is not, or nobody can be asked."""
    if yes:
        return
    if not terminal.is_answered():
        raise CommandFailed(f"nothing was deleted: say --yes to delete {what}")
    if not typer.confirm(question, err=True):
        raise CommandFailed("nothing was deleted")


# ---- quarantine ------------------------------------------------------------------------------------------------------

quarantine_app = terminal.group("quarantine", "Show samples that were put aside, and why; or delete them.")
app.add_typer(quarantine_app)


@quarantine_app.callback()
def quarantine(context: typer.Context, json: Json = False, target: Target = TARGET) -> None:
    """Show samples that were put aside, and why; with a verb, delete them."""
    if terminal.alone(context):
        _list_quarantine(target, json=json)


@quarantine_app.command("list")
def list_quarantine(json: Json = False, target: Target = TARGET) -> None:
    """Show samples that were put aside, and why; --json has all that was sent."""
    _list_quarantine(target, json=json)


def _list_quarantine(target: str, *, json: bool) -> None:
    with terminal.client(target) as client:
        found = client.quarantine()
        if json:
            terminal.print_all(found)
            return
        table = terminal.table("came", "metric", "start", "what", "source", "quarantine_id", "why")
        for one in islice(found, ROWS_SHOWN):
            sample = one.sample
            what = (sample.metric, moments.said(sample.start), measured(sample), sample.source.device)
            why = f"{_reason(one.reason)}: {one.reason_text}"
            table.add_row(_when(one.quarantine_time), *what, one.quarantine_id, why)
        out.print(table if table.row_count else "Nothing is in quarantine.")
        if next(found, None) is not None:
            out.print("… and more; --json prints every one.")


@quarantine_app.command("delete")
def delete_quarantined(
    which: Annotated[list[str] | None, typer.Argument(metavar="QUARANTINE_ID…")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
    yes: Yes = False,
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """Delete samples that were put aside; sending one again, mended, clears it, too."""
    if bool(which) == everything:
        raise typer.BadParameter("name those to delete, or say --all")
    with terminal.client(target) as client:
        ids = which or list(islice((one.quarantine_id for one in client.quarantine()), DELETED_AT_ONCE))
        if not ids:
            out.print("Nothing is in quarantine.")
            return
        _delete(client, health.DeleteSamplesRequest(sample_ids=ids), yes=yes, json=json)


# ---- sources ---------------------------------------------------------------------------------------------------------

sources_app = terminal.group("sources", "Show where data came from, the most believed first; or change that.")
app.add_typer(sources_app)


@sources_app.callback()
def sources(
    context: typer.Context, metric: Metrics = None, of: Of = "", json: Json = False, target: Target = TARGET
) -> None:
    """Show where data came from, the most believed first; with a verb, change that."""
    if terminal.alone(context):
        _list_sources(target, metric, of, json=json)


@sources_app.command("list")
def list_sources(metric: Metrics = None, of: Of = "", json: Json = False, target: Target = TARGET) -> None:
    """Show where data came from, the most believed first."""
    _list_sources(target, metric, of, json=json)


def _list_sources(target: str, metrics: list[str] | None, of: str, *, json: bool) -> None:
    with terminal.client(target) as client:
        found = client.sources(metrics or (), account_id=of)
        if json:
            terminal.print_all(found)
            return
        numbers = ("samples", "uploads", "of series")
        table = terminal.table(
            "source", "app", "kind", "priority", "metric", *numbers, "from", "to", right=("priority", *numbers)
        )
        for one in found:
            for row in _source_rows(one):
                table.add_row(*row)
    out.print(table if table.row_count else "No sources yet: `clarity stream FILE` brings one.")


def _source_rows(one: SourceState) -> Iterator[tuple[str, ...]]:
    """A row for each metric of a source, its name on the first."""
    name = (one.source.device, one.source.app, _kind_words(one.kind), str(one.priority) if one.priority else "")
    if not one.metrics:
        yield name
    for number, of in enumerate(one.metrics):
        counts = (f"{of.sample_count:,}", f"{of.upload_count:,}", f"{of.series_sample_count:,}")
        times = (moments.said(of.first_start), moments.said(of.last_end))
        yield (*(name if number == 0 else ("",) * len(name)), of.metric, *counts, *times)


def _kind_words(kind: DeviceKind) -> str:
    return _word(DeviceKind.Name(kind), "DEVICE_KIND_") if kind else "–"


@sources_app.command("set")
def set_source(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="As `clarity sources` shows it.")],
    app_name: App = "",
    kind: Annotated[Kind | None, typer.Option(help="What it is; as it was where not given.")] = None,
    priority: Annotated[
        int | None, typer.Option(min=0, max=1000, help="1 is believed first; 0 for none: as its kind.")
    ] = None,
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """Say what kind of device a source is, or how far it is believed where several speak of one minute."""
    if kind is None and priority is None:
        raise typer.BadParameter("say --kind or --priority")
    with terminal.client(target) as client:
        source = _source(client, device, app_name, "", [])
        before = next(one for one in client.sources() if one.source == source)
        chosen = before.kind if kind is None else cast("DeviceKind", DeviceKind.Value(f"DEVICE_KIND_{kind.name}"))
        found = client.update_source(before.source, chosen, before.priority if priority is None else priority)
    if json:
        terminal.print_json(found)
        return
    first = f"priority {found.priority}" if found.priority else "no priority of its own"
    out.print(f"{sums.source_words(found.source)} is a {_kind_words(found.kind)} with {first}.")


# ---- changes ---------------------------------------------------------------------------------------------------------


@app.command()
def changes(
    since: Annotated[str, typer.Option(metavar="TOKEN", help="Go on after an earlier answer.")] = "",
    metric: Metrics = None,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for what comes, until Ctrl-C.")] = False,
    json: Json = False,
    target: Target = TARGET,
) -> None:
    """Show what changed, in order: enough to keep a mirror. --json prints whole pages, each with the token after it."""
    token = since
    with terminal.client(target) as client, suppress(KeyboardInterrupt):
        for page in client.changes(since, metric or (), every_s=EVERY_S if follow else None):
            if json:
                terminal.print_json(page)
            for change in page.changes if not json else ():
                out.print(change_line(change))
            token = page.next_change_token
    if not json:
        out.print(show.text(("go on with ", "quiet"), (f"clarity changes --since {token}", "command")))


def change_line(change: Change) -> Text:
    """Put a change on a line."""
    what, words = _change_words(change)
    return show.text((f"{change.number:>8}  ", "number"), f"{what:<17}", words)


def _change_words(change: Change) -> tuple[str, str]:
    match change.WhichOneof("change"):
        case "sample":
            sample = change.sample
            words: tuple[str, ...] = (sample.metric, moments.said(sample.start), measured(sample), sample.source.device)
        case "sample_deleted":
            words = (change.sample_deleted.metric, change.sample_deleted.sample_id)
        case "series_part":
            words = _part_words(change.series_part)
        case "series_finished":
            words = (f"{change.series_finished.total_samples:,} samples", change.series_finished.upload_id)
        case "series_deleted":
            gone = change.series_deleted
            words = (gone.metric, f"{moments.said(gone.start)} to {moments.said(gone.end)}", gone.source.device)
        case "replaced":
            words = ("by a later change",)
        case "damaged":
            words = ("the store cannot read it any more", change.damaged.sample_id or change.damaged.upload_id)
        case _:
            return "?", "something newer than this command"
    return str(change.WhichOneof("change")).replace("_", " "), "  ".join(words)


def _part_words(part: SeriesPart) -> tuple[str, ...]:
    size = f"{len(part.values):,} bytes from sample {part.first_sample:,}"
    return part.series.metric, size, part.series.source.device, part.upload_id


# ---- how long data is kept -------------------------------------------------------------------------------------------

retention_app = terminal.group("retention", "Show for how long your data is kept, or change it.")
app.add_typer(retention_app)


@retention_app.callback()
def retention(context: typer.Context, target: Target = TARGET) -> None:
    """Show for how long your data is kept; with a verb, change it."""
    if terminal.alone(context):
        _show_retention(target)


@retention_app.command("show")
def show_retention(target: Target = TARGET) -> None:
    """Show for how long your data is kept."""
    _show_retention(target)


def _show_retention(target: str) -> None:
    with terminal.client(target) as client:
        out.print(_kept_words(client.retention()))


def _kept_words(keep_days: int) -> str:
    if not keep_days:
        return "Your data is kept until you delete it."
    return f"Your data is deleted {keep_days:,} days after its observation, once a day."


@retention_app.command("set")
def set_retention(
    days: Annotated[int, typer.Argument(min=KEEP_DAYS_MIN, max=KEEP_DAYS_MAX, help="Days after the observation.")],
    yes: Yes = False,
    target: Target = TARGET,
) -> None:
    """Have data deleted so many days after its observation. It counts first what would go now, and asks."""
    with terminal.client(target) as client:
        older = client.set_retention(days, validate_only=True).older_count
        if older:
            out.print(f"Older than {days:,} days, and deleted for good: {_samples(older)}.")
            _ask("Have that deleted?", yes=yes, what=_samples(older))
        out.print(_kept_words(client.set_retention(days).keep_days))


@retention_app.command()
def off(target: Target = TARGET) -> None:
    """Keep data until you delete it."""
    with terminal.client(target) as client:
        out.print(_kept_words(client.set_retention(0).keep_days))
