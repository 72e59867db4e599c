"""A mirror: what somebody has who only ever saw the feed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from clarity_server.domain.samples import Sample, Tombstone
from clarity_server.domain.series import Descriptor
from clarity_server.flows.feed import Feed, FeedPage, FinishedTold, PartTold, SampleGone, SampleTold, Told
from clarity_server.ports import SeriesDeletion
from tests.flows.upload_world import ACCOUNT, Recording, UploadWorld


@dataclass
class MirroredUpload:
    """An upload as its parts tell it."""

    descriptor: Descriptor
    values: dict[int, bytes] = field(default_factory=dict)  # by sample
    offsets_ms: dict[int, int] = field(default_factory=dict)
    moves: dict[int, int] = field(default_factory=dict)
    total: int | None = None

    def take(self, part: PartTold) -> None:
        assert part.descriptor == self.descriptor
        width = part.descriptor.sample_bytes
        for place in range(len(part.values) // width):
            self.values[part.first_sample + place] = part.values[place * width : (place + 1) * width]
            if part.offsets_ms is not None:
                self.offsets_ms[part.first_sample + place] = int(part.offsets_ms[place])
        self.moves.update((move.first_sample, move.utc_offset_s) for move in part.offset_changes)

    def recording(self, upload_id: str) -> Recording:
        """The same as a client would send it; no sample may be missing."""
        assert sorted(self.values) == list(range(len(self.values)))
        offsets = [self.offsets_ms[place] for place in sorted(self.offsets_ms)]
        return Recording(
            upload_id,
            self.descriptor,
            b"".join(self.values[place] for place in sorted(self.values)),
            np.asarray(offsets, dtype=np.int64) if offsets else None,
            tuple(sorted(self.moves.items())),
        )


@dataclass
class Mirror:
    """Applies pages in order. Checks that numbers come without a gap, and none after a higher one."""

    samples: dict[str, Sample] = field(default_factory=dict)
    gone: dict[str, SampleGone] = field(default_factory=dict)
    uploads: dict[str, MirroredUpload] = field(default_factory=dict)
    tombstones: list[Tombstone] = field(default_factory=list)
    told_number: int = 0
    token: str = ""

    def follow(self, feed: Feed, page_size: int = 0, account_id: str = ACCOUNT) -> bool:
        """Ask for a page and apply it; tell whether there is more."""
        page = feed.page(account_id, None, self.token, page_size)
        self.apply(page)
        self.token = page.next_token
        return page.has_more

    def catch_up(self, feed: Feed, page_size: int = 0, account_id: str = ACCOUNT) -> None:
        while self.follow(feed, page_size, account_id):
            pass

    def apply(self, page: FeedPage) -> None:
        at = self.told_number
        for told in page.changes:
            assert told.number in {at, at + 1}, "no gap, and in order"
            assert told.number > self.told_number
            at = told.number
            self._apply(told)
        assert page.told_number in {at, at - 1}, "a page may end within a number"
        self.told_number = page.told_number

    def _apply(self, told: Told) -> None:
        match told.what:
            case SampleTold(sample_id, sample):
                self.samples[sample_id] = sample
                self.gone.pop(sample_id, None)
            case SampleGone(sample_id) as gone:
                self.samples.pop(sample_id, None)
                self.gone[sample_id] = gone
            case PartTold(upload_id, descriptor) as part:
                self.uploads.setdefault(upload_id, MirroredUpload(descriptor)).take(part)
            case FinishedTold(upload_id, total):
                self.uploads[upload_id].total = total
            case Tombstone() as tombstone:
                if tombstone not in self.tombstones:
                    self.tombstones.append(tombstone)
            case None:
                pass

    def of_metric(self, *metrics: str) -> dict[str, Sample]:
        return {sample_id: one for sample_id, one in self.samples.items() if one.metric in metrics}

    def rebuild(self, other: UploadWorld) -> None:
        """Bring what the mirror has of series into another store."""
        for upload_id, upload in self.uploads.items():
            other.upload(upload.recording(upload_id), finish=False)
        series = other.store.series
        if self.tombstones:
            series.delete(SeriesDeletion(ACCOUNT, tuple(self.tombstones), (), series.change_count(ACCOUNT)))


def numbers(told: Sequence[Told]) -> list[int]:
    return [one.number for one in told]
