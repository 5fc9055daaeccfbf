"""Fifty agents and an engine that is killed: the next one takes all of them over."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from fault_project import FaultProject

AGENTS = 50
SOON_S = 10.0
"""On a machine that runs other tests meanwhile; ``make bench`` measures it: the goal is 2 s."""


@pytest.fixture
def project() -> Iterator[FaultProject]:
    made = FaultProject()
    try:
        yield made
    finally:
        made.end()


def test_an_engine_killed_under_fifty_agents_leaves_all_of_them_to_the_next_one(
    project: FaultProject,
) -> None:
    text = '[defaults]\nstop_grace = "1s"\n'
    text += "".join(f'[agents.a{n}]\ncommand = ["sleep", "600"]\n' for n in range(AGENTS))
    (project.directory / "config.toml").write_text(text)
    project.run("up")
    project.run("start", "--all")

    def running() -> dict[str, tuple[int, int]]:
        states = project.states()
        alive = {n: (run["epoch"], run["attempts"][-1]["pid"]) for n, run in states.items()
                 if run["status"] == "running"}  # fmt: skip
        return alive if len(alive) == AGENTS else {}

    before = project.wait("all to run", running)
    pids = project.agent_pids()
    holders = project.holders()
    began = time.monotonic()
    project.kill(holders["engine"])
    project.wait("another engine", lambda: project.holders().get("engine") != holders["engine"])
    after = project.wait("all to be adopted", running, SOON_S)
    print(f"adopted {AGENTS} agents in {time.monotonic() - began:.2f} s")
    assert after == before and project.agent_pids() == pids
    assert project.holders()["keeper"] == holders["keeper"]
    # Adopted means more than remembered: the new engine gets each of them ended.
    project.run("stop", "--all")
    assert not project.agent_pids()
    assert {run["status"] for run in project.states().values()} == {"stopped"}
