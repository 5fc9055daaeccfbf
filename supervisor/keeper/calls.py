"""What the engine may ask, call by call. A fault in a call is its reply, never our end."""

from __future__ import annotations

import os
import select
import signal
import traceback

from supervisor import __version__
from supervisor.keeper import fields
from supervisor.keeper.attempt import Attempt
from supervisor.keeper.fields import CallError
from supervisor.keeper.link import FrameError, parse_call
from supervisor.keeper.lock import is_lock_free
from supervisor.keeper.records import prepare_record, read_record
from supervisor.keeper.spawn import Order
from supervisor.keeper.system import say, start_time
from supervisor.keeper.tree import works_elsewhere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from supervisor.keeper.loop import Keeper

KINDS = ("task", "attempt")
LAST_SIGNAL = signal.NSIG - 1


class Calls:
    """Answers calls on behalf of ``keeper``."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._by_name: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
            "hello": self._hello,
            "spawn": self._spawn,
            "stop": self._stop,
            "deadline": self._deadline,
            "signal": self._signal,
            "adopt": self._adopt,
            "leave": self._leave,
            "upgrade": self._upgrade,
        }

    def answer(self, frame: bytes | FrameError) -> None:
        """Carry out one frame and send its reply (an adoption may reply later)."""
        call: dict[str, Any] = {}
        try:
            if isinstance(frame, FrameError):
                raise frame
            call = parse_call(frame)
            carry_out = self._by_name.get(fields.text(call, "call"))
            if carry_out is None:
                raise CallError("bad", f"there is no call {call['call']!r:.100}")
            result = carry_out(call)
            if result is None:
                return
            reply: dict[str, Any] = {"id": call.get("id"), "ok": True, **result}
        except CallError as error:
            reply = _refusal(call, error)
        except FrameError as error:
            reply = _refusal(call, CallError("frame", str(error)))
        except Exception as error:  # noqa: BLE001 - one call; the agents need a keeper that lives
            say(f"a fault of ours in a call: {traceback.format_exc()}")
            reply = _refusal(call, CallError("internal", f"{type(error).__name__}: {error}"))
        self._keeper.send(reply)

    def _hello(self, _call: dict[str, Any]) -> dict[str, Any]:
        keeper = self._keeper
        keeper.after_this(keeper.repeat_unrecorded)
        return {
            "pid": os.getpid(),
            "version": __version__,
            "boot": keeper.boot,
            "attempts": [
                attempt.describe()
                for attempt in keeper.attempts.values()
                if attempt.on_gone is None
            ],
        }

    def _spawn(self, call: dict[str, Any]) -> dict[str, Any]:
        keeper, key = self._keeper, _key(call)
        if (living := keeper.attempts.get(key)) is not None:
            return living.describe()
        order = Order(call)
        attempt = Attempt(*key, 0, 0)
        _read_limits(call, attempt)
        if (ended := read_record(attempt.record, *key)) is not None:
            keeper.after_this(lambda: keeper.send(ended))
            raise CallError("gone", f"epoch {key[1]} of {key[0]} has ended")
        if keeper.has_attempt_of(key[0]):
            raise CallError("busy", f"another attempt of {key[0]} lives")
        if keeper.is_leaving:
            raise CallError("leaving", "the keeper is about to leave")
        born = keeper.spawner.spawn(order)
        attempt.pid, attempt.started = born.pid, start_time(born.pid) or 0
        attempt.out_offset, attempt.err_offset = born.out_offset, born.err_offset
        keeper.add(attempt)
        keeper.after_this(lambda: prepare_record(attempt.record))
        return attempt.describe()

    def _stop(self, call: dict[str, Any]) -> dict[str, Any]:
        attempt = self._living(call)
        number = fields.whole(call, "signal", 1, LAST_SIGNAL, attempt.stop_signal)
        grace = fields.seconds(call, "grace")
        self._keeper.ending.stop(attempt, number, grace, fields.text(call, "reason", ""))
        self._keeper.arm(attempt)
        return {}

    def _deadline(self, call: dict[str, Any]) -> dict[str, Any]:
        attempt = self._living(call)
        at, kind = fields.moment(call, "at"), _kind(call, "kind")
        attempt.deadline, attempt.deadline_kind = at, kind
        self._keeper.arm(attempt)
        return {}

    def _signal(self, call: dict[str, Any]) -> dict[str, Any]:
        attempt = self._living(call)
        number = fields.whole(call, "signal", 1, LAST_SIGNAL)
        if number not in (signal.SIGSTOP, signal.SIGCONT):
            raise CallError("bad", f"signal: only STOP and CONT are sent, not {number}")
        self._keeper.ending.hold(attempt, is_still=number == signal.SIGSTOP)
        return {}

    def _adopt(self, call: dict[str, Any]) -> dict[str, Any] | None:
        keeper, key = self._keeper, _key(call)
        if (living := keeper.attempts.get(key)) is not None:
            return living.describe()
        attempt = Attempt(
            *key,
            fields.whole(call, "pid", 2, fields.MAX_NUMBER),
            fields.whole(call, "started", 0, fields.MAX_NUMBER),
        )
        _read_limits(call, attempt)
        attempt.lock = fields.text(call, "lock", "")
        attempt.is_own = False
        if keeper.has_attempt_of(key[0]):
            raise CallError("busy", f"another attempt of {key[0]} lives")
        is_this_boot = fields.text(call, "boot", keeper.boot) == keeper.boot
        gone = CallError("gone", f"pid {attempt.pid} is no longer epoch {key[1]} of {key[0]}")
        if is_this_boot and _hold(attempt):
            if _is_of_a_copy(attempt, keeper.ending.runs_dir):
                if attempt.pidfd >= 0:
                    os.close(attempt.pidfd)
                raise gone
            keeper.add(attempt)
            return attempt.describe()
        if not is_this_boot:
            raise gone
        # The leader died while no keeper lived, but what it started may not have: no second
        # attempt may meet it, so the reply comes when nothing is left.
        attempt.on_gone = lambda: keeper.send(_refusal(call, gone))
        keeper.add(attempt)
        keeper.ending.sweep(attempt)
        return None

    def _leave(self, call: dict[str, Any]) -> dict[str, Any]:
        if call.get("stop_agents") and self._keeper.attempts:
            count = len(self._keeper.attempts)
            raise CallError("refused", f"{count} attempts live: stop them first")
        self._keeper.leave()
        return {}

    def _upgrade(self, _call: dict[str, Any]) -> dict[str, Any]:
        if self._keeper.is_leaving:
            raise CallError("leaving", "the keeper is about to leave")
        self._keeper.upgrade()
        return {}

    def _living(self, call: dict[str, Any]) -> Attempt:
        run, epoch = _key(call)
        # A death that the loop has not come to yet must not be taken for the effect of this call.
        self._keeper.notice_deaths()
        attempt = self._keeper.attempts.get((run, epoch))
        if attempt is None or attempt.on_gone is not None:
            raise CallError("gone", f"epoch {epoch} of {run} does not live")
        return attempt


def _hold(attempt: Attempt) -> bool:
    """Get hold of the process that the engine means; False when it is no longer that one."""
    if not hasattr(os, "pidfd_open"):
        return start_time(attempt.pid) == attempt.started
    try:
        descriptor = os.pidfd_open(attempt.pid)
    except OSError:
        return False
    # A dead one that nobody reaped still has its start time: its pidfd is readable.
    if start_time(attempt.pid) != attempt.started or is_over(descriptor):
        os.close(descriptor)
        return False
    attempt.pidfd = descriptor
    return True


def _is_of_a_copy(attempt: Attempt, runs_dir: str) -> bool:
    """Whether the process belongs to the project that this directory was copied from.

    The stored pid is right there and here. Its own words alone do not decide: a project that was
    moved has agents that name the old place, but they hold the lock that moved with it.
    """
    return works_elsewhere(attempt.pid, runs_dir) and is_lock_free(attempt.lock)


def is_over(pidfd: int) -> bool:
    """Whether the process of a pidfd has ended. ``poll``: ``select`` stops at descriptor 1024."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _key(call: dict[str, Any]) -> tuple[str, int]:
    return fields.text(call, "run"), fields.whole(call, "epoch", 0, fields.MAX_NUMBER)


def _kind(call: dict[str, Any], name: str) -> str:
    kind = fields.text(call, name, "task")
    if kind not in KINDS:
        raise CallError("bad", f"{name}: task or attempt was expected, not {kind!r:.100}")
    return kind


def _read_limits(call: dict[str, Any], attempt: Attempt) -> None:
    attempt.record = fields.text(call, "record")
    attempt.lock = fields.text(call, "lock", "")
    attempt.deadline = fields.moment(call, "deadline")
    attempt.deadline_kind = _kind(call, "deadline_kind")
    attempt.stop_signal = fields.whole(call, "stop_signal", 1, LAST_SIGNAL, signal.SIGTERM)
    attempt.grace = fields.seconds(call, "grace")


def _refusal(call: dict[str, Any], error: CallError) -> dict[str, Any]:
    return {"id": call.get("id"), "ok": False, "error": error.reply()}
