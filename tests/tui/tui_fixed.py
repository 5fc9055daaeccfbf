"""One time zone, one palette of the terminal, no moving parts: every screen the same everywhere."""

from __future__ import annotations

import os
import time


def fix_environment() -> None:
    """Before Textual is imported."""
    os.environ.update(TZ="UTC", COLORTERM="truecolor", TERM="xterm-256color")
    os.environ.update(TEXTUAL_ANIMATIONS="none")
    os.environ.pop("NO_COLOR", None)
    time.tzset()
