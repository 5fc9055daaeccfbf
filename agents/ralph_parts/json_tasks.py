"""Tasks in JSON: a plain list, or one under ``userStories``, ``stories`` or ``tasks``.

Finds where in the text each task's mark stands, so that a change leaves every other byte alone.
Errors are ValueError.
"""

from __future__ import annotations

import json
import shlex
from json.decoder import scanstring
from typing import Any

LISTS = ("userStories", "stories", "tasks")
FLAGS = ("passes", "done", "completed")
DONE_WORDS = ("done", "complete", "completed", "passed", "passes", "closed")
TITLES = ("title", "name", "task", "description")
BLANK = " \t\r\n"

_decoder = json.JSONDecoder()
Members = dict[str, tuple[Any, int, int]]
"""Each member of an object: its value, and where that begins and ends."""


def find(text: str) -> list[dict[str, Any]]:
    """The fields of each task, in the order of the file."""
    start = 1 if text.startswith("\ufeff") else 0
    whole = json.loads(text[start:])
    at = _skip(text, start)
    if isinstance(whole, dict):
        members = _members(text, at)[0]
        name = next((name for name in LISTS if name in members), None)
        if name is None:
            raise ValueError(f"expected a list, or an object with one of {', '.join(LISTS)}")
        whole, at, _end = members[name]
    if not isinstance(whole, list):
        raise ValueError("expected a list of tasks")
    spans = _elements(text, at)
    words = _status_word([entry for entry in whole if isinstance(entry, dict)])
    return [_task(text, begin, number, words) for number, begin in enumerate(spans, start=1)]


def _task(text: str, begin: int, number: int, done_word: str) -> dict[str, Any]:
    if text[begin] != "{":
        raise ValueError(f"task {number} is not an object")
    members, close = _members(text, begin)
    values = {name: value for name, (value, _s, _e) in members.items()}
    title = next((values[n] for n in TITLES if isinstance(values.get(n), str) and values[n]), "")
    identity = values.get("id")
    if not title.strip():
        raise ValueError(f"task {number} has no title")
    if identity is not None and (isinstance(identity, bool) or not isinstance(identity, str | int)):
        raise ValueError(f"task {number} ({title!r}): its id is neither text nor a number")
    details = {
        name: value
        for name, value in values.items()
        if name not in {*FLAGS, "status", "id", "title", "verify", "priority"} and value != title
    }
    priority = values.get("priority")
    is_ranked = isinstance(priority, int | float) and not isinstance(priority, bool)
    return {
        "key": str(identity) if identity not in (None, "") else " ".join(title.split())[:200],
        "title": title,
        "description": _described(details),
        "verify": _commands(values.get("verify"), title),
        "priority": float(priority) if is_ranked else float("inf"),
        **_mark(text, members, close, title, done_word),
    }


def _described(details: dict[str, Any]) -> str:
    return "\n".join(
        f"{name}: {value}" if isinstance(value, str) else f"{name}: {json.dumps(value)}"
        for name, value in details.items()
    )


def _mark(text: str, members: Members, close: int, title: str, done_word: str) -> dict[str, Any]:
    flag = next((name for name in FLAGS if name in members), None)
    if flag is not None:
        value, start, end = members[flag]
        if not isinstance(value, bool):
            raise ValueError(f"{title!r}: {flag} is {value!r}; expected true or false")
        return {
            "is_done": value, "start": start, "end": end,
            "done_mark": "true", "open_mark": "false",
        }  # fmt: skip
    if "status" in members:
        value, start, end = members["status"]
        if not isinstance(value, str):
            raise ValueError(f"{title!r}: status is {value!r}; expected text")
        is_done = value.lower() in DONE_WORDS
        return {
            "is_done": is_done, "start": start, "end": end,
            "done_mark": json.dumps(done_word),
            "open_mark": '"open"' if is_done else text[start:end],
        }  # fmt: skip
    # No mark yet: it is added behind the last member.
    end = max((stop for _v, _s, stop in members.values()), default=close)
    return {
        "is_done": False, "start": end, "end": end,
        "done_mark": ', "passes": true', "open_mark": "",
    }  # fmt: skip


def _status_word(entries: list[dict[str, Any]]) -> str:
    """How this list says done, if it does so anywhere."""
    said = [entry.get("status") for entry in entries]
    return next((w for w in said if isinstance(w, str) and w.lower() in DONE_WORDS), "done")


def _commands(value: Any, title: str) -> tuple[tuple[str, ...], ...]:
    """``verify``: a line, a list of lines, or a list of lists."""
    if value is None:
        return ()
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list):
        raise ValueError(f"verify of {title!r} is neither a command nor a list of commands")
    commands = []
    for entry in entries:
        argv = shlex.split(entry) if isinstance(entry, str) else entry
        if not (isinstance(argv, list) and argv and all(isinstance(part, str) for part in argv)):
            raise ValueError(f"verify of {title!r}: {entry!r} is no command")
        commands.append(tuple(argv))
    return tuple(commands)


def _skip(text: str, at: int) -> int:
    while text[at] in BLANK:
        at += 1
    return at


def _members(text: str, at: int) -> tuple[Members, int]:
    """The members of the object that begins at ``at``, and where its brace closes.

    The text is known to be valid JSON, so the end of it is never met.
    """
    members: Members = {}
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, at = scanstring(text, at + 1)
        at = _skip(text, _skip(text, at) + 1)
        value, end = _decoder.raw_decode(text, at)
        members[name] = (value, at, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return members, at


def _elements(text: str, at: int) -> list[int]:
    """Where each element of the list that begins at ``at`` begins."""
    begins = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        begins.append(at)
        at = _skip(text, _decoder.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _skip(text, at + 1)
    return begins
