"""Machines with networks of their own: a namespace for each, joined by a bridge."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


def why_not() -> str | None:
    """Why no namespaces can be made here."""
    if shutil.which("ip") is None:
        return "iproute2 is not installed"
    made = subprocess.run(["ip", "netns", "add", _name("try")], capture_output=True, check=False)
    if made.returncode:
        return "the rights for network namespaces are missing"
    subprocess.run(["ip", "netns", "del", _name("try")], check=False)
    return None


def _name(what: str) -> str:
    return f"lw{os.getpid() % 100000}{what}"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


class Network:
    """A bridge in our namespace; every machine hangs on it by a cable that can be pulled."""

    def __init__(self) -> None:
        self._bridge = _name("b")
        # One of its own: another test's bridge, or one left by a killed run, takes no packets.
        self._subnet = f"10.{100 + os.getpid() // 250 % 150}.{os.getpid() % 250}"
        self.address = f"{self._subnet}.1"
        """Where the servers are."""
        self._machines: list[str] = []

    def machine(self, name: str) -> list[str]:
        """A new machine; the words that run a command on it."""
        number = len(self._machines) + 2
        self._machines.append(name)
        space, ours = _name(name[:3]), self._cable(name)
        _ip("netns", "add", space)
        _ip("link", "add", ours, "type", "veth", "peer", "name", "eth0", "netns", space)
        _ip("link", "set", ours, "master", self._bridge, "up")
        _ip("-n", space, "addr", "add", f"{self._subnet}.{number}/24", "dev", "eth0")
        _ip("-n", space, "link", "set", "eth0", "up")
        _ip("-n", space, "link", "set", "lo", "up")
        return ["ip", "netns", "exec", space]

    def cut(self, name: str) -> None:
        """Pull its cable: nothing is refused, packets are lost."""
        _ip("link", "set", self._cable(name), "down")

    def mend(self, name: str) -> None:
        """Put it back."""
        _ip("link", "set", self._cable(name), "up")

    def _cable(self, name: str) -> str:
        return _name("c" + name[:3])

    def _begin(self) -> None:
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", f"{self.address}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")

    def _end(self) -> None:
        for name in self._machines:
            subprocess.run(["ip", "netns", "del", _name(name[:3])], check=False)
        subprocess.run(["ip", "link", "del", self._bridge], check=False, capture_output=True)


@contextmanager
def network() -> Iterator[Network]:
    """Gone with everything in it afterwards."""
    made = Network()
    made._begin()
    try:
        yield made
    finally:
        made._end()
