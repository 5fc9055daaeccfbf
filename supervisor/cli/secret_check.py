"""``doctor``: whether an event log still holds secrets, stored before they were known as such.

An older version redacted less, and a value that is a secret today may have been none when it was
written. Reads only, a bounded time; never shows what it found.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from supervisor.cli.findings import Finding, Health
from supervisor.config.paths import Project
from supervisor.core.redact import Redactor, is_secret_value

LOOK_S = 3.0
"""Seconds spent on one database; the newest events come first."""
FIX = "Replace that secret where it is from. The events go with `retention`, or with the file"


def look(project: Project, environment: dict[str, str] | None = None) -> list[Finding]:
    """One finding for the state in use and for every one that was set aside."""
    values = dict(os.environ) if environment is None else environment
    known = {value: name for name, value in values.items() if is_secret_value(name, value)}
    redactor = Redactor(known)
    databases = sorted(project.state_dir.glob("state.db*"))
    return [
        _finding(path, redactor)
        for path in databases
        if not path.name.endswith(("-wal", "-shm")) and path.is_file() and not path.is_symlink()
    ]


def _finding(path: Path, redactor: Redactor) -> Finding:
    name, end, count, looked = "secrets", time.monotonic() + LOOK_S, 0, 0
    first, label = 0, ""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            for seq, data in connection.execute("SELECT seq, data FROM events ORDER BY seq DESC"):
                found = _labels(redactor, data)
                if found:
                    count, first, label = count + 1, seq, found[0]
                looked += 1
                if time.monotonic() > end:
                    break
    except sqlite3.Error as error:
        return Finding(name, Health.NOTE, f"{path}: cannot be looked through: {error}")
    if count:
        told = f"{path}: {count} of {looked} events hold what looks like a secret"
        return Finding(name, Health.NOTE, f"{told}, the oldest is {first} ({label})", FIX)
    return Finding(name, Health.OK, f"{path.name}: none in {looked} events")


def _labels(redactor: Redactor, data: str) -> list[str]:
    """What the secrets in one event are called; hashes and markers of ours are none."""
    try:
        plain = json.loads(data)
    except ValueError:
        return []
    if redactor.plain(plain) == plain:
        return []
    return [span.label for span in redactor.spans(data)] or ["by the name of its field"]
