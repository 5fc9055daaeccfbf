"""Asks the operator on the terminal, between the lines of a headless ``longwatch run``.

Typed-ahead keys are thrown away first, so that an Enter meant for something else is no consent;
an empty line leaves the question open, and only a clear yes allows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from supervisor.core.describe import exact_json
from supervisor.core.run import Request, RunState
from supervisor.core.text import safe_text, visible_text

Read = Callable[[str], str]


def ask_inline(
    state: RunState, request: Request, say: Callable[[str], None], read: Read = input
) -> dict[str, Any] | None:
    """Parameters of the ``answer`` call, bound to what was shown; None leaves it open.

    EOFError and KeyboardInterrupt of ``read`` are the caller's.
    """
    for line in question_lines(state, request):
        say(line)
    _forget_typed_ahead()
    if request.kind == "approve":
        return _approve(request, read)
    if request.kind == "choose":
        return _choose(request, say, read)
    text = read("Your text (empty leaves it open): ")
    return _bound(request, text=text) if text else None


def question_lines(state: RunState, request: Request) -> list[str]:
    """Everything the answer is bound to, and the agent's own words marked as such."""
    lines = [
        "",
        f"{safe_text(state.agent)} asks {request.id}: {visible_text(request.title)}",
        *_action_lines(request.action),
    ]
    if request.explanation:
        said = safe_text(request.explanation, keep_newlines=True).splitlines()
        lines += [
            f"  the agent says: {said[0]}",
            *(f"                  {line}" for line in said[1:]),
        ]
    lines += [
        f"  {place}. {visible_text(option)}"
        for place, option in enumerate(request.options, start=1)
    ]
    if request.default is not None:
        lines.append(f"  its default: {safe_text(exact_json(request.default))}")
    lines.append(f"  hash {request.sha256[:12]}")
    return lines


def _action_lines(action: Any) -> list[str]:
    if action is None:
        return []
    shown = exact_json(action)
    size = len(shown.encode())
    lines = safe_text(shown, keep_newlines=True).splitlines()
    return [f"  exactly this will be done ({size} bytes):", *(f"    {line}" for line in lines)]


def _approve(request: Request, read: Read) -> dict[str, Any] | None:
    said = read(
        "Allow? y / n, with a comment after it if you like (empty leaves it open): "
    ).strip()
    word, _, comment = said.partition(" ")
    verdict = {"y": True, "yes": True, "n": False, "no": False}.get(word.lower())
    if verdict is None:
        return None
    return _bound(request, allow=verdict, comment=comment.strip() or None)


def _choose(request: Request, say: Callable[[str], None], read: Read) -> dict[str, Any] | None:
    said = read(f"Your choice, 1 to {len(request.options)} (empty leaves it open): ").strip()
    if not said:
        return None
    is_place = said.isdecimal() and len(said) <= 3 and 1 <= int(said) <= len(request.options)
    meant = {request.options[int(said) - 1]} if is_place else set()
    meant |= {said} & set(request.options)
    if len(meant) == 1:
        return _bound(request, option=meant.pop())
    why = "both a number and another option" if meant else "none of the options"
    say(f"{safe_text(said)!r} is {why}; the question stays open")
    return None


def _bound(request: Request, **answer: Any) -> dict[str, Any]:
    return {"id": request.id, "hash": request.sha256, **answer}


def _forget_typed_ahead() -> None:
    try:
        import termios

        termios.tcflush(sys.stdin, termios.TCIFLUSH)
    except (ImportError, OSError, ValueError):
        pass  # Not a terminal: nothing was typed ahead.
    except Exception as error:
        if type(error).__name__ != "error":
            raise
