"""The way to an engine on another machine: one ssh, from its start to the greeting of ``dial``.

Blocks, so a program with an event loop gives it a thread. Owns the ssh process: it ends when the
socket it is given is closed, and is reaped by a thread of its own. Must never let ssh ask a
person unless it is told that one looks at the terminal.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from supervisor.control.greeting import DialGreeting, read_greeting
from supervisor.control.host import RemoteHost, ssh_argv
from supervisor.control.ssh_faults import SSH_FAILED, HostFaultError, fault_of, why_ended
from supervisor.errors import EnvironmentFaultError

GREETING_TIMEOUT_S = 45.0
"""From the start of ssh to the greeting: connecting, logging in, starting an engine there."""
ANSWERING_TIMEOUT_S = 180.0
"""The same while a person types a password or looks for their security key."""
END_WAIT_S = 2.0
"""How long ssh may take to end once it closed its output."""
NOISE_LIMIT = 64 * 1024
"""Bytes that a login shell there may print before the greeting."""
SAID_LIMIT = 16 * 1024
_QUIET_KEYS = ("sh", "-c", 'trap "" INT QUIT; exec "$@"', "longwatch-ssh")
"""Ctrl-C in a command is for the command: it still needs its connection to stop what it began."""


@dataclass(frozen=True, slots=True)
class Dialled:
    """A connection to an engine elsewhere, greeted by ``dial`` but not yet by ``hello``."""

    connection: socket.socket
    """Ours from now on; closing it ends ssh."""
    greeting: DialGreeting
    _host: RemoteHost
    _said: IO[bytes]

    def why_ended(self) -> str:
        """What ssh said on why it ended, in a line; empty when it said nothing."""
        return why_ended(self._host, _read_said(self._said))


class Dialling:
    """One attempt; ``run`` in one thread, ``abandon`` from any."""

    def __init__(self, host: RemoteHost, *, starts_engine: bool, may_ask: bool = False) -> None:
        """``starts_engine``: as plain ``longwatch`` does. ``may_ask``: a person is there."""
        self._host = host
        self._may_ask = may_ask
        self._words = ["dial"] if starts_engine else ["dial", "--no-start"]
        self._process: subprocess.Popen[bytes] | None = None
        self._is_abandoned = False

    def run(self) -> Dialled:
        """Connect. HostFaultError when ssh fails; what ``dial`` met there is raised as it was."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = self._start(theirs)
            assert process.stderr is not None
            os.set_blocking(process.stderr.fileno(), False)
            greeting = self._greeting(ours, process)
        except BaseException:
            ours.close()
            self.abandon()
            raise
        return Dialled(ours, greeting, self._host, process.stderr)

    def abandon(self) -> None:
        """Give up: ssh is ended. May be called twice, and when all is over."""
        self._is_abandoned = True
        process = self._process
        if process is not None and process.poll() is None:
            with suppress(OSError):
                process.terminate()

    def _start(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        argv = ssh_argv(self._host, self._words, is_batch=not self._may_ask)
        try:
            process = subprocess.Popen(
                [*_QUIET_KEYS, *argv] if self._may_ask else argv,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.PIPE,
                # Without a terminal of its own it cannot write over the screen nor read its keys.
                start_new_session=not self._may_ask,
            )
        except OSError as error:
            raise EnvironmentFaultError(
                f"cannot run {argv[0]}: {error.strerror}",
                fix="Install OpenSSH's client, or name another one in $LONGWATCH_SSH",
            ) from error
        self._process = process
        threading.Thread(target=process.wait, name="ssh-reaper", daemon=True).start()
        return process

    def _greeting(self, ours: socket.socket, process: subprocess.Popen[bytes]) -> DialGreeting:
        limit_s = ANSWERING_TIMEOUT_S if self._may_ask else GREETING_TIMEOUT_S
        ends_at = time.monotonic() + limit_s
        noise = b""
        while len(noise) < NOISE_LIMIT:
            line = _next_line(ours, ends_at)
            if not line:
                break
            greeting = read_greeting(line, self._host.name)
            if greeting is not None:
                ours.settimeout(None)
                return greeting
            noise += line
        raise self._fault(process, noise.decode("utf-8", "replace"), ends_at)

    def _fault(
        self, process: subprocess.Popen[bytes], printed: str, ends_at: float
    ) -> HostFaultError:
        status: int | None = None
        if time.monotonic() < ends_at:
            with suppress(subprocess.TimeoutExpired):
                status = process.wait(END_WAIT_S)
        if self._is_abandoned:
            status = SSH_FAILED
        assert process.stderr is not None
        return fault_of(self._host, status, _read_said(process.stderr), printed)


def dial(host: RemoteHost, *, starts_engine: bool, may_ask: bool) -> Dialled:
    """Connect without asking anybody; only when that needs a person, and one is there, again so."""
    try:
        return Dialling(host, starts_engine=starts_engine).run()
    except HostFaultError as fault:
        if not (may_ask and fault.needs_person):
            raise
    return Dialling(host, starts_engine=starts_engine, may_ask=True).run()


def _next_line(ours: socket.socket, ends_at: float) -> bytes:
    """One line with its newline, nothing read beyond it; what there is at the end; b"" if none."""
    line = b""
    while not line.endswith(b"\n") and len(line) < NOISE_LIMIT:
        left_s = ends_at - time.monotonic()
        if left_s <= 0:
            return b""
        ours.settimeout(left_s)
        try:
            seen = ours.recv(4096, socket.MSG_PEEK)
        except OSError:
            return line  # In time nothing came, or ssh is gone.
        if not seen:
            return line
        line += ours.recv(seen.find(b"\n") + 1 or len(seen))
    return line


def _read_said(said: IO[bytes]) -> str:
    """What ssh wrote to standard error so far, without waiting."""
    try:
        return os.read(said.fileno(), SAID_LIMIT).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
