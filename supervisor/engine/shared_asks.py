"""Questions of shared tasks: shown to the fleet, and answered from any machine of it.

Owns what was shown and which answers were taken. The answer itself is given by ``answer_calls``,
with the hash that the other machine saw: exactly one is accepted, wherever it came from.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from supervisor.cancelling import cancelled
from supervisor.core.run import Request
from supervisor.engine.answer_calls import AnswerCalls
from supervisor.errors import LongwatchError

if TYPE_CHECKING:
    from supervisor.engine.connecting_queue import ConnectingQueue
    from supervisor.engine.engine import Engine

LOOK_S = 1.0
"""Between two looks for answers, while anything is asked."""


class SharedAsks:
    """From its making to ``close``; made in the event loop."""

    def __init__(self, engine: Engine, queue: ConnectingQueue) -> None:
        self._engine = engine
        self._queue = queue
        self._calls = AnswerCalls(engine)
        self._shown: dict[str, tuple[str, ...]] = {}
        self._refused: set[tuple[str, str]] = set()
        """Request and answer, as text, that was not accepted: it is not tried again."""
        self._said = ""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def answer_elsewhere(self, request_id: str, params: dict[str, Any]) -> bool:
        """Send an answer to the machine that asks; False when none does."""
        asks = self._queue.asks()
        return asks is not None and await asks.answer(request_id.upper(), params)

    async def close(self) -> None:
        """Look no more."""
        await cancelled(self._task)

    async def _follow(self) -> None:
        while True:
            try:
                await self._look()
            except LongwatchError as error:
                if str(error) != self._said:
                    self._said = str(error)
                    sys.stderr.write(f"longwatch engine: questions of the fleet: {error}\n")
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        asks = self._queue.asks()
        if asks is None:
            return
        for state in list(self._engine.runs.active()):
            if state.task is None or not state.task.is_shared or state.task.outcome:
                continue
            asked = state.open_requests
            ids = tuple(request.id for request in asked)
            if ids != self._shown.get(state.id, ()):
                await asks.show_asked(state.id, [_shown(request) for request in asked])
                self._shown[state.id] = ids
            for answer in await asks.answers(state.id) if ids else []:
                if answer.get("id") in ids and (mark := (state.id, repr(answer))) not in (
                    self._refused
                ):
                    await self._give(answer, mark)

    async def _give(self, answer: dict[str, Any], mark: tuple[str, str]) -> None:
        try:
            await self._calls.answer(None, answer)
        except LongwatchError as error:
            self._refused.add(mark)
            sys.stderr.write(f"longwatch engine: an answer from the fleet: {error}\n")


def _shown(request: Request) -> dict[str, Any]:
    return {
        "id": request.id,
        "kind": request.kind,
        "title": request.title[:500],
        "hash": request.sha256,
        "options": list(request.options),
        "explanation": (request.explanation or "")[:2000],
    }
