"""What the engine tells the screens beside the dashboard, in the busy world."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tui_world import BASE_WALL, World
from tui_worlds import busy_world


def view(name: str, state: str = "closed", **fields: Any) -> dict[str, Any]:
    """One service as ``services`` answers it."""
    return {
        "name": name,
        "state": state,
        "wait_s": 0.0,
        "blocked_s": 0.0,
        "why": "",
        "calls": 0,
        "failures": 0,
        "policy": {
            "failure_rate": 0.5,
            "minimum_calls": 5,
            "window_s": 60.0,
            "cool_down_s": 30.0,
            "probe_s": 610.0,
        },
        "limits": {"requests_per_minute": None, "tokens_per_minute": None, "burst_s": 10.0},
        "requests_ahead_s": 0.0,
        "tokens_ahead_s": 0.0,
        **fields,
    }


SERVICES = {
    "file": "/home/op/.local/state/longwatch/services.db",
    "problem": None,
    "services": [
        view(
            "anthropic",
            calls=42,
            failures=5,
            why="status 529 (overloaded)",
            limits={"requests_per_minute": 60.0, "tokens_per_minute": 80_000.0, "burst_s": 10.0},
            requests_ahead_s=6.4,
            tokens_ahead_s=13.0,
        ),
        view("web", "open", wait_s=12.4, why="connection refused by 10.0.0.7"),
        view("search", "closed", wait_s=48.0, blocked_s=48.0, why="rate limited"),
    ],
}


SHAPE = (0, 0, 1, 0, 2, 5, 9, 12, 11, 14, 8, 9, 13, 15, 12, 10, 7, 4, 2, 1, 0, 0, 1, 0)
"""How much of a day's work falls into each of its hours."""


def figures(done: int, **more: Any) -> dict[str, Any]:
    """Figures as ``metrics`` answers them, of a period with so much work."""
    failed, calls = done // 5, done * 40
    use = {"calls": calls, "retries": done * 3, "failures": failed, "retries_per_call": 0.075}
    return {
        "started": done + failed,
        "completed": done,
        "failed": failed,
        "timed_out": 0,
        "stopped": done // 9,
        "held": 0,
        "completion_rate": done / (done + failed) if done else None,
        "duration_median_seconds": 240.0 + 20 * done if done else None,
        "duration_p95_seconds": 700.0 + 55 * done if done else None,
        "attempts": done + 2 * failed,
        "crashes": failed,
        "retries": failed,
        "recoveries": failed,
        "requests": done // 3,
        "waiting_seconds": 130.0 * done,
        "anomalies": done,
        "input_tokens": 91_000 * done,
        "output_tokens": 21_000 * done,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "cost_usd": 0.31 * done,
        "cost_per_completed_usd": 0.34 if done else None,
        "services": {"anthropic": use, "web": {**use, "retries": done}} if done else {},
        **more,
    }


def metrics_answer(params: Any) -> dict[str, Any]:
    """What the engine says of a period: a day's work every day."""
    step = 3600 if params["by"] == ["hour"] else 86400
    rows = []
    for number in range(30 if step == 86400 else 24):
        done = SHAPE[number % 24] * (1 if step == 3600 else 9)
        if done:
            start = params["since"] + step * number
            rows.append({"agent": None, "start": start, "hours": step // 3600, **figures(done)})
    total = figures(sum(row["completed"] for row in rows))
    return {
        "since": params["since"],
        "until": params["since"] + 1e6,
        "known_since": 0.0,
        "is_behind": False,
        "rows": rows,
        "total": {**total, "duration_median_seconds": 420.0, "duration_p95_seconds": 1500.0},
    }


def places_world() -> World:
    """The busy world, with answers for every screen."""
    world = busy_world()
    world.answers["metrics"] = metrics_answer
    world.answers["services"] = SERVICES
    return world


def queue_view(name: str, workers: int = 1, busy: int = 0, **fields: Any) -> dict[str, Any]:
    """One queue as ``queue`` answers it."""
    pipeline = name.partition(".")[0] if "." in name else None
    zeros = dict.fromkeys(("ready", "delayed", "leased", "done", "dead"), 0)
    return {
        "name": name, "pipeline": pipeline, "workers": workers, "busy": busy, "intake": None,
        "configured": workers, "long_lived": False, "next": None, "join": False, "nobody": None,
        "hosts": None, "oldest_s": None, **zeros, **fields,
    }  # fmt: skip


QUEUES = [
    queue_view("thumbnails", 4, 1, leased=1, delayed=3, done=5120, dead=2),
    queue_view(
        "contracts.extract", 3, 3, leased=3, ready=4, done=112, dead=1, oldest_s=95.0,
        next="contracts.review",
    ),
    queue_view(
        "contracts.review", 2, 2, leased=2, ready=86, done=21, oldest_s=2710.0,
        next="contracts.report",
    ),
    queue_view("contracts.report", 1, 0, join=True),
    queue_view("old-imports", 0, 0, ready=12, oldest_s=90_000.0,
               nobody="no pool of that name in config.toml"),
]  # fmt: skip


def task_view(number: int, queue: str, state: str, **fields: Any) -> dict[str, Any]:
    """One task as ``tasks`` answers it."""
    return {
        "id": f"01M8TASK{number:018}", "queue": queue, "state": state, "key": None, "priority": 4,
        "deliveries": 1, "max_deliveries": 5, "submitted_at": BASE_WALL - 3000 + number,
        "due_in_s": None, "worker": None, "finished_at": None, "problem": None, "group": None,
        "about": json.dumps({"name": f"contract-{number:03}.txt", "pages": number}), **fields,
    }  # fmt: skip


def _tasks() -> list[dict[str, Any]]:
    dead = {"deliveries": 5, "finished_at": BASE_WALL - 60}
    return [
        *(task_view(number, "contracts.extract", "leased", worker="atlas:/srv/contracts")
          for number in range(3)),
        *(task_view(number, "contracts.review", "leased", worker="atlas:/srv/contracts")
          for number in range(3, 5)),
        task_view(7, "thumbnails", "leased", worker="borg:/srv/contracts", key="tulip.jpg"),
        task_view(8, "contracts.extract", "dead", problem="exit status 65: it has no text", **dead),
        task_view(9, "thumbnails", "dead", key="beach.jpg", problem="no picture in it", **dead),
        task_view(10, "thumbnails", "dead", key="moon.jpg", problem="no picture in it", **dead),
        *(task_view(number, "thumbnails", "delayed", due_in_s=41.0 + number, problem="HTTP 503")
          for number in range(11, 14)),
        *(task_view(number, "contracts.review", "ready", deliveries=0)
          for number in range(100, 186)),
        *(task_view(number, "old-imports", "ready", deliveries=0) for number in range(200, 212)),
    ]  # fmt: skip


def listed_tasks(params: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of ``tasks``: a page of those that fit."""
    found = [
        task
        for task in _tasks()
        if task["state"] == params["state"]
        and params.get("queue") in (None, task["queue"])
        and params.get("text", "") in f"{task['key']} {task['about']} {task['problem']}"
        and task["id"] > params["after"]
    ]
    return {"tasks": found[: params["limit"]]}


def queues_world() -> World:
    """The busy world, with pools and a pipeline in which one stage holds up the others."""
    world = busy_world()
    world.answers["queue"] = {"queues": QUEUES}
    world.answers["tasks"] = listed_tasks
    world.answers["task"] = lambda params: {
        "id": params["id"],
        "payload": {"name": "contract-000.txt", "pages": 12},
        "result": None,
    }
    return world
