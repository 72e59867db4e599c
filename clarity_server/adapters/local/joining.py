"""Scattered segments in the SQLite file: which neighbours one segment could stand for."""

from collections.abc import Iterator, Sequence

import apsw

from clarity_server.adapters.local.database import Row
from clarity_server.domain.series import Descriptor

LOOKED_AT_MAX = 20_000  # segments, by their index alone, in one look
LIVE_RUN_MIN = 64  # segments worth joining while a day still grows: each time, all of them are written anew
OFFSET_BYTES = 8
BEGINNING = ("", "", -(1 << 63), "")

# Looks at index entries alone, and at so many of them at most.
CROWDED = f"""
    WITH looked AS MATERIALIZED (
        SELECT account_id, metric, day, upload_id FROM segments INDEXED BY segments_by_day
        WHERE (account_id, metric, day, upload_id) > (?, ?, ?, ?)
        ORDER BY account_id, metric, day, upload_id LIMIT {LOOKED_AT_MAX})
    SELECT account_id, metric, day, upload_id, count(*) FROM looked GROUP BY account_id, metric, day, upload_id
    ORDER BY account_id, metric, day, upload_id"""  # noqa: S608  our own numbers
LIST_SIZES = """
    SELECT first_sample, count FROM segments
    WHERE account_id = ? AND metric = ? AND day = ? AND upload_id = ? AND first_sample < ? ORDER BY first_sample"""

Place = tuple[str, str, int, str]
"""A storage day of an upload: account_id, metric, day, upload_id."""


def crowded(connection: apsw.Connection, after: Place | None) -> tuple[list[tuple[Place, int]], bool]:
    """List storage days of uploads from after a place on, with their segments, and tell whether they are the last."""
    rows: Sequence[Row] = connection.execute(CROWDED, after or BEGINNING).fetchall()
    found = [((account, metric, day, upload), count) for account, metric, day, upload, count in rows]
    if sum(count for _, count in found) < LOOKED_AT_MAX:
        return found, True
    # Of the last one there may be more than was looked at.
    return found[:-1] or found, False


def sizes(connection: apsw.Connection, place: Place, committed: int) -> list[tuple[int, int]]:
    """List (first sample, count) of a storage day's committed segments."""
    rows: Sequence[Row] = connection.execute(LIST_SIZES, (*place, committed)).fetchall()
    return [(first, count) for first, count in rows]


def sample_bytes(descriptor: Descriptor) -> int:
    """Return the bytes of a sample as sent, its offset included."""
    return descriptor.sample_bytes + (OFFSET_BYTES if descriptor.period_ms is None else 0)


def neighbours(found: Sequence[tuple[int, int]], count_max: int, run_min: int) -> Iterator[tuple[int, int]]:
    """Yield runs [first sample, end) of `run_min` or more segments that together have at most `count_max` samples.

    From the first on as many as fit: what was joined once is full, or not worth joining, the next time.
    """
    run = list[tuple[int, int]]()
    for first, count in [*found, (-1, count_max + 1)]:
        fits = run and run[-1][0] + run[-1][1] == first and first + count - run[0][0] <= count_max
        if not fits:
            if len(run) >= run_min:
                yield run[0][0], run[-1][0] + run[-1][1]
            run = []
        run.append((first, count))
