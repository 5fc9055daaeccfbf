"""``longwatch notify test|waiting``: whether messages arrive, and which are still to be told."""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

from supervisor.cli import output
from supervisor.config.load import load_config
from supervisor.config.notify import NotifySettings
from supervisor.config.paths import Project
from supervisor.core.notices import Kind, Notice
from supervisor.core.report import rfc3339
from supervisor.engine.messengers import send, shown
from supervisor.engine.notifier import read_outbox, waiting_of
from supervisor.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "what",
        choices=("test", "waiting"),
        help="test: send a message to every target now; waiting: what could not be told yet",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(arguments: argparse.Namespace, project: Project) -> int:
    """Exit status 1 when a target did not take it, or when something waits for one that fails."""
    settings = load_config(project).notify
    if not settings.targets:
        raise UserError(
            "nobody is told anything: [notify] names no target",
            why="urls, command and desktop are what it can name",
            fix='Write for example: [notify] urls = ["mailto://…"]',
            where="config.toml",
        )
    if arguments.what == "test":
        return _test(settings, as_json=arguments.json)
    return _waiting(project, settings, as_json=arguments.json)


def _test(settings: NotifySettings, *, as_json: bool) -> int:
    host = os.uname().nodename
    notice = Notice(
        kind=Kind.STATUS,
        agent="",
        run_id="",
        title=f"longwatch on {host} can reach you",
        body="This is the message of longwatch notify test.",
        severity="info",
        at=time.time(),
        key="test",
    )
    results = [(shown(target), send(target, notice)) for target in settings.targets.values()]
    if as_json:
        output.json({"targets": [{"target": name, "problem": why} for name, why in results]})
    else:
        for name, why in results:
            output.line(f"{name}: {why or 'taken'}")
    return 1 if any(why for _, why in results) else 0


def _waiting(project: Project, settings: NotifySettings, *, as_json: bool) -> int:
    outbox = read_outbox(project.outbox)
    boxes = waiting_of(outbox) if outbox is not None else {}
    found: list[dict[str, Any]] = []
    for name, box in boxes.items():
        target = settings.targets.get(name)
        found += [
            {
                "target": shown(target) if target is not None else name,
                "title": one.notice.title,
                "since": rfc3339(one.since),
                "count": one.count,
                "tries": box.tries,
                "next_try_at": rfc3339(box.next_at) if box.tries else None,
                "problem": box.problem or None,
            }
            for one in box.waiting
        ]
    if as_json:
        output.json({"waiting": found})
    elif not found:
        output.line("nothing waits to be told")
    else:
        rows = [
            (one["target"], one["since"], one["title"], str(one["tries"]), one["problem"] or "-")
            for one in found
        ]
        output.table(("TARGET", "SINCE", "WHAT", "TRIES", "PROBLEM"), rows)
    return 1 if any(one["tries"] for one in found) else 0
