"""The environment of an agent: an allow-list, what its configuration names, and our variables.

Everything else of the operator's environment stays out: keys and tokens reach an agent only by
``env_pass`` or ``env`` (RELIABILITY, Secrets).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from supervisor.core.due import task_left_s
from supervisor.core.moment import Moment
from supervisor.core.run import RunState
from supervisor.protocol.task import TASK_NAME

ALLOWED = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR",
        "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NO_COLOR",
        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
        "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHASHSEED", "NODE_PATH",
    }
)  # fmt: skip
ALLOWED_PREFIXES = ("LC_", "XDG_")
PROTOCOL = "1"


def build_environment(
    own: Mapping[str, str],
    state: RunState,
    run_dir: Path,
    resume_from: Path | None,
    now: Moment,
    *,
    services_file: Path | None = None,
) -> dict[str, str]:
    """The variables of the next attempt; ``resume_from`` is the newest valid checkpoint."""
    spec = state.spec
    env = {
        name: value
        for name, value in own.items()
        if name in ALLOWED or name.startswith(ALLOWED_PREFIXES) or name in spec.env_pass
    }
    # A log file is no terminal: without this a Python agent's lines appear only at its end.
    env["PYTHONUNBUFFERED"] = "1"
    env.update(spec.env)
    env.update(
        LONGWATCH_PROTOCOL=PROTOCOL,
        LONGWATCH_RUN_DIR=str(run_dir),
        LONGWATCH_RUN_ID=state.id,
        LONGWATCH_AGENT=state.agent,
        LONGWATCH_EPOCH=str(state.epoch),
        LONGWATCH_ATTEMPT=str(state.attempt),
    )
    if state.task is not None:
        env["LONGWATCH_TASK_FILE"] = str(run_dir / TASK_NAME)
        if state.task.is_shared:
            env["LONGWATCH_JOURNAL_ACK"] = "1"
    if services_file is not None:
        env["LONGWATCH_SERVICES_FILE"] = str(services_file)
    if shared := own.get("LONGWATCH_SHARED_DIR"):
        env["LONGWATCH_SHARED_DIR"] = shared
    left_s = task_left_s(state, now)
    if left_s is not None:
        env["LONGWATCH_DEADLINE"] = f"{now.wall + left_s:.3f}"
    # Only those ahead: whoever looks at the clock knows of the others. repr reads back exactly.
    if woken := [repr(at) for at in state.woken if at > now.wall]:
        env["LONGWATCH_WOKEN"] = ",".join(woken)
    if resume_from is not None:
        env["LONGWATCH_RESUME_FROM"] = str(resume_from)
    return env
