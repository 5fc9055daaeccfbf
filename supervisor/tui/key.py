"""What one row of the table of keys says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """One thing a key does."""

    id: str
    keys: str
    """Textual key names, joined by commas."""
    action: str
    label: str
    """One or two words, for the footer and the palette."""
    tooltip: str
    """One sentence, for the help."""
    scope: str
    rank: int = 0
    """Place in the footer, 1 first to stay when it is narrow; 0 is not shown there."""
    shown: str = ""
    """How the keys are written for people; empty is as they are."""
    asks: bool = False
    """Destructive: does nothing before the operator confirmed it."""
    priority: bool = False
    """Works while a text field has the focus."""
