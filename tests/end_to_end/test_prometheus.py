"""Figures for Prometheus: a real scrape, read by the parser of Prometheus' own client."""

from __future__ import annotations

import os
import signal
import socket
import urllib.error
import urllib.request
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

AGENTS = """
[agents.steady]
command = ["{python}", "-c", '''
import json, os, pathlib
room = pathlib.Path(os.environ["LONGWATCH_RUN_DIR"])
said = {"status": "done", "usage": {"input_tokens": 100, "output_tokens": 7, "cost_usd": 0.25},
        "services": {"an \\"odd\\" one": {"calls": 4, "retries": 2, "failures": 1}}}
(room / "p.tmp-1-1").write_text(json.dumps(said))
(room / "p.tmp-1-1").rename(room / "progress.json")
''']
[agents.asker]
command = ["{python}", "-c", '''
import json, os, pathlib
room = pathlib.Path(os.environ["LONGWATCH_RUN_DIR"]) / "requests"
(room / "a.tmp-1-1").write_text(json.dumps({"kind": "approve", "title": "go on?"}))
(room / "a.tmp-1-1").rename(room / "a.json")
raise SystemExit(75)
''']
"""


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port


def fetch(port: int, path: str = "/metrics", **headers: str) -> tuple[str, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as reply:
        return reply.read().decode(), reply.headers["Content-Type"]


def samples(port: int) -> dict[tuple[str, ...], float]:
    """Value by name and labels."""
    text, _ = fetch(port)
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def answers(port: int) -> bool:
    try:
        fetch(port)
    except OSError:
        return False
    return True


def test_prometheus_scrapes_the_figures_and_no_counter_goes_back_when_the_engine_is_killed(
    project: Any,
) -> None:
    port = free_port()
    project.configure(f'[metrics]\nprometheus = "127.0.0.1:{port}"\n{AGENTS}')
    project.run("up")
    project.run("start", "steady", "asker")
    project.wait_for("steady", "succeeded")
    project.wait_for("asker", "parked")
    project.wait("an endpoint", lambda: answers(port))
    found = samples(port)
    assert found["longwatch_runs_ended_total", "steady", "succeeded"] == 1
    assert found["longwatch_tokens_total", "input", "steady"] == 100
    assert found["longwatch_cost_dollars_total", "steady"] == 0.25
    assert found["longwatch_service_retries_total", 'an "odd" one', "steady"] == 2
    assert found["longwatch_run_duration_seconds_count", "steady"] == 1
    assert found["longwatch_requests_open", "asker"] == 1
    assert found["longwatch_runs", "asker", "parked"] == 1
    waited = found["longwatch_waiting_for_people_seconds_total", "asker"]
    text, content_type = fetch(port, Accept="application/openmetrics-text; version=1.0.0")
    assert "openmetrics" in content_type
    assert any(family.name == "longwatch_retries" for family in open_metrics(text))

    old = project.daemon_pids()[1]
    os.kill(old, signal.SIGKILL)
    project.wait("another engine", lambda: project.daemon_pids()[1:] not in ([], [old]))
    project.wait("its endpoint", lambda: answers(port))
    project.wait("all counted", lambda: samples(port)["longwatch_metrics_behind",] == 0)
    again = samples(port)
    assert again["longwatch_waiting_for_people_seconds_total", "asker"] >= waited
    falling = {
        key: (value, again[key])
        for key, value in found.items()
        if key[0].endswith(("_total", "_count", "_sum")) and again[key] < value
    }
    assert not falling

    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch(port, Host="evil.example:80")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(port, "/secrets")


def test_the_endpoint_follows_the_configuration_and_a_port_that_is_taken_is_said(
    project: Any,
) -> None:
    port = free_port()
    quick = '[agents.quick]\ncommand = ["true"]\n'
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        project.configure(f'[metrics]\nprometheus = "127.0.0.1:{port}"\n{quick}')
        project.run("up")

        def problem() -> Any:
            exports = project.json("metrics")["exports"]
            return exports["prometheus"]["problem"]

        words = project.wait("a word on the port", problem)
        assert "cannot listen" in words and str(port) in words
        assert words in project.run("metrics").stdout
    project.wait("the port to be used once it is free", lambda: answers(port))
    project.configure(quick)
    project.wait("nobody to listen any more", lambda: not answers(port))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("0.0.0.0:9464", "no password"),
        ("192.168.1.4:9464", "no password"),
        ("prometheus.example:9464", "no password"),
        ("9464", "no address with a port"),
        ("127.0.0.1:70000", "no address with a port"),
    ],
)
def test_only_loopback_is_served(project: Any, address: str, words: str) -> None:
    project.configure(f'[metrics]\nprometheus = "{address}"\n[agents.quick]\ncommand = ["true"]\n')
    refused = project.run("config", "check", check=2)
    told = refused.stdout + refused.stderr
    assert words in told and "metrics.prometheus" in told and "127.0.0.1:9464" in told
