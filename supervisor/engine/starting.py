"""Starting a run by an agent's name, and finding the run that a name means."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from supervisor.control.messages import CallRefusedError
from supervisor.core import facts as f
from supervisor.core import ids
from supervisor.core.mirror import fold_loaded
from supervisor.core.run import FINAL, RunState, Status
from supervisor.core.spec import AgentSpec
from supervisor.core.text import safe_text
from supervisor.engine.runs import Fed, Runs
from supervisor.store.ports import EventLog

if TYPE_CHECKING:
    from supervisor.engine.engine import Engine


def begin_run(
    engine: Engine,
    spec: AgentSpec,
    *,
    is_fresh: bool,
    is_unattended: bool,
    is_waking: bool,
    by: str,
) -> tuple[str, Fed]:
    """What was done and the stored outcome.

    A run that is not over is left alone, or woken, if it sleeps and ``is_waking``; one that ended
    short of its goal is continued from its checkpoint, because what cost hours is not begun anew
    by a habit of typing; otherwise, or with ``is_fresh``, there is a new run.
    """
    spec = replace(spec, unattended=spec.unattended or is_unattended)
    newest = engine.runs.newest_of(spec.name)
    if newest is not None and newest.status not in (*FINAL, Status.HELD):
        if newest.wake is not None and is_waking:
            engine.feed(newest.id, f.SpecWanted(spec))
            return "woken", engine.feed(newest.id, f.StartWanted(f"woken by {by}", is_waking=True))
        if newest.spec != spec:
            return "already running", engine.feed(newest.id, f.SpecWanted(spec))
        return "already running", engine.feed(newest.id, f.StartWanted())
    if newest is not None and newest.status is not Status.SUCCEEDED and not is_fresh:
        engine.project.ensure_run(newest.id)
        fed = engine.feed(newest.id, f.RestartWanted(by))
        engine.feed(newest.id, f.SpecWanted(spec))
        return "continued", fed
    if newest is not None and newest.status is Status.HELD:
        engine.feed(newest.id, f.StopWanted(by, f"replaced by a fresh run ({by})"))
    created = engine.runs.create(spec, f"started by {by}")
    engine.project.ensure_run(created.state.id)
    return "started", engine.feed(created.state.id, f.StartWanted())


async def resolve_run(runs: Runs, log: EventLog, name: str) -> RunState:
    """The newest run of that agent, or the one run whose id ends so; else CallRefusedError."""
    newest = runs.newest_of(name)
    if newest is not None:
        return newest
    suffix = name.upper()
    if len(suffix) >= ids.MIN_SUFFIX:
        found = [state for state in runs.states() if state.id.endswith(suffix)]
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            raise CallRefusedError(
                f"{name} names {len(found)} runs; type more of it", code="refused"
            )
        older = await log.find_run(suffix)
        if len(older) == 1:
            loaded = await log.load_run(older[0])
            return fold_loaded(loaded.runs, loaded.tail)[older[0]]
    known = ", ".join(sorted({state.agent for state in runs.states()})) or "none"
    raise CallRefusedError(
        f"no run of {safe_text(name, limit=80)!r}",
        code="unknown_run",
        why=f"Agents with runs: {known}",
    )
