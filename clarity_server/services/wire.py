"""Proto to domain and back, one function a message: time, uploads, days.

Accounts are in wire_auth, analyses in wire_insight.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type import date_pb2, datetime_pb2

from clarity.v1 import day_pb2, metric_pb2, series_pb2
from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1.insight_service_pb2 import ListAnalysesRequest, StartAnalysisRequest
from clarity_server.domain import civil
from clarity_server.domain.civil import Start, StartKind, TimeKind, TimeRange
from clarity_server.domain.days import Day
from clarity_server.domain.errors import InvalidInput
from clarity_server.domain.measures import Measure, Night, Sleep, Unavailable
from clarity_server.domain.metrics import Aggregation, Metric
from clarity_server.domain.series import Chunk, Descriptor, Encoding, Source, StoredUpload
from clarity_server.flows.ingest import Progress
from clarity_server.flows.read import Block, Tally
from clarity_server.services import rules

Ranged: TypeAlias = pb.ReadSeriesRequest | pb.AggregateSamplesRequest | pb.ListSamplesRequest | pb.DeleteSamplesRequest
Sourced: TypeAlias = Ranged | StartAnalysisRequest

MICROSECONDS = 1_000_000
NANOS = 1_000_000_000
APPEND_RESULTS_MAX = 100  # days and windows together
INSTANT_S_MIN = int(datetime(civil.YEAR_MIN, 1, 1, tzinfo=UTC).timestamp())
INSTANT_S_MAX = int(datetime(civil.YEAR_MAX + 1, 1, 1, tzinfo=UTC).timestamp())


def timestamp(seconds: float) -> Timestamp:
    """Seconds since 1970, to the microsecond: a float of our days holds no more."""
    moment = Timestamp()
    moment.FromMicroseconds(round(seconds * MICROSECONDS))
    return moment


# ---- time ------------------------------------------------------------------------------------------------------------


def from_start(described: series_pb2.SeriesDescriptor, field: str) -> Start:
    """Return when a series begins. Raises InvalidInput naming the field."""
    match described.WhichOneof("start"):
        case "civil":
            return from_civil(described.civil, f"{field}.civil", rules.whole_offset)
        case "instant":
            return Start(StartKind.INSTANT, instant_ms(described.instant, f"{field}.instant"))
        case _:
            raise InvalidInput(**{f"{field}.start": "is required: civil or instant"})


def from_civil(moment: datetime_pb2.DateTime, field: str, offset_rule: rules.Rule[Duration]) -> Start:
    """Return a wall-clock time with all that is known of its offset. Raises InvalidInput naming the field."""
    ms = civil_ms(moment, field)
    match moment.WhichOneof("time_offset"):
        case "utc_offset":
            wrong = offset_rule(moment.utc_offset)
            if wrong is not None:
                raise InvalidInput(**{f"{field}.utc_offset": wrong})
            return Start(StartKind.OFFSET, ms, utc_offset_s=moment.utc_offset.seconds)
        case "time_zone":
            if moment.time_zone.version or not civil.zone_exists(moment.time_zone.id):
                raise InvalidInput(
                    **{f"{field}.time_zone": "is not an IANA zone of the tz database, without a version"}
                )
            return Start(StartKind.ZONE, ms, time_zone=moment.time_zone.id)
        case _:
            return Start(StartKind.FLOATING, ms)


def civil_ms(moment: datetime_pb2.DateTime, field: str) -> int:
    """Return a wall-clock time in civil milliseconds. Raises InvalidInput naming the field."""
    if moment.nanos % 1_000_000:
        raise InvalidInput(**{field: "is not whole milliseconds"})
    try:
        parts = (moment.year, moment.month, moment.day, moment.hours, moment.minutes, moment.seconds)
        at = datetime(*parts, moment.nanos // 1000, tzinfo=UTC)
    except ValueError as why:
        raise InvalidInput(**{field: f"is no time of the calendar: {why}"}) from why
    _check_year(at.year, field)
    return (at - civil.EPOCH) // timedelta(milliseconds=1)


def instant_ms(moment: Timestamp, field: str) -> int:
    """Return an instant in milliseconds. Raises InvalidInput naming the field."""
    if not 0 <= moment.nanos < NANOS or moment.nanos % 1_000_000:
        raise InvalidInput(**{field: "is not whole milliseconds"})
    if not INSTANT_S_MIN <= moment.seconds < INSTANT_S_MAX:
        raise InvalidInput(**{field: f"has a year that is not {civil.YEAR_MIN} to {civil.YEAR_MAX}"})
    return moment.seconds * 1000 + moment.nanos // 1_000_000


def _check_year(year: int, field: str) -> None:
    if not civil.YEAR_MIN <= year <= civil.YEAR_MAX:
        raise InvalidInput(**{field: f"has a year that is not {civil.YEAR_MIN} to {civil.YEAR_MAX}"})


def to_civil(ms: int) -> datetime_pb2.DateTime:
    """Return a civil time as a message, without an offset."""
    at = civil.EPOCH + timedelta(milliseconds=ms)
    return datetime_pb2.DateTime(
        year=at.year,
        month=at.month,
        day=at.day,
        hours=at.hour,
        minutes=at.minute,
        seconds=at.second,
        nanos=at.microsecond * 1000,
    )


def to_instant(ms: int) -> Timestamp:
    """Return an instant as a message."""
    seconds, rest = divmod(ms, 1000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000_000)


def to_duration(ms: int) -> Duration:
    """Return a length of time as a message."""
    span = Duration()
    span.FromMilliseconds(ms)
    return span


def from_date(day: date_pb2.Date, field: str) -> date:
    """Return a date. Raises InvalidInput naming the field."""
    try:
        found = date(day.year, day.month, day.day)
    except ValueError as why:
        raise InvalidInput(**{field: f"is no date of the calendar: {why}"}) from why
    return found


def to_date(day: date) -> date_pb2.Date:
    """Return a date as a message."""
    return date_pb2.Date(year=day.year, month=day.month, day=day.day)


# ---- uploads ---------------------------------------------------------------------------------------------------------


def from_open(request: pb.OpenUpload | pb.AppendSeriesRequest, within: str = "open.") -> tuple[str, Descriptor, int]:
    """Return the upload id, the descriptor and the last result the client has. Raises InvalidInput."""
    judged = rules.Rules()
    rules.open_upload(judged, request, within)
    judged.enforce()
    described = request.series
    encoding = Encoding(described.encoding or Encoding.FLOAT32)
    descriptor = Descriptor(
        metric=described.metric,
        source=from_source(described.source),
        start=from_start(described, f"{within}series"),
        period_ms=described.period.ToMilliseconds() if described.HasField("period") else None,
        encoding=encoding,
        scale=described.scale if encoding is Encoding.INT16 else 1.0,
        channels=described.channels or 1,
        revision=described.revision,
    )
    return request.upload_id, descriptor, request.after_result


def from_source(source: series_pb2.Source) -> Source:
    """Return where a series came from."""
    return Source(source.device, source.app)


def to_source(source: Source) -> series_pb2.Source:
    """Return where a series came from, as a message."""
    return series_pb2.Source(device=source.device, app=source.app)


def from_chunk(request: series_pb2.Chunk) -> tuple[Chunk, int]:
    """Return a chunk and its claimed checksum. Raises InvalidInput."""
    rules.chunk(request)
    offsets = np.array(request.offsets_ms, dtype=np.int64) if request.offsets_ms else None
    return Chunk(request.first_sample, request.values, offsets), request.crc32c


def from_offset_change(request: series_pb2.OffsetChange) -> tuple[int, int]:
    """Return the first sample and the offset in seconds. Raises InvalidInput."""
    rules.offset_change(request)
    return request.first_sample, request.utc_offset.seconds


def from_finish(request: pb.FinishUpload | pb.FinishUploadRequest) -> tuple[int, bytes]:
    """Return the client's total and digest. Raises InvalidInput."""
    rules.finish(request)
    return request.total_samples, request.sha256


