"""Fault points inside the real engine: imported by every Python that has this folder on its path.

``LWF_POINTS`` names them in JSON: a list of ``{"at": "module:Class.name", "when", "do", "once"}``.
``when``: ``before`` or ``after`` the call. ``do``: ``engine``, ``keeper`` or ``both`` get SIGKILL,
``lost`` kills the keeper and raises what the engine would see, ``full`` raises what a full disk
does, ``never`` waits for ever. ``once``
is a file that is made when the point was reached, so that the next life passes it. A point with
``value`` sets a name instead. ``LWF_CLOCK`` is a file with the seconds by which the wall clock of
the engine is wrong. The product knows nothing of this.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import json
import os
import signal
import sys
import time
from typing import Any


def _strike(do: str) -> None:
    keeper = os.getppid()
    if do in ("keeper", "both", "lost"):
        os.kill(keeper, signal.SIGKILL)
    if do in ("engine", "both"):
        os.kill(os.getpid(), signal.SIGKILL)
    if do == "lost":
        from supervisor.process.keeper_link import KeeperError

        raise KeeperError("lost", "the keeper closed the connection")

    if do == "full":
        from supervisor.errors import EnvironmentFaultError

        raise EnvironmentFaultError("cannot write: no space left on device")


def _is_first(point: dict[str, Any]) -> bool:
    try:
        os.close(os.open(point["once"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _wrapped(original: Any, point: dict[str, Any]) -> Any:
    @functools.wraps(original)
    async def waiting(*arguments: Any, **named: Any) -> Any:
        if point["do"] == "never":
            await asyncio.Event().wait()
        if point["when"] == "before" and _is_first(point):
            _strike(point["do"])
        result = await original(*arguments, **named)
        if point["when"] == "after" and _is_first(point):
            _strike(point["do"])
        return result

    @functools.wraps(original)
    def plain(*arguments: Any, **named: Any) -> Any:
        if point["when"] == "before" and _is_first(point):
            _strike(point["do"])
        result = original(*arguments, **named)
        if point["when"] == "after" and _is_first(point):
            _strike(point["do"])
        return result

    return waiting if inspect.iscoroutinefunction(original) else plain


def _install() -> None:
    for point in json.loads(os.environ["LWF_POINTS"]):
        module, _, path = point["at"].partition(":")
        *owners, name = path.split(".")
        owner: Any = importlib.import_module(module)
        for part in owners:
            owner = getattr(owner, part)
        value = point["value"] if "value" in point else _wrapped(getattr(owner, name), point)
        setattr(owner, name, value)


def _set_clock_by(path: str) -> None:
    right = time.time

    def now() -> float:
        try:
            with open(path) as file:  # noqa: PTH123  as light as a clock should be
                return right() + float(file.read())
        except (OSError, ValueError):
            return right()  # Not set yet, or being set.

    time.time = now


if "LWF_CLOCK" in os.environ and "supervisor.engine" in sys.orig_argv:
    _set_clock_by(os.environ["LWF_CLOCK"])
if "LWF_POINTS" in os.environ and "supervisor.engine" in sys.orig_argv:
    _install()
