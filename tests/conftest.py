"""What every room's tests share: a project directory that leaves no process behind."""

from __future__ import annotations

import os

# One machine runs the suite in several workers: colour and width must not depend on the caller.
os.environ.pop("NO_COLOR", None)
os.environ.setdefault("COLUMNS", "100")
