"""``wake.json``: when an agent that leaves with 75 wants to be started again.

Owns the model and its reading; whether the wish counts is decided in ``core.sleeping``. Unknown
keys are ignored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from supervisor.core.run import Wake
from supervisor.core.text import safe_text
from supervisor.protocol.lenient import AgentModel, Time, validate
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import read_object

WAKE_NAME = "wake.json"
REASON_LIMIT = 200
SERVICE_LIMIT = 120
LIMIT_BYTES = 16 << 10
"""A time and a phrase."""


class WakeFile(AgentModel):
    """A wish to sleep, version 1. Written before the agent leaves with exit status 75."""

    at: Time
    """When to start again, by the wall clock."""
    epoch: Annotated[int, Field(ge=1, le=2**63 - 1)]
    """``LONGWATCH_EPOCH`` of the attempt that writes it; another attempt's file does not count."""
    reason: (
        Annotated[
            str,
            Field(max_length=REASON_LIMIT),
            AfterValidator(lambda text: safe_text(text, limit=REASON_LIMIT)),
        ]
        | None
    ) = None
    """Why, in a few words."""
    service: (
        Annotated[
            str,
            Field(max_length=SERVICE_LIMIT),
            AfterValidator(lambda text: safe_text(text, limit=SERVICE_LIMIT)),
        ]
        | None
    ) = None
    """The service it waits for: it is started sooner when that may be called again."""


def read_wake(directory: Path) -> Wake | Problem | None:
    """The wish in the run directory; None when there is none. Never raises for what is in it."""
    value = read_object(directory, WAKE_NAME, limit_bytes=LIMIT_BYTES)
    if isinstance(value, Problem):
        return None if value.code == "missing" else value
    return wake_from_json(value)


def wake_from_json(value: Any) -> Wake | Problem:
    """The wish in ``value`` (the object in the file); a Problem names the field and refuses it.

    It is all or nothing: a sleep that is only half as asked for is none.
    """
    checked = validate(WakeFile, value)
    if isinstance(checked, Problem):
        return checked
    model, problems = checked
    if problems:
        return problems[0]
    return Wake(model.at, model.reason or "", model.epoch, service=model.service or "")
