"""Asks the operator on the terminal, between the lines of a headless ``longwatch run``.

Typed-ahead keys are thrown away first, so that an Enter meant for something else is no consent;
an empty line leaves the question open, and only a clear yes allows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from supervisor.core.answer_words import value_words
from supervisor.core.describe import exact_json, redacted_words
from supervisor.core.edited import difference, is_all_proposed, is_json, json_problem, proposed_text
from supervisor.core.form import FormField, check_values, field_words, form_fields, value_of
from supervisor.core.run import Request, RunState
from supervisor.core.text import safe_text, visible_text
from supervisor.errors import UserError

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
    if request.kind == "form":
        return _fill_in(request, say, read)
    if request.kind == "edit":
        return _edit(request, say, read)
    text = read("Your text (empty leaves it open): ")
    return _bound(request, text=text) if text else None


def question_lines(state: RunState, request: Request) -> list[str]:
    """Everything the answer is bound to, and the agent's own words marked as such."""
    lines = [
        "",
        f"{safe_text(state.agent)} asks {request.id}: {visible_text(request.title)}",
        *_what_lines(request),
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
    if request.default is not None and request.kind != "form":
        lines.append(f"  its default: {safe_text(exact_json(request.default))}")
    if request.redacted:
        lines.append(f"  {redacted_words(request.redacted)}")
    lines.append(f"  hash {request.sha256[:12]}")
    return lines


def _what_lines(request: Request) -> list[str]:
    """The action, in the form that its kind is read in; always all of it."""
    action = request.action
    if action is None:
        return []
    if request.kind == "form":
        about = action.get("about")
        shown = [] if about is None else _block("about", exact_json(about))
        for field in form_fields(action):
            shown += _field_lines(field)
        return shown
    if request.kind == "edit" and is_all_proposed(action):
        return _block("proposed, yours to change", proposed_text(action))
    return _block("exactly this will be done", exact_json(action))


def _block(head: str, text: str) -> list[str]:
    lines = safe_text(text, keep_newlines=True).split("\n")
    return [f"  {head} ({len(text.encode())} bytes):", *(f"    {line}" for line in lines)]


def _field_lines(field: FormField) -> list[str]:
    default = "" if field.default is None else f", default {exact_json(field.default)}"
    words = f"{field_words(field)}{safe_text(default)}"
    lines = [f"  {field.name}: {visible_text(field.label)} ({words})"]
    lines += [
        f"    {place}. {visible_text(option)}"
        for place, option in enumerate(field.options, start=1)
    ]
    return lines


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


def _fill_in(request: Request, say: Callable[[str], None], read: Read) -> dict[str, Any] | None:
    """Field by field; nothing is sent before the last question, which sends all of it."""
    fields = form_fields(request.action)
    values: dict[str, Any] = {}
    say("field by field; empty takes the default, ! leaves the form open")
    for field in fields:
        while True:
            say(f"{field.name} ({field_words(field)}):")
            typed = read("> ")
            if typed.strip() == "!":
                return None
            try:
                value = value_of(field, typed) if typed.strip() else field.default
            except ValueError as error:
                say(f"  found {safe_text(typed, limit=60)!r}, expected {error}")
                continue
            _checked, problems = check_values([field], {field.name: value})
            if not problems:
                values[field.name] = value
                break
            say(f"  {problems[0]}")
    for name, value in values.items():
        say(f"  {name} = {value_words(value)}")
    sure = read("Send it? y / n denies the form (empty leaves it open): ").strip().lower()
    if sure in ("n", "no"):
        return _bound(request, allow=False)
    return _bound(request, fields=values) if sure in ("y", "yes") else None


def _edit(request: Request, say: Callable[[str], None], read: Read) -> dict[str, Any] | None:
    """As it is, changed in an editor, or not at all."""
    draft = proposed_text(request.action)
    text = draft
    while True:
        say("as it was proposed" if text == draft else "with your changes")
        said = read("Approve it? y / e edits it / n (empty leaves it open): ").strip().lower()
        if said in ("n", "no"):
            return _bound(request, allow=False)
        if said in ("y", "yes"):
            return _bound(request, text=text)
        if said not in ("e", "edit"):
            return None
        text = _edited(request, text, say)
        for line in difference(draft, text):
            say(f"  {line}")


def _edited(request: Request, text: str, say: Callable[[str], None]) -> str:
    """``text`` after an editor; as it was when that failed, or made JSON no JSON any more."""
    from supervisor.tui.editor import edit_text

    wants_json = is_json(request.action)
    try:
        edited = edit_text(text, suffix=".json" if wants_json else ".txt")
    except UserError as error:
        say(str(error))
        return text
    if wants_json and (problem := json_problem(edited)):
        say(f"not JSON: {problem}; it is as before")
        return text
    return edited


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
