"""Results at rest: a Day as sealed bytes, and back."""

import json
from dataclasses import asdict, replace
from datetime import date
from typing import Any

from clarity_server.domain import sealing
from clarity_server.domain.days import Day, Measure, Unavailable
from clarity_server.domain.series import Source
from clarity_server.ports import DayKey


def result_name(account_id: str, upload_id: str, number: int) -> str:
    """Return what a result's seal is bound to."""
    return f"{account_id}|{upload_id}|result|{number}"


def seal_result(key: bytes, account_id: str, upload_id: str, number: int, day: Day) -> bytes:
    """Seal a numbered result."""
    return sealing.seal(key, _pack(replace(day, result=number)), result_name(account_id, upload_id, number))


def unseal_result(key: bytes, account_id: str, upload_id: str, number: int, body: bytes) -> Day:
    """Open a numbered result. Raises StoreDamaged."""
    return _unpack(sealing.unseal(key, body, result_name(account_id, upload_id, number)))


def seal_day(key: bytes, name: DayKey, day: Day) -> bytes:
    """Seal a Day under its key."""
    return sealing.seal(key, _pack(day), name.name)


def unseal_day(key: bytes, name: DayKey, body: bytes) -> Day:
    """Open a Day. Raises StoreDamaged."""
    return _unpack(sealing.unseal(key, body, name.name))


def _pack(day: Day) -> bytes:
    # Sorted and without blanks: equal days are equal bytes.
    return json.dumps(asdict(day), default=str, sort_keys=True, separators=(",", ":")).encode()


def _unpack(packed: bytes) -> Day:
    fields: dict[str, Any] = json.loads(packed)
    return Day(
        **{
            **fields,
            "date": date.fromisoformat(fields["date"]),
            "source": Source(**fields["source"]),
            "measures": tuple(_measure(measure) for measure in fields["measures"]),
            "asleep": tuple((start, end) for start, end in fields["asleep"]),
            "not_worn": tuple((start, end) for start, end in fields["not_worn"]),
        }
    )


def _measure(fields: dict[str, Any]) -> Measure:
    outcome = fields["outcome"]
    return Measure(**{**fields, "outcome": Unavailable(outcome) if isinstance(outcome, str) else float(outcome)})
