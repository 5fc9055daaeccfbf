"""``agent.parallel``: the same step for many items, side by side, each at a place of its own.

A place is the group and the item's key (or its index), never who came first. What is recorded
already is replayed without a thread. A failure or a park lets what runs come to its end, so that
its results are kept, and begins nothing new.
"""

from __future__ import annotations

from supervisor.agent.crew import Crew
from supervisor.agent.faults import AmbiguousCallError, ParkedExit, UnfitValueError
from supervisor.agent.positions import Positions
from supervisor.agent.steps import Steps, is_coroutine_function, step_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

JOIN_S = 3600.0


class Group:
    """One call of ``agent.parallel``."""

    def __init__(
        self,
        steps: Steps,
        positions: Positions,
        fn: Callable[[Any], Any],
        items: Iterable[Any],
        key: Callable[[Any], str] | None,
    ) -> None:
        self._steps = steps
        self._positions = positions
        self._fn = fn
        self._items = list(items)
        here = positions.here()
        name = f"parallel {step_name(fn)}"
        occurrence = here.count(name, f"agent.parallel({step_name(fn)})")
        again = f"#{occurrence + 1}" if occurrence else ""
        inside = here.scope if here.is_ordered else f"{here.scope}~"
        prefix = f"{inside}/{name}{again}" if inside else f"{name}{again}"
        self._scopes = [f"{prefix}[{name}]" for name in _names(self._items, key)]
        self._results: list[Any] = [None] * len(self._items)
        self._errors: dict[int, BaseException] = {}
        self._crew = Crew(here.member)

    def run(self, workers: int) -> Any:
        """The results in the order of the items; something to await for a coroutine function."""
        if type(workers) is not int or workers < 1:
            raise UnfitValueError(f"agent.parallel(workers={workers!r}): expected 1 or more")
        if is_coroutine_function(self._fn):
            return self._run_tasks(workers)
        return self._run_threads(workers)

    def _run_threads(self, workers: int) -> list[Any]:
        open_ones = [index for index in range(len(self._items)) if not self._replay(index)]
        if open_ones:
            import threading
            from contextvars import copy_context

            rest = iter(open_ones)
            threads = [
                # Daemons: SIGTERM ends the process, it does not wait for steps in flight.
                threading.Thread(target=copy_context().run, args=(self._work, rest), daemon=True)
                for _ in range(min(workers, len(open_ones)))
            ]
            try:
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            except BaseException as error:
                self._errors.setdefault(len(self._items), error)  # nothing new begins
                raise
            finally:
                self._crew.disband()
        return self._outcome()

    def _replay(self, index: int) -> bool:
        """Take the result of the journal if there is one."""
        scope = self._scopes[index]
        if not self._steps.is_recorded(scope, step_name(self._fn)):
            return False
        outer = self._positions.enter(scope)
        try:
            self._results[index] = self._steps.run(self._fn, (self._items[index],), {})
        except Exception as error:  # noqa: BLE001 - raised by _outcome, in the items' order
            self._errors[index] = error
        finally:
            self._positions.leave(outer)
        return True

    def _work(self, rest: Any) -> None:
        member = self._crew.join()
        try:
            for index in rest:
                if self._errors:
                    return
                outer = self._positions.enter(self._scopes[index], member=member)
                try:
                    self._results[index] = self._steps.run(self._fn, (self._items[index],), {})
                except BaseException as error:  # noqa: BLE001 - raised by _outcome
                    self._errors[index] = error
                finally:
                    self._positions.leave(outer)
        finally:
            self._crew.leave(member)

    async def _run_tasks(self, workers: int) -> list[Any]:
        import asyncio

        rest = iter(range(len(self._items)))
        tasks = [
            asyncio.ensure_future(self._work_awaiting(rest))
            for _ in range(min(workers, len(self._items)))
        ]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        finally:
            self._crew.disband()
        return self._outcome()

    async def _work_awaiting(self, rest: Any) -> None:
        import asyncio

        member = self._crew.join()
        try:
            for index in rest:
                if self._errors:
                    return
                outer = self._positions.enter(self._scopes[index], member=member)
                try:
                    self._results[index] = await self._steps.run(
                        self._fn, (self._items[index],), {}
                    )
                except asyncio.CancelledError:
                    raise
                except (Exception, ParkedExit) as error:  # noqa: BLE001 - raised by _outcome
                    self._errors[index] = error
                finally:
                    self._positions.leave(outer)
        finally:
            self._crew.leave(member)

    def _outcome(self) -> list[Any]:
        errors = [self._errors[index] for index in sorted(self._errors)]
        # A park can wait for the next attempt, a failure may end the run.
        errors.sort(key=lambda error: isinstance(error, ParkedExit))
        if errors:
            raise errors[0]
        return self._results


class BranchScope:
    """``with agent.branch(key)``: a place of its own for what is done inside."""

    def __init__(self, positions: Positions, key: str) -> None:
        self._positions = positions
        self._key = key

    def __enter__(self) -> None:
        here = self._positions.here()
        occurrence = here.count(f"branch {self._key}", f"agent.branch({self._key!r})")
        again = f"#{occurrence + 1}" if occurrence else ""
        inside = here.scope if here.is_ordered else f"{here.scope}~"
        scope = f"[{self._key}]{again}"
        self._outer = self._positions.enter(f"{inside}/{scope}" if inside else scope)

    def __exit__(self, *_error: object) -> None:
        self._positions.leave(self._outer)


def _names(items: list[Any], key: Callable[[Any], str] | None) -> list[str]:
    if key is None:
        return [str(index) for index in range(len(items))]
    names = [str(key(item)) for item in items]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise AmbiguousCallError(
            f"two items of agent.parallel() have the key {twice!r}; key= must tell every item "
            "from every other"
        )
    return names
