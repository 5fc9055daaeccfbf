"""``[anomalies]``: when something is unusual, and what follows once it is seen a second time."""

from __future__ import annotations

import difflib
from dataclasses import fields
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from supervisor.config.model import Memory, Span, Table, wrong
from supervisor.core.detect.look import Terms
from supervisor.core.detect.watch import KINDS
from supervisor.core.suspect import Action

DEFAULT = Terms()
ACTIONS = tuple(action.value for action in Action)
EVERY_S = 15.0
"""Between two looks: an anomaly lasts for minutes, and a look costs 30 µs a run."""


def _actions(value: object) -> object:
    if not isinstance(value, dict):
        raise wrong("this is no table", 'lines such as stalled = "ask"')
    for kind, action in value.items():
        if kind not in KINDS:
            near = difflib.get_close_matches(str(kind), KINDS, 1)
            hint = f'Did you mean "{near[0]}"?' if near else ""
            raise wrong(f'no detector finds "{kind}"', f"one of {', '.join(KINDS)}", hint)
        if action not in ACTIONS:
            raise wrong(f'"{kind}" has {action!r}', f"one of {', '.join(ACTIONS)}")
    return value


_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {kind: {"enum": list(ACTIONS)} for kind in KINDS},
    "additionalProperties": False,
}
Actions = Annotated[dict[str, str], BeforeValidator(_actions), WithJsonSchema(_SCHEMA)]
Count = Annotated[int, Field(ge=2, le=1_000_000)]
Share = Annotated[float, Field(gt=0, le=1)]


class AnomaliesTable(Table):
    """``[anomalies]``; spans are time in which the run works."""

    every: Span = EVERY_S
    stalled_after: Span = DEFAULT.stalled_after_s
    spin_after: Span = DEFAULT.spin_after_s
    spin_percent: Annotated[float, Field(gt=0, le=10_000)] = DEFAULT.spin_percent
    silent_after: Span = DEFAULT.silent_after_s
    loop_repeats: Count = DEFAULT.loop_repeats
    loop_after: Span = DEFAULT.loop_after_s
    back_share: Share = DEFAULT.back_share
    checkpoint_after: Span = DEFAULT.checkpoint_after_s
    memory_window: Span = DEFAULT.memory_window_s
    memory_factor: Annotated[float, Field(gt=1, le=1000)] = DEFAULT.memory_factor
    memory_growth: Memory = Field(default=DEFAULT.memory_bytes, validate_default=True)
    errors: Count = DEFAULT.errors
    tokens: Count = DEFAULT.tokens
    context_share: Share = DEFAULT.context_share
    slow_factor: Annotated[float, Field(gt=1, le=1000)] = DEFAULT.slow_factor
    rejected_after: Span = DEFAULT.rejected_after_s
    clock_jump: Span = DEFAULT.jump_s
    done_after: Span = DEFAULT.done_after_s
    strike_after: Span = DEFAULT.strike_s
    actions: Actions = Field(default_factory=dict)
    """By kind, for all agents."""
    agents: dict[str, Actions] = Field(default_factory=dict)
    """By agent and kind."""


_OTHER_NAMES = {"jump_s": "clock_jump", "memory_bytes": "memory_growth", "strike_s": "strike_after"}


def terms_of(table: AnomaliesTable) -> Terms:
    """The thresholds as the detectors take them."""
    values: dict[str, Any] = {}
    for field in fields(Terms):
        name = _OTHER_NAMES.get(field.name, field.name.removesuffix("_s"))
        found = getattr(table, name)
        values[field.name] = 0 if found is None else found
    return Terms(**values)


def action_of(table: AnomaliesTable, agent: str, kind: str) -> Action:
    """What the second strike of that kind leads to for that agent."""
    of_agent = table.agents.get(agent, {})
    return Action(of_agent.get(kind, table.actions.get(kind, Action.FLAG)))
