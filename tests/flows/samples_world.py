"""A small world for discrete samples: the verbs over a real store, and samples as a client sends them."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from clarity_server.domain.samples import Coded, Moment, Outcome, Sample, Verdict
from clarity_server.domain.sent import Sent, SentQuantity
from clarity_server.domain.series import Source
from clarity_server.flows.deleted import Deletions
from clarity_server.flows.feed import Feed, FeedPage, Told
from clarity_server.flows.remove import Remove
from clarity_server.flows.retention import Retain
from clarity_server.flows.samples import Collect
from clarity_server.flows.sources import Known
from tests.contracts.worlds import local
from tests.flows.upload_world import ACCOUNT, UploadWorld, flies

SCALE = Source("scale", "app")
NOON_MS = 1_690_000_000_000  # some 116 days before the world's clock
HOUR_MS = 3_600_000

SentValue: TypeAlias = float | str | tuple[float, float] | None


def at(ms: int, utc_offset_s: int = 7200) -> Moment:
    """A moment of which both times are known."""
    return Moment(ms, ms + utc_offset_s * 1000)


def sent(
    record: str,
    value: SentValue = 60.0,
    *,
    metric: str = "",
    source: Source = SCALE,
    version: int = 0,
    start: Moment | None = None,
    end: Moment | None = None,
    unit: str = "/min",
    raw: bytes = b"raw",
) -> Sent:
    """A heart rate, for a text a sleep stage, for two numbers a blood pressure."""
    return Sent(
        metric=metric or _metric(value),
        device=source.device,
        app=source.app,
        client_record_id=record,
        version=version,
        start=start or at(NOON_MS),
        end=end,
        time_fault="",
        value=_value(value, unit),
        raw=raw,
    )


def _metric(value: SentValue) -> str:
    if isinstance(value, str):
        return "sleep_stage"
    return "blood_pressure" if isinstance(value, tuple) else "heart_rate"


def _value(value: SentValue, unit: str) -> SentQuantity | Coded | tuple[tuple[str, SentQuantity], ...] | None:
    if isinstance(value, str):
        return Coded(value, "as the vendor says")
    if isinstance(value, tuple):
        names = ("blood_pressure_systolic", "blood_pressure_diastolic")
        return tuple((name, SentQuantity(one, "mm[Hg]")) for name, one in zip(names, value, strict=True))
    return None if value is None else SentQuantity(value, unit)


def whole(sample: Sample | None) -> Sample:
    """A sample that is not damaged."""
    assert sample is not None
    return sample


@dataclass
class SamplesWorld(UploadWorld):
    """The verbs over one store."""

    @property
    def collect(self) -> Collect:
        return Collect(self.store.samples, self.store.keys, self.store.clock)

    @property
    def feed(self) -> Feed:
        return Feed(self.store.changes, self.store.series, self.store.keys)

    @property
    def deletions(self) -> Deletions:
        return Deletions(self.store.series, self.store.keys, lambda: self.woken.append(None))

    @property
    def remove(self) -> Remove:
        return Remove(self.store.samples, self.deletions, self.store.requests, self.store.clock)

    @property
    def known(self) -> Known:
        store = self.store
        return Known(store.samples, store.sources, store.series, store.changes, store.keys)

    def retain(self, turn_samples: int = 10_000) -> Retain:
        return Retain(self.store.retentions, self.remove, flies, self.store.clock, turn_samples)

    def write(self, *several: Sent, account_id: str = ACCOUNT, request_id: str = "") -> Sequence[Outcome]:
        said = hashlib.sha256(repr(several).encode()).digest()
        return self.collect.write(account_id, several, request_id, said)

    def verdicts(self, *several: Sent) -> list[Verdict]:
        return [outcome.verdict for outcome in self.write(*several)]

    def listed(
        self, metric: str = "heart_rate", account_id: str = ACCOUNT, page_size: int = 0
    ) -> list[tuple[str, Sample]]:
        """All samples of a metric, page after page."""
        found, token = list[tuple[str, Sample]](), ""
        while True:
            page, token = self.collect.list(account_id, metric, None, None, page_size, token)
            found += [(sample_id, whole(sample)) for sample_id, sample in page]
            if not token:
                return found

    def told(self, metrics: frozenset[str] | None = None, page_size: int = 0, feed: Feed | None = None) -> list[Told]:
        """All changes, page after page."""
        return [one for page in self.pages(metrics, page_size, feed) for one in page.changes]

    def pages(
        self, metrics: frozenset[str] | None = None, page_size: int = 0, feed: Feed | None = None
    ) -> list[FeedPage]:
        pages, token = list[FeedPage](), ""
        while True:
            pages.append((feed or self.feed).page(ACCOUNT, metrics, token, page_size))
            token = pages[-1].next_token
            if not pages[-1].has_more:
                return pages


@contextmanager
def samples_world(root: Path) -> Iterator[SamplesWorld]:
    """Open the world under a directory."""
    with local(root) as store:
        store.keys.create_data_key(ACCOUNT)
        yield SamplesWorld(store)
