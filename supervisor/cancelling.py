"""Ending tasks of asyncio for sure. Standard library only."""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_S = 1.0
"""Longer than a clean-up takes that is itself awaited."""


async def cancelled(*tasks: asyncio.Future[Any]) -> None:
    """Cancel ``tasks`` and wait until they are over, whatever they raise.

    Once is not enough: before Python 3.12 ``asyncio.wait_for`` swallows a cancellation that comes
    in the moment in which its wait ends (bpo-37658), and libraries use it.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _done, left = await asyncio.wait(left, timeout=AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
