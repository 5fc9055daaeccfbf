"""Where in the program a step or a question stands, so that a restart finds it again.

A place is a scope, a name and how often that name came up in the scope. The scope is empty at
the top of the program; inside a ``track`` loop it names the loop and the item, inside a step the
step, inside a branch its key. A program starts from its top after a restart, so its places come
up again in order.

**Side by side.** Counting is only right where calls have an order. So each scope belongs to the
one thread or task that opened it (the top of the program also to the main task of
``asyncio.run``), and only its owner counts in it. Any other thread or task that calls from there
is *loose*: its calls are told apart by name and arguments alone, and the same call twice is
refused when it first happens. ``agent.parallel`` and ``agent.branch`` give each piece of work a
scope of its own, in which it counts like the top.

**Jumps.** A program that reads ``agent.resumed`` may jump into the middle of its own loop.
Counting would then go wrong, so at the top of such a program calls are told apart by their
arguments alone. For that to be safe, no call may repeat across its checkpoints: the repeat is
refused when it first happens, which is in the first attempt and not at the first crash.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from contextvars import ContextVar

from supervisor.agent.crew import ALONE, Member
from supervisor.agent.faults import AmbiguousCallError, ParkedExit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    Call = tuple[str, str, str]
    Place = tuple[str, str, int]

_here: ContextVar[Branch | None] = ContextVar("longwatch_branch", default=None)


class Branch:
    """One scope and the flow of control that counts in it."""

    __slots__ = (
        "_counts",
        "_loose",
        "_met",
        "_task",
        "_thread",
        "is_ordered",
        "member",
        "of",
        "scope",
        "step",
    )

    def __init__(self, of: Positions, scope: str, *, is_ordered: bool = True) -> None:
        self.of = of
        self.scope = scope
        self.step: Place | None = None
        """The step being run here."""
        self.member: Member | None = None
        """The parallel piece of work that this is part of; None at the top."""
        self.is_ordered = is_ordered
        self._thread = get_ident()
        self._task = current_task() if is_ordered else None
        self._counts: dict[str, int] = {}
        self._met: dict[str, object] = {}
        self._loose: Branch | None = None

    def count(self, name: str, what: str = "") -> int:
        """0 for the first ``name`` here, then 1, 2 …; AmbiguousCallError for a loose repeat."""
        if self.is_ordered:
            occurrence = self._counts.get(name, 0)
            self._counts[name] = occurrence + 1
            return occurrence
        first = object()
        if self._met.setdefault(name, first) is not first:  # one atomic operation
            raise AmbiguousCallError(
                f"{what or name} comes a second time from threads or tasks that run side by side: "
                "after a restart nothing could tell the two calls apart. Use agent.parallel(), or "
                "give each its own place: with agent.branch(key):"
            )
        return 0

    def is_callers(self) -> bool:
        """Whether the thread or task that asks is the one that counts here."""
        if get_ident() != self._thread:
            return False
        if "asyncio" not in sys.modules:  # replaying comes by here for every step
            return True
        task = current_task()
        return task is self._task or (self._task is None and _is_main_task(task))

    def loose(self) -> Branch:
        """What everybody else works in."""
        if self._loose is None:
            self._loose = Branch(self.of, self.scope, is_ordered=False)
            self._loose.step, self._loose.member = self.step, ALONE
        return self._loose


class Positions:
    """The places of one attempt."""

    def __init__(self) -> None:
        self.keeps_own_position = False
        """The program has read ``agent.resumed``."""
        self.has_jumped = False
        """It read a state there, so it may have skipped what came before.

        From then on calls at the top are told apart by their arguments instead of counted.
        """
        self.parked: ParkedExit | None = None
        """Why the process leaves, once some part of it has decided that."""
        self._checkpoints = 0
        self._seen: dict[Call, int] = {}
        self._root = Branch(self, "")

    def begin(self) -> None:
        """The calling thread or task is the program."""
        self._root = Branch(self, "")

    def here(self) -> Branch:
        """Where the caller stands."""
        branch = _here.get()
        if branch is None or branch.of is not self:
            branch = self._root
        return branch if branch.is_callers() else branch.loose()

    @property
    def scope(self) -> str:
        """The scope the caller stands in."""
        return self.here().scope

    def enter(
        self, scope: str, *, step: Place | None = None, member: Member | None = None
    ) -> Branch | None:
        """Begin ``scope``, owned by the caller; give what comes back to ``leave``."""
        here = self.here()
        branch = Branch(self, scope)
        branch.step = step or here.step
        branch.member = member or here.member
        outer = _here.get()
        _here.set(branch)
        return outer

    @staticmethod
    def leave(outer: Branch | None) -> None:
        """Be again where ``enter`` was called."""
        # Not by a token: a loop that is dropped may be closed from another context.
        _here.set(outer)

    def park(self, leaving: ParkedExit) -> NoReturn:
        """End the process until something happens that is not its work."""
        self.parked = leaving
        raise leaving

    def passed_checkpoint(self) -> None:
        """The program stored a position of its own."""
        self._checkpoints += 1

    def count(self, name: str, what: str = "") -> int:
        """``Branch.count`` where the caller stands."""
        return self.here().count(name, what)

    def refuse_repeat(self, name: str, args: str, what: str) -> None:
        """AmbiguousCallError when this call also came before the program's last checkpoint."""
        if not self.keeps_own_position or self.scope:
            return
        call = ("", name, args)
        before = self._seen.setdefault(call, self._checkpoints)
        if before != self._checkpoints:
            raise AmbiguousCallError(
                f"{what} repeats, with the same arguments, a call from before the last "
                "checkpoint, and this program reads agent.resumed: after a restart nothing could "
                "tell the two apart. Pass what differs (such as the position) as an argument, "
                "or loop with agent.track()"
            )


def current_task() -> Any:
    """The running asyncio task; None outside of one. Never imports asyncio."""
    asyncio = sys.modules.get("asyncio")
    running_loop = getattr(asyncio, "_get_running_loop", None)
    loop = running_loop() if running_loop is not None else None
    return None if loop is None or asyncio is None else asyncio.current_task(loop)


def _is_main_task(task: Any) -> bool:
    """Whether ``asyncio.run`` waits for this task: then it is the program itself.

    Another event loop may not show it; its main task is loose then, and what it repeats is
    refused with words, never mixed up.
    """
    callbacks = getattr(task, "_callbacks", None) or ()
    return any(getattr(entry[0], "__name__", "") == "_run_until_complete_cb" for entry in callbacks)
