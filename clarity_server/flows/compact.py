"""Compact: one segment in the place of many small ones, and deleted samples off the disk. No answer changes."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from clarity_server.domain import sealing, segments
from clarity_server.domain.errors import StoreDamaged, UploadNotFound
from clarity_server.domain.reach import Elapsed, clock_of, hidden, without
from clarity_server.domain.segments import Plain
from clarity_server.domain.series import Descriptor, Segment
from clarity_server.flows.deleted import blanked, hidden_samples
from clarity_server.flows.ingest import open_segment
from clarity_server.flows.intake import BATCH_BYTES_MAX
from clarity_server.ports import Keys, Series

RUNS = 64  # joined at a time, each into one segment of at most a batch
LOOKS_MAX = 4  # at the store, for segments to join
REWRITTEN_MAX = 256  # segments purged at a time
UPLOADS_PAGE = 64

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Compact:
    """The verbs, over their ports. Safe beside readers, writers, and other processes that do the same."""

    series: Series
    keys: Keys
    bytes_max: int = BATCH_BYTES_MAX  # of values and offsets in a joined segment
    _after: tuple[str, str, int, str] | None = field(default=None, init=False)
    _purged: tuple[str, str] | None = field(default=None, init=False)

    def run_due(self) -> int:
        """Do a bounded part of what there is to do; return how many segments were purged or are fewer now."""
        return self.purge(REWRITTEN_MAX) + self.run(RUNS)

    def run(self, limit: int) -> int:
        """Join about `limit` runs of neighbouring segments; return how many segments there are fewer now.

        Looks at a bounded part of the store, and goes on there the next time.
        """
        joined = done = 0
        for _ in range(LOOKS_MAX):
            found = self.series.scattered(self._after, limit - done, self.bytes_max)
            joined += sum(_tried(self._join, *run) for run in found.runs)
            done += len(found.runs)
            self._after = found.after
            if self._after is None or done >= limit:
                break
        return joined

    def purge(self, limit: int) -> int:
        """Blank deleted samples of finished uploads on the disk; return how many segments were written anew.

        At most `limit` of them; the next call goes on there. What an upload that is not finished has is compared with
        what its client has sent when it is: until then it stays.
        """
        written = 0
        while written < limit:
            found = self.series.unpurged(self._purged, UPLOADS_PAGE)
            for account_id, upload_id, deletion in found:
                written += _tried(self._purge, account_id, upload_id, deletion, limit - written)
                if written >= limit:
                    return written
                self._purged = (account_id, upload_id)
            if not found:
                self._purged = None  # from the beginning, the next time
                break
        return written

    def _join(self, account_id: str, upload_id: str, first: int, end: int) -> int:
        """Join the segments of samples [first, end); return by how many there are fewer."""
        descriptor = self.series.upload(account_id, upload_id).descriptor
        found = list(self.series.segments(account_id, upload_id, first, end))
        if len(found) <= 1 or not _is_run(found, first, end):  # somebody was here first
            return 0
        key = self.keys.data_key(account_id)
        plain = _joined([open_segment(key, segment) for segment in found])
        whole = replace(found[0], count=end - first, end_ms=found[-1].end_ms)
        return len(found) - 1 if self.series.join(self._sealed(whole, descriptor, plain), found) else 0

    def _purge(self, account_id: str, upload_id: str, deletion: int, limit: int) -> int:
        """Blank an upload's deleted samples; return how many segments were written anew, at most `limit`."""
        upload = self.series.upload(account_id, upload_id)
        descriptor = upload.descriptor
        axis_ms = clock_of(descriptor, upload.offset_changes).axis_ms
        deleted = hidden(upload, self.series.tombstones(account_id, descriptor.metric))
        written = 0
        for segment in self.series.segments(account_id, upload_id, 0, upload.committed):
            inside = (segment.start_ms - axis_ms, segment.end_ms - axis_ms)
            if without([inside], deleted) == [inside]:
                continue
            blank = self._blanked(segment, descriptor, deleted)
            if blank is None:
                continue
            if written >= limit or not self.series.join(blank, [segment]):
                return written
            written += 1
        self.series.purged(account_id, upload_id, deletion)
        return written

    def _blanked(self, segment: Segment, descriptor: Descriptor, deleted: Sequence[Elapsed]) -> Segment | None:
        """Return a segment without what is deleted of it; None where there is nothing of that."""
        plain = open_segment(self.keys.data_key(segment.account_id), segment)
        mask = hidden_samples(descriptor, deleted, segment, plain)
        blank = blanked(descriptor, plain, mask) if mask.any() else plain
        return None if blank.values == plain.values else self._sealed(segment, descriptor, blank)

    def _sealed(self, segment: Segment, descriptor: Descriptor, plain: Plain) -> Segment:
        body = segments.encode(plain, descriptor.encoding, descriptor.channels)
        key = self.keys.data_key(segment.account_id)
        return replace(segment, body=sealing.seal(key, body, segment.key))


def _tried(verb: Callable[..., int], account_id: str, upload_id: str, *more: int) -> int:
    """Go on beside what is damaged, or erased meanwhile: whoever reads it is told."""
    try:
        return verb(account_id, upload_id, *more)
    except (StoreDamaged, UploadNotFound) as why:
        log.warning("not compacted: account=%s upload=%s error=%s", account_id, upload_id, type(why).__name__)
        return 0


def _is_run(found: Sequence[Segment], first: int, end: int) -> bool:
    """Tell whether segments are neighbours within one storage day that make up samples [first, end)."""
    at = first
    for segment in found:
        if segment.first_sample != at or segment.day != found[0].day:
            return False
        at += segment.count
    return at == end


def _joined(parts: Sequence[Plain]) -> Plain:
    offsets = [part.offsets_ms for part in parts if part.offsets_ms is not None]
    return Plain(b"".join(part.values for part in parts), np.concatenate(offsets) if offsets else None)
