"""What the operator may turn off, read in one place."""

from dataclasses import dataclass

from clarity_server.config import Config


@dataclass(frozen=True, slots=True)
class Flags:
    """Typed switches; a feature that is off answers FEATURE_OFF."""

    sign_up: bool


def flags(config: Config) -> Flags:
    """Read the switches from the settings."""
    return Flags(sign_up=config.flag_sign_up)
