"""The same service for launchd of macOS, as the text of a property list.

Pure. Only its form is tested: it was never run on a Mac. ``AbandonProcessGroup`` is what
``KillMode=process`` is to systemd: the agents of a keeper that ended are left alone.
"""

from __future__ import annotations

import plistlib
from xml.parsers.expat import ExpatError

from supervisor.core.service_unit import RESTART_S, STOP_S, Service

LABEL = "longwatch."
_DIRECTORY = "LongwatchDirectory"
"""launchd ignores keys that it does not know; by this one we know our own."""


def plist_name(name: str) -> str:
    """The file of that service."""
    return f"{LABEL}{name}.plist"


def plist_text(service: Service, name: str, log: str) -> str:
    """The property list; standard error of a failed start goes to ``log``."""
    content = {
        "Label": f"{LABEL}{name}",
        "ProgramArguments": list(service.argv),
        "EnvironmentVariables": {"PATH": service.path},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": max(10, RESTART_S),
        "ExitTimeOut": STOP_S,
        "AbandonProcessGroup": True,
        "StandardErrorPath": log,
        _DIRECTORY: service.directory,
    }
    return plistlib.dumps(content, sort_keys=False).decode()


def directory_of(text: str) -> str | None:
    """Which project a property list of ours is for; None for one of somebody else."""
    try:
        content = plistlib.loads(text.encode())
    except (plistlib.InvalidFileException, ExpatError, ValueError, UnicodeEncodeError):
        return None
    directory = content.get(_DIRECTORY) if isinstance(content, dict) else None
    return directory if isinstance(directory, str) else None
