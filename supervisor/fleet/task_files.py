"""What tasks have with them, in the replica: pieces of files, fenced like every other write."""

from __future__ import annotations

import sqlite3

from supervisor.errors import RefusedError
from supervisor.store import task_rows as rows
from supervisor.store.task_rows import Scene

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS task_files (
        task_id TEXT NOT NULL, name TEXT NOT NULL, offset INTEGER NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (task_id, name, offset)) STRICT, WITHOUT ROWID""",
    # A task that is done needs nothing any more; a dead letter may be requeued and goes on.
    """CREATE TRIGGER IF NOT EXISTS task_files_done AFTER UPDATE OF state ON tasks
        WHEN new.state = 'done' BEGIN DELETE FROM task_files WHERE task_id = new.id; END""",
    """CREATE TRIGGER IF NOT EXISTS task_files_gone AFTER DELETE ON tasks
        BEGIN DELETE FROM task_files WHERE task_id = old.id; END""",
)
_INSERT = "INSERT INTO task_files VALUES (?, ?, ?, ?)"
_SIZE = """SELECT offset + length(data) FROM task_files
    WHERE task_id = ? AND name = ? ORDER BY offset DESC LIMIT 1"""
_DROP = "DELETE FROM task_files WHERE task_id = ? AND name = ?"
_PIECES = "SELECT name, data FROM task_files WHERE task_id = ? ORDER BY name, offset"


def keep(scene: Scene, token: str, name: str, offset: int | None, data: bytes) -> None:
    """See ``queue.port.TaskFiles``."""
    task_id = rows.held(scene, token)["id"]
    connection = scene.connection
    if offset is None:
        connection.execute(_DROP, (task_id, name))
        connection.execute(_INSERT, (task_id, name, 0, data))
        return
    there = size(connection, task_id, name)
    if offset > there:
        raise RefusedError(f"{name} has {there} bytes, and these would begin at {offset}")
    if fresh := data[there - offset :]:
        connection.execute(_INSERT, (task_id, name, there, fresh))


def size(connection: sqlite3.Connection, task_id: str, name: str) -> int:
    """Bytes of one file."""
    row = connection.execute(_SIZE, (task_id, name)).fetchone()
    return 0 if row is None else int(row[0])


def kept(connection: sqlite3.Connection, task_id: str) -> dict[str, bytes]:
    """All files of a task."""
    found: dict[str, list[bytes]] = {}
    for name, data in connection.execute(_PIECES, (task_id,)):
        found.setdefault(name, []).append(data)
    return {name: b"".join(pieces) for name, pieces in found.items()}
