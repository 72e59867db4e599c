-- Schema 1. What is sealed or hashed says so; all else is ids, counts and times, and no value of any sample.

CREATE TABLE accounts (
    account_id    TEXT NOT NULL PRIMARY KEY,
    email_hash    BLOB NOT NULL UNIQUE,   -- keyed hash of the address in lower case
    email_sealed  BLOB NOT NULL,
    display_name  BLOB NOT NULL,          -- sealed
    password_hash TEXT NOT NULL,
    create_time   REAL NOT NULL           -- seconds since 1970, as all times here
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    session_id       TEXT NOT NULL PRIMARY KEY,
    account_id       TEXT NOT NULL,
    counter          INTEGER NOT NULL,
    refresh_hash     BLOB NOT NULL,
    spent_request_id TEXT NOT NULL,
    spent_time       REAL NOT NULL,
    expire_time      REAL NOT NULL,
    ended_time       REAL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_expiring ON sessions (expire_time);
CREATE INDEX sessions_ended ON sessions (ended_time) WHERE ended_time IS NOT NULL;

CREATE TABLE requests (
    scope       TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    body_digest BLOB NOT NULL,
    answer      BLOB NOT NULL,
    expire_time REAL NOT NULL,
    PRIMARY KEY (scope, request_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_expiring ON requests (expire_time);

CREATE TABLE uploads (
    account_id     TEXT NOT NULL,
    upload_id      TEXT NOT NULL,
    metric         TEXT NOT NULL,         -- metric, device and app repeat the descriptor, to find by
    device         TEXT NOT NULL,
    app            TEXT NOT NULL,
    descriptor     TEXT NOT NULL,         -- canonical JSON, never changed
    epoch          INTEGER NOT NULL,
    committed      INTEGER NOT NULL,
    crc32c         INTEGER NOT NULL,
    value_samples  INTEGER NOT NULL,
    offset_changes TEXT NOT NULL,         -- JSON
    last_offset_ms INTEGER NOT NULL,
    result_count   INTEGER NOT NULL,
    receipt        TEXT,                  -- JSON; NULL while the upload is open
    PRIMARY KEY (account_id, upload_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_of_metric ON uploads (account_id, metric, upload_id);

-- With a rowid, although the key would do: bodies lie at the end of the file in the order they came, and a commit of
-- 256 KiB costs a tenth less than with the bodies in the key's own tree.
CREATE TABLE segments (
    account_id   TEXT NOT NULL,
    upload_id    TEXT NOT NULL,
    first_sample INTEGER NOT NULL,
    count        INTEGER NOT NULL,
    metric       TEXT NOT NULL,
    day          INTEGER NOT NULL,
    start_ms     INTEGER NOT NULL,
    end_ms       INTEGER NOT NULL,
    body         BLOB,                    -- sealed; NULL where a blob has it
    blob         TEXT,
    PRIMARY KEY (account_id, upload_id, first_sample),
    FOREIGN KEY (account_id, upload_id) REFERENCES uploads,
    CHECK ((body IS NULL) <> (blob IS NULL))
) STRICT;
CREATE INDEX segments_by_day ON segments (account_id, metric, day, upload_id, first_sample);
CREATE INDEX segments_in_blobs ON segments (blob) WHERE blob IS NOT NULL;

CREATE TABLE changes (
    account_id   TEXT NOT NULL,
    number       INTEGER NOT NULL,        -- 1, 2, 3, … without a gap
    kind         TEXT NOT NULL,
    metric       TEXT NOT NULL,
    upload_id    TEXT NOT NULL,
    first_sample INTEGER NOT NULL,
    count        INTEGER NOT NULL,
    PRIMARY KEY (account_id, number)
) STRICT, WITHOUT ROWID;

-- The queue of days to derive, in order of `place`. A day touched again keeps its place, so none starves.
CREATE TABLE touched_days (
    place      INTEGER NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    metric     TEXT NOT NULL,
    device     TEXT NOT NULL,
    app        TEXT NOT NULL,
    civil_day  INTEGER NOT NULL,
    touch      INTEGER NOT NULL,          -- the number of the change that touched it last
    failed     INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account_id, metric, device, app, civil_day)
) STRICT;
CREATE INDEX touched_days_due ON touched_days (account_id, place) WHERE failed = 0;

CREATE TABLE days (
    account_id TEXT NOT NULL,
    metric     TEXT NOT NULL,
    civil_day  INTEGER NOT NULL,
    device     TEXT NOT NULL,
    app        TEXT NOT NULL,
    touch      INTEGER NOT NULL,          -- the touch it was derived for: an older derivation never replaces it
    closed     INTEGER NOT NULL,
    body       BLOB,                      -- sealed; NULL where the day has no samples
    PRIMARY KEY (account_id, metric, civil_day, device, app)
) STRICT;

-- The queue of results to derive, in order of `place`, and the results themselves.
CREATE TABLE results (
    place      INTEGER NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    upload_id  TEXT NOT NULL,
    number     INTEGER NOT NULL,          -- 1, 2, 3, … within the upload
    civil_day  INTEGER NOT NULL,
    end_sample INTEGER NOT NULL,
    failed     INTEGER NOT NULL DEFAULT 0,
    body       BLOB,                      -- sealed; NULL until derived
    UNIQUE (account_id, upload_id, number),
    FOREIGN KEY (account_id, upload_id) REFERENCES uploads
) STRICT;
CREATE INDEX results_due ON results (account_id, place) WHERE body IS NULL AND failed = 0;
CREATE INDEX results_underived ON results (account_id, upload_id, number) WHERE body IS NULL;
CREATE INDEX results_by_day ON results (account_id, civil_day, upload_id);
