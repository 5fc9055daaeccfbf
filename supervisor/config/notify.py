"""``[notify]``: who is told what, as pydantic tables, and the frozen policy made of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from supervisor.config.model import NEVER, Reminder, Table, Wait, wrong
from supervisor.core.notices import Kind
from supervisor.core.outbox import NoticeRule, NotifyPolicy

_HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)

_KindName = Literal[
    "started", "completed", "failed", "needs-input", "anomaly", "milestone", "status"
]
_Severity = Literal["info", "warning", "error"]


def _quiet(value: object) -> object:
    if not isinstance(value, str) or not _HOURS.fullmatch(value.strip()):
        raise wrong("no span of the day", 'two times of the day: "22:00-07:30"')
    return value.strip()


def _hook(value: object) -> object:
    if isinstance(value, str):
        raise wrong("a string", "a list, never a shell line", 'Write: command = ["program"]')
    return value


Url = Annotated[str, Field(min_length=3, max_length=4096)]
Hook = Annotated[list[Annotated[str, Field(min_length=1)]], BeforeValidator(_hook)]


class NotifyRuleTable(Table):
    """``[[notify.rules]]``: other ways for some agents; the rest is as in ``[notify]``."""

    agents: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1)
    on: list[_KindName] | None = None
    severity: _Severity | None = None
    urls: list[Url] | None = None
    command: Hook | None = None
    desktop: bool | None = None
    digest: Wait | None = None


class NotifyTable(Table):
    """``[notify]``."""

    urls: list[Url] = Field(default_factory=list)
    """apprise addresses; ``{env:NAME}`` stands for a variable of the engine."""
    command: Hook = Field(default_factory=list)
    """A program that gets each message as JSON on its standard input."""
    desktop: bool = False
    on: list[_KindName] = Field(default=["completed", "failed", "needs-input", "anomaly"])
    severity: _Severity = "warning"
    urgent: list[_KindName] = Field(default=["needs-input"])
    quiet_hours: Annotated[str, BeforeValidator(_quiet)] | None = None
    digest: Wait = 0.0
    repeat_after: Wait = 600.0
    milestone_every: int = Field(default=10, ge=0, le=10**9)
    status_every: Reminder = Field(default=None, description=f"a duration, or {NEVER}")
    rules: list[NotifyRuleTable] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Target:
    """Where messages go."""

    kind: str
    """``url``, ``command`` or ``desktop``."""
    words: tuple[str, ...] = ()
    """The address, or the argv."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """``[notify]`` in force."""

    policy: NotifyPolicy
    targets: dict[str, Target]
    """By the name that the outbox uses: it tells nothing of what is secret in an address."""


_VARIABLE = re.compile(r"\{env:([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)


def variables_in(target: Target) -> set[str]:
    """Names of the variables that the target's address stands on."""
    return set(_VARIABLE.findall(target.words[0])) if target.kind == "url" else set()


def expanded(url: str, environ: Mapping[str, str]) -> str:
    """``url`` with ``{env:NAME}`` replaced; KeyError names what is not set."""
    return _VARIABLE.sub(lambda found: environ[found[1]], url)


NO_NOTIFICATIONS = NotifySettings(policy=NotifyPolicy(), targets={})


def notify_settings(table: NotifyTable) -> NotifySettings:
    """The policy and its targets."""
    targets: dict[str, Target] = {}

    def named(urls: Iterable[str], command: list[str], *, desktop: bool) -> tuple[str, ...]:
        found = [_named("url", (url,)) for url in urls]
        found += [_named("command", tuple(command))] if command else []
        found += [("desktop", Target("desktop"))] if desktop else []
        targets.update(found)
        return tuple(name for name, _ in found)

    rules = [
        NoticeRule(
            agents=tuple(rule.agents),
            kinds=frozenset(map(Kind, table.on if rule.on is None else rule.on)),
            severity=rule.severity or table.severity,
            targets=named(
                table.urls if rule.urls is None else rule.urls,
                table.command if rule.command is None else rule.command,
                desktop=table.desktop if rule.desktop is None else rule.desktop,
            ),
            digest_s=table.digest if rule.digest is None else rule.digest,
        )
        for rule in table.rules
    ]
    general = NoticeRule(
        kinds=frozenset(map(Kind, table.on)) | ({Kind.STATUS} if table.status_every else set()),
        severity=table.severity,
        targets=named(table.urls, table.command, desktop=table.desktop),
        digest_s=table.digest,
    )
    policy = NotifyPolicy(
        rules=(*rules, general),
        urgent=frozenset(map(Kind, table.urgent)),
        quiet=_minutes(table.quiet_hours),
        dedupe_s=table.repeat_after,
        milestone_every=table.milestone_every,
        status_every_s=table.status_every,
    )
    return NotifySettings(policy=policy, targets=targets)


def _named(kind: str, words: tuple[str, ...]) -> tuple[str, Target]:
    digest = hashlib.sha256("\0".join(words).encode()).hexdigest()[:12]
    return f"{kind}-{digest}", Target(kind, words)


def _minutes(span: str | None) -> tuple[int, int] | None:
    found = _HOURS.fullmatch(span) if span is not None else None
    if found is None:
        return None
    first, second, third, fourth = map(int, found.groups())
    return 60 * first + second, 60 * third + fourth
