"""Small programs that write through the real code, for the kill points.

Each says ``ack N`` on standard output once a promise was made, unbuffered, and calls ``ready``
where the part under test begins: ``zygote.py`` puts its own there. ``LIFE`` is which life of the
same run it is. What a subject returns is its exit status.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "store"))

ROUNDS = 4
RUN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def ready() -> None:
    """The part under test begins."""


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
        keep(project, RUN, number, content(number))
        ack(number)


def identity(place: Path) -> None:
    """Who a run is, before its first process."""
    from store_samples import created, state_after

    from supervisor.config.paths import Project
    from supervisor.engine.keepsakes import keep_identity

    project = Project(place)
    ready()
    for number in range(1, ROUNDS + 1):
        state = replace(state_after(created(number)), id=f"{RUN[:-1]}{number}")
        project.record_dir(state.id).mkdir(mode=0o700, parents=True, exist_ok=True)
        keep_identity(project, state)
        ack(number)


def resume(place: Path) -> None:
    """A torn checkpoint is set aside and the newest good generation put in its place."""
    from store_samples import created, state_after

    from supervisor.config.paths import Project
    from supervisor.core.run import Checkpoint
    from supervisor.engine.checkpoints import keep, prepare_resume

    project = Project(place)
    first = state_after(created(1))
    kept = tuple(
        Checkpoint(number, hashlib.sha256(content(number)).hexdigest(), 12_000, 0.0, 1)
        for number in range(1, ROUNDS + 1)
    )
    state = replace(first, id=RUN, checkpoints=kept)
    live = project.run_dir(RUN) / state.spec.checkpoint
    live.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in range(1, ROUNDS + 1):
        keep(project, RUN, number, content(number))
    if os.environ.get("LIFE", "1") == "1":
        live.write_bytes(b"torn")
    ready()
    for number in range(1, ROUNDS + 1):
        found = prepare_resume(project, state)
        ack(number)
        if found.path is None or live.read_bytes() != content(ROUNDS):
            os.write(1, b"not the newest generation\n")
            raise SystemExit(1)
        live.write_bytes(b"torn again, %d" % number)


def keeper(place: Path) -> int:
    """The real keeper: it starts attempts, ends one and records every exit, for a small engine."""
    from supervisor.keeper import loop

    loop.RECORD_RETRY_S = 0.2  # Not its length is under test, but that there is another try.
    engine = [sys.executable, "-I", "-S", str(HERE / "keeper_engine.py"), str(place)]
    ready()
    return loop.keep(str(place), engine)


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
        LONGWATCH_RUN_DIR=str(place / "run"), LONGWATCH_RUN_ID=RUN,
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


def sleeper(place: Path) -> None:
    """The SDK's recorded values, and a sleep for which the process leaves with 75."""
    _be_an_agent(place)
    from supervisor.agent import Agent, AsleepExit

    def note(word: object) -> None:
        ledger = os.open(place / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(ledger, f"{word}\n".encode())
        os.close(ledger)

    with Agent() as agent:
        ready()
        for number in range(1, ROUNDS):
            note(f"{number}={agent.uuid()}")
            ack(number)
        try:
            agent.sleep(600)
        except AsleepExit as leaving:
            note(f"sleep={leaving.at}")
            ack(ROUNDS)
            raise


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
    from store_samples import created, state_after

    from supervisor.store import writer
    from supervisor.store.event_log import SqliteEventLog

    writer.RETRY_S = 0.05  # Not its length is under test, but that there is another try.

    async def append() -> None:
        ready()
        log = await SqliteEventLog.open(place / "state.db")
        for seq in range(log.last_seq + 1, log.last_seq + ROUNDS + 1):
            log.append([created(seq)], [state_after(created(seq))], ack)
            await log.durable(seq)
        await log.close()

    asyncio.run(append())


def warm() -> None:
    """Import what the subjects import, before anything is traced."""
    import sqlite3  # noqa: F401

    import store_samples  # noqa: F401

    import supervisor.agent.agent
    import supervisor.engine.answers
    import supervisor.engine.checkpoints
    import supervisor.engine.keepsakes
    import supervisor.keeper.loop
    import supervisor.protocol.atomic
    import supervisor.store.event_log  # noqa: F401


SUBJECTS: dict[str, Callable[[Path], int | None]] = {
    "atomic": atomic, "answer": answer, "kept": kept, "identity": identity, "resume": resume,
    "record": record, "keeper": keeper, "checkpoint": checkpoint, "step": step,
    "request": request, "sleeper": sleeper, "store": store,
}  # fmt: skip
