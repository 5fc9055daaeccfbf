"""Services in lines: what the machine knows of each, and what the agents say they called.

Pure. The state of a breaker is the machine's, shared by all projects; the counters are those that
the runs in the picture declare. The two are never added up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual.content import Content

from supervisor.core.progress import ServiceUse
from supervisor.core.text import safe_text
from supervisor.tui import render
from supervisor.tui.model import Picture
from supervisor.tui.render import Part, fit, line
from supervisor.tui.theme import (
    ASK,
    BAD,
    BAR_ASK,
    BAR_BAD,
    BAR_DONE,
    BAR_RUN,
    DONE,
    FAINT,
    MUTED,
    RETRY,
    STRONG,
    TEXT,
)

LOOKS: dict[str, tuple[str, str, str]] = {
    "closed": ("●", "works", DONE),
    "open": ("✗", "open", BAD),
    "half-open": ("◔", "probing", RETRY),
    "patience": ("◌", "asked to wait", ASK),
    "": ("·", "not shared", MUTED),
}
"""Glyph, word and style by state; the state "patience" is a closed breaker that is held off."""
NAME_CELLS, STATE_CELLS, BAR_CELLS = 18, 15, 8
WIDE_CELLS = 100
"""Below this width the bar and the failures give way: the next try is what matters."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service with everything known of it."""

    key: str
    name: str
    host: str
    view: Mapping[str, Any]
    """As the engine sends it; empty for one that only agents speak of."""
    users: tuple[tuple[str, str, ServiceUse], ...]
    """(agent, end of the run's id, what it declares), the most calls first."""

    @property
    def state(self) -> str:
        """A key of ``LOOKS``."""
        state = str(self.view.get("state", "closed")) if self.view else ""
        if state == "closed" and self.view.get("blocked_s", 0) > 0:
            return "patience"
        return state if state in LOOKS else ""

    @property
    def wait_s(self) -> float:
        """Until calls, or a probe, go out again."""
        return float(self.view.get("wait_s") or 0.0)

    def total(self, field: str) -> int:
        """Sum of a counter over the runs that declare it."""
        return sum(int(getattr(use, field)) for _, _, use in self.users)


def services_of(picture: Picture, told: Mapping[str, Mapping[str, Any]]) -> list[Service]:
    """All services, those in trouble first; ``told`` is the engine's answer by machine."""
    users: dict[tuple[str, str], list[tuple[str, str, ServiceUse]]] = {}
    for state in picture.runs.values():
        host, _, _ = state.agent.rpartition("/")
        for name, use in (state.progress.services if state.progress else {}).items():
            users.setdefault((host, name), []).append((state.agent, state.id[-4:], use))
    views = {
        (host, str(view["name"])): view
        for host, answer in told.items()
        for view in answer.get("services", ())
    }
    found = []
    for host, name in sorted({*users, *views}):
        ranked = sorted(users.get((host, name), ()), key=lambda user: (-user[2].calls, user[0]))
        key = f"{host}/{name}"
        found.append(Service(key, name, host, views.get((host, name), {}), tuple(ranked)))
    order = ("open", "half-open", "patience", "closed", "")
    return sorted(found, key=lambda service: (order.index(service.state), service.key))


def heading(width: int) -> Content:
    """The titles of the columns of ``row``."""
    is_wide = width >= WIDE_CELLS
    failed = fit("FAILED", BAR_CELLS + 6 if is_wide else 7)
    parts = [f" {fit('SERVICE', NAME_CELLS + 2)} {fit('BREAKER', STATE_CELLS)} {failed}"]
    parts.append(f"{fit('CALLS', 6, right=True)} {fit('RETRIES', 8, right=True)}")
    parts.append(f" {fit('FAILURES', 9, right=True)}" if is_wide else "")
    return line(("".join(parts) + "  NEXT", FAINT)).truncate(width)


def row(service: Service, width: int) -> Content:
    """One service in one line."""
    is_wide = width >= WIDE_CELLS
    glyph, word, style = LOOKS[service.state]
    name = f"{service.host}/{service.name}" if service.host else service.name
    share = failed_share(service)
    percent = f"{share * 100:3.0f}% " if share is not None else "  –  "
    retries = service.total("retries")
    failures = fit(_some(service.total("failures")), 10, right=True) if is_wide else ""
    return line(
        (f" {glyph} ", style),
        (fit(safe_text(name, limit=80), NAME_CELLS - 1) + "  ", STRONG),
        (fit(word, STATE_CELLS) + " ", style),
        *(render.bar(share or 0.0, BAR_CELLS, rate_style(service)) if is_wide else ()),
        (fit(f" {percent}", 6 if is_wide else 7), TEXT if share else MUTED),
        (fit(render.count(service.total("calls")), 6, right=True), TEXT),
        (fit(render.count(retries) if retries else "", 9, right=True), RETRY),
        (failures, BAD),
        ("  " + next_words(service), style if service.wait_s else MUTED),
    )


