"""Stores with a mistake in them, each over the real one: what the histories have to find."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from clarity_server.domain.civil import TimeRange
from clarity_server.domain.samples import Fault, Held, Outcome, Verdict, Wanted, judge
from clarity_server.domain.series import Source
from clarity_server.ports import (
    Kept,
    SampleCounts,
    Samples,
    SourceMetricRow,
    Speaker,
    StoredFault,
    StoredSample,
    Written,
)
from tests.histories.playing import Store
from tests.histories.verdict import ROWS_MAX

FORGET_ROW = "DELETE FROM samples WHERE account_id = ? AND sample_id = ?"
FORGET_VERSION = "UPDATE samples SET version = 0 WHERE account_id = ? AND sample_id = ? AND deleted"
RENUMBER = "UPDATE samples SET number = number + 1000 WHERE account_id = ? AND number = ?"


@dataclass
class Passing:
    """Passes everything on to the real store."""

    store: Store

    @property
    def samples(self) -> Samples:
        return self.store.samples

    def write(self, account_id: str, writes: Sequence[Written], kept: Kept | None, now: float) -> Sequence[Outcome]:
        return self.samples.write(account_id, writes, kept, now)

    def get(self, account_id: str, sample_ids: Collection[str]) -> Sequence[StoredSample]:
        return self.samples.get(account_id, sample_ids)

    def list(
        self,
        account_id: str,
        metrics: Collection[str],
        source: Source | None,
        span: TimeRange | None,
        after: tuple[int, int, str] | None,
        limit: int,
    ) -> Sequence[StoredSample]:
        return self.samples.list(account_id, metrics, source, span, after, limit)

    def faults(self, account_id: str, before: int | None, limit: int) -> Sequence[StoredFault]:
        return self.samples.faults(account_id, before, limit)

    def fault_count(self, account_id: str) -> int:
        return self.samples.fault_count(account_id)

    def speakers(
        self, account_id: str, metrics: Collection[str], source: Source | None, span: TimeRange
    ) -> Sequence[Speaker]:
        return self.samples.speakers(account_id, metrics, source, span)

    def count(self, account_id: str, wanted: Wanted) -> SampleCounts:
        return self.samples.count(account_id, wanted)

    def delete(self, account_id: str, wanted: Wanted, limit: int) -> SampleCounts:
        return self.samples.delete(account_id, wanted, limit)

    def summary(self, account_id: str, metrics: Collection[str] | None) -> Sequence[SourceMetricRow]:
        return self.samples.summary(account_id, metrics)

    def change(self, statement: str, bindings: tuple[object, ...]) -> None:
        self.store.database.write(lambda connection: connection.execute(statement, bindings).close())


class JudgesFirst(Passing):
    """Reads, judges, and only then writes: what came in between is overwritten."""

    def write(self, account_id: str, writes: Sequence[Written], kept: Kept | None, now: float) -> Sequence[Outcome]:
        if kept is not None:
            return super().write(account_id, writes, kept, now)
        return [self._write(account_id, written, now) for written in writes]

    def _write(self, account_id: str, written: Written, now: float) -> Outcome:
        put = written.put
        if not isinstance(put, StoredSample):
            return super().write(account_id, [written], None, now)[0]
        row = next(iter(self.get(account_id, [put.sample_id])), None)
        held = None if row is None else Held(row.version, row.digest, row.deleted)
        verdict = judge(held, put.version, put.digest)
        if verdict not in {Verdict.STORED, Verdict.REPLACED}:
            return super().write(account_id, [written], None, now)[0]
        self.change(FORGET_ROW, (account_id, put.sample_id))
        return replace(super().write(account_id, [written], None, now)[0], verdict=verdict)


class WritesOneByOne(Passing):
    """Writes each sample of a call in a transaction of its own."""

    def write(self, account_id: str, writes: Sequence[Written], kept: Kept | None, now: float) -> Sequence[Outcome]:
        if kept is not None:
            return super().write(account_id, writes, kept, now)
        return [super(WritesOneByOne, self).write(account_id, [written], None, now)[0] for written in writes]


class ForgetsVersions(Passing):
    """A delete does not keep the version."""

    def delete(self, account_id: str, wanted: Wanted, limit: int) -> SampleCounts:
        counts = super().delete(account_id, wanted, limit)
        for sample_id in wanted.sample_ids:
            self.change(FORGET_VERSION, (account_id, sample_id))
        return counts


class ForgetsSamples(Passing):
    """A delete leaves nothing at all."""

    def delete(self, account_id: str, wanted: Wanted, limit: int) -> SampleCounts:
        counts = super().delete(account_id, wanted, limit)
        for sample_id in wanted.sample_ids:
            self.change(FORGET_ROW, (account_id, sample_id))
        return counts


class ForgetsRequests(Passing):
    """Judges a repeated request again."""

    def write(self, account_id: str, writes: Sequence[Written], kept: Kept | None, now: float) -> Sequence[Outcome]:
        del kept
        return super().write(account_id, writes, None, now)


@dataclass
class Remembers(Passing):
    """Keeps what it read for the next who asks, however old."""

    found: dict[tuple[str, frozenset[str]], Sequence[StoredSample]] = field(default_factory=dict)

    def get(self, account_id: str, sample_ids: Collection[str]) -> Sequence[StoredSample]:
        place = (account_id, frozenset(sample_ids))
        if place not in self.found:
            self.found[place] = super().get(account_id, sample_ids)
        return self.found[place]


class KeepsFaults(Passing):
    """A good sample does not clear the bad one of its id."""

    def write(self, account_id: str, writes: Sequence[Written], kept: Kept | None, now: float) -> Sequence[Outcome]:
        before = self.faults(account_id, None, ROWS_MAX)
        outcomes = super().write(account_id, writes, kept, now)
        after = {one.quarantine_id for one in self.faults(account_id, None, ROWS_MAX)}
        lost = [Written(one, Fault(one.reason, "")) for one in before if one.quarantine_id not in after]
        super().write(account_id, lost, None, now)
        return outcomes


class AnswersEarly(Passing):
    """Says that samples are deleted before they are."""

    def delete(self, account_id: str, wanted: Wanted, limit: int) -> SampleCounts:
        counts = super().count(account_id, wanted)
        super().delete(account_id, wanted, limit)
        return counts


class Renumbers(Passing):
    """Gives a replaced sample a number that is not its own."""

    def write(self, account_id: str, writes: Sequence[Written], kept: Kept | None, now: float) -> Sequence[Outcome]:
        outcomes = super().write(account_id, writes, kept, now)
        if any(one.verdict is Verdict.REPLACED for one in outcomes):
            self.change(RENUMBER, (account_id, self.store.changes.newest(account_id)))
        return outcomes


MISTAKES = {
    "it judges before it writes": JudgesFirst,
    "a write of several is several writes": WritesOneByOne,
    "a delete forgets the version": ForgetsVersions,
    "a delete forgets the sample": ForgetsSamples,
    "a repeated request is judged again": ForgetsRequests,
    "what is put aside stays so": KeepsFaults,
    "a reader sees what it saw before": Remembers,
    "a delete answers what it counted before": AnswersEarly,
    "a number is another's": Renumbers,
}
