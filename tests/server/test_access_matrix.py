"""The access matrix: every RPC × everything that must keep a caller out, generated from the descriptors.

Each cell is one call of a valid request with one thing wrong. It must be denied with that thing's own reason; and the
same request of the same person with nothing wrong must get its ordinary answer, so that no cell is denied by accident
of another check. Which cells there are follows from the `access` option and the fields of the request; a new RPC needs
only an example of a valid request (tests/server/examples.py).
"""

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from clarity.v1.account_pb2 import Account
from clarity.v1.auth_service_pb2 import SetAccountStateRequest, SignOutRequest
from clarity.v1.health_data_service_pb2 import StreamSeriesRequest
from clarity_server.domain import metrics
from clarity_server.domain.access import Access, Purpose, Role, scope
from clarity_server.domain.metrics import ACTIVITY_COUNTS
from clarity_server.server.access import declared
from tests.server.examples import NOBODYS, Example, Scene, example_of
from tests.server.house import METHODS, OK, House, Person, Tokens, Told, house

Token = Callable[[Tokens, Person], str | None]

ACCESS: Mapping[str, Access] = declared()
SET_STATE = "/clarity.v1.AuthService/SetAccountState"
SIGN_OUT = "/clarity.v1.AuthService/SignOut"
NO_MESSAGE = b"\xff"
LONG = "x" * 10_000  # longer than any text may be
CHOSEN = frozenset({"request_id", "device_id"})  # by the client, and nobody else's

TOKENS: Mapping[str, tuple[Token, str]] = {
    "no token": (lambda _, __: None, "TOKEN_MISSING"),
    "expired": (Tokens.expired, "TOKEN_EXPIRED"),
    "wrong audience": (partial(Tokens.good, aud="another"), "TOKEN_INVALID"),
    "wrong issuer": (partial(Tokens.good, iss="another"), "TOKEN_INVALID"),
    "wrong use": (partial(Tokens.good, token_use="refresh"), "TOKEN_INVALID"),
    "not yet valid": (partial(Tokens.good, nbf=1 << 40), "TOKEN_INVALID"),
    "alg none": (Tokens.unsigned, "TOKEN_INVALID"),
    "HS256 with the public key": (Tokens.by_the_public_key, "TOKEN_INVALID"),
    "unknown kid": (Tokens.of_unknown_key, "TOKEN_INVALID"),
    "signed-out session": (
        lambda tokens, person: tokens.good(person, sid=person.ended_session_id), "SESSION_ENDED",
    ),
}  # fmt: skip

STATES: Mapping[str, tuple[Account.State, str]] = {
    "suspended account": (Account.STATE_SUSPENDED, "ACCOUNT_SUSPENDED"),
    "disabled account": (Account.STATE_DISABLED, "ACCOUNT_DISABLED"),
}

IDS: Mapping[str, str] = {
    "upload_id": "UPLOAD_NOT_FOUND",
    "analysis_id": "ANALYSIS_NOT_FOUND",
    "insight_id": "INSIGHT_NOT_FOUND",
    "session_id": "SESSION_NOT_FOUND",
    "grant_id": "GRANT_NOT_FOUND",
    "reader_id": "READER_NOT_FOUND",
    "account_id": "ACCESS_NOT_GRANTED",
}
"""What is told of an id that is another account's, as of one that nobody has."""


# ---- which cells there are -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """One thing wrong with a call of a method, and the reason it must be denied with."""

    method: str
    cause: str
    reason: str

    def __str__(self) -> str:
        return f"{self.method.rpartition('/')[2]}-{self.cause}".replace(" ", "_")


def cells() -> Iterator[Cell]:
    for method, contract in METHODS.items():
        needed, request = ACCESS[method], contract.input_type
        yield Cell(method, "no message", "REQUEST_INVALID")
        if texts(request):
            yield Cell(method, "texts beyond any limit", reason_of_long(texts(request)))
        if needed.public:
            continue
        for cause, (_, reason) in TOKENS.items():
            yield Cell(method, cause, reason)
        for cause, (_, reason) in STATES.items():
            yield Cell(method, cause, reason)
        for missing in scopes(needed):
            yield Cell(method, f"without {missing}", "SCOPE_MISSING")
        if needed.role is not None:
            yield Cell(method, f"not a {needed.role}", "ROLE_MISSING")
        for purpose in needed.purposes:
            yield Cell(method, f"no consent to {purpose}", "CONSENT_MISSING")
        for named in ids(request) if needed.role is not Role.OPERATOR else ():  # whose business is others' accounts
            yield Cell(method, f"another's {named}", "OK" if is_chosen(request, named) else reason_of_id(method, named))


def scopes(needed: Access) -> Sequence[str]:
    """The scopes that the example needs: those of the method, and that of its metric's family."""
    family = metrics.find(ACTIVITY_COUNTS).family
    of_metric = (scope(family, needed.use),) if needed.use is not None and needed.family is None else ()
    return (*needed.scopes, *of_metric)


