"""Floods, huge lines and output after the exit, through the real command."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil

MB = 1_000_000
MEMORY_LIMIT = 120 * MB
"""Of the command or the engine: a 64 MB line kept whole would be more."""

HUGE_LINE = """
import os, sys, time
print("before", flush=True)
while not os.path.exists("go"):
    time.sleep(0.02)
for _ in range(64):
    sys.stdout.write("x" * 1_000_000)
print("\\nafter", flush=True)
"""

MANY_LINES = """
import time
began, number = time.monotonic(), 0
while time.monotonic() - began < 2:
    print("\\n".join(f"line {n}" for n in range(number, number + 10_000)), flush=True)
    number += 10_000
    time.sleep(max(0.0, number / 100_000 - (time.monotonic() - began)))
print("the end", number, flush=True)
"""

ORPHAN = """
import subprocess, sys
subprocess.Popen(
    ["sh", "-c", "trap '' TERM HUP; while :; do echo orphan; sleep 0.01; done"],
    start_new_session=True,
)
print("leader leaves", flush=True)
"""


def config(command: list[str], **settings: Any) -> str:
    lines = ["[agents.loud]", f"command = {json.dumps(command)}"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    return "\n".join(lines) + "\n"


def log_of(project: Any, name: str = "out.log") -> Path:
    run = project.status_of("loud")
    path: Path = project.directory / ".longwatch" / "records" / run["id"] / name
    return path


def follow_to_the_end(project: Any, *arguments: str) -> tuple[list[str], int]:
    """What ``logs -f`` printed until the run was over, and its highest memory in bytes."""
    target = project.directory / "followed"
    with target.open("wb") as file:
        process = subprocess.Popen(
            project.command("logs", "loud", "-f", *arguments),
            cwd=project.directory,
            env=project.environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        most, end = 0, time.monotonic() + 60
        while process.poll() is None and time.monotonic() < end:
            if target.stat().st_size:
                (project.directory / "go").touch()
            try:
                most = max(most, psutil.Process(process.pid).memory_info().rss)
            except psutil.Error:
                break
            time.sleep(0.02)
        process.wait(20)
    return target.read_text().splitlines(), most


def engine_memory(project: Any) -> int:
    return max(psutil.Process(pid).memory_info().rss for pid in project.daemon_pids())


def test_a_huge_line_is_cut_and_counted_and_costs_no_memory(project: Any) -> None:
    project.script("huge.py", HUGE_LINE)
    project.configure(config(["{python}", "huge.py"], log_cap="256MB"))
    project.run("up")
    project.run("start", "loud")
    project.wait("output", lambda: "before" in log_of(project).read_text()[:20])
    lines, memory = follow_to_the_end(project)
    assert lines[-1] == "after"
    cut = re.fullmatch(r"(x+) … \(([0-9,]+) more characters\)", lines[-2])
    assert cut is not None and len(cut[1]) == 16_384
    assert memory < MEMORY_LIMIT and engine_memory(project) < MEMORY_LIMIT


def test_100_000_lines_a_second_are_followed_without_a_gap(project: Any) -> None:
    project.script("many.py", MANY_LINES)
    project.configure(config(["{python}", "many.py"]))
    project.run("up")
    project.run("start", "loud")
    lines, memory = follow_to_the_end(project)
    assert lines[-1].startswith("the end")
    numbers = [int(line[5:]) for line in lines[:-1]]
    assert numbers == list(range(numbers[0], int(lines[-1].split()[-1])))
    assert memory < MEMORY_LIMIT and engine_memory(project) < MEMORY_LIMIT


def test_a_flood_is_held_to_its_cap_and_its_end_can_be_read(project: Any) -> None:
    flood = "yes 'a line of the flood' | head -c 120000000; echo the very last line"
    project.configure(config(["sh", "-c", flood], log_cap="1MB"))
    project.run("up")
    project.run("start", "loud")
    project.wait_for("loud", "succeeded")
    log = log_of(project)
    assert log.stat().st_size > 120 * MB
    project.wait("the log to be bounded", lambda: log.stat().st_blocks * 512 <= MB)
    shown = project.run("logs", "loud", "-n", "5").stdout.splitlines()
    assert shown == ["a line of the flood"] * 4 + ["the very last line"]


def test_what_writes_after_the_exit_of_its_leader_is_ended(project: Any) -> None:
    project.script("orphan.py", ORPHAN)
    project.configure(config(["{python}", "orphan.py"]))
    project.run("run", "--headless")
    project.run("up")
    log = log_of(project)
    text = log.read_text()
    assert "leader leaves" in text
    assert not [
        process
        for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get("LONGWATCH_RUN_ID") == log.parent.name
    ]
    assert "outlived attempt 1" in project.run("events").stdout
    assert log.read_text() == text
