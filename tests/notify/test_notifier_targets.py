"""A target that hangs is no reason for another one to hear late."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from supervisor.config.notify import NotifyTable, Target, notify_settings
from supervisor.core import events as e
from supervisor.core.events import Recorded
from supervisor.core.moment import Moment
from supervisor.core.notices import Notice
from supervisor.engine.notifier import Notifier

SETTINGS = notify_settings(NotifyTable.model_validate({"command": ["hangs"], "desktop": True}))


async def until(condition: Any) -> None:
    async with asyncio.timeout(40):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_target_that_hangs_holds_up_no_other_and_gets_the_rest_afterwards(
    tmp_path: Path,
) -> None:
    released, heard = threading.Event(), []

    def carry(target: Target, notice: Notice) -> str | None:
        if target.kind == "command":
            released.wait(40)
        heard.append((target.kind, notice.title))
        return None

    async def history(_since: int, _limit: int) -> list[Recorded]:
        return []

    noted: list[Any] = []
    runs: Any = SimpleNamespace(states=list, note=noted.append)
    log: Any = SimpleNamespace(durable_seq=0, history=history)
    path, now = tmp_path / "notify.json", Moment(1_800_000_000.0, 1.0, "b")
    notifier = Notifier(path, log, runs, lambda: now, carry)
    notifier.use(SETTINGS)
    await notifier.recover()
    working = asyncio.create_task(notifier.follow())
    try:
        for seq in (1, 2, 3):
            notifier.see(Recorded(seq, now, "run", e.RunFailed(f"reason {seq}")))
            await until(lambda seq=seq: len([k for k, _ in heard if k == "desktop"]) == seq)
        assert not [kind for kind, _ in heard if kind == "command"]
        kept = json.loads(path.read_text())
        assert any(box.get("waiting") for box in kept["boxes"].values()), "a death loses nothing"
        released.set()
        await until(lambda: len([k for k, _ in heard if k == "command"]) == 2)
        assert "2 news" in heard[-1][1], "what came meanwhile is one message"
        await until(
            lambda: (
                not any(b.get("waiting") for b in json.loads(path.read_text())["boxes"].values())
            )
        )
    finally:
        released.set()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
