"""The research agent with a key: the model is asked through the policy, and never twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def run(folder: Path, epoch: int, url: str, services: Any, **env: str) -> tuple[int, str]:
    run_dir = folder / "run"
    run_dir.mkdir(exist_ok=True)
    checkpoint = run_dir / "checkpoint.json"
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "REPORT_DIR": str(folder / "reports"),
        "ANTHROPIC_API_KEY": "test-key-no-secret",
        "ANTHROPIC_BASE_URL": url,
        "LONGWATCH_SHARED_DIR": str(folder / "shared"),
        "LONGWATCH_SERVICES_FILE": str(services.file),
        "LONGWATCH_RUN_DIR": str(run_dir),
        "LONGWATCH_RUN_ID": "01JBUNDLEDBUNDLEDBUNDLEDBB",
        "LONGWATCH_EPOCH": str(epoch),
        **({"LONGWATCH_RESUME_FROM": str(checkpoint)} if checkpoint.exists() else {}),
        **env,
    }
    argv = [
        sys.executable,
        str(ROOT / "agents" / "research.py"),
        "How long is it?",
        str(folder / "c"),
    ]
    done = subprocess.run(
        argv, check=False, env=variables, capture_output=True, text=True, timeout=90
    )
    return done.returncode, done.stdout + done.stderr


def test_a_call_that_completed_is_not_made_again_after_a_restart(
    provider: Any, services: Any, tmp_path: Path
) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a.md").write_text("The bridge is long: 300 m. How long is long?\n")
    provider.script("529", "ok", "401")
    code, output = run(tmp_path, 1, provider.url, services)
    assert code != 0 and "authentication" in output
    code, output = run(tmp_path, 2, provider.url, services)
    assert code == 0, output
    assert provider.steps() == ["529", "ok", "401", "ok"]  # the plan once, the answer again
    assert "The answer is 42." in (tmp_path / "reports" / "research.md").read_text()
