-- Schema 2: windows, their analyses, and what is told about them.

ALTER TABLE results ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;  -- 0 a day, 1 a window
-- The change that closed it: a result is derived from what was committed by then. Of older ones that is not known.
ALTER TABLE results ADD COLUMN change INTEGER NOT NULL DEFAULT 0x7fffffffffffffff;
CREATE INDEX changes_of_upload ON changes (account_id, upload_id, number, first_sample, count);
DROP INDEX results_due;
DROP INDEX results_by_day;
CREATE INDEX results_due ON results (kind, account_id, place) WHERE body IS NULL AND failed = 0;
CREATE INDEX results_by_day ON results (account_id, civil_day, upload_id) WHERE kind = 0;

-- The queue of windows to look at, in order of `place`. A window touched again keeps its place, so none starves.
CREATE TABLE touched_windows (
    place      INTEGER NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    metric     TEXT NOT NULL,
    device     TEXT NOT NULL,
    app        TEXT NOT NULL,
    civil_day  INTEGER NOT NULL,          -- its first
    touch      INTEGER NOT NULL,          -- of the day that touched it last; 0 where only the model is another
    UNIQUE (account_id, metric, device, app, civil_day)
) STRICT;
CREATE INDEX touched_windows_due ON touched_windows (account_id, place);

-- The queue of analyses that were asked for, in order of `place`, and the analyses themselves.
CREATE TABLE analyses (
    place        INTEGER NOT NULL PRIMARY KEY,
    account_id   TEXT NOT NULL,
    analysis_id  TEXT NOT NULL,
    number       INTEGER NOT NULL,        -- 1, 2, 3, … within the account; one that changes takes the next
    metric       TEXT NOT NULL,
    device       TEXT NOT NULL,
    app          TEXT NOT NULL,
    civil_day    INTEGER NOT NULL,        -- its window's first
    state        TEXT NOT NULL,
    input_digest TEXT NOT NULL,
    method       TEXT NOT NULL,
    model_digest TEXT NOT NULL,           -- empty where no model was asked
    body         BLOB NOT NULL,           -- sealed; of one that is queued, what was asked for
    UNIQUE (account_id, analysis_id),
    UNIQUE (account_id, number)
) STRICT;
CREATE INDEX analyses_due ON analyses (account_id, place) WHERE state = 'QUEUED';
CREATE INDEX analyses_of_windows ON analyses (account_id, metric, civil_day, device, app, analysis_id);
CREATE INDEX analyses_in_force ON analyses (account_id, metric, civil_day, device, app, analysis_id)
    WHERE state <> 'SUPERSEDED';
CREATE INDEX analyses_by_method ON analyses (account_id, method, civil_day, metric, device, app, number)
    WHERE state = 'SUCCEEDED';
CREATE INDEX analyses_by_model ON analyses (method, model_digest) WHERE state = 'SUCCEEDED';

CREATE TABLE insights (
    account_id  TEXT NOT NULL,
    insight_id  TEXT NOT NULL,
    number      INTEGER NOT NULL,         -- 1, 2, 3, … within the account
    analysis_id TEXT NOT NULL,
    create_time REAL NOT NULL,
    body        BLOB NOT NULL,            -- sealed
    PRIMARY KEY (account_id, insight_id),
    UNIQUE (account_id, number)
) STRICT;

-- What is stored already gets its weeks: every window that a stored day may bear on is looked at.
INSERT INTO touched_windows (account_id, metric, device, app, civil_day, touch)
    WITH RECURSIVE before (days) AS (SELECT 0 UNION ALL SELECT days + 1 FROM before WHERE days < 7)
    SELECT account_id, metric, device, app, civil_day - before.days, max(touch) FROM days CROSS JOIN before
    WHERE body IS NOT NULL
    GROUP BY account_id, metric, device, app, civil_day - before.days
    ORDER BY account_id, metric, device, app, civil_day - before.days;
