"""Proto to domain and back, one function a message: discrete samples, their sums, sources and changes.

The rest is in wire. Messages in messages are given as mappings of their fields here: protobuf copies a message that it
is given, and builds one of a mapping in half the time. A thousand samples come in one call, and ten thousand changes go
out in one.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from clarity.v1 import health_data_service_pb2 as pb
from clarity.v1 import sample_pb2
from clarity.v1.series_pb2 import SeriesDescriptor
from clarity_server.domain import civil, metrics
from clarity_server.domain.buckets import Bucket, Function, Share, Unit
from clarity_server.domain.civil import Start, StartKind, TimeKind
from clarity_server.domain.errors import InvalidInput
from clarity_server.domain.samples import (
    Coded,
    DeviceKind,
    Moment,
    Outcome,
    Sample,
    SourceSetting,
    Tombstone,
    Verdict,
    Wanted,
)
from clarity_server.domain.sent import Sent, SentQuantity
from clarity_server.domain.series import Source
from clarity_server.flows.aggregate import AggregatePage, Query
from clarity_server.flows.feed import (
    FeedPage,
    FinishedTold,
    PartDamaged,
    PartTold,
    SampleDamaged,
    SampleGone,
    SampleTold,
    Told,
)
from clarity_server.flows.remove import Removed
from clarity_server.flows.samples import Quarantined
from clarity_server.flows.sources import MetricKnown, SourceKnown, SourceMetric, Summary
from clarity_server.services import rules_samples, wire

Fields: TypeAlias = dict[str, Any]
"""A message, as a mapping of its fields; None stands for a field that is not set."""

CONTRACT_START_MS = wire.INSTANT_S_MIN * 1000  # the first moment that the contract can say, by either kind of time
CONTRACT_END_MS = wire.INSTANT_S_MAX * 1000 - 1  # the last


def body_digest(request: pb.WriteSamplesRequest | pb.DeleteSamplesRequest) -> bytes:
    """Return what a repeat under the same request_id must have again; nothing where there is no request_id."""
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest() if request.request_id else b""


# ---- samples as they are sent ----------------------------------------------------------------------------------------


def from_samples(messages: Sequence[sample_pb2.Sample]) -> list[Sent]:
    """Return samples as they were sent. Raises nothing: what is wrong with one is its own business."""
    return [_from_sample(message) for message in messages]


def _from_sample(message: sample_pb2.Sample) -> Sent:
    start, end, fault = _from_times(message)
    source = message.source
    return Sent(
        message.metric,
        source.device,
        source.app,
        message.client_record_id,
        message.client_record_version,
        start,
        end,
        fault,
        _from_value(message),
        message.SerializeToString(),
    )


def _from_times(message: sample_pb2.Sample) -> tuple[Moment | None, Moment | None, str]:
    """Return start, end, and what is wrong with the first that is wrong."""
    start = None
    try:
        start = _from_time(message.start, "start")
        if not message.HasField("end"):
            return start, None, ""
        end = _from_time(message.end, "end")
    except InvalidInput as wrong:
        return start, None, str(wrong)
    return start, end, "" if end is not None else "end: is neither civil nor instant"


def _from_time(message: sample_pb2.ObservationTime, field: str) -> Moment | None:
    """Return what is known of a moment, None where that is nothing. Raises InvalidInput naming the field."""
    match message.WhichOneof("time"):
        case "civil":
            return _moment(wire.from_civil(message.civil, f"{field}.civil", rules_samples.whole_seconds), field)
        case "instant":
            return Moment(wire.instant_ms(message.instant, f"{field}.instant"), None)
        case _:
            return None


def _moment(start: Start, field: str) -> Moment:
    """Return the moment of a civil time with what is known of its offset. Raises InvalidInput naming the field."""
    if start.kind is StartKind.FLOATING:
        return Moment(None, start.ms)
    if start.utc_offset_s is not None:
        return Moment(start.ms - start.utc_offset_s * 1000, start.ms)
    assert start.time_zone is not None, "nothing else is left"
    moment = Moment(civil.zone_instant_ms(start.time_zone, start.ms), start.ms)
    # Local mean time was up to 16 h off at the date line. An answer with that offset could not be sent back to us.
    if abs(start.ms - moment.axis_ms) > civil.UTC_OFFSET_S_MAX * 1000:
        raise InvalidInput(**{f"{field}.civil.time_zone": "was more than 14 h from UTC then"})
    return moment


def _from_value(message: sample_pb2.Sample) -> SentQuantity | Coded | tuple[tuple[str, SentQuantity], ...] | None:
    match message.WhichOneof("value"):
        case "quantity":
            return _from_quantity(message.quantity)
        case "category":
            return Coded(message.category.code, message.category.vendor_code)
        case "correlation":
            return tuple((part.metric, _from_quantity(part.quantity)) for part in message.correlation.components)
        case _:
            return None


def _from_quantity(message: sample_pb2.Quantity) -> SentQuantity:
    return SentQuantity(message.value if message.HasField("value") else None, message.ucum_unit)


def to_written(outcomes: Sequence[Outcome]) -> pb.WriteSamplesResponse:
    """Return what became of samples, in the order sent."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    return pb.WriteSamplesResponse(
        results=[_to_result(outcome) for outcome in outcomes],
        stored_count=counts[Verdict.STORED],
        replaced_count=counts[Verdict.REPLACED],
        duplicate_count=counts[Verdict.DUPLICATE],
        superseded_count=counts[Verdict.SUPERSEDED],
        conflict_count=counts[Verdict.CONFLICT],
        quarantined_count=counts[Verdict.QUARANTINED],
    )


