"""``longwatch requests``: the operator's questions without the TUI."""

from __future__ import annotations

import argparse

from supervisor.cli import output
from supervisor.cli.ask_inline import question_lines
from supervisor.cli.session import Place, connect, program_of, snapshot
from supervisor.core.describe import answer_hint, waiting_words
from supervisor.core.mirror import Mirror
from supervisor.core.report import request_report


def add_requests_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``requests``."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def requests(arguments: argparse.Namespace, place: Place) -> int:
    """Open requests, oldest first."""
    with connect(place) as client:
        mirror = Mirror(snapshot(client))
    pairs = [(state, r) for state in mirror.runs.values() for r in state.open_requests]
    pairs.sort(key=lambda pair: pair[1].created_at)
    if arguments.json:
        output.json({"requests": [request_report(state, request) for state, request in pairs]})
        return 0
    program = program_of(place)
    for state, request in pairs:
        for line in question_lines(state, request):
            output.line(line)
        output.line(f"  {waiting_words(request, mirror.taken_at)}")
        output.line(f"  answer with: {answer_hint(request, program)}")
    if not pairs:
        output.line("nothing waits for you")
    return 0
