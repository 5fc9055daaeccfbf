"""The list of tasks: read from Markdown or JSON, and edited at one place only.

A task is known by its id or its text, and by which of several equal ones it is; never by its
line, because people edit the list while the loop works. Text is never interpreted.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from ralph_parts import json_tasks
from ralph_parts.files import read_start

CHECKBOX = re.compile(
    r"(?P<indent>[ \t]*)(?:[-*+]|\d{1,9}[.)])[ \t]+\[(?P<mark>[ xX])\](?=[ \t]|$)"
)
LINE = re.compile(r"[^\n]*\n|[^\n]+")
FENCE = re.compile(r"[ \t]*(```|~~~)")
VERIFY = re.compile(r"(?:[-*+][ \t]+)?verify:[ \t]*(?P<command>\S.*)", re.IGNORECASE)
LIST_LIMIT_BYTES = 4 * 1024 * 1024
TRIES = 100
TAB = "    "


class ListError(Exception):
    """The list cannot be read as one; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Task:
    """One task as it stands in the list now."""

    key: str
    """The same while its id or its text is the same; ``#2`` and so on for equal ones."""
    title: str
    description: str
    verify: tuple[tuple[str, ...], ...]
    is_done: bool
    start: int
    """Where its mark begins and ends in the text of the file."""
    end: int
    done_mark: str
    open_mark: str
    priority: float = 0.0
    """Lower comes first; equal ones in the order of the file."""


def read_text(path: Path) -> str:
    """The whole file, every byte kept; ListError when it cannot be read."""
    try:
        data = read_start(path, LIST_LIMIT_BYTES + 1)
    except OSError as error:
        raise ListError(f"{path}: {error.strerror}") from error
    if len(data) > LIST_LIMIT_BYTES:
        raise ListError(f"{path}: more than {LIST_LIMIT_BYTES} bytes; a list was expected")
    return data.decode("utf-8", errors="surrogateescape")


def read_tasks(path: Path) -> list[Task]:
    """All tasks of the list in their order; ListError says what is wrong."""
    text = read_text(path)
    if path.suffix.lower() == ".json":
        try:
            found = json_tasks.find(text)
        except ValueError as error:
            raise ListError(f"{path}: {error}") from error
        raw = [Task(**entry) for entry in found]
    else:
        raw = _markdown(text, path)
    return _distinct(raw)


def set_mark(path: Path, key: str, *, done: bool, as_before: str = "") -> bool:
    """Change the mark of the task ``key`` and nothing else; whether the task is still there.

    The file is replaced as a whole; an edit made between reading and replacing is taken again.
    ``as_before`` is how the mark of an open task read before somebody changed it: a JSON status
    has many words for open.
    """
    for _ in range(TRIES):
        before = read_text(path)
        task = next((task for task in read_tasks(path) if task.key == key), None)
        if task is None:
            return False
        if task.is_done == done:
            return True
        mark = task.done_mark if done else task.open_mark
        if not done and as_before.startswith('"') and task.open_mark.startswith('"'):
            mark = as_before
        after = before[: task.start] + mark + before[task.end :]
        if _replace(path, before, after):
            return True
    raise ListError(f"{path}: somebody else changes it all the time")


def temporary_of(path: Path) -> Path:
    """Where the list is written before it is renamed."""
    return path.with_name(f".{path.name}.tmp-ralph")


def _replace(path: Path, before: str, after: str) -> bool:
    target = path.resolve()  # a link stays a link
    temporary = temporary_of(target)
    temporary.unlink(missing_ok=True)  # of a loop that was killed
    try:
        with temporary.open("xb") as file:
            file.write(after.encode("utf-8", errors="surrogateescape"))
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(target.stat().st_mode & 0o7777)
        if read_text(path) != before:
            return False
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def _distinct(tasks: list[Task]) -> list[Task]:
    counts: dict[str, int] = {}
    named = []
    for task in tasks:
        counts[task.key] = number = counts.get(task.key, 0) + 1
        key = task.key if number == 1 else f"{task.key}#{number}"
        fields = {name: getattr(task, name) for name in Task.__slots__}
        named.append(Task(**{**fields, "key": key}))
    return named


def _markdown(text: str, path: Path) -> list[Task]:
    """Each outermost checkbox is a task; what is indented below it is its description."""
    found: list[tuple[re.Match[str], int, str, list[str]]] = []
    position, in_fence, inside = 0, False, -1
    for number, line in enumerate(LINE.findall(text), start=1):
        bare = line.rstrip("\r\n").removeprefix("\ufeff")
        skipped = len(line.rstrip("\r\n")) - len(bare)
        indent = len(bare.replace("\t", TAB)) - len(bare.replace("\t", TAB).lstrip())
        is_detail = inside >= 0 and (indent > inside or not bare.strip())
        box = None if in_fence else CHECKBOX.match(bare)
        if FENCE.match(bare):
            in_fence = not in_fence
        if box and not is_detail:
            found.append((box, position + skipped, bare[box.end() :].strip(), []))
            inside = indent
            if not found[-1][2]:
                raise ListError(f"{path}:{number}: a checkbox without a task")
        elif is_detail or (inside >= 0 and in_fence):
            found[-1][3].append(bare.strip("\r\n"))
        else:
            inside = -1
        position += len(line)
    return [_markdown_task(*parts, path) for parts in found]


def _markdown_task(box: re.Match[str], at: int, title: str, details: list[str], path: Path) -> Task:
    commands = []
    for line in details:
        stated = VERIFY.fullmatch(line.strip())
        if stated:
            commands.append(split_command(stated["command"].strip("`"), title, path))
    return Task(
        key=key_of(title),
        title=title,
        description="\n".join(details).strip("\n"),
        verify=tuple(commands),
        is_done=box["mark"] != " ",
        start=at + box.start("mark"),
        end=at + box.end("mark"),
        done_mark="x",
        open_mark=" ",
    )


def key_of(title: str) -> str:
    """What a task without an id is known by: its words, whatever the blanks between them."""
    words = " ".join(title.split())
    if len(words) <= 80:
        return words
    digest = hashlib.sha256(words.encode(errors="surrogateescape")).hexdigest()[:12]
    return f"{words[:64]}… {digest}"


def split_command(line: str, title: str, path: Path) -> tuple[str, ...]:
    """A ``verify:`` line as a command; no shell takes part. ListError when it is none."""
    try:
        argv = shlex.split(line)
    except ValueError as error:
        raise ListError(f"{path}: verify of {title!r}: {error}") from error
    if not argv:
        raise ListError(f"{path}: verify of {title!r} is empty")
    return tuple(argv)
