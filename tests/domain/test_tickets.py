"""A ticket takes one right answer, and few wrong ones."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from clarity_server.domain.tickets import ATTEMPTS_MAX, CODE_DIGITS, Outcome, Ticket, TicketKind, attempt, new_code

KIND = TicketKind.RESET
TICKET = Ticket(b"ticket", KIND, "a", b"code", ATTEMPTS_MAX, 0.0, 100.0)


def test_the_right_code_is_right_once_and_repeated_with_the_very_same_answer_only() -> None:
    used, outcome = attempt(TICKET, KIND, b"code", b"code and password", 1.0)
    assert used is not None
    assert (outcome, used.used_time) == (Outcome.RIGHT, 1.0)
    assert attempt(used, KIND, b"code", b"code and password", 2.0) == (used, Outcome.REPEATED)
    after, outcome = attempt(used, KIND, b"code", b"code and another", 2.0)
    assert after is not None
    assert (outcome, after.attempts_left) == (Outcome.WRONG, ATTEMPTS_MAX - 1)


def test_a_ticket_of_another_kind_or_past_its_time_or_without_attempts_takes_nothing() -> None:
    spent = replace(TICKET, attempts_left=0)
    assert attempt(TICKET, TicketKind.SIGN_UP, b"code", b"code", 1.0) == (TICKET, Outcome.WRONG)
    assert attempt(TICKET, KIND, b"code", b"code", 100.0) == (TICKET, Outcome.WRONG)
    assert attempt(spent, KIND, b"code", b"code", 1.0) == (spent, Outcome.WRONG)
    assert attempt(None, KIND, b"code", b"code", 1.0) == (None, Outcome.WRONG)


@given(st.lists(st.sampled_from([b"code", b"wrong"]), max_size=3 * ATTEMPTS_MAX))
def test_whatever_is_tried_at_most_five_wrong_codes_come_before_the_right_one(tried: list[bytes]) -> None:
    ticket: Ticket | None = TICKET
    outcomes = []
    for code in tried:
        ticket, outcome = attempt(ticket, KIND, code, code, 1.0)
        outcomes.append(outcome)
    wrong_first = tried.index(b"code") if b"code" in tried else len(tried)
    assert outcomes.count(Outcome.RIGHT) == (1 if b"code" in tried and wrong_first < ATTEMPTS_MAX else 0)
    assert ticket is not None
    assert 0 <= ticket.attempts_left <= ATTEMPTS_MAX


def test_codes_are_eight_digits_and_begin_with_any() -> None:
    codes = {new_code() for _ in range(1000)}
    assert {len(code) for code in codes} == {CODE_DIGITS}
    assert {code[0] for code in codes} == set("0123456789")
