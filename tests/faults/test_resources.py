"""L3: full disks, no descriptors, no hints, floods and frozen processes under the real engine."""

from __future__ import annotations

import json
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from fault_project import LEDGER_AGENT, FaultProject, only_long
from invariants import read_events

HINTS = "supervisor.engine.rounds:Rounds._follow_hints"
PROGRESS = """
import time
from supervisor.agent import Agent
with Agent() as agent:
    for item in agent.track(range(100)):
        agent.progress(completed=item)
        time.sleep(0.1)
"""
WAITING = """
import os, pathlib, time
room = pathlib.Path(os.environ["LONGWATCH_RUN_DIR"])
(room / "requests").mkdir(exist_ok=True)
(room / "requests/.go").write_text('{"kind": "approve", "title": "Go on?"}')
(room / "requests/.go").rename(room / "requests/go.json")
while not (room / "answers/go.json").exists():
    time.sleep(0.02)
"""
TURNING = """
import os, pathlib, time
room = pathlib.Path(os.environ["LONGWATCH_RUN_DIR"])
for turn in range(16):
    text = '{"status": "running", "step": {"completed": %d}}' % turn
    (room / ".next").write_text(text if turn % 2 else text[:-turn - 2])
    (room / ".next").rename(room / "progress.json")
    time.sleep(0.15)
"""
KEEPING = """
import pathlib, time
from supervisor.agent import Agent
with Agent() as agent:
    while not pathlib.Path("ready").exists():
        time.sleep(0.02)
    agent.checkpoint({"page": 7})
    while pathlib.Path("stay").exists():
        time.sleep(0.02)
"""
FLOOD = "import sys\nsys.stdout.write('x' * 3_000_000)\n"


@pytest.fixture
def project() -> Iterator[FaultProject]:
    made = FaultProject()
    try:
        yield made
    finally:
        made.end()


def configure(project: FaultProject, **commands: list[str]) -> None:
    text = "".join(
        f"[agents.{name}]\ncommand = {json.dumps(command)}\n[agents.{name}.retry]\n"
        "base_delay_seconds = 0.1\n"
        for name, command in commands.items()
    )
    (project.directory / "config.toml").write_text(text)


def ledger_agent(project: FaultProject, kind: str, count: int) -> list[str]:
    return ["{python}", str(LEDGER_AGENT), kind, str(project.ledgers), str(count), "0.02"]


def lose_every_hint(project: FaultProject) -> None:
    point = {"at": HINTS, "when": "before", "do": "never", "once": ""}
    project.environment["LWF_POINTS"] = json.dumps([point])
    project.hook()


def test_a_watch_that_loses_every_event_delays_progress_by_two_seconds_at_most(
    project: FaultProject,
) -> None:
    (project.directory / "progress.py").write_text(PROGRESS)
    configure(project, agent=["{python}", "progress.py"])
    lose_every_hint(project)
    project.run("up")
    project.run("start", "agent")

    def shown() -> int:
        progress = project.states()["agent"].get("progress") or {}
        return int((progress.get("step") or {}).get("completed") or 0)

    project.wait("first progress", lambda: shown() > 0, 5.0)
    for _ in range(2):
        before = shown()
        project.wait("more progress", lambda before=before: shown() > before, 3.0)


def test_without_any_hint_a_question_left_behind_still_parks_its_run(
    project: FaultProject,
) -> None:
    """The exit is decided only after a last look: else the question costs a retry, or is lost."""
    configure(project, agent=ledger_agent(project, "ask", 1))
    lose_every_hint(project)
    project.run("up")
    project.run("start", "agent")
    run = project.wait_for("agent", "parked", "backoff", "failed", "succeeded")
    assert (run["status"], run["epoch"], run.get("retries", 0)) == ("parked", 1, 0)


def test_a_flood_of_output_is_written_whether_or_not_anybody_reads(project: FaultProject) -> None:
    (project.directory / "flood.py").write_text(FLOOD)
    configure(project, agent=["{python}", "flood.py"])
    project.run("up")
    engine = project.holders()["engine"]
    project.run("start", "agent")
    project.kill(engine, signal.SIGSTOP)
    try:
        project.wait("the flood's end", lambda: not project.agent_pids(), 10.0)
    finally:
        project.kill(engine, signal.SIGCONT)
    run = project.wait_for("agent", "succeeded")
    assert project.files.out_log(run["id"]).stat().st_size == 3_000_000


