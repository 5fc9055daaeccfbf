"""Checkpoints and anomalies of a run as rows that can be marked.

Pure: a row is a key and a ``Content`` line; rows with the same key belong together. What an agent
wrote is cleaned here, whatever cleaned it before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.content import Content

from supervisor.core.moment import Moment
from supervisor.core.mute import is_muted
from supervisor.core.run import Anomaly, RunState
from supervisor.tui import render, theme
from supervisor.tui.render import Part, line
from supervisor.tui.theme import BAD, DONE, FAINT, MUTED, RUN, STRONG, TEXT

Row = tuple[str, Content]
NOTHING_KEY = "0"
"""Of the row that means from nothing; the others have their generation."""
MUTED_KEY = "muted:"
"""Before the kind, of a row that names a muted kind without an anomaly."""
WIDER = 80
"""Cells from which a row has room for who said it."""
WIDEST = 90
"""Cells from which it has room for a hash."""
MESSAGE_LINES = 4
"""Lines of a message while its row is not the marked one."""


# -- checkpoints ------------------------------------------------------------------------------


def checkpoint_rows(
    state: RunState, report: Mapping[str, Any] | None, now: Moment, width: int
) -> list[Row]:
    """The generations, the newest first, and nothing at all; ``report`` is the engine's look."""
    copies = {
        entry.get("generation"): entry.get("copy")
        for entry in (report or {}).get("generations", ())
    }
    rows: list[Row] = []
    for kept in reversed(state.checkpoints):
        is_newest = kept is state.checkpoints[-1]
        copy = render.clean(copies.get(kept.generation, "…"), 20)
        is_bad = copy not in ("good", "…")
        parts: list[Part] = [
            ("▪ ", BAD if is_bad else DONE),
            (render.fit(f"{kept.generation}", 5), STRONG if is_newest else TEXT),
            (render.fit(f"{render.duration(now.wall - kept.at)} ago", 14), TEXT),
            (render.fit(render.size(kept.size_bytes), 7), MUTED),
            (render.fit(copy, 7), BAD if is_bad else MUTED),
        ]
        parts.append((render.fit("← resumes here" if is_newest else "", 16), RUN))
        parts.append((f"attempt {_attempt_of(state, kept.epoch)}", FAINT))
        if width >= WIDEST:
            parts.append((f"   sha256 {kept.sha256[:12]}", FAINT))
        rows.append((str(kept.generation), line(*parts)))
    if not rows:
        rows.append(("", line(("no checkpoint yet: it would begin anew", FAINT))))
    nothing: Part = (render.fit("0", 5), TEXT)
    rows.append((NOTHING_KEY, line(("○ ", MUTED), nothing, ("from the very beginning", MUTED))))
    for entry in (report or {}).get("set_aside", ())[:5]:
        name = render.middle(render.clean(entry.get("path", ""), 400), max(12, width - 22))
        what = f"set aside: {name}, {render.size(figure(entry.get('size_bytes')))}"
        rows.append(("", line((what, FAINT))))
    return rows


def _attempt_of(state: RunState, epoch: int) -> str:
    found = next((a.number for a in state.attempts if a.epoch == epoch), None)
    return "–" if found is None else str(found)


# -- anomalies --------------------------------------------------------------------------------


def flag_rows(state: RunState, now: Moment, width: int, chosen: str | None) -> list[Row]:
    """The anomalies, the newest first, with their evidence; that of ``chosen`` whole."""
    rows: list[Row] = []
    for anomaly in reversed(state.anomalies):
        rows += _flag(state, anomaly, now, width, is_whole=anomaly.id == chosen)
    shown = {anomaly.kind for anomaly in state.anomalies}
    for mute in state.muted:
        if mute.kind not in shown:
            ago = render.duration(now.wall - mute.at)
            words = f"no problem here, says {render.clean(mute.by, 40)}, {ago} ago"
            label = (f"◌ {render.clean(mute.kind, 40)}  ", MUTED)
            rows.append((MUTED_KEY + mute.kind, line(label, (words, FAINT))))
    return rows or [("", line(("nothing unexpected so far", FAINT)))]


def _flag(
    state: RunState, anomaly: Anomaly, now: Moment, width: int, *, is_whole: bool
) -> list[Row]:
    muted = is_muted(state.muted, anomaly.kind)
    style = MUTED if muted else theme.SEVERITY.get(anomaly.severity, theme.ASK)
    severity = "muted" if muted else render.clean(anomaly.severity, 8)
    by = "" if anomaly.source == "agent" else "  seen by longwatch"
    head: list[Part] = [
        ("◌ " if muted else "⚑ ", style),
        (f"{render.fit(severity, 8)} ", style),
        (render.clean(anomaly.kind, 40), MUTED if muted else STRONG),
        (f"  {render.clock(anomaly.at)}, {render.duration(now.wall - anomaly.at)} ago", FAINT),
    ]
    if width >= WIDER:
        head.append((by or "  said by the agent", FAINT))
    told = render.wrap(line((render.clean(anomaly.message, 1000), TEXT)), max(10, width - 4))
    if not is_whole and len(told) > MESSAGE_LINES:
        told = [*told[: MESSAGE_LINES - 1], line(("…", FAINT))]
    indent: Part = ("    ", "")
    return [(anomaly.id, line(*head)), *((anomaly.id, line(indent).append(row)) for row in told)]


def kind_of(state: RunState, key: str | None) -> str | None:
    """The kind that a row is about; None for no row."""
    if key is None:
        return None
    if key.startswith(MUTED_KEY):
        return key.removeprefix(MUTED_KEY)
    return next((a.kind for a in state.anomalies if a.id == key), None)


def figure(value: object) -> float:
    """A number of an answer; 0 for what is none."""
    return float(value) if isinstance(value, (int, float)) else 0.0