def to_descriptor(descriptor: Descriptor) -> series_pb2.SeriesDescriptor:
    """Return a descriptor as it was opened."""
    described = series_pb2.SeriesDescriptor(
        metric=descriptor.metric,
        source=to_source(descriptor.source),
        encoding=descriptor.encoding.value,  # type: ignore[arg-type]
        channels=descriptor.channels,
        revision=descriptor.revision,
    )
    if descriptor.encoding is Encoding.INT16:
        described.scale = descriptor.scale
    if descriptor.period_ms is not None:
        described.period.CopyFrom(to_duration(descriptor.period_ms))
    start = descriptor.start
    if start.kind is StartKind.INSTANT:
        described.instant.CopyFrom(to_instant(start.ms))
        return described
    described.civil.CopyFrom(to_civil(start.ms))
    if start.utc_offset_s is not None:
        described.civil.utc_offset.CopyFrom(to_duration(start.utc_offset_s * 1000))
    if start.time_zone is not None:
        described.civil.time_zone.id = start.time_zone
    return described


def to_opened(stored: StoredUpload) -> series_pb2.UploadOpened:
    """Return how an upload stands as it is opened."""
    return series_pb2.UploadOpened(
        upload_id=stored.upload_id,
        committed_samples=stored.committed,
        epoch=stored.epoch,
        crc32c=stored.crc32c,
        result_count=stored.result_count,
        finished=stored.receipt is not None,
    )


