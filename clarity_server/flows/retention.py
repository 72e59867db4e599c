"""Retention: how long an account's data is kept, for ever unless it says otherwise, and the deleting after that."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from clarity_server.domain.civil import DAY_MS, EPOCH_DATE, YEAR_MIN, TimeKind, TimeRange
from clarity_server.domain.samples import Wanted
from clarity_server.flows.remove import Remove
from clarity_server.ports import Retentions

FOR_EVER = 0
KEEP_DAYS_MIN = 30
KEEP_DAYS_MAX = 36_500
BEGINNING_MS = (date(YEAR_MIN, 1, 1) - EPOCH_DATE).days * DAY_MS - DAY_MS  # of all time, by any offset
TURN_SAMPLES = 10_000  # about, deleted of an account in one turn


@dataclass(frozen=True, slots=True)
class Retain:
    """The verbs, over their ports. All block."""

    retentions: Retentions
    remove: Remove
    failing: Callable[[Callable[[], object]], bool]  # runs a job, tells whether it failed
    clock: Callable[[], float] = time.time  # seconds since 1970
    turn_samples: int = TURN_SAMPLES
    _done: dict[str, Sequence[Wanted]] = field(default_factory=dict)  # what nothing is left of, by account

    def get(self, account_id: str) -> int:
        """Return for how many days after its observation data is kept; 0 for ever."""
        return self.retentions.get(account_id)

    def set(self, account_id: str, keep_days: int, *, validate_only: bool) -> tuple[int, int]:
        """Say it anew, or only ask; return the days that are in force, and how much is older than `keep_days` now."""
        older = sum(self.remove.counted(account_id, wanted).total for wanted in self._older(keep_days))
        if not validate_only:
            self.retentions.put(account_id, keep_days)
            self._done.pop(account_id, None)
        return self.retentions.get(account_id), older

    def run_due(self) -> int:
        """Delete what accounts keep no longer, of each a bounded part; return how much that was.

        What is older than so many days is told once a day: in between, nothing is looked at again.
        """
        return sum(self._tried(account_id, keep_days) for account_id, keep_days in self.retentions.all())

    def _tried(self, account_id: str, keep_days: int) -> int:
        """Try with one account, so that the others do not wait for it; what fails is tried again."""
        deleted = list[int]()
        self.failing(lambda: deleted.append(self._swept(account_id, keep_days)))
        return sum(deleted)

    def _swept(self, account_id: str, keep_days: int) -> int:
        older = self._older(keep_days)
        if self._done.get(account_id) == older:
            return 0
        found = [self.remove.sweep(account_id, wanted, self.turn_samples) for wanted in older]
        if not any(removed.samples + removed.quarantined >= self.turn_samples for removed in found):
            self._done[account_id] = older
        return sum(removed.total for removed in found)

    def _older(self, keep_days: int) -> Sequence[Wanted]:
        """Say what is older than so many days, as of the last midnight (UTC): never too early, and once a day."""
        if keep_days == FOR_EVER:
            return []
        until = (int(self.clock() * 1000) // DAY_MS - keep_days) * DAY_MS
        # A clock may be behind UTC by less than a day: what nobody knows the instant of is kept that much longer.
        floating = TimeRange(TimeKind.CIVIL, BEGINNING_MS, until - DAY_MS)
        return [
            Wanted(range=TimeRange(TimeKind.INSTANT, BEGINNING_MS, until)),
            Wanted(range=floating, floating=True),
        ]
