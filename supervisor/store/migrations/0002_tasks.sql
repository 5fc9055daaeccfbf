-- Tasks: what is looked at often in one narrow table, what they carry in another.

CREATE TABLE tasks (
    -- The order of submission.
    seq            INTEGER PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE,
    queue          TEXT NOT NULL,
    state          TEXT NOT NULL,
    dedup          TEXT,
    priority       INTEGER NOT NULL,
    deliveries     INTEGER NOT NULL DEFAULT 0,
    max_deliveries INTEGER NOT NULL,
    -- Goes up with every claim and never back: the fencing token.
    fence          INTEGER NOT NULL DEFAULT 0,
    worker         TEXT,
    -- When a delayed task is due, or a lease over: monotonic seconds of that boot, and Unix
    -- seconds for the time after another boot.
    boot           TEXT,
    due_mono       REAL,
    due_wall       REAL,
    submitted_at   REAL NOT NULL,
    finished_at    REAL,
    problem        TEXT,
    grp            TEXT,
    joins          TEXT
) STRICT;

-- Each index holds only the tasks that its question is about: a backlog of a million ready tasks
-- costs a claim one step more down the tree.
CREATE INDEX tasks_ready ON tasks (queue, priority DESC, seq) WHERE state = 'ready';
CREATE INDEX tasks_delayed ON tasks (due_mono) WHERE state = 'delayed';
CREATE INDEX tasks_leased ON tasks (due_mono) WHERE state = 'leased';
CREATE INDEX tasks_dead ON tasks (seq) WHERE state = 'dead';
CREATE INDEX tasks_done ON tasks (finished_at) WHERE state = 'done';
CREATE UNIQUE INDEX tasks_dedup ON tasks (queue, dedup) WHERE dedup IS NOT NULL;
CREATE INDEX tasks_grp ON tasks (grp, seq) WHERE grp IS NOT NULL;
CREATE INDEX tasks_grp_open ON tasks (grp)
    WHERE grp IS NOT NULL AND state IN ('ready', 'delayed', 'leased');

CREATE TABLE task_payloads (seq INTEGER PRIMARY KEY, payload TEXT NOT NULL) STRICT;
CREATE TABLE task_results (seq INTEGER PRIMARY KEY, result TEXT NOT NULL) STRICT;

-- Counted as they move: nobody ever counts a million rows.
CREATE TABLE task_counts (
    queue TEXT NOT NULL,
    state TEXT NOT NULL,
    n     INTEGER NOT NULL,
    PRIMARY KEY (queue, state)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER tasks_added AFTER INSERT ON tasks BEGIN
    INSERT INTO task_counts VALUES (new.queue, new.state, 1)
    ON CONFLICT (queue, state) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER tasks_moved AFTER UPDATE OF state ON tasks WHEN old.state <> new.state BEGIN
    UPDATE task_counts SET n = n - 1 WHERE queue = old.queue AND state = old.state;
    INSERT INTO task_counts VALUES (new.queue, new.state, 1)
    ON CONFLICT (queue, state) DO UPDATE SET n = n + 1;
END;

CREATE TRIGGER tasks_removed AFTER DELETE ON tasks BEGIN
    UPDATE task_counts SET n = n - 1 WHERE queue = old.queue AND state = old.state;
    DELETE FROM task_payloads WHERE seq = old.seq;
    DELETE FROM task_results WHERE seq = old.seq;
END;
