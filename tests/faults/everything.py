"""``make faults``: every layer at its full size, one after the other, and a table at the end.

Goes on after a violation; exit status 1 when there was one. Each layer is bounded: those that
take long begin nothing new after ``--seconds``, and one that hangs is ended and counts as a
violation. Everything printed on the way stays visible, with the command that repeats a failure.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FAULTS = "tests/faults"
SLACK_S = 1800.0
"""After ``--seconds`` a layer still ends what it began, heals and checks."""
TOTAL = re.compile(r"^(\d+) (seeds|points|kills)\b.*?(\d+) violations", re.M)
PYTEST = re.compile(r"^(?:(\d+) failed, )?(\d+) passed\b.* in [\d.]+s", re.M)
ERRORS = re.compile(r"\b(\d+) errors? in [\d.]+s")


@dataclass(frozen=True, slots=True)
class Layer:
    """One part of the suite."""

    name: str
    what: str
    arguments: tuple[str, ...]
    """Of this Python."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a layer came to."""

    layer: Layer
    count: str
    violations: int
    seconds: float


def layers(options: argparse.Namespace) -> list[Layer]:
    """In the order in which they run."""
    seed, jobs, seconds = str(options.seed), str(options.jobs), str(options.seconds)
    own = ("--seed", seed, "--jobs", jobs)
    return [
        Layer("L0", "simulated worlds", ("-m", "tests.core.simulation", "--seeds",
              str(options.seeds), "--jobs", jobs)),
        Layer("L1", "system calls of the writers", (f"{FAULTS}/kill_points.py", "--points",
              str(options.points), *own, "--seconds", seconds)),
        Layer("L1", "system calls of engine and keeper", (f"{FAULTS}/engine_points.py",
              "--points", str(options.operations), *own, "--seconds", seconds)),
        Layer("L2", "random kills", (f"{FAULTS}/random_kills.py", "--kills", str(options.kills),
              "--each", "50", *own, "--seconds", seconds)),
        Layer("L3", "resources, clocks, named instructions, bad inputs", ("-m", "pytest", "-q",
              "-n", jobs, FAULTS, "tests/protocol", "tests/control", "tests/config",
              "--deselect", f"{FAULTS}/test_random_kills.py",
              "--deselect", f"{FAULTS}/test_planted_bugs.py")),
        Layer("net", "planted bugs", (f"{FAULTS}/planted.py",)),
    ]  # fmt: skip


def run(layer: Layer, limit_s: float) -> Row:
    """Run it, show what it prints, and read its last word."""
    print(f"\n== {layer.name}: {layer.what}\n   python {' '.join(layer.arguments)}", flush=True)
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-u", *layer.arguments],
        cwd=ROOT,
        env={**os.environ, "LONGWATCH_LONG": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    text = ""
    while process.poll() is None and time.monotonic() - began < limit_s:
        text += _show(process.stdout.fileno())
        time.sleep(0.2)
    is_late = process.poll() is None
    if is_late:
        os.killpg(process.pid, signal.SIGKILL)
        print(f"   not over after {limit_s:g} s: ended")
    status = process.wait()
    text += _show(process.stdout.fileno())
    process.stdout.close()
    count, violations = read_result(text, status)
    return Row(layer, count, violations + is_late, time.monotonic() - began)


def _show(descriptor: int) -> str:
    parts = []
    try:
        while part := os.read(descriptor, 1 << 16):
            parts.append(part.decode(errors="replace"))
    except BlockingIOError:
        pass
    text = "".join(parts)
    print(text, end="", flush=True)
    return text


def read_result(text: str, status: int) -> tuple[str, int]:
    """(count, violations) of a layer; one that failed without a count has one violation."""
    if found := TOTAL.findall(text):
        count, unit, bad = found[-1]
        return f"{count} {unit}", int(bad) or int(status != 0)
    if tests := PYTEST.search(text):
        errors = ERRORS.search(text)
        bad = int(tests[1] or 0) + int(errors[1] if errors else 0)
        return f"{bad + int(tests[2])} tests", bad or int(status != 0)
    if "caught" in text:
        caught = len(re.findall(r"^caught ", text, re.M))
        missed = len(re.findall(r"^(?:MISSED|NOT PLANTED)", text, re.M))
        return f"{caught} of {caught + missed} caught", missed or int(status != 0)
    return "skipped" if "skipped:" in text and status == 0 else "?", int(status != 0)


def table(rows: list[Row]) -> str:
    """One line a layer."""
    head = ("layer", "what", "count", "violations", "seconds", "again")
    lines = [
        (row.layer.name, row.layer.what, row.count, str(row.violations), f"{row.seconds:.0f}",
         "python " + " ".join(row.layer.arguments))
        for row in rows
    ]  # fmt: skip
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(5)]
    return "\n".join(
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[5]]
        )
        for line in (head, *lines)
    )


def main() -> int:
    """All layers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100_000)
    parser.add_argument("--points", type=int, default=8_500)
    parser.add_argument("--operations", type=int, default=500)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3600.0, help="of one layer")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 10**6))
    parser.add_argument("--only", nargs="+", metavar="LAYER", help="L0, L1, L2, L3, net")
    options = parser.parse_args()
    wanted = [lay for lay in layers(options) if not options.only or lay.name in options.only]
    rows = [run(layer, options.seconds + SLACK_S) for layer in wanted]
    bad = sum(row.violations for row in rows)
    print(f"\n{table(rows)}\n\nseed {options.seed}, {bad} violations, "
          f"{sum(row.seconds for row in rows):.0f} s")  # fmt: skip
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
