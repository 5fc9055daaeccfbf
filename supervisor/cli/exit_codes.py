"""The only place that writes to standard error, and where an error becomes an exit status.

The statuses are a contract for scripts (DESIGN 12). A traceback is shown for our own bugs alone;
everything else says what was found, what was expected and what to do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from enum import IntEnum

from supervisor.core.text import safe_text
from supervisor.errors import (
    ConfigError,
    HeldElsewhereError,
    LongwatchError,
    NotRunningError,
    UserError,
)


class ExitStatus(IntEnum):
    """What the exit status of every verb means."""

    DONE = 0
    NOT_WELL = 1
    """A run failed, or the thing asked about is not well."""
    WRONG_USE = 2
    """Wrong use or configuration."""
    HELD = 3
    """Another engine holds this directory."""
    NOT_RUNNING = 4
    """Nothing runs here."""
    BUG = 70
    """Our own fault (EX_SOFTWARE of sysexits.h)."""
    INTERRUPTED = 130
    """Ctrl-C where nothing else handles it: 128 + SIGINT, as shells have it."""


_STATUS_OF: tuple[tuple[type[LongwatchError], ExitStatus], ...] = (
    (UserError, ExitStatus.WRONG_USE),
    (HeldElsewhereError, ExitStatus.HELD),
    (NotRunningError, ExitStatus.NOT_RUNNING),
)


_OTHER_RECORDS = (
    "longwatch: the engine keeps its records as another version does; this one cannot read them\n"
    "  Use the same version of longwatch on both sides"
)


def status_of(error: LongwatchError) -> ExitStatus:
    """The exit status of one of our errors; 1 for all that says "not well"."""
    for kind, status in _STATUS_OF:
        if isinstance(error, kind):
            return status
    return ExitStatus.NOT_WELL


def guard(action: Callable[[], int]) -> int:
    """Run ``action`` and return its exit status; every error is said here and nowhere else."""
    try:
        status = action()
    except LongwatchError as error:
        say(describe(error))
        return status_of(error)
    except BrokenPipeError:
        # The reader (head, less) has seen enough: no error of anybody.
        _abandon_stdout()
        return ExitStatus.DONE
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else ExitStatus.DONE
    except Exception as error:  # noqa: BLE001 - the last line of every command: a bug must say so
        if type(error).__name__ == "RecordError":
            say(_OTHER_RECORDS)
            return ExitStatus.NOT_WELL
        _say_bug()
        return ExitStatus.BUG
    return status


def say(text: str) -> None:
    """Write lines to standard error, made harmless; silent when nobody can read them."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(safe_text(text, keep_newlines=True) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # Standard error is gone; the exit status still says it.


def describe(error: LongwatchError) -> str:
    """Some lines: what, then why and what to do, each on its own."""
    if isinstance(error, ConfigError):
        count = len(error.problems)
        noun = "problem" if count == 1 else "problems"
        return "\n".join([f"longwatch: {count} {noun} in the configuration", *error.problems])
    who = error.where if error.where.startswith("longwatch") else "longwatch"
    where = f"{error.where}: " if error.where and who != error.where else ""
    why = error.why.replace("\n", "\n  ")
    lines = [f"{who}: {where}{error.what}", f"  {why}", f"  {error.fix}"]
    return "\n".join(line for line in lines if line.strip())


def _abandon_stdout() -> None:
    """Point standard output at nothing, so that the interpreter's own flush stays quiet."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
    except OSError:
        pass  # No descriptor left: the interpreter may then complain, which harms nobody.


def _say_bug() -> None:
    import traceback

    from supervisor import __version__

    say(traceback.format_exc().rstrip())
    say(
        f"longwatch: this is a bug in Longwatch {__version__}, not in what you did\n"
        "  Please report it to the project with the lines above and: longwatch doctor --json"
    )