def test_on_a_full_disk_the_engine_goes_on_says_so_and_recovers(project: FaultProject) -> None:
    """A limit on the size of files that the engine writes stands in for the disk."""
    configure(project, agent=ledger_agent(project, "work", 150), late=["true"])
    project.run("up")
    project.run("start", "agent")
    project.wait("some work", lambda: len(project.ledger("agent")) > 20)
    engine = project.holders()["engine"]
    before = resource.prlimit(engine, resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))

    def storage() -> str:
        return str((project.ask("hello", client="t", protocol=1) or {"engine": {}})["engine"].get(
            "storage", "ok"))  # fmt: skip

    project.wait("the engine to say so", lambda: storage() != "ok", 10.0)
    assert "cannot" in project.files.engine_log.read_text()
    shown = json.loads(project.run("status", "--json").stdout)
    assert shown["engine"]["storage"] != "ok"
    done = len(project.ledger("agent"))
    project.wait("the agent to work on", lambda: len(project.ledger("agent")) > done + 20)
    assert project.holders()["engine"] == engine
    resource.prlimit(engine, resource.RLIMIT_FSIZE, before)
    project.wait("storing again", lambda: storage() == "ok", 10.0)
    project.run("start", "late")
    project.wait_for("late", "succeeded")
    (project.ledgers / "healed").touch()
    run = project.wait_for("agent", "succeeded")
    assert run["epoch"] == 1


