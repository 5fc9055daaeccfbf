"""A standing approval: what the operator allowed for good. What it does is in ``core.always``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class AlwaysRule:
    """The operator's word for every later request that is exactly this one."""

    id: str
    """``A1``, ``A2`` …: what people type."""
    agent: str
    cwd: str
    """Where the agent worked: the same argv elsewhere does something else."""
    sha256: str
    """Hash of the canonical request that was shown."""
    title: str
    action: Any
    """As in ``Request``: raw."""
    set_by: str
    set_at: float
    """Unix seconds, as is ``expires_at``."""
    expires_at: float
    request_id: str
    """The request whose answer made it."""
