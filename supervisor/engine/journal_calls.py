"""``journal`` and ``journal_truncate``: what a client may see and cut of a run's durable steps."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from supervisor.control.messages import CallRefusedError
from supervisor.core import facts as f
from supervisor.core.run import ALIVE, RunState
from supervisor.core.text import safe_text
from supervisor.engine.params import text, whole
from supervisor.protocol.atomic import write_atomic_within
from supervisor.protocol.journal import (
    JOURNAL_LIMIT_BYTES,
    JOURNAL_NAME,
    JournalLine,
    journal_lines,
    preview_of_file,
    read_journal,
)
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import open_parent, read_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from supervisor.control.connection import Connection
    from supervisor.engine.engine import Engine

PAGE_LIMIT = 5000
"""Lines in one reply: at most some megabytes."""
FILES_SHOWN = 200
"""Large results of which a reply shows the beginning; each is a file to open."""
PREVIEW_SHOWN = 400
"""Characters of a result or an error that are sent."""


class JournalCalls:
    """Two methods of the control socket, bound to one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def show(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """The lines after number ``after``, at most ``limit``, and how many there are.

        With ``last`` the newest so many of them instead.
        """
        after = whole(params, "after", default=0)
        limit = min(whole(params, "limit", default=PAGE_LIMIT), PAGE_LIMIT)
        state = await self._engine.resolve(text(params, "run"))
        lines = await self._lines(state)
        last = min(whole(params, "last", default=0), PAGE_LIMIT)
        page = [line for line in lines if line.number > after]
        page = page[-last:] if last else page[:limit]
        page = await asyncio.to_thread(_with_files, self._engine.project.run_dir(state.id), page)
        return {
            "id": state.id,
            "agent": state.agent,
            "status": state.status.value,
            "lines": [self._shown(line) for line in page],
            "total": lines[-1].number if lines else 0,
        }

    def _shown(self, line: JournalLine) -> dict[str, Any]:
        """A line for a client, without secrets; clients clean it for a terminal."""
        hide = self._engine.secrets.text
        name, scope, preview = hide(line.name), hide(line.scope), hide(line.preview)
        preview = preview[:PREVIEW_SHOWN]
        return asdict(replace(line, name=name, scope=scope, preview=preview))

    async def truncate(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """Drop the line ``from`` and all after it; a copy of the whole file is kept beside it."""
        engine, by = self._engine, safe_text(text(params, "by", default="client"), limit=60)
        step = whole(params, "from", minimum=1)
        state = await engine.resolve(text(params, "run"))
        if engine.runs.state(state.id) is None:
            raise _refusal(state, "it ended too long ago", "Start a new run")
        _refuse_living(state)
        lines = await self._lines(state)
        line = next((line for line in lines if line.number == step), None)
        if line is None:
            last = f"the last one is {lines[-1].number}" if lines else "it is empty"
            raise _refusal(state, f"its journal has no step {step}: {last}")
        run_dir = engine.project.run_dir(state.id)
        kept = time.strftime("journal-%Y%m%dT%H%M%SZ", time.gmtime()) + f"-{step}.jsonl"
        dropped = lines[-1].number - step + 1
        await asyncio.to_thread(_keep_copy, run_dir, kept)
        fed = engine.feed(state.id, f.JournalCut(step, dropped, kept, by))
        if fed.refusal is not None:
            raise _refusal(state, fed.refusal.what, fed.refusal.fix)
        await fed.stored
        await engine.in_turn(state.id, lambda: self._cut(state.id, line))
        return {
            "id": state.id,
            "agent": state.agent,
            "status": state.status.value,
            "from": step,
            "dropped": dropped,
            "kept": str(run_dir / kept),
            "checkpoint": state.checkpoint.generation if state.checkpoint else None,
        }

    async def _cut(self, run_id: str, line: JournalLine) -> None:
        state = self._engine.runs.state(run_id)
        if state is not None:
            _refuse_living(state)
        await asyncio.to_thread(_cut_file, self._engine.project.run_dir(run_id), line)

    async def _lines(self, state: RunState) -> list[JournalLine]:
        run_dir = self._engine.project.run_dir(state.id)
        lines = await asyncio.to_thread(read_journal, run_dir)
        if isinstance(lines, Problem):
            raise _refusal(state, f"its journal cannot be read: {lines}", f"See {run_dir}")
        return lines


def _with_files(run_dir: Path, lines: list[JournalLine]) -> list[JournalLine]:
    """The lines with a short view of large results, those of the newest that have one."""
    large = {line.number for line in [line for line in lines if line.file][-FILES_SHOWN:]}
    return [
        replace(line, preview=preview_of_file(run_dir, line)) if line.number in large else line
        for line in lines
    ]


def _keep_copy(run_dir: Path, kept: str) -> None:
    data = read_bytes(run_dir, JOURNAL_NAME, limit_bytes=JOURNAL_LIMIT_BYTES)
    if isinstance(data, Problem):
        raise CallRefusedError(f"the journal cannot be copied: {data}", code="refused", fix="")
    write_atomic_within(run_dir, kept, data)


def _cut_file(run_dir: Path, line: JournalLine) -> None:
    """Cut the file before ``line``, if it is still the line that was looked at."""
    with open_parent(run_dir, JOURNAL_NAME) as (folder, name):
        descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            found = journal_lines(os.pread(descriptor, JOURNAL_LIMIT_BYTES, 0))
            if line not in found:
                raise CallRefusedError(
                    "the journal changed while it was looked at",
                    code="refused",
                    fix="Look again: longwatch journal RUN show",
                )
            os.ftruncate(descriptor, line.offset)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _refuse_living(state: RunState) -> None:
    if state.status in ALIVE:
        raise _refusal(
            state,
            f"it is {state.status}, and a living process writes its journal",
            f"First: longwatch stop {state.agent}",
        )


def _refusal(state: RunState, what: str, fix: str = "") -> CallRefusedError:
    return CallRefusedError(f"{state.agent}: {what}", code="refused", fix=fix)
