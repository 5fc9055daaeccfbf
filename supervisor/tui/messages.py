"""What widgets and screens ask of the application; it alone speaks to the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual.message import Message

from supervisor.core.rule import AlwaysRule
from supervisor.core.run import Request


@dataclass(frozen=True, slots=True)
class Decision:
    """What the operator decided about a request."""

    allow: bool | None = None
    option: str | None = None
    text: str | None = None
    comment: str | None = None
    fields: dict[str, Any] | None = None
    always_s: float | None = None
    """An approval for so many seconds of every later request that is the same."""


class AnswerWanted(Message):
    """Answer this request, as it was shown."""

    def __init__(self, run_id: str, request: Request, decision: Decision) -> None:
        super().__init__()
        self.run_id = run_id
        self.request = request
        self.decision = decision


class RevokeWanted(Message):
    """End this rule; it asks first."""

    def __init__(self, rule: AlwaysRule) -> None:
        super().__init__()
        self.rule = rule


class PictureWanted(Message):
    """A screen came up and has not been given a picture yet."""


class LogWanted(Message):
    """Follow this log from now on, instead of any other; None follows none."""

    def __init__(self, run_id: str | None, stream: str = "out") -> None:
        super().__init__()
        self.run_id = run_id
        self.stream = stream
