"""Claude through the official SDK, with our time limits, retries, breaker and fallbacks.

``Claude`` has the SDK's shape: ``claude.messages.create(…)`` takes what the SDK takes and returns
what it returns. Every message is streamed under the hood, so that a slow answer is told from a
dead connection. The SDK is imported at the first call, not before.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from supervisor.calls import reporting
from supervisor.calls.fallback import Answerer, answer_from_chain, make_chain
from supervisor.calls.parking import can_park, patiently, patiently_async
from supervisor.calls.policy import Terms
from supervisor.calls.reporting import Used
from supervisor.calls.service import Service, service
from supervisor.calls.streaming import read_message

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types import Message

T = TypeVar("T")

ALWAYS_STREAMED = "stream=True is always on under the hood; give on_event= to see the pieces"
CHARACTERS_PER_TOKEN = 4
"""Rough, for the shared token limit; corrected by what the answer says it used."""


class AsyncClaude:
    """For programs with an event loop of their own."""

    def __init__(
        self,
        service_name: str = "anthropic",
        *,
        fallback: Sequence[Answerer] | None = None,
        **client_options: Any,
    ) -> None:
        self.service = service(service_name)
        self._options = client_options
        self._client: AsyncAnthropic | None = None
        self._fallback = fallback
        self.messages = AsyncMessages(self)

    @property
    def client(self) -> AsyncAnthropic:
        """The SDK's own client, its retries off; imports the SDK."""
        if self._client is None:
            import anthropic

            times = self.service.settings.times
            timeout = anthropic.Timeout(times.response, connect=times.connect)
            options = {"timeout": timeout, **self._options, "max_retries": 0}
            self._client = anthropic.AsyncAnthropic(**options)
        return self._client

    def chain(self) -> list[Answerer]:
        """Who answers when Claude does not, in order."""
        if self._fallback is not None:
            return list(self._fallback)
        return make_chain(self.service.settings.fallback)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()


class AsyncMessages:
    """``messages`` of the SDK; ``create`` and ``parse`` are ours, the rest goes through guarded."""

    def __init__(self, claude: AsyncClaude) -> None:
        self._claude = claude

    async def create(
        self, *, on_event: Callable[[Any], None] | None = None, **request: Any
    ) -> Message:
        """A message, as ``anthropic`` returns it. Raises CallError; see ``supervisor.calls``."""
        if request.pop("stream", False):
            raise TypeError(ALWAYS_STREAMED)
        message: Message = await patiently_async(partial(self.answer, request, on_event))
        return message

    async def parse(self, **request: Any) -> Any:
        """The same with ``output_format=`` a pydantic model; ``parsed_output`` holds it."""
        return await patiently_async(partial(self.answer, request, None))

    async def answer(self, request: dict[str, Any], on_event: Any) -> Any:
        """One try of the whole chain; CircuitOpenError where the caller should park."""
        claude = self._claude
        chain = claude.chain()
        primary = partial(self._ask, request, on_event, has_fallback=bool(chain))
        return await answer_from_chain(claude.service, primary, chain, request, claude)

    async def _ask(self, request: dict[str, Any], on_event: Any, *, has_fallback: bool) -> Any:
        claude = self._claude
        calls, times = claude.service.calls, claude.service.settings.times
        estimated = estimate_tokens(request)
        open_stream = partial(claude.client.messages.stream, **request)
        message = await calls.run_async(
            lambda: read_message(open_stream, times, on_event),
            Terms(tokens=estimated, waits_when_open=not has_fallback, parks=can_park()),
        )
        amount = used_by(message)
        spent = amount.input_tokens + amount.output_tokens + amount.cache_write
        calls.shared.correct(calls.name, calls.settings.limits, spent - estimated)
        reporting.used(amount)
        return message

    def __getattr__(self, name: str) -> Any:
        return Guarded(self._claude.service, lambda: getattr(self._claude.client.messages, name))


class Guarded:
    """A resource or method of the SDK: passed through untouched, each call under the policy."""

    def __init__(self, of: Service, find: Callable[[], Any]) -> None:
        self._service = of
        self._find = find

    def __getattr__(self, name: str) -> Guarded:
        return Guarded(self._service, lambda: getattr(self._find(), name))

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the SDK's method."""

        async def attempt() -> Any:
            return await self._find()(*args, **kwargs)

        return await self._service.calls.run_async(attempt, Terms())


class Claude:
    """For programs without an event loop: the same calls, blocking. May be used by threads."""

    def __init__(
        self,
        service_name: str = "anthropic",
        *,
        fallback: Sequence[Answerer] | None = None,
        **client_options: Any,
    ) -> None:
        self._portal = Portal()
        self._inner = AsyncClaude(service_name, fallback=fallback, **client_options)
        self.service = self._inner.service
        self.messages = Messages(self._inner.messages, self._portal)

    def close(self) -> None:
        """Close the connections and end the thread behind this object."""
        self._portal.run(self._inner.close())
        self._portal.close()


class Messages:
    """``messages`` of ``Claude``."""

    def __init__(self, inner: AsyncMessages, portal: Portal) -> None:
        self._inner = inner
        self._portal = portal

    def create(self, *, on_event: Callable[[Any], None] | None = None, **request: Any) -> Message:
        """A message, as ``anthropic`` returns it. Raises CallError."""
        if request.pop("stream", False):
            raise TypeError(ALWAYS_STREAMED)
        message: Message = self._run(request, on_event)
        return message

    def parse(self, **request: Any) -> Any:
        """The same with ``output_format=`` a pydantic model."""
        return self._run(request, None)

    def _run(self, request: dict[str, Any], on_event: Any) -> Any:
        # The wait is here and not in the loop's thread, which must not be left by parking.
        return patiently(lambda: self._portal.run(self._inner.answer(request, on_event)))

    def __getattr__(self, name: str) -> Any:
        return Blocking(getattr(self._inner, name), self._portal)


class Blocking:
    """A guarded resource or method, called from plain code."""

    def __init__(self, guarded: Guarded, portal: Portal) -> None:
        self._guarded = guarded
        self._portal = portal

    def __getattr__(self, name: str) -> Blocking:
        return Blocking(getattr(self._guarded, name), self._portal)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the SDK's method; pages are read one by one, as the SDK gives them."""
        return self._portal.run(self._guarded(*args, **kwargs))


class Portal:
    """An event loop in a thread of its own, started at the first call."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def run(self, work: Coroutine[Any, Any, T] | Awaitable[T]) -> T:
        """The result of ``work``; whatever interrupts the wait cancels it."""

        async def joined() -> T:
            return await work

        future = asyncio.run_coroutine_threadsafe(joined(), self._running())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the thread."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._loop = None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(
                    target=self._loop.run_forever, name="longwatch-calls", daemon=True
                )
                thread.start()
            return self._loop


def estimate_tokens(request: dict[str, Any]) -> float:
    """About what a request will take from the token limit, from its size."""
    given = (request.get(key) for key in ("messages", "system", "tools"))
    size = sum(len(str(part)) for part in given if part)
    return size / CHARACTERS_PER_TOKEN


def used_by(message: Any) -> Used:
    """What an answered message used."""
    usage = message.usage
    return Used(
        str(message.model),
        usage.input_tokens or 0,
        usage.output_tokens or 0,
        usage.cache_read_input_tokens or 0,
        usage.cache_creation_input_tokens or 0,
    )