def texts(request: Descriptor) -> Sequence[str]:
    """The texts of a request; of a stream's, those of its first message."""
    request = _first(request)
    return [one.name for one in request.fields if one.type == FieldDescriptor.TYPE_STRING and not one.is_repeated]


def _first(request: Descriptor) -> Descriptor:
    """What a call begins with: a stream's opening, or the request itself."""
    opening = request.fields_by_name.get("open")
    return request if opening is None or opening.message_type is None else opening.message_type


def reason_of_long(names: Sequence[str]) -> str:
    """A token that is none of ours is told as such, where there is no other text."""
    alone = {
        "page_token": "PAGE_TOKEN_INVALID",
        "resume_token": "RESUME_TOKEN_INVALID",
        "change_token": "RESUME_TOKEN_INVALID",
    }
    return alone.get(" ".join(names), "REQUEST_INVALID")


def ids(request: Descriptor) -> Sequence[str]:
    return [name for name in texts(request) if name.endswith("_id") and name not in CHOSEN]


def is_chosen(request: Descriptor, name: str) -> bool:
    """Whether a client makes the id up, within its own account: then another's is as good as any."""
    request = _first(request)
    return name == "upload_id" and "series" in request.fields_by_name


def reason_of_id(method: str, name: str) -> str:
    assert name in IDS, f"{method}: say in IDS what is told of another account's {name}"
    return IDS[name]


CELLS = tuple(cells())


# ---- calling ---------------------------------------------------------------------------------------------------------


@dataclass
class Findings:
    """What came of all calls."""

    expected: Mapping[str, str]  # the reason of the ordinary answer
    denied: dict[Cell, Told] = field(default_factory=dict)
    unknown: dict[Cell, Told] = field(default_factory=dict)  # the same with an id that nobody has
    shared: dict[str, Told] = field(default_factory=dict)  # another's data, by a grant
    ordinary: dict[str, Told] = field(default_factory=dict)  # with nothing wrong


@dataclass(frozen=True)
class Matrix:
    """Makes all calls. Every RPC has one person and one request for all of its cells."""

    scene: Scene
    examples: Mapping[str, Example]
    found: Findings

    @property
    def house(self) -> House:
        return self.scene.house

    @property
    def people(self) -> Sequence[Person]:
        """Everybody who asks for something with a token."""
        asking = {example.who.account_id: example.who for method, example in self.examples.items() if _needs(method)}
        return list(asking.values())

    async def run(self) -> None:
        """Make all calls, and last of all those that nothing is wrong with: some of them end what they are about."""
        await self._end_sessions()
        for cell in CELLS:
            if not cell.cause.startswith("no consent") and cell.cause not in STATES:
                self.found.denied[cell] = await self._tell(cell)
        for purpose in Purpose:
            await self._without_consent(purpose)
        for cause, (state, reason) in STATES.items():
            await self._in_state(cause, state, reason)
        await self._by_grant()
        for method in METHODS:
            self.found.ordinary[method] = await self._call(method)

    async def _tell(self, cell: Cell) -> Told:
        """Call with one thing wrong."""
        example, tokens = self.examples[cell.method], self.house.tokens
        match cell.cause.partition(" "):
            case _ if cell.cause in TOKENS:
                return await self._call(cell.method, token=TOKENS[cell.cause][0](tokens, example.who))
            case ("no", _, "message"):
                return await self._call(cell.method, messages=[NO_MESSAGE])
            case ("texts", _, _):
                return await self._call(cell.method, messages=[_lengthened(cell.method, example.messages[0])])
            case ("without", _, missing):
                less = replace(example.who, scopes=example.who.scopes - {missing})
                return await self._call(cell.method, token=tokens.good(less))
            case ("not", _, _):
                return await self._call(cell.method, token=tokens.good(self.scene.owl))
            case ("another's", _, name):
                self.found.unknown[cell] = await self._call(cell.method, messages=_naming(example, {name: NOBODYS}))
                return await self._call(cell.method, messages=_naming(example, {name: self._theirs(name)}))
            case _:
                raise AssertionError(f"nobody has said how to call with {cell.cause}")

    def _theirs(self, name: str) -> str:
        """The stranger's id of a kind."""
        if name in {"account_id", "reader_id"}:
            return self.scene.stranger.account_id
        return str(getattr(self.scene.strangers, name))

    async def _call(self, method: str, *, messages: Sequence[bytes] | None = None, token: str | None = "") -> Told:
        example = self.examples[method]
        sent = [one.SerializeToString() for one in example.messages] if messages is None else messages
        return await self.house.told(method, sent, self.house.tokens.good(example.who) if token == "" else token)

    async def _end_sessions(self) -> None:
        for person in self.people:
            token = self.house.tokens.good(person, sid=person.ended_session_id)
            assert await self.house.told(SIGN_OUT, [SignOutRequest().SerializeToString()], token) == OK

    async def _without_consent(self, purpose: Purpose) -> None:
        wanted = [cell for cell in CELLS if cell.cause == f"no consent to {purpose}"]
        people = {self.examples[cell.method].who for cell in wanted}
        await self.house.consents(people, purpose, given=False)
        for cell in wanted:
            self.found.denied[cell] = await self._call(cell.method)
        await self.house.consents(people, purpose, given=True)

    async def _in_state(self, cause: str, state: Account.State, reason: str) -> None:
        await self._set_state(state, reason)
        for cell in CELLS:
            if cell.cause == cause:
                self.found.denied[cell] = await self._call(cell.method)
        await self._set_state(Account.STATE_ACTIVE, "OK")

    async def _set_state(self, state: Account.State, told: str) -> None:
        boss = self.house.tokens.good(self.house.person(Role.OPERATOR))
        for person in self.people:
            asked = SetAccountStateRequest(account_id=person.account_id, state=state, reason="the matrix")
            await self.house.told(SET_STATE, [asked.SerializeToString()], boss)
        await self.house.until(self.people, told)

    async def _by_grant(self) -> None:
        """Read the stranger's data, under the stranger's ids, by a grant of theirs."""
        await self.house.granted(self.scene.stranger, self.scene.owl)
        for method, contract in METHODS.items():
            if ACCESS[method].shareable:
                theirs = {name: self._theirs(name) for name in ids(contract.input_type)}
                self.found.shared[method] = await self._call(method, messages=_naming(self.examples[method], theirs))


