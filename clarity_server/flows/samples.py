"""Discrete samples: judged and stored one by one, listed, and those that were put aside."""

import itertools
import logging
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from clarity_server.domain import content, metrics, paging
from clarity_server.domain.civil import FAR_MS, TimeKind, TimeRange
from clarity_server.domain.errors import InvalidInput, StoreDamaged, TimeKindWrong
from clarity_server.domain.ids import ID_BYTES, keyed_digest, spelled
from clarity_server.domain.metrics import Kind
from clarity_server.domain.samples import Fault, Outcome, Reason, Sample, sample_id
from clarity_server.domain.sealing import Cipher
from clarity_server.domain.sent import METRIC_CHARS_MAX, SOURCE_CHARS_MAX, Sent, examine
from clarity_server.domain.series import Source
from clarity_server.ports import Kept, Keys, Samples, StoredFault, StoredSample, Written

LIST_PAGE = 100
LIST_PAGE_MAX = 1000
QUARANTINE_PAGE = 100
QUARANTINE_PAGE_MAX = 1000
QUARANTINE_BYTES_MAX = 3 * 1024 * 1024  # of bodies in a page that has more than one
REQUEST_KEEP_S = 24 * 3600.0
TEXT_BYTES = struct.Struct("<I")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A sample that was put aside: why, the message as it was sent, and when it came."""

    quarantine_id: str
    fault: Fault
    raw: bytes
    time: float


class SampleSeal:
    """Packs an account's samples into stored ones and back: the one place that does."""

    def __init__(self, account_id: str, data_key: bytes) -> None:
        """Take whose they are, and the account's data key."""
        self._account_id = account_id
        self._cipher = Cipher(data_key)
        self._digest_key = content.digest_key(data_key)

    def seal(self, sample: Sample) -> StoredSample:
        """Pack and seal a sample."""
        packed = content.pack(sample)
        sample_name = sample_id(self._account_id, sample.metric, sample.source, sample.client_record_id)
        row = StoredSample(
            account_id=self._account_id,
            sample_id=sample_name,
            metric=sample.metric,
            source=sample.source,
            version=sample.version,
            start=sample.start,
            duration_ms=sample.duration_ms,
            digest=content.digest(self._digest_key, sample.metric, sample.source, packed),
            body=b"",
        )
        return replace(row, body=self._cipher.seal(packed, row.name))

    def open(self, stored: StoredSample) -> Sample:
        """Open a sample that is not deleted. Raises StoreDamaged."""
        packed = self._cipher.unseal(stored.body, stored.name)
        try:
            sample = content.unpack(packed, stored.metric, stored.source, stored.version)
        except ValueError as why:
            raise StoreDamaged(piece=stored.name) from why
        if sample.start != stored.start or sample.duration_ms != stored.duration_ms:  # it would be listed elsewhere
            raise StoreDamaged(piece=stored.name)
        return sample

    def open_whole(self, stored: StoredSample) -> Sample | None:
        """Open a sample that is not deleted, or name it in the log where it is damaged: it costs no other its place."""
        try:
            return self.open(stored)
        except StoreDamaged as why:
            log.error("a sample is damaged piece=%s", why.facts["piece"])  # noqa: TRY400  no trace: it is ours
            return None

    def put_aside(self, sent: Sent, fault: Fault, now: float) -> StoredFault:
        """Seal a sample that cannot be taken, with what is wrong with it."""
        source = Source(sent.device[:SOURCE_CHARS_MAX], sent.app[:SOURCE_CHARS_MAX])
        row = StoredFault(
            account_id=self._account_id,
            quarantine_id=self._quarantine_id(sent, fault),
            metric=sent.metric[:METRIC_CHARS_MAX],
            source=source,
            start=sent.start,
            reason=fault.reason,
            time=now,
            body=b"",
        )
        text = fault.text.encode()
        return replace(row, body=self._cipher.seal(TEXT_BYTES.pack(len(text)) + text + sent.raw, row.name))

    def opened_fault(self, stored: StoredFault) -> Quarantined:
        """Open a sample that was put aside; of one that is damaged the reason is left."""
        try:
            packed = self._cipher.unseal(stored.body, stored.name)
        except StoreDamaged as why:
            log.error("a sample put aside is damaged piece=%s", why.facts["piece"])  # noqa: TRY400  no trace: it is ours
            fault = Fault(stored.reason, "what was sent is damaged in the store: send it again, or delete it")
            return Quarantined(stored.quarantine_id, fault, b"", stored.time)
        at = TEXT_BYTES.size + TEXT_BYTES.unpack_from(packed)[0]
        fault = Fault(stored.reason, packed[TEXT_BYTES.size : at].decode())
        return Quarantined(stored.quarantine_id, fault, packed[at:], stored.time)

    def _quarantine_id(self, sent: Sent, fault: Fault) -> str:
        """Return the sample's id, or where its identity is invalid, one that the same message has again."""
        if fault.reason is not Reason.IDENTITY_INVALID:
            return sample_id(self._account_id, sent.metric, Source(sent.device, sent.app), sent.client_record_id)
        # Keyed: a bare digest of a short message can be guessed.
        return spelled(keyed_digest(self._digest_key, sent.raw.hex())[:ID_BYTES])


