"""``longwatch services``: how the external services stand, and closing a breaker by hand."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from supervisor.cli import output
from supervisor.cli.session import Place, connect, own_name
from supervisor.core.describe import duration
from supervisor.core.text import safe_text
from supervisor.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "what", nargs="?", choices=("list", "reset"), default="list",
        help="list (the default), or close one breaker by hand",
    )  # fmt: skip
    parser.add_argument("name", nargs="?", metavar="SERVICE", help="whose breaker to close")
    parser.add_argument("--yes", action="store_true", help="reset without asking")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(arguments: argparse.Namespace, place: Place) -> int:
    """List the services, or close one breaker; exit 1 for a service that nobody called."""
    if (arguments.what == "reset") != (arguments.name is not None):
        raise UserError("expected: longwatch services reset SERVICE", fix="See: longwatch services")
    with connect(place) as client:
        if arguments.what == "reset":
            if not arguments.yes:
                _confirm(arguments.name)
            params = {"service": arguments.name, "by": own_name()}
            done = client.call("service_reset", params)
            if arguments.json:
                output.json(done)
            else:
                output.line(f"the breaker of {done['service']} is closed; it was {done['was']}")
            return 0
        told = client.call("services", {})
    if arguments.json:
        output.json(told)
        return 0
    if told["problem"]:
        output.line(f"nothing is shared: {told['problem']}")
    if told["services"]:
        headers = ("SERVICE", "BREAKER", "FAILED", "LIMITS", "NEXT / WHY")
        output.table(headers, [_row(view) for view in told["services"]])
    elif not told["problem"]:
        output.line("no service was called on this machine yet")
    return 0


def _confirm(name: str) -> None:
    """UserError unless a person at the terminal says yes."""
    if not output.is_dialogue():
        raise UserError("a reset asks first, and nobody can answer here", fix="Add: --yes")
    shown = safe_text(name, limit=80)
    output.line(f"Close the breaker of {shown} for every agent on this machine? Type yes:")
    if sys.stdin.readline().strip() != "yes":
        raise UserError("nothing was reset")


def _row(view: dict[str, Any]) -> tuple[str, ...]:
    policy, limits = view["policy"] or {}, view["limits"]
    failed = f"{view['failures']} of {view['calls']}"
    if policy:
        failed += f" in {duration(policy['window_s'])}"
    rates = [
        f"{limits[f'{noun}_per_minute']:g} {noun}/min"
        for noun in ("requests", "tokens")
        if limits[f"{noun}_per_minute"] is not None
    ]
    wait = duration(view["wait_s"])
    coming = {
        "open": f"a probe in {wait}: ",
        "half-open": "one call looks: ",
        "closed": f"held off for {wait}: " if view["blocked_s"] else "",
    }[view["state"]]
    why = coming + (view["why"] or "")
    return view["name"], view["state"], failed, ", ".join(rates) or "none", why.rstrip(": ")
