"""The parser of one verb, and of the whole command line for what has to see all of it.

The whole one imports the module of every verb: only completion scripts and the manual page may
ask for it.
"""

from __future__ import annotations

import importlib
from argparse import SUPPRESS, RawDescriptionHelpFormatter
from typing import Any

from supervisor.cli.arguments import Parser, add_global_options
from supervisor.cli.examples import epilog_of
from supervisor.cli.verbs import VERBS, Verb

PROGRAM = "longwatch"


def verb_parser(verb: Verb) -> Parser:
    """The parser of what stands after the verb; imports the verb's module."""
    parser = Parser(prog=f"{PROGRAM} {verb.name}", **_looks(verb))
    _fill(parser, verb)
    return parser


def top_parser() -> Parser:
    """The parser of what stands before the verb."""
    width = max(len(verb.name) for verb in VERBS)
    listed = "\n".join(f"  {verb.name:<{width}}  {verb.summary}" for verb in VERBS)
    parser = Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [--host USER@BOX] [-C DIR] [COMMAND …]",
        description=(
            "Supervises long-running local agents: nothing that cost hours is lost.\n"
            "Without a command: the interface; the engine is started if none runs."
        ),
        epilog=f"commands:\n{listed}\n\n{PROGRAM} COMMAND --help says more.",
        formatter_class=RawDescriptionHelpFormatter,
    )
    add_global_options(parser)
    parser.add_argument("--served", action="store_true", help=SUPPRESS)  # A window of `serve`.
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument(
        "--plain",
        action="store_true",
        help="the interface line by line: no full screen, no colour, for screen readers",
    )
    return parser


def whole_parser() -> Parser:
    """Everything in one parser, the verbs as its sub-commands."""
    parser = top_parser()
    below = parser.add_subparsers(prog=PROGRAM, dest="verb", parser_class=Parser)
    for verb in VERBS:
        _fill(below.add_parser(verb.name, help=verb.summary, **_looks(verb)), verb)
    return parser


def _looks(verb: Verb) -> dict[str, Any]:
    return {
        "description": f"{verb.summary}.".capitalize(),
        "epilog": epilog_of(verb.name, PROGRAM),
        "formatter_class": RawDescriptionHelpFormatter,
    }


def _fill(parser: Parser, verb: Verb) -> None:
    add_global_options(parser)
    getattr(importlib.import_module(f"supervisor.cli.{verb.module}"), verb.declare)(parser)
