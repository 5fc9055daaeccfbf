-- name: read_state
SELECT version, seq, since, record FROM metrics_state WHERE id = 1;

-- name: write_state
INSERT INTO metrics_state (id, version, seq, since, record) VALUES (1, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET version = excluded.version, seq = excluded.seq,
    since = excluded.since, record = excluded.record;

-- name: read_runs
SELECT run_id, record FROM metrics_runs;

-- name: put_run
INSERT INTO metrics_runs (run_id, record) VALUES (?, ?)
ON CONFLICT (run_id) DO UPDATE SET record = excluded.record;

-- name: drop_run
DELETE FROM metrics_runs WHERE run_id = ?;

-- name: read_one
SELECT record FROM metrics WHERE hours = ? AND start = ? AND agent = ?;

-- name: put_one
INSERT INTO metrics (hours, start, agent, record) VALUES (?, ?, ?, ?)
ON CONFLICT (hours, start, agent) DO UPDATE SET record = excluded.record;

-- name: read_span
-- What lies in the half-open range of hours, of one agent where one is named.
SELECT hours, start, agent, record FROM metrics
WHERE hours IN (1, 24) AND start + hours > :first AND start < :end
    AND (:agent = '' OR agent = :agent)
ORDER BY start;

-- name: read_totals
SELECT agent, record FROM metrics WHERE hours = 0 ORDER BY agent;

-- name: old_hours
-- Hours of before that are to become days, a few at a time.
SELECT start, agent, record FROM metrics WHERE hours = 1 AND start < ? ORDER BY start LIMIT ?;

-- name: drop_hour
DELETE FROM metrics WHERE hours = 1 AND start = ? AND agent = ?;

-- name: drop_days
DELETE FROM metrics WHERE hours = 24 AND start < ?;

-- name: drop_all
DELETE FROM metrics;

-- name: drop_all_runs
DELETE FROM metrics_runs;

-- name: drop_state
DELETE FROM metrics_state;
