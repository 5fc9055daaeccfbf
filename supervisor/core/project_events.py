"""Events of the engine itself, not of a run; ``core.events`` is where everybody takes them from."""

from __future__ import annotations

from dataclasses import dataclass


class Event:
    """Base of all events; ``type(event).__name__`` is its stored name."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class EngineStarted(Event):
    """An engine took over this directory. Not of a run."""

    version: str
    pid: int


@dataclass(frozen=True, slots=True)
class EngineStopping(Event):
    """An engine was asked to leave. Not of a run."""

    by: str


@dataclass(frozen=True, slots=True)
class ConfigApplied(Event):
    """The configuration was read and applied. Not of a run."""

    agents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigRejected(Event):
    """A changed configuration has errors; the running one stays. Not of a run."""

    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HistoryLost(Event):
    """The events before this one are not in this log any more. Not of a run."""

    problem: str
    """What happened to the file."""
    set_aside: str
    """Where it is now; empty when it is gone."""
    runs: int
    """How many runs go on."""


@dataclass(frozen=True, slots=True)
class HistoryForgotten(Event):
    """Events older than the stated retention were removed. Not of a run."""

    up_to: int
    """Seq of the newest one removed."""
    count: int
    runs: int
    """Finished runs whose directories were removed."""


@dataclass(frozen=True, slots=True)
class EventsLost(Event):
    """Events that could not be stored while nothing could, and that nobody was ever shown.

    Only progress that a newer report of the same run supersedes is ever given up.
    """

    count: int
    first_seq: int
    last_seq: int
    """The numbers they would have had lie between these two, both included."""
    since: float
    until: float
    """When they happened, Unix seconds."""
    reason: str


@dataclass(frozen=True, slots=True)
class BreakerReset(Event):
    """The operator closed the breaker of a service: calls go out again at once. Not of a run."""

    service: str
    was: str
    """How it stood before."""
    by: str
