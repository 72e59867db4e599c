"""Every setting, and the only reader of the environment.

A setting is `CLARITY_<NAME>`; an unknown one stops the start, because a misspelt store would otherwise be silently
replaced by the default. Credentials of a vendor are never settings: they come from the vendor's own chain.
"""

import difflib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

PREFIX = "CLARITY_"


class ConfigError(Exception):
    """The settings cannot be used; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Config:
    """The settings with their defaults: all local under ./var."""

    listen: str = field(default="127.0.0.1:50051", metadata={"help": "address and port; port 0 takes a free one"})
    records: str = field(default="sqlite:var/clarity.db", metadata={"help": "accounts, uploads, results"})
    blobs: str = field(default="file:var/blobs", metadata={"help": "large segments"})
    keys: str = field(default="file:var/keys", metadata={"help": "root key, signing key, wrapped data keys"})
    models: str = field(default="file:var/models", metadata={"help": "installed models"})
    model_threads: int = field(default=1, metadata={"help": "threads the model may use; calls come first"})
    narrator: str = field(default="template:", metadata={"help": "who puts facts into words"})
    identity: str = field(default="local:", metadata={"help": "who knows the passwords"})
    outbox: str = field(default="file:var/outbox", metadata={"help": "who brings mails: file:PATH or smtp://HOST:PORT"})
    mail_from: str = field(default="clarity@localhost", metadata={"help": "the address that mails come from"})
    erasure_grace_s: float = field(
        default=7 * 86400.0, metadata={"help": "how long a deleted account can still be kept by signing in"}
    )
    rate_factor: float = field(default=1.0, metadata={"help": "multiplies every rate limit; 0 turns them off"})
    trusted_proxies: str = field(
        default="127.0.0.1,::1", metadata={"help": "whose x-forwarded-for is believed: addresses, joined by commas"}
    )
    ready_file: str = field(default="", metadata={"help": "written with the port once serving; empty for none"})
    log_format: str = field(default="text", metadata={"help": "`text` for a terminal, `json` for a collector"})
    flag_sign_up: bool = field(default=True, metadata={"help": "whether people may make accounts themselves"})
    drain_s: float = field(default=20.0, metadata={"help": "how long calls may take to end after SIGTERM"})
    stream_age_s: float = field(default=3600.0, metadata={"help": "how long a stream may outlive its access token"})
    streams_max: int = field(default=4096, metadata={"help": "open streams, all accounts"})
    streams_per_account_max: int = field(default=1024, metadata={"help": "open streams of one account"})
    records_bytes_max: int = field(default=0, metadata={"help": "quota of the records store in bytes; 0 for none"})


def load(environ: Mapping[str, str] | None = None, *, no_defaults: bool = False) -> Config:
    """Read the settings. Raises ConfigError for unknown names, unusable values, and stores missing with no_defaults."""
    given = os.environ if environ is None else environ
    found = {name: value for name, value in given.items() if name.startswith(PREFIX)}
    known = {PREFIX + setting.name.upper(): setting for setting in fields(Config)}
    for name in found:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else "unset it; `clarity serve --help` lists the settings"
            raise ConfigError(f"{name} is not a setting: {hint}")
    if no_defaults and (missing := [name for name in known if name not in found and name in _STORES]):
        raise ConfigError(f"--no-defaults: set {', '.join(missing)}")
    parsed = {known[name].name: _parse(name, value, known[name].default) for name, value in found.items()}
    return replace(Config(), **parsed)


_STORES = frozenset(PREFIX + name for name in ("LISTEN", "RECORDS", "BLOBS", "KEYS", "MODELS", "IDENTITY", "OUTBOX"))
_BOOLEANS = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}


def _parse(name: str, value: str, default: Any) -> Any:  # noqa: ANN401  the type is the default's
    try:
        if isinstance(default, bool):
            return _BOOLEANS[value.lower()]
        found = type(default)(value)
    except (KeyError, ValueError) as why:
        raise ConfigError(f"{name}={value!r} is not a {type(default).__name__}") from why
    # Sizes, counts and seconds, all of them; as a limit, nan would let everything pass.
    if not isinstance(found, str) and not 0 <= found < math.inf:
        raise ConfigError(f"{name}={value!r} is not 0 or more")
    return found


def described() -> list[str]:
    """Return one line per setting: its name, its default, what it is."""
    return [
        f"{PREFIX}{setting.name.upper()}={setting.default}  # {setting.metadata['help']}" for setting in fields(Config)
    ]
