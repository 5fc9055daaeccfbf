"""``service("search")``: the policies of calls for any HTTP service and any callable."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from supervisor.calls.parking import can_park, patiently, patiently_async
from supervisor.calls.policy import Calls, Terms
from supervisor.calls.settings import ServiceSettings, settings_of
from supervisor.core.breaker import BreakerState
from supervisor.services.shared import SharedServices, Standing

if TYPE_CHECKING:
    from supervisor.calls.transport import AsyncTransport, Transport

T = TypeVar("T")
P = ParamSpec("P")

_shared: SharedServices | None = None
_services: dict[str, Service] = {}
_lock = threading.Lock()


class Deferred(Generic[T]):
    """A call that was put off."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done: list[T] = []

    def result(self) -> T:
        """What the call comes to; made at the first asking."""
        if not self._done:
            self._done.append(self._work())
        return self._done[0]


class Service:
    """One external service, shared by name with every agent of this user on this machine."""

    def __init__(self, settings: ServiceSettings, shared: SharedServices) -> None:
        self.calls = Calls(settings, shared)

    @property
    def name(self) -> str:
        """As in ``[services.NAME]``."""
        return self.calls.name

    @property
    def settings(self) -> ServiceSettings:
        """What calls are made with."""
        return self.calls.settings

    def standing(self) -> Standing:
        """State of the breaker, how long to wait, and why."""
        return self.calls.standing()

    def available(self) -> bool:
        """Whether a call would go out now; an agent can do other work while not."""
        standing = self.standing()
        return standing.state is not BreakerState.HALF_OPEN and standing.wait_s == 0.0

    def call(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """``fn(*args, **kwargs)`` under the policy; its time-out is its own affair.

        Errors are classified by the status and the class of what it raises. Raises CallError, or
        fn's own exception where that tells of no service.
        """
        attempt = partial(fn, *args, **kwargs)
        return patiently(lambda: self.calls.run(attempt, Terms(parks=can_park())))

    async def acall(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for a coroutine function."""
        attempt = partial(fn, *args, **kwargs)
        return await patiently_async(lambda: self.calls.run_async(attempt, Terms(parks=can_park())))

    def defer(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Put a call off until the service can be called, and do other work first.

        ``fn`` makes the call by itself (a step that calls Claude, say). ``result()`` of what
        comes back runs it, once; by then the run parks if the service is still down.
        """
        return Deferred(partial(fn, *args, **kwargs))

    def transport(self, inner: Any = None) -> Transport:
        """A transport for ``httpx.Client(transport=…)``; ``inner`` sends (default: httpx's own)."""
        from supervisor.calls.transport import make_transport

        return make_transport(self.calls, inner)

    def async_transport(self, inner: Any = None) -> AsyncTransport:
        """The same for ``httpx.AsyncClient``."""
        from supervisor.calls.transport import make_async_transport

        return make_async_transport(self.calls, inner)


def service(name: str) -> Service:
    """The service ``name`` of config.toml, or one with the defaults. The same object each time."""
    global _shared  # noqa: PLW0603 - one connection to the shared file for the whole process
    with _lock:
        if name not in _services:
            _shared = _shared or SharedServices()
            _services[name] = Service(settings_of(name), _shared)
        return _services[name]
