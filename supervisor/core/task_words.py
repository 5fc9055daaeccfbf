"""Events about tasks in words; ``core.describe`` takes them in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from supervisor.core import task_events as t
from supervisor.core.events import Event
from supervisor.core.text import safe_text


def _delivered(event: t.TaskDelivered) -> str:
    task = event.task
    again = f", delivery {task.delivery} of {task.max_deliveries}" if task.delivery > 1 else ""
    return f"works on a task of {safe_text(task.queue, limit=80)}{again}"


def _settled(event: t.TaskSettled) -> str:
    why = f": {safe_text(event.problem, limit=200)}" if event.problem else ""
    if event.outcome == "completed":
        return "task done" + (f", {event.followed} tasks follow" if event.followed else "")
    if event.outcome == "retried":
        return f"task delivered again in {event.retry_in_s or 0.0:.1f} s{why}"
    words = {
        "dead": "task is a dead letter",
        "released": "task given back to its queue",
        "lost": "task lost to another worker",
    }
    return words.get(event.outcome, safe_text(event.outcome, limit=40)) + why


def _submitted(event: t.TasksSubmitted) -> str:
    known = f", {event.known} were known" if event.known else ""
    by = safe_text(event.by, limit=60)
    return f"{event.count} tasks submitted to {safe_text(event.queue, limit=80)} by {by}{known}"


def _worked(event: t.TaskWorked) -> str:
    settled = _settled(t.TaskSettled(event.outcome, event.problem, None, event.followed))
    return f"{safe_text(event.queue, limit=80)} {safe_text(event.task[-6:], limit=6)}: {settled}"


TASK_WORDS: dict[type[Event], Callable[[Any], str]] = {
    t.TaskDelivered: _delivered,
    t.TaskSettled: _settled,
    t.TaskWorked: _worked,
    t.TasksSubmitted: _submitted,
    t.DeadRequeued: lambda event: (
        f"{event.count} dead letters requeued by {safe_text(event.by, limit=60)}"
    ),
    t.DeadDropped: lambda event: (
        f"{event.count} dead letters dropped by {safe_text(event.by, limit=60)}"
    ),
    t.PoolResized: lambda event: (
        f"pool {safe_text(event.pool, limit=80)} has {event.workers} workers now, set by "
        f"{safe_text(event.by, limit=60)}"
    ),
}