def _some(number: int) -> str:
    return render.count(number) if number else ""


def failed_share(service: Service) -> float | None:
    """Part of the calls in the breaker's window that failed; None when there was none."""
    calls = int(service.view.get("calls", 0)) if service.view else 0
    return int(service.view.get("failures", 0)) / calls if calls else None


def rate_style(service: Service) -> str:
    """How near the failure rate is to opening the breaker."""
    share = failed_share(service)
    limit = float((service.view.get("policy") or {}).get("failure_rate", 1.0))
    if share is None or share < limit / 2:
        return BAR_DONE
    return BAR_ASK if share < limit else BAR_BAD


def next_words(service: Service) -> str:
    """What happens next and when."""
    wait = render.duration(service.wait_s + 0.999) if service.wait_s > 0 else ""
    if service.state == "open":
        return f"a probe in {wait}" if wait else "a probe with the next call"
    if service.state == "half-open":
        return f"one call looks; dead in {wait}" if wait else "one call looks"
    if service.state == "patience":
        return f"calls go on in {wait}"
    return ""


def detail(service: Service, width: int) -> list[Content]:
    """Everything about one service."""
    glyph, word, style = LOOKS[service.state]
    name = safe_text(service.name, limit=80)
    lines = [line((f"{glyph} ", style), (name, STRONG), (f"  {word}", style))]
    if service.view:
        lines += _breaker_lines(service)
        lines += _limit_lines(service)
    else:
        words = "It is called without the shared breaker: only its agents' own counters are known."
        lines.append(line((words, MUTED)))
    if why := str(service.view.get("why") or ""):
        lines += _fact("last failure", [(render.clean(why, 300), TEXT)])
    lines += [render.BLANK, *_user_lines(service)]
    return [part for whole in lines for part in render.wrap(whole, width)]


def _fact(name: str, parts: Sequence[Part]) -> list[Content]:
    return [line((fit(name, 14), FAINT), *parts)]


def _breaker_lines(service: Service) -> list[Content]:
    policy = service.view.get("policy") or {}
    calls, failures = int(service.view.get("calls", 0)), int(service.view.get("failures", 0))
    lines = []
    if service.state in ("open", "patience", "half-open") and service.wait_s:
        whole = float(policy.get("cool_down_s", 0)) if service.state == "open" else 0.0
        bar = render.bar(1 - service.wait_s / whole, 20, BAR_RUN) if whole else []
        of = f" of {render.duration(whole)} cool-down" if whole else ""
        left = f" {render.duration(service.wait_s + 0.999)} left{of}"
        lines += _fact("waits", [*bar, (left, TEXT)])
    if policy:
        window = render.duration(float(policy["window_s"]))
        if calls:
            lines += _fact("failed", [(f"{failures} of {calls} calls in the last {window}", TEXT)])
        rate = f"{float(policy['failure_rate']) * 100:.0f} %"
        rule = f"when {rate} of at least {policy['minimum_calls']} calls in {window} fail, for "
        lines += _fact("opens", [(rule + render.duration(float(policy["cool_down_s"])), MUTED)])
    return lines


def _limit_lines(service: Service) -> list[Content]:
    limits = service.view.get("limits") or {}
    burst = float(limits.get("burst_s") or 0.0)
    lines = []
    for noun in ("requests", "tokens"):
        rate = limits.get(f"{noun}_per_minute")
        if rate is None:
            continue
        ahead = float(service.view.get(f"{noun}_ahead_s") or 0.0)
        share = min(1.0, ahead / burst) if burst else float(ahead > 0)
        wait = max(0.0, ahead - burst)
        words = f" {render.count(float(rate))} {noun} a minute"
        words += f", the next waits {render.duration(wait + 0.999)}" if wait else ""
        style = BAR_BAD if wait else BAR_ASK if share > 0.5 else BAR_DONE
        lines += _fact("limit", [*render.bar(share, 20, style), (words, TEXT)])
    return lines or _fact("limit", [("none is set", MUTED)])


def _user_lines(service: Service) -> list[Content]:
    if not service.users:
        return [line(("No run that is listed here has called it.", MUTED))]
    lines = [line((f"{fit('CALLED BY', 26)}{'CALLS':>8}{'RETRIES':>9}{'FAILURES':>10}", FAINT))]
    for agent, tail, use in service.users:
        lines.append(
            line(
                (fit(f"{render.clean(agent, 64)} ", 21), TEXT),
                (fit(tail, 5), FAINT),
                (f"{render.count(use.calls):>8}", TEXT),
                (f"{_some(use.retries):>9}", RETRY),
                (f"{_some(use.failures):>10}", BAD),
            )
        )
    return lines
