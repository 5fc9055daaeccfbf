-- name: read_chain
-- Both ends of the log: what it begins after and what it ends with.
SELECT base_seq, base_hash, last_seq, last_hash FROM chain WHERE id = 1;

-- name: write_chain_end
-- Moves the end of the log; in the transaction that adds the events.
UPDATE chain SET last_seq = ?, last_hash = ? WHERE id = 1;

-- name: write_chain
-- Both ends at once: for a log that goes on in a new file.
UPDATE chain SET base_seq = ?, base_hash = ?, last_seq = ?, last_hash = ? WHERE id = 1;

-- name: add_event
-- One event at the end of the log.
INSERT INTO events (seq, wall, mono, boot, run_id, type, data, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_run
-- A run that has no snapshot yet: its state is the fold of its events after this one.
INSERT INTO runs (id, reversed, agent, status, active, seq, record) VALUES (?, ?, ?, '', 1, ?, NULL)
ON CONFLICT (id) DO NOTHING;

-- name: put_run
-- The newest state of a run.
INSERT INTO runs (id, reversed, agent, status, active, seq, record) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET agent = excluded.agent, status = excluded.status,
    active = excluded.active, seq = excluded.seq, record = excluded.record;

-- name: active_runs
-- Every run that is not over, oldest first.
SELECT id, seq, record FROM runs WHERE active = 1 ORDER BY id;

-- name: finished_runs
-- The newest finished runs of each agent, newest first: agents are found by skipping through the
-- index, and each gives a few rows from its end, so the length of the history does not matter.
WITH RECURSIVE agents (name) AS (
    SELECT min(agent) FROM runs WHERE active = 0
    UNION ALL
    SELECT (SELECT min(agent) FROM runs WHERE active = 0 AND agent > name) FROM agents
    WHERE name IS NOT NULL
)
SELECT id, seq, record FROM agents JOIN runs ON id IN (
    SELECT id FROM runs WHERE active = 0 AND agent = name ORDER BY id DESC LIMIT :each
)
ORDER BY id DESC LIMIT :all;

-- name: one_run
-- A run by its whole id.
SELECT id, seq, record FROM runs WHERE id = ?;

-- name: run_ids_ending
-- Ids of runs whose reversed id lies in the half-open range, newest first.
SELECT id FROM runs WHERE reversed >= ? AND reversed < ? ORDER BY id DESC LIMIT ?;

-- name: events_of_run
-- The events of one run after a seq, in order.
SELECT seq, wall, mono, boot, run_id, type, data FROM events
WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?;

-- name: events_after
-- The events of all after a seq, in order.
SELECT seq, wall, mono, boot, run_id, type, data FROM events WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: events_of_no_run
-- Events of the engine itself, of some types (",A,B,"), in order. Few: found by the index.
SELECT seq, wall, mono, boot, run_id, type, data FROM events
WHERE run_id = '' AND instr(?, ',' || type || ',') ORDER BY seq;

-- name: events_of_types
-- All events of some types (",A,B,"), in order. Reads the whole log.
SELECT seq, wall, mono, boot, run_id, type, data FROM events
WHERE instr(?, ',' || type || ',') ORDER BY seq;

-- name: search_before
-- The events in [:floor, :seq) that fit, newest first. ``data`` is ASCII JSON: LIKE folds its case.
SELECT seq, wall, mono, boot, run_id, type, data FROM events
WHERE seq < :seq AND seq >= :floor
    AND (:types = '' OR instr(:types, ',' || type || ','))
    AND (:text = '' OR data LIKE :text ESCAPE '!' OR type LIKE :text ESCAPE '!'
        OR (run_id != '' AND instr(:runs, ',' || run_id || ',')))
ORDER BY seq DESC LIMIT :limit;

-- name: search_after
-- The same in (:seq, :floor], oldest first.
SELECT seq, wall, mono, boot, run_id, type, data FROM events
WHERE seq > :seq AND seq <= :floor
    AND (:types = '' OR instr(:types, ',' || type || ','))
    AND (:text = '' OR data LIKE :text ESCAPE '!' OR type LIKE :text ESCAPE '!'
        OR (run_id != '' AND instr(:runs, ',' || run_id || ',')))
ORDER BY seq LIMIT :limit;

-- name: search_run_before
-- The same for one run, found by the index.
SELECT seq, wall, mono, boot, run_id, type, data FROM events
WHERE run_id = :run AND seq < :seq
    AND (:types = '' OR instr(:types, ',' || type || ','))
    AND (:text = '' OR data LIKE :text ESCAPE '!' OR type LIKE :text ESCAPE '!')
ORDER BY seq DESC LIMIT :limit;

-- name: search_run_after
SELECT seq, wall, mono, boot, run_id, type, data FROM events
WHERE run_id = :run AND seq > :seq
    AND (:types = '' OR instr(:types, ',' || type || ','))
    AND (:text = '' OR data LIKE :text ESCAPE '!' OR type LIKE :text ESCAPE '!')
ORDER BY seq LIMIT :limit;

-- name: runs_of_agents
-- The newest runs of agents whose name contains a text.
SELECT id FROM runs WHERE agent LIKE ? ESCAPE '!' ORDER BY id DESC LIMIT 1000;

-- name: agent_of_run
SELECT agent FROM runs WHERE id = ?;

-- name: first_at_or_after
-- Seq and time of the first event from a seq on; what holds the place of events has no time.
SELECT seq, wall FROM events WHERE seq >= ? AND wall > 0 ORDER BY seq LIMIT 1;

-- name: runs_before
-- The newest runs that were made before an id, with their agent.
SELECT id, agent FROM runs WHERE id < ? ORDER BY id DESC LIMIT ?;

-- name: steps_of_run
-- The events of a run up to a seq, without its progress, oldest first.
SELECT seq, wall, mono, boot, run_id, type, data FROM events
WHERE run_id = ? AND seq <= ? AND type != 'ProgressReported' ORDER BY seq;

-- name: progress_of_run
-- The newest progress of a run up to a seq, newest first.
SELECT seq, wall, mono, boot, run_id, type, data FROM events
WHERE run_id = ? AND seq <= ? AND type = 'ProgressReported' ORDER BY seq DESC LIMIT ?;

-- name: newest_event
-- The newest event up to a seq; not what only holds the place of one.
SELECT seq, wall, mono, boot, run_id, type, data FROM events
WHERE seq <= ? AND type NOT IN ('Lost', 'Thinned') ORDER BY seq DESC LIMIT 1;

-- name: newest_of_no_run
-- The newest event of the engine itself of one type, up to a seq.
SELECT seq, wall, mono, boot, run_id, type, data FROM events
WHERE run_id = '' AND seq <= ? AND type = ? ORDER BY seq DESC LIMIT 1;

-- name: hash_of
-- The hash of one event.
SELECT hash FROM events WHERE seq = ?;

-- name: chain_after
-- The events after a seq with their hashes, in order.
SELECT seq, wall, mono, boot, run_id, type, data, hash FROM events
WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: oldest_needed
-- The oldest event that a living run's stored state does not hold yet.
SELECT min((SELECT min(seq) FROM events WHERE run_id = runs.id AND seq > runs.seq))
FROM runs WHERE active = 1;

-- name: row_after_oldest
-- Of the rows up to a seq the one that has so many before it.
SELECT seq, hash FROM events WHERE seq <= ? ORDER BY seq LIMIT 1 OFFSET ?;

-- name: row_up_to
-- The newest row up to a seq.
SELECT seq, hash FROM events WHERE seq <= ? ORDER BY seq DESC LIMIT 1;

-- name: page_to_thin
-- The rows after a seq, without what they hold.
SELECT seq, run_id, type, hash FROM events WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: thin_row
-- What holds the place of a stretch; its seq and hash stay.
UPDATE events SET wall = ?, mono = ?, boot = ?, run_id = ?, type = ?, data = ? WHERE seq = ?;

-- name: remove_between
-- Removes a stretch without its last row.
DELETE FROM events WHERE seq > ? AND seq < ?;

-- name: move_chain_base
-- The log begins after this event from now on.
UPDATE chain SET base_seq = ?, base_hash = ? WHERE id = 1;

-- name: forget_events
-- Removes the events up to a seq.
DELETE FROM events WHERE seq <= ?;

-- name: forget_run
-- Removes the state of a run that is over.
DELETE FROM runs WHERE id = ? AND active = 0;
