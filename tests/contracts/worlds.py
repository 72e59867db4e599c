"""The worlds behind the ports, as the contracts see them. A new world is one more entry of WORLDS."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from clarity_server.adapters.local.access_events import SqliteAccessEvents
from clarity_server.adapters.local.accounts import SqliteAccounts
from clarity_server.adapters.local.analyses import SqliteAnalyses
from clarity_server.adapters.local.audit import SqliteAudit
from clarity_server.adapters.local.blobs import DiskBlobs
from clarity_server.adapters.local.changes import SqliteChanges
from clarity_server.adapters.local.consents import SqliteConsents
from clarity_server.adapters.local.database import Database
from clarity_server.adapters.local.factors import SqliteFactors
from clarity_server.adapters.local.grants import SqliteGrants
from clarity_server.adapters.local.hashing import Cost, Hashing
from clarity_server.adapters.local.heads import DiskHeads
from clarity_server.adapters.local.insights import SqliteInsights
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.adapters.local.ledger import DiskLedger
from clarity_server.adapters.local.models import DiskModels
from clarity_server.adapters.local.outbox import SqliteOutbox
from clarity_server.adapters.local.passwords import SqlitePasswords
from clarity_server.adapters.local.requests import SqliteRequests
from clarity_server.adapters.local.retentions import SqliteRetentions
from clarity_server.adapters.local.samples import SqliteSamples
from clarity_server.adapters.local.series import PUT_SEGMENT, SqliteSeries
from clarity_server.adapters.local.sessions import SqliteSessions
from clarity_server.adapters.local.sources import SqliteSources
from clarity_server.adapters.local.tickets import SqliteTickets
from clarity_server.adapters.local.windows import SqliteWindows
from clarity_server.domain.series import Segment
from clarity_server.ports import (
    AccessEvents,
    Accounts,
    Analyses,
    Audit,
    Blobs,
    Changes,
    Consents,
    Factors,
    Grants,
    Insights,
    Keys,
    Ledger,
    Models,
    Outbox,
    Passwords,
    Requests,
    Retentions,
    Samples,
    Series,
    Sessions,
    Sources,
    Tickets,
    Windows,
)

CHEAP = Cost(memory_kib=8, passes=1, lanes=1)  # argon2's least: the tests are about everything around it
NOW = 1_700_000_000.25


@dataclass
class Clock:
    """Tells the time it was told."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


class World(Protocol):
    """The ports of one process, and what a contract needs beside them."""

    @property
    def clock(self) -> Clock: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def passwords(self) -> Passwords: ...
    @property
    def tickets(self) -> Tickets: ...
    @property
    def factors(self) -> Factors: ...
    @property
    def consents(self) -> Consents: ...
    @property
    def grants(self) -> Grants: ...
    @property
    def access_events(self) -> AccessEvents: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def requests(self) -> Requests: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def blobs(self) -> Blobs: ...
    @property
    def series(self) -> Series: ...
    @property
    def samples(self) -> Samples: ...
    @property
    def changes(self) -> Changes: ...
    @property
    def sources(self) -> Sources: ...
    @property
    def retentions(self) -> Retentions: ...
    @property
    def analyses(self) -> Analyses: ...
    @property
    def windows(self) -> Windows: ...
    @property
    def insights(self) -> Insights: ...
    @property
    def models(self) -> Models: ...

    def another(self) -> AbstractContextManager["World"]:
        """Open the same stores as another process does."""

    def plant(self, segment: Segment) -> None:
        """Put a segment into the store without the commit that should bring it."""


@dataclass(frozen=True)
class LocalWorld:
    """SQLite and files under a directory."""

    root: Path
    clock: Clock
    hashing: Hashing
    database: Database
    keys: DiskKeys
    blobs: DiskBlobs
    series: SqliteSeries
    analyses: SqliteAnalyses

    @property
    def accounts(self) -> SqliteAccounts:
        return SqliteAccounts(self.database, self.keys, self.clock)

    @property
    def passwords(self) -> SqlitePasswords:
        return SqlitePasswords(self.database, self.hashing)

    @property
    def tickets(self) -> SqliteTickets:
        return SqliteTickets(self.database, self.clock)

    @property
    def factors(self) -> SqliteFactors:
        return SqliteFactors(self.database)

    @property
    def consents(self) -> SqliteConsents:
        return SqliteConsents(self.database)

    @property
    def grants(self) -> SqliteGrants:
        return SqliteGrants(self.database)

    @property
    def access_events(self) -> SqliteAccessEvents:
        return SqliteAccessEvents(self.database)

    @property
    def outbox(self) -> SqliteOutbox:
        return SqliteOutbox(self.database, self.keys)

    @property
    def audit(self) -> SqliteAudit:
        return SqliteAudit(self.database, DiskHeads(self.root / "keys"), self.keys, self.clock)

    @property
    def ledger(self) -> DiskLedger:
        return DiskLedger(self.root / "keys")

    @property
    def sessions(self) -> SqliteSessions:
        return SqliteSessions(self.database)

    @property
    def requests(self) -> SqliteRequests:
        return SqliteRequests(self.database)

    @property
    def samples(self) -> SqliteSamples:
        return SqliteSamples(self.database, self.keys)

    @property
    def changes(self) -> SqliteChanges:
        return SqliteChanges(self.database)

    @property
    def sources(self) -> SqliteSources:
        return SqliteSources(self.database)

    @property
    def retentions(self) -> SqliteRetentions:
        return SqliteRetentions(self.database)

    @property
    def windows(self) -> SqliteWindows:
        return SqliteWindows(self.database)

    @property
    def insights(self) -> SqliteInsights:
        return SqliteInsights(self.database)

    @property
    def models(self) -> DiskModels:
        return DiskModels(self.root / "models")

    def another(self) -> AbstractContextManager[World]:
        return local(self.root, self.clock)

    def plant(self, segment: Segment) -> None:
        key = (segment.account_id, segment.upload_id, segment.first_sample, segment.count, segment.metric, segment.day)
        row = (*key, segment.start_ms, segment.end_ms, segment.body, None)
        self.database.write(lambda connection: connection.execute(PUT_SEGMENT, row).close())


@contextmanager
def local(root: Path, clock: Clock | None = None) -> Iterator[LocalWorld]:
    clock = clock or Clock()
    hashing = Hashing(CHEAP)
    database = Database(root / "clarity.db")
    blobs = DiskBlobs(root / "blobs")
    keys = DiskKeys(root / "keys", look_again_s=0.0, clock=clock)
    series = SqliteSeries(database, blobs, clock)
    try:
        yield LocalWorld(root, clock, hashing, database, keys, blobs, series, SqliteAnalyses(database))
    finally:
        database.close()
        hashing.close()


WORLDS: Mapping[str, Callable[[Path], AbstractContextManager[World]]] = {"local": local}
