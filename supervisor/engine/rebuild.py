"""After the log was lost: every run's traces on disk, and the runs put together from them.

Reads only our own records; agents and their directories are not touched. What the traces mean
is decided in ``core.rebuild``; what happened meanwhile is then recovered as after any restart.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from supervisor.config.paths import Project
from supervisor.core import facts as f
from supervisor.core.fold import KEPT_CHECKPOINTS
from supervisor.core.ids import is_run_id
from supervisor.core.moment import Moment
from supervisor.core.rebuild import Evidence, Identity, Rebuilt, rebuild
from supervisor.core.run import Checkpoint, RunState
from supervisor.engine import checkpoints, keepsakes
from supervisor.engine.attempts import exit_fact
from supervisor.process.exit_record import read_exit_record
from supervisor.process.keeper_link import LivingAttempt
from supervisor.protocol.checkpoint import checkpoint_check
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import CHECKPOINT_LIMIT_BYTES, read_bytes

_EXIT_NAME = re.compile(r"exit-([0-9]{1,12})\.json")
_GENERATION = re.compile(r"[0-9]{1,12}")


async def rebuild_all(
    project: Project, attempts: Sequence[LivingAttempt], now: Moment
) -> tuple[list[Rebuilt], list[str]]:
    """The runs that left records, oldest first, and the ids of those that nobody can name.

    Reads every record directory in a thread: seconds for ten thousand runs.
    """
    return await asyncio.to_thread(_rebuild_all, project, tuple(attempts), now)


def _rebuild_all(
    project: Project, attempts: tuple[LivingAttempt, ...], now: Moment
) -> tuple[list[Rebuilt], list[str]]:
    living = {attempt.run: attempt for attempt in attempts}
    rebuilt, nameless = [], []
    for run_id in run_ids(project.records_dir):
        last = keepsakes.read_state(project, run_id)
        identity = keepsakes.read_identity(project, run_id) or _identity_of(last)
        if identity is None:
            nameless.append(run_id)
        else:
            evidence = gather(project, identity, last, living)
            rebuilt.append(rebuild(identity, evidence, now))
    return rebuilt, nameless


def run_ids(directory: Path) -> list[str]:
    """The runs that have a directory there, oldest first."""
    try:
        return sorted(entry.name for entry in directory.iterdir() if is_run_id(entry.name))
    except FileNotFoundError:
        return []


def _identity_of(last: RunState | None) -> Identity | None:
    return Identity(last.id, last.agent, last.spec, last.created_at) if last else None


def gather(
    project: Project,
    identity: Identity,
    last: RunState | None,
    living: Mapping[str, LivingAttempt],
) -> Evidence:
    """Everything that is left of one run; bad checkpoints are set aside on the way."""
    run_id = identity.id
    epochs = list(_exit_epochs(project.record_dir(run_id)))
    newest = read_exit_record(project.exit_record(run_id, max(epochs))) if epochs else None
    attempt = living.get(run_id)
    kept = _kept(project, identity, last)
    epochs += [checkpoint.epoch for checkpoint in kept]
    return Evidence(
        last=last,
        living=f.SpawnDone(attempt.epoch, attempt.pid, attempt.started, adopted=True)
        if attempt
        else None,
        exited=exit_fact(newest) if newest is not None and newest.run == run_id else None,
        checkpoints=kept,
        epoch=max(epochs, default=0),
    )


def _exit_epochs(directory: Path) -> Iterator[int]:
    for entry in directory.iterdir():
        if (found := _EXIT_NAME.fullmatch(entry.name)) is not None:
            yield int(found[1])


def _kept(project: Project, identity: Identity, last: RunState | None) -> tuple[Checkpoint, ...]:
    """The newest whole copies, oldest first."""
    directory = project.checkpoints_dir(identity.id)
    try:
        names = [entry.name for entry in directory.iterdir()]
    except FileNotFoundError:
        return ()
    known = {checkpoint.generation: checkpoint for checkpoint in last.checkpoints} if last else {}
    found: list[Checkpoint] = []
    for generation in sorted(
        (int(name) for name in names if _GENERATION.fullmatch(name)), reverse=True
    )[: 2 * KEPT_CHECKPOINTS]:
        checkpoint = _verified(directory, identity, generation, known.get(generation))
        if checkpoint is not None:
            found.append(checkpoint)
        else:
            checkpoints.set_copy_aside(project, identity.id, generation)
        if len(found) == KEPT_CHECKPOINTS:
            break
    return tuple(reversed(_in_order(found)))


def _verified(
    directory: Path, identity: Identity, generation: int, known: Checkpoint | None
) -> Checkpoint | None:
    """The copy if its hash is the recorded one, or, where none is, if it is whole by itself."""
    data = read_bytes(directory, str(generation), limit_bytes=CHECKPOINT_LIMIT_BYTES)
    if isinstance(data, Problem):
        return None
    if known is not None:
        return known if hashlib.sha256(data).hexdigest() == known.sha256 else None
    checked = checkpoint_check(data, identity.id, identity.spec.checkpoint)
    if isinstance(checked, Problem):
        return None
    at = (directory / str(generation)).stat().st_mtime
    return Checkpoint(
        generation, checked.sha256, checked.size_bytes, checked.epoch or 0, checked.sequence, at
    )


def _in_order(newest_first: list[Checkpoint]) -> list[Checkpoint]:
    """A copy without an envelope gets the epoch of the next older one: it cannot be below."""
    result: list[Checkpoint] = []
    epoch = 0
    for checkpoint in reversed(newest_first):
        epoch = max(epoch, checkpoint.epoch)
        result.append(replace(checkpoint, epoch=epoch))
    return result[::-1]
