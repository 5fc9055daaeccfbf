"""Rules of the house that a reader of one file cannot see: purity, walls, import budgets, sizes."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "supervisor"
MAX_LINES = 400
MAX_FUNCTION_LINES = 60

IMPURE = {
    "asyncio", "logging", "multiprocessing", "os", "pathlib", "random", "select", "shutil",
    "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "__import__"}
IMPURE_METHODS = {"now", "utcnow", "today", "monotonic", "perf_counter", "read_text", "write_text"}

ROOMS = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
MAY_SEE = {
    "errors": set(),
    "cancelling": set(),
    "core": {"errors"},
    "agent": set(),
    "keeper": set(),
    "protocol": {"core", "errors"},
    "config": {"core", "errors"},
    "queue": {"config", "core", "errors", "protocol"},
    "store": {"queue", "config", "core", "errors", "protocol"},
    "process": {"config", "core", "errors", "protocol"},
    "watch": {"config", "core", "errors", "protocol"},
    "control": {"config", "core", "errors", "protocol"},
    "tui": {"control", "config", "core", "errors", "cancelling", "protocol"},
    "services": {"process", "config", "protocol", "core", "errors"},
    "fleet": {"control", "store", "queue", "config", "core", "errors", "cancelling"},
    "calls": {"agent", "services", "config", "core", "errors"},
    "engine": {
        "services", "fleet", "store", "queue", "process", "watch", "control", "config", "core",
        "errors", "cancelling", "protocol",
    },
}  # fmt: skip
"""Who may import whom (docs/architecture.md). A room that is not named may see everything."""


def _sources(room: str = "") -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _imported(tree: ast.Module) -> list[tuple[int, str]]:
    """(line, dotted name) of everything a module imports, inside functions too."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "supervisor":
                found += [(node.lineno, f"supervisor.{alias.name}") for alias in node.names]
            else:
                found.append((node.lineno, node.module))
    return found


def _room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


# -- the core is pure -------------------------------------------------------------------------


@pytest.mark.parametrize("path", _sources("core"), ids=lambda path: path.stem)
def test_the_core_imports_nothing_that_touches_the_world(path: Path) -> None:
    found = [
        f"{path.name}:{line} imports {name}"
        for line, name in _imported(_tree(path))
        if name.split(".")[0] in IMPURE
    ]
    assert not found, found


@pytest.mark.parametrize("path", _sources("core"), ids=lambda path: path.stem)
def test_the_core_reads_no_clock_opens_no_file_and_prints_nothing(path: Path) -> None:
    found = []
    for node in ast.walk(_tree(path)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id in IMPURE_CALLS:
            found.append(f"{path.name}:{node.lineno} {called.id}(")
        if isinstance(called, ast.Attribute) and called.attr in IMPURE_METHODS:
            found.append(f"{path.name}:{node.lineno} .{called.attr}(")
    assert not found, found


@pytest.mark.parametrize("path", _sources("core"), ids=lambda path: path.stem)
def test_the_core_waits_for_nothing(path: Path) -> None:
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    found = [node for node in ast.walk(_tree(path)) if isinstance(node, waiting)]
    assert not found, path


# -- the walls --------------------------------------------------------------------------------


@pytest.mark.parametrize("room", sorted(MAY_SEE))
def test_a_room_sees_only_the_rooms_below_it(room: str) -> None:
    sources = [PACKAGE / "errors.py"] if room == "errors" else _sources(room)
    allowed = MAY_SEE[room] | {room, "__version__"}
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources
        for line, name in _imported(_tree(path))
        if name.startswith("supervisor.") and name.split(".")[1] not in allowed
    ]
    assert not found, "\n".join(found)


def test_every_room_has_its_walls_written_down() -> None:
    assert ROOMS - set(MAY_SEE) <= {"cli", "daemon", "queue", "telling", "runners", "calls"}


@pytest.mark.parametrize("room", ["agent", "keeper"])
def test_what_agents_and_the_keeper_import_is_the_standard_library(room: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in _sources(room)
        for line, name in _imported(_tree(path))
        if name.split(".")[0] not in (sys.stdlib_module_names | {"supervisor", "__future__"})
    ]
    assert not found, "\n".join(found)


