"""``longwatch requests`` and ``longwatch answer ID``: the operator's questions without the TUI."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from supervisor.cli import output
from supervisor.cli.ask_inline import question_lines
from supervisor.cli.session import connect, own_name, snapshot
from supervisor.config.paths import Project
from supervisor.core.describe import answer_hint, waiting_words
from supervisor.core.mirror import Mirror
from supervisor.core.report import request_report
from supervisor.errors import UserError

MAX_EDIT_BYTES = 512 * 1024


def add_requests_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``requests``."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def add_answer_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``answer``."""
    parser.add_argument("id", metavar="ID", help="as `longwatch requests` prints it")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--allow", action="store_true", help="approve it")
    kind.add_argument("--deny", action="store_true", help="refuse it")
    kind.add_argument("--option", metavar="X", help="choose this option")
    kind.add_argument("--text", metavar="T", help="answer with this text")
    kind.add_argument("--edit", metavar="FILE", type=Path, help="answer with the file's text")
    parser.add_argument("--hash", metavar="H", help="only if the request still has this hash")
    parser.add_argument("--comment", metavar="C", help="a word to the agent")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def requests(arguments: argparse.Namespace, project: Project) -> int:
    """Open requests, oldest first."""
    with connect(project) as client:
        mirror = Mirror(snapshot(client))
    pairs = [(state, r) for state in mirror.runs.values() for r in state.open_requests]
    pairs.sort(key=lambda pair: pair[1].created_at)
    if arguments.json:
        output.json({"requests": [request_report(state, request) for state, request in pairs]})
        return 0
    for state, request in pairs:
        for line in question_lines(state, request):
            output.line(line)
        output.line(f"  {waiting_words(request, mirror.taken_at)}")
        output.line(f"  answer with: {answer_hint(request)}")
    if not pairs:
        output.line("nothing waits for you")
    return 0


def answer(arguments: argparse.Namespace, project: Project) -> int:
    """Give one answer; exit status 1 when somebody was faster, it expired, or the hash differs."""
    params: dict[str, Any] = {"id": arguments.id, "by": own_name()}
    if arguments.allow or arguments.deny:
        params["allow"] = bool(arguments.allow)
    elif arguments.option is not None:
        params["option"] = arguments.option
    else:
        params["text"] = arguments.text if arguments.text is not None else _read(arguments.edit)
    params["hash"], params["comment"] = arguments.hash, arguments.comment
    with connect(project) as client:
        result = client.call("answer", params)
    if arguments.json:
        output.json(result)
    else:
        output.line(f"{result['request']['id']} answered")
    return 0


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_EDIT_BYTES + 1)
        if len(data) > MAX_EDIT_BYTES:
            raise UserError(f"{file} is larger than {MAX_EDIT_BYTES} bytes", where="--edit")
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {error}", where="--edit") from error
