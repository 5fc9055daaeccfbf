"""Ending a task that does not hear it the first time."""

from __future__ import annotations

import asyncio

from supervisor import cancelling


async def test_a_task_that_swallows_the_first_cancellation_is_ended() -> None:
    swallowed = 0

    async def deaf() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed > 1:
                    raise

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await cancelling.cancelled(task)
    assert task.cancelled() and swallowed == 2


async def test_what_a_task_raises_at_its_end_is_its_own_affair() -> None:
    async def failing() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise ValueError("while leaving")

    task, over = asyncio.create_task(failing()), asyncio.create_task(asyncio.sleep(0))
    await asyncio.sleep(0)
    await cancelling.cancelled(task, over)
    assert isinstance(task.exception(), ValueError) and over.done()
