"""The checkpoint: what a run resumes from, in an envelope that proves itself.

The ``state`` in the envelope has two parts: ``user`` is what the agent stored, ``tracks`` the
positions of its ``track`` loops. Both change in one atomic write, so they never disagree.
"""

from __future__ import annotations

import json
import os
from _thread import allocate_lock

from supervisor.agent.canonical import canonical, plain, sha256
from supervisor.agent.faults import CheckpointDamagedError
from supervisor.agent.fence import Fence
from supervisor.agent.run_files import CHECKPOINT, RunFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FORMAT = 1


class CheckpointFile:
    """Writes ``checkpoint.json`` of one attempt; the sequence goes on over the whole run."""

    def __init__(
        self,
        files: RunFiles,
        fence: Fence,
        run_id: str,
        epoch: int,
        *,
        before: Callable[[], None],
    ) -> None:
        self._before = before
        """Called before each write: what it may rest on is on the disk first."""
        self._lock = allocate_lock()
        self._files = files
        self._fence = fence
        self._run_id = run_id
        self._epoch = epoch
        self._sequence = 0
        self.user: Any = None
        """What the agent stored; None when it stored nothing."""
        self.tracks: dict[str, dict[str, Any]] = {}
        """Position of each loop by its id; see ``track``."""

    def resume(self, path: str | None) -> None:
        """Take over what ``path`` holds; CheckpointDamagedError when it cannot be trusted.

        The sequence also passes whatever is on disk, which may be newer than ``path`` when the
        operator rolled the run back.
        """
        on_disk = self._files.read_object(CHECKPOINT) or {}
        newest = on_disk.get("sequence") if on_disk.get("run_id") == self._run_id else 0
        self._sequence = newest if isinstance(newest, int) else 0
        if path is None:
            return
        envelope = read_envelope(path, self._run_id)
        self._fence.hold(envelope["epoch"], path)
        self._sequence = max(self._sequence, envelope["sequence"])
        state = envelope["state"]
        if isinstance(state, dict) and set(state) == {"user", "tracks"}:
            self.user, self.tracks = state["user"], state["tracks"]
        else:
            self.user = state  # written by another program in the same protocol

    def save(self) -> None:
        """Store ``user`` and ``tracks``; on the disk when this returns."""
        self._before()
        with self._lock:
            self._save()

    def _save(self) -> None:
        self._fence.check()
        # Through JSON once, so that the hash is of what a reader will find in the file.
        state = plain({"user": self.user, "tracks": dict(self.tracks)}, "the checkpoint")
        envelope = {
            "longwatch_checkpoint": FORMAT,
            "run_id": self._run_id,
            "epoch": self._epoch,
            "sequence": self._sequence + 1,
            "sha256": sha256(canonical(state, "the checkpoint")),
            "state": state,
        }
        data = canonical(envelope, "the checkpoint")
        self._fence.wrote_checkpoint(self._files.write(CHECKPOINT, data, durable=True))
        self._sequence += 1


def read_envelope(path: str, run_id: str) -> dict[str, Any]:
    """The checked envelope in ``path``; CheckpointDamagedError says what is wrong with it."""
    try:
        with open(path, "rb") as file:
            envelope = json.loads(file.read())
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(envelope, dict) or envelope.get("longwatch_checkpoint") != FORMAT:
        raise _damaged(path, "it has no checkpoint envelope of version 1")
    if envelope.get("run_id") != run_id:
        raise _damaged(path, f"it is of run {envelope.get('run_id')}, this is {run_id}")
    for name in ("epoch", "sequence"):
        if type(envelope.get(name)) is not int:
            raise _damaged(path, f"its {name} is no whole number")
    if "state" not in envelope or envelope.get("sha256") != sha256(
        canonical(envelope["state"], "the checkpoint")
    ):
        raise _damaged(path, "its state does not have the checksum it names")
    return envelope


def _damaged(path: str, why: str) -> CheckpointDamagedError:
    name = os.path.basename(path)
    return CheckpointDamagedError(
        f"cannot resume from {name}: {why}. Restore an older checkpoint to {path}, "
        "or start a fresh run"
    )
