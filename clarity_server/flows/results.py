"""Results at rest: Days and Analyses as sealed bytes, and back."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import zstandard

from clarity_server.domain import sealing
from clarity_server.domain.analysis import Abstention, Analysis, Output, PatReading, State, Window
from clarity_server.domain.days import Day
from clarity_server.domain.measures import Measure, Night, Sleep, Unavailable
from clarity_server.domain.series import Source
from clarity_server.ports import DayKey, StoredAnalysis, WindowKey


def result_name(account_id: str, upload_id: str, number: int) -> str:
    """Return what a result's seal is bound to."""
    return f"{account_id}|{upload_id}|result|{number}"


def seal_result(key: bytes, account_id: str, upload_id: str, number: int, day: Day) -> bytes:
    """Seal a numbered result."""
    return sealing.seal(key, _json(replace(day, result=number)), result_name(account_id, upload_id, number))


def unseal_result(key: bytes, account_id: str, upload_id: str, number: int, body: bytes) -> Day:
    """Open a numbered result. Raises StoreDamaged."""
    return _day(sealing.unseal(key, body, result_name(account_id, upload_id, number)))


def seal_day(key: bytes, name: DayKey, day: Day) -> bytes:
    """Seal a Day under its key."""
    return sealing.seal(key, _json(day), name.name)


def unseal_day(key: bytes, name: DayKey, body: bytes) -> Day:
    """Open a Day. Raises StoreDamaged."""
    return _day(sealing.unseal(key, body, name.name))


def seal_analysis(data_key: bytes, key: WindowKey, analysis: Analysis) -> StoredAnalysis:
    """Return an Analysis as it is stored; one that is queued has its window and parameters in it, too."""
    stored = StoredAnalysis(
        key=key,
        analysis_id=analysis.analysis_id,
        state=analysis.state,
        input_digest=analysis.window.input_digest,
        method=method_spelled(analysis.parameters),
        model_digest=analysis.pat.model_digest if analysis.pat else "",
        body=b"",
    )
    packed = zstandard.compress(_json(analysis))
    return replace(stored, body=sealing.seal(data_key, packed, stored.name))


def method_spelled(parameters: Mapping[str, str]) -> str:
    """Return an Analysis's parameters as the store finds it by them."""
    return json.dumps(dict(parameters), sort_keys=True, separators=(",", ":"))


def unseal_analysis(data_key: bytes, stored: StoredAnalysis) -> Analysis:
    """Open an Analysis; its state is the one it is stored under. Raises StoreDamaged."""
    return replace(analysis_as_made(data_key, stored), state=stored.state)


def analysis_as_made(data_key: bytes, stored: StoredAnalysis) -> Analysis:
    """Open an Analysis as it was when it was made, whatever came after it. Raises StoreDamaged."""
    packed = sealing.unseal(data_key, stored.body, stored.name)
    told: dict[str, Any] = json.loads(zstandard.decompress(packed))
    window = told["window"]
    return Analysis(
        analysis_id=told["analysis_id"],
        state=State(told["state"]),
        window=Window(**{**window, "source": Source(**window["source"])}),
        parameters=told["parameters"],
        measures=tuple(_measure(measure) for measure in told["measures"]),
        nights=tuple(_night(night) for night in told["nights"]),
        hourly_means=tuple((hour, mean) for hour, mean in told["hourly_means"]),
        pat=told["pat"] and _pat(told["pat"]),
    )


def _json(value: Day | Analysis) -> bytes:
    # Sorted and without blanks: equal values are equal bytes.
    return json.dumps(value, default=_fields, sort_keys=True, separators=(",", ":")).encode()


def _fields(value: object) -> object:
    """Return what JSON has no word for: a value's fields, or a date as text."""
    # asdict would copy every one of them, which takes longer than a week's analysis.
    names: tuple[str, ...] | None = getattr(type(value), "__slots__", None)
    return str(value) if names is None else {name: getattr(value, name) for name in names}


def _day(packed: bytes) -> Day:
    fields: dict[str, Any] = json.loads(packed)
    night = fields.get("night")
    return Day(
        **{
            **fields,
            "date": date.fromisoformat(fields["date"]),
            "source": Source(**fields["source"]),
            "measures": tuple(_measure(measure) for measure in fields["measures"]),
            "asleep": tuple((start, end) for start, end in fields["asleep"]),
            "not_worn": tuple((start, end) for start, end in fields["not_worn"]),
            "night": night and _night(night),
        }
    )


def _measure(fields: dict[str, Any]) -> Measure:
    outcome = fields["outcome"]
    return Measure(**{**fields, "outcome": Unavailable(outcome) if isinstance(outcome, str) else float(outcome)})


def _night(fields: dict[str, Any]) -> Night:
    outcome = fields["outcome"]
    return Night(**{**fields, "outcome": Unavailable(outcome) if isinstance(outcome, str) else Sleep(**outcome)})


def _pat(fields: dict[str, Any]) -> PatReading:
    outcome = fields["outcome"]
    if "reason" in outcome:
        return PatReading(**{**fields, "outcome": Abstention(**{**outcome, "reason": Unavailable(outcome["reason"])})})
    output = Output(tuple(outcome["embedding"]), tuple(outcome["attention"]), outcome["patch_minutes"])
    return PatReading(**{**fields, "outcome": output})
