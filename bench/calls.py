"""Calls to external services: what the policy costs, and twenty agents in an outage.

The provider is the tests' own, a real HTTP server on loopback that streams; it fails for 30 s
and then works again. The breaker is shared through its file, as between agents of a project.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.figures import Report, Row
from supervisor.calls.settings import settings_of
from supervisor.services.shared import SharedServices

ROOT = Path(__file__).parents[1]
OUTAGE_S, COOL_DOWN_S, SPREAD_S = 30.0, 5.0, 5.0
AGENTS, CALLS = 20, 12
PAIRS = 12
REQUEST: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 20,
    "messages": [{"role": "user", "content": "?"}],
}


def measure(report: Report) -> None:
    """Add the rows of calls."""
    with tempfile.TemporaryDirectory() as folder, _provider() as url:
        shared = Path(folder) / "shared"
        os.environ["LONGWATCH_SHARED_DIR"] = str(shared)
        os.environ["LONGWATCH_SERVICES_FILE"] = str(_settings(Path(folder)))
        try:
            _measure_decision(report, shared)
            asyncio.run(_measure_overhead(report, url))
            _measure_outage(report, url)
        finally:
            del os.environ["LONGWATCH_SHARED_DIR"], os.environ["LONGWATCH_SERVICES_FILE"]


def _settings(folder: Path) -> Path:
    table = {
        "cool_down_seconds": COOL_DOWN_S,
        "spread_seconds": SPREAD_S,
        "timeouts": {"first_token": 5.0, "gap": 5.0},
        "retry_config": {"max_retries": 2, "max_delay_seconds": 2.0},
    }
    file = folder / "services.json"
    file.write_text(json.dumps({"services": {"anthropic": table}}))
    return file


def _measure_decision(report: Report, directory: Path) -> None:
    services, policy = SharedServices(directory), settings_of("x").breaker
    admission = services.admit("bench", policy, "me")
    times = []
    for _ in range(2000):
        begun = time.perf_counter()
        services.admit("bench", policy, "me")
        services.record("bench", policy, admission, None)
        times.append((time.perf_counter() - begun) * 1e3)
    services.close()
    report.add(Row("circuit: decide and record a call", "ms", tuple(times), note="goal 0.2"))


async def _measure_overhead(report: Report, url: str) -> None:
    """In pairs and in turn, so that both meet the same machine."""
    import anthropic

    from supervisor.calls import AsyncClaude

    bare = anthropic.AsyncAnthropic(api_key="bench-no-secret", base_url=url, max_retries=0)
    ours = AsyncClaude(api_key="bench-no-secret", base_url=url)

    async def with_sdk() -> None:
        async with bare.messages.stream(**REQUEST) as stream:
            await stream.get_final_message()

    async def with_us() -> None:
        await ours.messages.create(**REQUEST)

    _say(url, "/always", "slow:0.05")
    for warm_up in (with_sdk, with_us):
        await warm_up()
    taken: dict[Any, list[float]] = {with_sdk: [], with_us: []}
    for pair in range(PAIRS):
        for call in (with_sdk, with_us) if pair % 2 else (with_us, with_sdk):
            begun = time.perf_counter()
            await call()
            taken[call].append((time.perf_counter() - begun) * 1e3)
    await bare.close()
    await ours.close()
    floor = statistics.median(taken[with_sdk])
    report.add(Row("call of 0.2 s: the bare SDK", "ms", tuple(taken[with_sdk])))
    report.add(
        Row("call of 0.2 s: through us", "ms", tuple(taken[with_us]), floor, note="goal 1.02 x")
    )


def _measure_outage(report: Report, url: str) -> None:
    _say(url, "/always", "ok")
    _say(url, "/forget", None)
    worker = [sys.executable, str(Path(__file__).with_name("call_worker.py")), url]
    agents = [
        subprocess.Popen([*worker, f"agent{n}", str(CALLS)], stdout=subprocess.PIPE, text=True,
                         cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        for n in range(AGENTS)
    ]  # fmt: skip
    try:
        while len(_log(url)) < 2 * AGENTS:
            time.sleep(0.2)
        _say(url, "/always", "529")
        down = time.time()
        time.sleep(OUTAGE_S)
        _say(url, "/always", "ok")
        back = time.time()
        said = [agent.communicate(timeout=120)[0].split() for agent in agents]
    finally:
        for agent in agents:
            agent.kill()
    log = _log(url)
    completed = Counter(entry["who"] for entry in log if entry["step"] == "ok")
    finished = sum(len(words) // 2 == CALLS for words in said)
    opened = _opened_at(log, down)
    probes = [e["at"] for e in log if e["step"] == "529" and e["at"] > opened + 0.5]
    cool_downs = int((back - opened) / COOL_DOWN_S)
    first = sorted(
        min(e["at"] for e in log if e["who"].startswith(f"agent{n}-") and e["at"] > back) - back
        for n in range(AGENTS)
    )
    report.add(Row("outage of 30 s, 20 agents: finished", "agents", (finished,), note="goal 20"))
    report.add(
        Row("outage: completed calls that were made again", "calls",
            (sum(count - 1 for count in completed.values()),), note="goal 0")
    )  # fmt: skip
    report.add(
        Row("outage: probes while it was open", "calls", (len(probes),),
            note=f"goal at most {cool_downs}, one a cool-down of {COOL_DOWN_S:g} s")
    )  # fmt: skip
    report.add(Row("outage: first call of each agent after it", "s", tuple(first),
                   note=f"a second each: {_histogram(first)}"))  # fmt: skip


def _opened_at(log: list[dict[str, Any]], down: float) -> float:
    """When the breaker opened: the last of the first burst of failures."""
    failures = sorted(entry["at"] for entry in log if entry["step"] == "529")
    opened = failures[0]
    for at in failures[1:]:
        if at - opened > COOL_DOWN_S / 2:
            break
        opened = at
    return max(opened, down)


def _histogram(times: list[float]) -> str:
    counts = Counter(int(at) for at in times)
    return " ".join(str(counts.get(second, 0)) for second in range(max(counts) + 1))


@contextmanager
def _provider() -> Iterator[str]:
    script = ROOT / "tests" / "calls" / "loopback_provider.py"
    process = subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.stdin.close()
        process.wait(timeout=10)


def _say(url: str, path: str, body: Any) -> None:
    with urllib.request.urlopen(f"{url}{path}", json.dumps(body).encode(), timeout=10) as reply:
        reply.read()


def _log(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/log", timeout=10) as reply:
        found: list[dict[str, Any]] = json.load(reply)
        return found
