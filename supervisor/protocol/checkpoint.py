"""The checkpoint file: whole, ours and of this run, or refused. Its state stays opaque.

Whether it is newer than the last one is the core's to decide (by epoch, sequence and checksum).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from supervisor.protocol.bounded_json import AGENT_STATE, parse_json
from supervisor.protocol.canonical import canonical_sha256
from supervisor.protocol.lenient import AgentModel, validate
from supervisor.protocol.problem import Problem, shown

MARK = "longwatch_checkpoint"
"""The key that says a file is an envelope."""
_MARK_BYTES = b'"longwatch_checkpoint"'


class CheckpointEnvelope(AgentModel):
    """What the SDK wraps a state in, version 1."""

    longwatch_checkpoint: Literal[1]
    run_id: str
    epoch: Annotated[int, Field(ge=0, le=2**63 - 1)]
    """Of the attempt that wrote it."""
    sequence: Annotated[int, Field(ge=1, le=2**63 - 1)]
    """Counts from 1 over the whole run."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Of the canonical JSON of ``state``."""
    state: Any


@dataclass(frozen=True, slots=True)
class CheckpointFacts:
    """What is known of a good checkpoint."""

    sha256: str
    """Of all its bytes."""
    size_bytes: int
    epoch: int | None = None
    """None when it has no envelope."""
    sequence: int | None = None


def checkpoint_check(data: bytes, run_id: str, name: str) -> CheckpointFacts | Problem:
    """Whether ``data``, read from the file ``name``, can be resumed from. Never raises.

    An envelope has to be whole, of this run and true to its checksum; another ``.json`` file has
    to parse; any other file only must not be empty. Blocks while it parses: 30 ms a megabyte.
    """
    if not data:
        return Problem("empty", "", "an empty file", "a checkpoint")
    facts = CheckpointFacts(hashlib.sha256(data).hexdigest(), len(data))
    is_envelope = _MARK_BYTES in data and data.lstrip()[:1] == b"{"
    if not is_envelope and not name.endswith(".json"):
        return facts
    value = parse_json(data, AGENT_STATE)
    if isinstance(value, Problem):
        # Too big to check is no proof of damage, unless it claims to prove itself.
        return facts if value.code == "nodes" and not is_envelope else value
    if not isinstance(value, dict) or MARK not in value:
        return facts
    return _envelope_facts(value, run_id, facts)


def _envelope_facts(
    value: dict[str, Any], run_id: str, facts: CheckpointFacts
) -> CheckpointFacts | Problem:
    if "state" not in value:
        return Problem("schema", "state", "nothing", "the state")
    head = {**value, "state": None}  # The state may be large, and is not looked into.
    checked = validate(CheckpointEnvelope, head)
    if isinstance(checked, Problem):
        return checked
    envelope, _ = checked
    if envelope.run_id != run_id:
        return Problem("foreign", "run_id", shown(envelope.run_id), f"this run, {run_id}")
    try:
        actual = canonical_sha256(value["state"])
    except ValueError as error:
        return Problem("schema", "state", shown(str(error)), "a JSON value")
    if actual != envelope.sha256:
        return Problem("checksum", "sha256", envelope.sha256, f"{actual}, the state's own")
    return CheckpointFacts(facts.sha256, facts.size_bytes, envelope.epoch, envelope.sequence)
