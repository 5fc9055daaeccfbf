"""The engine as our child: start it, hold its end of the socket pair, start it again.

Restarts: at once, then after 0.1 s, 0.2 s … at most 5 s while it dies within 10 s. An engine that
ends with 78 (EX_CONFIG) cannot serve until a person did something: it is tried again rarely, and
only while attempts live.
"""

from __future__ import annotations

import os
import signal
import socket
import time

from supervisor.keeper.fields import CallError
from supervisor.keeper.link import Link
from supervisor.keeper.system import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.keeper.spawn import Spawner

FD_VARIABLE = "LONGWATCH_KEEPER_FD"
ENGINE_FD = 3
ATTEMPT_VARIABLES = (
    "LONGWATCH_RUN_DIR", "LONGWATCH_RUN_ID", "LONGWATCH_AGENT", "LONGWATCH_EPOCH",
    "LONGWATCH_ATTEMPT", "LONGWATCH_DEADLINE", "LONGWATCH_TASK_FILE", "LONGWATCH_RESUME_FROM",
    "LONGWATCH_PROTOCOL", "LONGWATCH_WOKEN",
)  # fmt: skip
"""Started from within an agent, a keeper and its engine are no part of that agent's attempt."""
QUICK_DEATH_S = 10.0
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0
NEEDS_A_PERSON = 78
"""Exit status of an engine that met a newer state.db, for one: trying again at once is no use."""
PERSON_DELAY_S = 30.0
GRACE_S = 5.0
"""From SIGTERM, or from a link it closed, to SIGKILL."""


class EngineChild:
    """One engine at a time."""

    def __init__(self, argv: list[str], log: str, spawner: Spawner) -> None:
        self._argv = argv
        self._log = log
        self._spawner = spawner
        self._env = {k: v for k, v in os.environ.items() if k not in ATTEMPT_VARIABLES}
        self._started_at = 0.0
        self._quick_deaths = 0
        self.pid: int | None = None
        self.link: Link | None = None
        self.end_by: float | None = None
        """Monotonic moment at which it is killed if it still lives."""

    def start(self) -> float | None:
        """Start it; None, or when that failed the seconds until the next try."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        log = None
        self._started_at = time.monotonic()
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            log = os.open(self._log, flags, 0o600)
            self.pid = self._spawner.start_plain(
                self._argv,
                {**self._env, FD_VARIABLE: str(ENGINE_FD)},
                (self._spawner.null, log, log, theirs.fileno()),
            )
        except (CallError, OSError) as error:
            say(f"the engine could not be started: {error}")
            ours.close()
            return self.died()
        finally:
            theirs.close()
            if log is not None:
                os.close(log)
        self.end_by = None
        self.link = Link(ours)
        return None

    def died(self, status: int | None = None) -> float:
        """It is gone and reaped; seconds until it is to be started again."""
        self.pid = None
        self.end_by = None
        if time.monotonic() - self._started_at >= QUICK_DEATH_S:
            self._quick_deaths = 0
        self._quick_deaths += 1
        if status == NEEDS_A_PERSON:
            return PERSON_DELAY_S
        if self._quick_deaths == 1:
            return 0.0
        return float(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(self._quick_deaths - 2, 10)))

    def end(self) -> None:
        """Ask it to end; it is killed when it has not within 5 s."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGTERM)
            self.end_by = time.monotonic() + GRACE_S

    def kill_if_late(self) -> None:
        """SIGKILL when its time is up."""
        if self.pid is not None and self.end_by is not None and time.monotonic() >= self.end_by:
            say("the engine did not end in time and is killed")
            self.end_by = None
            os.kill(self.pid, signal.SIGKILL)