def to_progress(progress: Progress) -> series_pb2.UploadProgress:
    """Return how far the server has come."""
    return series_pb2.UploadProgress(
        received_samples=progress.received,
        committed_samples=progress.committed,
        analysed_samples=progress.analysed,
        crc32c=progress.crc32c,
    )


def to_receipt(stored: StoredUpload) -> series_pb2.UploadReceipt | None:
    """Return the receipt of a finished upload."""
    receipt = stored.receipt
    if receipt is None:
        return None
    return series_pb2.UploadReceipt(
        upload_id=stored.upload_id,
        total_samples=receipt.total_samples,
        value_samples=receipt.value_samples,
        missing_samples=receipt.missing_samples,
        sha256=receipt.sha256,
        crc32c=receipt.crc32c,
        result_count=receipt.result_count,
    )


def to_upload(stored: StoredUpload, analysed: int) -> series_pb2.Upload:
    """Return an upload."""
    state = series_pb2.Upload.STATE_FINISHED if stored.receipt is not None else series_pb2.Upload.STATE_OPEN
    return series_pb2.Upload(
        upload_id=stored.upload_id,
        series=to_descriptor(stored.descriptor),
        state=state,
        committed_samples=stored.committed,
        analysed_samples=analysed,
        epoch=stored.epoch,
        crc32c=stored.crc32c,
        result_count=stored.result_count,
        receipt=to_receipt(stored),
    )


# ---- metrics, days, blocks -------------------------------------------------------------------------------------------


def to_metric(metric: Metric) -> metric_pb2.Metric:
    """Return an entry of the catalogue."""
    return metric_pb2.Metric(
        metric=metric.metric,
        kind=f"KIND_{metric.kind.name}",
        ucum_unit=metric.ucum_unit,
        loinc=metric.loinc,
        healthkit=metric.healthkit,
        health_connect=metric.health_connect,
        min=metric.minimum,
        max=metric.maximum,
        has_days=metric.has_days,
        family=f"DATA_FAMILY_{metric.family.name}",
        aggregation=None if metric.aggregation is Aggregation.NONE else f"AGGREGATION_{metric.aggregation.name}",
        codes=metric.codes,
        parts=metric.parts,
        display_name=metric.display_name,
    )


