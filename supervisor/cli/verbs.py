"""The table of verbs: its module is imported, and paid for, only when a verb is used."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verb:
    """One command of ``longwatch``."""

    name: str
    module: str
    """Below ``supervisor.cli``."""
    summary: str
    run: str = "run"
    """Name of ``(arguments, project) -> exit status``."""
    declare: str = "add_arguments"
    """Name of ``(parser) -> None``."""
    needs_project: bool = True
    """Without, ``run`` takes the arguments alone and may work where no config.toml is."""


VERBS: tuple[Verb, ...] = (
    Verb("run", "run_cmd", "start runs and follow them to their end"),
    Verb("status", "status_cmd", "where each run stands", "status"),
    Verb(
        "why", "status_cmd", "why a run is in its state, and what next", "why", "add_why_arguments"
    ),
    Verb("requests", "requests_cmd", "what waits for you", "requests", "add_requests_arguments"),
    Verb("answer", "answer_cmd", "answer one request"),
    Verb("approvals", "approvals_cmd", "what is approved for good, and ending it"),
    Verb("logs", "logs_cmd", "what an agent wrote"),
    Verb("events", "events_cmd", "what happened, one line an event"),
    Verb("submit", "submit_cmd", "give a pool or a pipeline tasks"),
    Verb("queue", "queue_cmd", "where tasks stand", "queue", "add_queue_arguments"),
    Verb("task", "queue_cmd", "one task with its result", "task", "add_task_arguments"),
    Verb("dead", "queue_cmd", "dead letters: list|requeue|drop", "dead", "add_dead_arguments"),
    Verb("pool", "queue_cmd", "another number of workers", "pool", "add_pool_arguments"),
    Verb("start", "control_cmd", "start agents"),
    Verb("stop", "control_cmd", "stop runs, gracefully first"),
    Verb("restart", "control_cmd", "end the attempt and start the next from its checkpoint"),
    Verb("pause", "control_cmd", "hold runs still"),
    Verb("resume", "control_cmd", "let paused runs go on"),
    Verb("up", "engine_cmd", "start the engine in the background", "up", "add_up_arguments"),
    Verb("down", "engine_cmd", "end the engine; agents go on", "down", "add_down_arguments"),
    Verb("checkpoints", "checkpoints_cmd", "what a run can resume from; --rollback goes back"),
    Verb("mute", "mute_cmd", "a kind of anomaly is no problem", "mute", "add_mute_arguments"),
    Verb("unmute", "mute_cmd", "and flags runs again", "unmute", "add_unmute_arguments"),
    Verb("journal", "journal_cmd", "the durable steps of a run; truncate runs some again"),
    Verb("notify", "notify_cmd", "try the notifications, or see what still has to be told"),
    Verb("services", "services_cmd", "external services: breakers, failures, limits"),
    Verb("metrics", "metrics_cmd", "completion, durations, retries, waiting, cost of a period"),
    Verb("audit", "audit_cmd", "check the event log, export it, or list who answered what"),
    Verb("upgrade-engine", "upgrade_cmd", "a new engine takes over; agents go on"),
    Verb("restart-engine", "upgrade_cmd", "the same, for an engine that misbehaves"),
    Verb("backup", "backup_cmd", "copy the state while it runs"),
    Verb("service", "service_cmd", "keep it running: install|uninstall|status|show"),
    Verb("serve", "serve_cmd", "the interface in a browser", needs_project=False),
    Verb("hosts", "hosts_cmd", "the machines of the fleet"),
    Verb("dial", "dial_cmd", "the far end of --host; ssh starts it", needs_project=False),
    Verb(
        "completion",
        "completion_cmd",
        "complete commands and names in your shell",
        needs_project=False,
    ),
    Verb("config", "config_cmd", "check config.toml, or print its schema", needs_project=False),
    Verb("doctor", "doctor", "look for what would go wrong on this machine", needs_project=False),
    Verb("init", "init", "make a config.toml, --demo with agents to try", needs_project=False),
)
CLIENTS = frozenset(
    {
        "run", "status", "why", "requests", "answer", "approvals", "logs", "events", "start",
        "stop", "restart", "pause", "resume", "checkpoints", "journal", "submit", "queue", "task",
        "dead", "pool", "services", "mute", "unmute", "metrics",
    }
)  # fmt: skip
"""With ``--host`` these run here, as clients of the engine there, so that files and the editor are
those of the operator. Every other verb is about that machine and is run on it."""
HERE = frozenset({"dial", "serve", "completion"})
"""These take ``--host`` as it is, or have no use for it."""
BY_NAME = {verb.name: verb for verb in VERBS}
