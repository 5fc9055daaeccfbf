"""Three machines that share tasks over NATS, killed and cut off: nothing lost, nothing twice.

``LONGWATCH_LONG=1`` for the long one; ``LONGWATCH_TASKS`` and ``LONGWATCH_SEED`` change it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "queue"))

from nats_servers import NatsServer

from tests.end_to_end import networks

TASKS = int(os.environ.get("LONGWATCH_TASKS", "1000"))
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


class Machine:
    """A state directory, in a network of its own where that is possible."""

    def __init__(self, project: Any, name: str, prefix: list[str]) -> None:
        self.project, self.name = project, name
        plain = project.command
        project.command = lambda *words: [*prefix, *plain(*words)]

    def configure(self, url: str, agent: str, workers: int) -> None:
        self.project.script("agent.py", agent)
        self.project.configure(
            f'[fleet]\nengine = "nats"\nservers = ["{url}"]\nnamespace = "killed"\n'
            f'host = "{self.name}"\nlease = "3s"\n'
            f'[pools.work]\ncommand = ["{{python}}", "-P", "agent.py"]\n'
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

    def counts(self) -> dict[str, int]:
        done = self.project.run("queue", "--json", check=None)
        if done.returncode not in (0, 1):
            return {}
        rows = json.loads(done.stdout)["queues"]
        return next((row for row in rows if row["name"] == "work"), {})

    def results(self) -> dict[str, int]:
        """By task: what its result says of its payload; no two results of one task."""
        path = self.project.directory / ".longwatch" / "fleet.db"
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
        server = NatsServer(tmp_path, address=networks.SERVER_ADDRESS)
        server.start()
        names = ("atlas", "borg", "cato")
        yield [Machine(projects(), name, network.machine(name)) for name in names], server, network
        server.kill()


def lines(ledger: Path) -> list[list[str]]:
    return [line.split() for line in ledger.read_text().splitlines()] if ledger.exists() else []


def check_ledger(ledger: Path, tasks: int) -> Counter[str]:
    """Every step of every task was had, and none was done again after that by anybody."""
    had: set[tuple[str, str]] = set()
    seen: set[tuple[str, str]] = set()
    done: Counter[str] = Counter()
    cut_off: set[tuple[str, ...]] = set()
    for word, task, step, host, epoch, _at in lines(ledger):
        if word == "alone":
            cut_off.add((task, host, epoch))
        if (task, host, epoch) in cut_off:
            continue  # It has waited for the servers in vain, and goes on: nobody believes it.
        seen.add((task, step))
        if word == "has":
            had.add((task, step))
        elif word == "does":
            story = [" ".join(line) for line in lines(ledger) if line[1] == task]
            assert (task, step) not in had, "ran again after it was had:\n" + "\n".join(story)
            done[f"{task} {step}"] += 1
    assert len(seen) == tasks * STEPS
    return done


def test_a_machine_whose_cable_is_pulled_works_on_and_is_not_believed_afterwards(
    machines: tuple[list[Machine], NatsServer, networks.Network], tmp_path: Path
) -> None:
    (first, second, _third), server, network = machines
    ledger = tmp_path / "ledger"
    agent = AGENT.format(ledger=str(ledger), pause=1.0, steps=STEPS)
    first.configure(server.url, agent, 1)
    first.up()
    (first.project.directory / "task.json").write_text('"the contract"')
    first.project.run("submit", "work", "task.json")
    first.project.wait("a step is had", lambda: any(w[0] == "has" for w in lines(ledger)))
    network.cut("atlas")
    second.configure(server.url, agent, 1)
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
        machine.configure(server.url, AGENT.format(ledger=str(ledger), pause=0.05, steps=STEPS), 3)
        machine.up()
    first = fleet[0]
    (first.project.directory / "t.jsonl").write_text("".join(f"{n}\n" for n in range(TASKS)))
    first.project.wait("servers", first.counts)
    first.project.run("submit", "work", "t.jsonl")
    begun, happened = time.monotonic(), Counter[str]()
    kinds = ("machine", "machine", "engine", "worker", "worker", "cable", "server")
    while (counts := _any_counts(fleet)).get("done", 0) < TASKS:
        assert counts.get("dead", 0) == 0
        assert time.monotonic() - begun < 2700, counts
        time.sleep(chance.uniform(0.5, 4.0))
        victim = chance.choice(fleet)
        what = chance.choice(kinds)
        happened[what] += 1
        _hurt(what, victim, server, network, chance)
    took = time.monotonic() - begun
    for machine in fleet:
        machine.up()
        machine.project.wait("it agrees", lambda m=machine: m.counts().get("done") == TASKS)
    found = {machine.name: machine.results() for machine in fleet}
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


def _any_counts(fleet: list[Machine]) -> dict[str, int]:
    return max((machine.counts() for machine in fleet), key=lambda c: c.get("done", 0))


def _hurt(
    what: str, victim: Machine, server: NatsServer, network: networks.Network, chance: random.Random
) -> None:
    if what == "machine":
        victim.kill()
        time.sleep(chance.uniform(0.0, 6.0))
        victim.up()
    elif what == "cable":
        network.cut(victim.name)
        time.sleep(chance.uniform(0.5, 8.0))
        network.mend(victim.name)
    elif what == "server":
        server.kill()
        time.sleep(chance.uniform(0.0, 2.0))
        server.start()
    elif (pids := victim.project.daemon_pids()) and what == "engine":
        _kill(pids[-1])
    elif pids and what == "worker":
        try:
            children = psutil.Process(pids[0]).children(recursive=True)
        except psutil.NoSuchProcess:
            return
        workers = [child for child in children if child.pid not in pids]
        if workers:
            _kill(chance.choice(workers).pid)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
