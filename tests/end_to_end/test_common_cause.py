"""Three agents that lose the same thing, under the real command."""

from __future__ import annotations

from typing import Any


def test_agents_that_fail_alike_are_one_cause_and_start_again_together(project: Any) -> None:
    agent = (
        '[agents.{name}]\ncommand = ["sh", "-c", "test -e network || exit 7"]\n'
        "[agents.{name}.retry]\nbase_delay_seconds = {delay}\n"
    )
    delays = {"one": 1.0, "two": 1.0, "three": 4.0}
    project.configure("".join(agent.format(name=n, delay=d) for n, d in delays.items()))
    project.run("up")
    project.run("start", *delays)
    project.wait(
        "one anomaly",
        lambda: "3 agents failed alike (exit status 7)" in project.run("events").stdout,
    )
    (project.directory / "network").touch()
    for name in delays:
        run = project.wait_for(name, "succeeded")
        assert run["attempt"] <= 2
    events = project.run("events").stdout
    assert events.count("failed alike") == 1
    assert events.count("exit status 7; like") >= 2
