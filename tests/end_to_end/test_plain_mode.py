"""``longwatch --plain``: everything by the line, on a real terminal with a real engine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from pty_session import Session

WORKS_AND_ASKS = """
import os, time
from supervisor.agent import Agent

with Agent() as agent:
    agent.stage("read", 1, 2)
    agent.progress(1, 4, "pages")
    print("the first page", flush=True)
    while not os.path.exists("gate"):
        time.sleep(0.02)
    answer = agent.approve("Publish?", action={"argv": ["make", "publish"]})
    open("said", "a").write(f"{bool(answer)} {answer.comment}\\n")
"""
PATIENT = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"
CONFIG = """
[agents.writer]
command = ["{python}", "writer.py"]
autostart = true
[agents.sleeper]
command = ["{python}", "sleeper.py"]
autostart = true
stop_grace = "1s"
"""
CALL = "\a\x1b]9;longwatch: writer asks: Publish?\a"
CALL += "\x1b]777;notify;longwatch;writer asks: Publish?\a"
OURS = re.compile(r"[^\x1b\x07\x08\x0b\x0c]*")


@pytest.fixture
def plain(project: Any) -> Iterator[Session]:
    project.script("writer.py", WORKS_AND_ASKS)
    project.script("sleeper.py", PATIENT)
    project.configure(CONFIG)
    session = Session(project, "--plain")
    yield session
    session.close()


def test_a_working_day_by_the_line(project: Any, plain: Session) -> None:
    plain.expect("Type help for the commands, quit to leave.")
    plain.expect("sleeper is ")
    project.wait_for("sleeper", "running")
    project.wait_for("writer", "running")
    plain.type("log writer\n")
    plain.expect("the first page")
    plain.type("statsu\n")
    plain.expect("Did you mean status?")
    plain.type("why sleeper\n")
    plain.expect("sleeper is running since")

    # Typed before the question was read, so it answers nothing.
    (project.directory / "gate").touch()
    plain.expect("Question 1, writer asks: Publish? To answer, type: answer 1")
    plain.type("y\n")
    plain.expect("There is no command 'y'")
    plain.type("answer 1\n")
    plain.expect('"make"')
    plain.expect("Allow? y / n")
    plain.type("y looks good\n")
    plain.expect("Question 1 of writer: ")
    plain.expect("writer: succeeded")
    assert (project.directory / "said").read_text() == "True looks good\n"

    plain.type("stop sleeper\n")
    plain.expect("Type yes or no.")
    plain.type("no\n")
    plain.expect("Left as it is.")
    plain.type("stop sleeper\n")
    plain.expect("Type yes or no.")
    plain.type("yes\n")
    plain.expect("sleeper: stopped")
    plain.type("start nobody\n")
    plain.expect("Not done: ")
    plain.type("quit\n")
    plain.expect("Left. The agents go on.")
    assert plain.end() == 0
    assert plain.seen.count(CALL) == 1, "the terminal did not call once for the question"
    assert OURS.fullmatch(plain.seen.replace(CALL, "")), (
        "something moved the cursor or made a colour"
    )
    assert "Traceback" not in plain.seen


def test_leaving_leaves_the_agents_and_coming_back_finds_the_question(
    project: Any, plain: Session
) -> None:
    (project.directory / "gate").touch()
    plain.expect("Question 1, writer asks")
    plain.type("answer\n")
    plain.expect("Allow? y / n")
    plain.type("\n")
    plain.expect("Question 1 stays open.")
    plain.type("\x03")
    plain.expect("Left. The agents go on.")
    assert plain.end() == 0
    assert project.status_of("sleeper")["status"] == "running"
    again = Session(project, "--plain")
    try:
        again.expect("writer asks: Publish?")
        again.type("questions\n")
        again.expect("Question 1, writer asks: Publish?")
        again.type("answer 1\n")
        again.expect("Allow? y / n")
        again.type("n not today\n")
        again.expect("writer: succeeded")
        again.type("\x04")
        assert again.end() == 0
    finally:
        again.close()
    assert (project.directory / "said").read_text() == "False not today\n"


def test_a_dumb_terminal_gets_the_lines_by_itself(project: Any) -> None:
    project.script("sleeper.py", PATIENT)
    project.configure('[agents.sleeper]\ncommand = ["{python}", "sleeper.py"]\n')
    session = Session(project, TERM="dumb")
    try:
        session.expect("Longwatch, line by line.")
        session.type("quit\n")
        assert session.end() == 0
        assert OURS.fullmatch(session.seen)
    finally:
        session.close()


def test_without_a_terminal_it_says_and_does_but_answers_nothing(project: Any) -> None:
    project.script("writer.py", WORKS_AND_ASKS)
    project.configure('[agents.writer]\ncommand = ["{python}", "writer.py"]\nautostart = true\n')
    (project.directory / "gate").touch()
    project.run("up")
    project.wait_for("writer", "waiting", "parked")
    done = subprocess.run(
        project.command("--plain"), cwd=project.directory, env=project.environment, text=True,
        input="questions\nanswer 1\ny\nquit\n", capture_output=True, timeout=45, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Answers need a terminal. Elsewhere: longwatch answer" in done.stdout
    assert project.status_of("writer")["status"] in ("waiting", "parked")
