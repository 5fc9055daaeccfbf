"""The journal's bytes: whole lines at the end of one file, and nothing else ever.

Appends of several threads are committed together: who comes first writes for everybody waiting,
with one ``fdatasync``. A line that could not be stored is taken back, so that the next one starts
afresh. What an outdated attempt (an older epoch) writes behind our back is passed over, never
mixed in; what a newer one wrote ends this attempt.
"""

from __future__ import annotations

import json
import os
from _thread import allocate_lock
from binascii import crc32

from supervisor.agent.acknowledged import acknowledgement
from supervisor.agent.faults import AgentFaultError, JournalDamagedError
from supervisor.agent.fence import Fence
from supervisor.agent.run_files import JOURNAL, RunFiles, sync_directory, write_all

HEAD = b'{"check":"'
BODY_AT = len(HEAD) + 8 + 2
"""Offset of the checked bytes: after the head, 8 digits, a quote and a comma."""


class _Write:
    """Lines of one caller, and how that went."""

    __slots__ = ("error", "gate", "is_done", "leads", "lines", "must_sync")

    def __init__(self, lines: bytes, *, must_sync: bool) -> None:
        self.lines = lines
        self.must_sync = must_sync
        self.gate = allocate_lock()
        self.is_done = False
        self.leads = False
        """It was told to write next, for itself and everybody who waits."""
        self.error: BaseException | None = None


