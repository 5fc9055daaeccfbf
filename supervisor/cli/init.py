"""``longwatch init [--demo]``: a first config.toml, and agents to try. Overwrites nothing, ever."""

from __future__ import annotations

import argparse
from pathlib import Path

import supervisor
from supervisor.cli import output
from supervisor.cli.exit_codes import ExitStatus
from supervisor.config.paths import CONFIG_NAME
from supervisor.errors import EnvironmentFaultError, UserError

DEMO_PARTS = (CONFIG_NAME, "agents")
_SKIPPED = ("__pycache__",)
_HEADER = """\
# What Longwatch runs here. All keys: longwatch config schema.
# After a change: longwatch config check.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--demo`` and ``--json``."""
    parser.add_argument(
        "--demo", action="store_true", help="copy the bundled agents and their config.toml too"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """0 when written; UserError when anything is in the way, and then nothing is written."""
    directory = (arguments.directory or Path()).expanduser().absolute()
    files = demo_files() if arguments.demo else {CONFIG_NAME: starter_config()}
    _refuse_existing(directory, files)
    written = [_write(directory / name, content) for name, content in files.items()]
    if arguments.json:
        output.json({"directory": str(directory), "written": [str(path) for path in written]})
        return ExitStatus.DONE
    for path in written:
        output.line(f"wrote {path}")
    output.line("Next: longwatch config check, then: longwatch run")
    return ExitStatus.DONE


def starter_config() -> bytes:
    """A small configuration that works as it is."""
    import tomli_w

    tables = {
        "defaults": {"timeout": "2h"},
        "agents": {
            "hello": {
                "description": "Replace this with your own agent",
                "command": ["sh", "-c", "for n in 1 2 3 4 5; do echo step $n; sleep 1; done"],
                "autostart": True,
                "retry": {"max_retries": 5},
            }
        },
    }
    return (_HEADER + "\n" + tomli_w.dumps(tables)).encode()


def demo_files() -> dict[str, bytes]:
    """The bundled agents and, last, their configuration, by path relative to the project."""
    root = demo_root()
    found = {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted((root / "agents").rglob("*"))
        if path.is_file() and not any(part in _SKIPPED for part in path.parts)
    }
    # The configuration comes last: a copy that was cut short does not look like a project.
    found[CONFIG_NAME] = (root / CONFIG_NAME).read_bytes()
    return found


def demo_root() -> Path:
    """Where the bundled project is: package data when installed, else the source checkout."""
    package = Path(supervisor.__file__).parent
    for root in (package / "bundled", package.parent):
        if all((root / part).exists() for part in DEMO_PARTS):
            return root
    raise EnvironmentFaultError(
        "the bundled agents are missing from this installation",
        why=f"they belong in {package / 'bundled'}",
        fix="Install longwatch again.",
    )


def _refuse_existing(directory: Path, files: dict[str, bytes]) -> None:
    existing = [
        name for name in files if (directory / name).is_symlink() or (directory / name).exists()
    ]
    if existing:
        shown = ", ".join(existing[:5]) + (" …" if len(existing) > 5 else "")
        raise UserError(
            f"{directory} already has {shown}",
            why="nothing is ever overwritten, so nothing was written",
            fix="Use another directory: longwatch init -C DIR",
            where="longwatch init",
        )


def _write(path: Path, content: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Exclusive: a file that appeared since the check is not overwritten, a link not followed.
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise EnvironmentFaultError(
            f"cannot write {path}: {error.strerror}", fix="Check the directory's permissions."
        ) from error
    return path
