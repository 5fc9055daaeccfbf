"""Keeper and engine killed at the very instructions where something could be lost."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator

import pytest
from fault_project import LEDGER_AGENT, FaultProject, only_long
from invariants import check_everything, read_events

from supervisor.core import events as e

QUICK_TIMEOUT = {"fd": None, "call_timeout_s": 0.3}
LINK = "supervisor.process.keeper_link:KeeperLink"
DYING = """
import os, signal, sys, time
from supervisor.agent import Agent
with Agent() as agent:
    for item in agent.track(range(6)):
        if item == 2 and agent.attempt == 1:
            print("waiting", flush=True)
            while not os.path.exists("go"):
                time.sleep(0.005)
        if item == 4 and agent.attempt == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        print("item", item, flush=True)
"""


@pytest.fixture
def project() -> Iterator[FaultProject]:
    made = FaultProject()
    try:
        yield made
    finally:
        made.end()


def point(project: FaultProject, at: str, when: str, do: str) -> None:
    """Arrange a fault inside the engine, reached once."""
    known = json.loads(project.environment.get("LWF_POINTS", "[]"))
    once = str(project.directory / f"reached-{len(known)}")
    known.append({"at": at, "when": when, "do": do, "once": once})
    project.environment["LWF_POINTS"] = json.dumps(known)
    project.hook()


def reached(project: FaultProject, number: int = 0) -> bool:
    return (project.directory / f"reached-{number}").exists()


def configure(project: FaultProject, name: str, command: list[str], extra: str = "") -> None:
    path = project.directory / "config.toml"
    known = path.read_text() if path.exists() else ""
    retry = f"[agents.{name}.retry]\nbase_delay_seconds = 0.05\n"
    path.write_text(
        f"{known}[agents.{name}]\ncommand = {json.dumps(command)}\nautostart = true\n"
        f'stop_grace = "1s"\n{extra}{retry}'
    )


def ledger_agent(project: FaultProject, kind: str, count: int = 8, pace_s: float = 0.01) -> None:
    place = str(project.ledgers)
    command = ["{python}", str(LEDGER_AGENT), kind, place, str(count), str(pace_s)]
    configure(project, "agent", command)


def be_up(project: FaultProject) -> None:
    """Everything may have died meanwhile: ``longwatch up`` again."""
    project.wait("nobody or a whole pair", lambda: len(project.holders()) in (0, 2))
    if not project.holders():
        project.run("up")


def violations(project: FaultProject) -> list[str]:
    return check_everything(project.files.state_db, {"agent": project.ledger("agent")}, [], [])


def starts(project: FaultProject) -> list[tuple[int, int]]:
    """(epoch, pid) of each process, as the ledger has it."""
    lines = project.ledger("agent")
    return [(line["epoch"], line["pid"]) for line in lines if line["what"] == "began"]


def test_killed_between_the_stored_start_and_the_spawn_it_starts_once(
    project: FaultProject,
) -> None:
    ledger_agent(project, "work")
    point(project, f"{LINK}.spawn", "before", "engine")
    project.run("up", check=None)  # The engine dies while it is asked.
    run = project.wait_for("agent", "succeeded")
    assert reached(project) and run["epoch"] == 1
    assert len(starts(project)) == 1 and violations(project) == []


@only_long
def test_killed_right_after_the_spawn_the_process_is_found_again(project: FaultProject) -> None:
    ledger_agent(project, "work", count=40)
    point(project, f"{LINK}.spawn", "after", "engine")
    project.run("up", check=None)  # The engine dies while it is asked.
    run = project.wait_for("agent", "succeeded")
    assert reached(project) and run["epoch"] == 1
    assert len(starts(project)) == 1 and violations(project) == []


def test_both_killed_right_after_the_spawn_leave_no_process_that_nobody_knows(
    project: FaultProject,
) -> None:
    """Its pid was never stored and its keeper is gone: it must not live beside the next one."""
    ledger_agent(project, "stay")
    point(project, f"{LINK}.spawn", "after", "both")
    project.run("up", check=None)
    project.wait("the orphan", lambda: reached(project) and starts(project))
    be_up(project)
    project.wait("the next process", lambda: len(starts(project)) > 1)
    project.wait_for("agent", "running")
    assert starts(project)[0][1] not in project.agent_pids()
    assert [text for text in violations(project) if text.startswith("I3")] == []
    (project.ledgers / "healed").touch()
    project.wait_for("agent", "succeeded")


def test_a_keeper_that_dies_while_it_spawns_leaves_no_process_that_nobody_knows(
    project: FaultProject,
) -> None:
    """Calling that a failed start put the run in backoff beside a living process."""
    ledger_agent(project, "stay")
    point(project, f"{LINK}.spawn", "after", "lost")
    project.run("up", check=None)
    project.wait("the fault", lambda: reached(project))
    be_up(project)
    project.wait("the next process", lambda: len(starts(project)) > 1)
    assert starts(project)[0][1] not in project.agent_pids()
    (project.ledgers / "healed").touch()
    run = project.wait_for("agent", "succeeded")
    assert violations(project) == [] and run.get("retries", 0) == 0


def test_a_keeper_that_dies_during_recovery_makes_nobody_think_the_agent_is_dead(
    project: FaultProject,
) -> None:
    """The engine that was told "lost" took a living agent for gone, and nobody came back."""
    ledger_agent(project, "stay")
    project.run("up")
    pid = project.wait("the agent", lambda: starts(project))[0][1]
    kill_both(project)
    point(project, f"{LINK}.adopt", "before", "lost")
    project.run("up", check=None)
    project.wait("the fault", lambda: reached(project))
    project.wait("a whole pair by itself", lambda: len(project.holders()) == 2 or None)
    project.wait_for("agent", "running")
    assert pid in project.agent_pids() and len(starts(project)) == 1
    (project.ledgers / "healed").touch()
    project.wait("the end", lambda: not project.agent_pids())
    assert violations(project) == []


def test_a_keeper_that_is_stuck_while_it_spawns_is_asked_again(project: FaultProject) -> None:
    """A time-out says nothing about the process: taking it for a refusal started a second wait."""
    ledger_agent(project, "stay")
    project.environment["LWF_POINTS"] = json.dumps(
        [{"at": f"{LINK}.open.__func__.__kwdefaults__", "value": QUICK_TIMEOUT}]
    )
    project.hook()
    project.run("up", "--no-autostart")
    keeper = project.holders()["keeper"]
    project.kill(keeper, signal.SIGSTOP)
    try:
        project.run("start", "agent")
        time.sleep(1.0)  # Three time-outs.
        assert project.states()["agent"]["status"] == "starting"
    finally:
        project.kill(keeper, signal.SIGCONT)
    run = project.wait_for("agent", "running")
    project.wait("the agent", lambda: starts(project))
    assert run["epoch"] == 1 and len(starts(project)) == 1
    (project.ledgers / "healed").touch()
    project.wait_for("agent", "succeeded")


@only_long
def test_an_exit_while_the_engine_is_down_is_read_from_its_record(project: FaultProject) -> None:
    configure(project, "agent", ["sh", "-c", "while [ ! -e go ]; do sleep 0.02; done; exit 65"])
    project.run("up")
    project.wait_for("agent", "running")
    engine = project.holders()["engine"]
    project.kill(engine, signal.SIGSTOP)
    (project.directory / "go").touch()
    project.wait("the agent's end", lambda: not project.agent_pids())
    project.kill(engine)
    run = project.wait_for("agent", "failed")
    assert "bad input data" in run["reason"]


def test_a_kill_that_nobody_saw_may_have_been_the_oom_killer_when_that_was_at_work(
    project: FaultProject,
) -> None:
    """Its count went up while no engine looked: said as what it is, and only then."""
    configure(project, "agent", ["sleep", "600"])
    project.run("up")

    def killed_unseen(turn: int, *, counted: int) -> str:
        project.wait("to run", lambda: project.states()["agent"]["status"] == "running")
        project.wait("the count", project.files.oom_file.exists)
        ((pid, run),) = project.wait("the agent", project.agent_pids).items()
        engine = project.holders()["engine"]
        project.kill(engine, signal.SIGSTOP)
        known = json.loads(project.files.oom_file.read_text())
        known["count"] -= counted  # As if the kernel had killed so many since.
        project.files.oom_file.write_text(json.dumps(known))
        project.kill(pid)
        project.wait("the record", project.files.exit_record(run, turn).exists)
        project.kill(engine)
        again = {"agent": {"epoch": 0}}
        project.wait("another", lambda: {**again, **project.states()}["agent"]["epoch"] > turn)
        exits = [r.event for r in read_events(project.files.state_db)
                 if isinstance(r.event, e.AttemptExited)]  # fmt: skip
        assert len(exits) == turn
        return exits[-1].exit.cause

    assert killed_unseen(1, counted=0) == "killed by SIGKILL"
    cause = killed_unseen(2, counted=1)
    assert "killed by SIGKILL; it may have been" in cause and "no engine ran" in cause


@only_long
def test_a_dead_keeper_costs_an_agent_nothing(project: FaultProject) -> None:
    ledger_agent(project, "work", count=60)
    project.run("up")
    pid = project.wait("the agent", lambda: starts(project))[0][1]
    project.kill(project.holders()["keeper"])
    be_up(project)
    assert pid in project.agent_pids()
    (project.ledgers / "healed").touch()
    run = project.wait_for("agent", "succeeded")
    assert run["epoch"] == 1 and "declared done" in run["reason"]
    assert violations(project) == []


def test_what_an_agent_saved_while_nobody_watched_is_what_it_resumes_from(
    project: FaultProject,
) -> None:
    """Both die, the agent saves two more checkpoints and dies too: those were thrown away."""
    (project.directory / "dying.py").write_text(DYING)
    configure(project, "agent", ["{python}", "dying.py"])
    project.run("up")
    run = project.wait_for("agent", "running")
    log = project.files.out_log(run["id"])
    project.wait("the agent to wait", lambda: "waiting" in log.read_text() or None)
    kill_both(project)
    (project.directory / "go").touch()
    project.wait("the agent's end", lambda: not project.agent_pids())
    project.run("up")
    project.wait_for("agent", "succeeded")
    items = [line for line in log.read_text().splitlines() if line.startswith("item")]
    assert items == [f"item {number}" for number in range(6)]


def test_an_acknowledged_answer_survives_an_engine_that_dies_before_it_wrote_it(
    project: FaultProject,
) -> None:
    ledger_agent(project, "ask", count=1)
    point(project, "supervisor.engine.perform:write_answer", "before", "engine")
    project.run("up")
    run = project.wait_for("agent", "parked")
    request = run["requests"][0]
    project.run("answer", request["id"], "--deny", "--comment", "not today", check=None)
    project.wait_for("agent", "succeeded")
    line = next(line for line in project.ledger("agent") if line["what"] == "answered")
    assert reached(project) and (line["allow"], line["comment"]) == (False, "not today")


def test_an_acknowledged_stop_survives_an_engine_that_dies_before_it_signalled(
    project: FaultProject,
) -> None:
    ledger_agent(project, "stay")
    point(project, f"{LINK}.stop", "before", "engine")
    project.run("up")
    project.wait("the agent", lambda: starts(project))
    project.run("stop", "agent", "--no-wait", check=None)
    project.wait_for("agent", "stopped")
    assert reached(project) and project.agent_pids() == {}
    assert violations(project) == []


@only_long
def test_a_deadline_holds_while_the_engine_is_dead(project: FaultProject) -> None:
    configure(project, "agent", ["sleep", "600"], 'timeout = "1s"\n')
    project.run("up")
    project.wait_for("agent", "running")
    engine = project.holders()["engine"]
    project.kill(engine, signal.SIGSTOP)
    project.wait("the agent's end", lambda: not project.agent_pids(), 5.0)
    project.kill(engine)
    project.wait_for("agent", "timed_out")


def test_a_backoff_is_not_shortened_by_a_new_engine(project: FaultProject) -> None:
    configure(project, "agent", ["sh", "-c", "date +%s.%N >> times; exit 1"])
    text = (project.directory / "config.toml").read_text()
    (project.directory / "config.toml").write_text(text.replace("= 0.05", "= 4.0"))
    project.run("up")
    project.wait_for("agent", "backoff")
    project.kill(project.holders()["engine"])
    times = project.directory / "times"
    project.wait("a second start", lambda: len(times.read_text().split()) > 1)
    waits = [
        entry.event.next_start.wall
        for entry in read_events(project.files.state_db)
        if isinstance(entry.event, e.BackoffBegan)
    ]
    assert float(times.read_text().split()[1]) >= waits[0] - 0.02


def kill_both(project: FaultProject) -> None:
    """Neither gets to notice the death of the other."""
    both = project.holders()
    project.kill(both["keeper"], signal.SIGSTOP)
    project.kill(both["engine"])
    project.kill(both["keeper"])


def test_a_deadline_that_passed_while_both_were_dead_is_enforced_at_once(
    project: FaultProject,
) -> None:
    configure(project, "agent", ["sleep", "600"], 'timeout = "1.5s"\n')
    project.run("up")
    project.wait_for("agent", "running")
    kill_both(project)
    time.sleep(1.6)
    assert project.agent_pids()
    project.run("up")
    project.wait_for("agent", "timed_out", limit_s=5.0)
    assert not project.agent_pids()


@only_long
def test_a_paused_agent_stays_paused_and_can_go_on_after_both_died(project: FaultProject) -> None:
    ledger_agent(project, "work", count=200)
    project.run("up")
    project.wait("some work", lambda: len(project.ledger("agent")) > 20)
    project.run("pause", "agent")
    project.wait_for("agent", "paused")
    kill_both(project)
    project.run("up")
    project.wait_for("agent", "paused")
    lines = len(project.ledger("agent"))
    time.sleep(0.3)
    assert len(project.ledger("agent")) == lines
    (project.ledgers / "healed").touch()
    project.run("resume", "agent")
    run = project.wait_for("agent", "succeeded")
    assert run["epoch"] == 1 and violations(project) == []


@only_long
def test_a_stop_that_was_stored_ends_the_agent_after_both_died(project: FaultProject) -> None:
    ledger_agent(project, "stay")
    point(project, f"{LINK}.stop", "before", "both")
    project.run("up")
    project.wait("the agent", lambda: starts(project))
    project.run("stop", "agent", "--no-wait", check=None)
    project.wait("the fault", lambda: reached(project))
    be_up(project)
    project.wait_for("agent", "stopped")
    assert not project.agent_pids() and violations(project) == []
