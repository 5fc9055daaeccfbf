"""What every room's tests share: a project directory that leaves no process behind."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# One machine runs the suite in several workers: colour and width must not depend on the caller.
os.environ.pop("NO_COLOR", None)
os.environ.setdefault("COLUMNS", "100")

# What projects share on a machine (breakers, seals of logs) is not the user's own in a test.
_shared = tempfile.mkdtemp(prefix="lws-")
os.environ["LONGWATCH_SHARED_DIR"] = _shared
atexit.register(shutil.rmtree, _shared, ignore_errors=True)
