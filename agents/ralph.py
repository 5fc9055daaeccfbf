"""The Ralph loop: the next open task of a list, one call of an agent, the verification, repeat.

Reads ``ralph.toml`` (or the command line), takes the first open task of a Markdown or JSON list,
gives a prompt with the task and the notes to any command (``claude -p``, ``codex exec``, a
script), runs the verification commands, marks the task done when they pass and only then, writes
down what happened, and goes on until no task is open or a cap is reached.

Each part of an iteration is a durable step: kill it anywhere, and finished iterations stay
finished; the call in flight runs again. It must never mark a task done on the word of an agent:
what an agent ticks itself is verified or unticked.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ralph_parts import calls, files, settings, strikes, tasks, tree, usage, words
from ralph_parts.account import Account

from supervisor.agent import Agent, RequestRefusedError

Facts = dict[str, Any]

EX_CONFIG = 78
RETRY, SKIP, STOP = "try again with a hint", "skip this task", "stop"
TELLING_COST = ("json", "stream-json", "--output-format=json", "--output-format=stream-json")
KEPT_BYTES = 8 * 1024 * 1024
"""Of each stream of a call: the JSON that tells the cost stands at the end."""


class LoopEnded(Exception):  # noqa: N818 - it is no fault, but an end that a person has to see
    """The loop cannot go on by itself; the text says why and what to do.

    Raised inside a step, it takes the step back: after a restart it is decided anew.
    """


class LoopExit(SystemExit):
    """The same on its way out: exit status 1, and the supervisor does not try again."""

    retryable = False

    def __init__(self, message: str) -> None:
        super().__init__(1)
        self.message = message

    def __str__(self) -> str:
        """What the operator reads; the status stays in ``code``."""
        return self.message


class Loop:
    """One run of the loop. The methods given to ``agent.step`` run once; all else is replayed."""

    def __init__(self, agent: Agent, given: settings.Settings) -> None:
        self._agent = agent
        self._given = given
        self._folder = Path(agent.run_dir) / "iterations"
        self._folder.mkdir(exist_ok=True)
        self._account = Account(Path(agent.run_dir) / "calls.jsonl")
        self._task: Facts = {}
        self._work: Facts = {}
        self._verdict: Facts = {}
        self._hints: dict[str, str] = {}
        self._skipped: list[str] = []
        self._vanished: dict[str, str] = {}
        self._is_shown = False
        self._is_new = False
        """An iteration was finished by this attempt, and not by one before."""

    def run(self) -> None:
        """Iterate to the end; LoopEnded when a person has to do something."""
        counted = strikes.Strikes()
        number = 0
        while True:
            number += 1
            self._task = self._agent.step(self.pick, number, self._skipped)
            if not self._task["key"]:
                return self._finish(number)
            self._iterate(number)
            key = self._task["key"]
            why = counted.count(key, self._work, self._verdict)
            if why is not None:
                decision = self._agent.step(self.decide, number, key, why)
                counted.forget()
                if decision["option"] == SKIP:
                    self._skipped = [*self._skipped, key]
                else:
                    self._hints[key] = decision["hint"]

    def _iterate(self, number: int) -> None:
        task, agent = self._task, self._agent
        agent.stage(words.line(task["title"], 80), task["index"], task["total"])
        agent.progress(task["done"], task["total"], "tasks", f"iteration {number}: agent")
        self._work = agent.step(self.work, number, task["key"])
        agent.progress(step=f"iteration {number}: verification")
        self._verdict = agent.step(self.verify, number, task["key"])
        settled = agent.step(self.settle, number, task["key"])
        self._vanished |= settled["vanished"]
        agent.progress(task["done"] + self._verdict["is_passed"], task["total"])
        if self._is_new:  # never while replaying: retries are counted from the newest checkpoint
            agent.checkpoint({"iteration": number})

    # The steps.

    def pick(self, _number: int, skipped: list[str]) -> Facts:
        """The next open task, and how every task is marked before an agent can touch the list."""
        found = self._read()
        still_open = [task for task in found if not task.is_done]
        to_do = [task for task in still_open if task.key not in skipped]
        chosen = min(to_do, key=lambda task: task.priority, default=None)
        facts: Facts = {
            "key": None,
            "done": sum(task.is_done for task in found),
            "total": len(found),
            "open": {
                task.key: [task.title[:200], task.open_mark] for task in found if not task.is_done
            },
        }
        if chosen is None:
            if facts["open"]:
                raise LoopEnded(only_skipped_left(found))
            return facts
        commands = commands_for(chosen, self._given)
        if not commands:
            raise LoopEnded(without_verification(chosen))
        return facts | {
            "key": chosen.key,
            "title": chosen.title,
            "description": chosen.description,
            "commands": commands,
            "index": found.index(chosen) + 1,
            "tree": self._fingerprint(),
        }

    def work(self, number: int, key: str) -> Facts:
        """One call of the agent."""
        cap = self._account.reached(self._given)
        if cap is not None:
            raise LoopEnded(f"{cap}; {self._task['title']!r} is still open. Raise the cap")
        tries = self._account.begin("call", number)
        self._is_shown = False
        name = f"{number:04}-{tries + 1}"
        out, err = self._folder / f"{name}.out", self._folder / f"{name}.err"
        argv, stdin = self._command(name, self._hints.get(key, ""), tries)
        limits = [self._given.call_timeout_s, self._time_left()]
        limit_s = min((limit for limit in limits if limit is not None), default=None)
        call = calls.Call(argv, self._given.folder, out, err, stdin, limit_s)
        ended = calls.run(call, self._still_alive)
        for log in (out, err):
            files.keep_end(log, KEPT_BYTES)
        read = usage.read_output(files.read_end(out, KEPT_BYTES))
        self._account.end("call", number, ended.elapsed_s, read["cost_usd"])
        self._agent.usage(**read["tokens"], cost_usd=read["cost_usd"] or 0.0, model=read["model"])
        if read["cost_usd"] is None and self._given.max_cost_usd is not None:
            self._agent.anomaly("cost-unknown", "the agent does not tell its cost: no cost cap")
        complaint = words.last(files.read_end(err, 8192), words.SAID_LIMIT)
        is_failed = bool(ended.code or ended.cut or read["is_error"])
        said = words.last(read["said"] or complaint, words.SAID_LIMIT)
        how = f"exit {ended.code}" + (f", {ended.cut}" if ended.cut else "")
        return {
            "how": how,
            "elapsed_s": ended.elapsed_s,
            "cost_usd": read["cost_usd"],
            "tries": tries,
            "said": said,
            "error": strikes.error_hash(f"{how}\n{complaint or said}") if is_failed else None,
            "is_changed": self._fingerprint() != self._task["tree"],
        }

    def verify(self, number: int, _key: str) -> Facts:
        """Whether all verification commands pass; nothing an agent says takes part."""
        return self._verify(self._task["commands"], number)

    def settle(self, number: int, key: str) -> Facts:
        """Mark the task as verified, take back what was ticked without that, write it down."""
        is_passed = self._verdict["is_passed"]
        before: dict[str, list[str]] = self._task["open"]
        now = {task.key: task for task in self._read()}
        for other, task in now.items():
            if task.is_done and other in before and other != key:
                self._check_claim(task, before[other][1], number)
        if key in now:
            tasks.set_mark(self._given.tasks, key, done=is_passed, as_before=before[key][1])
        vanished = {other: title for other, (title, _mark) in before.items() if other not in now}
        for title in vanished.values():
            self._agent.anomaly(
                "task-vanished", f"{words.line(title)}: gone from the list after a call"
            )
        if not is_passed:
            said = f"{words.line(self._task['title'])}: {words.line(self._verdict['how'], 400)}"
            self._agent.anomaly("verification-failed", said)
        self._write_down(number)
        self._is_new = True
        return {"vanished": {} if is_passed and key in vanished else vanished}

    def decide(self, number: int, _key: str, why: str) -> Facts:
        """The operator's decision after two strikes."""
        refused = Path(self._agent.run_dir) / "stops"
        if refused.exists() and str(number) in refused.read_text().split():
            return {"option": RETRY, "hint": ""}  # who starts a stopped loop again says just that
        title = words.line(self._task["title"], 200)
        action = {
            "task": title,
            "why": why,
            "iteration": number,
            "verification": self._verdict["how"],
            "output": self._verdict["output"],
        }
        ended = f"{title}: {why}"
        try:
            option = self._agent.choose(
                f"{ended}. What now?", [RETRY, SKIP, STOP], action, default=STOP
            )
            hint = self._agent.ask(f"A hint for: {title} (#{number})") if option == RETRY else ""
        except RequestRefusedError as error:
            option, hint, ended = STOP, "", f"{ended}; {error}"
        if option == STOP:
            with refused.open("a") as file:
                file.write(f"{number}\n")
            raise LoopEnded(f"{ended}. Its verification: {self._verdict['how']}")
        return {"option": option, "hint": hint}

    # What the steps are made of.

    def _read(self) -> list[tasks.Task]:
        try:
            return tasks.read_tasks(self._given.tasks)
        except tasks.ListError as error:
            raise LoopEnded(f"{error}. Mend the list, then restart") from error

    def _fingerprint(self) -> str:
        given = self._given
        own = (given.tasks, tasks.temporary_of(given.tasks), given.notes, given.progress)
        return tree.fingerprint(given.folder, given.watch, own)

    def _still_alive(self) -> None:
        self._account.still_alive()
        if not self._is_shown:  # what came in one breath with a replay, before an hour of silence
            self._is_shown = True
            self._agent.progress()

    def _time_left(self) -> float | None:
        limit_s = self._given.max_time_s
        return None if limit_s is None else max(0.1, limit_s - self._account.elapsed_s)

    def _command(self, name: str, hint: str, tries: int) -> tuple[list[str], Path | None]:
        """The agent's command with the prompt in it, or on its standard input."""
        given = self._given
        told = {name: getattr(given, name) for name in ("folder", "tasks", "notes", "progress")}
        text = words.prompt(self._task, told, hint, tries)
        path = self._folder / f"{name}.prompt.md"
        path.write_text(text, "utf-8")
        argv = [
            part.replace("{prompt_file}", str(path)).replace("{prompt}", text)
            for part in given.command
        ]
        return argv, path if argv == given.command else None

    def _verify(self, commands: list[list[str]], number: int) -> Facts:
        self._account.begin("verify", number)
        log = self._folder / f"{number:04}.verify.log"
        elapsed_s, verdict = 0.0, None
        for argv in commands:
            start = calls.size_of(log)
            call = calls.Call(
                argv, self._given.folder, log, log, limit_s=self._given.verify_timeout_s
            )
            ended = calls.run(call, self._account.still_alive)
            elapsed_s += ended.elapsed_s
            if ended.code or ended.cut:
                said = files.read_end(log, min(calls.size_of(log) - start, 65536))
                verdict = failed(argv, ended, said)
                break
        self._account.end("verify", number, elapsed_s, 0.0)
        passed = {"is_passed": True, "how": "passed", "output": "", "error": None}
        return verdict or passed

    def _check_claim(self, task: tasks.Task, mark: str, number: int) -> None:
        """A task that was ticked while an agent ran: it stays so if its verification passes."""
        commands = commands_for(task, self._given)
        if commands and self._verify(commands, number)["is_passed"]:
            return
        tasks.set_mark(self._given.tasks, task.key, done=False, as_before=mark)
        self._agent.anomaly(
            "ticked-unverified", f"{words.line(task.title)}: ticked during a call, unticked again"
        )

    def _write_down(self, number: int) -> None:
        path = self._given.progress
        mark = f"<!-- ralph {self._agent.run_id} {number} -->"
        if mark in files.read_end(path, 256 * 1024):
            return  # written before a kill, in this very step
        entry = words.entry(number, self._task, self._work, self._verdict)
        try:
            files.append(path, f"\n{entry}{mark}\n")
        except OSError as error:
            raise LoopEnded(f"{path}: {error.strerror}. Mend that, then restart") from error

    def _finish(self, number: int) -> None:
        """Every task in the list is done; LoopEnded when the list lost some on the way."""
        task = self._task
        if self._vanished:
            gone = sorted(words.line(title) for title in self._vanished.values())
            answer = self._agent.approve(
                f"{len(gone)} open tasks left the list while the agent worked. Is that right?",
                {"tasks": gone, "iteration": number},
                default=False,
            )
            if not answer:
                raise LoopEnded(f"gone from the list, never done: {', '.join(gone)}")
        self._agent.progress(task["done"], task["total"], "tasks", "all done")
        self._agent.log(f"{task['done']} of {task['total']} tasks are done")


