"""The examples of docs/durable.md run as they stand, alone and again after a kill."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "durable.md").read_text()
EXAMPLES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.S))


def alone(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("LONGWATCH")}
    return subprocess.run(
        [sys.executable, "-S", name],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_page_has_its_examples() -> None:
    assert set(EXAMPLES) == {"report.py", "pay.py", "side_by_side.py", "own_position.py"}
    assert PAGE.count("```python\n") == len(EXAMPLES)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_runs_and_goes_on_after_a_kill(tmp_path: Path, name: str) -> None:
    # Killed on its way out: everything is in the journal, nothing was said to be done.
    killed = EXAMPLES[name] + "\n"
    body = re.sub(
        r"(?m)^(with (?:Agent\(\) as )?agent:\n(?:    .*\n|\n)+)", r"\1    end()\n", killed
    )
    assert body != killed
    hook = "import os, sys\ndef end():\n    sys.stdout.flush()\n    os._exit(9) if {} else None\n"
    (tmp_path / name).write_text(hook.format(True) + body)
    first = alone(tmp_path, name)
    assert (first.returncode, first.stderr) == (9, "")
    lines = (tmp_path / ".longwatch-local" / name[:-3] / "journal.jsonl").read_bytes()
    (tmp_path / name).write_text(hook.format(False) + body)
    second = alone(tmp_path, name)
    assert (second.returncode, second.stderr) == (0, "")
    if name in ("pay.py", "side_by_side.py"):  # the others skip what a loop completed
        assert first.stdout == second.stdout != ""
    again = (tmp_path / ".longwatch-local" / name[:-3] / "journal.jsonl").read_bytes()
    assert again == lines, "something ran again"
