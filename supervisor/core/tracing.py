"""The event log folded into spans: runs, attempts, stages, calls, questions.

Deterministic and without a clock: the same events give the same spans. Follows the semantic
conventions for generative AI of OpenTelemetry 1.41.0 (status: development), see docs/metrics.md.

A call is what one progress report tells of a model or service beyond the report before: agents
count, and their reports are all that is known. One that reports after every call has a span for
every call; ``longwatch.calls`` says how many a span stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from supervisor.core import events as e
from supervisor.core.events import Recorded
from supervisor.core.fold import CRASHES
from supervisor.core.progress import ModelUse, Progress, ServiceUse, Usage
from supervisor.core.run import FINAL, RunState
from supervisor.core.spans import OpenRequest, OpenTrace, Span, Step

PROVIDERS = (
    ("claude", "anthropic"), ("gpt", "openai"), ("o1", "openai"), ("o3", "openai"),
    ("o4", "openai"), ("gemini", "gcp.gemini"), ("mistral", "mistral_ai"), ("grok", "x_ai"),
    ("deepseek", "deepseek"), ("command", "cohere"),
)  # fmt: skip
"""Beginning of a model's name, and who it is by in the convention's words."""
NO_MODEL = ""
UNKNOWN_ERROR = "_OTHER"
"""Of the conventions, for ``error.type``: an agent's own word for an error is none of ours."""
ENDS: dict[type[e.Event], tuple[str, bool]] = {
    e.RunSucceeded: ("succeeded", False),
    e.RunFailed: ("failed", True),
    e.RunTimedOut: ("timed_out", True),
    e.RunStopped: ("stopped", False),
}


def provider_of(model: str) -> str:
    """Who a model is by; empty when its name does not say."""
    lower = model.lower()
    return next((provider for start, provider in PROVIDERS if lower.startswith(start)), "")


def open_trace_of(state: RunState) -> OpenTrace:
    """The open trace of a run that began before its events are seen; what it used is not told."""
    progress, newest = state.progress, state.newest_attempt
    trace = OpenTrace(state.agent, state.started_at or state.created_at, told_at=state.created_at)
    if newest is not None and newest.exit is None:
        trace.attempt, trace.attempt_since = newest.number, newest.started_at
        trace.epoch, trace.pid = newest.epoch, newest.pid or 0
        trace.resumed_from = newest.resumed_from or 0
        trace.told_at = newest.started_at
    if progress is not None:
        trace.models, trace.services = _models(progress.usage), dict(progress.services)
    for request in state.open_requests:
        trace.requests[request.id] = OpenRequest(request.kind, request.created_at)
    return trace


class Tracer:
    """Open traces by run; ``see`` gives the spans that an event ended."""

    def __init__(
        self,
        traces: dict[str, OpenTrace] | None = None,
        state_of: Callable[[str], RunState | None] = lambda _run_id: None,
    ) -> None:
        """``state_of`` finds a run that began before the events that are seen."""
        self.traces = dict(traces or {})
        self._state_of = state_of

    def see(self, recorded: Recorded) -> list[Span]:
        """Spans that ended with this event. Events come in the order of the log."""
        run_id, event = recorded.run_id, recorded.event
        if not run_id or isinstance(event, e.RunRebuilt):
            return []
        trace = self._trace(recorded)
        if trace is None:
            return []
        wall = recorded.at.wall
        handle = _HANDLERS.get(type(event))
        spans = handle(run_id, trace, event, wall) if handle is not None else []
        if type(event) in ENDS:
            spans += _end_run(run_id, trace, event, wall)
            del self.traces[run_id]
        return spans

    def _trace(self, recorded: Recorded) -> OpenTrace | None:
        run_id, event = recorded.run_id, recorded.event
        known = self.traces.get(run_id)
        if known is not None:
            return known
        if isinstance(event, e.RunCreated):
            known = OpenTrace(event.spec.name, recorded.at.wall, told_at=recorded.at.wall)
        else:
            state = self._state_of(run_id)
            if state is None or (state.status in FINAL and not isinstance(event, e.RunReopened)):
                return None
            known = open_trace_of(state)
            if isinstance(event, e.RunReopened):
                # An attempt's number is unique in the run, so is that of the round before it.
                known.round, known.since = max(2, state.attempt + 1), recorded.at.wall
        self.traces[run_id] = known
        return known


