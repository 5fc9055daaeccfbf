"""The engine's connection to a real keeper."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from supervisor.process.exit_record import ExitNotice, read_exit_record
from supervisor.process.keeper_link import AdoptOrder, KeeperError, KeeperLink

LIMIT_S = 15.0


class Heard:
    """What a link called back, in order."""

    def __init__(self) -> None:
        self.exits: asyncio.Queue[ExitNotice] = asyncio.Queue()
        self.lost: asyncio.Queue[str] = asyncio.Queue()

    async def open(self, fd: int, **options: Any) -> KeeperLink:
        return await KeeperLink.open(
            fd=fd, on_exited=self.exits.put_nowait, on_lost=self.lost.put_nowait, **options
        )

    async def exited(self) -> ExitNotice:
        return await asyncio.wait_for(self.exits.get(), LIMIT_S)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def link(home: Any, heard: Heard) -> AsyncIterator[KeeperLink]:
    home.start()
    link = await heard.open(home.engine_fd())
    yield link
    link.close()


async def test_an_attempt_is_started_listed_and_its_end_told(
    home: Any, heard: Heard, link: KeeperLink
) -> None:
    living = await link.spawn(home.order("r", "until test -e go; do sleep 0.01; done; exit 3"))
    hello = await link.hello()
    assert hello.pid == home.keeper_pid
    assert hello.attempts == (living,)
    (home.directory / "go").touch()
    notice = await heard.exited()
    assert (notice.run, notice.epoch, notice.code, notice.known) == ("r", 1, 3, True)
    assert read_exit_record(home.state_dir / "r-1.json") == notice


async def test_stop_deadline_and_signal_reach_the_attempt(
    home: Any, heard: Heard, link: KeeperLink
) -> None:
    living = await link.spawn(home.order("r", "exec sleep 100"))
    await link.signal("r", 1, signal.SIGSTOP)
    async with asyncio.timeout(LIMIT_S):
        while psutil.Process(living.pid).status() != psutil.STATUS_STOPPED:
            await asyncio.sleep(0.005)
    await link.signal("r", 1, signal.SIGCONT)
    await link.stop("r", 1, signal=15, grace=5.0, reason="asked")
    notice = await heard.exited()
    assert (notice.ended_by, notice.reason, notice.signal) == ("stop", "asked", 15)
    await link.spawn(home.order("late", "exec sleep 100"))
    await link.set_deadline("late", 1, at=time.monotonic(), kind="attempt")
    assert (await heard.exited()).ended_by == "deadline:attempt"


async def test_errors_carry_the_code_of_the_keeper(home: Any, link: KeeperLink) -> None:
    with pytest.raises(KeeperError) as gone:
        await link.stop("nobody", 1, signal=15, grace=1.0, reason="")
    assert gone.value.code == "gone"
    order = replace(home.order("r", ""), argv=("/no/such/program",))
    with pytest.raises(KeeperError) as refused:
        await link.spawn(order)
    assert (refused.value.code, refused.value.errno) == ("spawn", 2)
    assert "/no/such/program" in refused.value.message


async def test_who_waits_for_a_spawn_goes_on_before_its_exit_is_told(
    home: Any, heard: Heard
) -> None:
    home.start()
    story: list[str] = []
    ended = asyncio.Event()

    def on_exited(notice: ExitNotice) -> None:
        story.append(f"exited {notice.run}")
        if len(story) == 60:
            ended.set()

    link = await KeeperLink.open(
        fd=home.engine_fd(), on_exited=on_exited, on_lost=heard.lost.put_nowait
    )

    async def start(run: str) -> None:
        await link.spawn(home.order(run, "exit 0"))
        story.append(f"spawned {run}")

    await asyncio.gather(*(start(f"r{number}") for number in range(30)))
    await asyncio.wait_for(ended.wait(), LIMIT_S)
    for number in range(30):
        assert story.index(f"spawned r{number}") < story.index(f"exited r{number}")
    link.close()


async def test_a_silent_keeper_is_a_timeout(heard: Heard) -> None:
    ours, theirs = socket.socketpair()
    link = await heard.open(ours.detach(), call_timeout_s=0.05)
    with pytest.raises(KeeperError) as error:
        await link.hello()
    assert error.value.code == "timeout"
    link.close()
    theirs.close()


@pytest.mark.parametrize("nonsense", [b"nonsense\n", b"[]\n", b'{"notice": "exited"}\n', b"\xff\n"])
async def test_nonsense_ends_the_connection_and_says_so_once(heard: Heard, nonsense: bytes) -> None:
    ours, theirs = socket.socketpair()
    link = await heard.open(ours.detach())
    call = asyncio.ensure_future(link.hello())
    await asyncio.sleep(0)
    theirs.sendall(nonsense)
    with pytest.raises(KeeperError) as error:
        await asyncio.wait_for(call, LIMIT_S)
    assert error.value.code == "lost"
    assert await asyncio.wait_for(heard.lost.get(), LIMIT_S)
    assert heard.lost.empty()
    with pytest.raises(KeeperError):
        await link.hello()
    theirs.close()


async def test_a_dead_keeper_is_noticed_and_the_next_one_adopts(
    home: Any, heard: Heard, link: KeeperLink
) -> None:
    order = home.order("r", "until test -e go; do sleep 0.01; done")
    living = await link.spawn(order)
    boot = (await link.hello()).boot
    os.kill(home.keeper_pid, signal.SIGKILL)
    os.waitpid(home.keeper_pid, 0)
    assert await asyncio.wait_for(heard.lost.get(), LIMIT_S)
    home.start()
    second = await heard.open(home.engine_fd())
    adoption = AdoptOrder(
        run="r",
        epoch=1,
        pid=living.pid,
        started=living.started,
        boot=boot,
        lock=order.lock,
        record=order.record,
        deadline=None,
        deadline_kind="task",
        stop_signal=15,
        grace=1.0,
    )
    adopted = await second.adopt(adoption)
    assert (adopted.pid, adopted.known) == (living.pid, False)
    (home.directory / "go").touch()
    notice = await heard.exited()
    assert (notice.known, notice.code) == (False, None)
    second.close()


async def test_leaving_lets_the_keeper_end(home: Any, heard: Heard, link: KeeperLink) -> None:
    await link.leave()
    link.close()
    for _ in range(1500):
        pid, status = os.waitpid(home.keeper_pid, os.WNOHANG)
        if pid:
            break
        await asyncio.sleep(0.01)
    assert os.waitstatus_to_exitcode(status) == 0
    assert heard.lost.empty()


async def test_there_is_no_keeper_without_a_descriptor(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LONGWATCH_KEEPER_FD", raising=False)
    with pytest.raises(KeeperError) as error:
        await KeeperLink.open(on_exited=heard.exits.put_nowait, on_lost=heard.lost.put_nowait)
    assert error.value.code == "lost"


def test_a_record_that_cannot_be_trusted_is_as_good_as_none(tmp_path: Path) -> None:
    path = tmp_path / "exit-1.json"
    assert read_exit_record(path) is None
    for content in (b"", b"{", b"[]", b"{}", b"\xff", b"[" * 60_000, b"x" * 100_000):
        path.write_bytes(content)
        assert read_exit_record(path) is None
    path.unlink()
    os.mkfifo(path)
    assert read_exit_record(path) is None
