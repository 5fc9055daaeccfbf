r"""The journal: the results of completed steps, one self-checking line each.

A line is JSON, so any language reads and writes it; docs/durable.md has the format:
``{"check":"89abcdef","epoch":1,"scope":"","name":"fetch","occurrence":0,"args":"…","result":…}``.
Instead of ``result`` a line has ``result_file`` and ``result_sha256`` (a large result, in its own
file), or ``error`` (the step failed).

What counts, here and nowhere else: the lines in their order, without those of an older epoch than
one before them (an outdated attempt wrote them) and those that a ``skip`` line behind them passed
over. At one place the newest epoch's line counts, and within an epoch the first.
An error that ended its attempt is what a restart should try again, so it does not count: it is
the last line of its epoch, or a later line with ``"void":true`` takes it back.
"""

from __future__ import annotations

import json
import os
import time

from supervisor.agent.canonical import ascii_json, sha256
from supervisor.agent.faults import JournalDamagedError
from supervisor.agent.fence import Fence
from supervisor.agent.journal_file import JournalFile, checked_line, checked_lines
from supervisor.agent.run_files import JOURNAL, RESULTS, RunFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Entry = dict[str, Any]
    Place = tuple[str, str, int]

INLINE_LIMIT_BYTES = 65536
"""A larger result goes to a file of its own, so that the journal stays quick to read."""


class Journal:
    """The journal of one run, open for one attempt. May be used from several threads."""

    def __init__(self, files: RunFiles, fence: Fence, epoch: int) -> None:
        self._files = files
        self._fence = fence
        self._epoch = epoch
        self._file = JournalFile(files, fence, epoch)
        self._entries: dict[Place, Entry] = {}
        self._by_call: dict[tuple[str, str, str], list[Entry]] | None = None
        self._free: dict[tuple[str, str], int] = {}
        self.values = 0
        """How many of the entries are no steps but values: now, random, uuid, sleep."""

    def __len__(self) -> int:
        """Completed steps."""
        return len(self._entries) - self.values

    def load(self) -> None:
        """Read what former attempts completed.

        Raises JournalDamagedError for a bad line that is not the last one, FencedError for a
        line of a newer attempt.
        """
        bodies = self._file.load()
        if bodies:
            entries = json.loads(b"[{" + b",{".join(bodies) + b"]")
            self._fence.hold(max(entry["epoch"] for entry in entries), JOURNAL)
            self._entries = _index(entries)
            self.values = sum(1 for entry in self._entries.values() if "value" in entry)

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

    def append(self, place: Place, args: str, outcome: Entry, *, must_sync: bool = True) -> Entry:
        """Store a completed step; on the disk when this returns.

        Without ``must_sync`` it survives the end of the process only; ``sync`` does the rest.
        """
        scope, name, occurrence = place
        entry: Entry = {
            "epoch": self._epoch,
            "scope": scope,
            "name": name,
            "occurrence": occurrence,
            "args": args,
            "at": round(time.time(), 3),
            **outcome,
        }
        line = format_line(entry)
        if len(line) > INLINE_LIMIT_BYTES and "result" in entry:
            self._move_result_out(entry)
            line = format_line(entry)
        self._file.append(line, must_sync=must_sync)
        self._entries[place] = entry
        self.values += "value" in entry
        if self._by_call is not None:
            self._by_call.setdefault(_call(entry), []).append(entry)
        return entry

    def sync(self) -> None:
        """Everything appended so far is on the disk when this returns; cheap when it is."""
        self._file.sync()

    def take_back(self, place: Place) -> None:
        """Make the error of this step not count: it ends the attempt, a restart runs it again."""
        entry = self._entries.pop(place, None)
        if entry is not None:
            self._file.append(format_line({**entry, "epoch": self._epoch, "void": True}))
            self._by_call = None

    def number_of(self, entry: Entry) -> int:
        """The line of ``entry`` in the file, from 1: what ``longwatch journal`` calls it by."""
        place = (entry["scope"], entry["name"], entry["occurrence"])
        bodies, _size = checked_lines(self._files.read(JOURNAL) or b"")
        for number, body in enumerate(bodies, start=1):
            found = json.loads(b"{" + body)
            if found["epoch"] == entry["epoch"] and _place(found) == place:
                return number
        return len(bodies) + 1

    def close(self) -> None:
        """Give the file back; may be called twice."""
        self._file.close()

    def _move_result_out(self, entry: Entry) -> None:
        self._fence.check()
        data = ascii_json(entry.pop("result"), "a result").encode()
        digest = sha256(data)
        os.makedirs(self._files.path(RESULTS), mode=0o700, exist_ok=True)
        entry["result_file"] = f"{RESULTS}/{digest}.json"
        entry["result_sha256"] = digest
        self._files.write(entry["result_file"], data, durable=True)


def format_line(entry: Entry) -> bytes:
    """The line of ``entry``, newline included; UnfitValueError when JSON cannot carry it."""
    return checked_line(ascii_json(entry, f"the result of step {entry['name']}").encode()[1:])


def counting(entries: list[Entry]) -> list[bool]:
    """Which lines count as far as epochs go; a ``skip`` line itself never does."""
    counts: list[bool] = []
    newest = 0
    for entry in entries:
        epoch = entry["epoch"]
        if "skip" in entry:
            passed = max(0, min(entry["skip"], len(counts)))
            counts[len(counts) - passed :] = [False] * passed
        counts.append(epoch >= newest and "skip" not in entry)
        newest = max(newest, epoch)
    return counts


def _index(entries: list[Entry]) -> dict[Place, Entry]:
    index: dict[Place, Entry] = {}
    newest = 0
    last = len(entries) - 1
    for number, entry in enumerate(entries):
        epoch = entry["epoch"]
        if epoch < newest or "skip" in entry:
            kept = zip(entries, counting(entries), strict=True)
            return _index([entry for entry, counts in kept if counts])
        newest = epoch
        place = (entry["scope"], entry["name"], entry["occurrence"])
        if "void" in entry:
            index.pop(place, None)
        elif "error" in entry and _ended_its_attempt(
            entry, entries[number + 1] if number < last else None
        ):
            continue
        elif index.setdefault(place, entry)["epoch"] != epoch:
            index[place] = entry
    return index


def _ended_its_attempt(entry: Entry, following: Entry | None) -> bool:
    """Whether a restart runs the step again: an unhandled error, unless it said never to."""
    if entry["error"].get("retryable") is False:
        return False
    return following is None or following["epoch"] != entry["epoch"]


def _place(entry: Entry) -> Place:
    return (entry.get("scope", ""), entry.get("name", ""), entry.get("occurrence", 0))


def _call(entry: Entry) -> tuple[str, str, str]:
    return (entry["scope"], entry["name"], entry["args"])
