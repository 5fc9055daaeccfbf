"""The first connection to each machine, made while ssh can still ask: before the screen is drawn.

All are tried at once and without questions; only those that need a person are tried again, one
after the other, on the terminal. With one machine a failure is an ordinary error; with several
the interface comes up with those that answered, and goes on trying the others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from supervisor.cli import output
from supervisor.control.dialing import Dialled, Dialling
from supervisor.control.host import RemoteHost
from supervisor.control.ssh_faults import HostFaultError
from supervisor.errors import EnvironmentFaultError, LongwatchError

FIRST_TRY_S = 6.0
"""Longest wait for slow machines once one of several has answered."""


class _Try:
    """One machine's attempt."""

    def __init__(self, host: RemoteHost) -> None:
        self.host = host
        self.dialled: Dialled | None = None
        self.error: LongwatchError | None = None
        self._lock = threading.Lock()
        self._is_wanted = True
        self._thread = threading.Thread(target=self._run, name="first-contact", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            dialled = Dialling(self.host, starts_engine=True).run()
        except LongwatchError as error:
            self.error = error
            return
        with self._lock:
            if self._is_wanted:
                self.dialled = dialled
                return
        dialled.connection.close()  # Too late: the interface connects by itself.

    def wait(self, seconds: float | None) -> None:
        """Until it is decided, or so long; what comes later is thrown away."""
        self._thread.join(seconds)
        with self._lock:
            self._is_wanted = False

    @property
    def needs_person(self) -> bool:
        """Whether ssh would have to ask."""
        return isinstance(self.error, HostFaultError) and self.error.needs_person


def first_contact(hosts: Sequence[RemoteHost]) -> list[tuple[RemoteHost, Dialled | None]]:
    """Each machine with its connection, None where there is none yet.

    Raises the error of the one machine, or one that names all when none of several answers.
    """
    tries = [_Try(host) for host in hosts]
    ends_at = time.monotonic() + FIRST_TRY_S
    for attempt in tries:
        attempt.wait(None if len(tries) == 1 else max(0.0, ends_at - time.monotonic()))
    if output.is_dialogue():
        for attempt in tries:
            if attempt.needs_person:
                _ask(attempt)
    if len(tries) == 1 and tries[0].error is not None:
        raise tries[0].error
    if all(attempt.error is not None for attempt in tries):
        raise EnvironmentFaultError(
            "none of the machines can be reached",
            why="\n".join(f"{attempt.host.name}: {attempt.error}" for attempt in tries),
        )
    return [(attempt.host, attempt.dialled) for attempt in tries]


def _ask(attempt: _Try) -> None:
    """Once more, with ssh on the terminal."""
    output.line(f"connecting to {attempt.host.name} …")
    try:
        attempt.dialled = Dialling(attempt.host, starts_engine=True, may_ask=True).run()
        attempt.error = None
    except LongwatchError as error:
        attempt.error = error