def _to_result(outcome: Outcome) -> Fields:
    told: Fields = {"sample_id": outcome.sample_id, "verdict": outcome.verdict.value}
    if outcome.stored_digest:
        told |= {"stored_digest": outcome.stored_digest, "sent_digest": outcome.sent_digest}
    if outcome.fault is not None:
        told |= {"reason": outcome.fault.reason.value, "reason_text": outcome.fault.text}
    return told


def to_aside(page: Sequence[Quarantined], token: str, count: int) -> pb.ListQuarantineResponse:
    """Return a page of samples that were put aside, each exactly as it was sent, and how many there are in all."""
    return pb.ListQuarantineResponse(
        samples=[_to_quarantined(aside) for aside in page], next_page_token=token, total_count=count
    )


def _to_quarantined(aside: Quarantined) -> Fields:
    return {
        "quarantine_id": aside.quarantine_id,
        "reason": aside.fault.reason.value,
        "reason_text": aside.fault.text,
        "sample": sample_pb2.Sample.FromString(aside.raw),
        "quarantine_time": wire.timestamp(aside.time),
    }


# ---- samples as they are stored --------------------------------------------------------------------------------------


def to_listed(page: Sequence[tuple[str, Sample | None]], token: str) -> pb.ListSamplesResponse:
    """Return a page of samples, and the ids of those that are damaged."""
    return pb.ListSamplesResponse(
        samples=[_to_sample(sample_id, sample) for sample_id, sample in page if sample is not None],
        next_page_token=token,
        damaged_sample_ids=[sample_id for sample_id, sample in page if sample is None],
    )


def _to_sample(sample_id: str, sample: Sample) -> Fields:
    return {
        "sample_id": sample_id,
        "metric": sample.metric,
        "source": _to_source(sample.source),
        "client_record_id": sample.client_record_id,
        "client_record_version": sample.version,
        "start": _to_time(sample.start),
        "end": _to_time(sample.end),
        **_to_value(sample),
    }


def _to_value(sample: Sample) -> Fields:
    value = sample.value
    if isinstance(value, float):
        return {"quantity": _to_quantity(sample.metric, value)}
    if isinstance(value, Coded):
        return {"category": {"code": value.code, "vendor_code": value.vendor_code}}
    parts = [{"metric": metric, "quantity": _to_quantity(metric, number)} for metric, number in value]
    return {"correlation": {"components": parts}}


def _to_quantity(metric: str, value: float) -> Fields:
    return {"value": value, "ucum_unit": metrics.find(metric).ucum_unit}


def _to_source(source: Source) -> Fields:
    return {"device": source.device, "app": source.app}


