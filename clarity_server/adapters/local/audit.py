"""The audit in the SQLite file, its heads beside the keys."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import apsw

from clarity_server.adapters.local.database import Database
from clarity_server.adapters.local.database import Row as Columns
from clarity_server.adapters.local.heads import DiskHeads
from clarity_server.domain import chain
from clarity_server.domain.audit import AuditEvent
from clarity_server.domain.chain import Row, Verdict
from clarity_server.domain.ids import keyed_digest, spelled
from clarity_server.ports import Keys

ANCHOR_ROWS = 512
"""After how many rows the writer of the last one signs a head, if no job has come before."""
PAGE_ROWS = 1000
DIGEST_BYTES = 16

LAST = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1"
ADD = "INSERT INTO audit (seq, time, previous, event, hash) VALUES (?, ?, ?, ?, ?)"
LIST = "SELECT seq, time, previous, event, hash FROM audit WHERE seq > ? ORDER BY seq LIMIT ?"

log = logging.getLogger(__name__)


class SqliteAudit:
    """Implements ports.Audit. Several processes may append to one chain."""

    def __init__(
        self,
        database: Database,
        heads: DiskHeads,
        keys: Keys,
        clock: Callable[[], float] = time.time,
        *,
        anchor_rows: int = ANCHOR_ROWS,
    ) -> None:
        """Derive the keys once: they never change while the server lives."""
        self._database = database
        self._heads = heads
        self._clock = clock
        self._anchor_rows = anchor_rows
        self._chain_key = keys.derived(chain.CHAIN_PURPOSE)
        self._origin_key = keys.derived("audit-origin")
        self._signing_key = chain.signing_key(keys.derived(chain.SIGNING_PURPOSE))
        self._anchoring = threading.Lock()
        self._anchored = self._last_anchored()

    def append(self, event: AuditEvent) -> None:
        """Write an event durably. Raises StoreFull, StoreUnavailable, Busy."""
        told = chain.packed(event, self._origin(event.origin))

        def work(connection: apsw.Connection) -> int:
            # Under the write lock: whoever comes next, in any process, finds this row as the last one.
            seq, previous = _last(connection)
            row = chain.linked(self._chain_key, seq + 1, self._clock(), previous, told)
            connection.execute(ADD, (row.seq, row.time, row.previous, row.event, row.hash))
            return row.seq

        if self._database.write(work) - self._anchored[0] >= self._anchor_rows:
            self.anchor()

    def anchor(self) -> bool:
        """Sign what is the last row now; tell whether there was anything new. Raises StoreFull, StoreUnavailable."""
        with self._anchoring:
            with self._database.read() as connection:
                last = _last(connection)
            if last in (self._anchored, (0, chain.GENESIS)):
                return False
            if last[0] < self._anchored[0]:
                log.warning("audit rows are gone seq=%d anchored=%d", last[0], self._anchored[0])
            self._heads.add(chain.signed(self._signing_key, *last, self._clock()))
            self._anchored = last
            return True

    def rows(self, after: int, limit: int) -> Sequence[Row]:
        """List rows numbered above `after`, as they stand in the store."""
        with self._database.read() as connection:
            found: Sequence[Columns] = connection.execute(LIST, (after, limit)).fetchall()
        return [Row(*columns) for columns in found]

    def verify(self) -> Verdict:
        """Read all of it again, and say where it is first broken. Raises StoreDamaged, StoreUnavailable."""
        heads = self._heads.list()  # first: of rows that come meanwhile, no head here is one
        return chain.verify(self._all(), heads, self._chain_key, self._signing_key.public_key())

    def _all(self) -> Iterator[Row]:
        after = -(1 << 63)  # whatever number somebody has given a row, it is looked at
        while page := self.rows(after, PAGE_ROWS):
            yield from page
            after = page[-1].seq

    def _last_anchored(self) -> tuple[int, bytes]:
        heads = self._heads.list()
        return (heads[-1].seq, heads[-1].hash) if heads else (0, chain.GENESIS)

    def _origin(self, network: str) -> str:
        """A digest that tells whether two events came from one address, and not from which."""
        return spelled(keyed_digest(self._origin_key, network)[:DIGEST_BYTES]) if network else ""


def _last(connection: apsw.Connection) -> tuple[int, bytes]:
    rows: Sequence[Columns] = connection.execute(LAST).fetchall()
    return (rows[0][0], rows[0][1]) if rows else (0, chain.GENESIS)
