"""A request as the operator reads it before deciding: frozen, complete, and clearly whose words.

Pure. Owns the exact form of an action (argv as a list, paths, payload with its size and hash).
Every line of the agent's stands behind a gutter of ours that no text can draw, so that nothing an
agent writes can pass for our own words. Must never shorten: what is approved is shown whole.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from textual.content import Content

from supervisor.core.describe import exact_json, redacted_words
from supervisor.core.edited import difference, is_all_proposed, is_json, proposed_text
from supervisor.core.moment import Moment
from supervisor.core.run import Request, RunState
from supervisor.core.text import safe_text
from supervisor.tui import render, theme, view
from supervisor.tui.render import Part, line
from supervisor.tui.theme import ASK, FAINT, MUTED, STRONG, TEXT

SHORT_HASH = 12
"""Characters of a SHA-256 shown; the answer carries all 64."""
KIND_WORDS = {
    "approve": "asks for approval",
    "choose": "asks you to choose",
    "text": "asks for text",
    "edit": "asks you to edit a text",
    "form": "asks you to fill in a form",
}
REPLACED = (("old_string", "new_string"), ("old", "new"), ("before", "after"))
"""Keys of an action that takes one text for another: as coding agents name them."""
_LABEL_CELLS = 10


def title_line(run: RunState, request: Request) -> Content:
    """Who asks for what, in our words."""
    kind = KIND_WORDS.get(request.kind, "asks")
    return line(
        ("◆ ", ASK),
        (render.clean(run.agent, 64), STRONG),
        (f" {kind}", TEXT),
        (f"   {request.id}", MUTED),
    )


def clock_line(request: Request, now: Moment) -> Content:
    """Since when it waits, and what happens when nobody answers."""
    waited = render.duration(now.wall - request.created_at)
    return line(
        ("waiting for you since ", MUTED),
        (waited, TEXT),
        ("   ", ""),
        (view.expiry_text(request, now), MUTED),
    )


def body_lines(run: RunState, request: Request, width: int) -> list[Content]:
    """The whole request at that width, nothing left out."""
    lines: list[Content] = []
    lines += agent_lines(request.title, width, "bold $lw-text")
    if request.action is not None:
        lines += [render.BLANK, *_action_lines(run, request, width)]
    if request.redacted:
        lines += [render.BLANK, line((redacted_words(request.redacted), "bold $lw-ask"))]
    if request.kind == "choose":
        lines += [render.BLANK, *_default_lines(request, width)]
    elif request.default is not None and request.kind == "approve":
        word = "approve" if request.default is True else "deny"
        lines += [render.BLANK, line((f"its stated default: {word}", MUTED))]
    if request.explanation:
        lines += [
            render.BLANK,
            line(("the agent says", MUTED), ("  (its words, unchecked)", FAINT)),
        ]
        lines += agent_lines(request.explanation, width, MUTED, gutter="┆ ")
    return lines


def _action_lines(run: RunState, request: Request, width: int) -> list[Content]:
    if request.kind == "edit" and is_all_proposed(request.action):
        # The text stands below, where it is changed: once is enough, and it is whole there.
        size = len(proposed_text(request.action).encode("utf-8", "replace"))
        what = "an action in JSON" if is_json(request.action) else "a text"
        return [
            line(
                (f"{what}, yours to change", "bold $lw-ask"),
                (f"   {size:,} bytes, request {request.sha256[:SHORT_HASH]}", MUTED),
            )
        ]
    if request.kind == "form":
        about = request.action.get("about") if isinstance(request.action, dict) else None
        head = line(
            ("a form, yours to fill in", "bold $lw-ask"),
            (f"   request {request.sha256[:SHORT_HASH]}", MUTED),
        )
        return [head] if about is None else [head, *exact_lines(about, width)]
    raw = json.dumps(
        request.action, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode("utf-8", "replace")
    lines = [
        line(
            ("exactly this will be done", "bold $lw-ask"),
            (f"   {len(raw):,} bytes, request {request.sha256[:SHORT_HASH]}", MUTED),
        )
    ]
    action = request.action
    lines += exact_lines(action, width)
    if isinstance(action, dict) and "cwd" not in action and "argv" in action:
        lines += _field_lines("run from", run.spec.cwd, width)
    return lines + _replaced_lines(action, width)


def proposed_lines(request: Request, width: int) -> list[Content]:
    """The text of an ``edit`` that stands nowhere else in ``body_lines``."""
    if not is_all_proposed(request.action):
        return []
    return _text_lines(proposed_text(request.action), width)


def _replaced_lines(action: Any, width: int) -> list[Content]:
    """The same as a difference, where one text is put in the place of another."""
    if not isinstance(action, dict):
        return []
    for old, new in REPLACED:
        before, after = action.get(old), action.get(new)
        if isinstance(before, str) and isinstance(after, str):
            told = line((f"the same as a difference, from {old} to {new}", MUTED))
            changed = difference_lines(before, after, width)
            return [render.BLANK, told, *(changed or [line(("  they are the same", MUTED))])]
    return []


def difference_lines(before: str, after: str, width: int) -> list[Content]:
    """What was changed, a sign and a colour for each line; empty when nothing was."""
    lines: list[Content] = []
    for text in difference(before, after):
        style = {"+": theme.DONE, "-": theme.BAD, "@": theme.FAINT}.get(text[:1], MUTED)
        lines += [line(("  ", ""), (part, style)) for part in render.chop(text, width - 2)]
    return lines


def exact_lines(action: Any, width: int) -> list[Content]:
    """An action whole, in the form that reads back as exactly it."""
    if not isinstance(action, dict):
        return _value_lines(action, width, first=[("┃ ", ASK)])
    lines: list[Content] = []
    for key in sorted(action, key=_action_order):
        lines += _field_lines(str(key), action[key], width)
    return lines


def _action_order(key: Any) -> tuple[int, str]:
    order = ("argv", "path", "paths", "cwd", "env", "payload")
    return (order.index(key), "") if key in order else (len(order), str(key))


def _field_lines(key: str, value: Any, width: int) -> list[Content]:
    label = render.fit(safe_text(key), max(_LABEL_CELLS, len(safe_text(key))))
    first: list[Part] = [("┃ ", ASK), (label + " ", MUTED)]
    if isinstance(value, list) and value and all(not isinstance(v, dict | list) for v in value):
        return _list_lines(value, width, first)
    if isinstance(value, str) and ("\n" in value or len(value) > 200):
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:SHORT_HASH]
        size = len(value.encode("utf-8", "surrogatepass"))
        head = line(*first, (f"{size:,} bytes of text, sha256 {digest}", MUTED))
        return [head, *_text_lines(value, width)]
    return _value_lines(value, width, first)


def _list_lines(values: list[Any], width: int, first: list[Part]) -> list[Content]:
    """One element a line, numbered and quoted: where one ends and the next begins is plain."""
    lines: list[Content] = []
    indent = len(first[-1][0])
    for place, value in enumerate(values):
        lead = first if place == 0 else [("┃ ", ASK), (" " * indent, "")]
        lines += _chopped(_quoted(value), width, [*lead, (f"{place} ", FAINT)])
    return lines


def _value_lines(value: Any, width: int, first: list[Part]) -> list[Content]:
    if not isinstance(value, dict | list):
        return _chopped(_quoted(value), width, first)
    lines: list[Content] = []
    indent = len(first[-1][0]) if len(first) > 1 else 0
    text = exact_json(value)
    for place, part in enumerate(text.split("\n")):
        lead = first if place == 0 else [("┃ ", ASK), (" " * indent, "")]
        lines += _chopped(safe_text(part), width, lead)
    return lines


def _text_lines(text: str, width: int) -> list[Content]:
    lines: list[Content] = []
    for part in safe_text(text, keep_newlines=True).split("\n"):
        lines += _chopped(part, width, [("┃ ", ASK), ("  ", "")])
    return lines


def _quoted(value: Any) -> str:
    return exact_json(value)


def _chopped(text: str, width: int, lead: list[Part]) -> list[Content]:
    indent = sum(len(part) for part, _ in lead[1:])
    pieces = render.chop(text, width - 2 - indent)
    follow: list[Part] = [lead[0], (" " * indent, "")]
    return [
        line(*(lead if place == 0 else follow), (piece, TEXT)) for place, piece in enumerate(pieces)
    ]


def _default_lines(request: Request, width: int) -> list[Content]:
    if request.default is None:
        return []
    return _chopped(safe_text(str(request.default)), width, [("", ""), ("its default: ", MUTED)])


def agent_lines(text: str, width: int, style: str = TEXT, gutter: str = "│ ") -> list[Content]:
    """Words of the agent behind our gutter, wrapped."""
    lines: list[Content] = []
    for part in safe_text(text, keep_newlines=True).split("\n"):
        for wrapped in render.wrap(Content.styled(part, style), width - 2):
            lines.append(line((gutter, theme.FAINT)).append(wrapped))
    return lines


def option_line(request: Request, place: int, width: int) -> Content:
    """One option of a choice with its number, counted from 1."""
    number = f"{place + 1:>2} " if len(request.options) > 9 else f"{place + 1} "
    text = render.fit(safe_text(request.options[place]), max(4, width - 4)).rstrip()
    is_default = request.options[place] == request.default
    return line((number, theme.KEY), (text, TEXT), ("  (its default)" if is_default else "", MUTED))