def test_only_the_tui_and_what_starts_it_import_textual() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in _sources()
        if _room_of(path) != "tui"
        for line, name in _imported(_tree(path))
        if name.split(".")[0] in ("textual", "rich")
    ]
    assert not found, found


# -- what an import costs, seen in a process of its own ---------------------------------------

HEAVY = {"textual", "rich", "pydantic", "watchfiles", "psutil", "sqlite3", "asyncio", "tomli_w"}
LIGHT_ENTRANCES = {
    "supervisor": set(),
    "supervisor.errors": set(),
    "supervisor.cli.main": set(),
    "supervisor.agent": set(),
    "supervisor.keeper": set(),
    "supervisor.core.decide": set(),
    "supervisor.core.mirror": set(),
    "supervisor.control.client": {"asyncio"},
}
"""Entrance → what of the heavy things it may load."""


def _loaded_by(statement: str) -> set[str]:
    """Top-level names of everything that ``statement`` brings into a fresh interpreter."""
    code = (
        "import sys, json\nbefore = set(sys.modules)\n"
        f"{statement}\n"
        "print(json.dumps(sorted({n.split('.')[0] for n in set(sys.modules) - before})))"
    )
    done = subprocess.run(
        [sys.executable, "-E", "-c", code],
        capture_output=True, text=True, timeout=60, check=True, cwd=ROOT,
    )  # fmt: skip
    loaded: list[str] = json.loads(done.stdout.splitlines()[-1])
    return set(loaded)


@pytest.mark.parametrize("entrance", LIGHT_ENTRANCES)
def test_an_entrance_loads_nothing_heavy(entrance: str) -> None:
    loaded = _loaded_by(f"import {entrance}")
    assert not (loaded & HEAVY) - LIGHT_ENTRANCES[entrance]


def test_the_agent_sdk_loads_only_the_standard_library() -> None:
    loaded = _loaded_by("from supervisor.agent import Agent")
    assert loaded - set(sys.stdlib_module_names) <= {"supervisor"}


@pytest.mark.parametrize(
    "statement",
    [
        "import supervisor.engine.engine",
        "import supervisor.cli.main",
        "import supervisor.control.server",
        "import supervisor.store",
        "import supervisor.agent",
    ],
)
def test_only_the_tui_loads_textual(statement: str) -> None:
    assert not _loaded_by(statement) & {"textual", "rich"}


def test_the_help_of_the_command_line_loads_nothing_heavy() -> None:
    asked = "import contextlib, io, supervisor.cli.main as m\n" + (
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    m.main(['--help'])"
    )
    assert not _loaded_by(asked) & (HEAVY - {"asyncio"})


# -- sizes ------------------------------------------------------------------------------------


def test_no_file_outgrew_its_noun() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in _sources()
    }
    offenders = {name: lines for name, lines in lengths.items() if lines > MAX_LINES}
    assert not offenders, f"over {MAX_LINES} lines: {offenders}"


def test_no_function_outgrew_its_name() -> None:
    offenders = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for path in _sources()
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    }
    assert not offenders, f"over {MAX_FUNCTION_LINES} lines: {offenders}"


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in _sources()
        if path.read_text(encoding="utf-8").strip() and ast.get_docstring(_tree(path)) is None
    ]
    assert not silent, silent


def test_nobody_waits_in_a_way_that_swallows_a_cancellation() -> None:
    """``asyncio.wait_for`` does before Python 3.12 (bpo-37658); ``asyncio.timeout`` never."""
    found = [
        f"{path.name}:{node.lineno}"
        for path in _sources()
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Attribute) and node.attr == "wait_for"
        if isinstance(node.value, ast.Name) and node.value.id == "asyncio"
    ]
    assert found == []


def test_nothing_was_left_undone() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "X" + "XX")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _sources()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if any(mark in line for mark in marks)
    ]
    assert not found, found
