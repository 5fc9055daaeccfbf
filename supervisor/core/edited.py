"""What the operator made of a proposed text: the text that is edited, whether it still holds, and
the difference that the log keeps.

Pure, and bounded in time and size whatever an agent proposed: the difference is for people, the
answer itself carries every character.
"""

from __future__ import annotations

import difflib
import json
from typing import Any

from supervisor.core.describe import exact_json
from supervisor.core.text import CUT_MARK, safe_text

MAX_LINES = 120
"""Lines of a difference that are kept; the rest is counted."""
MAX_CELLS = 200
"""Characters of one line of it."""
MAX_COMPARED = 400
"""Lines on either side, between what is the same at both ends, that are compared one by one:
the time for that grows with their product."""
_CONTEXT = 2
_LEAD = 40
"""Characters before the first difference in a line too long to be shown."""


def is_json(action: Any) -> bool:
    """Whether an ``edit`` request proposes a JSON value (``action.json``) instead of a text."""
    return isinstance(action, dict) and "json" in action and not isinstance(action.get("text"), str)


def is_all_proposed(action: Any) -> bool:
    """Whether the proposed text (or JSON value) is everything that the action holds."""
    if not isinstance(action, dict):
        return isinstance(action, str)
    return len(action) == 1 and (is_json(action) or isinstance(action.get("text"), str))


def proposed_text(action: Any) -> str:
    """The text that an ``edit`` request proposes: ``action.text``, or its JSON value, indented."""
    if is_json(action):
        return exact_json(action["json"])
    text = action.get("text") if isinstance(action, dict) else action
    return text if isinstance(text, str) else ""


def json_problem(text: str) -> str | None:
    """Why ``text`` is not one JSON value, in words; None when it is."""
    try:
        json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_without_doubles)
    except json.JSONDecodeError as error:
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    except ValueError as error:
        return str(error)
    except RecursionError:
        return "too many levels"
    return None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {ascii(name)[:60]} stands there twice")
        found[name] = value
    return found


def changes(action: Any, text: str) -> tuple[str, ...]:
    """What was changed in the proposal of an ``edit``; of JSON the values, not how it is set."""
    if is_json(action) and json_problem(text) is None:
        text = exact_json(json.loads(text))
    return difference(proposed_text(action), text)


def difference(before: str, after: str) -> tuple[str, ...]:
    """The unified difference, cleaned, without file names; empty when the two are the same.

    At most ``MAX_LINES`` lines, the last one counts the rest.
    """
    if before == after:
        return ()
    old, new = before.split("\n"), after.split("\n")
    head = _same_ends(old, new)
    tail = _same_ends(old[head:][::-1], new[head:][::-1])
    lead, trail = max(0, head - _CONTEXT), max(0, tail - _CONTEXT)
    old, new = old[lead : len(old) - trail], new[lead : len(new) - trail]
    is_long = max(len(old), len(new)) > MAX_COMPARED
    lines = _as_a_whole(old, new, head - lead, tail - trail) if is_long else _compared(old, new)
    moved = [_moved_header(line, lead) for line in lines]
    if len(moved) <= MAX_LINES:
        return tuple(moved)
    rest = len(moved) - MAX_LINES + 1
    return (*moved[: MAX_LINES - 1], f"{CUT_MARK} and {rest} more lines")


def _same_ends(old: list[str], new: list[str]) -> int:
    count = 0
    for left, right in zip(old, new, strict=False):
        if left != right:
            break
        count += 1
    return count


def _compared(old: list[str], new: list[str]) -> list[str]:
    matcher = difflib.SequenceMatcher(None, old, new)
    lines: list[str] = []
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        first, last = group[0], group[-1]
        lines.append(_header(first[1], last[2], first[3], last[4]))
        for tag, a, b, c, d in group:
            if tag == "equal":
                lines += [f" {_line(text)}" for text in old[a:b]]
                continue
            others = new[c:d]
            lines += [
                f"-{_line(text, others[place] if place < len(others) else '')}"
                for place, text in enumerate(old[a:b])
            ]
            lines += [
                f"+{_line(text, old[a + place] if a + place < b else '')}"
                for place, text in enumerate(others)
            ]
    return lines


def _as_a_whole(old: list[str], new: list[str], lead: int, trail: int) -> list[str]:
    """Too much changed to look for what stayed: all of it goes, all of it comes."""
    lines = [_header(0, len(old), 0, len(new))]
    lines += [f" {_line(text)}" for text in old[:lead]]
    lines += [f"-{_line(text)}" for text in old[lead : len(old) - trail][:MAX_LINES]]
    lines += [f"+{_line(text)}" for text in new[lead : len(new) - trail][:MAX_LINES]]
    return lines


def _header(a: int, b: int, c: int, d: int) -> str:
    return f"@@ -{a + 1},{b - a} +{c + 1},{d - c} @@"


def _moved_header(line: str, by: int) -> str:
    """A header counted from the start of the texts, of which the same beginning was left out."""
    if not by or not line.startswith("@@ "):
        return line
    numbers = [part.split(",") for part in (line.split()[1], line.split()[2])]
    (a, n), (c, m) = ((int(first[1:]) + by, size) for first, size in numbers)
    return f"@@ -{a},{n} +{c},{m} @@"


def _line(text: str, other: str = "") -> str:
    """One line as it is shown; of a long one the part around where it begins to differ."""
    if len(text) <= MAX_CELLS:
        return safe_text(text, limit=MAX_CELLS)
    start = 0
    if other:
        while start < min(len(text), len(other)) and text[start] == other[start]:
            start += 1
        start = max(0, start - _LEAD)
    shown = safe_text(text[start : start + MAX_CELLS], limit=MAX_CELLS - 2)
    before = CUT_MARK if start else ""
    return f"{before}{shown}" + ("" if start + MAX_CELLS >= len(text) else CUT_MARK)
