"""L2: ``kill -9`` of agents, engine, keeper and clients at random moments of a real project.

``python tests/faults/random_kills.py --kills 1000 --seed 7 --jobs 2 [--seconds S]``. Workers,
questions and a plain command run under the real keeper and engine; a driver stops, restarts and
answers through the command line while it kills. Then the faults end, every run has to come to its
end, and ``invariants`` reads what is left.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from fault_project import LEDGER_AGENT, FaultProject, NotInTimeError
from invariants import check_everything
from tracer import why_not
from trap import Trap
from watcher import Watcher

HEAL_LIMIT_S = 60.0
"""After the last fault every run ends within this time."""
VICTIMS = (
    ("agent", 8), ("engine", 5), ("keeper", 4), ("both", 2), ("client", 3), ("freeze", 1),
    ("suspend", 1), ("engine call", 4), ("keeper call", 2), ("engine refused", 2),
)  # fmt: skip
BURSTS = (1, 1, 2, 3)
"""Faults of one turn: one may meet the recovery from the other."""
CALLS = ("fdatasync", "pwrite64", "sendto", "write", "openat", "rename", "renameat", "recvfrom")
"""System calls on the paths where something is accepted, stored, started or answered."""
LAST_CALL = {"engine call": 6, "engine refused": 4, "keeper call": 2}
"""The keeper has little to do."""
WISHES = (("nothing", 6), ("answer", 5), ("stop", 3), ("start", 3), ("restart", 2), ("pause", 1))
SHOWN = 12
"""Violations printed of a session: the first ones tell the story."""
FINAL = ("succeeded", "failed", "timed_out", "stopped")


@dataclass(slots=True)
class Outcome:
    """What a session did and found."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: Counter[str] = field(default_factory=Counter)
    seen_events: int = 0
    stored_events: int = 0
    steps: int = 0
    healed_in_s: float = 0.0
    armed: int = 0
    """Traps set by strace; only those that closed are among the kills."""
    asked: int = 0
    """Kills that were wanted: with the seed they say which session it was."""
    violations: list[str] = field(default_factory=list)

    def command(self, workers: int) -> str:
        """What runs this session again."""
        wanted = f"--kills {self.asked} --each {self.asked} --seed {self.seed}"
        return f"python tests/faults/random_kills.py {wanted} --workers {workers}"

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"seed {self.seed}: {self.kills.total()} kills {dict(self.kills)} ({self.armed} traps "
            f"set), acknowledged {dict(self.acknowledged)}, {self.steps} steps, "
            f"{self.stored_events} events, {self.seen_events} of them seen by a client, "
            f"all ended {self.healed_in_s:.1f} s after the last kill, "
            f"{len(self.violations)} violations",
            *self.violations[:SHOWN],
        ]


