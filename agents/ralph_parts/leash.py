"""The leash: holds one command, and ends everything in its session when its own parent dies.

Run as a program: ``python -I -S leash.py FD COMMAND…``. FD is one end of a pipe whose other end
the loop keeps open; when that closes, however the loop died, the command's process group is
killed. Standard output, error and input are the command's. Exits as the command did; a signal
becomes 128 plus its number. 127 and 126: the command is not there, or cannot be run.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading

NOT_FOUND, NOT_RUNNABLE = 127, 126


def main(leash: int, argv: list[str]) -> int:
    """Run ``argv`` to its end, or until the other end of ``leash`` is let go."""
    os.set_inheritable(leash, False)
    try:
        # Descriptor 3 of a supervised run is its lock: what lives keeps the next attempt out.
        child = subprocess.Popen(argv, start_new_session=True, close_fds=False)
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE
    threading.Thread(target=_end_with_the_loop, args=(leash, child.pid), daemon=True).start()
    code = child.wait()
    _kill_group(child.pid)  # what it left behind in the background is no part of the next call
    return 128 - code if code < 0 else code


def _end_with_the_loop(leash: int, group: int) -> None:
    select.select([leash], [], [])
    _kill_group(group)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # The loop decides, and lets the leash go. A handler, because the command would inherit
        # SIG_IGN and could then not be asked to stop.
        signal.signal(number, lambda *_: None)
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
