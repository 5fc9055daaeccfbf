"""What an agent says of itself: one bad field is dropped and named, the rest stays usable."""

from __future__ import annotations

import json
import math
import unicodedata
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.core.progress import Progress, Stage, Step
from supervisor.core.record import from_plain, to_plain
from supervisor.protocol.bounded_json import parse_json
from supervisor.protocol.lenient import parse_time, time_text
from supervisor.protocol.problem import Problem
from supervisor.protocol.progress import ProgressReport, progress_from_json

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

FULL: dict[str, Any] = {
    "status": "extracting",
    "stage": {"name": "extract", "index": 2, "total": 3},
    "stages": ["read", "extract", "report"],
    "step": {"name": "contract-7.txt", "completed": 7, "total": 12, "unit": "documents"},
    "completed_steps": 19,
    "estimated_completion": "2026-03-01T12:00:00Z",
    "anomalies": [
        {
            "id": "a1",
            "time": "2026-03-01T11:00:00+01:00",
            "kind": "slow",
            "severity": "info",
            "message": "slow",
        }
    ],
    "errors": [
        {"message": "first", "retryable": False},
        {
            "time": 1772362800,
            "service": "anthropic",
            "kind": "overloaded",
            "status_code": 529,
            "retryable": True,
            "message": "overloaded",
        },
    ],
    "usage": {
        "input_tokens": 5,
        "output_tokens": 6,
        "cache_read_tokens": 7,
        "cost_usd": 0.25,
        "model": "claude",
    },
    "services": {"anthropic": {"calls": 4, "retries": 1, "failures": 0, "breaker": "closed"}},
    "updated_at": "2026-03-01T11:59:59.500Z",
    "mood": {"of": ["the", "agent"]},
}


def report_of(value: Any) -> ProgressReport:
    found = progress_from_json(value)
    assert isinstance(found, ProgressReport), str(found)
    return found


def test_everything_the_protocol_names_arrives() -> None:
    progress, anomalies, problems = report_of(FULL)
    assert problems == ()
    assert progress.stage == Stage("extract", 2, 3)
    assert progress.step == Step("contract-7.txt", 7.0, 12.0, "documents")
    assert progress.stages == ("read", "extract", "report")
    assert progress.completed_steps == 19
    assert progress.estimated_completion == 1772366400.0
    assert progress.updated_at == 1772366399.5
    assert progress.usage is not None
    assert (progress.usage.input_tokens, progress.usage.cost_usd) == (5, 0.25)
    assert progress.services["anthropic"].breaker == "closed"
    assert progress.last_error is not None
    assert progress.last_error.message == "overloaded"
    assert progress.last_error.retryable is True
    assert [(a.id, a.kind, a.severity, a.source) for a in anomalies] == [
        ("agent:a1", "slow", "info", "agent")
    ]
    assert anomalies[0].at == 1772359200.0


def test_status_alone_is_enough_and_null_means_absent() -> None:
    assert report_of({"status": "ok"}).progress == Progress("ok")
    nulls = {"status": "ok", **dict.fromkeys(set(FULL) - {"status"})}
    assert report_of(nulls) == ProgressReport(Progress("ok"), [], ())


@pytest.mark.parametrize(
    "value", [{}, {"status": None}, {"status": ""}, {"status": "  "}, {"status": 5}, {"stage": 1},
              {"status": ["x"], "updated_at": "never"}]
)  # fmt: skip
def test_without_a_status_the_file_is_refused(value: Any) -> None:
    problem = progress_from_json(value)
    assert isinstance(problem, Problem)
    assert problem.field == "status"


@pytest.mark.parametrize("value", [[], "x", 5, None, True, [{"status": "x"}]])
def test_what_is_no_object_is_refused(value: Any) -> None:
    assert isinstance(progress_from_json(value), Problem)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"step": {"completed": -5, "total": 10}}, "step.completed: found -5"),
        ({"step": {"completed": 12, "total": 10}}, "step.completed: found 12 of 10"),
        ({"step": {"completed": "50%", "total": 10}}, "step.completed: found '50%'"),
        ({"step": {"completed": True, "total": 10}}, "step.completed: found true"),
        ({"step": {"completed": math.nan, "total": 10}}, "step.completed: found nan"),
        ({"step": {"completed": math.inf, "total": 10}}, "step.completed: found inf"),
        ({"step": {"completed": 1e300, "total": 10}}, "step.completed: found 1e+300"),
    ],
)
def test_a_count_that_makes_no_sense_is_unknown_and_named(
    change: dict[str, Any], named: str
) -> None:
    progress, _, problems = report_of({**FULL, **change})
    assert progress.step == Step(None, None, 10.0)
    assert len(problems) == 1
    assert problems[0].startswith(named)
    assert progress.stage == Stage("extract", 2, 3)


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("stage", "extract"),
        ("stage", {"index": 1}),
        ("stage", {"name": ""}),
        ("stage", {"name": ["x"], "index": "one"}),
        ("stages", "abc"),
        ("step", 7),
        ("completed_steps", 1.5),
        ("completed_steps", -1),
        ("completed_steps", 2**70),
        ("estimated_completion", "tomorrow"),
        ("estimated_completion", "2026-03-01T12:00:00"),
        ("estimated_completion", 1e300),
        ("usage", [1]),
        ("services", []),
        ("updated_at", True),
    ],
)
def test_one_bad_field_hides_nothing_else(field: str, bad: Any) -> None:
    good, _, _ = report_of({name: value for name, value in FULL.items() if name != field})
    progress, _, problems = report_of({**FULL, field: bad})
    assert progress == good
    assert problems[0].startswith(field)


