-- The event log, the newest state of each run, and both ends of the hash chain.

CREATE TABLE events (
    seq    INTEGER PRIMARY KEY,
    wall   REAL NOT NULL,
    mono   REAL NOT NULL,
    boot   TEXT NOT NULL,
    run_id TEXT NOT NULL,
    type   TEXT NOT NULL,
    data   TEXT NOT NULL,
    hash   BLOB NOT NULL
) STRICT;

-- The rowid (seq) is part of every index entry: one range scan gives a run's events in order.
CREATE INDEX events_by_run ON events (run_id);

CREATE TABLE runs (
    id       TEXT PRIMARY KEY,
    -- The id backwards: people type its end, and an index can only look up a beginning.
    reversed TEXT NOT NULL,
    agent    TEXT NOT NULL,
    status   TEXT NOT NULL,
    active   INTEGER NOT NULL,
    -- The state below holds every event of the run up to this one.
    seq      INTEGER NOT NULL,
    -- NULL until the first snapshot: the state is then the fold of all its events.
    record   TEXT
) STRICT;

CREATE INDEX runs_by_agent ON runs (active, agent, id);
CREATE INDEX runs_by_ending ON runs (reversed);

-- One row. The log begins after base_seq with the hash base_hash, and ends with last_seq:
-- without it nobody could tell that the newest rows were removed.
CREATE TABLE chain (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    base_seq  INTEGER NOT NULL,
    base_hash BLOB NOT NULL,
    last_seq  INTEGER NOT NULL,
    last_hash BLOB NOT NULL
) STRICT;

INSERT INTO chain VALUES (1, 0, zeroblob(32), 0, zeroblob(32));
