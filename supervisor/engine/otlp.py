"""Spans and figures in OpenTelemetry's own terms, and the one HTTP request that carries them.

The only module that knows the SDK; imported where ``[metrics] otlp`` asks for it. ``post`` blocks:
it belongs in a thread.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from supervisor import __version__
from supervisor.config.metrics import is_loopback
from supervisor.core.figures import Figures
from supervisor.core.spans import Span, span_id, trace_id
from supervisor.engine.prometheus import COUNTERS, OUTCOMES, TOKENS

SCHEMA = "https://opentelemetry.io/schemas/1.41.0"
"""The conventions that names follow."""
TIMEOUT_S = 10.0
"""For one request, as the specification of the exporters has it."""
PASSING = frozenset({429, 502, 503, 504})
"""Answers after which the same request is sent again (OTLP 1.x, "retryable response codes")."""
NANO = 1_000_000_000


class RefusedError(Exception):
    """The collector will never take this; sending it again is of no use."""


class UnreachableError(Exception):
    """Nobody took it now; it may be sent again."""


def resource_of(directory: str, host: str) -> Resource:
    """Who sends."""
    return Resource(
        {
            "service.name": "longwatch",
            "service.version": __version__,
            "service.instance.id": directory,
            "host.name": host,
        },
        SCHEMA,
    )


def encoded_spans(spans: Sequence[Span], resource: Resource) -> bytes:
    """An ``ExportTraceServiceRequest``."""
    scope = InstrumentationScope("longwatch", __version__, SCHEMA)
    data: bytes = encode_spans([_readable(s, resource, scope) for s in spans]).SerializeToString()
    return data


def _readable(span: Span, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=_context(span.run_id, span.key),
        parent=_context(span.run_id, span.parent) if span.parent else None,
        resource=resource,
        attributes=span.attributes,
        events=[Event(mark.name, mark.attributes, _nanos(mark.at)) for mark in span.marks],
        kind=SpanKind.CLIENT if span.is_call else SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
        start_time=_nanos(span.start),
        end_time=_nanos(max(span.start, span.end)),
        instrumentation_scope=scope,
    )


def _context(run_id: str, key: str) -> SpanContext:
    sampled = TraceFlags(TraceFlags.SAMPLED)
    return SpanContext(trace_id(run_id), span_id(run_id, key), False, sampled)


def encoded_figures(
    totals: Mapping[str, Figures], span: tuple[float, float], resource: Resource
) -> bytes:
    """An ``ExportMetricsServiceRequest``: sums since ``span[0]`` as they stood at ``span[1]``."""
    metrics = [
        _sum(f"longwatch.{name}", words, span, [({"gen_ai.agent.name": agent}, getattr(one, field))
                                                for agent, one in totals.items()])
        for name, field, words in COUNTERS
    ]  # fmt: skip
    metrics.append(_sum("longwatch.runs_ended", "Runs that ended, by how", span, [
        ({"gen_ai.agent.name": agent, "longwatch.run.outcome": outcome}, getattr(one, outcome))
        for agent, one in totals.items() for outcome in OUTCOMES
    ]))  # fmt: skip
    metrics.append(_sum("longwatch.tokens", "Tokens of models", span, [
        ({"gen_ai.agent.name": agent, "gen_ai.token.type": kind}, getattr(one, f"{kind}_tokens"))
        for agent, one in totals.items() for kind in TOKENS
    ]))  # fmt: skip
    for index, name in enumerate(("calls", "retries", "failures")):
        metrics.append(_sum(f"longwatch.service_{name}", "By external service", span, [
            ({"gen_ai.agent.name": agent, "longwatch.service.name": service},
             (calls.calls, calls.retries, calls.failures)[index])
            for agent, one in totals.items() for service, calls in one.services.items()
        ]))  # fmt: skip
    scope = InstrumentationScope("longwatch", __version__, SCHEMA)
    scoped = ScopeMetrics(scope, [metric for metric in metrics if metric.data.data_points], SCHEMA)
    data: bytes = encode_metrics(
        MetricsData([ResourceMetrics(resource, [scoped], SCHEMA)])
    ).SerializeToString()
    return data


def _sum(
    name: str, words: str, span: tuple[float, float], points: list[tuple[dict[str, Any], float]]
) -> Metric:
    start, now = map(_nanos, span)
    found = [NumberDataPoint(labels, start, now, value) for labels, value in points]
    return Metric(name, words, "s" if name.endswith("_seconds") else "1",
                  Sum(found, AggregationTemporality.CUMULATIVE, True))  # fmt: skip


def _nanos(wall: float) -> int:
    return int(wall * NANO)


def _opener(url: str) -> urllib.request.OpenerDirector:
    """This machine is reached without the proxy that the environment may name."""
    is_here = is_loopback(urlsplit(url).hostname or "")
    proxies = [urllib.request.ProxyHandler({})] if is_here else []
    return urllib.request.build_opener(*proxies)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Send one request; RefusedError and UnreachableError say what became of it otherwise."""
    request = urllib.request.Request(  # noqa: S310  the configuration allows http and https alone
        url, body, {"Content-Type": "application/x-protobuf", **headers}, method="POST"
    )
    try:
        with _opener(url).open(request, timeout=TIMEOUT_S) as reply:
            reply.read(65536)
    except urllib.error.HTTPError as error:
        if error.code in PASSING:
            raise UnreachableError(f"HTTP status {error.code}") from error
        raise RefusedError(f"HTTP status {error.code}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UnreachableError(str(reason)) from error