def _needs(method: str) -> bool:
    return not ACCESS[method].public


def _lengthened(method: str, message: Message) -> bytes:
    """A request whose every text is longer than any may be."""
    return _changed(message, dict.fromkeys(texts(METHODS[method].input_type), LONG))


def _naming(example: Example, named: Mapping[str, str]) -> Sequence[bytes]:
    """An example's messages with other ids."""
    first, *rest = example.messages
    return [_changed(first, named), *(one.SerializeToString() for one in rest)]


def _changed(message: Message, said: Mapping[str, str]) -> bytes:
    changed = type(message)()
    changed.CopyFrom(message)
    opened = changed.open if isinstance(changed, StreamSeriesRequest) else changed
    for name, value in said.items():
        setattr(opened, name, value)
    return changed.SerializeToString()


async def _findings(directory: Path) -> Findings:
    async with house(directory) as opened:
        scene = await _scene(opened)
        examples = {method: example_of(method, scene) for method in METHODS}
        found = Findings({method: example.ordinary for method, example in examples.items()})
        await Matrix(scene, examples, found).run()
        return found


async def _scene(opened: House) -> Scene:
    owl, stranger = opened.person(Role.CLINICIAN), opened.person()
    clinician, operator = opened.person(Role.CLINICIAN), opened.person(Role.OPERATOR)
    owls = await opened.recorded(owl, clinician)
    strangers = await opened.recorded(stranger, clinician)
    return Scene(opened, owl, stranger, clinician, operator, owls, strangers)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """All calls, made once."""

    async def made(directory: Path) -> Findings:
        findings = await _findings(directory)
        gc.collect()  # the server wants its loop when it goes
        return findings

    return asyncio.run(made(tmp_path_factory.mktemp("matrix")))


# ---- what must be true -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_it_is_denied_for_its_own_reason_and_for_that_alone(found: Findings, cell: Cell) -> None:
    assert found.denied[cell].reason == cell.reason
    assert found.ordinary[cell.method].reason == found.expected[cell.method]


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.cause.startswith("another's")], ids=str)
def test_another_accounts_id_is_told_as_one_that_nobody_has(found: Findings, cell: Cell) -> None:
    assert found.denied[cell] == found.unknown[cell]


@pytest.mark.parametrize("method", [method for method in METHODS if ACCESS[method].shareable])
def test_what_another_has_granted_is_read_by_the_same_request(found: Findings, method: str) -> None:
    assert found.shared[method] == OK


@pytest.mark.parametrize(
    "cell", [cell for cell in CELLS if cell.reason in {"SCOPE_MISSING", "CONSENT_MISSING"}], ids=str
)
def test_what_is_missing_is_named(found: Findings, cell: Cell) -> None:
    assert found.denied[cell].facts[0][1] == cell.cause.rpartition(" ")[2]


def test_every_cause_of_the_contract_is_in_the_matrix() -> None:
    """Red if a rule that generates cells no longer finds any."""
    found = {cell.reason for cell in CELLS}
    assert {*(reason for _, reason in (*TOKENS.values(), *STATES.values())), *IDS.values()} <= found
    assert {"SCOPE_MISSING", "ROLE_MISSING", "CONSENT_MISSING", "REQUEST_INVALID"} <= found
    assert {cell.method for cell in CELLS} == set(METHODS)
