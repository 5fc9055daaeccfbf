"""Small programs that write through the real code, for kill points: ``writers.py SUBJECT PLACE``.

Each says ``ack N`` on standard output once a promise was made, unbuffered. ``os.getpgid(0)``
marks where the part under test begins, so that kill points skip the start of Python. ``LIFE`` is
which life of the same run it is.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

ROUNDS = 4


def ready() -> None:
    """The part under test begins."""
    os.getpgid(0)


def ack(number: int) -> None:
    """A promise was made."""
    os.write(1, f"ack {number}\n".encode())


def content(number: int) -> bytes:
    """Bytes that tell whether they are whole."""
    return f"{number:04d}".encode() * 3000


def atomic(place: Path) -> None:
    """``protocol.atomic``: the same file again and again."""
    from supervisor.protocol.atomic import write_atomic

    ready()
    for number in range(1, ROUNDS + 1):
        write_atomic(place / "file", content(number))
        ack(number)


def answer(place: Path) -> None:
    """The engine's answer file, in a folder that has to be made."""
    from supervisor.core.run import Answer, Request, RequestState
    from supervisor.engine.answers import write_answer

    given = Answer("test", 1.0, "0" * 64, allow=True, comment="c" * 5000)
    request = Request(
        "ABCD-1", "approve-1", "approve", "t", "0" * 64, 0.0, 1,
        state=RequestState.ANSWERED, answer=given,
    )  # fmt: skip
    ready()
    for number in range(1, ROUNDS + 1):
        write_answer(place, request)
        ack(number)


def kept(place: Path) -> None:
    """The engine's copies of a checkpoint."""
    from supervisor.config.paths import Project
    from supervisor.engine.checkpoints import keep

    project = Project(place)
    ready()
    for number in range(1, ROUNDS + 1):
        keep(project, "01ARZ3NDEKTSV4RRFFQ69G5FAV", number, content(number))
        ack(number)


def record(place: Path) -> None:
    """The keeper's exit records."""
    from supervisor.keeper.records import prepare_record, write_record

    ready()
    for number in range(1, ROUNDS + 1):
        notice = {"run": "r", "epoch": number, "code": number, "reason": "r" * 5000}
        path = str(place / f"exit-{number}.json")
        prepare_record(path)
        write_record(path, json.dumps(notice).encode() + b"\n")
        ack(number)


def _be_an_agent(place: Path) -> None:
    life = os.environ.get("LIFE", "1")
    os.environ.update(
        LONGWATCH_RUN_DIR=str(place / "run"), LONGWATCH_RUN_ID="01ARZ3NDEKTSV4RRFFQ69G5FAV",
        LONGWATCH_AGENT="a", LONGWATCH_EPOCH=life, LONGWATCH_ATTEMPT=life,
        LONGWATCH_PROTOCOL="1",
    )  # fmt: skip
    checkpoint = place / "run" / "checkpoint.json"
    if checkpoint.exists():
        os.environ["LONGWATCH_RESUME_FROM"] = str(checkpoint)


def checkpoint(place: Path) -> None:
    """The SDK's checkpoints."""
    _be_an_agent(place)
    from supervisor.agent import Agent

    with Agent() as agent:
        begin = agent.resumed or 0
        ready()
        for number in range(begin + 1, ROUNDS + 1):
            agent.checkpoint(number)
            ack(number)


def step(place: Path) -> None:
    """The SDK's journal: each step leaves a synced line when it runs."""
    _be_an_agent(place)
    from supervisor.agent import Agent

    def work(number: int) -> str:
        ledger = os.open(place / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(ledger, f"{number}\n".encode())
        os.close(ledger)
        return "x" * (100_000 if number == 2 else 10)  # The second goes to a file of its own.

    with Agent() as agent:
        ready()
        for number in range(1, ROUNDS + 1):
            agent.step(work, number)
            ack(number)


def request(place: Path) -> None:
    """The SDK's question, after which the process leaves with 75."""
    _be_an_agent(place)
    from supervisor.agent import Agent

    with Agent() as agent:
        ready()
        try:
            agent.approve("Publish?", action={"argv": ["publish", "x" * 5000]})
        except SystemExit:
            ack(1)
            raise


def store(place: Path) -> None:
    """The event log: each batch is told once it is durable."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "store"))
    from store_samples import created, state_after

    from supervisor.store.event_log import SqliteEventLog

    async def append() -> None:
        log = await SqliteEventLog.open(place / "state.db")
        ready()
        for seq in range(log.last_seq + 1, log.last_seq + ROUNDS + 1):
            log.append([created(seq)], [state_after(created(seq))], ack)
            await log.durable(seq)
        await log.close()

    asyncio.run(append())


SUBJECTS = {
    "atomic": atomic, "answer": answer, "kept": kept, "record": record,
    "checkpoint": checkpoint, "step": step, "request": request, "store": store,
}  # fmt: skip

if __name__ == "__main__":
    SUBJECTS[sys.argv[1]](Path(sys.argv[2]))
