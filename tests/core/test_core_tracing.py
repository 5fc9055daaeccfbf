"""A run as a trace: which spans there are, how they hang together, and what they say."""

from __future__ import annotations

from dataclasses import replace

from supervisor.core import events as e
from supervisor.core.events import Event, Recorded
from supervisor.core.progress import ModelUse, Progress, ServiceUse, Stage, Usage
from supervisor.core.record import from_plain, to_plain
from supervisor.core.run import Anomaly, Checkpoint, Exit, ExitKind
from supervisor.core.spans import OpenTrace, Span, Step, span_id, trace_id
from supervisor.core.tracing import Tracer, provider_of, step_spans
from tests.core.builders import RUN_ID, T0, a_request, a_spec, an_answer

CRASH = Exit(ExitKind.CRASH, "killed by SIGKILL", signal=9)
DONE = Exit(ExitKind.DONE, "exit status 0", code=0)


def story() -> list[Recorded]:
    """Two attempts, two stages, a model, a service, a question."""
    told: list[tuple[float, Event]] = [
        (0, e.RunCreated(a_spec(), "started")),
        (1, e.AttemptStarting(1, 1, "start")),
        (1, e.AttemptStarted(1, 77, 1)),
        (2, e.ProgressReported(Progress("r", Stage("read")))),
        (3, e.CheckpointRecorded(Checkpoint(1, "ab", 2, 1))),
        (4, report(ModelUse(100, 10, 50, 0, 0.5), ServiceUse(1, 2, 0))),
        (5, e.AttemptExited(1, CRASH)),
        (6, e.AttemptStarting(2, 2, "retry", 1)),
        (6, e.AttemptStarted(2, 78, 1)),
        (7, report(ModelUse(160, 30, 50, 0, 0.75), ServiceUse(2, 2, 0), "write")),
        (8, e.AnomalyFlagged(Anomaly("a", "stalled", "warning", "secret words", 0, "longwatch"))),
        (9, e.RequestOpened(replace(a_request(), id="ABCD-1", title="secret?"))),
        (12, e.RequestAnswered("ABCD-1", an_answer())),
        (13, e.AttemptExited(2, DONE)),
        (13, e.RunSucceeded("done")),
    ]
    return [Recorded(n, T0.plus(at), RUN_ID, event) for n, (at, event) in enumerate(told, 1)]


def report(use: ModelUse, service: ServiceUse, stage: str = "read") -> e.ProgressReported:
    usage = Usage(model="claude-haiku-4-5", models={"claude-haiku-4-5": use})
    return e.ProgressReported(
        Progress("r", Stage(stage), usage=usage, services={"anthropic": service})
    )


def spans_of(events: list[Recorded]) -> dict[str, Span]:
    tracer = Tracer()
    return {span.key: span for recorded in events for span in tracer.see(recorded)}


def seconds(span: Span) -> tuple[float, float]:
    return span.start - T0.wall, span.end - T0.wall


def test_a_run_is_a_trace_of_attempts_stages_calls_and_questions() -> None:
    spans = spans_of(story())
    assert {span.name: span.parent for span in spans.values()} == {
        "invoke_agent reader": "",
        "attempt 1": "run",
        "attempt 2": "run",
        "stage read": "attempt-1",
        "stage write": "attempt-2",
        "chat claude-haiku-4-5": "attempt-2",
        "request approve": "run",
    }
    assert seconds(spans["run"]) == (0, 13) and seconds(spans["attempt-2"]) == (6, 13)
    assert seconds(spans["attempt-1/stage-1"]) == (2, 5)
    assert seconds(spans["request-ABCD-1"]) == (9, 12)


def test_a_call_holds_what_was_told_since_the_report_before_in_words_of_the_convention() -> None:
    spans = spans_of(story())
    first = spans["attempt-1/call-1-0"]
    assert seconds(first) == (2, 4) and first.is_call
    assert first.attributes["gen_ai.operation.name"] == "chat"
    assert first.attributes["gen_ai.request.model"] == "claude-haiku-4-5"
    assert first.attributes["gen_ai.provider.name"] == "anthropic"
    assert first.attributes["gen_ai.usage.input_tokens"] == 150, "cached tokens are input too"
    assert first.attributes["gen_ai.usage.cache_read.input_tokens"] == 50
    assert first.attributes["longwatch.calls.retries"] == 2
    second = spans["attempt-2/call-1-0"]
    assert second.attributes["gen_ai.usage.input_tokens"] == 60
    assert second.attributes["gen_ai.usage.output_tokens"] == 20
    whole = spans["run"].attributes
    assert whole["gen_ai.usage.input_tokens"] == 210 and whole["longwatch.cost_usd"] == 0.75
    assert whole["gen_ai.operation.name"] == "invoke_agent"


