"""License audit: what the licences of everything installed here really ask for.

Reads the licence texts of every distribution of the running Python environment, tells the licence
and its obligations from the text itself (with a quote and its place as evidence), compares that
with the metadata, asks the operator where the policy is unclear, and writes
``THIRD_PARTY_NOTICES.md`` and ``license_report.json`` into ``REPORT_DIR`` (default ``reports/``).

Kill it at any moment: it goes on with the distribution it was at. ``ledger.jsonl`` in the run
directory has one line for each distribution processed. ``LICENSE_AUDIT_PAUSE`` (seconds after
each distribution, default 0) slows it down for a demonstration. It is no legal advice.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import tomllib
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from supervisor.agent import Agent, RequestRefusedError

Facts = dict[str, Any]

QUOTED = ("network copyleft", "strong copyleft", "weak copyleft", "notice", "patent grant")
"""Obligations whose sentence the operator sees, the weightiest first."""
STAGES = ["collect", "extract", "classify", "decide", "report"]
LICENCE_FILE = re.compile(r"licen[cs]e|copying|notice|unlicense", re.IGNORECASE)
SOURCE_SUFFIXES = {".py", ".pyi", ".c", ".h", ".js", ".rs", ".css"}
NO_TEXT_SUFFIXES = SOURCE_SUFFIXES | {".pyc", ".toml", ".json", ".yaml", ".yml", ".xml", ".svg"}
"""Programs and data may be named after licences (a table of them, say) and hold no licence."""
HEADER_BYTES = 2048
TEXT_LIMIT_BYTES = 1_000_000
QUOTE_LIMIT = 240

KNOWLEDGE = tomllib.loads(Path(__file__).with_name("license_knowledge.toml").read_text("utf-8"))


def _pattern(alternatives: list[str]) -> re.Pattern[str]:
    """One expression of all ``alternatives``, in which a blank is any white space."""
    spaced = "|".join(alternatives).replace(" ", r"\s+")
    return re.compile(spaced, re.IGNORECASE | re.DOTALL)


OBLIGATIONS = {name: _pattern(words) for name, words in KNOWLEDGE["obligations"].items()}
FAMILIES = {name: _pattern([words]) for name, words in KNOWLEDGE["families"].items()}


class Ledger:
    """The result of each piece of work, one line each, on the disk before the work goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        data = path.read_bytes() if path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]  # a torn last line is work that did not happen
        if whole != data:
            os.truncate(path, len(whole))
        lines = [json.loads(line) for line in whole.splitlines()]
        self._results: dict[tuple[str, str], Facts] = {
            (line["stage"], line["distribution"]): line["result"] for line in lines
        }

    def once(self, stage: str, name: str, work: Callable[[], Facts]) -> Facts:
        """The result of ``work``, which is not done again, whatever is killed in between."""
        if (stage, name) not in self._results:
            result = work()
            line = json.dumps({"stage": stage, "distribution": name, "result": result})
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
            self._results[stage, name] = result
        return self._results[stage, name]

    def results(self, stage: str) -> dict[str, Facts]:
        """All results of ``stage`` by distribution."""
        return {name: result for (of, name), result in self._results.items() if of == stage}


# The work: plain functions of plain values.


def collect() -> list[str]:
    """The names of all distributions, fixed for the whole run."""
    names = {distribution.metadata["Name"] for distribution in metadata.distributions()}
    return sorted((name for name in names if name), key=str.lower)


def extract(name: str) -> Facts:
    """Where the licence texts of ``name`` are, who holds the copyright, what is declared."""
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:  # removed meanwhile, or installed by halves
        nothing: Facts = {"declared": [], "texts": [], "copyright": [], "headers": {}, "files": 0}
        return {"name": name, "version": "(not found)", **nothing}
    files = distribution.files or []
    texts: list[Facts] = []
    holders: set[str] = set()
    headers: dict[str, str] = {}
    for file in files:
        path = Path(str(distribution.locate_file(file)))
        if LICENCE_FILE.search(path.name) and path.suffix not in NO_TEXT_SUFFIXES:
            text = read_text(path, TEXT_LIMIT_BYTES)
            if text:
                texts.append({"file": str(file), "path": str(path), "sha256": sha256(text)})
                holders.update(copyright_holders(text))
        elif path.suffix in SOURCE_SUFFIXES:
            head = read_text(path, HEADER_BYTES)
            for found in re.findall(r"SPDX-License-Identifier:\s*([\w.+-]+)", head):
                headers.setdefault(found, str(file))
    return {
        "name": name,
        "version": distribution.version,
        "declared": declared(distribution),
        "texts": texts,
        "copyright": sorted(holders)[:20],
        "headers": headers,
        "files": len(files),
    }


