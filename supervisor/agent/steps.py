"""Durable steps: a completed one is never run again, a restart gets its result from the journal.

The step in flight at a crash may run again: use ``agent.idempotency_key`` where that matters.
A step may be a coroutine function: it takes its place in the program when it is called, not when
it is awaited, so ``asyncio.gather(agent.step(f, 1), agent.step(f, 2))`` is the same every time.
"""

from __future__ import annotations

import time
from functools import partial

from supervisor.agent import results
from supervisor.agent.canonical import arguments_sha256, sha256
from supervisor.agent.faults import JournalMismatchError
from supervisor.agent.journal import Journal
from supervisor.agent.positions import Branch, Positions
from supervisor.agent.shutdown import Shutdown
from supervisor.agent.step_errors import described_error, has_raised, rebuilt_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from supervisor.agent.journal import Entry

    Place = tuple[str, str, int]

CO_COROUTINE = 0x80
"""``inspect.CO_COROUTINE``, without importing inspect."""
DIGITS = 16
"""Of an arguments' hash, where it stands in a scope."""


class Steps:
    """Runs or replays the steps of one attempt. May be used from several threads and tasks."""

    def __init__(
        self, journal: Journal, positions: Positions, shutdown: Shutdown, run_id: str
    ) -> None:
        self._journal = journal
        self._positions = positions
        self._shutdown = shutdown
        self._run_id = run_id
        self._replayed: dict[tuple[str, str], int] = {}
        self._failed: list[tuple[Place, Exception]] = []

    @property
    def idempotency_key(self) -> str | None:
        """The same for every try of the step being run, different for every other; or None."""
        step = self._positions.here().step
        if step is None:
            return None
        scope, name, occurrence = step
        return sha256(f"{self._run_id}\0{scope}\0{name}\0{occurrence}".encode())[:32]

    def run(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of ``fn(*args, **kwargs)``, from the journal when it completed before.

        Something to await where ``fn`` gives that.
        """
        name = step_name(fn)
        digest = arguments_sha256(args, kwargs, f"the arguments of step {name}")
        if self._positions.keeps_own_position:
            self._positions.refuse_repeat(name, digest, f"step {name}")
        place, entry = self._locate(self._positions.here(), name, digest)
        if entry is None:
            return self._execute(place, digest, fn, args, kwargs)
        if "async" in entry:
            return self._replay_later(place, entry, fn)
        return self._replay(place, entry, fn)

    def is_recorded(self, scope: str, name: str) -> bool:
        """Whether the first ``name`` in ``scope`` completed before."""
        return self._journal.find(scope, name, 0) is not None

    def leave(self, error: BaseException | None) -> None:
        """The attempt ends with ``error``: the steps that raised it are open again."""
        raised = has_raised(error)
        for place, failure in self._failed:
            if id(failure) in raised:
                self._journal.take_back(place)
        self._failed.clear()

    def _locate(self, branch: Branch, name: str, digest: str) -> tuple[Place, Entry | None]:
        scope = branch.scope
        if not branch.is_ordered:
            branch.count(f"{name}({digest})", f"step {name} with the same arguments")
            place = (f"{scope}~{digest[:DIGITS]}", name, 0)
            return place, self._journal.find(*place)
        if self._positions.has_jumped and not scope:
            return self._locate_by_arguments(scope, name, digest)
        occurrence = branch.count(name)
        entry = self._journal.find(scope, name, occurrence)
        if entry is not None and entry["args"] != digest:
            raise self._mismatch(entry, digest)
        return (scope, name, occurrence), entry

    def _mismatch(self, entry: Entry, digest: str) -> JournalMismatchError:
        name, scope, number = entry["name"], entry["scope"], self._journal.number_of(entry)
        which = f"call {entry['occurrence'] + 1}" + (f" in {scope}" if scope else "")
        return JournalMismatchError(
            f"the program's step {name} ({which}, arguments {digest[:12]}) does not match the "
            f"journal's step {name} ({which}, arguments {entry['args'][:12]}, epoch "
            f"{entry['epoch']}, step {number} of the journal): the program or its input changed "
            f"under a run that had begun. See what is recorded: longwatch journal {self._run_id} "
            "show. Then bring the program or its input back, or run that step and all after it "
            f"again: longwatch journal {self._run_id} truncate --from {number}, or start a fresh "
            "run"
        )

    def _locate_by_arguments(
        self, scope: str, name: str, digest: str
    ) -> tuple[Place, Entry | None]:
        completed = self._journal.find_calls(scope, name, digest)
        used = self._replayed.get((name, digest), 0)
        self._replayed[name, digest] = used + 1
        if used < len(completed):
            entry = completed[used]
            return (scope, name, entry["occurrence"]), entry
        return (scope, name, self._journal.first_free(scope, name)), None

    def _replay(self, place: Place, entry: Entry, fn: Callable[..., Any]) -> Any:
        if "error" in entry:
            again = rebuilt_error(entry["name"], entry["error"])
            self._failed.append((place, again))
            raise again
        plain = entry["result"] if "result" in entry else self._journal.result_of(entry)
        return results.restored(fn, entry, plain) if "type" in entry else plain

    async def _replay_later(self, place: Place, entry: Entry, fn: Callable[..., Any]) -> Any:
        return self._replay(place, entry, fn)

    def _execute(
        self,
        place: Place,
        digest: str,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        # What the program recorded so far may leave the machine with this step.
        self._journal.sync()
        outer = self._positions.enter(_scope_of(place), step=place)
        began = time.monotonic()
        try:
            result = fn(*args, **kwargs)
        except Exception as error:
            self._keep_error(place, digest, error, _took(began))
            raise
        finally:
            self._positions.leave(outer)
        if hasattr(result, "__await__"):
            return self._finish(place, digest, fn, result)
        return self._keep(place, digest, fn, result, _took(began))

    async def _finish(
        self, place: Place, digest: str, fn: Callable[..., Any], awaitable: Awaitable[Any]
    ) -> Any:
        how: Entry = {"async": True}
        outer = self._positions.enter(_scope_of(place), step=place)
        began = time.monotonic()
        try:
            result = await awaitable
        except Exception as error:
            how |= _took(began)
            await _aside(partial(self._keep_error, place, digest, error, how))
            raise
        finally:
            self._positions.leave(outer)
        how |= _took(began)
        return await _aside(partial(self._keep, place, digest, fn, result, how))

    def _keep(
        self, place: Place, digest: str, fn: Callable[..., Any], result: Any, how: Entry
    ) -> Any:
        with self._shutdown:
            outcome, value = results.recorded(fn, place[1], result)
            self._journal.append(place, digest, {**how, **outcome})
        return value

    def _keep_error(self, place: Place, digest: str, error: Exception, how: Entry) -> None:
        with self._shutdown:
            self._journal.append(place, digest, {**how, "error": described_error(error)})
        self._failed.append((place, error))


async def _aside(store: Callable[[], Any]) -> Any:
    """``store()`` in a thread, so that the disk does not hold up the other tasks."""
    import asyncio

    return await asyncio.get_running_loop().run_in_executor(None, store)


def _scope_of(place: Place) -> str:
    scope, name, occurrence = place
    return f"{scope}/{name}#{occurrence}"


def step_name(fn: Callable[..., Any]) -> str:
    """The name a step is matched by: where ``fn`` is defined in its module."""
    try:
        return fn.__qualname__
    except AttributeError:
        inner = getattr(fn, "func", fn)  # functools.partial
        return str(getattr(inner, "__qualname__", type(inner).__qualname__))


def is_coroutine_function(fn: Callable[..., Any]) -> bool:
    """Whether calling ``fn`` gives something to await."""
    inner = getattr(fn, "func", fn)  # functools.partial
    code = getattr(inner, "__code__", None) or getattr(type(inner).__call__, "__code__", None)
    return code is not None and bool(code.co_flags & CO_COROUTINE)


def _took(began: float) -> Entry:
    """How long the step ran, for whoever draws it later; nothing is decided by it."""
    return {"took": round(time.monotonic() - began, 3)}
