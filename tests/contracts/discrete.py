"""Small samples to write: contents are any bytes, as sealed ones are to a store."""

from collections.abc import Sequence
from dataclasses import replace

from clarity_server.domain.civil import MINUTE_MS
from clarity_server.domain.samples import Fault, Moment, Outcome, Reason, sample_id
from clarity_server.domain.series import Source
from clarity_server.ports import Kept, Samples, StoredFault, StoredSample, Written
from tests.contracts.recordings import ACCOUNT

METRIC = "heart_rate"
SCALE = Source("scale", "app")
NOW = 1_700_000_000.25


def known(instant_ms: int, utc_offset_s: int = 3600) -> Moment:
    """A moment whose instant and civil time are known."""
    return Moment(instant_ms, instant_ms + utc_offset_s * 1000)


def instant(instant_ms: int) -> Moment:
    """A moment of which only the instant is known."""
    return Moment(instant_ms, None)


def floating(civil_ms: int) -> Moment:
    """A moment of which only the civil time is known."""
    return Moment(None, civil_ms)


def sample(
    record: str,
    start: Moment | None = None,
    *,
    version: int = 0,
    content: str = "",
    minutes: int = 0,
    metric: str = METRIC,
    source: Source = SCALE,
    account_id: str = ACCOUNT,
) -> StoredSample:
    """A sample of this client_record_id; equal contents have equal digests."""
    told = content or f"of {record}"
    return StoredSample(
        account_id=account_id,
        sample_id=sample_id(account_id, metric, source, record),
        metric=metric,
        source=source,
        version=version,
        start=start or known(0),
        duration_ms=minutes * MINUTE_MS,
        digest=told.encode().ljust(32, b"."),
        body=f"sealed: {told} {version}".encode(),
    )


def aside(
    of: StoredSample, reason: Reason = Reason.OUT_OF_BOUNDS, *, time: float = NOW, text: str = "why"
) -> StoredFault:
    """The same sample, but bad."""
    body = f"sealed: {text}".encode()
    return StoredFault(of.account_id, of.sample_id, of.metric, of.source, of.start, reason, time, body)


def fault(of: StoredSample, reason: Reason = Reason.OUT_OF_BOUNDS, *, text: str = "why") -> Written:
    """The same sample, but bad, as it is written."""
    return Written(aside(of, reason, text=text), Fault(reason, text))


def wrote(samples: Samples, *writes: StoredSample | Written, kept: Kept | None = None) -> Sequence[Outcome]:
    """Write good and bad ones in one call, of the account of the first."""
    listed = [one if isinstance(one, Written) else Written(one) for one in writes]
    return samples.write(listed[0].put.account_id, listed, kept, NOW)


def numbered(one: StoredSample, number: int) -> StoredSample:
    """The sample as the store has it once it was in this change."""
    return replace(one, number=number)


def deleted(one: StoredSample, number: int) -> StoredSample:
    """The sample as the store has it once it was deleted by this change."""
    return replace(one, deleted=True, body=b"", number=number)
