"""What makes an agent durable, as methods of the agent: steps, work side by side, waits, values."""

from __future__ import annotations

from functools import partial, update_wrapper

from supervisor.agent.parallel import BranchScope, Group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable
    from datetime import datetime, timedelta
    from typing import Any, ParamSpec, TypeVar, overload
    from uuid import UUID

    from supervisor.agent.journal import Journal
    from supervisor.agent.positions import Positions
    from supervisor.agent.progress import ProgressFile
    from supervisor.agent.recovery import Recovery
    from supervisor.agent.sleep import Sleeps
    from supervisor.agent.steps import Steps
    from supervisor.agent.values import Values

    T = TypeVar("T")
    I = TypeVar("I")  # noqa: E741
    P = ParamSpec("P")


class Durable:
    """What ``Agent`` inherits; not used by itself."""

    _journal: Journal
    _positions: Positions
    _progress: ProgressFile
    _recovery: Recovery | None
    _sleeps: Sleeps
    _steps: Steps
    _values: Values

    def _entered(self) -> None:
        raise NotImplementedError

    def step(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """``fn(*args, **kwargs)``, journaled: once it completed it is never run again.

        The result is on the disk when this returns: JSON values, or what the return annotation
        of ``fn`` says (else UnfitValueError). A coroutine function gives something to await.
        Raises what ``fn`` raises, JournalMismatchError when the program does not fit its journal.
        """
        self._entered()
        result: T = self._steps.run(fn, args, kwargs)
        completed = len(self._journal)
        if completed != self._progress.completed_steps:  # a replay shows nothing new
            self._progress.completed_steps = completed
            self._progress.touch()
        return result

    def durable(self, fn: Callable[P, T]) -> Callable[P, T]:
        """As a decorator: every call of ``fn`` is ``agent.step(fn, …)``."""
        return update_wrapper(partial(self.step, fn), fn)

    @property
    def idempotency_key(self) -> str | None:
        """Inside a step: the same whenever that step is tried again. Give it to services."""
        self._entered()
        return self._steps.idempotency_key

    if TYPE_CHECKING:

        @overload
        def parallel(  # type: ignore[overload-overlap]
            self,
            fn: Callable[[I], Coroutine[Any, Any, T]],
            items: Iterable[I],
            workers: int = 4,
            key: Callable[[I], str] | None = None,
        ) -> Awaitable[list[T]]: ...
        @overload
        def parallel(
            self,
            fn: Callable[[I], T],
            items: Iterable[I],
            workers: int = 4,
            key: Callable[[I], str] | None = None,
        ) -> list[T]: ...

    def parallel(
        self,
        fn: Callable[[Any], Any],
        items: Iterable[Any],
        workers: int = 4,
        key: Callable[[Any], str] | None = None,
    ) -> Any:
        """``agent.step(fn, item)`` for each item, ``workers`` at a time; results in their order.

        In threads, or in tasks for a coroutine function (then await it). ``key`` names an item
        and lets the list change between attempts. The first failure in the items' order is
        raised, after what had begun came to its end.
        """
        self._entered()
        if isinstance(fn, partial) and fn.func == self.step:
            fn = fn.args[0]  # it is durable already
        return Group(self._steps, self._positions, fn, items, key).run(workers)

    def branch(self, key: str) -> BranchScope:
        """``with agent.branch(key):`` a place of its own, for one thread or task.

        Inside, steps are counted as at the top of the program, whatever goes on beside it.
        """
        self._entered()
        return BranchScope(self._positions, key)

    def sleep(
        self,
        duration: float | timedelta | None = None,
        *,
        until: datetime | float | None = None,
        reason: str = "",
        key: str | None = None,
        park: bool = True,
    ) -> Awaitable[None]:
        """Wait ``duration`` seconds, or until a moment; restarts do not begin the wait anew.

        Under the supervisor the process parks meanwhile: no process, no memory. It waits in place
        when the rest is under 2 s, with ``park=False``, without a supervisor, and while other
        members of ``agent.parallel`` work. In a coroutine: ``await agent.sleep(…)``.
        """
        self._entered()
        return self._sleeps.sleep(duration, until, reason, key, park=park)

    def now(self, key: str | None = None) -> datetime:
        """The time in UTC when the run first came here; ``key`` as for ``uuid``."""
        self._entered()
        import time
        from datetime import UTC, datetime

        return datetime.fromtimestamp(self._values.take("now", time.time, key), UTC)

    def uuid(self, key: str | None = None) -> UUID:
        """A random UUID, the same in every attempt.

        ``key`` names the place of the call, where the order of calls does not: beside other
        threads or tasks, and in a program that reads ``agent.resumed``.
        """
        self._entered()
        import os
        from uuid import UUID

        made = self._values.take("uuid", lambda: str(UUID(bytes=os.urandom(16), version=4)), key)
        return UUID(made)

    def random(self, key: str | None = None) -> float:
        """A random number in [0, 1), the same in every attempt; ``key`` as for ``uuid``."""
        self._entered()
        import os

        bits = 53  # what a float holds
        value: float = self._values.take(
            "random", lambda: (int.from_bytes(os.urandom(7), "big") >> 3) / 2**bits, key
        )
        return value

    def on_recovered(self, fn: Callable[[Recovery], Any]) -> Callable[[Recovery], Any]:
        """Call ``fn`` once, now, if this attempt goes on from a former one; may be a decorator."""
        self._entered()
        if self._recovery is not None:
            fn(self._recovery)
        return fn
