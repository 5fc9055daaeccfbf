"""What the screen of queues can change: numbers of workers, and what becomes of dead letters.

Pure. Owns the words of the questions: each says exactly what it will touch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.content import Content

from supervisor.tui import render
from supervisor.tui.actions import Plan
from supervisor.tui.queue_rows import Queue
from supervisor.tui.render import line
from supervisor.tui.task_lines import Task
from supervisor.tui.theme import ASK, BAD, MUTED, STRONG, TEXT

NAMED = 8
"""Dead letters that a question about many names one by one."""


def plan_workers(queue: Queue, by: int) -> Plan | str:
    """So many more workers at once, or why not; what runs beyond it is not ended."""
    if "configured" not in queue.view:
        return f"{render.clean(queue.name, 80)} is not in config.toml: it can have no workers"
    workers = queue.number("workers") + by
    if workers < 0:
        return f"{render.clean(queue.name, 80)} has no workers"
    configured = queue.number("configured")
    says = "" if workers == configured else f" (config.toml says {configured})"
    done = f"{render.clean(queue.name, 80)}: {render.plural(workers, 'worker')} from now on{says}"
    if by < 0 and queue.number("busy") > workers:
        done += "; what runs is not ended"
    return Plan("pool", _at(queue.host, {"pool": queue.name, "workers": workers}), done)


def plan_dead(verb: str, task: Task) -> Plan | str:
    """``requeue`` or ``drop`` of one dead letter."""
    if task.state != "dead":
        return f"{task.id[-6:]} is no dead letter"
    question = [
        line((_ASKS[verb].format("this dead letter"), STRONG)),
        render.BLANK,
        *_letters([task]),
        render.BLANK,
        line((_MEANS[verb], MUTED)),
    ]
    done = f"{task.id[-6:]} is {_DONE[verb]}"
    return Plan(verb, _at(task.host, {"ids": [task.id]}), done, question)


def plan_all_dead(
    verb: str, host: str, queue: str | None, count: int, first: Sequence[Task]
) -> Plan | str:
    """The same for every one of a queue (None: of all); ``first`` are some of them, to be named."""
    where = f"of {render.clean(queue, 80)}" if queue else "of all queues"
    if not count:
        return f"no dead letters {where}"
    what = _ASKS[verb].format(f"every dead letter {where}, {render.amount(count)} now,")
    question = [line((what, STRONG)), render.BLANK, *_letters(first[:NAMED])]
    if (rest := count - len(first[:NAMED])) > 0:
        question.append(line((f"  and {render.amount(rest)} more", ASK)))
    question += [render.BLANK, line((_MEANS[verb], MUTED))]
    params: dict[str, Any] = {"all": True}
    if queue is not None:
        params["queue"] = queue
    done = f"the dead letters {where} are {_DONE[verb]}"
    return Plan(verb, _at(host, params), done, question)


_ASKS = {"requeue": "Try {} again?", "drop": "Remove {} for good?"}
_MEANS = {
    "requeue": "It goes on from its checkpoint and journal; deliveries count anew.",
    "drop": "The task, its payload and its key are gone; this cannot be taken back.",
}
_DONE = {"requeue": "ready again", "drop": "dropped"}


def _letters(tasks: Sequence[Task]) -> list[Content]:
    return [
        line(
            ("✗ ", BAD),
            (f"{task.id[-6:]} ", MUTED),
            (render.fit(task.about(), 30) + " ", TEXT),
            (render.clean(task.view.get("problem") or "", 60), MUTED),
        ).truncate(68, ellipsis=True)
        for task in tasks
    ]


def _at(host: str, params: dict[str, Any]) -> dict[str, Any]:
    return {**params, "host": host} if host else params
