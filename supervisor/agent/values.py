"""Values that differ each time they are asked for, recorded so that a replay sees the same.

They are in the journal when they are given out, which the end of the process cannot undo; the
sync that makes them outlive the machine is that of the next thing that could carry them away: a
step about to run, a checkpoint, a question, a sleep, the end.
"""

from __future__ import annotations

from supervisor.agent.faults import AmbiguousCallError
from supervisor.agent.journal import Journal
from supervisor.agent.positions import Positions
from supervisor.agent.shutdown import Shutdown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Place = tuple[str, str, int]


class Values:
    """The recorded values of one attempt."""

    def __init__(self, journal: Journal, positions: Positions, shutdown: Shutdown) -> None:
        self._journal = journal
        self._positions = positions
        self._shutdown = shutdown

    def take(
        self, name: str, make: Callable[[], Any], key: str | None, *, must_sync: bool = False
    ) -> Any:
        """What ``make()`` gave when the run first came here.

        ``key`` names the place instead of the order of calls; twice in a scope it is refused.
        """
        place = self._place(name, key)
        entry = self._journal.find(*place)
        if entry is not None:
            return entry["value"]
        value = make()
        with self._shutdown:
            self._journal.append(place, "", {"value": value}, must_sync=must_sync)
        return value

    def _place(self, name: str, key: str | None) -> Place:
        branch = self._positions.here()
        if key is None and self._positions.keeps_own_position and not branch.scope:
            raise AmbiguousCallError(
                f"agent.{name}() needs a key here: this program reads agent.resumed, so after a "
                f"restart nothing tells this call from another. Pass key= with what differs (such "
                f"as the position), or call it inside a step or a loop with agent.track()"
            )
        if not branch.is_ordered:
            branch.count(f"{name}({key})", f"agent.{name}({'' if key is None else f'key={key!r}'})")
            return (f"{branch.scope}~", f"{name}()" if key is None else f"{name}()[{key}]", 0)
        if key is None:  # no function is called "now()", so no step can have this name
            return (branch.scope, f"{name}()", branch.count(f"{name}()"))
        if branch.count(f"{name}()[{key}]"):
            raise AmbiguousCallError(
                f"agent.{name}(key={key!r}) comes a second time: each call needs its own key"
            )
        return (branch.scope, f"{name}()[{key}]", 0)
