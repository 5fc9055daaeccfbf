"""Calls about questions: give one answer, and end a rule that answers in the operator's place."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from supervisor.control.messages import CallRefusedError, InvalidParamsError
from supervisor.core import facts as f
from supervisor.core.always import DEFAULT_FOR_S
from supervisor.core.effects import Refusal
from supervisor.core.record import to_plain
from supervisor.core.run import Answer, RequestState, RunState
from supervisor.core.text import safe_text
from supervisor.engine.params import flag, optional_text, text

if TYPE_CHECKING:
    from supervisor.control.connection import Connection
    from supervisor.engine.engine import Engine


class AnswerCalls:
    """The methods ``answer`` and ``revoke``, bound to one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def answer(self, _connection: Connection | None, params: dict[str, Any]) -> Any:
        """Accept one answer to an open request; with ``always`` for the same ones to come."""
        try:
            state, public_id = self._find_request(text(params, "id"))
        except CallRefusedError:
            elsewhere = self._engine.tasks.asks
            if elsewhere is None or not await elsewhere.answer_elsewhere(params["id"], params):
                raise
            return {"request": {"id": params["id"].upper()}}
        answer = Answer(
            by=text(params, "by", default="client"),
            at=self._engine.clock().wall,
            sha256=optional_text(params, "hash") or "",
            allow=params.get("allow") if isinstance(params.get("allow"), bool) else None,
            option=optional_text(params, "option"),
            text=optional_text(params, "text"),
            comment=optional_text(params, "comment"),
            fields=_fields(params),
        )
        wish, secrets = self._wish(params), self._engine.secrets
        asked = next(r for r in state.requests if r.id == public_id)
        # Durable before the answer is acknowledged: the agent gets these words, the log does not.
        answer = await asyncio.to_thread(secrets.seal_answer, state.id, asked, answer)
        fed = self._engine.runs.feed(state.id, f.AnswerGiven(public_id, answer, wish))
        if fed.refusal is not None:
            await asyncio.to_thread(secrets.drop_answer, state.id, answer)
            raise refused(fed.refusal)
        await fed.stored
        found = next(r for r in fed.state.requests if r.id == public_id)
        if wish is None:
            return {"request": to_plain(found)}
        await self._engine.history.approvals.keep()
        rule = self._engine.runs.standing.find(wish.rule_id)
        return {"request": to_plain(found), "rule": to_plain(rule) if rule else None}

    async def revoke(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """End a rule; it answers nothing any more when this is answered."""
        rule_id, by = text(params, "id"), text(params, "by", default="client")
        rule = await self._engine.history.approvals.revoke(rule_id, by)
        return {"rule": to_plain(rule)}

    def _wish(self, params: dict[str, Any]) -> f.AlwaysWish | None:
        for_s = params.get("for_s", DEFAULT_FOR_S)
        if isinstance(for_s, bool) or not isinstance(for_s, int | float):
            raise InvalidParamsError(f"for_s: found {type(for_s).__name__}, expected seconds")
        if not flag(params, "always"):
            if "for_s" in params:
                raise InvalidParamsError("for_s: found without always, expected always: true")
            return None
        runs, now = self._engine.runs, self._engine.clock().wall
        return f.AlwaysWish(runs.standing.next_id, float(for_s), len(runs.standing.living(now)))

    def _find_request(self, wanted: str) -> tuple[RunState, str]:
        """The run and public id that ``wanted`` names: ``7F3K-1``, or ``RUN:file-id``."""
        run_part, _, file_id = wanted.rpartition(":")
        found = [
            (state, request.id)
            for state in self._engine.runs.states()
            for request in state.requests
            if (not run_part and request.id.upper() == wanted.upper())
            or (run_part and state.id.endswith(run_part.upper()) and request.file_id == file_id)
        ]
        still_open = [
            pair
            for pair in found
            if any(r.id == pair[1] and r.state is RequestState.OPEN for r in pair[0].requests)
        ]
        if len(still_open) == 1:
            return still_open[0]
        if len(still_open) > 1:
            raise _ambiguous(wanted, still_open)
        if not found:
            raise CallRefusedError(
                f"no request {safe_text(wanted, limit=80)}",
                code="unknown_request",
                fix="See: longwatch requests",
            )
        return found[-1]


def _ambiguous(wanted: str, found: list[tuple[RunState, str]]) -> CallRefusedError:
    """Only of runs of older versions: their ids could end alike."""
    named = [
        f"{state.id}:{request.file_id} ({safe_text(request.title, limit=60)})"
        for state, public_id in found
        for request in state.requests
        if request.id == public_id
    ]
    return CallRefusedError(
        f"{safe_text(wanted, limit=80)} names {len(found)} requests",
        code="refused",
        why="It may be " + ", or ".join(named),
        fix="Answer it by one of these longer names",
    )


def _fields(params: dict[str, Any]) -> dict[str, Any] | None:
    value = params.get("fields")
    if value is None or isinstance(value, dict):
        return value
    found = "list" if isinstance(value, list) else type(value).__name__
    raise InvalidParamsError(f"fields: found {found}, expected an object of name and value")


def refused(refusal: Refusal, *, where: str = "") -> CallRefusedError:
    """The error that tells a client why a wish was not granted."""
    what = f"{where}: {refusal.what}" if where else refusal.what
    return CallRefusedError(what, code=refusal.code, why=refusal.why, fix=refusal.fix)
