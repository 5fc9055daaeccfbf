"""Durable steps and tracked loops: what is done again after an end, and what is not."""

from __future__ import annotations

from typing import Any

STEP = """
def work(*args):
    with open('ledger', 'a') as file:
        file.write(f'{args}\\n')
    return args
"""


def ledger(room: Any) -> list[str]:
    path = room.folder / "ledger"
    return path.read_text().splitlines() if path.exists() else []


def test_a_completed_step_is_not_run_again_and_gives_the_same_result(room: Any) -> None:
    body = (
        STEP
        + "with Agent() as agent:\n"
        + "    print([agent.step(work, 'a', n) for n in range(3)], agent.step(work, 'a', 0))\n"
        + "    if agent.attempt < 2: os._exit(9)\n"
    )
    first, second = room.run(body), room.run(body)
    assert (first[0], second[0]) == (9, 0)
    assert second[1] == "[['a', 0], ['a', 1], ['a', 2]] ['a', 0]\n"
    assert len(ledger(room)) == 4
    assert room.read("progress.json")["completed_steps"] == 4


def test_a_journal_that_no_longer_matches_names_both_steps(room: Any) -> None:
    room.run(STEP + "with Agent() as agent:\n    agent.step(work, 1)\n    os._exit(9)\n")
    code, _out, err = room.run(STEP + "with Agent() as agent:\n    agent.step(work, 2)\n")
    assert code == 1
    assert "program's step work (call 1" in err and "journal's step work (call 1" in err
    assert room.read("progress.json")["errors"][-1]["retryable"] is False
    assert len(ledger(room)) == 1


def test_a_failed_step_that_ended_the_attempt_runs_again_a_handled_one_does_not(room: Any) -> None:
    body = """
def flaky(which):
    with open('ledger', 'a') as file:
        file.write(which + '\\n')
    if not os.path.exists('healed'):
        raise KeyError(which)
with Agent() as agent:
    try:
        agent.step(flaky, 'handled')
    except KeyError as error:
        print('handled', error)
    try:
        agent.step(flaky, 'fatal')
    finally:
        agent.step(str, 'a step on the way out')
    print('through')
"""
    assert room.run(body)[0] == 1
    (room.folder / "healed").touch()
    code, out, _err = room.run(body)
    assert (code, out) == (0, "handled 'handled'\nthrough\n")
    assert ledger(room) == ["handled", "fatal", "fatal"]


def test_a_failed_step_runs_again_also_when_its_error_was_wrapped(room: Any) -> None:
    body = """
def flaky():
    with open('ledger', 'a') as file:
        file.write('tried\\n')
    if not os.path.exists('healed'):
        raise OSError(5, 'no disk')
with Agent() as agent:
    try:
        agent.step(flaky)
    except OSError as error:
        agent.step(str, 'a step that makes the error count')
        raise RuntimeError('cannot go on') from error
"""
    assert room.run(body)[0] == 1
    (room.folder / "healed").touch()
    assert room.run(body)[0] == 0
    assert ledger(room) == ["tried", "tried"]


def test_a_replayed_error_is_of_its_own_class(room: Any) -> None:
    body = """
class OddError(Exception):
    def __init__(self, code, *, needed): super().__init__(code)
def fails(which):
    raise OSError(2, 'gone', 'a/b') if which else OddError(7, needed=True)
with Agent() as agent:
    for which in (0, 1):
        try:
            agent.step(fails, which)
        except (OddError, FileNotFoundError, OSError) as error:
            agent.log(type(error).__name__, error.args)
    agent.step(str, 'on')
    if agent.attempt == 1: os._exit(9)
"""
    first, second = room.run(body)[1], room.run(body)[1]
    assert first == second
    assert "OddError (7,)" in first


def test_an_idempotency_key_is_the_same_in_every_try_of_a_step_only(room: Any) -> None:
    body = """
with Agent() as agent:
    def pay(n):
        with open('ledger', 'a') as file:
            file.write(agent.idempotency_key + '\\n')
        if n == 2 and agent.attempt == 1: os._exit(9)
    agent.step(pay, 1); agent.step(pay, 2)
"""
    room.run(body)
    room.run(body)
    one, two, two_again = ledger(room)
    assert one != two == two_again


