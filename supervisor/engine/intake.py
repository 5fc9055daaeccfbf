"""Directories whose files become tasks: what settles in one is submitted, then moved to ``taken/``.

A file counts once it is the same in two looks, so that one being copied is not taken half. Its
task's key is made of its name, size and time: a death of ours between the two steps submits it
again and adds nothing. The watch is a plain listing: an intake gets files by the minute.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.core import task_events as t
from supervisor.core.ids import ulid
from supervisor.core.pool import PoolSpec, new_task
from supervisor.core.task import MAX_PAYLOAD_BYTES, NewTask
from supervisor.engine.runs import Runs
from supervisor.errors import EnvironmentFaultError
from supervisor.protocol.bounded_json import parse_json
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import Signature, read_bytes, signature
from supervisor.protocol.task import RESULT_BOUNDS
from supervisor.queue.port import TaskQueue, TaskRefusedError

TAKEN, REFUSED = "taken", "refused"
"""Folders in the intake for files that are tasks now, and for those that cannot be."""
LINES_LIMIT_BYTES = 256 << 20
"""Of a file of JSON lines, read as a whole."""
FILES_AT_ONCE = 500
LINES = (".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class _Found:
    """A file that has settled."""

    path: Path
    seen: Signature

    @property
    def key(self) -> str:
        """The same for the same file, whatever characters its name has."""
        words = f"{os.fsencode(self.path.name)!r} {self.seen[1]} {self.seen[2]}"
        return f"intake:{hashlib.sha256(words.encode()).hexdigest()[:32]}"

    def target(self, folder: str) -> Path:
        """Where it goes; known before it is submitted, because the task names it."""
        return self.path.parent / folder / f"{self.seen[1]}-{self.path.name}"


class Intakes:
    """All of them; one call a round."""

    def __init__(self, queue: TaskQueue, runs: Runs) -> None:
        self._queue = queue
        self._runs = runs
        self._seen: dict[Path, Signature] = {}
        self._said: set[str] = set()

    async def look(self, pools: Mapping[str, PoolSpec]) -> None:
        """Submit what has settled since the look before."""
        seen: dict[Path, Signature] = {}
        for pool in pools.values():
            if pool.intake is None:
                continue
            try:
                listed = await asyncio.to_thread(_listed, Path(pool.intake))
            except (OSError, EnvironmentFaultError) as error:
                self._say(f"intake of {pool.name}: {error}")
                continue
            seen.update(listed)
            settled = [_Found(p, s) for p, s in listed.items() if self._seen.get(p) == s]
            for found in settled[:FILES_AT_ONCE]:
                await self._take(found, pool)
        self._seen = seen

    async def _take(self, found: _Found, pool: PoolSpec) -> None:
        try:
            tasks = await asyncio.to_thread(lambda: list(_tasks(found, pool)))
            for start in range(0, len(tasks), 1000):
                done = await self._queue.submit(tasks[start : start + 1000])
                new = sum(item.is_new for item in done)
                if new:
                    by = f"intake {found.path.name}"
                    self._runs.note(
                        t.TasksSubmitted(pool.name, new, len(done) - new, done[0].id, by)
                    )
            await asyncio.to_thread(_move, found, TAKEN)
        except (ValueError, TaskRefusedError) as error:
            self._say(f"intake of {pool.name}: {found.path.name!a} is refused: {error}")
            await asyncio.to_thread(_move, found, REFUSED)
        except OSError as error:
            self._say(f"intake of {pool.name}: {found.path.name!a}: {error}")

    def _say(self, words: str) -> None:
        """Once: the same trouble comes with every look."""
        if words not in self._said:
            self._said.add(words)
            sys.stderr.write(f"longwatch engine: {words}\n")


def _listed(directory: Path) -> dict[Path, Signature]:
    """The regular files in ``directory``, which is made if it is not there."""
    for folder in (directory, directory / TAKEN, directory / REFUSED):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found: dict[Path, Signature] = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(".") or ".tmp-" in entry.name:
                continue
            if not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                continue
            path = Path(entry.path)
            if (seen := signature(path)) is not None:
                found[path] = seen
    return dict(sorted(found.items()))


def _tasks(found: _Found, pool: PoolSpec) -> Iterator[NewTask]:
    """The tasks in a file; ValueError says what is wrong with it."""
    name = found.path.name
    group = ulid(found.seen[1] / 1e9, secrets.randbits(80))
    if name.endswith(LINES):
        data = _read(found, LINES_LIMIT_BYTES)
        for number, line in enumerate(data.splitlines(), 1):
            if line.strip():
                payload = _parsed(line, f"line {number}: ")
                yield new_task(
                    pool, _json(payload), key=f"{found.key}:{number}", group=f"{group}-{number}"
                )
        return
    if name.endswith(".json"):
        payload = _parsed(_read(found, MAX_PAYLOAD_BYTES), "")
    else:
        payload = {"path": str(found.target(TAKEN)), "name": name}
    yield new_task(pool, _json(payload), key=found.key, group=group)


def _read(found: _Found, limit_bytes: int) -> bytes:
    data = read_bytes(found.path.parent, found.path.name, limit_bytes=limit_bytes)
    if isinstance(data, Problem):
        raise ValueError(str(data))
    return data


def _parsed(data: bytes, where: str) -> Any:
    value = parse_json(data, RESULT_BOUNDS)
    if isinstance(value, Problem):
        raise ValueError(f"{where}{value}")
    return value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _move(found: _Found, folder: str) -> None:
    found.path.rename(found.target(folder))
