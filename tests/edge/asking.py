"""What a question to an RPC is made of, and who asks it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from google.protobuf.message import Message

from tests.edge.people import People, Person
from tests.edge.surfaces import Ask


class Appoint(Protocol):
    """Makes somebody with a role on the real server."""

    def __call__(self, role: str) -> Person:
        """By its name in lower case."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the reader has that is asked for by its id."""

    analysis_id: str
    insight_id: str


@dataclass(frozen=True, slots=True)
class Cast:
    """Who asks: `own` is another person for every surface and may change things; the others are the same for all.

    What `own` changes is neither their name nor their password nor how they sign in. The `clinician` may read the
    `reader`'s movement, and has.
    """

    people: People
    outbox: Path
    own: Person
    reader: Person
    clinician: Person
    operator: Person
    known: Known

    def fresh(self) -> Person:
        """Somebody whom nothing else is asked of."""
        return self.people.somebody("fresh")


@dataclass(frozen=True, slots=True)
class Case:
    """One RPC's two questions, and why the second is refused; without one where nothing can be wrong with it."""

    answered: Callable[[Cast], Ask]
    refused: Callable[[Cast], Ask] | None
    reason: str


def own(message: Callable[[Cast], Message]) -> Callable[[Cast], Ask]:
    """Asked with the surface's own person."""
    return lambda cast: Ask([message(cast)], cast.own.access_token)


def read(message: Message) -> Callable[[Cast], Ask]:
    """Asked with the person who has a recording, by all surfaces alike."""
    return lambda cast: Ask([message], cast.reader.access_token)


def known(message: Callable[[Known], Message]) -> Callable[[Cast], Ask]:
    """Asked with the same person, for something that has an id."""
    return lambda cast: Ask([message(cast.known)], cast.reader.access_token)


def foreign(message: Callable[[Known], Message]) -> Callable[[Cast], Ask]:
    """Asked for the reader's own by somebody else, to whom it does not exist."""
    return lambda cast: Ask([message(cast.known)], cast.own.access_token)


def public(message: Callable[[Cast], Message]) -> Callable[[Cast], Ask]:
    """Asked with no token."""
    return lambda cast: Ask([message(cast)])


def operated(message: Callable[[Cast], Message]) -> Callable[[Cast], Ask]:
    """Asked with the operator."""
    return lambda cast: Ask([message(cast)], cast.operator.access_token)
