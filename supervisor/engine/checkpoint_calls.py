"""``checkpoints`` and ``rollback``: what a client may see and choose of a run's generations."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from supervisor.control.messages import CallRefusedError
from supervisor.core import facts as f
from supervisor.core.run import ALIVE, RunState
from supervisor.core.text import safe_text
from supervisor.engine import checkpoints
from supervisor.engine.params import text, whole

if TYPE_CHECKING:
    from supervisor.control.connection import Connection
    from supervisor.engine.engine import Engine


class CheckpointCalls:
    """Two methods of the control socket, bound to one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def list(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """Every kept generation with its hash, and whether its copy is whole."""
        state = await self._engine.resolve(text(params, "run"))
        return await self._report(state)

    async def rollback(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """Resume from an older generation from now on; 0 is from nothing."""
        engine, by = self._engine, text(params, "by", default="client")
        generation = whole(params, "generation")
        state = await engine.resolve(text(params, "run"))
        if engine.runs.state(state.id) is None:
            raise _refusal(state, "it ended too long ago", "Start a new run")
        if state.status in ALIVE:
            fix = f"First: longwatch stop {state.agent}"
            raise _refusal(state, f"it is {state.status}, and a living process may write", fix)
        if generation:
            await self._check(state, generation)
        fact = f.RollbackWanted(generation, f"rolled back by {safe_text(by, limit=60)}")
        fed = engine.feed(state.id, fact)
        if fed.refusal is not None:
            raise _refusal(state, fed.refusal.what, fed.refusal.fix)
        await fed.stored
        await engine.in_turn(state.id, lambda: self._put_in_place(state.id))
        return await self._report(engine.runs.state(state.id) or fed.state)

    async def _check(self, state: RunState, generation: int) -> None:
        known = {checkpoint.generation: checkpoint for checkpoint in state.checkpoints}
        checkpoint = known.get(generation)
        if checkpoint is None:
            kept = ", ".join(map(str, known)) or "none"
            raise _refusal(
                state,
                f"generation {generation} is not kept",
                f"Kept: {kept}; 0 starts from nothing",
            )
        how = await asyncio.to_thread(
            checkpoints.copy_state, self._engine.project, state.id, checkpoint
        )
        if how != "good":
            raise _refusal(state, f"the copy of generation {generation} is {how}")

    async def _put_in_place(self, run_id: str) -> None:
        state = self._engine.runs.state(run_id)
        if state is not None and state.status not in ALIVE:
            await asyncio.to_thread(checkpoints.settle_rollback, self._engine.project, state)

    async def _report(self, state: RunState) -> dict[str, Any]:
        project = self._engine.project
        return {
            "id": state.id,
            "agent": state.agent,
            "status": state.status.value,
            "generations": await asyncio.to_thread(checkpoints.report, project, state),
            "set_aside": await asyncio.to_thread(checkpoints.set_aside_report, project, state.id),
        }


def _refusal(state: RunState, what: str, fix: str = "") -> CallRefusedError:
    return CallRefusedError(f"{state.agent}: {what}", code="refused", fix=fix)
