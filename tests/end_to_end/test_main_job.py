"""The main job on real input: the licence audit is killed, goes on, asks, and reports."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
AUDIT = """
[agents.license-audit]
command = ["{python}", "agents/license_audit.py"]
env = { REPORT_DIR = "reports", LICENSE_AUDIT_PAUSE = "0.02" }
"""


def ledger_of(project: Any, run: dict[str, Any]) -> list[dict[str, Any]]:
    path = project.run_dir(run) / "ledger.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


def test_the_licence_audit_survives_a_kill_asks_and_reports(project: Any) -> None:
    shutil.copytree(REPOSITORY / "agents", project.directory / "agents")
    project.configure(AUDIT)
    follower = project.follow("run", "--headless")
    run = project.wait_for("license-audit", "running")
    project.wait("ten distributions", lambda: len(ledger_of(project, run)) >= 10)
    os.kill(run["pid"], signal.SIGKILL)

    def answered_all() -> bool:
        listed = project.run("requests", "--json", check=None)
        if listed.returncode == 0:
            for request in json.loads(listed.stdout)["requests"]:
                how = (
                    ["--allow"]
                    if request["kind"] == "approve"
                    else ["--option", request["options"][0]]
                )
                bound = ["--hash", request["hash"]]
                project.run("answer", request["id"], *how, *bound, check=None)
        return follower.poll() is not None

    project.wait("the run to end", answered_all, 100)
    output = follower.stdout.read()
    assert follower.returncode == 0, output
    assert "killed by SIGKILL" in output
    assert "from checkpoint" in output
    entries = Counter((entry["stage"], entry["distribution"]) for entry in ledger_of(project, run))
    assert entries
    twice = {key: count for key, count in entries.items() if count > 1}
    # What was in flight at the kill may run again (at least once), and nothing else.
    assert len(twice) <= 1 and all(count == 2 for count in twice.values()), twice
    report = json.loads((project.directory / "reports" / "license_report.json").read_text())
    notices = (project.directory / "reports" / "THIRD_PARTY_NOTICES.md").read_text()
    assert "textual" in json.dumps(report)
    assert "| textual |" in notices
