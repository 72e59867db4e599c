"""What is known of an account's data: what there is of each metric, where it came from, and how far it is believed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby

from clarity_server.domain import paging
from clarity_server.domain.civil import Clock, stays
from clarity_server.domain.reach import clock_of, elapsed_end, hidden, without
from clarity_server.domain.samples import Moment, SourceSetting, Tombstone, belief
from clarity_server.domain.series import Source, StoredUpload
from clarity_server.ports import Changes, Keys, Samples, Series, SourceMetricRow, Sources

SOURCES_PAGE = 100
SOURCES_PAGE_MAX = 1000
SOURCES_ROWS_MAX = 5_000  # sources and their metrics in one page: some 600 KB


@dataclass(frozen=True, slots=True)
class SourceMetric:
    """What a source has sent of a metric. Times are None where there is nothing left."""

    metric: str
    source: Source
    sample_count: int
    upload_count: int
    series_sample_count: int
    first_start: Moment | None
    last_end: Moment | None
    last_write_time: float | None
    civil_days: frozenset[int]


@dataclass(frozen=True, slots=True)
class SourceKnown:
    """A source: what the account says of it, and what it has sent, by metric."""

    setting: SourceSetting
    metrics: tuple[SourceMetric, ...]


@dataclass(frozen=True, slots=True)
class MetricKnown:
    """What there is of a metric."""

    metric: str
    sample_count: int
    series_sample_count: int
    source_count: int
    first_start: Moment | None
    last_end: Moment | None
    last_write_time: float | None
    day_count: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What there is, by metric; how much of all, and how much was put aside."""

    metrics: tuple[MetricKnown, ...]
    total_count: int
    quarantined_count: int
    change_number: int


@dataclass(frozen=True, slots=True)
class Known:
    """The verbs, over their ports. All block."""

    samples: Samples
    sources: Sources
    series: Series
    changes: Changes
    keys: Keys
    rows_max: int = SOURCES_ROWS_MAX

    def summary(self, account_id: str, of_metrics: frozenset[str] | None) -> Summary:
        """Return what there is of these metrics, or of all; what there is nothing of is left out."""
        known = self._sent(account_id, of_metrics)
        by_metric = [_summed(metric, list(rows)) for metric, rows in groupby(known, lambda row: row.metric)]
        told = tuple(one for one in by_metric if one.sample_count or one.series_sample_count)
        return Summary(
            metrics=told,
            total_count=sum(one.sample_count + one.series_sample_count for one in told),
            quarantined_count=self.samples.fault_count(account_id),
            change_number=self.changes.newest(account_id),
        )

    def list(
        self, account_id: str, of_metrics: frozenset[str] | None, page_size: int, token: str
    ) -> tuple[Sequence[SourceKnown], str]:
        """Return a page of sources that sent something of these metrics, and the next token.

        The most believed comes first. Raises PageTokenInvalid.
        """
        query = ("sources", account_id, "" if of_metrics is None else sorted(of_metrics))
        key = self.keys.derived("page-token")
        after = paging.position(key, query, token)
        size = min(page_size or SOURCES_PAGE, SOURCES_PAGE_MAX)
        left = self._by_belief(account_id, of_metrics)
        if after is not None:
            # By place in the order of belief: what was set meanwhile moves, the rest is neither lost nor repeated.
            place = (int(after[0]), int(after[1]), str(after[2]), str(after[3]))
            left = [one for one in left if belief(one.setting) > place]
        page = left[:size]
        told = accumulate(1 + len(one.metrics) for one in page)
        page = page[: max(1, sum(rows <= self.rows_max for rows in told))]
        following = paging.page_token(key, query, belief(page[-1].setting)) if len(left) > len(page) else ""
        return page, following

    def update(self, account_id: str, setting: SourceSetting) -> SourceSetting:
        """Say what a source is and how far it is believed; return it as it is now. Raises SourceNotFound."""
        self.sources.put(account_id, setting)
        return setting

    def _by_belief(self, account_id: str, of_metrics: frozenset[str] | None) -> Sequence[SourceKnown]:
        settings = {setting.source: setting for setting in self.sources.settings(account_id)}
        sent: dict[Source, list[SourceMetric]] = {}
        for one in self._sent(account_id, of_metrics):
            sent.setdefault(one.source, []).append(one)
        known = [SourceKnown(settings.get(one, SourceSetting(one)), tuple(rows)) for one, rows in sent.items()]
        return sorted(known, key=lambda one: belief(one.setting))

    def _sent(self, account_id: str, of_metrics: frozenset[str] | None) -> Sequence[SourceMetric]:
        """List what each source has sent, by metric, device and app."""
        found = list[SourceMetric]()
        for metric, rows in groupby(self.samples.summary(account_id, of_metrics), lambda row: row.metric):
            streamed = self._streamed(account_id, metric)
            found += [_joined(row, streamed.get(row.source, _Streamed())) for row in rows]
        return found

    def _streamed(self, account_id: str, metric: str) -> "dict[Source, _Streamed]":
        """Return what the uploads of a metric come to, by source."""
        tombstones = self.series.tombstones(account_id, metric)
        found: dict[Source, _Streamed] = {}
        for upload in self.series.uploads(account_id, metric):
            found.setdefault(upload.descriptor.source, _Streamed()).add(upload, tombstones)
        return found


