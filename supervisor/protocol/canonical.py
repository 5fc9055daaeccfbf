"""Canonical JSON, and the hashes that bind an answer to its question and a state to its envelope.

``supervisor.agent`` has its own copy, because agents load nothing of ours; a test holds the two
together.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def canonical(value: Any) -> bytes:
    """``value`` as canonical JSON in UTF-8.

    ValueError for NaN, infinities, lone surrogates and values that JSON cannot carry.
    """
    try:
        return _ENCODER.encode(value).encode()
    except (TypeError, RecursionError) as error:
        raise ValueError(f"not a JSON value: {error}") from error


def canonical_sha256(value: Any) -> str:
    """SHA-256 of the canonical JSON, 64 hexadecimal digits; ValueError as ``canonical``."""
    return hashlib.sha256(canonical(value)).hexdigest()


def request_sha256(kind: str, title: str, action: Any = None, options: Any = None) -> str:
    """What an answer is bound to: kind, title, action and options exactly as the agent wrote them.

    The explanation, default and expiry are not covered.
    """
    asked = {"kind": kind, "title": title, "action": action, "options": options or []}
    return canonical_sha256(asked)
