"""A small engine for the kill points of the keeper: ``keeper_engine.py PLACE``, or ``… agent``.

Three attempts of one run, one after the other, the second of them stopped. What it did is in a
journal of its own (``asked``, synced, like the real one), so that its next life knows what to
adopt; what it was promised goes to ``told``. Standard library only: it runs under ``-I -S``.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
from pathlib import Path

RUN = "r"
EPOCHS = 3
STOPPED = 2
UNKNOWN_PID = 2147483647
LIMIT_S = 20.0
AGAIN = ("busy", "unavailable", "internal")


def append(path: str, line: str) -> None:
    """One durable line; a torn last line of an earlier life stays apart."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode() + b"\n")
    os.fsync(file)
    os.close(file)


def be_an_agent(place: str, epoch: int) -> None:
    """An attempt: it says so in the ledger while it holds a lock of its own."""
    lock = os.open(f"{place}/alive", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        append(f"{place}/ledger", f"second {epoch}")
    append(f"{place}/ledger", f"began {epoch}")
    time.sleep(30.0 if epoch == STOPPED else 0.005)
    append(f"{place}/ledger", f"done {epoch}")


class Keeper:
    """The other end of the socket pair."""

    def __init__(self) -> None:
        self._socket = socket.socket(fileno=int(os.environ["LONGWATCH_KEEPER_FD"]))
        self._lines = self._socket.makefile("rb")
        self._socket.settimeout(LIMIT_S)
        self._exits: dict[int, dict[str, object]] = {}
        self._calls = 0

    def call(self, name: str, **fields: object) -> dict[str, object]:
        """The reply."""
        self._calls += 1
        message = {"id": self._calls, "call": name, **fields}
        self._socket.sendall(json.dumps(message).encode() + b"\n")
        while True:
            message = self._read()
            if message.get("id") == self._calls:
                return message

    def exited(self, epoch: int) -> dict[str, object]:
        """The exit notice, waited for."""
        while epoch not in self._exits:
            self._read()
        return self._exits[epoch]

    def _read(self) -> dict[str, object]:
        line = self._lines.readline()
        if not line:
            sys.exit(0)  # The keeper is dead; another one starts another one of us.
        message = json.loads(line)
        if "notice" in message:
            self._exits[message["epoch"]] = message
        return message


def order(place: str, epoch: int) -> dict[str, object]:
    """What spawn and adopt have in common."""
    env = {"LONGWATCH_RUN_ID": RUN, "LONGWATCH_EPOCH": str(epoch),
           "LONGWATCH_RUN_DIR": f"{place}/runs/{RUN}", "PATH": os.environ["PATH"]}  # fmt: skip
    return {
        "run": RUN, "epoch": epoch, "env": env, "cwd": place, "out": f"{place}/agent.out",
        "err": f"{place}/agent.err", "lock": f"{place}/run.lock",
        "record": f"{place}/exit-{epoch}.json", "deadline": None, "deadline_kind": "task",
        "stop_signal": 15, "grace": 5.0,
    }  # fmt: skip


def lead(keeper: Keeper, place: str, epoch: int, known: dict[int, list[int]]) -> None:
    """Bring one attempt to its end, whatever an earlier life did of it."""
    what = order(place, epoch)
    is_alive = True
    if epoch in known:
        pid, started = known[epoch] or (UNKNOWN_PID, 0)
        reply = keeper.call("adopt", pid=pid, started=started, **what)
        is_alive = bool(reply["ok"])
    else:
        append(f"{place}/asked", json.dumps([epoch]))
        argv = [sys.executable, "-I", "-S", __file__, place, "agent", str(epoch)]
        end = time.monotonic() + LIMIT_S
        while not (reply := keeper.call("spawn", argv=argv, **what))["ok"]:
            code = reply["error"]["code"]  # type: ignore[index]
            if code == "gone":
                break  # Its exit is told again.
            if code not in AGAIN or time.monotonic() > end:
                sys.exit(f"epoch {epoch}: {reply}")
            time.sleep(0.01)
        else:
            append(f"{place}/asked", json.dumps([epoch, reply["pid"], reply["started"]]))
    if is_alive:
        if epoch == STOPPED:
            keeper.call("stop", run=RUN, epoch=epoch, signal=15, grace=0.2, reason="a test")
        notice = keeper.exited(epoch)
        append(f"{place}/told", json.dumps(notice))


def main() -> None:
    """One life."""
    place = sys.argv[1]
    if sys.argv[2:3] == ["agent"]:
        be_an_agent(place, int(sys.argv[3]))
        return
    keeper = Keeper()
    known: dict[int, list[int]] = {}
    if Path(place, "asked").exists():
        for line in Path(place, "asked").read_text().splitlines():
            epoch, *who = json.loads(line)
            known[epoch] = who
    keeper.call("hello")
    for epoch in range(1, EPOCHS + 1):
        if not Path(place, f"exit-{epoch}.json").exists():
            lead(keeper, place, epoch, known)
    append(f"{place}/finished", "yes")
    keeper.call("leave")


if __name__ == "__main__":
    main()
