"""The fence: an attempt that is not the newest of its run must not write.

The newest epoch stands in the file ``epoch``, and in whatever checkpoint is on disk. Both are
looked at before every durable write, which costs two ``stat`` calls.
"""

from __future__ import annotations

import os
import sys

from supervisor.agent.faults import FencedError
from supervisor.agent.run_files import CHECKPOINT, EPOCH, RunFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Identity = tuple[int, int, int]


class Fence:
    """Guards the run directory for the attempt with ``epoch``."""

    def __init__(self, files: RunFiles, run_id: str, epoch: int) -> None:
        self._files = files
        self._run_id = run_id
        self._epoch = epoch
        self._known: dict[str, Identity | None] = {}
        self.is_broken = False
        """Whether this attempt was found to be outdated; it stays so."""

    def claim(self) -> None:
        """Take the run over from all older attempts; FencedError when a newer one has it."""
        self.check()
        if _epoch_in_file(self._files) < self._epoch:
            stat = self._files.write(EPOCH, f"{self._epoch}\n".encode(), durable=True)
            self._known[EPOCH] = _identity(stat)

    def check(self) -> None:
        """Return when this attempt is the newest as far as the disk says, else FencedError."""
        self._look(EPOCH, lambda: _epoch_in_file(self._files))
        self._look(CHECKPOINT, self._epoch_in_checkpoint)

    def wrote_checkpoint(self, stat: os.stat_result) -> None:
        """Remember our own checkpoint, so that only a foreign one is read again."""
        self._known[CHECKPOINT] = _identity(stat)

    def hold(self, found: int, where: str) -> None:
        """FencedError when ``found``, an epoch met in ``where``, is newer than ours."""
        if found > self._epoch:
            self.is_broken = True
            error = FencedError(
                f"attempt with epoch {self._epoch} of run {self._run_id} is outdated: "
                f"{where} is of epoch {found}. It stops here and writes nothing more."
            )
            print(error, file=sys.stderr, flush=True)
            raise error

    def _look(self, name: str, read_epoch: Callable[[], int]) -> None:
        try:
            identity: Identity | None = _identity(os.stat(self._files.path(name)))
        except FileNotFoundError:
            identity = None
        if name not in self._known or identity != self._known[name]:
            self.hold(read_epoch(), name)
            self._known[name] = identity

    def _epoch_in_checkpoint(self) -> int:
        envelope = self._files.read_object(CHECKPOINT)
        if envelope is None or envelope.get("run_id") != self._run_id:
            return 0
        epoch = envelope.get("epoch")
        return epoch if isinstance(epoch, int) else 0


def _epoch_in_file(files: RunFiles) -> int:
    data = files.read(EPOCH)
    try:
        return int(data) if data else 0
    except ValueError:
        return 0


def _identity(stat: os.stat_result) -> Identity:
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size)
