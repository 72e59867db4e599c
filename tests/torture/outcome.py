"""What an upload has come to, as its owner can read it, and how two of them differ."""

import asyncio
import difflib
import itertools
from collections.abc import Iterator, Sized
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

import numpy as np
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.type.datetime_pb2 import DateTime
from numpy.typing import NDArray

from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.analysis_pb2 import Analysis
from clarity.v1.day_pb2 import Day
from clarity.v1.insight_pb2 import Fact
from clarity.v1.series_pb2 import ENCODING_INT16, Upload, UploadReceipt
from tests.torture import weeks
from tests.torture.ledger import Result, Wrong, demand, results_of
from tests.torture.recordings import INT16_NO_VALUE, Recording
from tests.torture.weeks import Names
from tests.torture.wire import Caller

DIFFERENCE_LINES = 40
LOOK_AGAIN_S = 0.02
RESULTS_WITHIN_S = 30.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_MS = 24 * 3600 * 1000
MARGIN_MS = 2 * DAY_MS  # no UTC offset moves a recording by more


@dataclass(frozen=True)
class Outcome:
    """All that can be read of one finished upload."""

    receipt: UploadReceipt
    results: tuple[Result, ...]
    earlier: tuple[Result, ...]  # of the recording that was sent before
    analyses: tuple[Analysis, ...]  # in force
    facts: tuple[Fact, ...]  # of these
    days: tuple[Day, ...]
    civil: NDArray[np.int64]  # (samples, 4): position, civil time in ms, UTC offset in s, the value's bits
    instant: NDArray[np.int64]  # the same by instants


async def outcome(caller: Caller, recording: Recording) -> Outcome:
    """Read everything back: the receipt, the results by number, the days, the values by both kinds of time."""
    upload, results = await _settled(caller, recording)
    demand(upload.state == Upload.STATE_FINISHED, "the upload is not finished")
    demand(upload.committed_samples == recording.count, f"{upload.committed_samples} samples are committed")
    earlier = (await _settled(caller, recording.earlier))[1] if recording.earlier else []
    analyses = await weeks.current(caller) if recording.weeks else []
    await weeks.kept(caller, [*results, *earlier])
    days = await caller.days(recording.series.metric) if recording.has_days else pb.ListDaysResponse()
    return Outcome(
        receipt=upload.receipt,
        results=tuple(results),
        earlier=tuple(earlier),
        analyses=tuple(analyses),
        facts=tuple(await weeks.facts(caller, analyses)),
        days=tuple(days.days),
        civil=await _values(caller, recording, civil=True),
        instant=await _values(caller, recording, civil=False),
    )


async def _settled(caller: Caller, recording: Recording) -> tuple[Upload, list[Result]]:
    """Wait until all results of a finished upload are there."""
    async with asyncio.timeout(RESULTS_WITHIN_S):
        while True:
            upload, results = await _uploaded(caller, recording)
            if len(results) >= upload.result_count and upload.analysed_samples == upload.committed_samples:
                return upload, results
            await asyncio.sleep(LOOK_AGAIN_S)


async def _uploaded(caller: Caller, recording: Recording) -> tuple[Upload, list[Result]]:
    """Read an upload and all its results, page by page."""
    answer = await caller.upload(recording.upload_id)
    results = page = results_of(answer)
    while page:
        page = results_of(await caller.upload(recording.upload_id, results[-1].result))
        results = results + page
    return answer.upload, results


async def _values(caller: Caller, recording: Recording, *, civil: bool) -> NDArray[np.int64]:
    if not (_has_civil(recording) if civil else not _floats(recording)):
        return np.empty((0, 4), np.int64)
    start, end = _reach(recording)
    request = pb.ReadSeriesRequest(metric=recording.series.metric, source=recording.series.source)
    if civil:
        request.civil.CopyFrom(pb.CivilRange(start=_civil(start), end=_civil(end)))
    else:
        request.instant.start.FromMilliseconds(start)
        request.instant.end.FromMilliseconds(end)
    return np.concatenate([np.empty((0, 4), np.int64), *_rows(await caller.read(request), recording)])


def _reach(recording: Recording) -> tuple[int, int]:
    """A range in milliseconds that holds all of a recording, by any clock."""
    series = recording.series
    start = _civil_ms(series.civil) if series.HasField("civil") else series.instant.ToMilliseconds()
    offsets = recording.offsets_ms
    length = recording.count * _ms(series.period) if offsets is None else int(offsets[-1])
    return start - MARGIN_MS, start + length + MARGIN_MS


def _floats(recording: Recording) -> bool:
    start = recording.series
    return start.HasField("civil") and start.civil.WhichOneof("time_offset") is None


def _has_civil(recording: Recording) -> bool:
    return recording.series.HasField("civil") or bool(recording.moves)


