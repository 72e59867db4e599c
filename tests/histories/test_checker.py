"""The checker itself: it takes what could have come one after the other, and nothing else."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarity_server.domain.samples import Verdict
from clarity_server.ports import SampleCounts
from tests.histories.checker import Call, linearized
from tests.histories.model import (
    MISSING,
    READS,
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
    empty,
    step,
)
from tests.histories.plan import NAMES_MAX, planned
from tests.histories.playing import Seen
from tests.histories.verdict import told

STORED, REPLACED, DUPLICATE = Became(Verdict.STORED), Became(Verdict.REPLACED), Became(Verdict.DUPLICATE)
SUPERSEDED, ASIDE = Became(Verdict.SUPERSEDED), Became(Verdict.QUARANTINED)
NONE, ONE = SampleCounts(0, 0), SampleCounts(1, 0)
ONE_NAME = next(plan for plan in map(planned, range(100)) if plan.names == 1)
TWO_NAMES = next(plan for plan in map(planned, range(100)) if plan.names == 2)


def write(version: int, content: int = 1, *, name: int = 0, request_id: str = "") -> Write:
    return Write((Sent(name, version, content),), request_id)


def row(version: int, content: int | None, number: int, *, name: int = 0) -> Row:
    return Row(name, version, content, number)


def call(begun: int, ended: int, asked: Operation, answer: Answer) -> Seen:
    return Call("somebody", begun, ended, asked, answer)


def holds(calls: Sequence[Seen], names: int = 1) -> bool:
    return linearized(calls, empty(names), step, READS).linearizable


GET = Get((0,))
DELETE = Delete((0,))
BAD = Write((Sent(0, 1, 1, bad=True),))
BOTH = Write((Sent(0, 1, 1), Sent(1, 1, 1)))
POSSIBLE = {
    "a read beside a write sees either": [
        call(0, 9, write(1), (STORED,)),
        call(1, 2, GET, (None,)),
        call(3, 4, GET, (row(1, 1, 1),)),
    ],
    "of two new ones either may be the first": [
        call(0, 9, write(1), (DUPLICATE,)),
        call(0, 9, write(1), (STORED,)),
    ],
    "a lower version may come after a higher one": [
        call(0, 9, write(2), (STORED,)),
        call(0, 9, write(1), (SUPERSEDED,)),
    ],
    "a delete keeps the version and only a higher one comes back": [
        call(0, 1, write(2), (STORED,)),
        call(2, 3, DELETE, ONE),
        call(4, 5, DELETE, NONE),
        call(6, 7, write(2), (SUPERSEDED,)),
        call(8, 9, GET, (row(2, None, 2),)),
        call(10, 11, write(3), (REPLACED,)),
        call(12, 13, GET, (row(3, 1, 3),)),
    ],
    "what never was is not found": [call(0, 1, DELETE, MISSING), call(2, 3, Count((0,)), MISSING)],
    "a good sample clears a bad one, and so does a duplicate": [
        call(0, 1, BAD, (ASIDE,)),
        call(2, 3, ListAside(), frozenset({0})),
        call(4, 5, write(1), (STORED,)),
        call(6, 7, BAD, (ASIDE,)),
        call(8, 9, write(1), (DUPLICATE,)),
        call(10, 11, ListAside(), frozenset()),
    ],
    "what is only put aside is found and deleted": [
        call(0, 1, BAD, (ASIDE,)),
        call(2, 3, Count((0,)), SampleCounts(0, 1)),
        call(4, 5, DELETE, SampleCounts(0, 1)),
        call(6, 7, DELETE, MISSING),
        call(8, 9, DeleteAll(), NONE),
    ],
    "a repeated request has its first answer though the sample is gone": [
        call(0, 1, write(1, request_id="r"), (STORED,)),
        call(2, 3, DELETE, ONE),
        call(4, 5, write(1, request_id="r"), (STORED,)),
        call(6, 7, GET, (row(1, None, 2),)),
        call(8, 9, write(2, request_id="r"), REUSED),
    ],
}
IMPOSSIBLE = {
    "a lost update": [
        call(0, 9, write(1), (STORED,)),
        call(0, 9, write(2), (STORED,)),
    ],
    "an update that is lost later": [
        call(0, 1, write(1, 1), (STORED,)),
        call(2, 9, write(2, 2), (REPLACED,)),
        call(2, 9, write(3, 3), (REPLACED,)),
        call(10, 11, GET, (row(2, 2, 3),)),
    ],
    "a stale read": [call(0, 1, write(1), (STORED,)), call(2, 3, GET, (None,))],
    "reads that go back in time": [
        call(0, 9, write(1), (STORED,)),
        call(1, 2, GET, (row(1, 1, 1),)),
        call(3, 4, GET, (None,)),
    ],
    "a read of what was not written yet": [call(0, 1, GET, (row(1, 1, 1),)), call(2, 3, write(1), (STORED,))],
    "stored twice": [call(0, 1, write(1), (STORED,)), call(2, 3, write(1), (STORED,))],
    "a conflict that wins": [
        call(0, 1, write(1, 1), (STORED,)),
        call(2, 3, write(1, 2), (Became(Verdict.CONFLICT, 1, 2),)),
        call(4, 5, GET, (row(1, 2, 1),)),
    ],
    "a conflict with what was never there": [
        call(0, 1, write(1, 1), (STORED,)),
        call(2, 3, write(1, 2), (Became(Verdict.CONFLICT, 3, 2),)),
    ],
    "a resurrection by the version that was deleted": [
        call(0, 1, write(1), (STORED,)),
        call(2, 3, DELETE, ONE),
        call(4, 5, write(1), (STORED,)),
    ],
    "a resurrection in a list": [
        call(0, 1, write(1), (STORED,)),
        call(2, 3, DELETE, ONE),
        call(4, 5, ListAll(), (row(1, 1, 1),)),
    ],
    "a bad sample that stays though a good one came": [
        call(0, 1, BAD, (ASIDE,)),
        call(2, 3, write(1), (STORED,)),
        call(4, 5, ListAside(), frozenset({0})),
    ],
    "one sample deleted twice": [
        call(0, 1, write(1), (STORED,)),
        call(2, 9, DELETE, ONE),
        call(2, 9, DELETE, ONE),
    ],
    "a sample that was and is not found": [call(0, 1, write(1), (STORED,)), call(2, 3, Count((0,)), MISSING)],
    "a repeated request that is judged again": [
        call(0, 1, write(1, request_id="r"), (STORED,)),
        call(2, 3, write(1, request_id="r"), (DUPLICATE,)),
    ],
    "another body under the same request_id": [
        call(0, 1, write(1, request_id="r"), (STORED,)),
        call(2, 3, write(2, request_id="r"), (REPLACED,)),
    ],
}
IMPOSSIBLE_TOGETHER = {
    "half a write is seen": [
        call(0, 9, BOTH, (STORED, STORED)),
        call(1, 2, Get((0, 1)), (row(1, 1, 1), None)),
    ],
    "two samples with one number": [
        call(0, 1, write(1), (STORED,)),
        call(2, 3, write(1, name=1), (STORED,)),
        call(4, 5, Get((0, 1)), (row(1, 1, 1), row(1, 1, 1, name=1))),
    ],
    "a number for what changed nothing": [
        call(0, 1, write(1), (STORED,)),
        call(2, 3, write(1), (DUPLICATE,)),
        call(4, 5, Newest(), 2),
    ],
    "half a delete": [
        call(0, 1, BOTH, (STORED, STORED)),
        call(2, 3, Delete((0, 1)), ONE),
    ],
}


@pytest.mark.parametrize("name", POSSIBLE)
def test_what_could_have_come_one_after_the_other_is_taken(name: str) -> None:
    assert holds(POSSIBLE[name])
    assert told(ONE_NAME, POSSIBLE[name]) is None


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_could_not_is_refused_and_shown_to_be_of_one_sample(name: str) -> None:
    assert not holds(IMPOSSIBLE[name])
    wrong = told(ONE_NAME, IMPOSSIBLE[name])
    assert wrong is not None
    assert wrong.what == "sample 0 is not linearizable"
    assert wrong.calls


@pytest.mark.parametrize("name", IMPOSSIBLE_TOGETHER)
def test_what_only_several_samples_together_show_is_refused_too(name: str) -> None:
    wrong = told(TWO_NAMES, IMPOSSIBLE_TOGETHER[name])
    assert wrong is not None
    assert wrong.what == "the samples together are not linearizable"


def test_calls_that_do_not_matter_are_left_out_of_what_is_shown() -> None:
    noise = [call(at, at + 1, Get((1,)), (None,)) for at in (20, 30, 40)]
    harmless = [
        call(50, 51, write(5, name=1), (STORED,)),
        call(60, 61, ListAll(), (row(1, 1, 1), row(5, 1, 2, name=1))),
    ]
    stale = [call(0, 1, write(1), (STORED,)), call(2, 3, GET, (None,))]
    wrong = told(TWO_NAMES, [*stale, *noise, *harmless])
    assert wrong is not None
    assert [call.asked for call in wrong.calls] == [write(1), GET]
    assert "seed" in str(wrong)


def one_after_the_other(seed: int) -> list[Seen]:
    """A plan's calls as a sequential object answers them, each stretched until it overlaps its neighbours."""
    draw, plan = random.Random(seed), planned(seed)
    columns = [[(f"thread {who}", asked) for asked in thread] for who, thread in enumerate(plan.threads)]
    calls, state, at = list[Seen](), empty(plan.names), 0
    while columns:
        column = draw.choice(columns)
        who, asked = column.pop(0)
        columns = [one for one in columns if one]
        state, answer = step(state, asked)
        at += 10
        calls.append(Call(who, at - draw.randrange(60), at + draw.randrange(60), asked, answer))
    draw.shuffle(calls)
    return calls