def test_stage_positions_that_contradict_each_other_are_unknown() -> None:
    progress, _, problems = report_of(
        {"status": "x", "stage": {"name": "a", "index": 9, "total": 3}}
    )
    assert progress.stage == Stage("a", None, 3)
    assert problems == ("stage.index: found 9 of 3, expected at most total",)


def test_long_lists_are_bounded_and_keep_the_newest() -> None:
    value = {
        "status": "x",
        "stages": [f"s{n}" for n in range(200)],
        "anomalies": [{"id": str(n), "message": "m"} for n in range(200)],
        "errors": [{"message": str(n)} for n in range(200)],
        "services": {f"s{n}": {} for n in range(200)},
    }
    progress, anomalies, problems = report_of(value)
    assert len(progress.stages) == 100
    assert [a.id for a in anomalies] == [f"agent:{n}" for n in range(150, 200)]
    assert progress.last_error is not None
    assert progress.last_error.message == "199"
    assert len(progress.services) == 50
    assert "stages: found 200 entries, expected at most 100" in problems
    assert len(value["stages"]) == 200, "what was read is left as it was"


def test_an_older_error_never_speaks_for_an_unusable_newest_one() -> None:
    errors = [{"message": "old", "retryable": False}, "garbage"]
    assert report_of({"status": "x", "errors": errors}).progress.last_error is None


def test_an_agents_anomaly_cannot_pass_for_one_of_ours() -> None:
    stated: list[dict[str, str]] = [
        {"id": "crash-loop:3"},
        {"id": "x" * 10_000},
        {"id": "\x1b[2J"},
        {},
        {"id": ""},
    ]
    _, anomalies, _ = report_of(
        {"status": "x", "anomalies": [{**entry, "message": "m"} for entry in stated]}
    )
    assert all(a.id.startswith("agent:") and a.source == "agent" for a in anomalies)
    assert all(len(a.id) <= 70 and a.id.isprintable() for a in anomalies)
    assert len({a.id for a in anomalies}) == 4, "the two without an id say the same"


def test_many_bad_fields_are_counted_not_listed() -> None:
    _, _, problems = report_of({"status": "x", "anomalies": [{"message": n} for n in range(50)]})
    assert len(problems) == 6
    assert problems[-1] == "and 45 more"


EVIL = [
    "\x1b]52;c;aGk=\x07", "\x1b[2J", "\x9b31m", "\u202egnp.exe", "zero\u200bwidth", "a\r\nb",
    "[@click=app.quit]Approve[/]", "Z" + "\u0301" * 500, "\U000e0041tag", "\x7f", "\u2028",
]  # fmt: skip


@pytest.mark.parametrize("evil", EVIL)
def test_no_control_reaches_any_text(evil: str) -> None:
    value = {
        "status": evil,
        "stage": {"name": evil},
        "stages": [evil],
        "step": {"name": evil, "unit": evil},
        "anomalies": [{"id": evil, "kind": evil, "message": evil}],
        "errors": [{"message": evil, "kind": evil, "service": evil}],
        "usage": {"model": evil},
        "services": {evil: {"breaker": evil}},
        evil: evil,
    }
    progress, anomalies, problems = report_of(value)
    for text in _texts([asdict(progress), [asdict(a) for a in anomalies], problems]):
        for character in text:
            kind = unicodedata.category(character)
            assert character == "\n" or kind not in ("Cc", "Cf", "Cs", "Zl", "Zp"), ascii(text)
        marks = sum(unicodedata.combining(character) > 0 for character in text)
        assert marks <= 3
        assert len(text) < 20_000


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [t for pair in value.items() for part in pair for t in _texts(part)]
    if isinstance(value, list | tuple):
        return [t for item in value for t in _texts(item)]
    return []


keys = st.sampled_from([*FULL, "name", "index", "total", "completed", "message", "id", "time"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=20,
)


@unhurried
@given(value=st.dictionaries(keys, anything, max_size=8), has_status=st.booleans())
def test_no_value_raises_and_what_is_reported_can_be_stored(
    value: dict[str, Any], has_status: bool
) -> None:
    found = progress_from_json({**value, "status": "x"} if has_status else value)
    if has_status:
        assert isinstance(found, ProgressReport)
    if isinstance(found, ProgressReport):
        stored = json.loads(json.dumps(to_plain(found.progress), allow_nan=False))
        assert from_plain(Progress, stored) == found.progress


def test_a_file_cut_at_any_byte_never_reports_anything() -> None:
    data = json.dumps(FULL).encode()
    for cut in range(len(data)):
        assert isinstance(parse_json(data[:cut]), Problem)
    assert report_of(parse_json(data)).problems == ()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("2026-01-01t00:00:00.25z", 1767225600.25),
        ("2026-01-01 02:30:00+02:30", 1767225600.0),
        ("2016-12-31T23:59:60Z", 1483228800.0),
        (1767225600, 1767225600.0),
    ],
)
def test_times_are_rfc_3339_or_unix_seconds(text: Any, at: float) -> None:
    assert parse_time(text) == at


@pytest.mark.parametrize(
    "value", ["2026-01-01", "20260101T000000Z", "2026-W01-1", "2026-02-30T00:00:00Z",
              "2026-01-01T00:00:00", "2026-01-01T00:00:00+99:00", "٢٠٢٦-01-01T00:00:00Z", "-1",
              "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", -1, 1e300, True, None, [], {}]
)  # fmt: skip
def test_other_times_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(value)


@unhurried
@given(st.floats(0, 4e9))
def test_a_time_written_is_read_back(at: float) -> None:
    assert abs(parse_time(time_text(at)) - at) <= 0.001
