"""What every outbox must do."""

import pytest

from clarity_server.domain.mail import Mail, MailKind
from clarity_server.ports import Outbox, QueuedMail
from tests.contracts.recordings import ACCOUNT
from tests.contracts.threads import at_once
from tests.contracts.worlds import NOW, World


@pytest.fixture
def outbox(world: World) -> Outbox:
    return world.outbox


def mail(subject: str = "Your code", kind: MailKind = MailKind.RESET_PASSWORD) -> Mail:
    return Mail(kind, "Ówl@example.org", subject, "12345678\n\n🦉", ACCOUNT)


def due(outbox: Outbox, now: float = NOW, limit: int = 10) -> list[str]:
    return [queued.mail.subject for queued in outbox.due(now, limit)]


def test_a_mail_is_due_as_it_was_queued_until_it_is_sent(outbox: Outbox) -> None:
    outbox.put(mail(), NOW)
    (queued,) = outbox.due(NOW, 10)
    assert queued == QueuedMail(queued.place, mail(), 0)
    assert outbox.due(NOW, 10) == [queued]
    outbox.sent(queued.place)
    assert outbox.due(NOW, 10) == []


@pytest.mark.parametrize("kind", [kind for kind in MailKind if kind is not MailKind.NONE])
def test_every_kind_is_kept(outbox: Outbox, kind: MailKind) -> None:
    outbox.put(mail(kind=kind), NOW)
    assert [queued.mail for queued in outbox.due(NOW, 1)] == [mail(kind=kind)]


def test_a_mail_to_nobody_goes_nowhere(outbox: Outbox) -> None:
    outbox.put(mail(kind=MailKind.NONE), NOW)
    assert outbox.due(NOW * 2, 10) == []


def test_mails_come_in_the_order_they_were_queued(outbox: Outbox) -> None:
    for number in range(5):
        outbox.put(mail(str(number)), NOW)
    assert due(outbox) == ["0", "1", "2", "3", "4"]
    assert due(outbox, limit=2) == ["0", "1"]


def test_a_mail_is_not_due_before_its_time(outbox: Outbox) -> None:
    outbox.put(mail(), NOW)
    assert due(outbox, NOW - 0.001) == []


def test_a_mail_that_failed_waits_behind_the_others_and_counts_its_tries(outbox: Outbox) -> None:
    for name in "ab":
        outbox.put(mail(name), NOW)
    first, _ = outbox.due(NOW, 10)
    outbox.failed(first.place, NOW + 60)
    assert due(outbox, NOW + 59) == ["b"]
    assert due(outbox, NOW + 60) == ["b", "a"]
    outbox.failed(first.place, NOW + 90)
    assert [queued.tries for queued in outbox.due(NOW + 90, 10)] == [0, 2]


def test_a_place_is_never_given_again(outbox: Outbox) -> None:
    outbox.put(mail("first"), NOW)
    (first,) = outbox.due(NOW, 10)
    outbox.sent(first.place)
    outbox.put(mail("second"), NOW)
    outbox.sent(first.place)
    outbox.failed(first.place, NOW + 60)
    assert due(outbox) == ["second"]


def test_mails_queued_at_once_are_all_there(world: World, outbox: Outbox) -> None:
    with world.another() as other:
        at_once(16, lambda number: (world, other)[number % 2].outbox.put(mail(f"{number:02}"), NOW))
        assert sorted(due(other.outbox, limit=99)) == [f"{number:02}" for number in range(16)]
    assert len({queued.place for queued in outbox.due(NOW, 99)}) == 16