def seal_sample(data_key: bytes, account_id: str, sample: Sample) -> StoredSample:
    """Pack and seal one sample; of many, one SampleSeal."""
    return SampleSeal(account_id, data_key).seal(sample)


def open_sample(data_key: bytes, stored: StoredSample) -> Sample:
    """Open one sample; of many, one SampleSeal. Raises StoreDamaged."""
    return SampleSeal(stored.account_id, data_key).open(stored)


@dataclass(frozen=True, slots=True)
class Collect:
    """The verbs, over their ports. All block."""

    samples: Samples
    keys: Keys
    clock: Callable[[], float] = time.time  # seconds since 1970

    def write(self, account_id: str, sent: Sequence[Sent], request_id: str, body_digest: bytes) -> Sequence[Outcome]:
        """Judge and store samples, durably; return what became of each, in the order sent.

        A repeat under the same request_id gets the first answer. Raises RequestIdReused, QuarantineFull, StoreFull.
        """
        now = self.clock()
        seal = SampleSeal(account_id, self.keys.create_data_key(account_id))
        writes = [_written(seal, one, now) for one in sent]
        kept = Kept(f"write-samples:{account_id}", request_id, body_digest, now, REQUEST_KEEP_S) if request_id else None
        return self.samples.write(account_id, writes, kept, now)

    def list(
        self,
        account_id: str,
        metric: str,
        source: Source | None,
        span: TimeRange | None,
        page_size: int,
        token: str,
    ) -> tuple[Sequence[tuple[str, Sample | None]], str]:
        """Return a page of (sample_id, sample) by start and id, None for one that is damaged, and the next token.

        The part of a correlation lists the correlations, too. Raises MetricUnknown, InvalidInput, PageTokenInvalid;
        TimeKindWrong when there are samples, but none with this kind of time.
        """
        if metrics.find(metric).kind is Kind.SERIES:
            raise InvalidInput(metric=f"{metric} is a series: ReadSeries reads it")
        query = ("samples", account_id, metric, source, span)
        key = self.keys.derived("page-token")
        after = paging.position(key, query, token)
        place = None if after is None else (int(after[0]), int(after[1]), str(after[2]))
        size = min(page_size or LIST_PAGE, LIST_PAGE_MAX)
        wanted = with_wholes(metric)
        rows = self.samples.list(account_id, wanted, source, span, place, size + 1)
        if not rows and place is None and span is not None:
            self._check_kind(account_id, wanted, source, span.kind)
        page = rows[:size]
        following = paging.page_token(key, query, _place(page[-1], span)) if len(rows) > size else ""
        return self._opened(account_id, page), following

    def quarantined(self, account_id: str, page_size: int, token: str) -> tuple[Sequence[Quarantined], str, int]:
        """Return a page of what was put aside, the newest first, the next token, and how many there are in all.

        Raises PageTokenInvalid.
        """
        query = ("quarantine", account_id)
        key = self.keys.derived("page-token")
        before = paging.position(key, query, token)
        size = min(page_size or QUARANTINE_PAGE, QUARANTINE_PAGE_MAX)
        rows = self.samples.faults(account_id, int(before[0]) if before else None, size + 1)
        page = rows[:size]
        held = itertools.accumulate(len(row.body) for row in page)
        page = page[: max(1, sum(bytes_so_far <= QUARANTINE_BYTES_MAX for bytes_so_far in held))]
        following = paging.page_token(key, query, [page[-1].place]) if len(rows) > len(page) else ""
        seal = SampleSeal(account_id, self.keys.data_key(account_id)) if page else None
        found = [seal.opened_fault(row) for row in page] if seal else []
        return found, following, self.samples.fault_count(account_id)

    def _opened(self, account_id: str, rows: Sequence[StoredSample]) -> Sequence[tuple[str, Sample | None]]:
        if not rows:
            return []
        seal = SampleSeal(account_id, self.keys.data_key(account_id))
        return [(row.sample_id, seal.open_whole(row)) for row in rows]

    def _check_kind(self, account_id: str, wanted: frozenset[str], source: Source | None, kind: TimeKind) -> None:
        """Demand that some sample has this kind of time, where there are samples. Raises TimeKindWrong."""
        ever = TimeRange(kind, -FAR_MS, FAR_MS)
        if self.samples.list(account_id, wanted, source, ever, None, 1):
            return
        if self.samples.list(account_id, wanted, source, None, None, 1):
            raise TimeKindWrong(f"no sample of {', '.join(sorted(wanted))} has {kind} time; all have the other kind")


def with_wholes(metric: str) -> frozenset[str]:
    """Return a metric and, where it is a part of a correlation, that one."""
    whole = metrics.wholes().get(metric)
    return frozenset({metric} if whole is None else {metric, whole})


def _written(seal: SampleSeal, sent: Sent, now: float) -> Written:
    judged = examine(sent, int(now * 1000))
    if isinstance(judged, Fault):
        return Written(seal.put_aside(sent, judged, now), judged)
    return Written(seal.seal(judged))


def _place(row: StoredSample, span: TimeRange | None) -> tuple[int, int, str]:
    """Return where a sample stands in its list."""
    if span is None:
        return (int(row.start.floating), row.start.axis_ms, row.sample_id)
    ms = row.start.civil_ms if span.kind is TimeKind.CIVIL else row.start.instant_ms
    assert ms is not None, "it was found by this kind of time"
    return (0, ms, row.sample_id)
