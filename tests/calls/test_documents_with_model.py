"""The document pipeline with a key: the model adds facts, but only those with a true quote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def test_the_models_facts_count_only_with_a_quote_that_stands_in_the_document(
    provider: Any, services: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.txt").write_text("Contract No. A-1\nThe fee is EUR 10.\nIt is exclusive.\n")
    facts = [
        {"name": "Exclusivity", "value": "yes", "quote": "It is exclusive."},
        {"name": "warranty", "value": "2 years", "quote": "A warranty of two years."},
        {"name": "fee", "value": "EUR 99", "quote": "The fee is EUR 10."},
    ]
    provider.script("529", f"say:{json.dumps(facts)}")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "REPORT_DIR": str(tmp_path / "reports"),
        "ANTHROPIC_API_KEY": "test-key-no-secret",
        "ANTHROPIC_BASE_URL": provider.url,
        "LONGWATCH_SHARED_DIR": str(tmp_path / "shared"),
        "LONGWATCH_SERVICES_FILE": str(services.file),
        "HOME": str(tmp_path),
    }
    argv = [sys.executable, str(ROOT / "agents" / "document_pipeline.py"), str(folder)]
    done = subprocess.run(
        argv, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    (document,) = json.loads((tmp_path / "reports" / "documents.json").read_text())["documents"]
    assert document["facts"]["exclusivity"] == {
        "value": "yes",
        "line": 3,
        "quote": "It is exclusive.",
    }
    assert document["facts"]["fee"]["value"] == "EUR 10.00"  # what the rules saw stays
    assert "warranty" not in document["facts"]
    assert "Leave out: reference, fee" in str(provider.log()[0]["request"]["messages"])
