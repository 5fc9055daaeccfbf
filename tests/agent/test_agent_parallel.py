"""Steps side by side, in threads and in tasks: the same places in every attempt."""

from __future__ import annotations

from typing import Any

LEDGER = """
import asyncio, threading
def note(word):
    descriptor = os.open('ledger', os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f'{word}\\n'.encode())
    os.close(descriptor)
"""


def ledger(room: Any) -> list[str]:
    path = room.folder / "ledger"
    return path.read_text().splitlines() if path.exists() else []


def test_parallel_steps_are_not_run_again_whatever_order_they_ended_in(room: Any) -> None:
    body = (
        LEDGER
        + """
def work(n):
    time.sleep((7 - n) % 3 * 0.01 if agent.attempt == 1 else 0)
    note(n)
    if n == 5 and agent.attempt == 1: os._exit(9)
    return agent.step(pow, n, 2)
agent = Agent()
with agent:
    print(agent.parallel(work, range(8), workers=3), agent.parallel(work, [1]))
"""
    )
    assert room.run(body)[0] == 9
    before = {entry["scope"] for entry in room.journal() if entry["name"] == "work"}
    code, out, err = room.run(body)
    assert (code, err) == (0, "")
    assert out == f"{[n * n for n in range(8)]} [1]\n"
    done = ledger(room)
    for scope in before:
        number = scope.partition("[")[2].rstrip("]")
        assert done.count(number) == (2 if number == "1" else 1)


def test_parallel_with_a_key_lets_the_list_change_and_without_one_it_is_an_error(room: Any) -> None:
    body = "with Agent() as agent:\n    print(agent.parallel(str.upper, {items}{key}))\n    {end}\n"
    room.run(body.format(items="['a', 'b', 'c']", key=", key=str", end="os._exit(9)"))
    lines = len(room.journal())
    code, out, _ = room.run(
        body.format(items="['c', 'd', 'a']", key=", key=str", end="os._exit(9)")
    )
    assert (code, out) == (9, "['C', 'D', 'A']\n")
    assert len(room.journal()) == lines + 1
    code, _out, err = room.run(body.format(items="['a', 'a']", key=", key=str", end="pass"))
    assert code == 1 and "two items" in err and "'a'" in err


def test_the_items_of_a_parallel_that_changed_are_a_mismatch(room: Any) -> None:
    body = "with Agent() as agent:\n    agent.parallel(str.upper, {items})\n    os._exit(9)\n"
    room.run(body.format(items="['a', 'b']"))
    code, _out, err = room.run(body.format(items="['a', 'x']"))
    assert code == 1 and "JournalMismatchError" in err and "call 1 in parallel str.upper[1]" in err


def test_tasks_take_their_places_when_they_are_called(room: Any) -> None:
    body = (
        LEDGER
        + """
async def work(n):
    await asyncio.sleep(0.03 - n / 100 if agent.attempt == 1 else n / 100)
    note(n)
    return [n, str(agent.uuid())]
async def main():
    same = await asyncio.gather(*[agent.step(work, 1) for _ in range(3)])
    print(same, await agent.parallel(work, range(3)), await agent.step(work, 0))
    if agent.attempt == 1: os._exit(9)
agent = Agent()
with agent:
    asyncio.run(main())
"""
    )
    first, second = room.run(body), room.run(body)
    assert (first[0], second[0], second[2]) == (9, 0, "")
    assert first[1] == second[1]
    assert len(ledger(room)) == 7


def test_the_agent_may_be_entered_inside_the_main_coroutine(room: Any) -> None:
    body = """
import asyncio
async def main():
    with Agent() as agent:
        async def fetch(n): return n + 1
        print([await agent.step(fetch, 1) for _ in range(3)], agent.now())
        if agent.attempt == 1: os._exit(9)
asyncio.run(main())
"""
    first, second = room.run(body), room.run(body)
    assert (first[0], second[0], second[2]) == (9, 0, "")
    assert first[1] == second[1]


def test_loose_threads_are_told_apart_by_arguments_and_repeats_are_refused(room: Any) -> None:
    body = (
        LEDGER
        + """
def work(n):
    note(n)
    return n
problems = []
def thread(n):
    try:
        agent.step(work, n)
    except Exception as error:
        problems.append(f'{type(error).__name__}: {error}')
agent = Agent()
with agent:
    order = [1, 2, 3] if agent.attempt == 1 else [3, 2, 1]
    for n in order:
        one = threading.Thread(target=thread, args=(n,))
        one.start(); one.join()
    if agent.attempt == 1: os._exit(9)
    one = threading.Thread(target=thread, args=(2,))
    one.start(); one.join()
    print(problems)
"""
    )
    assert room.run(body)[0] == 9
    code, out, err = room.run(body)
    assert (code, err) == (0, "")
    assert sorted(ledger(room)) == ["1", "2", "3"]
    assert "AmbiguousCallError" in out and "agent.branch(key)" in out


def test_branches_make_equal_calls_of_threads_distinct(room: Any) -> None:
    body = (
        LEDGER
        + """
def poll():
    note('polled')
    return agent.random()
found = {}
def thread(name):
    with agent.branch(name):
        found[name] = [agent.step(poll), agent.step(poll)]
agent = Agent()
with agent:
    names = ['a', 'b'] if agent.attempt == 1 else ['b', 'a']
    for name in names:
        one = threading.Thread(target=thread, args=(name,))
        one.start(); one.join()
    print(sorted(found.items()))
    if agent.attempt == 1: os._exit(9)
"""
    )
    first, second = room.run(body), room.run(body)
    assert (first[0], second[0], second[2]) == (9, 0, "")
    assert first[1] == second[1] != ""
    assert len(ledger(room)) == 4


def test_a_failure_beside_others_keeps_their_results_and_runs_again(room: Any) -> None:
    body = (
        LEDGER
        + """
def work(n):
    note(n)
    if n == 1 and not os.path.exists('healed'): raise OSError(28, 'full')
    time.sleep(0.05)
    return n
agent = Agent()
with agent:
    print(agent.parallel(work, range(3), workers=3))
"""
    )
    code, _out, err = room.run(body)
    assert code == 1 and "OSError" in err
    (room.folder / "healed").touch()
    assert room.run(body)[:2] == (0, "[0, 1, 2]\n")
    assert sorted(ledger(room)) == ["0", "1", "1", "2"]


def test_sigterm_ends_a_parallel_at_once_and_in_order(room: Any) -> None:
    body = """
def work(n):
    open('begun', 'w').close()
    time.sleep(20)
with Agent() as agent:
    agent.parallel(work, range(4))
"""
    process = room.start(body)
    room.wait_for((room.folder / "begun").exists)
    begin = __import__("time").monotonic()
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 143 and __import__("time").monotonic() - begin < 10
    assert room.read("progress.json")["status"] == "stopped"


def test_many_threads_share_their_syncs(room: Any) -> None:
    body = """
syncs, real = [0], os.fdatasync
def counted(descriptor):
    syncs[0] += 1
    time.sleep(0.002)  # a slow disk
    real(descriptor)
os.fdatasync = counted
with Agent() as agent:
    agent.parallel(str, range(200), workers=16)
    print(syncs[0], len(open(agent.run_dir + '/journal.jsonl').readlines()))
"""
    code, out, err = room.run(body)
    assert (code, err) == (0, "")
    syncs, lines = map(int, out.split())
    assert lines == 200 and syncs < 100
