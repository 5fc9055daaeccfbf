"""``longwatch mute``: a real engine, an agent that flags the same thing at every attempt."""

from __future__ import annotations

from typing import Any

AGENT = """
from supervisor.agent import Agent
with Agent() as agent:
    agent.anomaly("odd-page", "a page without a title")
    agent.anomaly("cold-cache", "nothing was cached")
    agent.stage("read", 1, 1)
    agent.approve("Go on?")
"""


def kinds(run: dict[str, Any]) -> set[str]:
    return {anomaly["kind"] for anomaly in run["anomalies"]}


def test_a_muted_kind_flags_neither_this_run_nor_the_next_and_that_outlives_the_engine(
    project: Any,
) -> None:
    project.script("agent.py", AGENT)
    project.configure('[agents.reader]\ncommand = ["{python}", "agent.py"]\n')
    project.run("up")
    project.run("start", "reader")
    project.wait_for("reader", "parked")
    flagged = project.wait("two flags", lambda: two_flags(project.status_of("reader")))
    assert kinds(flagged) == {"odd-page", "cold-cache"}
    assert project.json("mute") == {"muted": []}

    said = project.run("mute", "reader", "odd-page").stdout
    assert "reader: odd-page is no problem from now on" in said
    assert "longwatch unmute reader odd-page" in said
    assert project.status_of("reader")["anomaly_count"] == 1
    assert "was muted already" in project.run("mute", "reader", "odd-page").stdout

    project.run("down")
    project.run("up")
    listed = project.json("mute")["muted"]
    assert [(row["agent"], row["kind"]) for row in listed] == [("reader", "odd-page")]

    before = project.status_of("reader")["id"]
    project.run("stop", "reader")
    project.run("start", "reader", "--fresh")
    second = project.wait("one flag", lambda: one_flag(project.status_of("reader"), before))
    assert kinds(second) == {"odd-page", "cold-cache"}, "it is still told, only no flag"
    assert "odd-page (muted by" in project.run("why", "reader").stdout
    assert "stage_seconds" in second and set(second["stage_seconds"]) == {"read"}

    project.run("unmute", "reader", "odd-page")
    assert project.status_of("reader")["anomaly_count"] == 2
    assert project.run("mute").stdout.startswith("nothing is muted")


def test_what_cannot_be_muted_is_refused_with_what_to_do(project: Any) -> None:
    project.configure('[agents.reader]\ncommand = ["true"]\n')
    project.run("up")
    unknown = project.run("mute", "reader", "odd-page", check=None)
    assert unknown.returncode != 0 and "reader" in unknown.stderr
    project.run("start", "reader")
    project.wait_for("reader", "succeeded")
    bad = project.run("mute", "reader", "two\nlines", check=None)
    assert bad.returncode != 0 and "plain characters" in bad.stderr
    assert "Traceback" not in unknown.stderr + bad.stderr


def two_flags(run: dict[str, Any]) -> dict[str, Any] | None:
    return run if run.get("anomaly_count") == 2 else None


def one_flag(run: dict[str, Any], before: str) -> dict[str, Any] | None:
    is_next = run["id"] != before and run["status"] == "parked"
    return run if is_next and len(run["anomalies"]) == 2 and run["anomaly_count"] == 1 else None
