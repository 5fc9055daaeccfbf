"""The filter of the table: a text, taken apart and held against runs.

Pure. Words between blanks all have to fit. A word is looked for in name, host, state, stage, step
and id; with one of ``FIELDS`` and a colon before it there alone (``state:failed``, ``why:oom``);
with ``-`` before all that it must not be there. It looks at the state alone, never at a drawn row:
a thousand runs are held against it again and again.
"""

from __future__ import annotations

from dataclasses import dataclass

from supervisor.core.run import RunState
from supervisor.core.spec import AgentSpec
from supervisor.tui.model import needs_operator, split_host
from supervisor.tui.theme import IDLE, look_of_run

FIELDS = ("agent", "host", "state", "stage", "step", "id", "why")
NEEDS_ME = "needs you"
"""Word of every run that goes no further without the operator."""


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a filter."""

    text: str
    """Folded case."""
    field: str = ""
    """One of ``FIELDS``; empty is any but ``why``."""
    is_not: bool = False


def terms(text: str) -> tuple[Term, ...]:
    """The words of a filter; a field without a word is still being typed and filters nothing."""
    found = []
    for word in text.casefold().split():
        bare = word.removeprefix("-")
        field, colon, value = bare.partition(":")
        if colon and field in FIELDS:
            found.append(Term(value, field, is_not=bare != word))
        else:
            found.append(Term(bare, is_not=bare != word))
    return tuple(term for term in found if term.text)


def fits(item: RunState | AgentSpec, wanted: tuple[Term, ...]) -> bool:
    """Whether a run, or an agent that never ran, is among what is wanted."""
    return all(_has(item, term) is not term.is_not for term in wanted)


def _has(item: RunState | AgentSpec, term: Term) -> bool:
    if term.field:
        return term.text in _field(item, term.field)
    return any(term.text in _field(item, field) for field in FIELDS[:-1])


def _field(item: RunState | AgentSpec, field: str) -> str:
    if isinstance(item, AgentSpec):
        host, name = split_host(item.name)
        known = {"agent": name.casefold(), "host": host.casefold(), "state": IDLE.word}
        return known.get(field, "")
    if field in ("agent", "host"):
        return split_host(item.agent)[field == "agent"].casefold()
    if field == "state":
        return state_words(item)
    if field in ("stage", "step"):
        return _progress_field(item, field)
    return item.id.casefold() if field == "id" else item.reason.casefold()


def _progress_field(state: RunState, field: str) -> str:
    if state.progress is None:
        return ""
    if field == "stage":
        return state.progress.stage.name.casefold() if state.progress.stage else ""
    step = state.progress.step
    return f"{step.name or ''} {step.unit or ''}".casefold() if step else ""


def state_words(state: RunState) -> str:
    """Every word for the state of a run: the one shown and the one of the command line."""
    needs = f" {NEEDS_ME}" if needs_operator(state) else ""
    return f"{look_of_run(state).word} {state.status.value}{needs}"
