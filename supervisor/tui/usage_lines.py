"""What a run uses: tokens, cost by model, calls to services, processor and memory.

Pure. All but the last two is the agent's own word; what it does not declare is said to be
missing, never shown as nought.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from supervisor.core.fold import clock_used_s
from supervisor.core.moment import Moment
from supervisor.core.progress import ModelUse, ServiceUse, Usage
from supervisor.core.run import RunState
from supervisor.core.spent import day_of
from supervisor.tui import render
from supervisor.tui.model import Sample
from supervisor.tui.render import Part, line
from supervisor.tui.theme import BAD, FAINT, MUTED, RETRY, STRONG, TEXT
from supervisor.tui.trend import NO_TREND, Trend, spark

CURVE_CELLS = 24
SHOWN = 8
"""Models and services listed; the rest are counted."""
LEAST_S = 60.0
"""A rate over less time says nothing."""
HOUR_S = 3600.0
COLUMNS = ("in", "out", "cache read", "written", "cost")
CELLS = (8, 8, 11, 8, 9)


def usage_lines(
    state: RunState, sample: Sample | None, trend: Trend | None, now: Moment, width: int
) -> list[Content]:
    """Everything it uses."""
    usage = state.progress.usage if state.progress else None
    lines = [*_model_lines(usage, width), *_cost_lines(state, usage, now)]
    lines += _service_lines(state, width)
    return lines + _process_lines(state, sample, trend or NO_TREND, width)


def _model_lines(usage: Usage | None, width: int) -> list[Content]:
    if usage is None:
        return [line(("the agent declares no tokens and no cost", FAINT))]
    name_cells = max(8, min(28, width - sum(CELLS)))
    titles = "".join(
        render.fit(title, cells, right=True) for title, cells in zip(COLUMNS, CELLS, strict=True)
    )
    lines = [line((render.fit("tokens", name_cells), MUTED), (titles, MUTED))]
    models = sorted(usage.models.items(), key=lambda item: -item[1].cost_usd)
    for name, use in models[:SHOWN]:
        lines.append(_figures(render.clean(name, 60), use, name_cells, TEXT))
    if len(models) > SHOWN:
        lines.append(line((f"and {len(models) - SHOWN} more", FAINT)))
    whole = ModelUse(
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cost_usd,
    )
    if len(models) != 1:
        label = "all" if models else render.clean(usage.model or "all models", 60)
        lines.append(_figures(label, whole, name_cells, STRONG))
    return lines


def _figures(name: str, use: ModelUse, name_cells: int, style: str) -> Content:
    counted = (use.input_tokens, use.output_tokens, use.cache_read_tokens, use.cache_write_tokens)
    values = [render.count(number) if number else "–" for number in counted]
    values.append(render.cost(use.cost_usd))
    figures = "".join(
        render.fit(value, cells, right=True) for value, cells in zip(values, CELLS, strict=True)
    )
    return line((render.fit(name, name_cells), style), (figures, style))


def _cost_lines(state: RunState, usage: Usage | None, now: Moment) -> list[Content]:
    if usage is None:
        return []
    used_s = clock_used_s(state, now)
    today = dict(state.spent).get(day_of(now.wall))
    parts: list[Part] = []
    if used_s >= LEAST_S:
        parts.append((f"{render.cost(usage.cost_usd / used_s * HOUR_S)} an hour of work", MUTED))
    if today is not None:
        parts.append((f"{'   ' if parts else ''}{render.cost(today)} today (UTC)", MUTED))
    lines = [line(*parts)] if parts else []
    budget = state.spec.budget
    if budget is not None:
        is_near = usage.cost_usd >= 0.8 * budget.usd
        words = f"budget {render.cost(budget.usd)}, then {budget.action.value}"
        share = f"  {100 * usage.cost_usd / budget.usd:.0f}% used"
        lines.append(line((words, TEXT), (share, BAD if is_near else MUTED)))
    return lines


def _service_lines(state: RunState, width: int) -> list[Content]:
    services = state.progress.services if state.progress else {}
    if not services:
        return []
    name_cells = max(8, min(28, width - 36))
    heading = f"{'calls':>8}{'retried':>9}{'failed':>8}  breaker"
    lines = [render.BLANK, line((render.fit("services", name_cells), MUTED), (heading, MUTED))]
    for name, use in list(services.items())[:SHOWN]:
        lines.append(_service(name, use, name_cells))
    if len(services) > SHOWN:
        lines.append(line((f"and {len(services) - SHOWN} more", FAINT)))
    return lines


def _service(name: str, use: ServiceUse, name_cells: int) -> Content:
    breaker = render.clean(use.breaker or "–", 12)
    is_open = breaker not in ("closed", "–")
    return line(
        (render.fit(render.clean(name, 60), name_cells), TEXT),
        (f"{render.count(use.calls):>8}", TEXT),
        (f"{render.count(use.retries):>9}", RETRY if use.retries else MUTED),
        (f"{render.count(use.failures):>8}", BAD if use.failures else MUTED),
        (f"  {breaker}", BAD if is_open else MUTED),
    )


def _process_lines(
    state: RunState, sample: Sample | None, trend: Trend, width: int
) -> list[Content]:
    if sample is None or not state.pid:
        return []
    cells = max(0, min(CURVE_CELLS, width - 22))
    most = 1.7 * max(trend.rss_bytes, default=0.0)
    return [
        render.BLANK,
        _curve("cpu", f"{sample.cpu_percent:.0f}%", trend.cpu_percent, cells, 100.0),
        _curve("memory", render.size(sample.rss_bytes), trend.rss_bytes, cells, most),
    ]


def _curve(label: str, value: str, values: Sequence[float], cells: int, top: float) -> Content:
    # Nothing known yet is no curve: blanks on the left would only push the figure away.
    drawn = spark(values, min(cells, len(values)), top) if len(values) > 1 else ""
    return line((render.fit(label, 9), MUTED), (render.fit(value, 8), TEXT), (drawn, MUTED))