def _rows(messages: list[pb.ReadSeriesResponse], recording: Recording) -> Iterator[NDArray[np.int64]]:
    """One row a sample of a recording's own; blocks are cut where segments are, which is nobody's business."""
    demand(messages and messages[-1].HasField("done"), "the reading did not end with `done`")
    blocks = [message.block for message in messages[:-1]]
    for block in blocks:
        if block.upload_id == recording.upload_id:
            yield _block_rows(block)
    counted = sum(len(block.values) // 4 // block.channels for block in blocks)
    demand(messages[-1].done.sample_count == counted, f"`done` says {messages[-1].done.sample_count}, not {counted}")
    conflicted = messages[-1].done.conflict_minutes > 0
    demand(conflicted == recording.contested, f"{messages[-1].done.conflict_minutes} minutes are in conflict")


def _block_rows(block: pb.SeriesBlock) -> NDArray[np.int64]:
    bits = np.frombuffer(block.values, "<i4").reshape(-1, block.channels)
    count = len(bits)
    elapsed = np.array(block.offsets_ms, np.int64) if block.offsets_ms else np.arange(count) * _ms(block.period)
    start = _civil_ms(block.civil) if block.HasField("civil") else block.instant.ToMilliseconds()
    positions = block.first_sample + np.arange(count)
    offset = block.utc_offset.seconds if block.HasField("utc_offset") else -1
    columns = (positions, start + elapsed, np.full(count, offset), *bits.T)
    kept = np.stack(columns, axis=1).astype(np.int64)
    # Several channels are folded into one number: enough to see any difference.
    return np.concatenate([kept[:, :3], _folded(kept[:, 3:])], axis=1)


def _folded(bits: NDArray[np.int64]) -> NDArray[np.int64]:
    folded = np.zeros((len(bits), 1), np.int64)
    for channel in bits.T:
        folded = folded * 1_000_003 + channel.reshape(-1, 1)
    return folded


def _ms(period: Duration) -> int:
    return int(period.ToMilliseconds())


def _civil_ms(moment: DateTime) -> int:
    at = datetime(moment.year, moment.month, moment.day, moment.hours, moment.minutes, moment.seconds, tzinfo=UTC)
    return (at - EPOCH) // timedelta(milliseconds=1) + moment.nanos // 1_000_000


def _civil(ms: int) -> DateTime:
    at = EPOCH + timedelta(milliseconds=ms)
    return DateTime(year=at.year, month=at.month, day=at.day, hours=at.hour, minutes=at.minute, seconds=at.second)


# ---- judging ---------------------------------------------------------------------------------------------------------


def equal(found: Outcome, clean: Outcome) -> None:
    """Demand that an upload came to what a clean run of its recording comes to. Raises Wrong with what differs."""
    names, clean_names = Names(), Names()
    for each in fields(Outcome):
        ours, theirs = getattr(found, each.name), getattr(clean, each.name)
        left, right = _comparable(ours, names), _comparable(theirs, clean_names)
        if left != right:
            raise Wrong(f"{each.name} differs: {_difference(ours, theirs, left, right)}")


def _comparable(value: object, names: Names) -> object:
    """A value of an Outcome without what differs between two accounts."""
    match value:
        case np.ndarray():
            return (value.shape, value.tobytes())
        case tuple():
            return [_comparable(one, names) for one in value]
        case Message():
            return names.renamed(value)
    raise TypeError(value)


def _difference(ours: object, theirs: object, left: object, right: object) -> str:
    """Tell where two values differ whose comparable forms are `left` and `right`."""
    if not isinstance(ours, Sized) or not isinstance(theirs, Sized):
        return f"{ours} is not {theirs}"
    if len(ours) != len(theirs):
        return f"{len(ours)} and {len(theirs)} of them"
    if not isinstance(ours, tuple) or not isinstance(theirs, tuple):
        return "the values"
    assert isinstance(left, list)
    assert isinstance(right, list)
    at = next(index for index, one in enumerate(left) if one != right[index])
    lines = difflib.unified_diff(str(theirs[at]).splitlines(), str(ours[at]).splitlines(), "clean", "ours", lineterm="")
    return "\n".join([f"at {at}", *itertools.islice(lines, DIFFERENCE_LINES)])


def faithful(found: Outcome, recording: Recording) -> None:
    """Demand that an upload's values are the recording's own, bit for bit, and that its receipt balances."""
    rows = found.civil if _floats(recording) else found.instant
    read = rows[np.argsort(rows[:, 0], kind="stable")]
    positions = np.unique(read[:, 0]) if recording.contested else np.arange(recording.count)
    demand(np.array_equal(read[:, 0], positions), "a sample is missing or doubled")
    demand(np.array_equal(read[:, 3:], _folded(_bits(recording))[positions]), "a value is another one")
    receipt = found.receipt
    demand(receipt.total_samples == recording.count, f"the receipt has {receipt.total_samples} samples")
    demand(receipt.value_samples + receipt.missing_samples == receipt.total_samples, "the receipt does not balance")
    demand(receipt.sha256 == recording.sha256, "the receipt has another sha256")
    demand(receipt.crc32c == recording.crc32c(recording.count), "the receipt has another crc32c")
    numbers = [result.result for result in found.results]
    demand(numbers == list(range(1, receipt.result_count + 1)), f"the results are numbered {numbers}")
    if recording.has_days and not found.results:
        raise Wrong("there are no results")
    windows = sum(isinstance(result, pb.WindowAnalysed) for result in found.results)
    demand(windows == recording.weeks <= len(found.analyses), f"{windows} windows, {len(found.analyses)} analyses")
    demand(bool(found.facts) == bool(recording.weeks), f"there are {len(found.facts)} facts")


def _bits(recording: Recording) -> NDArray[np.int64]:
    """The bits of the float32 that a reader should get, (samples, channels)."""
    if recording.series.encoding != ENCODING_INT16:
        floats = np.frombuffer(recording.values, "<f4")
    else:
        whole = np.frombuffer(recording.values, "<i2")
        floats = (whole * np.float64(recording.series.scale)).astype("<f4")
        floats[whole == INT16_NO_VALUE] = np.float32("nan")
    return floats.view("<i4").reshape(recording.count, -1).astype(np.int64)
