"""Real agents under the real command: what a person relies on, seen from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil

COUNTING_AGENT = """
import os, signal, sys
from supervisor.agent import Agent

with Agent() as agent:
    ledger = open(agent.run_dir + "/ledger", "a", buffering=1)
    for item in agent.track(list(range(12)), stage="count", unit="items"):
        ledger.write(f"{item}\\n")
        if item == 7 and agent.attempt == 1:
            agent.checkpoint({"after": item})
            os.kill(os.getpid(), signal.SIGKILL)
"""

ASKING_AGENT = """
from supervisor.agent import Agent

with Agent() as agent:
    agent.stage("ask", 1, 1)
    action = {"argv": ["make", "publish"]}
    answer = agent.approve("Publish the report?", action=action, default=True)
    print("allowed" if answer else "denied", answer.comment, flush=True)
"""

PATIENT = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"


def config(name: str, command: list[str], **settings: Any) -> str:
    lines = [f"[agents.{name}]", f"command = {json.dumps(command)}"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    return "\n".join(lines) + "\n"


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_plain_command_succeeds_and_its_output_is_kept(project: Any) -> None:
    project.configure(config("hello", ["sh", "-c", "echo out; echo err >&2"]))
    done = project.run("run", "--headless")
    assert "succeeded" in done.stdout
    project.run("up")
    assert "out" in project.run("logs", "hello").stdout
    assert "err" in project.run("logs", "hello", "--stderr").stdout


def test_a_permanent_error_is_not_retried_and_the_command_says_so(project: Any) -> None:
    project.configure(config("broken", ["sh", "-c", "exit 65"]))
    done = project.run("run", "--headless", check=1)
    assert "bad input data" in done.stdout
    assert "attempt 2" not in done.stdout


def test_a_missing_program_names_what_was_not_found(project: Any) -> None:
    project.configure(config("absent", ["no-such-program-here"]))
    done = project.run("run", "--headless", check=1)
    assert "no-such-program-here" in done.stdout


def test_a_killed_agent_goes_on_from_its_checkpoint_without_repeating_an_item(project: Any) -> None:
    project.script("count.py", COUNTING_AGENT)
    project.configure(config("count", ["{python}", "count.py"]))
    done = project.run("run", "--headless")
    assert "SIGKILL" in done.stdout and "from checkpoint" in done.stdout
    project.run("up")
    run = project.status_of("count")
    assert run["status"] == "succeeded" and run["retries"] == 1 and run["attempt"] == 2
    items = [int(line) for line in (project.run_dir(run) / "ledger").read_text().split()]
    # The item in flight at the kill may run again (at least once); no completed one does.
    assert [item for item in items if item != 7] == [i for i in range(12) if i != 7]


def test_a_question_parks_the_run_and_the_answer_starts_it_again(project: Any) -> None:
    project.script("ask.py", ASKING_AGENT)
    project.configure(config("asker", ["{python}", "ask.py"]))
    follower = project.follow("run", "--headless")
    run = project.wait_for("asker", "parked")
    assert run["pid"] is None
    (request,) = project.json("requests")["requests"]
    assert request["action"] == {"argv": ["make", "publish"]}
    wrong = project.run("answer", request["id"], "--allow", "--hash", "0" * 64, check=1)
    assert request["hash"][:12] in wrong.stderr
    project.run(
        "answer", request["id"], "--allow", "--hash", request["hash"], "--comment", "go ahead"
    )
    assert follower.wait(30) == 0
    output = follower.stdout.read()
    assert f"longwatch answer {request['id']} --allow" in output
    again = project.run("answer", request["id"], "--deny", check=None)
    assert again.returncode in (1, 4)
    log = project.directory / ".longwatch" / "records" / run["id"] / "out.log"
    assert log.read_text() == "allowed go ahead\n"


def test_unattended_applies_the_stated_default(project: Any) -> None:
    project.script("ask.py", ASKING_AGENT)
    project.configure(config("asker", ["{python}", "ask.py"]))
    project.run("run", "--headless", "--unattended")


def test_the_task_timeout_bounds_all_attempts_together(project: Any) -> None:
    project.configure(
        config("slow", ["sh", "-c", "sleep 1; exit 1"], timeout="2.5s", stop_grace="1s")
        + "[agents.slow.retry]\nbase_delay_seconds = 0.1\n"
    )
    done = project.run("run", "--headless", check=1)
    assert "timed out" in done.stdout
    project.run("up")
    run = project.status_of("slow")
    assert run["status"] == "timed_out" and run["attempt"] >= 2


def test_a_crash_loop_is_held_for_the_operator(project: Any) -> None:
    project.configure(
        config("loop", ["sh", "-c", "exit 3"])
        + "[agents.loop.retry]\nbase_delay_seconds = 0.01\nmax_delay_seconds = 0.05\n"
    )
    done = project.run("run", "--headless", check=1)
    assert "crash loop" in done.stdout and "longwatch restart loop" in done.stdout


def test_stop_ends_everything_the_run_started(project: Any) -> None:
    project.configure(
        config(
            "tree",
            ["sh", "-c", "trap '' TERM; setsid sleep 600 & (sleep 601 &) ; echo $$; sleep 602"],
            stop_grace="0.5s",
        )
    )
    project.run("up")
    project.run("start", "tree")
    run = project.wait_for("tree", "running")

    def family() -> list[int]:
        marker = f"LONGWATCH_RUN_ID={run['id']}".encode()
        found = []
        for process in psutil.process_iter():
            try:
                environment = Path(f"/proc/{process.pid}/environ").read_bytes()
            except OSError:
                continue
            if marker in environment.split(b"\0"):
                found.append(process.pid)
        return found

    project.wait("four processes", lambda: len(family()) >= 4)
    project.run("stop", "tree")
    project.wait_for("tree", "stopped")
    assert family() == []


def test_an_agent_outlives_the_engine_and_is_adopted(project: Any) -> None:
    project.script("patient.py", PATIENT)
    project.configure(config("patient", ["{python}", "patient.py"]))
    project.run("up")
    project.run("start", "patient")
    pid = project.wait_for("patient", "running")["pid"]
    engine = project.json("status")["engine"]["pid"]
    os.kill(engine, signal.SIGKILL)

    def replaced() -> bool:
        done = project.run("status", "--json", check=None)
        return done.returncode == 0 and json.loads(done.stdout)["engine"]["pid"] != engine

    project.wait("a new engine", replaced)
    run = project.status_of("patient")
    assert run["pid"] == pid and run["attempt"] == 1 and alive(pid)
    project.run("stop", "patient")
    project.wait_for("patient", "stopped")
    assert not alive(pid)


def test_leaving_the_engine_keeps_agents_and_the_next_one_adopts_them(project: Any) -> None:
    project.script("patient.py", PATIENT)
    project.configure(config("patient", ["{python}", "patient.py"]))
    project.run("up")
    project.run("start", "patient")
    pid = project.wait_for("patient", "running")["pid"]
    said = project.run("down")
    assert "patient" in said.stdout
    assert alive(pid)
    project.run("status", check=4)
    project.run("up")
    assert project.status_of("patient")["pid"] == pid
    project.run("down", "--stop-agents")
    project.wait("the agent to be gone", lambda: not alive(pid))


def test_interrupting_run_stops_what_it_started(project: Any) -> None:
    project.script("patient.py", PATIENT)
    project.configure(config("patient", ["{python}", "patient.py"]))
    follower = project.follow("run", "--headless")
    pid = project.wait_for("patient", "running")["pid"]
    follower.send_signal(signal.SIGINT)
    assert follower.wait(30) != 0
    assert not alive(pid)
    assert "stop" in follower.stdout.read()


def test_a_lost_terminal_only_detaches(project: Any) -> None:
    project.script("patient.py", PATIENT)
    project.configure(config("patient", ["{python}", "patient.py"]))
    follower = project.follow("run", "--headless")
    pid = project.wait_for("patient", "running")["pid"]
    follower.send_signal(signal.SIGHUP)
    follower.wait(30)
    assert alive(pid)
    assert project.status_of("patient")["status"] == "running"


def test_many_starts_at_once_give_one_process(project: Any) -> None:
    project.script("patient.py", PATIENT)
    project.configure(config("patient", ["{python}", "patient.py"]))
    started = [project.follow("up") for _ in range(3)]
    assert [process.wait(40) for process in started] == [0, 0, 0]
    starters = [project.follow("start", "patient") for _ in range(4)]
    assert [process.wait(40) for process in starters] == [0, 0, 0, 0]
    project.wait_for("patient", "running")
    assert len(project.runs()) == 1
    keepers = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any("keeper" in part for part in process.info["cmdline"] or [])
        and str(project.directory) in " ".join(process.info["cmdline"] or [])
    ]
    assert len(keepers) == 1


def test_a_bad_configuration_names_file_key_found_and_expected(project: Any) -> None:
    project.configure('[agents.a]\ncommand = "echo hi"\ntimeot = "2h"\n')
    done = project.run("run", "--headless", check=2)
    for part in ("config.toml", "command", "a list", "timeot", "timeout"):
        assert part in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_reload_keeps_the_running_configuration(project: Any) -> None:
    project.configure(config("hello", ["sh", "-c", "echo hi"]))
    project.run("up")
    project.configure("[agents.hello]\ncommand = 3\n")
    project.wait(
        "the refusal in the log",
        lambda: "configuration refused" in project.run("events").stdout,
    )
    project.run("start", "hello")
    project.wait_for("hello", "succeeded")


def test_nothing_runs_here_is_exit_status_four(project: Any) -> None:
    project.configure(config("hello", ["true"]))
    for verb in ("status", "requests", "down"):
        done = project.run(verb, check=4)
        assert "longwatch up" in done.stderr


def test_events_follow_prints_what_happens(project: Any) -> None:
    project.configure(config("hello", ["sh", "-c", "sleep 0.2"]))
    project.run("up")
    follower = project.follow("events", "-f")
    project.run("start", "hello")
    project.wait_for("hello", "succeeded")
    seen = ""
    assert follower.stdout is not None
    while "succeeded" not in seen:
        line = follower.stdout.readline()
        assert line, seen
        seen += line
    assert "attempt 1 starting" in seen


def test_logs_follow_shows_new_lines(project: Any) -> None:
    script = "for i in 1 2 3 4 5 6; do echo line-$i; sleep 0.2; done"
    project.configure(config("chatty", ["sh", "-c", script]))
    project.run("up")
    project.run("start", "chatty")
    follower = project.follow("logs", "chatty", "-f")
    try:
        output, _ = follower.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        follower.kill()
        output, _ = follower.communicate()
    assert "line-6" in output


def test_a_following_command_outlives_the_engine(project: Any) -> None:
    gate = project.directory / "gate"
    script = f"while [ ! -e {gate} ]; do sleep 0.05; done"
    project.configure(config("patient", ["sh", "-c", script]))
    follower = project.follow("run", "--headless")
    project.wait_for("patient", "running")
    engine = project.json("status")["engine"]["pid"]
    os.kill(engine, signal.SIGKILL)
    project.wait("the engine to be gone", lambda: not alive(engine))
    gate.touch()
    assert follower.wait(40) == 0
    assert "succeeded" in follower.stdout.read()


def test_interrupting_run_leaves_alone_what_ran_before(project: Any) -> None:
    project.script("patient.py", PATIENT)
    project.configure(config("patient", ["{python}", "patient.py"]))
    project.run("up")
    project.run("start", "patient")
    pid = project.wait_for("patient", "running")["pid"]
    follower = project.follow("run", "--headless", "patient")
    assert follower.stdout is not None
    follower.stdout.readline()
    follower.send_signal(signal.SIGINT)
    assert follower.wait(30) != 0
    assert alive(pid)
