"""Discrete samples: write them, read them honestly, follow what changes, delete.

    with Client("127.0.0.1:50051", MemoryTokens()) as client:
        for sample, result in client.write_samples(samples):
            ...
        request = over("step_count", datetime(2026, 1, 1), datetime(2026, 2, 1), Unit.DAY)
        for bucket in client.aggregate(request).buckets:
            ...

A mirror keeps the token of a page once the page is applied, and starts from it again whatever happens:

        for page in client.changes(token, every_s=5):
            token = apply(page)  # the changes of the page, and its next_change_token, in one transaction
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import grpc
from google.protobuf.duration_pb2 import Duration

from clarity.calling import Calls
from clarity.calls import ClarityError, Patience, Target
from clarity.credentials import Tokens
from clarity.moments import within
from clarity.v1 import health_data_service_pb2 as health
from clarity.v1.health_data_service_pb2_grpc import HealthDataServiceStub
from clarity.v1.sample_pb2 import Bucket, DeviceKind, QuarantinedSample, Sample, SampleResult, SourceState
from clarity.v1.series_pb2 import Source

BATCH_SAMPLES = 1000  # the contract's maximum
BATCH_BYTES = 2 * 1024 * 1024  # the contract allows 3 MiB
CHANGES_A_PAGE = 1000
BUCKETS_A_PAGE = 1000  # with the shares of several sources a page of the contract's 5,000 would be too large
ROWS_A_PAGE = 1000
NAMED_MAX = 5  # of what is damaged, in a sentence


class Unit(StrEnum):
    """A bucket of the person's clock."""

    DAY = "day"
    WEEK = "week"  # from Monday on
    MONTH = "month"


