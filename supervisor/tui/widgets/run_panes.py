"""What the panes of a run's page show of the picture; only those in view are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from textual.content import Content

from supervisor.core.moment import Moment
from supervisor.core.run import RunState
from supervisor.tui import run_rows, story
from supervisor.tui.checklist import attempt_lines, checklist_lines
from supervisor.tui.model import Picture
from supervisor.tui.run_places import (
    ATTEMPTS,
    CHECKPOINTS,
    FLAGS,
    JOURNAL,
    STAGES,
    TIMELINE,
    USAGE,
)
from supervisor.tui.usage_lines import usage_lines
from supervisor.tui.widgets.board import Board
from supervisor.tui.widgets.pick_list import PickList

TIMELINE_LINES = 200
Reports = Mapping[str, Mapping[str, Any]]
"""What the engine answered last, by method."""


def fill(board: Board, picture: Picture, state: RunState, now: Moment, reports: Reports) -> None:
    """Draw the panes in view."""
    sample, trend = picture.samples.get(state.id), picture.trends.get(state.id)
    drawn: dict[str, Callable[[int], list[Content]]] = {
        STAGES: lambda room: checklist_lines(state, now, room),
        ATTEMPTS: lambda room: attempt_lines(state, now, room),
        TIMELINE: lambda _room: story.timeline_lines(state, TIMELINE_LINES),
        USAGE: lambda room: usage_lines(state, sample, trend, now, room),
    }
    for name in board.shown:
        pane, width = board.lists.get(name), board.width_of(name)
        if isinstance(pane, PickList):
            chosen = pane.chosen if pane.is_active else None
            listed: dict[str, Callable[[], list[run_rows.Row]]] = {
                CHECKPOINTS: partial(
                    run_rows.checkpoint_rows, state, reports.get("checkpoints"), now, width
                ),
                FLAGS: partial(run_rows.flag_rows, state, now, width, chosen),
                JOURNAL: partial(
                    run_rows.journal_rows, state, reports.get("journal"), width, chosen
                ),
            }
            pane.fill(listed[name]())
        elif pane is not None:
            pane.set_lines(drawn[name](width))


def counts(state: RunState) -> dict[str, str]:
    """What a tab says beside its name."""
    return {
        ATTEMPTS: str(state.attempt) if state.attempt else "",
        CHECKPOINTS: str(len(state.checkpoints)) if state.checkpoints else "",
        FLAGS: f"⚑{state.anomaly_count}" if state.anomaly_count else "",
    }