def failed(argv: list[str], ended: calls.Ended, output: str) -> Facts:
    """The verdict of a verification that did not pass."""
    name = words.line(" ".join(argv), 200)
    how = f"failed: {name}: {ended.cut or f'exit {ended.code}'}"
    shown = words.last(output, words.OUTPUT_LIMIT)
    error = strikes.error_hash(f"{how}\n{shown}")
    return {"is_passed": False, "how": how, "output": shown, "error": error}


def commands_for(task: tasks.Task, given: settings.Settings) -> list[list[str]]:
    """Everything that must pass before ``task`` is done."""
    return [*given.verify, *(list(argv) for argv in task.verify)]


def without_verification(task: tasks.Task) -> str:
    """The problem of a task that nothing could ever show to be done."""
    return (
        f"task {task.title!r} has no verification, so it could never be done: give it a "
        '"verify: COMMAND" line, or set verify in the settings'
    )


def only_skipped_left(found: list[tasks.Task]) -> str:
    """What is left when the operator skipped the rest: not done, so the run has not succeeded."""
    done = sum(task.is_done for task in found)
    names = ", ".join(words.line(task.title) for task in found if not task.is_done)
    return (
        f"{done} of {len(found)} tasks are done; skipped by the operator: {names[:2000]}. "
        "A fresh run takes them up again"
    )


