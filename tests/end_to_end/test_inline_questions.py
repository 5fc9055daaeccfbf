"""``longwatch run --headless`` on a terminal: questions are answered between the lines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from pty_session import Session

LIMIT_S = 45.0

ASKS_FOUR_TIMES = """
from supervisor.agent import Agent

with Agent() as agent:
    publish = agent.approve("Publish?", action={"argv": ["make", "publish"]})
    colour = agent.choose("Which colour?", ["red", "dark blue"])
    title = agent.ask("Which title?")
    delete = agent.approve("Delete the drafts?", action={"argv": ["rm", "-r", "drafts"]})
    with open("said", "w") as said:
        print(bool(publish), publish.comment, colour, title, file=said, sep=", ")
        print(bool(delete), delete.comment, file=said, sep=", ")
"""

ASKS_BEHIND_A_GATE = """
import os, time
from supervisor.agent import Agent

with Agent() as agent:
    print("up", flush=True)
    while not os.path.exists("gate"):
        time.sleep(0.02)
    answer = agent.approve("Publish?", action={"argv": ["make", "publish"]})
    open("said", "a").write(f"{bool(answer)} {answer.comment}\\n")
"""

PATIENT = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"


@pytest.fixture
def follow(project: Any) -> Iterator[Any]:
    opened: list[Session] = []

    def start(script: str, settings: str = "") -> Session:
        project.script("agent.py", script)
        project.configure(f'[agents.asker]\ncommand = ["{{python}}", "agent.py"]\n{settings}\n')
        opened.append(Session(project, "run", "--headless"))
        return opened[-1]

    yield start
    for session in opened:
        session.close()


def test_each_kind_of_question_is_answered_where_it_is_asked(project: Any, follow: Any) -> None:
    session = follow(ASKS_FOUR_TIMES)
    shown = session.expect("empty leaves it open): ")
    assert "asker asks" in shown and "Publish?" in shown and '"make"' in shown and "hash" in shown
    session.type("y looks good\n")
    shown = session.expect("Your choice, 1 to 2 (empty leaves it open): ")
    assert "2. dark blue" in shown
    session.type("2\n")
    session.expect("Your text (empty leaves it open): ")
    session.type("The Title\n")
    assert "drafts" in session.expect("empty leaves it open): ")
    session.type("n not now\n")
    assert session.end() == 0, session.seen
    said = (project.directory / "said").read_text()
    assert said == "True, looks good, dark blue, The Title\nFalse, not now\n"


def test_keys_typed_before_the_question_are_no_answer_and_an_empty_line_leaves_it_open(
    project: Any, follow: Any
) -> None:
    session = follow(ASKS_BEHIND_A_GATE)
    session.expect("started, pid")
    session.type("y\n\n\ny")
    (project.directory / "gate").touch()
    session.expect("empty leaves it open): ")
    time_to_be_wrong = time.monotonic() + 0.5
    while time.monotonic() < time_to_be_wrong:
        session._read(0.05)
    (request,) = project.json("requests")["requests"]
    assert "left open" not in session.seen
    session.type("\n")
    session.expect("left open; answer it with: longwatch answer")
    assert not (project.directory / "said").exists()
    project.run("answer", request["id"], "--deny", "--comment", "elsewhere")
    assert session.end() == 0, session.seen
    assert (project.directory / "said").read_text() == "False elsewhere\n"


@pytest.mark.parametrize("typed", ["\x04", "perhaps\n"])
def test_the_end_of_input_and_anything_unclear_leave_it_open(
    project: Any, follow: Any, typed: str
) -> None:
    session = follow(ASKS_BEHIND_A_GATE)
    (project.directory / "gate").touch()
    session.expect("empty leaves it open): ")
    session.type(typed)
    assert "longwatch answer" in session.expect("--allow | --deny")
    (request,) = project.json("requests")["requests"]
    assert request["state"] == "open"
    session.type("\x03")
    session.expect("stopping what this command started")
    assert session.end() == 1


def test_a_question_left_open_is_asked_again_when_it_is_reminded_of(
    project: Any, follow: Any
) -> None:
    session = follow(ASKS_BEHIND_A_GATE, 'remind_after = "1s"')
    (project.directory / "gate").touch()
    session.expect("empty leaves it open): ")
    session.type("\n")
    session.expect("left open")
    assert "still waits for you" in session.expect("empty leaves it open): ")
    assert session.seen.count("\a\x1b]9;longwatch: asker asks: Publish?\a") == 2
    session.type("y at last\n")
    assert session.end() == 0, session.seen
    assert (project.directory / "said").read_text() == "True at last\n"


def test_closing_the_window_leaves_the_agent_running(project: Any, follow: Any) -> None:
    session = follow(PATIENT)
    session.expect("started, pid")
    pid = project.wait_for("asker", "running")["pid"]
    session.hang_up()
    session.process.wait(LIMIT_S)
    assert psutil.Process(pid).is_running()
    run = project.status_of("asker")
    assert (run["status"], run["pid"], run["attempt"]) == ("running", pid, 1)


def test_closing_the_window_at_a_question_leaves_the_question_open(
    project: Any, follow: Any
) -> None:
    session = follow(ASKS_BEHIND_A_GATE)
    (project.directory / "gate").touch()
    session.expect("empty leaves it open): ")
    session.hang_up()
    session.process.wait(LIMIT_S)
    (request,) = project.json("requests")["requests"]
    project.run("answer", request["id"], "--allow", "--hash", request["hash"])
    project.wait_for("asker", "succeeded")
    assert (project.directory / "said").read_text() == "True None\n"
