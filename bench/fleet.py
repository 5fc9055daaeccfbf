"""Keeper and engine with 200 and 1,000 agents: start, memory, idle, and under progress writes.

The agents are ``sleep`` processes; one process of the bench renames a new ``progress.json`` into
each run directory, so that what is measured is the supervisor and not a thousand interpreters.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import psutil

from bench.figures import Report, Row
from bench.project import BenchProject
from supervisor.control.client import Client

WATCH_S = 10.0
UP_LIMIT_S = 120.0


def measure(report: Report) -> None:
    """Add the fleet rows."""
    for count in (200, 1000):
        with BenchProject() as project:
            _measure_one(report, project, count)


def _measure_one(report: Report, project: BenchProject, count: int) -> None:
    command = ["sleep", "100000"]
    project.configure({f"agent-{n}": {"command": command, "timeout": "none"} for n in range(count)})
    project.run("up")
    began = time.perf_counter()
    project.run("start", "--all")
    while sum(run["status"] == "running" for run in project.status()["runs"]) < count:
        if time.perf_counter() - began > UP_LIMIT_S:
            raise TimeoutError(f"{count} agents were not up in {UP_LIMIT_S} s")
        time.sleep(0.2)
    name = f"{count} agents"
    report.add(Row(f"{name}: all up", "s", (time.perf_counter() - began,), note="goal 20"))
    daemons = project.daemons()
    memory = sum(process.memory_info().rss for process in daemons) / 1e6
    goal = f"goal {100 + count * 0.04:.0f}"
    report.add(Row(f"{name}: memory of keeper and engine", "MB", (memory,), note=goal))
    time.sleep(3.0)
    report.add(Row(f"{name}: CPU idle", "% of a core", (_cpu(daemons, WATCH_S),), note="goal 1"))
    directories = [
        project.directory / ".longwatch" / "runs" / run["id"] for run in project.status()["runs"]
    ]
    latencies, cpu = asyncio.run(_under_writes(project.socket(), directories, daemons))
    report.add(
        Row(
            f"{name}: CPU, each writing progress once a second",
            "% of a core",
            (cpu,),
            note="goal 35",
        )
    )
    report.add(
        Row(
            f"{name}: progress.json renamed to event at a client",
            "ms",
            tuple(latencies),
            note="goal p50 10, p95 40 (200 agents)",
        )
    )


def _cpu(processes: list[psutil.Process], seconds: float) -> float:
    before = sum(sum(process.cpu_times()[:2]) for process in processes)
    time.sleep(seconds)
    return (sum(sum(process.cpu_times()[:2]) for process in processes) - before) / seconds * 100


async def _under_writes(
    socket: Path, directories: list[Path], daemons: list[psutil.Process]
) -> tuple[list[float], float]:
    client = await Client.connect(socket)
    await client.call("subscribe", {"since": None})
    renamed: dict[tuple[str, int], float] = {}
    latencies: list[float] = []

    async def listen() -> None:
        async for notice in client.notices():
            arrived = time.perf_counter()
            if notice.method != "events":
                continue
            for event in notice.params["events"]:
                if event["type"] != "ProgressReported":
                    continue
                completed = int(event["data"]["progress"]["step"]["completed"])
                began = renamed.pop((event["run_id"], completed), None)
                if began is not None:
                    latencies.append((arrived - began) * 1000)

    listener = asyncio.create_task(listen())
    await asyncio.sleep(0.5)
    before = sum(sum(process.cpu_times()[:2]) for process in daemons)
    began = time.perf_counter()
    rounds = int(WATCH_S)
    for number in range(1, rounds + 1):
        for place, directory in enumerate(directories):
            due = began + number - 1 + place / len(directories)
            if (wait_s := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait_s)
            _write(directory, number)
            renamed[directory.name, number] = time.perf_counter()
    passed = time.perf_counter() - began
    cpu = (sum(sum(p.cpu_times()[:2]) for p in daemons) - before) / passed * 100
    await asyncio.sleep(2.0)
    listener.cancel()
    await asyncio.gather(listener, return_exceptions=True)
    await client.close()
    if not latencies:
        raise RuntimeError("no progress event reached the client")
    return latencies, cpu


def _write(directory: Path, number: int) -> None:
    content = {"status": "running", "step": {"completed": number, "total": 1000, "unit": "items"}}
    temporary = directory / ".progress.tmp-bench"
    temporary.write_text(json.dumps(content))
    temporary.replace(directory / "progress.json")