def classify(facts: Facts) -> Facts:
    """What the texts say, where, and whether the metadata agrees."""
    identified: dict[str, str] = {}
    evidence: dict[str, Facts] = {}
    for entry in facts["texts"]:
        text = read_text(Path(entry["path"]), TEXT_LIMIT_BYTES)
        for licence in identify(text):
            identified.setdefault(licence, entry["file"])
        for obligation, proof in find_obligations(text).items():
            evidence.setdefault(obligation, {"file": entry["file"], **proof})
    families = {family(licence) for licence in identified}
    stated = {family(licence) for licence in facts["declared"]} - {""}
    return {
        "identified": identified,
        "evidence": evidence,
        "copyleft": copyleft_strength(evidence, stated if not identified else families),
        "is_disagreement": bool(families and stated and not families & stated),
    }


def declared(distribution: metadata.Distribution) -> list[str]:
    """The licences that the metadata names: expression, field and classifiers."""
    fields = distribution.metadata
    expression = first(fields.get_all("License-Expression"))
    if expression:
        words = re.split(r"[\s()]+", expression)
        return sorted({word for word in words if word and word not in {"AND", "OR", "WITH"}})
    field = first(fields.get_all("License")).strip()
    named = [field] if field and "\n" not in field and len(field) < 80 else []
    for classifier in fields.get_all("Classifier") or []:
        if classifier.startswith("License ::"):
            named.append(classifier.rsplit("::", 1)[-1].strip())
    return sorted({name for name in named if family(name)})


def first(values: list[str] | None) -> str:
    """The first of ``values``; empty when there is none."""
    return values[0] if values else ""


def identify(text: str) -> list[str]:
    """The licences whose characteristic phrases all stand in ``text``."""
    words = " " + re.sub(r"[^a-z0-9]+", " ", text.lower()) + " "
    return [
        licence
        for licence, known_by in KNOWLEDGE["licences"].items()
        if all(phrase in words for phrase in known_by["present"])
        and not any(phrase in words for phrase in known_by.get("absent", []))
    ]


def find_obligations(text: str) -> dict[str, Facts]:
    """For each obligation in ``text`` the sentence that states it, and its line."""
    found: dict[str, Facts] = {}
    for obligation, pattern in OBLIGATIONS.items():
        match = pattern.search(text)
        if match:
            start = max(text.rfind(mark, 0, match.start()) for mark in (". ", ".\n", "\n\n")) + 1
            quote = " ".join(text[start : match.end() + QUOTE_LIMIT].split())[:QUOTE_LIMIT]
            found[obligation] = {"line": text.count("\n", 0, match.start()) + 1, "quote": quote}
    return found


def copyleft_strength(evidence: dict[str, Facts], families: set[str]) -> str:
    """None, weak, strong or network: from the text, or from the metadata where there is none."""
    if "network copyleft" in evidence or families == {"AGPL"}:
        return "network"
    if families & {"MPL", "LGPL"} or "weak copyleft" in evidence:
        return "weak"
    if "strong copyleft" in evidence or families == {"GPL"}:
        return "strong"
    return "none"


def family(licence: str) -> str:
    """``BSD`` for ``BSD-3-Clause`` and ``BSD License`` alike; empty for a name not known."""
    return next((name for name, words in FAMILIES.items() if words.search(licence)), "")


def copyright_holders(text: str) -> set[str]:
    """The lines that name who holds the copyright since when."""
    lines = re.findall(r"^\W*(copyright\s+(?:\(c\)|©)?\s*\d{4}.{3,120})$", text, re.I | re.M)
    return {" ".join(line.split()) for line in lines}


def read_text(path: Path, limit_bytes: int) -> str:
    """The beginning of ``path`` as text; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(limit_bytes).decode("utf-8", errors="replace")
    except OSError:
        return ""


def sha256(text: str) -> str:
    """Hex digest of ``text``."""
    return hashlib.sha256(text.encode("utf-8", errors="replace")).hexdigest()


# What the agent does with them.


def situation_of(entry: Facts) -> str | None:
    """Why a person has to decide about a distribution; None when the policy is clear."""
    if entry["copyleft"] in ("strong", "network"):
        return "strong-copyleft"
    if entry["copyleft"] == "weak":
        return "weak-copyleft"
    if entry["is_disagreement"]:
        return "disagreement"
    if not entry["texts"]:
        return "no-text"
    return None if entry["identified"] else "unrecognised"


def decide(agent: Agent, situation: str, members: list[Facts]) -> str:
    """The operator's decision for all distributions in the same situation, in one question."""
    policy = KNOWLEDGE["questions"][situation]
    who = f"{members[0]['distribution']} {members[0]['version']}"
    title = f"{who if len(members) == 1 else f'{len(members)} distributions'}: {policy['title']}"
    action = {"situation": situation, "accepting means": policy["meaning"], "about": members}
    explanation = "Found in: " + ", ".join(member["distribution"] for member in members)
    if "options" in policy:
        options, default = policy["options"], policy["default"]
        try:
            return agent.choose(title, options, action, explanation, default=default)
        except RequestRefusedError as error:
            return f"reject ({error})"
    answer = agent.approve(title, action, explanation, default=policy["default"])
    comment = f" ({answer.comment})" if answer.comment else ""
    return f"{'accept' if answer else 'reject'}{comment}"


