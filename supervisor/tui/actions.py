"""What a verb does to a run: which call, what is asked before, and what is said after.

Pure. Owns the rule that whatever ends a process asks first, and says what will be lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from textual.content import Content

from supervisor.core.rule import AlwaysRule
from supervisor.core.run import ALIVE, FINAL, Request, RunState, Status
from supervisor.tui import keys, render
from supervisor.tui.messages import Decision
from supervisor.tui.model import Link, Picture
from supervisor.tui.render import line
from supervisor.tui.theme import MUTED, STRONG, TEXT


@dataclass(frozen=True, slots=True)
class Plan:
    """One call to the engine."""

    method: str
    params: Mapping[str, Any]
    done: str
    """What to say once the engine took it."""
    question: Sequence[Content] = field(default=())
    """What to ask before; empty needs no asking."""
    leaves: bool = False
    """The interface ends with it."""


def answer_params(request: Request, decision: Decision, by: str) -> dict[str, Any]:
    """Parameters of ``answer``: what was decided, with the hash of what was shown."""
    given = {
        "allow": decision.allow,
        "option": decision.option,
        "text": decision.text,
        "comment": decision.comment,
        "fields": decision.fields,
        "always": True if decision.always_s is not None else None,
        "for_s": decision.always_s,
    }
    said = {name: value for name, value in given.items() if value is not None}
    return {"id": request.id, "hash": request.sha256, "by": by, **said}


def plan(verb: str, state: RunState | None, agent: str) -> Plan | str:
    """The call for ``verb`` (start, stop, restart, pause), or why it makes no sense now."""
    name = render.clean(agent, 64)
    if verb == "start":
        is_over = state is None or state.status in FINAL or state.status is Status.HELD
        if state is not None and not is_over and state.wake is None:
            return f"{name} is {state.status.value} already"
        params = {"names": [agent], "fresh": False, "unattended": False}
        return Plan("start", params, f"{name} starts")
    if state is None:
        return f"{name} has never run: {keys.hint('run.start')} starts it"
    if verb == "stop":
        return _stop(state, name)
    if verb == "restart":
        return _restart(state, name)
    return _pause(state, name)


def _names(state: RunState) -> dict[str, Any]:
    return {"names": [state.id], "all": False}


def _stop(state: RunState, name: str) -> Plan | str:
    if state.status in FINAL:
        return f"{name} is over already"
    question = [
        line(("Stop ", TEXT), (name, STRONG), (f" {state.id[-4:]}?", TEXT)),
        render.BLANK,
        *_ending_lines(state),
    ]
    return Plan("stop", _names(state), f"{name} is being stopped", question)


def _restart(state: RunState, name: str) -> Plan | str:
    if state.status is Status.SUCCEEDED:
        return f"{name} has succeeded: {keys.hint('run.start')} starts a new run"
    question = []
    if state.status in ALIVE:
        question = [
            line(("Restart ", TEXT), (name, STRONG), (f" {state.id[-4:]}?", TEXT)),
            render.BLANK,
            *_ending_lines(state),
        ]
    else:
        question = [line(("Start the next attempt of ", TEXT), (name, STRONG), (" now?", TEXT))]
    return Plan("restart", _names(state), f"{name} restarts", question)


def _ending_lines(state: RunState) -> list[Content]:
    grace = render.duration(state.spec.stop_grace_s)
    signal = render.clean(state.spec.stop_signal, 12)
    lines = []
    if state.status in ALIVE:
        lines.append(line((f"Its process gets SIG{signal}, and SIGKILL after {grace}.", MUTED)))
    if state.checkpoint is not None:
        kept = f"It goes on from checkpoint {state.checkpoint.generation} when started again."
        lines.append(line((kept, MUTED)))
    else:
        lines.append(line(("It has no checkpoint: started again, it begins anew.", MUTED)))
    return lines


def _pause(state: RunState, name: str) -> Plan | str:
    if state.status is Status.PAUSED or (state.wake is not None and state.wake.is_held):
        return Plan("resume", _names(state), f"{name} goes on")
    if state.status not in (Status.RUNNING, Status.WAITING) and state.wake is None:
        return f"{name} is {state.status.value}: only a running one can be paused"
    return Plan("pause", _names(state), f"{name} is paused")


def plan_revoke(rule: AlwaysRule) -> Plan:
    """End an approval for good."""
    name = render.clean(rule.agent, 64)
    question = [
        line(("Ask again whenever ", TEXT), (name, STRONG), (" wants this?", TEXT)),
        render.BLANK,
        line((render.clean(rule.title, 200), TEXT)),
        line((f"{rule.id}, request {rule.sha256[:12]}", MUTED)),
    ]
    return Plan("revoke", {"id": rule.id}, f"{rule.id} is revoked", question)


_LEAVE_ONLY = "To leave only this window instead, answer {} and press {}."


def plan_stop_all(picture: Picture) -> Plan:
    """Stop every agent and the engine, and leave."""
    living = [state for state in picture.runs.values() if state.status in ALIVE]
    engine = "the engine"
    if picture.hosts:
        names = [render.clean(h.name, 30) for h in picture.hosts if h.link is Link.LIVE]
        engine = f"the engines on {', '.join(names)}"
    question = [
        line((f"Stop {render.plural(len(living), 'running agent')} and {engine}?", STRONG)),
        render.BLANK,
        line(("Every agent gets its stop signal and its grace, and keeps its checkpoint.", MUTED)),
        line((_LEAVE_ONLY.format(keys.hint("confirm.no"), keys.hint("app.leave")), MUTED)),
    ]
    params = {"stop_agents": True, "if_idle": False}
    return Plan("shutdown", params, "everything is being stopped", question, leaves=True)
