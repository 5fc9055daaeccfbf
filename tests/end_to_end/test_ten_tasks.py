"""The ten tasks of docs/keys.md, by keyboard alone, in a real terminal with a real engine."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tmux_terminal import Terminal

from supervisor.tui import keys
from supervisor.tui.tasks import TASKS

ASKS = """
import sys
from supervisor.agent import Agent

with Agent() as agent:
    answer = agent.approve(sys.argv[1], action={"argv": ["make", sys.argv[2]]})
    open(sys.argv[2], "w").write(f"{bool(answer)} {answer.comment}")
"""
WALKS = """
import os, time
from supervisor.agent import Agent

with Agent() as agent:
    step = (agent.resumed or {"step": 0})["step"]
    while not os.path.exists("enough"):
        step += 1
        agent.progress(step % 100, 100, "steps")
        agent.checkpoint({"step": step})
        print(f"step {step}" + (" needle" if step == 5 else ""), flush=True)
        time.sleep(0.3)
"""
BREAKS = """
import os, sys, time
if not os.path.exists("mended"):
    sys.exit(65)
time.sleep(600)
"""
CONFIG = """
[defaults]
autostart = true
stop_grace = "1s"
[agents.publisher]
command = ["{python}", "ask.py", "Publish the report?", "published"]
[agents.cleaner]
command = ["{python}", "ask.py", "Delete the drafts?", "cleaned"]
[agents.walker]
command = ["{python}", "walk.py"]
[agents.broken]
command = ["{python}", "break.py"]
[agents.idler]
command = ["{python}", "-c", "import time; time.sleep(600)"]
[agents.later]
command = ["{python}", "-c", "import sys; sys.exit(75)"]
retry = { base_delay_seconds = 600, max_delay_seconds = 600 }
"""
LIMIT_S = 25.0
ALL_RUNS = "6 runs, sorted"
NAMES = {"Enter": "Enter", "slash": "/", "question_mark": "?", "escape": "Escape", "space": "Space"}

pytestmark = [
    pytest.mark.terminal,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


class Operator:
    """Ten fingers and two eyes."""

    def __init__(self, project: Any, terminal: Terminal) -> None:
        self.project = project
        self.terminal = terminal
        self.screen = ""

    def press(self, *names: str) -> None:
        """Press what an action is on, or type a text as it is."""
        for name in names:
            usual = next((key.keys for key in keys.KEYS if key.id == name), None)
            key = name if usual is None else usual.split(",")[0]
            self.terminal.type(NAMES.get(key, key))

    def sees(self, *texts: str) -> bool:
        """Whether all of it is on the screen."""
        self.screen = self.terminal.screen()
        return all(text in self.screen for text in texts)

    def until(self, what: str, condition: Callable[[], object], *again: str) -> None:
        """Wait for it; ``again`` is pressed meanwhile, as by a person too early."""
        end = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < end, f"{what} never came:\n{self.terminal.screen()}"
            if again:
                self.press(*again)
            time.sleep(0.2)

    def find(self, agent: str) -> None:
        """To that run, by the filter; the table then shows it alone."""
        self.show_all()
        self.press("runs.filter")
        self.until("the filter", lambda: self.sees("filter: words"))
        self.press(agent, "Enter")
        self.until(f"{agent} alone", lambda: self.sees(agent) and self._is_alone(agent))

    def show_all(self) -> None:
        """Without a filter. Escape is waited for: with the next key it would be another."""
        self.until("all runs", lambda: self.sees(ALL_RUNS), "runs.clear")

    def _is_alone(self, agent: str) -> bool:
        rows = [line for line in self.screen.splitlines() if line.startswith("❯")]
        return len(rows) == 1 and agent in rows[0]

    def status(self, agent: str) -> str:
        return str(self.project.status_of(agent)["status"])


@pytest.fixture
def operator(project: Any) -> Iterator[Operator]:
    project.script("ask.py", ASKS)
    project.script("walk.py", WALKS)
    project.script("break.py", BREAKS)
    project.configure(CONFIG)
    terminal = Terminal(project, 120, 36)
    yield Operator(project, terminal)
    terminal.close()


def test_ten_tasks_by_keyboard_alone(project: Any, operator: Operator) -> None:
    it, started = operator, time.monotonic()
    longwatch = f"{sys.executable} -m supervisor.cli.main"
    it.press(longwatch, "Enter")
    it.until("both questions", lambda: it.sees("Publish the report?", "Delete the drafts?"))
    done = []

    def task(name: str, does: Callable[[Operator], None]) -> None:
        does(it)
        done.append(name)

    task("allow", allow)
    task("deny", deny)
    task("filter", lambda it: it.find("walker"))
    task("stop", stop)
    task("restart", restart)
    task("log", log)
    task("why", why)
    task("pause-all", pause_all)
    task("roll-back", roll_back)
    task("leave", lambda it: come_back(it, longwatch))
    assert done == [one.name for one in TASKS]
    print(f"ten tasks in {time.monotonic() - started:.0f} s")


def allow(it: Operator) -> None:
    first, said = _oldest(it)
    it.until(f"the answer to {first}", lambda: it.status(first) == "succeeded", "request.allow")
    assert (it.project.directory / said).read_text() == "True None"


def deny(it: Operator) -> None:
    it.until("the dashboard", lambda: it.sees("leave") and not it.sees("exactly this"))
    second, said = _oldest(it)
    it.until("the place for a comment", lambda: it.sees("comment for the"), "request.comment")
    it.press("not today", "Enter")
    it.until("the comment", lambda: it.sees("not today"))
    it.until(f"the answer to {second}", lambda: it.status(second) == "succeeded", "request.deny")
    assert (it.project.directory / said).read_text() == "False not today"


def _oldest(it: Operator) -> tuple[str, str]:
    """Open the oldest question; who asks, and the file it writes when it is answered."""
    it.until("a question", lambda: it.sees("exactly this will be done"), "app.inbox")
    is_publisher = it.sees("publisher asks")
    return ("publisher", "published") if is_publisher else ("cleaner", "cleaned")


def stop(it: Operator) -> None:
    it.find("idler")
    it.press("run.stop")
    it.until("the question whether", lambda: it.sees("Stop idler"))
    it.until("the end of idler", lambda: it.status("idler") == "stopped", "confirm.yes")


def restart(it: Operator) -> None:
    assert it.status("broken") == "failed"
    (it.project.directory / "mended").touch()
    it.find("broken")
    it.press("run.restart")
    it.until("the question whether", lambda: it.sees("broken") and it.sees("y yes"))
    it.until("broken at work", lambda: it.status("broken") == "running", "confirm.yes")


def log(it: Operator) -> None:
    it.find("walker")
    it.press("run.log")
    it.until("the log", lambda: it.sees("step 1"))
    it.press("log.search")
    it.until("the place for a word", lambda: it.sees("search in the log"))
    it.press("needle", "Enter")
    it.until("what was searched", lambda: it.sees("step 5 needle"))
    it.until("the dashboard", lambda: it.sees("PROGRESS"), "log.back")


def why(it: Operator) -> None:
    it.find("later")
    it.press("run.why")
    it.until("why, and when it goes on", lambda: it.sees("later is", "next:", "exit status 75"))
    it.until("the dashboard", lambda: not it.sees("next:") and it.sees("PROGRESS"), "why.back")


def pause_all(it: Operator) -> None:
    it.show_all()
    it.until("the whole table", lambda: it.sees("walker", "broken", "publisher"))
    _many(it, "1", "walker", "paused")
    _many(it, "2", "walker", "running")


def _many(it: Operator, number: str, agent: str, status: str) -> None:
    it.until("the menu", lambda: it.sees("many at once"), "runs.many")
    it.press(number)
    it.until("who is meant", lambda: it.sees("y ", agent) and not it.sees("many at once"))
    it.until(f"{agent} {status}", lambda: it.status(agent) == status, "many-runs.yes")


def roll_back(it: Operator) -> None:
    it.find("walker")
    it.press("run.stop")
    it.until("the question whether", lambda: it.sees("Stop walker"))
    it.until("the end of walker", lambda: it.status("walker") == "stopped", "confirm.yes")
    it.press("runs.open")
    it.until("its page", lambda: it.sees("1-8 pane"))
    it.until("its checkpoints", lambda: it.sees("the very beginning"), "4")
    it.press("open-run.bottom", "open-run.up", "open-run.rollback")
    it.until("the question whether", lambda: it.sees("resume from checkpoint"))
    oldest = it.screen.partition("resume from checkpoint ")[2].split("?")[0]
    said = f"walker resumes from checkpoint {oldest}"
    it.until("the rollback", lambda: it.sees(said), "confirm.yes")
    it.press("run.start")
    it.until("walker at work", lambda: it.status("walker") == "running")
    told = it.project.json("why", "walker")["why"]
    assert any(f"from checkpoint {oldest}" in line for line in told), told
    it.until("the dashboard", lambda: it.sees("PROGRESS"), "open-run.back")


def come_back(it: Operator, longwatch: str) -> None:
    before = _newest(it)
    _leave(it)
    it.until("its work to go on meanwhile", lambda: _newest(it) > before)
    it.press(f"clear; {longwatch}", "Enter")
    it.until("the dashboard again", lambda: it.sees("PROGRESS", "walker"))
    assert it.status("walker") == "running"


def _newest(it: Operator) -> int:
    return int(it.project.status_of("walker")["checkpoint"]["generation"])


def _leave(it: Operator) -> None:
    it.press("app.leave")
    it.until("the shell", lambda: it.terminal.screen().rstrip().endswith(("$", "#")))
