"""What systemd and its user manager say: a few bounded calls of ``systemctl`` and ``loginctl``.

Where there is no systemd, or no user manager answers (a container, ``su``, a minimal ssh), every
question has the answer None or False and nothing is tried.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from pathlib import Path

from supervisor.errors import EnvironmentFaultError

CALL_TIMEOUT_S = 30.0
"""``start`` of Type=exec returns when the program was executed; the rest is instant."""
ASK_TIMEOUT_S = 5.0
LINGER_DIR = Path("/var/lib/systemd/linger")


class UserManager:
    """The systemd of this user. Reads the machine anew at each call."""

    def answers(self) -> bool:
        """Whether ``systemctl --user`` reaches it."""
        return self._ask("show", "--property=Version") is not None

    def call(self, *words: str) -> None:
        """``systemctl --user WORDS``; EnvironmentFaultError with what it said when it refuses."""
        shown = f"systemctl --user {' '.join(words)}"
        try:
            done = _systemctl(words, CALL_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EnvironmentFaultError(f"{shown} failed: {error}") from error
        if done.returncode != 0:
            raise EnvironmentFaultError(
                f"{shown} failed",
                why=(done.stderr or done.stdout).strip()[-1000:],
                fix="See: journalctl --user -e",
            )

    def properties(self, unit: str) -> dict[str, str]:
        """How that unit stands; empty when nobody answers."""
        wanted = "LoadState,ActiveState,SubState,UnitFileState,MainPID,NeedDaemonReload"
        text = self._ask("show", f"--property={wanted}", "--", unit)
        pairs = (line.partition("=") for line in (text or "").splitlines())
        return {name: value for name, _, value in pairs}

    def lingers(self) -> bool | None:
        """Whether this user's services run while nobody is logged in; None when unknown."""
        user = getpass.getuser()
        if shutil.which("loginctl") is not None:
            said = _output(["loginctl", "show-user", user, "--property=Linger", "--value"])
            if said is not None and said.strip() in ("yes", "no"):
                return said.strip() == "yes"
        if not LINGER_DIR.parent.is_dir():
            return None
        return (LINGER_DIR / user).exists()

    def _ask(self, *words: str) -> str | None:
        if shutil.which("systemctl") is None:
            return None
        try:
            done = _systemctl(words, ASK_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None


def _systemctl(words: tuple[str, ...], timeout_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemctl", "--user", "--no-pager", *words],
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=timeout_s,
        env=_environment(),
    )


def _environment() -> dict[str, str]:
    """With the runtime directory that a bare ssh or ``su`` does not name: the bus is in it."""
    found = dict(os.environ)
    runtime = Path(f"/run/user/{os.getuid()}")
    if "XDG_RUNTIME_DIR" not in found and runtime.is_dir():
        found["XDG_RUNTIME_DIR"] = str(runtime)
    return found


def _output(argv: list[str]) -> str | None:
    try:
        done = subprocess.run(
            argv, check=False, capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, timeout=ASK_TIMEOUT_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