def test_nothing_is_started_stopped_or_acknowledged_before_it_is_stored(
    project: FaultProject,
) -> None:
    """Another program holds the write lock of state.db: nothing can be committed meanwhile."""
    configure(project, one=["sleep", "600"], two=["sleep", "600"])
    project.run("up")
    project.run("start", "one")
    project.wait_for("one", "running")
    before = project.wait("one to live", project.agent_pids)
    lock = sqlite3.connect(project.files.state_db, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    acknowledged: list[str] = []

    def ask(method: str, name: str) -> None:
        client = project.client()
        assert client is not None
        client.call(method, {"names": [name], "by": "test"}, 60.0)
        acknowledged.append(name)
        client.close()

    asked = [Thread(target=ask, args=call) for call in (("start", "two"), ("stop", "one"))]
    for thread in asked:
        thread.start()
    for _ in range(4):
        time.sleep(0.4)
        # It answers: what was asked before has long been looked at.
        project.wait("an answer", lambda: project.ask("hello", client="t", protocol=1))
    assert (project.agent_pids(), acknowledged) == (before, [])
    lock.execute("ROLLBACK")
    lock.close()
    for thread in asked:
        thread.join(30)
    assert sorted(acknowledged) == ["one", "two"]
    project.wait_for("one", "stopped")
    project.wait_for("two", "running")


def test_an_answer_that_the_disk_refused_once_still_reaches_its_agent(
    project: FaultProject,
) -> None:
    """It was stored but its file never written: the agent waited, or came back for it in vain."""
    (project.directory / "waiting.py").write_text(WAITING)
    configure(project, agent=["{python}", "waiting.py"])
    reached = project.directory / "reached"
    point = {"at": "supervisor.engine.perform:write_answer", "when": "before", "do": "full",
             "once": str(reached)}  # fmt: skip
    project.environment["LWF_POINTS"] = json.dumps([point])
    project.hook()
    project.run("up")
    project.run("start", "agent")
    (request,) = project.wait_for("agent", "waiting")["requests"]
    project.ask("answer", id=request["id"], allow=True, comment="go", by="test")
    run = project.wait_for("agent", "succeeded")
    assert reached.exists() and run["epoch"] == 1


def test_a_progress_file_that_is_bad_every_other_time_makes_one_event_and_is_still_read(
    project: FaultProject,
) -> None:
    (project.directory / "turning.py").write_text(TURNING)
    configure(project, agent=["{python}", "turning.py"])
    project.run("up")
    project.run("start", "agent")
    run = project.wait_for("agent", "succeeded")
    assert run["progress"]["step"]["completed"] == 15 and run.get("stale") is None
    kinds = [type(found.event).__name__ for found in read_events(project.files.state_db)]
    assert kinds.count("ProgressRejected") == 1 and kinds.count("ProgressReported") > 4


def keep_from_keeping(project: FaultProject) -> Path:
    """A file stands where the copies of checkpoints go: none can be kept while it is there."""
    (project.directory / "keeping.py").write_text(KEEPING)
    configure(project, agent=["{python}", "keeping.py"])
    project.run("up")
    project.run("start", "agent")
    run = project.wait_for("agent", "running")
    block = project.files.checkpoints_dir(run["id"])
    block.rmdir()
    block.touch()
    return block


def test_a_checkpoint_that_the_machine_refused_is_said_in_one_line_and_kept_later(
    project: FaultProject,
) -> None:
    """It was a traceback, and a file that did not change again was never kept."""
    (project.directory / "stay").touch()
    block = keep_from_keeping(project)
    (project.directory / "ready").touch()

    def flagged() -> bool:
        found = project.states()["agent"].get("anomalies", [])
        return any(anomaly["kind"] == "checkpoint-not-kept" for anomaly in found)

    project.wait("to be told", flagged)
    assert not project.states()["agent"].get("checkpoints")
    block.unlink()
    project.wait("the copy", lambda: project.states()["agent"].get("checkpoints"))
    said = project.files.engine_log.read_text()
    assert said.count("a checkpoint is not kept") == 1 and "Traceback" not in said
    (project.directory / "stay").unlink()
    project.wait_for("agent", "succeeded")


def test_an_exit_counts_even_when_its_last_checkpoint_cannot_be_kept(
    project: FaultProject,
) -> None:
    """The run stayed running without a process until the next engine."""
    keep_from_keeping(project)
    (project.directory / "ready").touch()
    run = project.wait_for("agent", "succeeded")
    assert run["epoch"] == 1 and not run.get("checkpoints")
    assert "Traceback" not in project.files.engine_log.read_text()


def test_without_descriptors_the_engine_lives_and_serves_again(project: FaultProject) -> None:
    configure(project, agent=ledger_agent(project, "work", 40))
    project.run("up")
    engine = project.holders()["engine"]
    used = len(list(Path(f"/proc/{engine}/fd").iterdir()))
    before = resource.prlimit(engine, resource.RLIMIT_NOFILE)
    project.run("start", "agent")
    resource.prlimit(engine, resource.RLIMIT_NOFILE, (used, before[1]))
    time.sleep(1.0)
    assert project.holders()["engine"] == engine
    resource.prlimit(engine, resource.RLIMIT_NOFILE, before)
    run = project.wait_for("agent", "succeeded")
    assert run["epoch"] == 1 and project.holders()["engine"] == engine


@only_long
def test_a_frozen_agent_is_shown_and_still_stopped(project: FaultProject) -> None:
    configure(project, agent=["sleep", "600"])
    text = (project.directory / "config.toml").read_text()
    (project.directory / "config.toml").write_text(
        text.replace("[agents.agent.retry]", 'stop_grace = "0.5s"\n[agents.agent.retry]')
    )
    project.run("up")
    project.run("start", "agent")
    project.wait_for("agent", "running")
    (pid,) = project.wait("the agent", project.agent_pids)
    project.kill(pid, signal.SIGSTOP)
    project.run("stop", "agent")
    assert project.states()["agent"]["status"] == "stopped" and not project.agent_pids()


@only_long
def test_a_keeper_frozen_for_a_while_costs_nothing(project: FaultProject) -> None:
    configure(project, agent=ledger_agent(project, "work", 30))
    project.run("up")
    project.run("start", "agent")
    project.wait("some work", lambda: len(project.ledger("agent")) > 5)
    keeper = project.holders()["keeper"]
    project.kill(keeper, signal.SIGSTOP)
    (project.ledgers / "healed").touch()
    project.wait("the agent's last word", lambda: project.ledger("agent")[-1]["what"] == "done")
    project.kill(keeper, signal.SIGCONT)
    run = project.wait_for("agent", "succeeded")
    assert run["epoch"] == 1 and project.holders()["keeper"] == keeper


@only_long
def test_a_real_full_file_system_ends_no_engine(project: FaultProject) -> None:
    """A 16 MB tmpfs in a namespace of its own: filled, seen, emptied, gone on."""
    probe = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("no user namespaces here")
    script = Path(__file__).with_name("full_disk.py")
    room = project.directory / "room"
    room.mkdir()
    command = 'mount -t tmpfs -o size=16m none "$2" && exec "$0" "$1" "$2"'
    ran = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", command, sys.executable, str(script), str(room)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
