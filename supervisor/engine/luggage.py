"""What a shared task has with it: sent to the servers while it runs, unpacked by who goes on.

Owns which files travel (journal, results, positions, checkpoint) and how far each was sent. The
agent's SDK waits for the journal (``agent.acknowledged``); everything else follows as it comes.
Everything read here was written by an agent, or by another machine's agent: names are ours, sizes
bounded, links never followed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path

from supervisor.config.paths import Project
from supervisor.core import events as e
from supervisor.core.events import Recorded
from supervisor.core.run import RunState
from supervisor.errors import EnvironmentFaultError, LongwatchError, RefusedError
from supervisor.protocol.atomic import write_atomic_within
from supervisor.protocol.journal import ACKED_NAME, JOURNAL_NAME, WANT_NAME, journal_lines
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import CHECKPOINT_LIMIT_BYTES, read_bytes
from supervisor.queue.port import StaleLeaseError, TaskFiles

JOURNAL = JOURNAL_NAME
CHECKPOINT = "checkpoint"
STATE = "state"
FOLDERS = ("results", "tracked")
MAX_JOURNAL_BYTES = 256 << 20
MAX_FILE_BYTES = 32 << 20
PIECE_BYTES = 4 << 20
"""Of the journal in one command."""
REST_S = 1.0
"""Until what could not be sent is tried again."""


class Luggage:
    """For all runs of shared tasks on this machine."""

    def __init__(
        self, project: Project, files: TaskFiles, state_of: Callable[[str], RunState | None],
        host: str,
    ) -> None:  # fmt: skip
        self._project = project
        self._files = files
        self._state_of = state_of
        self._host = host
        self._wanted: set[str] = set()
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._sent: dict[tuple[str, str], tuple[int, int]] = {}
        """Size and time of change of each file as it was sent last, by run and name."""

    # -- sending ------------------------------------------------------------------------------

    def hinted(self, run_id: str, names: Collection[str]) -> None:
        """Files of a run may have changed."""
        if WANT_NAME in names:
            self._send_soon(run_id)

    def see(self, recorded: Recorded) -> None:
        """A stored event: a new attempt and a new checkpoint are worth sending."""
        if isinstance(recorded.event, e.AttemptStarting | e.CheckpointRecorded):
            state = self._state_of(recorded.run_id)
            if state is not None and state.task is not None:
                self._send_soon(recorded.run_id)

    def _send_soon(self, run_id: str) -> None:
        self._wanted.add(run_id)
        if run_id not in self._busy:
            task = asyncio.get_running_loop().create_task(self._send(run_id))
            self._busy[run_id] = task
            task.add_done_callback(lambda _done: self._busy.pop(run_id, None))

    async def _send(self, run_id: str) -> None:
        while run_id in self._wanted:
            self._wanted.discard(run_id)
            state = self._state_of(run_id)
            if state is None or state.task is None or state.task.outcome:
                return
            try:
                await self._send_state(state, state.task.token)
                await self._send_files(state, state.task.token)
                await self._send_journal(state, state.task.token)
            except StaleLeaseError:
                return  # Another machine has the task; the run is told by its lease.
            except LongwatchError as error:
                sys.stderr.write(f"longwatch engine: run {run_id}: not sent yet: {error}\n")
                self._wanted.add(run_id)
                await asyncio.sleep(REST_S)

    async def _send_state(self, state: RunState, token: str) -> None:
        plain = {"epoch": state.epoch, "host": self._host, "checkpoint": None}
        newest = state.checkpoint
        if newest is not None:
            path = self._project.checkpoints_dir(state.id) / str(newest.generation)
            data = await asyncio.to_thread(_read, path.parent, path.name, CHECKPOINT_LIMIT_BYTES)
            if data is not None and self._is_news(state.id, CHECKPOINT, (newest.generation, 0)):
                await self._files.keep(token, CHECKPOINT, None, data)
                self._sent[state.id, CHECKPOINT] = (newest.generation, 0)
            plain["checkpoint"] = state.spec.checkpoint
        mark = (state.epoch, newest.generation if newest is not None else 0)
        if self._is_news(state.id, STATE, mark):
            await self._files.keep(token, STATE, None, json.dumps(plain).encode())
            self._sent[state.id, STATE] = mark

    async def _send_files(self, state: RunState, token: str) -> None:
        """Before the journal: a line may refer to a result."""
        run_dir = self._project.run_dir(state.id)
        for name, mark in await asyncio.to_thread(_listed, run_dir):
            if not self._is_news(state.id, name, mark):
                continue
            data = await asyncio.to_thread(_read, run_dir, name, MAX_FILE_BYTES)
            if data is not None:
                await self._files.keep(token, name, None, data)
                self._sent[state.id, name] = mark

    async def _send_journal(self, state: RunState, token: str) -> None:
        run_dir = self._project.run_dir(state.id)
        known = self._sent.get((state.id, JOURNAL))
        there = known[0] if known else await self._files.kept_size(state.id, JOURNAL)
        if _size(run_dir / JOURNAL) < there:  # It was cut here, by the operator.
            await self._files.keep(token, JOURNAL, None, b"")
            there = 0
        data = await asyncio.to_thread(_read, run_dir, JOURNAL, MAX_JOURNAL_BYTES, there)
        whole = (data or b"")[: (data or b"").rfind(b"\n") + 1]
        for at in range(0, len(whole), PIECE_BYTES):
            await self._files.keep(token, JOURNAL, there + at, whole[at : at + PIECE_BYTES])
        there += len(whole)
        self._sent[state.id, JOURNAL] = (there, 0)
        acked = str(there).encode()
        write_atomic_within(run_dir, ACKED_NAME, acked, durable=False)

    def _is_news(self, run_id: str, name: str, mark: tuple[int, int]) -> bool:
        return self._sent.get((run_id, name)) != mark

    def forget(self, run_id: str) -> None:
        """The run is over."""
        for key in [key for key in self._sent if key[0] == run_id]:
            del self._sent[key]

    # -- unpacking ----------------------------------------------------------------------------

    async def unpack(self, token: str) -> int:
        """Put what another machine sent into the run's directory; the epoch it had, 0 without.

        What this machine sent itself stays as it is here, where it is newer.
        """
        task_id, found = token.split(".", maxsplit=1)[0], await self._files.take(token)
        try:
            state = json.loads(found.get(STATE, b"{}"))
            epoch, host, name = state.get("epoch", 0), state.get("host"), state.get("checkpoint")
        except (ValueError, AttributeError):
            raise RefusedError(f"what came with task {task_id} cannot be read") from None
        if not found or host == self._host:
            return 0
        await asyncio.to_thread(self._write_all, task_id, found, name)
        lines = journal_lines(found.get(JOURNAL, b""))
        return max(int(epoch), max((line.epoch for line in lines), default=0))

    def _write_all(self, task_id: str, found: dict[str, bytes], checkpoint: object) -> None:
        run_dir = self._project.run_dir(task_id)
        for name in (ACKED_NAME, WANT_NAME):
            (run_dir / name).unlink(missing_ok=True)
        for name, data in found.items():
            folder, _, rest = name.partition("/")
            is_filed = folder in FOLDERS and bool(rest) and _is_plain(rest)
            if name == JOURNAL or is_filed:
                write_atomic_within(run_dir, name, data)
            elif name == CHECKPOINT and isinstance(checkpoint, str):
                write_atomic_within(run_dir, checkpoint, data)


def _is_plain(name: str) -> bool:
    return not name.startswith(".") and "/" not in name and "\0" not in name and len(name) < 200


def _listed(run_dir: Path) -> list[tuple[str, tuple[int, int]]]:
    """Files that travel beside the journal, each with its size and time of change."""
    found = []
    for folder in FOLDERS:
        try:
            with os.scandir(run_dir / folder) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False) and _is_plain(entry.name):
                        seen = entry.stat(follow_symlinks=False)
                        if ".tmp-" not in entry.name and seen.st_size <= MAX_FILE_BYTES:
                            mark = (seen.st_size, seen.st_mtime_ns)
                            found.append((f"{folder}/{entry.name}", mark))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise EnvironmentFaultError(f"cannot list {run_dir / folder}: {error}") from error
    return sorted(found)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _read(directory: Path, name: str, limit_bytes: int, start: int = 0) -> bytes | None:
    data = read_bytes(directory, name, limit_bytes=limit_bytes, start=start)
    return None if isinstance(data, Problem) else data