By = timedelta | Unit
UNITS = {
    Unit.DAY: health.CivilBuckets.UNIT_DAY,
    Unit.WEEK: health.CivilBuckets.UNIT_WEEK,
    Unit.MONTH: health.CivilBuckets.UNIT_MONTH,
}
Written = tuple[Sample, SampleResult]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A metric over buckets of time, all of them, in order."""

    buckets: Sequence[Bucket]
    ucum_unit: str  # of means, extremes and percentiles; empty for a category
    sources: Sequence[Source]  # those that speak of the range, the most believed first
    tzdata_version: str
    sum_ucum_unit: str

    @property
    def unit(self) -> str:
        """The unit of sums where there are some, else of all else."""
        return self.sum_ucum_unit if any(bucket.HasField("sum") for bucket in self.buckets) else self.ucum_unit


class Samples(Calls):
    """What one person does with discrete samples, their sources, and what becomes of them."""

    def __init__(self, target: str | Target, tokens: Tokens | None = None, patience: Patience | None = None) -> None:
        super().__init__(target, tokens, patience)
        self._health = HealthDataServiceStub(self._channel)

    # ---- in

    def write_samples(self, samples: Iterable[Sample]) -> list[Written]:
        """Write samples; return each with what became of it, in order. Safe to repeat: what is stored is a duplicate.

        Nothing is thrown for a sample that cannot be taken: look at its verdict.
        """
        return [written for batch in self.writing(samples) for written in batch]

    def writing(self, samples: Iterable[Sample]) -> Iterator[list[Written]]:
        """Write samples and yield batch by batch what became of them; all of a yielded batch is on the server's disk.

        A batch is sent when it is asked for: leaving the iteration leaves the rest unsent.
        """
        for batch in batches(samples):
            # An id of this run, not of the content: a repeat after a delete must not be told the first answer.
            request = health.WriteSamplesRequest(samples=batch, request_id=uuid.uuid4().hex)
            answer = self._call(self._health.WriteSamples, request)
            yield list(zip(batch, answer.results, strict=True))

    def quarantine(self) -> Iterator[QuarantinedSample]:
        """Yield the samples that were put aside, the newest first, each with its reason."""
        for page in self._pages(self._health.ListQuarantine, health.ListQuarantineRequest(page_size=ROWS_A_PAGE)):
            yield from page.samples

    # ---- out

    def samples(
        self,
        metric: str,
        start: datetime | None = None,
        end: datetime | None = None,
        source: Source | None = None,
        *,
        account_id: str = "",
    ) -> Iterator[Sample]:
        """Yield the samples of a metric by start; with both bounds, those that overlap [start, end).

        Times are civil without an offset and instants with one, both alike. Where the store cannot read some any more,
        all others are yielded first; then ClarityError with STORE_DAMAGED names them.
        """
        damaged = list[str]()
        request = health.ListSamplesRequest(metric=metric, source=source, page_size=ROWS_A_PAGE, account_id=account_id)
        if start is not None and end is not None:
            within(request, start, end)
        for page in self._pages(self._health.ListSamples, request):
            yield from page.samples
            damaged += page.damaged_sample_ids
        if damaged:
            raise _damaged(damaged)

    def aggregate(self, request: health.AggregateSamplesRequest) -> Aggregate:
        """Sum up a metric over buckets of time, as `over` asks for them."""
        asked = health.AggregateSamplesRequest()
        asked.CopyFrom(request)
        asked.page_size = asked.page_size or BUCKETS_A_PAGE
        pages = list(self._pages(self._health.AggregateSamples, asked))
        buckets = [bucket for page in pages for bucket in page.buckets]
        return Aggregate(
            buckets, pages[0].ucum_unit, list(pages[0].sources), pages[0].tzdata_version, pages[0].sum_ucum_unit
        )

    def summary(self, metrics: Iterable[str] = (), *, account_id: str = "") -> health.GetSummaryResponse:
        """Return what there is, by metric; of all metrics where none is named."""
        return self._call(self._health.GetSummary, health.GetSummaryRequest(metrics=metrics, account_id=account_id))

    # ---- sources

    def sources(self, metrics: Iterable[str] = (), *, account_id: str = "") -> Iterator[SourceState]:
        """Yield the sources, the most believed first, with what they sent."""
        request = health.ListSourcesRequest(metrics=metrics, page_size=ROWS_A_PAGE, account_id=account_id)
        for page in self._pages(self._health.ListSources, request):
            yield from page.sources

    def update_source(
        self, source: Source, kind: DeviceKind = DeviceKind.DEVICE_KIND_UNSPECIFIED, priority: int = 0
    ) -> SourceState:
        """Say what a source is, and how far it is believed: 1 the most, 0 as its kind."""
        request = health.UpdateSourceRequest(source=source, kind=kind, priority=priority)
        return self._call(self._health.UpdateSource, request).source

    # ---- changes

    def changes(
        self, token: str = "", metrics: Iterable[str] = (), *, every_s: float | None = None
    ) -> Iterator[health.ListChangesResponse]:
        """Yield what changed after a token, page by page, one at least; the last page says where to go on.

        Keep `next_change_token` once a page is applied. With `every_s` the server is asked again so often, only what is
        new is yielded, and it never ends by itself.
        """
        request = health.ListChangesRequest(change_token=token, metrics=metrics, page_size=CHANGES_A_PAGE)
        is_first = True
        while True:
            page = self._call(self._health.ListChanges, request)
            if page.changes or is_first:
                yield page
            is_first, request.change_token = False, page.next_change_token
            if page.has_more:
                continue
            if every_s is None:
                return
            time.sleep(every_s)

    # ---- deleting

    def delete_samples(self, request: health.DeleteSamplesRequest) -> health.DeleteSamplesResponse:
        """Delete for good what a request names, with all that was derived from it; with validate_only, count it.

        Count first, and name the total_count as expected_count: then nothing goes that was not counted.
        """
        asked = health.DeleteSamplesRequest()
        asked.CopyFrom(request)
        asked.request_id = asked.request_id or uuid.uuid4().hex
        return self._call(self._health.DeleteSamples, asked)

    def retention(self) -> int:
        """Return for how many days after its observation data is kept; 0 is for ever."""
        return self._call(self._health.GetRetention, health.GetRetentionRequest()).keep_days

    def set_retention(self, keep_days: int, *, validate_only: bool = False) -> health.SetRetentionResponse:
        """Say for how long data is kept, 0 for ever; with validate_only, only count what would be deleted now."""
        request = health.SetRetentionRequest(keep_days=keep_days, validate_only=validate_only)
        return self._call(self._health.SetRetention, request)


def _damaged(sample_ids: Sequence[str]) -> ClarityError:
    text = f"the store cannot read {len(sample_ids):,} of these samples any more: {', '.join(sample_ids[:NAMED_MAX])}"
    text += ", …" if len(sample_ids) > NAMED_MAX else ""
    return ClarityError("STORE_DAMAGED", text, code=grpc.StatusCode.DATA_LOSS)


def over(metric: str, start: datetime, end: datetime, by: By) -> health.AggregateSamplesRequest:
    """Return the request for a metric over [start, end), by equal lengths of time, or days, weeks or months.

    Days, weeks and months are the person's: civil times go with them, instants with lengths. Raises ValueError for a
    mix.
    """
    if isinstance(by, timedelta) != (start.tzinfo is not None):
        raise ValueError("lengths of time go with instants (with an offset), days, weeks and months with civil times")
    request = health.AggregateSamplesRequest(metric=metric)
    within(request, start, end)
    if isinstance(by, timedelta):
        length = Duration()
        length.FromTimedelta(by)
        request.physical.CopyFrom(health.PhysicalBuckets(length=length))
    else:
        request.calendar.CopyFrom(health.CivilBuckets(unit=UNITS[by]))
    return request


def batches(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    """Yield samples by as many as one call takes."""
    batch, size = list[Sample](), 0
    for sample in samples:
        room = sample.ByteSize()
        if batch and (len(batch) == BATCH_SAMPLES or size + room > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(sample)
        size += room
    if batch:
        yield batch
