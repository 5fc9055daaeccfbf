"""Events in lines, and the window of a long log that is loaded.

Pure. The window knows what is held and where it goes on in either direction; it never asks for
anything, and it never grows beyond ``KEPT``: what scrolls out at one end is read again when wanted.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from textual.content import Content

from supervisor.core import events as e
from supervisor.core.agent_events import AgentEvent
from supervisor.core.describe import describe, details
from supervisor.core.event_kinds import GROUPS
from supervisor.core.events import Event, Recorded
from supervisor.core.record import RecordError, recorded_from_plain
from supervisor.tui import render
from supervisor.tui.render import fit, line
from supervisor.tui.theme import ASK, BAD, DONE, FAINT, MUTED, RETRY, RUN, SEVERITY, STRONG, TEXT

KEPT = 2_000
"""Events held at once; a screen shows fifty."""
AGENT_CELLS = 18

_LOOKS: dict[type[Event], tuple[str, str]] = {
    e.RunCreated: ("○", TEXT),
    e.RunSucceeded: ("✓", DONE),
    e.RunFailed: ("✗", BAD),
    e.RunTimedOut: ("⊘", BAD),
    e.RunHeld: ("▲", BAD),
    e.RunStopped: ("■", MUTED),
    e.AttemptStarting: ("◔", RUN),
    e.AttemptStarted: ("●", RUN),
    e.BackoffBegan: ("↻", RETRY),
    e.BackoffMoved: ("↻", RETRY),
    e.RequestOpened: ("◆", ASK),
    e.RequestReminded: ("◆", ASK),
    e.RequestAnswered: ("◇", DONE),
    e.RunParked: ("◇", ASK),
    e.CheckpointRecorded: ("▪", DONE),
    e.CheckpointRejected: ("▲", BAD),
    e.ProgressRejected: ("▲", ASK),
    AgentEvent: ("›", TEXT),
    e.ConfigRejected: ("▲", BAD),
    e.HistoryLost: ("▲", BAD),
}
"""Glyph and style by kind; others are a dot. The words say the rest."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the events that fit, oldest first."""

    events: tuple[Recorded, ...] = ()
    agents: Mapping[str, str] = field(default_factory=dict)
    older: int | None = None
    """Where the next look back goes on; None: the first one that fits is here."""
    newer: int | None = None
    """Seq after which newer ones may be; None: this is the end, as far as was looked."""
    first: int = 0
    last: int = 0
    """Both ends of the whole log."""


def newest(page: Mapping[str, object]) -> Window:
    """The window of a page from the end of the log, or from before some place in it."""
    events, agents = _read(page)
    first, last = int(str(page["first"])), int(str(page["last"]))
    return Window(events, agents, _seq(page), None, first, last)


def with_older(window: Window, page: Mapping[str, object]) -> Window:
    """With a page from before it; beyond ``KEPT`` the newest go."""
    events, agents = _read(page)
    both = (*events, *window.events)
    kept = both[:KEPT]
    newer = kept[-1].seq if len(both) > KEPT else window.newer
    known = {**window.agents, **agents}
    return replace(window, events=kept, agents=known, older=_seq(page), newer=newer)


def with_newer(window: Window, page: Mapping[str, object]) -> Window:
    """With a page from after it; beyond ``KEPT`` the oldest go."""
    events, agents = _read(page)
    after = window.events[-1].seq if window.events else 0
    both = (*window.events, *(recorded for recorded in events if recorded.seq > after))
    kept = both[-KEPT:]
    older = kept[0].seq if len(both) > KEPT else window.older
    known = {**window.agents, **agents}
    last = int(str(page["last"]))
    return replace(window, events=kept, agents=known, older=older, newer=_seq(page), last=last)


def _seq(page: Mapping[str, object]) -> int | None:
    following = page.get("next")
    return int(str(following)) if following is not None else None


