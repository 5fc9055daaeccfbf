"""The license audit on real texts: this environment's, and a few made to be unclear."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MIT = """Copyright (c) 2020 A. Person

Permission is hereby granted, free of charge, to any person obtaining a copy of this software,
to deal in the Software without restriction. The above copyright notice shall be included in
all copies or substantial portions of the Software. THE SOFTWARE IS PROVIDED "AS IS".
"""
GPL = """GNU GENERAL PUBLIC LICENSE Version 3, 29 June 2007. 4. Conveying Verbatim Copies.
You must license the entire work, as a whole, under this License to anyone."""


def made(folder: Path, name: str, declared: str, text: str | None) -> None:
    """Install a distribution into ``folder`` that ships ``text`` as its licence."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{declared}")
    record = f"{info.name}/METADATA,,\n"
    if text is not None:
        (info / "LICENSE").write_text(text)
        record += f"{info.name}/LICENSE,,\n"
    (info / "RECORD").write_text(record)


@pytest.fixture
def unclear(tmp_path: Path) -> str:
    """An import path with one distribution for each kind of question, and two that agree."""
    site = tmp_path / "site"
    made(site, "zz-clear", "License-Expression: MIT\n", MIT)
    made(site, "zz-disagrees", "License: Apache-2.0\n", MIT)
    made(site, "zz-strong", "License-Expression: GPL-3.0-only\n", GPL)
    made(site, "zz-strong-too", "License-Expression: GPL-3.0-only\n", GPL)
    made(site, "zz-textless", "License: MIT\n", None)
    (site / "zz_half-1.0.dist-info").mkdir()
    made(site, "zz-strange", "License: MIT\n", "Do what you like on Sundays.")
    return f"{ROOT}{os.pathsep}{site}"


def answer_open_request(bundled: Any) -> dict[str, Any]:
    """Answer the one open request: yes, or the first option."""
    answers = bundled.run_dir / "answers"
    (path,) = [
        p for p in (bundled.run_dir / "requests").iterdir() if not (answers / p.name).exists()
    ]
    question = json.loads(path.read_text())
    covered = {key: question.get(key) for key in ("kind", "title", "action")}
    covered["options"] = question.get("options", [])
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    answer = {"request_sha256": digest, "by": "test", "comment": "read it"}
    answer |= (
        {"allow": True} if question["kind"] == "approve" else {"option": covered["options"][0]}
    )
    (answers / path.name).write_text(json.dumps(answer))
    return question


def check_ledger(bundled: Any, names: list[str]) -> None:
    """Each distribution once in each stage, whatever happened in between."""
    lines = [json.loads(li) for li in (bundled.run_dir / "ledger.jsonl").read_text().splitlines()]
    done = [(line["stage"], line["distribution"]) for line in lines]
    assert sorted(done) == sorted((s, n) for s in ("extract", "classify") for n in names)


def test_every_unclear_situation_is_asked_once_and_the_decision_is_reported(
    bundled: Any, unclear: str
) -> None:
    titles = []
    code, said = bundled.run("license_audit.py", PYTHONPATH=unclear)
    while code == 75:
        question = answer_open_request(bundled)
        titles.append(question["title"])
        assert question["action"]["about"] and question["default"] is not None
        assert len(titles) <= 5
        code, said = bundled.run("license_audit.py", PYTHONPATH=unclear)
    assert code == 0, said
    assert len(titles) == 5  # weak copyleft comes from this environment's own distributions
    assert any(title.startswith("2 distributions: Accept strong copyleft") for title in titles)
    report = json.loads((bundled.reports / "license_report.json").read_text())
    assert report["decisions"]["strong-copyleft"] == "accept (read it)"
    assert report["decisions"]["disagreement"] == "the text"
    found = {entry["name"]: entry for entry in report["distributions"]}
    assert found["zz-clear"]["situation"] is None
    assert found["zz-disagrees"]["identified"] == {"MIT": "zz_disagrees-1.0.dist-info/LICENSE"}
    strong = found["zz-strong"]["evidence"]["strong copyleft"]
    assert "license the entire work" in strong["quote"] and strong["line"] == 2
    assert found["hypothesis"]["copyleft"] == "weak"
    assert "patent grant" in found["hypothesis"]["evidence"]
    kinds = {anomaly["kind"] for anomaly in bundled.read("progress.json")["anomalies"]}
    assert {"licence-disagreement", "licence-missing", "licence-unrecognised"} <= kinds
    notices = (bundled.reports / "THIRD_PARTY_NOTICES.md").read_text()
    assert "Do what you like on Sundays." in notices and "| textual |" in notices
    check_ledger(bundled, list(found))


def test_unattended_it_goes_on_with_the_stated_defaults(bundled: Any, unclear: str) -> None:
    code, said = bundled.run("license_audit.py", PYTHONPATH=unclear, LONGWATCH_RUN_DIR="")
    assert code == 0, said
    decisions = json.loads((bundled.reports / "license_report.json").read_text())["decisions"]
    assert decisions["strong-copyleft"] == "reject"
    assert decisions["weak-copyleft"] == "accept"


def test_killed_at_random_it_does_every_distribution_exactly_once(bundled: Any) -> None:
    seed = int(os.environ.get("LONGWATCH_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    print(f"LONGWATCH_SEED={seed}")
    rng = random.Random(seed)
    code, kills = None, 0
    while code != 0:
        process = bundled.start("license_audit.py", LICENSE_AUDIT_PAUSE="0.005")
        end = time.monotonic() + (rng.uniform(0.2, 0.8) if kills < 6 else 60)
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        kills += process.poll() is None
        process.kill()
        _out, err = process.communicate()
        assert err == ""
        code = process.returncode
        if code == 75:
            answer_open_request(bundled)
        assert code in (0, 75, -9)
    names = {d.metadata["Name"] for d in metadata.distributions()}
    check_ledger(bundled, sorted(names))
    print(f"{kills} kills")


def test_it_tells_licences_apart_by_their_texts() -> None:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "agents" / "license_audit.py")
    assert spec and spec.loader
    audit = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(audit)
    known = {
        "textual": ["MIT"],
        "hypothesis": ["MPL-2.0"],
        "packaging": ["Apache-2.0", "BSD-2-Clause"],
        "typing_extensions": ["PSF-2.0"],
        "psutil": ["BSD-3-Clause"],
    }
    for name, licences in known.items():
        facts = audit.extract(name)
        finding = audit.classify(facts)
        assert set(licences) <= set(finding["identified"]), name
        assert not finding["is_disagreement"]
        assert "warranty disclaimer" in finding["evidence"]
