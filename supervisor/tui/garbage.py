"""When the interpreter looks for unreachable objects, so that no key waits for it.

Owns nothing but that. A full look takes 40 to 70 ms over the few hundred thousand objects that a
screen and a thousand runs are, and would come in the middle of a key press. Nearly all of them
live as long as the interface: they are counted once, when the first picture stands, and set aside.
Must be used by the process of the interface alone: it is the interpreter's, not an object's.
"""

from __future__ import annotations

import gc

SETTLED_S = 3.0
"""Seconds after the start at which what lives long is there."""


YOUNG, MIDDLE, OLD = 2000, 10, 100
"""Objects made and not gone before the youngest are looked at, and looks of one age before the
next: with a thousand agents all of it about once a minute, where the usual numbers make it 15 s."""


def hold() -> None:
    """Look for nothing while it starts: all that is made now stays."""
    gc.disable()


def settle() -> None:
    """Set aside what is there, and look again from now on; may be called twice."""
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    gc.enable()
