"""Remove: count what is to be deleted, delete it, and let all follow that was derived from it."""

import json
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass

from clarity_server.domain import metrics
from clarity_server.domain.civil import FAR_MS, TimeRange
from clarity_server.domain.errors import CountChanged, SampleNotFound, TimeKindWrong
from clarity_server.domain.samples import Wanted
from clarity_server.flows.deleted import Deletions, Plan
from clarity_server.ports import Requests, Samples

DELETE_PAGE = 1000  # samples in one transaction
FAULTS_PAGE = 100
REQUEST_KEEP_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Removed:
    """What was deleted, or would be, and how many civil days are derived again."""

    samples: int = 0
    series_samples: int = 0
    quarantined: int = 0
    days: int = 0

    @property
    def observed(self) -> int:
        """Of that what has a time."""
        return self.samples + self.series_samples

    @property
    def total(self) -> int:
        """All that is deleted."""
        return self.observed + self.quarantined


@dataclass(frozen=True, slots=True)
class Remove:
    """The verbs, over their ports. All block."""

    samples: Samples
    deletions: Deletions
    requests: Requests
    clock: Callable[[], float] = time.time  # seconds since 1970

    def count(self, account_id: str, wanted: Wanted) -> Removed:
        """Count what `remove` would delete now.

        Raises MetricUnknown, SampleNotFound; TimeKindWrong where nothing of what is named has this kind of time.
        """
        return self._expected(account_id, wanted, None)[0]

    def remove(
        self, account_id: str, wanted: Wanted, expected: int | None, request_id: str, body_digest: bytes
    ) -> Removed:
        """Delete, page by page; return what was deleted. All that is derived follows.

        What was cut short is finished by the same call again. A repeat under the same request_id gets the first answer
        and deletes nothing that came since. Raises CountChanged before anything is deleted, RequestIdReused, and what
        `count` raises.
        """
        if not request_id:
            return self._deleted(account_id, wanted, self._expected(account_id, wanted, expected)[1])
        replay = _Replay(self.requests, account_id, request_id, body_digest, self.clock())
        answered = replay.done()
        if answered is not None:
            return answered
        begun = replay.begun()
        if begun is not None:
            self._finish(account_id, wanted)
            return replay.finish(begun)
        counted, plan = self._expected(account_id, wanted, expected)
        replay.begin(counted)
        return replay.finish(self._deleted(account_id, wanted, plan))

    def metrics_of(self, account_id: str, sample_ids: Collection[str]) -> frozenset[str]:
        """Return the metrics of samples and of what was put aside, as far as the catalogue has them."""
        known = {row.sample_id: row.metric for row in self.samples.get(account_id, sample_ids)}
        known |= self._metrics_aside(account_id, set(sample_ids) - set(known))
        return frozenset(known.values()) & frozenset(metrics.catalogue())

    def counted(self, account_id: str, wanted: Wanted) -> Removed:
        """Count, whatever kind of time there is."""
        return self._counted(account_id, wanted)[0]

    def sweep(self, account_id: str, wanted: Wanted, limit: int) -> Removed:
        """Delete series, and at most about `limit` samples: for who comes again until nothing is deleted."""
        return self._deleted(account_id, wanted, self.deletions.plan(account_id, wanted), limit)

    def _expected(self, account_id: str, wanted: Wanted, expected: int | None) -> tuple[Removed, Plan]:
        """Count, and compare with what the caller expects. Raises CountChanged, and what `count` raises."""
        assert wanted != Wanted(), "all there is goes only with the account"
        for metric in sorted(wanted.metrics or ()):
            metrics.find(metric)
        counted, plan = self._counted(account_id, wanted)
        if not counted.total and wanted.range is not None:
            self._check_kind(account_id, wanted, wanted.range)
        if expected is not None and counted.total != expected:
            raise CountChanged(expected, counted.total)
        return counted, plan

    def _counted(self, account_id: str, wanted: Wanted) -> tuple[Removed, Plan]:
        plan = self.deletions.plan(account_id, wanted)
        counts = self.samples.count(account_id, wanted)
        return Removed(counts.samples, plan.sample_count, counts.quarantined, plan.day_count), plan

    def _check_kind(self, account_id: str, wanted: Wanted, span: TimeRange) -> None:
        """Demand that something has this kind of time, where there is something. Raises TimeKindWrong."""
        ever = Wanted(metrics=wanted.metrics, source=wanted.source, range=TimeRange(span.kind, -FAR_MS, FAR_MS))
        always = Wanted(metrics=wanted.metrics or frozenset(metrics.catalogue()), source=wanted.source)
        if not self.counted(account_id, ever).observed and self.counted(account_id, always).observed:
            raise TimeKindWrong(f"nothing of what is named has {span.kind} time; all has the other kind")

    def _finish(self, account_id: str, wanted: Wanted) -> None:
        """Delete what a call before has left."""
        try:
            self._deleted(account_id, wanted, self.deletions.plan(account_id, wanted))
        except SampleNotFound:
            # All were there when it began, and ids go at once: those that were put aside are gone.
            assert wanted.sample_ids, "only ids can be unknown"

    def _deleted(self, account_id: str, wanted: Wanted, plan: Plan, limit: int | None = None) -> Removed:
        """Delete; series first, of which the plan is as old as the count."""
        self.deletions.carry_out(plan)
        samples = quarantined = 0
        while limit is None or samples + quarantined < limit:
            page = self.samples.delete(account_id, wanted, DELETE_PAGE)
            samples, quarantined = samples + page.samples, quarantined + page.quarantined
            if wanted.sample_ids or not page.samples + page.quarantined:
                break
        return Removed(samples, plan.sample_count, quarantined, plan.day_count)

    def _metrics_aside(self, account_id: str, quarantine_ids: Collection[str]) -> dict[str, str]:
        found, before = dict[str, str](), None
        while len(found) < len(quarantine_ids):
            page = self.samples.faults(account_id, before, FAULTS_PAGE)
            if not page:
                break
            found |= {row.quarantine_id: row.metric for row in page if row.quarantine_id in quarantine_ids}
            before = page[-1].place
        return found


@dataclass(frozen=True, slots=True)
class _Replay:
    """What is kept under a request_id: what was counted when the deletion began, and its answer when it was done."""

    requests: Requests
    account_id: str
    request_id: str
    body_digest: bytes
    now: float

    def done(self) -> Removed | None:
        """Return the answer of a deletion that was done."""
        return self._found(f"delete-samples-done:{self.account_id}")

    def begun(self) -> Removed | None:
        """Return what was counted when a deletion began that was not done."""
        return self._found(f"delete-samples:{self.account_id}")

    def begin(self, counted: Removed) -> None:
        """Keep what was counted: from now on a repeat finishes this deletion."""
        self._first(f"delete-samples:{self.account_id}", counted)

    def finish(self, removed: Removed) -> Removed:
        """Keep the answer; return the first one."""
        return self._first(f"delete-samples-done:{self.account_id}", removed)

    def _found(self, scope: str) -> Removed | None:
        found = self.requests.find(scope, self.request_id, self.body_digest, now=self.now)
        return None if found is None else Removed(**json.loads(found))

    def _first(self, scope: str, removed: Removed) -> Removed:
        told = json.dumps(asdict(removed))
        keep = {"now": self.now, "keep_s": REQUEST_KEEP_S}
        return Removed(**json.loads(self.requests.first(scope, self.request_id, self.body_digest, told, **keep)))
