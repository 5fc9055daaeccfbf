"""``agent.track``: a loop that goes on after a restart with the item it was at.

An item is completed when its body has run to the end, which the loop learns when the next item
is asked for. Then the position is stored together with what the agent put in ``stash``.

Without ``key`` the position is the number of completed items, and the last one's fingerprint
shows whether the list is still the same. With ``key`` the list may change: the keys of completed
items are appended to a file of the loop, the checkpoint holds how many bytes of it count.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sized

from supervisor.agent.canonical import arguments_sha256, sha256
from supervisor.agent.checkpoint import CheckpointFile
from supervisor.agent.faults import TrackMismatchError, UnfitValueError
from supervisor.agent.positions import Positions
from supervisor.agent.progress import ProgressFile
from supervisor.agent.run_files import TRACKED, RunFiles, write_all
from supervisor.agent.shutdown import Shutdown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeVar

    T = TypeVar("T")

LABEL_LIMIT = 80
"""Characters of an item shown as the name of the step."""


class Tracks:
    """The tracked loops of one attempt; they may be nested."""

    def __init__(
        self,
        files: RunFiles,
        checkpoint: CheckpointFile,
        progress: ProgressFile,
        positions: Positions,
        shutdown: Shutdown,
    ) -> None:
        self._files = files
        self._checkpoint = checkpoint
        self._progress = progress
        self._positions = positions
        self._shutdown = shutdown

    def iterate(
        self,
        items: Iterable[T],
        stage: str | None,
        unit: str | None,
        key: Callable[[T], str] | None,
    ) -> Iterator[T]:
        """The items that are not completed yet, in order; see ``Agent.track``."""
        loop = self._loop_id(stage)
        position = _Position(self._files, loop, self._checkpoint.tracks.get(loop), key is not None)
        total = len(items) if isinstance(items, Sized) else None
        if stage is not None:
            self._progress.set_stage(stage, None, None)
        for index, item in enumerate(items):
            name = str(key(item)) if key else str(index)
            if position.has_completed(index, name, item):
                continue
            label = name if key else (item[:LABEL_LIMIT] if isinstance(item, str) else None)
            self._progress.set_step(
                completed=position.completed, total=total, unit=unit, name=label
            )
            outer = self._positions.enter(f"{loop}[{name}]")
            try:
                yield item
            finally:
                self._positions.leave(outer)
            with self._shutdown:
                self._complete(loop, position, name, item)
        self._progress.set_step(completed=position.completed, total=total, unit=unit)

    def _loop_id(self, stage: str | None) -> str:
        name = stage or "items"
        here = self._positions.here()
        occurrence = here.count(f"track {name}", f"agent.track(stage={stage!r})")
        again = f"#{occurrence + 1}" if occurrence else ""
        inside = f"{here.scope}{'' if here.is_ordered else '~'}/" if here.scope else ""
        return f"{inside}{name}{again}"

    def _complete(self, loop: str, position: _Position, name: str, item: Any) -> None:
        position.complete(name, item)
        tracks = self._checkpoint.tracks
        inner = f"{loop}["
        for finished in [other for other in list(tracks) if other.startswith(inner)]:
            tracks.pop(finished, None)  # loops inside a completed item are not entered again
        tracks[loop] = position.stored()
        self._checkpoint.save()
        self._progress.flush_pending()


class _Position:
    """How far one loop has come."""

    def __init__(
        self, files: RunFiles, loop: str, stored: dict[str, Any] | None, has_keys: bool
    ) -> None:
        self._files = files
        self._loop = loop
        self._stored = stored or {}
        self.completed: int = self._stored.get("completed", 0)
        self._resumed_at: int = self.completed
        self._fingerprint: str | None = self._stored.get("last")
        self._keys: set[str] | None = None
        self._met: set[str] = set()
        self._file = f"{TRACKED}/{sha256(loop.encode(errors='replace'))[:16]}.keys"
        self._bytes: int = self._stored.get("bytes", 0)
        if has_keys:
            self._keys = self._read_keys()

    def has_completed(self, index: int, name: str, item: Any) -> bool:
        if self._keys is not None:
            if name in self._met:
                raise TrackMismatchError(
                    f"two items of loop {self._loop} have the key {name!r}; "
                    "key= must tell every item from every other"
                )
            self._met.add(name)
            return name in self._keys
        if index + 1 == self._resumed_at and self._fingerprint != _fingerprint(item):
            raise TrackMismatchError(
                f"the items of loop {self._loop} changed: item {index + 1} is not the one that "
                f"was completed last. Bring the list back, or give track() a key="
            )
        return index < self._resumed_at

    def complete(self, name: str, item: Any) -> None:
        self.completed += 1
        if self._keys is None:
            self._fingerprint = _fingerprint(item)
            return
        self._keys.add(name)
        self._append_key(name)

    def stored(self) -> dict[str, Any]:
        if self._keys is not None:
            return {"completed": self.completed, "bytes": self._bytes}
        return {"completed": self.completed, "last": self._fingerprint}

    def _read_keys(self) -> set[str]:
        data = (self._files.read(self._file) or b"")[: self._bytes]
        if len(data) != self._bytes:
            raise TrackMismatchError(
                f"{self._files.path(self._file)} is shorter than the checkpoint says: the keys "
                f"of completed items of loop {self._loop} are missing. Start a fresh run"
            )
        return {json.loads(line) for line in data.splitlines()}

    def _append_key(self, name: str) -> None:
        line = f"{json.dumps(name)}\n".encode()  # ASCII: a key may hold a newline
        path = self._files.path(self._file)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, self._bytes)  # what a killed attempt wrote past its checkpoint
            os.lseek(descriptor, self._bytes, os.SEEK_SET)
            write_all(descriptor, line)
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        self._bytes += len(line)


def _fingerprint(item: Any) -> str | None:
    """Shows whether the item is the same one; None for what has no value of its own."""
    try:
        return arguments_sha256((item,), {}, "an item")[:16]
    except UnfitValueError:
        return None
