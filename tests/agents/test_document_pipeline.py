"""The document pipeline on its sample contracts and on documents made to be difficult."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest

AGENTS = Path(__file__).parents[2] / "agents"
SAMPLES = AGENTS / "sample_contracts"


def facts_of(text: str) -> dict[str, str]:
    """Values by name, as the pipeline reads them."""
    spec = importlib.util.spec_from_file_location("document_facts", AGENTS / "document_facts.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["document_facts"] = module
    spec.loader.exec_module(module)
    return {name: fact.value for name, fact in module.read_facts(text).items()}


def answer(bundled: Any, pick: int) -> str:
    """Choose option ``pick`` of the one open request; its title."""
    answers = bundled.run_dir / "answers"
    requests = (bundled.run_dir / "requests").iterdir()
    (path,) = [p for p in requests if not (answers / p.name).exists()]
    question = json.loads(path.read_text())
    covered = {key: question.get(key) for key in ("kind", "title", "action")}
    covered["options"] = question["options"]
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    option = question["options"][pick]
    (answers / path.name).write_text(
        json.dumps({"request_sha256": digest, "by": "test", "option": option})
    )
    return str(question["title"])


def answer_all(bundled: Any, *args: str, pick: int = 0) -> list[str]:
    """Run to the end, answering each question; the titles asked."""
    titles = []
    for _ in range(12):
        code, output = bundled.run("document_pipeline.py", *args)
        if code != 75:
            assert code == 0, output
            return titles
        titles.append(answer(bundled, pick))
    raise AssertionError(f"still asking after {titles}")


def test_contradictions_of_the_samples_are_asked_and_the_choice_is_reported(bundled: Any) -> None:
    titles = answer_all(bundled, pick=1)
    assert titles == [
        "L-77-B: which monthly rent counts?",
        "NL-2025-014: which annual fee counts?",
        "NL-2025-014: which notice period counts?",
        "NL-2025-014: which liability cap counts?",
    ]
    report = json.loads((bundled.reports / "documents.json").read_text())
    decisions = {found["fact"]: found["decision"] for found in report["contradictions"]}
    assert decisions["annual fee"] == "02-order-form.txt: EUR 52000.00"
    assert len(report["documents"]) == 6 and report["failed"] == []
    text = (bundled.reports / "documents.md").read_text()
    assert "liability is unlimited" in text
    assert "01-master-agreement.md says EUR 48000.00" in text


def test_a_document_that_cannot_be_read_stops_no_other(bundled: Any, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "good.txt").write_text("Contract No. A-1\nThe annual fee is EUR 10.")
    (folder / "empty.md").write_text(" \n")
    (folder / "binary.txt").write_bytes(b"\xff\xfe\x00")
    (folder / "image.png").write_bytes(b"none of ours")
    assert answer_all(bundled, str(folder)) == []
    report = json.loads((bundled.reports / "documents.json").read_text())
    assert [one["name"] for one in report["documents"]] == ["good.txt"]
    problems = {one["name"]: one["problem"] for one in report["failed"]}
    assert problems == {"binary.txt": "is no UTF-8 text (byte 0)", "empty.md": "is empty"}
    kinds = [anomaly["kind"] for anomaly in bundled.read("progress.json")["anomalies"]]
    assert kinds == ["unreadable-document"] * 2


def test_a_folder_that_is_not_there_is_said_and_not_retried(bundled: Any) -> None:
    code, output = bundled.run("document_pipeline.py", "nowhere")
    assert code == 66
    assert "nowhere is no folder" in output and "Traceback" not in output


def test_killed_at_random_it_does_no_completed_step_again(bundled: Any) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(4):
        process = bundled.start("document_pipeline.py", DOCUMENT_PAUSE="0.02")
        time.sleep(0.15 + rng.random() * 0.3)
        process.kill()
        process.communicate()
    answer_all(bundled)
    lines = [
        json.loads(one) for one in (bundled.run_dir / "journal.jsonl").read_text().splitlines()
    ]
    done = [(line["name"], line["args"]) for line in lines if "name" in line and "result" in line]
    assert len(done) == len(set(done))
    assert sum(name == "extract" for name, _ in done) == len(list(SAMPLES.iterdir()))


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("The fee is 48.000,50 EUR.", "fee", "EUR 48000.50"),
        ("A fee of $1,200 is due.", "fee", "USD 1200.00"),
        ("Liability is limited to GBP 5,000,000.", "liability cap", "GBP 5000000.00"),
        ("Effective date: 1 March 2025", "start", "2025-03-01"),
        ("This agreement is effective as of March 15, 2025.", "start", "2025-03-15"),
        ("Start: 01.05.2024", "start", "2024-05-01"),
        ("Terminable with three (3) months' prior written notice.", "notice period", "3 months"),
        ("It is governed by the laws of the Netherlands.", "governing law", "Netherlands"),
        ("Agreement No. X/9-A applies. The deposit is EUR 1.", "deposit", "EUR 1.00"),
    ],
)
def test_facts_are_told_in_one_form_whatever_the_wording(text: str, name: str, value: str) -> None:
    assert facts_of(text)[name] == value


@pytest.mark.parametrize(
    "text",
    [
        "Effective date: 2025-02-30",
        "We met on 1 March 2025.",
        "EUR 5 were spent.",
        "30 days passed.",
    ],
)
def test_what_is_not_stated_is_not_told(text: str) -> None:
    assert facts_of(text) == {}
