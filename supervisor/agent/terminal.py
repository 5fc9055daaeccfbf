"""A question asked on the terminal, for a script that runs without the supervisor.

Text of a question may come from anywhere, so no control character of it reaches the terminal.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

YES, NO = ("y", "yes"), ("n", "no")


def is_there() -> bool:
    """Whether a person can be asked: input and messages both go to a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: dict[str, Any]) -> dict[str, Any]:
    """The fields of the answer that the person types; EOFError when the terminal closes."""
    kind, default = question["kind"], question.get("default")
    _say(f"\n{question['title']}")
    if question.get("explanation"):
        _say(question["explanation"])
    if "action" in question:
        _say("Action: " + json.dumps(question["action"], indent=2, ensure_ascii=False))
    fields: dict[str, Any] = dict.fromkeys(("allow", "option", "text", "fields", "comment"))
    if kind == "approve":
        fields["allow"] = _approve(default)
    elif kind == "choose":
        fields["option"] = _choose(question["options"], default)
    elif kind == "edit":
        fields["text"] = _edit_action(question["action"])
    elif kind == "form":
        fields["fields"] = {field["name"]: _field(field) for field in question["action"]["fields"]}
    else:
        fields["text"] = _line("> ", default)
    return fields


def _approve(default: Any) -> bool:
    hint = {True: "[Y/n] ", False: "[y/N] "}.get(default, "[y/n] ")
    while True:
        typed = _line(hint, None).strip().lower()
        if not typed and isinstance(default, bool):
            return default
        if typed in YES or typed in NO:
            return typed in YES


def _choose(options: list[str], default: Any) -> str:
    for number, option in enumerate(options, start=1):
        _say(f"  {number}) {option}" + (" (default)" if option == default else ""))
    while True:
        typed = _line("number: ", None).strip()
        if not typed and default is not None:
            return str(default)
        if typed in options:
            return typed
        if typed.isdecimal() and 1 <= int(typed) <= len(options):
            return options[int(typed) - 1]


def _field(field: dict[str, Any]) -> Any:
    """The value of one field of a form; asks again until it fits. Empty takes the default."""
    from supervisor.agent.form import fits

    default = field.get("default")
    hint = {"boolean": " [y/n]", "number": " (a number)"}.get(field["type"], "")
    hint += "" if default is None else f" (empty: {json.dumps(default)})"
    _say(f"{field.get('label') or field['name']}{hint}")
    for number, option in enumerate(field.get("options") or (), start=1):
        _say(f"  {number}) {option}")
    while True:
        typed = _line("> ", None)
        value = _value(field, typed.strip()) if typed.strip() else default
        if value is None and not typed.strip() and not field.get("required"):
            return None
        if value is not None and fits(field, value):
            return value


def _value(field: dict[str, Any], typed: str) -> Any:
    if field["type"] == "boolean":
        return True if typed.lower() in YES else False if typed.lower() in NO else None
    if field["type"] == "number":
        try:
            return int(typed) if typed.lstrip("+-").isdecimal() else float(typed)
        except ValueError:
            return None
    if field["type"] == "choice" and typed not in field["options"] and typed.isdecimal():
        at = int(typed)
        return field["options"][at - 1] if 1 <= at <= len(field["options"]) else None
    return typed


def _edit_action(action: dict[str, Any]) -> str:
    """The text as the person leaves it; a JSON value comes back once it is one."""
    if "json" not in action:
        return _edit(action["text"])
    text = json.dumps(action["json"], indent=2, ensure_ascii=False)
    while True:
        text = _edit(text)
        try:
            json.loads(text)
        except ValueError as error:
            _say(f"not JSON: {error}")
            continue
        return text


def _edit(text: str) -> str:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        _say(text)
        return _line("new text (one line, empty keeps it): ", None) or text
    import shlex
    import subprocess
    import tempfile

    with tempfile.NamedTemporaryFile("w+", suffix=".txt", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        subprocess.run([*shlex.split(editor), file.name], check=True)
        with open(file.name, encoding="utf-8") as edited:
            return edited.read()


def _line(prompt: str, default: Any) -> str:
    print(prompt, end="", file=sys.stderr, flush=True)
    typed = sys.stdin.readline()
    if not typed:
        raise EOFError("the terminal was closed before the question was answered")
    return typed.rstrip("\n") or str(default or "")


def _say(text: str) -> None:
    clean = "".join(
        character if character.isprintable() or character == "\n" else f"<U+{ord(character):04X}>"
        for character in text
    )
    print(clean, file=sys.stderr, flush=True)
