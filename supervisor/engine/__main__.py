"""``python -m supervisor.engine DIRECTORY``: started by the keeper, never by hand."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from supervisor.config.paths import Project
from supervisor.errors import LongwatchError, UserError
from supervisor.fleet.leaving import leave
from supervisor.store.opening import refuse_newer_file

HELD_OR_FAULT = 3
"""Another engine holds the directory, or the machine could not: the keeper tries again soon."""
NEEDS_A_PERSON = 78
"""EX_CONFIG of sysexits.h: only a person can mend it, so the keeper tries again rarely."""


def main() -> int:
    """Run the engine of a directory until it is told to leave; the exit status says whose fault."""
    os.umask(0o077)
    from supervisor.engine.engine import Engine
    from supervisor.engine.safe_stderr import guard_stderr

    *options, directory = sys.argv[1:]
    project = Project(Path(directory).resolve())
    engine = Engine(project)
    guard_stderr(engine.secrets.text)
    try:
        if options == ["--check"]:
            # Everything is imported by now; what is left to go wrong without a keeper is the log.
            refuse_newer_file(project.state_db)
            return 0
        return asyncio.run(engine.run())
    except LongwatchError as error:
        sys.stderr.write(f"longwatch engine: {error}\n")
        return NEEDS_A_PERSON if isinstance(error, UserError) else HELD_OR_FAULT


if __name__ == "__main__":
    leave(main())
