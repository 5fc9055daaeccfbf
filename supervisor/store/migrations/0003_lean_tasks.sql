-- Fewer pages a transaction: what is small stands in the row, one index for all that time moves.

DROP INDEX tasks_done;
DROP INDEX tasks_delayed;
DROP INDEX tasks_leased;
-- Set only while a task is delayed or leased.
CREATE INDEX tasks_due ON tasks (due_mono) WHERE due_mono IS NOT NULL;

-- NULL: it is large and stands in task_payloads or task_results.
ALTER TABLE tasks ADD COLUMN payload TEXT;
ALTER TABLE tasks ADD COLUMN result TEXT;
