"""What looking after the stores finds and does: damages by their ids, and restores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

Tell = Callable[[str, int, int], None]
"""Hears what is being done, how much of it is done, and of how much."""


class Kind(StrEnum):
    """What is looked at, in order."""

    PAGES = "pages"
    REFERENCES = "references"
    KEYS = "keys"
    CHANGES = "changes"
    UPLOADS = "uploads"
    SEGMENTS = "segments"
    BLOBS = "blobs"
    SAMPLES = "samples"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it was written, by its ids."""

    kind: Kind
    what: str
    account_id: str = ""
    upload_id: str = ""
    piece: str = ""

    @property
    def sentence(self) -> str:
        """What an operator reads."""
        ids = (("account", self.account_id), ("upload", self.upload_id), ("piece", self.piece))
        return f"{self.kind}: {self.what}" + "".join(f", {name} {said}" for name, said in ids if said)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was looked at and what was found."""

    counts: Mapping[Kind, int]
    damaged: Mapping[Kind, int]
    damages: Sequence[Damage]  # the first of each kind
    orphans: int  # blobs that no row names: no damage, they are swept when they are a day old
    erased: int  # accounts whose rows came back with a restore: the next start erases them again

    @property
    def whole(self) -> bool:
        """Whether nothing is damaged."""
        return not any(self.damaged.values())


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has done."""

    manifest: Mapping[str, Any]  # of the backup that was put back
    kept: Sequence[Path]  # what was there before
    acknowledged: bool  # whether the audit has a head that says so
