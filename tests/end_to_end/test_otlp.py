"""Traces and figures over OTLP/HTTP: a real receiver on loopback that reads the protobuf."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

AGENTS = """
[agents.writer]
command = ["{python}", "-c", '''
import json, os, pathlib, sys, time
room = pathlib.Path(os.environ["LONGWATCH_RUN_DIR"])
def tell(stage, calls):
    use = {"input_tokens": 100 * calls, "output_tokens": 10 * calls, "cost_usd": 0.01 * calls}
    said = {"status": "working", "stage": {"name": stage},
            "usage": {**use, "model": "claude-haiku-4-5", "models": {"claude-haiku-4-5": use}},
            "services": {"anthropic": {"calls": calls, "retries": 1, "failures": 0}}}
    (room / "p.tmp-1-1").write_text(json.dumps(said))
    (room / "p.tmp-1-1").rename(room / "progress.json")
tell("read", 1)
if os.environ["LONGWATCH_ATTEMPT"] == "1":
    sys.exit(3)
tell("write", 2)
''']
retry = { base_delay_seconds = 0.05 }
[agents.stepper]
command = ["{python}", "-c", '''
import time
from supervisor.agent import Agent
def slow(n):
    time.sleep(0.2)
    return n
with Agent() as agent:
    agent.step(slow, 1)
    agent.step(slow, 2)
''']
[agents.patient]
command = ["sleep", "1000"]
"""


class Collector:
    """An OTLP receiver; it can be told to refuse."""

    def __init__(self, port: int = 0) -> None:
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.metrics: dict[str, float] = {}
        self.headers: dict[str, str] = {}
        self.status = 200
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.headers = {k.lower(): v for k, v in self.headers.items()}
                if collector.status == 200:
                    collector.take(self.path, body)
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(
                    {one.key: one.value.string_value for one in resource.resource.attributes}
                )
                for scoped in resource.scope_spans:
                    self.spans += scoped.spans
        elif path == "/v1/metrics":
            for group in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in group.scope_metrics:
                    for metric in scope.metrics:
                        for point in metric.sum.data_points:
                            value = point.as_double or point.as_int
                            names = [one.value.string_value for one in point.attributes]
                            self.metrics["/".join([metric.name, *sorted(names)])] = value

    def names(self) -> Counter[str]:
        return Counter(span.name for span in self.spans)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_a_run_arrives_as_one_trace_in_the_words_of_the_conventions(
    project: Any, collector: Collector
) -> None:
    project.environment["COLLECTOR"] = "authorization=Bearer abc"
    project.configure(
        f'[metrics]\notlp = "http://127.0.0.1:{collector.port}"\n'
        f'otlp_headers_env = "COLLECTOR"\n{AGENTS}'
    )
    project.run("up")
    project.run("start", "writer")
    project.wait_for("writer", "succeeded")
    project.wait("the trace", lambda: "invoke_agent writer" in collector.names())
    spans = {span.name: span for span in collector.spans}
    assert {"attempt 1", "attempt 2", "stage read", "stage write"} <= set(spans)
    assert len({span.trace_id for span in collector.spans}) == 1
    root, second = spans["invoke_agent writer"], spans["attempt 2"]
    assert root.parent_span_id == b"" and second.parent_span_id == root.span_id
    assert spans["stage write"].parent_span_id == second.span_id
    assert spans["attempt 1"].status.code == 2, "a crash is an error"
    assert attributes(spans["attempt 1"])["process.exit.code"] == 3
    chats = [attributes(s) for s in collector.spans if s.name == "chat claude-haiku-4-5"]
    assert sum(chat["gen_ai.usage.input_tokens"] for chat in chats) == 200
    assert all(chat["gen_ai.provider.name"] == "anthropic" for chat in chats)
    assert root.start_time_unix_nano <= second.start_time_unix_nano < second.end_time_unix_nano
    assert collector.resources[0]["service.name"] == "longwatch"
    assert collector.headers["authorization"] == "Bearer abc"
    project.wait("the figures", lambda: collector.metrics)
    assert collector.metrics["longwatch.runs_created/writer"] == 1


def test_no_span_is_lost_or_sent_twice_over_a_dead_collector_and_a_killed_engine(
    project: Any, collector: Collector
) -> None:
    collector.status = 503
    project.configure(f'[metrics]\notlp = "http://127.0.0.1:{collector.port}"\n{AGENTS}')
    project.run("up")
    project.run("start", "patient")
    project.wait_for("patient", "running")
    project.wait(
        "a word on the collector",
        lambda: "503" in str(project.json("metrics")["exports"]["otlp"]["problem"]),
    )
    project.run("start", "writer")
    project.wait_for("writer", "succeeded")
    old = project.daemon_pids()[1]
    os.kill(old, signal.SIGKILL)
    project.wait("another engine", lambda: project.daemon_pids()[1:] not in ([], [old]))
    collector.status = 200
    project.wait("the trace", lambda: "invoke_agent writer" in collector.names())
    project.run("stop", "patient")
    project.wait("its trace", lambda: "invoke_agent patient" in collector.names())
    names = collector.names()
    assert names["attempt 1"] == 2 and names["attempt 2"] == 1, "one of each agent"
    assert names["invoke_agent writer"] == names["stage write"] == 1
    project.wait(
        "all to be well", lambda: project.json("metrics")["exports"]["otlp"]["problem"] is None
    )


def test_durable_steps_are_spans_of_their_attempt_as_long_as_they_ran(
    project: Any, collector: Collector
) -> None:
    project.configure(f'[metrics]\notlp = "http://127.0.0.1:{collector.port}"\n{AGENTS}')
    project.run("up")
    project.run("start", "stepper")
    project.wait("the trace", lambda: "invoke_agent stepper" in collector.names())
    project.wait("the attempt", lambda: "attempt 1" in collector.names())
    steps = [span for span in collector.spans if span.name == "step slow"]
    attempt = next(span for span in collector.spans if span.name == "attempt 1")
    assert [attributes(span)["longwatch.step.occurrence"] for span in steps] == [0, 1]
    for span in steps:
        assert span.parent_span_id == attempt.span_id
        assert attempt.start_time_unix_nano <= span.start_time_unix_nano
        ran_s = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
        assert 0.19 < ran_s < 5 and span.end_time_unix_nano <= attempt.end_time_unix_nano


def test_a_collector_that_accepts_and_says_nothing_holds_nothing_up(project: Any) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        port = deaf.getsockname()[1]
        project.configure(f'[metrics]\notlp = "http://127.0.0.1:{port}"\n{AGENTS}')
        project.run("up")
        project.run("start", "writer")
        project.wait_for("writer", "succeeded")
        deaf.settimeout(30)
        connection, _ = deaf.accept()
        with connection:
            assert project.run("status", timeout_s=5).returncode == 0
            began = time.monotonic()
            project.run("down", timeout_s=30)
            assert time.monotonic() - began < 8, "a request has 10 s, and leaving waits for none"


@pytest.mark.parametrize("address", ["localhost:4318", "http://me:secret@127.0.0.1:4318"])
def test_an_address_that_is_none_or_holds_a_password_is_refused(project: Any, address: str) -> None:
    project.configure(f'[metrics]\notlp = "{address}"\n[agents.a]\ncommand = ["true"]\n')
    told = project.run("config", "check", check=2)
    assert "metrics.otlp" in told.stdout + told.stderr
