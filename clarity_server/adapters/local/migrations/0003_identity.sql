-- Schema 3: states, consents, grants, second factors, tickets and mails; passwords in a table of their own.

CREATE TABLE passwords (
    account_id    TEXT NOT NULL PRIMARY KEY,
    password_hash TEXT NOT NULL           -- argon2id
) STRICT, WITHOUT ROWID;
INSERT INTO passwords SELECT account_id, password_hash FROM accounts;

-- Until now the address and the name were sealed under a key derived from the root key. SQL cannot seal them under the
-- account's own: they are carried over, and sealed anew when the store is opened (adapters/local/accounts.py), before
-- anything reads them. An account from before has agreed to nothing and refused nothing: it gets no rows in `consents`,
-- and without one nothing of it is withheld.
ALTER TABLE accounts RENAME TO accounts_before;
CREATE TABLE accounts (
    account_id   TEXT NOT NULL PRIMARY KEY,
    email_hash   BLOB NOT NULL,           -- keyed hash of the address in lower case
    state        TEXT NOT NULL,
    create_time  REAL NOT NULL,
    changed_time REAL,                    -- of the last change of `state` or `not_before`
    not_before   REAL NOT NULL,
    erase_time   REAL,
    body         BLOB,                    -- all else, sealed under the account's data key
    email_before BLOB,                    -- where `body` is NULL: sealed as until schema 2
    name_before  BLOB,
    CHECK ((body IS NULL) = (email_before IS NOT NULL AND name_before IS NOT NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO accounts
    SELECT account_id, email_hash, 'active', create_time, NULL, 0, NULL, NULL, email_sealed, display_name
    FROM accounts_before;
DROP TABLE accounts_before;
-- An address belongs to one account; one that is pending owns none yet.
CREATE UNIQUE INDEX accounts_by_email ON accounts (email_hash) WHERE state <> 'pending';
CREATE INDEX accounts_pending_by_email ON accounts (email_hash, create_time) WHERE state = 'pending';
CREATE INDEX accounts_pending ON accounts (create_time) WHERE state = 'pending';
CREATE INDEX accounts_changed ON accounts (changed_time) WHERE changed_time IS NOT NULL;
CREATE INDEX accounts_erasing ON accounts (erase_time) WHERE state = 'erasing';
CREATE INDEX accounts_before ON accounts (account_id) WHERE body IS NULL;

-- A session from before may go on with all that a member may do, for as long as it would have.
ALTER TABLE sessions ADD COLUMN create_time REAL NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN lasts_s REAL NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN scopes TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN about BLOB NOT NULL DEFAULT x'';  -- sealed: the device and the network
UPDATE sessions SET create_time = spent_time, lasts_s = expire_time - spent_time, scopes =
    'account.read account.write activity.read activity.write analysis.read analysis.write body.read body.write '
    || 'environment.read environment.write heart.read heart.write metabolism.read metabolism.write '
    || 'mind.read mind.write respiration.read respiration.write sleep.read sleep.write';
CREATE INDEX sessions_of_account ON sessions (account_id, create_time, session_id) WHERE ended_time IS NULL;

CREATE TABLE tickets (
    ticket_hash   BLOB NOT NULL PRIMARY KEY,
    kind          TEXT NOT NULL,
    account_id    TEXT NOT NULL,          -- empty: it looks like another and opens nothing
    code_hash     BLOB NOT NULL,
    attempts_left INTEGER NOT NULL,
    sent_time     REAL NOT NULL,
    expire_time   REAL NOT NULL,
    used_time     REAL,
    body          BLOB NOT NULL           -- sealed
) STRICT, WITHOUT ROWID;
CREATE INDEX tickets_expiring ON tickets (expire_time);
CREATE INDEX tickets_of_account ON tickets (account_id);

CREATE TABLE factors (
    account_id      TEXT NOT NULL PRIMARY KEY,
    secret          BLOB NOT NULL,        -- sealed
    confirmed       INTEGER NOT NULL,
    last_step       INTEGER NOT NULL,
    recovery_hashes TEXT NOT NULL         -- JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE consents (
    account_id     TEXT NOT NULL,
    purpose        TEXT NOT NULL,
    given          INTEGER NOT NULL,
    text_version   TEXT NOT NULL,
    effective_time REAL,
    PRIMARY KEY (account_id, purpose)
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
    grant_id    TEXT NOT NULL PRIMARY KEY,
    member_id   TEXT NOT NULL,
    reader_id   TEXT NOT NULL,
    families    TEXT NOT NULL,            -- by name, joined by blanks
    create_time REAL NOT NULL,
    expire_time REAL NOT NULL,
    revoke_time REAL
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_given ON grants (member_id, create_time, grant_id);
CREATE INDEX grants_received ON grants (reader_id, create_time, grant_id);
CREATE INDEX grants_covering ON grants (member_id, reader_id) WHERE revoke_time IS NULL;

CREATE TABLE access_events (
    member_id   TEXT NOT NULL,
    number      INTEGER NOT NULL,         -- 1, 2, 3, … within the member's account
    reader_id   TEXT NOT NULL,
    grant_id    TEXT NOT NULL,
    method      TEXT NOT NULL,
    families    TEXT NOT NULL,            -- by name, joined by blanks
    access_time REAL NOT NULL,
    PRIMARY KEY (member_id, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX access_events_of_reader ON access_events (reader_id);

-- The queue of mails, by `due_time` and `place`. A place is never given again: what was sent is not another mail.
CREATE TABLE outbox (
    place      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    mail_id    TEXT NOT NULL,             -- what the seal is bound to, with the account
    account_id TEXT NOT NULL,             -- empty: nobody's
    due_time   REAL NOT NULL,
    tries      INTEGER NOT NULL,
    body       BLOB NOT NULL              -- sealed
) STRICT;
CREATE INDEX outbox_due ON outbox (due_time, place);
CREATE INDEX outbox_of_account ON outbox (account_id);
