"""What each key of config.toml means and when a change of it counts: one line each, for people.

Pure data beside the models; a test holds the two together, so no key is without its line.
"""

from __future__ import annotations

AT_ONCE = "at once, in runs that are under way too"
NEXT_ATTEMPT = "at the next attempt of a run"
NEXT_START = "at the next start of a run"
NEXT_PROCESS = "for agent processes started from then on"
NEXT_ENGINE = "at the next start of the engine"
NEXT_TASK = "with the next task"
NEXT_INTERFACE = "when the interface is opened next"
NEXT_COMMAND = "with the next command"

AGENT: dict[str, str] = {
    "command": "The program and its arguments; {python} and {project} are put in",
    "description": "What the agent is for",
    "cwd": "Directory it is started in; relative ones begin at the project",
    "autostart": "Start it together with the engine",
    "unattended": "Answer with the default that its question states, when the question expires",
    "checkpoint": "File in the run directory that it resumes from",
    "timeout": "Limit of a whole run over all attempts; waiting for you does not count",
    "attempt_timeout": "Limit of one process",
    "stall_timeout": "Limit without new progress, checkpoint or question",
    "stop_signal": "How it is asked to end",
    "stop_grace": "From the stop signal to the kill",
    "restart": "When it is started again after its end",
    "log_cap": "Size of each of its two logs on disk; the front is cut off beyond it",
    "max_memory": "Memory of the agent and all it started, beyond which it is restarted",
    "remind_after": "An open question is told again after this, then twice as late each time",
    "remind_max": "The longest time between two reminders",
    "budget_usd": "What one run may spend",
    "budget_action": "What happens when the budget is used up",
    "env": "Variables of its environment",
    "env_pass": "Variables of the engine's environment that it gets too",
    "retry.max_retries": "Restarts without a newer checkpoint before the run has failed",
    "retry.base_delay_seconds": "Wait before the first retry",
    "retry.max_delay_seconds": "The longest wait between two retries",
    "retry.exponential_base": "How much longer each wait is than the one before",
    "retry.jitter_fraction": "Share of the wait that is left to chance, both ways",
    "retry.crash_loop_deaths": "Crashes at the same checkpoint that make a crash loop",
    "retry.crash_loop_window": "Within this time",
}
_WORKERS = {
    "workers": "How many tasks are worked on at once",
    "max_deliveries": "Tries of a task before it is a dead letter",
    "worker": "A process for each task, or one that takes task after task",
    "intake": "Directory in which each file that appears becomes a task",
}
KEYS: dict[str, dict[str, str]] = {
    "defaults": AGENT,
    "agents": AGENT,
    "services": {
        "retry_config.max_retries": "Retries of one call",
        "retry_config.base_delay_seconds": "Wait before the first retry",
        "retry_config.max_delay_seconds": "The longest wait between two retries",
        "retry_config.exponential_base": "How much longer each wait is than the one before",
        "retry_config.jitter_fraction": "Share of the wait that is left to chance, both ways",
        "retry_config.retryable_status_codes": "Answers after which the call is made again",
        "timeouts.connect": "Limit of connecting",
        "timeouts.first_token": "Limit until the first token of the answer",
        "timeouts.gap": "Limit between two tokens",
        "timeouts.response": "Limit of the whole answer",
        "failure_rate": "Share of failed calls that opens the breaker",
        "minimum_calls": "Calls in the window before the breaker judges",
        "window_seconds": "The window in which calls are counted",
        "cool_down_seconds": "How long an open breaker lets nothing through",
        "spread_seconds": "Runs that waited start again spread over this",
        "requests_per_minute": "Limit of all agents of the machine together",
        "tokens_per_minute": "Limit of all agents of the machine together",
        "burst_seconds": "What may be used at once after a quiet time",
        "fallback": "Models that are asked when this one fails",
    },
    "prices": {
        "input": "US dollars for a million input tokens",
        "output": "US dollars for a million output tokens",
        "cache_read": "US dollars for a million tokens read from the cache",
        "cache_write": "US dollars for a million tokens written to the cache",
    },
    "budget": {
        "usd_per_day": "What all agents together may spend on a day (UTC)",
        "action": "What happens when it is used up",
    },
    "metrics": {
        "prometheus": "Where Prometheus may read the figures",
        "otlp": "Where spans and figures are sent (OpenTelemetry)",
        "otlp_headers_env": "The variable that holds the headers for it",
        "spike_window": "Retries are counted over so long",
        "spike_factor": "So many times the agent's usual number is a spike",
        "spike_minimum": "Fewer retries than this are never a spike",
    },
    "anomalies": {
        "every": "Between two looks at the runs that work",
        "stalled_after": "Work time without anything moving: stalled",
        "spin_after": "Work time of a busy processor without progress or output: cpu-spin",
        "spin_percent": "Of one core: what counts as busy",
        "silent_after": "Work time without a line in a log that was regular: log-silence",
        "loop_repeats": "Times the same action in a row: looping",
        "loop_after": "Work time without progress before that counts",
        "back_share": "Share of the total by which progress may go back once",
        "checkpoint_after": "Work time with progress and without a checkpoint: stale-checkpoint",
        "memory_window": "Work time over which memory only grew: memory-growth",
        "memory_factor": "So many times as much at the end of it",
        "memory_growth": "Less growth than this is never told",
        "errors": "Errors in a row without progress: error-streak",
        "tokens": "Tokens used without progress: token-burn",
        "context_share": "Share of the model's context in use: context-nearly-full",
        "slow_factor": "Times the usual time of a stage: slower-than-usual",
        "rejected_after": "Work time with a progress file that cannot be used: schema-violation",
        "clock_jump": "Seconds the wall clock is set by: clock-jump",
        "done_after": "Work time after it said that it is done: claims-done",
        "strike_after": "Work time from the first strike, which is told, to the second",
        "actions.authentication": "After a service refused our credentials twice",
        "actions.claims-done": "After it said that it is done, and was not",
        "actions.clock-jump": "After the wall clock was set twice",
        "actions.context-nearly-full": "While the model's context stays nearly full",
        "actions.cpu-spin": "While it keeps a core busy with nothing to show",
        "actions.error-streak": "While one error follows the other",
        "actions.log-silence": "While its log stays silent",
        "actions.looping": "While it does the same again and again",
        "actions.memory-growth": "While its memory only grows",
        "actions.progress-back": "After its progress went backwards again",
        "actions.quota": "While a quota or credit is used up",
        "actions.schema-violation": "While its progress file cannot be used",
        "actions.slower-than-usual": "While a stage takes much longer than usual",
        "actions.stale-checkpoint": "While there is progress and no checkpoint",
        "actions.stalled": "While nothing moves",
        "actions.token-burn": "While tokens are used without progress",
        "agents": "The same for one agent",
    },
    "notify": {
        "urls": "Addresses that are told (apprise); {env:NAME} stands for a variable",
        "command": "A program that gets each message as JSON",
        "desktop": "Show messages on this desktop",
        "on": "What is told",
        "severity": "The least severity of an anomaly that is told",
        "urgent": "What is told in quiet hours too",
        "quiet_hours": "Times of day in which only what is urgent is told",
        "digest": "Messages within this time are told together",
        "repeat_after": "The same is told again only after this",
        "milestone_every": "Completed steps between two milestones",
        "status_every": "How often a summary is told",
        "rules": "Other ways for some agents",
    },
    "fleet": {
        "engine": "What several machines share their tasks through",
        "servers": "Addresses of the NATS servers",
        "address": "Address of the Temporal cluster",
        "prefix": "What the names of workflows and task queues in Temporal begin with",
        "namespace": "Machines with the same one work together",
        "host": "How this machine is called there",
        "credentials": "File with the credentials",
        "nkey": "File with the seed of this user's key",
        "user": "Name of the user",
        "password_env": "The variable that holds the password",
        "token_env": "The variable that holds the token",
        "api_key_env": "The variable that holds the API key of a Temporal cluster",
        "tls": "Temporal over TLS, with the authorities that this machine trusts",
        "tls_ca": "File with the certificate that is trusted",
        "tls_cert": "File with the certificate of this machine",
        "tls_key": "File with its key",
        "replicas": "Servers that each thing is kept on",
        "operate": "Whether other machines may show and operate this one",
        "lease": "How long tasks of a dead machine wait for another one",
        "deadline": "Temporal ends a task that is not done by then, over all its deliveries",
    },
    "hosts": {
        "address": "How ssh is told of it",
        "directory": "The project's directory there",
        "command": "Longwatch there",
        "ssh": "The ssh to use, with options of its own",
    },
    "pools": {"agent": "An agent of this file whose settings are used", **_WORKERS, **AGENT},
    "pipelines": {"stages": "Its stages, each with its agent and its number of workers"},
    "tui": {
        "theme": "Colours; T changes them for this time",
        "mouse": "Take the mouse; without, the terminal keeps its own selection",
        "keys": "Keys of your own",
        "notify": "How the terminal calls you: a message and a bell, the bell alone, or not at all",
    },
}  # fmt: skip
"""By section, then by the key within it; an inner table's keys have its name before them."""

_AGENT_LATER = {
    "command": NEXT_ATTEMPT, "cwd": NEXT_ATTEMPT, "env": NEXT_ATTEMPT, "env_pass": NEXT_ATTEMPT,
    "checkpoint": NEXT_ATTEMPT, "autostart": NEXT_ENGINE, "unattended": NEXT_START,
    "description": NEXT_INTERFACE,
}  # fmt: skip
_TAKES = {
    "services": NEXT_PROCESS, "prices": NEXT_PROCESS, "fleet": NEXT_ENGINE, "hosts": NEXT_COMMAND,
    "pipelines": NEXT_TASK, "tui": NEXT_INTERFACE,
}  # fmt: skip


def takes(section: str, name: str) -> str:
    """When a change of the key counts, in words after *takes effect*."""
    if section in ("defaults", "agents"):
        return _AGENT_LATER.get(name, AT_ONCE)
    if section == "pools":
        return AT_ONCE if name == "workers" else NEXT_TASK
    return _TAKES.get(section, "at once")
