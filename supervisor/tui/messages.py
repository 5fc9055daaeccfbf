"""What widgets and screens ask of the application; it alone speaks to the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message

from supervisor.core.rule import AlwaysRule
from supervisor.core.run import Request
from supervisor.errors import LongwatchError

if TYPE_CHECKING:
    from supervisor.tui.actions import Plan


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


class RequestWanted(Message):
    """Show this request by itself."""

    def __init__(self, run_id: str, request_id: str) -> None:
        super().__init__()
        self.run_id = run_id
        self.request_id = request_id


class RevokeWanted(Message):
    """End this rule; it asks first."""

    def __init__(self, rule: AlwaysRule) -> None:
        super().__init__()
        self.rule = rule


class PictureWanted(Message):
    """A screen came up and has not been given a picture yet."""


class LogWanted(Message):
    """Follow these logs from now on, instead of any other; None follows none."""

    def __init__(self, run_id: str | None, *streams: str) -> None:
        super().__init__()
        self.run_id = run_id
        self.streams = streams or ("out",)


class CallWanted(Message):
    """Ask the engine something that changes nothing, and hand back what it says."""

    def __init__(
        self,
        method: str,
        taken: Callable[[Any], None],
        refused: Callable[[str], None],
        **params: Any,
    ) -> None:
        """``refused`` gets one clean sentence. Neither is called after the screen has gone."""
        super().__init__()
        self.method = method
        self.taken = taken
        self.refused = refused
        self.params = params


class WorkWanted(Message):
    """Do something on this machine that blocks, and hand back what came of it."""

    def __init__(
        self,
        work: Callable[[], Any],
        taken: Callable[[Any], None],
        refused: Callable[[LongwatchError], None],
    ) -> None:
        """``work`` runs in a thread. Neither of the others is called after the screen has gone."""
        super().__init__()
        self.work = work
        self.taken = taken
        self.refused = refused


class PlanWanted(Message):
    """Carry this out; what ends or loses something asks first."""

    def __init__(self, plan: Plan, done: Callable[[], None] | None = None) -> None:
        """``done`` is called once the engine took it."""
        super().__init__()
        self.plan = plan
        self.done = done
