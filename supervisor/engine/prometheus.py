"""Figures as Prometheus reads them: families of counters, gauges and a histogram.

Owns their names, which are a contract (docs/metrics.md). Text and escaping are those of
prometheus-client, imported here only, and only where ``[metrics] prometheus`` asks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervisor import __version__
from supervisor.core.figures import Figures
from supervisor.core.run import RunState

if TYPE_CHECKING:
    from prometheus_client.core import Metric

BOUNDS_S = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 28800, 86400)
"""Upper bounds of the duration histogram: from a quick task to a run of a day."""
OUTCOMES = ("succeeded", "failed", "timed_out", "stopped")
TOKENS = ("input", "output", "cache_read", "cache_write")
COUNTERS = (
    ("runs_created", "created", "Runs that began to exist"),
    ("runs_held", "held", "Times that a crash loop was put on hold"),
    ("attempts", "attempts", "Processes started"),
    ("attempt_crashes", "crashes", "Processes that ended badly"),
    ("retries", "retries", "Attempts that the restart policy wanted"),
    (
        "checkpoint_recoveries",
        "recoveries",
        "Attempts that went on from a checkpoint after a crash",
    ),
    ("requests", "asked", "Questions to the operator"),
    ("waiting_for_people_seconds", "waited_s", "Time that runs waited for people"),
    ("anomalies", "anomalies", "New anomalies"),
    ("cost_dollars", "cost_usd", "US dollars spent, by the agents' own word"),
)
"""Name without prefix and ``_total``, field of ``Figures``, help."""
SERVICE_COUNTERS = (
    ("service_calls", "calls", "Calls to an external service, by the agents' own word"),
    ("service_retries", "retries", "Retried calls to an external service"),
    ("service_failures", "failures", "Failed calls to an external service"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is told in one scrape."""

    totals: Mapping[str, Figures]
    """Ever counted, by agent."""
    states: Iterable[RunState]
    seq: int
    is_behind: bool


class StandingCollector:
    """A collector over one moment; a registry asks it once."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    def collect(self) -> Iterator[Metric]:
        """All families."""
        from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

        standing = self._standing
        info = InfoMetricFamily("longwatch_engine", "The engine that answers")
        info.add_metric([], {"version": __version__})
        yield info
        yield GaugeMetricFamily(
            "longwatch_events_stored", "Number of the newest stored event", value=standing.seq
        )
        yield GaugeMetricFamily(
            "longwatch_metrics_behind",
            "1 while the log is still being counted, and these figures are not whole",
            value=float(standing.is_behind),
        )
        yield from _gauges(standing.states)
        yield from _counters(standing.totals)
        yield from _by_service(standing.totals)
        yield _durations(standing.totals)


def _gauges(states: Iterable[RunState]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    runs: Counter[tuple[str, str]] = Counter()
    asked: Counter[str] = Counter()
    for state in states:
        runs[state.agent, state.status.value] += 1
        asked[state.agent] += len(state.open_requests)
    now = GaugeMetricFamily(
        "longwatch_runs", "Runs that are not over, by status", labels=["agent", "status"]
    )
    for (agent, status), count in sorted(runs.items()):
        now.add_metric([agent, status], count)
    yield now
    waiting = GaugeMetricFamily(
        "longwatch_requests_open", "Questions that wait for the operator", labels=["agent"]
    )
    for agent, count in sorted(asked.items()):
        waiting.add_metric([agent], count)
    yield waiting


def _counters(totals: Mapping[str, Figures]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily

    for name, field, words in COUNTERS:
        family = CounterMetricFamily(f"longwatch_{name}", words, labels=["agent"])
        for agent, figures in sorted(totals.items()):
            family.add_metric([agent], getattr(figures, field))
        yield family
    ended = CounterMetricFamily(
        "longwatch_runs_ended", "Runs that ended, by how", labels=["agent", "outcome"]
    )
    tokens = CounterMetricFamily(
        "longwatch_tokens", "Tokens of models, by the agents' own word", labels=["agent", "type"]
    )
    for agent, figures in sorted(totals.items()):
        for outcome in OUTCOMES:
            ended.add_metric([agent, outcome], getattr(figures, outcome))
        for kind in TOKENS:
            tokens.add_metric([agent, kind], getattr(figures, f"{kind}_tokens"))
    yield ended
    yield tokens


def _by_service(totals: Mapping[str, Figures]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily

    for name, field, words in SERVICE_COUNTERS:
        family = CounterMetricFamily(f"longwatch_{name}", words, labels=["agent", "service"])
        for agent, figures in sorted(totals.items()):
            for service, calls in sorted(figures.services.items()):
                family.add_metric([agent, service], getattr(calls, field))
        yield family


def _durations(totals: Mapping[str, Figures]) -> Metric:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(
        "longwatch_run_duration_seconds",
        "Work of completed runs: without waiting for people and pauses",
        labels=["agent"],
    )
    for agent, figures in sorted(totals.items()):
        kept = [(float(key), count) for key, count in figures.durations.items()]
        buckets = [
            (f"{bound:g}", sum(count for seconds, count in kept if seconds <= bound))
            for bound in BOUNDS_S
        ]
        buckets.append(("+Inf", sum(count for _, count in kept)))
        family.add_metric([agent], buckets, sum(seconds * count for seconds, count in kept))
    return family


def exposition(standing: Standing, accept: str) -> tuple[bytes, str]:
    """The whole answer to a scrape and its content type, in the form that ``accept`` asks for."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry(auto_describe=False)
    registry.register(StandingCollector(standing))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
