"""Too many retries or recoveries, against what is usual for the agent itself.

Pure. Counts are compared in stretches of time (windows). A window is *over* when it holds at least
``minimum`` and ``factor`` times the usual number; the second one in a row is told, so a bad moment
is not. What is usual is a running mean of the windows in which the agent worked at all; a window
that was over counts in it only up to the limit, so a spike does not make itself usual at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from supervisor.core.describe import duration
from supervisor.core.figures import Figures

HISTORY = 6
"""Windows of work before anything is usual: with ten minutes each, an hour."""
WEIGHT = 0.1
"""Of the newest window in the mean: some twenty windows are remembered."""
STRIKES = 2
MAX_WATCHED = 2_000
"""Pairs of an agent and a thing counted; the longest quiet ones go."""

RETRIES, RECOVERIES = "\tretries", "\trecoveries"
"""What is counted of an agent itself; a service has no tab in its name."""


@dataclass(frozen=True, slots=True)
class Terms:
    """``[metrics] spike_…``."""

    window_s: float
    factor: float
    minimum: int


@dataclass(slots=True)
class Watched:
    """One thing counted of one agent."""

    window: int
    """Number of the window that is being counted."""
    count: int = 0
    usual: float = 0.0
    seen: int = 0
    """Windows in the mean."""
    strikes: int = 0
    """Windows in a row that were over, before this one."""
    is_told: bool = False
    """Whether this spike was told; it is over with the first window that is not."""


@dataclass(frozen=True, slots=True)
class Spike:
    """Something to be flagged."""

    agent: str
    key: str
    """The same for the same spike."""
    message: str


Book = dict[str, dict[str, Watched]]
"""By agent and what is counted."""


def see(book: Book, agent: str, figures: Figures, wall: float, terms: Terms) -> list[Spike]:
    """Count what an agent did lately; the spikes that it makes certain. Changes ``book``."""
    window = int(wall // terms.window_s)
    found = []
    for what, more in _counts(figures, book.get(agent, {})):
        watched = book.setdefault(agent, {}).setdefault(what, Watched(window))
        if window != watched.window:
            _close(watched, window, terms)
        watched.count += more
        if _is_over(watched, terms) and watched.strikes + 1 >= STRIKES and not watched.is_told:
            watched.is_told = True
            found.append(Spike(agent, f"{what.strip()}:{window}", _words(what, watched, terms)))
    _bound(book)
    return found


def _counts(figures: Figures, known: Iterable[str]) -> Iterator[tuple[str, int]]:
    """What is counted, zeros too where the agent worked: they are what is usual."""
    if figures.attempts or figures.crashes or figures.retries:
        yield RETRIES, figures.retries
        yield RECOVERIES, figures.recoveries
    for service, calls in figures.services.items():
        if calls.retries or service in known or calls.calls:
            yield service, calls.retries


def _limit(watched: Watched, terms: Terms) -> float:
    return max(float(terms.minimum), terms.factor * watched.usual)


def _is_over(watched: Watched, terms: Terms) -> bool:
    return watched.seen >= HISTORY and watched.count >= _limit(watched, terms)


def _close(watched: Watched, window: int, terms: Terms) -> None:
    """The window that was counted is over; those in between had no work and say nothing."""
    is_over = _is_over(watched, terms)
    is_next = window == watched.window + 1
    counted = min(float(watched.count), _limit(watched, terms)) if is_over else watched.count
    watched.seen += 1
    weight = max(WEIGHT, 1 / watched.seen)
    watched.usual += (counted - watched.usual) * weight
    watched.strikes = watched.strikes + 1 if is_over and is_next else 0
    watched.is_told = watched.is_told and watched.strikes > 0
    watched.window, watched.count = window, 0


def _words(what: str, watched: Watched, terms: Terms) -> str:
    nouns = {RETRIES: "retries after crashes", RECOVERIES: "recoveries from a checkpoint"}
    noun = nouns.get(what, f"retried calls to {what}")
    span = duration(terms.window_s)
    return (
        f"{watched.count} {noun} within {span}, for the second time in a row; "
        f"usual for this agent are {watched.usual:.1f}"
    )


def _bound(book: Book) -> None:
    if sum(map(len, book.values())) <= MAX_WATCHED:
        return
    places = [
        (watched.window, agent, what)
        for agent, found in book.items()
        for what, watched in found.items()
    ]
    for _window, agent, what in sorted(places)[: len(places) - MAX_WATCHED]:
        del book[agent][what]
        if not book[agent]:
            del book[agent]
