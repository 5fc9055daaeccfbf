"""Questions to the operator: opened once, frozen, answered exactly once (I4)."""

from __future__ import annotations

from dataclasses import replace

from supervisor.core import events as e
from supervisor.core.always import matching_rule, said_by
from supervisor.core.answer_words import answer_words
from supervisor.core.answering import completed, default_answer, rule_of, unfit, unfit_rule
from supervisor.core.due import expiring_requests, overdue_requests, reminders_due
from supervisor.core.effects import DeliverAnswer, Refusal, WithdrawAnswer
from supervisor.core.facts import AnswerGiven, RequestGone, RequestSeen
from supervisor.core.fold_requests import BY_DEFAULT, BY_TIMEOUT
from supervisor.core.own_questions import hold_for_own, settle_own
from supervisor.core.rule import AlwaysRule
from supervisor.core.run import ALIVE, FINAL, Answer, Request, RequestState, Status
from supervisor.core.sleeping import wake_by_answer
from supervisor.core.text import safe_text
from supervisor.core.times import utc_text
from supervisor.core.turn import Turn

SAME_TIME_S = 0.05
"""The clock of a file system is coarser than ours by a few milliseconds."""
ID_TAIL = 4
"""Characters of the run id in a request's public id."""


def decide_request_seen(turn: Turn, fact: RequestSeen) -> None:
    """Open it, deliver its answer again, or flag that it changed after it was asked."""
    if turn.state.status in FINAL:
        return
    known = _by_file(turn, fact.request.file_id)
    if known is not None and known.sha256 == fact.request.sha256:
        if known.state is RequestState.OPEN:
            _ask_again(turn, known, fact.written_at)
            return
        if known.state is RequestState.ANSWERED or _is_still_expired(turn, known, fact.request):
            turn.want(DeliverAnswer(known))
            return
    elif known is not None and known.state is RequestState.OPEN:
        turn.flag(
            "request-changed",
            f"request {known.id} was changed after it was asked; the first version counts",
            key=known.id,
            severity="error",
        )
        return
    if known is not None:
        # Its answer lies where the agent looks for that of the new one.
        turn.want(WithdrawAnswer(known.file_id))
    _open(turn, fact.request, fact.rules)


def _ask_again(turn: Turn, known: Request, written_at: float | None) -> None:
    """By the attempt after the one that died asking, if it was this one that wrote the file.

    An engine that starts reads every file anew: what a dead attempt left there must not make a
    working one wait.
    """
    state, newest = turn.state, turn.state.newest_attempt
    if known.epoch != state.epoch:
        began = newest.started_at - SAME_TIME_S if newest is not None else 0.0
        if state.status not in ALIVE or (written_at is not None and written_at < began):
            return
        turn.record(e.RequestAskedAgain(known.id, state.epoch))
    if turn.state.status is Status.RUNNING:
        turn.record(e.WaitBegan(f"asks {known.id}: {known.title}"))


def _open(turn: Turn, draft: Request, rules: tuple[AlwaysRule, ...]) -> None:
    state = turn.state
    public = f"{state.id[-ID_TAIL:]}-{state.request_count + 1}"
    request = replace(draft, id=public, epoch=state.epoch, created_at=turn.now.wall)
    turn.record(e.RequestOpened(request))
    if state.status is Status.RUNNING:
        turn.record(e.WaitBegan(f"asks {request.id}: {request.title}"))
    hold_for_own(turn, request)
    rule = None
    if request.kind == "approve":
        rule = matching_rule(rules, state.agent, state.spec.cwd, request.sha256, turn.now.wall)
    if rule is not None:
        answer = Answer(said_by(rule), turn.now.wall, request.sha256, allow=True, rule_id=rule.id)
        _apply_answer(turn, request, answer)
    elif state.spec.unattended and request.default is not None:
        answer = default_answer(request, BY_DEFAULT, turn.now.wall)
        _apply_answer(turn, request, answer)


def decide_request_gone(turn: Turn, fact: RequestGone) -> None:
    """The agent took its question back."""
    known = _by_file(turn, fact.file_id)
    if known is None or known.state is not RequestState.OPEN:
        return
    turn.record(e.RequestClosed(known.id, expired=False, why="withdrawn by the agent"))
    if turn.state.wake is None:  # One that sleeps still has its time to wait for.
        _go_on(turn, f"{known.id} was withdrawn")


