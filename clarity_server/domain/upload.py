"""An upload as a value: what was received, what is committed, and what a further chunk means."""

from dataclasses import dataclass, replace

from clarity_server.domain.errors import SequenceGap, TotalMismatch, UploadFinished

Span = tuple[int, int]
"""A run of sample positions, [start, end)."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a chunk came to: the upload after it, the samples to compare, and the samples that are new."""

    upload: "Upload"
    verify: Span
    fresh: Span


@dataclass(frozen=True, slots=True)
class Upload:
    """Counts samples: 0 <= committed <= received."""

    received: int = 0
    committed: int = 0
    finished: bool = False

    def accept(self, first_sample: int, count: int) -> Accepted:
        """Split a chunk of `count` samples at `first_sample` into those seen before and those that are new.

        Nothing seen before is dropped here: the caller compares `verify` bit for bit first.
        Raises SequenceGap when the chunk starts beyond what was received, UploadFinished when it brings anything new.
        """
        end = first_sample + count
        if first_sample > self.received:
            raise SequenceGap(expected=self.received, received=first_sample)
        if self.finished and end > self.received:
            raise UploadFinished
        seen = min(end, self.received)
        after = replace(self, received=max(end, self.received))
        return Accepted(after, verify=(first_sample, seen), fresh=(seen, end))

    def commit(self, committed: int) -> "Upload":
        """Move the committed count forward; it never passes what was received and never falls."""
        assert self.committed <= committed <= self.received, (self, committed)
        return replace(self, committed=committed)

    def finish(self, total: int) -> "Upload":
        """Close the upload. Raises TotalMismatch unless exactly `total` samples are committed."""
        if total != self.committed:
            raise TotalMismatch(expected=self.committed, received=total)
        return replace(self, finished=True)
