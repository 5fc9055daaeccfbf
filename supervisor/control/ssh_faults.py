"""What went wrong on the way to another machine, told from what ssh said. Pure.

ssh ends with 255 for everything of its own and otherwise with the status of what it ran, so the
words decide. They are those of OpenSSH 7 to 10; an unknown one is shown as it is.
"""

from __future__ import annotations

from supervisor.control.host import RemoteHost
from supervisor.control.messages import ConnectionLostError
from supervisor.core.text import safe_text

SHOWN = 600
"""Characters of what ssh said that are shown."""
SSH_FAILED = 255
NOT_FOUND = 127


class HostFaultError(ConnectionLostError):
    """A machine cannot be reached, or nothing of ours answers there."""

    def __init__(self, what: str, *, why: str = "", fix: str = "", needs_person: bool) -> None:
        super().__init__(what, why=why, fix=fix)
        self.needs_person = needs_person
        """ssh would have to ask something: a password, a passphrase, whether a key is right."""


_OWN_WORDS: tuple[tuple[tuple[str, ...], str, str, bool], ...] = (
    (
        ("REMOTE HOST IDENTIFICATION HAS CHANGED",),
        "the key of {name} is not the one that is known",
        "If it was set up anew: ssh-keygen -R {bare}, then ssh {address}; if not, do not connect",
        False,
    ),
    (
        ("Host key verification failed", "No matching host key"),
        "the key of {name} is not known here yet",
        "Connect once by hand and compare it: ssh {address}",
        True,
    ),
    (
        ("Permission denied", "Too many authentication failures"),
        "{name} refused the key",
        "Try: ssh {address}; to put your key there: ssh-copy-id {address}",
        True,
    ),
    (
        ("Could not resolve hostname", "Name or service not known"),
        "no machine is called {name}",
        "Check the name, or give it an address in ~/.ssh/config",
        False,
    ),
    (
        ("Connection refused",),
        "nothing accepts ssh at {name}",
        "Is sshd running there, and on that port?",
        False,
    ),
    (
        ("timed out", "No route to host", "Network is unreachable", "Host is down"),
        "{name} does not answer",
        "Is it on, and is the network (a VPN?) up?",
        False,
    ),
)


def fault_of(host: RemoteHost, status: int | None, said: str, printed: str) -> HostFaultError:
    """Why no engine answers.

    ``status`` is the exit status of ssh, None when it still runs; ``said`` its standard error;
    ``printed`` what came instead of our greeting.
    """
    names = {"name": host.name, "address": host.address, "bare": host.address.split("@")[-1]}
    words = safe_text((said.strip() or printed.strip())[-SHOWN:], keep_newlines=True)
    if status is None:
        return HostFaultError(
            f"{host.name} was reached, but longwatch there did not answer in time",
            why=words,
            fix=f"Try: ssh {host.address} longwatch status",
            needs_person=False,
        )
    if status == SSH_FAILED:
        for marks, what, fix, needs_person in _OWN_WORDS:
            if any(mark in said for mark in marks):
                return HostFaultError(
                    what.format(**names), why=words, fix=fix.format(**names),
                    needs_person=needs_person,
                )  # fmt: skip
        return HostFaultError(
            f"the connection to {host.name} failed",
            why=words or "ssh said nothing",
            fix=f"Try: ssh {host.address}",
            needs_person=False,
        )
    if status == NOT_FOUND or "not found" in said:
        return HostFaultError(
            f"longwatch is not installed on {host.name}, or not where ssh finds it",
            why=words,
            fix="Install it there (pipx install longwatch), or say where it is: "
            f'[hosts.{host.name}] command = ["/path/to/longwatch"] in config.toml',
            needs_person=False,
        )
    if "there is no command 'dial'" in said:
        return HostFaultError(
            f"longwatch on {host.name} is too old to be reached from here",
            why=words,
            fix="Upgrade it there, then: longwatch upgrade-engine",
            needs_person=False,
        )
    return HostFaultError(
        f"what answered on {host.name} is not longwatch (exit status {status})",
        why=words,
        fix=f"Try: ssh {host.address} {' '.join(host.command)} status",
        needs_person=False,
    )


def why_ended(host: RemoteHost, said: str) -> str:
    """One line on why a connection that stood is gone; empty when ssh did not say."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return f"{host.name}: {safe_text(lines[-1], limit=200)}" if lines else ""
