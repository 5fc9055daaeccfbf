"""The agents of the fault suite: they keep a ledger of their own, apart from anything of ours.

``python ledger_agent.py KIND PLACE COUNT PACE``. Each line of a ledger is written with one write
and synced, so a SIGKILL leaves whole lines; a lock beside it betrays a second living process of
the same run. Nothing here trusts the SDK: the checker compares what the SDK promised with this.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from supervisor.agent import Agent


class Ledger:
    """``PLACE/<agent>.jsonl``, and the lock of the run."""

    def __init__(self, place: str) -> None:
        self.run = os.environ["LONGWATCH_RUN_ID"]
        self.epoch = int(os.environ["LONGWATCH_EPOCH"])
        self.place = place
        name = f"{place}/{os.environ['LONGWATCH_AGENT']}.jsonl"
        self._file = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.lock = os.open(f"{place}/{self.run}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.note("second process")
        self.note("began")

    def note(self, what: str, item: object = None, **more: object) -> None:
        """One durable line."""
        line = {"t": time.time(), "run": self.run, "epoch": self.epoch, "pid": os.getpid()}
        line |= {"what": what, "item": item, **more}
        os.write(self._file, json.dumps(line).encode() + b"\n")
        os.fsync(self._file)

    def is_healed(self) -> bool:
        """Whether the faults are over: then everybody hurries to the end."""
        return Path(self.place, "healed").exists()

    def pause(self, seconds: float) -> None:
        """Pretend to work."""
        if not self.is_healed():
            time.sleep(seconds)


def work(ledger: Ledger, count: int, pace_s: float) -> None:
    """Items of two durable steps, with the position and a sum of our own in the checkpoint."""

    def first(item: int) -> int:
        ledger.note("work", f"first {item}")
        ledger.pause(pace_s)
        return item

    def second(item: int) -> int:
        ledger.note("work", f"second {item}")
        return item

    with Agent() as agent:
        ledger.note("resumed", agent.resumed or 0)
        before = None
        for item in agent.track(range(count), stage="work", unit="items"):
            if before is not None:
                ledger.note("passed", before)
            ledger.note("body", item)
            agent.step(first, item)
            ledger.note("stepped", f"first {item}")
            agent.step(second, item)
            ledger.note("stepped", f"second {item}")
            agent.stash(item)
            if item % 5 == 0:
                agent.checkpoint(item)
                ledger.note("saved", item)
            before = item
        ledger.note("done")


def ask(ledger: Ledger, count: int, pace_s: float) -> None:
    """Questions, one after the other; what was answered goes into the ledger."""

    def prepare(item: int) -> int:
        ledger.note("work", f"prepare {item}")
        ledger.pause(pace_s)
        return item

    with Agent() as agent:
        for item in range(count):
            agent.step(prepare, item)
            ledger.note("stepped", f"prepare {item}")
            answer = agent.approve(f"Publish {item}?", action={"argv": ["publish", str(item)]})
            ledger.note("answered", item, allow=bool(answer), comment=answer.comment)
        ledger.note("done")


def stay(ledger: Ledger, pace_s: float) -> None:
    """A plain command with a child that leaves its session and holds on to the run's lock."""
    subprocess.Popen(["sleep", "600"], start_new_session=True, pass_fds=(ledger.lock,))
    while not ledger.is_healed():
        time.sleep(pace_s)
    ledger.note("done")


def main() -> None:
    """One attempt."""
    kind, place, count, pace = sys.argv[1:]
    ledger = Ledger(place)
    if kind == "work":
        work(ledger, int(count), float(pace))
    elif kind == "ask":
        ask(ledger, int(count), float(pace))
    else:
        stay(ledger, float(pace))


if __name__ == "__main__":
    main()
