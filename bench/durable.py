"""Durable steps: what one costs beside a bare SQLite commit and other libraries, and replaying."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import Report, Row
from bench.project import BenchProject
from supervisor.agent import Agent

STEPS = 300
ROUNDS = 5
REPLAYED = 10_000
REPLAYS = 7
WORKERS = 16
RESUMES = 9
LIMIT_S = 60.0
PEERS = {"dbos": "dbos", "langgraph": "langgraph-checkpoint-sqlite"}
PEERS_PYTHON = "LONGWATCH_BENCH_PEERS"
"""Environment variable: the Python that has them, when this one has not."""
WAITING = f"""
import time
from pathlib import Path
from supervisor.agent import Agent

with Agent() as agent:
    for number in range(1000):
        agent.step(pow, number, 2)
    for number in range({RESUMES}):
        agent.approve(f"Go on {{number}}?")
        Path(f"past-{{number}}.tmp").write_text(str(time.time()))
        Path(f"past-{{number}}.tmp").rename(f"past-{{number}}")
"""


def work(number: int) -> dict[str, int]:
    """A step with a small result."""
    return {"page": number}


def measure(report: Report) -> None:
    """Add the rows of durable steps."""
    with tempfile.TemporaryDirectory(prefix="lwb-") as folder:
        _cost(report, Path(folder))
        _replay(report, Path(folder))
    for peer, package in PEERS.items():
        _peer(report, peer, package)
    _resume(report)


def _agent(folder: Path, epoch: int) -> Agent:
    os.environ.update(
        LONGWATCH_RUN_DIR=str(folder / "run"), LONGWATCH_RUN_ID="bench", LONGWATCH_AGENT="bench",
        LONGWATCH_EPOCH=str(epoch), LONGWATCH_PROTOCOL="1",
    )  # fmt: skip
    return Agent()


def _cost(report: Report, folder: Path) -> None:
    """Ours and the floor in turns, so that a busy moment meets both."""
    database = sqlite3.connect(folder / "floor.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE step (scope TEXT, name TEXT, occurrence INT, result TEXT)")
    floor: list[float] = []
    ours: list[float] = []
    beside: list[float] = []
    with _agent(folder, 1) as agent:
        for _ in range(ROUNDS):
            for number in range(STEPS):
                began = time.perf_counter()
                row = ("", "work", number, json.dumps(work(number)))
                database.execute("INSERT INTO step VALUES (?, ?, ?, ?)", row)
                floor.append(time.perf_counter() - began)
                began = time.perf_counter()
                agent.step(work, number)
                ours.append(time.perf_counter() - began)
            began = time.perf_counter()
            agent.parallel(work, range(STEPS), workers=WORKERS)
            beside.append((time.perf_counter() - began) / STEPS)
    database.close()
    bare = _milliseconds(floor)
    middle = sorted(bare)[len(bare) // 2]
    report.add(Row("SQLite insert + commit, FULL (the floor)", "ms", bare))
    note = "goal 1.5 x"
    report.add(Row("durable step, small result", "ms", _milliseconds(ours), middle, note))
    what = f"durable step, {WORKERS} threads beside each other"
    report.add(Row(what, "ms", _milliseconds(beside), middle, "one sync for several"))


def _replay(report: Report, folder: Path) -> None:
    place = folder / "replay"
    place.mkdir()
    _fill(place)
    spans = []
    for epoch in range(2, 2 + REPLAYS):
        began = time.perf_counter()
        with _agent(place, epoch) as agent:
            for number in range(REPLAYED):
                agent.step(work, number)
            spans.append(time.perf_counter() - began)
    what = f"replay of {REPLAYED:,} completed steps"
    report.add(Row(what, "ms", _milliseconds(spans), note="goal 100"))


def _fill(place: Path) -> None:
    from supervisor.agent.canonical import arguments_sha256
    from supervisor.agent.journal import format_line

    (place / "run").mkdir()
    with (place / "run" / "journal.jsonl").open("wb") as file:
        for number in range(REPLAYED):
            where = {"scope": "", "name": "work", "occurrence": number}
            args = {"args": arguments_sha256((number,), {}, "")}
            file.write(format_line({"epoch": 1, **where, **args, "result": work(number)}))


def _peer(report: Report, peer: str, package: str) -> None:
    python = os.environ.get(PEERS_PYTHON, sys.executable)
    script = Path(__file__).with_name("durable_peers.py")
    done = subprocess.run(
        [python, str(script), peer, str(STEPS)], capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    what = f"durable step of {peer} on SQLite"
    if done.returncode == 0:
        spans = json.loads(done.stdout.splitlines()[-1])
        report.add(Row(what, "ms", _milliseconds(spans)))
    elif "ModuleNotFoundError" in done.stderr:
        how = f"pip install {package} somewhere, {PEERS_PYTHON}=that python"
        report.leave_out(what, f"not installed: {how}")
    else:
        report.leave_out(what, done.stderr.strip().splitlines()[-1][:200])


def _resume(report: Report) -> None:
    """From the answer to the line behind the question, with 1,000 completed steps."""
    spans = []
    with BenchProject() as project:
        (project.directory / "waiting.py").write_text(WAITING)
        project.configure({"waiting": {"command": [sys.executable, "waiting.py"]}})
        project.run("up")
        project.run("start", "waiting")
        from supervisor.control.sync_client import SyncClient

        with contextlib.closing(SyncClient.connect(project.socket())) as client:
            for number in range(RESUMES):
                request = _parked(client)
                began = time.time()
                client.call("answer", {"id": request, "allow": True, "by": "bench"})
                spans.append(_past(project.directory / f"past-{number}") - began)
    what = "answer given to parked agent past its request"
    report.add(Row(what, "ms", _milliseconds(spans), note="1,000 steps; goal p50 200"))


def _parked(client: object) -> str:
    """The open request, once the process has left."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        run = client.call("snapshot", {})["runs"][0]  # type: ignore[attr-defined]
        asked = run.get("requests", ())
        waiting = [request for request in asked if request.get("state", "open") == "open"]
        if run["status"] == "parked" and waiting:
            return str(waiting[0]["id"])
        time.sleep(0.02)
    raise TimeoutError("the agent did not park")


def _past(path: Path) -> float:
    end = time.monotonic() + LIMIT_S
    while not path.exists():
        if time.monotonic() > end:
            raise TimeoutError("the agent did not come back")
        time.sleep(0.001)
    return float(path.read_text())


def _milliseconds(spans: list[float]) -> tuple[float, ...]:
    return tuple(span * 1000 for span in spans)
