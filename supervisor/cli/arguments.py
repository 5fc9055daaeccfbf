"""argparse in our manners: errors are ours (with the nearest option), help goes to ``output``."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any, NoReturn

from supervisor.cli import output
from supervisor.core.text import safe_text
from supervisor.errors import UserError

_UNKNOWN = re.compile(r"unrecognized arguments: (-\S+)")


class Parser(argparse.ArgumentParser):
    """A parser that never writes to a stream itself and never guesses an abbreviation."""

    def __init__(self, *, prog: str, **settings: Any) -> None:
        # An abbreviation that works today is another option's name tomorrow.
        super().__init__(prog=prog, allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Wrong use: the message, the nearest option, and where the help is."""
        fix = f"See: {self.prog} --help"
        if unknown := _UNKNOWN.match(message):
            from supervisor.config.problems import nearest

            known = [name for action in self._actions for name in action.option_strings]
            close = nearest(unknown[1].split("=")[0], known)
            fix = f"Did you mean {close}? {fix}" if close else fix
        raise UserError(safe_text(message, limit=300), fix=fix, where=self.prog)

    def _print_message(self, message: str, file: Any = None) -> None:
        del file
        if message:
            output.block(message.rstrip("\n"))


def add_global_options(parser: argparse.ArgumentParser) -> None:
    """``-C`` and ``--host``: accepted before and after the verb alike."""
    parser.add_argument(
        "-C",
        dest="directory",
        metavar="DIR",
        type=Path,
        default=argparse.SUPPRESS,
        help="the project directory (default: here, or the nearest above with a config.toml)",
    )
    parser.add_argument(
        "--host",
        metavar="USER@BOX[:DIR]",
        action="append",
        default=argparse.SUPPRESS,
        help="the machine the engine runs on, over ssh; a name of [hosts.NAME] too",
    )
