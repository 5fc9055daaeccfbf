"""Three machines that share tasks over NATS, killed and cut off: nothing lost, nothing twice.

``LONGWATCH_LONG=1`` for the long one; ``LONGWATCH_TASKS`` and ``LONGWATCH_SEED`` change it.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "queue"))

import networks
from dying_machines import Machine, agent_of, check_ledger, hurt_until_done, lines, ways_of_fleet
from nats_servers import NatsServer

TASKS = int(os.environ.get("LONGWATCH_TASKS", "1000"))


def fleet_table(machine: Machine, server: NatsServer) -> str:
    return (
        f'[fleet]\nengine = "nats"\nservers = ["{server.url}"]\nnamespace = "killed"\n'
        f'host = "{machine.name}"\nlease = "3s"\n'
    )


def results(machine: Machine) -> dict[str, int]:
    """By task: what its result says of its payload; no two results of one task."""
    path = machine.project.directory / ".longwatch" / "fleet.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT id, coalesce(r.result, t.result) FROM tasks t LEFT JOIN task_results r"
            " USING (seq) WHERE state = 'done'"
        ).fetchall()
    assert len(rows) == len({task for task, _result in rows})
    return {task: json.loads(result)["of"] for task, result in rows}


@pytest.fixture
def machines(
    tmp_path: Path, projects: Callable[[], Any]
) -> Iterator[tuple[list[Machine], NatsServer, networks.Network]]:
    if reason := networks.why_not():
        pytest.skip(reason)
    with networks.network() as network:
        server = NatsServer(tmp_path, address=network.address)
        server.start()
        names = ("atlas", "borg", "cato")
        yield [Machine(projects(), name, network.machine(name)) for name in names], server, network
        server.kill()


def test_a_machine_whose_cable_is_pulled_works_on_and_is_not_believed_afterwards(
    machines: tuple[list[Machine], NatsServer, networks.Network], tmp_path: Path
) -> None:
    (first, second, _third), server, network = machines
    ledger = tmp_path / "ledger"
    agent = agent_of(ledger, 1.0)
    first.configure(fleet_table(first, server), agent, 1)
    first.up()
    (first.project.directory / "task.json").write_text('"the contract"')
    first.project.run("submit", "work", "task.json")
    first.project.wait("a step is had", lambda: any(w[0] == "has" for w in lines(ledger)))
    network.cut("atlas")
    second.configure(fleet_table(second, server), agent, 1)
    second.up()
    second.project.wait("the result", lambda: second.counts().get("done") == 1)
    assert first.project.runs()[0]["status"] in ("running", "failed", "stopped", "backoff")
    network.mend("atlas")
    first.project.wait("it heard of it", lambda: first.counts().get("done") == 1)
    first.project.wait(
        "its own is over", lambda: first.project.runs()[0]["status"] in ("stopped", "failed")
    )
    (done,) = second.project.json("queue", "work", "--tasks", "done")["tasks"]
    told = first.project.json("task", done["id"])
    assert told["result"]["host"] == "borg" and told["deliveries"] == 2
    assert {word[3] for word in lines(ledger) if word[0] == "has"} >= {"atlas", "borg"}


@pytest.mark.skipif("LONGWATCH_LONG" not in os.environ, reason="minutes: LONGWATCH_LONG=1")
@pytest.mark.timeout(3000)
def test_no_death_and_no_cut_loses_a_task_or_a_completed_step(
    machines: tuple[list[Machine], NatsServer, networks.Network], tmp_path: Path
) -> None:
    seed = int(os.environ.get("LONGWATCH_SEED", random.randrange(10**6)))
    chance, ledger = random.Random(seed), tmp_path / "ledger"
    fleet, server, network = machines
    for machine in fleet:
        machine.configure(fleet_table(machine, server), agent_of(ledger, 0.05), 3)
        machine.up()
    fleet[0].submit(TASKS)
    begun = time.monotonic()
    happened = hurt_until_done(fleet, TASKS, chance, ways_of_fleet(server, chance, network))
    took = time.monotonic() - begun
    for machine in fleet:
        machine.up()
        machine.project.wait("it agrees", lambda m=machine: m.counts().get("done") == TASKS)
    found = {machine.name: results(machine) for machine in fleet}
    assert sorted(found["atlas"].values()) == list(range(TASKS))
    assert found["atlas"] == found["borg"] == found["cato"]
    repeated = sum(count > 1 for count in check_ledger(ledger, TASKS).values())
    hosts = Counter(word[3] for word in lines(ledger) if word[0] != "does")
    alone = sum(word[0] == "alone" for word in lines(ledger))
    print(
        f"seed {seed}: {TASKS} tasks on three machines in {took:.0f} s, {dict(happened)}, "
        f"{repeated} steps in flight ran again, 0 completed ones; {alone} went on without the "
        f"servers; steps by machine {dict(hosts)}"
    )
