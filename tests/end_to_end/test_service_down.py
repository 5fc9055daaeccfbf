"""Agents whose service is down: no process waits, one looks, and all come back to their call."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).parents[2]
AGENT = """
import os
from supervisor.agent import Agent
from supervisor.calls import Claude

def ask(number):
    message = Claude(api_key="test-key-no-secret").messages.create(
        model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": "?"}],
        extra_headers={"x-who": f"{os.environ['LONGWATCH_AGENT']}-{number}"},
    )
    return message.content[0].text

with Agent() as agent:
    for number in range(2):
        agent.log(agent.step(ask, number))
"""


class Loopback:
    """The provider of ``tests/calls`` as a process."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def say(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}{path}", data, timeout=10) as reply:
            return json.load(reply)


@pytest.fixture
def provider() -> Iterator[Loopback]:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "calls" / "loopback_provider.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        yield Loopback(int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait(timeout=10)


def test_agents_park_while_their_service_is_down_and_finish_when_it_is_back(
    project: Any, provider: Loopback
) -> None:
    project.script("asks.py", AGENT)
    agents = "".join(
        f'[agents.a{n}]\ncommand = ["{{python}}", "asks.py"]\n'
        f'env = {{ ANTHROPIC_BASE_URL = "{provider.url}", PYTHONPATH = "{ROOT}" }}\n'
        for n in range(3)
    )
    project.configure(
        agents + "[services.anthropic]\nminimum_calls = 2\ncool_down_seconds = 6\n"
        "retry_config = { max_retries = 20, base_delay_seconds = 0.1, max_delay_seconds = 0.2 }\n"
    )
    project.environment["LONGWATCH_SHARED_DIR"] = str(project.directory / "shared")
    provider.say("/script", ["ok"])
    provider.say("/always", "529")
    project.run("up")
    project.run("start", "--all")

    runs = project.wait(
        "every run to be parked",
        lambda: (
            (found := project.runs())
            and len(found) == 3
            and all(run["status"] == "parked" for run in found)
            and found
        ),
    )
    assert {run["wake"]["service"] for run in runs} == {"anthropic"}
    assert all(run["retries"] == 0 for run in runs)
    why = project.run("why", "a0").stdout
    assert "waiting for anthropic" in why
    marker = str(project.directory / "asks.py")
    alive = [p for p in psutil.process_iter(["cmdline"]) if "asks.py" in (p.info["cmdline"] or [])]
    assert not [p for p in alive if p.cwd() == str(project.directory)], marker

    tried = len(provider.say("/log"))
    time.sleep(7)  # one cool-down: one probe of one agent goes out, and fails
    probes = [entry["who"] for entry in provider.say("/log")[tried:]]
    assert len(probes) <= 2, probes
    provider.say("/always", "ok")
    for n in range(3):
        project.wait_for(f"a{n}", "succeeded")
    answered = [entry["who"] for entry in provider.say("/log") if entry["step"] == "ok"]
    assert sorted(answered) == sorted(f"a{n}-{m}" for n in range(3) for m in range(2))


def test_a_refused_key_ends_the_run_at_its_first_attempt(project: Any, provider: Loopback) -> None:
    project.script("asks.py", AGENT)
    project.configure(
        '[agents.a0]\ncommand = ["{python}", "asks.py"]\n'
        f'env = {{ ANTHROPIC_BASE_URL = "{provider.url}", PYTHONPATH = "{ROOT}" }}\n'
    )
    project.environment["LONGWATCH_SHARED_DIR"] = str(project.directory / "shared")
    provider.say("/always", "401")
    project.run("up")
    project.run("start", "a0")
    run = project.wait_for("a0", "failed")
    assert run["attempt"] == 1 and len(provider.say("/log")) == 1
    assert "authentication" in project.run("why", "a0").stdout
    assert run["services"]["anthropic"]["failures"] == 1
