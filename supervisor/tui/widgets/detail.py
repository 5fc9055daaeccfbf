"""The detail pane: facts, stages as a checklist, timeline and the end of the log of one run."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from supervisor.core.moment import Moment
from supervisor.core.run import RunState
from supervisor.core.spec import AgentSpec
from supervisor.tui import keys, story
from supervisor.tui.checklist import checklist_lines
from supervisor.tui.model import Sample
from supervisor.tui.render import line
from supervisor.tui.tail import Tail
from supervisor.tui.theme import FAINT, MUTED, STRONG, TEXT
from supervisor.tui.widgets.lines import Lines
from supervisor.tui.widgets.log_view import LogView

LOG_MIN_LINES = 14
"""Height of the pane from which on it has room for the log."""
SIDE_BY_SIDE_CELLS = 64
"""Width from which on checklist and timeline stand side by side."""


class Detail(Vertical):
    """One run in full. Shows what it is given and asks for nothing."""

    DEFAULT_CSS = """
    Detail { background: $background; padding: 0 1; }
    Detail > #facts { height: auto; overflow-y: hidden; }
    Detail > #middle { height: 1fr; }
    Detail .titled {
        border-top: solid $lw-line;
        border-title-color: $lw-muted;
        border-title-style: none;
    }
    Detail #stages { width: 2fr; }
    Detail #timeline { width: 3fr; margin-left: 2; }
    Detail > #log-box { height: 2fr; display: none; }
    Detail.-log > #log-box { display: block; }
    Detail.-stacked #middle { layout: vertical; }
    Detail.-stacked #stages { width: 1fr; height: auto; max-height: 9; }
    Detail.-stacked #timeline { width: 1fr; height: 1fr; margin-left: 0; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._facts = Lines(id="facts")
        self._stages = Lines(id="stages", classes="titled")
        self._stages.tells_moves = True
        self._stages_room = 0
        """Cells of a row when the stages were drawn last."""
        self._timeline = Lines(id="timeline", classes="titled")
        self._log_view = LogView(id="log-tail")
        self._log_box = Vertical(self._log_view, id="log-box", classes="titled")
        self._last: tuple[RunState | None, Sample | None, Moment] | None = None
        self._stages.border_title = " stages "
        self._timeline.border_title = " timeline "
        self._log_box.border_title = " log "

    def compose(self) -> ComposeResult:
        """Facts above, two lists in the middle, log below."""
        yield self._facts
        yield Horizontal(self._stages, self._timeline, id="middle")
        yield self._log_box

    @property
    def has_log(self) -> bool:
        """Whether there is room for the log, so that it is worth reading."""
        return self.has_class("-log")

    def show(self, state: RunState | None, sample: Sample | None, now: Moment) -> None:
        """Show this run at that instant; None is no run."""
        self._last = (state, sample, now)
        if state is None:
            self._set_facts([line(("no run selected", FAINT))])
            self._stages.set_lines([])
            self._timeline.set_lines([])
            return
        width = max(20, self.size.width - 2)
        self._set_facts(story.head_lines(state, sample, now, width))
        self._stages_room = self._stages.room or width
        self._stages.set_lines(checklist_lines(state, now, self._stages_room))
        if self.has_class("-stacked"):
            self._stages.styles.height = min(9, len(self._stages.lines) + 1)
        self._timeline.set_lines(story.timeline_lines(state))
        self._share_room()

    def on_lines_moved(self) -> None:
        """A scrollbar came or went beside the stages: their times were cut, or stand too far in."""
        state, _, now = self._last or (None, None, None)
        room = self._stages.room
        if state is not None and now is not None and 0 < room != self._stages_room:
            self._stages_room = room
            self._stages.set_lines(checklist_lines(state, now, room))

    def _share_room(self) -> None:
        """The lists take what they need, up to half of what the facts leave; the log the rest."""
        middle = self.query_one("#middle")
        if not self.has_log:
            middle.styles.height = "1fr"
            return
        lists = (self._stages.lines, self._timeline.lines)
        if self.has_class("-stacked"):
            needed = sum(len(lines) + 1 for lines in lists)
        else:
            needed = max(len(lines) + 1 for lines in lists)
        room = self.size.height - len(self._facts.lines)
        middle.styles.height = max(4, min(needed + 1, room // 2))

    def show_idle(self, agent: str, command: str) -> None:
        """Show an agent that has never run."""
        self._last = None
        self._set_facts(
            [
                line(("· idle  ", MUTED), (agent, STRONG)),
                line(
                    ("never started; ", MUTED),
                    (keys.hint("run.start"), "bold $lw-key"),
                    (" starts it", MUTED),
                ),
                line((command, TEXT)),
            ]
        )
        self._stages.set_lines([])
        self._timeline.set_lines([])

    def show_group(self, label: str, members: Sequence[RunState | AgentSpec], now: Moment) -> None:
        """Show the runs of a group, one a line."""
        self._last = None
        self._set_facts([line(("▾ ", MUTED), (label, STRONG))])
        self._stages.set_lines([])
        runs = [item for item in members if isinstance(item, RunState)]
        self._timeline.set_lines([story.one_line(state, now) for state in runs])

    def show_log(self, tail: Tail | None) -> None:
        """Show the end of this log."""
        self._log_view.show(tail)

    def on_resize(self) -> None:
        """Choose the arrangement for the room there is."""
        self.set_class(self.size.height >= LOG_MIN_LINES, "-log")
        self.set_class(self.size.width < SIDE_BY_SIDE_CELLS, "-stacked")
        if not self.has_class("-stacked"):
            self._stages.styles.height = "1fr"
        if self._last is not None:
            self.show(*self._last)

    def _set_facts(self, lines: list[Content]) -> None:
        self._facts.styles.height = len(lines)
        self._facts.set_lines(lines)
