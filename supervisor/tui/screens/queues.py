"""Tasks, queues and pipelines: where they stand, which stage holds up the others, and what to do.

The upper list are the queues with the engine's counts; the mark in it says whose tasks the lower
list shows, a page at a time. A backlog of 100,000 costs what a page costs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.widgets import Input

from supervisor.core.run import RunState
from supervisor.tui import keys, place_keys, queue_plans, queue_rows, render, task_lines
from supervisor.tui.actions import Plan
from supervisor.tui.messages import PlanWanted
from supervisor.tui.queue_rows import PACE_S, Queue
from supervisor.tui.render import line
from supervisor.tui.screens.place import PlaceScreen
from supervisor.tui.task_lines import PAGE, VIEWS, Task
from supervisor.tui.theme import ASK, BAD, MUTED, STRONG
from supervisor.tui.widgets.bars import OneLine
from supervisor.tui.widgets.lines import Lines
from supervisor.tui.widgets.pick_list import PickList

REFRESH_S = 2.0
"""The counts cost the engine a millisecond, a page of tasks at most twenty."""
SHORT_LINES = 30
"""Below this height no line is left empty."""
TALL_LINES = 36
"""From here on everything about the marked task stands below the list."""


class QueuesScreen(PlaceScreen):
    """Queues above, tasks of the marked one below."""

    CSS_PATH = "queues.tcss"
    SCOPE = place_keys.QUEUE
    BINDINGS = keys.bindings(SCOPE)
    REFRESH_S = REFRESH_S
    AUTO_FOCUS = ""

    def __init__(self) -> None:
        super().__init__()
        self._queues_list = PickList(id="queues")
        self._tasks_list = PickList(id="tasks")
        self._tasks_list.is_active = False
        self._list = self._queues_list
        self._columns = OneLine(id="columns")
        self._tabs = OneLine(id="tabs")
        self._titles = OneLine(id="titles")
        self._detail = Lines(id="detail-lines")
        self._filter = Input(placeholder="tasks with this in id, key, payload or problem",
                             id="filter")  # fmt: skip
        self._answers: dict[str, list[dict[str, Any]]] = {}
        """The queues by machine; the empty name is the only one."""
        self._ended: dict[str, deque[tuple[float, int]]] = {}
        """By queue: when it was looked at, and how many tasks had ended."""
        self._tasks: dict[str, list[Task]] = {}
        """A page by state."""
        self._marked_queue: str | None = None
        self._view = 0
        self._text = ""
        self._pages: list[str] = [""]
        """The task behind which each page begins; the last one is shown."""
        self._detailed: dict[str, Any] | None = None
        self._is_answered = False

    def body(self) -> ComposeResult:
        """Queues, the views of tasks, tasks, one task."""
        yield self._columns
        yield self._queues_list
        yield self._tabs
        yield self._titles
        yield self._tasks_list
        yield self._filter
        yield self._detail

    # -- asking -------------------------------------------------------------------------------

    @property
    def _here(self) -> str:
        """The machine that is looked at: several that share their queues tell of the same tasks."""
        return str(self.where().get("host", ""))

    def load(self) -> None:
        """Counts of all queues, and the page of tasks in view."""
        host = self._here
        self.ask("queue", lambda said: self._take_queues(host, said), **self.where())
        self._load_tasks()

    def _load_tasks(self) -> None:
        queue, view = self._chosen_queue(), VIEWS[self._view]
        asked = self._what()
        params: dict[str, Any] = {"limit": PAGE, "after": self._pages[-1], **self.where()}
        params |= {"queue": queue.name} if queue else {}
        params |= {"text": self._text} if self._text else {}
        params |= {"newest": True} if view.newest_first else {}
        for state in view.states:

            def take(said: Any, state: str = state) -> None:
                if asked == self._what():  # Another choice may have been made meanwhile.
                    self._take_tasks(state, said)

            self.ask("tasks", take, state=state, **params)

    def _what(self) -> tuple[object, ...]:
        """What the list of tasks is about; another one is another list."""
        return (self._here, self._queues_list.chosen, self._view, self._text, len(self._pages))

    def _take_queues(self, host: str, said: Mapping[str, Any]) -> None:
        self._is_answered = True
        self._answers[host] = list(said.get("queues", ()))
        now = self._now.mono if self._now is not None else 0.0
        for view in self._answers[host]:
            seen = self._ended.setdefault(f"{host}/{view['name']}", deque())
            ended = int(view.get("done") or 0) + int(view.get("dead") or 0)
            if not seen or seen[-1][0] < now:
                seen.append((now, ended))
            while seen[0][0] < now - PACE_S:
                seen.popleft()
        self.draw()

    def _take_tasks(self, state: str, said: Mapping[str, Any]) -> None:
        self._tasks[state] = [Task(self._here, view) for view in said.get("tasks", ())]
        self._draw_tasks()

    # -- what is known ------------------------------------------------------------------------

    def _queues(self) -> list[Queue]:
        here = self._here
        return [
            Queue(here, view, queue_rows.pace_of(self._ended.get(f"{here}/{view['name']}", ())))
            for view in self._answers.get(here, ())
        ]

    def _chosen_queue(self) -> Queue | None:
        """None is all of them."""
        chosen = self._queues_list.chosen
        return next((queue for queue in self._queues() if queue.key == chosen), None)

    def _listed(self) -> list[Task]:
        return [task for state in VIEWS[self._view].states for task in self._tasks.get(state, ())]

    def _chosen_task(self) -> Task | None:
        chosen = self._tasks_list.chosen
        return next((task for task in self._listed() if task.run_id == chosen), None)

    def _run_of(self, task: Task) -> RunState | None:
        return self._picture.runs.get(task.run_id)

    def _counts(self) -> dict[str, int]:
        queue = self._chosen_queue()
        return task_lines.sums([one.view for one in ([queue] if queue else self._queues())])

    # -- drawing ------------------------------------------------------------------------------

    def draw(self) -> None:
        """Everything."""
        if not self._is_answered:
            self._queues_list.fill([("", line(("  asking the engine …", MUTED)))])
            return
        queues, width = self._queues(), self.size.width
        self._columns.set_content(queue_rows.heading(width))
        rows = queue_rows.rows(queues, width)
        if not queues:
            none = (
                "  No pools and no pipelines in config.toml; docs/queue.md tells how to have some."
            )
            rows = [("", line((none, MUTED)))]
        self.set_class(self.size.height < SHORT_LINES, "-short")
        self._queues_list.styles.height = min(len(rows), max(4, self.size.height // 2 - 2))
        self._queues_list.fill(rows)
        self._draw_head(queues)
        self._detail.display = self.size.height >= TALL_LINES
        self._draw_tasks()

    def _draw_head(self, queues: list[Queue]) -> None:
        stuck = [queue for queue in queues if queue.trouble]
        slow = sorted(queue_rows.bottlenecks(queues))
        parts = [
            (" queues", STRONG),
            self.machine_part(),
            (f"   {render.plural(len(queues), 'queue')}", MUTED),
        ]
        if stuck:
            parts.append((f"   ▲ {render.clean(stuck[0].name, 60)}: nobody runs this", BAD))
        if slow:
            names = ", ".join(render.clean(key.removeprefix("/"), 60) for key in slow)
            parts.append((f"   ◆ bottleneck: {names}", ASK))
        self._head.set_content(line(*parts))

    def _draw_tasks(self) -> None:
        view, counts, width = VIEWS[self._view], self._counts(), self.size.width
        queue = self._chosen_queue()
        of_one = queue is not None
        whose = (
            render.clean(queue.title if width < 100 else queue.name, 60) if queue else "all queues"
        )
        page = f", page {len(self._pages)}" if len(self._pages) > 1 else ""
        told = render.fit(render.clean(whose, 60) + page, 16) if width < 100 else whose + page
        tabs = task_lines.tabs(self._view, counts, self._text, told, width)
        self._tabs.set_content(tabs)
        self._titles.set_content(task_lines.heading(width, of_one=of_one))
        now, tasks = self._now.wall if self._now else 0.0, self._listed()
        rows = [
            (task.run_id, task_lines.row(task, self._run_of(task), now, width, of_one=of_one))
            for task in tasks
        ]
        before = (len(self._pages) - 1) * PAGE
        known = sum(counts[state] for state in view.count)
        more = None if self._text else task_lines.more_line(view, before + len(tasks), known)
        if self._text and any(len(page) == PAGE for page in self._tasks.values()):
            more = line((f"   … {keys.hint('queue.next')} shows more that fit", MUTED))
        if not rows:
            rows = [("", line(("  none", MUTED)))]
        if more is not None:  # It belongs to the last one, so that it comes into view with it.
            rows.append((rows[-1][0], more))
        self._tasks_list.fill(rows)
        self._draw_detail()

    def _draw_detail(self) -> None:
        task = self._chosen_task()
        if task is None or not self._detail.display:
            self._detail.set_lines([])
            return
        told = self._detailed if (self._detailed or {}).get("id") == task.id else None
        width = max(30, self.size.width - 4)
        shown = task_lines.detail(task, self._run_of(task), told, width)
        self._detail.set_lines(shown)

    def on_pick_list_chosen(self) -> None:
        """Another queue is marked, or another task."""
        if self._queues_list.chosen != self._marked_queue:
            self._marked_queue = self._queues_list.chosen
            self._turn_to()
        self._look_closer()

    def _look_closer(self) -> None:
        """Ask for all of the marked task, where there is room to show it."""
        self._draw_detail()
        task = self._chosen_task()
        if task is not None and self._detail.display:
            where = {"host": task.host} if task.host else {}
            self.ask("task", self._take_detail, id=task.id, **where)

    def _take_detail(self, said: dict[str, Any]) -> None:
        self._detailed = said
        self._draw_detail()

    def _turn_to(self, *pages: str) -> None:
        """These pages, the last of them in view; none is the first page of another list."""
        self._pages = list(pages) or [""]
        self._tasks.clear()
        self._load_tasks()
        self.draw()

    # -- moving -------------------------------------------------------------------------------

    def action_other(self) -> None:
        """From the queues to the tasks, and back."""
        is_queues = self._list is self._queues_list
        self._list = self._tasks_list if is_queues else self._queues_list
        self._queues_list.is_active, self._tasks_list.is_active = not is_queues, is_queues
        self._queues_list.refresh()
        self._tasks_list.refresh()
        self._look_closer()

    def action_option(self, number: int) -> None:
        """Other tasks: those in another state."""
        if number <= len(VIEWS):
            self._view = number - 1
            self._turn_to()

    def action_next(self) -> None:
        """The next page."""
        tasks = self._listed()
        if len(VIEWS[self._view].states) > 1:
            self.say((" 2 to 6 show the tasks in one state, a page at a time", MUTED))
        elif len(tasks) == PAGE:
            self._turn_to(*self._pages, tasks[-1].id)

    def action_previous(self) -> None:
        """The page before."""
        if len(self._pages) > 1:
            self._turn_to(*self._pages[:-1])

    def action_filter(self) -> None:
        """Type a text."""
        self._filter.display = True
        self._filter.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Only tasks with it."""
        self._seek(event.value.strip())

    def _seek(self, text: str) -> None:
        self._text = text
        self._filter.display = False
        self.set_focus(None)
        self._turn_to()

    def action_back(self) -> None:
        """Out of the text field, then all tasks again, then back."""
        if self._filter.display or self._text:
            self._filter.value = ""
            self._seek("")
        else:
            super().action_back()

    def action_open(self) -> None:
        """From a queue to its tasks; from a task to its run."""
        if self._list is self._queues_list:
            self.action_other()
            return
        task = self._chosen_task()
        run = self._run_of(task) if task is not None else None
        if run is None:
            self.say((_no_run(task), MUTED))
            return
        from supervisor.tui.screens.run import RunScreen

        self.app.push_screen(RunScreen(run.id, run.agent))

    # -- changing -----------------------------------------------------------------------------

    def action_workers(self, by: int) -> None:
        """More or fewer workers for the marked queue."""
        queue = self._chosen_queue()
        if queue is None:
            self.say((" mark one queue first: its workers are what changes", ASK))
        else:
            self._do(queue_plans.plan_workers(queue, by))

    def action_dead(self, verb: str) -> None:
        """Requeue or drop the marked dead letter."""
        task = self._chosen_task() if self._list is self._tasks_list else None
        if task is None:
            self.say((f" {keys.hint('queue.other')} goes to the tasks: mark a dead letter", ASK))
        else:
            self._do(queue_plans.plan_dead(verb, task))

    def action_all_dead(self, verb: str) -> None:
        """Requeue or drop every dead letter of the marked queue."""
        queue, count = self._chosen_queue(), self._counts()["dead"]
        name, known = queue.name if queue else None, self._tasks.get("dead", [])
        self._do(queue_plans.plan_all_dead(verb, self._here, name, count, known))

    def _do(self, plan: Plan | str) -> None:
        if isinstance(plan, str):
            self.say((f" {plan}", ASK))
        else:
            self.post_message(PlanWanted(plan, self.load))


def _no_run(task: Task | None) -> str:
    if task is None:
        return " there is no task"
    if task.state in ("ready", "delayed") and not task.view.get("deliveries"):
        return " it was not begun yet: there is no run to open"
    return " its run is not in the picture: a long-lived worker has it, or it is old"
