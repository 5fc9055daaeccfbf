"""Sleeps that restarts neither shorten nor repeat, and values that replays see again."""

from __future__ import annotations

import time
from typing import Any

NAP = "with Agent() as agent:\n    agent.sleep({what})\n    print('awake')\n"


def wake(room: Any) -> Any:
    path = room.run_dir / "wake.json"
    return room.read("wake.json") if path.exists() else None


def test_a_long_sleep_parks_and_says_when_to_wake(room: Any) -> None:
    begin = time.time()
    code, out, err = room.run(NAP.format(what="600, reason='the market is closed'"))
    assert (code, out, err) == (75, "", "")
    note = wake(room)
    assert 599 < note["at"] - begin < 660
    assert (note["reason"], note["epoch"]) == ("the market is closed", 1)
    assert room.read("progress.json")["status"] == "parked"


def test_a_sleep_that_is_not_over_parks_again_for_the_same_moment(room: Any) -> None:
    room.run(NAP.format(what="600"))
    first = wake(room)
    assert room.run(NAP.format(what="900"))[0] == 75  # the first writing wins
    assert wake(room) == {**first, "epoch": 2}


def test_a_sleep_that_is_over_is_not_slept_again(room: Any) -> None:
    code, out, _ = room.run(NAP.format(what="until=time.time() + 2.4"))
    assert code == 75
    room.wait_for(lambda: time.time() > wake(room)["at"])
    begin = time.monotonic()
    assert room.run(NAP.format(what="until=time.time() + 600"))[:2] == (0, "awake\n")
    assert time.monotonic() - begin < 5
    assert wake(room) is None
    assert out == ""


def test_short_sleeps_and_those_without_a_supervisor_wait_in_place(room: Any) -> None:
    assert room.run(NAP.format(what="0.2"))[:2] == (0, "awake\n")
    alone = dict.fromkeys(("LONGWATCH_RUN_DIR", "LONGWATCH_EPOCH", "LONGWATCH_RUN_ID"), "")
    process = room.start(NAP.format(what="2.5"), **alone)
    out, _err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "awake\n")


def test_a_killed_sleep_goes_on_to_its_first_moment(room: Any) -> None:
    body = NAP.format(what="2.5, park=False")
    process = room.start(body)
    room.wait_for(room.journal)
    process.kill()
    process.communicate()
    at = room.journal()[0]["value"]
    assert room.run(body)[:2] == (0, "awake\n")
    assert 0 <= time.time() - at < 2.5


def test_nonsense_is_refused_and_nothing_is_recorded(room: Any) -> None:
    for what, says in [
        ("", "either a duration"),
        ("5, until=7", "either a duration"),
        ("float('inf')", "finite"),
        ("until=__import__('datetime').datetime(2030, 1, 1)", "time zone"),
    ]:
        code, _out, err = room.run(NAP.format(what=what))
        assert code == 1 and "UnfitValueError" in err and says in err, err
    assert room.journal() == []


def test_sleeping_members_wait_in_place_until_nobody_works_then_all_park(room: Any) -> None:
    body = """
def work(n):
    if n == 'busy':
        while not os.path.exists('enough'): time.sleep(0.01)
        return n
    agent.sleep(600 if n == 'long' else 300)
    return n
agent = Agent()
with agent:
    agent.parallel(work, ['long', 'busy', 'short'], workers=3, key=str)
"""
    process = room.start(body)
    room.wait_for(lambda: len(room.journal()) == 2)
    time.sleep(0.3)
    assert process.poll() is None  # one still works
    (room.folder / "enough").touch()
    process.communicate(timeout=30)
    assert process.returncode == 75
    names = [entry["name"] for entry in room.journal()]
    assert names == ["sleep()", "sleep()", "work"]
    assert wake(room)["at"] == min(e["value"] for e in room.journal() if "value" in e)