class Session:
    """One project, its driver and its client journal."""

    def __init__(self, seed: int, workers: int, items: int) -> None:
        self.rng = random.Random(seed)
        self.outcome = Outcome(seed)
        self.project = FaultProject()
        self.names = [f"worker-{number}" for number in range(1, workers + 1)]
        self.agents = [*self.names, "asker", "plain"]
        self.journal: list[dict[str, Any]] = []
        self._serial = 0
        self._traps: list[Trap] = []
        self._write_config(items)
        self._watcher = Watcher(self.project)

    def _write_config(self, items: int) -> None:
        place = str(self.project.ledgers)
        parts = [
            '[defaults]\nautostart = true\nstop_grace = "2s"\n'
            "[defaults.retry]\nmax_retries = 1000\nbase_delay_seconds = 0.1\n"
            'max_delay_seconds = 0.5\ncrash_loop_deaths = 32\ncrash_loop_window = "0.5s"\n'
        ]
        kinds = dict.fromkeys(self.names, ("work", items, 0.02))
        kinds |= {"asker": ("ask", max(3, items // 20), 0.02), "plain": ("stay", 0, 0.05)}
        for name, (kind, count, pace) in kinds.items():
            command = ["{python}", str(LEDGER_AGENT), kind, place, str(count), str(pace)]
            parts.append(f"[agents.{name}]\ncommand = {json.dumps(command)}\n")
        (self.project.directory / "config.toml").write_text("".join(parts))

    def run(self, kills: int) -> Outcome:
        """Start, kill, heal, check."""
        project, outcome = self.project, self.outcome
        outcome.asked = kills
        try:
            project.run("up")
            self._watcher.start()
            while outcome.kills.total() < kills:
                self._turn()
            healing = time.monotonic()
            self._heal()
            outcome.healed_in_s = time.monotonic() - healing
            project.run("down", "--stop-agents")
            self._watcher.leave()
            left = project.agent_pids()
            if left:
                outcome.violations.append(f"I9: {left} outlived `down --stop-agents`")
        except (AssertionError, subprocess.TimeoutExpired) as error:
            self._let_go()
            outcome.violations.append(f"liveness: {error}")
            self._watcher.leave()
        self._check()
        return outcome

    def _check(self) -> None:
        project, outcome = self.project, self.outcome
        for holder in project.holders().values():
            project.kill(holder)
        ledgers = {name: project.ledger(name) for name in self.agents}
        outcome.steps = sum(
            line["what"] == "stepped" for lines in ledgers.values() for line in lines
        )
        outcome.seen_events = len(self._watcher.seen)
        database = project.files.state_db
        found = check_everything(database, ledgers, self.journal, self._watcher.seen)
        outcome.violations += found
        outcome.stored_events = max((ev["seq"] for ev in self._watcher.seen), default=0)

    # One turn of the driver.

    def _choose(self, weighted: Sequence[tuple[str, int]]) -> str:
        names, weights = zip(*weighted, strict=True)
        return str(self.rng.choices(names, weights)[0])

    def _turn(self) -> None:
        self._be_up()
        wish = self._wish(self._choose(WISHES))
        for _ in range(self.rng.choice(BURSTS)):
            time.sleep(min(1.0, self.rng.expovariate(1 / 0.12)))
            victim = self._choose(VICTIMS)
            if self._kill(victim, wish):
                self.outcome.kills[victim] += 1
        if wish is not None:
            self._settle(*wish)
        self._let_go()

    def _be_up(self) -> None:
        """What the operator does when everything is gone; a keeper alone brings its engine."""
        if self.project.holders():
            return
        time.sleep(0.2)  # An engine whose keeper died starts the next one after it let go.
        if not self.project.holders():
            self.project.run("up", check=None)

    def _wish(self, kind: str) -> tuple[subprocess.Popen[str], dict[str, Any]] | None:
        if kind == "nothing":
            return None
        try:
            states = self.project.wait("an engine that answers", self.project.states, 10.0)
        except NotInTimeError:
            return None  # A frozen or slow one; the end decides whether it ever comes.
        self._serial += 1
        if kind == "answer":
            requests = states.get("asker", {}).get("requests", [])
            still_open = [r for r in requests if r.get("state", "open") == "open"]
            if not still_open:
                return None
            request = still_open[0]
            allow = self.rng.random() < 0.5
            word = {"call": "answer", "id": request["id"], "allow": allow,
                    "comment": f"word {self._serial}"}  # fmt: skip
            yes = "--allow" if allow else "--deny"
            arguments = ["answer", request["id"], yes, "--hash", request["sha256"],
                         "--comment", str(word["comment"])]  # fmt: skip
        else:
            name = self.rng.choice(self.agents)
            if name not in states:
                return None
            word = {"call": kind, "run": states[name]["id"]}
            arguments = [kind, name]
            if kind == "stop" and self.rng.random() < 0.7:
                arguments.append("--no-wait")
        word["from"] = time.time()
        return self.project.begin(*arguments), word

    def _settle(self, client: subprocess.Popen[str], word: dict[str, Any]) -> None:
        out, err = client.communicate(timeout=60)
        word["to"] = time.time()
        if "Traceback" in err:
            self.outcome.violations.append(f"client: {word}: {out}{err}")
        if client.returncode == 0:
            self.outcome.acknowledged[word["call"]] += 1
            if word["call"] in ("answer", "stop"):
                self.journal.append(word)

    def _kill(self, victim: str, wish: tuple[subprocess.Popen[str], dict[str, Any]] | None) -> bool:
        project = self.project
        holders = project.holders()
        if victim == "client":
            if wish is None or wish[0].poll() is not None:
                return False
            return project.kill(wish[0].pid)
        if victim == "agent":
            pids = sorted(project.agent_pids())
            return bool(pids) and project.kill(self.rng.choice(pids))
        if victim in ("engine call", "keeper call", "engine refused"):
            pid = holders.get(victim.partition(" ")[0])
            if pid is not None:
                self._arm(victim, pid)
            return False  # Counted once it was really injected.
        if victim == "freeze":
            one = holders.get(self.rng.choice(("keeper", "engine")))
            return one is not None and self._hold_still([one])
        if victim == "suspend":
            return self._hold_still([*holders.values(), *project.agent_pids()])
        wanted = ("keeper", "engine") if victim == "both" else (victim,)
        order = self.rng.sample(wanted, len(wanted))
        killed = [project.kill(holders[name]) for name in order if name in holders]
        return any(killed)

    def _hold_still(self, pids: Sequence[int]) -> bool:
        """No time for these processes for a while; whether there was one."""
        stopped = [pid for pid in pids if self.project.kill(pid, signal.SIGSTOP)]
        time.sleep(self.rng.random() * 0.5)
        for pid in stopped:
            self.project.kill(pid, signal.SIGCONT)
        return bool(stopped)

    def _arm(self, victim: str, pid: int) -> None:
        """Have strace kill a process at one of its next system calls, or refuse it that call."""
        if why_not() is not None or self._traps:
            return
        fault, calls, last = "signal=KILL", CALLS, LAST_CALL[victim]
        if victim.endswith("refused"):
            fault = self.rng.choice(("error=EIO", "error=ENOSPC"))
            calls = ("fdatasync", "pwrite64")
        call, when = self.rng.choice(calls), self.rng.randint(1, last)
        log = self.project.directory / "trace"
        self._traps.append(Trap(victim, pid, call, fault, when, log))

    def _let_go(self) -> None:
        """No tracer stays: what it holds must be free to be killed, frozen and looked at."""
        for trap in self._traps:
            self.outcome.armed += 1
            self.outcome.kills[trap.victim] += trap.end()
        self._traps.clear()

    # After the faults.

    def _heal(self) -> None:
        project = self.project
        (project.ledgers / "healed").touch()
        end = time.monotonic() + HEAL_LIMIT_S
        while time.monotonic() < end:
            self._be_up()
            states = project.states()
            unfinished = [n for n in self.agents if states.get(n, {}).get("status") != "succeeded"]
            if states and not unfinished:
                return
            for name in unfinished:
                self._help_on(name, states.get(name, {}))
            time.sleep(0.05)
        raise NotInTimeError(f"runs have no end after {HEAL_LIMIT_S:g} s\n{project.account()}")

    def _help_on(self, name: str, run: dict[str, Any]) -> None:
        """What the operator still owes a run: a start, a resume, an answer."""
        status = run.get("status")
        if status in (*FINAL, "held", None) and status != "succeeded":
            if status in ("failed", "timed_out"):
                reason = f"liveness: {name} is {status}: {run['reason']}"
                if reason not in self.outcome.violations:
                    self.outcome.violations.append(reason)
            self.project.ask("start", names=[name], by="driver")
        elif status == "paused":
            self.project.ask("resume", names=[name], by="driver")
        for request in run.get("requests", []):
            if request.get("state", "open") == "open":
                self._serial += 1
                comment = f"word {self._serial}"
                done = self.project.ask(
                    "answer", id=request["id"], hash=request["sha256"], allow=True,
                    comment=comment, by="driver",
                )  # fmt: skip
                if done is not None:
                    word = {"call": "answer", "id": request["id"], "allow": True}
                    self.journal.append({**word, "comment": comment})


def run_session(seed: int, kills: int, *, workers: int = 4, keep: bool = False) -> Outcome:
    """One session with its own project; removed afterwards unless it is kept or has violations."""
    session = Session(seed, workers, items=30 + kills)
    try:
        return session.run(kills)
    finally:
        if keep and session.outcome.violations:
            print(f"kept: {session.project.directory}")
            for pid in (*session.project.holders().values(), *session.project.agent_pids()):
                session.project.kill(pid)
        else:
            session.project.end()


def run_sessions(
    kills: int, seed: int, *, each: int, jobs: int, seconds: float, workers: int, keep: bool
) -> list[Outcome]:
    """Sessions side by side until there were enough kills, or for so many seconds."""
    began, asked, outcomes = time.monotonic(), 0, list[Outcome]()
    running = set[Future[Outcome]]()
    with ProcessPoolExecutor(jobs) as pool:
        while asked < kills or running:
            while asked < kills and len(running) < jobs and time.monotonic() - began < seconds:
                share = min(each, kills - asked)
                running.add(pool.submit(run_session, seed, share, workers=workers, keep=keep))
                asked, seed = asked + share, seed + 1
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                outcome = future.result()
                outcomes.append(outcome)
                print("\n".join(outcome.lines()), flush=True)
                if outcome.violations:
                    print(f"again: {outcome.command(workers)}", flush=True)
    return outcomes


def main() -> int:
    """The long version; exit status 1 with violations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="in all")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 10**6))
    parser.add_argument("--each", type=int, default=40, help="kills in one session")
    parser.add_argument("--jobs", type=int, default=1, help="sessions side by side")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no session after these")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--keep", action="store_true", help="keep the directory of a failure")
    arguments = parser.parse_args()
    began = time.monotonic()
    outcomes = run_sessions(**vars(arguments))
    kinds = sum((outcome.kills for outcome in outcomes), Counter[str]())
    bad = sum(len(outcome.violations) for outcome in outcomes)
    print(", ".join(f"{name} {count}" for name, count in sorted(kinds.items())))
    print(f"{kinds.total()} kills in {len(outcomes)} sessions, {bad} violations, "
          f"{time.monotonic() - began:.1f} s, seed {arguments.seed}")  # fmt: skip
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