def member(entry: Facts) -> Facts:
    """What the operator sees of one distribution: names, and the sentences that matter."""
    quotes = [
        f"{proof['file']}:{proof['line']}: {proof['quote']}"
        for name in QUOTED
        if (proof := entry["evidence"].get(name))
    ]
    if not quotes and entry["texts"]:
        beginning = read_text(Path(entry["texts"][0]["path"]), QUOTE_LIMIT)
        quotes = [f"{entry['texts'][0]['file']} begins: {' '.join(beginning.split())}"]
    return {
        "distribution": entry["name"],
        "version": entry["version"],
        "identified": sorted(entry["identified"]),
        "declared": entry["declared"],
        "evidence": quotes[:2],
    }


def flag(agent: Agent, entry: Facts) -> None:
    """Tell what looks wrong with one distribution."""
    who = f"{entry['name']} {entry['version']}"
    if entry["is_disagreement"]:
        agent.anomaly(
            "licence-disagreement",
            f"{who}: the text is {', '.join(entry['identified'])}, "
            f"the metadata says {', '.join(entry['declared'])}",
        )
    elif not entry["texts"]:
        agent.anomaly("licence-missing", f"{who} ships no licence text")
    elif not entry["identified"]:
        agent.anomaly("licence-unrecognised", f"{who}: {entry['texts'][0]['file']} is not known")
    foreign = {f for f in entry["headers"] if family(f) in ("GPL", "AGPL", "LGPL")}
    if foreign and entry["copyleft"] == "none":
        where = ", ".join(f"{name} in {entry['headers'][name]}" for name in sorted(foreign))
        agent.anomaly("embedded-copyleft", f"{who} contains {where}")


def write_reports(audit: list[Facts], decisions: dict[str, str], folder: Path) -> None:
    """Both reports, each as a whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    report = {"distributions": audit, "decisions": decisions}
    replace_text(folder / "license_report.json", json.dumps(report, indent=2) + "\n")
    replace_text(folder / "THIRD_PARTY_NOTICES.md", notices(audit, decisions))


def notices(audit: list[Facts], decisions: dict[str, str]) -> str:
    """The notices file: a table, the decisions, the obligations, and each text once."""
    lines = ["# Third-party notices", "", "| distribution | version | licence | obligations |"]
    lines.append("|---|---|---|---|")
    texts: dict[str, Facts] = {}
    for entry in audit:
        licences = ", ".join(entry["identified"]) or f"{', '.join(entry['declared'])} (declared)"
        obligations = ", ".join(entry["evidence"])
        lines.append(f"| {entry['name']} | {entry['version']} | {licences} | {obligations} |")
        for text in entry["texts"]:
            texts.setdefault(text["sha256"], {"path": text["path"], "of": []})["of"].append(entry)
    lines += ["", "## Decisions", ""]
    for entry in audit:
        if entry["situation"]:
            decision = decisions[entry["situation"]]
            lines.append(f"- {entry['name']} ({entry['situation']}): {decision}")
    for text in texts.values():
        owners = sorted({entry["name"] for entry in text["of"]})
        holders = sorted({holder for entry in text["of"] for holder in entry["copyright"]})
        body = read_text(Path(text["path"]), TEXT_LIMIT_BYTES).rstrip().replace("````", "'" * 4)
        lines += ["", f"## {', '.join(owners)}", "", *(f"- {holder}" for holder in holders)]
        lines += ["", "````text", body, "````"]
    return "\n".join(lines) + "\n"


def replace_text(path: Path, text: str) -> None:
    """Put ``text`` into ``path``; a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8", errors="replace")
    temporary.replace(path)


def judge(facts: Facts) -> Facts:
    """Facts and findings of one distribution, and why a person has to decide, if so."""
    entry = {**facts, **classify(facts)}
    return {**entry, "situation": situation_of(entry)}


def main() -> None:
    """Run the audit, or go on with it."""
    pause_s = float(os.environ.get("LICENSE_AUDIT_PAUSE", "0"))
    with Agent() as agent:
        agent.stages(STAGES)
        ledger = Ledger(Path(agent.run_dir) / "ledger.jsonl")

        agent.stage("collect")
        names = agent.step(collect)

        for name in agent.track(names, stage="extract", unit="distributions", key=str):
            ledger.once("extract", name, partial(extract, name))
            time.sleep(pause_s)

        facts = ledger.results("extract")
        for name in agent.track(names, stage="classify", unit="distributions", key=str):
            entry = ledger.once("classify", name, partial(judge, facts[name]))
            flag(agent, entry)
            time.sleep(pause_s)

        audit = list(ledger.results("classify").values())
        decisions: dict[str, str] = {}
        agent.stage("decide")
        for number, situation in enumerate(KNOWLEDGE["questions"]):
            agent.progress(number, len(KNOWLEDGE["questions"]), "decisions", situation)
            members = [member(entry) for entry in audit if entry["situation"] == situation]
            if members:
                # Asked before a restart, it is not asked again: the answer is on disk.
                decisions[situation] = decide(agent, situation, members)

        agent.stage("report")
        folder = Path(os.environ.get("REPORT_DIR", "reports"))
        write_reports(audit, decisions, folder)
        agent.log(f"{len(audit)} distributions audited, reports in {folder}")


if __name__ == "__main__":
    main()
