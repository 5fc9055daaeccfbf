"""``python -m supervisor.engine DIRECTORY``: started by the keeper, never by hand."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from supervisor.config.paths import Project
from supervisor.errors import LongwatchError


def main() -> int:
    """Run the engine of a directory until it is told to leave; 3 when another one holds it."""
    os.umask(0o077)
    from supervisor.engine.engine import Engine

    engine = Engine(Project(Path(sys.argv[1]).resolve()))
    try:
        return asyncio.run(engine.run())
    except LongwatchError as error:
        sys.stderr.write(f"longwatch engine: {error}\n")
        return 3


if __name__ == "__main__":
    raise SystemExit(main())
