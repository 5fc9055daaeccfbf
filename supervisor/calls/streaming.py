"""One streamed request to the Messages API under separate limits of time.

The stream is read to its end and what the SDK put together is returned. Keep-alive pings never
reach the reader, so a provider that only pings counts as silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from supervisor.calls.faults import LimitExceededError, TruncatedError
from supervisor.calls.settings import TimeLimits
from supervisor.core.call_faults import FaultKind


async def read_message(
    open_stream: Callable[[], AbstractAsyncContextManager[Any]],
    times: TimeLimits,
    on_event: Callable[[Any], None] | None = None,
) -> Any:
    """The final message of a stream. Raises LimitExceededError, TruncatedError, or as the SDK.

    ``on_event`` sees each event of the SDK as it comes.
    """
    try:
        async with asyncio.timeout(times.response):
            return await _read(open_stream, times, on_event)
    except TimeoutError as error:
        raise LimitExceededError(FaultKind.RESPONSE_TIMEOUT, times.response) from error


async def _read(
    open_stream: Callable[[], AbstractAsyncContextManager[Any]],
    times: TimeLimits,
    on_event: Callable[[Any], None] | None,
) -> Any:
    clock = asyncio.get_running_loop().time
    first_due = clock() + times.first_token
    manager = open_stream()
    stream = await _within(manager.__aenter__(), first_due - clock(), times, is_first=True)
    try:
        events: AsyncIterator[Any] = aiter(stream)
        is_first, is_whole = True, False
        while True:
            left = first_due - clock() if is_first else times.gap
            event = await _within(anext(events, None), left, times, is_first=is_first)
            if event is None:
                break
            # The envelope comes at once; a token is content.
            is_first = is_first and event.type in ("message_start", "ping")
            is_whole = event.type == "message_stop"
            if on_event is not None:
                on_event(event)
        if not is_whole:
            raise TruncatedError("the stream ended without its last event")
        return await stream.get_final_message()
    finally:
        await manager.__aexit__(None, None, None)


async def _within(awaitable: Any, left_s: float, times: TimeLimits, *, is_first: bool) -> Any:
    try:
        async with asyncio.timeout(max(left_s, 0.0)) as limit:
            return await awaitable
    except TimeoutError as error:
        if not limit.expired():
            raise
        kind = FaultKind.FIRST_TOKEN_TIMEOUT if is_first else FaultKind.GAP_TIMEOUT
        raise LimitExceededError(kind, times.first_token if is_first else times.gap) from error
