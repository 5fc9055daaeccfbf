"""Every default of ours: its unit (in the name), its reason, its source.

Numbers stand here and nowhere else. ``None`` means no limit. Nothing is imported, so that any
room may read this at no cost; it must never read a file, a clock or the environment.
"""

from __future__ import annotations

from typing import Final

# --- What an agent gets when config.toml says nothing (DESIGN 4 and 13) ---

TIMEOUT: Final = "2h"
"""Task-level timeout. An agent that forgot to stop should not burn tokens overnight unasked."""
ATTEMPT_TIMEOUT: Final = "none"
"""No limit for one attempt: the task-level timeout already bounds it."""
STALL_TIMEOUT: Final = "none"
"""No stall limit: a plain command that writes no progress would be ended for nothing."""
AUTOSTART: Final = False
"""Starting costs money and changes files, so it has to be asked for."""
UNATTENDED: Final = False
"""A stated default is applied without a person only where the configuration says so."""
CHECKPOINT: Final = "checkpoint.json"
"""Relative to the run directory; the name the SDK writes (DESIGN 3)."""
STOP_SIGNAL: Final = "TERM"
"""What every program is used to; without SIG."""
STOP_GRACE_S: Final = 10.0
"""Time to write a last checkpoint; docker and supervisord give 10 s too."""
RESTART: Final = "on-failure"
"""After success there is nothing left to do; a crash is what we are here for."""
REMIND_AFTER_S: Final = 900.0
"""A person at the desk has seen the question by then, one who has not will not by himself."""
REMIND_MAX_S: Final = 4 * 3600.0
"""The doubling ends here: twice in a working day nobody calls a nuisance."""

MAX_RETRIES: Final = 5
"""Restarts without checkpoint progress: about 15 s of waiting with the delays below (DESIGN 4)."""
BASE_DELAY_S: Final = 0.5
"""Wait before the first retry: long enough for a port or a lock to be let go."""
MAX_DELAY_S: Final = 30.0
"""Upper bound of one wait, before jitter: a service that came back is noticed within it."""
EXPONENTIAL_BASE: Final = 2.0
"""0.5, 1, 2, 4, 8 s: the usual doubling."""
JITTER_FRACTION: Final = 0.2
"""±20 %, so that fifty agents that lost one service do not come back in one instant."""
CRASH_LOOP_DEATHS: Final = 6
"""One more than the retries, so that the default five retries always run first."""
CRASH_LOOP_WINDOW_S: Final = 600.0
"""Crashes further apart than ten minutes are bad luck, not a loop."""

# --- The engine ---

