"""``[metrics]``: who may read the figures from outside, and when many retries are too many."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from supervisor.config import defaults as d
from supervisor.config.model import Span, Table, wrong

LOCAL_NAMES = frozenset({"localhost"})
_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]{1,5})")
ADDRESS = 'an address of this machine alone, such as "127.0.0.1:9464"'
URL = 'the address of a collector, such as "http://127.0.0.1:4318"'


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int


def parse_address(text: str) -> Address | None:
    """Host and port; None for anything else."""
    found = _ADDRESS.fullmatch(text.strip())
    if found is None or not 1 <= int(found["port"]) <= 65535:
        return None
    return Address(found["six"] or found["host"], int(found["port"]))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that host."""
    if host in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _address(value: object) -> object:
    address = parse_address(value) if isinstance(value, str) else None
    if address is None:
        raise wrong("no address with a port", ADDRESS)
    if not is_loopback(address.host):
        raise wrong(
            "other machines could read it, and there is no password",
            ADDRESS,
            "Let Prometheus run here, or reach it through ssh -L.",
        )
    return value


def _url(value: object) -> object:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        fits = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
        fits = fits and parts is not None and (parts.port or 1) > 0
    except ValueError:
        fits = False
    if not fits:
        raise wrong("no address of a collector", URL)
    if parts is not None and (parts.username or parts.password):
        raise wrong("a password in an address is shown wherever the address is", URL,
                    "Put it into headers: otlp_headers_env.")  # fmt: skip
    return value


class MetricsSection(Table):
    """``[metrics]``."""

    prometheus: Annotated[str, BeforeValidator(_address)] | None = None
    """Where Prometheus may scrape; None: nowhere."""
    otlp: Annotated[str, BeforeValidator(_url)] | None = None
    """Where spans and figures are sent (OTLP over HTTP); None: nowhere."""
    otlp_headers_env: str | None = None
    """The variable that holds headers (``name=value,…``): a token does not belong in a file."""
    spike_window: Span = d.SPIKE_WINDOW_S
    """Retries are counted over so long."""
    spike_factor: Annotated[float, Field(gt=1, le=1000)] = d.SPIKE_FACTOR
    """So many times the agent's own usual number is too many."""
    spike_minimum: Annotated[int, Field(ge=1, le=1_000_000)] = d.SPIKE_MINIMUM
    """Fewer in a window are never a spike."""


def address_of(section: MetricsSection) -> Address | None:
    """Where to listen for Prometheus."""
    return parse_address(section.prometheus) if section.prometheus is not None else None
