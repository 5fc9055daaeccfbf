"""The stand-in for a coding agent: deterministic, driven by ``plan.json`` beside the list.

``plan.json`` maps a task's title to what each of its calls does, the last entry for good:
``work`` makes ``made/<title>``, ``lie`` only says so, ``touch`` changes something else, ``tick``
ticks every box of the list, ``drop`` removes all other tasks, ``pipe:FILE`` makes a named pipe of
FILE, ``fail`` ends with an error, ``wait`` goes on until ``go`` exists. Every call is one line in
``ledger``: the pid, then the title.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main() -> None:
    prompt = Path(sys.argv[1]).read_text() if len(sys.argv) > 1 else sys.stdin.read()
    title = prompt.splitlines()[0].removeprefix("# Task: ")
    with Path("ledger").open("a") as ledger:
        ledger.write(f"{os.getpid()} {title}\n")
    Path("last_prompt").write_text(prompt)
    calls = [line.split(" ", 1)[1] for line in Path("ledger").read_text().splitlines()]
    plan = json.loads(Path("plan.json").read_text()).get(title, ["work"])
    for word in plan[min(calls.count(title), len(plan)) - 1].split():
        act(word, title, len(calls))
    print(os.environ.get("STAND_IN_SAYS", "All done! Every task is complete. \x1b[2J"))


def act(word: str, title: str, calls: int) -> None:
    if word == "work":
        Path("made").mkdir(exist_ok=True)
        (Path("made") / title).write_text("x")
    elif word == "touch":
        Path(f"other-{calls}").write_text("x")
    elif word == "tick":
        tasks = Path("TASKS.md")
        tasks.write_text(tasks.read_text().replace("[ ]", "[x]"))
    elif word == "drop":
        tasks = Path("TASKS.md")
        tasks.write_text("".join(li for li in tasks.open() if title in li))
    elif word == "wait":
        while not Path("go").exists():
            time.sleep(0.01)
    elif word.startswith("pipe:"):
        Path(word[5:]).unlink(missing_ok=True)
        os.mkfifo(word[5:])
    elif word == "fail":
        print("credit balance is too low", file=sys.stderr)
        sys.exit(3)


main()
