"""Durable steps: a completed one is never run again, a restart gets its result from the journal.

The step in flight at a crash may run again: use ``agent.idempotency_key`` where that matters.
"""

from __future__ import annotations

import builtins
import json
import sys

from supervisor.agent.canonical import arguments_sha256, ascii_json, sha256
from supervisor.agent.faults import (
    JournalMismatchError,
    StepFailedError,
    UnfitValueError,
)
from supervisor.agent.journal import Journal
from supervisor.agent.positions import Positions
from supervisor.agent.shutdown import Shutdown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from supervisor.agent.journal import Entry

    Place = tuple[str, str, int]


class Steps:
    """Runs or replays the steps of one attempt."""

    def __init__(
        self, journal: Journal, positions: Positions, shutdown: Shutdown, run_id: str
    ) -> None:
        self._journal = journal
        self._positions = positions
        self._shutdown = shutdown
        self._run_id = run_id
        self._current: Place | None = None
        self._replayed: dict[tuple[str, str], int] = {}
        self._failed: list[tuple[Place, Exception]] = []

    @property
    def idempotency_key(self) -> str | None:
        """The same for every try of the step being run, different for every other; or None."""
        if self._current is None:
            return None
        scope, name, occurrence = self._current
        return sha256(f"{self._run_id}\0{scope}\0{name}\0{occurrence}".encode())[:32]

    def run(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of ``fn(*args, **kwargs)``, from the journal when it completed before."""
        name = step_name(fn)
        digest = arguments_sha256(args, kwargs, f"the arguments of step {name}")
        self._positions.refuse_repeat(name, digest, f"step {name}")
        place, entry = self._locate(name, digest)
        if entry is None:
            return self._execute(place, digest, fn, args, kwargs)
        if "error" in entry:
            again = rebuilt_error(name, entry["error"])
            self._failed.append((place, again))
            raise again
        return self._journal.result_of(entry)

    def leave(self, error: BaseException | None) -> None:
        """The attempt ends with ``error``: the steps that raised it are open again."""
        chain = set()
        while error is not None and id(error) not in chain:
            chain.add(id(error))
            error = error.__cause__ or error.__context__
        for place, raised in self._failed:
            if id(raised) in chain:
                self._journal.take_back(place)
        self._failed.clear()

    def _locate(self, name: str, digest: str) -> tuple[Place, Entry | None]:
        scope = self._positions.scope
        if self._positions.is_by_arguments:
            return self._locate_by_arguments(scope, name, digest)
        occurrence = self._positions.count(name)
        entry = self._journal.find(scope, name, occurrence)
        if entry is not None and entry["args"] != digest:
            inside = f" in {scope}" if scope else ""
            raise JournalMismatchError(
                f"the program's step {name} (call {occurrence + 1}{inside}, arguments "
                f"{digest[:12]}) does not match the journal's step {entry['name']} (call "
                f"{entry['occurrence'] + 1}{inside}, arguments {entry['args'][:12]}, epoch "
                f"{entry['epoch']}): the program or its input changed under a run that had "
                "begun. Bring them back, or start a fresh run"
            )
        return (scope, name, occurrence), entry

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

    def _execute(
        self,
        place: Place,
        digest: str,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        scope, name, occurrence = place
        outer = self._current
        self._current = place
        self._positions.scope = f"{scope}/{name}#{occurrence}"
        try:
            result = fn(*args, **kwargs)
        except Exception as error:
            with self._shutdown:
                self._journal.append(place, digest, {"error": described_error(error)})
            self._failed.append((place, error))
            raise
        finally:
            self._positions.scope = scope
            self._current = outer
        with self._shutdown:
            refuse_unfinished(name, result)
            text = ascii_json(result, f"the result of step {name}")
            # The caller gets what a replay would give it, lists for tuples included.
            recorded = json.loads(text)
            self._journal.append(place, digest, {"result": recorded})
        return recorded


def step_name(fn: Callable[..., Any]) -> str:
    """The name a step is matched by: where ``fn`` is defined in its module."""
    inner = getattr(fn, "func", fn)  # functools.partial
    return str(getattr(inner, "__qualname__", type(inner).__qualname__))


def refuse_unfinished(name: str, result: object) -> None:
    """UnfitValueError for a coroutine: a step is a plain function."""
    if hasattr(result, "__await__"):
        close = getattr(result, "close", None)
        if close is not None:
            close()
        raise UnfitValueError(
            f"step {name} returned an awaitable; a step is a plain function. "
            "Run the coroutine inside it, for example with asyncio.run()"
        )


def described_error(error: Exception) -> dict[str, Any]:
    """What is kept of an exception: its class, message and, where JSON can carry them, args."""
    kind = type(error)
    described: dict[str, Any] = {
        "module": kind.__module__,
        "kind": kind.__qualname__,
        "message": str(error),
    }
    try:
        described["args"] = json.loads(ascii_json(list(error.args), "the error"))
    except UnfitValueError:
        described["args"] = [str(error)]
    return described


def rebuilt_error(name: str, described: dict[str, Any]) -> Exception:
    """The exception a replayed step raises again, of its own class where that is known.

    Only a class that the program has already imported is taken; nothing is imported for it.
    """
    module = sys.modules.get(described["module"], builtins)
    kind = getattr(module, described["kind"], None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            error = kind.__new__(kind, *described["args"])
            error.args = tuple(described["args"])
        except Exception:  # noqa: BLE001 - any constructor may refuse; the fallback says it all
            return _unknown_error(name, described)
        return error
    return _unknown_error(name, described)


def _unknown_error(name: str, described: dict[str, Any]) -> StepFailedError:
    return StepFailedError(f"step {name} failed: {described['kind']}: {described['message']}")
