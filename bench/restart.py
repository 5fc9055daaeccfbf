"""SIGKILL of a child to the first instruction of its successor, for us, a floor and peers.

Every supervisor runs the same child: a shell that writes its pid into a FIFO and becomes
``sleep``. The time runs from the kill to the arrival of the new pid.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.figures import Report, Row
from bench.project import BenchProject

CHILDREN = 20
ROUNDS = 5
LIMIT_S = 30.0
FLOOR = """
    import os, select, sys
    fifo = sys.argv[1]
    argv = ["sh", "-c", f"echo $$ > {fifo}; exec sleep 100000"]
    poll, by_descriptor = select.poll(), {}
    def spawn():
        pid = os.posix_spawnp("sh", argv, os.environ, setsid=True)
        descriptor = os.pidfd_open(pid)
        by_descriptor[descriptor] = pid
        poll.register(descriptor, select.POLLIN)
    for _ in range(int(sys.argv[2])):
        spawn()
    while True:
        for descriptor, _ in poll.poll():
            poll.unregister(descriptor)
            os.waitpid(by_descriptor.pop(descriptor), 0)
            os.close(descriptor)
            spawn()
"""


def measure(report: Report) -> None:
    """Add the restart rows; peers that are not installed are said to be left out."""
    with _fifo() as fifo:
        floor = _floor(fifo)
    report.add(Row("restart: bare posix_spawn and pidfd loop (the floor)", "ms", floor))
    base = report.rows[-1].median
    with _fifo() as fifo:
        report.add(Row("restart: longwatch", "ms", _ours(fifo), base))
    for name, program, peer in (
        ("runit", "runsvdir", _runit),
        ("pm2", "pm2", _pm2),
        ("supervisord", "supervisord", _supervisord),
    ):
        if shutil.which(program) is None:
            report.leave_out(f"restart: {name}", f"{program} is not installed")
            continue
        with _fifo() as fifo, tempfile.TemporaryDirectory(prefix="lwb-") as directory:
            samples = peer(fifo, Path(directory))
        report.add(Row(f"restart: {name}", "ms", samples, base))


class _Fifo:
    """Where children say their pid."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""

    def next_pid(self) -> tuple[int, float]:
        """The next pid and the time it arrived; TimeoutError when none comes."""
        end = time.monotonic() + LIMIT_S
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._descriptor], [], [], end - time.monotonic())
            if not ready:
                raise TimeoutError("no successor said its pid")
            self._rest += os.read(self._descriptor, 4096)
        arrived = time.perf_counter()
        line, self._rest = self._rest.split(b"\n", 1)
        return int(line), arrived

    def close(self) -> None:
        os.close(self._descriptor)


@contextmanager
def _fifo() -> Iterator[_Fifo]:
    with tempfile.TemporaryDirectory(prefix="lwb-") as directory:
        fifo = _Fifo(Path(directory) / "pids")
        try:
            yield fifo
        finally:
            fifo.close()


def _child(fifo: _Fifo) -> str:
    return f"echo $$ > {fifo.path}; exec sleep 100000"


def _rounds(fifo: _Fifo) -> tuple[float, ...]:
    pids = [fifo.next_pid()[0] for _ in range(CHILDREN)]
    time.sleep(1.0)  # Let every supervisor become quiet; this is no measured time.
    samples = []
    for _ in range(ROUNDS):
        for place, pid in enumerate(pids):
            began = time.perf_counter()
            os.kill(pid, signal.SIGKILL)
            pids[place], arrived = fifo.next_pid()
            samples.append((arrived - began) * 1000)
    return tuple(samples)


def _floor(fifo: _Fifo) -> tuple[float, ...]:
    source = textwrap.dedent(FLOOR)
    argv = [sys.executable, "-c", source, str(fifo.path), str(CHILDREN)]
    return _with_process(argv, None, lambda: _rounds(fifo))


def _ours(fifo: _Fifo) -> tuple[float, ...]:
    with BenchProject() as project:
        project.configure(
            {
                f"child-{number}": {
                    "command": ["sh", "-c", _child(fifo)],
                    "timeout": "none",
                    "retry": {
                        "max_retries": 1_000_000,
                        "base_delay_seconds": 0,
                        "crash_loop_deaths": 32,
                    },
                }
                for number in range(CHILDREN)
            }
        )
        project.run("up")
        project.run("start", "--all")
        return _rounds(fifo)


def _with_process(
    argv: list[str], directory: Path | None, work: Callable[[], tuple[float, ...]]
) -> tuple[float, ...]:
    process = subprocess.Popen(
        argv, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        return work()
    finally:
        _end_tree(process)


def _end_tree(process: subprocess.Popen[bytes]) -> None:
    """The supervisor first, else it starts its children again."""
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    for child in children:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(children, timeout=5)


def _runit(fifo: _Fifo, directory: Path) -> tuple[float, ...]:
    for number in range(CHILDREN):
        service = directory / f"child-{number}"
        service.mkdir()
        script = service / "run"
        script.write_text(f"#!/bin/sh\n{_child(fifo)}\n")
        script.chmod(0o755)
    return _with_process(["runsvdir", str(directory)], directory, lambda: _rounds(fifo))


def _supervisord(fifo: _Fifo, directory: Path) -> tuple[float, ...]:
    program = directory / "child.sh"
    program.write_text(f"{_child(fifo)}\n")
    config = directory / "supervisord.conf"
    config.write_text(
        f"[supervisord]\nnodaemon=true\nlogfile={directory}/log\npidfile={directory}/pid\n"
        f"[program:child]\ncommand=sh {program}\nnumprocs={CHILDREN}\n"
        "process_name=%(program_name)s_%(process_num)02d\nautorestart=true\nstartsecs=0\n"
    )
    return _with_process(["supervisord", "-c", str(config)], directory, lambda: _rounds(fifo))


def _pm2(fifo: _Fifo, directory: Path) -> tuple[float, ...]:
    program = directory / "child.sh"
    program.write_text(f"{_child(fifo)}\n")
    environment = {**os.environ, "PM2_HOME": str(directory / "pm2")}

    def pm2(*words: str) -> None:
        subprocess.run(["pm2", *words], env=environment, check=True, capture_output=True)

    try:
        for number in range(CHILDREN):
            pm2("start", str(program), "--interpreter", "sh", "--name", f"child-{number}")
        return _rounds(fifo)
    finally:
        pm2("kill")
