"""Random requests, drawn from the descriptors: a new field, message or RPC is fuzzed by itself.

Half of what is drawn for a method that has seeds is one of them with a field changed. The rest are messages whose
fields have the right types and hold edge cases, ids and names that exist, or anything. A third of both are sent with
some of their bytes changed, cut off or doubled.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

DEPTH_MAX = 4  # of messages in messages
LIST_MAX = 4
EDGES_32 = [0, 1, -1, 7, 100, 10_000, 2**31 - 1, -(2**31)]
EDGES_64 = [*EDGES_32, 2**53, 2**62, 2**63 - 1, -(2**63)]
FLOATS = [0.0, -0.0, 1.0, -1.0, 1e-300, 1e300, float("inf"), float("-inf"), float("nan")]
TEXTS = [
    "",
    " ",
    "activity_counts_1min",
    "heart_rate",
    "sleep_stage",
    "somebody@example.org",
    "Correct-horse-9",
    "2026-11",
    "account.read",
    "12345678",
    "123456",
    "Europe/Zurich",
    "../../etc/passwd",
    "%s%n{}\x00\x1f",
    "\u202e\U0001f634é\ud7ff",
    "a" * 26,
    "x" * 5000,
    "'; DROP TABLE accounts; --",
]

_KINDS = FieldDescriptor
_SCALARS: Mapping[int, SearchStrategy[object]] = {
    _KINDS.TYPE_BYTES: st.one_of(st.binary(max_size=64), st.just(b"\0" * 480), st.just(b"\0" * 300_000)),
    _KINDS.TYPE_BOOL: st.booleans(),
    _KINDS.TYPE_DOUBLE: st.sampled_from(FLOATS),
    _KINDS.TYPE_FLOAT: st.sampled_from(FLOATS),
    _KINDS.TYPE_INT32: st.sampled_from(EDGES_32),
    _KINDS.TYPE_UINT32: st.sampled_from([0, 1, 2**32 - 1]),
}


def requests(described: Descriptor, known: Sequence[str]) -> SearchStrategy[bytes]:
    """Draw a request of a message type as the bytes on the wire; `known` are ids that exist."""
    meant = messages(described, _texts(known)).map(lambda message: message.SerializeToString())
    return st.one_of(meant, meant, meant.flatmap(_mutated))


def changed(message: Message, known: Sequence[str]) -> SearchStrategy[bytes]:
    """Draw a message with at most one of its fields changed, somewhere inside; or with some of its bytes changed."""
    nearly = _changed(message, _texts(known)).map(lambda other: other.SerializeToString())
    return st.one_of(nearly, nearly, nearly.flatmap(_mutated))


def _texts(known: Sequence[str]) -> SearchStrategy[str]:
    return st.one_of(st.sampled_from([*TEXTS, *known]), st.text(max_size=40))


@st.composite
def _changed(draw: Callable[[SearchStrategy[Any]], Any], message: Message, texts: SearchStrategy[str]) -> Message:
    other = type(message)()
    other.CopyFrom(message)
    within: Message = other
    while draw(st.booleans()):
        field = draw(st.sampled_from(list(within.DESCRIPTOR.fields)))
        if field.message_type is None or field.is_repeated or not within.HasField(field.name):
            within.ClearField(field.name)
            _set(within, field, draw(_values(field, texts, 1)))
            break
        within = getattr(within, field.name)
    return other


def messages(described: Descriptor, texts: SearchStrategy[str], depth: int = 0) -> SearchStrategy[Message]:
    """Draw a message with some of its fields set."""
    fields = [field for field in described.fields if depth < DEPTH_MAX or field.message_type is None]

    @st.composite
    def drawn(draw: Callable[[SearchStrategy[object]], object]) -> Message:
        message = GetMessageClass(described)()
        for field in fields:
            if draw(st.booleans()):
                _set(message, field, draw(_values(field, texts, depth)))
        return message

    return drawn()


def _values(field: FieldDescriptor, texts: SearchStrategy[str], depth: int) -> SearchStrategy[object]:
    """Draw what a field may hold: a value, or a list of them."""
    one = _value(field, texts, depth)
    return st.lists(one, max_size=LIST_MAX) if field.is_repeated else one


def _value(field: FieldDescriptor, texts: SearchStrategy[str], depth: int) -> SearchStrategy[object]:
    if field.message_type is not None:
        return messages(field.message_type, texts, depth + 1)
    if field.enum_type is not None:
        named = st.sampled_from(list(field.enum_type.values_by_number))
        return st.one_of(named, st.sampled_from([-1, 99, 2**31 - 1]))
    return texts if field.type == field.TYPE_STRING else _SCALARS.get(field.type, st.sampled_from(EDGES_64))


def _set(message: Message, field: FieldDescriptor, value: object) -> None:
    held = getattr(message, field.name)
    if not field.is_repeated:
        if field.message_type is None:
            setattr(message, field.name, value)
        else:
            held.CopyFrom(value)
            held.SetInParent()
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        for entry in value:  # type: ignore[attr-defined]
            held[entry.key] = entry.value
    else:
        held.extend(value)


def _mutated(data: bytes) -> SearchStrategy[bytes]:
    """Draw bytes that were a message: one changed, the end cut off, or a part of it doubled."""
    if not data:
        return st.binary(max_size=64)
    places = st.integers(0, len(data) - 1)
    changed = st.tuples(places, st.integers(0, 255)).map(lambda at: data[: at[0]] + bytes([at[1]]) + data[at[0] + 1 :])
    cut = places.map(lambda end: data[:end])
    doubled = places.map(lambda end: data + data[:end])
    return st.one_of(changed, cut, doubled)
