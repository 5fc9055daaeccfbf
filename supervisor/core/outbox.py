"""Who is told, when, and what becomes of a message that could not be delivered. Pure.

An outbox is what still has to be told to each target. Notices wait there through quiet hours,
until a digest is due, and while a target does not answer; nothing is told twice within the
de-duplication time, and nothing is lost before ``GIVE_UP_S``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from supervisor.core.backoff import Exponential
from supervisor.core.notices import SEVERITIES, Kind, Notice

RETRY = Exponential(base_s=5.0, factor=2.0, max_s=1800.0, jitter=0.2)
GIVE_UP_S = 48 * 3600.0
"""A notice older than this is of no use to anybody: it goes, and that is said in the log."""
MAX_WAITING = 200
"""Notices kept for one target; beyond it the oldest that is not urgent goes."""
DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRule:
    """What of which agents goes where."""

    agents: tuple[str, ...] = ("*",)
    """Patterns as in a shell; the first rule that fits an agent is its rule."""
    kinds: frozenset[Kind]
    severity: str
    """The least severity of an anomaly that is told."""
    targets: tuple[str, ...]
    digest_s: float = 0.0
    """What comes within that time is told as one; urgent kinds do not wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyPolicy:
    """``[notify]`` as it is in force."""

    rules: tuple[NoticeRule, ...] = ()
    urgent: frozenset[Kind] = frozenset({Kind.NEEDS_INPUT})
    """Told in quiet hours too, and never held for a digest."""
    quiet: tuple[int, int] | None = None
    """Minutes of the day, local time; the second may be smaller: over midnight."""
    dedupe_s: float = 600.0
    milestone_every: int = 10
    status_every_s: float | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notice that still has to be told."""

    notice: Notice
    count: int
    """How often the same came meanwhile."""
    since: float


@dataclass(frozen=True, slots=True)
class TargetBox:
    """What one target still has to be told."""

    waiting: tuple[Waiting, ...] = ()
    tries: int = 0
    """Deliveries that failed since one worked."""
    next_at: float = 0.0
    """Unix seconds; not tried before."""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Outbox:
    """Everything that still has to be told; survives restarts."""

    seq: int = 0
    """Events up to here were looked at."""
    boxes: dict[str, TargetBox] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)
    """When what was told last, by target and key."""
    status_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is to be told to a target now, as one message."""

    target: str
    waiting: tuple[Waiting, ...]


def rule_for(policy: NotifyPolicy, agent: str) -> NoticeRule | None:
    """The first rule that fits; what is about all agents goes by the last, the general one."""
    if not agent:
        return policy.rules[-1] if policy.rules else None
    for rule in policy.rules:
        if any(fnmatchcase(agent, pattern) for pattern in rule.agents):
            return rule
    return None


def is_wanted(rule: NoticeRule, notice: Notice) -> bool:
    """Whether the rule tells such a notice."""
    if notice.kind is Kind.ANOMALY:
        least = SEVERITIES.index(rule.severity)
        return Kind.ANOMALY in rule.kinds and SEVERITIES.index(notice.severity) >= least
    return notice.kind in rule.kinds


def put(outbox: Outbox, policy: NotifyPolicy, notice: Notice, now: float) -> Outbox:
    """``outbox`` with ``notice`` for everybody who is to hear it and has not just heard it."""
    rule = rule_for(policy, notice.agent)
    if rule is None or not is_wanted(rule, notice):
        return outbox
    boxes = dict(outbox.boxes)
    for target in rule.targets:
        told_at = outbox.told.get(f"{target} {notice.key}")
        # Where everything stands is told as often as is wanted, and is never the same.
        is_same = told_at is not None and 0 <= now - told_at < policy.dedupe_s
        if is_same and notice.kind is not Kind.STATUS:
            continue
        box = boxes.get(target, TargetBox())
        boxes[target] = replace(box, waiting=_with(box.waiting, notice, policy, now))
    return replace(outbox, boxes=boxes)


def _with(
    waiting: tuple[Waiting, ...], notice: Notice, policy: NotifyPolicy, now: float
) -> tuple[Waiting, ...]:
    for place, known in enumerate(waiting):
        if known.notice.key == notice.key:
            # Where everything stood before is of no use to anybody.
            count = 1 if notice.kind is Kind.STATUS else known.count + 1
            newer = Waiting(notice, count, known.since)
            return (*waiting[:place], newer, *waiting[place + 1 :])
    full = (*waiting, Waiting(notice, 1, now))
    if len(full) <= MAX_WAITING:
        return full
    place = next((i for i, one in enumerate(full) if one.notice.kind not in policy.urgent), 0)
    return (*full[:place], *full[place + 1 :])


