"""What can go wrong between an agent and its run directory, each with what to do about it.

Two of these end the process on purpose and are no ``Exception``: an agent's own
``except Exception`` must not swallow them.
"""

from __future__ import annotations

EX_SOFTWARE = 70
EX_TEMPFAIL = 75
TERMINATED = 128 + 15


class AgentFaultError(Exception):
    """Root of the errors of the SDK; ``retryable`` tells the supervisor whether to try again."""

    retryable: bool | None = False


class NotEnteredError(AgentFaultError):
    """A method was used outside ``with Agent() as agent:``."""


class EnvironmentVariableError(AgentFaultError):
    """A ``LONGWATCH_…`` variable is missing or unusable."""


class AlreadyRunsError(AgentFaultError):
    """The same script already runs from this directory without a supervisor."""


class UnfitValueError(AgentFaultError):
    """A value that JSON cannot carry was to be stored."""


class CheckpointDamagedError(AgentFaultError):
    """The checkpoint to resume from is torn, altered or of another run."""


class JournalDamagedError(AgentFaultError):
    """A line in the middle of the journal does not match its own check."""


class JournalMismatchError(AgentFaultError):
    """The program no longer makes the steps that its journal holds; both are named."""


class AmbiguousCallError(AgentFaultError):
    """A loop that keeps its own position repeats a call that nothing tells from the former."""


class TrackMismatchError(AgentFaultError):
    """The items of a loop changed under its recorded position."""


class StepFailedError(AgentFaultError):
    """A step that failed before, replayed, when its exception class is not known any more."""

    def __init__(self, message: str, kind: str = "", *, retryable: bool | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        """The class of the error, as text."""
        self.retryable = retryable


class RequestRefusedError(AgentFaultError):
    """The operator denied a question that wanted more than yes or no, or nobody answered it."""


class NobodyToAskError(AgentFaultError):
    """A question, no supervisor, no terminal and no stated default."""


class TaskFileError(AgentFaultError):
    """The file of the task cannot be read."""

    retryable = True


class TaskRejectedError(AgentFaultError):
    """The agent says that no other delivery of its task can help."""


class FencedError(SystemExit):
    """A newer attempt of this run exists: this one must not write any more. Exit status 70."""

    def __init__(self, message: str) -> None:
        super().__init__(EX_SOFTWARE)
        self.message = message

    def __str__(self) -> str:
        """The message; the exit status stays in ``code``."""
        return self.message


class ParkedExit(SystemExit):
    """The process leaves until a question is answered, or a sleep is over. Exit status 75."""

    def __init__(self, request_id: str) -> None:
        super().__init__(EX_TEMPFAIL)
        self.request_id = request_id


class AsleepExit(ParkedExit):
    """The process leaves until a sleep is over. Exit status 75."""

    def __init__(self, at: float) -> None:
        super().__init__("")
        self.at = at
        """Unix seconds."""


class TerminatedExit(SystemExit):
    """SIGTERM, raised at a safe point so that ``with`` bodies unwind. Exit status 143."""

    def __init__(self) -> None:
        super().__init__(TERMINATED)
