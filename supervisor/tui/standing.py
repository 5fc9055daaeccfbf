"""A rule that approves for good, told in lines: before it is made, and in the list.

Pure. Our words and the agent's are kept apart as in a request: its title and action stand behind
the gutter that no text can draw.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from textual.content import Content

from supervisor.core.always import DEFAULT_FOR_S
from supervisor.core.rule import AlwaysRule
from supervisor.core.run import Request, RunState
from supervisor.tui import keys, question, render
from supervisor.tui.render import line
from supervisor.tui.theme import ASK, FAINT, KEY, MUTED, STRONG, TEXT

DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Span:
    """How long a rule may be made for."""

    words: str
    seconds: float


SPANS = (
    Span("a day", DAY_S),
    Span("a week", 7 * DAY_S),
    Span("30 days", DEFAULT_FOR_S),
    Span("a year", 365 * DAY_S),
)
DEFAULT_SPAN = 2


def day(wall: float) -> str:
    """Local date and time to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(wall))


def offer_lines(
    run: RunState, request: Request, span: Span, now: float, width: int
) -> list[Content]:
    """What a yes would mean, before it is given: whose, exactly what, how long, and the way out."""
    return [
        line(("Approve this now, and every later request that is exactly this one?", STRONG)),
        render.BLANK,
        *_fact("agent", [(render.clean(run.agent, 64), STRONG)]),
        *_folder(run.spec.cwd, width),
        *_fact(
            "action",
            [
                (f"request {request.sha256[: question.SHORT_HASH]}", TEXT),
                ("  any other title or action is asked", MUTED),
            ],
        ),
        *_fact("until", [(day(now + span.seconds), f"bold {ASK}"), (f"  {span.words}", MUTED)]),
        render.BLANK,
        line(*_choices(span)),
        line(
            (f"{keys.hint('app.approvals')} on the dashboard lists it and ends it sooner.", MUTED)
        ),
        render.BLANK,
        # Last: however long it is, it pushes nothing of ours out of sight.
        *question.agent_lines(request.title, width),
    ]


def _fact(label: str, parts: list[render.Part]) -> list[Content]:
    return [line((render.fit(label, 8), MUTED), *parts)]


def _folder(cwd: str, width: int) -> list[Content]:
    pieces = render.chop(render.clean(cwd, 4096), max(10, width - 8))
    return [
        line((render.fit("in" if place == 0 else "", 8), MUTED), (piece, TEXT))
        for place, piece in enumerate(pieces)
    ]


def _choices(span: Span) -> list[render.Part]:
    parts: list[render.Part] = []
    for place, known in enumerate(SPANS, start=1):
        style = STRONG if known is span else MUTED
        mark = "•" if known is span else " "
        parts += [(f"{place}", KEY), (f" {mark}{known.words}   ", style)]
    return parts


def rule_lines(rule: AlwaysRule, now: float, width: int) -> list[Content]:
    """One rule of the list: who, how long, what exactly, and who said so."""
    left = rule.expires_at - now
    word = f"{render.duration(left)} left" if left > 0 else "expired, asks again"
    lines = [
        line(
            (render.fit(rule.id, 5), KEY),
            (render.clean(rule.agent, 64), STRONG),
            (f"   until {day(rule.expires_at)}", TEXT),
            (f"   {word}", MUTED),
        )
    ]
    lines += [_indented(part) for part in question.agent_lines(rule.title, width - 5)]
    if rule.action is not None:
        lines += [_indented(part) for part in question.exact_lines(rule.action, width - 5)]
    said = f"set by {render.clean(rule.set_by, 60)} on {day(rule.set_at)} with {rule.request_id}"
    lines.append(line((f"     {said}, request {rule.sha256[: question.SHORT_HASH]}", FAINT)))
    lines += [
        line((f"     {'in ' if place == 0 else '   '}{piece}", FAINT))
        for place, piece in enumerate(render.chop(render.clean(rule.cwd, 4096), width - 9))
    ]
    return [*lines, render.BLANK]


def _indented(content: Content) -> Content:
    return line(("     ", "")).append(content)
