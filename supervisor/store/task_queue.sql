-- name: add_task
-- One task at the end of its queue; nothing when its queue knows the key.
INSERT INTO tasks (id, queue, state, dedup, priority, max_deliveries, boot, due_mono, due_wall,
    submitted_at, grp, joins, payload)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (queue, dedup) WHERE dedup IS NOT NULL DO NOTHING
RETURNING seq;

-- name: add_payload
INSERT INTO task_payloads (seq, payload) VALUES (?, ?);

-- name: add_result
INSERT INTO task_results (seq, result) VALUES (?, ?);

-- name: task_with_key
SELECT id, state FROM tasks WHERE queue = ? AND dedup = ?;

-- name: wake_due
-- Delayed tasks that are due become ready.
UPDATE tasks INDEXED BY tasks_due SET state = 'ready', due_mono = NULL, due_wall = NULL
WHERE state = 'delayed' AND due_mono <= ?;

-- name: lost_leases
-- Leases that ran out.
SELECT * FROM tasks INDEXED BY tasks_due
WHERE state = 'leased' AND due_mono <= ? ORDER BY seq;

-- name: next_due
-- When anything changes by time alone.
SELECT min(due_mono) FROM tasks INDEXED BY tasks_due WHERE due_mono IS NOT NULL;

-- name: claim
-- The first ready tasks of a queue, each with a new fence.
UPDATE tasks SET state = 'leased', worker = :worker, deliveries = deliveries + 1,
    fence = fence + 1, boot = :boot, due_mono = :mono, due_wall = :wall
WHERE seq IN (
    SELECT seq FROM tasks INDEXED BY tasks_ready WHERE state = 'ready' AND queue = :queue
    ORDER BY priority DESC, seq LIMIT :limit
)
RETURNING *;

-- name: is_any_ready
SELECT EXISTS (SELECT 1 FROM tasks WHERE state = 'ready' AND queue = ?);

-- name: payload
SELECT payload FROM task_payloads WHERE seq = ?;

-- name: result
SELECT result FROM task_results WHERE seq = ?;

-- name: one_task
SELECT * FROM tasks WHERE id = ?;

-- name: extend
-- A lease that still is one is held longer.
UPDATE tasks SET due_mono = ?, due_wall = ?, boot = ?
WHERE id = ? AND fence = ? AND state = 'leased';

-- name: complete
-- Only for who holds the lease.
UPDATE tasks SET state = 'done', finished_at = ?, problem = NULL, due_mono = NULL, due_wall = NULL,
    result = ?
WHERE id = ? AND fence = ? AND state = 'leased'
RETURNING *;

-- name: delay
-- Another delivery after a wait.
UPDATE tasks SET state = 'delayed', worker = NULL, problem = ?, boot = ?, due_mono = ?, due_wall = ?
WHERE seq = ?;

-- name: make_ready
-- Ready again at its old place.
UPDATE tasks SET state = 'ready', worker = NULL, deliveries = ?, problem = ?, due_mono = NULL,
    due_wall = NULL, finished_at = NULL
WHERE seq = ?;

-- name: bury
UPDATE tasks SET state = 'dead', worker = NULL, problem = ?, finished_at = ?, due_mono = NULL,
    due_wall = NULL
WHERE seq = ?;

-- name: is_group_open
SELECT EXISTS (
    SELECT 1 FROM tasks WHERE grp = ? AND state IN ('ready', 'delayed', 'leased')
);

-- name: group_results
-- What a join collects, in the order of submission.
SELECT coalesce(tasks.result, task_results.result) FROM tasks LEFT JOIN task_results USING (seq)
WHERE grp = ? AND queue = ? AND state = 'done' ORDER BY seq;

-- name: group_failed
SELECT id, problem FROM tasks WHERE grp = ? AND state = 'dead' ORDER BY seq;

-- name: held_by
SELECT * FROM tasks INDEXED BY tasks_due WHERE due_mono IS NOT NULL AND state = 'leased' AND worker = ? ORDER BY seq;

-- name: drop_dead
DELETE FROM tasks WHERE id = ? AND state = 'dead' RETURNING id;

-- name: listed
-- The whole table in order of submission; states that have an index of their own come below.
SELECT * FROM tasks NOT INDEXED WHERE state = :state AND seq > :after
    AND (:queue IS NULL OR queue = :queue)
    AND (:text = '' OR instr(lower(
        id || ' ' || ifnull(dedup, '') || ' ' || ifnull(problem, '') || ' ' || ifnull(payload, '')
    ), :text) > 0)
ORDER BY seq LIMIT :limit;

-- name: listed_newest
SELECT * FROM tasks NOT INDEXED WHERE state = :state AND seq < :after
    AND (:queue IS NULL OR queue = :queue)
    AND (:text = '' OR instr(lower(
        id || ' ' || ifnull(dedup, '') || ' ' || ifnull(problem, '') || ' ' || ifnull(payload, '')
    ), :text) > 0)
ORDER BY seq DESC LIMIT :limit;

-- name: listed_due
-- Delayed or leased: not found by walking over a backlog of ready ones.
SELECT * FROM tasks INDEXED BY tasks_due
WHERE due_mono IS NOT NULL AND state = :state AND seq > :after
    AND (:queue IS NULL OR queue = :queue)
    AND (:text = '' OR instr(lower(
        id || ' ' || ifnull(dedup, '') || ' ' || ifnull(problem, '') || ' ' || ifnull(payload, '')
    ), :text) > 0)
ORDER BY seq LIMIT :limit;

-- name: listed_dead
SELECT * FROM tasks INDEXED BY tasks_dead WHERE state = 'dead' AND seq > :after
    AND (:queue IS NULL OR queue = :queue)
    AND (:text = '' OR instr(lower(
        id || ' ' || ifnull(dedup, '') || ' ' || ifnull(problem, '') || ' ' || ifnull(payload, '')
    ), :text) > 0)
ORDER BY seq LIMIT :limit;

-- name: listed_dead_newest
SELECT * FROM tasks INDEXED BY tasks_dead WHERE state = 'dead' AND seq < :after
    AND (:queue IS NULL OR queue = :queue)
    AND (:text = '' OR instr(lower(
        id || ' ' || ifnull(dedup, '') || ' ' || ifnull(problem, '') || ' ' || ifnull(payload, '')
    ), :text) > 0)
ORDER BY seq DESC LIMIT :limit;

-- name: counts
SELECT queue, state, n FROM task_counts WHERE n > 0;

-- name: oldest_ready
-- The first of each priority: ten steps down the index, however long the queue is.
WITH RECURSIVE priorities (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM priorities WHERE n < 9)
SELECT min((
    SELECT submitted_at FROM tasks INDEXED BY tasks_ready
    WHERE state = 'ready' AND queue = ? AND priority = n ORDER BY seq LIMIT 1
)) FROM priorities;

-- name: forget_done
DELETE FROM tasks WHERE seq IN (
    SELECT seq FROM tasks WHERE state = 'done' AND finished_at < ? ORDER BY seq LIMIT ?
);

-- name: other_boots
-- After a reboot: what is left of each wait, by the wall clock, from now on.
UPDATE tasks SET due_mono = :mono + max(0.0, due_wall - :wall), boot = :boot
WHERE state IN ('delayed', 'leased') AND boot <> :boot;
