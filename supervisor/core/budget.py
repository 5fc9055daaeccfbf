"""What a run may cost, and what happens beyond it: a word, a question, or the end.

The cost is the agent's own word (``usage.cost_usd`` of its progress). A budget is a limit on a
day's surprises, not on a thief: an agent that does not count is not held by it.
"""

from __future__ import annotations

from supervisor.core import events as e
from supervisor.core.effects import AskOperator, HoldStill
from supervisor.core.facts import BudgetUsedUp
from supervisor.core.own_questions import BUDGET_PREFIX
from supervisor.core.run import Request, RequestState, RunState, Status, Then
from supervisor.core.spec import Budget, BudgetAction
from supervisor.core.turn import Turn


def cost_of(state: RunState) -> float:
    """US dollars the run has used by its own word."""
    usage = state.progress.usage if state.progress else None
    return usage.cost_usd if usage else 0.0


def check_own_budget(turn: Turn) -> None:
    """After new progress: act on the run's own budget."""
    budget = turn.state.spec.budget
    if budget is None:
        return
    number = _granted(turn.state) + 1
    used, limit = cost_of(turn.state), budget.usd * number
    if used >= limit:
        words = f"has used {used:.2f} of its {limit:.2f} USD"
        _act(turn, budget, f"run-{number}", words)


def decide_budget_used_up(turn: Turn, fact: BudgetUsedUp) -> None:
    """All runs together have used up the day's budget, and this one is among those who spend."""
    words = f"all agents together have used {fact.used_usd:.2f} of {fact.budget.usd:.2f} USD today"
    _act(turn, fact.budget, f"day-{fact.day}", words)


def _act(turn: Turn, budget: Budget, key: str, words: str) -> None:
    state = turn.state
    asked = _asked(state, key)
    is_settled = asked is not None and asked.state is not RequestState.OPEN
    if is_settled or state.status not in (Status.RUNNING, Status.WAITING):
        return
    if not any(anomaly.id == f"over-budget:{key}" for anomaly in state.anomalies):
        turn.flag("over-budget", words, key=key)
    if budget.action is BudgetAction.STOP:
        turn.end_attempt(e.AttemptEnding(Then.STOP, "longwatch (budget)", f"over budget: {words}"))
    elif budget.action is BudgetAction.ASK:
        if asked is None:
            whose = f"{state.agent} {words}" if key.startswith("run") else words
            title = f"{whose}: may it spend {budget.usd:.2f} USD more?"
            turn.want(AskOperator(BUDGET_PREFIX + key, title, {"budget_usd": budget.usd}))
        elif state.status is Status.RUNNING:  # a new attempt, and the question still stands
            if asked.epoch != state.epoch:
                turn.record(e.RequestAskedAgain(asked.id, state.epoch))
            turn.record(e.WaitBegan(f"asks {asked.id}: {asked.title}"))
            turn.want(HoldStill(state.epoch, still=True))


def _asked(state: RunState, key: str) -> Request | None:
    file_id = BUDGET_PREFIX + key
    return next((r for r in reversed(state.requests) if r.file_id == file_id), None)


def _granted(state: RunState) -> int:
    """How often another budget was granted: the highest number among the questions allowed."""
    prefix = f"{BUDGET_PREFIX}run-"
    numbers = [
        int(request.file_id.removeprefix(prefix))
        for request in state.requests
        if request.file_id.startswith(prefix) and request.answer and request.answer.allow
    ]
    return max(numbers, default=0)
