"""Who may see the interface in a browser. Pure.

Owns the token and every check of a request. The adversary is a web page: one that guesses ports
of this machine (the token stops it), one whose name is made to point here (the Host check), and
one that uses the browser's own cookie for its requests (SameSite, the Origin check, and no frame).
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
    "img-src 'self' data:; connect-src 'self' {socket}; base-uri 'none'; form-action 'none'; "
    # Without allow-popups: an address in what an agent wrote opens nothing.
    "frame-ancestors 'none'; sandbox allow-scripts allow-same-origin"
)
"""Everything from here, nothing from elsewhere. xterm.js sets styles on its elements."""
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Verdict(Enum):
    """What becomes of a request."""

    LET_IN = "let in"
    """It carries the cookie."""
    GIVE_COOKIE = "give cookie"
    """It carries the token."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the gate looks at."""

    path: str
    host: str
    """The Host header."""
    origin: str | None
    fetch_site: str | None
    """Sec-Fetch-Site, of browsers that send it."""
    fetch_mode: str | None
    token: str | None
    cookie: str | None


@dataclass(frozen=True, slots=True)
class Gate:
    """The checks of one server."""

    token: str
    """In the address that was printed."""
    cookie: str
    """What a browser holds once it showed the token."""
    address: str
    """Where the server listens."""
    socket_path: str = "/ws"

    def judge(self, asked: Asked) -> Verdict | str:
        """Let in or give the cookie; a text says why neither."""
        if not self._is_our_name(asked.host):
            return f"this is not served as {asked.host[:100] or 'no name'}"
        if asked.origin is not None and not _is_origin(asked.origin, asked.host):
            return "another page may not use this one"
        if asked.path == self.socket_path and asked.origin is None:
            return "only a page from here may connect"
        if asked.fetch_site in ("cross-site", "same-site") and asked.fetch_mode != "navigate":
            return "another page may not use this one"
        if asked.path == "/" and asked.token is not None and _is_same(asked.token, self.token):
            return Verdict.GIVE_COOKIE
        if asked.cookie is not None and _is_same(asked.cookie, self.cookie):
            return Verdict.LET_IN
        return "open the address that `longwatch serve` printed, with its token"

    def _is_our_name(self, host: str) -> bool:
        name = host_name(host)
        if name in LOOPBACK_NAMES or name == self.address:
            return True
        # A name can be made to point anywhere; a number cannot.
        return not is_loopback(self.address) and _is_number(name)


def is_loopback(address: str) -> bool:
    """Whether only this machine can connect there."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def host_name(host: str) -> str:
    """The name in a Host header, without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if host.count(":") == 1 else host.lower()


def page_headers(host: str) -> Mapping[str, str]:
    """The headers of every answer; ``host`` has passed ``judge``."""
    policy = PAGE_POLICY.format(socket=f"ws://{host} wss://{host}")
    return {**HEADERS, "Content-Security-Policy": policy}


def _is_origin(origin: str, host: str) -> bool:
    return origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())