def test_a_crash_is_an_error_of_its_attempt_and_not_of_a_run_that_succeeded() -> None:
    spans = spans_of(story())
    assert spans["attempt-1"].error == "killed by SIGKILL"
    assert spans["attempt-2"].error == spans["run"].error == ""
    assert spans["attempt-2"].attributes["longwatch.checkpoint.generation"] == 1
    assert [mark.name for mark in spans["attempt-1"].marks] == ["checkpoint"]


def test_what_ended_in_an_error_has_its_type_as_the_convention_wants() -> None:
    events = story()
    events[10] = replace(events[10], event=report(ModelUse(170, 30, 50), ServiceUse(3, 2, 1)))
    events[-1] = replace(events[-1], event=e.RunTimedOut("too long"))
    spans = spans_of(events)
    types = {span.key: span.attributes.get("error.type") for span in spans.values()}
    assert types["attempt-1"] == "crash" and types["run"] == "timed_out"
    assert types["attempt-2/call-2-0"] == "_OTHER"
    assert all(bool(span.error) == (types[key] is not None) for key, span in spans.items())
    attempt = spans["attempt-1"]
    steps = step_spans(attempt, [Step(1, "s", 0, 3.0, 1.0, True), Step(2, "s", 1, 3.0, 1.0, False)])
    assert [step.attributes.get("error.type") for step in steps] == ["_OTHER", None]


def test_a_cost_without_a_token_is_in_the_trace_too() -> None:
    events = story()
    events[10] = replace(events[10], event=report(ModelUse(160, 30, 50, 0, 1.0), ServiceUse(2, 2)))
    assert spans_of(events)["run"].attributes["longwatch.cost_usd"] == 1.0


def test_no_span_holds_what_an_agent_wrote_or_asked() -> None:
    assert "secret" not in repr(spans_of(story()))


def test_a_restart_at_any_event_gives_the_same_spans() -> None:
    events = story()
    whole = spans_of(events)
    for cut in range(len(events)):
        tracer, spans = Tracer(), []
        for number, recorded in enumerate(events):
            if number == cut:
                plain = {run_id: to_plain(trace) for run_id, trace in tracer.traces.items()}
                tracer = Tracer({run: from_plain(OpenTrace, one) for run, one in plain.items()})
            spans += [from_plain(Span, to_plain(span)) for span in tracer.see(recorded)]
        assert {span.key: span for span in spans} == whole
        assert not tracer.traces


def test_ids_follow_from_the_run_alone_and_no_two_spans_share_one() -> None:
    spans = spans_of(story())
    ids = {span_id(RUN_ID, key) for key in spans}
    assert len(ids) == len(spans) and 0 not in ids
    assert trace_id(RUN_ID) == trace_id(RUN_ID) < 2**128
    assert trace_id(RUN_ID) != trace_id(RUN_ID[:-1] + "E")


def test_a_run_that_is_continued_gets_a_second_span_of_its_own() -> None:
    events = [
        (0, e.RunCreated(a_spec(), "started")),
        (1, e.AttemptStarting(1, 1, "start")),
        (2, e.AttemptExited(1, Exit(ExitKind.PERMANENT, "exit status 65", 65))),
        (2, e.RunFailed("no")),
    ]
    tracer = Tracer()
    recorded = [Recorded(n, T0.plus(at), RUN_ID, event) for n, (at, event) in enumerate(events, 1)]
    spans = [span for one in recorded for span in tracer.see(one)]
    assert [span.error for span in spans] == ["exit status 65", "failed"]
    from supervisor.core.fold import apply

    state = None
    for one in recorded:
        state = apply(state, RUN_ID, one.event, one.at)
    tracer = Tracer(state_of=lambda _run_id: state)
    assert tracer.see(Recorded(9, T0.plus(3), RUN_ID, e.TaskDelivered)) == [] if False else True
    tracer.see(Recorded(9, T0.plus(3), RUN_ID, e.RunReopened("kim", "again")))
    again = tracer.see(Recorded(10, T0.plus(4), RUN_ID, e.RunStopped("kim", "enough")))
    assert [span.key for span in again] == ["run-2"] and again[0].attributes[
        "longwatch.run.outcome"
    ] == "stopped"


def test_a_provider_is_named_only_where_the_model_says_it() -> None:
    assert provider_of("claude-haiku-4-5") == "anthropic" and provider_of("GPT-5") == "openai"
    assert provider_of("my-own") == ""
