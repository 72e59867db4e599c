"""The workers: days never wait for a model, a failure stops nobody, and stopping ends both."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clarity_server.domain.analysis import Output, State
from clarity_server.domain.civil import DAY_MS, Start, StartKind
from clarity_server.domain.days import CONTEXT_AFTER_MINUTES
from clarity_server.domain.errors import StoreFull
from clarity_server.flows.analyze import Analyze
from clarity_server.server.boundary import failing
from clarity_server.server.worker import Worker
from tests.flows.test_windows import Adding
from tests.flows.upload_world import ACCOUNT, COUNTS, Recording, UploadWorld, float32, fresh_account, upload_world
from tests.strategies import counts

WEEK = 7 * 1440 + CONTEXT_AFTER_MINUTES
SOON_S = 30  # how long a test waits for what comes at once, before it fails


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[UploadWorld]:
    """A world with nothing in it, closed at the end."""
    with upload_world(tmp_path) as opened:
        yield opened


def recording(size: int, upload_id: str = "u") -> Recording:
    minutes = np.nan_to_num(counts(1, size), nan=50.0)
    descriptor = replace(COUNTS, start=Start(StartKind.FLOATING, 19_812 * DAY_MS))
    return Recording(upload_id, descriptor, float32(minutes))


def upload(uploads: UploadWorld, made: Recording, account_id: str = ACCOUNT) -> None:
    uploads.upload(made, account_id, step=20_000)


def weeks(uploads: UploadWorld, account_id: str = ACCOUNT) -> list[State]:
    return [one.state for one, _ in uploads.weeks.since(account_id, "")[0]]


@dataclass
class News:
    """Who is told of new results, and can wait for them."""

    told: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self) -> None:
        with self.told:
            self.told.notify_all()

    def wait_for(self, what: Callable[[], object]) -> None:
        """Look whenever there is news, and now and then: a touched Day is none."""
        for _ in range(10 * SOON_S):
            with self.told:
                if what():
                    return
                self.told.wait(0.1)
        raise AssertionError("it did not come")


@dataclass
class Slow(Adding):
    """A model that reads a week only once it may."""

    may: threading.Event = field(default_factory=threading.Event)
    reading: threading.Event = field(default_factory=threading.Event)

    def read(self, scaled: NDArray[np.float32]) -> Output:
        self.reading.set()
        assert self.may.wait(SOON_S)
        return super().read(scaled)


@contextmanager
def working(analyze: Analyze, news: News) -> Iterator[Worker]:
    """A worker that has begun, and ends."""
    worker = Worker(replace(analyze, failing=failing), news)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def lanes() -> list[str]:
    return sorted(one.name for one in threading.enumerate() if one.name.startswith("worker-"))


def test_days_and_weeks_come_once_the_worker_is_woken(uploads: UploadWorld) -> None:
    news = News()
    with working(uploads.analyze, news) as worker:
        upload(uploads, recording(WEEK))
        worker.wake()
        news.wait_for(lambda: len(uploads.all_results("u")) == 9)
        news.wait_for(lambda: uploads.store.windows.waiting_count(ACCOUNT) == 0)
        news.wait_for(lambda: not uploads.store.analyses.due_days(1))
    assert weeks(uploads) == [State.SUCCEEDED]


def test_what_was_due_before_it_began_is_derived_without_being_woken(uploads: UploadWorld) -> None:
    upload(uploads, recording(WEEK))
    news = News()
    with working(uploads.analyze, news):
        news.wait_for(lambda: len(uploads.all_results("u")) == 9)


def test_a_model_that_takes_for_ever_delays_no_day(uploads: UploadWorld) -> None:
    model, news = Slow(), News()
    uploads.model = model
    other = fresh_account(uploads)
    with working(uploads.analyze, news) as worker:
        upload(uploads, recording(WEEK))
        worker.wake()
        assert model.reading.wait(SOON_S)
        upload(uploads, recording(3 * 1440), other)
        worker.wake()
        news.wait_for(lambda: len(uploads.results("u", other)) == 3)
        news.wait_for(lambda: not uploads.store.analyses.due_days(1))
        assert len(uploads.days(other)) == 3
        assert model.asked == []
        assert weeks(uploads) == []
        model.may.set()
        news.wait_for(lambda: weeks(uploads) == [State.SUCCEEDED])
    assert len(model.asked) == 1


def test_a_model_that_fails_stops_no_other_week_and_no_day(uploads: UploadWorld) -> None:
    class Failing(Adding):
        def read(self, scaled: NDArray[np.float32]) -> Output:
            if not self.asked:
                super().read(scaled)
                raise OSError("a fault of ours")
            return super().read(scaled)

    uploads.model = Failing()
    news = News()
    upload(uploads, recording(8 * 1440))
    with working(uploads.analyze, news) as worker:
        worker.wake()
        news.wait_for(lambda: len(uploads.all_results("u")) == 8 + 2)
        news.wait_for(lambda: uploads.store.windows.waiting_count(ACCOUNT) == 0)
    assert sorted(weeks(uploads)) == [State.SUCCEEDED, State.SUCCEEDED, State.SUPERSEDED]  # the second look succeeded


@dataclass
class Full:
    """A queue that cannot be written for a while; `verb` is the one that is tried."""

    port: object
    verb: str
    left: int
    tried: threading.Event = field(default_factory=threading.Event)

    def __getattr__(self, name: str) -> object:
        if name == self.verb and self.left:
            self.left -= 1
            self.tried.set()
            raise StoreFull
        return getattr(self.port, name)


@pytest.mark.parametrize("verb", ["put_results", "put_days"])
def test_a_store_that_was_full_does_not_stop_the_days(uploads: UploadWorld, verb: str) -> None:
    full, news = Full(uploads.store.analyses, verb, 1), News()
    upload(uploads, recording(WEEK))
    with working(replace(uploads.analyze, analyses=full), news) as worker:  # type: ignore[arg-type]
        worker.wake()
        assert full.tried.wait(SOON_S)
        news.wait_for(lambda: len(uploads.all_results("u")) == 9)
        news.wait_for(lambda: not uploads.store.analyses.due_days(1))


@pytest.mark.parametrize("verb", ["put", "settle"])
def test_a_store_that_was_full_does_not_stop_the_windows(uploads: UploadWorld, verb: str) -> None:
    full, news = Full(uploads.store.windows, verb, 1), News()
    upload(uploads, recording(WEEK))
    with working(replace(uploads.analyze, windows=full), news) as worker:  # type: ignore[arg-type]
        worker.wake()
        assert full.tried.wait(SOON_S)
        news.wait_for(lambda: len(uploads.all_results("u")) == 9)
        news.wait_for(lambda: not uploads.store.analyses.due_days(1))
        news.wait_for(lambda: uploads.store.windows.waiting_count(ACCOUNT) == 0)
    assert weeks(uploads) == [State.SUCCEEDED]


def test_stopping_ends_both_lanes_after_what_they_are_at(uploads: UploadWorld) -> None:
    """And what is due stays in the store, for whoever is next."""
    model, news = Slow(), News()
    uploads.model = model
    upload(uploads, recording(WEEK))
    worker = Worker(replace(uploads.analyze, failing=failing), news)
    worker.start()
    assert lanes() == ["worker-days", "worker-windows"]
    worker.wake()
    assert model.reading.wait(SOON_S)
    upload(uploads, recording(WEEK, "v"), other := fresh_account(uploads))
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    stopping.join(0.05)
    assert stopping.is_alive()  # a week is being read
    model.may.set()
    stopping.join(SOON_S)
    assert not stopping.is_alive()
    assert lanes() == []
    assert len(model.asked) == 1
    uploads.derive()
    assert weeks(uploads) == weeks(uploads, other) == [State.SUCCEEDED]


def test_a_worker_that_has_nothing_to_do_stops_at_once(uploads: UploadWorld) -> None:
    with working(uploads.analyze, News()):
        assert lanes() == ["worker-days", "worker-windows"]
    assert lanes() == []
