"""What the agent is told, and what is written down about an iteration.

Everything that came from a program is cleaned and bounded here, since it is read by people in a
terminal and fed back to a model.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from ralph_parts.files import read_end
from supervisor.core.text import safe_text, visible_text

NOTES_LIMIT = 12_000
PROGRESS_LIMIT = 8_000
DESCRIPTION_LIMIT = 12_000
SAID_LIMIT = 1_500
OUTPUT_LIMIT = 3_000
"""Characters. A prompt stays far under the 128 KiB that Linux allows one argument."""

RULES = """Work on this one task only, in {folder}.
- The commands under "Verification" are run after you end, and they alone decide whether the task
  is done. Saying that it is done changes nothing. Do not change what they check to make them pass.
- Do not edit {tasks}: the loop keeps it. Do not edit {progress} either.
- You will not remember this call. Put what the next call has to know into {notes}, briefly.
"""


def last(text: str, limit: int) -> str:
    """The end of ``text``, harmless, in at most about ``limit`` characters."""
    text = text.strip()
    cut = text[-limit:]
    mark = "(…)\n" if len(cut) < len(text) else ""
    return mark + safe_text(cut, limit=2 * limit, keep_newlines=True)


def line(text: str, limit: int = 120) -> str:
    """``text`` as one harmless line."""
    return visible_text(" ".join(text.split()), limit=limit)


def prompt(task: dict[str, Any], files: dict[str, Path], hint: str, tries: int) -> str:
    """The whole prompt for one call; ``files`` are folder, tasks, notes and progress."""
    parts = [f"# Task: {line(task['title'], 1000)}"]
    if task["description"].strip():
        parts.append(safe_text(task["description"], limit=DESCRIPTION_LIMIT, keep_newlines=True))
    commands = "\n".join(f"    {line(shlex.join(argv), 2000)}" for argv in task["commands"])
    parts.append(f"# Verification\n{commands}")
    if hint:
        parts.append(f"# Hint from the operator\n{last(hint, NOTES_LIMIT)}")
    if tries:
        parts.append(
            "# Interrupted\nA former call for this task was interrupted and left its changes as "
            "they were; look at them before you go on."
        )
    for title, name, limit in (
        ("Notes", "notes", NOTES_LIMIT),
        ("What happened so far", "progress", PROGRESS_LIMIT),
    ):
        text = last(read_end(files[name], 4 * limit), limit)
        parts.append(f"# {title} ({files[name].name})\n{text or '(nothing yet)'}")
    names = {name: line(str(path), 4000) for name, path in files.items()}
    parts.append("# Rules\n" + RULES.format(**names))
    return "\n\n".join(parts)


def entry(number: int, task: dict[str, Any], work: dict[str, Any], verdict: dict[str, Any]) -> str:
    """The lines of the progress file about one finished iteration."""
    cost = "unknown" if work["cost_usd"] is None else f"{work['cost_usd']:.4f} USD"
    said = [
        f"## {number} · {line(task['title'])}: {'done' if verdict['is_passed'] else 'not yet'}",
        "",
        f"- agent: {work['how']}, {work['elapsed_s']:.1f} s, cost {cost}",
        f"- work tree: {'changed' if work['is_changed'] else 'nothing changed'}",
        f"- verification: {line(verdict['how'], 400)}",
    ]
    if work["tries"]:
        said.append(f"- interrupted before: this iteration ran {work['tries'] + 1} times")
    for title, text in (("agent", work["said"]), ("verification", verdict["output"])):
        if text.strip() and not (title == "verification" and verdict["is_passed"]):
            said += ["", f"Last words of the {title}:", "", *_quoted(text)]
    return "\n".join(said) + "\n"


def _quoted(text: str) -> list[str]:
    return ["    " + one for one in text.strip("\n").split("\n")]
