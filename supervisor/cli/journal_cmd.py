"""``longwatch journal RUN``: the durable steps of a run, and going back to one."""

from __future__ import annotations

import argparse
from typing import Any

from supervisor.cli import output
from supervisor.cli.session import Place, connect, own_name
from supervisor.core.report import rfc3339
from supervisor.errors import UserError

PREVIEW_CELLS = 60
NAMES_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", metavar="RUN", help="an agent or the end of a run id")
    parser.add_argument(
        "what",
        nargs="?",
        choices=("show", "truncate"),
        default="show",
        help="show the steps (what it does without a word), or truncate them from one on",
    )
    parser.add_argument(
        "--from",
        dest="step",
        metavar="STEP",
        help="truncate: the number (or name) of the first step to run again, with all after it",
    )
    parser.add_argument(
        "--last", type=int, metavar="N", help="show: only the newest N (at most 5000)"
    )
    parser.add_argument("--yes", action="store_true", help="truncate: yes, run them again")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(arguments: argparse.Namespace, place: Place) -> int:
    """Show the journal, or cut it."""
    if (arguments.what == "truncate") != (arguments.step is not None):
        raise UserError(
            "longwatch journal: truncate and --from STEP go together",
            fix="longwatch journal RUN truncate --from STEP; see the numbers with show",
        )
    if arguments.last is not None and (arguments.last < 1 or arguments.what != "show"):
        raise UserError("--last: expected a number from 1 on, and show", where="journal")
    with connect(place) as client:
        found = _read(client, arguments.run, arguments.last)
        if arguments.what == "show":
            _show(found, as_json=arguments.json)
            return 0
        step = _number(found, arguments.step)
        if not arguments.yes:
            raise _unconfirmed(found, step)
        wanted = {"run": found["id"], "from": step, "by": own_name()}
        cut = client.call("journal_truncate", wanted)
    if arguments.json:
        output.json(cut)
        return 0
    agent, count = cut["agent"], cut["dropped"]
    output.line(f"{agent}: {_steps(count)} from {step} on will run again; kept in {cut['kept']}")
    if cut["checkpoint"] is not None:
        output.line(
            f"its checkpoint {cut['checkpoint']} stays: items that a loop completed are not "
            f"visited again. To go back there too: longwatch checkpoints {agent} --rollback N"
        )
    output.line(f"go on with: longwatch restart {agent}")
    return 0


def _read(client: Any, run: str, last: int | None = None) -> dict[str, Any]:
    """The whole journal, page by page; or the newest ``last`` lines of it."""
    found: dict[str, Any] = client.call("journal", {"run": run, "last": last or 0})
    if last is not None:
        return found
    page = found["lines"]
    while page and page[-1]["number"] < found["total"]:
        more = {"run": found["id"], "after": page[-1]["number"]}
        page = client.call("journal", more)["lines"]
        found["lines"] += page
    return found


def _number(found: dict[str, Any], wanted: str) -> int:
    """The line that ``wanted`` means: its number, or the first step of that name."""
    if wanted.isdecimal():
        return int(wanted)
    numbers = [line["number"] for line in found["lines"] if line["name"] == wanted]
    if not numbers:
        raise UserError(
            f"{found['agent']}: its journal has no step {wanted}",
            fix=f"See the numbers: longwatch journal {found['agent']} show",
        )
    return int(numbers[0])


def _unconfirmed(found: dict[str, Any], step: int) -> UserError:
    lines = [line for line in found["lines"] if line["number"] >= step]
    names = ", ".join(dict.fromkeys(line["name"] for line in lines[:NAMES_SHOWN]))
    return UserError(
        f"{found['agent']}: {_steps(len(lines))} would run again, from {step} on ({names} …)",
        fix="If that is what you want, add --yes",
    )


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        for line in found["lines"]:
            del line["offset"]
            line["at"] = None if line["at"] is None else rfc3339(line["at"])
        output.json({"id": found["id"], "agent": found["agent"], "steps": found["lines"]})
    elif not found["lines"]:
        output.line(f"{found['agent']} ({found['status']}) has no durable steps yet")
    else:
        _table(found["lines"])


def _table(lines: list[dict[str, Any]]) -> None:
    rows: list[tuple[str, ...]] = [
        (
            str(line["number"]),
            line["state"],
            f"{line['name']} ({line['occurrence'] + 1})" if line["occurrence"] else line["name"],
            line["scope"] or "-",
            line["args"][:12] or "-",
            str(line["epoch"]),
            "-" if line["at"] is None else str(rfc3339(line["at"])),
            "-" if line.get("took_s") is None else f"{line['took_s']:.3g} s",
            line["preview"][:PREVIEW_CELLS],
        )
        for line in lines
    ]
    output.table(
        ("STEP", "STATE", "NAME", "SCOPE", "ARGUMENTS", "EPOCH", "AT", "TOOK", "RESULT"), rows
    )


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"