def to_day(day: Day) -> day_pb2.Day:
    """Return a civil day's results."""
    return day_pb2.Day(
        result=day.result,
        date=to_date(day.date),
        metric=day.metric,
        source=to_source(day.source),
        length_minutes=day.length_minutes,
        recorded_minutes=day.recorded_minutes,
        worn_minutes=day.worn_minutes,
        measures=[to_measure(measure) for measure in day.measures],
        asleep=[day_pb2.MinuteRange(start_minute=start, end_minute=end) for start, end in day.asleep],
        not_worn=[day_pb2.MinuteRange(start_minute=start, end_minute=end) for start, end in day.not_worn],
        conflict_minutes=day.conflict_minutes,
        closed=day.closed,
        tzdata_version=day.tzdata_version,
        night=None if day.night is None else to_night(day.night),
    )


def to_measure(measure: Measure) -> day_pb2.Measure:
    """Return a number with its provenance, or why there is none."""
    made_by = (measure.algorithm, measure.algorithm_version, tuple(measure.parameters.items()))
    message = day_pb2.Measure()
    message.CopyFrom(_described(measure.measure, measure.ucum_unit, *made_by))
    message.coverage_ratio, message.input_digest = measure.coverage_ratio, measure.input_digest
    if isinstance(measure.outcome, Unavailable):
        message.MergeFrom(day_pb2.Measure(unavailable=reason(measure.outcome)))
    else:
        message.value = measure.outcome
    return message


@lru_cache(maxsize=1024)
def _described(
    measure: str, ucum_unit: str, algorithm: str, version: str, parameters: tuple[tuple[str, str], ...]
) -> day_pb2.Measure:
    """Return what is the same in every number of a kind: a week has forty, each with the parameters it was made by."""
    return day_pb2.Measure(
        measure=measure,
        ucum_unit=ucum_unit,
        algorithm=algorithm,
        algorithm_version=version,
        parameters=dict(parameters),
    )


def reason(why: Unavailable) -> str:
    """Return why there is no number, by its name in the contract."""
    return f"UNAVAILABLE_REASON_{why.name}"


def to_night(night: Night) -> day_pb2.Night:
    """Return the night that leads to a day."""
    message = day_pb2.Night(date=to_date(civil.as_date(night.civil_day)), coverage_ratio=night.coverage_ratio)
    if isinstance(night.outcome, Unavailable):
        message.MergeFrom(day_pb2.Night(unavailable=reason(night.outcome)))
    else:
        message.sleep.CopyFrom(_to_main_sleep(night.outcome))
    return message


def _to_main_sleep(sleep: Sleep) -> day_pb2.MainSleep:
    return day_pb2.MainSleep(
        start_minute=sleep.start,
        onset_minute=sleep.onset,
        final_awakening_minute=sleep.final_awakening,
        end_minute=sleep.end,
        start_time=to_civil(sleep.start_civil * civil.MINUTE_MS),
        onset_time=to_civil(sleep.onset_civil * civil.MINUTE_MS),
        final_awakening_time=to_civil(sleep.final_awakening_civil * civil.MINUTE_MS),
        end_time=to_civil(sleep.end_civil * civil.MINUTE_MS),
        total_sleep_minutes=sleep.total_sleep,
        onset_latency_minutes=sleep.onset_latency,
        wake_after_onset_minutes=sleep.wake_after_onset,
        latency_to_arising_minutes=sleep.latency_to_arising,
        awakening_count=sleep.awakenings,
        unscored_minutes=sleep.unscored,
    )


def from_range(request: pb.ReadSeriesRequest | pb.AggregateSamplesRequest) -> TimeRange:
    """Return the range that has to be there. Raises InvalidInput."""
    span = _range(request)
    if span is None:
        raise InvalidInput(range="is required: civil or instant")
    if not 0 < span.end_ms - span.start_ms <= rules.READ_RANGE_MS_MAX:
        raise InvalidInput(**{f"{span.kind}.end": "is not after start, or more than 10 years after it"})
    return span


def from_optional_range(request: pb.ListSamplesRequest | pb.DeleteSamplesRequest) -> TimeRange | None:
    """Return the range, of any length, or None where all time is meant. Raises InvalidInput."""
    span = _range(request)
    if span is not None and span.end_ms <= span.start_ms:
        raise InvalidInput(**{f"{span.kind}.end": "is not after start"})
    return span