def decide_answer(turn: Turn, fact: AnswerGiven) -> None:
    """Accept exactly one fitting answer; everything else is refused and changes nothing."""
    request = next((r for r in turn.state.requests if r.id == fact.request_id), None)
    if request is None:
        turn.refuse("unknown_request", f"no request {fact.request_id}", "See: longwatch requests")
    elif request.state is RequestState.ANSWERED:
        turn.refuse("conflict", f"{request.id} was already answered{_by_whom(request.answer)}")
    elif request.state is not RequestState.OPEN:
        when = f" at {utc_text(request.closed_at)}" if request.closed_at is not None else ""
        turn.refuse("expired", f"{request.id} was closed{when}: {request.closed_why}")
    elif request in expiring_requests(turn.state, turn.now):
        # The timer that says so may be late (a suspended laptop, a busy engine); the rule is not.
        when = utc_text(request.expires_at or turn.now.wall)
        turn.refuse("expired", f"{request.id} expired at {when}, before this answer")
    elif not _hash_fits(fact.answer.sha256, request.sha256):
        turn.refuse(
            "hash_mismatch",
            f"{request.id} is not what that answer was given for: it has {request.sha256[:12]}",
            "Read it again: longwatch requests",
        )
    elif problem := unfit(request, fact.answer) or _unfit_wish(request, fact):
        turn.refuse(problem.code, problem.what, problem.fix, problem.why)
    else:
        answer = replace(fact.answer, sha256=request.sha256, at=turn.now.wall)
        if fact.always is not None:
            rule = rule_of(turn.state, request, answer, fact.always)
            turn.record_for_all(e.AlwaysRuleSet(rule))
        _apply_answer(turn, request, completed(request, answer))


def _unfit_wish(request: Request, fact: AnswerGiven) -> Refusal | None:
    return unfit_rule(request, fact.answer, fact.always) if fact.always else None


def expire_request(turn: Turn, request: Request) -> None:
    """What ``on_timeout`` says: the stated default, or deny.

    A time-out is never consent: a default of *yes* to an approval counts only where the operator
    configured ``unattended``.
    """
    is_yes = request.kind == "approve" and request.default is True
    is_consent = is_yes and not turn.state.spec.unattended
    if request.on_timeout == "default" and request.default is not None and not is_consent:
        _apply_answer(turn, request, default_answer(request, BY_TIMEOUT, turn.now.wall))
        return
    turn.record(e.RequestClosed(request.id, expired=True, why="nobody answered in time"))
    closed = _by_file(turn, request.file_id)
    if closed is not None:
        turn.want(DeliverAnswer(closed))
    _go_on(turn, f"{request.id} expired")
    settle_own(turn, request)


def remind(turn: Turn) -> None:
    """Say of every question what its own time or a reminder's says; nothing else moves by it."""
    overdue = overdue_requests(turn.state, turn.now)
    for request in overdue:
        _say_again(turn, request, is_overdue=True)
    for request in reminders_due(turn.state, turn.now):
        _say_again(turn, request, is_overdue=False)


def _say_again(turn: Turn, request: Request, *, is_overdue: bool) -> None:
    waited_s = max(0.0, turn.now.wall - request.created_at)
    number = request.reminded + 1
    turn.record(e.RequestReminded(request.id, number, waited_s, request.title, is_overdue))


def _apply_answer(turn: Turn, request: Request, answer: Answer) -> None:
    turn.record(e.RequestAnswered(request.id, answer))
    turn.want(DeliverAnswer(replace(request, state=RequestState.ANSWERED, answer=answer)))
    _go_on(turn, f"{request.id} answered by {answer.by}")
    settle_own(turn, request)


def _go_on(turn: Turn, reason: str) -> None:
    """A parked run starts on any closed question; a waiting one runs when none is left."""
    if turn.state.status is Status.PARKED:
        wake_by_answer(turn, reason)
    elif turn.state.status is Status.WAITING and not turn.state.asked_now:
        turn.record(e.WaitEnded(reason))


def _is_still_expired(turn: Turn, known: Request, seen: Request) -> bool:
    """The same asking as the one that expired; with a new expiry it is asked again."""
    is_same = known.epoch == turn.state.epoch or known.expires_at == seen.expires_at
    return known.state is RequestState.EXPIRED and is_same


def _by_file(turn: Turn, file_id: str) -> Request | None:
    return next((r for r in reversed(turn.state.requests) if r.file_id == file_id), None)


def _by_whom(answer: Answer | None) -> str:
    """What somebody who comes too late has to know."""
    if answer is None:
        return ""
    when, what = utc_text(answer.at), answer_words(answer)
    return f" by {safe_text(answer.by, limit=60)} at {when}: {what}"


def _hash_fits(given: str, actual: str) -> bool:
    """An empty hash is a client that does not bind its answer; 8 characters are enough of one."""
    return given == "" or (len(given) >= 8 and actual.startswith(given.lower()))
