"""Derive Days and Analyses: the worker's verbs. What is due stands in the store; no upload asks for anything here."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from clarity_server.domain.analysis import Analysis, State
from clarity_server.domain.civil import as_date
from clarity_server.domain.days import Day
from clarity_server.domain.errors import Busy, ClarityError, StoreFull, StoreUnavailable
from clarity_server.domain.reach import clock_of
from clarity_server.domain.series import ClosingKind, Source
from clarity_server.flows.describe import (
    Model,
    analysis_id,
    analysis_of,
    day_of,
    failed_analysis,
    failed_day,
    is_whole,
    method_of,
)
from clarity_server.flows.grid import WINDOW_DAYS, Grid, Reels, Track, day_grid, empty_grid, window_grid
from clarity_server.flows.results import (
    analysis_as_made,
    seal_analysis,
    seal_day,
    seal_result,
    unseal_analysis,
    unseal_day,
)
from clarity_server.ports import (
    Analyses,
    DayKey,
    DueDay,
    DueResult,
    DueWindow,
    Keys,
    Look,
    PutDay,
    PutResult,
    Series,
    StoredAnalysis,
    WindowKey,
    Windows,
)
from clarity_server.rhythm.week import Method

PAGE = 32
PAGE_WITH_MODEL = 8  # of windows: PAT-L takes a fifth of a second for each, and nobody should wait long for their turn
SETTLE_S = 20.0
WINDOWS_OF_DAY = range(-7, 2)
"""Where the windows begin, counted from a civil day, of which it holds a minute or a minute of their context."""

Failing = Callable[[Callable[[], None]], bool]
"""Runs a derivation and tells whether it failed unexpectedly; the boundary provides it."""


@dataclass(slots=True)
class Analyze:
    """The verbs, over their ports. `model` is the one that answers, None where there is none."""

    series: Series
    analyses: Analyses
    windows: Windows
    keys: Keys
    failing: Failing
    model: Model | None = None
    settle_s: float = SETTLE_S

    # ---- days --------------------------------------------------------------------------------------------------------

    def derive_day_results(self) -> int:
        """Derive a page of the Days that uploads wait for; return how many there were."""
        due = self.analyses.due_results(ClosingKind.DAY, PAGE)
        if due:
            tracks = self._tracks(due)
            wanted = [(track, _one_day(one.closing.civil_day)) for track, one in zip(tracks, due, strict=True)]
            reels = Reels(self.series, self.keys, wanted)
            self.analyses.put_results(
                [self._day_result(one, track, reels) for one, track in zip(due, tracks, strict=True)]
            )
        return len(due)

    def _day_result(self, due: DueResult, track: Track, reels: Reels) -> PutResult:
        key = DayKey(track.account_id, track.metric, track.source, due.closing.civil_day)
        made: list[PutResult] = []

        def derive() -> None:
            grid = day_grid(reels.parts(track, _one_day(key.civil_day), due.change), key.civil_day, due.upload_id)
            day = day_of(key, grid or self._emptied(due), closed=True)
            made.append(PutResult(due, self._sealed_result(due, day)))

        def give_up() -> None:
            made.append(PutResult(due, self._sealed_result(due, failed_day(key)), failed=True))

        if self._fails(derive) and self._fails(give_up):
            return PutResult(due, b"", failed=True)  # blocks what follows: the key itself is gone
        return made[-1]

    def _sealed_result(self, due: DueResult, day: Day) -> bytes:
        key = self.keys.data_key(due.account_id)
        return seal_result(key, due.account_id, due.upload_id, due.closing.number, day)

    def derive_days(self, account_id: str | None = None) -> int:
        """Derive a page of touched days, of one account or of all; return how many there were."""
        due = self.analyses.due_days(PAGE, account_id)
        if due:
            wanted = [(_track(one.key), _one_day(one.key.civil_day)) for one in due]
            reels = Reels(self.series, self.keys, wanted)
            self.analyses.put_days([self._touched_day(one, reels) for one in due])
        return len(due)

    def _touched_day(self, due: DueDay, reels: Reels) -> PutDay:
        made: list[PutDay] = []

        def derive() -> None:
            closed = self.analyses.is_closed(due.key)
            day, data_key = self._day(due.key, reels, closed=closed), self.keys.data_key(due.key.account_id)
            before = self.analyses.day(due.key)
            changed = (before and unseal_day(data_key, due.key, before)) != day
            body = b"" if day is None else seal_day(data_key, due.key, day)
            windows = [due.key.civil_day + shift for shift in WINDOWS_OF_DAY] if changed else ()
            made.append(PutDay(due, body, closed, windows=tuple(windows)))

        if self._fails(derive):
            return PutDay(due, b"", closed=False, failed=True)
        return made[-1]

    def settle(self, account_id: str) -> None:
        """Derive all touched days of an account, so that a reader sees what is committed. Raises Busy in the end."""
        deadline = time.monotonic() + self.settle_s
        while self.derive_days(account_id):
            if time.monotonic() > deadline:
                raise Busy("derivation of days")

    def _day(self, key: DayKey, reels: Reels, *, closed: bool) -> Day | None:
        """Derive a Day from what is committed; None where there is no sample of it."""
        grid = day_grid(reels.parts(_track(key), _one_day(key.civil_day)), key.civil_day)
        return None if grid is None else day_of(key, grid, closed=closed)

    # ---- windows -----------------------------------------------------------------------------------------------------

    def derive_window_results(self) -> int:
        """Derive a page of the Analyses that uploads wait for; return how many there were."""
        due = self.analyses.due_results(ClosingKind.WINDOW, self._windows_page)
        if due:
            tracks = self._tracks(due)
            keys = [
                WindowKey(track.account_id, track.metric, track.source, one.closing.civil_day)
                for track, one in zip(tracks, due, strict=True)
            ]
            reels = self._reels(keys)
            made = [self._window_result(one, key, reels) for one, key in zip(due, keys, strict=True)]
            stored = [analysis for analysis, _ in made if analysis is not None and not analysis.number]
            self.windows.put(stored, touch=True)  # an upload's own clock may make another week than the source has
            self.analyses.put_results([put for _, put in made])
        return len(due)

    def _window_result(self, due: DueResult, key: WindowKey, reels: Reels) -> tuple[StoredAnalysis | None, PutResult]:
        def derive() -> StoredAnalysis:
            parts = reels.parts(_track(key), _window_days(key), due.change)
            grid = window_grid(parts, key.civil_day, due.upload_id)
            return self._analysed(key, grid or self._emptied(due), Method())

        made = self._or_failed(key, f"{due.upload_id} {due.closing.number}", derive)
        if made is None:
            return None, PutResult(due, b"", failed=True)
        made = replace(made, deletion=due.deletion)
        return made, PutResult(due, made.analysis_id.encode(), failed=made.state is State.FAILED)

    def derive_windows(self) -> int:
        """Look at a page of touched windows, and analyse those that are whole; return how many there were."""
        due = self.windows.due_windows(self._windows_page)
        if due:
            reels = self._reels([one.key for one in due])
            looks = [self._touched_window(one, reels) for one in due]
            fresh = [(look.current, look.due) for look in looks if look.current is not None and not look.current.number]
            self.windows.put([replace(current, deletion=due.deletion) for current, due in fresh])
            self.windows.settle(looks)
        return len(due)

    def _touched_window(self, due: DueWindow, reels: Reels) -> Look:
        found: list[Look] = []

        def derive() -> None:
            last = DayKey(*_names(due.key), due.key.civil_day + WINDOW_DAYS - 2)
            closed = self.analyses.is_closed(last)
            grid = _window(reels, due.key) if closed or self._is_known(due.key) else None
            whole = grid is not None and closed and is_whole(grid)
            current = self._analysed(due.key, grid, Method()) if grid is not None and whole else None
            found.append(Look(due, current, "" if grid is None else grid.digest))

        if self._fails(derive):
            return Look(due, self._or_failed(due.key, f"touch {due.touch}", None), None)
        return found[-1]

    def _is_known(self, key: WindowKey) -> bool:
        """Tell whether there is any analysis of a window."""
        day = as_date(key.civil_day)
        after = (key.civil_day, key.source.device, key.source.app, "")
        found = self.windows.list(key.account_id, key.metric, (day, day + timedelta(days=1)), after, 1)
        return bool(found) and found[0].key == key

    def derive_analyses(self) -> int:
        """Run a page of the analyses that were asked for; return how many there were."""
        due = self.windows.due_analyses(self._windows_page)
        if due:
            reels = self._reels([one.key for one in due])
            for one in due:
                self._asked(one, reels)
        return len(due)

    def _asked(self, due: StoredAnalysis, reels: Reels) -> None:
        made: list[StoredAnalysis] = []

        def derive() -> None:
            asked = unseal_analysis(self.keys.data_key(due.key.account_id), due)
            grid = _window(reels, due.key)
            if grid is None:  # what was asked for had samples, and they were deleted
                made.append(replace(due, state=State.SUPERSEDED))
                return
            found = self._analysed(due.key, grid, method_of(asked.parameters))
            # It may have been superseded, and be current again.
            made.append(replace(found, state=State.SUCCEEDED, deletion=due.deletion))
            if found.analysis_id != due.analysis_id:  # newer data came while it waited, or another model
                made.append(replace(due, state=State.SUPERSEDED))

        if self._fails(derive):
            made = [replace(due, state=State.FAILED)]
        self.windows.put(made, touch=True)  # data may have come meanwhile

    def _analysed(self, key: WindowKey, grid: Grid, method: Method) -> StoredAnalysis:
        """Return the Analysis of this grid as it is stored, or make it."""
        known = self.windows.get(key.account_id, analysis_id(key, grid, method, self.model))
        if known is not None and (known.state is State.SUCCEEDED or self._has_numbers(known)):
            return known
        return self._sealed(key, analysis_of(key, grid, method, self.model))

    def _has_numbers(self, known: StoredAnalysis) -> bool:
        """Tell whether one that was superseded had been analysed: it may have been queued until then."""
        if known.state is not State.SUPERSEDED:
            return False
        return analysis_as_made(self.keys.data_key(known.key.account_id), known).state is State.SUCCEEDED

    def _sealed(self, key: WindowKey, analysis: Analysis) -> StoredAnalysis:
        return seal_analysis(self.keys.data_key(key.account_id), key, analysis)

    def _or_failed(
        self, key: WindowKey, why: str, derive: Callable[[], StoredAnalysis] | None
    ) -> StoredAnalysis | None:
        """Derive, or return the Analysis that says it failed; None where even that cannot be sealed."""
        made: list[StoredAnalysis] = []
        if derive is not None and not self._fails(lambda: made.append(derive())):
            return made[0]
        failed = self._fails(lambda: made.append(self._sealed(key, failed_analysis(key, why))))
        return None if failed else made[0]

    @property
    def _windows_page(self) -> int:
        return PAGE if self.model is None else PAGE_WITH_MODEL

    def _emptied(self, due: DueResult) -> Grid:
        """Return the grid of a result of which every sample was deleted since it closed."""
        upload, closing = self.series.upload(due.account_id, due.upload_id), due.closing
        known = [move for move in upload.offset_changes if move.first_sample < closing.end_sample]
        clock = clock_of(upload.descriptor, known)
        return empty_grid(clock, closing.civil_day, window=closing.kind is ClosingKind.WINDOW)

    # ---- for both ----------------------------------------------------------------------------------------------------

    def _tracks(self, due: Sequence[DueResult]) -> list[Track]:
        """Return what each result is about, as its upload was opened."""
        names = {(one.account_id, one.upload_id) for one in due}
        descriptors = {name: self.series.upload(*name).descriptor for name in names}
        return [
            Track(one.account_id, (told := descriptors[one.account_id, one.upload_id]).metric, told.source)
            for one in due
        ]

    def _reels(self, keys: Sequence[WindowKey]) -> Reels:
        return Reels(self.series, self.keys, [(_track(key), _window_days(key)) for key in keys])

    def _fails(self, derive: Callable[[], None]) -> bool:
        """Run a derivation and tell whether it failed for good; what only has to wait for the store flies."""
        waits: list[ClarityError] = []

        def attempt() -> None:
            with _waiting(waits):
                derive()

        failed = self.failing(attempt)
        if waits:
            raise waits[0]
        return failed


@contextmanager
def _waiting(waits: list[ClarityError]) -> Iterator[None]:
    """Keep what only has to wait out of the boundary's log."""
    try:
        yield
    except (Busy, StoreFull, StoreUnavailable) as why:
        waits.append(why)


def _names(key: DayKey | WindowKey) -> tuple[str, str, Source]:
    return (key.account_id, key.metric, key.source)


def _track(key: DayKey | WindowKey) -> Track:
    return Track(*_names(key))


def _one_day(civil_day: int) -> range:
    return range(civil_day, civil_day + 1)


def _window_days(key: WindowKey) -> range:
    return range(key.civil_day, key.civil_day + WINDOW_DAYS)


def _window(reels: Reels, key: WindowKey) -> Grid | None:
    return window_grid(reels.parts(_track(key), _window_days(key)), key.civil_day)
