"""The durable steps of a run as rows that can be marked, and one of them opened.

Pure. Where a line does not say how long its step ran, the time since the line before it is shown
with a plus: what it took at most where steps follow each other. Must never show more of a result
than the engine's short view of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from supervisor.core.run import RunState
from supervisor.tui import render
from supervisor.tui.render import Part, line
from supervisor.tui.run_rows import Row, figure
from supervisor.tui.theme import BAD, DONE, FAINT, MUTED, RETRY, TEXT

STEPS_HEADING = "   step  at          took  name and result"
SINCE = "   (+ is since the step before)"
STEP_LOOKS: dict[str, tuple[str, str]] = {
    "done": ("✓", DONE),
    "value": ("✓", DONE),
    "failed": ("✗", BAD),
    "open": ("◌", RETRY),
    "note": ("·", FAINT),
    "repeated": ("·", FAINT),
    "outdated": ("·", FAINT),
    "damaged": ("▲", BAD),
    "torn": ("▲", BAD),
}
STEP_WORDS = {
    "open": "to be tried again",
    "note": "note",
    "repeated": "repeated, does not count",
    "outdated": "outdated, does not count",
    "damaged": "damaged line, passed over",
    "torn": "torn line, the step runs again",
}


Report = Mapping[str, Any]


def step_rows(state: RunState, report: Report | None) -> list[Row]:
    """The newest durable steps, the newest first, a row each."""
    if report is None:
        return [("", line(("asking the engine …", FAINT)))]
    lines: Sequence[Mapping[str, Any]] = report.get("lines", ())
    if not lines:
        return [("", line(("no durable steps: agent.step() makes them", FAINT)))]
    says_all = all(entry.get("took_s") is not None for entry in lines)
    heading = line((STEPS_HEADING, FAINT), ("" if says_all else SINCE, FAINT))
    rows: list[Row] = [("", heading)]
    for place in range(len(lines) - 1, -1, -1):
        parts = _head(lines[place], _before(state, lines, place))
        result = _result(lines[place])
        arrow: Part = ("  → " if result[0] else "", FAINT)
        rows.append((_key(lines[place]), line(*parts, arrow, result)))
    hidden = int(figure(report.get("total"))) - len(lines)
    if hidden > 0:
        words = f"{hidden} earlier steps: longwatch journal {state.id[-4:]}"
        rows.append(("", line((words, FAINT))))
    return rows


def opened(
    rows: list[Row], state: RunState, report: Report | None, width: int, chosen: str | None
) -> list[Row]:
    """``rows`` with the result of one step whole."""
    lines: Sequence[Mapping[str, Any]] = (report or {}).get("lines", ())
    at = next((row for row, (key, _) in enumerate(rows) if key and key == chosen), None)
    place = next((n for n, entry in enumerate(lines) if _key(entry) == chosen), None)
    if at is None or place is None or chosen is None:
        return rows
    entry = lines[place]
    wrapped = render.wrap(line(_result(entry)), max(10, width - 9))
    indent: Part = ("       → ", FAINT)
    whole = [(chosen, line(*_head(entry, _before(state, lines, place))))]
    for number, part in enumerate(wrapped):
        whole.append((chosen, line(indent if number == 0 else ("         ", "")).append(part)))
    return [*rows[:at], *whole, *rows[at + 1 :]]


def _key(entry: Mapping[str, Any]) -> str:
    return str(entry.get("number", "?"))


def _before(state: RunState, lines: Sequence[Mapping[str, Any]], place: int) -> float:
    """When the line before was written, or the attempt began; 0 when that is not known."""
    if place:
        return figure(lines[place - 1].get("at"))
    if lines[0].get("number") != 1:
        return 0.0
    epoch = lines[0].get("epoch")
    return next((a.started_at for a in state.attempts if a.epoch == epoch), 0.0)


def _head(entry: Mapping[str, Any], before: float) -> list[Part]:
    kind = str(entry.get("state", ""))
    glyph, style = STEP_LOOKS.get(kind, ("·", FAINT))
    at = figure(entry.get("at"))
    took = _took(entry.get("took_s"), at, before)
    again = int(figure(entry.get("occurrence")))
    name = render.clean(entry.get("name", ""), 60) + (f" ({again + 1})" if again else "")
    scope = render.clean(entry.get("scope", ""), 60)
    word = STEP_WORDS.get(kind, "")
    counts = kind in ("done", "value", "failed", "open")
    return [
        (f"{glyph} ", style),
        (render.fit(_key(entry), 5, right=True), MUTED if counts else FAINT),
        (f"  {render.clock(at)}" if at else "  " + " " * 8, FAINT),
        (render.fit(took, 8, right=True), MUTED),
        (f"  {name}", TEXT if counts else FAINT),
        (f" in {scope}" if scope else "", FAINT),
        (f"  {word}" if word else "", style),
    ]


def _result(entry: Mapping[str, Any]) -> Part:
    style = BAD if entry.get("state") == "failed" else MUTED
    return render.clean(entry.get("preview", ""), 400), style


def _took(took_s: object, at: float, before: float) -> str:
    if isinstance(took_s, (int, float)):
        return _short(float(took_s))
    return f"+{_short(at - before)}" if at and before and at >= before else ""


def _short(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f}s"
    return render.short_duration(seconds)
