"""The manual page, from the parsers and the examples: ``python -m supervisor.cli.man_page``.

argparse-manpage would do most of it, but knows neither our examples nor our exit statuses, and a
page of one command per verb is longer to read than one page of all.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from pathlib import Path

from supervisor.cli.examples import EXAMPLES
from supervisor.cli.exit_codes import ExitStatus
from supervisor.cli.parsers import PROGRAM, top_parser, verb_parser
from supervisor.cli.verbs import VERBS, Verb

PATH = Path(__file__).parents[2] / "docs" / "longwatch.1"
STATUSES = {
    ExitStatus.DONE: "done",
    ExitStatus.NOT_WELL: "a run failed, or the thing asked about is not well",
    ExitStatus.WRONG_USE: "wrong use or configuration",
    ExitStatus.HELD: "another engine holds this directory",
    ExitStatus.NOT_RUNNING: "nothing runs here",
    ExitStatus.BUG: "our own fault",
    ExitStatus.INTERRUPTED: "interrupted by Ctrl-C",
}
FILES = (
    ("config.toml", "the agents, and how the interface looks ([tui])"),
    (".longwatch/state.db", "the state of every run and the event log (SQLite)"),
    (".longwatch/runs/ID", "a run's own directory: progress.json, checkpoint.json, requests"),
    (".longwatch/engine.log, keeper.log", "what the two said, when something is wrong"),
)
VARIABLES = (
    ("NO_COLOR", "not one colour is sent"),
    ("TERM", "dumb gets the interface line by line, as --plain does"),
    ("VISUAL, EDITOR", "the editor of answer --edit and of the interface"),
    ("LONGWATCH_SSH", "the ssh of --host, with its first options"),
)


def page() -> str:
    """The page in roff (man macros)."""
    top = top_parser()
    lines = [
        f'.TH {PROGRAM.upper()} 1 "" "Longwatch" "User Commands"',
        ".SH NAME",
        f"{PROGRAM} \\- supervise long\\-running local agents",
        ".SH SYNOPSIS",
        f".B {PROGRAM}",
        _text("[--host USER@BOX] [-C DIR] [--plain] [COMMAND …]"),
        ".SH DESCRIPTION",
        *map(_text, (top.description or "").splitlines()),
        ".SH OPTIONS",
        *_options(top._actions),
        ".SH COMMANDS",
    ]
    for verb in VERBS:
        lines += _verb(verb)
    lines += [".SH EXIT STATUS", *_pairs((str(int(code)), told) for code, told in STATUSES.items())]
    lines += [".SH ENVIRONMENT", *_pairs(VARIABLES), ".SH FILES", *_pairs(FILES)]
    lines += [
        ".SH SEE ALSO",
        _text("README.md and docs/ of the project; the keys of the interface: ? in it."),
    ]
    return "\n".join(lines) + "\n"


def _verb(verb: Verb) -> list[str]:
    parser = verb_parser(verb)
    usage = re.sub(r"\s+", " ", parser.format_usage()).removeprefix("usage: ").strip()
    usage = usage.replace("[-h] [-C DIR] [--host USER@BOX[:DIR]] ", "")
    lines = [
        f".SS {verb.name}",
        _text(f"{verb.summary}.".capitalize()),
        ".PP",
        ".B " + _text(usage),
    ]
    own = [action for action in parser._actions if action.dest not in ("help", "directory", "host")]
    lines += _options(own)
    for example in EXAMPLES.get(verb.name, ()):
        lines += [
            ".PP", _text(f"Example, {example.why}:"), ".PP", ".RS", ".nf",
            _text(f"{PROGRAM} {example.line}"), ".fi", ".RE",
        ]  # fmt: skip
    return lines


def _options(actions: Iterable[argparse.Action]) -> list[str]:
    told = [action for action in actions if action.help != argparse.SUPPRESS]
    return _pairs((_written(action), _told(action)) for action in told)


def _written(action: argparse.Action) -> str:
    values = "|".join(map(str, action.choices)) if action.choices is not None else ""
    value = str(action.metavar or values or action.dest.upper())
    if not action.option_strings:
        return value
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {value}"


def _told(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%")


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[str]:
    lines = []
    for name, told in pairs:
        lines += [".TP", ".B " + _text(name), _text(told or "…")]
    return lines


def _text(text: str) -> str:
    """``text`` as roff that means nothing but itself."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "\\[u2026]")
    return "\\&" + escaped if escaped[:1] in (".", "'") else escaped


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
