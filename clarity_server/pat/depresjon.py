"""Depresjon: minute counts of 55 people, read from the archive beside the project.

Garcia-Ceja et al., *Depresjon: a motor activity database of depression episodes in unipolar and bipolar patients*, ACM
MMSys 2018. Health data of real people: it is read where it lies, and nothing of a single person leaves this module but
to the training and the evaluation. Only the first `days` whole days count (scores.csv): after them it was largely not
worn.
"""

from __future__ import annotations

import csv
import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clarity_server.domain.models import DataRefused

SHA256 = "f84cf6261512a145d083608885321e1c502e9428d7bfe4eb26f346bb0cb48a26"
PEOPLE = 55
DAY_MINUTES = 24 * 60
WEEK_DAYS = 7
FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One recording: civil days of minute counts, NaN where a clock change left no such minute."""

    name: str
    counts: NDArray[np.float32]  # (days, 1440)


def people(archive: Path) -> list[Person]:
    """Returns everybody, in order of name. Raises DataRefused unless the archive is the very one that is meant."""
    content = archive.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise DataRefused(
            f"{archive} has the sha256 {found} and not {SHA256}: it is another copy, perhaps an edited one"
        )
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:xz") as tar:
        days = {row["number"]: int(row["days"]) for row in _table(tar, "depresjon/scores.csv")}
        recordings = sorted(name for name in tar.getnames() if Path(name).stem in days)
        assert len(recordings) == PEOPLE
        return [Person(stem, _days(tar, name, days[stem])) for name in recordings for stem in [Path(name).stem]]


def _table(tar: tarfile.TarFile, name: str) -> Iterator[dict[str, str]]:
    file = tar.extractfile(name)
    assert file is not None
    yield from csv.DictReader(io.TextIOWrapper(file, encoding="utf-8"))


def _days(tar: tarfile.TarFile, name: str, days: int) -> NDArray[np.float32]:
    """Lay the first whole days on the wall clock: (days, 1440)."""
    counts = np.full(days * DAY_MINUTES, np.nan, dtype=np.float32)
    midnight: datetime | None = None
    for row in _table(tar, name):
        time = datetime.fromisoformat(row["timestamp"])
        midnight = midnight or _next_midnight(time)
        minute = (time - midnight) // timedelta(minutes=1)
        if minute >= len(counts):
            break
        if minute >= 0:
            counts[minute] = float(row["activity"])
    return counts.reshape(days, DAY_MINUTES)


def _next_midnight(time: datetime) -> datetime:
    day = time.replace(hour=0, minute=0, second=0)
    return day if day == time else day + timedelta(days=1)


def folds(everybody: list[Person], seed: int) -> list[list[Person]]:
    """Returns everybody in FOLDS parts: a person is in one, and patients and controls are in each alike."""
    rng = np.random.default_rng(seed)
    parts: list[list[Person]] = [[] for _ in range(FOLDS)]
    place = 0
    for group in ("condition", "control"):
        members = [person for person in everybody if person.name.startswith(group)]
        for index in rng.permutation(len(members)):
            parts[place % FOLDS].append(members[index])
            place += 1
    return parts


def weeks(person: Person) -> NDArray[np.float32]:
    """Returns every 7 days in a row, (weeks, 10080); nobody with fewer has any."""
    starts = range(len(person.counts) - WEEK_DAYS + 1)
    empty = np.empty((0, WEEK_DAYS * DAY_MINUTES), dtype=np.float32)
    return np.concatenate([empty, *(person.counts[start : start + WEEK_DAYS].reshape(1, -1) for start in starts)])
