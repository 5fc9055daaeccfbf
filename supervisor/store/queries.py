"""Reads ``.sql`` files of named, described queries: SQL stands there and nowhere else."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_NAME = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)
_MIGRATION = re.compile(r"^(\d{4})_[a-z_]+\.sql$")


@cache
def queries(file_name: str) -> dict[str, str]:
    """The queries of ``file_name`` (beside this module) by name; comments are left in."""
    text = (_HERE / file_name).read_text(encoding="utf-8")
    pieces = _NAME.split(text)[1:]
    return {name: body.strip() for name, body in zip(pieces[::2], pieces[1::2], strict=True)}


@cache
def migrations() -> tuple[str, ...]:
    """The scripts in order; the schema version is how many of them were applied."""
    found = sorted(path for path in (_HERE / "migrations").iterdir() if _MIGRATION.match(path.name))
    numbers = [int(path.name[:4]) for path in found]
    assert numbers == list(range(1, len(found) + 1)), f"migrations are not gapless: {numbers}"
    return tuple(path.read_text(encoding="utf-8") for path in found)
