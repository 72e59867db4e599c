"""The worlds behind the ports, as the contracts see them. A new world is one more entry of WORLDS."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from clarity_server.adapters.local.accounts import SqliteAccounts
from clarity_server.adapters.local.analyses import SqliteAnalyses
from clarity_server.adapters.local.blobs import DiskBlobs
from clarity_server.adapters.local.database import Database
from clarity_server.adapters.local.insights import SqliteInsights
from clarity_server.adapters.local.keys import DiskKeys
from clarity_server.adapters.local.models import DiskModels
from clarity_server.adapters.local.requests import SqliteRequests
from clarity_server.adapters.local.series import PUT_SEGMENT, SqliteSeries
from clarity_server.adapters.local.sessions import SqliteSessions
from clarity_server.adapters.local.windows import SqliteWindows
from clarity_server.domain.series import Segment
from clarity_server.ports import (
    Accounts,
    Analyses,
    Blobs,
    Insights,
    Keys,
    Models,
    Requests,
    Series,
    Sessions,
    Windows,
)


class World(Protocol):
    """The ports of one process, and what a contract needs beside them."""

    @property
    def accounts(self) -> Accounts: ...
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
    database: Database
    keys: DiskKeys
    blobs: DiskBlobs
    series: SqliteSeries
    analyses: SqliteAnalyses

    @property
    def accounts(self) -> SqliteAccounts:
        return SqliteAccounts(self.database, self.keys)

    @property
    def sessions(self) -> SqliteSessions:
        return SqliteSessions(self.database)

    @property
    def requests(self) -> SqliteRequests:
        return SqliteRequests(self.database)

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
        return local(self.root)

    def plant(self, segment: Segment) -> None:
        key = (segment.account_id, segment.upload_id, segment.first_sample, segment.count, segment.metric, segment.day)
        row = (*key, segment.start_ms, segment.end_ms, segment.body, None)
        self.database.write(lambda connection: connection.execute(PUT_SEGMENT, row).close())


@contextmanager
def local(root: Path) -> Iterator[LocalWorld]:
    database = Database(root / "clarity.db")
    blobs = DiskBlobs(root / "blobs")
    series = SqliteSeries(database, blobs)
    try:
        yield LocalWorld(root, database, DiskKeys(root / "keys"), blobs, series, SqliteAnalyses(database))
    finally:
        database.close()


WORLDS: Mapping[str, Callable[[Path], AbstractContextManager[World]]] = {"local": local}
