"""``longwatch queue``, ``task``, ``dead`` and ``pool``: where tasks stand, and what to do."""

from __future__ import annotations

import argparse
import time
from typing import Any

from supervisor.cli import output
from supervisor.cli.live import Steady
from supervisor.cli.progress_bar import ProgressBar
from supervisor.cli.session import Place, connect, own_name
from supervisor.core.text import safe_text
from supervisor.core.times import utc_text
from supervisor.errors import UserError

LOOK_EVERY_S = 0.25
STATES = ("ready", "delayed", "leased", "done", "dead")


def add_queue_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``queue``."""
    parser.add_argument("name", nargs="?", metavar="QUEUE", help="only this pool or pipeline")
    parser.add_argument("--tasks", metavar="STATE", choices=STATES, help="list its tasks")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many tasks")
    parser.add_argument(
        "--wait", action="store_true", help="until nothing is unfinished; 1 with dead letters"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def queue(arguments: argparse.Namespace, place: Place) -> int:
    """Every queue with its workers and counts, or the tasks in one state."""
    client = Steady(place, connect(place))
    try:
        if arguments.tasks:
            params = {"queue": arguments.name, "state": arguments.tasks, "limit": arguments.limit}
            return _print_tasks(client.call("tasks", params)["tasks"], as_json=arguments.json)
        if arguments.wait:
            _wait(client, arguments.name, as_json=arguments.json)
        rows = _rows(client, arguments.name)
    finally:
        client.close()
    if arguments.json:
        output.json({"queues": rows})
    else:
        _print_queues(rows)
    return 1 if arguments.wait and any(row["dead"] for row in rows) else 0


def _rows(client: Steady, name: str | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.call("queue", {})["queues"]
    if name is None:
        return rows
    found = [row for row in rows if name in (row["name"], row["pipeline"])]
    if not found:
        known = ", ".join(sorted(row["name"] for row in rows)) or "none"
        raise UserError(f"no queue {name[:80]!r}", why=f"Known: {known}")
    return found


def _wait(client: Steady, name: str | None, *, as_json: bool) -> None:
    rows = _rows(client, name)
    total, bar = 0, None
    while left := sum(row["ready"] + row["delayed"] + row["leased"] for row in rows):
        over = sum(row["done"] + row["dead"] for row in rows)
        if bar is None or left + over > total:
            total = left + over
            bar = ProgressBar("working", total, hidden=as_json)
        bar.show(over)
        time.sleep(LOOK_EVERY_S)
        rows = _rows(client, name)
    if bar is not None:
        bar.finish()


def _print_queues(rows: list[dict[str, Any]]) -> None:
    if not rows:
        output.line("no pools and no pipelines in config.toml")
        return
    headers = ("QUEUE", "WORKERS", "READY", "DELAYED", "RUNNING", "DONE", "DEAD", "")
    output.table(
        headers,
        [
            (
                row["name"],
                f"{row['busy']} of {row['workers']}",
                *(f"{row[state]:,}" for state in STATES),
                _note(row),
            )
            for row in rows
        ],
    )


def _note(row: dict[str, Any]) -> str:
    if row["nobody"]:
        return f"WAITING AND NOBODY CAN RUN THIS: {row['nobody']}"
    if (hosts := row.get("hosts")) and row["workers"] == 0:
        return "worked on by " + ", ".join(hosts)
    if row["workers"] == 0 and row["ready"]:
        return "no workers: longwatch pool NAME --workers N"
    return "see: longwatch dead list" if row["dead"] else ""


def _print_tasks(tasks: list[dict[str, Any]], *, as_json: bool) -> int:
    if as_json:
        output.json({"tasks": tasks})
        return 0
    if not tasks:
        output.line("none")
        return 0
    output.table(
        ("TASK", "QUEUE", "KEY", "DELIVERY", "SUBMITTED", "PROBLEM"),
        [
            (
                task["id"],
                task["queue"],
                task["key"] or "",
                f"{task['deliveries']} of {task['max_deliveries']}",
                utc_text(task["submitted_at"]),
                safe_text(task["problem"] or "", limit=200),
            )
            for task in tasks
        ],
    )
    return 0


def add_task_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``task``."""
    parser.add_argument("id", metavar="ID", help="the whole id of a task")
    parser.add_argument("--json", action="store_true", help="accepted; it is always JSON")


def task(arguments: argparse.Namespace, place: Place) -> int:
    """One task with its payload and result, as JSON."""
    with connect(place) as client:
        output.json(client.call("task", {"id": arguments.id}))
    return 0


def add_dead_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``dead``."""
    parser.add_argument("action", choices=("list", "requeue", "drop"), help="what to do")
    parser.add_argument("ids", nargs="*", metavar="ID", help="ends of task ids")
    parser.add_argument("--all", action="store_true", help="every dead letter")
    parser.add_argument("--queue", metavar="QUEUE", help="only of this queue")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def dead(arguments: argparse.Namespace, place: Place) -> int:
    """The dead letters; tried again or removed for good."""
    with connect(place) as client:
        if arguments.action == "list":
            params = {"state": "dead", "queue": arguments.queue, "limit": 1000}
            return _print_tasks(client.call("tasks", params)["tasks"], as_json=arguments.json)
        if not arguments.ids and not arguments.all:
            raise UserError(
                f"dead {arguments.action}: no task given", fix="Give ends of task ids, or --all"
            )
        params = {
            "ids": arguments.ids,
            "all": arguments.all,
            "queue": arguments.queue,
            "by": own_name(),
        }
        moved = client.call(arguments.action, params)["tasks"]
    if arguments.json:
        output.json({"tasks": moved})
    else:
        word = "requeued" if arguments.action == "requeue" else "dropped"
        output.line(f"{len(moved)} dead letters {word}")
    return 0


def add_pool_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``pool``."""
    parser.add_argument("name", metavar="QUEUE", help="a pool, or PIPELINE.STAGE")
    parser.add_argument(
        "--workers", type=int, metavar="N", required=True, help="from now on; 0 takes no new task"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def pool(arguments: argparse.Namespace, place: Place) -> int:
    """Another number of workers, at once; what runs is not ended."""
    params = {"pool": arguments.name, "workers": arguments.workers, "by": own_name()}
    with connect(place) as client:
        result = client.call("pool", params)
    if arguments.json:
        output.json(result)
    else:
        output.line(
            f"{result['pool']}: {result['workers']} workers from now on "
            f"(config.toml says {result['configured']})"
        )
    return 0
