"""The research agent on a small corpus in which two sources contradict each other."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

AGENTS = Path(__file__).parents[2] / "agents"
QUESTION = "How long does the pump cool down before a restart?"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    (folder / ".hidden").mkdir(parents=True)
    (folder / ".hidden" / "secret.md").write_text("The pump is hidden. It cools down 1 minute.")
    (folder / "manual.md").write_text(
        "# Pump\n\nThe pump must cool down for 15 minutes before each restart.\n\n"
        "The casing is made of steel.\n"
    )
    (folder / "service-note.txt").write_text(
        "After the change of the bearing:\nthe pump must cool down for 25 minutes before each "
        "restart.\n"
    )
    (folder / "unrelated.md").write_text("Bread needs 3 hours to rise.\n")
    return folder


def passages() -> Any:
    spec = importlib.util.spec_from_file_location("passages", AGENTS / "passages.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["passages"] = module
    spec.loader.exec_module(module)
    return module


def answer_with(bundled: Any, pick: int) -> dict[str, Any]:
    (path,) = (bundled.run_dir / "requests").iterdir()
    question: dict[str, Any] = json.loads(path.read_text())
    covered = {key: question.get(key) for key in ("kind", "title", "action", "options")}
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    answer = {
        "request_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "by": "test",
        "option": question["options"][pick],
    }
    (bundled.run_dir / "answers" / path.name).write_text(json.dumps(answer))
    return question


def test_it_asks_which_of_two_sources_is_authoritative_and_reports_it(
    bundled: Any, corpus: Path
) -> None:
    code, output = bundled.run("research.py", QUESTION, str(corpus))
    assert code == 75, output
    question = answer_with(bundled, 1)
    assert "15 or 25 minute" in question["title"]
    assert [side["source"].rsplit("/", 1)[1] for side in question["action"]["sides"]] == [
        "manual.md",
        "service-note.txt",
    ]
    code, output = bundled.run("research.py", QUESTION, str(corpus))
    assert code == 0, output
    report = (bundled.reports / "research.md").read_text()
    assert "authoritative is **service-note.txt:1**" in report
    assert "manual.md:3: The pump must cool down for 15 minutes" in report
    assert "Bread" not in report and "hidden" not in report
    kinds = [anomaly["kind"] for anomaly in bundled.read("progress.json")["anomalies"]]
    assert kinds == ["no-key"]


def test_by_default_it_reads_the_documents_and_packages_at_hand(bundled: Any) -> None:
    code, output = bundled.run("research.py", "How is a failed call retried with backoff?")
    assert code in (0, 75), output
    stage = bundled.read("progress.json")["stage"]["name"]
    assert stage in ("cross-check", "write")


def test_a_corpus_that_is_not_there_is_said_and_not_retried(bundled: Any) -> None:
    code, output = bundled.run("research.py", "Why?", "nowhere")
    assert code == 66 and "nowhere is no folder" in output and "Traceback" not in output


def statement(source: str, text: str) -> Any:
    module = passages()
    (found,) = module.statements(module.Passage(source, 1, text))
    return found


@pytest.mark.parametrize(
    ("one", "other", "on"),
    [
        ("The key is kept for 30 days by default.", "The key is kept 90 days by default.", "day"),
        (
            "The server accepts 1,000 clients at once.",
            "The server accepts 1000 clients together.",
            None,
        ),
        ("Old keys are removed at each start.", "Old keys are not removed at each start.", "so"),
        ("The signing key is kept for 30 days.", "The lock of the door costs 90 days.", None),
        ("The timeout is 10 s for each call.", "The timeout is 10 seconds for each call.", None),
    ],
)
def test_contradictions_are_told_from_other_differences(
    one: str, other: str, on: str | None
) -> None:
    found = passages().contradict(statement("a", one), statement("b", other))
    assert found is None if on is None else on in (found or "")