def checked(argv: list[str]) -> settings.Settings:
    """The settings with a list that can be worked on; SettingsError with every problem."""
    given = settings.from_arguments(argv)
    try:
        found = tasks.read_tasks(given.tasks)
    except tasks.ListError as error:
        raise settings.SettingsError([str(error)]) from error
    problems = [
        without_verification(task)
        for task in found
        if not task.is_done and not commands_for(task, given)
    ]
    if not found:
        problems = [f'{given.tasks}: no task in it; expected lines "- [ ] task", or a JSON list']
    if problems:
        raise settings.SettingsError(problems)
    return given


def main(argv: list[str]) -> int:
    """Run the loop, or go on with it; the exit status."""
    try:
        given = checked(argv)
    except settings.SettingsError as error:
        print(*(f"ralph: {problem}" for problem in error.problems), sep="\n", file=sys.stderr)
        return EX_CONFIG
    with Agent() as agent:
        if given.max_cost_usd is not None and not set(TELLING_COST) & set(given.command):
            agent.anomaly(
                "cost-unknown",
                "max_cost_usd is set, but the command does not look like one that tells its cost "
                "(claude needs --output-format json); the cap holds only for costs it tells",
            )
        try:
            Loop(agent, given).run()
        except LoopEnded as ended:
            print(f"ralph: {ended}", file=sys.stderr)
            raise LoopExit(str(ended)) from ended
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
