"""The bytes of a sample's content: what the store seals, and what its keyed digest is of.

A head (form of the value, which times are known, the times, the length of the client's id), the client's id, and the
value: a float64, or a code and what the vendor calls it, or the parts as JSON. Equal contents are equal bytes.
"""

import hmac
import json
import struct
from enum import IntEnum

from clarity_server.domain.ids import keyed_digest
from clarity_server.domain.samples import Coded, Moment, Sample, Value
from clarity_server.domain.series import Source

HEAD = struct.Struct("<BBqqqqH")  # form, known times, start and end as instant and civil, bytes of the client's id
NUMBER = struct.Struct("<d")
BETWEEN = "\0"  # no code and no name has it


class Form(IntEnum):
    """What kind of value follows."""

    QUANTITY = 1
    CODED = 2
    PARTS = 3


def pack(sample: Sample) -> bytes:
    """Return the content's bytes: all but the metric, the source and the version."""
    named = sample.client_record_id.encode()
    form, value = _packed(sample.value)
    known, times = 0, [0, 0, 0, 0]
    ends = (None, None) if sample.end is None else (sample.end.instant_ms, sample.end.civil_ms)
    for place, ms in enumerate((sample.start.instant_ms, sample.start.civil_ms, *ends)):
        if ms is not None:
            known |= 1 << place
            times[place] = ms
    return HEAD.pack(form, known, *times, len(named)) + named + value


def unpack(packed: bytes, metric: str, source: Source, version: int) -> Sample:
    """Return the sample. Raises ValueError on bytes that are none of ours."""
    try:
        form, known, start_instant, start_civil, end_instant, end_civil, length = HEAD.unpack_from(packed)
        at = HEAD.size + length
        start = Moment(start_instant if known & 1 else None, start_civil if known & 2 else None)
        end = Moment(end_instant if known & 4 else None, end_civil if known & 8 else None) if known & 12 else None
        return Sample(metric, source, packed[HEAD.size : at].decode(), version, start, end, _value(form, packed[at:]))
    except (struct.error, TypeError) as why:
        raise ValueError(str(why)) from why


def digest_key(data_key: bytes) -> bytes:
    """Return the key of an account's content digests."""
    return keyed_digest(data_key, "sample-digest")


def digest(key: bytes, metric: str, source: Source, packed: bytes) -> bytes:
    """Return the keyed digest of a content, 32 bytes: equal for equal contents of an account, whatever the version."""
    told = BETWEEN.join((metric, source.device, source.app, "")).encode()
    return hmac.digest(key, told + packed, "sha256")


def _packed(value: Value) -> tuple[Form, bytes]:
    if isinstance(value, float):
        return Form.QUANTITY, NUMBER.pack(value)
    if isinstance(value, Coded):
        return Form.CODED, f"{value.code}{BETWEEN}{value.vendor_code}".encode()
    return Form.PARTS, json.dumps(value, separators=(",", ":")).encode()


def _value(form: int, packed: bytes) -> Value:
    if form == Form.QUANTITY:
        (number,) = NUMBER.unpack(packed)
        return float(number)
    if form == Form.CODED:
        code, _, vendor_code = packed.decode().partition(BETWEEN)
        return Coded(code, vendor_code)
    if form == Form.PARTS:
        return tuple((metric, float(value)) for metric, value in json.loads(packed))
    raise ValueError(f"unknown form {form} of a sample's value")
