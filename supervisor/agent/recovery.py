"""What an attempt goes on from, for ``agent.on_recovered``."""

from __future__ import annotations

from supervisor.agent.positions import Positions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ENDS = {"parked": "parked", "waiting": "crashed", "running": "crashed"}


class Recovery:
    """A run that had begun goes on in this attempt."""

    __slots__ = ("_positions", "_state", "attempt", "epoch", "steps", "why")

    def __init__(
        self, *, attempt: int, epoch: int, steps: int, why: str, state: Any, positions: Positions
    ) -> None:
        self.attempt = attempt
        self.epoch = epoch
        self.steps = steps
        """Completed steps that will not run again."""
        self.why = why
        """How the attempt before ended: ``crashed``, ``failed``, ``stopped`` or ``parked``."""
        self._state = state
        self._positions = positions

    @property
    def state(self) -> Any:
        """As ``agent.resumed``: the last checkpoint's, or None."""
        self._positions.keeps_own_position = True
        if self._state is not None:
            self._positions.has_jumped = True
        return self._state

    def __repr__(self) -> str:
        """For logs."""
        return (
            f"Recovery(attempt={self.attempt}, epoch={self.epoch}, steps={self.steps}, "
            f"why={self.why!r})"
        )


def former_end(status: object) -> str:
    """How an attempt ended whose last word in ``progress.json`` was ``status``."""
    return ENDS.get(status, status) if isinstance(status, str) else "crashed"