def _range(request: Ranged) -> TimeRange | None:
    """Return a range as it was sent, or None where there is none. Raises InvalidInput."""
    match request.WhichOneof("range"):
        case "civil":
            for name, moment in (("start", request.civil.start), ("end", request.civil.end)):
                if moment.WhichOneof("time_offset") is not None:
                    raise InvalidInput(**{f"civil.{name}": "has an offset or a zone; ask by instant instead"})
            start, end = civil_ms(request.civil.start, "civil.start"), civil_ms(request.civil.end, "civil.end")
            return TimeRange(TimeKind.CIVIL, start, end)
        case "instant":
            start = instant_ms(request.instant.start, "instant.start")
            return TimeRange(TimeKind.INSTANT, start, instant_ms(request.instant.end, "instant.end"))
        case _:
            return None


def to_block(block: Block, kind: TimeKind) -> pb.SeriesBlock:
    """Return a run of values."""
    message = pb.SeriesBlock(
        source=to_source(block.source),
        upload_id=block.upload_id,
        first_sample=block.first_sample,
        channels=block.channels,
        values=block.values.astype("<f4").tobytes(),
    )
    if kind is TimeKind.CIVIL:
        message.civil.CopyFrom(to_civil(block.start_ms))
    else:
        message.instant.CopyFrom(to_instant(block.start_ms))
    if block.utc_offset_s is not None:
        message.utc_offset.CopyFrom(to_duration(block.utc_offset_s * 1000))
    if block.period_ms is not None:
        message.period.CopyFrom(to_duration(block.period_ms))
    if block.offsets_ms is not None:
        message.offsets_ms.extend(block.offsets_ms.tolist())
    return message


def to_done(tally: Tally) -> pb.ReadSeriesDone:
    """Return the end of a reading."""
    return pb.ReadSeriesDone(
        block_count=tally.blocks, sample_count=tally.samples, conflict_minutes=tally.conflict_minutes
    )


def from_wanted_source(request: Sourced) -> Source | None:
    """Return the source that was asked for, or None where none was."""
    return from_source(request.source) if request.HasField("source") else None


def from_dates(request: pb.ListDaysRequest | ListAnalysesRequest) -> tuple[date | None, date | None]:
    """Return the dates [start, end), None where there is no bound. Raises InvalidInput."""
    start = from_date(request.start_date, "start_date") if request.HasField("start_date") else None
    end = from_date(request.end_date, "end_date") if request.HasField("end_date") else None
    if start is not None and end is not None and end <= start:
        raise InvalidInput(end_date="is not after start_date")
    return start, end


def from_append(request: pb.AppendSeriesRequest) -> list[pb.StreamSeriesRequest]:
    """Return the messages of the stream that an AppendSeries stands for."""
    opening = pb.OpenUpload(upload_id=request.upload_id, series=request.series, after_result=request.after_result)
    items = [
        pb.StreamSeriesRequest(chunk=item.chunk)
        if item.HasField("chunk")
        else pb.StreamSeriesRequest(offset_change=item.offset_change)
        for item in request.items
    ]
    return [pb.StreamSeriesRequest(open=opening), *items]


def add_to_append(answer: pb.AppendSeriesResponse, message: pb.StreamSeriesResponse) -> None:
    """Add a message of the stream to the answer of AppendSeries; the newest progress stands."""
    match message.WhichOneof("message"):
        case "opened":
            answer.opened.CopyFrom(message.opened)
        case "progress":
            answer.progress.CopyFrom(message.progress)
        case "day" | "window" if len(answer.days) + len(answer.windows) >= APPEND_RESULTS_MAX:
            pass  # GetUpload has those that follow
        case "day":
            answer.days.append(message.day)
        case "window":
            answer.windows.append(message.window)
        case _:  # a receipt: the upload is finished, which `opened` says; FinishUpload returns it
            pass
