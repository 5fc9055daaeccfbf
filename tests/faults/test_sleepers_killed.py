"""L2 for sleeping agents: engine and keeper killed while they sleep, leave and wake."""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Iterator

import pytest
from fault_project import FaultProject, only_long

AGENTS, SLEEPS = 10, 6
SLEEPER = f"""
cd "$LONGWATCH_RUN_DIR"
n=$(cat ledger 2>/dev/null | wc -l)
now=$(date +%s.%N)
if [ "$n" -ge {SLEEPS} ]; then echo "$now 0" >> ledger; exit 0; fi
at=$(($(date +%s) + 2))
echo "$now $at" >> ledger
printf '{{"at": %s, "epoch": %s}}' $at $LONGWATCH_EPOCH > .wish-$$
mv .wish-$$ wake.json
exit 75
"""


@pytest.fixture
def project() -> Iterator[FaultProject]:
    made = FaultProject()
    try:
        yield made
    finally:
        made.end()


@only_long
@pytest.mark.timeout(300)
def test_sleepers_wake_neither_early_nor_twice_nor_never_whatever_is_killed(
    project: FaultProject,
) -> None:
    seed = int(os.environ.get("LONGWATCH_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"again: LONGWATCH_SEED={seed}")
    dice = random.Random(seed)
    names = [f"sleeper-{n}" for n in range(AGENTS)]
    (project.directory / "sleeper.sh").write_text(SLEEPER)
    agents = [f'[agents.{name}]\ncommand = ["sh", "sleeper.sh"]\n' for name in names]
    (project.directory / "config.toml").write_text("".join(agents))
    project.run("up")
    project.run("start", *names)
    kills, end = 0, time.monotonic() + 40.0
    while time.monotonic() < end:
        time.sleep(dice.uniform(0.3, 1.5))
        victim = dice.choice(("engine", "engine", "keeper"))
        pid = project.holders().get(victim)
        kills += pid is not None and project.kill(pid)
        if victim == "keeper":
            project.run("up", check=None)  # Nobody is left to start another one.
        statuses = {run["status"] for run in project.states().values()}
        if statuses == {"succeeded"}:
            break
    assert kills >= 5
    project.wait("an engine", lambda: project.run("up", check=None).returncode == 0)
    for name in names:
        run = project.wait_for(name, "succeeded", "failed", "held", limit_s=60.0)
        assert (run["status"], run.get("retries", 0)) == ("succeeded", 0)
        assert run["attempt"] == SLEEPS + 1
        ledger = (project.directory / ".longwatch" / "runs" / run["id"] / "ledger").read_text()
        rows = [tuple(map(float, line.split())) for line in ledger.splitlines()]
        assert len(rows) == SLEEPS + 1
        for (_began, due), (woke, _next) in itertools.pairwise(rows):
            assert woke >= due
