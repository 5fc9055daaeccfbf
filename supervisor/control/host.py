"""Another machine an engine runs on: how it is named, and the ssh command that reaches it.

Pure. Nothing here is done by us that the user's own ssh could do: addresses, keys, jumps and
aliases are those of their configuration. What we add closes what must never happen unseen: a
prompt behind the screen, a dead line that is not noticed, a forwarded port.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from supervisor.errors import UserError

CONNECT_TIMEOUT_S = 15
"""Longest wait of ssh for the other machine to answer at all."""
ALIVE_EVERY_S = 10
"""Seconds of silence after which ssh asks whether the other end lives; three times, then it is
lost (OpenSSH's ServerAliveInterval)."""
SSH = ("ssh",)
COMMAND = ("longwatch",)
MAX_ADDRESS = 255
_ADDRESS = re.compile(r"[A-Za-z0-9_.@%+][A-Za-z0-9_.@%+-]*", re.ASCII)
_LABEL = re.compile(r"[^A-Za-z0-9._@-]")


@dataclass(frozen=True, slots=True)
class RemoteHost:
    """A machine, and the project directory there."""

    name: str
    """What the operator calls it; no ``/`` in it."""
    address: str
    """As ssh takes it: an alias of its configuration, a name, or user@name."""
    directory: str | None = None
    """On that machine; ``~/`` and relative paths start at the home there. None: what is at home."""
    word: str = ""
    """What stands after ``--host`` for it."""
    command: tuple[str, ...] = COMMAND
    """Longwatch there; a first word that begins with ``~/`` is below the home there."""
    ssh: tuple[str, ...] = SSH
    """The ssh to use, with options that go before ours."""
    carrier: tuple[str, ...] = ()
    """The command that joins its streams to the engine there, in the place of ssh."""

    @property
    def program(self) -> str:
        """The command that a person types here to reach it."""
        return f"longwatch --host {shlex.quote(self.word)}"


def parse_host(word: str, ssh: tuple[str, ...] = SSH) -> RemoteHost:
    """``user@box`` or ``user@box:dir``; UserError for what is no address."""
    address, _mark, directory = word.partition(":")
    if not is_address(address):
        raise UserError(
            f"found {word[:80]!r}, expected user@box or user@box:dir",
            fix="A port belongs into ~/.ssh/config, as `Port` of that host",
            where="--host",
        )
    return RemoteHost(_LABEL.sub("_", address), address, directory or None, word, ssh=ssh)


def is_address(text: str) -> bool:
    """Whether ssh may be given this as a destination: nothing that could be an option."""
    return _ADDRESS.fullmatch(text) is not None and len(text) <= MAX_ADDRESS


def ssh_argv(host: RemoteHost, words: list[str], *, is_batch: bool) -> list[str]:
    """The command that runs ``longwatch WORDS…`` there, in ``host.directory``.

    ``is_batch``: it fails where it would have to ask a person. Options that come first win in
    ssh, so those of ``host.ssh`` can replace ours. A carrier knows how to ``dial`` and no more.
    """
    if host.carrier:
        if words[:1] != ["dial"]:
            raise UserError(
                f"longwatch {words[0]} is run on the machine itself",
                fix="Reach it over ssh: --host user@box",
                where=f"--host {host.word}",
            )
        return list(host.carrier)
    options = [
        f"ConnectTimeout={CONNECT_TIMEOUT_S}",
        f"ServerAliveInterval={ALIVE_EVERY_S}",
        "ServerAliveCountMax=3",
        "ClearAllForwardings=yes",
        "RemoteCommand=none",
        *(["BatchMode=yes"] if is_batch else []),
    ]
    flags = [part for option in options for part in ("-o", option)]
    return [*host.ssh, "-T", *flags, "--", host.address, remote_line(host, words)]


def remote_line(host: RemoteHost, words: list[str]) -> str:
    """What the login shell there is given: every shell passes a quoted word to sh as it is.

    Where pipx puts programs is on the PATH of login shells alone, and ssh starts none.
    """
    first, *rest = host.command
    where = [] if host.directory is None else ["-C", _home_word(host.directory)]
    program = " ".join(
        [_home_word(first), *map(shlex.quote, rest), *where, *map(shlex.quote, words)]
    )
    script = f'PATH="$PATH:$HOME/.local/bin"; export PATH; exec {program}'
    return f"sh -c {shlex.quote(script)}"


def _home_word(path: str) -> str:
    """A shell word; ``~`` is the home there."""
    if path == "~":
        return '"$HOME"'
    if path.startswith("~/"):
        return f'"$HOME"/{shlex.quote(path[2:])}'
    return shlex.quote(path)
