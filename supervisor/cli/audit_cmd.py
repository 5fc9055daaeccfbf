"""``longwatch audit verify|export|answers``: what was recorded, and whether it still stands.

Reads ``state.db`` itself, without an engine: what is audited is the file.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection
from sqlite3 import Error as SqliteError
from typing import Any

from supervisor.cli import output
from supervisor.config.paths import Project
from supervisor.core import events as e
from supervisor.core.answer_words import answer_words
from supervisor.core.events import Recorded
from supervisor.core.report import rfc3339
from supervisor.core.run import Request
from supervisor.core.seal import SealReport, compare
from supervisor.engine.log_seals import read_log_id
from supervisor.errors import EnvironmentFaultError, NotRunningError, UserError
from supervisor.services.seals import Seals
from supervisor.store import reading
from supervisor.store.audit import Audit, audit, exported, read_exported
from supervisor.store.opening import connect_to_read

ANSWER_EVENTS = ("RunCreated", "RunRebuilt", "RequestOpened", "RequestAnswered")
SHOWN = 20
"""Findings printed; the rest is counted."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "what",
        choices=("verify", "export", "answers"),
        help="verify that the log is whole, export it, or list who answered what",
    )
    parser.add_argument(
        "file", nargs="?", type=Path, help="verify: an exported file instead of the log itself"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(arguments: argparse.Namespace, project: Project) -> int:
    """Exit status 1 when something is not as it was written."""
    if arguments.file is not None and arguments.what != "verify":
        raise UserError(
            f"longwatch audit {arguments.what} takes no file",
            fix=f"longwatch audit {arguments.what} > FILE",
        )
    if arguments.what == "export":
        return _export(project)
    if arguments.what == "answers":
        return _answers(project, as_json=arguments.json)
    if arguments.file is not None:
        return _show(_verify_file(arguments.file), None, as_json=arguments.json)
    with _log(project) as connection:
        report = reading.audited(connection)
        return _show(report, _held_against_seals(project, connection), as_json=arguments.json)


@contextmanager
def _log(project: Project) -> Iterator[Connection]:
    if not project.state_db.exists():
        raise NotRunningError(
            f"there is no event log in {project.state_dir}",
            fix="It begins with the first start: longwatch up",
        )
    try:
        with connect_to_read(project.state_db) as connection:
            yield connection
    except SqliteError as error:
        raise EnvironmentFaultError(
            f"cannot read {project.state_db}: {error}",
            fix="longwatch up sets a damaged log aside and goes on in a new one.",
        ) from error


def _held_against_seals(project: Project, connection: Connection) -> SealReport | None:
    log_id = read_log_id(project)
    if log_id is None:
        return None
    seals, foreign = Seals(log_id).read()
    base_seq, base_hash, last_seq, _ = reading.chain_ends(connection)
    hashes = reading.hashes_of(connection, [seal.seq for seal in seals])
    found = compare(seals, hashes, (base_seq, base_hash.hex()), last_seq)
    if not foreign:
        return found
    words = f"{foreign} seals carry no signature of this user"
    return SealReport(found.confirmed, (*found.problems, words))


def _verify_file(path: Path) -> Audit:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            entries = read_exported(file)
            first = next(entries, None)
            if first is None:
                raise UserError(f"{path} holds no event", fix="longwatch audit export > FILE")
            rest = (stored for stored, _link in entries)
            return audit(_chain(first[0], rest), first[1])
    except ValueError as error:
        raise UserError(
            f"{path}: {error}", fix="Give a file that longwatch audit export wrote."
        ) from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}", fix="Check its name.") from None


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _show(report: Audit, seals: SealReport | None, *, as_json: bool) -> int:
    problems = seals.problems if seals is not None else ()
    is_well = not report.findings and not problems
    if as_json:
        output.json(_plain(report, seals, is_well=is_well))
        return 0 if is_well else 1
    for finding in report.findings[:SHOWN]:
        output.line(f"{finding.kind}: {finding.what}")
    if len(report.findings) > SHOWN:
        output.line(f"and {len(report.findings) - SHOWN} more; all of them: --json")
    for problem in problems:
        output.line(f"sealed: {problem}")
    thinned = f"; {report.thinned} superseded progress reports were dropped" * bool(report.thinned)
    span = f"{report.first_seq} to {report.end[0]}"
    output.line(f"events {span}: {report.checked} intact, {len(report.findings)} not{thinned}")
    if seals is None:
        output.line("no seal to hold it against: that its end was cut off could not be seen")
    elif seals.confirmed is not None:
        when = rfc3339(seals.confirmed.at)
        output.line(f"up to event {seals.confirmed.seq} it is the log that was sealed at {when}")
    return 0 if is_well else 1


def _plain(report: Audit, seals: SealReport | None, *, is_well: bool) -> dict[str, Any]:
    confirmed = seals.confirmed if seals is not None else None
    return {
        "ok": is_well,
        "first_seq": report.first_seq,
        "last_seq": report.end[0],
        "last_hash": report.end[1].hex(),
        "intact": report.checked,
        "thinned": report.thinned,
        "findings": [
            {"kind": found.kind, "first": found.first, "last": found.last, "what": found.what}
            for found in report.findings
        ],
        "sealed": None
        if confirmed is None
        else {"seq": confirmed.seq, "hash": confirmed.hash, "at": rfc3339(confirmed.at)},
        "seal_problems": list(seals.problems) if seals is not None else [],
    }


def _export(project: Project) -> int:
    """Every event, one JSON object a line, with its hash and the one it is chained to."""
    with _log(project) as connection:
        previous = reading.chain_ends(connection)[1]
        for stored in reading.stored_rows(connection):
            output.json_line(exported(stored, previous))
            previous = stored[1]
    return 0


def _answered(events: Iterable[Recorded]) -> Iterator[dict[str, Any]]:
    agents: dict[str, str] = {}
    asked: dict[tuple[str, str], Request] = {}
    for recorded in events:
        event, run_id = recorded.event, recorded.run_id
        if isinstance(event, e.RunCreated):
            agents[run_id] = event.spec.name
        elif isinstance(event, e.RunRebuilt):
            agents[run_id] = event.state.agent
            asked |= {(run_id, request.id): request for request in event.state.requests}
        elif isinstance(event, e.RequestOpened):
            asked[run_id, event.request.id] = event.request
        elif isinstance(event, e.RequestAnswered):
            request, answer = asked.get((run_id, event.request_id)), event.answer
            yield {
                "seq": recorded.seq,
                "at": rfc3339(answer.at),
                "run": run_id,
                "agent": agents.get(run_id, "?"),
                "request": event.request_id,
                "title": request.title if request is not None else "(asked before this log)",
                "answer": answer_words(answer),
                "comment": answer.comment,
                "by": answer.by,
                "rule": answer.rule_id,
                "hash": answer.sha256,
            }


def _answers(project: Project, *, as_json: bool) -> int:
    """Who answered what, when, over which client, with the hash of what was shown."""
    with _log(project) as connection:
        found = list(_answered(reading.of_types(connection, ANSWER_EVENTS)))
    if as_json:
        output.json({"answers": found})
        return 0
    rows = [
        (str(one["seq"]), one["at"], one["agent"], one["title"], one["answer"], one["by"],
         one["hash"][:12])
        for one in found
    ]  # fmt: skip
    output.table(("EVENT", "WHEN", "AGENT", "QUESTION", "ANSWER", "BY", "HASH"), rows)
    return 0
