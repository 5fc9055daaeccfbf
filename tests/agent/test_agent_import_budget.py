"""What every agent process pays for the SDK, seen in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEASURE = """
import sys, time
def rss_kb():
    return int(open('/proc/self/status').read().split('VmRSS:')[1].split()[0])
before, begin = rss_kb(), time.process_time()
from supervisor.agent import Agent
took, kb = time.process_time() - begin, rss_kb() - before
import json
print(json.dumps({'ms': took * 1000, 'kb': kb, 'modules': sorted(sys.modules)}))
"""


def measured() -> dict[str, object]:
    done = subprocess.run(
        [
            sys.executable,
            "-S",
            "-E",
            "-c",
            f"import sys; sys.path.insert(0, {str(ROOT)!r})" + MEASURE,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_sdk_loads_nothing_but_a_few_modules_of_the_standard_library() -> None:
    modules = set(measured()["modules"])
    heavy = {"asyncio", "typing", "dataclasses", "inspect", "pydantic", "textual", "threading"}
    assert not modules & heavy
    outside = {m for m in modules if m.split(".")[0] not in sys.stdlib_module_names} - {"__main__"}
    assert {m for m in outside if not m.startswith("supervisor")} == set()
    ours = {m for m in modules if m.startswith("supervisor.")}
    assert all(m.startswith("supervisor.agent") for m in ours)


def test_the_sdk_costs_under_50_ms_and_8_mb() -> None:
    best = min((measured() for _ in range(3)), key=lambda m: m["ms"])
    print(f"import took {best['ms']:.1f} ms and {best['kb']} kB")
    assert best["ms"] < 50
    assert best["kb"] < 8000
