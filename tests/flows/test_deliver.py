"""Mails are tried, tried again, and given up; nobody's address comes into the log."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from clarity_server.domain.errors import MailDelayed, MailRefused
from clarity_server.domain.mail import Mail, MailKind
from clarity_server.flows.deliver import PAGE, PAUSES_S, Deliver
from tests.contracts.worlds import LocalWorld, local


@dataclass
class Postman:
    """Brings what he is not told to fail with."""

    failures: dict[str, Exception] = field(default_factory=dict)  # by address
    asked: list[str] = field(default_factory=list)
    brought: list[str] = field(default_factory=list)

    def carry(self, mail: Mail) -> None:
        self.asked.append(mail.to)
        if mail.to in self.failures:
            raise self.failures[mail.to]
        self.brought.append(mail.to)


@dataclass
class Slow(Postman):
    """Takes so long that something else happens meanwhile."""

    meanwhile: Callable[[], object] = lambda: None

    def carry(self, mail: Mail) -> None:
        self.meanwhile()
        super().carry(mail)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LocalWorld]:
    with local(tmp_path) as opened:
        yield opened


def queue(world: LocalWorld, *names: str) -> None:
    for name in names:
        world.outbox.put(Mail(MailKind.RESET_PASSWORD, name, "a subject", "a text"), world.clock())


def deliver(world: LocalWorld, postman: Postman) -> int:
    return Deliver(world.outbox, postman, world.clock).deliver_due()


def test_what_is_due_is_brought_in_order_and_once(world: LocalWorld) -> None:
    queue(world, "a", "b", "c")
    postman = Postman()
    assert deliver(world, postman) == 3
    assert deliver(world, postman) == 0
    assert postman.brought == ["a", "b", "c"]


def test_a_page_is_brought_at_a_time(world: LocalWorld) -> None:
    queue(world, *map(str, range(PAGE + 3)))
    assert [deliver(world, Postman()) for _ in range(3)] == [PAGE, 3, 0]


def test_a_mail_that_is_delayed_ends_the_page_and_comes_up_behind_the_others(world: LocalWorld) -> None:
    queue(world, "a", "slow", "b")
    postman = Postman({"slow": MailDelayed("greylisted")})
    assert [deliver(world, postman) for _ in range(3)] == [1, 1, 0]
    assert postman.asked == ["a", "slow", "b"]
    postman.failures.clear()
    world.clock.wait(PAUSES_S[0])
    assert deliver(world, postman) == 1
    assert postman.brought == ["a", "b", "slow"]


def test_the_pauses_grow_and_then_the_mail_is_given_up(world: LocalWorld) -> None:
    queue(world, "never")
    postman = Postman({"never": MailDelayed("no answer")})
    assert list(PAUSES_S) == sorted(PAUSES_S)
    for number, pause_s in enumerate(PAUSES_S):
        assert deliver(world, postman) == 0
        assert len(postman.asked) == number + 1
        world.clock.wait(pause_s - 1)
        assert deliver(world, postman) == 0
        assert len(postman.asked) == number + 1
        world.clock.wait(1)
    assert deliver(world, postman) == 0
    assert len(postman.asked) == len(PAUSES_S) + 1
    world.clock.wait(10 * sum(PAUSES_S))
    assert not world.outbox.due(world.clock(), 1)


def test_a_mail_that_is_refused_is_dropped_and_the_next_one_brought(world: LocalWorld) -> None:
    queue(world, "unknown", "a")
    postman = Postman({"unknown": MailRefused("no such mailbox")})
    assert deliver(world, postman) == 1
    assert postman.brought == ["a"]
    assert not world.outbox.due(world.clock() * 2, 1)


def test_a_mail_that_ends_the_process_waits_like_one_that_was_delayed(world: LocalWorld) -> None:
    queue(world, "deadly", "a")
    postman = Postman({"deadly": MemoryError()})
    with pytest.raises(MemoryError):
        deliver(world, postman)
    assert deliver(world, postman) == 1
    assert [queued.tries for queued in world.outbox.due(world.clock() + PAUSES_S[0], 9)] == [1]


def test_what_one_process_brings_another_does_not(world: LocalWorld) -> None:
    queue(world, "a", "b", "c")
    with local(world.root, world.clock) as other:
        theirs = Postman()
        postman = Slow(meanwhile=lambda: deliver(other, theirs))
        assert deliver(world, postman) == 1
    assert (postman.brought, theirs.brought) == (["a"], ["b", "c"])


def test_the_log_tells_nothing_of_a_person(world: LocalWorld, caplog: pytest.LogCaptureFixture) -> None:
    queue(world, "owl@example.org", "lark@example.org")
    failures = {"owl@example.org": MailRefused("the server answered 550"), "lark@example.org": MailDelayed("later")}
    with caplog.at_level(logging.DEBUG):
        deliver(world, Postman(failures))
    assert [record.getMessage() for record in caplog.records] == [
        "mail refused place=1 kind=reset-password tries=1 error=the server answered 550",
        "mail delayed place=2 kind=reset-password tries=1 error=later",
    ]
