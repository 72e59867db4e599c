"""The audit's chain: rows that each vouch for the one before, and signed heads that vouch for all up to one.

A row's hash is HMAC-SHA256 over its number, its time, the hash before it and its event. A plain hash would let anybody
who can write to the store, and to nothing else, rewrite it from some row on; the key lies outside of it. Heads are
signed, not keyed: who has the public key can check that a copy of one was ours, without being able to make another.

An operator who puts an older store back on purpose leaves a head that says so: what was promised before it is void,
and is told as gone by that restore. It is bound to the head before it, so that no copy of it excuses anything later.

The key that signs them is the audit's own, so that heads and receipts outlive every key that signs tokens.
"""

import base64
import hashlib
import hmac
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from clarity_server.domain.audit import AuditEvent, AuditKind

CHAIN_PURPOSE = "audit-chain"
"""What the key of the hashes is derived for."""
SIGNING_PURPOSE = "audit-signing"
"""What the seed of the signing key is derived for."""
GENESIS = bytes(32)
"""What the first row has in place of a hash before it."""
_HEAD = b"clarity audit head 1\0"  # no signature of a head is ever one of anything else
_RESTORED = b"clarity audit restored 1\0"


@dataclass(frozen=True, slots=True)
class Row:
    """An event in its place."""

    seq: int  # 1, 2, 3, … without a gap
    time: float  # when it was written, in seconds since 1970
    previous: bytes  # the hash of the row before
    event: bytes  # canonical JSON
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """What was the last row at a time, signed."""

    seq: int
    hash: bytes
    time: float
    signature: bytes
    restored: bool = False  # an operator put a store back that ends with this row


@dataclass(frozen=True, slots=True)
class Restore:
    """A store that an operator put back, as its head has it."""

    seq: int  # the last row of what was put back
    time: float
    until: int  # the last row that a head was signed for before; those after `seq` went with the restore

    @property
    def sentence(self) -> str:
        """What an operator reads."""
        when = f"{datetime.fromtimestamp(self.time, UTC):%Y-%m-%d %H:%M:%S} UTC"
        lost = f"; rows {self.seq + 1} to {self.until}, which were there, went with that" * (self.until > self.seq)
        return f"an operator put a backup back at {when} that ends with row {self.seq}{lost}"


