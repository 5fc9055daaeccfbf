"""Nothing an agent leaves at a path makes the reader block, follow, raise or fill memory."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import (
    PROGRESS_LIMIT_BYTES,
    read_bytes,
    read_object,
    signature,
)

SECRET = b'{"status": "secret"}'


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.json").write_bytes(SECRET)
    room = tmp_path / "run"
    (room / "requests").mkdir(parents=True)
    return room


def refused(run_dir: Path, name: str = "progress.json") -> Problem:
    began = time.monotonic()
    found = read_object(run_dir, name)
    assert time.monotonic() - began < 2.0
    assert isinstance(found, Problem), found
    return found


def test_a_good_file_is_read(run_dir: Path) -> None:
    (run_dir / "progress.json").write_text('{"status": "ok"}')
    (run_dir / "requests" / "q.json").write_text('{"kind": "text"}')
    assert read_object(run_dir, "progress.json") == {"status": "ok"}
    assert read_object(run_dir, "requests/q.json") == {"kind": "text"}


def test_no_file_is_no_error(run_dir: Path) -> None:
    assert refused(run_dir).code == "missing"
    assert refused(run_dir / "nowhere").code == "missing"
    assert refused(run_dir, "no/such.json").code == "missing"


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # The address may be longer than a socket's 107 bytes.
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (os.mkfifo, "a FIFO"),
        (Path.mkdir, "a directory"),
        (_socket, "a socket"),
        (_link("/dev/zero"), "a symbolic link"),
        (_link("/dev/tty"), "a symbolic link"),
        (_link("../outside/a.json"), "a symbolic link"),
        (_link("progress.json"), "a symbolic link"),
    ],
    ids=["fifo", "directory", "socket", "device", "terminal", "out", "itself"],
)
def test_what_is_no_plain_file_is_not_read_and_does_not_block(
    run_dir: Path, make: Callable[[Path], None], says: str
) -> None:
    make(run_dir / "progress.json")
    problem = refused(run_dir)
    assert (problem.code, problem.found) == ("unsafe", says)


def test_no_folder_on_the_way_may_be_a_link(run_dir: Path) -> None:
    (run_dir / "requests").rmdir()
    (run_dir / "requests").symlink_to("../outside")
    assert refused(run_dir, "requests/a.json").found == "a folder that is a symbolic link"


def test_the_run_directory_itself_may_not_be_a_link(run_dir: Path) -> None:
    (run_dir / "requests").rmdir()
    run_dir.rmdir()
    run_dir.symlink_to("outside")
    assert refused(run_dir, "a.json").code == "unsafe"


@pytest.mark.parametrize(
    "name", ["../outside/a.json", "/etc/passwd", "", "a//b", ".", "a\0b", "a/../b", "\ud800"]
)
def test_a_name_that_leads_out_is_never_opened(run_dir: Path, name: str) -> None:
    assert refused(run_dir, name).code == "name"


def test_a_name_too_long_for_any_file_is_a_problem(run_dir: Path) -> None:
    assert refused(run_dir, "x" * 10_000).code == "name"


def test_a_file_of_another_user_is_refused(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run_dir / "progress.json").write_text("{}")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert "a file of user" in refused(run_dir).found


def test_a_folder_swapped_for_a_link_in_a_race_never_shows_what_is_outside(run_dir: Path) -> None:
    real, link = run_dir / "requests", run_dir / "link"
    (real / "a.json").write_text('{"status": "inside"}')
    link.symlink_to("../outside")
    is_over = threading.Event()

    def swap() -> None:
        spare = run_dir / "spare"
        while not is_over.is_set():
            real.rename(spare)
            link.rename(real)
            real.rename(link)
            spare.rename(real)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen: set[str] = set()
    try:
        until = time.monotonic() + 10
        while time.monotonic() < until and len(seen) < 3:
            found = read_object(run_dir, "requests/a.json")
            seen.add(found.code if isinstance(found, Problem) else str(found["status"]))
        for _ in range(2000):
            found = read_object(run_dir, "requests/a.json")
            assert isinstance(found, Problem) or found == {"status": "inside"}
    finally:
        is_over.set()
        swapper.join(5)
    assert "secret" not in seen
    assert seen <= {"inside", "missing", "unsafe"}


def test_a_sparse_gigabyte_is_refused_by_its_size(run_dir: Path) -> None:
    with (run_dir / "progress.json").open("wb") as file:
        file.truncate(1 << 30)
    tracemalloc.start()
    try:
        assert refused(run_dir).code == "too-large"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_file_that_grows_while_it_is_read_is_refused_at_the_limit(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = run_dir / "progress.json"
    path.write_bytes(b"{")
    real_read = os.read

    def read_and_grow(fd: int, size: int) -> bytes:
        with path.open("ab") as file:
            file.write(b" " * 300_000)
        return real_read(fd, size)

    monkeypatch.setattr(os, "read", read_and_grow)
    found = read_bytes(run_dir, "progress.json", limit_bytes=PROGRESS_LIMIT_BYTES)
    assert isinstance(found, Problem)
    assert found.found == f"more than {PROGRESS_LIMIT_BYTES} bytes"


def test_a_file_of_exactly_the_limit_is_read(run_dir: Path) -> None:
    (run_dir / "data").write_bytes(b"x" * 1000)
    assert read_bytes(run_dir, "data", limit_bytes=1000) == b"x" * 1000
    assert isinstance(read_bytes(run_dir, "data", limit_bytes=999), Problem)


@pytest.mark.parametrize("text", ["[]", '"x"', "5", "null", "true"])
def test_only_an_object_is_a_file_of_the_protocol(run_dir: Path, text: str) -> None:
    (run_dir / "progress.json").write_text(text)
    assert refused(run_dir).expected == "a JSON object"


def test_a_cut_file_keeps_no_descriptor_open(run_dir: Path) -> None:
    (run_dir / "requests" / "a.json").write_text(json.dumps({"a": 1})[:-1])
    before = _open_descriptors()
    for name in ("requests/a.json", "requests/none.json", "progress.json", "requests"):
        for _ in range(50):
            refused(run_dir, name)
    assert _open_descriptors() == before


def _open_descriptors() -> int:
    listing = Path("/proc/self/fd")
    return len(list(listing.iterdir())) if listing.is_dir() else 0


def test_a_signature_tells_one_version_from_the_next(run_dir: Path) -> None:
    path = run_dir / "progress.json"
    assert signature(path) is None
    path.write_text("a")
    first = signature(path)
    assert first == signature(path)
    (run_dir / "new").write_text("b")
    (run_dir / "new").replace(path)
    assert signature(path) != first
    assert signature("a\0b") is None
