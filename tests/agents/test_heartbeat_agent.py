"""The plain command among the bundled agents."""

from __future__ import annotations

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "agents" / "heartbeat.sh"


def test_the_heartbeat_looks_around_and_exits_0(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    done = subprocess.run(
        [SCRIPT], env={"PATH": "/usr/bin:/bin", "HEARTBEAT_ROOT": str(tmp_path)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "files: 1\n" in done.stdout and "all is well" in done.stdout


def test_the_heartbeat_fails_when_the_disk_is_fuller_than_allowed(tmp_path: Path) -> None:
    variables = {"PATH": "/usr/bin:/bin", "HEARTBEAT_ROOT": str(tmp_path), "HEARTBEAT_FULL": "0"}
    done = subprocess.run(
        [SCRIPT], env=variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1 and "nearly full" in done.stderr
