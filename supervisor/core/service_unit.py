"""The text of a service that keeps one project running: a systemd user unit, and its name.

Pure: paths come in as text, the unit goes out as text. Its surprising part is what it does *not*
end. Agents outlive their keeper, and the next keeper adopts them, so a stop, a restart or a crash
of the service must take the keeper alone (``KillMode=process``), and an agent that the kernel ends
for its memory must not take the service with it (``OOMPolicy=continue``; the default stops it).

What stands in a path never acts: ``%`` starts a specifier of systemd, ``"`` and a backslash are
its quoting, and the colon before the program turns off its ``$`` variables
(systemd.service(5), systemd.syntax(7); v244 or newer).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

PREFIX = "longwatch-"
SUFFIX = ".service"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
"""What may be called a service as it is; ``@`` and ``:`` have a meaning in names of units."""
RESTART_S = 2
"""From the keeper's death to the next one: no storm, and agents miss nothing in that time."""
STOP_S = 30
"""Until SIGKILL for a keeper that does not leave; it gives its engine 5 s of them."""
NO_RETRY = "2 3"
"""Exit statuses that no repetition mends: a wrong configuration, another keeper in the place."""
_MARKER = re.compile(r"^Directory=(\".*\")$", re.MULTILINE)
_HARMLESS = re.compile(r"[A-Za-z0-9_./:=+,@-]+")
_UNSAFE_PROGRAM = re.compile(r"[\"'\\]")
"""systemd refuses a program with one of these in its path, quoted or not."""


@dataclass(frozen=True, slots=True)
class Service:
    """What is to be kept running, for systemd and launchd alike."""

    directory: str
    """The project, absolute."""
    argv: tuple[str, ...]
    """The program, an absolute path, and its arguments: a keeper in the foreground."""
    reload_argv: tuple[str, ...]
    """Lets the program as it is installed now take over; agents go on."""
    path: str
    """PATH of the one who installs: a user manager knows little of it."""
    environment_file: str
    """Read at each start when it is there: secrets belong in it, not in the unit."""


class Found(Enum):
    """What stands where the unit is to be."""

    NOTHING = "not installed"
    SAME = "as installed"
    CHANGED = "changed"
    """Of this project, with other content: edited, or made by another version or shell."""
    OTHER_PROJECT = "of another project"
    FOREIGN = "not ours"


def service_name(directory: str) -> str:
    """The name for a project: that of its directory, made distinct when it cannot stand as it is.

    Two directories of one name clash; who installs sees that and gives another name.
    """
    last = directory.rstrip("/").rpartition("/")[2]
    if NAME.fullmatch(last):
        return last
    kept = re.sub(r"[^A-Za-z0-9_.-]+", "-", last)[:40].strip("-.") or "project"
    return f"{kept}-{_digest(directory)}"


def unit_name(name: str) -> str:
    """The file of that service."""
    return f"{PREFIX}{name}{SUFFIX}"


def problem_with(words: Sequence[str]) -> str | None:
    """Why these cannot stand in a unit, naming the first; None when they can."""
    for word in words:
        if not word.isprintable():
            return f"{word!r} holds a character that no service manager takes in a path"
    return None


def unit_text(service: Service) -> str:
    """The unit; the same text for the same service. ``problem_with`` has let its words pass."""
    return f"""\
# Made by `longwatch service install`, which writes it anew with --force.
# Settings of your own survive that in a drop-in: systemctl --user edit NAME
[Unit]
Description=Longwatch in {_plain(service.directory)}
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={_command(service.argv)}
ExecReload={_command(service.reload_argv)}
# Agents outlive the keeper and the next one adopts them: no stop and no restart ends them.
KillMode=process
# One that the kernel ends for its memory is restarted by us; it must not stop the service.
OOMPolicy=continue
Restart=on-failure
RestartSec={RESTART_S}
RestartPreventExitStatus={NO_RETRY}
TimeoutStopSec={STOP_S}
Environment={_quoted(f"PATH={service.path}")}
EnvironmentFile=-{_globbed(service.environment_file)}

[Install]
WantedBy=default.target

[X-Longwatch]
Directory={json.dumps(service.directory)}
"""


def directory_of(text: str) -> str | None:
    """Which project a unit of ours is for; None for a unit of somebody else."""
    found = _MARKER.search(text)
    if found is None or "[X-Longwatch]" not in text:
        return None
    try:
        directory = json.loads(found[1])
    except ValueError:
        return None
    return directory if isinstance(directory, str) else None


def compare(there: str | None, wanted: str, directory: str, owner: str | None) -> Found:
    """What stands in the place of ``wanted``; ``owner`` is the project that ``there`` names."""
    if there is None:
        return Found.NOTHING
    if there == wanted:
        return Found.SAME
    if owner is None:
        return Found.FOREIGN
    return Found.CHANGED if owner == directory else Found.OTHER_PROJECT


def differences(there: str, wanted: str) -> tuple[str, ...]:
    """The lines that differ, as ``- there`` and ``+ wanted``."""
    old, new = there.splitlines(), wanted.splitlines()
    gone = [f"- {line}" for line in old if line not in new]
    return (*gone, *(f"+ {line}" for line in new if line not in old))


def _command(argv: Sequence[str]) -> str:
    if _UNSAFE_PROGRAM.search(argv[0]):
        # A shell with fixed words starts it: what is hostile stays an argument.
        argv = ("/bin/sh", "-c", 'exec "$0" "$@"', *argv)
    return " ".join((_quoted(f":{argv[0]}"), *map(_quoted, argv[1:])))


def _quoted(word: str) -> str:
    """A word as it is where it can stand so, else in quotes."""
    if _HARMLESS.fullmatch(word):
        return word
    inner = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{inner}"'


def _plain(text: str) -> str:
    """For people; a backslash at the end of a line would join it with the next."""
    return text.replace("%", "%%").replace("\\", "/")


def _globbed(path: str) -> str:
    """A path that is taken as a pattern: what would match something stands for itself."""
    return re.sub(r"([\\*?\[])", r"\\\1", path).replace("%", "%%")


def _digest(directory: str) -> str:
    return hashlib.sha256(directory.encode("utf-8", "surrogateescape")).hexdigest()[:8]
