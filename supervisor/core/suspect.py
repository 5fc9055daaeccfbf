"""What follows when a detector has found something for the second time: nothing, or an action.

Pure. The first strike is told and changes nothing. A kind that was muted never leads to anything.
"""

from __future__ import annotations

from enum import StrEnum

from supervisor.core import events as e
from supervisor.core.effects import AskOperator
from supervisor.core.facts import Unusual
from supervisor.core.mute import is_muted
from supervisor.core.own_questions import ANOMALY_PREFIX
from supervisor.core.run import Status, Then
from supervisor.core.turn import Turn


class Action(StrEnum):
    """What the second strike of a kind leads to; the words of ``[anomalies.actions]``."""

    OFF = "off"
    """Not looked for."""
    FLAG = "flag"
    """Shown, and told to whom warnings are told."""
    NOTIFY = "notify"
    """Told again as an error, which passes every ``severity`` of ``[notify]``."""
    ASK = "ask"
    """Its processes stand still until the operator says whether it goes on."""
    RESTART = "restart"
    """From the newest checkpoint, as after a crash: with backoff, and it uses up a retry."""
    STOP = "stop"


def decide_unusual(turn: Turn, fact: Unusual) -> None:
    """Tell it, and at the second strike do what is wanted for its kind."""
    state = turn.state
    if state.epoch != fact.epoch or state.status is not Status.RUNNING:
        return
    key = f"{fact.epoch}-{fact.key}"
    if fact.strike < 2:
        turn.flag(fact.kind, fact.evidence, key=key)
        return
    action = Action(fact.action)
    if action in (Action.OFF, Action.FLAG) or is_muted(state.muted, fact.kind):
        return
    words = f"{fact.kind}: {fact.evidence}"
    turn.flag(fact.kind, f"{fact.evidence}; {_DOES[action]}", key=f"{key}-2", severity="error")
    if action is Action.RESTART:
        turn.end_attempt(e.AttemptEnding(Then.RETRY, "longwatch", words))
    elif action is Action.STOP:
        turn.end_attempt(e.AttemptEnding(Then.STOP, f"longwatch ({fact.kind})", words))
    elif action is Action.ASK:
        file_id = f"{ANOMALY_PREFIX}{fact.kind}-{key}"
        if not any(request.file_id == file_id for request in state.requests):
            turn.want(
                AskOperator(
                    file_id,
                    f"{words}: may it go on?",
                    {"anomaly": fact.kind, "evidence": fact.evidence},
                )
            )


_DOES = {
    Action.NOTIFY: "still so",
    Action.ASK: "it stands still until you answer",
    Action.RESTART: "restarted from its newest checkpoint",
    Action.STOP: "stopped",
}
