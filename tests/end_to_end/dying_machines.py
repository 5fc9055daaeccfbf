"""Machines that share tasks and die: what an agent notes, how they are hurt, what must hold after.

Shared by the proofs over NATS, over Temporal, and of one machine alone.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import psutil
from networks import Network

STEPS = 3
AGENT = """
import os, time
from supervisor.agent import Agent

def note(*words):
    fd = os.open({ledger!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    line = " ".join(map(str, [*words, os.environ["LONGWATCH_EPOCH"], f"{{time.time():.3f}}"]))
    os.write(fd, (line + "\\n").encode())
    os.close(fd)

def is_stored():
    # Whether the servers have the journal: without them an agent goes on after a while, and what
    # it then does may have to be done again if its machine dies too.
    if not {shared}:
        return True
    here = os.environ["LONGWATCH_RUN_DIR"]
    try:
        with open(here + "/journal.acked") as acked:
            return int(acked.read()) >= os.path.getsize(here + "/journal.jsonl")
    except OSError:
        return False

def work(task, step):
    note("does", task, step, os.environ["HOST"])
    time.sleep({pause})
    return step

with Agent() as agent:
    task = agent.task
    for step in range({steps}):
        agent.step(work, task.id, step)
        note("has" if is_stored() else "alone", task.id, step, os.environ["HOST"])
    task.complete({{"of": task.payload, "host": os.environ["HOST"]}})
"""


def agent_of(ledger: Path, pause_s: float, *, shared: bool = True) -> str:
    """A worker that notes every step before and after it; ``shared``: its journal travels."""
    return AGENT.format(ledger=str(ledger), pause=pause_s, steps=STEPS, shared=shared)


class Server(Protocol):
    """What they share."""

    def start(self) -> None: ...

    def kill(self) -> None: ...


class Machine:
    """A state directory, in a network of its own where that is possible."""

    def __init__(self, project: Any, name: str, prefix: list[str]) -> None:
        self.project, self.name = project, name
        plain = project.command
        project.command = lambda *words: [*prefix, *plain(*words)]

    def configure(self, fleet: str, agent: str, workers: int) -> None:
        """``fleet``: its table, or nothing for a machine that is alone."""
        self.project.script("agent.py", agent)
        self.project.configure(
            f'{fleet}[pools.work]\ncommand = ["{{python}}", "-P", "agent.py"]\n'
            f'workers = {workers}\nenv = {{ HOST = "{self.name}" }}\nmax_deliveries = 1000\n'
            "[pools.work.retry]\nbase_delay_seconds = 0.1\nmax_delay_seconds = 1\n"
        )

    def up(self) -> None:
        self.project.run("up", check=None)

    def kill(self) -> None:
        """As when the power fails: keeper, engine and agents at once."""
        doomed = []
        for pid in self.project.daemon_pids():
            try:
                process = psutil.Process(pid)
                doomed += [process, *process.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in doomed:
                try:
                    os.kill(process.pid, number)
                except ProcessLookupError:
                    pass

    def kill_worker(self, chance: random.Random) -> None:
        """One of its agents, if there is one."""
        pids = self.project.daemon_pids()
        try:
            children = psutil.Process(pids[0]).children(recursive=True) if pids else []
        except psutil.NoSuchProcess:
            return
        workers = [child for child in children if child.pid not in pids]
        if workers:
            _kill(chance.choice(workers).pid)

    def kill_daemon(self, which: int) -> None:
        """0: the keeper, -1: the engine."""
        if pids := self.project.daemon_pids():
            _kill(pids[which])

    def counts(self) -> dict[str, int]:
        done = self.project.run("queue", "--json", check=None)
        if done.returncode not in (0, 1):
            return {}
        rows = json.loads(done.stdout)["queues"]
        return next((row for row in rows if row["name"] == "work"), {})

    def submit(self, tasks: int) -> None:
        """Numbers as payloads, once the engine takes them."""
        (self.project.directory / "t.jsonl").write_text("".join(f"{n}\n" for n in range(tasks)))
        self.project.wait("servers", self.counts)
        self.project.run("submit", "work", "t.jsonl", timeout_s=300)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def any_counts(fleet: list[Machine]) -> dict[str, int]:
    """Of the machine that knows most."""
    return max((machine.counts() for machine in fleet), key=lambda c: c.get("done", 0))


def hurt_until_done(
    fleet: list[Machine],
    tasks: int,
    chance: random.Random,
    ways: Mapping[str, Callable[[Machine], None]],
    events: int | None = None,
) -> Counter[str]:
    """Let bad things happen, ``events`` at most, until every task is done; what happened."""
    begun, happened = time.monotonic(), Counter[str]()
    while (counts := any_counts(fleet)).get("done", 0) < tasks:
        assert counts.get("dead", 0) == 0
        assert time.monotonic() - begun < 2700, counts
        time.sleep(chance.uniform(0.5, 4.0))
        if events is not None and happened.total() >= events:
            continue
        victim, what = chance.choice(fleet), chance.choice([*ways])
        happened[what.strip()] += 1
        ways[what](victim)
    return happened


def lines(ledger: Path) -> list[list[str]]:
    return [line.split() for line in ledger.read_text().splitlines()] if ledger.exists() else []


def check_ledger(ledger: Path, tasks: int) -> Counter[str]:
    """Every step of every task was had, and none was done again after that by anybody."""
    had: set[tuple[str, str]] = set()
    seen: set[tuple[str, str]] = set()
    done: Counter[str] = Counter()
    cut_off: set[tuple[str, ...]] = set()
    for word, task, step, host, epoch, _at in lines(ledger):
        seen.add((task, step))
        if word == "alone":
            cut_off.add((task, host, epoch))
        elif word == "has":  # The servers are back, and have all of its journal.
            cut_off.discard((task, host, epoch))
        if (task, host, epoch) in cut_off:
            continue  # It has waited for the servers in vain, and goes on: nobody believes it.
        if word == "has":
            had.add((task, step))
        elif word == "does":
            assert (task, step) not in had, f"ran again after it was had:\n{_story(ledger, task)}"
            done[f"{task} {step}"] += 1
    assert len(seen) == tasks * STEPS
    return done


def _story(ledger: Path, task: str) -> str:
    return "\n".join(" ".join(line) for line in lines(ledger) if line[1] == task)


def ways_of_fleet(
    server: Server, chance: random.Random, network: Network | None
) -> dict[str, Callable[[Machine], None]]:
    """What may happen to machines that share a server; cables only in networks of their own."""

    def power(victim: Machine) -> None:
        victim.kill()
        time.sleep(chance.uniform(0.0, 6.0))
        victim.up()

    def pull(victim: Machine) -> None:
        if network is not None:
            network.cut(victim.name)
            time.sleep(chance.uniform(0.5, 8.0))
            network.mend(victim.name)

    def restart(_victim: Machine) -> None:
        server.kill()
        time.sleep(chance.uniform(0.0, 2.0))
        server.start()

    ways: dict[str, Callable[[Machine], None]] = {
        # A blank makes a second entry of the same name: it happens twice as often.
        "machine": power,
        "machine ": power,
        "engine": lambda victim: victim.kill_daemon(-1),
        "worker": lambda victim: victim.kill_worker(chance),
        "worker ": lambda victim: victim.kill_worker(chance),
        "server": restart,
    }
    return ways if network is None else {**ways, "cable": pull}
