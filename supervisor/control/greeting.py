"""The first words between two longwatches: which version, which protocol, and what follows.

Pure. Two kinds: the line that ``longwatch dial`` writes before it joins a client to the socket,
and the ``hello`` call that every client makes. A different version with the same protocol number
works and is said; a different protocol is for looking only, and who has to upgrade is said.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from supervisor import __version__
from supervisor.control.messages import PROTOCOL, CallRefusedError
from supervisor.core.text import safe_text
from supervisor.errors import (
    EnvironmentFaultError,
    HeldElsewhereError,
    LongwatchError,
    NotRunningError,
    UserError,
)

DIAL = "dial"
OTHER_PROTOCOL = "protocol"
"""Code of the refusal of a client that speaks another protocol."""
READ_ONLY = "read_only"
"""Code of the refusal of a change by such a client."""

READING = frozenset(
    {
        "hello", "snapshot", "subscribe", "log", "history", "checkpoints", "journal", "queue",
        "tasks", "task", "services", "events", "past", "hosts", "metrics",
    }
)  # fmt: skip
"""Methods of a client that only looks; what is not here may change something."""

_KINDS: dict[str, type[LongwatchError]] = {
    "user": UserError,
    "not_running": NotRunningError,
    "held": HeldElsewhereError,
    "environment": EnvironmentFaultError,
}


@dataclass(frozen=True, slots=True)
class DialGreeting:
    """What ``longwatch dial`` says of itself, once the engine there can be reached."""

    version: str
    protocol: int
    directory: str
    started: bool
    """Whether keeper and engine had to be started."""


def greeting_line(directory: str, *, started: bool) -> bytes:
    """What ``dial`` writes first."""
    said = {"version": __version__, "protocol": PROTOCOL, "directory": directory}
    return _line({"longwatch": DIAL, **said, "started": started})


def refusal_line(error: LongwatchError) -> bytes:
    """What ``dial`` writes instead when it cannot join anything."""
    kind = next((name for name, made in _KINDS.items() if isinstance(error, made)), "environment")
    told = {"kind": kind, "what": error.what, "why": error.why, "fix": error.fix}
    return _line({"longwatch": DIAL, "version": __version__, "protocol": PROTOCOL, "error": told})


def read_greeting(line: bytes, host: str) -> DialGreeting | None:
    """The greeting in ``line``; None when it is something else, a message of the day perhaps.

    Raises the error that the other side met, as ours, with ``host`` as where.
    """
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or said.get("longwatch") != DIAL:
        return None
    error = said.get("error")
    if isinstance(error, dict):
        what, why, fix = (
            safe_text(str(error.get(k, "")), limit=600) for k in ("what", "why", "fix")
        )
        kind = _KINDS.get(str(error.get("kind")), EnvironmentFaultError)
        raise kind(f"on {host}: {what}", why=why, fix=f"There: {fix}" if fix else "")
    protocol = said.get("protocol")
    return DialGreeting(
        safe_text(str(said.get("version", "?")), limit=40),
        protocol if isinstance(protocol, int) else 0,
        safe_text(str(said.get("directory", "")), limit=400),
        said.get("started") is True,
    )


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode("ascii") + b"\n"


# -- hello ------------------------------------------------------------------------------------


def hello_params(client: str, *, read_only: bool = False) -> dict[str, Any]:
    """Parameters of ``hello``."""
    said: dict[str, Any] = {"client": client, "version": __version__, "protocol": PROTOCOL}
    return {**said, "read_only": True} if read_only else said


def is_other_protocol(error: CallRefusedError) -> bool:
    """Whether the engine may still be looked at: ``hello`` again with ``read_only``."""
    return error.code == OTHER_PROTOCOL


def difference(engine: dict[str, Any], where: str) -> str:
    """One sentence when the engine is of another version than we are; empty when not."""
    version = safe_text(str(engine.get("version", "?")), limit=40)
    protocol = engine.get("protocol", PROTOCOL)
    if protocol != PROTOCOL:
        older = where if isinstance(protocol, int) and protocol < PROTOCOL else "this machine"
        return (
            f"{where} runs longwatch {version} (protocol {protocol}), here is {__version__} "
            f"(protocol {PROTOCOL}): looking only; to act, upgrade longwatch on {older}"
        )
    if version != __version__:
        return (
            f"{where} runs longwatch {version}, here is {__version__}; they understand each other"
        )
    return ""


def protocol_refusal(client_protocol: int) -> CallRefusedError:
    """What the engine answers to a ``hello`` of another protocol that wants to act."""
    is_client_newer = client_protocol > PROTOCOL
    fix = (
        "Upgrade longwatch where the engine runs, then there: longwatch upgrade-engine"
        if is_client_newer
        else "Upgrade longwatch where you are"
    )
    return CallRefusedError(
        f"this engine ({__version__}) speaks protocol {PROTOCOL}, the client {client_protocol}",
        code=OTHER_PROTOCOL,
        why="They would misunderstand each other; looking is possible",
        fix=fix,
    )


def read_only_refusal(method: str) -> CallRefusedError:
    """What the engine answers when a client that only looks wants a change."""
    return CallRefusedError(
        f"{method} is refused: this client speaks another protocol and may only look",
        code=READ_ONLY,
        fix="Use the same version of longwatch on both sides",
    )
