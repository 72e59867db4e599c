"""One account's samples as a sequential object: what each call answers if nobody else is there.

What becomes of a sample is decided by `domain.samples.judge`, the very function the store decides by; the rest (a
delete, the change numbers, answers kept under a request_id) is written down here a second time, as plainly as can be.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from clarity_server.domain.samples import Held, Verdict, judge
from clarity_server.ports import SampleCounts

TAKES_NUMBER = {Verdict.STORED, Verdict.REPLACED}
CLEARS = TAKES_NUMBER | {Verdict.DUPLICATE}


@dataclass(frozen=True, slots=True)
class Sent:
    """A sample as a history has it: which of the account's few, its version and its content."""

    name: int
    version: int
    content: int
    bad: bool = False  # so that it is put aside


@dataclass(frozen=True, slots=True)
class Write:
    """Samples written in one call, perhaps under a request_id."""

    sent: tuple[Sent, ...]
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """Samples deleted by their ids in one call."""

    names: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DeleteAll:
    """All samples deleted in one call."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many samples a delete would delete."""

    names: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Get:
    """Samples by their ids, deleted ones too."""

    names: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ListAll:
    """What is not deleted."""


@dataclass(frozen=True, slots=True)
class ListAside:
    """Which samples are put aside."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest change number."""


@dataclass(frozen=True, slots=True)
class Row:
    """A sample as a reader sees it; the content of one that is deleted is gone."""

    name: int
    version: int
    content: int | None
    number: int

    @property
    def deleted(self) -> bool:
        """Whether it was deleted."""
        return self.content is None


@dataclass(frozen=True, slots=True)
class Became:
    """What became of a sample; the contents only where they conflict."""

    verdict: Verdict
    stored: int | None = None
    sent: int | None = None


MISSING = "SampleNotFound"
REUSED = "RequestIdReused"
READS = (Count, Get, ListAll, ListAside, Newest)
Operation: TypeAlias = Write | Delete | DeleteAll | Count | Get | ListAll | ListAside | Newest
Answer: TypeAlias = tuple[Became, ...] | tuple[Row | None, ...] | frozenset[int] | SampleCounts | int | str


@dataclass(frozen=True, slots=True)
class Account:
    """The state: each sample's row, who is put aside, the newest change number, and the answers that are kept."""

    rows: tuple[Row | None, ...]
    aside: frozenset[int] = frozenset()
    newest: int = 0
    kept: tuple[tuple[str, tuple[Sent, ...], Answer], ...] = ()


def empty(names: int) -> Account:
    """An account that never had any of so many samples."""
    return Account((None,) * names)


def digest(content: int) -> bytes:
    """What stands for a content in the store."""
    return bytes([content]) * 32


def step(state: Account, asked: Operation) -> tuple[Account, Answer]:
    """Answer one call, and say what the account is then."""
    match asked:
        case Write():
            return _written(state, asked)
        case Delete():
            return _deleted(state, asked.names)
        case DeleteAll():
            return _deleted(state, [name for name, row in enumerate(state.rows) if row or name in state.aside])
        case _:
            return state, _read(state, asked)


def _read(state: Account, asked: Count | Get | ListAll | ListAside | Newest) -> Answer:
    match asked:
        case Count():
            return _deleted(state, asked.names)[1]
        case Get():
            return tuple(state.rows[name] for name in asked.names)
        case ListAll():
            return tuple(row for row in state.rows if row is not None and not row.deleted)
        case ListAside():
            return state.aside
        case Newest():
            return state.newest


def _written(state: Account, write: Write) -> tuple[Account, Answer]:
    for request_id, sent, answer in state.kept:
        if write.request_id and request_id == write.request_id:
            return state, answer if sent == write.sent else REUSED
    became = list[Became]()
    for one in write.sent:
        state, outcome = _put(state, one)
        became.append(outcome)
    if write.request_id:
        state = replace(state, kept=(*state.kept, (write.request_id, write.sent, tuple(became))))
    return state, tuple(became)


def _put(state: Account, sent: Sent) -> tuple[Account, Became]:
    if sent.bad:
        return replace(state, aside=state.aside | {sent.name}), Became(Verdict.QUARANTINED)
    row = state.rows[sent.name]
    held = None if row is None else Held(row.version, digest(row.content or 0), row.deleted)
    verdict = judge(held, sent.version, digest(sent.content))
    if verdict is Verdict.CONFLICT:
        assert row is not None, "there is something to conflict with"
        return state, Became(verdict, row.content, sent.content)
    if verdict in TAKES_NUMBER:
        state = _with(state, Row(sent.name, sent.version, sent.content, state.newest + 1))
    if verdict in CLEARS:
        state = replace(state, aside=state.aside - {sent.name})
    return state, Became(verdict)


def _deleted(state: Account, names: Sequence[int]) -> tuple[Account, Answer]:
    if any(state.rows[name] is None and name not in state.aside for name in names):
        return state, MISSING
    live = [row for name in names if (row := state.rows[name]) is not None and not row.deleted]
    counts = SampleCounts(len(live), len(state.aside.intersection(names)))
    for row in live:
        state = _with(state, replace(row, content=None, number=state.newest + 1))
    return replace(state, aside=state.aside.difference(names)), counts


def _with(state: Account, row: Row) -> Account:
    rows = (*state.rows[: row.name], row, *state.rows[row.name + 1 :])
    return replace(state, rows=rows, newest=row.number)
