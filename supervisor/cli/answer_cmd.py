"""``longwatch answer ID``: one answer from a shell, bound to what the request says.

What the words of the command line mean for a form is decided by the form's own declaration; the
engine checks everything again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from supervisor.cli import output
from supervisor.cli.ask_inline import question_lines
from supervisor.cli.session import Place, connect, own_name, snapshot
from supervisor.config.durations import DurationError, parse_duration
from supervisor.control.sync_client import SyncClient
from supervisor.core.always import DEFAULT_FOR_S, MAX_FOR_S, MIN_FOR_S
from supervisor.core.describe import duration
from supervisor.core.edited import is_json, proposed_text
from supervisor.core.form import form_fields, value_of
from supervisor.core.mirror import Mirror
from supervisor.core.run import Request, RunState
from supervisor.core.text import safe_text
from supervisor.core.times import utc_text
from supervisor.errors import RefusedError, UserError

MAX_EDIT_BYTES = 512 * 1024
IN_EDITOR = Path()
"""``--edit`` without a file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("id", metavar="ID", help="as `longwatch requests` prints it")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--allow", action="store_true", help="approve it")
    kind.add_argument("--deny", action="store_true", help="refuse it")
    kind.add_argument("--option", metavar="X", help="choose this option")
    kind.add_argument("--text", metavar="T", help="answer with this text")
    kind.add_argument(
        "--edit",
        metavar="FILE",
        type=Path,
        nargs="?",
        const=IN_EDITOR,
        help="answer with the file's text; without FILE edit the proposed text in $EDITOR",
    )
    kind.add_argument(
        "--field",
        metavar="NAME=VALUE",
        action="append",
        help="fill in a field of a form; may be repeated",
    )
    kind.add_argument(
        "--fields", metavar="FILE", help="fill in a form from a JSON object (- reads it here)"
    )
    parser.add_argument(
        "--always",
        action="store_true",
        help="with --allow: approve every later request of this agent that is exactly the same",
    )
    parser.add_argument(
        "--for",
        dest="for_s",
        metavar="TIME",
        help=f"with --always: how long (default {DEFAULT_FOR_S / 86400:g}d, at most a year)",
    )
    parser.add_argument("--hash", metavar="H", help="only if the request still has this hash")
    parser.add_argument("--comment", metavar="C", help="a word to the agent")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(arguments: argparse.Namespace, place: Place) -> int:
    """Give one answer; exit status 1 when somebody was faster, it expired, or the hash differs."""
    params: dict[str, Any] = {"id": arguments.id, "by": own_name()}
    for_s = _for_s(arguments)
    with connect(place) as client:
        params |= {"hash": arguments.hash, "comment": arguments.comment}
        params |= _said(arguments, client)
        if arguments.always:
            params |= _for_good(arguments, client, for_s)
        result = client.call("answer", params)
    if arguments.json:
        output.json(result)
        return 0
    output.line(f"{result['request']['id']} answered")
    if rule := result.get("rule"):
        until = utc_text(rule["expires_at"])
        output.line(f"{rule['id']} answers exactly this for {rule['agent']} until {until}")
        output.line(f"end it with: longwatch approvals revoke {rule['id']}")
    return 0


def _said(arguments: argparse.Namespace, client: SyncClient) -> dict[str, Any]:
    """The answer itself; what depends on the request is bound to the hash of what was read."""
    if arguments.allow or arguments.deny:
        return {"allow": bool(arguments.allow)}
    if arguments.option is not None:
        return {"option": arguments.option}
    if arguments.text is not None:
        return {"text": arguments.text}
    if arguments.fields is not None:
        return {"fields": _object(arguments.fields)}
    if arguments.edit is not None and arguments.edit != IN_EDITOR:
        return {"text": _read(arguments.edit)}
    _state, request = _find(client, arguments.id)
    bound = {"hash": arguments.hash or request.sha256}
    if arguments.field is not None:
        return {**bound, "fields": _values(request, arguments.field)}
    return {**bound, "text": _in_editor(request)}


