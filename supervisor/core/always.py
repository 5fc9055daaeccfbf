"""Rules that approve for good: this agent, exactly this action, until a moment, or until revoked.

Pure. Owns when a rule holds and the fold of all rules from the log. A rule can never widen: it is
bound to the agent's name, the directory it works in, and the hash of kind, title, action and
options; whatever differs in any of these is asked. It is made only by an answer that carried the
hash of what was read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from supervisor.core import events as e
from supervisor.core.events import Recorded
from supervisor.core.rule import AlwaysRule
from supervisor.core.times import utc_text

RULE_EVENTS = ("AlwaysRuleSet", "AlwaysRuleRevoked", "AlwaysRulesCarried")
"""Stored names of the events that ``fold_rules`` needs."""
DEFAULT_FOR_S = 30 * 86400.0
"""A month: what is done more rarely is worth a look each time."""
MAX_FOR_S = 365 * 86400.0
"""A year; nobody remembers longer what was allowed."""
MIN_FOR_S = 60.0
MAX_RULES = 200
"""More cannot be looked over by a person."""
MAX_ACTION_BYTES = 8192
"""Canonical JSON of an action that may be approved for good: every client holds all rules whole."""
CLOCK_SLACK_S = 60.0
"""A rule does not hold before it was made: a clock set back by more than this measures nothing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """All rules that were not revoked, as of an event of the log."""

    rules: tuple[AlwaysRule, ...] = ()
    """Oldest first; expired ones are among them until the next rule is made."""
    count: int = 0
    """How many were ever made: a rule's number is never given out again."""
    since: int = 0
    """Seq from which on the log has to be kept to fold this again; 0: nothing is needed."""

    def living(self, wall: float) -> tuple[AlwaysRule, ...]:
        """Those that hold at that Unix time."""
        return tuple(rule for rule in self.rules if is_holding(rule, wall))

    @property
    def next_id(self) -> str:
        """The id of the next rule."""
        return f"A{self.count + 1}"

    def find(self, rule_id: str) -> AlwaysRule | None:
        """The rule of that id, however it is typed."""
        return next((r for r in self.rules if r.id.upper() == rule_id.strip().upper()), None)


def apply_rule_event(standing: Standing, recorded: Recorded) -> Standing:
    """The rules after an event of the log; the same for every event that is none of theirs."""
    event = recorded.event
    if isinstance(event, e.AlwaysRuleSet):
        rule = event.rule
        kept = tuple(
            known
            for known in standing.rules
            if _scope(known) != _scope(rule) and known.expires_at > recorded.at.wall
        )
        since = standing.since or recorded.seq
        return Standing((*kept, rule), standing.count + 1, since)
    if isinstance(event, e.AlwaysRuleRevoked):
        left = tuple(rule for rule in standing.rules if rule.id != event.rule_id)
        return replace(standing, rules=left, since=standing.since if left else 0)
    if isinstance(event, e.AlwaysRulesCarried):
        return Standing(event.rules, event.count, recorded.seq if event.rules else 0)
    return standing


def fold_rules(events: Iterable[Recorded], standing: Standing | None = None) -> Standing:
    """The rules after these events."""
    standing = standing or Standing()
    for recorded in events:
        standing = apply_rule_event(standing, recorded)
    return standing


def is_holding(rule: AlwaysRule, wall: float) -> bool:
    """Whether the rule answers anything at that Unix time."""
    return rule.set_at - CLOCK_SLACK_S <= wall < rule.expires_at


def matching_rule(
    rules: Iterable[AlwaysRule], agent: str, cwd: str, sha256: str, wall: float
) -> AlwaysRule | None:
    """The rule that approves this very request of this agent now; None: a person is asked."""
    for rule in rules:
        if (rule.agent, rule.cwd, rule.sha256) == (agent, cwd, sha256) and is_holding(rule, wall):
            return rule
    return None


def said_by(rule: AlwaysRule) -> str:
    """Who answered, for the log and the agent."""
    return f"always-rule {rule.id} (set by {rule.set_by} on {utc_text(rule.set_at)[:10]})"


def _scope(rule: AlwaysRule) -> tuple[Any, ...]:
    return rule.agent, rule.cwd, rule.sha256
