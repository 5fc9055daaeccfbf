"""The policies for any callable and any HTTP client, and what is shared between callers."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from supervisor.agent import Agent
from supervisor.calls import CallError, FaultKind, service

ROOT = Path(__file__).parents[2]


class ServiceError(Exception):
    """As many libraries raise it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status_code = status


def failing(*statuses: int) -> Any:
    """A function that raises these in turn, then answers."""
    left = list(statuses)

    def ask(question: str) -> str:
        if left:
            raise ServiceError(left.pop(0))
        return question.upper()

    return ask


def test_a_callable_is_tried_again_until_it_answers(services: Any) -> None:
    assert service("search").call(failing(503, 429), "found") == "FOUND"


def test_an_error_of_the_caller_is_not_retried_and_comes_back_as_it_is(services: Any) -> None:
    tries = []

    def broken() -> None:
        tries.append(1)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        service("search").call(broken)
    assert len(tries) == 1


def test_an_expired_key_is_named_and_not_retried(services: Any) -> None:
    with pytest.raises(CallError) as caught:
        service("search").call(failing(401, 200), "x")
    assert caught.value.kind is FaultKind.AUTHENTICATION


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), TimeoutError("slow")])
def test_connection_errors_of_the_standard_library_are_retried(
    services: Any, error: Exception
) -> None:
    left = [error]

    def ask() -> str:
        if left:
            raise left.pop()
        return "ok"

    assert service("search").call(ask) == "ok"


def test_only_the_listed_statuses_are_retried(services: Any) -> None:
    services.write(retry_config={"retryable_status_codes": [503]})
    with pytest.raises(CallError):
        service("search").call(failing(500), "x")
    assert service("anthropic").call(failing(503, 529, 408), "x") == "X"


async def test_a_coroutine_function_too(services: Any) -> None:
    ask = failing(500)

    async def later(question: str) -> str:
        return str(ask(question))

    assert await service("search").acall(later, "found") == "FOUND"


def test_an_http_client_gets_the_policy_through_its_transport(services: Any, provider: Any) -> None:
    provider.script("503", "ok", "404")
    with httpx2.Client(transport=service("search").transport()) as client:
        assert client.get(f"{provider.url}/things").json()["path"] == "/things"
        assert client.get(f"{provider.url}/none").status_code == 404
    assert provider.steps() == ["503", "ok", "404"]


def test_a_post_is_only_sent_again_when_nothing_was_done(services: Any, provider: Any) -> None:
    provider.script("500", "429", "ok")
    with httpx2.Client(transport=service("search").transport()) as client:
        assert client.post(f"{provider.url}/orders", json={}).status_code == 500
        assert client.post(f"{provider.url}/orders", json={}).status_code == 200
    assert provider.steps() == ["500", "429", "ok"]


async def test_an_async_http_client_too(services: Any, provider: Any) -> None:
    provider.script("503", "ok")
    async with httpx2.AsyncClient(transport=service("search").async_transport()) as client:
        assert (await client.get(f"{provider.url}/things")).status_code == 200


def test_the_rate_is_shared_and_calls_are_spread(services: Any) -> None:
    services.write(requests_per_minute=600, burst_seconds=0.0)
    times: list[float] = []
    threads = [
        threading.Thread(target=lambda: service("search").call(lambda: times.append(time.time())))
        for _ in range(10)
    ]
    begun = time.time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(times) == 10
    assert max(times) - begun > 0.8  # ten calls at ten a second
    gaps = [b - a for a, b in itertools.pairwise(sorted(times))]
    assert sorted(gaps)[len(gaps) // 2] > 0.05


PROBE = """
import sys, time
from supervisor.calls import CircuitOpenError, service
from supervisor.calls.policy import Terms
search = service("search")
def ask():
    with open(sys.argv[1], "a") as file: file.write(f"{time.time()}\\n")
    raise ConnectionError("still down")
end = time.time() + float(sys.argv[2])
while time.time() < end:
    try:
        search.calls.run(ask, Terms(waits_when_open=False))
    except Exception as error:
        time.sleep(0.01)
"""


def test_while_a_service_is_down_one_process_probes_once_a_cool_down(
    services: Any, tmp_path: Path
) -> None:
    retry = {"max_retries": 0}
    services.write(retry_config=retry, minimum_calls=3, cool_down_seconds=0.8)
    sent = tmp_path / "sent"
    argv = [sys.executable, "-c", PROBE, str(sent), "4"]
    processes = [subprocess.Popen(argv, cwd=ROOT) for _ in range(4)]
    for process in processes:
        assert process.wait(timeout=60) == 0
    times = sorted(float(line) for line in sent.read_text().split())
    # The calls that opened it came at once; after them only probes.
    probes = [t for t in times if t - times[0] > 0.7]
    assert 2 <= len(probes) <= 6
    assert min(b - a for a, b in itertools.pairwise(probes)) > 0.75


def test_a_damaged_shared_file_stops_no_call(services: Any, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o700)
    (tmp_path / "shared" / "services.db").write_bytes(b"no database at all" * 100)
    assert service("search").call(failing(500), "x") == "X"
    assert service("search").standing().state == "closed"


@pytest.mark.parametrize("kind", ["file", "link"])
def test_where_nothing_can_be_shared_calls_go_out_and_the_run_says_it(
    services: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "file":
        (tmp_path / "shared").write_text("in the way")
    else:
        (tmp_path / "shared").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("LONGWATCH_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("LONGWATCH_RUN_ID", "01JBUNDLEDBUNDLEDBUNDLEDBB")
    monkeypatch.setenv("LONGWATCH_EPOCH", "1")
    with Agent():
        assert service("search").call(failing(500), "x") == "X"
    shown = json.loads((tmp_path / "run" / "progress.json").read_text())
    assert "services-not-shared" in [anomaly["kind"] for anomaly in shown["anomalies"]]


def test_the_import_brings_no_sdk_and_no_http_library() -> None:
    code = "import sys, supervisor.calls; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    assert not {"anthropic", "openai", "httpx", "httpx2", "tenacity", "pydantic"} & set(loaded)
