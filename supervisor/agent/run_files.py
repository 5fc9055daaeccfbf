"""The run directory on disk: whole files or none, and bytes that survive a power cut.

Never follows the agent's wishes about names: every name here is ours.
"""

from __future__ import annotations

import json
import os
from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROGRESS = "progress.json"
CHECKPOINT = "checkpoint.json"
JOURNAL = "journal.jsonl"
REQUESTS = "requests"
ANSWERS = "answers"
RESULTS = "results"
TRACKED = "tracked"
EPOCH = "epoch"
WAKE = "wake.json"
TEMPORARY = ".tmp-"
FOLDERS = ("", REQUESTS, ANSWERS)


class RunFiles:
    """The files of one run, by their name relative to the run directory."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._counter = count(1)

    def prepare(self) -> None:
        """Make the folders."""
        for name in FOLDERS:
            os.makedirs(self.path(name), mode=0o700, exist_ok=True)

    def clear_leftovers(self) -> None:
        """Remove what a killed attempt left half written; only for who holds the fence."""
        for name in FOLDERS:
            folder = self.path(name)
            for leftover in os.listdir(folder):
                if TEMPORARY in leftover:
                    os.unlink(os.path.join(folder, leftover))

    def path(self, name: str) -> str:
        """Absolute path of ``name``."""
        return os.path.join(self.directory, name)

    def write(self, name: str, data: bytes, *, durable: bool) -> os.stat_result:
        """Replace ``name`` as a whole; its new stat.

        ``durable`` also waits until the bytes and the name are on the disk (two fsyncs, some
        milliseconds). Without it a reader still never sees half a file.
        """
        target = self.path(name)
        temporary = f"{target}{TEMPORARY}{os.getpid()}-{next(self._counter)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(temporary, flags, 0o600)
        try:
            try:
                write_all(descriptor, data)
                if durable:
                    os.fsync(descriptor)
                stat = os.fstat(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary, target)
        except BaseException:
            remove(temporary)
            raise
        if durable:
            sync_directory(os.path.dirname(target))
        return stat

    def read(self, name: str) -> bytes | None:
        """The bytes of ``name``; None when there is no such file."""
        try:
            with open(self.path(name), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def read_object(self, name: str) -> dict[str, Any] | None:
        """The JSON object in ``name``; None when it is absent, damaged or something else."""
        data = self.read(name)
        if data is None:
            return None
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None

    def touch(self, name: str) -> None:
        """Give ``name`` the time of now, if it is there and may be touched."""
        try:
            os.utime(self.path(name))
        except OSError:
            pass

    def remove(self, name: str) -> None:
        """Remove ``name`` if it is there."""
        remove(self.path(name))


def write_all(descriptor: int, data: bytes) -> None:
    """Every byte of ``data``, also where the kernel takes only a part at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_directory(folder: str) -> None:
    """Make renames and new names in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: str) -> None:
    """Unlink ``path`` if it is there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
