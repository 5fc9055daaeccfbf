"""The real program in a real terminal: answered by keyboard, and all is tidy after."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tmux_terminal import Terminal

ASKING_AGENT = """
from supervisor.agent import Agent

with Agent() as agent:
    agent.stage("ask", 1, 1)
    allowed = agent.approve("Publish the report?", action={"argv": ["make", "publish"]})
    print("allowed" if allowed else "denied", flush=True)
"""

pytestmark = [
    pytest.mark.terminal,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


@pytest.fixture
def terminal(project: Any) -> Iterator[Terminal]:
    opened = Terminal(project, 80, 24)
    try:
        yield opened
    finally:
        opened.close()


def test_a_question_is_answered_by_keyboard_and_the_terminal_is_sane_after(
    project: Any, terminal: Terminal
) -> None:
    project.script("ask.py", ASKING_AGENT)
    project.configure('[agents.asker]\ncommand = ["{python}", "ask.py"]\nautostart = true\n')
    terminal.type(f"{sys.executable} -m supervisor.cli.main", "Enter")
    terminal.wait("the waiting run", lambda screen: "Publish the report?" in screen)
    terminal.type("i")
    terminal.wait("the exact action", lambda screen: "publish" in screen and "argv" in screen)

    def answered() -> bool:
        # Keys are dead for a moment after the question appears; a person presses again.
        terminal.type("y")
        run = project.status_of("asker")
        return run["status"] == "succeeded"

    project.wait("the run to go on after the answer", answered)
    log = project.directory / ".longwatch" / "records"
    (out,) = log.glob("*/out.log")
    assert out.read_text() == "allowed\n"
    # No Escape right before it: a terminal takes the two for one key.
    terminal.wait("the dashboard", lambda screen: "1 done" in screen)
    terminal.type("q")
    terminal.wait("the shell", lambda screen: screen.rstrip().endswith(("$", "#")))
    assert terminal.modes() == "0 0 1"
    terminal.type("stty -a | grep -c ' -icanon\\| -echo ' ; echo sa''ne", "Enter")
    screen = terminal.wait("an echoing shell", lambda screen: "sane" in screen)
    assert "0\nsane" in screen
    # The interface is a client: the engine is still there.
    assert project.status_of("asker")["status"] == "succeeded"


def test_another_machine_is_worked_in_a_terminal_and_comes_back_after_a_cut(
    project: Any, terminal: Terminal, box: Any
) -> None:
    script = project.script("asking.py", ASKING_AGENT)
    command = json.dumps(["{python}", str(script)])
    project.configure(f"[agents.asker]\ncommand = {command}\nautostart = true\n")
    ssh = shlex.quote(box.environment()["LONGWATCH_SSH"])
    program = f"{sys.executable} -m supervisor.cli.main --host box:{project.directory}"
    terminal.type(f"LONGWATCH_SSH={ssh} {program}", "Enter")
    terminal.wait("the request", lambda screen: "asks you" in screen and "asker" in screen)
    box.stop()
    try:
        lost = terminal.wait("the loss", lambda screen: "trying again in" in screen)
        assert "connection to box lost" in lost
        assert "asker" in lost, "the last state stays"
    finally:
        box.start()
    terminal.wait("the connection", lambda screen: "● live" in screen)
    terminal.type("i")
    terminal.wait("the question", lambda screen: "asks for approval" in screen)

    def answered() -> bool:
        # Keys are dead for a moment after a question appeared; a key too many means nothing.
        terminal.type("y")
        return bool(project.status_of("asker")["status"] == "succeeded")

    project.wait("the approval", answered)
    terminal.wait("the dashboard", lambda screen: "asks for approval" not in screen)
    terminal.type("q")
    terminal.wait("the shell", lambda screen: screen.rstrip().endswith(("$", "#")))
    project.wait("nothing left there", lambda: not box.sessions())