@dataclass(slots=True)
class _Streamed:
    """What the uploads of a source and metric come to: all they have committed, and when that is which is left."""

    upload_count: int = 0
    sample_count: int = 0
    starts: list[Moment] = field(default_factory=list)
    ends: list[Moment] = field(default_factory=list)
    civil_days: set[int] = field(default_factory=set)

    def add(self, upload: StoredUpload, tombstones: Sequence[Tombstone]) -> None:
        """Count an upload in. Of an irregular one all time from its first to its last sample counts."""
        self.upload_count += 1
        self.sample_count += upload.committed
        clock = clock_of(upload.descriptor, upload.offset_changes)
        whole = [(0, elapsed_end(upload))] if upload.committed else []
        for start_ms, end_ms in without(whole, hidden(upload, tombstones)):
            self.starts.append(_moment(clock, start_ms, start_ms))
            self.ends.append(_moment(clock, end_ms, end_ms - 1))
            self.civil_days.update(stay.civil_day for stay in stays(clock, start_ms, end_ms))


def _moment(clock: Clock, elapsed_ms: int, as_at_ms: int) -> Moment:
    """Return when an elapsed time is, by the offset that the clock had at another."""
    if clock.floating:
        return Moment(None, clock.axis_ms + elapsed_ms)
    stretch = next(clock.stretches(as_at_ms, as_at_ms + 1))
    return Moment(clock.axis_ms + elapsed_ms, clock.civil_ms(stretch, elapsed_ms))


def _joined(row: SourceMetricRow, streamed: _Streamed) -> SourceMetric:
    return SourceMetric(
        metric=row.metric,
        source=row.source,
        sample_count=row.sample_count,
        upload_count=streamed.upload_count,
        series_sample_count=streamed.sample_count,
        first_start=_first([row.first_start, *streamed.starts]),
        last_end=_last([row.last_end, *streamed.ends]),
        last_write_time=row.last_write_time,
        civil_days=row.civil_days | streamed.civil_days,
    )


def _summed(metric: str, rows: Sequence[SourceMetric]) -> MetricKnown:
    return MetricKnown(
        metric=metric,
        sample_count=sum(row.sample_count for row in rows),
        series_sample_count=sum(row.series_sample_count for row in rows),
        source_count=sum(1 for row in rows if row.sample_count or row.series_sample_count),
        first_start=_first(row.first_start for row in rows),
        last_end=_last(row.last_end for row in rows),
        last_write_time=max((row.last_write_time for row in rows if row.last_write_time is not None), default=None),
        day_count=len(frozenset[int]().union(*(row.civil_days for row in rows))),
    )


def _first(moments: Iterable[Moment | None]) -> Moment | None:
    """Return the first moment: an instant where one is known, else civil time, which nobody can compare with it."""
    known = [moment for moment in moments if moment is not None]
    return min(known, key=lambda moment: (moment.floating, moment.axis_ms), default=None)


def _last(moments: Iterable[Moment | None]) -> Moment | None:
    known = [moment for moment in moments if moment is not None]
    return max(known, key=lambda moment: (not moment.floating, moment.axis_ms), default=None)
