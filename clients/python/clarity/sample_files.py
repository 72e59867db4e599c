"""Files of samples: the contract's JSON, a sample a line, or a table with a named header.

What cannot be read faithfully is refused, with the line and what to do about it, before anything is sent. What can be
read and is no good sample is the server's to judge: it tells why, and keeps it aside.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from reprlib import repr as shown  # at most 30 letters
from typing import TextIO

from google.protobuf.json_format import Parse, ParseError

from clarity.moments import observation
from clarity.recordings import Unreadable
from clarity.v1.sample_pb2 import Category, Quantity, Sample
from clarity.v1.series_pb2 import Source

LINE_CHARS_MAX = 64 * 1024
ID_CHARS = 32
COLUMNS = ("metric", "client_record_id", "start", "end", "value", "unit", "code", "device", "app", "version")
TABLES = frozenset({".csv"})
LINES = frozenset({".ndjson", ".jsonl"})


@dataclass(frozen=True, slots=True)
class Assumed:
    """What holds for the samples of a table that do not say it themselves."""

    metric: str = ""
    unit: str = ""
    device: str = ""
    app: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A sample, and the line of the file that it ends on."""

    number: int
    sample: Sample


def read(path: Path, assumed: Assumed | None = None) -> Iterator[Line]:
    """Yield the samples of a file, `.csv` or `.ndjson`, line by line.

    A sample without a client_record_id gets one, made of metric, source and times: the same file again is the same
    samples. Raises Unreadable for what cannot be read, and lets OSError fly for a file that cannot be opened.
    """
    suffix = path.suffix.lower()
    if suffix not in TABLES | LINES:
        problem = f"cannot tell the format from the suffix {suffix!r}"
        raise Unreadable(path.name, problem, "Give a .csv table, or .ndjson with a sample a line")
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            lines = _table(path.name, file, assumed or Assumed()) if suffix in TABLES else _json(path.name, file)
            for line in lines:
                yield Line(line.number, _named(line.sample))
        except UnicodeDecodeError as why:
            raise Unreadable(path.name, "is not UTF-8", "Save it as UTF-8") from why


def _named(sample: Sample) -> Sample:
    """The sample as it is sent, with an id of its own."""
    sample.ClearField("sample_id")  # the server's to give; there in what it has listed
    if not sample.client_record_id:
        times = (sample.start.SerializeToString(deterministic=True), sample.end.SerializeToString(deterministic=True))
        parts = (sample.metric, sample.source.device, sample.source.app, *(time.hex() for time in times))
        sample.client_record_id = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:ID_CHARS]
    return sample


# ---- the contract's JSON ---------------------------------------------------------------------------------------------


def _json(name: str, file: TextIO) -> Iterator[Line]:
    for number, line in enumerate(iter(partial(file.readline, LINE_CHARS_MAX), ""), start=1):
        if len(line) == LINE_CHARS_MAX:
            raise Unreadable(name, f"has {LINE_CHARS_MAX:,} letters or more", "Write a sample a line", line=number)
        if not line.strip():
            continue
        try:
            yield Line(number, Parse(line, Sample()))
        except ParseError as why:
            problem = f"is no Sample: {' '.join(str(why).split())}"
            remedy = "Write it as the contract does; protos/clarity/v1/sample.proto has the fields"
            raise Unreadable(name, problem.rstrip("."), remedy, line=number) from why


# ---- tables ----------------------------------------------------------------------------------------------------------


def _table(name: str, file: TextIO, assumed: Assumed) -> Iterator[Line]:
    rows = csv.DictReader(file, strict=True)
    try:
        _check_header(name, rows.fieldnames or ())
        for row in rows:
            yield Line(rows.line_num, _sample(name, rows.line_num, row, assumed))
    except csv.Error as why:
        raise Unreadable(name, f"is no table: {why}", "Write it as CSV (RFC 4180)", line=rows.line_num) from why


def _check_header(name: str, columns: object) -> None:
    given = list(columns) if isinstance(columns, list | tuple) else []
    unknown = [column for column in given if column not in COLUMNS]
    if unknown or "start" not in given or len(set(given)) < len(given):
        problem = f"has the columns {', '.join(map(shown, given)) or 'of nothing'}"
        raise Unreadable(name, problem, f"Name each once, `start` among them, out of {', '.join(COLUMNS)}", line=1)


def _sample(name: str, number: int, row: Mapping[str, str | None], assumed: Assumed) -> Sample:
    if None in row or None in row.values():
        raise Unreadable(name, "has more or fewer fields than the header", "Give every column a field", line=number)
    told = {column: (row.get(column) or "").strip() for column in COLUMNS}
    try:
        sample = Sample(
            metric=told["metric"] or assumed.metric,
            source=Source(device=told["device"] or assumed.device, app=told["app"] or assumed.app),
            client_record_id=told["client_record_id"],
            client_record_version=_version(told["version"]),
            start=observation(told["start"]),
            end=observation(told["end"]) if told["end"] else None,
        )
        _fill(sample, told["value"], told["unit"] or assumed.unit, told["code"])
    except ValueError as why:
        raise Unreadable(name, str(why), "Mend the line; nothing was sent", line=number) from why
    return sample


def _fill(sample: Sample, value: str, unit: str, code: str) -> None:
    """Set what was measured. Raises ValueError."""
    if value and code:
        raise ValueError(f"has a value, {shown(value)}, and a code, {shown(code)}")
    if value:
        sample.quantity.CopyFrom(Quantity(value=_number(value), ucum_unit=unit))
    if code:
        sample.category.CopyFrom(Category(code=code))


def _version(text: str) -> int:
    if text and not text.isdecimal():
        raise ValueError(f"{shown(text)} is no whole number")
    return int(text or 0)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as why:
        raise ValueError(f"{shown(text)} is no number; write it like 71.2") from why
