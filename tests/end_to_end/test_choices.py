"""What an operator may do to a run that is held, and to an engine that is to be replaced."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psutil

POISONED = """
import json, os, sys, time
target = os.path.join(os.environ["LONGWATCH_RUN_DIR"], "checkpoint.json")
resume = os.environ.get("LONGWATCH_RESUME_FROM")
start = json.load(open(resume))["n"] if resume else 0
if start == 3:
    print("poisoned \\x1b[31mstate", file=sys.stderr)
    print("token is " + os.environ["API_TOKEN"], file=sys.stderr)
    sys.exit(9)
if start:
    open("resumed", "w").write(str(start))
    sys.exit(0)
for n in (1, 2, 3):
    with open(target + ".tmp-1", "w") as file:
        json.dump({"n": n}, file)
    os.rename(target + ".tmp-1", target)
    time.sleep(0.4)
sys.exit(9)
"""
TICKING = """
import os, time
from supervisor.agent import Agent

with Agent() as agent:
    for item in agent.track(list(range(100000)), stage="count"):
        time.sleep(0.02)
        if os.path.exists("enough"):
            break
"""


def hold_poisoned(project: Any) -> dict[str, Any]:
    project.script("poisoned.py", POISONED)
    project.configure(
        '[agents.sick]\ncommand = ["{python}", "poisoned.py"]\n'
        'env = { API_TOKEN = "hush-hush-hush" }\n'
        "[agents.sick.retry]\nbase_delay_seconds = 0\ncrash_loop_deaths = 2\n"
    )
    project.run("up")
    project.run("start", "sick")
    run: dict[str, Any] = project.wait_for("sick", "held", "failed")
    assert run["status"] == "held"
    return run


def test_a_held_run_shows_its_last_words_and_goes_on_from_the_generation_that_was_picked(
    project: Any,
) -> None:
    hold_poisoned(project)
    why = project.run("why", "sick").stdout
    assert "poisoned ^[[31mstate" in why and "--rollback" in why
    assert "[redacted API_TOKEN]" in why
    everything = project.run("events", "--json").stdout + project.run("status", "--json").stdout
    assert "hush-hush-hush" not in everything
    kept = project.json("checkpoints", "sick")["generations"]
    assert [(c["generation"], c["copy"]) for c in kept] == [(1, "good"), (2, "good"), (3, "good")]
    project.run("checkpoints", "sick", "--rollback", "7", check=1)
    after = project.json("checkpoints", "sick", "--rollback", "2")
    assert [c["generation"] for c in after["generations"]] == [1, 2]
    assert any(Path(bad["path"]).name == "generation-3" for bad in after["set_aside"])
    project.run("restart", "sick")
    project.wait_for("sick", "succeeded")
    assert (project.directory / "resumed").read_text() == "2"


def test_a_damaged_generation_is_said_and_cannot_be_picked(project: Any) -> None:
    run = hold_poisoned(project)
    copies = project.directory / ".longwatch" / "records" / run["id"] / "checkpoints"
    (copies / "2").write_bytes(b'{"n": 99}')
    listed = project.run("checkpoints", "sick").stdout
    assert "damaged" in listed
    refused = project.run("checkpoints", "sick", "--rollback", "2", check=1)
    assert "damaged" in refused.stderr
    project.run("checkpoints", "sick", "--rollback", "0")
    assert not (project.run_dir(run) / "checkpoint.json").exists()
    project.run("stop", "sick")
    assert project.status_of("sick")["status"] == "stopped"


def test_an_engine_is_replaced_while_the_agent_works_on(project: Any) -> None:
    project.script("tick.py", TICKING)
    project.configure('[agents.tick]\ncommand = ["{python}", "tick.py"]\n')
    project.run("up")
    project.run("start", "tick")
    before = project.wait_for("tick", "running")
    living = psutil.Process(before["pid"]).create_time()
    done = project.json("upgrade-engine")
    assert done["before"]["pid"] != done["after"]["pid"]
    assert done["before"]["keeper_pid"] == done["after"]["keeper_pid"]
    assert done["agents"] == [{"run": before["id"], "pid": before["pid"]}]
    assert psutil.Process(before["pid"]).create_time() == living
    seen = project.status_of("tick")
    assert (seen["status"], seen["attempt"], seen["epoch"]) == ("running", 1, before["epoch"])
    both = project.json("upgrade-engine", "--keeper")
    assert both["before"]["keeper_pid"] == both["after"]["keeper_pid"]
    assert both["agents"] == done["agents"]
    log = (project.directory / ".longwatch" / "keeper.log").read_text()
    assert "a new keeper in the same process; 1 attempts go on" in log
    (project.directory / "enough").touch()
    assert project.wait_for("tick", "succeeded", "failed")["status"] == "succeeded"


def test_a_broken_installation_does_not_replace_a_working_engine(project: Any) -> None:
    project.configure('[agents.x]\ncommand = ["true"]\n')
    project.run("up")
    before = json.loads((project.directory / ".longwatch" / "engine.lock").read_text())["pid"]
    broken = project.directory / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import os, sys\nif '--check' in sys.orig_argv:\n"
        "    sys.stderr.write('no module named zorp')\n    sys.stderr.flush()\n    os._exit(1)\n"
    )
    project.environment["PYTHONPATH"] = f"{broken}:{os.environ.get('PYTHONPATH', '')}"
    refused = project.run("upgrade-engine", check=1)
    assert "zorp" in refused.stderr and "left alone" in refused.stderr
    assert (
        json.loads((project.directory / ".longwatch" / "engine.lock").read_text())["pid"] == before
    )