def step_spans(attempt: Span, steps: Iterable[Step]) -> list[Span]:
    """The durable steps of an attempt that has ended."""
    found = []
    for step in steps:
        start = max(attempt.start, step.at - step.took_s)
        attributes = {
            "gen_ai.agent.name": attempt.attributes.get("gen_ai.agent.name", ""),
            "longwatch.step.name": step.name,
            "longwatch.step.occurrence": step.occurrence,
        }
        attributes |= {"error.type": UNKNOWN_ERROR} if step.has_failed else {}
        found.append(
            Span(attempt.run_id, f"{attempt.key}/step-{step.line}", attempt.key,
                 f"step {step.name}", start, max(start, step.at), attributes,
                 error="it raised" if step.has_failed else "")
        )  # fmt: skip
    return found


def is_attempt(span: Span) -> bool:
    """Whether it is an attempt's own span."""
    return span.key.startswith("attempt-") and "/" not in span.key


def _starting(_run_id: str, trace: OpenTrace, event: e.AttemptStarting, wall: float) -> list[Span]:
    trace.attempt, trace.attempt_since, trace.epoch = event.number, wall, event.epoch
    trace.resumed_from, trace.pid = event.resumed_from or 0, 0
    trace.told_at, trace.stage, trace.stages, trace.reports = wall, "", 0, 0
    trace.marks, trace.dropped = (), 0
    return []


def _started(_run_id: str, trace: OpenTrace, event: e.AttemptStarted, _wall: float) -> list[Span]:
    trace.pid = event.pid
    return []


def _exited(run_id: str, trace: OpenTrace, event: e.AttemptExited, wall: float) -> list[Span]:
    if not trace.attempt:
        return []
    spans = _end_stage(run_id, trace, wall)
    end, attributes = event.exit, _attributes(trace)
    attributes |= {
        "longwatch.attempt.number": trace.attempt,
        "longwatch.attempt.epoch": trace.epoch,
        "longwatch.exit.kind": end.kind.value,
    }
    if trace.resumed_from:
        attributes["longwatch.checkpoint.generation"] = trace.resumed_from
    if trace.pid:
        attributes["process.pid"] = trace.pid
    if end.code is not None:
        attributes["process.exit.code"] = end.code
    if end.signal is not None:
        attributes["longwatch.exit.signal"] = end.signal
    if trace.dropped:
        attributes["longwatch.events.dropped"] = trace.dropped
    error = end.cause if end.kind in CRASHES or end.kind.value in ("permanent",) else ""
    attributes |= {"error.type": end.kind.value} if error else {}
    spans.append(
        Span(run_id, trace.attempt_key, trace.run_key, f"attempt {trace.attempt}",
             trace.attempt_since, wall, attributes, error=error, marks=trace.marks)
    )  # fmt: skip
    trace.attempt, trace.marks = 0, ()
    return spans


def _reported(run_id: str, trace: OpenTrace, event: e.ProgressReported, wall: float) -> list[Span]:
    progress = event.progress
    spans = _calls(run_id, trace, progress, wall)
    stage = progress.stage.name if progress.stage else ""
    if stage != trace.stage:
        spans = _end_stage(run_id, trace, wall) + spans
        trace.stage, trace.stage_since = stage, wall
    trace.told_at = wall
    return spans


def _end_stage(run_id: str, trace: OpenTrace, wall: float) -> list[Span]:
    if not trace.stage:
        return []
    trace.stages += 1
    key = f"{trace.attempt_key}/stage-{trace.stages}"
    span = Span(run_id, key, trace.attempt_key, f"stage {trace.stage}", trace.stage_since, wall,
                {**_attributes(trace), "longwatch.stage.name": trace.stage})  # fmt: skip
    trace.stage = ""
    return [span]


