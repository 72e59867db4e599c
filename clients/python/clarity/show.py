"""What a person sees of an upload, its days and its receipt: colours in a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text
from rich.theme import Theme

from clarity.actogram import label
from clarity.page import clock
from clarity.sending import Event, Interrupted
from clarity.v1.analysis_pb2 import Analysis, AnalysisState, PatReading
from clarity.v1.day_pb2 import Day, Measure, UnavailableReason
from clarity.v1.health_data_service_pb2 import WindowAnalysed
from clarity.v1.insight_pb2 import Fact, Insight
from clarity.v1.series_pb2 import UploadOpened, UploadProgress, UploadReceipt

THEME = Theme(
    {
        "said": "default",
        "quiet": "bright_black",
        "name": "bold",
        "number": "cyan",
        "day": "bold cyan",
        "sleep": "blue",
        "good": "green",
        "warning": "yellow",
        "bad": "bold red",
        "command": "magenta",
    }
)
MINUTES_AN_HOUR = 60
PIPE_COLUMNS = 240  # a pipe has no edge where a table would have to end


def console(*, stderr: bool = False) -> Console:
    """Return a console that never breaks a line in two and never guesses what is worth a colour."""
    file = sys.stderr if stderr else sys.stdout
    width = None if file.isatty() else PIPE_COLUMNS
    return Console(theme=THEME, highlight=False, soft_wrap=True, emoji=False, markup=False, stderr=stderr, width=width)


def text(*parts: str | Text | tuple[str, str]) -> Text:
    """Return a line of parts, each plain or with a style."""
    return Text.assemble(*parts)


@dataclass(frozen=True, slots=True)
class DayLine:
    """A Day in words: what a row of a table, or a line of a stream, shows of it."""

    date: str
    worn: str
    counts: str
    asleep: str
    algorithm: str
    conflicts: str

    def line(self) -> Text:
        """Return the Day on one line."""
        return text(
            (f"{self.date:<15}", "day"),
            ("  worn ", "quiet"),
            f"{self.worn:>5}",
            ("  counts ", "quiet"),
            f"{self.counts:>9}",
            ("  asleep ", "quiet"),
            (f"{self.asleep:>11}", "sleep"),
            (f"  {self.algorithm}{self.conflicts}", "quiet"),
        )


def day_line(day: Day) -> DayLine:
    """Put a Day in words; where there is no number, its reason stands."""
    measures = {measure.measure: measure for measure in day.measures}
    when = date(day.date.year, day.date.month, day.date.day)
    sleep = measures.get("sleep_minutes")
    return DayLine(
        date=f"{label(when)} {when.year}",
        worn=_outcome(measures.get("wear_coverage"), "{:.0%}"),
        counts=_outcome(measures.get("activity_counts"), "{:,.0f}"),
        asleep=duration(sleep.value) if sleep is not None and sleep.HasField("value") else _outcome(sleep, ""),
        algorithm="" if sleep is None else f"{sleep.algorithm}@{sleep.algorithm_version}",
        conflicts=f"  {day.conflict_minutes} min in conflict" if day.conflict_minutes else "",
    )


def _outcome(measure: Measure | None, form: str) -> str:
    if measure is None:
        return "–"
    return form.format(measure.value) if measure.HasField("value") else reason(measure.unavailable)


def reason(unavailable: UnavailableReason) -> str:
    """Return why there is no number, in words."""
    return UnavailableReason.Name(unavailable).removeprefix("UNAVAILABLE_REASON_").lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class WeekLine:
    """An Analysis in words: what a row of a table, or a line of a stream, shows of it."""

    start: str
    state: str
    worn: str
    sleep: str
    onset: str
    regularity: str
    amplitude: str
    pat: str

    def line(self) -> Text:
        """Return the week on one line."""
        if self.state:
            return text((f"from {self.start:<15}", "day"), ("  ", "quiet"), (self.state, "warning"))
        return text(
            (f"from {self.start:<15}", "day"),
            ("  sleep ", "quiet"),
            (f"{self.sleep:>10}", "sleep"),
            ("  asleep at ", "quiet"),
            f"{self.onset:>5}",
            ("  SRI ", "quiet"),
            f"{self.regularity:>3}",
            ("  RA ", "quiet"),
            f"{self.amplitude:>4}",
            ("  PAT ", "quiet"),
            self.pat,
        )


def week_line(analysis: Analysis) -> WeekLine:
    """Put an Analysis in words; where there is no number, its reason stands."""
    measures = {measure.measure: measure for measure in analysis.measures}

    def said(name: str, form: Callable[[float], str]) -> str:
        measure = measures.get(name)
        return form(measure.value) if measure is not None and measure.HasField("value") else _outcome(measure, "")

    start, done = analysis.window.start_date, AnalysisState.ANALYSIS_STATE_SUCCEEDED
    return WeekLine(
        start=label(date(start.year, start.month, start.day)),
        state="" if analysis.state == done else state(analysis.state),
        worn=said("wear_coverage", "{:.0%}".format),
        sleep=said("night_total_sleep", duration),
        onset=said("night_onset_time", lambda minute: clock(round(minute))),
        regularity=said("sleep_regularity_index", "{:.0f}".format),
        amplitude=said("relative_amplitude", "{:.2f}".format),
        pat=pat_words(analysis.pat),
    )


def week_name(analysis: Analysis) -> Text:
    """Name a week by its first day and its source."""
    start = analysis.window.start_date
    named = f"{label(date(start.year, start.month, start.day))} {start.year}"
    return text(("The week from ", "quiet"), (named, "day"), (f", {analysis.window.source.device}", "quiet"))


def state(found: AnalysisState) -> str:
    """Return a state in words."""
    return AnalysisState.Name(found).removeprefix("ANALYSIS_STATE_").lower()


def pat_words(pat: PatReading) -> str:
    """Say what PAT made of a week, or why nothing."""
    match pat.WhichOneof("outcome"):
        case "output":
            which = f"{pat.model} (demonstration)" if pat.demonstration else pat.model
            return f"read it with {which}"
        case "unavailable":
            why = pat.unavailable
            if not pat.model:
                return reason(why.reason)
            return f"{reason(why.reason)}: {why.what.replace('_', ' ')} {why.found:g}, bound {why.needed:g}"
        case _:
            return "–"


def insight_lines(insight: Insight) -> list[Text]:
    """Put an insight on lines, its sentences marked where they cite, and below them what they cite."""
    cited_ids = (cited.fact_id for sentence in insight.sentences for cited in sentence.citations)
    numbers = {fact_id: number for number, fact_id in enumerate(dict.fromkeys(cited_ids), start=1)}
    lines = []
    for sentence in insight.sentences:
        line, at = Text(), 0
        for cited in sentence.citations:
            line.append(sentence.text[at : cited.start])
            line.append(sentence.text[cited.start : cited.end], "number")
            line.append(f" [{numbers[cited.fact_id]}]", "quiet")
            at = cited.end
        line.append(sentence.text[at:])
        lines.append(line)
    facts = sorted(insight.facts, key=lambda fact: numbers[fact.fact_id])
    return [*lines, *(fact_line(numbers[fact.fact_id], fact) for fact in facts)]


def fact_line(number: int, fact: Fact) -> Text:
    """Put a fact on a line: its number, what it is, its value, and how it was made."""
    name = fact.name.replace("_", " ")
    if fact.HasField("date"):
        name += f", {label(date(fact.date.year, fact.date.month, fact.date.day))}"
    return text(
        (f"[{number:>2}] ", "quiet"),
        f"{name:<42}",
        (f"{fact.text or reason(fact.unavailable):>16}", "number"),
        (f"  {fact.algorithm}@{fact.algorithm_version}, {fact.coverage_ratio:.0%} of the minutes", "quiet"),
    )


def duration(minutes: float) -> str:
    """Return a length of time as people say it: 7 h 05 min."""
    hours, rest = divmod(round(minutes), MINUTES_AN_HOUR)
    return f"{hours} h {rest:02} min"


def progress_line(progress: UploadProgress, sent: int) -> Text:
    """Put how far we and the server are on one line."""
    return text(
        ("progress", "quiet"),
        ("   sent ", "quiet"),
        f"{sent:>7,}",
        ("  received ", "quiet"),
        f"{progress.received_samples:>7,}",
        ("  committed ", "quiet"),
        (f"{progress.committed_samples:>7,}", "number"),
        ("  analysed ", "quiet"),
        f"{progress.analysed_samples:>7,}",
    )


def opened_line(opened: UploadOpened) -> Text:
    """Say where an upload goes on from."""
    if opened.finished:
        return text(("opened", "quiet"), "     it is finished already; its results and its receipt follow")
    if opened.committed_samples:
        return text(
            ("opened", "quiet"),
            "     ",
            (f"{opened.committed_samples:,}", "number"),
            " samples are safe, their checksum is ours; resuming from there",
        )
    return text(("opened", "quiet"), "     nothing is here yet; sending from the first sample")


def receipt_lines(receipt: UploadReceipt) -> list[Text]:
    """Put a receipt in words."""
    return [
        text(
            ("receipt", "good"),
            f"    {receipt.total_samples:,} samples = {receipt.value_samples:,} with a value"
            f" + {receipt.missing_samples:,} without, {receipt.result_count:,} results",
        ),
        text(("           sha256 ", "quiet"), receipt.sha256.hex()),
    ]


def bar(out: Console, name: str) -> Progress:
    """Return a bar of how far something has come, seen in a terminal only."""
    return Progress(
        TextColumn(name),
        BarColumn(bar_width=36, complete_style="cyan", finished_style="green", style="bright_black"),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        console=out,
        disable=not out.is_terminal,
    )


class UploadView:
    """Shows an upload while it runs: a line for each message, and in a terminal a bar below them."""

    def __init__(self, out: Console, total: int, indent: str = "") -> None:
        self._out = out
        self._indent = indent
        self._sent = 0
        self._bar = bar(out, f"{indent}[quiet]committed[/]")
        self._task: TaskID = self._bar.add_task("committed", total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def sending(self, first_sample: int) -> None:
        """Know that everything before this sample is on its way; the sending thread says so."""
        self._sent = first_sample

    def show(self, event: Event) -> None:
        """Show one event."""
        match event:
            case UploadOpened():
                self._line(opened_line(event))
                self._committed(event.committed_samples)
            case UploadProgress():
                self._line(progress_line(event, max(self._sent, event.received_samples)))
                self._committed(event.committed_samples)
            case Day():
                self._line(text(("day        ", "good"), day_line(event).line()))
            case WindowAnalysed():
                self._line(text(("week       ", "good"), week_line(event.analysis).line()))
            case UploadReceipt():
                for line in receipt_lines(event):
                    self._line(line)
            case Interrupted():
                self._line(interrupted_line(event))

    def _committed(self, samples: int) -> None:
        self._bar.update(self._task, completed=samples)

    def _line(self, line: Text) -> None:
        self._out.print(text(self._indent, line))


def interrupted_line(event: Interrupted) -> Text:
    """Say what happened and what is done about it."""
    what = "renewing the token" if event.renew else f"trying again in {event.wait_s:.1f} s"
    return text(("cut off", "warning"), f"    {event.error.text}, {event.committed:,} safe; {what}")
