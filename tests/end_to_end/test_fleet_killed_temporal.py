"""Three machines that share tasks on Temporal, killed at random: nothing lost, nothing twice.

A small sample always; ``LONGWATCH_LONG=1`` for the long one, with networks of their own and cables
that are pulled. ``LONGWATCH_TASKS`` and ``LONGWATCH_SEED`` change it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("temporalio")
sys.path.insert(0, str(Path(__file__).parents[1] / "queue"))

import networks
from dying_machines import (
    STEPS,
    Machine,
    agent_of,
    check_ledger,
    hurt_until_done,
    lines,
    ways_of_fleet,
)
from tcp_relay import Relay
from temporal_servers import TemporalServer
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus

TASKS = int(os.environ.get("LONGWATCH_TASKS", "1000"))
NAMES = ("atlas", "borg", "cato")


def fleet_table(machine: Machine, address: str) -> str:
    return (
        f'[fleet]\nengine = "temporal"\naddress = "{address}"\nprefix = "killed"\n'
        f'host = "{machine.name}"\nlease = "3s"\n'
    )


async def results(server: TemporalServer) -> list[int]:
    """What Temporal's own histories say: every task completed, and exactly once; their payloads."""
    client = await Client.connect(server.address)
    found = []
    async for one in client.list_workflows("WorkflowType = 'Longwatch task'"):
        assert one.status is WorkflowExecutionStatus.COMPLETED, one.id
        history = await client.get_workflow_handle(one.id).fetch_history()
        completed = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
        (ended,) = [event for event in history.events if event.event_type == completed]
        payloads = ended.activity_task_completed_event_attributes.result.payloads
        (told,) = await client.data_converter.decode(list(payloads), [dict])
        found.append(json.loads(told["result"])["of"])
    return found


async def all_done(server: TemporalServer, tasks: int) -> None:
    """Wait for it here: a command for every look would cost more than the machines."""
    client = await Client.connect(server.address)
    query = "WorkflowType = 'Longwatch task' AND ExecutionStatus = 'Completed'"
    async with asyncio.timeout(60):
        while (await client.count_workflows(query)).count < tasks:
            await asyncio.sleep(0.2)


def begin(machines: list[Machine], address: str, agent: str, workers: int) -> None:
    for machine in machines:
        machine.configure(fleet_table(machine, address), agent, workers)
        machine.up()


def test_a_dead_machine_of_three_loses_no_task_and_no_completed_step(
    projects: Callable[[], Any], tmp_path: Path
) -> None:
    server, ledger, tasks = TemporalServer(tmp_path), tmp_path / "ledger", 9
    server.start()
    try:
        machines = [Machine(projects(), name, []) for name in NAMES]
        begin(machines, server.address, agent_of(ledger, 0.1), 1)
        victim, other = machines[0], machines[1]
        other.submit(tasks)
        other.project.wait(
            "it has a step of its own",
            lambda: any(word[0] == "has" and word[3] == "atlas" for word in lines(ledger)),
        )
        victim.kill()
        asyncio.run(all_done(server, tasks))
        assert sorted(asyncio.run(results(server))) == list(range(tasks))
        check_ledger(ledger, tasks)
    finally:
        server.kill()


@pytest.mark.skipif("LONGWATCH_LONG" not in os.environ, reason="minutes: LONGWATCH_LONG=1")
@pytest.mark.timeout(3000)
def test_no_death_and_no_cut_loses_a_task_of_temporal_or_a_completed_step(
    projects: Callable[[], Any], tmp_path: Path
) -> None:
    if reason := networks.why_not():
        pytest.skip(reason)
    seed = int(os.environ.get("LONGWATCH_SEED", random.randrange(10**6)))
    chance, ledger = random.Random(seed), tmp_path / "ledger"
    with networks.network() as network:
        server = TemporalServer(tmp_path)
        server.start()
        # The development server itself works at the loopback address only.
        relay = Relay(server.port, host=network.address)
        try:
            fleet = [Machine(projects(), name, network.machine(name)) for name in NAMES]
            begin(fleet, relay.address, agent_of(ledger, 0.05), 3)
            begun = time.monotonic()
            fleet[0].submit(TASKS)
            happened = hurt_until_done(fleet, TASKS, chance, ways_of_fleet(server, chance, network))
            took = time.monotonic() - begun
            assert sorted(asyncio.run(results(server))) == list(range(TASKS))
        finally:
            relay.close()
            server.kill()
    done = check_ledger(ledger, TASKS)
    hosts = Counter(word[3] for word in lines(ledger) if word[0] != "does")
    alone = sum(word[0] == "alone" for word in lines(ledger))
    print(
        f"seed {seed}: {TASKS} tasks of {STEPS} steps on three machines in {took:.0f} s, "
        f"{dict(happened)}, {sum(count > 1 for count in done.values())} steps in flight ran "
        f"again, 0 completed ones; {alone} went on without the server; steps by machine "
        f"{dict(hosts)}"
    )