class Fault(StrEnum):
    """What is wrong with a chain at a place."""

    EDITED = "edited"
    DROPPED = "dropped"
    INSERTED = "inserted"
    MOVED = "moved"
    REPLACED = "replaced"  # the row is one of ours, but not the one that a head was signed for
    CUT = "cut"
    HEAD_FORGED = "head-forged"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What there is to say of a chain. Whole means: up to `seq`, and nothing that was signed is missing."""

    rows: int  # how many there are
    anchored: int  # up to which row a head vouches, 0 where none does
    anchored_time: float | None
    fault: Fault | None = None
    seq: int = 0  # the first row that is not as it was
    until: int = 0  # of rows dropped or cut, the last that is known to have been there
    restores: tuple[Restore, ...] = ()  # which are no fault, and are always told

    @property
    def whole(self) -> bool:
        """Whether nothing was found."""
        return self.fault is None

    @property
    def sentence(self) -> str:
        """What an operator reads."""
        return "; ".join([self._verdict(), *(restore.sentence for restore in self.restores)])

    def _verdict(self) -> str:
        if self.fault is None:
            return f"{self._rows()}; {self._tail()}"
        if self.fault is Fault.CUT:
            return (
                f"the tail is cut: rows {self.seq} to {self.until} are gone, which were there when head {self.until} "
                f"was signed; what is left is unanchored since head {self.anchored}"
            )
        if self.fault is Fault.HEAD_FORGED:
            return f"head {self.seq} is not signed by this server's audit key; {self._tail()}"
        return f"{self._found()}; what is before row {self.seq} is whole"

    def _rows(self) -> str:
        return "1 row is whole" if self.rows == 1 else f"{self.rows} rows are whole"

    def _tail(self) -> str:
        if self.rows == self.anchored:
            return f"head {self.anchored} anchors them" if self.rows else "there is nothing to anchor"
        return f"rows from {self.anchored + 1} on are not anchored yet, since head {self.anchored}"

    def _found(self) -> str:
        match self.fault:
            case Fault.DROPPED if self.until > self.seq:
                return f"rows {self.seq} to {self.until} were dropped"
            case Fault.DROPPED:
                return f"row {self.seq} was dropped"
            case Fault.INSERTED:
                return f"what stands as row {self.seq} was inserted: the row that was there comes after it"
            case Fault.MOVED:
                return f"row {self.seq} was moved: it does not stand in its place"
            case Fault.REPLACED:
                return (
                    f"from row {self.seq} to {self.until} at the latest, others stand than were signed for: an older "
                    "copy of the store was put back and went on"
                )
            case _:
                return f"row {self.seq} was edited: it is not what was written there"


def packed(event: AuditEvent, origin: str) -> bytes:
    """The canonical bytes of an event, with a digest in place of its origin: JSON, keys sorted, no blanks, UTF-8."""
    told = {field.name: getattr(event, field.name) for field in fields(event)}
    told |= {"origin": origin, "facts": dict(event.facts)}
    return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def unpacked(event: bytes) -> AuditEvent:
    """The event of canonical bytes."""
    told = json.loads(event)
    return AuditEvent(**{**told, "kind": AuditKind(told["kind"])})


def linked(key: bytes, seq: int, time: float, previous: bytes, event: bytes) -> Row:
    """Make the row that follows the one of hash `previous`."""
    return Row(seq, time, previous, event, _hash(key, seq, time, previous, event))


def signing_key(seed: bytes) -> Ed25519PrivateKey:
    """The audit's own key, of a seed of 32 bytes."""
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_jwk(key: Ed25519PublicKey) -> dict[str, str]:
    """A public key as a JWK (RFC 8037), its id the thumbprint (RFC 7638)."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}
    spelled = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return {**members, "kid": _base64url(hashlib.sha256(spelled).digest()), "use": "sig", "alg": "EdDSA"}


def signed(key: Ed25519PrivateKey, seq: int, row_hash: bytes, time: float) -> Head:
    """Sign what is the last row at a time."""
    return Head(seq, row_hash, time, key.sign(_said(seq, row_hash, time)))


def signed_restore(key: Ed25519PrivateKey, seq: int, row_hash: bytes, time: float, before: Head | None) -> Head:
    """Sign that an operator put a store back whose last row is this one; `before` is the last head there is."""
    return Head(seq, row_hash, time, key.sign(_said_restored(seq, row_hash, time, before)), restored=True)


def verify(rows: Iterable[Row], heads: Sequence[Head], key: bytes, public: Ed25519PublicKey) -> Verdict:
    """Go along a chain, rows as they stand in the store, and say where it is first broken.

    Rows after the last head are checked by their hashes; that some were there and are gone, only a head can tell.
    """
    promised: dict[int, Head] = {}
    restores: list[Restore] = []
    before: Head | None = None
    for head in heads:
        if not _is_signed(public, head, before):
            return Verdict(0, 0, None, Fault.HEAD_FORGED, head.seq)
        if head.restored:
            restores.append(Restore(head.seq, head.time, max([head.seq, *promised])))
            promised.clear()
        promised.setdefault(head.seq, head)
        before = head
    return replace(_Walk(key, promised).along(iter(rows)), restores=tuple(restores))


class _Walk:
    """One pass over the rows; memory does not grow with them."""

    def __init__(self, key: bytes, promised: Mapping[int, Head]) -> None:
        self._key = key
        self._promised = promised
        self._seq = 0
        self._previous = GENESIS
        self._anchor: Head | None = None

    def along(self, rows: Iterator[Row]) -> Verdict:
        for row in rows:
            if not self._follows(row):
                return self._broken(row, rows)
            head = self._promised.get(row.seq)
            if head is not None and head.hash != row.hash:
                return self._verdict(Fault.REPLACED, self._anchored + 1, row.seq)
            self._seq, self._previous, self._anchor = row.seq, row.hash, head or self._anchor
        last = max(self._promised, default=0)
        return self._verdict(Fault.CUT, self._seq + 1, last) if last > self._seq else self._verdict()

    @property
    def _anchored(self) -> int:
        return self._anchor.seq if self._anchor else 0

    def _follows(self, row: Row) -> bool:
        expected = (self._seq + 1, self._previous)
        return (row.seq, row.previous) == expected and self._is_hash(row, row.seq)

    def _is_hash(self, row: Row, seq: int) -> bool:
        return hmac.compare_digest(row.hash, _hash(self._key, seq, row.time, row.previous, row.event))

    def _is_next(self, row: Row) -> bool:
        """Whether this is the row that belongs in the present place, wherever it stands."""
        return row.previous == self._previous and self._is_hash(row, self._seq + 1)

    def _broken(self, found: Row, rest: Iterator[Row]) -> Verdict:
        """Say what has become of the present place, where a row stands that does not belong there."""
        seq, own = self._seq + 1, self._is_hash(found, found.seq)
        if own and found.seq == seq:  # both are ours, and what came before this one was another
            return self._verdict(Fault.REPLACED, self._anchored + 1, seq)
        if own and found.seq < seq:
            return self._verdict(Fault.INSERTED, seq)
        if self._is_next(found):  # it is the right one, under another number
            return self._verdict(Fault.MOVED, seq)
        true, stands_later, again, number = found.seq if own else 0, False, False, seq + 1
        for row in rest:
            stands_later = stands_later or self._is_next(row)
            again = again or row.hash == found.hash
            true = true or (number if self._is_hash(found, number) else 0)
            number += 1
        true = true or (number if self._is_hash(found, number) else 0)
        if stands_later:
            return self._verdict(Fault.INSERTED if again or not true else Fault.MOVED, seq)
        return self._verdict(Fault.DROPPED, seq, true - 1) if true else self._verdict(Fault.EDITED, seq)

    def _verdict(self, fault: Fault | None = None, seq: int = 0, until: int = 0) -> Verdict:
        return Verdict(self._seq, self._anchored, self._anchor.time if self._anchor else None, fault, seq, until)


def _hash(key: bytes, seq: int, time: float, previous: bytes, event: bytes) -> bytes:
    return hmac.digest(key, _placed(seq, time) + previous + event, "sha256")


def _said(seq: int, row_hash: bytes, time: float) -> bytes:
    return _HEAD + _placed(seq, time) + row_hash


def _said_restored(seq: int, row_hash: bytes, time: float, before: Head | None) -> bytes:
    return _RESTORED + _placed(seq, time) + row_hash + hashlib.sha256(before.signature if before else b"").digest()


def _placed(seq: int, time: float) -> bytes:
    return struct.pack(">qd", seq, time)


def _is_signed(public: Ed25519PublicKey, head: Head, before: Head | None) -> bool:
    told = (head.seq, head.hash, head.time)
    try:
        public.verify(head.signature, _said_restored(*told, before) if head.restored else _said(*told))
    except InvalidSignature:
        return False
    return True


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
