"""``agent.event``: what an agent notes of itself, a line each, for the supervisor's event log.

An aid, never a reason to fail: what cannot be written is said once on standard error.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EVENTS = "events.jsonl"
TEXT_LIMIT = 2000
FIELDS_LIMIT = 16 << 10
"""Characters of all fields as JSON; both limits are those of the supervisor's reader."""
_KIND = re.compile(r"[a-z][a-z0-9_.-]{0,39}")


class Notes:
    """The file of one run; may be used from any thread: a line is one write at the end of it."""

    def __init__(self, path: str, epoch: int) -> None:
        self._path = path
        self._epoch = epoch
        self._has_said = False

    def add(self, kind: str, text: str, fields: dict[str, Any]) -> None:
        """Append one event; ValueError for a kind that is none."""
        if _KIND.fullmatch(kind) is None:
            raise ValueError(
                f"an event's kind is a word such as 'tool_call' (a-z, 0-9, _ . -), not {kind!r}"
            )
        line: dict[str, Any] = {"kind": kind, "at": round(time.time(), 3), "epoch": self._epoch}
        if text:
            line["text"] = text if len(text) <= TEXT_LIMIT else f"{text[: TEXT_LIMIT - 1]}…"
        if fields:
            line["fields"] = _bounded(fields)
        # A half of a character, as some JSON brings it, is a question mark: no UTF-8 has it.
        data = json.dumps(line, default=str, ensure_ascii=False).encode(errors="replace") + b"\n"
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._path, flags, 0o600)
            try:
                written = os.write(descriptor, data)
                if written < len(data):
                    # What came out is a line of its own, and bad: the next one must not join it.
                    os.write(descriptor, b"\n")
                    raise OSError(0, "the disk is full")
            finally:
                os.close(descriptor)
        except OSError as error:
            if not self._has_said:
                self._has_said = True
                sys.stderr.write(f"longwatch: {EVENTS} is not written: {error.strerror}\n")


def _bounded(fields: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(json.dumps(fields, default=str, allow_nan=False))
    except (TypeError, ValueError) as error:
        return {"left_out": f"fields that are no JSON: {error}"}
    if size <= FIELDS_LIMIT:
        return fields
    return {"left_out": f"fields of {size} characters, more than {FIELDS_LIMIT}"}
