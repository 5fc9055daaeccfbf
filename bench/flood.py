"""``yes`` into the log: the agent's speed against a plain redirect, our CPU, and the disk used."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from bench.figures import Report, Row
from bench.project import BenchProject
from supervisor.process.output import bound_output

FLOOD_S = 3
ROUNDS = 4
LIMIT_S = 60.0
CAP_BYTES = 16 * 1024 * 1024


def measure(report: Report) -> None:
    """Add the flood rows; plain and supervised floods take turns."""
    plain, ours, cpu, disk = [], [], [], []
    with BenchProject() as project:
        command = ["sh", "-c", f"timeout {FLOOD_S} yes; exit 0"]
        project.configure({"flood": {"command": command, "log_cap": CAP_BYTES}})
        project.run("up")
        daemons = project.daemons()
        for _ in range(ROUNDS):
            plain.append(_plain())
            before = _cpu_s(daemons)
            speed, most = _ours(project)
            ours.append(speed)
            cpu.append((_cpu_s(daemons) - before) / FLOOD_S * 100)
            disk.append(most / 1e6)
    report.add(Row("log flood: yes into a plain file (the floor)", "MB/s", tuple(plain)))
    base = report.rows[-1].median
    report.add(
        Row("log flood: yes under longwatch", "MB/s", tuple(ours), base, "goal 0.8 of the floor")
    )
    report.add(Row("log flood: CPU of keeper and engine", "% of a core", tuple(cpu), note="goal 2"))
    name = "log flood: CPU for each GB, a bare loop that punches (the floor)"
    report.add(Row(name, "s", tuple(_bare_punching() for _ in range(ROUNDS))))
    base = report.rows[-1].median
    per_gb = tuple(used / 100 / speed * 1000 for used, speed in zip(cpu, ours, strict=True))
    report.add(Row("log flood: CPU for each GB, keeper and engine", "s", per_gb, base))
    cap = f"cap {CAP_BYTES / 1e6:.1f}"
    report.add(Row("log flood: most disk used by the log", "MB", tuple(disk), note=cap))


def _plain() -> float:
    with tempfile.TemporaryDirectory(prefix="lwb-") as directory:
        path = Path(directory) / "out"
        with path.open("ab") as file:
            subprocess.run(["timeout", str(FLOOD_S), "yes"], stdout=file, check=False)
        return path.stat().st_size / FLOOD_S / 1e6


def _bare_punching() -> float:
    """CPU seconds that freeing one GB of a flood costs whoever does it, the kernel's part alone."""
    with tempfile.TemporaryDirectory(prefix="lwb-") as directory:
        path = Path(directory) / "out"
        with path.open("ab") as file:
            writer = subprocess.Popen(["timeout", str(FLOOD_S), "yes"], stdout=file)
        before = time.thread_time()
        while writer.poll() is None:
            time.sleep(0.015)
            bound_output(str(path), CAP_BYTES)
        return (time.thread_time() - before) / path.stat().st_size * 1e9


def _ours(project: BenchProject) -> tuple[float, float]:
    """Speed of one flood in MB/s, and the most bytes its log had on disk."""
    project.run("start", "flood", "--fresh")
    run = max(project.status()["runs"], key=lambda run: str(run["id"]))
    log = project.directory / ".longwatch" / "records" / run["id"] / "out.log"
    most, size, still = 0, -1, 0
    end = time.monotonic() + LIMIT_S
    while still < 10:
        if time.monotonic() > end:
            raise TimeoutError("the flood did not end")
        found = log.stat()
        most = max(most, found.st_blocks * 512)
        still = still + 1 if found.st_size == size else 0
        size = found.st_size
        time.sleep(0.05)
    return size / FLOOD_S / 1e6, float(most)


def _cpu_s(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)
