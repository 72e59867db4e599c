"""Who may do what: families of data, scopes, roles and purposes, and what a call needs of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """What data is about. Every metric of the catalogue belongs to one."""

    ACTIVITY = "activity"
    SLEEP = "sleep"
    HEART = "heart"
    RESPIRATION = "respiration"
    BODY = "body"
    METABOLISM = "metabolism"
    MIND = "mind"
    ENVIRONMENT = "environment"
    ANALYSIS = "analysis"


class Use(StrEnum):
    """What a call does with data."""

    READ = "read"
    WRITE = "write"


class Role(StrEnum):
    """What an account may do beside keeping its own data."""

    MEMBER = "member"
    CLINICIAN = "clinician"
    RESEARCHER = "researcher"
    OPERATOR = "operator"


READERS = frozenset({Role.CLINICIAN, Role.RESEARCHER})
"""Who may be named in a grant."""


class Purpose(StrEnum):
    """What data is used for."""

    STORAGE = "storage"
    ANALYSIS = "analysis"
    NARRATION = "narration"
    RESEARCH = "research"


ACCOUNT_READ = "account.read"
ACCOUNT_WRITE = "account.write"
OPERATOR_READ = "operator.read"
OPERATOR_WRITE = "operator.write"


def scope(family: Family, use: Use) -> str:
    """The scope that lets a token use a family's data."""
    return f"{family}.{use}"


MEMBER_SCOPES = frozenset(
    {ACCOUNT_READ, ACCOUNT_WRITE} | {scope(family, use) for family in Family for use in Use},
)
OPERATOR_SCOPES = frozenset({OPERATOR_READ, OPERATOR_WRITE})


def scopes_of(roles: Iterable[Role]) -> frozenset[str]:
    """All that tokens of an account with these roles may hold."""
    return MEMBER_SCOPES | (OPERATOR_SCOPES if Role.OPERATOR in roles else frozenset())


@dataclass(frozen=True, slots=True)
class Access:
    """What a call needs: the `clarity.v1.access` option of its method."""

    public: bool = False
    scope: str = ""
    use: Use | None = None
    family: Family | None = None  # None with a use: that of the metric in the request, or of its upload
    purposes: tuple[Purpose, ...] = ()
    role: Role | None = None
    shareable: bool = False

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that every call needs. That of a metric's family comes with the request."""
        uses = (scope(self.family, self.use),) if self.use is not None and self.family is not None else ()
        return (*((self.scope,) if self.scope else ()), *uses)
