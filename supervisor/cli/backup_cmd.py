"""``longwatch backup DIR``: everything of a project that a fresh one cannot know, while it runs.

The order makes it whole: first ``state.db``, then the files. So the copy looks as if the engine
had died at that moment and the agents a little later, which is what every start can handle.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path

from supervisor.cli import output
from supervisor.cli.backup_files import Tally, copy_tree
from supervisor.cli.exit_codes import ExitStatus
from supervisor.config.paths import CONFIG_NAME, STATE_NAME, Project
from supervisor.core.size import size_words
from supervisor.errors import EnvironmentFaultError, UserError

OF_A_PROCESS = frozenset({"keeper.lock", "engine.lock", "socket", "control.sock", "oom-kills.json"})
"""What belongs to the keeper and the engine that run now."""
DATABASE = "state.db"
"""It and what begins with its name (-wal, .corrupt-1) is not copied as files."""
TREES = ("records", "runs")
"""In this order: our kept checkpoints before what agents go on writing."""
SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("target", metavar="DIR", help="a new directory for the copy")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(arguments: argparse.Namespace, project: Project) -> int:
    """Copy; exit status 0 when all of it is there. The name appears when the copy is whole."""
    target = _new_place(arguments.target, project)
    unfinished = target.with_name(f"{target.name}.unfinished-{os.getpid()}")
    began = time.monotonic()
    try:
        unfinished.mkdir(mode=0o700)
        try:
            tally = _copy(project, unfinished)
            os.sync()
            unfinished.rename(target)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    except OSError as error:
        raise EnvironmentFaultError(
            f"the copy to {target} failed: {error.strerror}",
            why="nothing of it was kept",
            fix="Check the free space and the permissions there.",
            where=str(error.filename or ""),
        ) from error
    _say(arguments, target, tally, time.monotonic() - began)
    return ExitStatus.DONE


def _new_place(said: str, project: Project) -> Path:
    target = Path(said).expanduser().absolute()
    resolved = target.resolve()
    if os.path.lexists(target):
        raise UserError(
            f"{target} exists", why="a copy replaces nothing", fix="Name a directory that does not."
        )
    if not target.parent.is_dir():
        raise UserError(f"no directory {target.parent}", fix="Make it first.")
    if resolved.is_relative_to(project.state_dir):
        raise UserError(f"{target} is inside of what is copied", fix="Name another place.")
    return target


def _copy(project: Project, target: Path) -> Tally:
    state = project.state_dir
    copied = target / STATE_NAME
    copied.mkdir(mode=0o700)
    tally = Tally()
    if project.state_db.exists():
        from supervisor.store.copying import copy_database

        tally.size_bytes += copy_database(project.state_db, copied / DATABASE)
        tally.files += 1
    for name in TREES:
        if (state / name).is_dir():
            (copied / name).mkdir(mode=0o700)
            copy_tree(state / name, copied / name, tally)
    if state.is_dir():
        copy_tree(state, copied, tally, _is_wanted)
    copy_tree(project.directory, target, tally, lambda name: name == CONFIG_NAME)
    return tally


def _is_wanted(name: str) -> bool:
    return not (name in OF_A_PROCESS or name in TREES or name.startswith(DATABASE))


def _say(arguments: argparse.Namespace, target: Path, tally: Tally, seconds: float) -> None:
    if arguments.json:
        output.json(
            {
                "directory": str(target),
                "files": tally.files,
                "bytes": tally.size_bytes,
                "left_out": tally.left_out,
                "seconds": round(seconds, 3),
            }
        )
        return
    output.line(f"{target}: {tally.files} files, {size_words(tally.size_bytes)}, {seconds:.1f} s")
    for line in tally.left_out[:SHOWN]:
        output.line(f"left out: {line}")
    if len(tally.left_out) > SHOWN:
        output.line(f"left out: {len(tally.left_out) - SHOWN} more (--json names them)")
    output.line("Your own scripts are not in it. To go on from it: docs/operations.md")
