"""Copies of what a run is, beside its records, for the day ``state.db`` is lost.

``run.json`` is who the run is: on disk before its first process. ``state.json`` is where it
stood: written a moment after each change that a restart depends on, in a thread and without
fsync, so it costs the work nothing. The log stays the only truth while it is there: nothing here
is read when the log is whole.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from supervisor.config.paths import Project
from supervisor.core.moment import Moment
from supervisor.core.rebuild import Identity
from supervisor.core.record import RecordError, from_plain, to_plain
from supervisor.core.run import FINAL, RunState
from supervisor.errors import AgentError, EnvironmentFaultError
from supervisor.protocol.atomic import write_atomic
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import read_bytes

IDENTITY_NAME = "run.json"
STATE_NAME = "state.json"
LIMIT_BYTES = 8 << 20
"""A state holds at most 20 closed and the open requests, each at most 256 KiB."""
_VERSION = 1

_Key = tuple[object, ...]


class Keepsakes:
    """Which copies are behind, and writing them. Belongs to the event loop."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._written: dict[str, _Key] = {}
        self._behind: dict[str, RunState] = {}

    def see(self, state: RunState) -> None:
        """Note that a run changed; cheap, may be called for every event."""
        if self._written.get(state.id) != _key(state):
            self._behind[state.id] = state

    async def write(self) -> None:
        """Bring the copies up to date; what the disk refuses is tried again the next time."""
        if not self._behind:
            return
        behind, self._behind = self._behind, {}
        for run_id in await asyncio.to_thread(_write_all, self._project, tuple(behind.values())):
            state = behind[run_id]
            if state.status in FINAL:
                self._written.pop(run_id, None)
            else:
                self._written[run_id] = _key(state)
            del behind[run_id]
        for run_id, state in behind.items():
            self._behind.setdefault(run_id, state)


def _key(state: RunState) -> _Key:
    """What has to be in the copy soon; progress and checkpoints are on disk themselves."""
    return (
        state.status,
        state.epoch,
        state.pid,
        state.ending,
        state.request_count,
        len(state.open_requests),
        # A reminder must not come twice, a sleep that is held must stay held.
        sum(request.reminded for request in state.open_requests),
        state.wake,
        state.spec,
        # A rollback; checkpoints that go forward are found in their directory.
        state.newest_generation - (state.checkpoint.generation if state.checkpoint else 0),
    )


def _write_all(project: Project, states: tuple[RunState, ...]) -> list[str]:
    written = []
    for state in states:
        path = project.record_dir(state.id) / STATE_NAME
        content = {"version": _VERSION, "state": to_plain(state)}
        try:
            write_atomic(path, _encoded(content), durable=False)
        except (AgentError, EnvironmentFaultError):
            continue
        written.append(state.id)
    return written


def keep_identity(project: Project, state: RunState) -> None:
    """Have ``run.json`` on disk; blocks for an fsync before the first attempt, then not at all.

    Later changes of the settings are in ``state.json`` alone. Raises EnvironmentFaultError: a
    process must not start that nobody could find again.
    """
    path = project.record_dir(state.id) / IDENTITY_NAME
    if path.exists():
        return
    identity = Identity(state.id, state.agent, state.spec, state.created_at)
    write_atomic(path, _encoded({"version": _VERSION, **to_plain(identity)}))


def read_identity(project: Project, run_id: str) -> Identity | None:
    """Who the run is; None when its file is missing, torn or another run's."""
    plain = _read(project, run_id, IDENTITY_NAME)
    try:
        identity = from_plain(Identity, plain)
    except RecordError:
        return None
    is_sound = identity.id == run_id and isinstance(identity.agent, str)
    return identity if is_sound and identity.spec.name == identity.agent else None


def read_state(project: Project, run_id: str) -> RunState | None:
    """Where the run stood; None when the copy is missing, torn or another run's."""
    plain = _read(project, run_id, STATE_NAME)
    try:
        state = from_plain(RunState, plain["state"])
    except (RecordError, KeyError, TypeError):
        return None
    numbers = (state.epoch, state.attempt, state.newest_generation)
    is_sound = state.id == run_id and isinstance(state.status_since, Moment)
    return state if is_sound and all(type(n) is int and n >= 0 for n in numbers) else None


def _read(project: Project, run_id: str, name: str) -> Any:
    data = read_bytes(project.record_dir(run_id), name, limit_bytes=LIMIT_BYTES)
    if isinstance(data, Problem):
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _encoded(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
