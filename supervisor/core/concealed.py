"""An agent's settings without the secrets in them, and with them again at the launch. Pure.

What is stored and shown is the concealed form; markers stand for the values, by the name of the
variable, so that a changed value is the same settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from supervisor.core.redact import Hidden, Redactor, has_marker, is_secret_value, put_back
from supervisor.core.spec import AgentSpec


def conceal_spec(spec: AgentSpec, redactor: Redactor) -> tuple[AgentSpec, Hidden]:
    """``spec`` as it may be stored, and what its markers stand for; empty without a secret.

    Concealed are values of ``env`` whose name or shape says so, and such words of ``command``.
    Doing it again changes nothing.
    """
    hidden: Hidden = {}
    env = {}
    for name, value in spec.env.items():
        env[name] = value
        if has_marker(value):
            continue
        if is_secret_value(name, value) or redactor.spans(value):
            env[name] = f"[redacted {name}]"
            hidden[env[name]] = value
    command = tuple(redactor.text(word, hidden) for word in spec.command)
    if not hidden:
        return spec, hidden
    return replace(spec, env=env, command=command), hidden


def reveal_spec(spec: AgentSpec, hidden: Mapping[str, str]) -> tuple[AgentSpec, tuple[str, ...]]:
    """``spec`` as the agent is to be launched, and the markers that nothing is known for."""
    texts = [*spec.env.values(), *spec.command]
    if not any(map(has_marker, texts)):
        return spec, ()
    env = {name: put_back(value, hidden) for name, value in spec.env.items()}
    command = tuple(put_back(word, hidden) for word in spec.command)
    missing = [name for name, value in env.items() if has_marker(value)]
    missing += [f"command[{index}]" for index, word in enumerate(command) if has_marker(word)]
    return replace(spec, env=env, command=command), tuple(missing)
