"""One machine drains 1,000 tasks of its own queue while it is killed: nothing lost, nothing twice.

The queue in SQLite is one engine's, so here the machine, its engine, its keeper and its workers
die in turn. ``LONGWATCH_LONG=1``; ``LONGWATCH_TASKS`` and ``LONGWATCH_SEED`` change it.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from dying_machines import STEPS, Machine, agent_of, check_ledger, hurt_until_done

TASKS = int(os.environ.get("LONGWATCH_TASKS", "1000"))


@pytest.mark.skipif("LONGWATCH_LONG" not in os.environ, reason="minutes: LONGWATCH_LONG=1")
@pytest.mark.timeout(3000)
def test_no_death_of_the_only_machine_loses_a_task_or_a_completed_step(project: Any) -> None:
    seed = int(os.environ.get("LONGWATCH_SEED", random.randrange(10**6)))
    chance, ledger = random.Random(seed), project.directory / "ledger"
    machine = Machine(project, "atlas", [])
    machine.configure("", agent_of(ledger, 0.05, shared=False), 4)
    machine.up()
    machine.submit(TASKS)

    def power(victim: Machine) -> None:
        victim.kill()
        victim.up()

    def keeper(victim: Machine) -> None:
        victim.kill_daemon(0)
        victim.up()

    ways: dict[str, Callable[[Machine], None]] = {
        "machine": power,
        "keeper": keeper,
        "engine": lambda victim: victim.kill_daemon(-1),
        "worker": lambda victim: victim.kill_worker(chance),
    }
    begun = time.monotonic()
    happened = hurt_until_done([machine], TASKS, chance, ways)
    took = time.monotonic() - begun
    path = project.directory / ".longwatch" / "state.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT id, state, coalesce(r.result, t.result) FROM tasks t"
            " LEFT JOIN task_results r USING (seq)"
        ).fetchall()
    assert {state for _task, state, _result in rows} == {"done"}
    assert sorted(json.loads(result)["of"] for _task, _state, result in rows) == list(range(TASKS))
    done = check_ledger(ledger, TASKS)
    print(
        f"seed {seed}: {TASKS} tasks of {STEPS} steps on one machine in {took:.0f} s, "
        f"{dict(happened)}, {sum(count > 1 for count in done.values())} steps in flight ran "
        "again, 0 completed ones"
    )
