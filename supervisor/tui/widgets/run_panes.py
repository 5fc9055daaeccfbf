"""What the panes of a run's page show of the picture; only those in view are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from textual.content import Content

from supervisor.core.moment import Moment
from supervisor.core.run import RunState
from supervisor.tui import run_rows, step_rows, story
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


class RunPanes:
    """Fills a board. Keeps the rows of the journal: 200 of them cost more than all the rest."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._steps: tuple[object, list[run_rows.Row]] = (None, [])

    def fill(self, picture: Picture, state: RunState, now: Moment, reports: Reports) -> None:
        """Draw the panes in view."""
        sample, trend = picture.samples.get(state.id), picture.trends.get(state.id)
        drawn: dict[str, Callable[[int], list[Content]]] = {
            STAGES: lambda room: checklist_lines(state, now, room),
            ATTEMPTS: lambda room: attempt_lines(state, now, room),
            TIMELINE: lambda _room: story.timeline_lines(state, TIMELINE_LINES),
            USAGE: lambda room: usage_lines(state, sample, trend, now, room),
        }
        listed: dict[str, Callable[[int, str | None], list[run_rows.Row]]] = {
            CHECKPOINTS: lambda room, _chosen: run_rows.checkpoint_rows(
                state, reports.get("checkpoints"), now, room
            ),
            FLAGS: lambda room, chosen: run_rows.flag_rows(state, now, room, chosen),
            JOURNAL: lambda room, chosen: self._journal(
                state, reports.get("journal"), room, chosen
            ),
        }
        for name in self._board.shown:
            pane, room = self._board.lists.get(name), self._board.width_of(name)
            if isinstance(pane, PickList):
                pane.fill(listed[name](room, pane.chosen if pane.is_active else None))
            elif pane is not None:
                pane.set_lines(drawn[name](room))

    def _journal(
        self, state: RunState, report: Mapping[str, Any] | None, room: int, chosen: str | None
    ) -> list[run_rows.Row]:
        known, rows = self._steps
        if report is None or report is not known:
            rows = step_rows.step_rows(state, report)
            self._steps = (report, rows)
        return step_rows.opened(rows, state, report, room, chosen)


def counts(state: RunState) -> dict[str, str]:
    """What a tab says beside its name."""
    return {
        ATTEMPTS: str(state.attempt) if state.attempt else "",
        CHECKPOINTS: str(len(state.checkpoints)) if state.checkpoints else "",
        FLAGS: f"⚑{state.anomaly_count}" if state.anomaly_count else "",
    }
