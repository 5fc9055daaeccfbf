"""What the page of a run can change: where it resumes from, and what flags it.

Pure. Owns the words of both questions: what is lost, what stays, and the way back.
"""

from __future__ import annotations

from textual.content import Content

from supervisor.core.mute import is_muted
from supervisor.core.run import ALIVE, RunState, Status
from supervisor.tui import keys, render
from supervisor.tui.actions import Plan
from supervisor.tui.render import line
from supervisor.tui.theme import ASK, MUTED, STRONG, TEXT


def plan_rollback(state: RunState, generation: int) -> Plan | str:
    """Resume from that generation (0: from nothing), or why that makes no sense now."""
    name = render.clean(state.agent, 64)
    if state.status is Status.SUCCEEDED:
        return f"{name} has succeeded: nothing of it is resumed"
    if state.status in ALIVE:
        stop = keys.hint("run.stop")
        return f"{name} is {state.status.value} and writes checkpoints: {stop} stops it first"
    newest = state.checkpoint
    if generation and newest is not None and newest.generation == generation:
        return f"{name} resumes from checkpoint {generation} anyway"
    newer = sum(kept.generation > generation for kept in state.checkpoints)
    where = f"checkpoint {generation}" if generation else "the very beginning"
    question: list[Content] = [
        line(("Let ", TEXT), (name, STRONG), (f" {state.id[-4:]} resume from {where}?", TEXT)),
        render.BLANK,
        line((_lost(newer), ASK if newer else MUTED)),
        line(("Steps in its journal stay done and are not run again.", MUTED)),
        line((_then(state), MUTED)),
    ]
    params = {"run": state.id, "generation": generation}
    return Plan("rollback", params, f"{name} resumes from {where}", question)


def _lost(newer: int) -> str:
    if not newer:
        return "No newer checkpoint is given up by that."
    return f"{render.plural(newer, 'newer checkpoint')} will be set aside: kept, not used."


def _then(state: RunState) -> str:
    if state.status is Status.BACKOFF:
        return "Its next attempt is due by itself."
    return f"It starts when you say so: {keys.hint('run.restart')}."


def plan_mute(state: RunState, kind: str) -> Plan:
    """That kind is no problem for the agent; or, when it is muted, is one again."""
    name, shown = render.clean(state.agent, 64), render.clean(kind, 80)
    params = {"run": state.id, "kind": kind, "muted": not is_muted(state.muted, kind)}
    if not params["muted"]:
        return Plan("mute", params, f"{shown} flags the runs of {name} again")
    question = [
        line(("Is this no problem for ", TEXT), (name, STRONG), ("?", TEXT)),
        render.BLANK,
        line((shown, STRONG)),
        render.BLANK,
        line(("Its runs, this one and later ones, show no flag for it and nobody is", MUTED)),
        line(("told. The event log still has each one.", MUTED)),
        line((f"{keys.hint('open-run.mute')} on it takes this back.", MUTED)),
    ]  # fmt: skip
    return Plan("mute", params, f"{shown} is no problem for {name} from now on", question)
