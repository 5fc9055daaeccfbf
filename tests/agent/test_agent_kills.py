"""SIGKILL at random moments: nothing completed is done twice, nothing is lost (I1, I5)."""

from __future__ import annotations

import json
import os
import random
import time
from typing import Any

KILLS = 25
ITEMS = 700

# The ledger is written and synced by the work itself, apart from anything of the SDK.
PROGRAM = f"""
def work(item, kind):
    descriptor = os.open('ledger', os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f'{{item}} {{kind}}\\n'.encode())
    os.fsync(descriptor)
    os.close(descriptor)
    time.sleep(0.001)
    return item * 2
with Agent() as agent:
    total = agent.resumed or 0
    for item in agent.track(range({ITEMS}), stage='work', unit='items'):
        total += agent.step(work, item, 'first')
        total += agent.step(work, item, 'second')
        agent.stash(total)
    print(total)
"""


def test_random_kills_repeat_no_completed_step_and_lose_no_item(room: Any) -> None:
    seed = int(os.environ.get("LONGWATCH_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    print(f"LONGWATCH_SEED={seed}")
    rng = random.Random(seed)
    completed: set[str] = set()
    lines_when_completed: dict[str, int] = {}
    sequence, kills, output = 0, 0, ""
    for _ in range(20 * KILLS):
        process = room.start(PROGRAM)
        limit_s = rng.uniform(0.02, 0.25) if kills < KILLS else 30.0
        end = time.monotonic() + limit_s
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.001)
        was_alive = process.poll() is None
        process.kill()
        out, err = process.communicate()
        assert err == ""
        kills += was_alive
        ledger = ledger_of(room)
        completed = completed_of(room)
        for step in completed:
            first_seen = lines_when_completed.setdefault(step, ledger.count(step))
            assert ledger.count(step) == first_seen, f"{step} ran again after it was completed"
        sequence = newest_sequence(room, sequence)
        if not was_alive:
            output = out
            break
    assert output == f"{4 * sum(range(ITEMS))}\n"
    wanted = {f"{item} {kind}" for item in range(ITEMS) for kind in ("first", "second")}
    assert set(ledger_of(room)) == wanted == completed
    assert len(ledger_of(room)) - len(wanted) <= kills  # at most the step in flight, each time
    print(f"{kills} kills, {len(ledger_of(room)) - len(wanted)} steps in flight repeated")
    assert kills >= KILLS // 2


BESIDE = """
def work(item):
    descriptor = os.open('ledger', os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f'{item}\\n'.encode())
    os.close(descriptor)
    time.sleep(item % 5 * 0.001)
    return item * 2
with Agent() as agent:
    print(sum(agent.parallel(work, range(400), workers=4)))
"""


def test_random_kills_of_steps_side_by_side_repeat_no_completed_one(room: Any) -> None:
    seed = int(os.environ.get("LONGWATCH_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    print(f"LONGWATCH_SEED={seed}")
    rng = random.Random(seed)
    done_at: dict[str, int] = {}
    output, kills = "", 0
    while not output and kills < 200:
        process = room.start(BESIDE)
        end = time.monotonic() + (rng.uniform(0.05, 0.3) if kills < 8 else 30.0)
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.001)
        kills += process.poll() is None
        process.kill()
        output, err = process.communicate()
        assert err == ""
        ran = ledger_of(room)
        for entry in room.journal():
            item = entry["scope"].partition("[")[2].removesuffix("]")
            assert ran.count(item) == done_at.setdefault(item, ran.count(item)), f"{item} again"
    assert output == f"{2 * sum(range(400))}\n"
    assert len(set(ran)) == len(done_at) == 400
    assert len(ran) - 400 <= 4 * kills  # at most the steps in flight, each time


def ledger_of(room: Any) -> list[str]:
    path = room.folder / "ledger"
    return path.read_text().splitlines() if path.exists() else []


def completed_of(room: Any) -> set[str]:
    """The steps whose line in the journal is whole."""
    names = ("first", "second")
    done = set()
    for entry in room.journal():
        item = entry["scope"].removeprefix("work[").removesuffix("]")
        done.add(f"{item} {names[entry['occurrence']]}")
    return done


def newest_sequence(room: Any, former: int) -> int:
    path = room.run_dir / "checkpoint.json"
    if not path.exists():
        return former
    sequence = json.loads(path.read_text())["sequence"]
    assert sequence >= former, "the checkpoint went back"
    return int(sequence)
