"""Planted bugs: each one is switched on in a copy of the package, and a named test must catch it.

``python tests/faults/planted.py [NAME…]`` prints a table. A net that catches none is no net. The
product has no switch for any of this: a bug is a replacement of text in the copy, and one whose
text is not found any more is reported as such.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 100.0
FAULTS = "tests/faults/test_fault_recovery.py::"
RESOURCES = "tests/faults/test_resources.py::"
POINTS = "tests/faults/test_kill_points.py::test_what_is_promised_is_synced_first"


@dataclass(frozen=True, slots=True)
class Bug:
    """A mistake that somebody could make."""

    name: str
    file: str
    """Below ``supervisor/``."""
    old: str
    new: str
    catcher: str
    """Node id of the test that has to fail."""
    is_fast: bool = False
    """Caught within about two seconds: tried in ``make test`` too."""


BUGS = (
    Bug(
        "no sync of the directory", "protocol/atomic.py",
        "    if durable:\n        os.fsync(parent)\n", "",
        f"{POINTS}[atomic]", is_fast=True,
    ),
    Bug(
        "journal not synced", "agent/journal_file.py",
        "                os.fdatasync(descriptor)\n", "                pass\n",
        f"{POINTS}[step]",
    ),
    Bug(
        "acknowledgement before the commit", "store/writer.py",
        '            connection.execute("COMMIT")\n',
        "            self._post_results(jobs, results)\n            import time\n\n"
        '            time.sleep(0.002)\n            connection.execute("COMMIT")\n',
        "tests/store/test_store_sqlite.py::test_what_was_acknowledged_is_there_after_kill_9",
    ),
    Bug(
        "spawn before the epoch is stored", "engine/runs.py",
        "        self._journal.append(batch, [state] if state else [], on_durable)\n",
        "        for effect in effects:\n            self._reactions.perform(run_id, effect)\n"
        "        effects = ()\n"
        "        self._journal.append(batch, [state] if state else [], on_durable)\n",
        f"{RESOURCES}test_nothing_is_started_stopped_or_acknowledged_before_it_is_stored",
    ),
    Bug(
        "a process known by its bare pid", "keeper/calls.py",
        "    if start_time(attempt.pid) != attempt.started or is_over(descriptor):\n",
        "    if is_over(descriptor):\n",
        "tests/keeper/test_keeper_engine.py::"
        "test_a_process_that_is_another_one_by_now_is_not_adopted",
    ),
    Bug(
        "no rescan", "engine/rounds.py",
        "    async def _scan(self) -> None:\n",
        "    async def _scan(self) -> None:\n        return\n",
        f"{RESOURCES}"
        "test_a_watch_that_loses_every_event_delays_progress_by_two_seconds_at_most",
    ),
    Bug(
        "answer without its hash", "core/asking.py",
        "    return given == \"\" or", "    return True or given == \"\" or",
        "tests/core/test_core_questions.py::"
        "test_an_answer_that_does_not_fit_is_refused_and_changes_nothing",
        is_fast=True,
    ),
    Bug(
        "backoff not stored", "engine/runs.py",
        "            self._decided[run_id] = self._published[run_id] = folded[run_id]\n",
        "            from dataclasses import replace\n\n            state = folded[run_id]\n"
        "            state = replace(state, next_start=state.next_start and state.status_since)\n"
        "            self._decided[run_id] = self._published[run_id] = state\n",
        f"{FAULTS}test_a_backoff_is_not_shortened_by_a_new_engine",
    ),
    Bug(
        "logs through a pipe", "keeper/spawn.py",
        "            out = _open(order.out, os.O_WRONLY | os.O_APPEND, opened)\n",
        "            out = os.pipe()[1]\n",
        f"{RESOURCES}test_a_flood_of_output_is_written_whether_or_not_anybody_reads",
    ),
    Bug(
        "title shown as it came", "core/text.py",
        "    cleaned = _clean(text, keep_newlines)\n", "    cleaned = text\n",
        "tests/core/test_core_text.py::test_controls_become_visible_and_writing_stays",
    ),
    Bug(
        "exit of an older epoch counts", "core/restart.py",
        "    if fact.epoch != state.epoch or state.status not in ALIVE:\n",
        "    if state.status not in ALIVE:\n",
        "tests/core/test_core_restart_policy.py::test_what_an_older_attempt_does_changes_nothing",
        is_fast=True,
    ),
    Bug(
        "newest file is the newest checkpoint", "core/decide.py",
        "    if newest is None or fact.sequence is None or newest.sequence is None:\n",
        "    if True:\n",
        "tests/core/test_core_checkpoints.py::"
        "test_a_checkpoint_out_of_order_is_refused_and_flagged",
    ),
    Bug(
        "exit decided before the last look", "engine/attempts.py",
        "        await self._look_finally(notice.run)\n", "",
        f"{RESOURCES}test_without_any_hint_a_question_left_behind_still_parks_its_run",
    ),
    Bug(
        "no last look at what is gone without a trace", "engine/attempts.py",
        "        if state.status in ALIVE:\n            # Also",
        "        if exited is not None or found is not None:\n            # Also",
        f"{FAULTS}test_what_an_agent_saved_while_nobody_watched_is_what_it_resumes_from",
    ),
    Bug(
        "no search for a process whose pid was not stored", "engine/attempts.py",
        "        order = AdoptOrder(\n",
        "        if pid is None:\n            return None\n        order = AdoptOrder(\n",
        f"{FAULTS}test_both_killed_right_after_the_spawn_leave_no_process_that_nobody_knows",
    ),
    Bug(
        "a lost reply is a failed start", "engine/perform.py",
        '            if error.code in ("lost", "leaving"):\n',
        '            if error.code == "leaving":\n',
        f"{FAULTS}test_a_keeper_that_dies_while_it_spawns_leaves_no_process_that_nobody_knows",
    ),
    Bug(
        "a late reply is a failed start", "engine/perform.py",
        '                if error.code == "timeout":\n',
        '                if error.code == "never":\n',
        f"{FAULTS}test_a_keeper_that_is_stuck_while_it_spawns_is_asked_again",
    ),
    Bug(
        "a lost keeper is a dead agent", "engine/attempts.py",
        '            if error.code != "gone":\n', '            if error.code == "never":\n',
        f"{FAULTS}"
        "test_a_keeper_that_dies_during_recovery_makes_nobody_think_the_agent_is_dead",
    ),
    Bug(
        "a copy that cannot be read is a damaged one", "engine/checkpoints.py",
        'if isinstance(data, Problem) and data.code == "unreadable":',
        'if isinstance(data, Problem) and data.code == "never":',
        "tests/engine/test_engine_resume.py::"
        "test_a_copy_that_cannot_be_opened_now_costs_no_generation",
        is_fast=True,
    ),
    Bug(
        "an answer that the disk refused is not written again", "engine/perform.py",
        "            loop.call_later(DELIVER_AGAIN_S, self._deliver_again, run_id, effect)\n", "",
        f"{RESOURCES}test_an_answer_that_the_disk_refused_once_still_reaches_its_agent",
    ),
    Bug(
        "answers are not delivered again", "engine/recover.py",
        "        if request.state in (RequestState.ANSWERED, RequestState.EXPIRED):\n",
        "        if request.state in ():\n",
        "tests/core/test_core_recovery.py::test_an_answer_that_was_stored_is_delivered_again",
    ),
    Bug(
        "a fact is decided on with its secrets", "engine/runs.py",
        "        fact = self._reactions.redacted(fact)\n", "",
        "tests/engine/test_engine_secrets.py::"
        "test_nothing_told_of_a_run_or_by_the_engine_is_stored_with_a_secret",
    ),
    Bug(
        "settings stored with their secrets", "engine/specs.py",
        "{name: configured(spec) for", "{name: configured(spec) and spec for",
        "tests/end_to_end/test_secrets.py",
    ),
    Bug(
        "a piece of a log looked at alone", "engine/log_reader.py",
        "piece.data if piece.start + len(piece.data) == end else b\"\"", "b\"\"",
        "tests/engine/test_engine_secrets.py::"
        "test_a_secret_whose_end_is_not_written_yet_is_not_shown",
    ),
    Bug(
        "an answer acknowledged before its words are sealed", "engine/secrets.py",
        "        self._sealed.keep(run_id, part, hidden)\n", "",
        "tests/engine/test_engine_secrets.py::"
        "test_an_answer_is_stored_without_its_secret_and_delivered_with_it",
    ),
)  # fmt: skip


class Nursery:
    """A copy of package and tests, patched for one bug at a time."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="lwp-", dir="/tmp"))
        # Bytecode comes along: it stays valid for every file but the patched one.
        skipped = shutil.ignore_patterns(".hypothesis", "snapshots")
        for name in ("supervisor", "tests"):
            shutil.copytree(ROOT / name, self.root / name, ignore=skipped)
        shutil.copy(ROOT / "pyproject.toml", self.root)

    def try_bug(self, bug: Bug) -> str:
        """``caught``, ``MISSED``, or why it could not be tried."""
        path = self.root / "supervisor" / bug.file
        clean = path.read_text()
        if clean.count(bug.old) != 1:
            return f"NOT PLANTED: its text is there {clean.count(bug.old)} times"
        path.write_text(clean.replace(bug.old, bug.new))
        try:
            return self._run(bug)
        finally:
            path.write_text(clean)

    def _run(self, bug: Bug) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", bug.catcher],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        # 1: a test failed. Everything else (not found, not importable) proves nothing.
        if done.returncode == 1 and " failed" in done.stdout:
            return "caught"
        words = done.stdout.splitlines()[-1:] or done.stderr.splitlines()[-1:]
        return f"MISSED ({words[0] if words else done.returncode})"

    def end(self) -> None:
        """Remove the copy."""
        shutil.rmtree(self.root, ignore_errors=True)


def main() -> int:
    """The table; exit status 1 when one was not caught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="beginnings of names; all without any")
    arguments = parser.parse_args()
    nursery, missed = Nursery(), 0
    try:
        for bug in BUGS:
            if arguments.names and not bug.name.startswith(tuple(arguments.names)):
                continue
            began = time.monotonic()
            outcome = nursery.try_bug(bug)
            missed += outcome != "caught"
            seconds = time.monotonic() - began
            catcher = bug.catcher.rpartition("::")[2]
            print(f"{outcome:8} {seconds:5.1f} s  {bug.name:50} {catcher}", flush=True)
    finally:
        nursery.end()
    print(f"{missed} of {len(BUGS)} planted bugs were missed" if missed else "all were caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
