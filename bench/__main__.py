"""``make bench``: prints a table and writes ``bench/results.json``."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

from bench import adoption, anomalies, calls, durable, fleet, flood, growth, restart, tasks, tui
from bench.figures import Report, head

PARTS = {
    "restart": restart.measure,
    "adoption": adoption.measure,
    "fleet": fleet.measure,
    "flood": flood.measure,
    "growth": growth.measure,
    "calls": calls.measure,
    "durable": durable.measure,
    "tasks": tasks.measure,
    "tui": tui.measure,
    "anomalies": anomalies.measure,
}


def main() -> int:
    """Measure the named parts, or all."""
    wanted = sys.argv[1:] or list(PARTS)
    if unknown := [name for name in wanted if name not in PARTS]:
        sys.stderr.write(f"no part {unknown[0]!r}; there are: {', '.join(PARTS)}\n")
        return 2
    report = Report()
    print(f"Python {platform.python_version()}, {platform.system()} {platform.release()}")
    print(head())
    for name in wanted:
        PARTS[name](report)
    results = Path(__file__).with_name("results.json")
    results.write_text(json.dumps(report.to_plain(), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
