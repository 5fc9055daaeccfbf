"""The interface in a real terminal: first paint, a key until its repaint, processor time.

First paint and the idle figures are of ``longwatch`` against a real engine; the load of a thousand
agents is told by ``bench.tui_feed`` over a real control socket, so that the figures are those of
the interface and not of an engine on the same two cores.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.figures import Report, Row
from bench.project import BenchProject
from bench.terminal import Terminal
from supervisor.tui.theme import DARK

PAINTS = 9
AGENTS = 1000
KEYS = 120
"""Keys pressed for one figure; half of them down, half up again."""
WATCH_S = 12.0
SETTLE_S = 4.0
"""Until the snapshot is drawn and the start is paid."""
SEED = 7
BARE_APP = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("bare-is-drawn")
Bare().run()
"""
BARE_KEYS = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("bare-is-drawn", id="text")
    def on_key(self, event):
        self.count = getattr(self, "count", 0) + 1
        self.query_one("#text").update(f"key-{self.count:04}-drawn")
Bare().run()
"""
INTERFACE = "import sys; from supervisor.tui import run_tui; sys.exit(run_tui(sys.argv[1]))"


def measure(report: Report) -> None:
    """Add the rows of the interface."""
    _measure_first_paint(report)
    with tempfile.TemporaryDirectory(prefix="lwb-") as directory, _feed(directory) as socket:
        print(f"  below: {AGENTS} agents, each reporting once a second")
        floor = Row("key to repaint of a bare Textual program", "ms", _press_bare(directory))
        report.add(floor)
        for look in LOOKS:
            _measure_under_load(report, socket, look, floor.median)


def _measure_first_paint(report: Report) -> None:
    with BenchProject() as project:
        sleeper = {"command": ["sleep", "100000"], "timeout": "none"}
        project.configure({f"agent-{place:04}": sleeper for place in range(10)})
        project.run("up")
        project.run("start", "--all")
        bare, ours = [], []
        for _ in range(PAINTS):
            here = project.directory
            bare.append(_paint_s([sys.executable, "-c", BARE_APP], here, b"bare-is-drawn"))
            ours.append(_paint_s(project.command(), here, b"agent-0009"))
        floor = Row("first paint of a bare Textual program", "s", tuple(bare), note="the floor")
        report.add(floor)
        report.add(
            Row("first paint, 10 agents", "s", tuple(ours), floor=floor.median, note="goal 0.7")
        )
        with Terminal(project.command(), project.directory, (120, 40)) as terminal:
            terminal.when(b"agent-0009")
            time.sleep(SETTLE_S)
            report.add(Row("TUI, 10 idle agents: CPU", "% of a core", (_cpu(terminal),)))


def _paint_s(argv: list[str], directory: Path, wanted: bytes) -> float:
    with Terminal(argv, directory, (120, 40)) as terminal:
        return terminal.when(wanted) - terminal.began


@contextmanager
def _feed(directory: str) -> Iterator[str]:
    socket = f"{directory}/control.sock"
    argv = [sys.executable, "-m", "bench.tui_feed", socket, str(AGENTS)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if process.stdout.readline().strip() != "up":
            raise RuntimeError("the feed did not come up")
        yield socket
    finally:
        process.terminate()
        process.wait(10)


@dataclass(frozen=True, slots=True)
class Look:
    """How the table is looked at while it is measured."""

    size: tuple[int, int]
    words: str = ""
    keys: tuple[bytes, ...] = ()
    """Pressed first."""
    every: int = 1
    """The cursor goes from an agent to the one so many further."""


LOOKS = (
    Look((80, 24)),
    Look((200, 50)),
    # 1,000 agents in four stages: under the heading of the first stand 0, 4, 8 and so on.
    Look((200, 50), ", filtered, sorted, grouped", (b"/agent\r", b">>", b"bb", b"gj"), 4),
)


def _measure_under_load(report: Report, socket: str, look: Look, floor_ms: float) -> None:
    name = f"TUI {look.size[0]}x{look.size[1]}{look.words}"
    argv = [sys.executable, "-c", INTERFACE, socket]
    with Terminal(argv, Path(socket).parent, look.size) as terminal:
        painted = terminal.when(b"agent-0000") - terminal.began
        if not look.keys:
            report.add(Row(f"{name}: first paint", "s", (painted,)))
        time.sleep(SETTLE_S)
        for keys in look.keys:
            terminal.write(keys)
            time.sleep(0.5)
        report.add(Row(f"{name}: CPU", "% of a core", (_cpu(terminal),), note="goal 35"))
        latencies = _press(terminal, look.every)
        row = Row(f"{name}: key to repaint", "ms", latencies, floor=floor_ms, note="goal p95 60")
        report.add(row)
        memory = psutil.Process(terminal.process.pid).memory_info().rss / 1e6
        report.add(Row(f"{name}: memory", "MB", (memory,)))


def _cpu(terminal: Terminal) -> float:
    process = psutil.Process(terminal.process.pid)
    before, began = sum(process.cpu_times()[:2]), time.perf_counter()
    time.sleep(WATCH_S)
    used = sum(process.cpu_times()[:2]) - before
    return float(used / (time.perf_counter() - began) * 100)


def _press_bare(directory: str) -> tuple[float, ...]:
    """The same of a program that only counts keys: what terminal, loop and machine take."""
    pauses, latencies = random.Random(SEED), []
    with Terminal([sys.executable, "-c", BARE_KEYS], Path(directory), (80, 24)) as terminal:
        terminal.when(b"bare-is-drawn")
        for number in range(1, KEYS + 1):
            time.sleep(pauses.uniform(0.06, 0.25))
            since, began = terminal.length, time.perf_counter()
            terminal.write(b"j")
            drawn = terminal.when(rb"key-%04d-drawn" % number, since)
            latencies.append((drawn - began) * 1000)
    return tuple(latencies)


def _press(terminal: Terminal, every: int) -> tuple[float, ...]:
    """Milliseconds from a key until the row it leads to is drawn as the cursor's."""
    colour = DARK.variables["lw-cursor"].removeprefix("#")
    red, green, blue = (int(colour[at : at + 2], 16) for at in (0, 2, 4))
    pauses = random.Random(SEED)
    place, latencies = 0, []
    for number in range(KEYS):
        key, step = (b"j", 1) if number < KEYS // 2 else (b"k", -1)
        place += step
        time.sleep(pauses.uniform(0.06, 0.25))
        since, began = terminal.length, time.perf_counter()
        terminal.write(key)
        row = rf"48;2;{red};{green};{blue}magent-{place * every:04}".encode()
        latencies.append((terminal.when(row, since) - began) * 1000)
    return tuple(latencies)
