-- Schema 5: discrete samples, what was put aside of them, tombstones, sources, and how long data is kept.

-- How many numbers a change takes: a write of n samples takes n, `number` and those that follow.
ALTER TABLE changes ADD COLUMN span INTEGER NOT NULL DEFAULT 1;

-- A deleted sample keeps its row, without a body: what is deleted stays deleted, and the change feed tells it.
CREATE TABLE samples (
    account_id  TEXT NOT NULL,
    sample_id   TEXT NOT NULL,
    metric      TEXT NOT NULL,
    device      TEXT NOT NULL,
    app         TEXT NOT NULL,
    version     INTEGER NOT NULL,
    instant_ms  INTEGER,                  -- when it begins; NULL where only civil time is known
    civil_ms    INTEGER,                  -- the same by the person's clock; NULL where its offset is not known
    duration_ms INTEGER NOT NULL,         -- 0 for a moment
    digest      BLOB NOT NULL,            -- keyed, of the content
    number      INTEGER NOT NULL,         -- of the change that it was last in
    deleted     INTEGER NOT NULL DEFAULT 0,
    body        BLOB,                     -- sealed; NULL of one that is deleted
    PRIMARY KEY (account_id, sample_id),
    CHECK ((body IS NULL) = deleted),
    CHECK (instant_ms IS NOT NULL OR civil_ms IS NOT NULL)
) STRICT;
CREATE UNIQUE INDEX samples_by_change ON samples (account_id, number);
-- By source, so that one of many costs what it has itself. What follows `sample_id` is there so that to count, and to see
-- what reaches into a range, no row is read. The third is for samples without an instant: to find them among all that
-- have civil time would cost those.
CREATE INDEX samples_by_instant ON samples (account_id, metric, device, app, instant_ms, sample_id, duration_ms, deleted)
    WHERE NOT deleted AND instant_ms IS NOT NULL;
CREATE INDEX samples_by_civil ON samples (account_id, metric, device, app, civil_ms, sample_id, duration_ms, deleted)
    WHERE NOT deleted AND civil_ms IS NOT NULL;
CREATE INDEX samples_floating
    ON samples (account_id, metric, device, app, civil_ms, sample_id, duration_ms, deleted, instant_ms)
    WHERE NOT deleted AND instant_ms IS NULL;

CREATE TABLE quarantine (
    place         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    account_id    TEXT NOT NULL,
    quarantine_id TEXT NOT NULL,
    metric        TEXT NOT NULL,          -- as sent, cut to what a metric's name may have
    device        TEXT NOT NULL,
    app           TEXT NOT NULL,
    instant_ms    INTEGER,                -- when it begins, where that can be told
    civil_ms      INTEGER,
    reason        INTEGER NOT NULL,
    time          REAL NOT NULL,          -- when it came
    body          BLOB NOT NULL,          -- sealed: the text of the reason, and the sample as sent
    UNIQUE (account_id, quarantine_id)
) STRICT;
CREATE INDEX quarantine_of_account ON quarantine (account_id, place);

-- Deleted ranges of series: within them uploads of a lower revision are not read. Each took a change number.
CREATE TABLE tombstones (
    account_id TEXT NOT NULL,
    number     INTEGER NOT NULL,
    metric     TEXT NOT NULL,
    device     TEXT NOT NULL,
    app        TEXT NOT NULL,
    kind       TEXT NOT NULL,             -- civil or instant: by which time the range is meant
    start_ms   INTEGER NOT NULL,
    end_ms     INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    covered    INTEGER NOT NULL DEFAULT 0, -- whether a later one says all that this one does
    PRIMARY KEY (account_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstones_of_metric ON tombstones (account_id, metric, device, app) WHERE NOT covered;

CREATE TABLE sources (
    account_id TEXT NOT NULL,
    device     TEXT NOT NULL,
    app        TEXT NOT NULL,
    kind       INTEGER NOT NULL DEFAULT 0,
    priority   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, device, app)
) STRICT, WITHOUT ROWID;

-- What each source has sent of a metric, discrete or streamed, and when it did so last.
CREATE TABLE source_metrics (
    account_id      TEXT NOT NULL,
    metric          TEXT NOT NULL,
    device          TEXT NOT NULL,
    app             TEXT NOT NULL,
    last_write_time REAL,                 -- NULL: before schema 5
    PRIMARY KEY (account_id, metric, device, app)
) STRICT, WITHOUT ROWID;
INSERT INTO source_metrics SELECT DISTINCT account_id, metric, device, app, NULL FROM uploads;

CREATE TABLE retention (
    account_id TEXT NOT NULL PRIMARY KEY,
    keep_days  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which history the change numbers are of: a store that was put back has another one.
CREATE TABLE lineage (
    id TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;
INSERT INTO lineage VALUES (lower(hex(randomblob(16))));

-- To find an upload by the time it covers, without reading them all.
ALTER TABLE uploads ADD COLUMN start_ms INTEGER;  -- on its own axis; NULL where nothing is committed
ALTER TABLE uploads ADD COLUMN end_ms INTEGER;
UPDATE uploads SET (start_ms, end_ms) = (
    SELECT min(s.start_ms), max(s.end_ms) FROM segments AS s
    WHERE s.account_id = uploads.account_id AND s.upload_id = uploads.upload_id AND s.first_sample < uploads.committed);
CREATE INDEX uploads_by_time ON uploads (account_id, metric, end_ms, start_ms) WHERE end_ms IS NOT NULL;
-- Those over three days long: of all others, what reaches into a range ends soon after it.
CREATE INDEX uploads_long ON uploads (account_id, metric, end_ms, start_ms) WHERE end_ms - start_ms > 259200000;

-- The newest deletion whose samples a finished upload may still have on the disk; NULL for none.
ALTER TABLE uploads ADD COLUMN unpurged INTEGER;
CREATE INDEX uploads_unpurged ON uploads (account_id, upload_id) WHERE unpurged IS NOT NULL;
