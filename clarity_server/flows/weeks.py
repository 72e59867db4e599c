"""Weeks: ask for an Analysis, find it, and hear of new ones."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from clarity_server.domain import metrics, paging
from clarity_server.domain.analysis import Analysis, State
from clarity_server.domain.civil import EPOCH_DATE
from clarity_server.domain.errors import (
    AnalysisNotFound,
    InvalidInput,
    PageTokenInvalid,
    ResumeTokenInvalid,
    TimeKindWrong,
    WindowNotFound,
)
from clarity_server.domain.metrics import ACTIVITY_COUNTS
from clarity_server.domain.series import Source
from clarity_server.flows.describe import DEFAULT_METHOD, Model, analysis_id, queued
from clarity_server.flows.grid import WINDOW_DAYS, Grid, Reels, Track, window_grid
from clarity_server.flows.ingest import clock_of
from clarity_server.flows.results import analysis_as_made, seal_analysis, unseal_analysis
from clarity_server.ports import Keys, Requests, Series, StoredAnalysis, WindowKey, Windows
from clarity_server.rhythm.sleep import SCORERS
from clarity_server.rhythm.wear import DETECTORS
from clarity_server.rhythm.week import Method

__all__ = ["DEFAULT_METHOD", "Weeks", "method"]

PAGE = 20
PAGE_MAX = 100
WATCH_PAGE = 16  # what each watcher may hold in memory
QUEUED_MAX = 100  # of an account
REQUEST_KEEP_S = 24 * 3600.0


def method(wear: str, sleep: str, rescoring: bool) -> Method:  # noqa: FBT001  as the contract has it
    """Return how minutes are to be judged; an empty name is the default. Raises InvalidInput."""
    wrong = {
        f"parameters__{field}": f"is not one of {', '.join(known)}"
        for field, name, known in (("wear", wear, DETECTORS), ("sleep", sleep, SCORERS))
        if name and name not in known
    }
    if wrong:
        raise InvalidInput(**wrong)
    default = Method()
    return Method(wear or default.wear, sleep or default.sleep, rescoring=rescoring)


@dataclass(frozen=True, slots=True)
class Weeks:
    """The verbs, over their ports."""

    series: Series
    windows: Windows
    requests: Requests
    keys: Keys
    clock: Callable[[], float]  # seconds since 1970
    wake: Callable[[], None]  # tells the worker that something waits
    model: Model | None = None

    def start(
        self, account_id: str, metric: str, source: Source | None, day: date, method: Method, request_id: str
    ) -> Analysis:
        """Return the Analysis of a week as it stands, queued now unless it is there.

        Raises MetricUnknown, InvalidInput, WindowNotFound, TimeKindWrong, RequestIdReused, Busy.
        """
        metric = _with_days(metric)
        deletion = self.series.newest_deletion(account_id)  # before anything is read that may be deleted meanwhile
        key = WindowKey(account_id, metric, self._source(account_id, metric, source), (day - EPOCH_DATE).days)
        grid = self._grid(key)
        name = analysis_id(key, grid, method, self.model)
        if request_id:
            said = json.dumps([metric, key.source.device, key.source.app, key.civil_day, str(method)])
            scope, digest = f"start-analysis:{account_id}", hashlib.sha256(said.encode()).digest()
            first = self.requests.first(scope, request_id, digest, name, now=self.clock(), keep_s=REQUEST_KEEP_S)
            answered = None if first == name else self.windows.get(account_id, first)
            if answered is not None:  # the data has changed since: the first answer is still the answer
                return unseal_analysis(self.keys.data_key(account_id), answered)
            # Where there is none, the queue was full then, and nothing has been answered.
        data_key = self.keys.data_key(account_id)
        known = self.windows.get(account_id, name)
        if known is None or not _answers(data_key, known):
            asked = seal_analysis(data_key, key, queued(key, grid, method, self.model))
            known = self.windows.queue(replace(asked, deletion=deletion), QUEUED_MAX, known)
            self.wake()
        return unseal_analysis(data_key, self._in_force(known))

    def get(self, account_id: str, analysis_id: str) -> Analysis:
        """Find an Analysis. Raises AnalysisNotFound."""
        found = self.windows.get(account_id, analysis_id)
        if found is None:
            raise AnalysisNotFound
        return unseal_analysis(self.keys.data_key(account_id), found)

    def list(
        self,
        account_id: str,
        metric: str,
        dates: tuple[date | None, date | None],
        superseded: bool,  # noqa: FBT001  as the contract has it
        page_size: int,
        token: str,
    ) -> tuple[Sequence[Analysis], str, int]:
        """Return a page of Analyses, the next token, and how many weeks wait. Raises PageTokenInvalid."""
        metric = _with_days(metric)
        query = ("analyses", account_id, metric, *dates, superseded)
        key = self.keys.derived("page-token")
        after = paging.position(key, query, token)
        size = min(page_size or PAGE, PAGE_MAX)
        place = None if after is None else (int(after[0]), str(after[1]), str(after[2]), str(after[3]))
        # Counted first: where none waits, what is listed after that is settled. The other way round it may be older.
        waiting = self.windows.waiting_count(account_id)
        rows = self.windows.list(account_id, metric, dates, place, size + 1, superseded=superseded)
        page = rows[:size]
        following = paging.page_token(key, query, _place(page[-1])) if len(rows) > size else ""
        return self._unsealed(account_id, page), following, waiting

    def since(self, account_id: str, resume_token: str) -> tuple[Sequence[tuple[Analysis, str]], int]:
        """Return Analyses that came or changed after a token, each with the token after it, and how many weeks wait.

        At most a page, oldest change first. Raises ResumeTokenInvalid.
        """
        key, query = self.keys.derived("page-token"), ("watch", account_id)
        try:
            after = paging.position(key, query, resume_token)
        except PageTokenInvalid as why:
            raise ResumeTokenInvalid from why
        waiting = self.windows.waiting_count(account_id)  # first, as in `list`
        rows = self.windows.since(account_id, int(after[0]) if after else 0, WATCH_PAGE)
        tokens = [paging.page_token(key, query, [row.number]) for row in rows]
        return list(zip(self._unsealed(account_id, rows), tokens, strict=True)), waiting

    def _in_force(self, known: StoredAnalysis) -> StoredAnalysis:
        """Return what is known of the data as it is now; where newer data had superseded it, it succeeds again."""
        if known.state is not State.SUPERSEDED:
            return known
        self.windows.put([replace(known, state=State.SUCCEEDED)], touch=True)
        self.wake()
        return self.windows.get(known.key.account_id, known.analysis_id) or known

    def _unsealed(self, account_id: str, rows: Sequence[StoredAnalysis]) -> Sequence[Analysis]:
        data_key = self.keys.data_key(account_id) if rows else b""
        return [unseal_analysis(data_key, row) for row in rows]

    def _source(self, account_id: str, metric: str, source: Source | None) -> Source:
        """Return the source that is meant. Raises WindowNotFound, InvalidInput, TimeKindWrong."""
        uploads = [one for one in self.series.uploads(account_id, metric) if one.committed]
        sources = {one.descriptor.source for one in uploads if source in {None, one.descriptor.source}}
        if not sources:
            raise WindowNotFound
        if len(sources) > 1:
            named = ", ".join(sorted(f"{one.device} {one.app}".rstrip() for one in sources))
            raise InvalidInput(source=f"is required, for there are several: {named}")
        (found,) = sources
        theirs = [clock_of(one.descriptor, one.offset_changes) for one in uploads if one.descriptor.source == found]
        if all(clock.known_from_ms is None for clock in theirs):
            raise TimeKindWrong(f"no recording of {metric} has civil times: their offset from UTC is not known")
        return found

    def _grid(self, key: WindowKey) -> Grid:
        track = Track(key.account_id, key.metric, key.source)
        days = range(key.civil_day, key.civil_day + WINDOW_DAYS)
        grid = window_grid(Reels(self.series, self.keys, [(track, days)]).parts(track, days), key.civil_day)
        if grid is None:
            raise WindowNotFound
        return grid


def _answers(data_key: bytes, known: StoredAnalysis) -> bool:
    """Tell whether nothing has to be computed: one that was superseded while it was queued has no numbers."""
    if known.state is State.SUPERSEDED:
        return analysis_as_made(data_key, known).state is State.SUCCEEDED
    return known.state is not State.FAILED


def _with_days(metric: str) -> str:
    """Return the metric that is meant. Raises MetricUnknown, InvalidInput."""
    metric = metric or ACTIVITY_COUNTS
    if not metrics.find(metric).has_days:
        raise InvalidInput(metric=f"has no weeks; {ACTIVITY_COUNTS} has")
    return metric


def _place(row: StoredAnalysis) -> Sequence[str | int]:
    source = row.key.source
    return [row.key.civil_day, source.device, source.app, row.analysis_id]