SCAN_INTERVAL_S: Final = 1.5
"""Rescan of the run directories. The watch is a hint; the scan alone must show what is on disk
within 2 s (RELIABILITY, trap 4)."""
SAMPLE_INTERVAL_S: Final = 2.0
"""CPU and memory of each attempt; what the control socket promises (architecture.md)."""
KEPT_CHECKPOINTS: Final = 3
"""Good generations kept: the newest, the one before a torn one, and one for a rollback."""
START_STAGGER_S: Final = 0.01
"""Mean time between two starts when many come at once: without a fork storm 1,000 agents are
still up within 20 s (BARS), most of it their own."""
START_BURST: Final = 8
"""Starts that need not wait for each other."""
CONFIG_SCAN_INTERVAL_S: Final = 1.5
"""How often config.toml is looked at for a change."""
BUDGET_ACTION: Final = "ask"
"""What happens when a budget is used up: the run is held still and the operator asked."""
SERVICE_INTERVAL_S: Final = 0.5
"""How often the breaker of a service is looked at while a run waits for it."""
LOG_CAP_BYTES: Final = 16 * 1024 * 1024
"""Cap of one output file; its older half is punched out beyond it (DESIGN 2)."""
LOG_LOOK_INTERVAL_S: Final = 0.1
"""How often the size of an output file is looked at: a flood's first burst is found within it."""
LOG_LOOK_PER_FILE_S: Final = 0.001
"""Looks are spaced by this for each file: 1,000 agents (2,000 files) are looked at every 2 s,
which costs about 0.3 % of a core."""
LOG_LOOK_MIN_S: Final = 0.01
"""Shortest time between two looks at a file that is being flooded."""
MAX_MEMORY: Final = "none"
"""No limit: how much an agent needs only its owner knows."""
RETENTION_S: Final = 30 * 86400.0
"""Age at which events and what finished runs left are removed: last month can be looked up."""
MAX_EVENTS: Final = 5_000_000
"""Events kept at most, about 2 GB: fifty agents that report every second must not fill a disk."""
PROGRESS_RETENTION_S: Final = 86400.0
"""Age from which a progress report is dropped that the same run followed with another: who looks
back further wants the story, not every percent."""
RETENTION_INTERVAL_S: Final = 3600.0
"""How often age is looked at; an hour more or less of a month matters to nobody."""
INTAKE_INTERVAL_S: Final = 1.0
"""How often a directory that is an intake is listed: a file has to be the same in two looks."""
METRICS_FLUSH_INTERVAL_S: Final = 30.0
"""How often what was counted is stored: so much of the log is counted again after a kill."""
EXPORT_INTERVAL_S: Final = 2.0
"""How often the exports are compared with the configuration, and one that failed is tried."""
OTLP_INTERVAL_S: Final = 5.0
"""How often ended spans are sent, as the batch processor of OpenTelemetry does."""
OTLP_FIGURES_INTERVAL_S: Final = 60.0
"""How often figures are sent, as its periodic reader does."""
OTLP_SAVE_S: Final = 30.0
"""How long what is open may go unsaved while nothing is sent."""
SPIKE_WINDOW_S: Final = 600.0
"""Retries are compared in stretches of ten minutes: shorter ones hold too few to compare."""
SPIKE_FACTOR: Final = 4.0
"""Times the usual number: services have bad hours, and those are not worth a word."""
SPIKE_MINIMUM: Final = 10
"""Fewer retries in a stretch than this bother nobody, whatever is usual."""
METRICS_DAYS_AFTER_H: Final = 24 * 35
"""Age in hours from which figures are kept by the day: a month can be seen by the hour."""
METRICS_RETENTION_H: Final = 24 * 800
"""Age in hours at which figures go: two years can be compared, some 1 kB for an agent's day."""
STORAGE_CHECK_INTERVAL_S: Final = 2.0
"""How often state.db is compared with the open file: SQLite writes into a deleted one without an
error (RELIABILITY, trap 11). One stat, a few microseconds."""
KEEPSAKE_INTERVAL_S: Final = 1.0
"""How far the copy of a run's state beside its records may be behind the log."""
CALL_TIMEOUT_S: Final = 10.0
"""Longest wait of a client for a reply of the engine before it says so."""
START_TIMEOUT_S: Final = 10.0
"""Longest wait for a new engine to answer on its socket."""

# --- Bounds of what a configuration may say ---

MAX_DURATION_S: Final = 10 * 365 * 86400.0
"""Ten years: beyond it a number is a mistake, and sums with clocks stay exact."""
MAX_RETRIES_LIMIT: Final = 1_000_000
"""A bound that only a mistake reaches."""
MAX_WORKERS: Final = 1_000
"""Workers of one pool or stage: what one machine supervises (BARS)."""
MAX_DELIVERIES: Final = 5
"""Deliveries of a task before it is a dead letter: as many tries as an agent's retries."""
MAX_DELIVERIES_LIMIT: Final = 1_000_000
MIN_LOG_CAP_BYTES: Final = 64 * 1024
"""Less would not hold the last traceback."""
MIN_MEMORY_BYTES: Final = 1024 * 1024
"""No program starts in less; a smaller number is a mistake of the unit."""
MAX_SIZE_BYTES: Final = 2**50
"""A pebibyte: beyond it a number is a mistake."""
MAX_NAME_LENGTH: Final = 64
"""Characters of an agent's name: it has to fit a table column and a file name."""
MAX_ARGUMENT_BYTES: Final = 128 * 1024
"""Linux refuses one longer argument (MAX_ARG_STRLEN), so refuse it before the start."""
MAX_CONFIG_BYTES: Final = 1024 * 1024
"""Bytes of config.toml; more is a wrong file."""
MAX_SOCKET_PATH_BYTES: Final = 100
"""A unix socket's path ends at 107 bytes on Linux and 103 on macOS (architecture.md)."""
