"""The audit's chain: whatever one does to its rows is found, and the first place is named."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clarity_server.domain import chain
from clarity_server.domain.audit import AuditEvent, AuditKind
from clarity_server.domain.chain import GENESIS, Fault, Head, Row, Verdict

KEY = b"k" * 32
SIGNING = chain.signing_key(b"s" * 32)
PUBLIC = SIGNING.public_key()
EVENT = AuditEvent(AuditKind.SIGN_IN, "a" * 26, "a" * 26, "session", "192.0.2.1", "request", {"b": "é", "a": "1"})


def rows(count: int) -> list[Row]:
    made, previous = list[Row](), GENESIS
    for seq in range(1, count + 1):
        event = chain.packed(replace(EVENT, request_id=f"request {seq}"), "digest")
        made.append(chain.linked(KEY, seq, 1_700_000_000.0 + seq / 3, previous, event))
        previous = made[-1].hash
    return made


def heads(of: Sequence[Row], *seqs: int) -> list[Head]:
    return [chain.signed(SIGNING, seq, of[seq - 1].hash, 1_800_000_000.0) for seq in seqs]


def verdict(stored: Sequence[Row], signed: Sequence[Head] = ()) -> Verdict:
    return chain.verify(stored, signed, KEY, PUBLIC)


def renumbered(stored: Sequence[Row]) -> list[Row]:
    """As they come out of the table once somebody has set the numbers right."""
    return [replace(row, seq=seq) for seq, row in enumerate(stored, start=1)]


AS_IT_STANDS: Callable[[Sequence[Row]], Sequence[Row]] = list
EITHER = st.sampled_from([AS_IT_STANDS, renumbered])


@st.composite
def places(draw: st.DrawFn, least: int = 1) -> tuple[list[Row], int]:
    """A chain and a place in it, from 0."""
    count = draw(st.integers(least, 12))
    return rows(count), draw(st.integers(0, count - 1))


def test_a_chain_as_it_was_written_is_whole() -> None:
    stored = rows(5)
    found = verdict(stored, heads(stored, 2, 5))
    assert (found.whole, found.rows, found.anchored, found.anchored_time) == (True, 5, 5, 1_800_000_000.0)
    assert found.sentence == "5 rows are whole; head 5 anchors them"


def test_no_row_at_all_is_whole() -> None:
    assert verdict([]) == Verdict(0, 0, None)


def test_rows_after_the_last_head_are_told_as_not_anchored_yet() -> None:
    stored = rows(5)
    found = verdict(stored, heads(stored, 3))
    assert (found.whole, found.anchored) == (True, 3)
    assert found.sentence == "5 rows are whole; rows from 4 on are not anchored yet, since head 3"


def test_an_event_is_read_as_it_was_written_but_for_its_network() -> None:
    packed = chain.packed(EVENT, "digest")
    assert b"192.0.2.1" not in packed
    assert chain.unpacked(packed) == replace(EVENT, origin="digest")
    shuffled = replace(EVENT, facts=MappingProxyType({"a": "1", "b": "é"}))
    assert chain.packed(shuffled, "digest") == packed, "the order of facts is not said"


EDITS: dict[str, Callable[[Row], Row]] = {
    "event": lambda row: replace(row, event=row.event.replace(b"sign-in", b"sign-up")),
    "time": lambda row: replace(row, time=row.time + 1),
    "previous": lambda row: replace(row, previous=b"\1" * 32),
    "hash": lambda row: replace(row, hash=b"\1" * 32),
    "all, with a key of one's own": lambda row: chain.linked(b"x" * 32, row.seq, 1.0, row.previous, row.event),
}


@given(places(), st.sampled_from(list(EDITS)))
def test_an_edited_row_is_named(made: tuple[list[Row], int], how: str) -> None:
    stored, at = made
    stored[at] = EDITS[how](stored[at])
    found = verdict(stored)
    assert (found.fault, found.seq) == (Fault.EDITED, at + 1)
    assert f"row {at + 1} was edited" in found.sentence


@given(places(least=2), EITHER)
def test_a_dropped_row_is_named(made: tuple[list[Row], int], then: Callable[[Sequence[Row]], Sequence[Row]]) -> None:
    stored, at = made
    at = min(at, len(stored) - 2)  # without the last one, it is a cut tail
    del stored[at]
    found = verdict(then(stored))
    assert (found.fault, found.seq, found.until) == (Fault.DROPPED, at + 1, at + 1)
    assert found.sentence == f"row {at + 1} was dropped; what is before row {at + 1} is whole"


def test_several_dropped_rows_are_named_together() -> None:
    stored = rows(9)
    found = verdict(stored[:2] + stored[5:])
    assert found.sentence == "rows 3 to 5 were dropped; what is before row 3 is whole"
    assert verdict(renumbered(stored[:2] + stored[5:])) == found


@given(places(), EITHER, st.sampled_from(["forged", "a copy"]), st.integers(0, 11))
def test_an_inserted_row_is_named(
    made: tuple[list[Row], int], then: Callable[[Sequence[Row]], Sequence[Row]], what: str, of: int
) -> None:
    stored, at = made
    copied = stored[of % len(stored)]
    if of % len(stored) == at:  # before itself: then it is the second one that is too much
        at += 1
    forged = chain.linked(b"x" * 32, at + 1, 1.0, stored[at - 1].hash if at else GENESIS, copied.event)
    behind = at == len(stored)
    stored.insert(at, copied if what == "a copy" else forged)
    found = verdict(then(stored))
    assert found.seq == at + 1
    # Behind all others no row that was there is missing: it might as well be one that was edited.
    assert found.fault is Fault.INSERTED or (behind and found.fault is Fault.EDITED)


@given(places(least=2), st.integers(0, 11), EITHER)
def test_rows_that_changed_places_are_named(
    made: tuple[list[Row], int], other: int, then: Callable[[Sequence[Row]], Sequence[Row]]
) -> None:
    stored, at = made
    other %= len(stored)
    if at == other:
        return
    stored[at], stored[other] = stored[other], stored[at]
    found = verdict(then(stored))
    assert (found.fault, found.seq) == (Fault.MOVED, min(at, other) + 1)
    assert f"row {min(at, other) + 1} was moved" in found.sentence


@given(places(least=2), st.integers(0, 11))
def test_a_row_moved_elsewhere_is_named(made: tuple[list[Row], int], to: int) -> None:
    stored, at = made
    to %= len(stored)
    if at == to:
        return
    stored.insert(to, stored.pop(at))
    for found in (verdict(stored), verdict(renumbered(stored))):
        assert found.seq == min(at, to) + 1
        assert found.fault is Fault.MOVED


@given(places(least=2))
def test_a_cut_tail_that_a_head_was_signed_for_is_unanchored_since_the_head_before(made: tuple[list[Row], int]) -> None:
    stored, at = made
    signed = heads(stored, *range(1, len(stored) + 1, 2), len(stored))
    left = verdict(stored[:at], signed)
    before = max((head.seq for head in signed if head.seq <= at), default=0)
    assert (left.fault, left.seq, left.until, left.anchored) == (Fault.CUT, at + 1, len(stored), before)
    assert f"unanchored since head {before}" in left.sentence


def test_a_cut_tail_that_no_head_was_signed_for_cannot_be_told() -> None:
    """Which is why heads are signed every few seconds, and why the sentence says how far they reach."""
    stored = rows(5)
    found = verdict(stored[:4], heads(stored, 3))
    assert (found.whole, found.rows, found.anchored) == (True, 4, 3)


def test_a_store_put_back_that_went_on_is_told_by_the_head_it_does_not_have() -> None:
    stored = rows(6)
    signed = heads(stored, 2, 5)
    went_on = stored[:3]
    for seq in range(4, 8):
        went_on.append(chain.linked(KEY, seq, 1.0, went_on[-1].hash, chain.packed(EVENT, "")))
    found = verdict(went_on, signed)
    assert (found.fault, found.seq, found.until) == (Fault.REPLACED, 3, 5)
    assert "an older copy of the store was put back" in found.sentence


def test_rows_of_two_histories_do_not_make_one() -> None:
    stored = rows(4)
    other = chain.linked(KEY, 2, 1.0, stored[0].hash, chain.packed(EVENT, ""))
    found = verdict([stored[0], other, stored[2], stored[3]])
    assert (found.fault, found.seq, found.until) == (Fault.REPLACED, 1, 3)


def restored(of: Sequence[Row], seq: int, before: Sequence[Head], *, time: float = 1_800_000_000.0) -> Head:
    row_hash = of[seq - 1].hash if seq else GENESIS
    return chain.signed_restore(SIGNING, seq, row_hash, time, before[-1] if before else None)


def gone_on(of: Sequence[Row], count: int) -> list[Row]:
    """Another history after the last of some rows."""
    made = list(of)
    for seq in range(len(of) + 1, len(of) + count + 1):
        made.append(chain.linked(KEY, seq, 2.0, made[-1].hash if made else GENESIS, chain.packed(EVENT, "later")))
    return made


@given(st.integers(0, 6), st.integers(0, 5))
def test_a_restore_is_no_fault_and_names_what_went_with_it(at: int, more: int) -> None:
    stored = rows(6)
    signed = heads(stored, 2, 6)
    signed.append(restored(stored, at, signed))
    now = gone_on(stored[:at], more)
    found = verdict(now, [*signed, *(heads(now, len(now)) if more else [])])
    assert (found.whole, found.rows, found.anchored) == (True, at + more, at + more)
    assert [(one.seq, one.until) for one in found.restores] == [(at, 6)]
    assert (f"rows {at + 1} to 6, which were there, went with that" in found.sentence) == (at < 6)


def test_a_cut_after_a_restore_is_told_and_the_restore_too() -> None:
    stored = rows(6)
    signed = heads(stored, 6)
    signed.append(restored(stored, 3, signed))
    now = gone_on(stored[:3], 2)
    for left, fault in ((stored[:2], Fault.CUT), (now[:4], Fault.CUT), (stored, Fault.REPLACED)):
        found = verdict(left, [*signed, *heads(now, 5)])
        assert found.fault is fault
        assert "an operator put a backup back at 2027-01-15 08:00:00 UTC that ends with row 3" in found.sentence


def test_a_restore_to_one_history_after_a_restore_to_another_is_whole() -> None:
    """The first of two backups is put back after the second, which lacks rows that the first has."""
    stored = rows(6)
    signed = heads(stored, 6)
    signed.append(restored(stored, 2, signed))
    other = gone_on(stored[:2], 6)
    signed += heads(other, 4, 8)
    signed.append(restored(stored, 6, signed))
    found = verdict(stored, signed)
    assert found.whole
    assert [(one.seq, one.until) for one in found.restores] == [(2, 6), (6, 8)]


def test_the_head_of_a_restore_excuses_nothing_in_another_place() -> None:
    stored = rows(6)
    signed = heads(stored, 6)
    acknowledged = restored(stored, 3, signed)
    now = gone_on(stored[:3], 3)
    later = [*signed, acknowledged, *heads(now, 6)]
    assert verdict(now, later).whole
    assert verdict(now[:3], [*later, acknowledged]).fault is Fault.HEAD_FORGED
    assert verdict(now[:3], [acknowledged]).fault is Fault.HEAD_FORGED
    assert verdict(now[:3], [*later, replace(heads(now, 3)[0], restored=True)]).fault is Fault.HEAD_FORGED
    assert verdict(now, [*signed, replace(acknowledged, restored=False)]).fault is Fault.HEAD_FORGED


def test_an_edited_row_before_a_restore_is_told() -> None:
    stored = rows(6)
    signed = heads(stored, 6)
    signed.append(restored(stored, 4, signed))
    left = stored[:4]
    left[1] = EDITS["event"](left[1])
    assert (verdict(left, signed).fault, verdict(left, signed).seq) == (Fault.EDITED, 2)


FORGERIES: dict[str, Callable[[Head], Head]] = {
    "seq": lambda head: replace(head, seq=head.seq - 1),
    "hash": lambda head: replace(head, hash=b"\1" * 32),
    "time": lambda head: replace(head, time=0.0),
    "signature": lambda head: replace(head, signature=b""),
    "key": lambda head: chain.signed(chain.signing_key(b"x" * 32), head.seq, head.hash, head.time),
}


@pytest.mark.parametrize("what", FORGERIES)
def test_a_head_that_the_audit_key_has_not_signed_is_told(what: str) -> None:
    stored = rows(4)
    found = verdict(stored, [FORGERIES[what](heads(stored, 4)[0])])
    assert found.fault is Fault.HEAD_FORGED
    assert "not signed by this server's audit key" in found.sentence


def test_rows_with_another_key_are_not_ours() -> None:
    stored = rows(3)
    assert chain.verify(stored, [], b"x" * 32, PUBLIC).fault is Fault.EDITED
