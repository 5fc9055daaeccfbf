"""The end of a command, with and without a library whose threads outlive it."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("temporalio")


@pytest.mark.parametrize("library", ["json", "temporalio"])
def test_what_was_printed_and_the_exit_status_arrive(library: str) -> None:
    program = (
        f"import sys, {library}\nfrom supervisor.fleet.leaving import leave\n"
        "print('said', end='')\nprint('told', end='', file=sys.stderr)\nleave(3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=40, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "said", "told")


def test_a_thread_that_outlives_the_library_does_not_abort_a_command() -> None:
    program = (
        "import atexit, temporalio\nfrom supervisor.fleet.leaving import leave\n"
        "atexit.register(print, 'the interpreter ended itself')\nleave(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=40, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