@settings(deadline=None)
@given(st.integers(0, 1 << 32))
def test_every_sequential_history_is_taken_however_its_calls_overlap(seed: int) -> None:
    assert holds(one_after_the_other(seed), NAMES_MAX)
    assert told(planned(seed), one_after_the_other(seed)) is None


@settings(deadline=None)
@given(st.integers(0, 1 << 32))
def test_to_know_which_calls_only_read_changes_no_verdict(seed: int) -> None:
    calls = one_after_the_other(seed)[:8]  # some of them, which seldom make sense
    assert linearized(calls, empty(NAMES_MAX), step).linearizable == holds(calls, NAMES_MAX)


@settings(deadline=None)
@given(st.integers(0, 1 << 32), st.data())
def test_a_wrong_count_in_a_sequential_history_is_never_taken(seed: int, data: st.DataObject) -> None:
    calls = one_after_the_other(seed)
    reads = [number for number, one in enumerate(calls) if isinstance(one.asked, Newest)]
    if not reads:
        return
    number = data.draw(st.sampled_from(reads))
    calls[number] = Call("liar", 0, 10_000, Newest(), 1_000)
    assert not holds(calls, NAMES_MAX)


def test_the_order_that_is_found_explains_every_answer() -> None:
    calls = one_after_the_other(7)
    state = empty(NAMES_MAX)
    for one in linearized(calls, state, step, READS).order:
        state, answer = step(state, one.asked)
        assert answer == one.answer


def test_many_calls_at_once_are_decided_without_trying_every_order() -> None:
    """30! orders of reads, and 9! of writes."""
    reads = [call(0, 100, GET, (None,)) for _ in range(30)]
    writes = [call(0, 100, write(version), (REPLACED,)) for version in range(2, 10)]
    assert holds([*reads, *writes, call(0, 100, write(1), (STORED,))])
    assert not holds([*reads, *writes, call(0, 100, write(1), (STORED,)), call(0, 100, GET, (row(5, 1, 1),))])
