"""Run as a program by the kill test: appends without end and prints each seq once it is durable.

Each batch has one to five events of a few runs, some with a state, as an engine writes them.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from store_samples import created, progress, recorded, state_after

from supervisor.store.event_log import SqliteEventLog


async def write(path: Path, seed: int) -> None:
    source = random.Random(seed)
    log = await SqliteEventLog.open(path)
    seq = log.last_seq
    runs: list[str] = []

    def told(durable: int) -> None:
        os.write(1, b"%d\n" % durable)

    os.write(1, b"ready\n")
    while True:
        batch = []
        for _ in range(source.randrange(1, 6)):
            seq += 1
            if len(runs) < 5:
                batch.append(created(seq))
                runs.append(batch[-1].run_id)
            else:
                batch.append(recorded(seq, source.choice(runs), progress(seq)))
        states = [state_after(batch[-1])] if source.random() < 0.3 else []
        log.append(batch, states, told)
        await asyncio.sleep(source.random() * 0.002)


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2])))