def _calls(run_id: str, trace: OpenTrace, progress: Progress, wall: float) -> list[Span]:
    """What this report tells beyond the one before, as calls between the two."""
    models = _models(progress.usage)
    used = {
        model: more
        for model, use in models.items()
        if (more := _beyond(use, trace.models.get(model, ModelUse()))) != ModelUse()
    }
    served = {
        name: calls
        for name, use in progress.services.items()
        if (calls := _beyond_calls(use, trace.services.get(name, ServiceUse()))) != ServiceUse()
    }
    if not used and not served:
        return []
    trace.reports += 1
    trace.models, trace.services = {**trace.models, **models}, dict(progress.services)
    spans = []
    for number, (model, more) in enumerate(sorted(used.items())):
        provider = provider_of(model)
        through = served.pop(provider, None) if provider else None
        spans.append(_chat(run_id, trace, (model, more, through), (number, wall)))
    for number, (service, calls) in enumerate(sorted(served.items()), len(used)):
        key = f"{trace.attempt_key}/call-{trace.reports}-{number}"
        attributes = {**_attributes(trace), **_call_attributes(service, calls)}
        spans.append(Span(run_id, key, trace.attempt_key, f"call {service}", trace.told_at, wall,
                          attributes, is_call=True, error=_failure(calls)))  # fmt: skip
        trace.retries += calls.retries
    return spans


def _chat(
    run_id: str,
    trace: OpenTrace,
    told: tuple[str, ModelUse, ServiceUse | None],
    place: tuple[int, float],
) -> Span:
    (model, more, through), (number, wall) = told, place
    taken = more.input_tokens + more.cache_read_tokens + more.cache_write_tokens
    attributes: dict[str, Any] = {
        **_attributes(trace),
        "gen_ai.operation.name": "chat",
        # With those of the cache, as the convention wants it.
        "gen_ai.usage.input_tokens": taken,
        "gen_ai.usage.output_tokens": more.output_tokens,
    }
    if more.cache_read_tokens:
        attributes["gen_ai.usage.cache_read.input_tokens"] = more.cache_read_tokens
    if more.cache_write_tokens:
        attributes["gen_ai.usage.cache_creation.input_tokens"] = more.cache_write_tokens
    if model:
        attributes["gen_ai.request.model"] = model
    if provider := provider_of(model):
        attributes["gen_ai.provider.name"] = provider
    if more.cost_usd:
        attributes["longwatch.cost_usd"] = more.cost_usd
    if through is not None:
        attributes |= _call_attributes(provider_of(model), through)
        trace.retries += through.retries
    trace.input_tokens += taken
    trace.output_tokens += more.output_tokens
    trace.cost_usd += more.cost_usd
    key = f"{trace.attempt_key}/call-{trace.reports}-{number}"
    return Span(run_id, key, trace.attempt_key, f"chat {model}".strip(), trace.told_at, wall,
                attributes, is_call=True, error=_failure(through))  # fmt: skip


def _call_attributes(service: str, calls: ServiceUse) -> dict[str, Any]:
    return {
        "longwatch.service.name": service,
        "longwatch.calls": calls.calls,
        "longwatch.calls.retries": calls.retries,
        "longwatch.calls.failures": calls.failures,
        **({"error.type": UNKNOWN_ERROR} if calls.failures else {}),
    }


def _failure(calls: ServiceUse | None) -> str:
    return f"{calls.failures} failed for good" if calls is not None and calls.failures else ""


def _asked(_run_id: str, trace: OpenTrace, event: e.RequestOpened, wall: float) -> list[Span]:
    trace.requests[event.request.id] = OpenRequest(event.request.kind, wall)
    return []


def _answered(run_id: str, trace: OpenTrace, event: e.RequestAnswered, wall: float) -> list[Span]:
    return _end_request(run_id, trace, (event.request_id, "answered"), wall)


def _closed(run_id: str, trace: OpenTrace, event: e.RequestClosed, wall: float) -> list[Span]:
    how = "expired" if event.expired else "withdrawn"
    return _end_request(run_id, trace, (event.request_id, how), wall)


