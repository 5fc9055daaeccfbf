"""Several engines in one picture: a link for each, their names told apart by their machine.

Owns: what a name means where several machines have it (``host/name``, see ``model.Picture``), and
that a call goes to the machine it is for, with the name that machine knows. Must never let one
machine that is gone hold up another: each link lives by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from supervisor.control.messages import PROTOCOL
from supervisor.core.always import Standing
from supervisor.core.moment import Moment
from supervisor.core.run import RunState
from supervisor.tui.link import Backend, CallError, EngineLink, follow_log
from supervisor.tui.model import HOST_MARK, Engine, Host, Link, Picture, split_host
from supervisor.tui.tail import Tail

NAMED_BY = ("id", "run", "name", "agent")
"""Parameters that say which machine is meant."""
TO_ALL = frozenset({"shutdown"})
"""Methods that mean every machine when no name is given."""


class FleetLink:
    """What ``EngineLink`` is, for several engines."""

    def __init__(
        self,
        backends: Mapping[str, Backend],
        on_change: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``backends`` by the name of their machine."""
        self._on_change = on_change
        self._clock = clock
        self._links = {
            name: EngineLink(backend, self._changed, clock=clock, host=name)
            for name, backend in backends.items()
        }
        self._known: dict[str, tuple[RunState, RunState]] = {}
        """By qualified run id: a state, and the same with qualified names."""
        self._merged: Picture | None = None

    @property
    def picture(self) -> Picture:
        """What is known of all machines now."""
        if self._merged is None:
            self._merged = self._merge()
        return self._merged

    def now(self) -> Moment:
        """The time of day of the first that is known: no two machines share another clock."""
        known = next((link for link in self._links.values() if link.picture.is_loaded), None)
        wall = time.time() if known is None else known.now().wall
        return Moment(wall, self._clock(), "")

    async def run(self) -> None:
        """Follow all of them; ends only by cancellation."""
        async with asyncio.TaskGroup() as group:
            for name, link in self._links.items():
                group.create_task(link.run(), name=f"link-{name}")

    async def call(self, method: str, **params: Any) -> Any:
        """One call to the machine that the names are of, or to each that is meant."""
        parts = self._parts(method, params)
        found = await asyncio.gather(
            *(self._links[host].call(method, **plain) for host, plain in parts),
            return_exceptions=True,
        )
        failed = [
            (host, said)
            for (host, _plain), said in zip(parts, found, strict=True)
            if isinstance(said, BaseException)
        ]
        if failed:
            raise _together(failed)
        return _put_together([(host, said) for (host, _), said in zip(parts, found, strict=True)])

    async def follow_log(self, tail: Tail, on_change: Callable[[], None]) -> None:
        """Feed ``tail`` while its log is shown; ends by cancellation."""
        await follow_log(self, tail, on_change)

    def _changed(self) -> None:
        self._merged = None
        self._on_change()

    # -- calls --------------------------------------------------------------------------------

    def _parts(self, method: str, params: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Which machine gets which parameters; ``host`` says it where no name does."""
        said = str(params.pop("host", ""))
        for key in NAMED_BY:
            if isinstance(params.get(key), str):
                host, plain = split_host(params[key])
                if host in self._links:
                    return [(host, {**params, key: plain})]
        named: dict[str, list[str]] = {}
        for name in params.get("names") or ():
            host, plain = split_host(name)
            named.setdefault(host, []).append(plain)
        if named and all(host in self._links for host in named):
            return [(host, {**params, "names": names}) for host, names in named.items()]
        if not said and (method in TO_ALL or params.get("all")):
            return [(host, dict(params)) for host in self._living()]
        host = said or self._living()[0]
        if host not in self._links:
            raise CallError(f"no machine is called {host}")
        return [(host, params)]

    def _living(self) -> list[str]:
        living = [name for name, link in self._links.items() if link.picture.link is Link.LIVE]
        if not living:
            raise CallError("no machine can be reached now")
        return living

    # -- the picture --------------------------------------------------------------------------

    def _merge(self) -> Picture:
        pictures = {name: link.picture for name, link in self._links.items()}
        hosts = tuple(
            Host(name, p.link, p.link_why, p.retry_in_s, p.engine, p.seq)
            for name, p in pictures.items()
        )
        links = {picture.link for picture in pictures.values()}
        link = next((found for found in (Link.LIVE, Link.CONNECTING) if found in links), Link.LOST)
        return Picture(
            seq=sum(picture.seq for picture in pictures.values()),
            engine=_engine(pictures),
            agents=tuple(
                replace(spec, name=qualified(name, spec.name))
                for name, picture in pictures.items()
                for spec in picture.agents
            ),
            runs=self._runs(pictures),
            standing=Standing(
                tuple(
                    replace(rule, id=qualified(name, rule.id), agent=qualified(name, rule.agent))
                    for name, picture in pictures.items()
                    for rule in picture.standing.rules
                )
            ),
            samples={
                qualified(name, run_id): sample
                for name, picture in pictures.items()
                for run_id, sample in picture.samples.items()
            },
            problems=tuple(
                f"{name}: {problem}"
                for name, picture in pictures.items()
                for problem in picture.problems
            ),
            link=link,
            is_loaded=any(picture.is_loaded for picture in pictures.values()),
            hosts=hosts,
        )

    def _runs(self, pictures: Mapping[str, Picture]) -> dict[str, RunState]:
        """All runs; a state that did not change keeps the copy made before."""
        known: dict[str, tuple[RunState, RunState]] = {}
        for name, picture in pictures.items():
            for state in picture.runs.values():
                key = qualified(name, state.id)
                before = self._known.get(key)
                is_same = before is not None and before[0] is state
                known[key] = before if before and is_same else (state, _qualified_run(name, state))
        self._known = known
        return {key: shown for key, (_state, shown) in known.items()}


def make_link(
    backend: Backend | Mapping[str, Backend],
    on_change: Callable[[], None],
    clock: Callable[[], float],
) -> EngineLink | FleetLink:
    """The way to one engine or to several."""
    if not isinstance(backend, Mapping):
        return EngineLink(backend, on_change, clock=clock)
    if len(backend) == 1:
        [(name, only)] = backend.items()
        return EngineLink(only, on_change, clock=clock, host=name)
    return FleetLink(backend, on_change, clock=clock)


def qualified(host: str, name: str) -> str:
    """``host/name``."""
    return f"{host}{HOST_MARK}{name}"


def _qualified_run(host: str, state: RunState) -> RunState:
    requests = tuple(replace(r, id=qualified(host, r.id)) for r in state.requests)
    return replace(
        state, id=qualified(host, state.id), agent=qualified(host, state.agent), requests=requests
    )


def _engine(pictures: Mapping[str, Picture]) -> Engine:
    """What is not as it should be with any of them."""
    storage = [
        f"{name}: {picture.engine.storage}"
        for name, picture in pictures.items()
        if picture.engine.storage != "ok"
    ]
    return Engine(storage=storage[0] if storage else "ok", protocol=PROTOCOL)


def _put_together(answers: list[tuple[str, Any]]) -> Any:
    """One answer of one machine as it is; of several, their runs in one list."""
    if len(answers) == 1:
        return answers[0][1]
    runs = [
        {**run, "id": qualified(host, run["id"]), "agent": qualified(host, run["agent"])}
        for host, answer in answers
        for run in answer.get("runs", ())
    ]
    return {**answers[0][1], "runs": runs}


def _together(failed: Iterable[tuple[str, BaseException]]) -> CallError:
    """One error for what some machines refused."""
    told = list(failed)
    for _host, error in told:
        if not isinstance(error, CallError):
            raise error
    host, first = told[0]
    assert isinstance(first, CallError)
    more = f" (and {len(told) - 1} more machines)" if len(told) > 1 else ""
    return CallError(f"{host}: {first.what}{more}", first.code, first.fix)
