"""Every RPC, called in every way there is, gives the same answer and the same refusal."""

from collections.abc import Iterator, MutableSequence, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from clarity import edge, local
from tests.edge.asking import Appoint, Cast
from tests.edge.cases import CASES, prepare
from tests.edge.people import People
from tests.edge.running import DESCRIPTORS
from tests.edge.surfaces import (
    Answer,
    BufCurl,
    Curl,
    Grpcurl,
    Stub,
    Surface,
    Web,
    as_json,
    described,
    rpcs,
    services,
)

RPCS = rpcs(DESCRIPTORS)

# What the server makes anew for every call or person, so that equal answers differ in it. Nothing else may differ.
PER_CALL = {
    "account_id": "every surface has its own account, for what it changes",
    "email": "the same",
    "create_time": "the same",
    "session_id": "a new session a call",
    "access_token": "the same",
    "access_expire_time": "the same",
    "refresh_token": "the same",
    "refresh_expire_time": "the same",
    "ticket": "a new one a call",
    "expire_time": "of that ticket; of a grant",
    "resend_time": "the same",
    "secret": "a new one a call",
    "otpauth_uri": "the same",
    "recovery_codes": "the same",
    "receipt_secret": "the same",
    "erasure_id": "a new erasure a call",
    "request_time": "the same",
    "erase_time": "the same",
    "effective_time": "when it was said",
    "grant_id": "a new grant a call",
    "member_id": "the account that gives it",
    "revoke_time": "when it was ended",
    "sample_id": "made of the account, too",
    "stored_digest": "made with the account's own key",
    "sent_digest": "the same",
}
# Asked with nothing and by anybody.
NEVER_REFUSED = {"clarity.v1.AuthService/GetJwks"}
# How many of these a stream sends depends on how fast the disk was; what they come to stands in the receipt.
COALESCED = "progress"


@pytest.fixture(scope="module")
def surfaces(direct: grpc.Channel, through: grpc.Channel, envoy: edge.Edge, server: local.Server) -> Sequence[Surface]:
    """Six ways, the first of which the others are compared with."""
    found: list[Surface] = [
        Stub("stub", direct),
        Stub("stub through Envoy", through),
        Web("gRPC-Web", envoy.port),
        Curl("curl", envoy.port),
        BufCurl("buf curl", server.port, DESCRIPTORS),
    ]
    return [*found, Grpcurl("grpcurl", envoy.port)] if local.tool("grpcurl") else found


@pytest.fixture(scope="module")
def casts(people: People, keys: Path, appoint: Appoint, surfaces: Sequence[Surface]) -> dict[str, Cast]:
    reader, clinician, operator = people.somebody("reader"), appoint("clinician"), appoint("operator")
    known = prepare(people, reader, clinician)
    outbox = local.outbox_of(keys.parent)
    own = {surface.name: people.somebody("own") for surface in surfaces}
    return {name: Cast(people, outbox, own[name], reader, clinician, operator, known) for name in own}


def essence(answer: Answer) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """An answer without what is new in every call."""
    messages = [as_json(blanked(message)) for message in answer.messages if not is_coalesced(message)]
    return messages, None if answer.status is None else as_json(answer.status)


def is_coalesced(message: Message) -> bool:
    return (
        COALESCED in message.DESCRIPTOR.fields_by_name
        and bool(message.DESCRIPTOR.oneofs)
        and message.HasField(COALESCED)
    )


def blanked(message: Message) -> Message:
    """A copy in which the fields of PER_CALL only tell that they are there."""
    copy = type(message)()
    copy.CopyFrom(message)
    for part in parts(copy):
        for field, value in part.ListFields():
            if field.name in PER_CALL:
                if isinstance(value, Timestamp):
                    value.FromSeconds(1)
                elif isinstance(value, MutableSequence):
                    value[:] = ["is there"] * len(value)
                else:
                    setattr(part, field.name, b"is there" if isinstance(value, bytes) else "is there")
    return copy


def parts(message: Message) -> Iterator[Message]:
    """A message and the messages directly in it, lists too: no answer hides such a field deeper."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            yield from value if field.is_repeated else [value]


@pytest.mark.parametrize("rpc", RPCS)
def test_every_surface_gives_the_same_answer(rpc: str, surfaces: Sequence[Surface], casts: dict[str, Cast]) -> None:
    """Red for an RPC without a case, too: a new one is asked here before it is released."""
    case = CASES[rpc]
    answers = {surface.name: surface.call(described(rpc), case.answered(casts[surface.name])) for surface in surfaces}
    assert {name: answer.status for name, answer in answers.items()} == dict.fromkeys(answers)
    expected = essence(answers["stub"])
    assert expected[0]
    assert {name: essence(answer) for name, answer in answers.items()} == dict.fromkeys(answers, expected)


@pytest.mark.parametrize("rpc", [rpc for rpc in RPCS if rpc not in NEVER_REFUSED])
def test_every_surface_gives_the_same_refusal(rpc: str, surfaces: Sequence[Surface], casts: dict[str, Cast]) -> None:
    """The same code, text, reason and details."""
    case = CASES[rpc]
    assert case.refused, "an RPC that something can be wrong with"
    asked = {surface.name: case.refused(casts[surface.name]) for surface in surfaces}
    answers = {surface.name: surface.call(described(rpc), asked[surface.name]) for surface in surfaces}
    assert {name: answer.reason for name, answer in answers.items()} == dict.fromkeys(answers, case.reason)
    expected = essence(answers["stub"])
    assert {name: essence(answer) for name, answer in answers.items()} == dict.fromkeys(answers, expected)


def test_the_cases_are_those_of_the_contract() -> None:
    assert sorted(CASES) == sorted(RPCS)


def test_envoy_transcodes_every_service_of_the_contract() -> None:
    assert f"services: [{', '.join(services(DESCRIPTORS))}]" in edge.read_config()
