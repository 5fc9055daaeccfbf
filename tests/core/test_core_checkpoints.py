"""Which checkpoint is taken, and under which generation (I5)."""

from __future__ import annotations

import pytest

from supervisor.core import events as e
from supervisor.core import facts as f
from tests.core.builders import SHA, Story


def test_generations_count_from_one_and_keep_the_newest_three() -> None:
    story = Story().start()
    for number in range(1, 6):
        story.checkpoints(number)
    assert [kept.generation for kept in story.state.checkpoints] == [3, 4, 5]


def test_a_generation_that_was_rolled_back_is_never_given_out_again() -> None:
    story = Story().start()
    for number in (1, 2, 3):
        story.checkpoints(number)
    story.exits(1)
    story.feed(f.RollbackWanted(2, "generation 3 is damaged"))
    assert story.state.checkpoint is not None and story.state.checkpoint.generation == 2
    story.next_attempt()
    story.checkpoints(4)
    assert [kept.generation for kept in story.state.checkpoints] == [1, 2, 4]
    assert story.state.next_generation == 5


def test_the_same_bytes_again_are_no_new_generation() -> None:
    story = Story().start()
    story.checkpoints(1)
    assert story.checkpoints(1).events == ()


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (f.CheckpointSeen(SHA, 1, 9, 5), "epoch 9"),
        (f.CheckpointSeen(SHA, 1, 1, 5), "epoch 1 after one of epoch 2"),
        (f.CheckpointSeen(SHA, 1, 2, 3), "sequence 3 after 3"),
        (f.CheckpointSeen(SHA, 1, 2, 1), "sequence 1 after 3"),
    ],
)
def test_a_checkpoint_out_of_order_is_refused_and_flagged(
    seen: f.CheckpointSeen, says: str
) -> None:
    story = Story().start()
    story.exits(1)
    story.next_attempt()
    story.checkpoints(3)
    before = story.state.checkpoints
    story.feed(seen)
    assert story.state.checkpoints == before
    assert says in story.recorded(e.CheckpointRejected)[-1].problem
    assert story.state.anomalies[-1].kind == "checkpoint-refused"


def test_an_opaque_checkpoint_without_an_envelope_is_taken_for_the_living_attempt() -> None:
    story = Story().start()
    story.feed(f.CheckpointSeen(SHA, 7, None, None))
    kept = story.state.checkpoint
    assert kept is not None and (kept.generation, kept.epoch, kept.sequence) == (1, 1, None)


def test_a_rollback_needs_a_kept_generation_and_no_living_process() -> None:
    story = Story().start()
    story.checkpoints(1)
    story.checkpoints(2)
    living = story.feed(f.RollbackWanted(1, "by hand"))
    assert living.refusal is not None and living.refusal.code == "refused"
    story.exits(1)
    unknown = story.feed(f.RollbackWanted(9, "by hand"))
    assert unknown.refusal is not None and unknown.events == ()


def test_the_next_attempt_resumes_from_the_newest_kept_generation() -> None:
    story = Story().start()
    story.checkpoints(1)
    story.checkpoints(2)
    story.exits(1)
    story.next_attempt()
    newest = story.state.newest_attempt
    assert newest is not None and newest.resumed_from == 2
    assert story.state.recoveries == 1


def test_when_no_generation_is_good_any_more_the_order_begins_anew() -> None:
    story = Story().start()
    for number in (40, 41):
        story.checkpoints(number)
    story.exits(1)
    story.feed(f.RollbackWanted(0, "all copies are damaged"))
    assert story.state.checkpoint is None
    story.next_attempt()
    story.checkpoints(1)
    kept = story.state.checkpoint
    assert kept is not None and (kept.generation, kept.sequence) == (3, 1)
