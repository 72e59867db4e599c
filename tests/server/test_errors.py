"""The closed list of reasons, the classes behind it, and the codes the contract states agree."""

import re
from pathlib import Path

import pytest

from clarity.v1 import error_pb2
from clarity_server.domain import errors as domain_errors
from clarity_server.server import errors

ROOT = Path(__file__).parents[2]
PROTO = ROOT / "protos" / "clarity" / "v1" / "error.proto"
CLASSES = sorted(
    (one for one in domain_errors.ClarityError.__subclasses__() if one.__module__ == domain_errors.__name__),
    key=lambda one: one.__name__,
)
INTERNAL = {"INTERNAL": "INTERNAL"}
EDGE = {
    "METHOD_UNKNOWN": "NOT_FOUND",
    "BODY_TOO_LARGE": "RESOURCE_EXHAUSTED",
    "SERVER_UNREACHABLE": "UNAVAILABLE",
}
"""What only the edge answers, for a call that never comes to us."""


def stated() -> dict[str, str]:
    """Read each reason's code from the first word of its comment."""
    entries = re.findall(r"((?:  // .*\n)+)  ERROR_REASON_([A-Z0-9_]+) = ", PROTO.read_text(encoding="utf-8"))
    return {reason: comment.split()[1].rstrip(".;") for comment, reason in entries if reason != "UNSPECIFIED"}


@pytest.mark.parametrize("error", CLASSES)
def test_every_expected_error_has_a_code_and_a_reason(error: type[domain_errors.ClarityError]) -> None:
    assert error in errors._CODES  # noqa: SLF001


def test_the_codes_are_those_the_contract_states() -> None:
    ours = {reason: code.name for code, reason in errors._CODES.values()}  # noqa: SLF001
    assert ours | INTERNAL | EDGE == stated()


def test_no_reason_of_the_list_is_unused() -> None:
    ours = {reason for _, reason in errors._CODES.values()}  # noqa: SLF001
    listed = {name.removeprefix(errors.PREFIX) for name in error_pb2.ErrorReason.DESCRIPTOR.values_by_name}
    assert listed - {"UNSPECIFIED"} == {*ours, *INTERNAL, *EDGE}
    envoy = (ROOT / "envoy" / "envoy.yaml").read_text(encoding="utf-8")
    assert all(f"reason: {reason}," in envoy for reason in EDGE)


def test_keys_of_the_store_stay_in_the_log() -> None:
    status = errors.to_status(domain_errors.StoreDamaged(piece="account|metric|3|upload|0|60"))
    assert b"upload" not in status.SerializeToString()
