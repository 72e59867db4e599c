"""Small recordings to commit: one sample a minute, the body any bytes, as sealed ones are to a store."""

import os
from collections.abc import Sequence
from dataclasses import replace

from clarity_server.domain.civil import DAY_MS, MINUTE_MS, Start, StartKind
from clarity_server.domain.series import Append, Closing, Descriptor, Encoding, Receipt, Segment, Source, StoredUpload
from clarity_server.ports import Series

ACCOUNT = "a" * 26
STRANGER = "b" * 26
DAY_SAMPLES = DAY_MS // MINUTE_MS
START = Start(StartKind.FLOATING, 0)
RECORDING = Descriptor("activity_counts_1min", Source("wrist", "app"), START, MINUTE_MS, Encoding.FLOAT32)


def append(
    stored: StoredUpload,
    count: int = 60,
    *,
    body: bytes | None = None,
    days: Sequence[int] = (),
    closings: Sequence[Closing] = (),
    account_id: str = ACCOUNT,
) -> Append:
    """The next samples of an upload as an append of one segment."""
    first, end = stored.committed, stored.committed + count
    after = replace(
        stored,
        committed=end,
        crc32c=stored.crc32c + 1,
        value_samples=stored.value_samples + count,
        result_count=stored.result_count + len(closings),
    )
    segments = (segment(stored, first, count, body=body, account_id=account_id),) if count else ()
    return Append(account_id, stored, after, segments, tuple(days), tuple(closings))


def segment(
    stored: StoredUpload, first: int, count: int, *, body: bytes | None = None, account_id: str = ACCOUNT
) -> Segment:
    """Samples of an upload as a segment of random content."""
    start_ms = stored.descriptor.start.ms + first * MINUTE_MS
    return Segment(
        account_id=account_id,
        metric=stored.descriptor.metric,
        day=start_ms // DAY_MS,
        upload_id=stored.upload_id,
        first_sample=first,
        count=count,
        start_ms=start_ms,
        end_ms=start_ms + count * MINUTE_MS,
        body=os.urandom(100) if body is None else body,
    )


def committed(series: Series, one: Append) -> StoredUpload:
    """Commit an append and return the upload after it."""
    series.commit(one)
    return one.after


def receipt(stored: StoredUpload, more_results: int = 0) -> Receipt:
    """A receipt that balances."""
    total, values = stored.committed, stored.value_samples
    return Receipt(total, values, total - values, b"\x05" * 32, stored.crc32c, stored.result_count + more_results)
