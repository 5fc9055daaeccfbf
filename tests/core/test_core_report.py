"""What scripts rely on: the keys of ``status --json`` and ``requests --json``, and clean values."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from supervisor.core.moment import Moment
from supervisor.core.report import request_report, rfc3339, run_report
from supervisor.core.run import ExitKind, RunState, Status
from tests.core.builders import T0, a_request, counting, story_in
from tests.core.hostile_samples import HOSTILE, filled, is_harmless

RUN_KEYS = {
    *("id", "agent", "status", "reason", "attempt", "retries", "epoch", "pid", "stage", "step"),
    *("eta", "checkpoint", "anomalies", "usage", "requests", "started_at", "elapsed_seconds"),
    *("deadline", "next_start_at", "exit"),
}
REQUEST_KEYS = {
    *("id", "run", "agent", "kind", "title", "action", "options", "hash", "created_at"),
    "expires_at",
}
RAW = {"action", "options", "default"}
"""Passed on exactly: an answer has to match them."""


@pytest.mark.parametrize("status", Status)
def test_every_status_is_reported_with_all_promised_keys_as_json(status: Status) -> None:
    story = story_in(status)
    report = run_report(story.state, story.now)
    assert set(report) >= RUN_KEYS
    assert report["status"] == status.value
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_a_request_is_reported_with_all_promised_keys() -> None:
    story = story_in(Status.WAITING)
    (report,) = run_report(story.state, story.now)["requests"]
    assert set(report) >= REQUEST_KEYS
    assert report["run"] == story.state.id and report["hash"] == story.state.requests[0].sha256


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_is_in_a_state_its_report_is_clean(name: str) -> None:
    state = filled(RunState, HOSTILE[name])
    state = dataclasses.replace(state, id="RUN", requests=(), checkpoints=())
    for text in texts(run_report(state, T0)):
        assert is_harmless(text) and len(text) <= 1000, ascii(text[:200])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_request_is_clean_but_for_what_an_answer_must_match(name: str) -> None:
    state = filled(RunState, HOSTILE[name])
    request = a_request(
        id="ABCD-1",
        title=HOSTILE[name],
        action={"argv": [HOSTILE[name]]},
        options=(HOSTILE[name],),
        default=HOSTILE[name],
        explanation=HOSTILE[name],
    )
    report = request_report(dataclasses.replace(state, id="RUN"), request)
    assert report["action"] == {"argv": [HOSTILE[name]]}
    assert report["options"] == [HOSTILE[name]] and report["default"] == HOSTILE[name]
    for key in set(report) - RAW:
        for text in texts(report[key]):
            assert all(map(is_harmless, text.split("\n"))), (key, ascii(text[:200]))


def test_a_run_over_ends_its_elapsed_time_and_says_how() -> None:
    story = story_in(Status.RUNNING)
    story.wait(12.0).exits(64)
    report = run_report(story.state, story.wait(1000.0).now)
    assert report["elapsed_seconds"] == 12.0 and report["pid"] is None
    assert report["exit"]["code"] == 64 and report["exit"]["kind"] == ExitKind.PERMANENT
    assert report["exit"]["cause"].startswith("exit status 64")


def test_the_deadline_is_said_while_the_clock_runs_and_not_while_it_waits() -> None:
    story = story_in(Status.RUNNING, timeout_s=60.0)
    story.wait(10.0)
    assert run_report(story.state, story.now)["deadline"] == rfc3339(story.now.wall + 50.0)
    story.asks()
    assert run_report(story.state, story.now)["deadline"] is None


def test_the_next_start_is_a_time_that_a_reboot_does_not_move_back() -> None:
    story = story_in(Status.BACKOFF)
    due = story.state.next_start
    assert due is not None
    assert run_report(story.state, story.now)["next_start_at"] == rfc3339(due.wall)


def test_progress_is_reported_as_the_agent_said_it() -> None:
    story = story_in(Status.RUNNING)
    state = dataclasses.replace(story.state, progress=counting(47, stages=("read", "write")))
    report = run_report(state, story.now)
    assert report["step"] == {"name": "read", "completed": 47, "total": 100.0, "unit": "pages"}
    assert report["stages"] == ["read", "write"] and report["declared_status"] == "working"


@pytest.mark.parametrize("unix", [None, -1.0, 1e12, float("inf"), float("nan")])
def test_a_time_no_calendar_can_show_is_null(unix: float | None) -> None:
    assert rfc3339(unix) is None


def test_times_are_rfc3339_in_utc() -> None:
    assert rfc3339(0.0) == "1970-01-01T00:00:00.000+00:00"
    assert rfc3339(Moment(1.5, 0, "").wall) == "1970-01-01T00:00:01.500+00:00"


def texts(value: Any) -> list[str]:
    """Every string in a JSON value, keys included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in texts(item)]
    return [text for item in value for text in texts(item)] if isinstance(value, list) else []
