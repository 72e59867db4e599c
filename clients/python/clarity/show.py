"""What a person sees of an upload, its days and its receipt: colours in a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text
from rich.theme import Theme

from clarity.actogram import label
from clarity.sending import Event, Interrupted
from clarity.v1.day_pb2 import Day, Measure, UnavailableReason
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
    if measure.HasField("value"):
        return form.format(measure.value)
    name = UnavailableReason.Name(measure.unavailable)
    return name.removeprefix("UNAVAILABLE_REASON_").lower().replace("_", " ")


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
            f" + {receipt.missing_samples:,} without, {receipt.result_count:,} days",
        ),
        text(("           sha256 ", "quiet"), receipt.sha256.hex()),
    ]


class UploadView:
    """Shows an upload while it runs: a line for each message, and in a terminal a bar below them."""

    def __init__(self, out: Console, total: int, indent: str = "") -> None:
        self._out = out
        self._indent = indent
        self._sent = 0
        self._bar = Progress(
            TextColumn(indent + "[quiet]committed[/]"),
            BarColumn(bar_width=36, complete_style="cyan", finished_style="green", style="bright_black"),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
            console=out,
            disable=not out.is_terminal,
        )
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