def _end_request(run_id: str, trace: OpenTrace, ended: tuple[str, str], wall: float) -> list[Span]:
    request_id, how = ended
    request = trace.requests.pop(request_id, None)
    if request is None:
        return []
    attributes = {
        **_attributes(trace),
        "longwatch.request.id": request_id,
        "longwatch.request.kind": request.kind,
        "longwatch.request.outcome": how,
    }
    return [Span(run_id, f"request-{request_id}", trace.run_key, f"request {request.kind}",
                 request.asked_at, wall, attributes)]  # fmt: skip


def _checkpoint(
    _run: str, trace: OpenTrace, event: e.CheckpointRecorded, wall: float
) -> list[Span]:
    kept = event.checkpoint
    trace.mark("checkpoint", wall, **{
        "longwatch.checkpoint.generation": kept.generation,
        "longwatch.checkpoint.size": kept.size_bytes,
    })  # fmt: skip
    return []


def _anomaly(_run_id: str, trace: OpenTrace, event: e.AnomalyFlagged, wall: float) -> list[Span]:
    trace.mark("anomaly", wall, **{
        "longwatch.anomaly.kind": event.anomaly.kind,
        "longwatch.anomaly.severity": event.anomaly.severity,
        "longwatch.anomaly.source": event.anomaly.source,
    })  # fmt: skip
    return []


def _end_run(run_id: str, trace: OpenTrace, event: e.Event, wall: float) -> list[Span]:
    outcome, is_error = ENDS[type(event)]
    spans = []
    for request_id in tuple(trace.requests):
        spans += _end_request(run_id, trace, (request_id, "withdrawn"), wall)
    attributes = _attributes(trace) | {
        "gen_ai.operation.name": "invoke_agent",
        "longwatch.run.outcome": outcome,
        "longwatch.run.retried_calls": trace.retries,
        "gen_ai.usage.input_tokens": trace.input_tokens,
        "gen_ai.usage.output_tokens": trace.output_tokens,
    }
    if trace.cost_usd:
        attributes["longwatch.cost_usd"] = trace.cost_usd
    providers = {provider_of(model) for model in trace.models} - {""}
    if len(providers) == 1:
        attributes["gen_ai.provider.name"] = providers.pop()
    error = outcome if is_error else ""
    attributes |= {"error.type": outcome} if error else {}
    spans.append(Span(run_id, trace.run_key, "", f"invoke_agent {trace.agent}", trace.since, wall,
                      attributes, error=error))  # fmt: skip
    return spans


def _attributes(trace: OpenTrace) -> dict[str, Any]:
    return {"gen_ai.agent.name": trace.agent}


def _models(usage: Usage | None) -> dict[str, ModelUse]:
    """Use by model; all of it under one name where no models are told apart."""
    if usage is None:
        return {}
    if usage.models:
        return dict(usage.models)
    return {
        usage.model or NO_MODEL: ModelUse(
            usage.input_tokens, usage.output_tokens, usage.cache_read_tokens,
            usage.cache_write_tokens, usage.cost_usd,
        )
    }  # fmt: skip


def _numbers(use: ModelUse) -> tuple[int, ...]:
    return (use.input_tokens, use.output_tokens, use.cache_read_tokens, use.cache_write_tokens)


def _beyond(new: ModelUse, old: ModelUse) -> ModelUse:
    """A counter that went down tells nothing."""
    more = [
        max(0, after - before) for after, before in zip(_numbers(new), _numbers(old), strict=True)
    ]
    return ModelUse(more[0], more[1], more[2], more[3], max(0.0, new.cost_usd - old.cost_usd))


def _beyond_calls(new: ServiceUse, old: ServiceUse) -> ServiceUse:
    return ServiceUse(
        max(0, new.calls - old.calls),
        max(0, new.retries - old.retries),
        max(0, new.failures - old.failures),
    )


_HANDLERS: dict[type[e.Event], Callable[[str, OpenTrace, Any, float], list[Span]]] = {
    e.AttemptStarting: _starting,
    e.AttemptStarted: _started,
    e.AttemptExited: _exited,
    e.ProgressReported: _reported,
    e.RequestOpened: _asked,
    e.RequestAnswered: _answered,
    e.RequestClosed: _closed,
    e.CheckpointRecorded: _checkpoint,
    e.AnomalyFlagged: _anomaly,
}
