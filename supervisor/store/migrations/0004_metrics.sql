-- Figures made of the events: derived, and made anew from the log where they are missing.

CREATE TABLE metrics (
    -- How many hours one row covers: 1, 24 for what is long ago, 0 for all time.
    hours  INTEGER NOT NULL,
    -- Number of its first hour since 1970 (UTC); 0 for all time.
    start  INTEGER NOT NULL,
    agent  TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (hours, start, agent)
) STRICT;

-- What of each unfinished run the figures of its next events depend on.
CREATE TABLE metrics_runs (run_id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;

-- One row: the figures hold every event up to seq.
CREATE TABLE metrics_state (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    -- Unix seconds of the first event that they hold.
    since   REAL,
    record  TEXT NOT NULL
) STRICT;
