"""The name a computed value carries: which algorithm made it, in which version, with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One algorithm as it is published beside its results.

    `version` rises whenever the same input could give another output. `parameters` are texts, as a person
    would write them, and cannot be changed afterwards: a result keeps the very parameters it was made with.
    """

    id: str
    version: str
    parameters: Mapping[str, str]

    def __post_init__(self) -> None:
        # A private, read-only copy: the caller's dict may go on changing.
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    def having(self, **changed: str) -> Algorithm:
        """Returns this algorithm run with other values for parameters it already has.

        Raises `KeyError` for a parameter it does not have: a misspelt name must not look like provenance.
        """
        unknown = changed.keys() - self.parameters.keys()
        if unknown:
            raise KeyError(*sorted(unknown))
        return Algorithm(self.id, self.version, {**self.parameters, **changed})
