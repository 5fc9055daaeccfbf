"""A file is replaced whole or not at all, and what fails leaves nothing behind."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from supervisor.errors import AgentError, EnvironmentFaultError
from supervisor.protocol.atomic import write_atomic, write_atomic_within


@pytest.mark.parametrize("durable", [True, False])
def test_the_new_bytes_are_there_for_us_alone_and_nothing_else_is(
    tmp_path: Path, durable: bool
) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    write_atomic(target, b"new", durable=durable)
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_reader_sees_one_whole_version_whatever_the_writers_do(tmp_path: Path) -> None:
    target = tmp_path / "a"
    versions = [bytes([n]) * 50_000 for n in range(3)]
    write_atomic(target, versions[0])

    def write(data: bytes) -> None:
        for _ in range(60):
            write_atomic(target, data, durable=False)

    writers = [threading.Thread(target=write, args=(data,)) for data in versions]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert target.read_bytes() in versions
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_leftovers_of_a_killed_process_are_stepped_over(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a", b"1")
    for counter in range(1, 60):
        (tmp_path / f"a.tmp-{os.getpid()}-{counter}").touch()
    write_atomic(tmp_path / "a", b"2")
    assert (tmp_path / "a").read_bytes() == b"2"


def test_a_missing_directory_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFaultError, match=r"No such file.*Create the directory"):
        write_atomic(tmp_path / "none" / "a", b"")


def _write_over_limit(directory: str, out: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        write_atomic(Path(directory) / "a", b"x" * 5000)
    except EnvironmentFaultError as error:
        os.write(out, str(error).encode())


def test_a_full_disk_keeps_the_old_file_and_removes_the_new_one(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a", b"old")
    back, out = os.pipe()
    child = multiprocessing.get_context("fork").Process(
        target=_write_over_limit, args=(str(tmp_path), out)
    )
    child.start()
    child.join(20)
    os.close(out)
    said = os.read(back, 1000).decode()
    os.close(back)
    assert "File too large" in said
    assert "ulimit -f" in said
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


FILL = """
import sys
from pathlib import Path
from supervisor.errors import EnvironmentFaultError
from supervisor.protocol.atomic import write_atomic
room = Path(sys.argv[1])
write_atomic(room / "a", b"old")
try:
    write_atomic(room / "a", b"x" * 1_000_000)
except EnvironmentFaultError as error:
    print(error)
print((room / "a").read_bytes(), [entry.name for entry in room.iterdir()])
"""


def test_a_disk_without_space_says_what_to_do(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=64k none "$1" || exit 77; exec "$2" -c "$3" "$1"'
    try:
        ran = subprocess.run(
            ["unshare", "-Urm", "sh", "-c", mount, "-", tmp_path, sys.executable, FILL],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if ran.returncode != 0 and "Traceback" not in ran.stderr:
        pytest.skip("no small file system of our own here")
    assert "No space left on device. Free space on that file system" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "b'old' ['a']", ran.stderr


def test_folders_are_made_inside_an_agents_room(tmp_path: Path) -> None:
    write_atomic_within(tmp_path, "answers/q.json", b"{}")
    assert (tmp_path / "answers" / "q.json").read_bytes() == b"{}"
    assert stat.S_IMODE((tmp_path / "answers").stat().st_mode) == 0o700


def test_a_link_in_an_agents_room_is_not_followed_out(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    room = tmp_path / "run"
    room.mkdir()
    (room / "answers").symlink_to("../outside")
    with pytest.raises(AgentError, match="a link or a file stands"):
        write_atomic_within(room, "answers/q.json", b"{}")
    with pytest.raises(AgentError):
        write_atomic_within(room, "../outside/q.json", b"{}")
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_link_at_the_target_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "a").symlink_to("victim")
    write_atomic_within(tmp_path, "a", b"new")
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "a").is_symlink()