def _find(client: SyncClient, wanted: str) -> tuple[RunState, Request]:
    runs = Mirror(snapshot(client)).runs.values()
    found = [(s, r) for s in runs for r in s.open_requests if r.id.upper() == wanted.upper()]
    if len(found) != 1:
        raise RefusedError(
            f"no open request {safe_text(wanted, limit=80)}", fix="See: longwatch requests"
        )
    return found[0]


def _values(request: Request, words: list[str]) -> dict[str, Any]:
    """``NAME=VALUE`` by the declarations of the form; every problem at once."""
    declared = {field.name: field for field in form_fields(request.action)}
    if not declared:
        raise UserError(f"{request.id} is no form", fix="See: longwatch requests", where="--field")
    values: dict[str, Any] = {}
    problems = []
    for word in words:
        name, mark, typed = word.partition("=")
        if not mark or name not in declared:
            expected = "NAME=VALUE" if not mark else f"one of: {', '.join(declared)}"
            problems.append(f"found {safe_text(name, limit=80)!r}, expected {expected}")
        elif name in values:
            problems.append(f"{name}: found it twice, expected one value")
        else:
            try:
                values[name] = value_of(declared[name], typed)
            except ValueError as error:
                shown = safe_text(typed, limit=60)
                problems.append(f"{name}: found {shown!r}, expected {error}")
    if problems:
        raise UserError("; ".join(problems), fix="See: longwatch requests", where="--field")
    return values


def _object(source: str) -> dict[str, Any]:
    text = sys.stdin.read(MAX_EDIT_BYTES + 1) if source == "-" else _read(Path(source), "--fields")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source} is not JSON: {error}", where="--fields") from error
    if not isinstance(value, dict):
        found = "a list" if isinstance(value, list) else type(value).__name__
        raise UserError(f"found {found}, expected an object of name and value", where="--fields")
    return value


def _in_editor(request: Request) -> str:
    from supervisor.tui.editor import edit_text

    if request.kind not in ("edit", "text"):
        raise UserError(f"{request.id} proposes no text", fix="Name a FILE", where="--edit")
    if not output.is_dialogue():
        raise UserError(
            "an editor needs a terminal", fix="Name a file: --edit FILE", where="--edit"
        )
    if request.kind == "edit":
        draft = proposed_text(request.action)
        return edit_text(draft, suffix=".json" if is_json(request.action) else ".txt")
    return edit_text(request.default if isinstance(request.default, str) else "")


def _for_s(arguments: argparse.Namespace) -> float:
    if arguments.for_s is not None and not arguments.always:
        raise UserError("--for is of no use without --always", where="--for")
    if arguments.always and not arguments.allow:
        raise UserError("only an approval can stand for good", fix="Use --allow", where="--always")
    if arguments.for_s is None:
        return DEFAULT_FOR_S
    try:
        seconds = parse_duration(arguments.for_s)
    except DurationError as error:
        raise UserError(f"found {arguments.for_s!r}: {error}", where="--for") from error
    if seconds is None or not MIN_FOR_S <= seconds <= MAX_FOR_S:
        found = safe_text(arguments.for_s, limit=40)
        raise UserError(f"found {found!r}, expected a minute to 365d", where="--for")
    return seconds


def _for_good(arguments: argparse.Namespace, client: SyncClient, for_s: float) -> dict[str, Any]:
    """Says what is approved for good, and binds the answer to it."""
    state, request = _find(client, arguments.id)
    if not arguments.json:
        for line in question_lines(state, request):
            output.line(line)
        output.line(f"approved whenever {state.agent} asks exactly this, for {duration(for_s)}")
    return {"always": True, "for_s": for_s, "hash": arguments.hash or request.sha256}


def _read(file: Path, where: str = "--edit") -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_EDIT_BYTES + 1)
        if len(data) > MAX_EDIT_BYTES:
            raise UserError(f"{file} is larger than {MAX_EDIT_BYTES} bytes", where=where)
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {error}", where=where) from error
