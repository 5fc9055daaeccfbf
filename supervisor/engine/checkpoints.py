"""Kept generations of a run's checkpoint on disk: copies of ours, opaque bytes.

A generation's copy is written before the event that records it, so every recorded generation has
its bytes; a copy without an event is swept at the next one.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.config.paths import Project
from supervisor.core.facts import CheckpointSeen
from supervisor.core.run import Checkpoint, RunState
from supervisor.errors import EnvironmentFaultError
from supervisor.protocol.atomic import write_atomic, write_atomic_within
from supervisor.protocol.checkpoint import checkpoint_check
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import CHECKPOINT_LIMIT_BYTES, read_bytes

KEPT_SET_ASIDE = 10
"""Newest bad checkpoints kept of each run, for people to look at."""


@dataclass(frozen=True, slots=True)
class Resume:
    """What the next attempt starts from."""

    path: Path | None
    """The agent's own checkpoint file, now holding a good generation; None: from nothing."""
    rollback_to: int | None = None
    """The generation that had to be used because newer ones are damaged; None when the newest,
    0 when none is good any more."""
    problem: str | None = None


NOTHING = Resume(None)


def has_any(project: Project, state: RunState) -> bool:
    """Whether there is a checkpoint to look at, good or bad."""
    live = project.run_dir(state.id) / state.spec.checkpoint
    return bool(state.checkpoints) or os.path.lexists(live)


def keep(project: Project, run_id: str, generation: int, data: bytes) -> None:
    """Store the bytes of a generation; blocks for an fsync."""
    directory = project.checkpoints_dir(run_id)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomic(directory / str(generation), data)


def adopt_checkpoint(
    project: Project, run_id: str, name: str, generation: int
) -> CheckpointSeen | None:
    """Keep the file that another machine left as ``generation``; what to feed, None without one.

    Blocks. What is torn or somebody else's is left where it is: the run starts without it.
    """
    data = read_bytes(project.run_dir(run_id), name, limit_bytes=CHECKPOINT_LIMIT_BYTES)
    if isinstance(data, Problem):
        return None
    checked = checkpoint_check(data, run_id, name)
    if isinstance(checked, Problem):
        return None
    keep(project, run_id, generation, data)
    return CheckpointSeen(checked.sha256, checked.size_bytes, checked.epoch, checked.sequence)


def sweep(project: Project, state: RunState) -> None:
    """Remove copies that no kept generation needs."""
    kept = {str(checkpoint.generation) for checkpoint in state.checkpoints}
    directory = project.checkpoints_dir(state.id)
    if directory.is_dir():
        for entry in directory.iterdir():
            if entry.name not in kept:
                entry.unlink(missing_ok=True)


def prepare_resume(project: Project, state: RunState) -> Resume:
    """Put the newest good generation in place for the next attempt; blocks.

    A live file that is none of it was torn, tampered with or never recorded: it is set aside,
    never deleted. Raises EnvironmentFaultError when a kept copy cannot be read now.
    """
    run_dir, name = project.run_dir(state.id), state.spec.checkpoint
    live, newest = run_dir / name, state.checkpoint
    if newest is not None and _bytes_with(run_dir, name, newest.sha256) is not None:
        return Resume(live)
    for checkpoint in reversed(state.checkpoints):
        data = _kept_bytes(project.checkpoints_dir(state.id), checkpoint)
        if data is not None:
            _set_aside(project, state, live)
            write_atomic_within(run_dir, name, data)
            return _resumed(live, checkpoint, newest)
    if not state.checkpoints and not os.path.lexists(live):
        return NOTHING
    _set_aside(project, state, live)
    # Rolled back to nothing, else the new work's first checkpoints would be refused as older.
    rollback_to = 0 if state.checkpoints else None
    return Resume(None, rollback_to, "no good checkpoint was left; starting from nothing")


def copy_state(project: Project, run_id: str, checkpoint: Checkpoint) -> str:
    """``good``, ``damaged`` or ``missing``: what the kept copy of a generation is; blocks."""
    copies, name = project.checkpoints_dir(run_id), str(checkpoint.generation)
    if not os.path.lexists(copies / name):
        return "missing"
    return "damaged" if _bytes_with(copies, name, checkpoint.sha256) is None else "good"


