"""What an exit means for the restart policy."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from supervisor.core import facts as f
from supervisor.core.classify import PERMANENT_STATUSES, TEMPFAIL, decide_exit_kind, exit_cause
from supervisor.core.progress import LastError, Progress
from supervisor.core.run import ExitKind as K
from supervisor.core.run import Status
from supervisor.protocol import exit_status
from tests.core.builders import Story, story_in

CRASHING = [1, 2, 63, 71, 72, 73, 74, 79, 100, 126, 127, 128, 137, 255]
PERMANENT = [64, 65, 66, 67, 68, 69, 70, 76, 77, 78]


def _kind(story: Story, code: int | None = None, **changes: object) -> K:
    exited = f.Exited(story.state.epoch, story.now.wall, code)
    return decide_exit_kind(story.state, replace(exited, **changes))  # type: ignore[arg-type]


def _declaring(retryable: bool | None, status: str = "working") -> Story:
    story = Story().start()
    error = LastError("the service said no", retryable=retryable)
    story.feed(f.ProgressSeen(Progress(status, last_error=error)))
    return story


@pytest.mark.parametrize("code", CRASHING)
def test_a_status_without_a_meaning_is_a_crash(code: int) -> None:
    assert _kind(Story().start(), code) is K.CRASH


@pytest.mark.parametrize("code", PERMANENT)
def test_a_sysexits_status_that_cannot_pass_is_permanent(code: int) -> None:
    assert _kind(Story().start(), code) is K.PERMANENT


def test_every_status_has_exactly_one_meaning() -> None:
    kinds = {code: _kind(Story().start(), code) for code in range(256)}
    assert kinds[0] is K.DONE
    assert kinds[75] is K.TRY_LATER
    assert [code for code, kind in kinds.items() if kind is K.PERMANENT] == PERMANENT
    assert set(kinds.values()) == {K.DONE, K.TRY_LATER, K.PERMANENT, K.CRASH}


def test_core_and_protocol_agree_on_the_numbers() -> None:
    assert PERMANENT_STATUSES == exit_status.PERMANENT
    assert TEMPFAIL == exit_status.TEMPFAIL


@pytest.mark.parametrize("number", sorted(signal.valid_signals()))
def test_every_signal_is_a_crash(number: int) -> None:
    assert _kind(Story().start(), None, signal=int(number)) is K.CRASH


@pytest.mark.parametrize(
    ("retryable", "code", "kind"),
    [
        (False, 1, K.PERMANENT),
        (True, 65, K.CRASH),
        (None, 65, K.PERMANENT),
        (None, 1, K.CRASH),
        (False, 0, K.DONE),
        (False, 75, K.TRY_LATER),
    ],
)
def test_what_the_agent_declares_of_its_error_overrides_the_guess(
    retryable: bool | None, code: int, kind: K
) -> None:
    assert _kind(_declaring(retryable), code) is kind


def test_a_declared_error_does_not_explain_a_signal() -> None:
    assert _kind(_declaring(retryable=False), None, signal=9) is K.CRASH


def test_words_of_an_attempt_before_do_not_explain_this_exit() -> None:
    story = _declaring(retryable=True)
    story.exits(1)
    story.next_attempt()
    assert _kind(story, 65) is K.PERMANENT


def test_the_same_words_written_anew_do_explain_this_exit() -> None:
    error = LastError("the service said no", retryable=True)
    story = Story().start()
    story.feed(f.ProgressSeen(Progress("failed", last_error=error, updated_at=1.0)))
    story.exits(65)
    story.next_attempt()
    story.feed(f.ProgressSeen(Progress("failed", last_error=error, updated_at=1.0)))
    assert _kind(story, 65) is K.PERMANENT, "the old file, seen again"
    story.feed(f.ProgressSeen(Progress("failed", last_error=error, updated_at=2.0)))
    assert _kind(story, 65) is K.CRASH


def test_an_unknown_exit_is_done_only_when_this_attempt_declared_so() -> None:
    assert _kind(Story().start(), is_known=False) is K.UNKNOWN
    assert _kind(_declaring(None, status="done"), is_known=False) is K.DONE
    story = _declaring(None, status="done")
    story.exits(1)
    story.next_attempt()
    assert _kind(story, is_known=False) is K.UNKNOWN


def test_an_unknown_exit_that_was_declared_done_says_so() -> None:
    story = _declaring(None, status="done")
    story.exits(None, is_known=False)
    assert story.state.status == "succeeded"
    assert story.state.reason.endswith("; declared done before its exit was lost")


def test_an_unknown_exit_counts_as_a_crash() -> None:
    story = Story().start()
    story.exits(None, is_known=False)
    assert (story.state.status, story.state.retries_in_row) == ("backoff", 1)
    assert len(story.state.deaths) == 1


@pytest.mark.parametrize(
    ("ended_by", "kind"),
    [("deadline:task", K.TASK_DEADLINE), ("deadline:attempt", K.ATTEMPT_DEADLINE)],
)
@pytest.mark.parametrize("code", [0, 1, 64, 75])
def test_a_deadline_decides_whatever_status_the_agent_left_with(
    ended_by: str, kind: K, code: int
) -> None:
    assert _kind(Story().start(), code, ended_by=ended_by) is kind


@pytest.mark.parametrize("code", [0, 1, 64, 75])
def test_an_attempt_that_we_stop_is_stopped_whatever_status_it_left_with(code: int) -> None:
    story = story_in(Status.STOPPING)
    assert _kind(story, code) is K.STOPPED
    assert _kind(story, code, ended_by="deadline:task") is K.STOPPED


@pytest.mark.parametrize(
    ("exited", "words"),
    [
        (f.Exited(1, 0.0, 3), "exit status 3"),
        (f.Exited(1, 0.0, 64), "exit status 64 (wrong use)"),
        (f.Exited(1, 0.0, 127), "exit status 127 (command not found)"),
        (f.Exited(1, 0.0, None, 9), "killed by SIGKILL"),
        (f.Exited(1, 0.0, None, 4095), "killed by signal 4095"),
        (f.Exited(1, 0.0, None, 15, ended_by="deadline:task"), "ended at the task deadline"),
        (f.Exited(1, 0.0, is_known=False), "gone while nobody was there to read its exit status"),
    ],
)
def test_the_cause_is_one_phrase_for_people(exited: f.Exited, words: str) -> None:
    assert exit_cause(exited) == words


def test_processes_that_outlived_their_leader_are_flagged_with_their_number() -> None:
    story = Story().start()
    story.exits(0, leftovers=3)
    assert story.state.status == "succeeded"
    assert story.state.anomalies[-1].kind == "orphans"
    assert story.state.anomalies[-1].message == "3 processes outlived attempt 1 and were ended"
