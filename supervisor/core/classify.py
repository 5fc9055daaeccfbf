"""What an exit means, from its status, from what ended it and from what the agent declared.

sysexits.h gives the statuses: 75 (EX_TEMPFAIL) asks to be tried again, 64 to 70 and 76 to 78 are
permanent; 71 to 74 name troubles of the machine (fork, files, I/O) that may pass.
"""

from __future__ import annotations

import signal

from supervisor.core.facts import Exited
from supervisor.core.progress import Progress
from supervisor.core.run import ExitKind, RunState, Then

TEMPFAIL = 75
PERMANENT_STATUSES = frozenset({*range(64, 71), *range(76, 79)})
_NAMES = {
    64: "wrong use", 65: "bad input data", 66: "input missing", 67: "no such user",
    68: "no such host", 69: "service unavailable", 70: "internal error", 75: "try again later",
    76: "protocol error", 77: "no permission", 78: "bad configuration",
    126: "could not be executed", 127: "command not found",
}  # fmt: skip
OOM = ", probably by the kernel's OOM killer"
MAYBE_OOM = "; it may have been the kernel's OOM killer, which was at work while no engine ran"


def decide_exit_kind(state: RunState, exited: Exited) -> ExitKind:
    """The meaning of an exit for the restart policy."""
    if state.ending in (Then.STOP, Then.RESTART):
        return ExitKind.STOPPED
    if exited.ended_by == "deadline:task":
        return ExitKind.TASK_DEADLINE
    if exited.ended_by == "deadline:attempt":
        return ExitKind.ATTEMPT_DEADLINE
    if state.ending is Then.RETRY:
        return ExitKind.STALL
    if state.ending is Then.OVER_MEMORY:
        return ExitKind.OVER_MEMORY
    if not exited.is_known:
        declared = _declared(state)
        if exited.has_result or (declared is not None and declared.status == "done"):
            return ExitKind.DONE
        # It had written that it leaves to sleep; what it left with, nobody could read.
        return ExitKind.PARKED if exited.wake else ExitKind.UNKNOWN
    if exited.code == 0:
        return ExitKind.DONE
    return _failure_kind(state, exited)


def _failure_kind(state: RunState, exited: Exited) -> ExitKind:
    if exited.code == TEMPFAIL:
        return ExitKind.PARKED if state.open_requests or exited.wake else ExitKind.TRY_LATER
    progress = _declared(state)
    error = progress.last_error if progress else None
    if exited.code is not None and error is not None and error.retryable is not None:
        return ExitKind.CRASH if error.retryable else ExitKind.PERMANENT
    if exited.code in PERMANENT_STATUSES:
        return ExitKind.PERMANENT
    return ExitKind.CRASH


def _declared(state: RunState) -> Progress | None:
    """What this very attempt said of itself."""
    return state.progress if state.progress_epoch == state.epoch else None


def exit_cause(exited: Exited) -> str:
    """How it ended, in one phrase for people."""
    if not exited.is_known:
        gone = "gone while nobody was there to read its exit status"
        return gone + (MAYBE_OOM if exited.is_oom_possible else "")
    if exited.ended_by == "deadline:task":
        return "ended at the task deadline"
    if exited.ended_by == "deadline:attempt":
        return "ended at the attempt's time limit"
    if exited.signal is not None:
        killed = f"killed by {_signal_name(exited.signal)}"
        return killed + _oom_words(exited)
    meaning = _NAMES.get(exited.code or 0)
    status = f"exit status {exited.code}" + (f" ({meaning})" if meaning else "")
    oom = _oom_words(exited)
    return status + (f" (a child was killed{oom})" if oom else "")


def _oom_words(exited: Exited) -> str:
    """Of a SIGKILL that we did not send, while the OOM killer was at work.

    A shell reports a killed child as 128 + 9.
    """
    is_killed = exited.signal == signal.SIGKILL or exited.code == 128 + signal.SIGKILL
    if not is_killed or exited.ended_by is not None:
        return ""
    if exited.is_oom_likely:
        return OOM
    return MAYBE_OOM if exited.is_oom_possible else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
