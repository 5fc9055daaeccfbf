"""The end of a process that may have talked to Temporal. Decides nothing, and is called last."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn

LIBRARY = "temporalio"


def leave(status: int) -> NoReturn:
    """End with this exit status; call it where nothing is left to be done.

    The library's threads outlive the event loop, and one that asks for the interpreter while it
    ends aborts the process: what was done well would end with SIGABRT. So with the library loaded
    the interpreter's own end is left out (temporalio/sdk-python issue 300, open with 1.35).
    """
    if LIBRARY not in sys.modules:
        sys.exit(status)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # Gone or closed: nobody reads it.
            stream.flush()
    os._exit(status)
