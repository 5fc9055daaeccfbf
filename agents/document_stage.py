"""The document pipeline as stages: one document a task, several at a time, one report at the end.

    longwatch submit documents --together agents/sample_contracts/*

Which stage this is, the queue of the task says: ``extract`` and ``review`` work on one document,
``report`` gets what became of all of them, asks which one counts where two disagree, and writes
``REPORT_DIR``. The work itself is that of ``document_pipeline.py``, which does all of it in one
process. A document that cannot be read is a dead letter and stops no other.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from document_pipeline import (
    MODEL,
    contradictions,
    decide,
    extract,
    extract_more,
    review,
    summarise,
    write_report,
)

from supervisor.agent import Agent, Task

Json = dict[str, Any]
EX_USAGE = 64


def run_extract(agent: Agent, task: Task) -> Json:
    """Title and facts of one document, its file named by the payload."""
    path = Path(str(task.payload["path"]))
    document: Json = agent.step(extract, str(path.parent), path.name)
    if "problem" in document:
        task.reject(f"{document['name']} {document['problem']}")
    if os.environ.get("ANTHROPIC_API_KEY"):
        model = agent.step(str, os.environ.get("DOCUMENT_MODEL", MODEL))
        more = agent.step(extract_more, str(path.parent), dict(document), model)
        document["facts"] = {**document["facts"], **more}
    return document


def run_review(agent: Agent, task: Task) -> Json:
    """The document with its summary and what a careful reader would mark in it."""
    document: Json = dict(task.payload)
    part = {key: document[key] for key in ("title", "facts")}
    document["summary"] = agent.step(summarise, part)
    document["findings"] = agent.step(review, part)
    return document


def run_report(agent: Agent, task: Task) -> Json:
    """One report of all documents, after the operator's word on every contradiction."""
    documents: list[Json] = sorted(task.payload["results"], key=lambda one: str(one["name"]))
    failed = [{"name": one["task"], "problem": one["problem"]} for one in task.payload["failed"]]
    for one in failed:
        agent.anomaly("unreadable-document", str(one["problem"]))
    decisions = contradictions(documents)
    for number, found in enumerate(decisions):
        agent.progress(number, len(decisions), "decisions", found["fact"])
        found["decision"] = decide(agent, dict(found))
    where = write_report(documents, failed, decisions)
    return {"documents": len(documents), "failed": len(failed), "report": str(where)}


STAGES = {"extract": run_extract, "review": run_review, "report": run_report}


def main() -> None:
    """Work on the task of this process."""
    with Agent() as agent:
        if agent.task is None:
            sys.stderr.write("no task; give it one with: longwatch submit documents FILE…\n")
            sys.exit(EX_USAGE)
        for task in agent.tasks():
            name = task.queue.rpartition(".")[2]
            agent.stage(name)
            time.sleep(float(os.environ.get("DOCUMENT_PAUSE", "0")))
            task.complete(STAGES[name](agent, task))


if __name__ == "__main__":
    main()