def _to_time(moment: Moment | None) -> Fields | None:
    """Return a moment: civil time where it is known, with its offset where the instant is, too."""
    if moment is None:
        return None
    if moment.civil_ms is None:
        return {"instant": _to_instant(moment.axis_ms)}
    told = _to_civil(moment.civil_ms)
    if moment.instant_ms is not None:
        told["utc_offset"] = {"seconds": (moment.civil_ms - moment.instant_ms) // 1000}
    return {"civil": told}


def _to_axis(kind: TimeKind, ms: int) -> Fields:
    """Return a border by one kind of time alone."""
    return {"civil": _to_civil(ms)} if kind is TimeKind.CIVIL else {"instant": _to_instant(ms)}


def _to_civil(ms: int) -> Fields:
    day, rest = divmod(ms, civil.DAY_MS)
    minutes, rest = divmod(rest, civil.MINUTE_MS)
    hours, minutes = divmod(minutes, 60)
    seconds, rest = divmod(rest, 1000)
    year, month, date = _date(day)
    return {
        "year": year,
        "month": month,
        "day": date,
        "hours": hours,
        "minutes": minutes,
        "seconds": seconds,
        "nanos": rest * 1_000_000,
    }


@lru_cache(maxsize=4096)
def _date(day: int) -> tuple[int, int, int]:
    date = civil.as_date(day)
    return date.year, date.month, date.day


def _to_instant(ms: int) -> Fields:
    return {"seconds": ms // 1000, "nanos": ms % 1000 * 1_000_000}


def _to_length(ms: int) -> Fields:
    """Return a length of time, which is never negative here."""
    return {"seconds": ms // 1000, "nanos": ms % 1000 * 1_000_000}


# ---- sums ------------------------------------------------------------------------------------------------------------


def from_query(request: pb.AggregateSamplesRequest) -> Query:
    """Return what is to be summed up. Raises InvalidInput."""
    physical = request.HasField("physical")
    return Query(
        metric=request.metric,
        source=wire.from_wanted_source(request),
        range=wire.from_range(request),
        length_ms=request.physical.length.seconds * 1000 if physical else None,
        unit=None if physical else Unit(request.calendar.unit),
        functions=frozenset(map(Function, request.functions)),
        percentiles=tuple(request.percentiles),
        show_sources=request.show_sources,
    )


def to_aggregate(page: AggregatePage, kind: TimeKind) -> pb.AggregateSamplesResponse:
    """Return a page of buckets, whose borders are of one kind of time."""
    return pb.AggregateSamplesResponse(
        buckets=[_to_bucket(bucket, kind) for bucket in page.buckets],
        next_page_token=page.token,
        ucum_unit=page.ucum_unit,
        sum_ucum_unit=page.sum_ucum_unit,
        sources=[_to_source(source) for source in page.sources],
        tzdata_version=page.tzdata_version,
    )


def _to_bucket(bucket: Bucket, kind: TimeKind) -> Fields:
    return {
        "start": _to_axis(kind, bucket.start_ms),
        "end": _to_axis(kind, bucket.end_ms),
        "length": _to_length(bucket.length_ms),
        "state": bucket.state.value,
        "covered_minutes": bucket.covered_minutes,
        "not_worn_minutes": bucket.not_worn_minutes,
        "unset_minutes": bucket.unset_minutes,
        "count": bucket.count,
        "sum": bucket.sum,
        "mean": bucket.mean,
        "min": bucket.min,
        "max": bucket.max,
        "percentiles": [{"percentile": which, "value": value} for which, value in bucket.percentiles],
        "durations": [
            {"code": one.code, "duration": _to_length(one.duration_ms), "count": one.count} for one in bucket.durations
        ],
        "shares": [_to_share(share, kind) for share in bucket.shares],
    }


def _to_share(share: Share, kind: TimeKind) -> Fields:
    return {
        "source": _to_source(share.source),
        "chosen_minutes": share.chosen_minutes,
        "passed_over_minutes": share.passed_over_minutes,
        "alone": _to_bucket(share.alone, kind),
    }


# ---- what there is, and where it came from ---------------------------------------------------------------------------


def to_summary(summary: Summary, *, whole: bool) -> pb.GetSummaryResponse:
    """Return what there is; `whole` is for the owner, who is told of what was put aside, too."""
    return pb.GetSummaryResponse(
        metrics=[_to_metric_summary(known) for known in summary.metrics],
        total_count=summary.total_count,
        quarantined_count=summary.quarantined_count if whole else 0,
        change_number=summary.change_number,
    )


def _to_metric_summary(known: MetricKnown) -> Fields:
    return {
        "metric": known.metric,
        "sample_count": known.sample_count,
        "series_sample_count": known.series_sample_count,
        "source_count": known.source_count,
        "day_count": known.day_count,
        **_to_extent(known),
    }


def _to_extent(known: MetricKnown | SourceMetric) -> Fields:
    written = known.last_write_time
    return {
        "first_start": _to_time(known.first_start),
        "last_end": _to_time(known.last_end),
        "last_write_time": None if written is None else wire.timestamp(written),
    }


def to_sources(page: Sequence[SourceKnown], token: str) -> pb.ListSourcesResponse:
    """Return a page of sources, each with what it has sent."""
    found = [_to_state(known.setting, [_to_source_metric(one) for one in known.metrics]) for known in page]
    return pb.ListSourcesResponse(sources=found, next_page_token=token)


def _to_source_metric(known: SourceMetric) -> Fields:
    return {
        "metric": known.metric,
        "sample_count": known.sample_count,
        "upload_count": known.upload_count,
        "series_sample_count": known.series_sample_count,
        **_to_extent(known),
    }


def from_setting(request: pb.UpdateSourceRequest) -> SourceSetting:
    """Return what is said of a source."""
    return SourceSetting(wire.from_source(request.source), DeviceKind(request.kind), request.priority)


def to_setting(setting: SourceSetting) -> pb.UpdateSourceResponse:
    """Return what is said of a source now."""
    return pb.UpdateSourceResponse(source=_to_state(setting, []))


def _to_state(setting: SourceSetting, of_metrics: Sequence[Fields]) -> Fields:
    return {
        "source": _to_source(setting.source),
        "kind": setting.kind.value,
        "priority": setting.priority,
        "metrics": of_metrics,
    }


# ---- changes ---------------------------------------------------------------------------------------------------------


def to_changes(page: FeedPage) -> pb.ListChangesResponse:
    """Return a page of changes."""
    answer = pb.ListChangesResponse(
        next_change_token=page.next_token, has_more=page.has_more, told_number=page.told_number
    )
    descriptors: dict[str, SeriesDescriptor] = {}
    add = answer.changes.add
    for told in page.changes:
        add(number=told.number, **_to_change(told, descriptors))
    return answer


def _to_change(told: Told, descriptors: dict[str, SeriesDescriptor]) -> Fields:
    """Return what changed; `descriptors` remembers those of uploads that were told of before."""
    what = told.what
    fields: Fields = {}
    match what:
        case SampleTold(sample_id, sample):
            fields["sample"] = _to_sample(sample_id, sample)
        case SampleGone():
            fields["sample_deleted"] = _to_gone(what)
        case PartTold():
            fields["series_part"] = _to_part(what, descriptors)
        case FinishedTold(upload_id, total_samples, sha256):
            fields["series_finished"] = {"upload_id": upload_id, "total_samples": total_samples, "sha256": sha256}
        case Tombstone():
            fields["series_deleted"] = _to_tombstone(what)
        case SampleDamaged(sample_id):
            fields["damaged"] = {"sample_id": sample_id}
        case PartDamaged(upload_id, first_sample, count):
            fields["damaged"] = {"upload_id": upload_id, "first_sample": first_sample, "sample_count": count}
        case None:
            fields["replaced"] = {}
    return fields


def _to_gone(gone: SampleGone) -> Fields:
    return {
        "sample_id": gone.sample_id,
        "metric": gone.metric,
        "source": _to_source(gone.source),
        "client_record_version": gone.version,
    }


def _to_part(part: PartTold, descriptors: dict[str, SeriesDescriptor]) -> Fields:
    if part.upload_id not in descriptors:
        descriptors[part.upload_id] = wire.to_descriptor(part.descriptor)
    return {
        "upload_id": part.upload_id,
        "series": descriptors[part.upload_id],
        "first_sample": part.first_sample,
        "values": part.values,
        "offsets_ms": None if part.offsets_ms is None else part.offsets_ms.tolist(),
        "offset_changes": [
            {"first_sample": move.first_sample, "utc_offset": {"seconds": move.utc_offset_s}}
            for move in part.offset_changes
        ],
    }


def _to_tombstone(tombstone: Tombstone) -> Fields:
    """Return a deleted range, cut to what the contract can say: of all time it has no end."""
    span = tombstone.range
    return {
        "metric": tombstone.metric,
        "source": _to_source(tombstone.source),
        "start": _to_axis(span.kind, max(span.start_ms, CONTRACT_START_MS)),
        "end": _to_axis(span.kind, min(span.end_ms, CONTRACT_END_MS)),
        "revision": tombstone.revision,
    }


# ---- deleting --------------------------------------------------------------------------------------------------------


def from_wanted(request: pb.DeleteSamplesRequest) -> Wanted:
    """Return what is to be deleted. Raises InvalidInput."""
    return Wanted(
        sample_ids=frozenset(request.sample_ids),
        metrics=frozenset(request.metrics) or None,
        source=wire.from_wanted_source(request),
        range=wire.from_optional_range(request),
    )


def from_expected(request: pb.DeleteSamplesRequest) -> int | None:
    """Return how much the caller expects to delete, None where that is not said."""
    return request.expected_count if request.HasField("expected_count") else None


def to_removed(removed: Removed) -> pb.DeleteSamplesResponse:
    """Return what was deleted, or would be."""
    return pb.DeleteSamplesResponse(
        sample_count=removed.samples,
        series_sample_count=removed.series_samples,
        quarantined_count=removed.quarantined,
        total_count=removed.total,
        day_count=removed.days,
    )
