"""Questions to the operator: one file each, answered by a file that names what was asked.

An answer counts only when it carries the hash of the request as this program wrote it. The
place of a question in the program is part of its id, so an answered one is not asked again.
"""

from __future__ import annotations

import json
import time

from supervisor.agent.answer import Answer
from supervisor.agent.canonical import canonical, now_text, sha256
from supervisor.agent.crew import ALONE, does_everybody_wait
from supervisor.agent.faults import NobodyToAskError, ParkedExit
from supervisor.agent.fence import Fence
from supervisor.agent.positions import Positions, current_task
from supervisor.agent.progress import ProgressFile
from supervisor.agent.question import default_answer, has_default, question_sha256
from supervisor.agent.run_files import ANSWERS, REQUESTS, RunFiles
from supervisor.agent.shutdown import Shutdown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.agent.question import Question

FIRST_POLL_S = 0.01
LONGEST_POLL_S = 0.25
"""An answer is seen within this time by a process that waits in place."""


class Requests:
    """Asks, waits or parks, and takes the answer, for one attempt."""

    def __init__(
        self,
        files: RunFiles,
        fence: Fence,
        progress: ProgressFile,
        positions: Positions,
        shutdown: Shutdown,
        *,
        is_supervised: bool,
        before: Callable[[], None],
    ) -> None:
        self._before = before
        self._files = files
        self._fence = fence
        self._progress = progress
        self._positions = positions
        self._shutdown = shutdown
        self._is_supervised = is_supervised
        self._refused: set[str] = set()

    def ask(self, question: Question, *, park: bool) -> Answer:
        """The answer to ``question`` (of ``new_question``), asked at most once in a run.

        With ``park`` and a supervisor the process leaves (ParkedExit) until there is one;
        otherwise it waits here. Alone it asks the terminal, or applies the stated default.
        """
        digest = question_sha256(question)
        request_id = self._place(question["kind"], digest, question["title"])
        answer = self._answer(request_id, digest)
        if answer is not None:
            return answer
        asked = self._write(request_id, question)
        self._show("waiting")
        answer = self._answer(request_id, digest)
        if answer is None and not self._is_supervised:
            self._answer_locally(request_id, asked, digest)
        if answer is None:
            answer = self._wait(request_id, digest, can_park=park and self._is_supervised)
        self._show("running")
        return answer

    def _place(self, kind: str, digest: str, title: str) -> str:
        prefix = f"{kind}-{digest[:12]}"
        self._positions.refuse_repeat(f"?{kind}", digest, f"the question {title!r}")
        branch = self._positions.here()
        place = str(branch.count(f"?{prefix}", f"the question {title!r}"))
        if branch.scope:  # the same question about another item is another question
            place += f".{sha256(branch.scope.encode(errors='replace'))[:8]}"
        return f"{prefix}-{place}"

    def _write(self, request_id: str, question: Question) -> Question:
        """Put the request on disk; a former attempt's file stays, its expiry included."""
        name = f"{REQUESTS}/{request_id}.json"
        known = self._files.read_object(name)
        if known is not None and question_sha256(known) == question_sha256(question):
            # Whose question it is now shows by its time: this process waits, not the dead one.
            self._fence.check()
            self._files.touch(name)
            return known
        self._before()
        self._fence.check()
        with self._shutdown:
            data = canonical(question, f"the question {question['title']!r}")
            self._files.write(name, data, durable=True)
        return question

    def _show(self, status: str) -> None:
        self._progress.status = status
        self._progress.flush()

    def _wait(self, request_id: str, digest: str, *, can_park: bool) -> Answer:
        """The answer, once it is there; ParkedExit when nothing else works in this process."""
        member = self._positions.here().member
        # A task must not hold up the loop: it leaves, and the others come to their end first.
        leaves = can_park and (member is None or current_task() is not None)
        pause_s = FIRST_POLL_S
        try:
            while True:
                answer = self._answer(request_id, digest)
                if answer is not None:
                    return answer
                if member is not None:
                    member.is_waiting = member is not ALONE
                if leaves or (can_park and does_everybody_wait(member)):
                    self._positions.park(ParkedExit(request_id))
                self._fence.check()
                time.sleep(pause_s)
                pause_s = min(LONGEST_POLL_S, pause_s * 1.5)
        finally:
            if member is not None:
                member.is_waiting = False

    def _answer(self, request_id: str, digest: str) -> Answer | None:
        fields = self._files.read_object(f"{ANSWERS}/{request_id}.json")
        if fields is None:
            return None
        if fields.get("request_sha256") != digest:
            if request_id in self._refused:
                return None
            self._refused.add(request_id)
            self._progress.add_anomaly(
                "answer-refused",
                f"answers/{request_id}.json was given for another request: it names "
                f"{str(fields.get('request_sha256'))[:12]}, asked was {digest[:12]}",
                "error",
            )
            return None
        return Answer(fields)

    def _answer_locally(self, request_id: str, question: Question, digest: str) -> None:
        """Without a supervisor: from the terminal, else the default, into the answer file."""
        from supervisor.agent import terminal

        if terminal.is_there():
            fields, by = terminal.ask(question), "terminal"
        elif has_default(question):
            fields, by = default_answer(question), "default"
        else:
            name = f"{ANSWERS}/{request_id}.json"
            raise NobodyToAskError(
                f"{question['title']!r} has no stated default, and there is neither a supervisor "
                f"nor a terminal to ask. The question is in "
                f"{self._files.path(f'{REQUESTS}/{request_id}.json')}; put the answer into "
                f'{self._files.path(name)} as {{"request_sha256": "{digest}", '
                '"allow": true} (or "option", "text", "fields") and start again'
            )
        answer = {"id": request_id, "request_sha256": digest, **fields, "by": by}
        answer |= {"answered_at": now_text(), "expired": False}
        data = json.dumps(answer).encode()
        self._files.write(f"{ANSWERS}/{request_id}.json", data, durable=True)
