"""``longwatch status`` and ``longwatch why``: where each run stands, and what happens next."""

from __future__ import annotations

import argparse
import time
from typing import Any

from supervisor.cli import output
from supervisor.cli.session import Place, connect, snapshot
from supervisor.config.when import FORMS, WhenError, parse_when
from supervisor.control.sync_client import SyncClient
from supervisor.core.describe import (
    duration,
    next_words,
    stage_words,
    step_words,
)
from supervisor.core.eta import Eta, estimate
from supervisor.core.mirror import Mirror
from supervisor.core.moment import Moment
from supervisor.core.progress_text import unmoved_words
from supervisor.core.report import run_report
from supervisor.core.run import FINAL, RunState, Status
from supervisor.core.text import safe_text
from supervisor.core.times import utc_text
from supervisor.core.why import reasons_of
from supervisor.errors import RefusedError, UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``status``."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="an agent or the end of a run id")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument("--all", action="store_true", help="older finished runs too")
    parser.add_argument("--at", metavar="WHEN", help=f"as it was at {FORMS}")


def add_why_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``why``."""
    parser.add_argument("name", metavar="RUN", help="an agent or the end of a run id")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def status(arguments: argparse.Namespace, place: Place) -> int:
    """With a name exit 1 when that run is not well: failed, timed out, or held."""
    with connect(place) as client:
        mirror = _past(client, arguments.at) if arguments.at else Mirror(snapshot(client))
    states = list(mirror.runs.values())
    if arguments.name:
        states = [find(states, arguments.name)]
    elif not arguments.all:
        states = newest_and_active(states)
    now = mirror.taken_at
    if arguments.at and not arguments.json:
        output.line(f"as it was on {utc_text(now.wall)}, after event {mirror.seq}")
    if arguments.json:
        runs = [run_report(state, now) for state in states]
        output.json({"engine": mirror.engine, "runs": runs})
    else:
        for trouble in engine_trouble(mirror.engine) if not arguments.at else ():
            output.line(trouble)
        _print(mirror, states, now)
    bad = (Status.FAILED, Status.TIMED_OUT, Status.HELD)
    return 1 if arguments.name and states[0].status in bad else 0


def _past(client: SyncClient, text: str) -> Mirror:
    """The picture of then; UserError for what is no moment."""
    try:
        when = parse_when(text, time.time())
    except WhenError as error:
        raise UserError(str(error), where="--at") from error
    return Mirror(client.call("past", when.params()))


def engine_trouble(engine: dict[str, Any]) -> list[str]:
    """What is not as it should be with the engine itself, a sentence each."""
    found = []
    storage, watch = engine.get("storage", "ok"), engine.get("watch", "events")
    if storage != "ok":
        found.append(f"storage: {storage}; agents go on, new events wait in memory")
    if watch != "events":
        found.append(f"watch: {watch}; changes of files show within 2 s instead of at once")
    return found


def newest_and_active(states: list[RunState]) -> list[RunState]:
    """Every run that is not over, and the newest of each agent."""
    newest = {state.agent: state.id for state in states}
    return [s for s in states if s.status not in FINAL or newest[s.agent] == s.id]


def find(states: list[RunState], name: str) -> RunState:
    """The newest run of that agent, or the run with that end of its id; RefusedError if none."""
    named = [state for state in states if state.agent == name]
    if named:
        return named[-1]
    found = [state for state in states if len(name) >= 4 and state.id.endswith(name.upper())]
    if len(found) == 1:
        return found[0]
    known = ", ".join(sorted({state.agent for state in states})) or "none"
    why = f"Agents with runs: {safe_text(known, limit=500)}"
    raise RefusedError(f"no run of {safe_text(name, limit=80)!r}", why=why)


def why(arguments: argparse.Namespace, place: Place) -> int:
    """The rule, figures and events behind a run's state, and what happens next and when."""
    with connect(place) as client:
        mirror = Mirror(snapshot(client))
    state, now = find(list(mirror.runs.values()), arguments.name), mirror.taken_at
    reasons = reasons_of(state, now)
    if arguments.json:
        output.json({"run": run_report(state, now), "why": reasons})
        return 0
    for line in reasons:
        output.line(line)
    return 0


def _print(mirror: Mirror, states: list[RunState], now: Moment) -> None:
    if not states:
        known = ", ".join(mirror.agents) or "none; add one to config.toml"
        output.line(f"no runs yet; agents: {known}; start with: longwatch start NAME")
        return
    rows = [_row(state, now) for state in states]
    output.table(("AGENT", "STATUS", "STAGE", "STEP", "ETA", "TRY", "FLAGS", "NEXT / WHY"), rows)


def _about(eta: Eta) -> str:
    """With a mark where earlier runs are all there is to go by."""
    return f"~{duration(eta.left_s)}" if eta.low_s is not None else duration(eta.left_s)


def _row(state: RunState, now: Moment) -> tuple[str, ...]:
    eta = estimate(state, now) if state.status is Status.RUNNING else None
    return (
        state.agent,
        state.status.value,
        stage_words(state.progress),
        step_words(state.progress.step if state.progress else None),
        _about(eta) if eta else "",
        str(state.attempt),
        str(state.anomaly_count) if state.anomaly_count else "",
        next_words(state, now)
        or unmoved_words(state, now)
        or safe_text(state.stale or state.reason, limit=200),
    )
