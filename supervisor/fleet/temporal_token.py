"""The token of a lease: which task, its fence, and Temporal's own token of the activity."""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple


class Token(NamedTuple):
    """What stands in it."""

    task_id: str
    fence: int
    """Higher for every later delivery."""
    attempt: int
    """Of the activity."""
    task_token: bytes
    """Temporal's."""


def make_token(task_id: str, fence: int, attempt: int, task_token: bytes) -> str:
    """``task.fence.attempt.token``."""
    coded = base64.urlsafe_b64encode(task_token).decode()
    return f"{task_id}.{fence}.{attempt}.{coded}"


def read_token(text: str) -> Token | None:
    """None for what nobody gave out."""
    parts = text.split(".")
    try:
        task_id, fence, attempt, coded = parts
        token = base64.urlsafe_b64decode(coded.encode("ascii"))
        return Token(task_id, int(fence), int(attempt), token)
    except (ValueError, binascii.Error):
        return None
