"""``events.jsonl``: what an agent notes of itself, one JSON object a line, only ever appended to.

Owns the model, and how bytes become events. A line that cannot be used is left out and said; the
rest of the file stays usable. The last line counts once its newline is there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from supervisor.core.agent_events import AgentEvent, AgentEventsSkipped
from supervisor.core.project_events import Event
from supervisor.protocol.bounded_json import Bounds
from supervisor.protocol.lenient import AgentModel, Prose, Time, validate
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import parse_object

EVENTS_NAME = "events.jsonl"
LINE_LIMIT_BYTES = 64 << 10
FIELDS_LIMIT = 16 << 10
"""Characters of all fields together as JSON; the text has its own limit."""
LINE = Bounds(max_depth=16, max_nodes=1000)
Redact = Callable[[Any], Any]


class AgentEventLine(AgentModel):
    """One event of an agent, version 1: a line of ``events.jsonl``."""

    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,39}$")]
    """``thought``, ``tool_call``, ``observation``, or a word of your own."""
    text: Prose | None = None
    """For people."""
    fields: dict[str, Any] | None = None
    """Whatever belongs to it, at most 16 KiB as JSON."""
    at: Time | None = None
    """When it was written."""
    epoch: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
    """``LONGWATCH_EPOCH`` of the attempt that writes it."""


def events_in(data: bytes, start: int, redact: Redact, most: int) -> tuple[Event, ...]:
    """The events of the whole lines in ``data``, which stands at byte ``start`` of the file.

    ``most`` of them at most; what is wrong in one look is said in one event.
    """
    found: list[Event] = []
    problem, bad, end = "", 0, start
    for line in data.split(b"\n")[:-1][:most]:
        end += len(line) + 1
        if not line.strip():
            continue
        event = _event(line, end, redact)
        if isinstance(event, AgentEvent):
            found.append(event)
        else:
            problem, bad = problem or str(event), bad + 1
    if bad:
        more = f", and {bad - 1} more lines" if bad > 1 else ""
        found.append(AgentEventsSkipped(f"{EVENTS_NAME}: {problem}{more}", end))
    elif end > start and not found:
        found.append(AgentEventsSkipped(f"{EVENTS_NAME}: empty lines", end))
    return tuple(found)


def _event(line: bytes, end: int, redact: Redact) -> AgentEvent | Problem:
    if len(line) > LINE_LIMIT_BYTES:
        expected = f"a line of at most {LINE_LIMIT_BYTES} bytes"
        return Problem("too-large", "", f"{len(line)} bytes", expected)
    value = parse_object(line, LINE)
    if isinstance(value, Problem):
        return value
    # Before anything is cut: the half of a secret is known by nobody.
    checked = validate(AgentEventLine, redact(value))
    if isinstance(checked, Problem):
        return checked
    model = checked[0]
    fields = model.fields or {}
    size = len(json.dumps(fields))
    if size > FIELDS_LIMIT:
        fields = {"left_out": f"fields of {size} characters, more than {FIELDS_LIMIT}"}
    return AgentEvent(model.kind, model.text or "", fields, model.at, model.epoch, end)
