"""Where in the program a step or a question stands, so that a restart finds it again.

A place is a scope, a name and how often that name came up in the scope. The scope is empty at
the top of the program; inside a ``track`` loop it names the loop and the item, inside a step the
step. A program starts from its top after a restart, so its places come up again in order.

The exception is a program that reads ``agent.resumed`` and jumps into the middle of its own
loop. Counting would then go wrong, so at the top of such a program calls are told apart by
their arguments alone. For that to be safe, no call may repeat across its checkpoints: the repeat
is refused when it first happens, which is in the first attempt and not at the first crash.
"""

from __future__ import annotations

from supervisor.agent.faults import AmbiguousCallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    Call = tuple[str, str, str]


class Positions:
    """Counts the calls of one attempt."""

    def __init__(self) -> None:
        self.scope = ""
        self.keeps_own_position = False
        """The program has read ``agent.resumed``."""
        self.has_jumped = False
        """It read a state there, so it may have skipped what came before."""
        self._counts: dict[tuple[str, str], int] = {}
        self._checkpoints = 0
        self._seen: dict[Call, int] = {}

    def passed_checkpoint(self) -> None:
        """The program stored a position of its own."""
        self._checkpoints += 1

    @property
    def is_by_arguments(self) -> bool:
        """Whether calls at this place are told apart by their arguments instead of counted."""
        return self.has_jumped and not self.scope

    def count(self, name: str) -> int:
        """0 for the first ``name`` in this scope, then 1, 2 …"""
        key = (self.scope, name)
        occurrence = self._counts.get(key, 0)
        self._counts[key] = occurrence + 1
        return occurrence

    def refuse_repeat(self, name: str, args: str, what: str) -> None:
        """AmbiguousCallError when this call also came before the program's last checkpoint."""
        if not self.keeps_own_position or self.scope:
            return
        call = (self.scope, name, args)
        before = self._seen.setdefault(call, self._checkpoints)
        if before != self._checkpoints:
            raise AmbiguousCallError(
                f"{what} repeats, with the same arguments, a call from before the last "
                "checkpoint, and this program reads agent.resumed: after a restart nothing could "
                "tell the two apart. Pass what differs (such as the position) as an argument, "
                "or loop with agent.track()"
            )