def report(project: Project, state: RunState) -> list[dict[str, Any]]:
    """The kept generations, oldest first, each with what its copy is; blocks."""
    return [
        {
            "generation": checkpoint.generation,
            "sha256": checkpoint.sha256,
            "size_bytes": checkpoint.size_bytes,
            "epoch": checkpoint.epoch,
            "sequence": checkpoint.sequence,
            "at": checkpoint.at,
            "copy": copy_state(project, state.id, checkpoint),
        }
        for checkpoint in state.checkpoints
    ]


def set_aside_report(project: Project, run_id: str) -> list[dict[str, Any]]:
    """What was taken out of use, newest first; blocks."""
    directory = project.set_aside_dir(run_id)
    if not directory.is_dir():
        return []
    found = [(entry, entry.lstat()) for entry in directory.iterdir()]
    found.sort(key=lambda pair: pair[1].st_mtime, reverse=True)
    return [
        {"path": str(entry), "size_bytes": seen.st_size, "at": seen.st_mtime}
        for entry, seen in found
    ]


def settle_rollback(project: Project, state: RunState) -> Resume:
    """Put the chosen generation in place and take the newer copies out of use; blocks."""
    kept = {str(checkpoint.generation) for checkpoint in state.checkpoints}
    directory = project.checkpoints_dir(state.id)
    if directory.is_dir():
        for entry in directory.iterdir():
            if entry.name.isdecimal() and entry.name not in kept:
                set_copy_aside(project, state.id, int(entry.name))
    return prepare_resume(project, state)


def set_copy_aside(project: Project, run_id: str, generation: int) -> None:
    """Take a kept copy out of use without deleting it; fine when it is gone."""
    directory = project.set_aside_dir(run_id)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        copy = project.checkpoints_dir(run_id) / str(generation)
        copy.replace(directory / f"generation-{generation}")
    except FileNotFoundError:
        pass
    _bound_set_aside(directory)


def _bound_set_aside(directory: Path) -> None:
    """Keep the newest few: an agent that tears its checkpoint for days must not fill the disk."""
    entries = sorted(directory.iterdir(), key=lambda entry: entry.lstat().st_mtime, reverse=True)
    for entry in entries[KEPT_SET_ASIDE:]:
        if not entry.is_dir() or entry.is_symlink():
            entry.unlink(missing_ok=True)


def _resumed(live: Path, used: Checkpoint, newest: Checkpoint | None) -> Resume:
    if newest is not None and used.generation == newest.generation:
        return Resume(live, problem=f"{live.name} was damaged; restored from {used.generation}")
    problem = f"newer checkpoints are damaged; resuming from generation {used.generation}"
    return Resume(live, used.generation, problem)


def _set_aside(project: Project, state: RunState, live: Path) -> None:
    if not os.path.lexists(live):
        return
    directory = project.set_aside_dir(state.id)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    live.replace(directory / f"{state.epoch}-{live.name}")
    _bound_set_aside(directory)


def _kept_bytes(copies: Path, checkpoint: Checkpoint) -> bytes | None:
    """The copy of a generation; None when it is not what was kept.

    Raises EnvironmentFaultError when the machine does not let us look (no descriptors, an I/O
    error): that may pass, and an older generation would give completed work out again.
    """
    name = str(checkpoint.generation)
    data = read_bytes(copies, name, limit_bytes=CHECKPOINT_LIMIT_BYTES)
    if isinstance(data, Problem) and data.code == "unreadable":
        raise EnvironmentFaultError(
            f"checkpoint generation {name} cannot be read now: {data.found}",
            why="an older one would give completed work out again",
            fix="When it lasts, go back yourself: longwatch checkpoints RUN --rollback N.",
        )
    if isinstance(data, Problem) or hashlib.sha256(data).hexdigest() != checkpoint.sha256:
        return None
    return data


def _bytes_with(directory: Path, name: str, sha256: str) -> bytes | None:
    """The file's content if it has that hash; read as everything an agent could have touched."""
    data = read_bytes(directory, name, limit_bytes=CHECKPOINT_LIMIT_BYTES)
    if isinstance(data, Problem) or hashlib.sha256(data).hexdigest() != sha256:
        return None
    return data