class JournalFile:
    """The open journal of one attempt. May be used from several threads."""

    def __init__(self, files: RunFiles, fence: Fence, epoch: int) -> None:
        self._files = files
        self._fence = fence
        self._epoch = epoch
        self._descriptor: int | None = None
        self._size = 0
        self._is_closed = False
        self._lock = allocate_lock()
        self._waiting: list[_Write] = []
        self._is_led = False
        self._acknowledgement = acknowledgement(files)
        self.is_dirty = False
        """Whether written lines still wait for their sync."""

    def load(self) -> list[bytes]:
        """The checked part of each whole line; JournalDamagedError for a bad one in the middle."""
        bodies, self._size = checked_lines(self._files.read(JOURNAL) or b"")
        return bodies

    def append(self, lines: bytes, *, must_sync: bool = True) -> None:
        """Whole lines at the end; on the disk when this returns, with ``must_sync``.

        Without it they survive the end of this process, not that of the machine. Raises OSError
        when the disk refuses (nothing was appended then), FencedError.
        """
        own = _Write(lines, must_sync=must_sync)
        with self._lock:
            self._waiting.append(own)
            if self._is_led:
                own.gate.acquire()
            else:
                self._is_led = True
        if own.gate.locked():
            self._wait_for(own)
        if not own.is_done:
            self._lead()
        if own.error is not None:
            raise own.error

    def sync(self) -> None:
        """Everything appended so far is on the disk when this returns."""
        if self.is_dirty:
            self.append(b"")

    def close(self) -> None:
        """Wait for who still writes, then give the descriptor back; may be called twice."""
        if self.is_dirty and not self._fence.is_broken:
            try:
                self.sync()
            except OSError:
                pass  # written they are: only the end of the machine could lose them now
        self._is_closed = True
        with self._lock:
            if not self._is_led and self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _wait_for(self, own: _Write) -> None:
        """Until the one who writes is through with ours, or hands over."""
        try:
            own.gate.acquire()
        except BaseException:  # Ctrl-C: nobody may wait for us to write
            with self._lock:
                if own in self._waiting and not own.leads:
                    self._waiting.remove(own)
            if own.leads and not own.is_done:
                self._lead()
            raise

    def _lead(self) -> None:
        """Write for everybody who waits, then hand over to who came meanwhile."""
        with self._lock:
            batch, self._waiting = self._waiting, []
        error: BaseException | None = None
        try:
            must_sync = any(write.must_sync for write in batch)
            self._commit(b"".join(write.lines for write in batch), must_sync=must_sync)
        except BaseException as caught:  # noqa: BLE001 - each waiting caller raises it
            error = caught
        finally:
            with self._lock:
                successor = self._waiting[0] if self._waiting else None
                self._is_led = successor is not None
                if successor is not None:
                    successor.leads = True
            for write in batch:
                write.is_done, write.error = True, error
                if write.gate.locked():
                    write.gate.release()
            if successor is not None:
                successor.gate.release()

    def _commit(self, lines: bytes, *, must_sync: bool) -> None:
        self._fence.check()
        descriptor = self._open() if self._descriptor is None else self._descriptor
        if os.fstat(descriptor).st_size != self._size:
            lines = self._pass_over(descriptor) + lines
        try:
            write_all(descriptor, lines)
            self.is_dirty = self.is_dirty or bool(lines)
            if must_sync:
                os.fdatasync(descriptor)
        except BaseException:
            # Disk full: take the half line back, so that the next append starts a fresh one.
            self._fence.check()
            os.ftruncate(descriptor, self._size)
            raise
        if must_sync:
            self.is_dirty = False
        self._size += len(lines)
        if must_sync and self._acknowledgement is not None:
            self._acknowledgement.wait(self._size)
        # Another attempt may have written between the look above and our write.
        if os.fstat(descriptor).st_size != self._size:
            self._pass_over(descriptor)
        self._fence.check()

    def _open(self) -> int:
        if self._is_closed:
            raise AgentFaultError("the agent has left its run: no step can be stored any more")
        path = self._files.path(JOURNAL)
        is_new = not os.path.exists(path)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, 0o600)
        if is_new:
            sync_directory(self._files.directory)
        return self._descriptor

    def _pass_over(self, descriptor: int) -> bytes:
        """Leave what stands behind our last line; the line that says so, for before our next.

        A torn line goes. Whole ones are of an outdated attempt that had not noticed yet.
        """
        found = os.fstat(descriptor).st_size - self._size
        if found < 0:
            raise self._changed("is shorter than this attempt left it")
        bodies, size = checked_lines(os.pread(descriptor, found, self._size))
        epochs = [json.loads(b"{" + body)["epoch"] for body in bodies]
        self._fence.hold(max(epochs, default=0), JOURNAL)
        if self._epoch in epochs:
            raise self._changed("has lines of this very attempt that it did not write")
        self._size += size
        if size < found:
            os.ftruncate(descriptor, self._size)
        if not bodies:
            return b""
        return checked_line(b'"epoch":%d,"skip":%d}' % (self._epoch, len(bodies)))

    def _changed(self, how: str) -> JournalDamagedError:
        return JournalDamagedError(
            f"{self._files.path(JOURNAL)} {how}: somebody else changed it. "
            "Only one process may write a run's journal; stop the other one and start again"
        )


def checked_line(body: bytes) -> bytes:
    """The whole line around ``body``, newline included."""
    return HEAD + b'%08x",' % crc32(body) + body + b"\n"


def checked_lines(data: bytes) -> tuple[list[bytes], int]:
    """The checked part of each good line, and the length in bytes that they take.

    Only the last line may be bad, with or without its newline: that is a torn write.
    """
    lines = data.split(b"\n")
    bodies: list[bytes] = []
    size = 0
    for number, line in enumerate(lines, start=1):
        body = line[BODY_AT:]
        if line[: len(HEAD)] != HEAD or line[len(HEAD) : BODY_AT] != b'%08x",' % crc32(body):
            if any(lines[number:]):
                raise JournalDamagedError(
                    f"line {number} of {JOURNAL} does not match its own check, and it is not "
                    "the last one: the file was altered. Restore it, or go on without that line "
                    f"and what follows: longwatch journal RUN truncate --from {number} (those "
                    "steps run again)"
                )
            return bodies, size
        if number == len(lines):
            return bodies, size  # complete but for its newline: torn all the same
        bodies.append(body)
        size += len(line) + 1
    return bodies, size
