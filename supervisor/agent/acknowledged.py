"""Waits until the supervisor has stored the journal where another machine would find it.

Only where LONGWATCH_JOURNAL_ACK is set: the run works on a task that several machines share. A
step then counts as completed once its line is on the servers too, so that it is not run again
when this machine dies. While they cannot be reached the agent goes on after ``PATIENCE_S``: such
steps may run again, if the machine dies before the servers are back.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.agent.run_files import RunFiles

WANT = "journal.want"
"""How many bytes of the journal are to be stored: written by the agent, seen by the supervisor."""
ACKED = "journal.acked"
"""How many are: written by the supervisor."""
PATIENCE_S = 10.0
SHORT_PATIENCE_S = 0.2
"""After it was in vain once, until an acknowledgement comes again."""
FIRST_LOOK_S, LAST_LOOK_S = 0.001, 0.02


class Acknowledgement:
    """One attempt's waiting."""

    def __init__(self, files: RunFiles) -> None:
        self._files = files
        self._patience_s = PATIENCE_S
        self._acked = 0

    def wait(self, size: int) -> bool:
        """Until the first ``size`` bytes of the journal are stored; False when that takes long."""
        if size <= self._acked:
            return True
        self._files.write(WANT, b"%d\n" % size, durable=False)
        end, pause = time.monotonic() + self._patience_s, FIRST_LOOK_S
        while True:
            self._acked = self._read()
            if self._acked >= size:
                self._patience_s = PATIENCE_S
                return True
            if time.monotonic() + pause > end:
                self._patience_s = SHORT_PATIENCE_S
                return False
            time.sleep(pause)
            pause = min(2 * pause, LAST_LOOK_S)

    def _read(self) -> int:
        try:
            text = self._files.read(ACKED) or b""
        except OSError:
            return self._acked
        return int(text) if text.strip().isdigit() else self._acked


def acknowledgement(files: RunFiles) -> Acknowledgement | None:
    """For a run that needs it; None for all others."""
    return Acknowledgement(files) if os.environ.get("LONGWATCH_JOURNAL_ACK") == "1" else None
