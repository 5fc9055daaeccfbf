"""Detectors over a real agent under a real engine: told with evidence, then acted on."""

from __future__ import annotations

import json
from typing import Any

AGENT = """
import os, sys, time
from supervisor.agent import Agent
with Agent() as agent:
    begun = agent.resumed
    agent.progress(6, 10, unit="documents")
    agent.checkpoint({"done": 6})
    if begun is None:
        time.sleep(600)
    agent.progress(10, 10, unit="documents")
"""
LOOPS = """
import itertools, time
for number in itertools.count():
    print("tool: search('weather')", flush=True)
    time.sleep(0.05)
"""
TERMS = """
[anomalies]
every = "0.2s"
stalled_after = "1s"
strike_after = "1s"
loop_after = "1s"
loop_repeats = 5
"""


def test_a_silent_agent_is_told_with_evidence_and_restarted_at_the_second_strike(
    project: Any,
) -> None:
    script = project.script("silent.py", AGENT)
    command = json.dumps(["{python}", str(script)])
    project.configure(
        f'{TERMS}actions.stalled = "restart"\n[agents.silent]\ncommand = {command}\n'
        "retry.base_delay_seconds = 0.1\n"
    )
    project.run("up")
    project.run("start", "silent")
    run = project.wait_for("silent", "succeeded")
    assert run["retries"] == 1
    stalled = [one for one in run["anomalies"] if one["kind"] == "stalled"]
    assert len(stalled) == 2 and stalled[1]["severity"] == "error"
    assert "says 60 %, but nothing has changed for" in stalled[0]["message"]
    assert "restarted from its newest checkpoint" in stalled[1]["message"]
    learned = project.directory / ".longwatch" / "usual.json"
    project.wait("what is usual", learned.exists)
    assert json.loads(learned.read_text())["silent"]["runs"] == 1


def test_a_loop_is_held_still_until_the_operator_says_what_to_do(project: Any) -> None:
    script = project.script("loops.py", LOOPS)
    command = json.dumps(["{python}", str(script)])
    project.configure(f'{TERMS}agents.loops.looping = "ask"\n[agents.loops]\ncommand = {command}\n')
    project.run("up")
    project.run("start", "loops")
    project.wait_for("loops", "waiting")
    (asked,) = project.json("requests")["requests"]
    assert "looping: the same" in asked["title"] and "may it go on?" in asked["title"]
    why = project.run("why", "loops").stdout
    assert "tool: search('weather')" in why
    project.run("answer", asked["id"], "--deny")
    project.wait_for("loops", "stopped")
    events = project.run("events").stdout
    assert "looping" in events


def test_both_strikes_are_told_with_their_evidence_though_the_second_one_comes_soon(
    project: Any,
) -> None:
    script = project.script("silent.py", AGENT)
    told = project.directory / "told"
    hook = ["sh", "-c", f"cat >> {told} && echo >> {told}"]
    project.configure(
        f'{TERMS}actions.stalled = "notify"\n[notify]\ncommand = {json.dumps(hook)}\n'
        f"[agents.silent]\ncommand = {json.dumps(['{python}', str(script)])}\n"
    )
    project.run("up")
    project.run("start", "silent")

    def heard() -> list[dict[str, Any]]:
        lines = told.read_text().split("\n")[:-1] if told.exists() else []
        return [json.loads(line) for line in lines]

    first, second = project.wait("both strikes", lambda: heard()[1:] and heard())[:2]
    assert (first["severity"], second["severity"]) == ("warning", "error")
    for one in (first, second):
        assert one["title"] == "silent stalled"
        assert "says 60 %, but nothing has changed for" in one["body"]
    assert second["body"].endswith("still so")
