"""The figures of a period as plots and as one line of words.

Pure. What each figure means is the engine's word (docs/metrics.md); nothing is added up here but
counts, and never a quantile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from supervisor.core import describe
from supervisor.tui import render
from supervisor.tui.plots import (
    DAY_S,
    HOUR_S,
    Plot,
    Series,
    nice_cost,
    nice_count,
    nice_span,
    scale_cost,
    scale_count,
)
from supervisor.tui.render import Part
from supervisor.tui.theme import (
    MUTED,
    PLOT_ASK,
    PLOT_BAD,
    PLOT_DONE,
    PLOT_RETRY,
    PLOT_RUN,
    STRONG,
    TEXT,
)

NOTHING = "–"
NAME_CELLS = 12


@dataclass(frozen=True, slots=True)
class Period:
    """One choice of how far back."""

    name: str
    by: str
    """hour or day."""
    buckets: int

    @property
    def step_s(self) -> int:
        """Seconds of one bucket."""
        return HOUR_S if self.by == "hour" else DAY_S


PERIODS = (Period("24 hours", "hour", 24), Period("7 days", "day", 7), Period("30 days", "day", 30))


def starts_of(period: Period, now: float, utc_offset_s: float) -> list[float]:
    """Unix seconds at which the buckets begin, oldest first; the newest one holds ``now``."""
    step = period.step_s
    shift = utc_offset_s if period.by == "day" else 0.0
    newest = (now + shift) // step * step - shift
    return [newest - step * back for back in range(period.buckets - 1, -1, -1)]


def by_bucket(
    rows: Sequence[Mapping[str, Any]], starts: Sequence[float]
) -> list[Mapping[str, Any] | None]:
    """The row of each bucket; None where nothing happened. An hour of summer time moves none."""
    step = starts[1] - starts[0] if len(starts) > 1 else HOUR_S
    found: list[Mapping[str, Any] | None] = [None] * len(starts)
    for row in rows:
        index = round((float(row["start"]) - starts[0]) / step)
        if 0 <= index < len(found):
            found[index] = row
    return found


def plots_of(
    buckets: Sequence[Mapping[str, Any] | None], total: Mapping[str, Any]
) -> tuple[Plot, ...]:
    """The six plots, in the order in which they are read."""
    return (
        _runs(buckets, total),
        _durations(buckets, total),
        _retries(buckets, total),
        _waiting(buckets, total),
        _tokens(buckets, total),
        _cost(buckets, total),
    )


def _values(buckets: Sequence[Mapping[str, Any] | None], *names: str) -> list[float]:
    return [
        float(sum(row[name] or 0.0 for name in names)) if row is not None else 0.0
        for row in buckets
    ]


def _runs(buckets: Sequence[Mapping[str, Any] | None], total: Mapping[str, Any]) -> Plot:
    failed = total["failed"] + total["timed_out"]
    return Plot(
        "Runs",
        Series("completed", _values(buckets, "completed"), PLOT_DONE, str(total["completed"])),
        Series("failed", _values(buckets, "failed", "timed_out"), PLOT_BAD, str(failed)),
        scale_count,
        nice_count,
    )


def _durations(buckets: Sequence[Mapping[str, Any] | None], total: Mapping[str, Any]) -> Plot:
    median = _values(buckets, "duration_median_seconds")
    p95 = _values(buckets, "duration_p95_seconds")
    above = [max(0.0, high - low) for low, high in zip(median, p95, strict=True)]
    return Plot(
        "Duration",
        Series("median", median, PLOT_RUN, span(total["duration_median_seconds"])),
        Series("p95", above, PLOT_RUN, span(total["duration_p95_seconds"])),
        render.short_duration,
        nice_span,
    )


def _retries(buckets: Sequence[Mapping[str, Any] | None], total: Mapping[str, Any]) -> Plot:
    """Of the service that was retried most, and of all others together."""
    services: Mapping[str, Any] = total["services"]
    ranked = sorted(services, key=lambda name: (-services[name]["retries"], name))
    worst = ranked[0] if ranked and services[ranked[0]]["retries"] else None
    first, others = [], []
    for row in buckets:
        uses = row["services"] if row is not None else {}
        all_of_them = sum(use["retries"] for use in uses.values())
        of_worst = uses[worst]["retries"] if worst in uses else 0
        first.append(float(of_worst))
        others.append(float(all_of_them - of_worst))
    if worst is None:
        series = Series("no service was retried", first, PLOT_RETRY, "")
        return Plot("Retries", series, None, scale_count, nice_count)
    use = services[worst]
    share = str(use["retries"]) + (f" in {render.count(use['calls'])}" if use["calls"] else "")
    rest = sum(one["retries"] for name, one in services.items() if name != worst)
    name = render.clean(worst, NAME_CELLS)
    return Plot(
        "Retries",
        Series(name, first, PLOT_RETRY, share),
        Series("others", others, PLOT_BAD, str(rest)) if len(ranked) > 1 else None,
        scale_count,
        nice_count,
    )


def _waiting(buckets: Sequence[Mapping[str, Any] | None], total: Mapping[str, Any]) -> Plot:
    waited, asked = total["waiting_seconds"], total["requests"]
    words = span(waited or None) + (f", {render.plural(asked, 'question')}" if asked else "")
    return Plot(
        "Waiting",
        Series("", _values(buckets, "waiting_seconds"), PLOT_ASK, words),
        None,
        render.short_duration,
        nice_span,
    )


def _tokens(buckets: Sequence[Mapping[str, Any] | None], total: Mapping[str, Any]) -> Plot:
    read = ("input_tokens", "cache_read_tokens", "cache_write_tokens")
    return Plot(
        "Tokens",
        Series("in", _values(buckets, *read), PLOT_RUN,
               render.count(sum(total[name] for name in read))),
        Series("out", _values(buckets, "output_tokens"), PLOT_RETRY,
               render.count(total["output_tokens"])),
        scale_count,
        nice_count,
    )  # fmt: skip


def _cost(buckets: Sequence[Mapping[str, Any] | None], total: Mapping[str, Any]) -> Plot:
    each = total["cost_per_completed_usd"]
    words = render.cost(total["cost_usd"])
    if each:
        words += f", ${each:.2f}" if each >= 0.01 else f", ${each:.4f}"
        words += " a completed run"
    return Plot(
        "Cost", Series("", _values(buckets, "cost_usd"), PLOT_DONE, words), None,
        scale_cost, nice_cost,
    )  # fmt: skip


def words_of(total: Mapping[str, Any]) -> list[list[Part]]:
    """The period in pieces, the most important first; who has less room leaves out the last."""
    rate = total["completion_rate"]
    failed = total["failed"] + total["timed_out"]
    found: list[list[Part]] = [
        [("completed ", MUTED), (NOTHING if rate is None else f"{rate:.0%}", STRONG),
         (f" ({total['completed']} of {total['completed'] + failed})", MUTED)],
        [("median ", MUTED), (span(total["duration_median_seconds"]), TEXT),
         (", p95 ", MUTED), (span(total["duration_p95_seconds"]), TEXT)],
        [("crashes ", MUTED), (str(total["crashes"]), TEXT),
         (", recovered ", MUTED), (str(total["recoveries"]), TEXT)],
        [("retries ", MUTED), (str(total["retries"]), TEXT)],
        [("stopped ", MUTED), (str(total["stopped"]), TEXT)],
        [("anomalies ", MUTED), (str(total["anomalies"]), TEXT)],
    ]  # fmt: skip
    return found


def span(seconds: float | None) -> str:
    """A duration in words."""
    return NOTHING if seconds is None else describe.duration(seconds)
