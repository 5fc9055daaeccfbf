"""The part of the reducer that is about questions."""

from __future__ import annotations

from dataclasses import replace

from supervisor.core import events as e
from supervisor.core.copying import changed
from supervisor.core.moment import Moment
from supervisor.core.run import Request, RequestState, RunState

KEPT_CLOSED_REQUESTS = 20
KEPT_TURNS = 20
"""Questions settled by no person; as many closed ones are kept, so nobody can use more."""
BY_DEFAULT, BY_TIMEOUT = "default (unattended)", "timeout (default)"
"""Who answered where no person did; so does a standing rule."""


def request_opened(state: RunState, event: e.RequestOpened, at: Moment) -> RunState:
    """A question was put."""
    return changed(
        state,
        requests=_bounded((*state.requests, replace(event.request, told_at=at))),
        request_count=state.request_count + 1,
        progress_at=at,
    )


def request_reminded(state: RunState, event: e.RequestReminded, at: Moment) -> RunState:
    """It was told again."""
    requests = tuple(
        replace(r, reminded=event.number, told_at=at, is_overdue=r.is_overdue or event.is_overdue)
        if r.id == event.request_id
        else r
        for r in state.requests
    )
    return changed(state, requests=requests)


def request_answered(state: RunState, event: e.RequestAnswered, at: Moment) -> RunState:
    """It has its answer."""
    requests = tuple(
        replace(r, state=RequestState.ANSWERED, answer=event.answer)
        if r.id == event.request_id
        else r
        for r in state.requests
    )
    by = event.answer.by
    is_alone = by in (BY_DEFAULT, BY_TIMEOUT) or event.answer.rule_id is not None
    return changed(
        state,
        requests=_bounded(requests),
        progress_at=at,
        unattended_turns=_turns(state, at) if is_alone else state.unattended_turns,
        settled_epoch=state.epoch,
    )


def _turns(state: RunState, at: Moment) -> tuple[Moment, ...]:
    """One more that no person took; an attempt that settles many of them counts once."""
    if state.settled_epoch == state.epoch:
        return state.unattended_turns
    return (*state.unattended_turns, at)[-KEPT_TURNS:]


def request_asked_again(state: RunState, event: e.RequestAskedAgain, _at: Moment) -> RunState:
    """Another attempt asks it."""
    requests = tuple(
        replace(r, epoch=event.epoch) if r.id == event.request_id else r for r in state.requests
    )
    return changed(state, requests=requests)


def request_closed(state: RunState, event: e.RequestClosed, at: Moment) -> RunState:
    """It is over without an answer."""
    closed = RequestState.EXPIRED if event.expired else RequestState.WITHDRAWN
    requests = tuple(
        replace(r, state=closed, closed_why=event.why, closed_at=at.wall)
        if r.id == event.request_id
        else r
        for r in state.requests
    )
    settled = state.epoch if event.expired else state.settled_epoch
    turns = _turns(state, at) if event.expired else state.unattended_turns
    return changed(
        state, requests=_bounded(requests), settled_epoch=settled, unattended_turns=turns
    )


def _bounded(requests: tuple[Request, ...]) -> tuple[Request, ...]:
    closed = [r.id for r in requests if r.state is not RequestState.OPEN]
    forgotten = set(closed[:-KEPT_CLOSED_REQUESTS])
    return tuple(r for r in requests if r.id not in forgotten)
