"""Plays planned histories against a store: threads over two databases on one file, or over two processes."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol, TypeAlias

from clarity_server.adapters.local.changes import SqliteChanges
from clarity_server.adapters.local.database import Database
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.adapters.local.samples import SqliteSamples
from clarity_server.domain.errors import RequestIdReused, SampleNotFound
from clarity_server.domain.samples import Fault, Moment, Outcome, Reason, Wanted
from clarity_server.domain.series import Source
from clarity_server.ports import Changes, Kept, Samples, StoredFault, StoredSample, Written
from tests.histories.checker import Call
from tests.histories.model import (
    MISSING,
    REUSED,
    Answer,
    Became,
    Count,
    Delete,
    DeleteAll,
    Get,
    ListAll,
    ListAside,
    Newest,
    Operation,
    Row,
    Sent,
    Write,
    digest,
)
from tests.histories.plan import Plan

SIDES = 2
PROCESS_THREADS = 4  # of a history that two processes play: a barrier between processes is made for so many
MEETING_S = 60.0  # longer than any call waits
KEEP_S = 3600.0
ALL = 100  # more than a history has
METRIC = "body_weight"
SOURCE = Source("scale", "app")
CONTENTS = {digest(content): content for content in range(256)}

Seen: TypeAlias = Call[Operation, Answer]


@dataclass(frozen=True, slots=True)
class Store:
    """What one side asks, and the file behind it."""

    database: Database
    samples: Samples
    changes: Changes


class Meeting(Protocol):
    """A barrier, of threads or of processes."""

    def wait(self, timeout: float | None = None) -> int: ...

    def abort(self) -> None: ...


def account_of(seed: int) -> str:
    """Each history has an account of its own."""
    return f"history-{seed}"


def sample_id(name: int) -> str:
    return f"sample-{name}"


class Caller:
    """Asks a store in the words of the model, and answers in them."""

    def __init__(self, store: Store, account_id: str) -> None:
        self._samples, self._changes, self._account_id = store.samples, store.changes, account_id

    def seen(self, who: str, asked: Operation) -> Seen:
        """Ask, and look at the clock: the machine's, the same for all processes."""
        begun = time.monotonic_ns()
        answer = self._ask(asked)
        return Call(who, begun, time.monotonic_ns(), asked, answer)

    def _ask(self, asked: Operation) -> Answer:
        try:
            return self._answer(asked)
        except SampleNotFound:
            return MISSING
        except RequestIdReused:
            return REUSED

    def _answer(self, asked: Operation) -> Answer:
        match asked:
            case Write():
                return self._write(asked)
            case Delete():
                return self._samples.delete(self._account_id, _wanted(asked.names), ALL)
            case DeleteAll():
                return self._samples.delete(self._account_id, Wanted(metrics=frozenset({METRIC})), ALL)
            case _:
                return self._read(asked)

    def _read(self, asked: Count | Get | ListAll | ListAside | Newest) -> Answer:
        match asked:
            case Count():
                return self._samples.count(self._account_id, _wanted(asked.names))
            case Get():
                rows = self._samples.get(self._account_id, [sample_id(name) for name in asked.names])
                found = {row.name: row for row in map(_row, rows)}
                return tuple(found.get(name) for name in asked.names)
            case ListAll():
                rows = self._samples.list(self._account_id, [METRIC], None, None, None, ALL)
                return tuple(sorted(map(_row, rows), key=lambda row: row.name))
            case ListAside():
                return frozenset(_name(one.quarantine_id) for one in self._samples.faults(self._account_id, None, ALL))
            case Newest():
                return self._changes.newest(self._account_id)

    def _write(self, write: Write) -> Answer:
        told = repr(write.sent).encode()
        body_digest = hashlib.sha256(told).digest()
        kept = Kept(self._account_id, write.request_id, body_digest, time.time(), KEEP_S) if write.request_id else None
        writes = [self._aside(sent) if sent.bad else Written(self._stored(sent)) for sent in write.sent]
        return tuple(map(_became, self._samples.write(self._account_id, writes, kept, time.time())))

    def _stored(self, sent: Sent) -> StoredSample:
        name, start = sample_id(sent.name), Moment(sent.name, None)
        body = bytes([sent.content])
        return StoredSample(self._account_id, name, METRIC, SOURCE, sent.version, start, 0, digest(sent.content), body)

    def _aside(self, sent: Sent) -> Written:
        name, start, reason = sample_id(sent.name), Moment(sent.name, None), Reason.OUT_OF_BOUNDS
        put = StoredFault(self._account_id, name, METRIC, SOURCE, start, reason, time.time(), b"?")
        return Written(put, Fault(reason, "it is bad"))


