"""The ten most common tasks by keyboard alone, as docs/keys.md lists them; a test does each."""

from __future__ import annotations

from dataclasses import dataclass

from supervisor.tui import keys


@dataclass(frozen=True, slots=True)
class Task:
    """Something an operator does every day."""

    name: str
    does: str
    presses: str
    """What is pressed: names of actions in braces, anything else as it is typed."""


TASKS: tuple[Task, ...] = (
    Task("allow", "Read the oldest question and allow it", "{app.inbox} {request.allow}"),
    Task("deny", "Deny one, with a reason",
         "{app.inbox} {request.comment} reason Enter {request.deny}"),
    Task("filter", "Find a run", "{runs.filter} name Enter"),
    Task("stop", "Stop a run", "{run.stop} {confirm.yes}"),
    Task("restart", "Try a failed one again", "{run.restart} {confirm.yes}"),
    Task("log", "Read its log and search in it", "{run.log} {log.search} word Enter {log.next}"),
    Task("why", "See why it waits", "{run.why}"),
    Task("pause-all", "Pause everything, and let it go on",
         "{runs.many} 1 {many-runs.yes} {runs.many} 2 {many-runs.yes}"),
    Task("roll-back", "Go on from an older checkpoint",
         "{run.stop} {confirm.yes} {runs.open} 4 {open-run.down} {open-run.rollback} {confirm.yes} "
         "{run.start}"),
    Task("leave", "Leave, and come back to where it is by now", "{app.leave} longwatch"),
)  # fmt: skip


def lines() -> list[str]:
    """The tasks as a table of Markdown, with the keys that are in force."""
    table = ["| task | keys |", "|---|---|"]
    return table + [f"| {task.does} | {_shown(task.presses)} |" for task in TASKS]


def _shown(presses: str) -> str:
    words = []
    for word in presses.split():
        is_action = word.startswith("{")
        words.append(f"`{keys.hint(word[1:-1])}`" if is_action else word)
    return " ".join(words)
