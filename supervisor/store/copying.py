"""A consistent copy of ``state.db`` while an engine writes to it, by SQLite's own backup.

One read transaction: what was committed before it is in the copy, nothing after it. The copy is
checked and stands alone, without a -wal.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from supervisor.store.opening import StorageFaultError, connect_to_read, refuse_newer_file


def copy_database(source: Path, target: Path) -> int:
    """Copy ``source`` to the new file ``target`` (0600), synced; its size in bytes. Blocks.

    Raises NewerStoreError, and StorageFaultError when either cannot be used or the copy is bad.
    """
    refuse_newer_file(source)
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with connect_to_read(source) as connection, closing(sqlite3.connect(target)) as copy:
            connection.backup(copy)
            # A reader of the copy needs no write access beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
            verdict = str(copy.execute("PRAGMA quick_check(1)").fetchone()[0])
        if verdict != "ok":
            raise StorageFaultError(
                f"the copy of {source} is damaged: {verdict.splitlines()[-1]}",
                why="so is the original, or the disk",
                fix="Stop and start the engine: a damaged state.db is set aside and rebuilt.",
            )
        with target.open("rb") as file:
            os.fsync(file.fileno())
        return target.stat().st_size
    except (OSError, sqlite3.Error) as error:
        raise StorageFaultError(
            f"cannot copy {source} to {target}: {error}",
            fix="Check the free space and the permissions of both.",
        ) from error
