"""``longwatch approvals``: the rules that approve for good, and ending one."""

from __future__ import annotations

import argparse
from typing import Any

from supervisor.cli import output
from supervisor.cli.session import Place, connect, own_name, snapshot
from supervisor.core.always import is_holding
from supervisor.core.describe import duration, exact_json
from supervisor.core.mirror import Mirror
from supervisor.core.report import rfc3339
from supervisor.core.rule import AlwaysRule
from supervisor.core.text import safe_text, visible_text
from supervisor.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "what",
        nargs="?",
        choices=("list", "revoke"),
        default="list",
        help="list them (what it does without a word), or revoke one",
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="the rule to revoke, as listed")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(arguments: argparse.Namespace, place: Place) -> int:
    """List the rules, or end one; exit status 1 when there is no rule of that id."""
    if (arguments.what == "revoke") != (arguments.id is not None):
        expected = "longwatch approvals revoke ID" if arguments.id is None else "revoke ID"
        raise UserError(f"expected: {expected}", fix="See: longwatch approvals", where="approvals")
    with connect(place) as client:
        if arguments.what == "revoke":
            revoked = client.call("revoke", {"id": arguments.id, "by": own_name()})["rule"]
            if arguments.json:
                output.json({"revoked": revoked["id"]})
            else:
                output.line(f"{revoked['id']} revoked: {revoked['agent']} asks again")
            return 0
        mirror = Mirror(snapshot(client))
    now = mirror.taken_at.wall
    rules = [rule for rule in mirror.standing.rules if is_holding(rule, now)]
    if arguments.json:
        output.json({"approvals": [rule_report(rule) for rule in rules]})
        return 0
    for rule in rules:
        for line in rule_lines(rule, now):
            output.line(line)
    if not rules:
        output.line("nothing is approved for good")
    return 0


def rule_report(rule: AlwaysRule) -> dict[str, Any]:
    """One entry of ``approvals --json``; the action is raw, as in ``requests --json``."""
    return {
        "id": rule.id,
        "agent": safe_text(rule.agent, limit=80),
        "cwd": rule.cwd,
        "title": safe_text(rule.title),
        "action": rule.action,
        "hash": rule.sha256,
        "set_by": safe_text(rule.set_by, limit=120),
        "set_at": rfc3339(rule.set_at),
        "expires_at": rfc3339(rule.expires_at),
        "request": rule.request_id,
    }


def rule_lines(rule: AlwaysRule, now: float) -> list[str]:
    """A rule with everything it is bound to."""
    left = duration(max(0.0, rule.expires_at - now))
    lines = [
        f"{rule.id}  {safe_text(rule.agent, limit=80)}: {visible_text(rule.title)}",
        f"  hash {rule.sha256[:12]}, in {safe_text(rule.cwd)}, {left} left",
        f"  set by {safe_text(rule.set_by, limit=120)} on {rfc3339(rule.set_at)} "
        f"with {safe_text(rule.request_id, limit=80)}",
    ]
    if rule.action is not None:
        shown = safe_text(exact_json(rule.action), keep_newlines=True)
        lines += [f"    {line}" for line in shown.splitlines()]
    return lines
