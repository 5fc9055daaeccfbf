"""``longwatch``: reads the global options, finds the verb, imports its module, runs it.

Nothing heavy is imported here: ``longwatch status`` is a client and pays only for its own verb.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from supervisor import __version__
from supervisor.cli import output
from supervisor.cli.exit_codes import ExitStatus, guard
from supervisor.cli.parsers import PROGRAM, top_parser, verb_parser
from supervisor.cli.verbs import BY_NAME, CLIENTS, HERE, Verb
from supervisor.errors import UserError
from supervisor.fleet.leaving import leave

_WITH_VALUE = ("-C", "--host")


def main(argv: Sequence[str] | None = None) -> int:
    """One command: an exit status of DESIGN 12, never an exception."""
    words = list(sys.argv[1:] if argv is None else argv)
    return guard(lambda: dispatch(words))


def script() -> NoReturn:
    """The console script."""
    leave(main())


def dispatch(words: Sequence[str]) -> int:
    """Run one command line; raises our errors."""
    output.prepare()
    at = _verb_position(words)
    name = words[at] if at < len(words) else None
    top = top_parser()
    options = vars(top.parse_args(words[:at]))
    if options.pop("version"):
        output.line(f"{PROGRAM} {__version__}")
        return ExitStatus.DONE
    is_plain = bool(options.pop("plain"))
    if name is None:
        return _attach(options, is_plain=is_plain)
    if name == "help":
        top.print_help()
        return ExitStatus.DONE
    verb = BY_NAME.get(name)
    if verb is None:
        raise _unknown_verb(name)
    return _run_verb(verb, words[at + 1 :], options)


def _attach(options: dict[str, Any], *, is_plain: bool) -> int:
    """``longwatch`` alone: the interface, which needs a terminal to live in."""
    is_served = bool(options.get("served"))
    if not is_plain and not is_served and not output.is_dialogue():
        raise UserError(
            "the interface needs a terminal",
            fix=f"Without one use {PROGRAM} status, {PROGRAM} run --headless or {PROGRAM} --plain",
        )
    from supervisor.cli.attach import attach, attach_hosts, attach_plain, is_dumb

    if options.get("host") and (is_plain or (is_dumb() and not is_served)):
        from supervisor.cli.places import one_host

        return attach_plain(one_host(options["host"], options.get("directory")))
    if options.get("host"):
        from supervisor.cli.places import named_hosts

        hosts = named_hosts(options["host"], options.get("directory"))
        return attach_hosts(hosts, is_served=is_served)
    from supervisor.config.paths import Project

    project = Project.find(options.get("directory"))
    return attach_plain(project) if is_plain else attach(project, is_served=is_served)


def _run_verb(verb: Verb, words: Sequence[str], options: dict[str, Any]) -> int:
    module = importlib.import_module(f"supervisor.cli.{verb.module}")
    parser = verb_parser(verb)
    # What stands after the verb wins over the same option before it.
    parser.set_defaults(verb=verb.name, **{"directory": None, "host": None, **options})
    # Options may stand among the names: argparse would take the first words for all of them.
    arguments = parser.parse_intermixed_args(words)
    run = getattr(module, verb.run)
    if arguments.host and verb.name not in HERE:
        from supervisor.cli.places import one_host, run_there

        host = one_host(arguments.host, arguments.directory)
        if verb.name in CLIENTS:
            return int(run(arguments, host))
        return run_there(host, verb.name, words)
    if not verb.needs_project:
        return int(run(arguments))
    from supervisor.config.paths import Project

    return int(run(arguments, Project.find(arguments.directory)))


def _verb_position(words: Sequence[str]) -> int:
    """Index of the first word that is no global option nor the value of one."""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "-":
        at += 2 if words[at] in _WITH_VALUE else 1
    return min(at, len(words))


def _unknown_verb(name: str) -> UserError:
    from supervisor.config.problems import nearest

    close = nearest(name, BY_NAME)
    fix = f"Did you mean: {PROGRAM} {close}?" if close else f"See: {PROGRAM} --help"
    return UserError(f"there is no command {name[:80]!r}", fix=fix)


if __name__ == "__main__":
    script()
