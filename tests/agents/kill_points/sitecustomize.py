"""Put on PYTHONPATH of a program under test: kills it before its KILL_AT-th durable write."""

from __future__ import annotations

import os
import signal
from typing import Any

_left = int(os.environ.pop("KILL_AT", "0"))  # popped: children are not killed


def _counted(real: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        global _left  # noqa: PLW0603 - one process, one count
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    return call


if _left:
    for _name in ("fsync", "fdatasync", "rename", "replace"):
        setattr(os, _name, _counted(getattr(os, _name)))
