"""When the operator's terminal calls, and what for.

Pure. Owns the memory of what was called for. What was open when the interface came up is counted,
never called for: the operator sees it. What comes later is, and so is every reminder; and while
nobody touches a key it is called for again, ever more rarely.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

REPEAT_FIRST_S = 60.0
"""Seconds until the first repetition: time to come back to the desk, or to look up."""
REPEAT_MAX_S = 900.0
"""Longest wait between two; each is twice the one before."""
MAX_DOUBLINGS = 4


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that goes no further without the operator."""

    key: str
    """The same for as long as it is the same thing."""
    source: str
    """The machine it is on; empty for this one."""
    who: str
    """The agent."""
    what: str
    """A few words, raw: an agent may have written them."""
    reminded: int = 0


@dataclass(frozen=True, slots=True)
class Calls:
    """What was called for so far."""

    sources: frozenset[str] = frozenset()
    """Machines that were looked at once."""
    known: Mapping[str, int] = field(default_factory=dict)
    """What was open at the last look, and how often it had been reminded of."""
    pending: frozenset[str] = frozenset()
    """Called for, and nobody has touched a key since."""
    called_at: float = 0.0
    """Monotonic seconds."""
    repeats: int = 0


NO_CALLS = Calls()


def after_look(
    before: Calls, sources: Iterable[str], waiting: Sequence[Waiting], now_s: float
) -> tuple[Calls, tuple[Waiting, ...]]:
    """What is to be called for now, which may be nothing, and the memory after it.

    ``sources`` are the machines whose state is known; ``now_s`` is monotonic.
    """
    new = tuple(one for one in waiting if _is_new(before, one))
    here = {one.key: one.reminded for one in waiting}
    pending = before.pending & here.keys()
    is_late = now_s - before.called_at >= repeat_after_s(before.repeats)
    again = tuple(one for one in waiting if one.key in pending) if is_late and not new else ()
    after = replace(
        before,
        sources=before.sources.union(sources),
        known=here,
        pending=pending.union(one.key for one in new),
    )
    if new:
        after = replace(after, called_at=now_s, repeats=0)
    elif again:
        after = replace(after, called_at=now_s, repeats=before.repeats + 1)
    return after, new or again


def after_reaction(before: Calls) -> Calls:
    """A key was pressed: somebody is there, so nothing is repeated."""
    return replace(before, pending=frozenset(), repeats=0) if before.pending else before


def repeat_after_s(repeats: int) -> float:
    """Seconds from one call to the next, after so many repetitions."""
    return min(REPEAT_MAX_S, REPEAT_FIRST_S * 2.0 ** min(repeats, MAX_DOUBLINGS))


def words_for(called: Sequence[Waiting]) -> str:
    """One line that says what is wanted, raw; the caller cleans it."""
    if len(called) == 1:
        return f"{called[0].who}: {called[0].what}"
    names = ", ".join(dict.fromkeys(one.who for one in called))
    return f"{len(called)} wait for you: {names}"


def _is_new(before: Calls, one: Waiting) -> bool:
    if one.key not in before.known:
        return one.source in before.sources
    return one.reminded > before.known[one.key]
