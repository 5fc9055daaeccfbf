"""Which names a request may have; apart from its model, so that nothing heavy is loaded."""

from __future__ import annotations

import re

FILE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def file_id_of(name: str) -> str | None:
    """The request id in a file name; None when it is not ``<id>.json`` with an allowed id."""
    stem = name.removesuffix(".json")
    return stem if stem != name and FILE_ID.fullmatch(stem) else None
