"""What the next attempt starts from when the machine does not let us look."""

from __future__ import annotations

import hashlib
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.config.paths import Project
from supervisor.core.run import Checkpoint, Status
from supervisor.engine.checkpoints import keep, prepare_resume
from supervisor.errors import EnvironmentFaultError
from tests.core.builders import story_in

RUN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
GENERATIONS = (b"work of an hour", b"work of two hours")


def test_a_copy_that_cannot_be_opened_now_costs_no_generation(tmp_path: Path) -> None:
    """Out of descriptors, the newest looked damaged and the run went back by one."""
    project = Project(tmp_path)
    kept = tuple(
        Checkpoint(number, hashlib.sha256(data).hexdigest(), len(data), 1)
        for number, data in enumerate(GENERATIONS, 1)
    )
    for checkpoint, data in zip(kept, GENERATIONS, strict=True):
        keep(project, RUN, checkpoint.generation, data)
    state = replace(story_in(Status.QUEUED).state, id=RUN, checkpoints=kept)
    live = project.run_dir(RUN) / state.spec.checkpoint
    live.parent.mkdir(parents=True)
    live.write_bytes(b"torn")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(EnvironmentFaultError, match="cannot be read now"):
            prepare_resume(project, state)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert live.read_bytes() == b"torn"
    resume = prepare_resume(project, state)
    assert (resume.rollback_to, live.read_bytes()) == (None, GENERATIONS[-1])
