"""``longwatch up --foreground``: the process that a service manager started is the keeper."""

from __future__ import annotations

import json
import signal
from typing import Any

import psutil
from pty_session import Session

SLEEPER = '[agents.sleeper]\ncommand = ["sleep", "600"]\nautostart = true\n'


def keeper_pid(project: Any) -> int | None:
    try:
        text = (project.directory / ".longwatch" / "keeper.lock").read_text()
        return int(json.loads(text)["pid"])
    except (OSError, ValueError, KeyError):
        return None


def up_here(project: Any, *words: str) -> Any:
    process = project.follow("up", "--foreground", *words)
    project.wait("the keeper to be that process", lambda: keeper_pid(project) == process.pid)
    project.wait("an engine to answer", lambda: project.run("status", check=None).returncode == 0)
    return process


def test_a_stop_and_a_start_of_the_service_leave_the_agent_its_process(project: Any) -> None:
    project.configure(SLEEPER)
    service = up_here(project)
    agent = project.wait_for("sleeper", "running")["pid"]
    assert agent in {child.pid for child in psutil.Process(service.pid).children()}

    second = project.run("up", "--foreground", check=3)
    assert f"pid {service.pid}" in second.stderr and "longwatch down" in second.stderr
    assert "already running" in project.run("up").stdout

    service.send_signal(signal.SIGTERM)
    assert service.wait(45) == 0
    assert psutil.pid_exists(agent), "the agent goes on without us"

    service = up_here(project)
    run = project.wait_for("sleeper", "running")
    assert (run["pid"], run["attempt"]) == (agent, 1), "adopted, not started again"

    # A kill -9 of the service, which is what systemd restarts after.
    service.kill()
    service.wait(45)
    up_here(project)
    assert project.wait_for("sleeper", "running")["pid"] == agent


def test_a_new_keeper_program_keeps_the_pid_that_the_service_manager_watches(project: Any) -> None:
    project.configure(SLEEPER)
    service = up_here(project)
    agent = project.wait_for("sleeper", "running")["pid"]
    project.run("upgrade-engine", "--keeper")
    assert service.poll() is None and keeper_pid(project) == service.pid
    assert project.status_of("sleeper")["pid"] == agent


def test_ctrl_c_ends_the_keeper_in_a_terminal_and_the_agent_goes_on(project: Any) -> None:
    project.configure(SLEEPER)
    session = Session(project, "up", "--foreground")
    session.expect("Ctrl-C or SIGTERM ends it and the agents go on")
    agent = project.wait_for("sleeper", "running")["pid"]
    session.type("\x03")
    assert session.process.wait(45) == 0
    assert psutil.pid_exists(agent)


def test_without_autostart_only_keeper_and_engine_start_and_down_ends_them(project: Any) -> None:
    project.configure(SLEEPER)
    service = up_here(project, "--no-autostart")
    assert project.runs() == []
    project.run("down")
    assert service.wait(45) == 0


def test_a_wrong_configuration_starts_nothing_and_says_why(project: Any) -> None:
    project.configure("[agents.a]\ncomand = 1\n")
    assert "comand" in project.run("up", "--foreground", check=2).stderr
    assert keeper_pid(project) is None


def test_a_change_of_config_toml_while_nothing_ran_counts_for_the_next_attempt(
    project: Any,
) -> None:
    project.configure('[agents.a]\ncommand = ["sh", "-c", "echo old; exec sleep 600"]\n')
    project.run("up")
    project.run("start", "a")
    project.wait_for("a", "running")
    project.run("down")
    project.configure('[agents.a]\ncommand = ["sh", "-c", "echo new; exec sleep 600"]\n')
    project.run("up")
    assert project.status_of("a")["attempt"] == 1
    project.run("restart", "a")
    project.wait("the new command", lambda: "new" in project.run("logs", "a").stdout)
