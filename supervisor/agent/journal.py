r"""The journal: the results of completed steps, one self-checking line each.

A line is JSON, so any language reads and writes it:
``{"check":"89abcdef","epoch":1,"scope":"","name":"fetch","occurrence":0,"args":"…","result":…}``.
``check`` is the CRC-32 (8 hex digits) of the bytes of the line that follow its comma, without the
newline. ``args`` is a hash of the arguments. Instead of ``result`` a line has ``result_file`` and
``result_sha256`` (a large result, in its own file), or ``error`` (the step failed).

Nothing here ever rewrites a complete line. A torn last line, which a crash leaves, is dropped.
An error that ended its attempt is what a restart should try again, so it does not count: it is
the last line of its epoch, or a later line with ``"void":true`` takes it back.
"""

from __future__ import annotations

import json
import os
from binascii import crc32

from supervisor.agent.canonical import ascii_json, sha256
from supervisor.agent.faults import JournalDamagedError
from supervisor.agent.fence import Fence
from supervisor.agent.run_files import JOURNAL, RESULTS, RunFiles, sync_directory, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Entry = dict[str, Any]
    Place = tuple[str, str, int]

HEAD = b'{"check":"'
BODY_AT = len(HEAD) + 8 + 2
"""Offset of the checked bytes: after the head, 8 digits, a quote and a comma."""
INLINE_LIMIT_BYTES = 65536
"""A larger result goes to a file of its own, so that the journal stays quick to read."""


class Journal:
    """The journal of one run, open for one attempt."""

    def __init__(self, files: RunFiles, fence: Fence, epoch: int) -> None:
        self._files = files
        self._fence = fence
        self._epoch = epoch
        self._descriptor: int | None = None
        self._size = 0
        self._entries: dict[Place, Entry] = {}
        self._by_call: dict[tuple[str, str, str], list[Entry]] | None = None
        self._free: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        """Completed steps."""
        return len(self._entries)

    def load(self) -> None:
        """Read what former attempts completed.

        Raises JournalDamagedError for a bad line that is not the last one, FencedError for a
        line of a newer attempt.
        """
        data = self._files.read(JOURNAL) or b""
        bodies, self._size = checked_lines(data)
        if bodies:
            entries = json.loads(b"[{" + b",{".join(bodies) + b"]")
            self._fence.hold(max(entry["epoch"] for entry in entries), JOURNAL)
            self._entries = _index(entries)

    def find(self, scope: str, name: str, occurrence: int) -> Entry | None:
        """The completed step at this place of the program."""
        return self._entries.get((scope, name, occurrence))

    def find_calls(self, scope: str, name: str, args: str) -> list[Entry]:
        """The completed steps with this name and these arguments, oldest first."""
        if self._by_call is None:
            self._by_call = {}
            for entry in self._entries.values():
                self._by_call.setdefault(_call(entry), []).append(entry)
        return self._by_call.get((scope, name, args), [])

    def first_free(self, scope: str, name: str) -> int:
        """The lowest occurrence that no completed step has."""
        occurrence = self._free.get((scope, name), 0)
        while (scope, name, occurrence) in self._entries:
            occurrence += 1
        self._free[scope, name] = occurrence
        return occurrence

    def result_of(self, entry: Entry) -> Any:
        """What the step returned, from its line or its own file."""
        if "result_file" not in entry:
            return entry["result"]
        data = self._files.read(entry["result_file"])
        if data is None or sha256(data) != entry["result_sha256"]:
            raise JournalDamagedError(
                f"the result of step {entry['name']} is missing or altered: "
                f"{self._files.path(entry['result_file'])}. Put it back, or start a fresh run"
            )
        return json.loads(data)

    def append(self, place: Place, args: str, outcome: Entry) -> Entry:
        """Store a completed step; on the disk when this returns."""
        self._fence.check()
        scope, name, occurrence = place
        entry: Entry = {
            "epoch": self._epoch,
            "scope": scope,
            "name": name,
            "occurrence": occurrence,
            "args": args,
            **outcome,
        }
        line = format_line(entry)
        if len(line) > INLINE_LIMIT_BYTES and "result" in entry:
            self._move_result_out(entry)
            line = format_line(entry)
        self._write(line)
        self._entries[place] = entry
        if self._by_call is not None:
            self._by_call.setdefault(_call(entry), []).append(entry)
        return entry

    def take_back(self, place: Place) -> None:
        """Make the error of this step not count: it ends the attempt, a restart runs it again."""
        entry = self._entries.pop(place, None)
        if entry is not None:
            self._write(format_line({**entry, "epoch": self._epoch, "void": True}))
            self._by_call = None

    def close(self) -> None:
        """Give the descriptor back; may be called twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _move_result_out(self, entry: Entry) -> None:
        data = ascii_json(entry.pop("result"), "a result").encode()
        digest = sha256(data)
        os.makedirs(self._files.path(RESULTS), mode=0o700, exist_ok=True)
        entry["result_file"] = f"{RESULTS}/{digest}.json"
        entry["result_sha256"] = digest
        self._files.write(entry["result_file"], data, durable=True)

    def _write(self, line: bytes) -> None:
        descriptor = self._open() if self._descriptor is None else self._descriptor
        if os.fstat(descriptor).st_size != self._size:
            self._somebody_else_wrote()
        try:
            write_all(descriptor, line)
            os.fdatasync(descriptor)
        except OSError:
            # Disk full: take the half line back, so that the next append starts a fresh one.
            os.ftruncate(descriptor, self._size)
            raise
        self._size += len(line)

    def _open(self) -> int:
        path = self._files.path(JOURNAL)
        is_new = not os.path.exists(path)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, 0o600)
        if is_new:
            sync_directory(self._files.directory)
        elif os.fstat(self._descriptor).st_size > self._size and self._is_torn():
            os.ftruncate(self._descriptor, self._size)
        return self._descriptor

    def _is_torn(self) -> bool:
        _bodies, size = checked_lines(self._files.read(JOURNAL) or b"")
        return size == self._size

    def _somebody_else_wrote(self) -> None:
        bodies, _size = checked_lines(self._files.read(JOURNAL) or b"")
        newest = max((json.loads(b"{" + body)["epoch"] for body in bodies), default=0)
        self._fence.hold(newest, JOURNAL)
        raise JournalDamagedError(
            f"{self._files.path(JOURNAL)} was changed by somebody else while this attempt "
            "wrote it. Only one process may write a run's journal"
        )


def format_line(entry: Entry) -> bytes:
    """The line of ``entry``, newline included; UnfitValueError when JSON cannot carry it."""
    body = ascii_json(entry, f"the result of step {entry['name']}").encode()[1:]
    return HEAD + f'{crc32(body):08x}",'.encode() + body + b"\n"


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
                    "the last one: the file was altered. Restore it, or start a fresh run"
                )
            return bodies, size
        if number == len(lines):
            return bodies, size  # complete but for its newline: torn all the same
        bodies.append(body)
        size += len(line) + 1
    return bodies, size


def _index(entries: list[Entry]) -> dict[Place, Entry]:
    index: dict[Place, Entry] = {}
    for entry, following in zip(entries, [*entries[1:], None], strict=True):
        place = (entry["scope"], entry["name"], entry["occurrence"])
        if "void" in entry:
            index.pop(place, None)
        elif "error" not in entry or (following and following["epoch"] == entry["epoch"]):
            index[place] = entry
    return index


def _call(entry: Entry) -> tuple[str, str, str]:
    return (entry["scope"], entry["name"], entry["args"])