def test_sleeping_tasks_park_the_whole_program_also_from_inside_the_main_coroutine(
    room: Any,
) -> None:
    body = """
import asyncio
async def work(n):
    await agent.sleep(0.05)
    await agent.sleep(600 + n)
    return n
async def main():
    global agent
    with Agent() as agent:
        await agent.parallel(work, range(3))
asyncio.run(main())
"""
    code, out, err = room.run(body)
    assert (code, out, err) == (75, "", "")
    assert room.read("progress.json")["status"] == "parked"
    assert "errors" not in room.read("progress.json")
    assert wake(room)["at"] == min(e["value"] for e in room.journal() if e["occurrence"] == 1)


def test_a_question_of_one_member_lets_the_others_finish_before_the_park(room: Any) -> None:
    body = """
def work(n):
    if n == 0:
        return bool(agent.approve('Go on?', action={'n': n}))
    time.sleep(0.3)
    return n
agent = Agent()
with agent:
    agent.parallel(work, range(3))
"""
    assert room.run(body)[0] == 75
    assert sorted(entry["scope"][-3:] for entry in room.journal()) == ["[1]", "[2]"]
    assert len(room.requests()) == 1


def test_values_are_the_same_in_every_attempt(room: Any) -> None:
    body = """
with Agent() as agent:
    print([agent.now(), agent.uuid(), agent.random(), agent.now()])
    for n in agent.track(range(2)):
        print(n, agent.uuid())
        if agent.attempt == 1: os._exit(9)
"""
    first, second = room.run(body), room.run(body)
    assert (first[0], second[0], second[2]) == (9, 0, "")
    assert second[1].startswith(first[1])
    assert room.read("progress.json")["completed_steps"] == 0


def test_a_value_is_synced_before_a_step_can_carry_it_away(room: Any) -> None:
    body = """
order, real = [], os.fdatasync
def noted(descriptor):
    order.append('sync')
    real(descriptor)
os.fdatasync = noted
def pay(key): order.append('pay')
with Agent() as agent:
    agent.step(pay, 'no value yet')
    key = agent.uuid()
    agent.now()
    order.append('asked')
    agent.step(pay, str(key))
    print(order)
"""
    code, out, err = room.run(body)
    assert (code, err) == (0, "")
    assert out == "['pay', 'sync', 'asked', 'sync', 'pay', 'sync']\n"


def test_a_program_with_its_own_position_names_its_values(room: Any) -> None:
    body = """
with Agent() as agent:
    start = agent.resumed or 0
    for n in range(start, 3):
        print(n, agent.random({key}))
        if n == 1 and agent.attempt == 1: os._exit(9)
        agent.checkpoint(n + 1)
"""
    code, _out, err = room.run(body.format(key=""))
    assert code == 1 and "needs a key" in err
    room.epoch = 0
    (room.run_dir / "epoch").unlink()
    first = room.run(body.format(key="key=str(n)"))
    second = room.run(body.format(key="key=str(n)"))
    assert (first[0], second[0]) == (9, 0)
    assert first[1].splitlines()[1] == second[1].splitlines()[0]


def test_the_hook_is_called_once_when_there_is_something_to_go_on_from(room: Any) -> None:
    body = """
with Agent() as agent:
    @agent.on_recovered
    def again(recovery):
        print(recovery, recovery.state)
    agent.step(str, 1)
    agent.checkpoint({'at': 1})
    {end}
"""
    assert room.run(body.replace("{end}", "os._exit(9)"))[1] == ""
    out = room.run(body.replace("{end}", "raise OSError('x')"))[1]
    assert out == "Recovery(attempt=2, epoch=2, steps=1, why='crashed') {'at': 1}\n"
    out = room.run(body.replace("{end}", "agent.approve('Go on?')"))[1]
    assert "why='failed'" in out
    assert "why='parked'" in room.run(body.replace("{end}", "pass"))[1]


def test_a_sleep_that_the_operator_cut_short_is_over_and_the_next_one_is_not(room: Any) -> None:
    body = NAP.format(what="600") + "    agent.sleep(500)\n"
    room.run(body)
    first = wake(room)["at"]
    code, out, _err = room.run(body, LONGWATCH_WOKEN=f"1.5,{first!r}")
    assert (code, out) == (75, "awake\n")
    assert wake(room)["at"] < first
