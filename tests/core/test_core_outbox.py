"""Who is told what, and when: nothing twice, nothing never, nobody woken for nothing."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.config.notify import NotifyTable, notify_settings
from supervisor.core import events as e
from supervisor.core.events import Recorded
from supervisor.core.moment import Moment
from supervisor.core.notices import Kind, Mark, Notice, digest, moved_mark, notice_of
from supervisor.core.outbox import (
    GIVE_UP_S,
    MAX_WAITING,
    NoticeRule,
    NotifyPolicy,
    Outbox,
    delivered,
    due,
    next_due,
    put,
    refused,
    withdraw,
)
from supervisor.core.progress import Progress, Stage, Step
from supervisor.core.record import canonical, from_plain
from supervisor.core.run import Anomaly

NOON, NIGHT = 12 * 60, 23 * 60
ALL = frozenset(Kind)
RULE = NoticeRule(kinds=ALL, severity="warning", targets=("a",))
POLICY = NotifyPolicy(rules=(RULE,))
QUIET = replace(POLICY, quiet=(22 * 60, 7 * 60))


def notice(kind: Kind = Kind.FAILED, key: str = "k", agent: str = "x", **more: object) -> Notice:
    severity = str(more.get("severity", "warning"))
    return Notice(kind, agent, "run", f"title of {key}", "body", severity, 100.0, key)


def told(outbox: Outbox, policy: NotifyPolicy, now: float, minute: int = NOON) -> list[str]:
    return [one.notice.key for box in due(outbox, policy, now, minute) for one in box.waiting]


def test_a_notice_is_due_at_once_and_not_again_when_it_was_taken() -> None:
    outbox = put(Outbox(), POLICY, notice(), 100.0)
    (delivery,) = due(outbox, POLICY, 100.0, NOON)
    outbox = delivered(outbox, POLICY, delivery, 101.0)
    assert told(outbox, POLICY, 102.0) == []
    again = put(outbox, POLICY, notice(), 500.0)
    assert told(again, POLICY, 500.0) == [], "the same within the time of repeat_after"
    later = put(outbox, POLICY, notice(), 101.0 + POLICY.dedupe_s)
    assert told(later, POLICY, 101.0 + POLICY.dedupe_s) == ["k"]


def test_what_repeats_while_it_waits_is_one_with_a_count() -> None:
    outbox = Outbox()
    for second in range(5):
        outbox = put(outbox, QUIET, notice(), 100.0 + second)
    assert told(outbox, QUIET, 110.0, NIGHT) == []
    (delivery,) = due(outbox, QUIET, 110.0, NOON)
    assert [one.count for one in delivery.waiting] == [5]
    assert "5 times" in digest((one.notice, one.count) for one in delivery.waiting).title


def test_quiet_hours_hold_all_but_what_is_urgent_and_end_with_one_message() -> None:
    outbox = put(Outbox(), QUIET, notice(key="one"), 100.0)
    outbox = put(outbox, QUIET, notice(key="two"), 100.0)
    assert told(outbox, QUIET, 200.0, NIGHT) == []
    asked = put(outbox, QUIET, notice(Kind.NEEDS_INPUT, "ask"), 300.0)
    assert told(asked, QUIET, 300.0, NIGHT) == ["ask"]
    assert told(asked, QUIET, 400.0, 7 * 60) == ["one", "two", "ask"]
    message = digest((one.notice, 1) for one in due(outbox, QUIET, 400.0, 7 * 60)[0].waiting)
    assert message.title == "2 news of x"
    assert message.body.splitlines() == ["title of one", "  body", "title of two", "  body"]
    # At 23:00 there are eight hours left.
    assert next_due(outbox, QUIET, 1000.0, NIGHT) == 1000.0 + 8 * 3600


def test_a_digest_gathers_and_an_urgent_one_takes_all_with_it() -> None:
    policy = replace(POLICY, rules=(replace(RULE, digest_s=900.0),))
    outbox = put(Outbox(), policy, notice(key="one"), 100.0)
    outbox = put(outbox, policy, notice(key="two"), 600.0)
    assert told(outbox, policy, 999.0) == []
    assert next_due(outbox, policy, 600.0, NOON) == 1000.0
    assert told(outbox, policy, 1000.0) == ["one", "two"]
    urgent = put(outbox, policy, notice(Kind.NEEDS_INPUT, "ask"), 700.0)
    assert told(urgent, policy, 700.0) == ["one", "two", "ask"]


def test_the_first_rule_that_fits_an_agent_is_its_rule() -> None:
    special = NoticeRule(
        agents=("license-*",), kinds=frozenset({Kind.FAILED}), severity="error", targets=("b",)
    )
    policy = replace(POLICY, rules=(special, RULE))
    outbox = put(Outbox(), policy, notice(agent="license-audit"), 1.0)
    outbox = put(outbox, policy, notice(Kind.COMPLETED, "done", "license-audit"), 1.0)
    outbox = put(outbox, policy, notice(agent="other", key="other"), 1.0)
    assert {d.target: [w.notice.key for w in d.waiting] for d in due(outbox, policy, 1, NOON)} == {
        "b": ["k"],
        "a": ["other"],
    }


def test_an_anomaly_below_the_wanted_severity_is_not_told() -> None:
    outbox = Outbox()
    for severity in ("info", "warning", "error"):
        outbox = put(outbox, POLICY, notice(Kind.ANOMALY, severity, severity=severity), 1.0)
    assert told(outbox, POLICY, 1.0) == ["warning", "error"]


def test_a_target_that_fails_is_tried_again_ever_more_rarely_and_then_given_up() -> None:
    now, waits, lost = 0.0, [], 0
    outbox = put(Outbox(), POLICY, notice(), now)
    while not lost:
        (delivery,) = due(outbox, POLICY, now, NOON)
        outbox, lost = refused(outbox, delivery, "away", now, 0.5)
        if not lost:
            moment = next_due(outbox, POLICY, now, NOON)
            assert moment is not None and due(outbox, POLICY, moment - 0.1, NOON) == []
            waits.append(moment - now)
            now = moment
    assert waits[:4] == [5.0, 10.0, 20.0, 40.0] and max(waits) == 1800.0
    assert now >= GIVE_UP_S and told(outbox, POLICY, now + 9999.0) == []


def test_a_question_that_was_answered_is_not_asked_any_more() -> None:
    outbox = Outbox()
    for key in ("run:ask:1", "run:remind:1:2", "run:ask:2"):
        outbox = put(outbox, POLICY, notice(Kind.NEEDS_INPUT, key), 1.0)
    assert told(withdraw(outbox, "run", "1"), POLICY, 1.0) == ["run:ask:2"]


def test_a_flood_drops_the_oldest_and_never_a_question() -> None:
    outbox = put(Outbox(), QUIET, notice(Kind.NEEDS_INPUT, "ask"), 1.0)
    for number in range(3 * MAX_WAITING):
        outbox = put(outbox, QUIET, notice(key=f"k{number}"), 1.0)
    keys = told(outbox, QUIET, 1.0)
    assert len(keys) == MAX_WAITING and keys[0] == "ask" and keys[-1] == f"k{3 * MAX_WAITING - 1}"


def test_what_comes_while_a_message_is_on_its_way_stays() -> None:
    outbox = put(Outbox(), POLICY, notice(), 1.0)
    (delivery,) = due(outbox, POLICY, 1.0, NOON)
    outbox = put(outbox, POLICY, notice(), 2.0)
    outbox = put(outbox, POLICY, notice(key="new"), 2.0)
    outbox = delivered(outbox, POLICY, delivery, 3.0)
    assert told(outbox, POLICY, 3.0) == ["k", "new"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Kind)),
            st.sampled_from("abcde"),
            st.booleans(),
            st.integers(0, 900),
        ),
        max_size=60,
    )
)
def test_every_notice_is_taken_once_or_still_waits_and_survives_being_stored(
    steps: list[tuple[Kind, str, bool, int]],
) -> None:
    outbox, now, minute = Outbox(), 1000.0, 21 * 60
    wanted: set[str] = set()
    taken: list[str] = []
    for kind, key, works, pause in steps:
        now, minute = now + pause, (minute + pause // 60) % 1440
        unique = f"{kind}{key}"
        outbox = put(outbox, QUIET, notice(kind, unique, severity="error"), now)
        wanted.add(unique)
        for delivery in due(outbox, QUIET, now, minute):
            if works:
                taken += [one.notice.key for one in delivery.waiting]
                outbox = delivered(outbox, QUIET, delivery, now)
            else:
                outbox, _ = refused(outbox, delivery, "away", now, 0.5)
        outbox = from_plain(Outbox, json.loads(canonical(outbox)))
    waiting = {one.notice.key for box in outbox.boxes.values() for one in box.waiting}
    assert wanted == set(taken) | waiting


def test_a_digest_has_the_evidence_of_an_anomaly() -> None:
    odd = replace(notice(Kind.ANOMALY), title="x stalled", body="nothing moved for 20 min\nmore")
    body = digest([(notice(Kind.STARTED), 1), (odd, 2)]).body
    assert body.splitlines()[:2] == ["x stalled (2 times)", "  nothing moved for 20 min"]


def test_a_resumed_run_that_comes_by_its_old_stages_finished_nothing() -> None:
    def at(stage: str, done: int) -> e.ProgressReported:
        step = Step(completed=done, total=100, unit="pages")
        stages = ("research", "writing", "review")
        return e.ProgressReported(Progress("running", Stage(stage), step=step, stages=stages))

    said, mark = [], Mark()
    for stage, done in (
        ("research", 0), ("writing", 12), ("research", 0), ("writing", 12), ("writing", 25),
        ("review", 0),
    ):  # fmt: skip
        event = at(stage, done)
        recorded = Recorded(1, Moment(100.0, 1.0, "b"), "run", event)
        told_now = notice_of(recorded, "x", milestone_every=10, mark=mark)
        mark = moved_mark(event, 10, mark)
        said += [told_now.title] if told_now else []
    assert said == [
        "x finished research, is in writing",
        "x has done 20 of 100 pages",
        "x finished writing, is in review",
    ]


def anomaly_notice(severity: str, message: str) -> Notice:
    event = e.AnomalyFlagged(
        Anomaly(f"stalled:{severity}", "stalled", severity, message, 100.0, "longwatch")
    )
    made = notice_of(Recorded(1, Moment(100.0, 1.0, "b"), "run", event), "x",
                     milestone_every=10, mark=Mark())  # fmt: skip
    assert made is not None
    return made


def test_the_second_strike_of_an_anomaly_is_told_however_lately_the_first_one_was() -> None:
    first = anomaly_notice("warning", "nothing has changed for 15 min")
    second = anomaly_notice("error", "nothing has changed for 20 min; still so")
    outbox = put(Outbox(), POLICY, first, 100.0)
    outbox = delivered(outbox, POLICY, due(outbox, POLICY, 100.0, NOON)[0], 100.0)
    assert told(put(outbox, POLICY, first, 200.0), POLICY, 200.0) == []
    (delivery,) = due(put(outbox, POLICY, second, 200.0), POLICY, 200.0, NOON)
    assert delivery.waiting[0].notice.body.endswith("still so")


def test_two_services_retries_are_two_things_and_the_same_with_other_numbers_is_one() -> None:
    web, again, mail = (
        anomaly_notice("warning", f"{count} retried calls to {service}; usual are {usual}")
        for count, service, usual in ((17, "web", 2.6), (30, "web", 4), (17, "mail", 2.6))
    )
    outbox = put(put(put(Outbox(), POLICY, web, 1.0), POLICY, again, 2.0), POLICY, mail, 3.0)
    (delivery,) = due(outbox, POLICY, 3.0, NOON)
    assert [(one.count, one.notice.body.split()[4]) for one in delivery.waiting] == [
        (2, "web;"),
        (1, "mail;"),
    ]


def test_where_everything_stands_is_told_as_often_as_is_wanted_and_only_the_newest() -> None:
    def status(at: float) -> Notice:
        return replace(notice(Kind.STATUS, "status", ""), title=f"at {at:g}")

    outbox = put(Outbox(), POLICY, status(100.0), 100.0)
    outbox = delivered(outbox, POLICY, due(outbox, POLICY, 100.0, NOON)[0], 100.0)
    outbox = put(put(outbox, POLICY, status(160.0), 160.0), POLICY, status(220.0), 220.0)
    (delivery,) = due(outbox, POLICY, 220.0, NOON)
    assert digest((one.notice, one.count) for one in delivery.waiting).title == "at 220"


def test_a_digest_begins_with_the_question_and_is_about_it() -> None:
    news = [(notice(Kind.STARTED, "s"), 1), (notice(key="f"), 1)]
    made = digest([*news, (notice(Kind.NEEDS_INPUT, "ask", "asker"), 1)])
    assert made.title == "asker needs you: 3 news of asker, x"
    assert (made.kind, made.body.splitlines()[0]) == (Kind.NEEDS_INPUT, "title of ask")


def test_a_wanted_status_is_told_without_being_named_among_the_kinds() -> None:
    table = NotifyTable.model_validate({"command": ["hook"], "status_every": "6h"})
    policy = notify_settings(table).policy
    assert put(Outbox(), policy, notice(Kind.STATUS, "status", ""), 1.0).boxes
    quiet = notify_settings(NotifyTable.model_validate({"command": ["hook"]})).policy
    assert not put(Outbox(), quiet, notice(Kind.STATUS, "status", ""), 1.0).boxes
