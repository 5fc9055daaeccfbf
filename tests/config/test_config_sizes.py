"""Sizes in config.toml: what is read and what is refused with which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.config import defaults
from supervisor.config.load import check_config
from supervisor.config.paths import Project
from supervisor.config.sizes import SizeError, parse_size
from supervisor.core.record import from_plain, to_plain
from supervisor.core.spec import AgentSpec
from tests.core.builders import a_spec


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MB", 64_000_000),
        ("2 GB", 2 * 10**9),
        ("512KiB", 524_288),
        ("1.5gib", 1_610_612_736),
        ("100000", 100_000),
        (100_000, 100_000),
        ("none", None),
        (None, None),
    ],
)
def test_a_size_is_read_as_people_write_it(text: object, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MB", "-1MB", "0", 0, -5, "1e9", "1 XB", True, 1.5, [], "9" * 5000, "2**9", "1TB2"]
)
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(SizeError):
        parse_size(text)


def of(folder: Path, lines: str) -> tuple[AgentSpec | None, list[str]]:
    (folder / "config.toml").write_text(f'[agents.a]\ncommand = ["true"]\n{lines}\n')
    config, problems = check_config(Project.find(folder))
    return (config.agents["a"] if config else None), list(map(str, problems))


def test_log_cap_and_max_memory_have_defaults_and_are_read(tmp_path: Path) -> None:
    spec, _ = of(tmp_path, "")
    assert spec is not None
    assert (spec.log_cap_bytes, spec.max_memory_bytes) == (defaults.LOG_CAP_BYTES, None)
    spec, _ = of(tmp_path, 'log_cap = "64MB"\nmax_memory = "2GB"')
    assert spec is not None
    assert (spec.log_cap_bytes, spec.max_memory_bytes) == (64_000_000, 2_000_000_000)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('log_cap = "none"', "cannot be without a limit"),
        ('log_cap = "1kB"', "less than 65536 bytes"),
        ("max_memory = 2", "less than 1048576 bytes"),
        ('max_memory = "2 gigs"', "the units are"),
        ('max_memory = "2000 TB"', "pebibyte"),
    ],
)
def test_a_wrong_size_is_said_with_its_key(tmp_path: Path, line: str, words: str) -> None:
    spec, problems = of(tmp_path, line)
    assert spec is None
    assert words in problems[0] and line.split(maxsplit=1)[0] in problems[0]


def test_a_record_from_before_these_keys_still_loads() -> None:
    plain = to_plain(a_spec())
    assert "log_cap_bytes" not in plain and "max_memory_bytes" not in plain
    assert from_plain(AgentSpec, plain).log_cap_bytes == defaults.LOG_CAP_BYTES
