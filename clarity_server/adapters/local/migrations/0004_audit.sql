-- Schema 4: the audit, and the way from an account to the answers kept for it.

-- Rows are only ever added. Whoever takes these triggers away to change one is found out by the hashes.
CREATE TABLE audit (
    seq      INTEGER NOT NULL PRIMARY KEY,  -- 1, 2, 3, … without a gap
    time     REAL NOT NULL,
    previous BLOB NOT NULL,                 -- the hash of the row before
    event    BLOB NOT NULL,                 -- canonical JSON: ids, names of choices, a keyed digest of the network
    hash     BLOB NOT NULL                  -- keyed; see domain/chain.py
) STRICT;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit is only added to'); END;
CREATE TRIGGER audit_remains BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit is only added to'); END;
