"""Groups of events that people look for, and which of them are worth stopping at.

Pure data. No event is in two groups; one in none is found where no group is chosen.
"""

from __future__ import annotations

GROUPS: dict[str, tuple[str, ...]] = {
    "runs": (
        "RunCreated", "RunRebuilt", "RunRequeued", "RunReopened", "RunSucceeded", "RunFailed",
        "RunTimedOut", "RunHeld", "RunStopped", "SpecChanged",
    ),
    "attempts": (
        "AttemptStarting", "AttemptStarted", "AttemptExited", "AttemptEnding", "BackoffBegan",
        "BackoffMoved", "RunParked", "WakeMoved", "RunPaused", "RunResumed",
    ),
    "questions": (
        "WaitBegan", "WaitEnded", "RequestOpened", "RequestReminded", "RequestAskedAgain",
        "RequestAnswered", "RequestClosed", "AlwaysRuleSet", "AlwaysRuleRevoked",
        "AlwaysRulesCarried",
    ),
    "checkpoints": (
        "CheckpointRecorded", "CheckpointRejected", "CheckpointRolledBack", "JournalTruncated",
    ),
    "anomalies": ("AnomalyFlagged", "AnomalyMuted", "AnomalyUnmuted", "ProgressRejected"),
    "progress": ("ProgressReported",),
    "notes": ("AgentEvent", "AgentEventsSkipped"),
    "tasks": (
        "TasksSubmitted", "TaskDelivered", "TaskSettled", "DeadRequeued", "DeadDropped",
        "PoolResized",
    ),
    "told": ("NotificationSent", "NotificationFailed"),
    "engine": (
        "EngineStarted", "EngineStopping", "ConfigApplied", "ConfigRejected", "HistoryLost",
        "HistoryForgotten", "EventsLost", "BreakerReset",
    ),
}  # fmt: skip
"""Stored names by group, in the order in which the groups are offered."""

INTERESTING = (
    "RunCreated", "RunSucceeded", "RunFailed", "RunTimedOut", "RunHeld", "RunStopped",
    "RunRebuilt", "RunReopened", "AttemptExited", "RequestOpened", "RequestAnswered",
    "RequestClosed", "AnomalyFlagged", "CheckpointRolledBack", "EngineStarted", "ConfigRejected",
    "HistoryLost", "BreakerReset",
)  # fmt: skip
"""Where the state of things changed in a way that a person would want to have seen."""


def types_of(groups: list[str]) -> tuple[str, ...]:
    """Stored names of these groups; none is every event. KeyError for an unknown group."""
    return tuple(name for group in groups for name in GROUPS[group])
