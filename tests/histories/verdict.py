"""What is wrong with a history that was played, by as few of its calls as show it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from clarity_server.domain.samples import Verdict
from clarity_server.ports import SampleCounts
from tests.histories.checker import Finding, linearized
from tests.histories.model import (
    MISSING,
    READS,
    REUSED,
    TAKES_NUMBER,
    Account,
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
    Write,
    empty,
    step,
)
from tests.histories.plan import Plan
from tests.histories.playing import Caller, Seen, Store, account_of

ROWS_MAX = 10_000
UNTOLD = 0
LEAVES_ALL = {Verdict.SUPERSEDED, Verdict.CONFLICT}
Look = Callable[[Sequence[Seen]], Finding[Operation, Answer]]


@dataclass(frozen=True, slots=True)
class Wrong:
    """A history that does not hold."""

    seed: int
    what: str
    calls: tuple[Seen, ...] = ()

    def __str__(self) -> str:
        began = min((call.begun for call in self.calls), default=0)
        lines = [
            f"  {(call.begun - began) / 1000:10.1f} to {(call.ended - began) / 1000:10.1f} us  {call.who}: "
            f"{call.asked} -> {call.answer}"
            for call in self.calls
        ]
        return "\n".join([f"seed {self.seed}: {self.what}", *lines])


def judged(plan: Plan, store: Store, calls: Sequence[Seen]) -> Wrong | None:
    """Say what is wrong with a history that was played, now that all is quiet."""
    assert len(calls) >= sum(map(len, plan.threads)), "every call was answered"
    return told(plan, calls) or _numbered(plan, store, calls)


def told(plan: Plan, calls: Sequence[Seen]) -> Wrong | None:
    """Say what is wrong with the answers: of one sample alone where it shows there, else of all together.

    An object is linearizable where each of its parts is (Herlihy and Wing's locality). The account as a whole is held
    to more than that: writes and deletes of several samples happen at one moment, and so do change numbers.
    """
    whole = partial(linearized, state=empty(plan.names), step=step, reads=READS)
    if whole(calls).linearizable:
        return None
    alone = partial(linearized, state=empty(plan.names), step=_unnumbered, reads=READS)
    for name in range(plan.names):
        if not alone(lone := list(of_one(calls, name))).linearizable:
            return Wrong(plan.seed, f"sample {name} is not linearizable", _fewest(lone, alone))
    return Wrong(plan.seed, "the samples together are not linearizable", _fewest(calls, whole))


@dataclass(frozen=True, slots=True)
class _DeleteOfSeveral(Delete):
    """One sample's part of it: the answer is of all and tells nothing of one."""


def of_one(calls: Sequence[Seen], name: int) -> Iterator[Seen]:
    """Yield the parts of calls that are about one sample, without numbers."""
    for call in calls:
        match call.asked:
            case Write() if call.answer != REUSED and any(one.name == name for one in call.asked.sent):
                yield _write_of_one(call, call.asked, name)
            case Delete((one,)) | Count((one,)) if one == name:
                yield call
            case Delete(names) if name in names and call.answer != MISSING:
                yield replace(call, asked=_DeleteOfSeveral((name,)), answer=UNTOLD)
            case DeleteAll():
                yield replace(call, asked=_DeleteOfSeveral((name,)), answer=UNTOLD)
            case Get(names) if name in names:
                yield replace(call, asked=Get((name,)), answer=_rows_of(call.answer, name) or (None,))
            case ListAll():
                yield replace(call, answer=_rows_of(call.answer, name))
            case ListAside():
                yield replace(call, answer=_only(call.answer, name))


def _write_of_one(call: Seen, write: Write, name: int) -> Seen:
    assert isinstance(call.answer, tuple), "a write answers with outcomes"
    mine = [number for number, one in enumerate(write.sent) if one.name == name]
    became = tuple(one for number, one in enumerate(call.answer) if number in mine and isinstance(one, Became))
    return replace(call, asked=Write(tuple(write.sent[number] for number in mine), write.request_id), answer=became)


def _only(answer: Answer, name: int) -> frozenset[int]:
    assert isinstance(answer, frozenset), "a reader sees who is put aside"
    return answer & {name}


def _rows_of(answer: Answer, name: int) -> tuple[Row, ...]:
    assert isinstance(answer, tuple), "a reader sees rows"
    return tuple(_blank(one) for one in answer if isinstance(one, Row) and one.name == name)


def _blank(row: Row) -> Row:
    return replace(row, number=0)


def _unnumbered(state: Account, asked: Operation) -> tuple[Account, Answer]:
    """Step as the model does, where the numbers that other samples take are not to be seen."""
    state, answer = step(state, asked)
    rows = tuple(row and _blank(row) for row in state.rows)
    if isinstance(asked, _DeleteOfSeveral):
        answer = UNTOLD
    return replace(state, rows=rows, newest=0), answer


def _fewest(calls: Sequence[Seen], look: Look) -> tuple[Seen, ...]:
    """Leave out what is not needed to see that it does not hold: what changed nothing, and what came after it all."""
    left = sorted(calls, key=lambda call: call.begun)
    for call in reversed(left.copy()):
        rest = [one for one in left if one is not call]
        last = all(one.ended < call.begun for one in rest)
        if (last or changed_nothing(call)) and not look(rest).linearizable:
            left = rest
    return tuple(left)


def changed_nothing(call: Seen) -> bool:
    """Whether a call, going by its answer, left everything as it was, whenever it came."""
    match call.asked, call.answer:
        case Write(_, ""), tuple():
            return all(isinstance(one, Became) and one.verdict in LEAVES_ALL for one in call.answer)
        case Delete() | DeleteAll(), SampleCounts(samples, quarantined):
            return not samples and not quarantined
    return isinstance(call.asked, READS) or call.answer in (MISSING, REUSED)


def changed(call: Seen) -> int:
    """How many change numbers a call took, going by its answer, were it the first under its request_id."""
    match call.asked, call.answer:
        case Write(), tuple():
            return sum(isinstance(one, Became) and one.verdict in TAKES_NUMBER for one in call.answer)
        case Delete() | DeleteAll(), SampleCounts(samples):
            return samples
    return 0


def afterwards(plan: Plan, store: Store) -> list[Seen]:
    """What a reader sees once nobody writes."""
    caller, names = Caller(store, account_of(plan.seed)), tuple(range(plan.names))
    return [caller.seen("afterwards", asked) for asked in (Get(names), ListAll(), ListAside(), Newest())]


def _numbered(plan: Plan, store: Store, calls: Sequence[Seen]) -> Wrong | None:
    """Say where the change numbers have a gap, or are more or fewer than what the calls say they did."""
    rows = store.changes.rows(account_of(plan.seed), 0, ROWS_MAX)
    expected = 1
    for row in rows:
        if (row.number, row.kind) != (expected, "samples") or row.span < 1:
            return Wrong(plan.seed, f"{row} comes where change {expected} should")
        expected += row.span
    once = {call.asked.request_id: call for call in calls if isinstance(call.asked, Write) and call.answer != REUSED}
    kept = [call for request_id, call in once.items() if request_id]
    others = [call for call in calls if not (isinstance(call.asked, Write) and call.asked.request_id)]
    took = sum(map(changed, [*kept, *others]))
    return None if took == expected - 1 else Wrong(plan.seed, f"{took} changes took {expected - 1} numbers")


def figures(calls: Sequence[Seen]) -> dict[str, int]:
    """Count what a history had in it."""
    found = dict.fromkeys([*(verdict.name.lower() for verdict in Verdict), "deleted", "replayed", "overlapping"], 0)
    once = set[str]()
    for call in calls:
        match call.asked, call.answer:
            case Write(), tuple():
                found["replayed"] += call.asked.request_id in once
                once.update({call.asked.request_id} - {""})
                for one in call.answer:
                    if isinstance(one, Became):
                        found[one.verdict.name.lower()] += 1
            case Delete() | DeleteAll(), SampleCounts(samples):
                found["deleted"] += samples
    found["overlapping"] = sum(
        any(one is not call and one.begun < call.ended and call.begun < one.ended for one in calls) for call in calls
    )
    return found
