"""``longwatch run --headless``: bars under the lines on a terminal, and never anywhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pty_session import Session

COUNTS = """
import os, time
from supervisor.agent import Agent

with Agent() as agent:
    agent.stage("read", 1, 2)
    agent.progress(3, 4, "pages")
    while not os.path.exists("gate"):
        time.sleep(0.02)
    if agent.approve("Publish?", action={"argv": ["make"]}):
        open("said", "a").write("yes")
"""
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
UP = re.compile(r"\x1b\[\d*A|\x1b\[2K")


@pytest.fixture
def counting(project: Any) -> Any:
    project.script("counter.py", COUNTS)
    project.configure('[agents.counter]\ncommand = ["{python}", "counter.py"]\n')
    return project


@pytest.fixture
def session(counting: Any) -> Iterator[Session]:
    opened = Session(counting, "run", "--headless", "counter", COLUMNS="", LINES="")
    yield opened
    opened.close()


def test_a_terminal_gets_a_bar_an_agent_and_a_question_in_between(
    counting: Any, session: Session
) -> None:
    session.expect("███████████████     ")
    session.expect("75%")
    session.expect("read: 3 of 4 pages")
    (counting.directory / "gate").touch()
    asked = session.expect("Allow? y / n")
    assert "█" not in asked[asked.index("hash ") :], "a bar stands within the question"
    session.type("y\n")
    session.expect("counter: succeeded")
    assert session.end() == 0
    assert (counting.directory / "said").read_text() == "yes"
    assert UP.search(session.seen), "the bars were never drawn anew"
    assert "\x1b[?25l" not in session.seen, "a hidden cursor outlives a kill"
    after = ESCAPE.sub("", session.seen[session.seen.rindex("succeeded") :])
    assert "█" not in after, "a bar was left behind"


def test_a_stop_by_the_keyboard_leaves_no_bar_behind(session: Session) -> None:
    session.expect("75%")
    session.type("\x03")
    session.expect("stopping what this command started")
    session.expect("counter: stopped")
    assert session.end() == 1
    assert "█" not in session.seen[session.seen.rindex("stopping what") :]


@pytest.mark.parametrize("terminal", ["dumb", "unknown"])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(counting: Any, terminal: str) -> None:
    (counting.directory / "gate").touch()
    session = Session(counting, "run", "--headless", "counter", TERM=terminal)
    try:
        session.expect("Allow? y / n")
        session.type("y\n")
        session.expect("counter: succeeded")
        assert session.end() == 0
        assert "█" not in session.seen and "\x1b" not in session.seen
    finally:
        session.close()


def test_a_pipe_gets_lines_and_nothing_else(project: Any) -> None:
    project.script("counter.py", COUNTS[: COUNTS.index("    if agent.approve")])
    project.configure('[agents.counter]\ncommand = ["{python}", "counter.py"]\n')
    (project.directory / "gate").touch()
    done = project.run("run", "--headless", "counter")
    assert "counter: succeeded" in done.stdout
    assert "█" not in done.stdout and "\x1b" not in done.stdout
