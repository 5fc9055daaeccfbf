"""Forks one writer after the other for the kill points: ``zygote.py FD``, a socket to the driver.

A point costs what starting Python and importing cost, unless that is paid once: this process
imports everything, and each *stall* forked from it is traced by one strace that kills, or refuses
a call, at the W-th call of a thread. strace counts for each thread, from its birth. So a writer
that is to die at its k-th call first makes W - k vain calls of that kind, and one strace serves
every point. A stall itself makes none of the calls that strace looks for.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import writers

PR_SET_PTRACER = 0x59616D61
"""<linux/prctl.h>; with -1, who is no descendant of strace may be traced by it too."""
NOBODY = 0x3FFFFFFF
NO_FILE = 999_999
MAX_MESSAGE_BYTES = 4096
_UNCONNECTED = socket.socket(socket.AF_UNIX)
VAIN: dict[str, Callable[[], object]] = {
    "openat": lambda: os.open("", os.O_RDONLY),
    "write": lambda: os.write(-1, b""),
    "pwrite64": lambda: os.pwrite(-1, b"", 0),
    "fsync": lambda: os.fsync(NO_FILE),
    "fdatasync": lambda: os.fdatasync(NO_FILE),
    "ftruncate": lambda: os.ftruncate(NO_FILE, 0),
    "rename": lambda: os.rename("", ""),
    "renameat": lambda: os.rename("", "", src_dir_fd=-1, dst_dir_fd=-1),
    "mkdir": lambda: os.mkdir(""),
    "mkdirat": lambda: os.mkdir("", dir_fd=-1),
    "unlink": lambda: os.unlink(""),
    "close": lambda: os.close(-1),
    "sendto": lambda: _UNCONNECTED.send(b""),
    "recvfrom": lambda: _UNCONNECTED.recv(1, socket.MSG_DONTWAIT),
    "waitid": lambda: os.waitid(os.P_PID, NOBODY, os.WEXITED),
    "kill": lambda: os.kill(NOBODY, 0),
}
"""A call of each kind that fails and changes nothing; Python makes just this one for it."""


def waste(call: str, times: int) -> None:
    """Count ``call`` up without any effect."""
    vain = VAIN[call]
    for _ in range(times):
        try:
            vain()
        except OSError:
            continue  # Each of them fails.


def live(order: dict[str, Any]) -> int:
    """One life of a writer; its exit status. Everything it prints goes to the file ``out``."""
    out = os.open(order["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ["LIFE"] = str(order["life"])
    run = threading.Thread.run

    def run_later(thread: threading.Thread) -> None:
        if order["thread"] == "other":
            waste(order["call"], order["waste"])
        run(thread)

    def ready() -> None:
        os.getpgid(0)
        if order["thread"] == "main":
            waste(order["call"], order["waste"])

    threading.Thread.run = run_later  # type: ignore[method-assign]
    writers.ready = ready
    status = 0
    try:
        status = writers.SUBJECTS[order["subject"]](Path(order["place"])) or 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001  what Python itself would do at the end of a program
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    return status


def be_a_stall(driver: socket.socket) -> None:
    """Fork a writer for each order until the driver is gone."""
    os.setpgrp()  # Not a session of its own: strace and the writer are to be scheduled as one.
    # Not recv and send, nor waitid: those are among what the keeper is hit at.
    while order := driver.recvmsg(MAX_MESSAGE_BYTES)[0]:
        pid = os.fork()
        if pid == 0:
            driver.close()
            os._exit(live(json.loads(order)))
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        driver.sendmsg([json.dumps({"pid": pid, "status": status}).encode()])


def main() -> None:
    """Import everything, then a stall for each descriptor that the driver sends."""
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(-1 & (2**64 - 1)), 0, 0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Stalls are not waited for.
    writers.warm()
    driver = socket.socket(fileno=int(sys.argv[1]))
    while True:
        message, descriptors, _flags, _address = socket.recv_fds(driver, MAX_MESSAGE_BYTES, 1)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            driver.close()
            be_a_stall(socket.socket(fileno=descriptors[0]))
            os._exit(0)
        os.close(descriptors[0])
        driver.send(json.dumps({"pid": pid}).encode())


if __name__ == "__main__":
    main()
