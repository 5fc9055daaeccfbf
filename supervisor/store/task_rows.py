"""What happens to tasks inside one transaction: plain functions on a connection.

Called in the writing thread, perhaps a second time after a rollback, so nothing here remembers
anything. Which move is possible is the table's in ``core.task``.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from supervisor.core.moment import Moment
from supervisor.core.record import from_plain, to_plain
from supervisor.core.task import (
    MAX_ABOUT,
    MAX_PROBLEM_LENGTH,
    UNFINISHED,
    Counts,
    Join,
    Lease,
    Look,
    NewTask,
    Submitted,
    Task,
    TaskDetail,
    TaskMove,
    TaskState,
    after_lost_lease,
    joined_task,
    next_task_state,
    task_fault,
)
from supervisor.queue.port import StaleLeaseError, TaskRefusedError
from supervisor.store.queries import queries

Row = sqlite3.Row
SMALL = 1_000
"""Characters of a payload or result up to which it stands in the row of its task: moving the row
then costs no further page, and more would make the narrow table a wide one."""
NEVER = 2**62
"""Behind every task."""
_LISTS = {
    TaskState.DELAYED: "listed_due",
    TaskState.LEASED: "listed_due",
    TaskState.DEAD: "listed_dead",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """The transaction a change is part of."""

    connection: sqlite3.Connection
    now: Moment
    new_id: Callable[[], str]

    def run(self, name: str, *values: object) -> sqlite3.Cursor:
        """Execute a named query."""
        cursor = self.connection.cursor()
        cursor.row_factory = sqlite3.Row
        return cursor.execute(queries("task_queue.sql")[name], values)

    def run_named(self, name: str, **values: object) -> sqlite3.Cursor:
        """The same with parameters by name."""
        cursor = self.connection.cursor()
        cursor.row_factory = sqlite3.Row
        return cursor.execute(queries("task_queue.sql")[name], values)


def submit(scene: Scene, tasks: Sequence[NewTask]) -> list[Submitted]:
    """Add ``tasks`` in order; TaskRefusedError before anything is added."""
    for number, task in enumerate(tasks, 1):
        if (fault := task_fault(task)) is not None:
            raise TaskRefusedError(f"task {number} for {task.queue}: {fault}")
    return [_add(scene, task) for task in tasks]


def _add(scene: Scene, task: NewTask) -> Submitted:
    now = scene.now
    if task.id is not None and (known := scene.run("one_task", task.id).fetchone()) is not None:
        return Submitted(task.id, is_new=False, state=TaskState(known["state"]))
    state = TaskState.DELAYED if task.delay_s > 0 else TaskState.READY
    due = now.plus(task.delay_s) if task.delay_s > 0 else None
    task_id = task.id or scene.new_id()
    is_small = len(task.payload) <= SMALL
    joins = json.dumps(to_plain(task.joins)) if task.joins else None
    added = scene.run(
        "add_task",
        task_id,
        task.queue,
        state.value,
        task.key,
        task.priority,
        task.max_deliveries,
        now.boot,
        due.mono if due else None,
        due.wall if due else None,
        now.wall,
        task.group,
        joins,
        task.payload if is_small else None,
    ).fetchone()
    if added is None:
        known = scene.run("task_with_key", task.queue, task.key).fetchone()
        return Submitted(known["id"], is_new=False, state=TaskState(known["state"]))
    if not is_small:
        scene.run("add_payload", added["seq"], task.payload)
    return Submitted(task_id, is_new=True, state=state)


def claim(
    scene: Scene, queue: str, worker: str, lease_s: float, limit: int
) -> tuple[list[Lease], float | None]:
    """Leases, and with none the seconds until something of the store changes by time alone."""
    now, until = scene.now, scene.now.plus(lease_s)
    due = scene.run("next_due").fetchone()[0]
    if due is not None and due <= now.mono:
        scene.run("wake_due", now.mono)
        for lost in scene.run("lost_leases", now.mono).fetchall():
            _lose(scene, lost)
    taken = scene.run_named(
        "claim",
        worker=worker,
        boot=until.boot,
        mono=until.mono,
        wall=until.wall,
        queue=queue,
        limit=limit,
    ).fetchall()
    if taken:
        taken.sort(key=lambda row: (-row["priority"], row["seq"]))
        return [_lease(scene, row) for row in taken], None
    return [], ready_in(scene, queue)


def ready_in(scene: Scene, queue: str) -> float | None:
    """Seconds until a claim of ``queue`` may find something, 0 for now; None: not by time alone."""
    if scene.run("is_any_ready", queue).fetchone()[0]:
        return 0.0
    due = scene.run("next_due").fetchone()[0]
    return None if due is None else max(0.0, due - scene.now.mono)


def _lose(scene: Scene, row: Row) -> None:
    problem = f"its worker {row['worker']} was lost: the lease ran out"
    if after_lost_lease(row["deliveries"], row["max_deliveries"]) is TaskMove.DIED:
        _bury(scene, row, problem)
    else:
        scene.run("make_ready", row["deliveries"], problem, row["seq"])


def extend(scene: Scene, tokens: Iterable[str], lease_s: float) -> list[str]:
    """The tokens that are no leases any more."""
    until, lost = scene.now.plus(lease_s), []
    for token in tokens:
        task_id, fence = _parts(token)
        moved = scene.run("extend", until.mono, until.wall, until.boot, task_id, fence)
        if moved.rowcount == 0:
            lost.append(token)
    return lost


def complete(scene: Scene, token: str, result: str, then: Sequence[NewTask]) -> bool:
    """Result, end and next tasks; False when this token did it before."""
    is_small = len(result) <= SMALL
    small = result if is_small else None
    row = scene.run("complete", scene.now.wall, small, *_parts(token)).fetchone()
    if row is None:
        found = _row_of(scene, token)
        if found is not None and found["state"] == TaskState.DONE and _fits(found, token):
            return False
        _leased(found, token, TaskMove.COMPLETED)
        raise AssertionError("a lease that is one and was not found")
    if not is_small:
        scene.run("add_result", row["seq"], result)
    submit(scene, then)
    _join_if_last(scene, row)
    return True


def fail(scene: Scene, token: str, problem: str, retry_in_s: float | None) -> TaskState:
    """Another delivery after a wait, or the dead letters."""
    row = _leased(_row_of(scene, token), token, TaskMove.FAILED)
    if retry_in_s is None or row["deliveries"] >= row["max_deliveries"]:
        _bury(scene, row, problem)
        return TaskState.DEAD
    due = scene.now.plus(retry_in_s)
    scene.run("delay", problem[:MAX_PROBLEM_LENGTH], due.boot, due.mono, due.wall, row["seq"])
    return TaskState.DELAYED


def release(scene: Scene, token: str) -> None:
    """Back at its old place, as if never claimed."""
    row = _leased(_row_of(scene, token), token, TaskMove.RELEASED)
    scene.run("make_ready", row["deliveries"] - 1, row["problem"], row["seq"])


def requeue(scene: Scene, task_ids: Iterable[str]) -> list[str]:
    """Dead letters become ready, deliveries counted anew."""
    moved = []
    for task_id in task_ids:
        row = scene.run("one_task", task_id).fetchone()
        if row is not None and row["state"] == TaskState.DEAD:
            scene.run("make_ready", 0, row["problem"], row["seq"])
            moved.append(task_id)
    return moved


def drop(scene: Scene, task_ids: Iterable[str]) -> list[str]:
    """Remove dead letters."""
    return [i for i in task_ids if scene.run("drop_dead", i).fetchone() is not None]


def forget(scene: Scene, finished_before: float, limit: int) -> int:
    """Remove done tasks of before that time."""
    return scene.run("forget_done", finished_before, limit).rowcount


def renew_clocks(scene: Scene) -> None:
    """Carry waits over from another boot, whose monotonic clock says nothing here."""
    now = scene.now
    scene.run_named("other_boots", mono=now.mono, wall=now.wall, boot=now.boot)


def held_by(scene: Scene, worker: str) -> list[Lease]:
    """Leases of ``worker``."""
    return [_lease(scene, row) for row in scene.run("held_by", worker).fetchall()]


def detail(scene: Scene, task_id: str) -> TaskDetail | None:
    """One task with what it carries."""
    row = scene.run("one_task", task_id).fetchone()
    if row is None:
        return None
    result: str | None = row["result"]
    if result is None and (large := scene.run("result", row["seq"]).fetchone()) is not None:
        result = large[0]
    return TaskDetail(task_of(row, scene.now), _payload(scene, row), result)


def listed(
    scene: Scene, queue: str | None, state: TaskState, page: tuple[str, int], look: Look
) -> list[Task]:
    """Tasks in a state, in order of submission or the newest first.

    ``page``: the task behind which it begins (empty: none), and how many at most.
    """
    after, limit = page
    behind = scene.run("one_task", after).fetchone() if after else None
    start = NEVER if look.newest_first else 0
    name = _LISTS.get(state, "listed")
    if look.newest_first and state not in (TaskState.DELAYED, TaskState.LEASED):
        name += "_newest"
    rows = scene.run_named(
        name,
        state=state.value,
        after=behind["seq"] if behind else start,
        limit=limit,
        queue=queue,
        text=look.text.lower(),
    )
    return [replace(task_of(row, scene.now), about=_about(scene, row)) for row in rows]


def _about(scene: Scene, row: Row) -> str:
    """How the payload begins; of a large one no more than that is read."""
    if (text := row["payload"]) is not None:
        return str(text)[:MAX_ABOUT]
    with scene.connection.blobopen("task_payloads", "payload", row["seq"], readonly=True) as blob:
        return blob.read(MAX_ABOUT).decode("utf-8", "ignore")


def counts(scene: Scene) -> dict[str, Counts]:
    """Counts by queue."""
    found: dict[str, dict[str, int]] = {}
    for queue, state, number in scene.run("counts"):
        found.setdefault(queue, {})[state] = number
    return {
        queue: Counts(**numbers, oldest_at=_oldest_at(scene, queue) if "ready" in numbers else None)
        for queue, numbers in sorted(found.items())
    }


def _oldest_at(scene: Scene, queue: str) -> float | None:
    row = scene.run("oldest_ready", queue).fetchone()
    return None if row[0] is None else float(row[0])


def task_of(row: Row, now: Moment) -> Task:
    """A row as the port shows it."""
    state = TaskState(row["state"])
    is_delayed = state is TaskState.DELAYED
    return Task(
        id=row["id"],
        queue=row["queue"],
        state=state,
        key=row["dedup"],
        priority=row["priority"],
        deliveries=row["deliveries"],
        max_deliveries=row["max_deliveries"],
        submitted_at=row["submitted_at"],
        due_in_s=max(0.0, row["due_mono"] - now.mono) if is_delayed else None,
        worker=row["worker"] if state is TaskState.LEASED else None,
        finished_at=None if state in UNFINISHED else row["finished_at"],
        problem=row["problem"],
        group=row["grp"],
        joins=_joins(row),
    )


def _joins(row: Row) -> tuple[Join, ...]:
    return tuple(from_plain(Join, plain) for plain in json.loads(row["joins"] or "[]"))


def _lease(scene: Scene, row: Row) -> Lease:
    token = f"{row['id']}.{row['fence']}"
    return Lease(token, task_of(row, scene.now), _payload(scene, row))


def _payload(scene: Scene, row: Row) -> str:
    text: str | None = row["payload"]
    return text if text is not None else str(scene.run("payload", row["seq"]).fetchone()[0])


def _parts(token: str) -> tuple[str, int]:
    task_id, _, fence = token.partition(".")
    return task_id, int(fence) if fence.isascii() and fence.isdigit() and len(fence) < 18 else 0


def _row_of(scene: Scene, token: str) -> Row | None:
    row: Row | None = scene.run("one_task", _parts(token)[0]).fetchone()
    return row


def _fits(row: Row, token: str) -> bool:
    return bool(row["fence"] == _parts(token)[1])


def _leased(row: Row | None, token: str, move: TaskMove) -> Row:
    """The row that the token holds; StaleLeaseError when it holds nothing any more."""
    if row is None:
        raise StaleLeaseError(f"no task {_parts(token)[0][:40]} is known")
    if not _fits(row, token) or row["state"] != TaskState.LEASED:
        raise StaleLeaseError(
            f"the lease of task {row['id']} is over: it is {row['state']}, "
            f"delivery {row['deliveries']}",
            why="it ran out, or the task was settled by somebody else",
        )
    next_task_state(TaskState.LEASED, move)
    return row


def _bury(scene: Scene, row: Row, problem: str) -> None:
    scene.run("bury", problem[:MAX_PROBLEM_LENGTH], scene.now.wall, row["seq"])
    _join_if_last(scene, row)


def _join_if_last(scene: Scene, row: Row) -> None:
    """Submit the task of the row's next join when nothing of its group is unfinished."""
    if row["grp"] is None or row["joins"] is None:
        return
    if scene.run("is_group_open", row["grp"]).fetchone()[0]:
        return
    task = task_of(row, scene.now)
    results = [r[0] for r in scene.run("group_results", task.group, task.joins[0].of)]
    failed = [(r[0], json.dumps(r[1])) for r in scene.run("group_failed", task.group)]
    _add(scene, joined_task(task, results, failed))
