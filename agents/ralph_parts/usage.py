"""What a call cost and said, read from the agent's own JSON output, if it has any.

Known: ``claude -p --output-format json`` (one object) and ``stream-json`` (one a line), and
``codex exec --json`` (one event a line). Whatever else is printed is text and costs unknown.
Tolerant: a number that is none is no number.
"""

from __future__ import annotations

import json
import math
from typing import Any

INPUT = ("input_tokens", "prompt_tokens")
OUTPUT = ("output_tokens", "completion_tokens")
CACHED = ("cache_read_input_tokens", "cached_input_tokens")
COSTS = ("total_cost_usd", "cost_usd")
NO_TOKENS = {"input_tokens": 0, "output_tokens": 0, "cache_read_tokens": 0}


def read_output(text: str) -> dict[str, Any]:
    """``{"said", "cost_usd", "tokens", "model", "is_error"}`` of one call's standard output.

    ``cost_usd`` is None when the output does not tell; ``said`` is the last message in words.
    """
    objects = _objects(text)
    costs = [cost for found in objects if (cost := _number(found, COSTS)) is not None]
    results = [found for found in objects if found.get("type") == "result"]
    counted = results[-1:] or [found for found in objects if "usage" in found and _is_turn(found)]
    said = [words for found in objects if (words := _words(found))]
    models = [found["model"] for found in objects if isinstance(found.get("model"), str)]
    return {
        "said": said[-1] if said else text,
        "cost_usd": costs[-1] if costs else None,
        "tokens": _tokens(counted),
        "model": models[-1][:100] if models else None,
        "is_error": bool(results and results[-1].get("is_error") is True),
    }


def _objects(text: str) -> list[dict[str, Any]]:
    whole = _parsed(text)
    if isinstance(whole, dict):
        return [whole]
    values = whole if isinstance(whole, list) else [_parsed(li) for li in text.split("\n")]
    return [value for value in values if isinstance(value, dict)]


def _parsed(text: str) -> Any:
    text = text.strip()
    if not text.startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_turn(found: dict[str, Any]) -> bool:
    return found.get("type") in (None, "turn.completed")


def _words(found: dict[str, Any]) -> str:
    item = found.get("item")
    nested = item.get("text") if isinstance(item, dict) else None
    words = found.get("result", nested)
    return words if isinstance(words, str) else ""


def _tokens(objects: list[dict[str, Any]]) -> dict[str, int]:
    tokens = dict(NO_TOKENS)
    for found in objects:
        usage = found.get("usage")
        if isinstance(usage, dict):
            tokens["input_tokens"] += int(_number(usage, INPUT) or 0)
            tokens["output_tokens"] += int(_number(usage, OUTPUT) or 0)
            tokens["cache_read_tokens"] += int(_number(usage, CACHED) or 0)
    return tokens


def _number(found: dict[str, Any], names: tuple[str, ...]) -> float | None:
    for name in names:
        value = found.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if math.isfinite(value) and 0 <= value < 1e12:
            return float(value)
    return None