def withdraw(outbox: Outbox, run_id: str, request_id: str) -> Outbox:
    """Tell no more of a question that was answered or closed."""
    asked, reminded = f"{run_id}:ask:{request_id}", f"{run_id}:remind:{request_id}:"

    def stays(one: Waiting) -> bool:
        return one.notice.key != asked and not one.notice.key.startswith(reminded)

    boxes = {
        target: replace(box, waiting=tuple(filter(stays, box.waiting)))
        for target, box in outbox.boxes.items()
    }
    return replace(outbox, boxes=boxes)


def is_quiet(policy: NotifyPolicy, minute: int) -> bool:
    """Whether it is quiet at that minute of the local day."""
    if policy.quiet is None:
        return False
    begin, end = policy.quiet
    return begin <= minute < end if begin <= end else minute >= begin or minute < end


def due(outbox: Outbox, policy: NotifyPolicy, now: float, minute: int) -> list[Delivery]:
    """What is to be told now."""
    quiet, found = is_quiet(policy, minute), []
    for target, box in outbox.boxes.items():
        if not box.waiting or now < box.next_at:
            continue
        urgent = [one for one in box.waiting if one.notice.kind in policy.urgent]
        if quiet:
            ready = urgent
        else:
            ripe = any(now >= one.since + _digest_s(policy, one.notice) for one in box.waiting)
            # With a message going out anyway, what waits for a digest goes with it.
            ready = list(box.waiting) if ripe or urgent else []
        if ready:
            found.append(Delivery(target, tuple(ready)))
    return found


def next_due(outbox: Outbox, policy: NotifyPolicy, now: float, minute: int) -> float | None:
    """Unix seconds of the next moment at which something may be due; None: not by time alone."""
    moments: list[float] = []
    if policy.status_every_s is not None:
        moments.append(outbox.status_at + policy.status_every_s)
    for box in outbox.boxes.values():
        for one in box.waiting:
            wait_s = 0.0 if one.notice.kind in policy.urgent else _digest_s(policy, one.notice)
            moment = max(one.since + wait_s, box.next_at)
            if one.notice.kind not in policy.urgent and is_quiet(policy, minute):
                moment = max(moment, now + _quiet_left_s(policy, minute))
            moments.append(moment)
    return min(moments, default=None)


def _quiet_left_s(policy: NotifyPolicy, minute: int) -> float:
    assert policy.quiet is not None
    return ((policy.quiet[1] - minute) % DAY_MINUTES) * 60.0


def _digest_s(policy: NotifyPolicy, notice: Notice) -> float:
    rule = rule_for(policy, notice.agent)
    return rule.digest_s if rule is not None else 0.0


def delivered(outbox: Outbox, policy: NotifyPolicy, delivery: Delivery, now: float) -> Outbox:
    """It was taken: not told again for a while."""
    told = {key: at for key, at in outbox.told.items() if 0 <= now - at < policy.dedupe_s}
    told |= {f"{delivery.target} {one.notice.key}": now for one in delivery.waiting}
    box = outbox.boxes.get(delivery.target, TargetBox())
    left = _without(box.waiting, delivery.waiting)
    boxes = {**outbox.boxes, delivery.target: TargetBox(left)}
    return replace(outbox, boxes=boxes, told=told)


def refused(
    outbox: Outbox, delivery: Delivery, problem: str, now: float, random_unit: float
) -> tuple[Outbox, int]:
    """It was not taken: tried again later. The new outbox, and how many notices were given up."""
    box = outbox.boxes.get(delivery.target, TargetBox())
    kept = tuple(one for one in box.waiting if now - one.since < GIVE_UP_S)
    tries = box.tries + 1
    after = TargetBox(kept, tries, now + RETRY.delay_s(tries, random_unit), problem)
    return replace(outbox, boxes={**outbox.boxes, delivery.target: after}), len(box.waiting) - len(
        kept
    )


def _without(waiting: Iterable[Waiting], gone: Iterable[Waiting]) -> tuple[Waiting, ...]:
    """What came anew while a message was on its way stays, the repetition too."""
    sent: Mapping[str, int] = {one.notice.key: one.count for one in gone}
    left = []
    for one in waiting:
        count = one.count - sent.get(one.notice.key, 0)
        if count > 0:
            left.append(replace(one, count=count))
    return tuple(left)