def _name(told: str) -> int:
    return int(told.removeprefix("sample-"))


def _wanted(names: Sequence[int]) -> Wanted:
    return Wanted(frozenset(map(sample_id, names)))


def _row(found: StoredSample) -> Row:
    """A row in the model's words; its body must be that of its content, or gone."""
    name, content = _name(found.sample_id), CONTENTS.get(found.digest)
    body = b"" if found.deleted else bytes([content or 0])
    assert found.body == body, f"{found} has another sample's body"
    return Row(name, found.version, None if found.deleted else content, found.number)


def _became(outcome: Outcome) -> Became:
    return Became(outcome.verdict, CONTENTS.get(outcome.stored_digest), CONTENTS.get(outcome.sent_digest))


def play(plan: Plan, callers: Mapping[int, Caller], meeting: Meeting) -> list[Seen]:
    """Play some of a plan's threads, all that run here; return what they saw."""
    with ThreadPoolExecutor(len(callers)) as pool:
        futures = [pool.submit(_play, plan, number, caller, meeting) for number, caller in callers.items()]
    for future in futures:
        if not isinstance(future.exception(), threading.BrokenBarrierError):
            future.result()  # first what broke it
    return [call for future in futures for call in future.result()]


def _play(plan: Plan, number: int, caller: Caller, meeting: Meeting) -> list[Seen]:
    seen = list[Seen]()
    with ExitStack() as broken:
        broken.callback(meeting.abort)  # else the others would wait for a thread that is gone
        for turn, asked in enumerate(plan.threads[number]):
            if turn in plan.meetings:
                meeting.wait(MEETING_S)
            seen.append(caller.seen(f"thread {number}", asked))
        broken.pop_all()
    return seen


Play: TypeAlias = Callable[[Plan], list[Seen]]


def in_threads(plan: Plan, stores: Sequence[Store]) -> list[Seen]:
    """Play all threads of a plan here, each on the next store in turn."""
    account_id = account_of(plan.seed)
    callers = {number: Caller(stores[number % len(stores)], account_id) for number in range(len(plan.threads))}
    return play(plan, callers, threading.Barrier(len(callers)))


def keys_of(root: Path) -> DiskKeys:
    return DiskKeys(root / "keys")


def stored(root: Path) -> tuple[Database, Store]:
    """The store in a directory as a server has it, and its file."""
    database = Database(root / "clarity.db")
    return database, Store(database, SqliteSamples(database, keys_of(root)), SqliteChanges(database))


@contextmanager
def opened(root: Path) -> Iterator[Store]:
    """A store over a database of its own."""
    database, store = stored(root)
    try:
        yield store
    finally:
        database.close()


class _Process:
    """What a side's process keeps from one history to the next."""

    store: Store
    meeting: Meeting


def _begin(root: Path, meeting: Meeting) -> None:
    (_, _Process.store), _Process.meeting = stored(root), meeting


def _play_side(side: int, plan: Plan) -> list[Seen]:
    threads = range(side, len(plan.threads), SIDES)
    caller = Caller(_Process.store, account_of(plan.seed))
    return play(plan, dict.fromkeys(threads, caller), _Process.meeting)


@contextmanager
def processes(root: Path) -> Iterator[Play]:
    """Plays plans of PROCESS_THREADS threads in two processes, each with a database of its own on the one file."""
    context = get_context("spawn")
    meeting = context.Barrier(PROCESS_THREADS)
    with ExitStack() as stack:
        sides: list[Executor] = [
            stack.enter_context(ProcessPoolExecutor(1, context, initializer=_begin, initargs=(root, meeting)))
            for _ in range(SIDES)
        ]
        yield partial(_in_processes, sides)


def _in_processes(sides: Sequence[Executor], plan: Plan) -> list[Seen]:
    futures = [executor.submit(_play_side, side, plan) for side, executor in enumerate(sides)]
    return [call for future in futures for call in future.result()]
