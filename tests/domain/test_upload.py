"""Whatever a client repeats, reorders or leaves out: every sample is taken once, and nothing is dropped uncompared."""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clarity_server.domain.errors import SequenceGap, TotalMismatch, UploadFinished
from clarity_server.domain.upload import Upload

RECORDING_MAX = 40
PLANS = 3000


@dataclass
class Reference:
    """An upload as a dict: what was taken, what the disk has, and how often each sample was stored."""

    received: dict[int, int] = field(default_factory=dict)
    committed: int = 0
    finished: bool = False
    stored: Counter[int] = field(default_factory=Counter)

    def send(self, first: int, values: list[int]) -> str:
        """What must come of a chunk, done here as well."""
        if first > len(self.received):
            return f"gap {len(self.received)} {first}"
        if self.finished and first + len(values) > len(self.received):
            return "finished"
        if any(self.received.get(first + at, value) != value for at, value in enumerate(values)):
            return "conflict"
        self.received |= {first + at: value for at, value in enumerate(values)}
        return "taken"

    def commit(self, committed: int) -> None:
        self.stored.update(range(self.committed, committed))
        self.committed = committed

    def crash(self) -> None:
        self.received = {sample: value for sample, value in self.received.items() if sample < self.committed}


def sent(upload: Upload, reference: Reference, first: int, values: list[int]) -> tuple[Upload, str]:
    """What a flow does with a chunk: compare all that was seen, then take all that is new."""
    try:
        accepted = upload.accept(first, len(values))
    except SequenceGap as gap:
        return upload, f"gap {gap.facts['expected']} {gap.facts['received']}"
    except UploadFinished:
        return upload, "finished"
    (low, seen), (fresh, end) = accepted.verify, accepted.fresh
    assert (low, seen, end) == (first, fresh, first + len(values))  # the chunk, cut in two: no sample left out
    assert all(sample in reference.received for sample in range(low, seen))
    assert all(sample not in reference.received for sample in range(fresh, end))
    if any(reference.received[sample] != values[sample - first] for sample in range(low, seen)):
        return upload, "conflict"
    return accepted.upload, "taken"


# A step: a chunk at a place relative to what was received (a retry, an overlap, in order, a gap), rarely with another
# content; a commit of some; a crash; or an end.
chunks = st.tuples(st.just("chunk"), st.integers(-RECORDING_MAX, 6), st.integers(1, 12), st.integers(0, 60))
next_chunk = st.tuples(st.just("chunk"), st.just(0), st.integers(1, 12), st.just(60))
commits = st.tuples(st.just("commit"), st.integers(0, 100), st.just(0), st.just(0))
crashes = st.tuples(st.just("crash"), st.just(0), st.just(0), st.just(0))
finishes = st.tuples(st.just("finish"), st.integers(-1, 1), st.just(0), st.just(0))
plans = st.lists(st.one_of(next_chunk, next_chunk, chunks, commits, crashes, finishes), max_size=30)


@settings(max_examples=PLANS, deadline=None)
@given(plans)
def test_every_plan_stores_each_sample_once_and_drops_nothing_uncompared(
    plan: list[tuple[str, int, int, int]],
) -> None:
    upload, reference = Upload(), Reference()
    for step, one, count, altered in plan:
        if step == "chunk":
            first = max(0, len(reference.received) + one)
            values = [1000 + sample + (at == altered) for at, sample in enumerate(range(first, first + count))]
            upload, outcome = sent(upload, reference, first, values)
            assert outcome == reference.send(first, values)
        elif step == "commit":
            committed = upload.committed + (upload.received - upload.committed) * one // 100
            upload = upload.commit(committed)
            reference.commit(committed)
        elif step == "crash":
            upload = Upload(upload.committed, upload.committed, finished=upload.finished)
            reference.crash()
        elif upload.received == upload.committed and not upload.finished:
            total = upload.committed + one
            if one:
                with pytest.raises(TotalMismatch):
                    upload.finish(total)
            else:
                upload = upload.finish(total)
                reference.finished = True
        assert upload == Upload(len(reference.received), reference.committed, finished=reference.finished)
        assert sorted(reference.received) == list(range(upload.received))
    assert reference.stored == Counter(range(upload.committed))


@settings(max_examples=PLANS // 3, deadline=None)
@given(st.lists(st.tuples(st.integers(0, RECORDING_MAX), st.integers(1, 12)), max_size=20))
def test_whatever_was_refused_a_client_gets_through_from_what_is_expected(attempts: list[tuple[int, int]]) -> None:
    upload = Upload()
    for first, count in attempts:
        try:
            upload = upload.accept(first, count).upload
        except SequenceGap as gap:
            upload = upload.accept(int(gap.facts["expected"]), count).upload
        upload = upload.commit(upload.received)
    total = sum(count for _, count in attempts) + 1
    upload = upload.accept(upload.received, total - upload.received).upload.commit(total)
    assert upload.finish(total) == Upload(total, total, finished=True)


def test_a_chunk_that_was_all_seen_brings_nothing_new() -> None:
    accepted = Upload(received=10, committed=4).accept(2, 5)
    assert (accepted.verify, accepted.fresh) == ((2, 7), (7, 7))
    assert accepted.upload == Upload(10, 4)


def test_a_chunk_over_the_edge_is_cut_there() -> None:
    accepted = Upload(received=10, committed=4).accept(8, 5)
    assert (accepted.verify, accepted.fresh) == ((8, 10), (10, 13))
    assert accepted.upload == Upload(13, 4)


def test_a_gap_names_what_was_expected_and_changes_nothing() -> None:
    with pytest.raises(SequenceGap) as caught:
        Upload(received=10).accept(11, 1)
    assert caught.value.facts == {"expected": "10", "received": "11"}


def test_a_finished_upload_compares_what_comes_again_and_takes_nothing_new() -> None:
    upload = Upload(10, 10).finish(10)
    assert upload.accept(0, 10).fresh == (10, 10)
    with pytest.raises(UploadFinished):
        upload.accept(9, 2)


def test_a_wrong_total_says_what_is_committed_and_leaves_the_upload_open() -> None:
    upload = Upload(10, 8)
    with pytest.raises(TotalMismatch) as caught:
        upload.finish(10)
    assert caught.value.facts == {"expected": "8", "received": "10"}
    assert not upload.finished


def test_the_committed_count_never_falls_and_never_passes_what_was_received() -> None:
    for count in (3, 11):
        with pytest.raises(AssertionError):
            Upload(10, 4).commit(count)