def test_a_tracked_loop_goes_on_with_the_item_it_was_at(room: Any) -> None:
    body = (
        STEP
        + """
with Agent() as agent:
    agent.step(work, 'before')
    for item in agent.track(['a', 'b', 'c', 'd'], stage='read', unit='pages'):
        agent.step(work, item)
        agent.step(work, 'the same for every item')
        if item == 'c' and agent.attempt == 1: os._exit(9)
    agent.step(work, 'after')
"""
    )
    assert room.run(body)[0] == 9
    code, _out, err = room.run(body)
    assert (code, err) == (0, "")
    done = ledger(room)
    assert done.count("('the same for every item',)") == 4
    assert len(done) == 10 and len(set(done)) == 7
    step = room.read("progress.json")["step"]
    assert (step["completed"], step["total"], step["unit"]) == (4, 4, "pages")


def test_nested_tracked_loops_each_keep_their_place(room: Any) -> None:
    body = (
        STEP
        + """
with Agent() as agent:
    for book in agent.track(['x', 'y']):
        for page in agent.track([1, 2, 3]):
            work(book, page)
            if (book, page) == ('y', 2) and agent.attempt == 1:
                os._exit(9)
"""
    )
    room.run(body)
    room.run(body)
    expected = ["x1", "x2", "x3", "y1", "y2", "y2", "y3"]
    assert ledger(room) == [f"('{b}', {p})" for b, p in expected]
    assert list(room.read("checkpoint.json")["state"]["tracks"]) == ["items"]


def test_a_stash_is_stored_with_the_item_and_never_apart_from_it(room: Any) -> None:
    body = """
with Agent() as agent:
    total = agent.resumed or 0
    for n in agent.track(range(10)):
        total += n
        agent.stash(total)
        if n == 5 and agent.attempt == 1: os._exit(9)
    print(total)
"""
    room.run(body)
    assert room.run(body)[1] == "45\n"


def test_a_changed_list_is_an_error_without_key_and_fine_with_one(room: Any) -> None:
    loop = "    for n in agent.track({items}{key}):\n        print(n)\n        {then}\n"
    head = "with Agent() as agent:\n"
    end = "os._exit(9) if n == 3 else None"
    room.run(head + loop.format(items="[1, 2, 3]", key="", then=end))
    code, _out, err = room.run(head + loop.format(items="[9, 8, 3]", key="", then="pass"))
    assert code == 1 and "TrackMismatchError" in err
    (room.run_dir / "checkpoint.json").unlink()
    room.run(head + loop.format(items="[1, 2, 3]", key=", key=str", then=end))
    code, out, err = room.run(
        head + loop.format(items="[3, 0, 2, 1]", key=", key=str", then="pass")
    )
    assert (code, out, err) == (0, "3\n0\n", "")


def test_a_loop_of_its_own_with_checkpoints_replays_what_came_after_the_last_one(room: Any) -> None:
    body = (
        STEP
        + """
with Agent() as agent:
    start = (agent.resumed or {'next': 0})['next']
    agent.step(work, 'before the loop')
    for n in range(start, 5):
        agent.step(work, n)
        if n == 3 and agent.attempt == 1: os._exit(9)
        agent.checkpoint({'next': n + 1})
    agent.step(work, 'after')
"""
    )
    assert room.run(body)[0] == 9
    code, _out, err = room.run(body)
    assert (code, err) == (0, "")
    assert len(ledger(room)) == len(set(ledger(room))) == 7


def test_a_repeat_that_a_restart_could_not_tell_apart_is_refused_at_once(room: Any) -> None:
    code, _out, err = room.run(
        STEP
        + "with Agent() as agent:\n"
        + "    start = agent.resumed or 0\n"
        + "    for n in range(start, 3):\n"
        + "        agent.step(work, 'poll')\n"
        + "        agent.checkpoint(n)\n"
    )
    assert code == 1 and "AmbiguousCallError" in err and "agent.track()" in err
    assert len(ledger(room)) == 1


def test_values_that_json_cannot_carry_are_named(room: Any) -> None:
    for call, says in [
        ("agent.step(lambda: object())", "the result of step <lambda>"),
        ("agent.step(print, object())", "the arguments of step print"),
        ("agent.checkpoint({'x': float('nan')})", "the checkpoint"),
    ]:
        code, _out, err = room.run(f"with Agent() as agent:\n    {call}\n")
        assert code == 1 and "UnfitValueError" in err and says in err, err
