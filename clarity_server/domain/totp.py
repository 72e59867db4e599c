"""One-time codes by time (RFC 6238: SHA-1, 6 digits, 30 seconds), and the recovery codes that stand in for them."""

import hmac
import os

import pyotp

from clarity_server.domain.ids import spelled

ISSUER = "CLARITY"  # what authenticator apps show above the address
STEP_S = 30
DRIFT_STEPS = 1  # how far a phone's clock may be off, either way
SECRET_CHARS = 32  # 160 bits, as RFC 4226, section 4, recommends
RECOVERY_CODES = 10
RECOVERY_BYTES = 7  # the ten characters taken of it are 50 bits
RECOVERY_HALF = 5

_NOT_IN_BASE32 = str.maketrans("018", "olb")  # what people read in place of a letter
_DROPPED = str.maketrans("", "", " -")


def new_secret() -> str:
    """A fresh secret in base32."""
    return pyotp.random_base32(SECRET_CHARS)


def otpauth_uri(secret: str, name: str) -> str:
    """The `otpauth://` URI of a secret, for a QR code; `name` tells a person's accounts apart."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def step_of(secret: str, code: str, now: float) -> int | None:
    """The newest time step around now that a code belongs to, None where there is none."""
    made, present = pyotp.TOTP(secret), int(now) // STEP_S
    steps = range(present - DRIFT_STEPS, present + DRIFT_STEPS + 1)
    right = [step for step in steps if hmac.compare_digest(made.generate_otp(step).encode(), code.encode())]
    return max(right, default=None)


def new_recovery_codes() -> tuple[str, ...]:
    """Fresh recovery codes, each `xxxxx-xxxxx` of `a-z 2-7`."""
    drawn = [spelled(os.urandom(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
    return tuple(f"{text[:RECOVERY_HALF]}-{text[RECOVERY_HALF : 2 * RECOVERY_HALF]}" for text in drawn)


def plain_recovery_code(typed: str) -> str:
    """A recovery code in one spelling, however it was typed."""
    return typed.lower().translate(_DROPPED).translate(_NOT_IN_BASE32)
