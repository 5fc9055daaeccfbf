"""An answer in words, and the lines under it that show what was changed or filled in.

Pure text, cleaned: values and differences hold what agents and operators wrote.
"""

from __future__ import annotations

import json
from typing import Any

from supervisor.core.run import Answer, Request
from supervisor.core.text import safe_text, visible_text

VALUE_LIMIT = 200
"""Characters of one value of a form that a line shows."""
SHORT_LIMIT = 120


def answer_words(answer: Answer) -> str:
    """What was answered, in one phrase: ``allowed``, ``'blue'``, ``changed, +2 -1 lines``."""
    if answer.allow is not None:
        return "allowed" if answer.allow else "denied"
    if answer.fields is not None:
        return f"a form of {len(answer.fields)} fields"
    if answer.difference:
        return f"approved with changes, {_counted(answer.difference)}"
    return visible_text(answer.option or answer.text or "", limit=SHORT_LIMIT)


def answer_details(answer: Answer) -> list[str]:
    """The lines below it: a form's values, the difference of an edit; empty for the rest."""
    if answer.fields is not None:
        return [
            f"{safe_text(name, limit=80)} = {value_words(value)}"
            for name, value in answer.fields.items()
        ]
    return [safe_text(line, limit=VALUE_LIMIT + 4) for line in answer.difference]


def value_words(value: Any) -> str:
    """One value of a form as it would stand in JSON; ``-`` for none."""
    if value is None:
        return "-"
    return safe_text(json.dumps(value, ensure_ascii=False), limit=VALUE_LIMIT)


def answered_lines(request: Request) -> list[str]:
    """How an answered request was answered: one line, and the details below it."""
    answer = request.answer
    if answer is None:
        return []
    title = visible_text(request.title, limit=SHORT_LIMIT)
    who = safe_text(answer.by, limit=SHORT_LIMIT)
    comment = f": {safe_text(answer.comment, limit=SHORT_LIMIT)}" if answer.comment else ""
    first = f"{safe_text(request.id, limit=80)} {title!r}: {answer_words(answer)} by {who}{comment}"
    return [first, *(f"  {line}" for line in answer_details(answer))]


def _counted(difference: tuple[str, ...]) -> str:
    plus = sum(line.startswith("+") for line in difference)
    minus = sum(line.startswith("-") for line in difference)
    return f"+{plus} -{minus} lines"
