"""What the agent SDK writes, the readers here take without a complaint."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from supervisor.protocol.checkpoint import CheckpointFacts, checkpoint_check
from supervisor.protocol.progress import ProgressReport, progress_from_json
from supervisor.protocol.request import RequestDraft, request_from_json
from supervisor.protocol.safe_files import read_bytes, read_object
from supervisor.watch.scan import scan_run

RUN = "01JX0000000000000000000001"
AGENT = """
from supervisor.agent import Agent
with Agent() as agent:
    agent.stage("extract", index=1, total=2)
    agent.progress(completed=3, total=10, unit="documents", step="dök")
    agent.anomaly("slow", "it is slow")
    agent.checkpoint({"position": 3, "text": "ä"})
    agent.choose("Which one?", ["a", "b"])
"""


def test_a_whole_attempt_of_the_sdk_is_understood(tmp_path: Path) -> None:
    (tmp_path / "requests").mkdir()
    names = {"RUN_DIR": str(tmp_path), "RUN_ID": RUN, "AGENT": "a", "EPOCH": "2", "ATTEMPT": "2"}
    ours = {f"LONGWATCH_{name}": value for name, value in {**names, "PROTOCOL": "1"}.items()}
    ran = subprocess.run(
        [sys.executable, "-c", AGENT], env={**os.environ, **ours}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 75, ran.stderr

    changes = scan_run(tmp_path, "checkpoint.json")
    assert (changes.progress, changes.checkpoint, changes.problems) == (True, True, ())

    report = progress_from_json(read_object(tmp_path, "progress.json"))
    assert isinstance(report, ProgressReport)
    assert report.problems == ()
    assert report.progress.stage is not None
    assert report.progress.step is not None
    assert (report.progress.step.completed, report.progress.step.name) == (3.0, "dök")
    assert [anomaly.kind for anomaly in report.anomalies] == ["slow"]

    data = read_bytes(tmp_path, "checkpoint.json", limit_bytes=1 << 20)
    assert isinstance(data, bytes)
    facts = checkpoint_check(data, RUN, "checkpoint.json")
    assert isinstance(facts, CheckpointFacts)
    assert (facts.epoch, facts.sequence) == (2, 1)

    (file_id,) = changes.requests
    draft = request_from_json(file_id, read_object(tmp_path, f"requests/{file_id}.json"))
    assert isinstance(draft, RequestDraft)
    assert draft.problems == ()
    assert draft.request.options == ("a", "b")
    assert draft.request.sha256[:12] in file_id, "both sides hash the same bytes"
