"""Durable steps of other libraries, for a Python that has them: ``python durable_peers.py NAME N``.

Prints the seconds of each step as one JSON list. Stands alone: that Python need not have ours.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path


def dbos(folder: Path, count: int) -> list[float]:
    """Steps of one DBOS workflow on SQLite."""
    from dbos import DBOS

    DBOS(config={"name": "bench", "system_database_url": f"sqlite:///{folder / 'dbos.sqlite'}",
                 "log_level": "ERROR", "run_admin_server": False})  # fmt: skip

    @DBOS.step()
    def step(number: int) -> dict[str, int]:
        return {"page": number}

    spans: list[float] = []

    @DBOS.workflow()
    def workflow() -> None:
        for number in range(count):
            began = time.perf_counter()
            step(number)
            spans.append(time.perf_counter() - began)

    DBOS.launch()
    workflow()
    DBOS.destroy()
    return spans


def langgraph(folder: Path, count: int) -> list[float]:
    """Checkpoints of LangGraph's SQLite saver, one a step."""
    from langgraph.checkpoint.base import empty_checkpoint
    from langgraph.checkpoint.sqlite import SqliteSaver

    spans: list[float] = []
    with SqliteSaver.from_conn_string(str(folder / "langgraph.sqlite")) as saver:
        config = {"configurable": {"thread_id": "1", "checkpoint_ns": ""}}
        for number in range(count):
            checkpoint = empty_checkpoint()
            checkpoint["channel_values"] = {"page": number}
            began = time.perf_counter()
            config = saver.put(config, checkpoint, {"source": "loop", "step": number}, {})
            saver.put_writes(config, [("page", number)], task_id=str(number))
            spans.append(time.perf_counter() - began)
    return spans


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="lwb-") as place:
        found = {"dbos": dbos, "langgraph": langgraph}[sys.argv[1]](Path(place), int(sys.argv[2]))
    print(json.dumps(found))
