"""The commands of the shared log, and their one meaning on every machine. No I/O.

Every machine applies the same commands in the same order to a database of its own, with the time
that the server gave each of them, and comes to the same outcome: whoever sent one reads its
answer off his own replica. So a command may depend on nothing but itself, its seq, its time and
the rows: no clock, no random number, no order of a set.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from supervisor.core.ids import ulid
from supervisor.core.moment import Moment
from supervisor.core.record import RecordError, from_plain, to_plain
from supervisor.core.task import NewTask
from supervisor.errors import RefusedError
from supervisor.store import task_rows as rows
from supervisor.store.task_rows import Scene

VERSION = 1
"""Goes up when a command means something else; who does not know it stops and says so."""
BOOT = "fleet"
"""The one clock of all replicas: the server's, which is never set back (see ``Entry.time``)."""


class TooNewError(Exception):
    """A command of a newer version: applying the rest without it would end in another state."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A command as it stands in the log."""

    seq: int
    """1, 2, 3 … without gaps, the same for all."""
    time: float
    """Unix seconds of the server, never less than those of the entry before."""
    call: str
    """Which call of which client it is: the outcome is handed to it."""
    data: bytes
    """Of ``encode``."""


def encode(kind: str, **values: Any) -> bytes:
    """A command as bytes."""
    return json.dumps({"v": VERSION, "kind": kind, **values}, separators=(",", ":")).encode()


def tasks_to_plain(tasks: Sequence[NewTask]) -> list[Any]:
    """For a command; each task has its id already."""
    return [to_plain(task) for task in tasks]


def apply(connection: sqlite3.Connection, entry: Entry) -> Any:
    """What ``entry`` comes to here, as everywhere; raises what the sender is to get.

    TooNewError is for this machine itself. What a foreign hand wrote into the log changes nothing.
    """
    try:
        plain = json.loads(entry.data)
        version, kind = plain["v"], plain["kind"]
    except (ValueError, TypeError, KeyError):
        return None
    if not isinstance(version, int) or version > VERSION or kind not in _MEANINGS:
        raise TooNewError(f"entry {entry.seq} is a command {kind!r} of version {version}")
    try:
        return _MEANINGS[kind](_scene(connection, entry), plain)
    except (KeyError, TypeError, ValueError, RecordError, AttributeError) as error:
        raise RefusedError(f"the command {kind} does not hold what it should: {error}") from error


def scene_at(connection: sqlite3.Connection, time: float) -> Scene:
    """For looking only."""
    return Scene(connection, Moment(time, time, BOOT), _no_id)


def _scene(connection: sqlite3.Connection, entry: Entry) -> Scene:
    count = 0

    def new_id() -> str:
        nonlocal count
        count += 1
        digest = hashlib.sha256(f"{entry.seq}:{count}".encode()).digest()
        return ulid(entry.time, int.from_bytes(digest[:10], "big"))

    return Scene(connection, Moment(entry.time, entry.time, BOOT), new_id)


def _no_id() -> str:
    raise AssertionError("looking makes nothing")


def _tasks(plain: Any) -> list[NewTask]:
    return [from_plain(NewTask, one) for one in plain]


_MEANINGS: dict[str, Callable[[Scene, Any], Any]] = {
    "submit": lambda s, p: rows.submit(s, _tasks(p["tasks"])),
    "claim": lambda s, p: rows.claim(s, p["queue"], p["worker"], p["lease"], p["limit"])[0],
    "extend": lambda s, p: rows.extend(s, p["tokens"], p["lease"]),
    "complete": lambda s, p: rows.complete(s, p["token"], p["result"], _tasks(p["then"])),
    "fail": lambda s, p: rows.fail(s, p["token"], p["problem"], p["retry"]),
    "release": lambda s, p: rows.release(s, p["token"]),
    "requeue": lambda s, p: rows.requeue(s, p["ids"]),
    "drop": lambda s, p: rows.drop(s, p["ids"]),
    "forget": lambda s, p: rows.forget(s, p["before"], p["limit"]),
}
