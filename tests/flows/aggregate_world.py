"""Sums over a real store: samples put into it, and an aggregate read to its end."""

import time
from collections.abc import Sequence
from dataclasses import replace

from clarity_server.domain.buckets import Bucket
from clarity_server.domain.civil import MINUTE_MS
from clarity_server.domain.samples import Coded, Moment, Sample, SourceSetting
from clarity_server.domain.series import Source
from clarity_server.flows.aggregate import Aggregate, Query
from clarity_server.flows.samples import SampleSeal
from clarity_server.ports import Written
from tests.flows.upload_world import ACCOUNT, UploadWorld

HOUR_MS = 60 * MINUTE_MS
WATCH = Source("watch", "app")
PHONE = Source("phone", "app")


def aggregate(uploads: UploadWorld) -> Aggregate:
    store = uploads.store
    return Aggregate(store.samples, store.series, store.sources, uploads.read, store.keys)


def buckets(uploads: UploadWorld, query: Query, account_id: str = ACCOUNT, page_size: int = 0) -> list[Bucket]:
    """All buckets of a query, page after page."""
    found, token = list[Bucket](), ""
    while True:
        page = aggregate(uploads).page(account_id, query, page_size, token)
        found += page.buckets
        token = page.token
        if not token:
            return found


def put(uploads: UploadWorld, samples: Sequence[Sample], account_id: str = ACCOUNT) -> None:
    """Store samples, as WriteSamples does."""
    seal = SampleSeal(account_id, uploads.store.keys.data_key(account_id))
    for low in range(0, len(samples), 1000):
        writes = [Written(seal.seal(sample)) for sample in samples[low : low + 1000]]
        uploads.store.samples.write(account_id, writes, None, time.time())


def believe(uploads: UploadWorld, *settings: SourceSetting, account_id: str = ACCOUNT) -> None:
    for setting in settings:
        uploads.store.sources.put(account_id, setting)


def sample(
    metric: str,
    source: Source,
    name: str,
    start: Moment,
    value: float | str,
    duration_ms: int = 0,
) -> Sample:
    """A sample of a value or a code; its end has the offset of its start."""
    end = None
    if duration_ms:
        end = Moment(
            None if start.instant_ms is None else start.instant_ms + duration_ms,
            None if start.civil_ms is None else start.civil_ms + duration_ms,
        )
    told = Coded(value) if isinstance(value, str) else float(value)
    return Sample(metric, source, name, 0, start, end, told)


def instant(ms: int, offset_s: int | None = 0) -> Moment:
    """An instant, with the offset of the person's clock or without."""
    return Moment(ms, None if offset_s is None else ms + offset_s * 1000)


def floating(ms: int) -> Moment:
    return Moment(None, ms)


def bare(bucket: Bucket) -> Bucket:
    return replace(bucket, shares=())
