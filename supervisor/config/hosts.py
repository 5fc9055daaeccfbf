"""``[hosts.NAME]``: machines that ``--host NAME`` means, and how each is reached."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from supervisor.config.model import Table

Address = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@%+][A-Za-z0-9_.@%+-]*$", max_length=255)]
Words = Annotated[list[str], Field(min_length=1)]


class HostTable(Table):
    """``[hosts.NAME]``: another machine."""

    address: Address
    """As ssh takes it: an alias of ~/.ssh/config, a name, or user@name."""
    directory: str | None = None
    """The project's directory there; without, the home directory there."""
    command: Words = Field(default_factory=lambda: ["longwatch"])
    """Longwatch there, when it is not on the PATH."""
    ssh: Words = Field(default_factory=lambda: ["ssh"])
    """The ssh to use, with options of its own."""