def _read(page: Mapping[str, object]) -> tuple[tuple[Recorded, ...], dict[str, str]]:
    plain, agents = page.get("events"), page.get("agents")
    events = []
    for item in plain if isinstance(plain, list) else ():
        try:
            events.append(recorded_from_plain(item))
        except RecordError:
            continue  # Written by a newer version; its number is missed, nothing else.
    return tuple(events), dict(agents) if isinstance(agents, dict) else {}


def look_of(event: Event) -> tuple[str, str]:
    """Glyph and style."""
    if isinstance(event, e.AnomalyFlagged):
        return "⚑", SEVERITY.get(event.anomaly.severity, ASK)
    if isinstance(event, e.AttemptExited):
        return ("✓", DONE) if event.exit.code == 0 else ("✗", BAD)
    return _LOOKS.get(type(event), ("·", MUTED))


Made = dict[int, Content]
"""Lines by the number of their event."""


def rows(window: Window, made: Made) -> Iterable[tuple[str, Content]]:
    """Key and line of each event, with a line of its own where a day begins.

    ``made``: lines from before; an event never changes, so only new ones are made. Those that
    left the window are taken out of it.
    """
    kept: Made = {}
    day, quarter = "", -1
    for recorded in window.events:
        # Every zone begins its days at a quarter of an hour.
        before, quarter = quarter, int(recorded.at.wall // 900)
        if before != quarter:
            here = time.strftime("%A %Y-%m-%d", time.localtime(recorded.at.wall))
            if here != day:
                day = here
                yield "", line((f" {here}", FAINT))
        seq = recorded.seq
        kept[seq] = made.get(seq) or row(recorded, agent_of(window, recorded))
        yield str(seq), kept[seq]
    made.clear()
    made |= kept


def agent_of(window: Window, recorded: Recorded) -> str:
    """Whose event it is."""
    if not recorded.run_id:
        return "engine"
    return window.agents.get(recorded.run_id, recorded.run_id[-4:])


def row(recorded: Recorded, agent: str) -> Content:
    """One event in one line."""
    glyph, style = look_of(recorded.event)
    is_loud = style in (BAD, ASK) or (style == DONE and glyph == "✓")
    return line(
        (f" {render.clock(recorded.at.wall)}  ", MUTED),
        (fit(render.clean(agent, 64), AGENT_CELLS - 1) + " ", TEXT if recorded.run_id else FAINT),
        (f"{glyph} ", style),
        (describe(recorded.event), style if is_loud else TEXT),
    )


def detail(window: Window, recorded: Recorded, width: int) -> list[Content]:
    """The marked event with everything that its line had no room for."""
    glyph, style = look_of(recorded.event)
    run = f"  {recorded.run_id[-4:]}" if recorded.run_id else ""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(recorded.at.wall))
    head = line(
        (f"{glyph} ", style),
        (render.clean(agent_of(window, recorded), 64), STRONG),
        (run, FAINT),
        (f"   {when}.{int(recorded.at.wall % 1 * 1000):03}", MUTED),
        (f"   event {recorded.seq:,} of {window.last:,}", FAINT),
        (f"   {type(recorded.event).__name__}", FAINT),
    )
    told = [line((describe(recorded.event), TEXT))]
    told += [line((f"  {render.clean(text)}", MUTED)) for text in details(recorded.event)]
    return [part for whole in (head, *told) for part in render.wrap(whole, width)]


SHORT = {
    "attempts": "tries", "questions": "asked", "checkpoints": "kept", "anomalies": "flags",
    "progress": "moves",
}  # fmt: skip
"""Groups in a word each, where the whole words have no room."""
WHOLE_CELLS = 110


def kind_parts(chosen: Sequence[str], width: int) -> Content:
    """The groups with their digits, the tenth with 0; none chosen is all."""
    parts = []
    is_narrow = width < WHOLE_CELLS
    for number, group in enumerate(GROUPS, start=1):
        is_on = group in chosen
        style = STRONG if is_on else MUTED if not chosen else FAINT
        parts.append((f"{number % 10} ", "bold $lw-key" if is_on or not chosen else FAINT))
        parts.append((f"{SHORT.get(group, group)} " if is_narrow else f"{group}  ", style))
    return line((" ", ""), *parts)
